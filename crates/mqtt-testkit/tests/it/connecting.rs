//! CONNECT, CONNACK, keep alive, DISCONNECT, and packets out of place.

use std::time::Duration;

use mqtt_codec::{
    Auth, AuthProperties, Binary, Connack, Connect, Disconnect, Packet, ReasonCode, Version, Will,
};
use mqtt_testkit::BrokerConfig;

use crate::bed::*;

// [3.1.1 MQTT-3.1.4-4] [5.0 MQTT-3.1.4-5] [3.1.1 MQTT-3.2.0-1] [5.0 MQTT-3.2.0-1] [5.0 MQTT-3.2.0-2]
// [3.1.1 MQTT-3.2.2-1] [5.0 MQTT-3.2.2-2]
#[test]
fn a_connect_is_accepted_with_one_connack() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let peer = bed.open(version);
        assert_eq!(bed.hear(peer), []);
        bed.say(peer, hello(version, "a"));
        let heard = bed.hear(peer);
        assert!(
            matches!(
                &heard[..],
                [Packet::Connack(Connack { session_present: false, reason: ReasonCode::Success, .. })]
            ),
            "{heard:?}"
        );
        bed.say(peer, Packet::Pingreq);
        assert_eq!(bed.hear(peer), [Packet::Pingresp]); // [3.1.1 MQTT-3.12.4-1] [5.0 MQTT-3.12.4-1]
    }
}

// [3.1.1 MQTT-3.1.3-5] [5.0 MQTT-3.1.3-5]
#[test]
fn client_identifiers_of_letters_and_digits_are_accepted() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        for id in ["0", "Z", "0123456789abcdefghijklm", "ABCDEFGHIJKLMNOPQRSTUVW", "sensor-7/ü"] {
            bed.join(version, id);
        }
    }
}

/// Refuses one CONNECT, given the configuration, with this reason.
#[track_caller]
fn check_refused(config: BrokerConfig, connect: Connect, expected: ReasonCode) {
    let mut bed = Bed::new(config);
    let (peer, connack) = bed.connect(connect.clone());
    assert_eq!((connack.reason, connack.session_present), (expected, false));
    // [3.1.1 MQTT-3.2.2-4] [3.1.1 MQTT-3.2.2-5] [5.0 MQTT-3.2.2-6] [5.0 MQTT-3.2.2-7] [5.0 MQTT-4.13.2-1]
    assert!(bed.is_closed(peer));
    assert!(!bed.broker.has_session(connect.client_id.as_str()));
}

#[test]
fn a_connect_is_refused_with_the_reason() {
    let guarded = || BrokerConfig {
        users: [("ann".to_owned(), b"secret".to_vec())].into(),
        allow_anonymous: false,
        ..BrokerConfig::default()
    };
    for version in VERSIONS {
        let with = |name: &str, password: Option<&'static str>| Connect {
            username: Some(text(name)),
            password: password.map(|p| Binary::new(p).unwrap()),
            ..hello(version, "a")
        };
        let wrong = ReasonCode::BadUserNameOrPassword;
        check_refused(guarded(), hello(version, "a"), ReasonCode::NotAuthorized); // [5.0 MQTT-3.1.4-2]
        check_refused(guarded(), with("ann", Some("guess")), wrong);
        check_refused(guarded(), with("ann", None), wrong);
        check_refused(guarded(), with("bob", Some("secret")), wrong);
        let (_, connack) = Bed::new(guarded()).connect(with("ann", Some("secret")));
        assert_eq!(connack.reason, ReasonCode::Success);

        let full = BrokerConfig { max_sessions: 0, ..BrokerConfig::default() };
        let expected = if version == V5 { ReasonCode::QuotaExceeded } else { ReasonCode::ServerUnavailable };
        check_refused(full, hello(version, "a"), expected);
    }

    // [3.1.1 MQTT-3.1.3-8] [3.1.1 MQTT-3.1.3-9]
    check_refused(BrokerConfig::default(), lasting(V311, ""), ReasonCode::ClientIdentifierNotValid);

    // [5.0 MQTT-4.12.0-1]
    let mut enhanced = hello(V5, "a");
    enhanced.properties.set_authentication_method(&text("SCRAM-SHA-1"));
    check_refused(BrokerConfig::default(), enhanced, ReasonCode::BadAuthenticationMethod);

    // [5.0 MQTT-3.2.2-12] [5.0 MQTT-3.2.2-13]
    let limited =
        || BrokerConfig { maximum_qos: AtLeastOnce, retain_available: false, ..BrokerConfig::default() };
    let will = Will::new(topic("w"), Binary::default());
    let with_will = |will| Connect { will: Some(will), ..hello(V5, "a") };
    let high = Will { qos: ExactlyOnce, ..will.clone() };
    check_refused(limited(), with_will(high), ReasonCode::QoSNotSupported);
    check_refused(limited(), with_will(Will { retain: true, ..will }), ReasonCode::RetainNotSupported);
}

// [3.1.1 MQTT-3.1.4-5] [5.0 MQTT-3.1.4-6]
#[test]
fn what_follows_a_refused_connect_is_ignored() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig { allow_anonymous: false, ..BrokerConfig::default() });
        let peer = bed.open(version);
        let mut bytes = Vec::new();
        hello(version, "a").encode(&mut bytes).unwrap();
        Packet::Pingreq.encode(version, &mut bytes).unwrap();
        Packet::from(publish("t", AtMostOnce, 0, "x")).encode(version, &mut bytes).unwrap();
        bed.say_bytes(peer, &bytes);
        assert_eq!(bed.end(peer), Some(ReasonCode::NotAuthorized));
        assert_eq!(bed.broker.stats().received, 0);
    }
}

#[test]
fn versions_that_are_not_spoken_are_refused() {
    // A 3.1.1-only server's answer to 5.0, by which a client can fall back.
    let mut bed = Bed::new(BrokerConfig { versions: vec![V311], ..BrokerConfig::default() });
    let peer = bed.open(V311);
    let mut bytes = Vec::new();
    hello(V5, "a").encode(&mut bytes).unwrap();
    bed.say_bytes(peer, &bytes);
    assert_eq!(bed.heard_bytes(peer), [0x20, 2, 0, 1]);
    assert!(bed.is_closed(peer));

    let unknown_level = b"\x10\x0d\0\x04MQTT\x06\x02\0\0\0\0\0";
    let mut bed = Bed::new(BrokerConfig::default());
    let peer = bed.open(V5);
    bed.say_bytes(peer, unknown_level);
    assert_eq!(bed.end(peer), Some(ReasonCode::UnsupportedProtocolVersion));

    let version_3_1 = b"\x10\x0f\0\x06MQIsdp\x03\x02\0\0\0\x01a";
    let peer = bed.open(V311);
    bed.say_bytes(peer, version_3_1);
    assert_eq!(bed.end(peer), Some(ReasonCode::UnsupportedProtocolVersion));
}

// [3.1.1 MQTT-4.8.0-1] [5.0 MQTT-4.13.1-1]
#[test]
fn a_malformed_connect_is_closed_in_3_1_1_and_answered_in_5_0() {
    // The reserved flag is set; then the keep alive is missing.
    for (connect, expected) in [
        (&b"\x10\x0d\0\x04MQTT\x04\x03\0\0\0\x01a"[..], None),
        (b"\x10\x0e\0\x04MQTT\x05\x03\0\0\0\0\x01a", Some(ReasonCode::MalformedPacket)),
        (b"\x10\x07\0\x04MQTT\x04", None),
        (b"\x10\x07\0\x04MQTT\x05", Some(ReasonCode::MalformedPacket)),
    ] {
        let mut bed = Bed::new(BrokerConfig::default());
        let peer = bed.open(V5);
        bed.say_bytes(peer, connect);
        assert_eq!(bed.end(peer), expected, "{connect:?}");
    }
}

// [5.0 MQTT-3.14.0-1]
#[test]
fn any_other_first_packet_is_closed_without_a_word() {
    for first in [
        &b"\xc0\0"[..],
        b"\xe0\0",
        b"\x30\x03\0\x01t",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\0",
        b"\xff",
    ] {
        let mut bed = Bed::new(BrokerConfig::default());
        let peer = bed.open(V5);
        bed.say_bytes(peer, first);
        assert!(bed.is_closed(peer), "{first:?}");
        assert_eq!(bed.heard_bytes(peer), []);
    }
}

// [3.1.1 MQTT-3.1.0-2] [5.0 MQTT-3.1.0-2] [3.1.1 MQTT-4.8.0-1] [5.0 MQTT-4.13.1-1]
#[test]
fn packets_out_of_place_end_the_connection() {
    for version in VERSIONS {
        let told = |reason| (version == V5).then_some(reason);
        let check = |bytes: &[u8], reason| {
            let mut bed = Bed::new(BrokerConfig::default());
            let peer = bed.join(version, "a");
            bed.say_bytes(peer, bytes);
            assert_eq!(bed.end(peer), told(reason), "MQTT {version}: {bytes:?}");
        };
        let mut second = Vec::new();
        hello(version, "a").encode(&mut second).unwrap();
        check(&second, ReasonCode::ProtocolError);
        check(b"\xd0\0", ReasonCode::ProtocolError); // PINGRESP from a client
        check(b"\x20\x02\0\0", ReasonCode::ProtocolError); // CONNACK from a client
        check(b"\x80\0", ReasonCode::MalformedPacket); // SUBSCRIBE with wrong flags
        check(b"\x36\x05\0\x01t\0\x01", ReasonCode::MalformedPacket); // QoS 3
        check(b"\x30\x03\0\x01#", ReasonCode::MalformedPacket); // a wildcard in a topic name
        check(b"\x00\0", ReasonCode::MalformedPacket); // packet type 0
    }
    let mut bed = Bed::new(BrokerConfig::default());
    let peer = bed.join(V5, "a");
    let method = AuthProperties::default().with_authentication_method(&text("SCRAM-SHA-1"));
    bed.say(peer, Auth::new(ReasonCode::ReAuthenticate, method));
    assert_eq!(bed.end(peer), Some(ReasonCode::ProtocolError));
}

#[test]
fn an_empty_subscribe_is_a_protocol_error() {
    for (version, bytes, expected) in [
        (V311, &b"\x82\x02\0\x01"[..], None),
        (V5, b"\x82\x03\0\x01\0", Some(ReasonCode::ProtocolError)),
        (V311, b"\xa2\x02\0\x01", None),
        (V5, b"\xa2\x03\0\x01\0", Some(ReasonCode::ProtocolError)),
    ] {
        let mut bed = Bed::new(BrokerConfig::default());
        let peer = bed.join(version, "a");
        bed.say_bytes(peer, bytes);
        assert_eq!(bed.end(peer), expected);
    }
}

#[test]
fn who_never_says_connect_is_closed() {
    let mut bed =
        Bed::new(BrokerConfig { connect_timeout: Duration::from_secs(3), ..BrokerConfig::default() });
    let peer = bed.open(V5);
    bed.say_bytes(peer, b"\x10\x0d\0\x04MQ");
    bed.pass(Duration::from_millis(2_999));
    assert!(!bed.is_closed(peer));
    bed.pass(Duration::from_millis(1));
    assert!(bed.is_closed(peer));
    assert_eq!(bed.broker.connection_count(), 0);
}

// [3.1.1 MQTT-3.1.2-24] [5.0 MQTT-3.1.2-22]
#[test]
fn silence_of_one_and_a_half_keep_alives_ends_the_connection() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let (peer, _) = bed.connect(Connect { keep_alive: 10, ..hello(version, "a") });
        for _ in 0..3 {
            bed.pass(Duration::from_millis(14_999));
            assert!(bed.broker.is_connected("a"));
            bed.say(peer, Packet::Pingreq);
        }
        bed.pass(Duration::from_millis(15_000));
        assert!(!bed.broker.is_connected("a"));
        assert_eq!(bed.end(peer), (version == V5).then_some(ReasonCode::KeepAliveTimeout));
    }
}

#[test]
fn a_keep_alive_of_0_allows_any_silence() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let peer = bed.join(version, "a");
        bed.pass(Duration::from_secs(1_000_000));
        assert!(!bed.is_closed(peer));
    }
}

// [5.0 MQTT-3.2.2-22]
#[test]
fn the_servers_keep_alive_replaces_the_clients_in_5_0() {
    for (version, expected) in [(V311, None), (V5, Some(4))] {
        let mut bed = Bed::new(BrokerConfig { server_keep_alive: Some(4), ..BrokerConfig::default() });
        let (_, connack) = bed.connect(Connect { keep_alive: 100, ..hello(version, "a") });
        assert_eq!(connack.properties.server_keep_alive(), expected);
        bed.pass(Duration::from_secs(6));
        assert_eq!(bed.broker.is_connected("a"), version == V311);
        bed.pass(Duration::from_secs(144));
        assert!(!bed.broker.is_connected("a"));
    }
}

// [3.1.1 MQTT-3.1.3-6] [5.0 MQTT-3.1.3-6] [5.0 MQTT-3.1.3-7] [5.0 MQTT-3.2.2-16]
#[test]
fn an_empty_client_identifier_gets_a_unique_one() {
    let mut bed = Bed::new(BrokerConfig::default());
    bed.join(V5, "assigned-2");
    let mut assigned = Vec::new();
    for _ in 0..2 {
        let (_, connack) = bed.connect(lasting(V5, ""));
        assigned.push(connack.properties.assigned_client_identifier().unwrap().to_string());
    }
    assert_eq!(assigned, ["assigned-1", "assigned-3"]);
    bed.join(V311, "");
    assert_eq!(bed.broker.session_count(), 4);
    let (_, present) = bed.resume(V5, "assigned-1");
    assert!(present);
}

// [5.0 MQTT-3.1.2-28] [5.0 MQTT-4.12.0-6]
#[test]
fn the_connack_says_what_was_asked_and_what_is_limited() {
    let mut bed = Bed::new(BrokerConfig {
        response_information: Some("answers/".to_owned()),
        session_expiry_cap: 100,
        ..BrokerConfig::default()
    });
    let (_, connack) = bed.connect(hello(V5, "a"));
    assert_eq!(connack.properties.response_information(), None);
    assert_eq!(connack.properties.session_expiry_interval(), None);
    assert_eq!(connack.properties.authentication_method(), None);
    let mut asking = lasting(V5, "b");
    asking.properties.set_request_response_information(true);
    let (_, connack) = bed.connect(asking);
    assert_eq!(connack.properties.response_information().unwrap(), "answers/");
    assert_eq!(connack.properties.session_expiry_interval(), Some(100));
}

#[test]
fn a_goodbye_closes_without_an_answer() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let peer = bed.join(version, "a");
        let mut bytes = Vec::new();
        Packet::from(goodbye()).encode(version, &mut bytes).unwrap();
        Packet::Pingreq.encode(version, &mut bytes).unwrap();
        bed.say_bytes(peer, &bytes);
        assert_eq!(bed.hear(peer), []); // [5.0 MQTT-3.14.4-1]: not the PINGREQ behind it either
        assert!(bed.is_closed(peer));
    }
}

#[test]
fn a_goodbye_may_not_give_a_session_that_was_none_an_expiry() {
    let mut bed = Bed::new(BrokerConfig::default());
    let peer = bed.join(V5, "a");
    let mut disconnect = Disconnect::new(ReasonCode::Success);
    disconnect.properties.set_session_expiry_interval(5);
    bed.say(peer, disconnect);
    assert_eq!(bed.end(peer), Some(ReasonCode::ProtocolError));
}

// [3.1.1 MQTT-3.1.4-2] [5.0 MQTT-3.1.4-3]
#[test]
fn a_second_connection_of_a_client_takes_over() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let (first, _) = bed.resume(version, "a");
        let (second, present) = bed.resume(version, "a");
        assert!(present);
        assert_eq!(bed.end(first), (version == V5).then_some(ReasonCode::SessionTakenOver));
        assert!(!bed.is_closed(second) && bed.broker.is_connected("a"));
        assert_eq!(bed.broker.session_count(), 1);
    }
}

#[test]
fn any_chunking_of_the_input_gives_the_same_answers() {
    let run = |version: Version, chunk: usize| {
        let mut bed = Bed::new(BrokerConfig::default());
        let peer = bed.open(version);
        let mut bytes = Vec::new();
        hello(version, "a").encode(&mut bytes).unwrap();
        for packet in [
            subscribe(1, &[("t", ExactlyOnce)]).into(),
            publish("t", ExactlyOnce, 2, "x").into(),
            pubrel(2).into(),
            publish("t", AtLeastOnce, 3, "y").into(),
            Packet::Pingreq,
        ] {
            packet.encode(version, &mut bytes).unwrap();
        }
        bytes.chunks(chunk).for_each(|chunk| bed.say_bytes(peer, chunk));
        bed.hear(peer)
    };
    for version in VERSIONS {
        let whole = run(version, usize::MAX);
        assert_eq!(whole.len(), 8);
        for chunk in 1..20 {
            assert_eq!(run(version, chunk), whole);
        }
    }
}
