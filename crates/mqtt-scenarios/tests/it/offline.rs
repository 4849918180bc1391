//! Publishing while there is no connection: it waits, within bounds, and goes out in order.

use mqtt_client_core::codec::{QoS, ReasonCode};
use mqtt_client_core::{Completion, Delivered, NotSent, PublishError};
use mqtt_scenarios::{Adapter, Case, Client, Events, Subscription};
use mqtt_testkit::{BrokerConfig, Proxy, ProxyConfig, Server};

scenarios!(
    messages_wait_for_the_connection,
    a_subscription_waits_for_the_connection,
    the_queue_is_bounded_in_messages,
    the_queue_is_bounded_in_bytes,
    a_message_waits_for_room_and_is_sent,
    a_message_that_is_given_up_before_admission_is_not_sent,
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
    match result {
        Err(PublishError::NotSent(NotSent::QueueFull)) => {}
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
