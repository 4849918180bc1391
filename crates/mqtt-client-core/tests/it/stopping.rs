//! Stopping: leaving in good order, and for good.

use std::time::Duration;

use mqtt_client_core::codec::{Disconnect, PacketKind, QoS, ReasonCode, Text};
use mqtt_client_core::{Collect, Indeterminate, NotSent, Offline, Options, PublishFailure};
use mqtt_testkit::{BrokerConfig, Fault};

use crate::rig::{Rig, failure};

#[test]
fn stop_brings_out_what_is_on_its_way_and_ends_the_driver() {
    let mut rig = Rig::connected(Options::builder());
    let client = rig.client.clone();
    let mut batches = client.batch_publisher(Collect::default());
    rig.run(batches.publish("a", "1")).expect("collected");
    drop(client.publish("a", "2").qos(QoS::ExactlyOnce).try_enqueue().expect("room"));
    let report = rig.run(client.stop());
    assert_eq!(report.not_sent, []);
    assert_eq!(rig.broker.stats().received, 2);
    assert!(rig.stopped, "although there are handles");
    assert!(matches!(rig.run(client.connect()), Err(Offline::Disconnected)));
    let refused = rig.run(client.publish("a", "3"));
    assert!(matches!(failure("a", &refused), PublishFailure::NotSent(NotSent::Offline(_))), "{refused:?}");
}

#[test]
fn stop_gives_back_what_a_client_without_a_connection_had() {
    let mut rig = Rig::new(Options::builder());
    let client = rig.client.clone();
    let mut queue = client.queue_publisher(Collect::default());
    rig.run(queue.publish("a", "1")).expect("collected");
    drop(client.publish("a", "2").try_enqueue().expect("room"));
    let report = rig.run(client.stop());
    let left: Vec<&[u8]> = report.not_sent.iter().map(|publish| publish.payload.as_ref()).collect();
    assert_eq!(left, [b"2", b"1"]);
    assert!(rig.stopped);
}

#[test]
fn stop_after_disconnect_ends_the_driver_too() {
    let mut rig = Rig::connected(Options::builder());
    let client = rig.client.clone();
    rig.run(client.disconnect());
    assert!(!rig.stopped, "it can be connected again");
    rig.run(client.stop());
    assert!(rig.stopped);
}

const SECOND: Duration = Duration::from_secs(1);

/// A client with a message that nobody will acknowledge, and a drain timeout of five seconds.
fn waiting() -> (Rig, mqtt_client_core::Completion) {
    let mut rig = Rig::connected(Options::builder().drain_timeout(5 * SECOND));
    rig.broker.inject(Fault::sent(PacketKind::Puback).always().lose());
    let completion = rig.client.publish("a", "x").qos(QoS::AtLeastOnce).try_enqueue().expect("room");
    (rig, completion)
}

#[test]
fn leaving_takes_as_long_as_is_said() {
    for (limit, expected) in [(Some(0), 0), (Some(2), 2), (Some(60), 60), (None, 5)] {
        for stop in [false, true] {
            let (mut rig, completion) = waiting();
            let (client, began) = (rig.client.clone(), rig.now);
            let limit = limit.map(|seconds| seconds * SECOND);
            let report = rig.run(match (limit, stop) {
                (None, false) => client.disconnect(),
                (None, true) => client.stop(),
                (Some(limit), false) => client.disconnect_within(limit),
                (Some(limit), true) => client.stop_within(limit),
            });
            assert_eq!(report.not_sent, []);
            assert_eq!(rig.now.saturating_since(began), expected * SECOND, "{limit:?}");
            assert_eq!(rig.stopped, stop);
            let outcome = rig.run(completion);
            assert!(
                matches!(failure("a", &outcome), PublishFailure::Indeterminate(Indeterminate::Offline(_))),
                "{outcome:?}"
            );
            assert_eq!(rig.broker.violations(), [], "it said goodbye");
        }
    }
}

#[test]
fn of_several_limits_the_one_that_ends_soonest_holds() {
    for (first, second, expected) in
        [(Some(60), Some(2), 3), (Some(2), Some(60), 2), (Some(60), None, 60), (None, Some(9), 5)]
    {
        let (mut rig, _completion) = waiting();
        let (client, began) = (rig.client.clone(), rig.now);
        let leave = |limit: Option<u32>| match limit {
            None => client.disconnect(),
            Some(seconds) => client.stop_within(seconds * SECOND),
        };
        let first = leave(first);
        rig.run_for(SECOND);
        rig.run(leave(second));
        assert_eq!(rig.now.saturating_since(began), expected * SECOND, "{second:?}");
        rig.run(first);
    }
}

/// Nor does a transport that takes nothing hold up the end, although its own time limit is longer.
#[test]
fn a_jammed_transport_is_closed_a_second_after_the_limit() {
    let (mut rig, completion) = waiting();
    let (client, began) = (rig.client.clone(), rig.now);
    rig.mtu = 0;
    drop(client.publish("a", "y").qos(QoS::AtLeastOnce).try_enqueue().expect("room"));
    rig.run(client.stop_within(2 * SECOND));
    assert_eq!(rig.now.saturating_since(began), 3 * SECOND);
    assert!(rig.stopped);
    assert!(rig.run(completion).is_err());
}

#[test]
fn the_limit_holds_while_the_broker_is_away_too() {
    let mut rig = Rig::connected(Options::builder());
    let (client, mut queue) = (rig.client.clone(), rig.client.queue_publisher(Collect::default()));
    rig.run(queue.publish("a", "1")).expect("collected");
    rig.dial = crate::rig::Dial::Fails;
    rig.cut();
    let began = rig.now;
    let report = rig.run(client.disconnect_within(2 * SECOND));
    assert_eq!(rig.now.saturating_since(began), 2 * SECOND);
    assert_eq!(report.not_sent.len(), 1);
}

// [5.0 MQTT-3.14.2-3] [5.0 MQTT-3.14.2-4]
#[test]
fn properties_of_the_goodbye_that_outgrow_the_brokers_limit_are_left_out() {
    for (limit, fits) in [(60, false), (1_000, true)] {
        let config = BrokerConfig { max_packet_size: limit, ..BrokerConfig::default() };
        let mut rig = Rig::with_broker(Options::builder(), config);
        let client = rig.client.clone();
        rig.run(client.connect()).expect("connected");
        let text = Text::try_from("why".repeat(30).as_str()).expect("text");
        let mut goodbye = Disconnect::new(ReasonCode::DisconnectWithWill);
        goodbye.properties.set_reason_string(&text);
        goodbye.properties.add_user_property(&text, &text);
        rig.run(client.disconnect_with(goodbye).expect("it may be said"));
        let last = rig.broker.log().next_back().expect("packets").packet.clone();
        assert_eq!(last.kind, PacketKind::Disconnect);
        // The reason is said in any case: fixed header, and one byte.
        assert_eq!((last.len > 3, last.len >= 3), (fits, true), "{limit}");
    }
}
