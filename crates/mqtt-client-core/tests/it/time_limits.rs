//! Messages that are worth sending only for a time, and waiting for all of them.

use std::future::IntoFuture;
use std::time::Duration;

use mqtt_client_core::codec::{PacketKind, PublishProperties, QoS};
use mqtt_client_core::{Delivered, Indeterminate, NotSent, Options, PublishFailure, Reconnect};
use mqtt_testkit::Fault;

use crate::rig::{Dial, Rig, failure};

const SECOND: Duration = Duration::from_secs(1);

/// A client that dials in vain, for as long as the test wants.
fn offline() -> Rig {
    let mut rig =
        Rig::new(Options::builder().reconnect(Reconnect { retry_initial: true, ..Reconnect::default() }));
    rig.dial = Dial::Fails;
    let client = rig.client.clone();
    let mut connecting = client.connect();
    assert!(rig.poll(&mut connecting).is_none());
    rig
}

fn expiring(seconds: u32) -> PublishProperties {
    let mut properties = PublishProperties::default();
    properties.set_message_expiry_interval(seconds);
    properties
}

#[test]
fn a_publish_that_can_not_be_sent_in_time_is_taken_back() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut rig = offline();
        let client = rig.client.clone();
        let publish = client.publish("a", "x").qos(qos).timeout(SECOND * 5);
        let completion = publish.try_enqueue().expect("room");
        let start = rig.now;
        let outcome = rig.run(completion);
        assert!(
            matches!(failure("a", &outcome), PublishFailure::NotSent(NotSent::TimedOut)),
            "{qos:?}: {outcome:?}"
        );
        assert_eq!(rig.now.saturating_since(start), SECOND * 5, "{qos:?}");
        rig.dial = Dial::Reaches;
        rig.run(client.connect()).expect("connected");
        rig.run_for(SECOND * 60);
        assert_eq!(rig.broker.stats().received, 0, "{qos:?}: never sent late");
        assert_eq!(client.stats().pending_publishes, 0);
    }
}

#[test]
fn a_limit_covers_the_wait_for_admission_too() {
    let mut rig = Rig::new(Options::builder().max_queued(1, 1 << 20));
    let client = rig.client.clone();
    let held = client.publish("a", "1").qos(QoS::AtLeastOnce).try_enqueue().expect("room");
    let start = rig.now;
    let outcome = rig.run(client.publish("a", "2").timeout(SECOND));
    assert!(matches!(failure("a", &outcome), PublishFailure::NotSent(NotSent::TimedOut)), "{outcome:?}");
    assert_eq!(rig.now.saturating_since(start), SECOND, "without any connection to wake the driver");
    rig.run(client.connect()).expect("connected");
    assert!(matches!(rig.run(held), Ok(Delivered::Acknowledged(_))));
}

#[test]
fn a_sent_message_goes_on_when_its_callers_time_is_up() {
    let mut rig = Rig::connected(Options::builder());
    let mut stream = rig.subscribe("a");
    rig.broker.inject(Fault::sent(PacketKind::Puback).withhold());
    let client = rig.client.clone();
    let outcome = rig.run(client.publish("a", "x").qos(QoS::AtLeastOnce).timeout(SECOND));
    assert!(
        matches!(failure("a", &outcome), PublishFailure::Indeterminate(Indeterminate::TimedOut)),
        "{outcome:?}"
    );
    assert!(rig.ready(&mut stream).is_some(), "it had arrived");
    assert_eq!(client.stats().pending_publishes, 1, "its memory is counted until it ends");
    rig.cut();
    rig.run_for(SECOND * 60);
    assert_eq!(client.stats().pending_publishes, 0);
}

#[test]
fn a_limit_that_is_kept_leaves_nothing_behind() {
    let mut rig = Rig::connected(Options::builder());
    let client = rig.client.clone();
    for _ in 0..100 {
        let publish = client.publish("a", "x").qos(QoS::AtLeastOnce).timeout(SECOND * 3600);
        rig.run(publish.properties(expiring(3600))).expect("delivered");
    }
    rig.settle();
    assert!(rig.deadline().is_none_or(|at| at.saturating_since(rig.now) < SECOND * 3000));
}

#[test]
fn a_message_expires_in_the_queue_and_its_interval_is_counted_down() {
    let mut rig = offline();
    let client = rig.client.clone();
    let [short, long] = [30, 600].map(|seconds| {
        let publish = client.publish("a", seconds.to_string()).qos(QoS::AtLeastOnce);
        publish.properties(expiring(seconds)).try_enqueue().expect("room")
    });
    let start = rig.now;
    let outcome = rig.run(short);
    assert!(matches!(failure("a", &outcome), PublishFailure::NotSent(NotSent::Expired)), "{outcome:?}");
    assert_eq!(rig.now.saturating_since(start), SECOND * 30);
    assert_eq!(client.stats().expired_publishes, 1);
    rig.run_for(Duration::from_millis(70_500));
    let mut stream = client.subscribe("a").into_future();
    assert!(rig.poll(&mut stream).is_none());
    rig.dial = Dial::Reaches;
    rig.run(client.connect()).expect("connected");
    let mut stream = rig.run(stream).expect("granted");
    rig.run(long).expect("delivered");
    let message = rig.next(&mut stream).expect("the other one");
    let left = message.properties().message_expiry_interval().expect("still limited");
    let waited = u32::try_from(rig.now.saturating_since(start).as_secs()).expect("short");
    assert!(left <= 500 && left + waited <= 600 && left + waited >= 598, "{left} after {waited}");
}

#[test]
fn a_flush_waits_for_what_was_published_before_it_and_for_nothing_else() {
    let mut rig = Rig::connected(Options::builder());
    let client = rig.client.clone();
    rig.run(client.flush());
    rig.broker.inject(Fault::sent(PacketKind::Puback).withhold());
    drop(client.publish("a", "1").qos(QoS::AtLeastOnce).try_enqueue().expect("room"));
    drop(client.publish("a", "2").try_enqueue().expect("room"));
    rig.settle();
    let (mut flush, mut second) = (client.flush(), client.flush());
    assert!(rig.poll(&mut flush).is_none(), "one is not acknowledged");
    rig.mtu = 0;
    drop(client.publish("a", "3").try_enqueue().expect("room"));
    let mut later = client.flush();
    drop(client.flush());
    rig.mtu = usize::MAX;
    rig.cut();
    rig.run(&mut flush);
    rig.run(&mut second);
    rig.run(&mut later);
    assert_eq!(client.stats().pending_publishes, 0);
}

#[test]
fn a_flush_ends_when_the_client_goes_offline() {
    let mut rig = offline();
    let client = rig.client.clone();
    drop(client.publish("a", "x").try_enqueue().expect("room"));
    let mut flush = client.flush();
    assert!(rig.poll(&mut flush).is_none());
    let disconnecting = client.disconnect();
    rig.run(&mut flush);
    assert_eq!(rig.run(disconnecting).not_sent.len(), 1);
}

/// What is published anew is a policy for each QoS.
#[test]
fn after_session_loss_the_options_say_what_is_published_anew() {
    let check = |qos, republish: bool, anew: bool| {
        let options = Options::builder().republish_qos1(republish).republish_qos2(republish);
        let mut rig = Rig::connected(options);
        let kind = if qos == QoS::AtLeastOnce { PacketKind::Puback } else { PacketKind::Pubrec };
        rig.broker.inject(Fault::sent(kind).withhold());
        let completion = rig.client.publish("a", "1").qos(qos).try_enqueue().expect("room");
        rig.settle();
        rig.cut();
        let outcome = rig.run(completion);
        match anew {
            true => assert!(matches!(outcome, Ok(Delivered::Acknowledged(_))), "{qos:?}: {outcome:?}"),
            false => assert!(
                matches!(failure("a", &outcome), PublishFailure::Indeterminate(Indeterminate::SessionLost)),
                "{qos:?}: {outcome:?}"
            ),
        }
        assert_eq!(rig.broker.stats().received, if anew { 2 } else { 1 });
    };
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        check(qos, true, true);
        check(qos, false, false);
    }
}
