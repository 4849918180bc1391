//! A provider says what each attempt uses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mqtt_client_core::codec::QoS;
use mqtt_client_core::{ClientError, Failure, Offline, ProviderError};
use mqtt_scenarios::{Adapter, Case, Client, Events};
use mqtt_testkit::{BrokerConfig, Server};

scenarios!(
    an_expired_token_is_not_used_again,
    the_endpoint_is_provided_too,
    a_provider_that_panics_or_fails_is_an_error_and_nothing_worse,
);

fn an_expired_token_is_not_used_again<A: Adapter>(case: &Case<A>) {
    let only = |n: u32| [("ann".to_owned(), n.to_string().into_bytes())].into();
    let config = BrokerConfig { users: only(1), allow_anonymous: false, ..BrokerConfig::default() };
    let server = Server::bind("127.0.0.1:0", config).unwrap();
    let given = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&given);
    let options = case.options(&server.url()).before_attempt(move |attempt| {
        let token = (count.fetch_add(1, Ordering::Relaxed) + 1).to_string();
        async move { Ok(attempt.with_credentials("ann", Some(token.as_bytes()))?) }
    });
    let client = case.connect_with(options);
    let mut events = client.events();
    for n in 2..=4 {
        server.with_broker(|broker| broker.set_users(only(n)));
        server.drop_connections();
        events.connected();
        client.send("a", "x", QoS::AtLeastOnce).unwrap();
    }
    assert_eq!(given.load(Ordering::Relaxed), 4, "one for each attempt, none of them refused");
}

fn the_endpoint_is_provided_too<A: Adapter>(case: &Case<A>) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let endpoint: mqtt_client_core::Endpoint = server.url().parse().unwrap();
    let options = case.options("mqtt://nowhere.invalid").before_attempt(move |attempt| {
        let endpoint = endpoint.clone();
        async move { Ok(attempt.with_endpoint(endpoint)) }
    });
    case.connect_with(options).send("a", "x", QoS::AtLeastOnce).unwrap();
}

fn a_provider_that_panics_or_fails_is_an_error_and_nothing_worse<A: Adapter>(case: &Case<A>) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let times = AtomicU32::new(0);
    let options = case.options(&server.url()).before_attempt(move |attempt| {
        let time = times.fetch_add(1, Ordering::Relaxed);
        assert_ne!(time, 0, "the first call panics");
        async move {
            assert_ne!(time, 1, "the second one's future panics");
            if time == 2 { Err(ProviderError::temporary("no token today")) } else { Ok(attempt) }
        }
    });
    let client = case.client(options);
    for expected in ["it panicked", "it panicked", "no token today"] {
        match client.connect().map_err(ClientError::from) {
            Err(ClientError::Offline(Offline::GaveUp(error))) => {
                assert!(matches!(error.failure, Failure::Provider(_)), "{error}");
                assert!(error.to_string().contains(expected), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    client.connect().unwrap();
    client.send("a", "x", QoS::AtLeastOnce).unwrap();
}
