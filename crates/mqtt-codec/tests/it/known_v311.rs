//! Known answers of 3.1.1: bytes → packet → bytes.

use mqtt_codec::{
    Ack, AckKind, Connack, Connect, Disconnect, Packet, Publish, QoS, ReasonCode,
    Side::{self, Client, Server},
    Suback, Subscribe, SubscribeFilter, Unsuback, Unsubscribe,
    Version::V311,
    Will,
    bytes::Bytes,
};

use crate::support::{binary, decode, filter, framed, id, text, topic};

#[track_caller]
fn inverse(sender: Side, notation: &str, packet: impl Into<Packet>) {
    crate::support::inverse(V311, sender, notation, packet);
}

// [3.1.1 MQTT-3.1.3-1] [3.1.1 MQTT-3.1.3-3] [3.1.1 MQTT-3.1.2-9] [3.1.1 MQTT-3.1.2-11] [3.1.1 MQTT-3.1.2-13]
// [3.1.1 MQTT-3.1.2-15] [3.1.1 MQTT-3.1.2-18] [3.1.1 MQTT-3.1.2-19] [3.1.1 MQTT-3.1.2-20] [3.1.1 MQTT-3.1.2-21]
// [3.1.1 MQTT-2.2.2-1]
#[test]
fn connect() {
    let minimal = Connect { keep_alive: 30, ..Connect::new(V311, text("")) };
    inverse(Client, "10 0c 0004'MQTT' 04 02 001e 0000", minimal.clone());
    inverse(
        Client,
        "10 0d 0004'MQTT' 04 00 0000 0001'x'",
        Connect { clean_start: false, keep_alive: 0, ..Connect::new(V311, text("x")) },
    );
    inverse(
        Client,
        "10 21 0004'MQTT' 04 f6 ffff 0001'c' 0003'w/t' 0002 00ff 0004'user' 0003'pwd'",
        Connect {
            keep_alive: 0xFFFF,
            will: Some(Will {
                qos: QoS::ExactlyOnce,
                retain: true,
                ..Will::new(topic("w/t"), binary(&[0x00, 0xFF]))
            }),
            username: Some(text("user")),
            password: Some(binary(b"pwd")),
            ..Connect::new(V311, text("c"))
        },
    );
    inverse(
        Client,
        "10 13 0004'MQTT' 04 0e 001e 0000 0001'w' 0002'by'",
        Connect {
            will: Some(Will { qos: QoS::AtLeastOnce, ..Will::new(topic("w"), binary(b"by")) }),
            ..minimal.clone()
        },
    );
    inverse(
        Client,
        "10 10 0004'MQTT' 04 82 001e 0000 0002'me'",
        Connect { username: Some(text("me")), ..minimal.clone() },
    );
    // A user name may be empty, and so may a password and a will's payload.
    inverse(
        Client,
        "10 15 0004'MQTT' 04 c6 001e 0000 0001'w' 0000 0000 0000",
        Connect {
            will: Some(Will::new(topic("w"), binary(b""))),
            username: Some(text("")),
            password: Some(binary(b"")),
            ..minimal
        },
    );
}

#[test]
fn connack() {
    inverse(Server, "20 02 00 00", Connack::new(false, ReasonCode::Success));
    inverse(Server, "20 02 01 00", Connack::new(true, ReasonCode::Success));
    inverse(Server, "20 02 00 01", Connack::new(false, ReasonCode::UnsupportedProtocolVersion));
    inverse(Server, "20 02 00 02", Connack::new(false, ReasonCode::ClientIdentifierNotValid));
    inverse(Server, "20 02 00 03", Connack::new(false, ReasonCode::ServerUnavailable));
    inverse(Server, "20 02 00 04", Connack::new(false, ReasonCode::BadUserNameOrPassword));
    inverse(Server, "20 02 00 05", Connack::new(false, ReasonCode::NotAuthorized));
}

// [3.1.1 MQTT-2.3.1-5] [3.1.1 MQTT-3.3.2-1]
#[test]
fn publish() {
    for sender in [Client, Server] {
        inverse(sender, "30 05 0003'a/b'", Publish::new(topic("a/b"), Bytes::new()));
        inverse(
            sender,
            "31 07 0003'a/b' 00ff",
            Publish { retain: true, ..Publish::new(topic("a/b"), &[0, 255][..]) },
        );
        inverse(
            sender,
            "32 06 0001'a' 0001 00",
            Publish { qos: QoS::AtLeastOnce, packet_id: Some(id(1)), ..Publish::new(topic("a"), &[0][..]) },
        );
        inverse(
            sender,
            "3d 08 0001'a' ffff 'end'",
            Publish {
                dup: true,
                qos: QoS::ExactlyOnce,
                retain: true,
                packet_id: Some(id(0xFFFF)),
                ..Publish::new(topic("a"), "end")
            },
        );
    }
}

#[test]
fn remaining_length_of_two_bytes() {
    let payload = vec![b'x'; 200];
    let packet = Packet::from(Publish::new(topic("a"), payload.clone()));
    let mut out = Vec::new();
    assert_eq!(packet.encode(V311, &mut out), Ok(206));
    assert_eq!(out[..6], [0x30, 0xCB, 0x01, 0x00, 0x01, b'a']);
    assert_eq!(out[6..], payload);
    assert_eq!(decode(V311, Client, &out), Ok(packet));
}

#[test]
fn acknowledgements() {
    for sender in [Client, Server] {
        inverse(sender, "40 02 0001", Ack::new(AckKind::Puback, id(1)));
        inverse(sender, "50 02 0102", Ack::new(AckKind::Pubrec, id(0x0102)));
        inverse(sender, "62 02 ffff", Ack::new(AckKind::Pubrel, id(0xFFFF)));
        inverse(sender, "70 02 0a0b", Ack::new(AckKind::Pubcomp, id(0x0A0B)));
    }
}

#[test]
fn subscribe_and_suback() {
    inverse(
        Client,
        "82 0f 000a 0001'#' 00 0001'+' 01 0002'/a' 02",
        Subscribe::new(
            id(10),
            vec![
                SubscribeFilter::new(filter("#"), QoS::AtMostOnce),
                SubscribeFilter::new(filter("+"), QoS::AtLeastOnce),
                SubscribeFilter::new(filter("/a"), QoS::ExactlyOnce),
            ],
        ),
    );
    inverse(
        Server,
        "90 06 000a 00 01 02 80",
        Suback::new(
            id(10),
            vec![
                ReasonCode::Success,
                ReasonCode::GrantedQoS1,
                ReasonCode::GrantedQoS2,
                ReasonCode::UnspecifiedError,
            ],
        ),
    );
}

#[test]
fn unsubscribe_and_unsuback() {
    inverse(
        Client,
        "a2 0a 0007 0003'a/b' 0001'#'",
        Unsubscribe::new(id(7), vec![filter("a/b"), filter("#")]),
    );
    inverse(Server, "b0 02 0007", Unsuback::new(id(7), vec![]));
}

#[test]
fn pings_and_disconnect() {
    inverse(Client, "c0 00", Packet::Pingreq);
    inverse(Server, "d0 00", Packet::Pingresp);
    inverse(Client, "e0 00", Disconnect::default());
}

// [3.1.1 MQTT-1.5.3-3]
#[test]
fn a_byte_order_mark_is_kept_as_a_character() {
    let bom = "\u{feff}a";
    inverse(Server, "30 06 0004 efbbbf'a'", Publish::new(topic(bom), Bytes::new()));
}

/// 3.1.1 says nothing against a length that could be shorter (only 5.0 does).
#[test]
fn an_overlong_remaining_length_is_accepted() {
    assert_eq!(decode(V311, Server, &[0xD0, 0x80, 0x00]), Ok(Packet::Pingresp));
    assert_eq!(decode(V311, Server, &[0xD0, 0x80, 0x80, 0x80, 0x00]), Ok(Packet::Pingresp));
    let body = framed(0, "0004'MQTT' 04 02 001e 0000");
    let overlong = [&[0x10, 0x80 | body[1], 0x00], &body[2..]].concat();
    for decoder_version in [V311, mqtt_codec::Version::V5] {
        assert!(decode(decoder_version, Client, &overlong).is_ok());
    }
}
