//! Leaving in good order: what is on its way goes out first, and what could not is given back.

use std::time::{Duration, Instant};

use mqtt_client_core::codec::{PacketKind, QoS};
use mqtt_client_core::{Collect, Completion, Event, Indeterminate, NotSent, Offline, PublishFailure};
use mqtt_scenarios::{Adapter, Case, Client, Events, PATIENCE, Subscription, failure, until};
use mqtt_testkit::{BrokerConfig, Fault, Proxy, ProxyConfig, Server};

scenarios!(
    disconnect_drains,
    disconnect_ends_the_streams,
    disconnect_gives_back_what_was_not_sent,
    disconnect_does_not_wait_for_ever,
    stop_ends_the_driver_and_leaves_nothing_behind,
    the_last_handle_disconnects,
    the_last_handle_drains,
    a_stream_keeps_its_client_alive,
    disconnecting_twice_is_no_error,
    a_handler_may_disconnect,
);

fn server() -> Server {
    Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap()
}

fn has_said_goodbye(server: &Server) -> bool {
    server.with_broker(|broker| broker.log().any(|entry| entry.packet.kind == PacketKind::Disconnect))
}

fn disconnect_drains<A: Adapter>(case: &Case<A>) {
    let server = server();
    let client = case.connect(&server.url());
    let completions: Vec<Completion> = (0..900_u32)
        .map(|i| {
            let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][i as usize % 3];
            client.publish("drain", i.to_string()).qos(qos).try_enqueue().unwrap()
        })
        .collect();
    assert_eq!(client.disconnect().not_sent, []);
    for completion in completions {
        client.wait(completion).unwrap();
    }
    until("the broker has them all", || server.with_broker(|broker| broker.stats().received) == 900);
    until("goodbye", || has_said_goodbye(&server));
    assert_eq!(server.with_broker(|broker| broker.violations().to_vec()), []);
}

fn disconnect_ends_the_streams<A: Adapter>(case: &Case<A>) {
    let server = server();
    let client = case.connect(&server.url());
    let mut messages = client.subscribe("a").unwrap();
    let mut events = client.events();
    client.send("a", "unread", QoS::AtLeastOnce).unwrap();
    client.ping().unwrap(); // What has arrived before its answer is on the stream.
    client.disconnect();
    assert_eq!(messages.message().text(), "unread");
    messages.ends();
    events.find("the end", |event| matches!(event, Event::Offline(Offline::Disconnected)).then_some(()));
}

fn disconnect_gives_back_what_was_not_sent<A: Adapter>(case: &Case<A>) {
    let server = server();
    let proxy = Proxy::start(server.addr(), ProxyConfig::default()).unwrap();
    let options = case.options(&proxy.url()).drain_timeout(Duration::from_millis(100));
    let client = case.connect_with(options);
    let mut events = client.events();
    proxy.refuse(true);
    proxy.cut();
    events.failure();
    let completions: Vec<Completion> = ["1", "2", "3"]
        .map(|text| client.publish("back", text).qos(QoS::AtLeastOnce).try_enqueue().unwrap())
        .into();
    let report = client.disconnect();
    let texts: Vec<_> = report.not_sent.iter().map(|publish| &publish.payload[..]).collect();
    assert_eq!(texts, [b"1", b"2", b"3"]);
    for completion in completions {
        match failure("back", &client.wait(completion)) {
            PublishFailure::NotSent(NotSent::Offline(Offline::Disconnected)) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn disconnect_does_not_wait_for_ever<A: Adapter>(case: &Case<A>) {
    let server = server();
    server.with_broker(|broker| broker.inject(Fault::sent(PacketKind::Puback).always().lose()));
    let client = case.connect_with(case.options(&server.url()).drain_timeout(Duration::from_millis(200)));
    for leave in
        [A::Client::disconnect, |client: &A::Client| client.disconnect_within(Duration::from_millis(300))]
    {
        client.connect().unwrap();
        let completion = client.publish("a", "x").qos(QoS::AtLeastOnce).try_enqueue().unwrap();
        let started = Instant::now();
        assert_eq!(leave(&client).not_sent, [], "it was sent; whether it arrived is not known");
        let waited = started.elapsed();
        assert!((Duration::from_millis(190)..PATIENCE / 4).contains(&waited), "{waited:?}");
        match failure("a", &client.wait(completion)) {
            PublishFailure::Indeterminate(Indeterminate::Offline(Offline::Disconnected)) => {}
            other => panic!("{other:?}"),
        }
        until("goodbye", || has_said_goodbye(&server));
    }
}

fn stop_ends_the_driver_and_leaves_nothing_behind<A: Adapter>(case: &Case<A>) {
    let server = server();
    let mut witness = case.connect(&server.url()).subscribe("#").unwrap();
    let client = case.connect(&server.url());
    let (mut messages, mut events) = (client.subscribe("a").unwrap(), client.events());
    let far = Collect { size: 100, interval: Duration::from_secs(3600), ..Collect::default() };
    let mut batches = client.batch_publisher(far);
    client.wait(batches.publish("batch", "1")).unwrap();
    let completion = client.publish("b", "on its way").qos(QoS::ExactlyOnce).try_enqueue().unwrap();
    let started = Instant::now();
    assert_eq!(client.stop().not_sent, []);
    assert!(started.elapsed() < PATIENCE / 4, "{:?}", started.elapsed());
    client.wait(completion).unwrap();
    let mut texts = witness.texts(2);
    texts.sort();
    assert_eq!(texts, [r#"["1"]"#, "on its way"], "the batch was not full, and it was not time");
    messages.ends();
    events.find("the end", |event| matches!(event, Event::Offline(Offline::Disconnected)).then_some(()));
    events.ends();
    until("its connection is gone", || server.with_broker(|broker| broker.connection_count()) == 1);
    client.connect().unwrap_err();
}

fn the_last_handle_disconnects<A: Adapter>(case: &Case<A>) {
    let server = server();
    let client = case.connect(&server.url());
    let clone = client.clone();
    drop(client);
    clone.ping().unwrap();
    drop(clone);
    until("the connection is gone", || server.with_broker(|broker| broker.connection_count()) == 0);
    assert!(has_said_goodbye(&server));
}

fn the_last_handle_drains<A: Adapter>(case: &Case<A>) {
    let server = server();
    let client = case.connect(&server.url());
    for i in 0..500 {
        drop(client.publish("drain", i.to_string()).qos(QoS::ExactlyOnce).try_enqueue().unwrap());
    }
    drop(client);
    until("the connection is gone", || server.with_broker(|broker| broker.connection_count()) == 0);
    assert!(has_said_goodbye(&server));
    assert_eq!(server.with_broker(|broker| broker.stats().received), 500);
}

fn a_stream_keeps_its_client_alive<A: Adapter>(case: &Case<A>) {
    let server = server();
    let other = case.connect(&server.url());
    let mut messages = case.connect(&server.url()).subscribe("a").unwrap();
    for _ in 0..3 {
        other.send("a", "x", QoS::AtLeastOnce).unwrap();
        assert_eq!(messages.message().text(), "x");
    }
    drop(messages);
    until("one connection is left", || server.with_broker(|broker| broker.connection_count()) == 1);
}

fn disconnecting_twice_is_no_error<A: Adapter>(case: &Case<A>) {
    let server = server();
    let client = case.client(case.options(&server.url()));
    client.disconnect();
    client.connect().unwrap();
    client.disconnect();
    assert_eq!(client.disconnect().not_sent, []);
    assert!(!client.is_connected());
}

fn a_handler_may_disconnect<A: Adapter>(case: &Case<A>) {
    let server = server();
    let client = case.connect(&server.url());
    let mut messages = client.subscribe("stop").unwrap();
    client.send("stop", "1", QoS::ExactlyOnce).unwrap();
    client.send("stop", "2", QoS::ExactlyOnce).unwrap();
    assert_eq!(messages.message().text(), "1");
    client.disconnect();
    assert_eq!(messages.message().text(), "2");
    messages.ends();
}
