//! What 3.1.1 alone refuses: it has fewer codes and options, and no properties.

use mqtt_codec::{
    DecodeErrorKind as Kind, PacketKind,
    Side::{self, Client, Server},
    Version::V311,
};

use crate::support::framed;

#[track_caller]
fn check(sender: Side, first: u8, body: &str, kind: Kind, packet: PacketKind, offset: usize) {
    crate::support::refused_bytes(V311, sender, &framed(first, body), kind, packet, offset);
}

#[test]
fn connack_return_codes_above_5() {
    for code in 6..=255 {
        let body = format!("00 {code:02x}");
        check(Server, 0x20, &body, Kind::UnknownReasonCode(code), PacketKind::Connack, 3);
    }
}

// [3.1.1 MQTT-3.9.3-2]
#[test]
fn suback_codes_other_than_0_1_2_and_128() {
    use mqtt_codec::ReasonCode;
    for code in (0..=255).filter(|code| ![0, 1, 2, 0x80].contains(code)) {
        let error =
            crate::support::decode(V311, Server, &framed(0x90, &format!("0001 00 {code:02x}"))).unwrap_err();
        let expected = match ReasonCode::try_from(code) {
            Ok(known) if !known.allowed_in(PacketKind::Suback, Server) => Kind::ReasonCodeNotAllowed(known),
            _ => Kind::UnknownReasonCode(code),
        };
        assert_eq!((error.kind, error.offset), (expected, 5));
    }
}

// [3.1.1 MQTT-3.1.2-22]
#[test]
fn a_password_without_user_name() {
    let body = "0004'MQTT' 04 42 0000 0000 0001'p'";
    check(Client, 0x10, body, Kind::PasswordWithoutUserName, PacketKind::Connect, 9);
}

// [3.1.1 MQTT-3-8.3-4]
#[test]
fn the_subscription_options_of_5_0() {
    for bit in [0x04, 0x08, 0x10, 0x20] {
        let body = format!("0001 0001'a' {bit:02x}");
        check(Client, 0x82, &body, Kind::SubscriptionOptions, PacketKind::Subscribe, 7);
    }
}

#[test]
fn what_5_0_writes_behind_the_last_field() {
    use PacketKind as P;
    for (first, kind) in [(0x40, P::Puback), (0x50, P::Pubrec), (0x62, P::Pubrel), (0x70, P::Pubcomp)] {
        check(Client, first, "0001 00", Kind::TrailingBytes, kind, 4);
    }
    check(Server, 0x20, "00 00 00", Kind::TrailingBytes, P::Connack, 4);
    check(Server, 0xB0, "0001 00 00", Kind::TrailingBytes, P::Unsuback, 4);
    check(Client, 0xE0, "00", Kind::TrailingBytes, P::Disconnect, 2);
}
