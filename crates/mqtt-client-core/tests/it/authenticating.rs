//! Enhanced authentication: its rounds, who is convinced of whom, and all the ways in which it can fail.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mqtt_client_core::codec::{
    Auth, AuthProperties, Binary, Connack, Packet, PacketKind, QoS, ReasonCode, Text, Version,
};
use mqtt_client_core::session::{Direction, Timestamp};
use mqtt_client_core::{
    AuthError, AuthExchange, AuthOccasion, Authenticator, Event, Failure, InvalidOptions, Offline, Options,
    OptionsBuilder, ReauthenticateError, Reconnect, Scram,
};
use mqtt_testkit::{AuthDialogue, AuthMethod, AuthReply, BrokerConfig, Fault, ScramServer, ScramVice};

use crate::rig::{Rig, drain};

const TIMEOUT: Duration = Duration::from_secs(10);

/// A client of the method `toy`: it says `a0`, answers each challenge, and wants to hear `bye`.
#[derive(Clone, Default)]
struct Toy {
    heard: Arc<Mutex<Vec<String>>>,
    /// It has nothing to authenticate with.
    is_at_a_loss: Arc<AtomicBool>,
}

struct ToyExchange {
    toy: Toy,
    rounds: usize,
}

impl Authenticator for Toy {
    fn method(&self) -> &str {
        "toy"
    }

    fn begin(&self, occasion: &AuthOccasion) -> Result<Box<dyn AuthExchange>, AuthError> {
        if self.is_at_a_loss.load(Ordering::Relaxed) {
            return Err(AuthError::temporary("no token to be had"));
        }
        let mut random = [0];
        occasion.random(&mut random)?;
        assert_eq!(random, [7], "the rig's");
        self.hear(if occasion.is_renewal() { "anew" } else { "begin" });
        Ok(Box::new(ToyExchange { toy: self.clone(), rounds: 0 }))
    }
}

impl Toy {
    fn hear(&self, word: &str) {
        self.heard.lock().expect("nobody panics").push(word.to_owned());
    }

    fn heard(&self) -> String {
        std::mem::take(&mut *self.heard.lock().expect("nobody panics")).join(" ")
    }
}

impl AuthExchange for ToyExchange {
    fn initial(&mut self) -> Result<Option<Vec<u8>>, AuthError> {
        Ok(Some(b"a0".to_vec()))
    }

    fn answer(&mut self, challenge: Option<&[u8]>) -> Result<Option<Vec<u8>>, AuthError> {
        let challenge = String::from_utf8_lossy(challenge.unwrap_or_default());
        self.toy.hear(&challenge);
        self.rounds += 1;
        Ok(Some(format!("a{}", self.rounds).into_bytes()))
    }

    fn finish(&mut self, last: Option<&[u8]>) -> Result<(), AuthError> {
        self.toy.hear(&String::from_utf8_lossy(last.unwrap_or_default()));
        if last == Some(b"bye") { Ok(()) } else { Err(AuthError::ServerNotProven) }
    }
}

/// Its server.
#[derive(Clone, Debug)]
struct ToyServer {
    rounds: usize,
    /// What it says at its end; empty: nothing, for ever.
    last: &'static str,
    refuses: Arc<AtomicBool>,
}

impl ToyServer {
    fn new(rounds: usize) -> Self {
        ToyServer { rounds, last: "bye", refuses: Arc::default() }
    }
}

impl AuthMethod for ToyServer {
    fn name(&self) -> &str {
        "toy"
    }

    fn begin(&self) -> Box<dyn AuthDialogue> {
        Box::new(self.clone())
    }
}

impl AuthDialogue for ToyServer {
    fn next(&mut self, data: &[u8]) -> AuthReply {
        let round = std::str::from_utf8(data).ok().and_then(|said| said.strip_prefix("a")?.parse().ok());
        let round: usize = round.expect("the client's words are a0, a1, …");
        match round {
            _ if self.refuses.load(Ordering::Relaxed) => AuthReply::Refuse(ReasonCode::NotAuthorized),
            round if round < self.rounds => AuthReply::Challenge(format!("c{round}").into_bytes()),
            _ if self.last.is_empty() => AuthReply::Silence,
            _ => AuthReply::Accept(self.last.as_bytes().to_vec()),
        }
    }
}

fn broker(method: impl AuthMethod + 'static) -> BrokerConfig {
    BrokerConfig { authentication: Some(Arc::new(method)), allow_anonymous: false, ..BrokerConfig::default() }
}

fn options(authenticator: impl Authenticator) -> OptionsBuilder {
    Options::builder().client_id("me").connect_timeout(TIMEOUT).authenticator(authenticator)
}

fn scram(password: &str) -> Scram {
    Scram::sha256("ann", password).expect("plain words")
}

fn connected(authenticator: impl Authenticator, method: impl AuthMethod + 'static) -> Rig {
    let mut rig = Rig::with_broker(options(authenticator), broker(method));
    let client = rig.client.clone();
    rig.run(client.connect()).expect("both are convinced");
    rig
}

/// How the first attempt fails.
#[track_caller]
fn failure(rig: &mut Rig) -> Failure {
    let client = rig.client.clone();
    match rig.run(client.connect()) {
        Err(Offline::GaveUp(error)) => error.failure,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_fails(failure: &Failure, expected: &AuthError) {
    match failure {
        Failure::Authentication(failure) => assert_eq!(failure.error, *expected),
        other => panic!("{other}"),
    }
}

/// The packets that the broker has got.
fn received(rig: &Rig) -> Vec<PacketKind> {
    let inbound = rig.broker.log().filter(|entry| entry.packet.direction == Direction::Inbound);
    inbound.map(|entry| entry.packet.kind).collect()
}

fn encoded(packet: impl Into<Packet>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.into().encode(Version::V5, &mut bytes).expect("a legal packet");
    bytes
}

fn challenge(method: &'static str) -> Vec<u8> {
    let method = Text::from_static(method).expect("text");
    let properties = AuthProperties::default().with_authentication_method(&method);
    encoded(Auth::new(ReasonCode::ContinueAuthentication, properties))
}

// [5.0 MQTT-4.12.0-3, MQTT-4.12.0-5]
#[test]
fn there_are_as_many_rounds_as_the_server_wants() {
    for (rounds, heard) in [(0, "begin bye"), (1, "begin c0 bye"), (3, "begin c0 c1 c2 bye")] {
        let toy = Toy::default();
        let mut rig = connected(toy.clone(), ToyServer::new(rounds));
        assert_eq!(toy.heard(), heard);
        rig.publish("a", "x", QoS::ExactlyOnce);
        // Each connection authenticates from the beginning.
        rig.cut();
        rig.run_for(Duration::from_secs(5));
        assert!(rig.client.is_connected());
        assert_eq!(toy.heard(), heard);
    }
}

#[test]
fn scram_convinces_both_sides() {
    let mut rig = connected(scram("secret"), ScramServer::new([("ann", "secret")]));
    let mut messages = rig.subscribe("a");
    rig.publish("a", "x", QoS::AtLeastOnce);
    assert_eq!(rig.next(&mut messages).unwrap().text(), "x");
    let client = rig.client.clone();
    rig.run(client.reauthenticate()).unwrap();
    assert_eq!(rig.dials.len(), 1, "on the same connection");
}

#[test]
fn a_wrong_password_is_refused_once() {
    let mut rig = Rig::with_broker(options(scram("guessed")), broker(ScramServer::new([("ann", "secret")])));
    let failure = failure(&mut rig);
    assert!(matches!(&failure, Failure::Refused(connack) if connack.reason == ReasonCode::NotAuthorized));
    assert!(!format!("{failure} {failure:?} {:?}", rig.client).contains("guessed"));
    rig.run_for(Duration::from_secs(100));
    assert_eq!(rig.dials.len(), 1);
}

/// Nothing waits for the server to be proven but the client.
#[test]
fn a_server_that_does_not_prove_itself_gets_nothing() {
    for vice in [ScramVice::SignsWrongly, ScramVice::SignsNothing, ScramVice::AsksNothing] {
        let server = ScramServer::new([("ann", "secret")]).with(vice);
        let mut rig = Rig::with_broker(options(scram("secret")), broker(server));
        let mut events = rig.client.events();
        let client = rig.client.clone();
        let connecting = client.connect();
        let subscribing = client.subscribe::<mqtt_client_core::Subscription>("private");
        let publishing = client.publish("private", "x").qos(QoS::AtLeastOnce).into_future();
        match rig.run(connecting) {
            Err(Offline::GaveUp(error)) => {
                assert_fails(&error.failure, &AuthError::ServerNotProven);
                assert!(error.to_string().contains("SCRAM-SHA-256"), "{error}");
            }
            other => panic!("{other:?}"),
        }
        assert!(rig.run(publishing).is_err() && rig.run(subscribing).is_err());
        let rounds = if vice == ScramVice::AsksNothing { 0 } else { 1 };
        assert_eq!(received(&rig), [vec![PacketKind::Connect], vec![PacketKind::Auth; rounds]].concat());
        let told = drain(&mut events);
        assert!(!told.iter().any(|event| matches!(event, Event::Connected { .. })), "{told:?}");
        rig.run_for(Duration::from_secs(100));
        assert_eq!(rig.dials.len(), 1, "trying again does not change it");
    }
}

/// Not even when it has come before the client's answer.
#[test]
fn consent_without_a_signature_is_not_believed() {
    for early in [true, false] {
        let server = ScramServer::new([("ann", "secret")]).with(ScramVice::FallsSilent);
        let mut rig = Rig::with_broker(options(scram("secret")), broker(server));
        rig.authenticates = false;
        let client = rig.client.clone();
        let mut connecting = client.connect();
        rig.settle();
        rig.take_step(true);
        if !early {
            rig.take_step(true);
        }
        let mut connack = Connack::new(false, ReasonCode::Success);
        connack.properties.set_authentication_method(&Text::new("SCRAM-SHA-256").unwrap());
        connack.properties.set_authentication_data(&Binary::new("v=AAAA").unwrap());
        rig.inject(&encoded(connack));
        rig.authenticates = true;
        if rig.step.is_some() {
            rig.take_step(true);
        }
        match rig.poll(&mut connecting) {
            Some(Err(Offline::GaveUp(error))) => assert_fails(&error.failure, &AuthError::ServerNotProven),
            other => panic!("{other:?}"),
        }
    }
}

// [5.0 MQTT-4.12.0-5]
#[test]
fn a_packet_of_another_method_ends_the_attempt() {
    let silent = ToyServer { last: "", ..ToyServer::new(0) };
    let mut connack = Connack::new(false, ReasonCode::Success);
    let without = encoded(connack.clone());
    connack.properties.set_authentication_method(&Text::new("other").unwrap());
    for bytes in [challenge("other"), encoded(connack), without] {
        let mut rig = Rig::with_broker(options(Toy::default()), broker(silent.clone()));
        let client = rig.client.clone();
        let mut connecting = client.connect();
        assert!(rig.poll(&mut connecting).is_none());
        rig.inject(&bytes);
        match rig.poll(&mut connecting) {
            Some(Err(Offline::GaveUp(error))) => {
                assert!(matches!(error.failure, Failure::Protocol(_)), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_server_without_the_method_says_so() {
    let mut rig = Rig::new(options(Toy::default()));
    match failure(&mut rig) {
        Failure::Refused(connack) => assert_eq!(connack.reason, ReasonCode::BadAuthenticationMethod),
        other => panic!("{other}"),
    }
}

#[test]
fn a_server_that_does_not_come_to_an_end_is_left_at_the_deadline() {
    let endless = BrokerConfig {
        faults: vec![Fault::sent(PacketKind::Auth).always().delay(Duration::from_millis(100))],
        ..broker(ToyServer::new(usize::MAX))
    };
    for config in [broker(ToyServer { last: "", ..ToyServer::new(2) }), endless] {
        let mut rig = Rig::with_broker(options(Toy::default()), config);
        assert!(matches!(failure(&mut rig), Failure::ConnectTimeout(TIMEOUT)));
        assert_eq!(rig.now, Timestamp::ZERO + TIMEOUT);
    }
}

/// The authenticator itself may hang, panic or be at a loss, before the first byte and later.
#[test]
fn an_authenticator_that_comes_to_nothing_ends_the_attempt() {
    let patient = Reconnect { retry_initial: true, ..Reconnect::default() };
    for rounds in 0..2 {
        let mut rig =
            Rig::with_broker(options(Toy::default()).reconnect(patient), broker(ToyServer::new(rounds)));
        let mut events = rig.client.events();
        let client = rig.client.clone();
        let connecting = client.connect();
        rig.authenticates = false;
        rig.settle();
        if rounds > 0 {
            rig.take_step(true);
            assert!(!rig.reads(), "what comes meanwhile stays outside");
        }
        // It hangs until the deadline; what comes of it then is void.
        rig.run_for(TIMEOUT);
        let told = drain(&mut events);
        assert!(
            matches!(
                &told[..],
                [Event::Attempt { .. }, Event::Failed { failure: Failure::ConnectTimeout(_), .. }]
            ),
            "{told:?}"
        );
        rig.take_step(true);
        assert_eq!(drain(&mut events).len(), 0);
        rig.run_for(Duration::from_secs(1));
        rig.take_step(false);
        let told = drain(&mut events);
        match &told[..] {
            [Event::Attempt { .. }, Event::Failed { failure, .. }] => {
                assert_fails(failure, &AuthError::NoResult);
            }
            other => panic!("{other:?}"),
        }
        rig.authenticates = true;
        rig.run(connecting).unwrap();
    }
    let toy = Toy::default();
    toy.is_at_a_loss.store(true, Ordering::Relaxed);
    let mut rig = Rig::with_broker(options(toy.clone()).reconnect(patient), broker(ToyServer::new(1)));
    let client = rig.client.clone();
    let connecting = client.connect();
    rig.run_for(Duration::from_secs(1));
    assert_eq!(rig.dials.len(), 0, "there is nothing to dial for");
    toy.is_at_a_loss.store(false, Ordering::Relaxed);
    rig.run(connecting).unwrap();
}

#[test]
fn disconnecting_does_not_wait_for_an_authenticator() {
    let mut rig = Rig::with_broker(options(Toy::default()), broker(ToyServer::new(0)));
    rig.authenticates = false;
    let client = rig.client.clone();
    let connecting = client.connect();
    rig.settle();
    rig.run(client.disconnect());
    assert!(matches!(rig.run(connecting), Err(Offline::Disconnected)));
    assert_eq!(rig.now, Timestamp::ZERO);
    rig.take_step(true);
    assert_eq!(rig.dials.len(), 0);
}

// [5.0 MQTT-4.12.1-1]
#[test]
fn messages_flow_while_the_client_authenticates_anew() {
    let toy = Toy::default();
    let mut rig = connected(toy.clone(), ToyServer::new(2));
    let mut messages = rig.subscribe("a");
    toy.heard();
    let mut events = rig.client.events();
    let client = rig.client.clone();
    let in_flight = client.publish("a", "before").qos(QoS::ExactlyOnce).into_future();
    rig.authenticates = false;
    let mut renewing = client.reauthenticate();
    for step in 0..4 {
        assert!(rig.poll(&mut renewing).is_none());
        rig.publish("a", format!("{step}"), QoS::AtLeastOnce);
        let under_way = rig.run(client.reauthenticate());
        assert!(matches!(under_way, Err(ReauthenticateError::UnderWay)), "{under_way:?}");
        rig.take_step(true);
    }
    rig.run(renewing).unwrap();
    rig.run(in_flight).unwrap();
    let texts: Vec<_> = (0..5).map(|_| rig.next(&mut messages).unwrap().text().into_owned()).collect();
    assert_eq!(texts, ["before", "0", "1", "2", "3"]);
    assert_eq!(toy.heard(), "anew c0 c1 bye");
    assert!(matches!(&drain(&mut events)[..], [Event::Reauthenticated]));
    // Dropping the future leaves the exchange alone.
    rig.authenticates = true;
    drop(client.reauthenticate());
    rig.settle();
    assert_eq!(toy.heard(), "anew c0 c1 bye");
    assert_eq!(rig.dials.len(), 1);
}

// [5.0 MQTT-4.12.1-2]
#[test]
fn a_client_that_the_server_does_not_know_again_is_told_and_comes_back() {
    let server = ToyServer::new(1);
    let refuses = Arc::clone(&server.refuses);
    let mut rig = connected(Toy::default(), server);
    let client = rig.client.clone();
    refuses.store(true, Ordering::Relaxed);
    match rig.run(client.reauthenticate()) {
        Err(ReauthenticateError::Failed(Failure::Disconnected(disconnect))) => {
            assert_eq!(disconnect.reason, ReasonCode::NotAuthorized);
        }
        other => panic!("{other:?}"),
    }
    refuses.store(false, Ordering::Relaxed);
    rig.run(client.connect()).unwrap();
    assert_eq!(rig.dials.len(), 2);
}

// [5.0 MQTT-4.12.1-2]
#[test]
fn a_server_that_can_not_prove_itself_again_loses_the_connection() {
    let mut rig = connected(Toy::default(), ToyServer::new(0));
    let client = rig.client.clone();
    rig.broker.inject(Fault::sent(PacketKind::Auth).lose());
    let mut renewing = client.reauthenticate();
    assert!(rig.poll(&mut renewing).is_none());
    let toy = Text::from_static("toy").unwrap();
    let properties = AuthProperties::default().with_authentication_method(&toy);
    rig.inject(&encoded(Auth::new(ReasonCode::Success, properties)));
    match rig.poll(&mut renewing) {
        Some(Err(ReauthenticateError::Failed(failure))) => {
            assert_fails(&failure, &AuthError::ServerNotProven);
        }
        other => panic!("{other:?}"),
    }
    assert!(!client.is_connected());
    rig.run(client.connect()).unwrap();
    assert_eq!(rig.dials.len(), 2, "damage in the middle is cured by connecting again");
}

#[test]
fn a_server_that_does_not_answer_anew_is_left_at_the_deadline() {
    let mut rig = connected(Toy::default(), ToyServer::new(1));
    rig.run_for(Duration::from_secs(3));
    rig.broker.inject(Fault::sent(PacketKind::Auth).lose());
    let (client, began) = (rig.client.clone(), rig.now);
    match rig.run(client.reauthenticate()) {
        Err(ReauthenticateError::Failed(failure)) => assert_fails(&failure, &AuthError::TimedOut),
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.now, began + TIMEOUT);
    rig.run(client.connect()).unwrap();
}

#[test]
fn a_renewal_that_can_not_begin_leaves_the_connection_as_it_is() {
    let toy = Toy::default();
    let mut rig = connected(toy.clone(), ToyServer::new(1));
    let client = rig.client.clone();
    toy.is_at_a_loss.store(true, Ordering::Relaxed);
    match rig.run(client.reauthenticate()) {
        Err(ReauthenticateError::NotBegun(failure)) => {
            assert_eq!(failure.to_string(), "authentication by toy: no token to be had");
        }
        other => panic!("{other:?}"),
    }
    toy.is_at_a_loss.store(false, Ordering::Relaxed);
    // One that hangs is given up in time, and what comes of it then is void.
    rig.authenticates = false;
    let hanging = rig.run(client.reauthenticate());
    assert!(matches!(hanging, Err(ReauthenticateError::NotBegun(_))), "{hanging:?}");
    rig.take_step(true);
    rig.authenticates = true;
    rig.run(client.reauthenticate()).unwrap();
    assert_eq!(rig.dials.len(), 1);
}

#[test]
fn a_renewal_ends_with_its_connection() {
    let mut rig = connected(Toy::default(), ToyServer::new(1));
    let client = rig.client.clone();
    rig.authenticates = false;
    let renewing = client.reauthenticate();
    rig.settle();
    rig.cut();
    assert!(matches!(rig.run(renewing), Err(ReauthenticateError::Failed(Failure::Closed))));
    let not_connected = rig.run(client.reauthenticate());
    assert!(matches!(not_connected, Err(ReauthenticateError::NotConnected)), "{not_connected:?}");
    rig.step = None;
    rig.authenticates = true;
    rig.run(client.connect()).unwrap();
    rig.authenticates = false;
    let renewing = client.reauthenticate();
    rig.settle();
    rig.run(client.disconnect());
    assert!(matches!(rig.run(renewing), Err(ReauthenticateError::Left)));
}

// [5.0 MQTT-4.12.0-7]
#[test]
fn without_a_method_or_in_3_1_1_there_is_none() {
    let mut rig = Rig::connected(Options::builder());
    let client = rig.client.clone();
    assert!(matches!(rig.run(client.reauthenticate()), Err(ReauthenticateError::NoAuthenticator)));
    let mut rig = Rig::connected(Options::builder().version(Version::V311));
    let client = rig.client.clone();
    let error = rig.run(client.reauthenticate()).unwrap_err();
    assert_eq!(error.to_string(), "MQTT 3.1.1 has no enhanced authentication");
    for (builder, named) in [
        (options(Toy::default()).version(Version::V311), "authenticator"),
        (options(Toy::default()).fall_back(true), "fall_back"),
    ] {
        match builder.build() {
            Err(InvalidOptions::Option { option, problem }) => {
                assert_eq!(option, named);
                assert!(problem.contains("3.1.1 has no enhanced authentication"), "{problem}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_a_method_may_not_be_called_or_say_is_refused() {
    struct Fault(&'static str, usize);
    impl Authenticator for Fault {
        fn method(&self) -> &str {
            self.0
        }

        fn begin(&self, _occasion: &AuthOccasion) -> Result<Box<dyn AuthExchange>, AuthError> {
            Ok(Box::new(Words(self.1)))
        }
    }
    struct Words(usize);
    impl AuthExchange for Words {
        fn initial(&mut self) -> Result<Option<Vec<u8>>, AuthError> {
            Ok(Some(vec![0; self.0]))
        }

        fn answer(&mut self, _challenge: Option<&[u8]>) -> Result<Option<Vec<u8>>, AuthError> {
            Ok(None)
        }

        fn finish(&mut self, _last: Option<&[u8]>) -> Result<(), AuthError> {
            Ok(())
        }
    }
    let named = options(Fault("a\0b", 0)).build();
    assert!(matches!(named, Err(InvalidOptions::Option { option: "authenticator", .. })), "{named:?}");
    let mut rig = Rig::with_broker(options(Fault("toy", 65_536)), broker(ToyServer::new(0)));
    match failure(&mut rig) {
        Failure::Authentication(failure) => assert!(failure.error.is_permanent(), "{failure}"),
        other => panic!("{other}"),
    }
}

#[test]
fn a_password_is_not_shown() {
    let options = options(scram("secret")).build().unwrap();
    let shown = format!("{options:?}");
    assert!(shown.contains("SCRAM-SHA-256") && !shown.contains("secret"), "{shown}");
}
