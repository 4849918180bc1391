//! The Message Expiry Interval of publishes that wait: counted down, then given up; what was sent is seen through.

use std::time::Duration;

use mqtt_session::codec::{Connack, Packet, Publish, QoS, ReasonCode};
use mqtt_session::{Command, Event, PublishEnd, Stage};

use crate::support::*;

const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

fn expiring(publish: Publish, seconds: u32) -> Publish {
    let mut publish = publish;
    publish.properties.set_message_expiry_interval(seconds);
    publish
}

impl Rig {
    fn publish_expiring(&mut self, tag: u64, qos: QoS, seconds: u32) {
        let publish = expiring(message(tag, qos), seconds);
        self.submit(Command::Publish { tag, publish }).unwrap();
    }

    /// What is submitted behind this waits, until the transport takes something.
    fn fill_output(&mut self) {
        let publish = Publish { payload: vec![0; 65_536].into(), ..message(0, AtLeastOnce) };
        self.submit(Command::Publish { tag: 0, publish }).unwrap();
    }
}

/// A publish that leaves after it has waited for `waited` in a session that is not connected: the interval with which it
/// leaves, if it does, and nothing else is told.
fn leaves_after(seconds: u32, waited: Duration) -> Option<u32> {
    let mut rig = Rig::ready(V5);
    rig.fill_output();
    rig.publish_expiring(1, AtLeastOnce, seconds);
    rig.duty();
    assert!(rig.output.len() > 65_536);
    rig.cut();
    rig.pass(waited);
    rig.accept(Connack::new(true, ReasonCode::Success));
    let mut sent = rig.sent();
    let events = rig.events();
    let result = sent.pop().and_then(|packet| match packet {
        Packet::Publish(publish) => publish.properties.message_expiry_interval(),
        other => panic!("{other:?}"),
    });
    match result {
        Some(_) => assert_eq!(events, []),
        None => {
            // It comes back as it was.
            let publish = expiring(publish(1, AtLeastOnce, 2), seconds);
            assert_eq!(events, [Event::Published { tag: 1, publish, result: PublishEnd::Expired }]);
            assert_eq!(rig.session.in_flight(), 1);
        }
    }
    result
}

#[test]
fn what_waits_leaves_with_what_is_left_of_its_interval() {
    let check = |seconds, waited, expected| {
        assert_eq!(leaves_after(seconds, waited), expected, "{seconds} {waited:?}");
    };
    check(10, Duration::ZERO, Some(10));
    check(10, SECOND / 1_000, Some(10));
    check(10, SECOND, Some(9));
    check(10, SECOND * 19 / 2, Some(1));
    check(10, 10 * SECOND, Some(1));
    check(10, 10 * SECOND + SECOND / 1_000, None);
    check(10, YEAR, None);
    check(0, Duration::ZERO, Some(0));
    check(0, SECOND / 1_000, None);
    check(u32::MAX, YEAR, Some(u32::MAX - 365 * 24 * 3_600));
    check(u32::MAX, 200 * YEAR, None);
}

#[test]
fn what_goes_at_once_goes_as_it_is() {
    let mut rig = Rig::ready(V5);
    // Time that the session was not told of does not count.
    rig.now += YEAR;
    for (tag, qos) in [(1, AtMostOnce), (2, AtLeastOnce), (3, ExactlyOnce)] {
        rig.publish_expiring(tag, qos, 1);
    }
    let expected = [publish(1, AtMostOnce, 0), publish(2, AtLeastOnce, 1), publish(3, ExactlyOnce, 2)];
    assert_eq!(rig.sent(), expected.map(|publish| Packet::from(expiring(publish, 1))));
}

#[test]
fn behind_a_link_that_takes_nothing_each_qos_is_given_up_when_it_has_expired() {
    let mut rig = Rig::ready(V5);
    rig.fill_output();
    for (tag, qos) in [(1, AtMostOnce), (3, AtLeastOnce), (5, ExactlyOnce)] {
        rig.publish_expiring(tag, qos, 5);
        rig.publish_expiring(tag + 1, qos, 50);
    }
    rig.duty();
    rig.pass(10 * SECOND);
    let expected = [publish(2, AtMostOnce, 0), publish(4, AtLeastOnce, 3), publish(6, ExactlyOnce, 5)];
    assert_eq!(rig.sent()[1..], expected.map(|publish| Packet::from(expiring(publish, 40))));
    let expired = |event: Event| match event {
        Event::Published { tag, result: PublishEnd::Expired, .. } => Some(tag),
        _ => None,
    };
    assert_eq!(rig.events().into_iter().filter_map(expired).collect::<Vec<_>>(), [1, 3, 5]);
}

#[test]
fn an_expired_publish_frees_its_identifier_and_its_place_in_the_window() {
    let mut rig = Rig::ready(V5);
    rig.fill_output();
    for tag in 1..=1_023 {
        rig.publish_expiring(tag, ExactlyOnce, 1);
    }
    rig.duty();
    assert_eq!(rig.session.publish_room(), 0);
    rig.pass(2 * SECOND);
    assert_eq!(rig.sent().len(), 1);
    assert_eq!(rig.session.publish_room(), 1_023);
    assert_eq!(rig.events().len(), 1_023);
}

// [5.0 MQTT-4.3.3-7]
#[test]
fn what_has_gone_out_is_seen_through_though_it_expires() {
    for qos in [AtLeastOnce, ExactlyOnce] {
        let mut rig = Rig::ready(V5);
        rig.publish_expiring(1, qos, 100);
        assert_eq!(rig.sent(), [expiring(publish(1, qos, 1), 100).into()]);
        // Resent, it has what is left; never 0, which mosquitto 2.0.11 takes for no expiry at all.
        for (pass, left) in [(40 * SECOND, 60), (60 * SECOND, 1), (YEAR, 1)] {
            rig.pass(pass);
            assert_eq!(rig.resume(), (vec![], vec![again(expiring(publish(1, qos, 1), left)).into()]));
        }
        let last = match qos {
            ExactlyOnce => {
                rig.peer_ok(pubrec(1));
                assert_eq!(rig.sent(), [pubrel(1).into()]);
                pubcomp(1)
            }
            _ => puback(1),
        };
        rig.peer_ok(last.clone());
        let told = again(expiring(publish(1, qos, 1), 100));
        assert_eq!(
            rig.events(),
            [acknowledged(told, 1, last)],
            "with the interval that it was submitted with"
        );
    }
}

#[test]
fn what_a_server_without_the_session_loses_is_lost_though_it_has_expired() {
    let mut rig = Rig::ready(V5);
    rig.publish_expiring(1, AtLeastOnce, 1);
    rig.cut();
    rig.pass(YEAR);
    let publish = expiring(publish(1, AtLeastOnce, 1), 1);
    assert_eq!(rig.accept(connack()), [Event::PublishLost { tag: 1, publish, stage: Stage::Unsent }]);
}

#[test]
fn a_refused_publish_does_not_age() {
    let mut rig = Rig::ready(V5);
    let mut aliased = expiring(message(1, AtLeastOnce), 1);
    aliased.properties.set_topic_alias(1.try_into().unwrap());
    rig.submit(Command::Publish { tag: 1, publish: aliased }).unwrap_err();
    // The next one takes its place.
    rig.publish(2, AtLeastOnce);
    rig.cut();
    rig.pass(YEAR);
    rig.accept(Connack::new(true, ReasonCode::Success));
    assert_eq!(rig.sent(), [publish_packet(2, AtLeastOnce, 1)]);
}
