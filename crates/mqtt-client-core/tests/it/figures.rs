//! What the figures say.

use std::time::Duration;

use mqtt_client_core::codec::{PacketKind, PublishProperties, QoS};
use mqtt_client_core::{Options, Overflow};
use mqtt_testkit::{BrokerConfig, Fault, LinkConfig, World};

use crate::rig::{Dial, Rig};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn publishes_are_counted_where_they_are() {
    let mut rig = Rig::connected(Options::builder().max_in_flight(2));
    rig.broker.inject(Fault::sent(PacketKind::Puback).times(2).withhold());
    let client = rig.client.clone();
    let publish = |_| client.publish("a", "x").qos(QoS::AtLeastOnce).try_enqueue().expect("there is room");
    let completions: Vec<_> = (0..5).map(publish).collect();
    rig.settle();
    let stats = client.stats();
    assert_eq!((stats.queued_publishes, stats.in_flight, stats.pending_publishes), (3, 2, 5));
    rig.cut();
    for completion in completions {
        rig.run(completion).expect("delivered after all");
    }
    let stats = client.stats();
    assert_eq!((stats.queued_publishes, stats.in_flight, stats.pending_publishes), (0, 0, 0));
}

#[test]
fn what_does_not_arrive_is_counted_by_its_cause() {
    let mut rig = Rig::connected(Options::builder().overflow(Overflow::Refuse).max_queued(2, 1 << 20));
    let client = rig.client.clone();
    rig.dial = Dial::Hangs;
    rig.mtu = 0;
    drop(client.publish("a", "in the output").try_enqueue().expect("there is room"));
    rig.settle();
    rig.cut();
    assert_eq!(client.stats().lost_publishes, 1);
    drop(client.publish("a", "x").timeout(SECOND).try_enqueue().expect("there is room"));
    let mut expiring = PublishProperties::default();
    expiring.set_message_expiry_interval(2);
    drop(client.publish("a", "x").properties(expiring).try_enqueue().expect("there is room"));
    assert!(client.publish("a", "x").try_enqueue().is_err(), "there is none");
    rig.run_for(SECOND * 3);
    let stats = client.stats();
    let causes = (stats.refused_publishes, stats.timed_out_publishes, stats.expired_publishes);
    assert_eq!(causes, (1, 1, 1));
    assert_eq!((stats.dropped_publishes, stats.superseded_publishes, stats.queued_publishes), (0, 0, 0));
}

/// The broker's log is the other account of the same traffic.
#[test]
fn bytes_are_those_that_went_over_the_wire() {
    let mut rig = Rig::connected(Options::builder());
    for _ in 0..2 {
        let mut stream = rig.subscribe("a");
        rig.publish("a", vec![0; 1000], QoS::ExactlyOnce);
        rig.next(&mut stream).expect("the message");
        drop(stream);
        rig.settle();
        rig.cut();
        rig.run_for(SECOND * 10);
    }
    let wire = |direction| -> u64 {
        let packets = rig.broker.log().map(|entry| &entry.packet);
        packets.filter(|packet| packet.direction == direction).map(|packet| packet.len as u64).sum()
    };
    use mqtt_client_core::session::Direction::{Inbound, Outbound};
    let stats = rig.client.stats();
    assert_eq!(
        (stats.bytes_sent, stats.bytes_received, stats.reconnects),
        (wire(Inbound), wire(Outbound), 2)
    );
}

#[test]
fn the_round_trip_time_is_that_of_the_link() {
    let delay = Duration::from_millis(30);
    let mut world = World::new(BrokerConfig::default()).with_links(move |seed| LinkConfig {
        seed,
        delay,
        ..LinkConfig::default()
    });
    let client = world.add(Options::builder().keep_alive(SECOND * 10).build().expect("valid options"));
    world.run(client.connect()).expect("connected");
    assert_eq!(client.stats().round_trip, None);
    world.run_for(SECOND * 20);
    assert_eq!(client.stats().round_trip, Some(delay * 2), "the keep alive's own");
    assert_eq!(world.run(client.ping()).expect("an answer"), delay * 2);
}

#[test]
fn the_round_trip_time_comes_from_acknowledgements_too() {
    let delays = [30, 50].map(Duration::from_millis);
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for delay in delays {
            let mut world = World::new(BrokerConfig::default()).with_links(move |seed| LinkConfig {
                seed,
                delay,
                ..LinkConfig::default()
            });
            let options = Options::builder().keep_alive(Duration::ZERO).max_in_flight(10);
            let client = world.add(options.build().expect("valid options"));
            world.run(client.connect()).expect("connected");
            world.run(client.publish("a", "x")).expect("admitted");
            world.run(client.flush());
            assert_eq!(client.stats().round_trip, None, "nobody answers QoS 0");
            world.run(client.publish("a", "x").qos(qos)).expect("delivered");
            assert_eq!(client.stats().round_trip, Some(delay * 2), "{qos:?}");
            // Far more than the window: some wait here, and some are on their way at any time.
            let publish = |_| client.publish("a", "x").qos(qos).try_enqueue().expect("room");
            let completions: Vec<_> = (0..100).map(publish).collect();
            for completion in completions {
                world.run(completion).expect("delivered");
                assert_eq!(client.stats().round_trip, Some(delay * 2), "{qos:?}");
            }
        }
    }
}
