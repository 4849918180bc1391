//! What a subscriber is promised: each message once on each stream, nothing unread lost, subscriptions that survive.

use std::time::Duration;

use mqtt_client_core::codec::{PacketKind, QoS, ReasonCode, Version};
use mqtt_client_core::{
    Event, FilterRefused, Options, OptionsBuilder, SESSION_NEVER_EXPIRES, SubscribeError,
};
use mqtt_testkit::{BrokerConfig, Fault};

use crate::rig::{Dial, Rig, drain};

const VERSIONS: [Version; 2] = [Version::V311, Version::V5];

fn kept_session(version: Version) -> OptionsBuilder {
    Options::builder()
        .version(version)
        .client_id("keeper")
        .clean_start(false)
        .session_expiry(SESSION_NEVER_EXPIRES)
}

fn texts(rig: &mut Rig, stream: &mut mqtt_client_core::Subscription) -> Vec<String> {
    std::iter::from_fn(|| rig.ready(stream)).map(|message| message.text().into_owned()).collect()
}

#[test]
fn each_filter_has_its_answer_and_refusal_of_all_is_an_error() {
    for version in VERSIONS {
        let config = BrokerConfig {
            deny_subscribe: ["secret/x", "secret/y"]
                .map(|filter| filter.try_into().expect("a filter"))
                .into(),
            ..Default::default()
        };
        let mut rig = Rig::with_broker(Options::builder().version(version), config);
        let client = rig.client.clone();
        rig.run(client.connect()).expect("connected");
        let stream: mqtt_client_core::Subscription =
            rig.run(client.subscribe(["a", "secret/x"]).qos(QoS::AtLeastOnce)).expect("one is granted");
        let [(_, granted), (_, refused)] = &stream.granted()[..] else { panic!("{:?}", stream.granted()) };
        assert!(matches!(granted, Ok(answer) if answer.reason == ReasonCode::GrantedQoS1), "{granted:?}");
        assert!(matches!(refused, Err(FilterRefused::ByBroker(_))), "{refused:?}");
        let outcome = rig.run(client.subscribe::<mqtt_client_core::Subscription>("secret/y"));
        assert!(matches!(outcome, Err(SubscribeError::Refused(_))), "{outcome:?}");
        for wrong in ["", "a/#/b", "a+"] {
            let outcome = rig.run(client.subscribe::<mqtt_client_core::Subscription>(["right", wrong]));
            match outcome {
                Err(SubscribeError::InvalidFilter(bad)) => assert_eq!(bad.filter, wrong),
                other => panic!("{wrong:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn a_message_reaches_each_matching_stream_once() {
    let mut rig = Rig::connected(Options::builder());
    let mut streams = ["a/b", "a/+", "#", "b"].map(|filter| rig.subscribe(filter));
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        rig.publish("a/b", "x", qos);
        rig.settle();
        let counts = streams.each_mut().map(|stream| texts(&mut rig, stream).len());
        assert_eq!(counts, [1, 1, 1, 0], "{qos:?}");
    }
    assert_eq!(rig.client.stats().unacknowledged_messages, 0);
}

#[test]
fn two_streams_share_a_filter_and_the_last_one_unsubscribes() {
    let mut rig = Rig::connected(Options::builder());
    let id = rig.client.client_id();
    let mut first = rig.subscribe("a");
    let second = rig.subscribe("a");
    drop(second);
    rig.settle();
    assert!(rig.broker.is_subscribed(&id, "a"));
    rig.publish("a", "x", QoS::AtLeastOnce);
    assert_eq!(texts(&mut rig, &mut first), ["x"]);
    drop(first);
    rig.settle();
    assert!(!rig.broker.is_subscribed(&id, "a"));
}

#[test]
fn unsubscribe_gives_codes_and_ends_the_stream_after_what_it_holds() {
    for version in VERSIONS {
        let mut rig = Rig::connected(Options::builder().version(version));
        let mut stream = rig.subscribe("a");
        rig.publish("a", "x", QoS::AtLeastOnce);
        let client = rig.client.clone();
        let results = rig.run(client.unsubscribe(["a", "never"])).expect("answered");
        let codes: Vec<_> =
            results.iter().map(|(_, result)| result.as_ref().ok().map(|answer| answer.reason)).collect();
        let unknown =
            if version == Version::V5 { ReasonCode::NoSubscriptionExisted } else { ReasonCode::Success };
        assert_eq!(codes, [Some(ReasonCode::Success), Some(unknown)]);
        assert_eq!(rig.next(&mut stream).map(|message| message.text().into_owned()), Some("x".into()));
        assert!(rig.next(&mut stream).is_none());
    }
}

#[test]
fn a_message_is_acknowledged_when_it_is_handed_over_and_not_before() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut rig = Rig::connected(Options::builder());
        let mut stream = rig.subscribe("a");
        rig.publish("a", "x", qos);
        rig.run_for(Duration::from_secs(3));
        assert_eq!(rig.client.stats().unacknowledged_messages, 1);
        assert!(rig.next(&mut stream).is_some());
        assert_eq!(rig.client.stats().unacknowledged_messages, 0);
    }
}

/// The reader is away, the link breaks, and the broker delivers again: read once all the same.
#[test]
fn unread_messages_survive_a_cut_and_are_read_once() {
    for version in VERSIONS {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut rig = Rig::connected(kept_session(version));
            let mut stream = rig.subscribe("a");
            for n in 0..5 {
                rig.publish("a", n.to_string(), qos);
            }
            rig.cut();
            rig.run_for(Duration::from_secs(30));
            assert_eq!(texts(&mut rig, &mut stream), ["0", "1", "2", "3", "4"], "{version} {qos:?}");
            rig.run_for(Duration::from_secs(30));
            assert!(rig.ready(&mut stream).is_none());
            assert_eq!(rig.client.stats().unacknowledged_messages, 0);
        }
    }
}

#[test]
fn subscriptions_are_restored_before_ready_when_the_session_was_lost() {
    for version in VERSIONS {
        let mut rig = Rig::connected(Options::builder().version(version));
        let mut stream = rig.subscribe("a/#");
        let mut events = rig.client.events();
        rig.cut();
        rig.broker.inject(Fault::sent(PacketKind::Suback).delay(Duration::from_secs(7)));
        rig.run_for(Duration::from_secs(6));
        assert!(!rig.client.is_connected(), "not ready before the subscription is granted");
        rig.run_for(Duration::from_secs(10));
        assert!(rig.client.is_connected());
        assert!(
            drain(&mut events)
                .iter()
                .any(|event| matches!(event, Event::Connected { session_present: false }))
        );
        rig.publish("a/b", "x", QoS::AtLeastOnce);
        assert_eq!(texts(&mut rig, &mut stream), ["x"]);
    }
}

#[test]
fn a_subscription_that_is_not_granted_again_is_reported_and_its_stream_ends() {
    let mut rig = Rig::connected(Options::builder());
    let mut stream = rig.subscribe("a");
    let mut events = rig.client.events();
    rig.broker.inject(Fault::received(PacketKind::Subscribe).refuse(ReasonCode::NotAuthorized));
    rig.cut();
    rig.run_for(Duration::from_secs(60));
    let events = drain(&mut events);
    let lost = events
        .iter()
        .any(|event| matches!(event, Event::SubscriptionLost { filter, .. } if filter.as_str() == "a"));
    assert!(lost, "{events:?}");
    assert!(rig.next(&mut stream).is_none());
}

#[test]
fn a_subscribe_before_the_first_connection_goes_out_once() {
    let mut rig = Rig::new(Options::builder());
    let client = rig.client.clone();
    let mut subscribing =
        std::future::IntoFuture::into_future(client.subscribe::<mqtt_client_core::Subscription>("a"));
    assert!(rig.poll(&mut subscribing).is_none());
    rig.run(client.connect()).expect("connected");
    let _stream = rig.run(subscribing).expect("granted");
    let sent = rig.broker.log().filter(|entry| entry.packet.kind == PacketKind::Subscribe).count();
    assert_eq!(sent, 1);
}

#[test]
fn a_subscribe_cut_off_before_its_answer_is_asked_again() {
    for version in VERSIONS {
        let mut rig = Rig::connected(kept_session(version));
        rig.broker.inject(Fault::sent(PacketKind::Suback).cut_before());
        let mut stream = rig.subscribe("a");
        rig.publish("a", "x", QoS::ExactlyOnce);
        assert_eq!(texts(&mut rig, &mut stream), ["x"]);
    }
}

#[test]
fn dropping_an_unfinished_subscribe_unsubscribes() {
    let mut rig = Rig::connected(Options::builder());
    rig.broker.inject(Fault::sent(PacketKind::Suback).withhold());
    let id = rig.client.client_id();
    let subscribing = std::future::IntoFuture::into_future(
        rig.client.clone().subscribe::<mqtt_client_core::Subscription>("a"),
    );
    rig.settle();
    assert!(rig.broker.is_subscribed(&id, "a"));
    drop(subscribing);
    rig.settle();
    assert!(!rig.broker.is_subscribed(&id, "a"));
}

/// Messages of a kept session come right after CONNACK, before anybody can have subscribed.
#[test]
fn messages_that_no_stream_matches_yet_wait_for_one() {
    for version in VERSIONS {
        let mut rig = Rig::connected(kept_session(version));
        let client = rig.client.clone();
        let stream: mqtt_client_core::Subscription =
            rig.run(client.subscribe("a").keep_on_drop(true)).expect("granted");
        drop(stream);
        rig.publish("a", "x", QoS::AtLeastOnce);
        rig.run_for(Duration::from_secs(9));
        let mut late = rig.subscribe("a");
        assert_eq!(texts(&mut rig, &mut late), ["x"], "{version}");
        drop(late);
        rig.run_for(Duration::from_secs(1));
    }
}

#[test]
fn messages_that_nobody_wants_are_acknowledged_after_their_grace_and_counted() {
    let mut rig = Rig::connected(kept_session(Version::V5));
    let client = rig.client.clone();
    let stream: mqtt_client_core::Subscription =
        rig.run(client.subscribe("a").keep_on_drop(true)).expect("granted");
    drop(stream);
    rig.publish("a", "x", QoS::ExactlyOnce);
    assert_eq!((client.stats().unacknowledged_messages, client.stats().unclaimed_messages), (1, 0));
    rig.run_for(Duration::from_secs(11));
    assert_eq!((client.stats().unacknowledged_messages, client.stats().unclaimed_messages), (0, 1));
}

#[test]
fn a_stream_that_is_dropped_with_unread_messages_loses_none_of_them() {
    let mut rig = Rig::connected(kept_session(Version::V5));
    let client = rig.client.clone();
    let mut stream: mqtt_client_core::Subscription =
        rig.run(client.subscribe("a").keep_on_drop(true)).expect("granted");
    for n in 0..3 {
        rig.publish("a", n.to_string(), QoS::ExactlyOnce);
    }
    assert_eq!(rig.next(&mut stream).map(|message| message.text().into_owned()), Some("0".into()));
    drop(stream);
    let mut next = rig.subscribe("a");
    assert_eq!(texts(&mut rig, &mut next), ["1", "2"]);
}

/// QoS 0 has no flow control: a reader that stops loses the oldest, counted, and holds up nobody for long.
#[test]
fn a_full_stream_of_qos_0_pauses_reading_for_20_ms_at_most_and_then_loses_the_oldest() {
    let mut rig = Rig::connected(Options::builder().stream_capacity(10));
    let mut stream = rig.subscribe("a");
    let before = rig.now;
    for n in 0..30 {
        rig.publish("a", n.to_string(), QoS::AtMostOnce);
    }
    rig.publish("b", "behind them", QoS::AtLeastOnce);
    assert!(rig.now.saturating_since(before) <= Duration::from_millis(20));
    assert_eq!(rig.client.stats().dropped_messages, 20);
    assert_eq!(texts(&mut rig, &mut stream), (20..30).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_reader_that_keeps_up_within_the_pause_loses_nothing() {
    let mut rig = Rig::connected(Options::builder().stream_capacity(10));
    let mut stream = rig.subscribe("a");
    for n in 0..25 {
        rig.publish("a", n.to_string(), QoS::AtMostOnce);
    }
    let mut read = Vec::new();
    while let Some(message) = rig.ready(&mut stream) {
        read.push(message.text().into_owned());
    }
    assert_eq!(read, (0..25).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(rig.client.stats().dropped_messages, 0);
}

/// The driver holds more than one step takes. What it kept while reading paused is not forgotten when reading goes on.
#[test]
fn input_that_a_pause_kept_back_is_taken_when_the_pause_ends() {
    let mut rig = Rig::connected(Options::builder().stream_capacity(10));
    let mut stream = rig.subscribe("a");
    // A PUBLISH of QoS 0 (5.0): remaining length 16,000, topic "a", no properties.
    let packet = [&[0x30, 0x80, 0x7d, 0, 1, b'a', 0][..], &[b'x'; 15_996]].concat();
    rig.inject(&packet.repeat(25));
    let read = std::iter::from_fn(|| rig.ready(&mut stream)).count();
    assert_eq!((read, rig.client.stats().dropped_messages), (25, 0));
}

#[test]
fn a_consumer_that_never_reads_delays_neither_pings_nor_acknowledgements() {
    let mut rig = Rig::connected(Options::builder().receive_maximum(5).keep_alive(Duration::from_secs(10)));
    let stream = rig.subscribe("a");
    for _ in 0..50 {
        rig.publish("a", "x", QoS::ExactlyOnce);
    }
    rig.run_for(Duration::from_secs(600));
    assert_eq!(rig.dials.len(), 1);
    assert_eq!(rig.client.stats().unacknowledged_messages, 5, "bounded by the Receive Maximum");
    drop(stream);
}

/// A 3.1.1 broker can't be told how much we take; cutting off one that sends much would lose it.
#[test]
fn a_3_1_1_broker_that_sends_all_it_has_is_not_cut_off() {
    let config = BrokerConfig { max_in_flight: std::num::NonZeroU16::MAX, ..Default::default() };
    let mut rig = Rig::with_broker(Options::builder().version(Version::V311), config);
    let client = rig.client.clone();
    rig.run(client.connect()).expect("connected");
    let mut stream = rig.subscribe("a");
    for n in 0..3000 {
        rig.publish("a", n.to_string(), QoS::ExactlyOnce);
    }
    assert_eq!((rig.dials.len(), rig.client.stats().unacknowledged_messages), (1, 3000));
    assert_eq!(texts(&mut rig, &mut stream).len(), 3000);
}

#[test]
fn publishing_from_inside_a_stream_loop_does_not_freeze() {
    let mut rig = Rig::connected(Options::builder().max_in_flight(1).receive_maximum(1));
    let mut stream = rig.subscribe("chain/+");
    rig.publish("chain/0", "x", QoS::ExactlyOnce);
    for n in 1..100 {
        let message = rig.next(&mut stream).expect("the chain goes on");
        assert_eq!(message.topic(), format!("chain/{}", n - 1));
        rig.publish(&format!("chain/{n}"), "x", QoS::ExactlyOnce);
    }
}

#[test]
fn streams_end_when_the_client_is_offline_for_good_and_go_on_when_it_is_reopened() {
    let mut rig = Rig::connected(kept_session(Version::V5));
    let mut stream = rig.subscribe("a");
    let client = rig.client.clone();
    rig.run(client.disconnect());
    assert!(rig.next(&mut stream).is_none());
    rig.dial = Dial::Reaches;
    rig.run(client.connect()).expect("connected");
    rig.publish("a", "x", QoS::AtLeastOnce);
    assert_eq!(texts(&mut rig, &mut stream), ["x"]);
}
