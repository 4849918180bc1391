//! What the driver sees: bytes, completions of QoS 0, back pressure, the write deadline, packet records.

use std::time::Duration;

use mqtt_session::codec::bytes::Bytes;
use mqtt_session::codec::{Packet, PacketKind, Publish, ReasonCode, TopicName};
use mqtt_session::{
    Command, Config, Direction, DisconnectCause, Duty, Event, PacketTrace, PublishEnd, Refusal, Stage, Timer,
    Timestamp,
};

use crate::support::*;

fn sized(n: u64, qos: mqtt_session::codec::QoS, payload: usize) -> Command {
    let publish = Publish { payload: vec![b'x'; payload].into(), ..message(n, qos) };
    Command::Publish { tag: n, publish }
}

fn write(rig: &mut Rig, bytes: usize) {
    rig.output.advance(bytes);
    rig.session.handle_written(rig.now, bytes);
}

#[test]
fn qos_0_completes_when_the_transport_took_its_last_byte() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.publish(1, AtMostOnce);
        rig.publish(2, AtMostOnce);
        assert_eq!(rig.events(), []);
        rig.duty();
        let each = rig.output.len() / 2;
        let written =
            |tag| Event::Published { tag, publish: publish(tag, AtMostOnce, 0), result: PublishEnd::Written };
        write(&mut rig, each - 1);
        assert_eq!(rig.events(), []);
        write(&mut rig, 1);
        assert_eq!(rig.events(), [written(1)]);
        write(&mut rig, each);
        assert_eq!(rig.events(), [written(2)]);
    });
}

#[test]
fn qos_0_that_was_not_written_whole_is_lost_with_the_link() {
    both(|version| {
        let mut rig = Rig::ready(version);
        for tag in 1..=3 {
            rig.submit(sized(tag, AtMostOnce, 30_000)).unwrap();
        }
        rig.submit(sized(4, AtMostOnce, 1)).unwrap_err();
        rig.duty();
        write(&mut rig, 40_000);
        rig.submit(sized(4, AtMostOnce, 70_000)).unwrap();
        rig.session.handle_closed(rig.now);
        let ends: Vec<_> = rig
            .events()
            .into_iter()
            .map(|event| match event {
                Event::Published { tag, result: PublishEnd::Written, .. } => (tag, None),
                Event::PublishLost { tag, stage, .. } => (tag, Some(stage)),
                Event::Disconnected(DisconnectCause::LinkClosed) => (0, None),
                other => panic!("{other:?}"),
            })
            .collect();
        let (sent, unsent) = (Some(Stage::Sent), Some(Stage::Unsent));
        assert_eq!(ends, [(1, None), (2, sent), (3, sent), (4, unsent), (0, None)]);
    });
}

#[test]
fn qos_0_is_refused_above_the_high_water_mark_and_taken_again_below() {
    let mut rig = Rig::ready(V5);
    let mut taken = 0;
    while rig.session.can_send_qos0() {
        rig.submit(sized(taken, AtMostOnce, 1_000)).unwrap();
        taken += 1;
    }
    assert!((60..=66).contains(&taken), "{taken}");
    assert_eq!(rig.submit(sized(0, AtMostOnce, 1)), Err(Refusal::Busy));
    assert_eq!(rig.submit(subscribe(0, &["a"])), Err(Refusal::Busy));
    rig.duty();
    assert!(!rig.session.can_send_qos0());
    write(&mut rig, 2_000);
    assert!(rig.session.can_send_qos0());
}

#[test]
fn publishes_are_encoded_late_and_acknowledgements_pass_them() {
    let mut rig = Rig::ready(V5);
    for tag in 1..=1_000 {
        rig.submit(sized(tag, AtLeastOnce, 1_000)).unwrap();
    }
    rig.duty();
    assert!((128 * 1024..130 * 1024).contains(&rig.output.len()), "{}", rig.output.len());
    rig.peer_ok(publish(1, ExactlyOnce, 1));
    let token = rig.token();
    rig.session.acknowledge(token, ReasonCode::Success);
    let room = rig.output.len() - 60_000;
    write(&mut rig, room);
    rig.duty();
    let bytes: Vec<u8> = rig.output.chunks().flatten().copied().collect();
    assert_eq!(bytes[60_000..60_004], [0x50, 2, 0, 1], "PUBREC stands before all that was not encoded");
    assert_eq!(bytes[60_004], 0x32);
}

#[test]
fn a_large_payload_is_not_copied() {
    both(|version| {
        let mut rig = Rig::ready(version);
        let large = Bytes::from(vec![7; 1_000_000]);
        let publish = Publish { payload: large.clone(), ..message(2, AtMostOnce) };
        rig.publish(1, AtMostOnce);
        rig.submit(Command::Publish { tag: 2, publish: publish.clone() }).unwrap();
        rig.duty();
        let chunks: Vec<_> = rig.output.chunks().collect();
        assert_eq!(chunks.len(), 2);
        assert_eq!(chunks[1].as_ptr(), large.as_ptr());
        assert_eq!(rig.sent(), [publish_packet(1, AtMostOnce, 0), publish.into()]);
    });
}

#[test]
fn a_large_publish_does_not_make_the_peer_look_as_if_it_did_not_read() {
    let mut rig = Rig::ready(V5);
    rig.submit(sized(1, AtLeastOnce, 50_000_000)).unwrap();
    rig.duty();
    rig.peer_ok(publish(1, AtLeastOnce, 1));
    let token = rig.token();
    rig.session.acknowledge(token, ReasonCode::Success);
    rig.peer_ok(publish(2, AtMostOnce, 0));
    assert_eq!(rig.session.phase(), mqtt_session::Phase::Ready);
    assert_eq!(rig.sent().len(), 2);
}

#[test]
fn a_peer_that_sends_but_does_not_read_is_cut_off() {
    both(|version| {
        let mut rig = Rig::ready(version);
        let mut unknown = Vec::new();
        for _ in 0..10_000 {
            unknown.extend_from_slice(&[0x62, 2, 0, 9]);
        }
        let mut sent = 0;
        while rig.session.phase() == mqtt_session::Phase::Ready {
            rig.peer_bytes(&unknown).unwrap();
            rig.duty();
            sent += unknown.len();
        }
        assert!(sent < 2_000_000, "{sent}");
        assert!(rig.output.len() < 2_000_000);
        assert_eq!(rig.cause(), DisconnectCause::PeerNotReading);
    });
}

#[test]
fn a_transport_that_takes_nothing_is_given_up() {
    both(|version| {
        let mut rig = Rig::ready_with_config(Config {
            version,
            write_timeout: Duration::from_secs(20),
            ..Config::default()
        });
        rig.pass(Duration::from_secs(100));
        assert_eq!(rig.deadline(), None);
        rig.publish(1, AtLeastOnce);
        let deadline = rig.deadline().unwrap();
        assert_eq!((deadline.timer, deadline.at), (Timer::Write, Timestamp::from_micros(120_000_000)));
        rig.pass(Duration::from_secs(19));
        write(&mut rig, 1);
        assert_eq!(rig.deadline().unwrap().at, Timestamp::from_micros(139_000_000), "any progress counts");
        rig.pass(Duration::from_secs(20));
        assert_eq!(rig.cause(), DisconnectCause::WriteTimeout);
    });
}

#[test]
fn a_transport_that_does_not_even_take_connect_is_given_up() {
    let mut rig = Rig::new(V5);
    rig.open(connect(V5));
    assert_eq!(rig.deadline().unwrap().timer, Timer::Write);
    rig.pass(Duration::from_secs(30));
    assert_eq!(rig.duty(), Duty::Close);
}

#[test]
fn one_call_gathers_many_packets() {
    let mut rig = Rig::ready(V5);
    for tag in 1..=500 {
        rig.publish(tag, AtLeastOnce);
    }
    rig.duty();
    assert_eq!(rig.output.chunks().count(), 1);
    assert_eq!(rig.sent().len(), 500);
}

#[test]
fn a_call_parses_64_kib_at_most_but_one_packet_in_any_case() {
    let mut rig = Rig::ready(V5);
    let mut input = bytes_of(&Publish { payload: vec![b'x'; 20].into(), ..publish(1, AtMostOnce, 0) });
    let each = input.len();
    input = input.repeat(100_000 / each);
    let mut buffer = mqtt_session::codec::bytes::BytesMut::from(&input[..]);
    let taken = rig.session.handle_input(rig.now, &mut buffer).unwrap();
    assert!((64 * 1024..64 * 1024 + each).contains(&taken), "{taken}");
    assert_eq!(rig.events().len(), taken / each);
    let rest = rig.session.handle_input(rig.now, &mut buffer).unwrap();
    assert_eq!(taken + rest, input.len());

    let large = Publish { payload: vec![0; 200_000].into(), ..publish(1, AtMostOnce, 0) };
    let mut buffer = mqtt_session::codec::bytes::BytesMut::from(&bytes_of(&large)[..]);
    assert_eq!(rig.session.handle_input(rig.now, &mut buffer), Ok(bytes_of(&large).len()));
}

fn bytes_of(publish: &Publish) -> Vec<u8> {
    let mut bytes = Vec::new();
    publish.encode(V5, &mut bytes).unwrap();
    bytes
}

#[test]
fn each_packet_leaves_a_record_if_wanted() {
    let mut rig = Rig::with_config(Config { trace: true, ..Config::default() });
    rig.accept(connack());
    rig.pass(Duration::from_millis(5));
    rig.submit(Command::Publish { tag: 1, publish: Publish { retain: true, ..message(1, ExactlyOnce) } })
        .unwrap();
    rig.sent();
    rig.peer_ok(pubrec(1));
    rig.submit(sized(2, AtMostOnce, 20_000)).unwrap();
    rig.sent();
    rig.peer_ok(publish(3, AtLeastOnce, 7));
    let topic = Some(TopicName::new("t").unwrap());
    let record =
        |direction, millis: u64, kind, len, flags, packet_id: Option<u16>, topic: &Option<TopicName>| {
            let at = Timestamp::from_micros(millis * 1_000);
            PacketTrace {
                direction,
                at,
                kind,
                len,
                flags,
                packet_id: packet_id.map(id),
                topic: topic.clone(),
                payload: None,
            }
        };
    use Direction::{Inbound, Outbound};
    let expected = [
        record(Outbound, 0, PacketKind::Connect, 37, 0, None, &None),
        record(Inbound, 0, PacketKind::Connack, 5, 0, None, &None),
        record(Outbound, 5, PacketKind::Publish, 9, 0b0101, Some(1), &topic),
        record(Inbound, 5, PacketKind::Pubrec, 4, 0, Some(1), &None),
        record(Outbound, 5, PacketKind::Pubrel, 4, 0b0010, Some(1), &None),
        record(Outbound, 5, PacketKind::Publish, 20_008, 0, None, &topic),
        record(Inbound, 5, PacketKind::Publish, 9, 0b0010, Some(7), &topic),
    ];
    assert_eq!(rig.session.take_trace().collect::<Vec<_>>(), expected);
    assert_eq!(rig.session.take_trace().count(), 0);

    let mut rig = Rig::ready(V5);
    rig.publish(1, AtMostOnce);
    assert_eq!(rig.sent().len(), 1);
    assert_eq!(rig.session.take_trace().count(), 0);
}

/// Whichever way it is encoded: at once, ahead, with its payload apart, sent off, or by its alias.
#[test]
fn a_record_has_as_much_of_the_payload_as_is_asked_for() {
    both(|version| {
        let config = Config { version, trace: true, trace_payload: 3, ..Config::default() };
        let mut rig = Rig::ready_with_config(config);
        rig.session.take_trace().for_each(drop);
        rig.session.send(&Publish { payload: vec![0; 4].into(), ..message(4, AtMostOnce) }).unwrap();
        for (tag, qos, len) in [(1, AtMostOnce, 20_000), (2, AtLeastOnce, 2), (3, ExactlyOnce, 20_000)] {
            rig.submit(sized(tag, qos, len)).unwrap();
        }
        rig.sent();
        rig.peer_ok(Publish { payload: vec![0; 5].into(), ..publish(5, AtLeastOnce, 7) });
        let mut payloads: Vec<_> = rig
            .session
            .take_trace()
            .filter_map(|record| record.payload)
            .map(|payload| (payload.bytes.len(), payload.len))
            .collect();
        payloads.sort_unstable();
        assert_eq!(payloads, [(2, 2), (3, 4), (3, 5), (3, 20_000), (3, 20_000)]);
    });
}

#[test]
fn a_wish_can_be_made_at_any_time_and_goes_out_with_the_next_poll() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.peer_ok(publish(1, AtLeastOnce, 1));
        let token = rig.token();
        rig.publish(2, AtLeastOnce);
        rig.session.acknowledge(token, ReasonCode::Success);
        assert!(rig.output.is_empty());
        assert_eq!(rig.sent(), [Packet::from(puback(1)), publish_packet(2, AtLeastOnce, 1)]);
    });
}
