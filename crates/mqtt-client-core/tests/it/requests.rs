//! Requests and their responses, any number at once, in both versions.

use std::future::IntoFuture;
use std::time::Duration;

use mqtt_client_core::codec::{InvalidTopic, PacketKind, QoS, ReasonCode, Version};
use mqtt_client_core::{
    Message, NoResponseTopic, NotSent, Offline, Options, PublishError, PublishFailure, RequestError,
    Requesting, SubscribeError, Subscription,
};
use mqtt_testkit::{BrokerConfig, Fault};

use crate::rig::{Rig, failure};

const VERSIONS: [Version; 2] = [Version::V311, Version::V5];
const SECOND: Duration = Duration::from_secs(1);

/// A client that serves its own requests to `add`, as the responder of another house would see them.
fn served(version: Version) -> (Rig, Subscription) {
    let mut rig = Rig::connected(Options::builder().version(version));
    let filter = if version == Version::V5 { "add" } else { "add/request/+/+" };
    let requests = rig.subscribe(filter);
    (rig, requests)
}

fn ask(rig: &Rig, payload: &str) -> Requesting {
    rig.client.request("add", payload.to_owned()).into_future()
}

fn answer(rig: &mut Rig, request: &Message) {
    let response = format!("{}!", request.text());
    let client = rig.client.clone();
    rig.run(client.respond(request, response).expect("a request")).expect("delivered");
}

#[test]
fn many_requests_at_once_get_their_own_responses_in_any_order() {
    for version in VERSIONS {
        let (mut rig, mut requests) = served(version);
        let mut open: Vec<Requesting> = (0..20).map(|n| ask(&rig, &n.to_string())).collect();
        for request in &mut open {
            assert!(rig.poll(request).is_none());
        }
        for request in &mut open {
            assert!(rig.poll(request).is_none(), "{version}: nobody has answered");
        }
        let mut seen: Vec<Message> = (0..20).filter_map(|_| rig.next(&mut requests)).collect();
        seen.reverse();
        for request in &seen {
            answer(&mut rig, request);
        }
        for (n, request) in open.into_iter().enumerate() {
            assert_eq!(rig.run(request).expect("a response").text(), format!("{n}!"), "{version}");
        }
        assert_eq!(rig.client.stats().unclaimed_messages, 0);
    }
}

#[test]
fn a_response_has_the_qos_of_its_request() {
    for version in VERSIONS {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let (mut rig, mut requests) = served(version);
            let mut open = rig.client.request("add", "1").qos(qos).into_future();
            assert!(rig.poll(&mut open).is_none() && rig.poll(&mut open).is_none());
            let request = rig.next(&mut requests).expect("the request");
            assert_eq!(request.qos(), qos);
            answer(&mut rig, &request);
            assert_eq!(rig.run(open).expect("a response").qos(), qos, "{version}");
        }
    }
}

#[test]
fn without_a_response_the_time_limit_ends_it_and_a_late_one_is_counted() {
    for version in VERSIONS {
        let (mut rig, mut requests) = served(version);
        let client = rig.client.clone();
        let before = rig.now;
        let outcome = rig.run(client.request("add", "1").timeout(SECOND * 3));
        assert!(
            matches!(&outcome, Err(RequestError::TimedOut { topic }) if **topic == *"add"),
            "{outcome:?}"
        );
        assert_eq!(rig.now.saturating_since(before), SECOND * 3);
        let request = rig.next(&mut requests).expect("the request");
        answer(&mut rig, &request);
        assert_eq!(rig.client.stats().unclaimed_messages, 1, "{version}");
    }
}

#[test]
fn a_request_that_is_dropped_is_given_up() {
    let (mut rig, mut requests) = served(Version::V5);
    let mut open = ask(&rig, "1");
    assert!(rig.poll(&mut open).is_none() && rig.poll(&mut open).is_none());
    drop(open);
    let request = rig.next(&mut requests).expect("the request");
    answer(&mut rig, &request);
    assert_eq!(rig.client.stats().unclaimed_messages, 1);
    assert!(rig.deadline().is_none_or(|at| at.saturating_since(rig.now) > SECOND * 20), "no timer is left");
}

#[test]
fn a_request_fails_when_responses_can_not_arrive() {
    let mut rig = Rig::connected(Options::builder());
    let client = rig.client.clone();
    rig.broker.inject(Fault::received(PacketKind::Subscribe).times(2).refuse(ReasonCode::NotAuthorized));
    for _ in 0..2 {
        let outcome = rig.run(client.request("add", "1"));
        match outcome {
            Err(RequestError::NoResponses { topic, error: SubscribeError::Refused(_) }) => {
                assert_eq!(&*topic, "add");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(rig.broker.stats().received, 0, "no request went out");
}

#[test]
fn a_request_that_is_not_delivered_fails_at_once() {
    let (mut rig, _requests) = served(Version::V5);
    rig.broker.inject(Fault::received(PacketKind::Publish).refuse(ReasonCode::QuotaExceeded));
    let client = rig.client.clone();
    let outcome = rig.run(client.request("add", "1"));
    let rejected = not_published(outcome);
    assert!(matches!(failure("add", &rejected), PublishFailure::Rejected(_)), "{rejected:?}");
    let bad = not_published(rig.run(client.request("a/#", "1")));
    match failure("a/#", &bad) {
        PublishFailure::NotSent(NotSent::InvalidTopic(why)) => {
            assert_eq!(*why, InvalidTopic::Wildcard { at: 2 });
        }
        other => panic!("{other:?}"),
    }
}

/// The outcome of a request's publish. What the request says of it names the topic, once.
#[track_caller]
fn not_published(outcome: Result<Message, RequestError>) -> Result<(), PublishError> {
    let Err(RequestError::Publish(error)) = &outcome else { panic!("{outcome:?}") };
    let text = outcome.as_ref().expect_err("it failed").to_string();
    assert_eq!(text, format!("there is no response: {error}"));
    Err(error.clone())
}

#[test]
fn requests_outlive_a_connection_and_a_lost_session() {
    for version in VERSIONS {
        let (mut rig, mut requests) = served(version);
        let mut open = ask(&rig, "1");
        assert!(rig.poll(&mut open).is_none() && rig.poll(&mut open).is_none());
        let request = rig.next(&mut requests).expect("the request");
        rig.cut();
        let client = rig.client.clone();
        rig.run(client.connect()).expect("connected");
        answer(&mut rig, &request);
        assert_eq!(rig.run(open).expect("a response").text(), "1!", "{version}");
    }
}

#[test]
fn disconnecting_ends_requests() {
    let (mut rig, _requests) = served(Version::V5);
    let mut open = ask(&rig, "1");
    assert!(rig.poll(&mut open).is_none() && rig.poll(&mut open).is_none());
    let client = rig.client.clone();
    rig.run(client.disconnect());
    let outcome = rig.run(open);
    match outcome {
        Err(RequestError::Offline { topic, error: Offline::Disconnected }) => assert_eq!(&*topic, "add"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_request_can_not_be_answered() {
    for (version, topic) in [
        (Version::V5, "add"),
        (Version::V311, "add"),
        (Version::V311, "add/request/1"),
        (Version::V311, "add/response/1/2"),
        (Version::V311, "request/1/2"),
    ] {
        let mut rig = Rig::connected(Options::builder().version(version));
        let mut stream = rig.subscribe("#");
        rig.publish(topic, "x", QoS::AtMostOnce);
        let message = rig.next(&mut stream).expect("a message");
        assert_eq!(rig.client.respond(&message, "y").err(), Some(NoResponseTopic), "{version} {topic}");
    }
}

/// The version that is spoken decides how a request is addressed, not the one that was asked for.
#[test]
fn requests_are_in_the_version_that_the_client_fell_back_to() {
    let old = BrokerConfig { versions: vec![Version::V311], ..BrokerConfig::default() };
    let mut rig = Rig::with_broker(Options::builder().fall_back(true), old);
    let client = rig.client.clone();
    rig.run(client.connect()).expect("in the older version");
    let mut requests = rig.subscribe("add/request/+/+");
    let mut open = ask(&rig, "1");
    assert!(rig.poll(&mut open).is_none() && rig.poll(&mut open).is_none());
    let request = rig.next(&mut requests).expect("the request");
    answer(&mut rig, &request);
    assert_eq!(rig.run(open).expect("a response").text(), "1!");
}
