//! What a server has to bear is noted.

use core::num::NonZeroU16;

use mqtt_codec::PacketKind;
use mqtt_testkit::Misdeed::{
    AcknowledgedUnseen, DupOnFirstSend, PacketIdInUse, ResentOnLiveConnection, ResentWithoutDup,
};
use mqtt_testkit::{BrokerConfig, Fault, Misdeed};

use crate::bed::*;

#[track_caller]
fn check(bed: &Bed, expected: &[Misdeed]) {
    let noted: Vec<_> = bed.broker.violations().iter().map(|violation| violation.what).collect();
    assert_eq!(noted, expected);
}

#[test]
fn an_identifier_that_is_still_in_use_is_noted() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let peer = bed.join(version, "a");
        bed.say(peer, publish("t", ExactlyOnce, 1, "x"));
        bed.say(peer, publish("t", ExactlyOnce, 1, "x"));
        bed.say(peer, subscribe(1, &[("t", AtMostOnce)]));
        bed.say(peer, unsubscribe(1, &["t"]));
        check(&bed, &[PacketIdInUse, PacketIdInUse, PacketIdInUse]);
    }
}

#[test]
fn a_repetition_on_a_live_connection_is_noted_in_5_0() {
    for version in VERSIONS {
        let faults = vec![Fault::sent(PacketKind::Puback).lose()];
        let mut bed = Bed::new(BrokerConfig { faults, ..BrokerConfig::default() });
        let peer = bed.join(version, "a");
        bed.say(peer, publish("t", AtLeastOnce, 1, "x"));
        bed.say(peer, dup(publish("t", AtLeastOnce, 1, "x")));
        check(&bed, if version == V5 { &[ResentOnLiveConnection] } else { &[DupOnFirstSend][..0] });
    }
}

#[test]
fn a_repetition_without_dup_is_noted() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let (peer, _) = bed.resume(version, "a");
        bed.say(peer, publish("t", ExactlyOnce, 1, "x"));
        bed.lose(peer);
        let (peer, _) = bed.resume(version, "a");
        bed.say(peer, publish("t", ExactlyOnce, 1, "x"));
        check(&bed, &[ResentWithoutDup]);
    }
}

#[test]
fn dup_in_a_new_session_is_noted() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let peer = bed.join(version, "a");
        bed.say(peer, dup(publish("t", AtLeastOnce, 1, "x")));
        check(&bed, &[DupOnFirstSend]);
    }
}

#[test]
fn an_answer_to_what_this_connection_has_not_carried_is_noted_and_not_taken() {
    let mut bed = Bed::new(BrokerConfig::default());
    let from = bed.join(V5, "from");
    let (to, _) = bed.resume(V5, "to");
    bed.subscribe(to, &[("t", AtLeastOnce)]);
    for n in 1..=2 {
        bed.say(from, publish("t", AtLeastOnce, n, "x"));
    }
    bed.lose(to);
    let mut connect = lasting(V5, "to");
    connect.properties.set_receive_maximum(NonZeroU16::MIN);
    let (to, _) = bed.connect(connect);
    bed.say(to, puback(2)); // only 1 has been sent on this connection
    check(&bed, &[AcknowledgedUnseen]);
    assert_eq!(bed.broker.backlog("to"), Some(2));
}
