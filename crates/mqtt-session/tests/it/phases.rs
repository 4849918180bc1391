//! The phases of a connection: which packet is right when, and how connections begin and end.

use std::time::Duration;

use mqtt_session::codec::{
    Auth, AuthProperties, Connack, Connect, Disconnect, EncodeError, Packet, ReasonCode, Version,
};
use mqtt_session::{Command, Config, DisconnectCause, Duty, Event, Phase, Refusal, Timer, Violation};

use crate::support::*;

/// A packet that a server may send in some phase, of each type.
fn server_packets(version: Version) -> Vec<Packet> {
    let mut packets = packets([
        connack().into(),
        publish_packet(1, AtMostOnce, 0),
        puback(1).into(),
        pubrec(1).into(),
        pubrel(1).into(),
        pubcomp(1).into(),
        suback(1, &[ReasonCode::Success]).into(),
        match version {
            V5 => unsuback(1, &[ReasonCode::Success]).into(),
            V311 => unsuback(1, &[]).into(),
        },
        Packet::Pingresp,
    ]);
    if version == V5 {
        packets.push(disconnect(ReasonCode::ServerBusy));
        let method = AuthProperties::default().with_authentication_method(&text("SCRAM"));
        packets.push(Auth::new(ReasonCode::ContinueAuthentication, method).into());
    }
    packets
}

// [3.1.1 MQTT-3.1.0-1] [5.0 MQTT-3.1.0-1]
#[test]
fn connect_goes_first_and_once() {
    both(|version| {
        let mut rig = Rig::new(version);
        assert_eq!(rig.session.phase(), Phase::Closed);
        assert_eq!(rig.duty(), Duty::Wait(None));
        rig.open(connect(version));
        assert_eq!(rig.session.phase(), Phase::AwaitConnack);
        let [Packet::Connect(sent)] = &rig.sent()[..] else { panic!("CONNECT") };
        assert_eq!(sent.client_id, text("client"));
        rig.peer_ok(connack());
        assert_eq!(rig.session.phase(), Phase::Ready);
        assert_eq!(rig.sent(), []);
    });
}

#[test]
fn nothing_but_connack_may_come_first() {
    both(|version| {
        for packet in server_packets(version) {
            if let Packet::Connack(_) = packet {
                continue;
            }
            let mut rig = Rig::new(version);
            rig.open(connect(version));
            rig.sent();
            let expected = match packet {
                Packet::Auth(_) => Violation::UnexpectedAuthentication,
                _ => Violation::ExpectedConnack,
            };
            assert_eq!(rig.peer_wrong(packet.clone()), expected, "{packet:?}");
            assert_eq!(rig.sent(), [], "no DISCONNECT to a server that has not accepted");
            assert!(matches!(rig.cause(), DisconnectCause::ProtocolError(_)));
        }
    });
}

// [5.0 MQTT-4.12.0-7]
#[test]
fn each_packet_in_an_accepted_connection() {
    both(|version| {
        for packet in server_packets(version) {
            let mut rig = Rig::ready(version);
            let expected = match packet {
                Packet::Connack(_) => Some(Violation::SecondConnack),
                Packet::Suback(_) | Packet::Unsuback(_) => Some(Violation::UnknownRequest),
                Packet::Auth(_) => Some(Violation::UnexpectedAuthentication),
                _ => None,
            };
            let actual = rig.peer(packet.clone()).err().map(|error| error.violation);
            assert_eq!(actual, expected, "{packet:?}");
            if expected.is_some() {
                let farewell = match version {
                    V311 => vec![],
                    V5 => vec![disconnect(ReasonCode::ProtocolError)],
                };
                assert_eq!(rig.sent(), farewell, "{packet:?}");
            }
        }
    });
}

#[test]
fn a_packet_that_only_clients_send_is_a_protocol_error() {
    both(|version| {
        for packet in [Packet::Pingreq, subscribe_packet(1, &["a"]), connect(version).into()] {
            let mut rig = Rig::ready(version);
            assert!(matches!(rig.peer_wrong(packet), Violation::Packet(_)));
        }
    });
}

#[test]
fn whatever_comes_while_nothing_is_connected_is_dropped() {
    both(|version| {
        for packet in server_packets(version) {
            let mut rig = Rig::new(version);
            rig.peer_ok(packet);
            assert_eq!(rig.events(), []);
            assert_eq!(rig.sent(), []);
        }
    });
}

// [5.0 MQTT-4.13.2-1]
#[test]
fn a_refusal_ends_the_attempt() {
    let check = |version, reason| {
        let mut rig = Rig::new(version);
        rig.open(connect(version));
        rig.sent();
        let refusal = Connack::new(false, reason);
        rig.peer_ok(refusal.clone());
        assert_eq!(rig.events(), [Event::Refused(refusal)]);
        assert_eq!(rig.session.phase(), Phase::Closing);
        assert_eq!(rig.sent(), []);
        assert_eq!(rig.cause(), DisconnectCause::Refused);
        assert_eq!(rig.session.phase(), Phase::Closed);
    };
    for reason in [
        ReasonCode::UnsupportedProtocolVersion,
        ReasonCode::ClientIdentifierNotValid,
        ReasonCode::ServerUnavailable,
        ReasonCode::BadUserNameOrPassword,
        ReasonCode::NotAuthorized,
    ] {
        both(|version| check(version, reason));
    }
    check(V5, ReasonCode::ServerMoved);
}

#[test]
fn a_server_that_speaks_only_3_1_1_is_understood_by_a_5_0_attempt() {
    let mut rig = Rig::new(V5);
    rig.open(connect(V5));
    rig.peer_bytes(&[0x20, 0x02, 0x00, 0x01]).unwrap();
    let refusal = Connack::new(false, ReasonCode::UnsupportedProtocolVersion);
    assert_eq!(rig.events(), [Event::Refused(refusal)]);
    assert_eq!(rig.cause(), DisconnectCause::Refused);
}

// [3.1.1 MQTT-3.14.4-2] [5.0 MQTT-3.14.4-1]
#[test]
fn nothing_follows_disconnect() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.peer_ok(publish(1, AtLeastOnce, 1));
        let token = rig.token();
        rig.publish(2, AtMostOnce);
        let goodbye = Disconnect::new(ReasonCode::Success);
        rig.submit(Command::Disconnect(goodbye.clone())).unwrap();
        assert_eq!(rig.session.phase(), Phase::Closing);
        assert_eq!(
            rig.submit(Command::Publish { tag: 3, publish: message(3, AtMostOnce) }),
            Err(Refusal::NotReady)
        );
        assert_eq!(rig.submit(Command::Ping { tag: 4 }), Err(Refusal::NotReady));
        assert_eq!(rig.submit(Command::Disconnect(goodbye.clone())), Err(Refusal::NotReady));
        assert_eq!(rig.sent(), [publish_packet(2, AtMostOnce, 0), goodbye.into()]);
        assert!(rig.session.acknowledge(token, ReasonCode::Success));
        rig.peer_ok(publish(3, ExactlyOnce, 2));
        assert_eq!(rig.sent(), []);
        assert_eq!(rig.events().len(), 1, "the QoS 0 publish is out");
        assert_eq!(rig.cause(), DisconnectCause::ByUs);
    });
}

#[test]
fn disconnect_is_refused_before_connack_and_when_closed() {
    both(|version| {
        let goodbye = || Command::Disconnect(Disconnect::new(ReasonCode::Success));
        let mut rig = Rig::new(version);
        assert_eq!(rig.submit(goodbye()), Err(Refusal::NotReady));
        rig.open(connect(version));
        assert_eq!(rig.submit(goodbye()), Err(Refusal::NotReady));
    });
}

#[test]
fn disconnect_carries_its_reason() {
    let goodbye = Disconnect::new(ReasonCode::DisconnectWithWill);
    let mut rig = Rig::ready(V5);
    rig.submit(Command::Disconnect(goodbye.clone())).unwrap();
    assert_eq!(rig.sent(), [goodbye.clone().into()]);

    let mut rig = Rig::ready(V311);
    let refusal = rig.submit(Command::Disconnect(goodbye)).unwrap_err();
    assert!(matches!(refusal, Refusal::Invalid(_)), "3.1.1 can't say it: {refusal}");
    assert_eq!(rig.session.phase(), Phase::Ready);
}

#[test]
fn disconnect_can_not_bring_a_session_to_life_that_connect_had_end_with_the_connection() {
    let mut rig = Rig::new(V5);
    rig.open(Connect::new(V5, text("client")));
    rig.peer_ok(connack());
    let mut goodbye = Disconnect::new(ReasonCode::Success);
    goodbye.properties.set_session_expiry_interval(60);
    assert_eq!(rig.submit(Command::Disconnect(goodbye)), Err(Refusal::SessionExpiryRaised));
}

#[test]
fn a_client_gives_no_reason_that_is_only_a_servers() {
    let mut rig = Rig::ready(V5);
    let refusal = rig.submit(Command::Disconnect(Disconnect::new(ReasonCode::ServerBusy))).unwrap_err();
    assert!(matches!(refusal, Refusal::Invalid(EncodeError::ReasonCodeNotAllowed { .. })), "{refusal}");
    assert_eq!(rig.session.phase(), Phase::Ready);
}

#[test]
fn only_a_server_names_another_server() {
    let mut rig = Rig::ready(V5);
    let mut goodbye = Disconnect::default();
    goodbye.properties.set_server_reference(&text("elsewhere"));
    assert_eq!(rig.submit(Command::Disconnect(goodbye)), Err(Refusal::ServerReference));
    assert_eq!(rig.session.phase(), Phase::Ready);
}

#[test]
fn the_server_disconnects_with_its_reason() {
    let mut rig = Rig::ready(V5);
    let taken_over = Disconnect::new(ReasonCode::SessionTakenOver);
    rig.peer_ok(taken_over.clone());
    rig.peer_ok(publish(1, AtMostOnce, 0));
    assert_eq!(rig.sent(), [], "there is no answer, and nobody listens any more");
    assert_eq!(rig.cause(), DisconnectCause::ByPeer(taken_over));
}

#[test]
fn a_link_that_closes_without_a_word() {
    both(|version| {
        for accepted in [false, true] {
            let mut rig = Rig::new(version);
            rig.open(connect(version));
            if accepted {
                rig.peer_ok(connack());
                rig.events();
            }
            rig.session.handle_closed(rig.now);
            assert_eq!(rig.events(), [Event::Disconnected(DisconnectCause::LinkClosed)]);
            rig.session.handle_closed(rig.now);
            assert_eq!(rig.events(), [], "closing twice is closing once");
        }
    });
}

#[test]
fn opening_again_ends_the_connection_that_was_there() {
    let mut rig = Rig::ready(V5);
    rig.open(connect(V5));
    assert_eq!(rig.events(), [Event::Disconnected(DisconnectCause::LinkClosed)]);
    assert_eq!(rig.session.phase(), Phase::AwaitConnack);
}

#[test]
fn an_error_is_latched_until_the_next_connection() {
    both(|version| {
        let mut rig = Rig::ready(version);
        assert_eq!(rig.peer_wrong(connack()), Violation::SecondConnack);
        rig.sent();
        assert_eq!(rig.duty(), Duty::Close);
        rig.cut();
        rig.accept(connack());
        rig.peer_ok(publish(1, AtMostOnce, 0));
    });
}

#[test]
fn closing_waits_for_the_last_output_but_not_for_ever() {
    let mut rig = Rig::ready(V5);
    rig.submit(Command::Disconnect(Disconnect::new(ReasonCode::Success))).unwrap();
    let deadline = rig.deadline().unwrap();
    assert_eq!((deadline.timer, deadline.at), (Timer::Close, rig.now + Duration::from_secs(5)));
    assert!(!rig.output.is_empty());

    rig.pass(Duration::from_millis(4_999));
    assert!(matches!(rig.duty(), Duty::Wait(_)));
    rig.pass(Duration::from_millis(1));
    assert_eq!(rig.cause(), DisconnectCause::ByUs);
}

#[test]
fn closing_does_not_wait_for_a_peer_that_has_disconnected() {
    let mut rig = Rig::ready(V5);
    rig.publish(1, AtLeastOnce);
    rig.duty();
    rig.submit(Command::Disconnect(Disconnect::new(ReasonCode::Success))).unwrap();
    rig.peer_ok(Disconnect::new(ReasonCode::ServerShuttingDown));
    assert_eq!(rig.cause(), DisconnectCause::ByUs, "and is nobody's concern any more");
}

#[test]
fn what_happened_first_is_the_cause() {
    let mut rig = Rig::ready(V5);
    rig.submit(Command::Disconnect(Disconnect::new(ReasonCode::Success))).unwrap();
    rig.peer(connack()).unwrap_err();
    assert_eq!(rig.sent(), [disconnect(ReasonCode::ProtocolError)], "the error speaks before the farewell");
    assert_eq!(rig.cause(), DisconnectCause::ByUs);
}

#[test]
fn connect_is_refused_when_it_does_not_fit_the_session() {
    let check = |version, connect: Connect, expected: Refusal| {
        let mut rig = Rig::new(version);
        let rejected = rig.session.handle_opened(rig.now, connect.clone()).unwrap_err();
        assert_eq!((rejected.value, rejected.refusal), (connect, expected));
        assert_eq!(rig.session.phase(), Phase::Closed);
    };
    check(V5, connect(V311), Refusal::WrongVersion { expected: V5 });
    check(V311, connect(V5), Refusal::WrongVersion { expected: V311 });
    // [3.1.1 MQTT-3.1.3-7]
    check(V311, Connect { client_id: text(""), ..connect(V311) }, Refusal::ClientIdMissing);
    let passwordless = Connect { password: Some(b"secret".to_vec().try_into().unwrap()), ..connect(V311) };
    let mut rig = Rig::new(V311);
    let refusal = rig.session.handle_opened(rig.now, passwordless).unwrap_err().refusal;
    assert!(matches!(refusal, Refusal::Invalid(_)));
}

#[test]
fn connect_announces_the_limits_of_the_configuration() {
    let check = |config: Config, receive_maximum: Option<u16>, maximum_packet_size: Option<u32>| {
        let mut rig = Rig::with_config(config);
        let mut connect = connect(V5);
        connect.properties.set_receive_maximum(7.try_into().unwrap());
        connect.properties.set_maximum_packet_size(7.try_into().unwrap());
        connect.properties.set_topic_alias_maximum(7);
        rig.open(connect);
        let [Packet::Connect(sent)] = &rig.sent()[..] else { panic!("CONNECT") };
        assert_eq!(sent.properties.receive_maximum().map(|maximum| maximum.get()), receive_maximum);
        assert_eq!(sent.properties.maximum_packet_size().map(|maximum| maximum.get()), maximum_packet_size);
        assert_eq!(sent.properties.topic_alias_maximum(), Some(16), "not the caller's");
        assert_eq!(sent.properties.session_expiry_interval(), Some(u32::MAX), "the rest is the caller's");
    };
    let config = |max_inbound, max_packet_size| Config { max_inbound, max_packet_size, ..Config::default() };
    check(config(10, 1000), Some(10), Some(1000));
    check(config(0, 0), Some(1), Some(1));
    check(config(u16::MAX, u32::MAX), None, None);
    let lenient =
        |receive_maximum| Config { receive_maximum, max_packet_size: u32::MAX, ..Config::default() };
    check(lenient(20), Some(20), None);
    check(lenient(2000), Some(1024), None);
}

// [3.1.1 MQTT-4.8.0-1] [5.0 MQTT-3.1.2-24]
#[test]
fn malformed_packets_end_the_connection_with_the_reason() {
    let check = |bytes: &[u8], reason| {
        both(|version| {
            let mut rig = Rig::ready(version);
            let error = rig.peer_bytes(bytes).unwrap_err();
            assert_eq!(error.reason_code(), reason, "{error}");
            let expected = if version == V5 { vec![disconnect(reason)] } else { vec![] };
            assert_eq!(rig.sent(), expected);
            assert_eq!(rig.cause(), DisconnectCause::ProtocolError(error));
        });
    };
    check(&[0x00, 0x00], ReasonCode::MalformedPacket);
    check(&[0x30, 0xff, 0xff, 0xff, 0xff, 0x01], ReasonCode::MalformedPacket);
    check(&[0x36, 0x00], ReasonCode::MalformedPacket);
    check(&[0x30, 0xff, 0xff, 0xff, 0x7f], ReasonCode::PacketTooLarge);
}

// [5.0 MQTT-3.1.2-29]
#[test]
fn problem_information_that_was_declined_is_a_protocol_error() {
    let mut explained = suback(1, &[ReasonCode::Success]);
    explained.properties.set_reason_string(&text("why"));
    for declined in [false, true] {
        let mut rig = Rig::new(V5);
        let mut connect = connect(V5);
        connect.properties.set_request_problem_information(!declined);
        rig.open(connect);
        rig.peer_ok(connack());
        rig.submit(subscribe(1, &["a"])).unwrap();
        rig.sent();
        let result = rig.peer(explained.clone()).map_err(|error| error.violation);
        let expected = if declined { Err(Violation::UnwantedProblemInformation) } else { Ok(()) };
        assert_eq!(result, expected);
    }
}

#[test]
fn errors_read_as_one_line() {
    let mut rig = Rig::ready(V5);
    let error = rig.peer(connack()).unwrap_err();
    assert_eq!(error.to_string(), "CONNACK: a second one [5.0 MQTT-3.2.0-2]");
    let mut rig = Rig::ready(V5);
    rig.submit(subscribe(1, &["a", "b"])).unwrap();
    rig.sent();
    let error = rig.peer(suback(1, &[ReasonCode::Success])).unwrap_err();
    assert_eq!(error.to_string(), "SUBACK: 1 reason codes answer 2 filters [5.0 MQTT-3.8.4-6]");
}
