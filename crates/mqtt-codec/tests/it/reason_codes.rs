//! Which reason code may stand in which packet, from which side: all 256 values in each.

use mqtt_codec::{
    AckKind, DecodeErrorKind as Kind, PacketKind, ReasonCode,
    Side::{self, Client, Server},
    Version::V5,
};

use crate::support::{decode, framed};

/// Decodes a packet (`??` is the code) with each value, of which those in `legal` are accepted and all others are
/// refused at `offset`.
#[track_caller]
fn check(sender: Side, packet: PacketKind, first: u8, body: &str, offset: usize, legal: &[u8]) {
    for code in 0..=255_u8 {
        let frame = framed(first, &body.replace("??", &format!("{code:02x}")));
        let result = decode(V5, sender, &frame);
        if legal.contains(&code) {
            assert!(result.is_ok(), "{packet} from {sender} may carry {code:#04x}: {result:?}");
            continue;
        }
        let error = result.expect_err("a code that has no place here");
        let expected = match ReasonCode::try_from(code) {
            Ok(known) => Kind::ReasonCodeNotAllowed(known),
            Err(_) => Kind::UnknownReasonCode(code),
        };
        assert_eq!((error.kind, error.packet, error.offset), (expected, Some(packet), offset));
    }
    for &code in ReasonCode::ALL {
        assert_eq!(
            code.allowed_in(packet, sender),
            legal.contains(&code.as_u8()),
            "{packet} {sender} {code}"
        );
    }
}

// [5.0 MQTT-3.2.2-1] [5.0 MQTT-3.2.2-8]
#[test]
fn connack() {
    let legal = [
        0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90, 0x95, 0x97, 0x99,
        0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
    ];
    check(Server, PacketKind::Connack, 0x20, "00 ?? 00", 3, &legal);
    for flags in 2..=255_u8 {
        let error = decode(V5, Server, &framed(0x20, &format!("{flags:02x} 00 00"))).unwrap_err();
        assert_eq!((error.kind, error.offset), (Kind::ConnackReservedFlags, 2));
    }
}

// [5.0 MQTT-3.4.2-1] [5.0 MQTT-3.5.2-1]
#[test]
fn puback_and_pubrec() {
    let by_client = [0x00, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
    let by_server = [&by_client[..], &[0x10]].concat();
    for (packet, first) in [(PacketKind::Puback, 0x40), (PacketKind::Pubrec, 0x50)] {
        check(Client, packet, first, "0001 ??", 4, &by_client[..]);
        check(Server, packet, first, "0001 ??", 4, &by_server);
    }
}

// [5.0 MQTT-3.6.2-1] [5.0 MQTT-3.7.2-1]
#[test]
fn pubrel_and_pubcomp() {
    for (packet, first) in [(PacketKind::Pubrel, 0x62), (PacketKind::Pubcomp, 0x70)] {
        for sender in [Client, Server] {
            check(sender, packet, first, "0001 ??", 4, &[0x00, 0x92]);
        }
    }
}

// [5.0 MQTT-3.9.3-2] [5.0 MQTT-3.8.4-7]
#[test]
fn suback() {
    let legal = [0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2];
    check(Server, PacketKind::Suback, 0x90, "0001 00 ??", 5, &legal);
    check(Server, PacketKind::Suback, 0x90, "0001 00 00 ?? 80", 6, &legal);
}

// [5.0 MQTT-3.11.3-2]
#[test]
fn unsuback() {
    let legal = [0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91];
    check(Server, PacketKind::Unsuback, 0xB0, "0001 00 ??", 5, &legal);
}

// [5.0 MQTT-3.14.2-1]
#[test]
fn disconnect() {
    let by_client = [0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99];
    // 0x8C stands in table 2-6, not in 3.14.2.1: accepted, for a failed re-authentication.
    let by_server = [
        0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96,
        0x97, 0x98, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
    ];
    check(Client, PacketKind::Disconnect, 0xE0, "??", 2, &by_client);
    check(Server, PacketKind::Disconnect, 0xE0, "??", 2, &by_server);
}

// [5.0 MQTT-3.15.2-1]
#[test]
fn auth() {
    let body = "?? 04 15 0001'M'";
    check(Client, PacketKind::Auth, 0xF0, body, 2, &[0x18, 0x19]);
    check(Server, PacketKind::Auth, 0xF0, body, 2, &[0x00, 0x18]);
}

#[test]
fn names_and_numbers() {
    assert_eq!(ReasonCode::ALL.len(), 43);
    assert!(ReasonCode::ALL.windows(2).all(|pair| pair[0] < pair[1]));
    for &code in ReasonCode::ALL {
        assert_eq!(ReasonCode::try_from(code.as_u8()), Ok(code));
        assert_eq!(code.is_error(), code.as_u8() >= 0x80);
    }
    assert_eq!(ReasonCode::NotAuthorized.to_string(), "Not authorized");
    assert!(!ReasonCode::Success.allowed_in(PacketKind::Publish, Client));
    assert_eq!(PacketKind::from(AckKind::Pubrel).to_string(), "PUBREL");
}
