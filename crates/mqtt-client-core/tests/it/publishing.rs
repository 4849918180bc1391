//! What a publisher is promised: exactly one outcome for every message, and bounds that hold.

use std::future::IntoFuture;
use std::time::Duration;

use mqtt_client_core::codec::{AckKind, PacketKind, PublishProperties, QoS, ReasonCode, Text, Version};
use mqtt_client_core::{Delivered, Indeterminate, NotSent, Offline, Options, OptionsBuilder, PublishFailure};
use mqtt_testkit::Fault;

use crate::rig::{Dial, Rig, failure};

const VERSIONS: [Version; 2] = [Version::V311, Version::V5];
const QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

#[test]
fn a_publish_says_how_it_ended_at_each_qos_in_both_versions() {
    for version in VERSIONS {
        let mut rig = Rig::connected(Options::builder().version(version));
        let mut stream = rig.subscribe("a/+");
        for qos in QOS {
            let client = rig.client.clone();
            let delivered = rig.run(client.publish("a/b", "hello").qos(qos)).expect("delivered");
            match (qos, &delivered) {
                (QoS::AtMostOnce, Delivered::Queued) => {}
                (QoS::AtLeastOnce, Delivered::Acknowledged(ack)) => assert_eq!(ack.kind, AckKind::Puback),
                (QoS::ExactlyOnce, Delivered::Acknowledged(ack)) => assert_eq!(ack.kind, AckKind::Pubcomp),
                _ => panic!("{qos:?} ended as {delivered:?}"),
            }
            let message = rig.next(&mut stream).expect("the message");
            assert_eq!((message.topic(), message.payload(), message.qos()), ("a/b", &b"hello"[..], qos));
        }
        assert_eq!(rig.client.stats().pending_publishes, 0);
    }
}

#[test]
fn a_qos_0_completion_ends_when_the_transport_took_the_last_byte() {
    let mut rig = Rig::connected(Options::builder());
    rig.mtu = 0;
    let client = rig.client.clone();
    let mut completion = rig.run(client.publish("a", "x").enqueue()).expect("admitted");
    assert!(rig.poll(&mut completion).is_none());
    rig.mtu = 1;
    assert_eq!(rig.run(completion).ok(), Some(Delivered::Written));
}

#[test]
fn a_refusal_by_the_broker_is_never_reported_as_success() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut rig = Rig::connected(Options::builder());
        rig.broker.inject(Fault::received(PacketKind::Publish).refuse(ReasonCode::QuotaExceeded));
        let client = rig.client.clone();
        match failure("a", &rig.run(client.publish("a", "x").qos(qos))) {
            PublishFailure::Rejected(ack) => assert_eq!(ack.reason, ReasonCode::QuotaExceeded),
            other => panic!("{qos:?} ended as {other:?}"),
        }
        // The connection and the window are none the worse for it.
        rig.publish("a", "y", qos);
        assert_eq!(rig.dials.len(), 1);
    }
}

#[test]
fn what_can_not_be_encoded_is_refused_at_the_call() {
    let mut rig = Rig::connected(Options::builder().version(Version::V311));
    let client = rig.client.clone();
    for topic in ["", "a/#", "a/+/b", "nul\0"] {
        let outcome = rig.run(client.publish(topic, "x"));
        let why = failure(topic, &outcome);
        assert!(matches!(why, PublishFailure::NotSent(NotSent::InvalidTopic(_))), "{topic:?}: {why:?}");
    }
    let mut properties = PublishProperties::default();
    properties.set_content_type(&Text::try_from("text/plain").expect("text"));
    let outcome = rig.run(client.publish("a", "x").properties(properties));
    assert!(
        matches!(failure("a", &outcome), PublishFailure::NotSent(NotSent::Refused(_))),
        "3.1.1 has no properties: {outcome:?}"
    );
}

#[test]
fn a_publish_offline_waits_for_the_connection() {
    let mut rig = Rig::new(Options::builder());
    let client = rig.client.clone();
    let mut completions: Vec<_> = (0..10)
        .map(|n| client.publish("a", vec![n]).qos(QoS::AtLeastOnce).try_enqueue().expect("room"))
        .collect();
    assert!(completions.iter_mut().all(|completion| rig.poll(completion).is_none()));
    rig.run(client.connect()).expect("connected");
    for completion in completions {
        assert!(matches!(rig.run(completion), Ok(Delivered::Acknowledged(_))));
    }
}

#[test]
fn the_queue_is_bounded_and_says_so() {
    let mut rig = Rig::new(Options::builder().max_queued(3, 1 << 20));
    let client = rig.client.clone();
    let held: Vec<_> =
        (0..3).map(|_| client.publish("a", "x").qos(QoS::AtLeastOnce).try_enqueue().expect("room")).collect();
    let full = client.publish("a", "x").try_enqueue();
    assert!(matches!(failure("a", &full), PublishFailure::NotSent(NotSent::QueueFull)), "{full:?}");
    // One that may wait is admitted in its turn, and one that is dropped while it waits was never sent.
    let mut waiting = client.publish("a", "waits").qos(QoS::AtLeastOnce).enqueue();
    let mut given_up = client.publish("a", "given up").qos(QoS::AtLeastOnce).enqueue();
    assert!(rig.poll(&mut waiting).is_none() && rig.poll(&mut given_up).is_none());
    drop(given_up);
    rig.run(client.connect()).expect("connected");
    for completion in held {
        rig.run(completion).expect("delivered");
    }
    let completion = rig.run(waiting).expect("admitted");
    rig.run(completion).expect("delivered");
    assert_eq!(rig.broker.stats().received, 4);
}

#[test]
fn a_dropped_completion_cancels_nothing() {
    let mut rig = Rig::connected(Options::builder());
    let mut stream = rig.subscribe("a");
    drop(rig.client.publish("a", "x").qos(QoS::ExactlyOnce).try_enqueue().expect("room"));
    assert!(rig.next(&mut stream).is_some());
    assert_eq!(rig.client.stats().pending_publishes, 0);
}

/// What happens to messages under way when the broker has lost the session.
#[test]
fn after_session_loss_qos_1_is_published_anew_and_sent_qos_2_is_indeterminate() {
    for version in VERSIONS {
        let mut rig = Rig::connected(Options::builder().version(version));
        rig.broker.inject(Fault::sent(PacketKind::Puback).withhold());
        rig.broker.inject(Fault::sent(PacketKind::Pubrec).withhold());
        let client = rig.client.clone();
        let once = client.publish("a", "1").qos(QoS::AtLeastOnce).try_enqueue().expect("room");
        let exactly = client.publish("a", "2").qos(QoS::ExactlyOnce).try_enqueue().expect("room");
        rig.settle();
        rig.cut();
        assert!(matches!(rig.run(once), Ok(Delivered::Acknowledged(_))), "{version}");
        let lost = rig.run(exactly);
        assert!(
            matches!(failure("a", &lost), PublishFailure::Indeterminate(Indeterminate::SessionLost)),
            "{version}: {lost:?}"
        );
    }
}

#[test]
fn a_kept_session_finishes_qos_2_after_a_cut_exactly_once() {
    for version in VERSIONS {
        let options = Options::builder()
            .version(version)
            .client_id("keeper")
            .clean_start(false)
            .session_expiry(mqtt_client_core::SESSION_NEVER_EXPIRES);
        for kind in [PacketKind::Pubrec, PacketKind::Pubcomp] {
            let mut rig = Rig::connected(options.clone());
            let mut stream = rig.subscribe("a");
            rig.broker.inject(Fault::sent(kind).cut_before());
            rig.publish("a", "x", QoS::ExactlyOnce);
            assert_eq!(rig.dials.len(), 2, "cut in the middle of the flow");
            assert!(rig.next(&mut stream).is_some());
            rig.run_for(Duration::from_secs(60));
            assert!(rig.ready(&mut stream).is_none(), "{version} {kind}: once");
        }
    }
}

#[test]
fn going_offline_ends_every_message_with_its_reason() {
    let mut rig = Rig::connected(Options::builder().max_in_flight(1));
    rig.broker.inject(Fault::sent(PacketKind::Puback).always().withhold());
    let client = rig.client.clone();
    let [sent, queued] =
        ["1", "2"].map(|text| client.publish("a", text).qos(QoS::AtLeastOnce).try_enqueue().expect("room"));
    let report = rig.run(client.disconnect());
    assert_eq!(report.not_sent.iter().map(|publish| &publish.payload[..]).collect::<Vec<_>>(), [b"2"]);
    let sent = rig.run(sent);
    assert!(
        matches!(
            failure("a", &sent),
            PublishFailure::Indeterminate(Indeterminate::Offline(Offline::Disconnected))
        ),
        "{sent:?}"
    );
    let queued = rig.run(queued);
    assert!(
        matches!(failure("a", &queued), PublishFailure::NotSent(NotSent::Offline(Offline::Disconnected))),
        "{queued:?}"
    );
    let late = rig.run(client.publish("a", "3"));
    assert!(
        matches!(failure("a", &late), PublishFailure::NotSent(NotSent::Offline(_))),
        "a call after disconnect fails at once"
    );
}

/// Whether the session has it, the queue has it, or the store goes on with it.
#[test]
fn each_message_of_many_is_named_by_its_own_topic() {
    for (qos, timeout) in [
        (QoS::AtMostOnce, None),
        (QoS::AtLeastOnce, None),
        (QoS::ExactlyOnce, None),
        (QoS::ExactlyOnce, Some(Duration::from_secs(1))),
    ] {
        let mut rig = Rig::connected(Options::builder().max_in_flight(4));
        rig.mtu = 0;
        let client = rig.client.clone();
        let started: Vec<_> = (0..10)
            .map(|number| {
                let topic = format!("room/{number}");
                let publish = client.publish(topic.clone(), "x").qos(qos);
                let publish = match timeout {
                    Some(timeout) => publish.timeout(timeout),
                    None => publish,
                };
                (topic, publish.try_enqueue().expect("room"))
            })
            .collect();
        if timeout.is_some() {
            rig.run_for(Duration::from_secs(2));
        } else {
            rig.run(client.disconnect_within(Duration::ZERO));
        }
        for (topic, completion) in started {
            failure(&topic, &rig.run(completion));
        }
    }
}

/// mosquitto 2.0.11 ends the connection of a 3.1.1 client at its 21st unacknowledged QoS 2 message.
#[test]
fn a_client_of_311_keeps_few_messages_in_flight_unless_told_otherwise() {
    let check = |options: OptionsBuilder, expected: usize| {
        let mut rig = Rig::connected(options);
        rig.broker.inject(Fault::sent(PacketKind::Pubrec).always().withhold());
        for _ in 0..2_000 {
            let publish = rig.client.publish("a", "x").qos(QoS::ExactlyOnce);
            drop(publish.try_enqueue().expect("room"));
        }
        rig.run_for(Duration::from_secs(1));
        assert_eq!(rig.client.stats().in_flight, expected);
    };
    let v311 = || Options::builder().version(Version::V311);
    check(v311(), 20);
    check(v311().max_in_flight(100), 100);
    check(Options::builder(), 1024);
}

#[test]
fn a_message_too_large_for_the_broker_fails_alone() {
    let config = mqtt_testkit::BrokerConfig { max_packet_size: 1000, ..Default::default() };
    let mut rig = Rig::with_broker(Options::builder(), config);
    let client = rig.client.clone();
    rig.run(client.connect()).expect("connected");
    let outcome = rig.run(client.publish("a", vec![0; 2000]).qos(QoS::AtLeastOnce));
    match failure("a", &outcome) {
        PublishFailure::NotSent(NotSent::Refused(refusal)) => {
            assert!(refusal.to_string().contains("1000"), "{refusal}");
        }
        other => panic!("{other:?}"),
    }
    rig.publish("a", "small", QoS::AtLeastOnce);
    assert_eq!(rig.dials.len(), 1);
}

/// A payload whose drop calls the client: under the lock it would wait for ever.
#[test]
fn a_payload_that_publishes_when_it_is_dropped_does_not_deadlock() {
    struct Tattler(mqtt_client_core::Client);
    impl AsRef<[u8]> for Tattler {
        fn as_ref(&self) -> &[u8] {
            b"tattle"
        }
    }
    impl Drop for Tattler {
        fn drop(&mut self) {
            drop(self.0.publish("dropped", "x").try_enqueue());
        }
    }
    let mut rig = Rig::connected(Options::builder());
    let mut stream = rig.subscribe("dropped");
    for qos in QOS {
        let client = rig.client.clone();
        let payload = bytes::Bytes::from_owner(Tattler(client.clone()));
        rig.run(client.publish("a", payload).qos(qos)).expect("delivered");
        assert!(rig.next(&mut stream).is_some(), "{qos:?}");
    }
}

#[test]
fn an_unreachable_broker_blocks_nobody_who_does_not_wait() {
    let mut rig = Rig::new(Options::builder().reconnect(mqtt_client_core::Reconnect {
        retry_initial: true,
        ..mqtt_client_core::Reconnect::default()
    }));
    rig.dial = Dial::Fails;
    let client = rig.client.clone();
    let mut connecting = client.connect();
    let mut publishing = client.publish("a", "x").qos(QoS::AtLeastOnce).into_future();
    rig.run_for(Duration::from_secs(600));
    assert!(rig.poll(&mut connecting).is_none() && rig.poll(&mut publishing).is_none());
    rig.dial = Dial::Reaches;
    rig.run(connecting).expect("connected");
    rig.run(publishing).expect("delivered");
}
