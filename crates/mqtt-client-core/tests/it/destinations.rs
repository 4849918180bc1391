//! Which broker, in which version, and when: several addresses, redirects, the older version, and reconnecting by hand.

use std::future::IntoFuture;
use std::time::Duration;

use mqtt_client_core::codec::{Connack, Disconnect, Packet, PacketKind, QoS, ReasonCode, Text, Version};
use mqtt_client_core::{
    Delivered, Endpoint, Event, Failure, InvalidOptions, NotSent, Offline, Options, OptionsBuilder,
    PublishError, PublishFailure, Reconnect, SESSION_NEVER_EXPIRES, SubscribeError,
};
use mqtt_testkit::{BrokerConfig, Fault};

use crate::rig::{Rig, drain, failure};

const SECOND: Duration = Duration::from_secs(1);

fn hosts(rig: &Rig) -> Vec<&str> {
    rig.dialed.iter().map(Endpoint::host).collect()
}

fn three() -> OptionsBuilder {
    let [a, b, c] = ["a", "b", "c"].map(|host| Endpoint::tcp(host, 1883));
    Options::builder().endpoint(a).or_endpoint(b).or_endpoint(c)
}

#[test]
fn the_addresses_are_tried_one_right_after_the_other() {
    let mut rig = Rig::new(three());
    rig.down = vec!["a", "b"];
    let client = rig.client.clone();
    let mut events = client.events();
    rig.run(client.connect()).expect("c is there");
    assert_eq!(hosts(&rig), ["a", "b", "c"]);
    assert_eq!(rig.dials[2], rig.dials[0], "without waiting");
    let told: Vec<String> = drain(&mut events).iter().map(ToString::to_string).collect();
    assert_eq!(told.iter().filter(|line| line.contains("next attempt in 0ns")).count(), 2, "{told:?}");
    rig.cut();
    rig.run(client.connect()).expect("again");
    assert_eq!(hosts(&rig)[3..], ["a", "b", "c"], "a lost link begins with the next one");
}

#[test]
fn when_all_addresses_fail_the_first_connection_fails() {
    let mut rig = Rig::new(three());
    rig.down = vec!["a", "b", "c"];
    let client = rig.client.clone();
    let outcome = rig.run(client.connect());
    assert!(matches!(outcome, Err(Offline::GaveUp(_))), "{outcome:?}");
    assert_eq!(hosts(&rig), ["a", "b", "c"]);
}

#[test]
fn a_round_of_failures_is_followed_by_one_wait() {
    let mut rig = Rig::new(three().reconnect(Reconnect { retry_initial: true, ..Reconnect::default() }));
    rig.down = vec!["a", "b", "c"];
    let _connecting = rig.client.connect();
    rig.run_for(600 * SECOND);
    assert!(rig.dials.len() > 30 && rig.dials.len().is_multiple_of(3), "{}", rig.dials.len());
    assert!(rig.dials.chunks(3).all(|round| round[0] == round[2]));
}

/// As those of 3.1.1 do to whoever shares a client id with another.
#[test]
fn brokers_that_cut_off_whom_they_let_in_are_tried_in_rounds_too() {
    let mut rig = Rig::new(three());
    let client = rig.client.clone();
    for _ in 0..90 {
        rig.run(client.connect()).expect("accepted");
        rig.cut();
    }
    assert_eq!(hosts(&rig), ["a", "b", "c"].repeat(30));
    let rounds: Vec<_> = rig.dials.chunks(3).collect();
    assert!(rounds.iter().all(|round| round[0] == round[2]), "without waiting: {rounds:?}");
    let late = rounds[29][0].saturating_since(rounds[9][0]) / 20;
    assert!((10 * SECOND..20 * SECOND).contains(&late), "{late:?} from one to the next, and not 15 s");
    // A link that was stable starts over.
    rig.run(client.connect()).expect("accepted");
    rig.run_for(5 * SECOND);
    rig.cut();
    let before = rig.now;
    rig.run(client.connect()).expect("accepted");
    assert_eq!(rig.now, before, "the next one at once");
}

/// The next address leads to the same broker, or to one that shares its sessions.
#[test]
fn another_address_is_no_way_around_the_wait_after_a_take_over() {
    let mut rig = Rig::new(three().client_id("twin"));
    let client = rig.client.clone();
    rig.run(client.connect()).expect("accepted");
    rig.run_for(60 * SECOND);
    let mut events = client.events();
    rig.broker.disconnect("twin", ReasonCode::SessionTakenOver);
    rig.settle();
    let told = drain(&mut events);
    let [Event::Failed { retry_in, .. }] = &told[..] else { panic!("{told:?}") };
    assert!(*retry_in >= 15 * SECOND, "{retry_in:?}");
}

#[test]
fn other_addresses_are_no_way_around_the_limit_of_retries() {
    let mut rig = Rig::new(three().reconnect(Reconnect::never()));
    rig.down = vec!["a"];
    let client = rig.client.clone();
    rig.run(client.connect()).expect("b is there");
    rig.run_for(60 * SECOND);
    rig.cut();
    rig.run_for(60 * SECOND);
    assert_eq!(hosts(&rig), ["a", "b"], "what ends the connection ends the client");
}

/// Whatever failed before the last link: a client that is opened again may try all of the list.
#[test]
fn a_client_that_is_opened_again_begins_a_new_round() {
    let mut rig = Rig::new(three());
    let client = rig.client.clone();
    rig.run(client.connect()).expect("a is there");
    rig.down = vec!["b"];
    rig.cut();
    rig.run(client.connect()).expect("c is there");
    rig.run_for(60 * SECOND);
    rig.run(client.disconnect());
    rig.down = vec!["b", "c"];
    rig.run(client.connect()).expect("a is there");
    assert_eq!(hosts(&rig), ["a", "b", "c", "c", "a"]);
}

fn encoded(packet: impl Into<Packet>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.into().encode(Version::V5, &mut bytes).expect("a legal packet");
    bytes
}

/// A server that sends the client elsewhere, in its CONNACK or later.
fn redirected(mut rig: Rig, reason: ReasonCode, at_once: bool) -> Rig {
    let reference = Text::new("other:99").expect("text");
    let client = rig.client.clone();
    if at_once {
        rig.broker.inject(Fault::sent(PacketKind::Connack).withhold());
        let mut connecting = client.connect();
        assert!(rig.poll(&mut connecting).is_none());
        let mut connack = Connack::new(false, reason);
        connack.properties.set_server_reference(&reference);
        rig.inject(&encoded(connack));
    } else {
        rig.run(client.connect()).expect("connected");
        let mut disconnect = Disconnect::new(reason);
        disconnect.properties.set_server_reference(&reference);
        rig.inject(&encoded(disconnect));
    }
    rig
}

#[test]
fn a_redirect_is_followed_if_allowed() {
    for reason in [ReasonCode::UseAnotherServer, ReasonCode::ServerMoved] {
        for at_once in [true, false] {
            let mut rig = redirected(Rig::new(Options::builder().max_redirects(1)), reason, at_once);
            let client = rig.client.clone();
            rig.run(client.connect()).expect("the other server");
            assert_eq!(hosts(&rig), ["localhost", "other"], "{reason}, at once: {at_once}");
            assert_eq!((rig.dialed[1].port(), rig.dials[1]), (99, rig.dials[0]));
            // The address holds for the time being, or for good.
            rig.cut();
            rig.run(client.connect()).expect("again");
            let then = if reason == ReasonCode::ServerMoved { "other" } else { "localhost" };
            assert_eq!(rig.dialed[2].host(), then, "{reason}");
        }
    }
}

#[test]
fn a_redirect_is_an_error_otherwise() {
    let mut rig = redirected(Rig::new(Options::builder()), ReasonCode::UseAnotherServer, true);
    let client = rig.client.clone();
    assert_eq!(hosts(&rig), ["localhost"]);
    match failure("a", &rig.run(client.publish("a", "x"))) {
        PublishFailure::NotSent(NotSent::Offline(Offline::GaveUp(error))) => {
            assert!(matches!(error.failure, Failure::Refused(_)), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_broker_that_refuses_5_0_is_spoken_to_in_3_1_1_if_allowed() {
    let old = || BrokerConfig { versions: vec![Version::V311], ..BrokerConfig::default() };
    let mut rig = Rig::with_broker(Options::builder().fall_back(true), old());
    let client = rig.client.clone();
    rig.run(client.connect()).expect("in the older version");
    assert_eq!(rig.dials.len(), 2);
    let mut stream = rig.subscribe("a");
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        rig.publish("a", "x", qos);
        assert!(rig.next(&mut stream).is_some());
    }
    rig.cut();
    rig.run(client.connect()).expect("again");
    assert_eq!(rig.dials.len(), 3, "it is remembered");

    let mut rig = Rig::with_broker(Options::builder(), old());
    let client = rig.client.clone();
    assert!(matches!(rig.run(client.connect()), Err(Offline::GaveUp(_))), "not unless told so");
}

#[test]
fn options_that_3_1_1_can_not_express_refuse_the_fall_back() {
    let options = Options::builder().fall_back(true).session_expiry(SECOND * 3600).build();
    match options {
        Err(InvalidOptions::Option { option: "fall_back", problem }) => {
            assert!(problem.contains("session_expiry"), "{problem}");
        }
        other => panic!("{other:?}"),
    }
    let kept = Options::builder().client_id("c").clean_start(false).session_expiry(SESSION_NEVER_EXPIRES);
    assert!(kept.fall_back(true).topic_alias_maximum(5).build().is_ok(), "aliases are only left out");
}

#[test]
fn reconnecting_by_hand_leaves_in_good_order_and_loses_nothing() {
    for version in [Version::V311, Version::V5] {
        let kept = Options::builder().version(version).client_id("c").clean_start(false);
        let mut rig = Rig::connected(kept.session_expiry(SESSION_NEVER_EXPIRES));
        let client = rig.client.clone();
        let mut stream = rig.subscribe("a");
        rig.broker.inject(Fault::sent(PacketKind::Puback).withhold());
        let completion = client.publish("a", "x").qos(QoS::AtLeastOnce).try_enqueue().expect("room");
        rig.settle();
        let connected = rig.run(client.reconnect()).expect("connected anew");
        assert!(connected.session_present, "{version}");
        assert_eq!(rig.dials.len(), 2);
        assert!(matches!(rig.run(completion), Ok(Delivered::Acknowledged(_))));
        assert!(rig.next(&mut stream).is_some());
        let clean = rig.run(client.reconnect_clean()).expect("connected anew");
        assert_eq!(clean.session_present, version == Version::V311, "{version}");
        assert!(rig.run(client.reconnect()).expect("connected anew").session_present, "once only");
    }
}

#[test]
fn reconnecting_by_hand_cuts_a_wait_short_and_reopens_a_client() {
    let mut rig = Rig::connected(Options::builder());
    let client = rig.client.clone();
    rig.down = vec!["localhost"];
    rig.cut();
    rig.run_for(SECOND * 600);
    let dials = rig.dials.len();
    rig.down.clear();
    let before = rig.now;
    rig.run(client.reconnect()).expect("connected");
    assert_eq!((rig.dials.len(), rig.now), (dials + 1, before));
    rig.run(client.disconnect());
    rig.run(client.reconnect()).expect("reopened");
    let mut events = client.events();
    let reconnecting = client.reconnect();
    rig.run(client.disconnect());
    assert!(matches!(rig.run(reconnecting), Err(Offline::Disconnected)));
    let told = drain(&mut events);
    assert!(matches!(told.last(), Some(Event::Offline(Offline::Disconnected))), "{told:?}");
}

#[test]
fn calls_while_offline_fail_at_once_if_told_so() {
    let mut rig = Rig::new(Options::builder().wait_for_connection(false));
    let client = rig.client.clone();
    let not_connected = |outcome: &Result<_, PublishError>| {
        matches!(failure("a", outcome), PublishFailure::NotSent(NotSent::Offline(Offline::NotConnected)))
    };
    assert!(not_connected(&rig.run(client.publish("a", "x"))));
    let subscribed = rig.run(client.subscribe::<mqtt_client_core::Subscription>("a"));
    assert!(matches!(subscribed, Err(SubscribeError::Offline(Offline::NotConnected))));
    rig.run(client.connect()).expect("connected");
    rig.broker.inject(Fault::sent(PacketKind::Puback).withhold());
    let mut taken = client.publish("a", "x").qos(QoS::AtLeastOnce).into_future();
    assert!(rig.poll(&mut taken).is_none());
    rig.down = vec!["localhost"];
    rig.cut();
    rig.run_for(SECOND);
    assert!(not_connected(&rig.run(client.publish("a", "y"))));
    rig.down.clear();
    rig.run(taken).expect("what was taken stays");
}
