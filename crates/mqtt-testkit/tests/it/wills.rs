//! Wills: published when a client is lost, and only then.

use std::time::Duration;

use mqtt_codec::{Binary, Connect, Disconnect, Packet, Publish, ReasonCode, Version, Will};
use mqtt_testkit::BrokerConfig;

use crate::bed::*;

fn will() -> Will {
    Will::new(topic("w"), Binary::new("gone").unwrap())
}

/// A broker with a watcher of wills, and a client that has one.
fn watched(connect: Connect) -> (Bed, crate::bed::Peer, crate::bed::Peer) {
    let mut bed = Bed::new(BrokerConfig::default());
    let watcher = bed.join(V5, "watcher");
    bed.subscribe(watcher, &[("w", ExactlyOnce)]);
    let (client, _) = bed.connect(connect);
    (bed, watcher, client)
}

fn with_will(version: Version) -> Connect {
    Connect { will: Some(will()), keep_alive: 10, ..hello(version, "a") }
}

fn gone() -> Packet {
    publish("w", AtMostOnce, 0, "gone").into()
}

// [3.1.1 MQTT-3.1.2-8] [5.0 MQTT-3.1.2-8] [3.1.1 MQTT-3.1.2-10] [5.0 MQTT-3.1.2-10] [5.0 MQTT-3.1.2-7]
#[test]
fn a_lost_client_leaves_its_will_once() {
    for version in VERSIONS {
        let endings: [fn(&mut Bed, crate::bed::Peer); 5] = [
            |bed, peer| bed.lose(peer),
            |bed, _| bed.pass(Duration::from_secs(15)),
            |bed, peer| bed.say_bytes(peer, b"\xff\xff"),
            |bed, _| assert!(bed.broker.disconnect("a", ReasonCode::AdministrativeAction)),
            |bed, _| {
                bed.join(V5, "a");
            },
        ];
        for (n, end) in endings.into_iter().enumerate() {
            let (mut bed, watcher, peer) = watched(with_will(version));
            end(&mut bed, peer);
            assert_eq!(bed.hear(watcher), [gone()], "ending {n}");
            bed.pass(Duration::from_secs(1_000));
            assert_eq!(bed.hear(watcher), []);
        }
    }
}

// [3.1.1 MQTT-3.14.4-3] [5.0 MQTT-3.14.4-3] [3.1.1 MQTT-3.1.2-12]
#[test]
fn a_goodbye_or_no_will_leaves_nothing() {
    for version in VERSIONS {
        let (mut bed, watcher, peer) = watched(with_will(version));
        bed.say(peer, goodbye());
        assert_eq!(bed.hear(watcher), []);
        let (mut bed, watcher, peer) = watched(hello(version, "a"));
        bed.lose(peer);
        assert_eq!(bed.hear(watcher), []);
    }
}

#[test]
fn a_goodbye_can_ask_for_the_will() {
    let (mut bed, watcher, peer) = watched(with_will(V5));
    bed.say(peer, Disconnect::new(ReasonCode::DisconnectWithWill));
    assert_eq!(bed.hear(watcher), [gone()]);
}

// [3.1.1 MQTT-3.1.2-16] [3.1.1 MQTT-3.1.2-17] [5.0 MQTT-3.1.2-14] [5.0 MQTT-3.1.2-15]
#[test]
fn a_will_is_retained_if_it_says_so_and_has_its_qos() {
    for version in VERSIONS {
        for retain in [false, true] {
            let will = Will { retain, qos: ExactlyOnce, ..will() };
            let (mut bed, watcher, peer) = watched(Connect { will: Some(will), ..hello(version, "a") });
            bed.lose(peer);
            assert_eq!(bed.hear(watcher), [publish("w", ExactlyOnce, 1, "gone").into()]);
            assert_eq!(bed.broker.retained_count(), usize::from(retain));
        }
    }
}

/// A client of 5.0 with a will delayed by `delay` and a session that stays for `expiry` seconds.
fn delayed(delay: u32, expiry: u32) -> Connect {
    let mut connect = Connect { will: Some(will()), clean_start: false, ..hello(V5, "a") };
    connect.properties.set_session_expiry_interval(expiry);
    if let Some(will) = &mut connect.will {
        will.properties.set_will_delay_interval(delay);
    }
    connect
}

// [5.0 MQTT-3.1.2-8]
#[test]
fn a_delayed_will_waits_for_its_delay_or_the_sessions_end() {
    for (delay, expiry, expected) in [(10, 100, 10), (100, 10, 10), (10, u32::MAX, 10), (5, 5, 5)] {
        let (mut bed, watcher, peer) = watched(delayed(delay, expiry));
        bed.lose(peer);
        bed.pass(Duration::from_secs(expected) - Duration::from_micros(1));
        assert_eq!(bed.hear(watcher), []);
        bed.pass(Duration::from_micros(1));
        assert_eq!(bed.hear(watcher), [gone()]);
        bed.pass(Duration::from_secs(1_000));
        assert_eq!(bed.hear(watcher), []);
    }
    let (mut bed, watcher, peer) = watched(delayed(10, 0));
    bed.lose(peer);
    assert_eq!(bed.hear(watcher), [gone()], "the session ended at once");
}

// [5.0 MQTT-3.1.3-9]
#[test]
fn a_client_that_comes_back_in_time_keeps_its_will_to_itself() {
    let (mut bed, watcher, peer) = watched(delayed(10, 100));
    bed.lose(peer);
    bed.pass(Duration::from_secs(9));
    let (peer, _) = bed.connect(Connect { will: None, ..delayed(0, 100) });
    bed.pass(Duration::from_secs(100));
    bed.lose(peer);
    bed.pass(Duration::from_secs(200));
    assert_eq!(bed.hear(watcher), []);
}

#[test]
fn a_clean_start_ends_the_session_and_publishes_the_will_that_waited() {
    let (mut bed, watcher, peer) = watched(delayed(10, 100));
    bed.lose(peer);
    bed.join(V5, "a");
    assert_eq!(bed.hear(watcher), [gone()]);
}

// [5.0 MQTT-3.1.3-10]
#[test]
fn a_wills_properties_go_with_it() {
    let mut connect = with_will(V5);
    let properties = &mut connect.will.as_mut().unwrap().properties;
    properties.set_content_type(&text("text/plain"));
    properties.set_payload_format_indicator(true);
    properties.set_message_expiry_interval(60);
    properties.set_response_topic(&topic("answers"));
    properties.set_correlation_data(&Binary::new("7").unwrap());
    for value in ["2", "1"] {
        properties.add_user_property(&text("n"), &text(value));
    }
    let (mut bed, watcher, peer) = watched(connect);
    bed.lose(peer);
    let mut expected: Publish = publish("w", AtMostOnce, 0, "gone");
    expected.properties.set_payload_format_indicator(true);
    expected.properties.set_content_type(&text("text/plain"));
    expected.properties.set_response_topic(&topic("answers"));
    expected.properties.set_correlation_data(&Binary::new("7").unwrap());
    expected.properties.add_user_property(&text("n"), &text("2"));
    expected.properties.add_user_property(&text("n"), &text("1"));
    expected.properties.set_message_expiry_interval(60);
    assert_eq!(bed.hear(watcher), [expected.into()]);
}
