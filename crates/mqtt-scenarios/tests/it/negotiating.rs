//! A broker of 5.0 says what it does not do, or does otherwise, and its word counts; what expires, and when a will is due.

use std::time::{Duration, Instant};

use mqtt_client_core::codec::{PacketKind, PublishProperties, QoS, WillProperties};
use mqtt_client_core::session::Refusal;
use mqtt_client_core::{
    Delivered, FilterRefused, NotSent, PublishError, PublishFailure, Reconnect, SubscribeError,
};
use mqtt_scenarios::{Adapter, Case, Client, Events, Subscription, failure, until};
use mqtt_testkit::{BrokerConfig, Proxy, ProxyConfig, Server};

scenarios!(only 5.0:
    the_brokers_keep_alive_is_kept,
    the_client_id_is_the_one_that_the_broker_chose,
    what_the_broker_does_not_do_fails_that_call_alone,
    a_session_lasts_as_long_as_the_broker_grants,
    a_message_expires_while_it_waits_for_the_connection,
    a_will_comes_after_its_delay_and_not_if_the_client_is_back_before,
);

const SECOND: Duration = Duration::from_secs(1);

fn server(config: BrokerConfig) -> Server {
    Server::bind("127.0.0.1:0", config).unwrap()
}

fn the_brokers_keep_alive_is_kept<A: Adapter>(case: &Case<A>) {
    let server = server(BrokerConfig { server_keep_alive: Some(1), ..BrokerConfig::default() });
    let client = case.connect_with(case.options(&server.url()).keep_alive(600 * SECOND));
    assert_eq!(client.connect().unwrap().limits.keep_alive, 1);
    until("the client pings twice", || {
        let is_ping = |kind| kind == PacketKind::Pingreq;
        server.with_broker(|broker| broker.log().filter(|entry| is_ping(entry.packet.kind)).count() >= 2)
    });
    assert_eq!(client.stats().reconnects, 0);
}

fn the_client_id_is_the_one_that_the_broker_chose<A: Adapter>(case: &Case<A>) {
    let server = server(BrokerConfig::default());
    let client = case.client(case.options(&server.url()).client_id(""));
    let connected = client.connect().unwrap();
    let id = client.client_id();
    assert_eq!(connected.limits.assigned_client_identifier.unwrap().as_str(), id);
    assert!(server.with_broker(|broker| broker.is_connected(&id)));
    // It is the same client from then on.
    client.reconnect().unwrap();
    assert_eq!(client.client_id(), id);
    assert!(server.with_broker(|broker| broker.is_connected(&id)));
}

fn what_the_broker_does_not_do_fails_that_call_alone<A: Adapter>(case: &Case<A>) {
    let server = server(BrokerConfig {
        maximum_qos: QoS::AtLeastOnce,
        retain_available: false,
        wildcard_available: false,
        shared_available: false,
        ..BrokerConfig::default()
    });
    let client = case.connect(&server.url());
    let refusal = |outcome: Result<Delivered, PublishError>| match failure("a", &outcome) {
        PublishFailure::NotSent(NotSent::Refused(refusal)) => refusal.clone(),
        other => panic!("{other:?}"),
    };
    let qos_2 = refusal(client.send("a", "x", QoS::ExactlyOnce));
    assert!(matches!(qos_2, Refusal::QosNotSupported { maximum: QoS::AtLeastOnce, .. }), "{qos_2}");
    let retained = refusal(client.wait(client.publish("a", "x").retain(true)));
    assert!(matches!(retained, Refusal::RetainNotSupported), "{retained}");
    for filter in ["a/+", "$share/team/a"] {
        match client.subscribe(filter).map(drop) {
            Err(SubscribeError::Refused(refused)) => {
                assert!(matches!(refused[0].1, FilterRefused::BeforeSending(_)), "{refused:?}");
            }
            other => panic!("{filter}: {other:?}"),
        }
    }
    let mut messages = client.subscribe("a").unwrap();
    client.send("a", "x", QoS::AtLeastOnce).unwrap();
    assert_eq!(messages.message().text(), "x");
    assert_eq!(client.stats().reconnects, 0);
}

fn a_session_lasts_as_long_as_the_broker_grants<A: Adapter>(case: &Case<A>) {
    let server = server(BrokerConfig { session_expiry_cap: 1, ..BrokerConfig::default() });
    let client = case.client(case.persistent(&server.url(), "brief"));
    assert_eq!(client.connect().unwrap().limits.session_expiry, 1);
    assert!(client.reconnect().unwrap().session_present);
    client.disconnect();
    until("the session is over", || server.with_broker(|broker| broker.backlog("brief")).is_none());
    assert!(!client.connect().unwrap().session_present);
}

fn a_message_expires_while_it_waits_for_the_connection<A: Adapter>(case: &Case<A>) {
    let server = server(BrokerConfig::default());
    let proxy = Proxy::start(server.addr(), ProxyConfig::default()).unwrap();
    let mut witness = case.connect(&server.url()).subscribe("a").unwrap();
    let client = case.connect(&proxy.url());
    let mut events = client.events();
    proxy.refuse(true);
    proxy.cut();
    events.failure();
    let expiring = |seconds| {
        let properties = PublishProperties::new().with_message_expiry_interval(seconds);
        client.publish("a", seconds.to_string()).qos(QoS::AtLeastOnce).properties(properties)
    };
    let (soon, late) = (expiring(1).try_enqueue().unwrap(), expiring(100).try_enqueue().unwrap());
    match failure("a", &client.wait(soon)) {
        PublishFailure::NotSent(NotSent::Expired) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(client.stats().expired_publishes, 1);
    proxy.refuse(false);
    client.wait(late).unwrap();
    let message = witness.message();
    let left = message.properties().message_expiry_interval().unwrap();
    assert!(message.text() == "100" && left < 100, "{left}: it had waited for a second at least");
}

fn a_will_comes_after_its_delay_and_not_if_the_client_is_back_before<A: Adapter>(case: &Case<A>) {
    let server = server(BrokerConfig::default());
    let mut wills = case.connect(&server.url()).subscribe("will/+").unwrap();
    let mortal = |name: &str, delay: u32| {
        let options = case.persistent(&server.url(), name).will(
            &format!("will/{name}"),
            "gone",
            QoS::AtLeastOnce,
            false,
        );
        options.will_properties(WillProperties::new().with_will_delay_interval(delay))
    };
    let _back = case.connect_with(mortal("back", 600));
    let mut events = _back.events();
    server.with_broker(|broker| broker.cut("back"));
    events.connected();
    let _gone = case.connect_with(mortal("gone", 1).reconnect(Reconnect::never()));
    let cut = Instant::now();
    server.with_broker(|broker| broker.cut("gone"));
    assert_eq!(wills.message().topic(), "will/gone");
    assert!(cut.elapsed() >= SECOND, "{:?}", cut.elapsed());
    wills.stays_silent(Duration::from_millis(10));
}
