//! Publishing while there is no connection: it waits, within bounds, and goes out in order.

use std::time::Duration;

use mqtt_client_core::codec::{QoS, ReasonCode};
use mqtt_client_core::{Completion, Delivered, NotSent, Overflow, PublishError, PublishFailure};
use mqtt_scenarios::{Adapter, Case, Client, Events, Subscription, failure};
use mqtt_testkit::{BrokerConfig, Proxy, ProxyConfig, Server};

scenarios!(
    messages_wait_for_the_connection,
    a_subscription_waits_for_the_connection,
    the_queue_is_bounded_in_messages,
    the_queue_is_bounded_in_bytes,
    a_message_waits_for_room_and_is_sent,
    a_message_that_is_given_up_before_admission_is_not_sent,
    a_full_queue_refuses_or_drops_the_newest_if_told_so,
    a_full_queue_drops_the_oldest_if_told_so,
    a_full_queue_keeps_the_latest_of_each_topic_if_told_so,
    a_publish_has_a_time_limit,
    a_flush_waits_for_all_that_was_published,
);

/// A broker that a client can't reach at the moment, and the way to it.
struct Outage {
    server: Server,
    proxy: Proxy,
}

impl Outage {
    fn new() -> Self {
        let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
        let proxy = Proxy::start(server.addr(), ProxyConfig::default()).unwrap();
        Outage { server, proxy }
    }

    /// Cuts a connected client off.
    fn begin<C: Client>(&self, client: &C) {
        let mut events = client.events();
        self.proxy.refuse(true);
        self.proxy.cut();
        events.failure();
        assert!(!client.is_connected());
    }

    fn end(&self) {
        self.proxy.refuse(false);
    }

    /// Whoever looks from the other side.
    fn witness<A: Adapter>(&self, case: &Case<A>, filter: &str) -> <A::Client as Client>::Subscription {
        case.connect(&self.server.url()).subscribe(filter).unwrap()
    }
}

fn messages_wait_for_the_connection<A: Adapter>(case: &Case<A>) {
    let outage = Outage::new();
    let mut witness = outage.witness(case, "news");
    let client = case.connect(&outage.proxy.url());
    outage.begin(&client);
    let completions: Vec<(QoS, Completion)> = (0..9_u8)
        .map(|i| {
            let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(i % 3)];
            (qos, client.publish("news", i.to_string()).qos(qos).try_enqueue().unwrap())
        })
        .collect();
    assert_eq!(client.stats().pending_publishes, 9);
    outage.end();
    let expected: Vec<_> = (0..9).map(|i| i.to_string()).collect();
    assert_eq!(witness.texts(9), expected);
    for (qos, completion) in completions {
        match (qos, client.wait(completion).unwrap()) {
            (QoS::AtMostOnce, Delivered::Written) => {}
            (_, Delivered::Acknowledged(ack)) => assert_eq!(ack.reason, ReasonCode::Success),
            (_, other) => panic!("{qos:?}: {other:?}"),
        }
    }
    assert_eq!(client.stats().pending_publishes, 0);
}

fn a_subscription_waits_for_the_connection<A: Adapter>(case: &Case<A>) {
    let outage = Outage::new();
    let client = case.connect(&outage.proxy.url());
    outage.begin(&client);
    std::thread::scope(|scope| {
        let subscribing = scope.spawn(|| client.subscribe("late").unwrap());
        outage.end();
        let mut messages = subscribing.join().unwrap();
        client.send("late", "x", QoS::AtLeastOnce).unwrap();
        assert_eq!(messages.message().text(), "x");
    });
}

#[track_caller]
fn assert_full(result: Result<Completion, PublishError>) {
    match failure("q", &result) {
        PublishFailure::NotSent(NotSent::QueueFull) => {}
        other => panic!("{other:?}"),
    }
}

fn the_queue_is_bounded_in_messages<A: Adapter>(case: &Case<A>) {
    let outage = Outage::new();
    let mut witness = outage.witness(case, "q");
    let client = case.connect_with(case.options(&outage.proxy.url()).max_queued(3, 1 << 20));
    outage.begin(&client);
    let publish = |text: &str| client.publish("q", text.to_owned()).qos(QoS::AtLeastOnce);
    let taken: Vec<Completion> = ["1", "2", "3"].map(|text| publish(text).try_enqueue().unwrap()).into();
    assert_full(publish("4").try_enqueue());
    outage.end();
    for completion in taken {
        client.wait(completion).unwrap();
    }
    client.wait(publish("5").try_enqueue().unwrap()).unwrap();
    assert_eq!(witness.texts(4), ["1", "2", "3", "5"]);
}

fn the_queue_is_bounded_in_bytes<A: Adapter>(case: &Case<A>) {
    let outage = Outage::new();
    let client = case.connect_with(case.options(&outage.proxy.url()).max_queued(1_000, 10_000));
    outage.begin(&client);
    let publish = |size| client.publish("q", vec![0; size]).qos(QoS::AtLeastOnce);
    let _first = publish(4_000).try_enqueue().unwrap();
    let _second = publish(4_000).try_enqueue().unwrap();
    assert_full(publish(4_000).try_enqueue());
    let _small = publish(100).try_enqueue().unwrap();
    assert_eq!(client.stats().pending_publishes, 3);
}

fn a_message_waits_for_room_and_is_sent<A: Adapter>(case: &Case<A>) {
    let outage = Outage::new();
    let mut witness = outage.witness(case, "q");
    let client = case.connect_with(case.options(&outage.proxy.url()).max_queued(1, 1 << 20));
    outage.begin(&client);
    let _first = client.publish("q", "1").qos(QoS::ExactlyOnce).try_enqueue().unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| client.send("q", "2", QoS::ExactlyOnce));
        outage.end();
        assert_eq!(witness.texts(2), ["1", "2"]);
        second.join().unwrap().unwrap();
    });
}

fn a_message_that_is_given_up_before_admission_is_not_sent<A: Adapter>(case: &Case<A>) {
    let outage = Outage::new();
    let mut witness = outage.witness(case, "q");
    let client = case.connect_with(case.options(&outage.proxy.url()).max_queued(1, 1 << 20));
    outage.begin(&client);
    let first = client.publish("q", "1").qos(QoS::AtLeastOnce).try_enqueue().unwrap();
    let given_up = std::future::IntoFuture::into_future(client.publish("q", "2").qos(QoS::AtLeastOnce));
    drop(given_up);
    outage.end();
    client.wait(first).unwrap();
    client.send("q", "3", QoS::AtLeastOnce).unwrap();
    assert_eq!(witness.texts(2), ["1", "3"]);
}

/// What a client with room for two messages brings out of an outage in which it published these: topic and payload.
fn after_an_outage<A: Adapter>(case: &Case<A>, overflow: Overflow, messages: &[(&str, &str)]) -> Vec<String> {
    let outage = Outage::new();
    let mut witness = outage.witness(case, "#");
    let options = case.options(&outage.proxy.url()).max_queued(2, 1 << 20).overflow(overflow);
    let client = case.connect_with(options);
    outage.begin(&client);
    for (topic, payload) in messages {
        let publish = client.publish(topic, (*payload).to_owned()).qos(QoS::AtLeastOnce);
        drop(publish.try_enqueue().unwrap());
    }
    outage.end();
    client.flush();
    witness.texts(2)
}

fn a_full_queue_refuses_or_drops_the_newest_if_told_so<A: Adapter>(case: &Case<A>) {
    for (overflow, refused) in [(Overflow::Refuse, true), (Overflow::DropNewest, false)] {
        let outage = Outage::new();
        let mut witness = outage.witness(case, "q");
        let options = case.options(&outage.proxy.url()).max_queued(2, 1 << 20).overflow(overflow);
        let client = case.connect_with(options);
        outage.begin(&client);
        let enqueue =
            |text: &str| client.wait(client.publish("q", text.to_owned()).qos(QoS::AtLeastOnce).enqueue());
        let taken: Vec<Completion> = ["1", "2"].map(|text| enqueue(text).unwrap()).into();
        // It does not wait for room, either way.
        let third = enqueue("3");
        if refused {
            assert_full(third);
        } else {
            let dropped = client.wait(third.unwrap());
            assert!(
                matches!(failure("q", &dropped), PublishFailure::NotSent(NotSent::Dropped)),
                "{dropped:?}"
            );
        }
        let stats = client.stats();
        assert_eq!((stats.refused_publishes, stats.dropped_publishes), (refused.into(), (!refused).into()));
        outage.end();
        for completion in taken {
            client.wait(completion).unwrap();
        }
        assert_eq!(witness.texts(2), ["1", "2"]);
    }
}

fn a_full_queue_drops_the_oldest_if_told_so<A: Adapter>(case: &Case<A>) {
    let messages = [("a", "1"), ("b", "2"), ("a", "3"), ("b", "4")];
    assert_eq!(after_an_outage(case, Overflow::DropOldest, &messages), ["3", "4"]);
}

fn a_full_queue_keeps_the_latest_of_each_topic_if_told_so<A: Adapter>(case: &Case<A>) {
    let messages = [("a", "1"), ("b", "2"), ("b", "3"), ("a", "4")];
    assert_eq!(after_an_outage(case, Overflow::KeepLatest, &messages), ["4", "3"]);
}

fn a_publish_has_a_time_limit<A: Adapter>(case: &Case<A>) {
    let outage = Outage::new();
    let mut witness = outage.witness(case, "t");
    let client = case.connect(&outage.proxy.url());
    outage.begin(&client);
    let late = client.publish("t", "late").qos(QoS::ExactlyOnce).timeout(Duration::from_millis(50));
    match failure("t", &client.wait(late)) {
        PublishFailure::NotSent(NotSent::TimedOut) => {}
        other => panic!("{other:?}"),
    }
    outage.end();
    let in_time = client.publish("t", "in time").qos(QoS::ExactlyOnce).timeout(Duration::from_secs(60));
    client.wait(in_time).unwrap();
    assert_eq!(witness.texts(1), ["in time"]);
}

fn a_flush_waits_for_all_that_was_published<A: Adapter>(case: &Case<A>) {
    let outage = Outage::new();
    let client = case.connect(&outage.proxy.url());
    outage.begin(&client);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for _ in 0..10 {
            drop(client.publish("f", "x").qos(qos).try_enqueue().unwrap());
        }
    }
    assert_eq!(client.stats().pending_publishes, 30);
    outage.end();
    client.flush();
    assert_eq!(client.stats().pending_publishes, 0);
}
