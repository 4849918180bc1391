//! After `disconnect` no call hangs: whatever needs a connection fails at once, and says why.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mqtt_client_core::codec::{Disconnect, PacketKind, QoS, Version};
use mqtt_client_core::{
    Acknowledge, Collect, Indeterminate, Message, NotSent, Offline, OptionsBuilder, PingError, PublishError,
    PublishFailure, ReauthenticateError, RecvError, RequestError, Scram, SubscribeError,
};
use mqtt_scenarios::secrets::{PASSWORD, USER};
use mqtt_scenarios::{Adapter, Case, Client, Events, Next, Subscription, failure, until};
use mqtt_testkit::{AuthMethod, BrokerConfig, Fault, ScramServer, Server};

scenarios!(
    a_call_fails_at_once_while_the_client_leaves,
    a_call_fails_at_once_after_disconnect,
    a_call_fails_at_once_after_stop,
    what_was_under_way_ends_with_disconnect,
    after_disconnect_a_client_can_connect_again_and_after_stop_it_can_not,
);

/// What none of the calls comes near to, whatever else the machine has to do; far less than any of the client's own limits.
const AT_ONCE: Duration = Duration::from_secs(5);
/// A time limit that nobody should have to wait for.
const LONG: Duration = Duration::from_secs(600);

/// How a call ends: an error as its `Debug`, so that its type is seen, and its text.
type Outcome = Result<(), (String, String)>;

type FailingCall<C> = fn(&C, &Message) -> Outcome;

type IdleCall<C> = fn(&C);

fn outcome<T, E: Debug + ToString>(result: Result<T, E>) -> Outcome {
    result.map(drop).map_err(|error| (format!("{error:?}"), error.to_string()))
}

/// The same of a publish, whose error names its topic.
#[track_caller]
fn published<T: Debug>(topic: &str, result: Result<T, PublishError>) -> Outcome {
    failure(topic, &result);
    result.map(drop).map_err(|error| (format!("{:?}", error.failure()), error.to_string()))
}

/// Where the response to a request goes, in either version's terms.
fn response_topic(request: &Message) -> String {
    let named = request.properties().response_topic().map(|topic| topic.as_str().to_owned());
    named.unwrap_or_else(|| request.topic().replace("/request/", "/response/"))
}

/// What needs a connection now or later, and what it fails with.
fn failing<C: Client>() -> [(&'static str, FailingCall<C>, String); 13] {
    let offline = || Offline::Disconnected;
    let not_sent = || format!("{:?}", PublishFailure::NotSent(NotSent::Offline(offline())));
    let not_asked = || format!("{:?}", SubscribeError::Offline(offline()));
    [
        ("publish", |client, _| published("a", client.send("a", "x", QoS::AtMostOnce)), not_sent()),
        ("publish, QoS 2", |client, _| published("a", client.send("a", "x", QoS::ExactlyOnce)), not_sent()),
        (
            "publish with a time limit",
            |client, _| published("a", client.wait(client.publish("a", "x").timeout(LONG))),
            not_sent(),
        ),
        (
            "enqueue",
            |client, _| published("a", client.wait(client.publish("a", "x").qos(QoS::AtLeastOnce).enqueue())),
            not_sent(),
        ),
        ("try_enqueue", |client, _| published("a", client.publish("a", "x").try_enqueue()), not_sent()),
        (
            "respond",
            |client, request| {
                published(&response_topic(request), client.wait(client.respond(request, "x").unwrap()))
            },
            not_sent(),
        ),
        (
            "batch_publisher",
            |client, _| {
                published("a", client.wait(client.batch_publisher(Collect::default()).publish("a", "x")))
            },
            not_sent(),
        ),
        (
            "queue_publisher",
            |client, _| {
                published("a", client.wait(client.queue_publisher(Collect::default()).publish("a", "x")))
            },
            not_sent(),
        ),
        (
            "request",
            |client, _| outcome(client.wait(client.request("a", "x").timeout(LONG))),
            format!("{:?}", RequestError::Offline { topic: "a".into(), error: offline() }),
        ),
        ("subscribe", |client, _| outcome(client.subscribe("b")), not_asked()),
        ("unsubscribe", |client, _| outcome(client.unsubscribe("a")), not_asked()),
        ("ping", |client, _| outcome(client.ping()), format!("{:?}", PingError::NotConnected)),
        (
            "catch_all",
            |client, _| outcome(client.catch_all(Acknowledge::OnDelivery).recv_timeout(LONG)),
            format!("{:?}", RecvError::Offline(offline())),
        ),
    ]
}

/// What has nothing to wait for.
fn idle<C: Client>() -> [(&'static str, IdleCall<C>); 8] {
    [
        ("flush", |client| client.flush()),
        ("stored", |client| client.stored().unwrap()),
        ("disconnect", |client| assert_eq!(client.disconnect().not_sent, [])),
        ("disconnect_within", |client| assert_eq!(client.disconnect_within(LONG).not_sent, [])),
        ("disconnect_with", |client| {
            assert_eq!(client.disconnect_with(Disconnect::default()).unwrap().not_sent, []);
        }),
        ("is_connected", |client| assert!(!client.is_connected())),
        ("client_id", |client| assert!(!client.client_id().is_empty())),
        ("stats", |client| assert_eq!(client.stats().pending_publishes, 0)),
    ]
}

#[track_caller]
fn at_once<T>(name: &str, call: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = call();
    assert!(started.elapsed() < AT_ONCE, "{name} took {:?}", started.elapsed());
    result
}

fn server() -> Server {
    let authentication: Option<Arc<dyn AuthMethod>> = Some(Arc::new(ScramServer::new([(USER, PASSWORD)])));
    Server::bind("127.0.0.1:0", BrokerConfig { authentication, ..BrokerConfig::default() }).unwrap()
}

/// Of a client that could authenticate anew, where the version knows that.
fn options<A: Adapter>(case: &Case<A>, server: &Server) -> OptionsBuilder {
    let options = case.options(&server.url());
    match case.version {
        Version::V311 => options,
        Version::V5 => options.authenticator(Scram::sha256(USER, PASSWORD).unwrap()),
    }
}

/// A message that can be responded to.
fn request<C: Client>(client: &C, requests: &mut C::Subscription) -> Message {
    // It has to be a request, in either version's terms; nobody waits for the response.
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| client.wait(client.request("ask/x", "?").timeout(AT_ONCE)));
        let request = requests.message();
        client.wait(client.respond(&request, "!").unwrap()).unwrap();
        asking.join().unwrap().unwrap();
        request
    })
}

/// Each call fails as it should, at once, and says that the client is not connected.
#[track_caller]
fn check_failing<C: Client>(version: Version, client: &C, request: &Message) {
    for (name, call, expected) in failing::<C>() {
        let (error, text) = at_once(name, || call(client, request)).expect_err(name);
        assert_eq!(error, expected, "{name}");
        assert!(text.contains("disconnected") || text.contains("not connected"), "{name}: {text}");
    }
    // 3.1.1 has no such thing, connected or not.
    let refused = at_once("reauthenticate", || client.reauthenticate());
    match version {
        Version::V311 => assert!(matches!(refused, Err(ReauthenticateError::Version)), "{refused:?}"),
        Version::V5 => assert!(matches!(refused, Err(ReauthenticateError::NotConnected)), "{refused:?}"),
    }
}

#[track_caller]
fn check_idle<C: Client>(client: &C) {
    for (name, call) in idle() {
        at_once(name, || call(client));
    }
}

fn a_call_fails_at_once_while_the_client_leaves<A: Adapter>(case: &Case<A>) {
    let server = server();
    let client = case.connect_with(options(case, &server).drain_timeout(LONG));
    let request = request(&client, &mut client.subscribe("ask/#").unwrap());
    server.with_broker(|broker| broker.inject(Fault::sent(PacketKind::Puback).lose()));
    let unacknowledged = client.publish("a", "x").qos(QoS::AtLeastOnce).try_enqueue().unwrap();
    std::thread::scope(|scope| {
        let leaving = scope.spawn(|| client.disconnect());
        until("it leaves", || client.subscribe("b").is_err());
        check_failing(case.version, &client, &request);
        for connecting in [A::Client::connect, A::Client::reconnect, A::Client::reconnect_clean] {
            let connected = at_once("connect", || connecting(&client));
            assert!(matches!(connected, Err(Offline::Disconnected)), "{connected:?}");
        }
        assert!(!leaving.is_finished());
        client.disconnect_within(Duration::ZERO);
        leaving.join().unwrap();
    });
    drop(unacknowledged);
}

fn a_call_fails_at_once_after_disconnect<A: Adapter>(case: &Case<A>) {
    let server = server();
    let client = case.connect_with(options(case, &server));
    let request = request(&client, &mut client.subscribe("ask/#").unwrap());
    client.disconnect();
    check_failing(case.version, &client, &request);
    check_idle(&client);
}

fn a_call_fails_at_once_after_stop<A: Adapter>(case: &Case<A>) {
    let server = server();
    let client = case.connect_with(options(case, &server));
    let request = request(&client, &mut client.subscribe("ask/#").unwrap());
    let mut events = client.events();
    client.stop();
    check_failing(case.version, &client, &request);
    check_idle(&client);
    client.stop();
    at_once("the listener", || while events.next_within(AT_ONCE).is_some() {});
}

/// Nothing that was begun before waits any longer either.
fn what_was_under_way_ends_with_disconnect<A: Adapter>(case: &Case<A>) {
    let server = server();
    let client = case.connect_with(case.options(&server.url()).drain_timeout(Duration::ZERO));
    let mut messages = client.subscribe("a").unwrap();
    let mut collecting = client.queue_publisher(Collect::default());
    server.with_broker(|broker| {
        for kind in [PacketKind::Puback, PacketKind::Suback, PacketKind::Unsuback, PacketKind::Pingresp] {
            broker.inject(Fault::sent(kind).always().lose());
        }
    });
    let completion = client.publish("b", "x").qos(QoS::AtLeastOnce).try_enqueue().unwrap();
    client.wait(collecting.publish("c", "x")).unwrap();
    std::thread::scope(|scope| {
        let subscribing = scope.spawn(|| client.subscribe("b").map(drop));
        let unsubscribing = scope.spawn(|| client.unsubscribe("c"));
        let pinging = scope.spawn(|| client.ping());
        let flushing = scope.spawn(|| client.flush());
        let asking = scope.spawn(|| client.wait(client.request("d", "x").timeout(LONG)));
        let listening = scope.spawn(|| messages.next_within(LONG));
        let seen = |kind| {
            server.with_broker(|broker| broker.log().filter(|entry| entry.packet.kind == kind).count())
        };
        until("all of it is under way", || {
            seen(PacketKind::Subscribe) >= 2
                && seen(PacketKind::Unsubscribe) >= 1
                && seen(PacketKind::Pingreq) >= 1
        });
        let started = Instant::now();
        client.disconnect();
        assert!(matches!(subscribing.join().unwrap(), Err(SubscribeError::Offline(Offline::Disconnected))));
        assert!(matches!(unsubscribing.join().unwrap(), Err(SubscribeError::Offline(Offline::Disconnected))));
        assert!(matches!(pinging.join().unwrap(), Err(PingError::LinkLost)));
        assert!(matches!(
            asking.join().unwrap(),
            Err(RequestError::Offline { error: Offline::Disconnected, .. })
        ));
        assert!(matches!(listening.join().unwrap(), Next::Ended));
        flushing.join().unwrap();
        match failure("b", &client.wait(completion)) {
            PublishFailure::Indeterminate(Indeterminate::Offline(Offline::Disconnected)) => {}
            other => panic!("{other:?}"),
        }
        assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    });
}

fn after_disconnect_a_client_can_connect_again_and_after_stop_it_can_not<A: Adapter>(case: &Case<A>) {
    let server = server();
    let client = case.connect(&server.url());
    let connections = [A::Client::connect, A::Client::reconnect, A::Client::reconnect_clean];
    for connecting in connections {
        client.disconnect();
        connecting(&client).unwrap();
        client.send("a", "x", QoS::AtLeastOnce).unwrap();
    }
    client.stop();
    for connecting in connections {
        let connected = at_once("connect", || connecting(&client));
        assert!(matches!(connected, Err(Offline::Disconnected)), "{connected:?}");
    }
}
