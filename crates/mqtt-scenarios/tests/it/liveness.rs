//! A link that is silent, stalled or slow: the driver notices, and nothing hangs.

use std::time::Duration;

use mqtt_client_core::codec::{PacketKind, QoS};
use mqtt_client_core::{Failure, PingError};
use mqtt_scenarios::{Adapter, Case, Client, Events, Subscription, until};
use mqtt_testkit::{BrokerConfig, Dribble, Proxy, ProxyConfig, Server};

scenarios!(
    an_idle_client_pings,
    a_dead_link_is_noticed_and_replaced,
    a_link_that_takes_no_data_is_given_up,
    a_slow_link_carries_everything,
    a_ping_on_a_lost_link_fails,
);

fn behind_proxy(config: ProxyConfig) -> (Server, Proxy) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let proxy = Proxy::start(server.addr(), config).unwrap();
    (server, proxy)
}

fn an_idle_client_pings<A: Adapter>(case: &Case<A>) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let client = case.connect_with(case.options(&server.url()).keep_alive(Duration::from_secs(1)));
    until("the client pings twice", || {
        server.with_broker(|broker| {
            broker.log().filter(|entry| entry.packet.kind == PacketKind::Pingreq).count() >= 2
        })
    });
    assert!(client.is_connected());
    assert_eq!(client.stats().reconnects, 0);
}

fn a_dead_link_is_noticed_and_replaced<A: Adapter>(case: &Case<A>) {
    let (_server, proxy) = behind_proxy(ProxyConfig::default());
    let options = case.options(&proxy.url()).keep_alive(Duration::from_secs(1));
    let client = case.connect_with(options.ping_timeout(Duration::from_millis(100)));
    let mut events = client.events();
    proxy.stall(true);
    match events.failure() {
        Failure::PingTimeout => {}
        other => panic!("{other}"),
    }
    proxy.stall(false);
    events.connected();
    client.send("a", "x", QoS::AtLeastOnce).unwrap();
}

fn a_link_that_takes_no_data_is_given_up<A: Adapter>(case: &Case<A>) {
    let (_server, proxy) = behind_proxy(ProxyConfig::default());
    let client = case.connect_with(case.options(&proxy.url()).write_timeout(Duration::from_millis(300)));
    let mut events = client.events();
    proxy.stall(true);
    // More than any socket's buffers hold.
    let completions: Vec<_> = (0..4)
        .map(|_| client.publish("a", vec![7; 8_000_000]).qos(QoS::AtLeastOnce).try_enqueue().unwrap())
        .collect();
    match events.failure() {
        Failure::WriteTimeout => {}
        other => panic!("{other}"),
    }
    proxy.stall(false);
    for completion in completions {
        client.wait(completion).unwrap();
    }
}

/// Bytes come a few at a time, both ways: packets are put together again, and nothing waits for more than it needs.
fn a_slow_link_carries_everything<A: Adapter>(case: &Case<A>) {
    let dribble = Dribble { bytes: 7, pause: Duration::from_micros(200) };
    let (_server, proxy) = behind_proxy(ProxyConfig { dribble: Some(dribble), ..ProxyConfig::default() });
    let client = case.connect(&proxy.url());
    let mut messages = client.subscribe("slow/#").unwrap();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for size in [0, 1, 100, 1_000] {
            let payload = vec![size as u8; size];
            client.send("slow/1", payload.clone(), qos).unwrap();
            assert_eq!(messages.message().payload(), &payload);
        }
    }
    assert_eq!(client.stats().reconnects, 0);
}

fn a_ping_on_a_lost_link_fails<A: Adapter>(case: &Case<A>) {
    let (_server, proxy) = behind_proxy(ProxyConfig::default());
    let client = case.connect(&proxy.url());
    proxy.stall(true);
    std::thread::scope(|scope| {
        let pinging = scope.spawn(|| client.ping());
        // Whether the PINGREQ has left by then or not, there is nobody to answer it.
        proxy.refuse(true);
        proxy.cut();
        match pinging.join().unwrap() {
            Err(PingError::LinkLost | PingError::NotConnected) => {}
            other => panic!("{other:?}"),
        }
    });
}
