//! A client that does not try for ever: reconnecting that is off, or ends after so many tries, and what becomes of whoever waits.

use std::time::Duration;

use mqtt_client_core::codec::QoS;
use mqtt_client_core::{Event, NotSent, Offline, PublishFailure, Reconnect, RecvError, SubscribeError};
use mqtt_scenarios::{Adapter, Case, Client, Events, Subscription, failure};
use mqtt_testkit::{BrokerConfig, Proxy, ProxyConfig, Server};

scenarios!(
    reconnecting_is_off_if_told_so,
    reconnecting_ends_after_so_many_tries_and_fails_whoever_waits,
    calls_fail_at_once_while_offline_if_told_so,
);

const MAX_WAIT: Duration = Duration::from_millis(10);

/// A broker, and the way there.
fn behind_proxy() -> (Server, Proxy) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let proxy = Proxy::start(server.addr(), ProxyConfig::default()).unwrap();
    (server, proxy)
}

/// So many attempts until the client has given up, none of them later than it may be.
#[track_caller]
fn attempts_until_it_gives_up(events: &mut impl Events) -> u32 {
    let mut attempts = 0;
    events.find("the end", |event| {
        attempts += u32::from(matches!(event, Event::Attempt { .. }));
        if let Event::Failed { retry_in, .. } = event {
            assert!(*retry_in <= MAX_WAIT, "{retry_in:?}");
        }
        matches!(event, Event::Offline(Offline::GaveUp(_))).then_some(attempts)
    })
}

fn reconnecting_is_off_if_told_so<A: Adapter>(case: &Case<A>) {
    let (_server, proxy) = behind_proxy();
    let client = case.connect_with(case.options(&proxy.url()).reconnect(Reconnect::never()));
    let mut events = client.events();
    proxy.cut();
    assert_eq!(attempts_until_it_gives_up(&mut events), 0);
    assert!(!client.is_connected());
    client.connect().unwrap();
    client.send("a", "x", QoS::AtLeastOnce).unwrap();
}

fn reconnecting_ends_after_so_many_tries_and_fails_whoever_waits<A: Adapter>(case: &Case<A>) {
    for tries in [1, 3] {
        let (_server, proxy) = behind_proxy();
        let reconnect = Reconnect {
            first_wait: MAX_WAIT,
            max_wait: MAX_WAIT,
            max_retries: Some(tries),
            retry_initial: true,
            ..Reconnect::default()
        };
        let client = case.connect_with(case.options(&proxy.url()).reconnect(reconnect));
        let mut messages = client.subscribe("a").unwrap();
        let mut events = client.events();
        std::thread::scope(|scope| {
            // Nothing of this gets an answer, and then there is no connection.
            proxy.stall(true);
            let publishing = scope.spawn(|| client.send("a", "x", QoS::AtLeastOnce));
            let subscribing = scope.spawn(|| client.subscribe("b").map(drop));
            mqtt_scenarios::until("the message is on its way", || client.stats().pending_publishes == 1);
            proxy.refuse(true);
            proxy.cut();
            assert_eq!(attempts_until_it_gives_up(&mut events), tries);
            match failure("a", &publishing.join().unwrap()) {
                PublishFailure::NotSent(NotSent::Offline(Offline::GaveUp(_))) => {}
                PublishFailure::Indeterminate(why) => {
                    assert!(why.to_string().contains("gave up"), "{why}");
                }
                other => panic!("{other:?}"),
            }
            match subscribing.join().unwrap() {
                Err(SubscribeError::Offline(Offline::GaveUp(_))) => {}
                other => panic!("{other:?}"),
            }
        });
        // Who comes later is told the same at once.
        assert!(matches!(
            failure("a", &client.send("a", "x", QoS::AtMostOnce)),
            PublishFailure::NotSent(NotSent::Offline(Offline::GaveUp(_)))
        ));
        assert!(matches!(client.subscribe("c").map(drop), Err(SubscribeError::Offline(Offline::GaveUp(_)))));
        assert!(client.ping().is_err());
        let silence = messages.recv_timeout(Duration::ZERO);
        assert!(matches!(silence, Err(RecvError::Offline(Offline::GaveUp(_)))), "{silence:?}");

        // By hand it goes on: to the error after the last try, or to a connection.
        match client.reconnect() {
            Err(Offline::GaveUp(error)) => assert_eq!(error.attempts, tries + 1, "{error}"),
            other => panic!("{other:?}"),
        }
        proxy.stall(false);
        proxy.refuse(false);
        assert!(!client.reconnect().unwrap().session_present);
        client.send("a", "x", QoS::AtLeastOnce).unwrap();
    }
}

fn calls_fail_at_once_while_offline_if_told_so<A: Adapter>(case: &Case<A>) {
    let (_server, proxy) = behind_proxy();
    let client = case.connect_with(case.options(&proxy.url()).wait_for_connection(false));
    let mut events = client.events();
    proxy.refuse(true);
    proxy.cut();
    events.failure();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        match failure("a", &client.send("a", "x", qos)) {
            PublishFailure::NotSent(NotSent::Offline(Offline::NotConnected)) => {}
            other => panic!("{qos:?}: {other:?}"),
        }
    }
    match client.subscribe("a").map(drop) {
        Err(SubscribeError::Offline(Offline::NotConnected)) => {}
        other => panic!("{other:?}"),
    }
    proxy.refuse(false);
    events.connected();
    client.send("a", "x", QoS::AtLeastOnce).unwrap();
}
