//! Connecting, and all the ways in which it can fail: each a typed error that names the endpoint, and none a hang.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use mqtt_client_core::codec::{QoS, ReasonCode};
use mqtt_client_core::{ClientError, ConnectError, Endpoint, Failure, Offline};
use mqtt_scenarios::{Adapter, Case, Client, Events, PATIENCE, Peer};
use mqtt_testkit::{BrokerConfig, Proxy, ProxyConfig, Server};

scenarios!(
    nobody_listens,
    no_such_host,
    a_silent_broker_is_given_up,
    a_broker_that_hangs_up_is_named,
    a_wrong_password_is_refused_once,
    the_right_password_is_taken,
    an_address_of_ipv6_stands_in_brackets,
    the_first_connection_is_tried_again_when_asked,
    connecting_can_be_tried_again,
    a_client_can_be_reopened,
    ping_tells_the_round_trip,
);

/// How the connection fails, which has to name its endpoint.
#[track_caller]
fn failure<A: Adapter>(case: &Case<A>, url: &str) -> Failure {
    let options = case.options(url).connect_timeout(Duration::from_millis(300));
    let error = match case.adapter.connect(options.build().unwrap()) {
        Ok(_) => panic!("connected to {url}"),
        Err(error) => error,
    };
    let endpoint: Endpoint = url.parse().unwrap();
    assert!(error.to_string().contains(&endpoint.to_string()), "{error}");
    match error {
        ClientError::Offline(Offline::GaveUp(ConnectError { endpoint: named, attempts, failure })) => {
            assert_eq!((named, attempts), (endpoint, 1));
            failure
        }
        other => panic!("{other}"),
    }
}

fn nobody_listens<A: Adapter>(case: &Case<A>) {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    match failure(case, &format!("mqtt://127.0.0.1:{port}")) {
        Failure::Io { doing: "connecting", error } => {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        }
        other => panic!("{other}"),
    }
}

fn no_such_host<A: Adapter>(case: &Case<A>) {
    let started = Instant::now();
    match failure(case, "mqtt://no-such-host.invalid") {
        Failure::Io { doing: "resolving", .. } => {}
        // The name server may not answer at all: the look-up is given up, and doesn't hold up anybody.
        Failure::ConnectTimeout(_) => assert!(started.elapsed() < Duration::from_secs(3)),
        other => panic!("{other}"),
    }
}

fn a_silent_broker_is_given_up<A: Adapter>(case: &Case<A>) {
    let peer = Peer::listen();
    let started = Instant::now();
    match failure(case, &peer.url()) {
        Failure::ConnectTimeout(after) => assert_eq!(after, Duration::from_millis(300)),
        other => panic!("{other}"),
    }
    assert!(started.elapsed() >= Duration::from_millis(290));
}

fn a_broker_that_hangs_up_is_named<A: Adapter>(case: &Case<A>) {
    let proxy = Proxy::start(([127, 0, 0, 1], 9).into(), ProxyConfig::default()).unwrap();
    proxy.refuse(true);
    // Closed without a word, or reset: it depends on what had been read, and is told as one.
    match failure(case, &proxy.url()) {
        Failure::HungUp { plain: true } => {}
        other => panic!("{other}"),
    }
}

fn guarded() -> Server {
    let users = BTreeMap::from([("ann".to_owned(), b"secret".to_vec())]);
    let config = BrokerConfig { users, allow_anonymous: false, ..BrokerConfig::default() };
    Server::bind("127.0.0.1:0", config).unwrap()
}

fn a_wrong_password_is_refused_once<A: Adapter>(case: &Case<A>) {
    let server = guarded();
    let url = format!("mqtt://ann:guessed@{}", server.addr());
    let failure = failure(case, &url);
    assert!(!failure.to_string().contains("guessed"), "{failure}");
    match failure {
        Failure::Refused(connack) => assert_eq!(connack.reason, ReasonCode::BadUserNameOrPassword),
        other => panic!("{other}"),
    }
    assert_eq!(server.with_broker(|broker| broker.stats().connections), 1, "it is not tried again");
}

fn the_right_password_is_taken<A: Adapter>(case: &Case<A>) {
    let server = guarded();
    let client = case.connect(&format!("mqtt://ann:secret@{}", server.addr()));
    assert!(client.is_connected());
}

fn an_address_of_ipv6_stands_in_brackets<A: Adapter>(case: &Case<A>) {
    let server = Server::bind("[::1]:0", BrokerConfig::default()).unwrap();
    let url = format!("mqtt://[::1]:{}", server.addr().port());
    let client = case.connect(&url);
    client.send("a", "x", QoS::ExactlyOnce).unwrap();
    assert_eq!(server.url(), url);
}

fn the_first_connection_is_tried_again_when_asked<A: Adapter>(case: &Case<A>) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let proxy = Proxy::start(server.addr(), ProxyConfig::default()).unwrap();
    proxy.refuse(true);
    let reconnect = mqtt_client_core::Reconnect {
        first_wait: Duration::from_millis(10),
        max_wait: Duration::from_millis(50),
        retry_initial: true,
        ..Default::default()
    };
    let client = case.client(case.options(&proxy.url()).reconnect(reconnect));
    let mut events = client.events();
    std::thread::scope(|scope| {
        let connecting = scope.spawn(|| client.connect().map(|_| ()));
        for _ in 0..3 {
            events.failure();
        }
        proxy.refuse(false);
        connecting.join().unwrap().unwrap();
    });
    assert!(client.is_connected());
}

fn connecting_can_be_tried_again<A: Adapter>(case: &Case<A>) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let proxy = Proxy::start(server.addr(), ProxyConfig::default()).unwrap();
    proxy.refuse(true);
    let client = case.client(case.options(&proxy.url()));
    assert!(!client.is_connected());
    assert!(matches!(client.connect(), Err(Offline::GaveUp(_))));
    proxy.refuse(false);
    client.connect().unwrap();
    assert!(client.is_connected());
}

fn a_client_can_be_reopened<A: Adapter>(case: &Case<A>) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let client = case.connect(&server.url());
    for _ in 0..3 {
        client.disconnect();
        assert!(!client.is_connected());
        client.connect().unwrap();
        assert!(client.ping().unwrap() < PATIENCE);
    }
}

fn ping_tells_the_round_trip<A: Adapter>(case: &Case<A>) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let client = case.client(case.options(&server.url()));
    assert!(client.ping().is_err(), "there is no connection yet");
    client.connect().unwrap();
    for _ in 0..3 {
        let round_trip = client.ping().unwrap();
        assert!(!round_trip.is_zero() && round_trip < PATIENCE, "{round_trip:?}");
    }
}
