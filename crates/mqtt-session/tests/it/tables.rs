//! The tables of transitions on the crate's first page, cell by cell. The page itself is read: what stands in a cell is
//! what must happen, a cell that is new has to be given a meaning here, and none can be left out.

use std::time::Duration;

use mqtt_session::codec::{
    Auth, AuthProperties, Connack, Connect, Disconnect, Packet, QoS, ReasonCode, Version,
};
use mqtt_session::{Command, Duty, Event, Phase, PublishEnd};

use crate::support::*;
use crate::{inbound, outbound};

const PAGE: &str = include_str!("../../src/lib.rs");

/// The rows of the table whose first column has this title, that of the titles included.
fn table(title: &str) -> Vec<Vec<&'static str>> {
    let begins = format!("//! | {title} |");
    let rows = PAGE
        .lines()
        .skip_while(|line| !line.starts_with(&begins))
        .take_while(|line| line.starts_with("//! |"));
    let cells =
        |line: &'static str| line["//! |".len()..].trim_end_matches('|').split('|').map(str::trim).collect();
    let mut rows: Vec<Vec<_>> = rows.map(cells).collect();
    assert!(rows.len() > 2, "there is no table of {title:?}");
    rows.remove(1);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()), "a row of {title:?} lacks a cell");
    rows
}

const PHASES: [Phase; 5] =
    [Phase::Closed, Phase::AwaitConnack, Phase::AwaitAnswer, Phase::Ready, Phase::Closing];

fn phase(name: &str) -> Phase {
    let is_named = |phase: &Phase| name == format!("`{phase:?}`");
    PHASES.into_iter().find(is_named).unwrap_or_else(|| panic!("{name} is no phase"))
}

fn phases(names: &str) -> Vec<Phase> {
    match names.strip_prefix("any but ") {
        Some(name) => PHASES.into_iter().filter(|other| *other != phase(name)).collect(),
        None => names.split(", ").map(phase).collect(),
    }
}

/// A session in that phase whose CONNECT named a method and whose output was never taken, with a keep alive. `None`: a
/// phase that the version does not have.
fn rig_in_phase(phase: Phase, version: Version) -> Option<Rig> {
    let mut rig = Rig::new(version);
    if phase == Phase::Closed {
        return Some(rig);
    }
    let mut connect = Connect { keep_alive: 60, ..connect(version) };
    if version == V5 {
        connect.properties.set_authentication_method(&text("SCRAM"));
    }
    rig.open(connect);
    rig.duty();
    match phase {
        Phase::Closed | Phase::AwaitConnack => {}
        Phase::AwaitAnswer if version == V311 => return None,
        Phase::AwaitAnswer => rig.peer_ok(challenge()),
        Phase::Ready | Phase::Closing => rig.peer_ok(acceptance(version)),
    }
    if phase == Phase::Closing {
        rig.submit(Command::Disconnect(Disconnect::default())).unwrap();
    }
    assert_eq!(rig.session.phase(), phase);
    Some(rig)
}

fn challenge() -> Packet {
    let method = AuthProperties::new().with_authentication_method(&text("SCRAM"));
    Auth::new(ReasonCode::ContinueAuthentication, method).into()
}

fn acceptance(version: Version) -> Connack {
    let mut connack = connack();
    if version == V5 {
        connack.properties.set_authentication_method(&text("SCRAM"));
    }
    connack
}

/// Makes it happen. False if it can't in this version, or to a session in this phase.
fn happen(what: &str, rig: &mut Rig, version: Version) -> bool {
    let is_v5 = version == V5;
    // A refused command and an error are what happens then; the phase says what came of it.
    match what {
        "`handle_opened`" => rig.open(connect(version)),
        "AUTH 0x18 (5.0), if CONNECT named a method" if is_v5 => _ = rig.peer(challenge()),
        "[`Command::AnswerChallenge`]" => _ = rig.submit(Command::AnswerChallenge(AuthProperties::new())),
        "CONNACK, Success" => _ = rig.peer(acceptance(version)),
        "CONNACK, 0x80 or above" => _ = rig.peer(Connack::new(false, ReasonCode::ServerUnavailable)),
        "any other packet" => _ = rig.peer(Packet::Pingresp),
        "[`Command::Disconnect`], if CONNECT named a method" if is_v5 => _ = rig.submit(farewell()),
        "[`Command::Disconnect`]" if is_v5 || rig.session.phase() == Phase::Ready => {
            _ = rig.submit(farewell());
        }
        "DISCONNECT (5.0)" if is_v5 => _ = rig.peer(disconnect(ReasonCode::ServerBusy)),
        "a packet that breaks a rule" => _ = rig.peer_bytes(&[0, 0]),
        "no PINGRESP in time" => {
            for seconds in [60, 10, 10] {
                rig.sent();
                rig.pass(Duration::from_secs(seconds));
            }
        }
        "the transport takes nothing in time, or the peer does not read" => rig.pass(Duration::from_secs(30)),
        "the output is written, or 5 s have passed" => {
            rig.sent();
            if rig.session.phase() == Phase::Closing {
                assert_eq!(rig.duty(), Duty::Close);
            }
        }
        "`handle_closed`" => rig.session.handle_closed(rig.now),
        "AUTH 0x18 (5.0), if CONNECT named a method"
        | "[`Command::Disconnect`], if CONNECT named a method"
        | "[`Command::Disconnect`]"
        | "DISCONNECT (5.0)" => return false,
        new => panic!("the page tells of something new: {new}"),
    }
    true
}

fn farewell() -> Command {
    Command::Disconnect(Disconnect::default())
}

#[test]
fn each_transition_of_a_phase() {
    for row in &table("from")[1..] {
        let [from, what, to, _] = row[..] else { panic!("four columns: {row:?}") };
        for from in phases(from) {
            let happened = [V311, V5].into_iter().filter(|version| {
                let Some(mut rig) = rig_in_phase(from, *version) else { return false };
                let happened = happen(what, &mut rig, *version);
                assert!(!happened || rig.session.phase() == phase(to), "{version} {from:?}: {what}");
                happened
            });
            assert!(happened.count() > 0, "{from:?}: {what}: in no version");
        }
    }
}

/// What the table has no row for.
#[test]
fn whatever_else_happens_changes_no_phase() {
    let rows = &table("from")[1..];
    for what in rows.iter().map(|row| row[1]) {
        for from in PHASES {
            let is_in_a_row = |row: &Vec<&str>| row[1] == what && phases(row[0]).contains(&from);
            if rows.iter().any(is_in_a_row) {
                continue;
            }
            let packets_count = matches!(from, Phase::AwaitConnack | Phase::AwaitAnswer | Phase::Ready);
            let expected = match what {
                "`handle_opened`" => Phase::AwaitConnack,
                // A row of its own, by another name.
                "[`Command::Disconnect`]" if packets_count => Phase::Closing,
                "[`Command::Disconnect`], if CONNECT named a method" if packets_count => Phase::Closing,
                // They are "any other packet", or one that breaks a rule.
                _ if packets_count && what.contains("AUTH 0x18") => Phase::Closing,
                _ if packets_count && what.starts_with("CONNACK") => Phase::Closing,
                "DISCONNECT (5.0)" | "a packet that breaks a rule" if packets_count => Phase::Closing,
                _ => from,
            };
            for version in [V311, V5] {
                let Some(mut rig) = rig_in_phase(from, version) else { continue };
                if happen(what, &mut rig, version) {
                    assert_eq!(rig.session.phase(), expected, "{version} {from:?}: {what}");
                }
            }
        }
    }
}

// [3.1.1 MQTT-4.3.3-1] [5.0 MQTT-4.3.3-4] [5.0 MQTT-4.4.0-2] [3.1.1 MQTT-4.4.0-1] [5.0 MQTT-4.4.0-1]
#[test]
fn each_cell_of_outgoing_flows() {
    use outbound::State;
    let rows = table("a publish is");
    let (titles, rows) = rows.split_first().unwrap();
    let mut cells = 0;
    for row in rows {
        let states: &[State] = match row[0] {
            "unknown" => &[State::None],
            "unsent" => &[State::Qos1Unsent, State::Qos2Unsent],
            "QoS 1, sent" => &[State::Qos1Sent],
            "QoS 2, sent" => &[State::Qos2Sent],
            "QoS 2, released" => &[State::Qos2Released],
            new => panic!("the page tells of a new state: {new}"),
        };
        for (title, cell) in titles.iter().zip(row).skip(1) {
            for state in states {
                both(|version| check_outgoing(outbound::rig_in(*state, version), version, title, cell));
                cells += 1;
            }
        }
    }
    assert_eq!(cells, 6 * 5);
}

fn check_outgoing(mut rig: Rig, version: Version, title: &str, cell: &str) {
    let refusal = pubrec(1).with_reason(ReasonCode::QuotaExceeded);
    let before = rig.session.in_flight();
    let ack = match title {
        "PUBACK" => puback(1),
        "PUBREC < 0x80" => pubrec(1),
        "PUBREC ≥ 0x80" if version == V311 => return,
        "PUBREC ≥ 0x80" => refusal.clone(),
        "PUBCOMP" => pubcomp(1),
        "resumed connection" => {
            let (events, sent) = rig.resume();
            assert_eq!(events, []);
            return match (cell, &sent[..]) {
                ("", []) | ("PUBREL", [Packet::Ack(_)]) => assert_eq!(rig.session.in_flight(), before),
                ("PUBLISH; expired: **ends**", [Packet::Publish(publish)]) => assert!(!publish.dup),
                ("PUBLISH with DUP", [Packet::Publish(publish)]) => assert!(publish.dup),
                other => panic!("{version}: {other:?}"),
            };
        }
        new => panic!("the page tells of a new packet: {new}"),
    };
    let error = rig.peer(ack.clone()).err();
    assert_eq!(error.is_some(), cell == "error", "{version} {title}, {cell}: {error:?}");
    let (events, sent) = (rig.events(), rig.sent());
    let forgotten = if version == V5 { ReasonCode::PacketIdentifierNotFound } else { ReasonCode::Success };
    let end = match &events[..] {
        [] => None,
        [Event::Published { tag: 1, result, .. }] => Some(result.clone()),
        other => panic!("{version} {title}: {other:?}"),
    };
    let (expected_end, expected_sent) = match cell {
        "error" => return,
        "ignored" => (None, vec![]),
        "PUBREL (5.0: 0x92)" => (None, vec![pubrel(1).with_reason(forgotten).into()]),
        "PUBREL; *released*" | "PUBREL" => (None, vec![pubrel(1).into()]),
        "**ends**" => (Some(PublishEnd::Acknowledged(ack.into())), vec![]),
        "**ends**, refused" => (Some(PublishEnd::Refused(refusal.into())), vec![]),
        new => panic!("the page tells of a new outcome: {new}"),
    };
    let after = before - usize::from(expected_end.is_some());
    assert_eq!(
        (rig.session.in_flight(), end, sent),
        (after, expected_end, expected_sent),
        "{version} {title}"
    );
    if cell.contains("*released*") {
        rig.peer_ok(pubcomp(1));
        assert_eq!(rig.session.in_flight(), before - 1);
    }
}

// [3.1.1 MQTT-4.3.3-2] [5.0 MQTT-4.3.3-10] [5.0 MQTT-4.3.3-11]
#[test]
fn each_cell_of_inbound_flows() {
    use inbound::State;
    let rows = table("a message is");
    let (titles, rows) = rows.split_first().unwrap();
    let mut cells = 0;
    for row in rows {
        let states: &[(State, QoS)] = match row[0] {
            "unknown" => &[(State::None, AtLeastOnce), (State::None, ExactlyOnce)],
            "open, not answered by the application" => {
                &[(State::Qos1Open, AtLeastOnce), (State::Qos2Open, ExactlyOnce)]
            }
            "answered, waiting for its turn" => {
                &[(State::Qos1Answered, AtLeastOnce), (State::Qos2Answered, ExactlyOnce)]
            }
            "QoS 2, recorded" => &[(State::Qos2Recorded, ExactlyOnce)],
            new => panic!("the page tells of a new state: {new}"),
        };
        for (title, cell) in titles.iter().zip(row).skip(1) {
            for (state, qos) in states {
                both(|version| check_inbound(inbound::rig_in(*state, version), version, *qos, title, cell));
                cells += 1;
            }
        }
    }
    assert_eq!(cells, 7 * 4);
}

fn check_inbound(mut rig: Rig, version: Version, qos: QoS, title: &str, cell: &str) {
    let packet: Packet = match title {
        _ if cell.is_empty() => return,
        "the same PUBLISH" => again(publish(1, qos, 1)).into(),
        "PUBLISH of the other QoS" if qos == AtLeastOnce => publish_packet(1, ExactlyOnce, 1),
        "PUBLISH of the other QoS" => publish_packet(1, AtLeastOnce, 1),
        "its answer's turn" => return check_turn(version, qos, cell),
        "PUBREL" => pubrel(1).into(),
        new => panic!("the page tells of a new packet: {new}"),
    };
    let error = rig.peer(packet).err();
    assert_eq!(error.is_some(), cell == "error", "{version} {title}, {cell}: {error:?}");
    let (events, sent) = (rig.events(), rig.sent());
    let forgotten = if version == V5 { ReasonCode::PacketIdentifierNotFound } else { ReasonCode::Success };
    match (cell, &events[..]) {
        ("error", _) => {}
        ("[`Event::Message`]; *open*", [Event::Message(_)]) | ("silent", []) => assert_eq!(sent, []),
        ("PUBREC again, in turn", []) => assert_eq!(sent, packets([pubrec(1).into()])),
        ("PUBCOMP (5.0: 0x92)", []) => assert_eq!(sent, packets([pubcomp(1).with_reason(forgotten).into()])),
        ("PUBCOMP; **ends**", []) => {
            assert_eq!(sent, packets([pubcomp(1).into()]));
            rig.peer_ok(pubrel(1));
            assert_eq!(rig.sent(), packets([pubcomp(1).with_reason(forgotten).into()]), "it is unknown now");
        }
        other => panic!("{version} {title}: {other:?}"),
    }
}

/// An answered message whose turn comes when an older one is answered.
fn check_turn(version: Version, qos: QoS, cell: &str) {
    assert_eq!(cell, "PUBACK: **ends**; PUBREC: *recorded*, or **ends** if refused");
    for reason in [ReasonCode::Success, ReasonCode::QuotaExceeded] {
        let mut rig = Rig::ready(version);
        rig.peer_ok(publish(9, qos, 9));
        let older = rig.token();
        rig.peer_ok(publish(1, qos, 1));
        let token = rig.token();
        rig.session.acknowledge(token, reason);
        assert_eq!(rig.sent(), [], "not its turn");
        rig.session.acknowledge(older, ReasonCode::Success);
        let reason = if version == V5 { reason } else { ReasonCode::Success };
        let acks = match qos {
            ExactlyOnce => [pubrec(9), pubrec(1).with_reason(reason)],
            AtMostOnce | AtLeastOnce => [puback(9), puback(1).with_reason(reason)],
        };
        assert_eq!(rig.sent(), packets(acks.map(Packet::from)));
        // What has ended is new when it comes again; what is recorded is not.
        rig.peer_ok(again(publish(1, qos, 1)));
        let is_recorded = qos == ExactlyOnce && !reason.is_error();
        assert_eq!(rig.events().is_empty(), is_recorded, "{version} {qos:?} {reason:?}");
    }
}
