//! A session that goes on in another process: as if nothing had happened, but for what the application lost.

use std::time::Duration;

use mqtt_session::codec::{Connack, Packet, PacketId, QoS, ReasonCode, Version};
use mqtt_session::{Config, Event, Inbound, Key, PublishEnd, Record, Stage};
use proptest::prelude::*;

use crate::disk::Durable;
use crate::support::*;

/// The session goes on in another process, and the server has kept it: what was told and sent because of it.
fn restart_and_resume(rig: &mut Rig) -> (Vec<Event>, Vec<Packet>) {
    rig.restart();
    let events = rig.accept(Connack::new(true, ReasonCode::Success));
    (events, rig.sent())
}

#[test]
fn a_session_without_records_is_a_new_one() {
    both(|version| {
        let mut rig = Rig::new(version);
        rig.go_on_from(Vec::new(), Duration::ZERO);
        rig.accept(connack());
        rig.publish(1, AtLeastOnce);
        assert_eq!(rig.sent(), packets([publish_packet(1, AtLeastOnce, 1)]));
    });
}

// [3.1.1 MQTT-4.4.0-1] [5.0 MQTT-4.4.0-1] [3.1.1 MQTT-3.3.1-1] [5.0 MQTT-3.3.1-1]
#[test]
fn publishes_go_on_where_they_were() {
    both(|version| {
        let mut rig = Rig::ready(version);
        for tag in 1..=4 {
            rig.publish(tag, if tag == 2 { AtLeastOnce } else { ExactlyOnce });
        }
        rig.sent();
        rig.peer_ok(pubrec(4));
        rig.peer_ok(pubrec(1));
        rig.sent();
        rig.publish(5, AtLeastOnce);
        let (events, sent) = restart_and_resume(&mut rig);
        assert_eq!(events, []);
        let expected = [
            pubrel(4).into(),
            pubrel(1).into(),
            again(publish(2, AtLeastOnce, 2)).into(),
            again(publish(3, ExactlyOnce, 3)).into(),
            publish_packet(5, AtLeastOnce, 5),
        ];
        assert_eq!(sent, expected, "the fifth was never transmitted");
        rig.peer_ok(pubcomp(4));
        assert_eq!(rig.events(), [acknowledged(publish(4, ExactlyOnce, 4), 4, pubcomp(4))]);
        rig.publish(6, AtLeastOnce);
        assert_eq!(rig.sent(), packets([publish_packet(6, AtLeastOnce, 6)]));
    });
}

#[test]
fn publishes_are_lost_by_name_when_the_server_lost_the_session_meanwhile() {
    both(|version| {
        let mut rig = Rig::ready(version);
        for tag in 1..=3 {
            rig.publish(tag, ExactlyOnce);
            if tag < 3 {
                rig.sent();
            }
        }
        rig.peer_ok(pubrec(1));
        rig.restart();
        let lost = rig.accept(connack()).into_iter().map(|event| match event {
            Event::PublishLost { tag, stage, .. } => (tag, stage),
            other => panic!("{other:?}"),
        });
        assert_eq!(lost.collect::<Vec<_>>(), [(1, Stage::Received), (2, Stage::Sent), (3, Stage::Unsent)]);
    });
}

// [3.1.1 MQTT-4.3.3-2] [5.0 MQTT-4.3.3-10]
#[test]
fn a_message_of_qos_2_is_told_again_until_it_was_acknowledged() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.peer_ok(publish(1, ExactlyOnce, 1));
        let [first] = &rig.messages()[..] else { panic!("one message") };
        let delivery = |inbound: &Inbound| inbound.token.unwrap().delivery_id();
        let before = delivery(first);

        restart_and_resume(&mut rig);
        assert_eq!(rig.session.inbound_unacknowledged(), 0, "it has not been told in this life");
        rig.peer_ok(again(publish(1, ExactlyOnce, 1)));
        rig.peer_ok(again(publish(1, ExactlyOnce, 1)));
        let messages = rig.messages();
        assert_eq!(messages.iter().map(delivery).collect::<Vec<_>>(), [before], "once, and the same");
        assert_eq!(rig.session.inbound_unacknowledged(), 1);
        assert_eq!(rig.sent(), []);
        rig.session.acknowledge(messages[0].token.unwrap(), ReasonCode::Success);
        assert_eq!(rig.sent(), packets([pubrec(1).into()]));

        restart_and_resume(&mut rig);
        rig.peer_ok(again(publish(1, ExactlyOnce, 1)));
        assert_eq!(rig.events(), [], "it was acknowledged");
        assert_eq!(rig.sent(), packets([pubrec(1).into()]));

        restart_and_resume(&mut rig);
        rig.peer_ok(pubrel(1));
        assert_eq!(rig.sent(), packets([pubcomp(1).into()]));
        rig.peer_ok(publish(2, ExactlyOnce, 1));
        let messages = rig.messages();
        assert!(delivery(&messages[0]) > before, "another message has another number");
    });
}

#[test]
fn a_message_of_qos_2_that_was_refused_is_a_new_one_after_a_restart() {
    let mut rig = Rig::ready(V5);
    rig.peer_ok(publish(1, ExactlyOnce, 1));
    rig.peer_ok(publish(2, ExactlyOnce, 2));
    let messages = rig.messages();
    rig.session.acknowledge(messages[1].token.unwrap(), ReasonCode::QuotaExceeded);
    let kept: Vec<_> = rig.session.snapshot().map(|record| record.key()).collect();
    assert_eq!(kept, [Key::Session, Key::Received(id(1))], "the refusal waits for its turn");
}

#[test]
fn a_refusal_is_an_acknowledgement_in_3_1_1_after_a_restart_too() {
    let mut rig = Rig::ready(V311);
    rig.peer_ok(publish(1, ExactlyOnce, 1));
    let token = rig.token();
    rig.session.acknowledge(token, ReasonCode::QuotaExceeded);
    assert_eq!(rig.sent(), packets([pubrec(1).into()]));
    restart_and_resume(&mut rig);
    rig.peer_ok(again(publish(1, ExactlyOnce, 1)));
    assert_eq!(rig.events(), []);
    assert_eq!(rig.sent(), packets([pubrec(1).into()]));
}

#[test]
fn a_message_of_qos_1_is_told_again() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.peer_ok(publish(1, AtLeastOnce, 1));
        let before = rig.token();
        restart_and_resume(&mut rig);
        rig.peer_ok(again(publish(1, AtLeastOnce, 1)));
        assert_ne!(rig.token(), before);
    });
}

#[test]
fn an_identifier_stays_barred() {
    let mut rig = Rig::ready(V5);
    rig.publish(1, ExactlyOnce);
    let mut kept = message(2, ExactlyOnce);
    kept.retain = true;
    rig.submit(mqtt_session::Command::Publish { tag: 2, publish: kept }).unwrap();
    rig.sent();
    rig.cut();
    let mut without_retain = Connack::new(true, ReasonCode::Success);
    without_retain.properties.set_retain_available(false);
    let events = rig.accept(without_retain);
    assert!(matches!(events[..], [Event::Published { tag: 2, result: PublishEnd::Forbidden(_), .. }]));
    rig.restart();
    assert!(rig.session.snapshot().any(|record| record == Record::Barred { packet_id: id(2) }));
    assert_eq!(rig.session.in_flight(), 1);
}

#[test]
fn a_session_of_another_client_is_not_resumed() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.publish(1, AtLeastOnce);
        rig.restart();
        let mut connect = connect(version);
        connect.client_id = text("another");
        rig.open(connect);
        rig.sent();
        rig.peer_ok(Connack::new(true, ReasonCode::Success));
        let events = rig.events();
        assert!(matches!(events[..], [Event::PublishLost { tag: 1, .. }, Event::Connected(_)]), "{events:?}");
    });
}

/// What happens to a session, and what its peer does, within its rights or not.
#[derive(Clone, Debug)]
enum Step {
    Publish(QoS),
    Subscribe,
    Peer(Packet),
    /// PUBREL for a PUBREC that the peer has seen, if any.
    Release(usize),
    /// The application acknowledges one of its messages of QoS 2.
    Acknowledge(usize),
    Cut,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let packet_id = 1..8_u16;
    let qos = prop_oneof![Just(AtMostOnce), Just(AtLeastOnce), Just(ExactlyOnce)];
    let inbound =
        (0..100_u64, qos.clone(), any::<bool>(), packet_id.clone()).prop_map(|(n, qos, dup, packet_id)| {
            let packet_id = if qos == AtMostOnce { 0 } else { packet_id };
            let publish = publish(n, qos, packet_id);
            Step::Peer(if dup && qos != AtMostOnce { again(publish) } else { publish }.into())
        });
    prop_oneof![
        4 => qos.prop_map(Step::Publish),
        1 => Just(Step::Subscribe),
        4 => inbound,
        2 => packet_id.clone().prop_map(|packet_id| Step::Peer(puback(packet_id).into())),
        3 => packet_id.clone().prop_map(|packet_id| Step::Peer(pubrec(packet_id).into())),
        2 => packet_id.clone().prop_map(|packet_id| Step::Peer(pubcomp(packet_id).into())),
        1 => packet_id.prop_map(|packet_id| {
            Step::Peer(pubrec(packet_id).with_reason(ReasonCode::QuotaExceeded).into())
        }),
        3 => (0..4_usize).prop_map(Step::Release),
        4 => (0..4_usize).prop_map(Step::Acknowledge),
        2 => Just(Step::Cut),
        1 => (0..100_000_u64).prop_map(Step::Pass),
    ]
}

/// A session whose steps leave a log. Its store, if it has one, is quick.
struct Life {
    durable: Durable,
    version: Version,
    /// Messages of QoS 2 that the application has not acknowledged; it acknowledges QoS 1 at once.
    held: Vec<Inbound>,
    /// PUBRECs that the peer has seen.
    recorded: Vec<PacketId>,
    tag: u64,
    log: Vec<(Vec<Packet>, Vec<Event>)>,
}

impl Life {
    fn new(version: Version, config: Config) -> Self {
        let mut durable = Durable::with_config(config);
        durable.rig.accept(connack());
        Self { durable, version, held: Vec::new(), recorded: Vec::new(), tag: 0, log: Vec::new() }
    }

    fn play(&mut self, steps: &[Step]) {
        for step in steps {
            self.step(step);
            self.take_notes();
        }
    }

    fn step(&mut self, step: &Step) {
        let rig = &mut self.durable.rig;
        let result = match step {
            Step::Publish(qos) => {
                self.tag += 1;
                rig.publish(self.tag, *qos);
                Ok(())
            }
            Step::Subscribe => {
                rig.submit(subscribe(0, &["t"])).unwrap();
                Ok(())
            }
            Step::Peer(packet) if self.version == V311 && is_refusal(packet) => Ok(()),
            Step::Peer(packet) => {
                // PUBREL has to follow the PUBREC of this message.
                if let Packet::Publish(publish) = packet {
                    self.recorded.retain(|recorded| Some(*recorded) != publish.packet_id);
                }
                rig.peer(packet.clone())
            }
            Step::Release(place) => match self.recorded.get(*place).copied() {
                Some(packet_id) => {
                    self.recorded.remove(*place);
                    rig.peer(pubrel(packet_id.get()))
                }
                None => Ok(()),
            },
            Step::Acknowledge(place) => {
                if *place < self.held.len() {
                    let token = self.held.remove(*place).token.unwrap();
                    // A peer that reuses its identifier makes it void.
                    rig.session.acknowledge(token, ReasonCode::Success);
                }
                Ok(())
            }
            Step::Cut => {
                rig.session.handle_closed(rig.now);
                Ok(())
            }
            Step::Pass(micros) => {
                rig.pass(Duration::from_micros(*micros));
                Ok(())
            }
        };
        if result.is_err() || matches!(step, Step::Cut) {
            self.take_notes();
            self.reconnect();
        }
    }

    fn reconnect(&mut self) {
        let rig = &mut self.durable.rig;
        rig.session.handle_closed(rig.now);
        rig.forget_connection();
        rig.open(connect(self.version));
        rig.peer(Connack::new(true, ReasonCode::Success)).unwrap();
    }

    fn take_notes(&mut self) {
        self.note();
        while !self.durable.store().is_empty() {
            self.note();
        }
    }

    fn note(&mut self) {
        let mut told = Vec::new();
        while let Some(event) = self.durable.rig.session.poll_event() {
            if let Event::Message(inbound @ Inbound { token: Some(token), .. }) = &event {
                if inbound.publish.qos() == ExactlyOnce {
                    self.held.push(inbound.clone());
                } else {
                    self.durable.rig.session.acknowledge(*token, ReasonCode::Success);
                }
            }
            told.push(without_dup(event));
        }
        let sent = self.durable.rig.sent();
        for packet in &sent {
            if let Packet::Ack(ack) = packet
                && *packet == Packet::from(pubrec(ack.packet_id.get()))
                && !self.recorded.contains(&ack.packet_id)
            {
                self.recorded.push(ack.packet_id);
            }
        }
        self.log.push((sent, told));
    }

    /// The application has done its work, and the connection ends.
    fn finish(&mut self) {
        for inbound in std::mem::take(&mut self.held) {
            self.durable.rig.session.acknowledge(inbound.token.unwrap(), ReasonCode::Success);
        }
        // The session's numbers are stored with whatever else is.
        self.step(&Step::Publish(ExactlyOnce));
        self.take_notes();
        self.durable.rig.session.handle_closed(self.durable.rig.now);
        self.take_notes();
    }
}

/// Whether the latest copy of a publish was a repetition is not stored, once it was confirmed.
fn without_dup(mut event: Event) -> Event {
    if let Event::Published { publish, .. } = &mut event {
        publish.dup = false;
    }
    event
}

fn is_refusal(packet: &Packet) -> bool {
    matches!(packet, Packet::Ack(ack) if ack.reason.is_error())
}

/// The same steps happen to two sessions. Between them one of the two goes on in another process; then what they send
/// and tell is the same.
fn check_twins(
    version: Version,
    durable: bool,
    before: &[Step],
    after: &[Step],
    restart: impl Fn(&mut Durable),
) -> Result<(), TestCaseError> {
    let config = Config { version, durable, max_inbound: 20, ..Config::default() };
    let mut lives = [(); 2].map(|()| Life::new(version, config.clone()));
    for life in &mut lives {
        life.play(before);
        life.finish();
        life.log.clear();
    }
    restart(&mut lives[1].durable);
    for life in &mut lives {
        life.reconnect();
        life.take_notes();
        life.play(after);
        life.finish();
    }
    let [survivor, restored] = lives;
    prop_assert_eq!(survivor.log, restored.log);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_snapshot_goes_on_bit_for_bit(
        v5: bool,
        before in prop::collection::vec(step(), 0..80),
        after in prop::collection::vec(step(), 0..80),
    ) {
        let version = if v5 { V5 } else { V311 };
        check_twins(version, false, &before, &after, |durable| durable.rig.restart())?;
    }

    #[test]
    fn what_the_store_was_told_goes_on_bit_for_bit(
        v5: bool,
        before in prop::collection::vec(step(), 0..80),
        after in prop::collection::vec(step(), 0..80),
    ) {
        let version = if v5 { V5 } else { V311 };
        check_twins(version, true, &before, &after, |durable| durable.crash(true))?;
    }
}
