//! Subscriptions: what is granted and refused, who gets a message, and when a stream ends.

use std::num::NonZeroU16;
use std::time::Duration;

use mqtt_client_core::codec::{QoS, ReasonCode, TopicFilter, Version};
use mqtt_client_core::{FilterRefused, SubscribeError};
use mqtt_scenarios::{Adapter, Bed, Case, Client, Subscription, until};
use mqtt_testkit::{BrokerConfig, Server};

scenarios!(
    a_refused_subscription_is_an_error,
    a_partly_refused_subscription_says_which,
    a_bad_filter_is_an_error_at_once,
    the_granted_qos_is_told,
    unsubscribing_ends_the_stream,
    dropping_a_stream_unsubscribes,
    a_message_reaches_each_stream_once,
    a_stream_that_nobody_reads_holds_up_nobody,
    a_slow_reader_loses_nothing_acknowledged,
    filters_match_as_they_should,
    topics_of_the_broker_reach_only_who_asks_for_them,
);

scenarios!(only 5.0: unsubscribing_tells_what_there_was);

fn strict() -> Server {
    let deny_subscribe = vec![TopicFilter::new("secret/#").unwrap()];
    Server::bind("127.0.0.1:0", BrokerConfig { deny_subscribe, ..BrokerConfig::default() }).unwrap()
}

#[track_caller]
fn assert_by_broker(why: &FilterRefused) {
    match why {
        FilterRefused::ByBroker(answer) => assert!(answer.reason.is_error(), "{answer:?}"),
        other => panic!("{other}"),
    }
}

fn a_refused_subscription_is_an_error<A: Adapter>(case: &Case<A>) {
    let server = strict();
    let client = case.connect(&server.url());
    match client.subscribe("secret/#") {
        Err(SubscribeError::Refused(refused)) => {
            assert_eq!(refused.len(), 1);
            assert_eq!(refused[0].0.as_str(), "secret/#");
            assert_by_broker(&refused[0].1);
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("granted"),
    }
    assert!(client.is_connected(), "a refusal is no reason to disconnect");
}

fn a_partly_refused_subscription_says_which<A: Adapter>(case: &Case<A>) {
    let server = strict();
    let client = case.connect(&server.url());
    let mut messages = client.subscribe(["open/#", "secret/#"]).unwrap();
    let granted = messages.granted();
    assert_eq!(granted.iter().map(|(filter, _)| filter.as_str()).collect::<Vec<_>>(), ["open/#", "secret/#"]);
    assert_eq!(granted[0].1.as_ref().unwrap().reason, ReasonCode::GrantedQoS2);
    assert_by_broker(granted[1].1.as_ref().unwrap_err());
    client.send("secret/1", "no", QoS::AtLeastOnce).unwrap();
    client.send("open/1", "yes", QoS::AtLeastOnce).unwrap();
    assert_eq!(messages.message().topic(), "open/1");
}

fn a_bad_filter_is_an_error_at_once<A: Adapter>(case: &Case<A>) {
    let client = case.client(case.options("mqtt://127.0.0.1:9"));
    assert!(matches!(client.subscribe([""; 0]), Err(SubscribeError::NoFilter)));
    let (subscribed, unsubscribed) = (client.subscribe(["a", "a/#/b"]), client.unsubscribe("+a"));
    for (error, wrong) in [(subscribed.map(drop), "a/#/b"), (unsubscribed.map(drop), "+a")] {
        match error {
            Err(SubscribeError::InvalidFilter(bad)) => assert_eq!(bad.filter, wrong),
            other => panic!("{other:?}"),
        }
    }
}

fn the_granted_qos_is_told<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let client = case.connect(bed.url());
        let topic = case.unique("granted");
        for (qos, reason) in [
            (QoS::AtMostOnce, ReasonCode::Success),
            (QoS::AtLeastOnce, ReasonCode::GrantedQoS1),
            (QoS::ExactlyOnce, ReasonCode::GrantedQoS2),
        ] {
            let mut messages = client.subscribe_with(&topic, |builder| builder.qos(qos)).unwrap();
            assert_eq!(messages.granted()[0].1.as_ref().unwrap().reason, reason);
            client.send(&topic, "x", QoS::ExactlyOnce).unwrap();
            assert_eq!(messages.message().qos(), qos);
        }
    }
}

fn unsubscribing_ends_the_stream<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let client = case.connect(bed.url());
        let (first, second) = (case.unique("first"), case.unique("second"));
        let mut messages = client.subscribe([&first, &second]).unwrap();
        let mut witness = client.subscribe(&first).unwrap();
        client.send(&first, "1", QoS::AtLeastOnce).unwrap();
        witness.message();
        client.unsubscribe(&first).unwrap();
        client.send(&first, "not wanted", QoS::AtLeastOnce).unwrap();
        client.send(&second, "2", QoS::AtLeastOnce).unwrap();
        // What had arrived is still read; the other filter still feeds the stream.
        assert_eq!(messages.texts(2), ["1", "2"]);
        let results = client.unsubscribe(&second).unwrap();
        assert_eq!(results.len(), 1);
        assert_eq!(results[0].1.as_ref().unwrap().reason, ReasonCode::Success);
        messages.ends();
        messages.ends();

        let mut both = client.subscribe([&first, &second]).unwrap();
        let results = client.unsubscribe([&first, &second]).unwrap();
        let filters: Vec<_> = results.iter().map(|(filter, _)| filter.as_str()).collect();
        assert_eq!(filters, [&first, &second]);
        assert!(results.iter().all(|(_, answer)| answer.as_ref().unwrap().reason == ReasonCode::Success));
        both.ends();
    }
}

fn unsubscribing_tells_what_there_was<A: Adapter>(case: &Case<A>) {
    let bed = Bed::in_process();
    let client = case.connect(bed.url());
    let _messages = client.subscribe("a").unwrap();
    let results = client.unsubscribe(["a", "never/there"]).unwrap();
    let reasons: Vec<_> = results.into_iter().map(|(_, result)| result.unwrap().reason).collect();
    assert_eq!(reasons, [ReasonCode::Success, ReasonCode::NoSubscriptionExisted]);
}

fn dropping_a_stream_unsubscribes<A: Adapter>(case: &Case<A>) {
    let server = strict();
    let client = case.connect(&server.url());
    let id = client.client_id();
    let (one, other) = (client.subscribe("a/#").unwrap(), client.subscribe("a/#").unwrap());
    let subscribed = || server.with_broker(|broker| broker.is_subscribed(&id, "a/#"));
    drop(one);
    client.ping().unwrap();
    assert!(subscribed(), "another stream wants it");
    drop(other);
    until("unsubscribed", || !subscribed());
}

fn a_message_reaches_each_stream_once<A: Adapter>(case: &Case<A>) {
    let server = strict();
    let client = case.connect(&server.url());
    let mut all = client.subscribe(["plant/#", "plant/3"]).unwrap();
    let mut three = client.subscribe("plant/3").unwrap();
    let mut four = client.subscribe("plant/4").unwrap();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        client.send("plant/3", "three", qos).unwrap();
        client.send("plant/4", "four", qos).unwrap();
        assert_eq!(all.texts(2), ["three", "four"]);
        assert_eq!(three.message().text(), "three");
        assert_eq!(four.message().text(), "four");
    }
    all.stays_silent(Duration::from_millis(50));
}

fn a_stream_that_nobody_reads_holds_up_nobody<A: Adapter>(case: &Case<A>) {
    let server = strict();
    let client = case.connect_with(case.options(&server.url()).stream_capacity(16));
    let mut unread = client.subscribe("noise/#").unwrap();
    let mut read = client.subscribe("signal/#").unwrap();
    for i in 0..2_000 {
        client.send("noise/1", i.to_string(), QoS::AtMostOnce).unwrap();
    }
    client.send("signal/1", "heard", QoS::ExactlyOnce).unwrap();
    assert_eq!(read.message().text(), "heard");
    client.ping().unwrap();
    assert!(client.stats().dropped_messages > 0);
    // The newest were kept, and reading goes on with what comes next.
    let texts = unread.texts(16);
    assert_eq!(texts.last().map(String::as_str), Some("1999"));
    for i in 0..500 {
        client.send("noise/2", i.to_string(), QoS::AtMostOnce).unwrap();
        assert_eq!(unread.message().text(), i.to_string());
    }
}

fn a_slow_reader_loses_nothing_acknowledged<A: Adapter>(case: &Case<A>) {
    // Far more than may be unread at once: the rest waits at the broker. A 5.0 client says how much that is; for a 3.1.1
    // client the broker decides.
    let max_in_flight = if case.version == Version::V5 { 1024 } else { 10 };
    let max_in_flight = NonZeroU16::new(max_in_flight).unwrap();
    let config = BrokerConfig { max_in_flight, ..BrokerConfig::default() };
    let server = Server::bind("127.0.0.1:0", config).unwrap();
    let publisher = case.connect(&server.url());
    let subscriber = case.connect_with(case.options(&server.url()).receive_maximum(10));
    let mut messages = subscriber.subscribe("work").unwrap();
    for i in 0..300 {
        let qos = if i % 3 == 0 { QoS::ExactlyOnce } else { QoS::AtLeastOnce };
        let _completion =
            publisher.wait(publisher.publish("work", i.to_string()).qos(qos).enqueue()).unwrap();
    }
    until("all are published", || publisher.stats().pending_publishes == 0);
    until("as many as may be are unread", || subscriber.stats().unacknowledged_messages == 10);
    subscriber.ping().unwrap();
    assert_eq!(subscriber.stats().unacknowledged_messages, 10);
    for i in 0..300 {
        assert_eq!(messages.message().text(), i.to_string());
    }
    until("all are acknowledged", || subscriber.stats().unacknowledged_messages == 0);
    assert_eq!(subscriber.stats().reconnects, 0);
}

/// `$SYS` is the broker's own; a wildcard at the beginning does not stand for it.
// [3.1.1 MQTT-4.7.2-1, 5.0 MQTT-4.7.2-1]
fn topics_of_the_broker_reach_only_who_asks_for_them<A: Adapter>(case: &Case<A>) {
    let mosquitto = Bed::mosquitto();
    let client = case.connect(mosquitto.url());
    // Nothing of it waits for its reader: mosquitto has much to tell.
    let mut subscribe =
        |filter| client.subscribe_with(filter, |builder| builder.qos(QoS::AtMostOnce)).unwrap();
    let [mut all, mut version, mut system] = ["#", "$SYS/broker/version", "$SYS/#"].map(&mut subscribe);
    let message = version.message();
    assert!(message.retain() && message.text().starts_with("mosquitto"), "{message:?}");
    assert!(system.message().topic().starts_with("$SYS/"));
    client.send("plain", "x", QoS::AtLeastOnce).unwrap();
    assert_eq!(all.message().topic(), "plain", "and nothing before it");
}

fn filters_match_as_they_should<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let client = case.connect(bed.url());
        let root = case.unique("root");
        for (filter, topic, matches) in [
            ("sport/+/player", "sport/tennis/player", true),
            ("sport/+/player", "sport/a/b/player", false),
            ("sport/#", "sport", true),
            ("sport/#", "sport/tennis/player", true),
            ("+/+", "/finance", true),
            ("+", "/finance", false),
        ] {
            let mut messages = client.subscribe(&format!("{root}/{filter}")).unwrap();
            let mut end = client.subscribe(&format!("{root}-end")).unwrap();
            client.send(&format!("{root}/{topic}"), "x", QoS::AtLeastOnce).unwrap();
            client.send(&format!("{root}-end"), "end", QoS::AtLeastOnce).unwrap();
            // In this order: a broker may send one message at a time, and wait for its acknowledgement.
            if matches {
                assert_eq!(messages.message().topic(), format!("{root}/{topic}"));
            }
            end.message();
            messages.stays_silent(Duration::from_millis(1));
        }
    }
}
