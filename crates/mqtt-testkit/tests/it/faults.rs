//! Each scripted fault does what it says, and only that.

use std::time::Duration;

use mqtt_codec::{Packet, PacketKind, ReasonCode, Suback, Unsuback};
use mqtt_session::Direction;
use mqtt_testkit::{BrokerConfig, Fault};

use crate::bed::*;

fn bed(faults: Vec<Fault>) -> Bed {
    Bed::new(BrokerConfig { faults, ..BrokerConfig::default() })
}

/// The answer to a QoS 1 PUBLISH that nobody hears.
fn answer(n: u16) -> Packet {
    unheard(V5, puback(n)).into()
}

#[test]
fn a_lost_packet_never_arrives() {
    let mut sent = bed(vec![Fault::sent(PacketKind::Puback).nth(2).lose()]);
    let mut received = bed(vec![Fault::received(PacketKind::Publish).nth(2).lose()]);
    for (bed, accepted) in [(&mut sent, 3), (&mut received, 2)] {
        let peer = bed.join(V5, "a");
        for n in 1..=3 {
            bed.say(peer, publish("t", AtLeastOnce, n, "x"));
        }
        assert_eq!(bed.hear(peer), [answer(1), answer(3)]);
        assert_eq!(bed.broker.stats().received, accepted);
        assert_eq!(bed.broker.waiting_faults(), 0);
    }
}

#[test]
fn a_delayed_packet_holds_up_what_follows_it_in_its_direction() {
    let delay = Duration::from_millis(500);
    let mut sent = bed(vec![Fault::sent(PacketKind::Puback).delay(delay)]);
    let mut received = bed(vec![Fault::received(PacketKind::Publish).delay(delay)]);
    for (bed, accepted) in [(&mut sent, 2), (&mut received, 0)] {
        let peer = bed.join(V5, "a");
        bed.say(peer, publish("t", AtLeastOnce, 1, "x"));
        bed.say(peer, publish("t", AtLeastOnce, 2, "x"));
        bed.say(peer, Packet::Pingreq);
        bed.pass(Duration::from_micros(499_999));
        assert_eq!(bed.hear(peer), []);
        assert_eq!(bed.broker.stats().received, accepted);
        bed.pass(Duration::from_micros(1));
        assert_eq!(bed.hear(peer), [answer(1), answer(2), Packet::Pingresp]);
    }
}

#[test]
fn a_duplicated_packet_comes_twice() {
    let mut bed = bed(vec![
        Fault::sent(PacketKind::Pubcomp).duplicate(),
        Fault::received(PacketKind::Publish).duplicate(),
    ]);
    let peer = bed.join(V5, "a");
    bed.say(peer, publish("t", ExactlyOnce, 1, "x"));
    assert_eq!(bed.hear(peer), [unheard(V5, pubrec(1)).into(), pubrec(1).into()]);
    bed.say(peer, pubrel(1));
    assert_eq!(bed.hear(peer), [pubcomp(1).into(), pubcomp(1).into()]);
    assert_eq!(bed.broker.stats().received, 1);
}

#[test]
fn a_withheld_answer_is_overtaken_until_it_is_released() {
    let mut bed = bed(vec![Fault::sent(PacketKind::Puback).withhold()]);
    let peer = bed.join(V5, "a");
    bed.say(peer, publish("t", AtLeastOnce, 1, "x"));
    bed.say(peer, publish("t", AtLeastOnce, 2, "x"));
    assert_eq!(bed.hear(peer), [answer(2)]);
    assert!(bed.broker.release("a"));
    assert_eq!(bed.hear(peer), [answer(1)]);
}

#[test]
fn what_is_asked_for_is_refused_with_the_code() {
    for version in VERSIONS {
        let refuse = |kind| Fault::received(kind).refuse(ReasonCode::NotAuthorized);
        let mut bed = bed(vec![
            refuse(PacketKind::Connect),
            refuse(PacketKind::Subscribe),
            refuse(PacketKind::Unsubscribe),
            Fault::received(PacketKind::Publish).times(2).refuse(ReasonCode::QuotaExceeded),
        ]);
        let (peer, connack) = bed.connect(hello(version, "a"));
        assert_eq!(connack.reason, ReasonCode::NotAuthorized);
        assert!(bed.is_closed(peer));

        let peer = bed.join(version, "a");
        bed.say(peer, subscribe(1, &[("a", AtMostOnce), ("b", AtMostOnce)]));
        let code = if version == V5 { ReasonCode::NotAuthorized } else { ReasonCode::UnspecifiedError };
        assert_eq!(bed.hear(peer), [Suback::new(id(1), vec![code; 2]).into()]);
        bed.say(peer, unsubscribe(2, &["a"]));
        let codes = if version == V5 { vec![code] } else { vec![] };
        assert_eq!(bed.hear(peer), [Unsuback::new(id(2), codes).into()]);

        bed.say(peer, publish("t", AtLeastOnce, 3, "x"));
        if version == V5 {
            let quota = ReasonCode::QuotaExceeded;
            bed.say(peer, publish("t", ExactlyOnce, 4, "x"));
            assert_eq!(
                bed.hear(peer),
                [puback(3).with_reason(quota).into(), pubrec(4).with_reason(quota).into()]
            );
        } else {
            assert!(bed.is_closed(peer), "3.1.1 can't refuse a PUBLISH");
        }
        assert_eq!(bed.broker.stats().received, 0);
    }
}

#[test]
fn a_refused_sent_packet_ends_the_connection_with_the_code() {
    let mut bed = bed(vec![Fault::sent(PacketKind::Pingresp).refuse(ReasonCode::ServerBusy)]);
    let peer = bed.join(V5, "a");
    bed.say(peer, Packet::Pingreq);
    assert_eq!(bed.end(peer), Some(ReasonCode::ServerBusy));
}

#[test]
fn a_cut_before_or_after_a_packet_leaves_each_side_with_what_it_saw() {
    // Each fault, what the client still hears, and what the broker took.
    for (fault, heard, accepted) in [
        (Fault::received(PacketKind::Publish).cut_before(), vec![], 0),
        (Fault::received(PacketKind::Publish).cut_after(), vec![], 1),
        (Fault::sent(PacketKind::Puback).cut_before(), vec![], 1),
        (Fault::sent(PacketKind::Puback).cut_after(), vec![answer(1)], 1),
    ] {
        let mut bed = bed(vec![fault.clone()]);
        let (peer, _) = bed.resume(V5, "a");
        bed.say(peer, publish("t", AtLeastOnce, 1, "x"));
        assert_eq!(bed.hear(peer), heard, "{fault:?}");
        assert!(bed.is_closed(peer));
        assert!(!bed.broker.is_connected("a") && bed.broker.has_session("a"));
        assert_eq!(bed.broker.stats().received, accepted, "{fault:?}");
    }
}

#[test]
fn a_cut_inside_a_packet_leaves_its_beginning() {
    for bytes in 0..5 {
        let mut bed = bed(vec![Fault::sent(PacketKind::Pubrec).cut_after_bytes(bytes)]);
        let peer = bed.join(V5, "a");
        bed.say(peer, publish("t", ExactlyOnce, 1, "x"));
        assert_eq!(bed.heard_bytes(peer), &b"\x50\x03\0\x01\x10"[..bytes as usize]);
        assert!(bed.is_closed(peer));
    }
}

#[test]
fn a_connection_is_cut_after_exactly_so_many_bytes() {
    for bytes in [0, 1, 3, 4, 5, 6] {
        let mut bed = bed(vec![Fault::cut_connection(2, Direction::Outbound, bytes)]);
        bed.join(V311, "first");
        let peer = bed.open(V311);
        bed.say(peer, hello(V311, "a"));
        bed.say(peer, Packet::Pingreq);
        assert_eq!(bed.heard_bytes(peer), &b"\x20\x02\0\0\xd0\0"[..bytes as usize]);
        assert!(bed.is_closed(peer));
        bed.join(V311, "third");
    }
    let mut connect = Vec::new();
    hello(V311, "a").encode(&mut connect).unwrap();
    for (bytes, accepted) in [(connect.len() - 1, false), (connect.len(), true)] {
        let mut bed = bed(vec![Fault::cut_connection(1, Direction::Inbound, bytes as u64)]);
        let peer = bed.open(V311);
        connect.chunks(3).for_each(|chunk| bed.say_bytes(peer, chunk));
        assert_eq!(bed.hear(peer).len(), usize::from(accepted));
        assert!(bed.is_closed(peer));
    }
}

#[test]
fn a_cut_leaves_the_will() {
    let mut bed = bed(vec![Fault::received(PacketKind::Pingreq).client("a").cut_before()]);
    let watcher = bed.join(V5, "watcher");
    bed.subscribe(watcher, &[("w", AtMostOnce)]);
    let will = mqtt_codec::Will::new(topic("w"), Default::default());
    let (peer, _) = bed.connect(mqtt_codec::Connect { will: Some(will), ..hello(V5, "a") });
    bed.say(watcher, Packet::Pingreq);
    bed.say(peer, Packet::Pingreq);
    assert_eq!(bed.hear(watcher), [Packet::Pingresp, publish("w", AtMostOnce, 0, "").into()]);
}

#[test]
fn the_log_tells_what_went_over_the_wire() {
    let mut bed = bed(vec![]);
    let peer = bed.join(V311, "sensor");
    bed.pass(Duration::from_millis(1_500));
    bed.say(peer, retained(publish("plant/3", AtLeastOnce, 7, "x")));
    let lines: Vec<_> = bed.broker.log().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "0.000000 s  sensor  -> CONNECT, 20 bytes, flags 0b0000",
            "0.000000 s  sensor  <- CONNACK, 4 bytes, flags 0b0000",
            "1.500000 s  sensor  -> PUBLISH id 7, 14 bytes, flags 0b0011, plant/3",
            "1.500000 s  sensor  <- PUBACK id 7, 4 bytes, flags 0b0000",
        ]
    );
}
