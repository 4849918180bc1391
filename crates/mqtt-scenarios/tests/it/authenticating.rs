//! Enhanced authentication: client and server convince each other, or part.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mqtt_client_core::codec::{QoS, ReasonCode};
use mqtt_client_core::{
    AuthError, AuthExchange, AuthOccasion, Authenticator, ConnectError, Failure, Offline, OptionsBuilder,
    ReauthenticateError, Scram,
};
use mqtt_scenarios::secrets::{PASSWORD, TOKEN, USER};
use mqtt_scenarios::{Adapter, Bed, Case, Client, PATIENCE, Subscription};
use mqtt_testkit::{AuthDialogue, AuthMethod, AuthReply, BrokerConfig, ScramServer, ScramVice, Server};

scenarios!(only 5.0:
    scram_convinces_both_sides,
    who_does_not_know_the_password_is_found_out,
    a_server_that_never_ends_the_exchange_is_left_at_the_deadline,
    a_broker_without_the_method_says_so,
    an_authenticator_holds_up_nobody_and_may_panic,
);

fn serve(method: impl AuthMethod + 'static) -> Server {
    let authentication: Option<Arc<dyn AuthMethod>> = Some(Arc::new(method));
    // The password that every client of the suite has besides.
    let users = BTreeMap::from([(USER.to_owned(), PASSWORD.as_bytes().to_vec())]);
    let config = BrokerConfig { authentication, users, allow_anonymous: false, ..BrokerConfig::default() };
    Server::bind("127.0.0.1:0", config).unwrap()
}

fn honest() -> ScramServer {
    ScramServer::new([("ann", PASSWORD)])
}

fn scram(password: &str) -> Scram {
    Scram::sha256("ann", password).unwrap()
}

#[track_caller]
fn failure<A: Adapter>(case: &Case<A>, options: OptionsBuilder) -> Failure {
    let failure = case.failure(options);
    assert!(!format!("{failure} {failure:?}").contains(TOKEN), "{failure:?}");
    failure
}

/// And again, while messages of every QoS are in flight.
fn scram_convinces_both_sides<A: Adapter>(case: &Case<A>) {
    let server = serve(honest());
    let client = case.connect_with(case.options(&server.url()).authenticator(scram(PASSWORD)));
    let mut messages = client.subscribe("a").unwrap();
    std::thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            for round in 0..200 {
                let qos = QoS::try_from(round % 3).unwrap();
                client.send("a", format!("{round}"), qos).unwrap();
            }
        });
        for _ in 0..3 {
            client.reauthenticate().unwrap();
        }
        publishing.join().unwrap();
    });
    assert_eq!(messages.texts(200), (0..200).map(|round| round.to_string()).collect::<Vec<_>>());
    assert_eq!(server.with_broker(|broker| broker.stats().connections), 1);
    assert_eq!(server.with_broker(|broker| broker.violations().to_vec()), []);
    client.reconnect().unwrap();
    client.disconnect();
    assert!(matches!(client.reauthenticate(), Err(ReauthenticateError::NotConnected)));
}

fn who_does_not_know_the_password_is_found_out<A: Adapter>(case: &Case<A>) {
    let server = serve(honest());
    match failure(case, case.options(&server.url()).authenticator(scram(TOKEN))) {
        Failure::Refused(connack) => assert_eq!(connack.reason, ReasonCode::NotAuthorized),
        other => panic!("{other}"),
    }
    for vice in [ScramVice::SignsWrongly, ScramVice::SignsNothing, ScramVice::AsksNothing] {
        let server = serve(honest().with(vice));
        match failure(case, case.options(&server.url()).authenticator(scram(PASSWORD))) {
            Failure::Authentication(failure) => {
                assert_eq!((failure.error, &*failure.method), (AuthError::ServerNotProven, "SCRAM-SHA-256"));
            }
            other => panic!("{other}"),
        }
    }
}

fn a_server_that_never_ends_the_exchange_is_left_at_the_deadline<A: Adapter>(case: &Case<A>) {
    let server = serve(honest().with(ScramVice::FallsSilent));
    let (timeout, began) = (Duration::from_millis(300), Instant::now());
    let options = case.options(&server.url()).connect_timeout(timeout).authenticator(scram(PASSWORD));
    let failure = failure(case, options);
    assert!(matches!(failure, Failure::ConnectTimeout(_)), "{failure}");
    assert!(began.elapsed() >= timeout && began.elapsed() < PATIENCE);
}

fn a_broker_without_the_method_says_so<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        match failure(case, case.options(bed.url()).authenticator(scram(PASSWORD))) {
            Failure::Refused(connack) => assert_eq!(connack.reason, ReasonCode::BadAuthenticationMethod),
            other => panic!("{other}"),
        }
    }
}

/// A method that blocks, or panics, as the test says; and a server that is content with anything.
struct Slow(Mutex<Receiver<bool>>);

#[derive(Debug)]
struct Content;

impl Slow {
    fn new() -> (SyncSender<bool>, Self) {
        let (let_go, told) = sync_channel(8);
        (let_go, Slow(Mutex::new(told)))
    }
}

impl Authenticator for Slow {
    fn method(&self) -> &str {
        "slow"
    }

    fn begin(&self, _occasion: &AuthOccasion) -> Result<Box<dyn AuthExchange>, AuthError> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner).recv();
        assert!(told.unwrap(), "the test has it panic");
        Ok(Box::new(Content))
    }
}

impl AuthExchange for Content {
    fn answer(&mut self, _challenge: Option<&[u8]>) -> Result<Option<Vec<u8>>, AuthError> {
        Ok(None)
    }

    fn finish(&mut self, _last: Option<&[u8]>) -> Result<(), AuthError> {
        Ok(())
    }
}

impl AuthMethod for Content {
    fn name(&self) -> &str {
        "slow"
    }

    fn begin(&self) -> Box<dyn AuthDialogue> {
        Box::new(Content)
    }
}

impl AuthDialogue for Content {
    fn next(&mut self, _data: &[u8]) -> AuthReply {
        AuthReply::Accept(Vec::new())
    }
}

fn an_authenticator_holds_up_nobody_and_may_panic<A: Adapter>(case: &Case<A>) {
    let server = serve(Content);
    let (let_go, slow) = Slow::new();
    let client = case.client(case.options(&server.url()).authenticator(slow));
    let_go.send(false).unwrap();
    match client.connect() {
        Err(Offline::GaveUp(ConnectError { failure: Failure::Authentication(failure), .. })) => {
            assert_eq!(failure.error, AuthError::NoResult);
        }
        other => panic!("{other:?}"),
    }
    let_go.send(true).unwrap();
    client.connect().unwrap();
    std::thread::scope(|scope| {
        let renewing = scope.spawn(|| client.reauthenticate());
        for _ in 0..20 {
            client.send("a", "x", QoS::ExactlyOnce).unwrap();
            assert!(client.ping().unwrap() < PATIENCE);
        }
        let_go.send(true).unwrap();
        renewing.join().unwrap().unwrap();
    });
    let_go.send(false).unwrap();
    let error = client.reauthenticate().unwrap_err();
    assert!(matches!(&error, ReauthenticateError::NotBegun(failure) if failure.error == AuthError::NoResult));
    assert!(client.is_connected(), "nothing was sent");
}
