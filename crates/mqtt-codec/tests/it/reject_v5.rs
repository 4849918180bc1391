//! What 5.0 alone refuses, besides what `properties` and `reason_codes` go through one by one.

use mqtt_codec::{
    DecodeErrorKind as Kind, PacketKind, PropertyId, ReasonCode,
    Side::{self, Client, Server},
    Version::V5,
};

use crate::support::{bytes, decode, framed, refused_bytes};

#[track_caller]
fn check(sender: Side, first: u8, body: &str, kind: Kind, packet: PacketKind, offset: usize) {
    refused_bytes(V5, sender, &framed(first, body), kind, packet, offset);
}

// [5.0 MQTT-1.5.5-1]
#[test]
fn variable_byte_integers_that_could_be_shorter() {
    let overlong = Kind::VariableByteIntegerOverlong;
    // Remaining length, of a CONNECT too, though its version is known only later.
    refused_bytes(V5, Server, &bytes("d0 8000"), overlong, PacketKind::Pingresp, 1);
    refused_bytes(
        V5,
        Client,
        &bytes("10 8d00 0004'MQTT' 05 02 003c 00 0000"),
        overlong,
        PacketKind::Connect,
        1,
    );
    // Property length.
    check(Client, 0x30, "0001'a' 8000", overlong, PacketKind::Publish, 5);
    // Subscription identifier.
    check(Client, 0x82, "0001 03 0b8100 0001'a' 00", overlong, PacketKind::Subscribe, 6);
    check(Server, 0x30, "0001'a' 06 0b01 0b818000", overlong, PacketKind::Publish, 9);
}

#[test]
fn variable_byte_integers_of_five_bytes() {
    let too_long = Kind::VariableByteIntegerTooLong;
    check(Client, 0x30, "0001'a' 8080808001", too_long, PacketKind::Publish, 5);
    check(Client, 0x82, "0001 06 0b8080808001 0001'a' 00", too_long, PacketKind::Subscribe, 6);
}

#[test]
fn lengths_that_do_not_meet() {
    let past = Kind::FieldPastEnd;
    // Property length behind the packet's end, or missing.
    check(Client, 0x30, "0001'a' 01", past, PacketKind::Publish, 5);
    check(Client, 0x30, "0001'a'", past, PacketKind::Publish, 5);
    check(Client, 0x30, "0001'a' 80", past, PacketKind::Publish, 5);
    // A property that ends behind its block, though not behind the packet.
    check(Client, 0x30, "0001'a' 01 01 00", past, PacketKind::Publish, 7);
    check(Client, 0x30, "0001'a' 04 03 0003'abc'", past, PacketKind::Publish, 7);
    check(Client, 0x30, "0001'a' 05 26 0001'k' 00 00'v'", past, PacketKind::Publish, 10);
    // Bytes behind the properties of packets that end there.
    check(Client, 0x40, "0001 00 00 00", Kind::TrailingBytes, PacketKind::Puback, 6);
    check(Client, 0xE0, "00 00 00", Kind::TrailingBytes, PacketKind::Disconnect, 4);
    check(Server, 0xF0, "00 00 00", Kind::TrailingBytes, PacketKind::Auth, 4);
    check(Server, 0x20, "00 00 00 00", Kind::TrailingBytes, PacketKind::Connack, 5);
    // A CONNACK must have its property length.
    check(Server, 0x20, "00 00", past, PacketKind::Connack, 4);
}

#[test]
fn a_publish_with_neither_topic_nor_alias() {
    check(Server, 0x30, "0000 00", Kind::TopicMissing, PacketKind::Publish, 2);
    check(Client, 0x32, "0000 0001 02 0101", Kind::TopicMissing, PacketKind::Publish, 2);
}

// [5.0 MQTT-3.8.3-4]
#[test]
fn no_local_on_a_shared_subscription() {
    let body = "0001 00 0001'a' 04 000a'$share/g/a' 04";
    check(Client, 0x82, body, Kind::NoLocalOnSharedSubscription, PacketKind::Subscribe, 21);
}

// [5.0 MQTT-3.8.3-5]
#[test]
fn reserved_subscription_options() {
    check(Client, 0x82, "0001 00 0001'a' 30", Kind::RetainHandling, PacketKind::Subscribe, 8);
    check(Client, 0x82, "0001 00 0001'a' 40", Kind::SubscriptionOptions, PacketKind::Subscribe, 8);
    check(Client, 0x82, "0001 00 0001'a' c0", Kind::SubscriptionOptions, PacketKind::Subscribe, 8);
}

#[test]
fn authentication_without_its_method() {
    let missing = Kind::AuthenticationMethodMissing;
    check(Client, 0x10, "0004'MQTT' 05 02 0000 04 16 0001 00 0000", missing, PacketKind::Connect, 12);
    check(Server, 0x20, "00 00 04 16 0001 00", missing, PacketKind::Connack, 4);
    check(Server, 0xF0, "18", missing, PacketKind::Auth, 3);
    check(Client, 0xF0, "19 04 16 0001 00", missing, PacketKind::Auth, 8);
    check(Server, 0xF0, "00 04 1f 0001'x'", missing, PacketKind::Auth, 8);
}

#[test]
fn unsuback_without_codes() {
    check(Server, 0xB0, "0001 00", Kind::NoReasonCodes, PacketKind::Unsuback, 5);
}

#[test]
fn the_peer_is_told_why() {
    let cases = [
        // Malformed Packet.
        (Client, 0x36, "0001'a' 0001 00", ReasonCode::MalformedPacket),
        (Client, 0x30, "0001'#' 00", ReasonCode::MalformedPacket),
        (Client, 0x30, "0001 00 00", ReasonCode::MalformedPacket),
        (Client, 0x62, "", ReasonCode::MalformedPacket),
        (Client, 0x30, "0001'a' 02 7f00", ReasonCode::MalformedPacket),
        (Client, 0x30, "0001'a' 05 1100000000", ReasonCode::MalformedPacket),
        // Protocol Error.
        (Client, 0x30, "0001'a' 02 0102", ReasonCode::ProtocolError),
        (Client, 0x30, "0001'a' 04 0101 0101", ReasonCode::ProtocolError),
        (Client, 0x30, "0001'a' 02 0b01", ReasonCode::ProtocolError),
        (Client, 0x30, "0000 00", ReasonCode::ProtocolError),
        (Client, 0x82, "0001 00", ReasonCode::ProtocolError),
        (Client, 0x20, "", ReasonCode::ProtocolError),
        (Server, 0xE0, "00 05 1100000000", ReasonCode::ProtocolError),
        // Those with a code of their own.
        (Client, 0x30, "0001'a' 03 230000", ReasonCode::TopicAliasInvalid),
        (Client, 0x10, "0004'MQTT' 06 02 0000 00 0000", ReasonCode::UnsupportedProtocolVersion),
        (Client, 0x10, "0006'MQIsdp' 03 02 0000 0000", ReasonCode::UnsupportedProtocolVersion),
    ];
    for (sender, first, body, code) in cases {
        let error = decode(V5, sender, &framed(first, body)).unwrap_err();
        assert_eq!(error.reason_code(), code, "{error}");
    }
    let error =
        mqtt_codec::Decoder::new(V5, Client).with_max_packet_size(10).delimit(&[0x30, 0x09]).unwrap_err();
    assert_eq!(error.reason_code(), ReasonCode::PacketTooLarge);
}

// [5.0 MQTT-3.14.2-2] [5.0 MQTT-3.3.4-6]
#[test]
fn properties_of_the_other_side() {
    let wrong = |id| Kind::PropertyFromWrongSide(id);
    check(
        Server,
        0xE0,
        "00 05 11 00000000",
        wrong(PropertyId::SessionExpiryInterval),
        PacketKind::Disconnect,
        4,
    );
    check(Client, 0xE0, "00 04 1c 0001'h'", wrong(PropertyId::ServerReference), PacketKind::Disconnect, 4);
    check(Client, 0x30, "0001'a' 02 0b01", wrong(PropertyId::SubscriptionIdentifier), PacketKind::Publish, 6);
}
