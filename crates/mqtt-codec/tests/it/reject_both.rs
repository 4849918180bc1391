//! What both versions refuse, in the packets that look the same in both but for 5.0's property length.

use mqtt_codec::{
    DecodeErrorKind as Kind, PacketKind, QoS,
    Side::{self, Client, Server},
    Version::{V5, V311},
};

use crate::support::{decode, framed, refused, refused_bytes};

/// The packet breaks the same rule in both versions; `_` stands for an empty property set, which only 5.0 has, and
/// `offset` is that of 3.1.1.
#[track_caller]
fn check(sender: Side, first: u8, body: &str, kind: Kind, packet: PacketKind, offset: usize) {
    let v311 = framed(first, &body.replace('_', ""));
    let v5 = framed(first, &body.replace('_', "00"));
    refused_bytes(V311, sender, &v311, kind, packet, offset);
    let shift = body.find('_').map_or(0, |at| {
        let before = framed(0, &body[..at]).len();
        usize::from(before <= offset)
    });
    refused_bytes(V5, sender, &v5, kind, packet, offset + shift);
}

// [3.1.1 MQTT-2.2.2-1] [3.1.1 MQTT-2.2.2-2] [3.1.1 MQTT-3.6.1-1] [3.1.1 MQTT-3.8.1-1] [3.1.1 MQTT-3.10.1-1]
// [3.1.1 MQTT-3.14.1-1]
// [5.0 MQTT-2.1.3-1] [5.0 MQTT-3.6.1-1] [5.0 MQTT-3.8.1-1] [5.0 MQTT-3.10.1-1] [5.0 MQTT-3.14.1-1]
// [5.0 MQTT-3.15.1-1]
#[test]
fn reserved_flags_of_the_fixed_header() {
    let required = [
        (PacketKind::Connect, Client, 0),
        (PacketKind::Connack, Server, 0),
        (PacketKind::Puback, Client, 0),
        (PacketKind::Pubrec, Client, 0),
        (PacketKind::Pubrel, Client, 0b0010),
        (PacketKind::Pubcomp, Client, 0),
        (PacketKind::Subscribe, Client, 0b0010),
        (PacketKind::Suback, Server, 0),
        (PacketKind::Unsubscribe, Client, 0b0010),
        (PacketKind::Unsuback, Server, 0),
        (PacketKind::Pingreq, Client, 0),
        (PacketKind::Pingresp, Server, 0),
        (PacketKind::Disconnect, Client, 0),
        (PacketKind::Auth, Client, 0),
    ];
    for (kind, sender, required) in required {
        for flags in (0..16).filter(|flags| *flags != required) {
            let first = (kind as u8) << 4 | flags;
            refused_bytes(V5, sender, &[first, 0], Kind::FixedHeaderFlags, kind, 0);
            if kind != PacketKind::Auth {
                refused_bytes(V311, sender, &[first, 0], Kind::FixedHeaderFlags, kind, 0);
            }
        }
    }
}

#[test]
fn packets_of_the_other_side() {
    use PacketKind as P;
    for (kind, first, wrong) in [
        (P::Connect, 0x10, Server),
        (P::Connack, 0x20, Client),
        (P::Subscribe, 0x82, Server),
        (P::Suback, 0x90, Client),
        (P::Unsubscribe, 0xA2, Server),
        (P::Unsuback, 0xB0, Client),
        (P::Pingreq, 0xC0, Server),
        (P::Pingresp, 0xD0, Client),
    ] {
        for version in [V311, V5] {
            refused_bytes(version, wrong, &[first, 0], Kind::WrongSender, kind, 0);
        }
    }
    // 3.1.1 servers just close.
    refused(V311, Server, "e0 00", Kind::WrongSender, PacketKind::Disconnect, 0);
}

#[test]
fn packet_type_0() {
    for version in [V311, V5] {
        for flags in 0..16 {
            refused_bytes(version, Client, &[flags, 0], Kind::ReservedPacketType, None, 0);
        }
    }
    refused(V311, Client, "f0 00", Kind::ReservedPacketType, None, 0);
}

// [3.1.1 MQTT-3.3.1-2] [3.1.1 MQTT-3.3.1-4] [5.0 MQTT-3.3.1-2] [5.0 MQTT-3.3.1-4]
#[test]
fn publish_flags() {
    for retain in [0, 1] {
        for dup in [0, 8] {
            check(Client, 0x36 | retain | dup, "0001'a' 0001 _", Kind::QoSReserved, PacketKind::Publish, 0);
        }
        check(Client, 0x38 | retain, "0001'a' _", Kind::DupWithQoS0, PacketKind::Publish, 0);
    }
}

// [3.1.1 MQTT-1.5.3-1] [3.1.1 MQTT-1.5.3-2] [3.1.1 MQTT-3.3.2-1] [3.1.1 MQTT-3.3.2-2] [3.1.1 MQTT-4.7.1-1]
// [3.1.1 MQTT-4.7.3-1] [3.1.1 MQTT-4.7.3-2]
// [5.0 MQTT-1.5.4-1] [5.0 MQTT-1.5.4-2] [5.0 MQTT-3.3.2-1] [5.0 MQTT-3.3.2-2] [5.0 MQTT-4.7.0-1]
// [5.0 MQTT-4.7.3-2]
#[test]
fn topic_names() {
    let cases = [
        ("0003 'a' 00 'b' _", Kind::NulInText, 5),
        ("0003 eda080 _", Kind::IllFormedText, 4),
        ("0002 c0af _", Kind::IllFormedText, 4),
        ("0003 'ab' ff _", Kind::IllFormedText, 6),
        ("000b 'exactly 10' 80 _", Kind::IllFormedText, 14),
        ("0001 '#' _", Kind::WildcardInTopicName, 4),
        ("0003 'a/+' _", Kind::WildcardInTopicName, 6),
        ("0003 'a+b' _", Kind::WildcardInTopicName, 5),
        ("0002 'a' ", Kind::FieldPastEnd, 2),
        ("00", Kind::FieldPastEnd, 2),
        ("", Kind::FieldPastEnd, 2),
    ];
    for (body, kind, offset) in cases {
        check(Server, 0x30, body, kind, PacketKind::Publish, offset);
    }
    refused(V311, Server, "30 02 0000", Kind::EmptyTopic, PacketKind::Publish, 4);
}

// [3.1.1 MQTT-2.3.1-1] [5.0 MQTT-2.2.1-2]
#[test]
fn packet_identifier_0() {
    use PacketKind as P;
    check(Client, 0x32, "0001'a' 0000 _", Kind::ZeroPacketId, P::Publish, 5);
    check(Client, 0x3A, "0001'a' 0000 _", Kind::ZeroPacketId, P::Publish, 5);
    check(Client, 0x34, "0001'a' 0000 _", Kind::ZeroPacketId, P::Publish, 5);
    for (first, kind) in [(0x40, P::Puback), (0x50, P::Pubrec), (0x62, P::Pubrel), (0x70, P::Pubcomp)] {
        check(Client, first, "0000", Kind::ZeroPacketId, kind, 2);
    }
    check(Client, 0x82, "0000 _ 0001'a' 00", Kind::ZeroPacketId, P::Subscribe, 2);
    check(Server, 0x90, "0000 _ 00", Kind::ZeroPacketId, P::Suback, 2);
    check(Client, 0xA2, "0000 _ 0001'a'", Kind::ZeroPacketId, P::Unsubscribe, 2);
    check(Server, 0xB0, "0000 _", Kind::ZeroPacketId, P::Unsuback, 2);
}

#[test]
fn packet_identifier_cut_short() {
    check(Client, 0x32, "0001'a' 00", Kind::FieldPastEnd, PacketKind::Publish, 5);
    check(Client, 0x40, "00", Kind::FieldPastEnd, PacketKind::Puback, 2);
    check(Client, 0x62, "", Kind::FieldPastEnd, PacketKind::Pubrel, 2);
    check(Client, 0x82, "01", Kind::FieldPastEnd, PacketKind::Subscribe, 2);
}

// [3.1.1 MQTT-3.8.3-1] [3.1.1 MQTT-3.8.3-3] [3.1.1 MQTT-3-8.3-4] [3.1.1 MQTT-4.7.1-2] [3.1.1 MQTT-4.7.1-3]
// [3.1.1 MQTT-4.7.3-1] [3.1.1 MQTT-4.7.3-2]
// [5.0 MQTT-3.8.3-1] [5.0 MQTT-3.8.3-2] [5.0 MQTT-3.8.3-5] [5.0 MQTT-4.7.1-1] [5.0 MQTT-4.7.1-2]
// [5.0 MQTT-4.7.3-1] [5.0 MQTT-4.7.3-2] [5.0 MQTT-4.8.2-1] [5.0 MQTT-4.8.2-2]
#[test]
fn subscribe() {
    let cases = [
        ("0001 _", Kind::NoFilters, 4),
        ("0001 _ 0000 00", Kind::EmptyTopic, 6),
        ("0001 _ 0002'a' 00 00", Kind::NulInText, 7),
        ("0001 _ 0002'a' ff 00", Kind::IllFormedText, 7),
        ("0001 _ 0002'a#' 00", Kind::MisplacedHash, 7),
        ("0001 _ 0003'#/a' 00", Kind::MisplacedHash, 6),
        ("0001 _ 0002'a+' 00", Kind::MisplacedPlus, 7),
        ("0001 _ 0009'$share//a' 00", Kind::ShareName, 13),
        ("0001 _ 000a'$share/+/a' 00", Kind::ShareName, 13),
        ("0001 _ 0008'$share/g' 00", Kind::ShareWithoutFilter, 14),
        ("0001 _ 0001'a' 03", Kind::QoSReserved, 7),
        ("0001 _ 0001'a' 40", Kind::SubscriptionOptions, 7),
        ("0001 _ 0001'a' 80", Kind::SubscriptionOptions, 7),
        ("0001 _ 0001'a'", Kind::FieldPastEnd, 7),
        ("0001 _ 0001'a' 00 0001'b'", Kind::FieldPastEnd, 11),
        ("0001 _ 0001'a' 00 00", Kind::FieldPastEnd, 8),
        ("0001 _ 0002'a'", Kind::FieldPastEnd, 4),
    ];
    for (body, kind, offset) in cases {
        check(Client, 0x82, body, kind, PacketKind::Subscribe, offset);
    }
}

// [3.1.1 MQTT-3.10.3-1] [3.1.1 MQTT-3.10.3-2] [5.0 MQTT-3.10.3-1] [5.0 MQTT-3.10.3-2]
#[test]
fn unsubscribe() {
    let cases = [
        ("0001 _", Kind::NoFilters, 4),
        ("0001 _ 0000", Kind::EmptyTopic, 6),
        ("0001 _ 0001 ff", Kind::IllFormedText, 6),
        ("0001 _ 0001'a' 0001 00", Kind::NulInText, 9),
        ("0001 _ 0001'a' 0002'b#'", Kind::MisplacedHash, 10),
        ("0001 _ 0001'a' 0002'b'", Kind::FieldPastEnd, 7),
    ];
    for (body, kind, offset) in cases {
        check(Client, 0xA2, body, kind, PacketKind::Unsubscribe, offset);
    }
}

#[test]
fn suback_without_codes() {
    check(Server, 0x90, "0001 _", Kind::NoReasonCodes, PacketKind::Suback, 4);
}

#[test]
fn pings_with_content() {
    check(Client, 0xC0, "00", Kind::TrailingBytes, PacketKind::Pingreq, 2);
    check(Server, 0xD0, "0001", Kind::TrailingBytes, PacketKind::Pingresp, 2);
}

/// The parts of a CONNECT that both versions have; the packets are 3.1.1's, then 5.0's.
#[track_caller]
fn check_connect(v311: &str, v5: &str, kind: Kind, offsets: (usize, usize)) {
    refused_bytes(V311, Client, &framed(0x10, v311), kind, PacketKind::Connect, offsets.0);
    refused_bytes(V5, Client, &framed(0x10, v5), kind, PacketKind::Connect, offsets.1);
}

// [3.1.1 MQTT-3.1.2-1] [3.1.1 MQTT-3.1.2-2] [5.0 MQTT-3.1.2-1] [5.0 MQTT-3.1.2-2]
#[test]
fn protocol_name_and_version() {
    let cases = [
        ("0006'MQIsdp' 03 02 0000 0000", Kind::ProtocolName, 2),
        ("0004'MQTt' 04 02 0000 0000", Kind::ProtocolName, 2),
        ("0005'MQTT5' 05 02 0000 00 0000", Kind::ProtocolName, 2),
        ("0000 04 02 0000 0000", Kind::ProtocolName, 2),
        ("0004'MQTT' 03 02 0000 0000", Kind::ProtocolVersion(3), 8),
        ("0004'MQTT' 06 02 0000 0000", Kind::ProtocolVersion(6), 8),
        // The top bit marks a bridge for some servers; the specification knows no such thing.
        ("0004'MQTT' 84 02 0000 0000", Kind::ProtocolVersion(0x84), 8),
        ("0004'MQT'", Kind::FieldPastEnd, 2),
        ("0004'MQTT'", Kind::FieldPastEnd, 8),
        ("00", Kind::FieldPastEnd, 2),
    ];
    for (body, kind, offset) in cases {
        check_connect(body, body, kind, (offset, offset));
    }
}

// [3.1.1 MQTT-3.1.2-3] [3.1.1 MQTT-3.1.2-11] [3.1.1 MQTT-3.1.2-13] [3.1.1 MQTT-3.1.2-14] [3.1.1 MQTT-3.1.2-15]
// [5.0 MQTT-3.1.2-3] [5.0 MQTT-3.1.2-11] [5.0 MQTT-3.1.2-12] [5.0 MQTT-3.1.2-13]
#[test]
fn connect_flags() {
    let cases = [
        (0x03, Kind::ConnectReservedFlag),
        (0x0A, Kind::WillFlagsWithoutWill),
        (0x12, Kind::WillFlagsWithoutWill),
        (0x22, Kind::WillFlagsWithoutWill),
        (0x1E, Kind::QoSReserved),
    ];
    for (flags, kind) in cases {
        let v311 = format!("0004'MQTT' 04 {flags:02x} 0000 0000 0001'w' 0000");
        let v5 = format!("0004'MQTT' 05 {flags:02x} 0000 00 0000 00 0001'w' 0000");
        check_connect(&v311, &v5, kind, (9, 9));
    }
}

// [3.1.1 MQTT-3.1.3-3] [3.1.1 MQTT-3.1.3-4] [3.1.1 MQTT-3.1.3-10] [3.1.1 MQTT-3.1.3-11] [3.1.1 MQTT-3.1.2-9]
// [3.1.1 MQTT-3.1.2-18] [3.1.1 MQTT-3.1.2-19] [3.1.1 MQTT-3.1.2-20] [3.1.1 MQTT-3.1.2-21] [3.1.1 MQTT-3.1.4-1]
// [5.0 MQTT-3.1.3-3] [5.0 MQTT-3.1.3-4] [5.0 MQTT-3.1.3-11] [5.0 MQTT-3.1.3-12] [5.0 MQTT-3.1.2-9]
// [5.0 MQTT-3.1.2-16] [5.0 MQTT-3.1.2-17] [5.0 MQTT-3.1.2-18] [5.0 MQTT-3.1.2-19] [5.0 MQTT-3.1.4-1]
#[test]
fn connect_payload() {
    let cases = [
        // Flags, payload (5.0's will properties are `_`), rule, byte of the payload.
        ("02", "", Kind::FieldPastEnd, 0),
        ("02", "0002'a'", Kind::FieldPastEnd, 0),
        ("02", "0001 00", Kind::NulInText, 2),
        ("02", "0002'a' 80", Kind::IllFormedText, 3),
        ("06", "0000 _ 0003'w/#' 0000", Kind::WildcardInTopicName, 6),
        ("06", "0000 _ 0000 0000", Kind::EmptyTopic, 4),
        ("06", "0000 _ 0001 ff 0000", Kind::IllFormedText, 4),
        ("06", "0000 _ 0001'w'", Kind::FieldPastEnd, 5),
        ("06", "0000 _ 0001'w' 0001", Kind::FieldPastEnd, 5),
        ("82", "0000", Kind::FieldPastEnd, 2),
        ("82", "0000 0001 00", Kind::NulInText, 4),
        ("82", "0000 0003 eda080", Kind::IllFormedText, 4),
        ("c2", "0000 0000", Kind::FieldPastEnd, 4),
        ("c2", "0000 0000 0002'p'", Kind::FieldPastEnd, 4),
        ("02", "0000 0001'u'", Kind::TrailingBytes, 2),
        ("82", "0000 0000 0000", Kind::TrailingBytes, 4),
        ("c2", "0000 0000 0000 00", Kind::TrailingBytes, 6),
    ];
    for (flags, payload, kind, at) in cases {
        let v311 = format!("0004'MQTT' 04 {flags} 0000 {}", payload.replace('_', ""));
        let v5 = format!("0004'MQTT' 05 {flags} 0000 00 {}", payload.replace('_', "00"));
        // The payload starts at byte 12, in 5.0 behind the property length; the will's stands before all its faults.
        let will = usize::from(payload.contains('_'));
        check_connect(&v311, &v5, kind, (12 + at, 13 + will + at));
    }
}

#[test]
fn connack_flags_and_session() {
    for flags in ["02", "80", "ff"] {
        check(Server, 0x20, &format!("{flags} 00 _"), Kind::ConnackReservedFlags, PacketKind::Connack, 2);
    }
    refused(V311, Server, "20 02 01 05", Kind::SessionPresentWithError, PacketKind::Connack, 2);
    refused(V5, Server, "20 03 01 87 00", Kind::SessionPresentWithError, PacketKind::Connack, 2);
    check(Server, 0x20, "00", Kind::FieldPastEnd, PacketKind::Connack, 3);
    check(Server, 0x20, "00 00 _ 00", Kind::TrailingBytes, PacketKind::Connack, 4);
}

#[test]
fn every_cut_of_a_packet_is_refused() {
    // What is cut short, with its length set right, breaks some rule, at the latest at the end of the packet.
    let connect =
        framed(0x10, "0004'MQTT' 05 c6 0000 03 210001 0001'c' 02 0101 0001'w' 0001'm' 0001'u' 0001'p'");
    assert!(decode(V5, Client, &connect).is_ok());
    for len in 0..connect.len() - 2 {
        let mut cut = connect[..2 + len].to_vec();
        cut[1] = len as u8;
        let error = decode(V5, Client, &cut).expect_err("cut short");
        assert_eq!(error.packet, Some(PacketKind::Connect));
        assert!(error.offset <= cut.len(), "{error}");
    }
}

#[test]
fn errors_read_like_sentences() {
    let error = decode(V5, Client, &framed(0x30, "0003'a/#' 00")).unwrap_err();
    assert_eq!(error.to_string(), "PUBLISH, byte 6: topic name contains a wildcard");
    let error = decode(V311, Client, &[0xF0, 0]).unwrap_err();
    assert_eq!(error.to_string(), "byte 0: the packet type is reserved");
    assert_eq!(QoS::try_from(3).unwrap_err().to_string(), "QoS is 0, 1 or 2, not 3");
}
