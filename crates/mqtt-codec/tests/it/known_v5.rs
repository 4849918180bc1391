//! Known answers of 5.0: bytes → packet → bytes, with every property and the short forms.

use std::num::{NonZeroU16, NonZeroU32};

use mqtt_codec::{
    Ack, AckKind, AckProperties, Auth, AuthProperties, Connack, ConnackProperties, Connect,
    ConnectProperties, Disconnect, DisconnectProperties, Packet, Publish, PublishProperties, QoS, ReasonCode,
    RetainHandling,
    Side::{self, Client, Server},
    Suback, SubackProperties, Subscribe, SubscribeFilter, SubscribeProperties, SubscriptionOptions,
    TopicName, Unsuback, UnsubackProperties, Unsubscribe, UnsubscribeProperties,
    Version::V5,
    Will, WillProperties,
    bytes::Bytes,
};

use crate::support::{binary, filter, id, subscription, text, topic};

#[track_caller]
fn inverse(sender: Side, notation: &str, packet: impl Into<Packet>) {
    crate::support::inverse(V5, sender, notation, packet);
}

#[track_caller]
fn reads(sender: Side, notation: &str, packet: impl Into<Packet>) {
    crate::support::reads(V5, sender, notation, packet);
}

fn two(value: u16) -> NonZeroU16 {
    NonZeroU16::new(value).unwrap()
}

fn four(value: u32) -> NonZeroU32 {
    NonZeroU32::new(value).unwrap()
}

// [5.0 MQTT-3.1.3-1] [5.0 MQTT-3.1.3-3] [5.0 MQTT-3.1.2-9] [5.0 MQTT-3.1.2-11] [5.0 MQTT-3.1.2-13]
// [5.0 MQTT-3.1.2-16] [5.0 MQTT-3.1.2-17] [5.0 MQTT-3.1.2-18] [5.0 MQTT-3.1.2-19] [5.0 MQTT-2.1.3-1]
// [5.0 MQTT-2.2.2-1]
#[test]
fn connect() {
    let minimal = Connect { keep_alive: 60, ..Connect::new(V5, text("")) };
    inverse(Client, "10 0d 0004'MQTT' 05 02 003c 00 0000", minimal.clone());
    // 5.0 allows a password alone.
    inverse(
        Client,
        "10 10 0004'MQTT' 05 42 003c 00 0000 0001'p'",
        Connect { password: Some(binary(b"p")), ..minimal.clone() },
    );
    inverse(
        Client,
        "10 14 0004'MQTT' 05 04 0000 00 0001'c' 00 0001't' 0000",
        Connect {
            clean_start: false,
            keep_alive: 0,
            will: Some(Will::new(topic("t"), binary(b""))),
            ..Connect::new(V5, text("c"))
        },
    );
    let properties = ConnectProperties::new()
        .with_session_expiry_interval(0xFFFF_FFFF)
        .with_receive_maximum(two(20))
        .with_maximum_packet_size(four(0x1_0000))
        .with_topic_alias_maximum(10)
        .with_request_response_information(true)
        .with_request_problem_information(false)
        .with_user_property(&text("k"), &text("v"))
        .with_authentication_method(&text("M"))
        .with_authentication_data(&binary(&[9]));
    let will_properties = WillProperties::new()
        .with_will_delay_interval(5)
        .with_payload_format_indicator(true)
        .with_message_expiry_interval(60)
        .with_content_type(&text("t"))
        .with_response_topic(&topic("r"))
        .with_correlation_data(&binary(&[1]))
        .with_user_property(&text(""), &text(""));
    inverse(
        Client,
        "10 5d  0004'MQTT' 05 ee 003c \
         23 11ffffffff 210014 2700010000 22000a 1901 1700 26 0001'k' 0001'v' 15 0001'M' 16 0001 09 \
         0002'id' \
         1d 1800000005 0101 020000003c 03 0001't' 08 0001'r' 09 0001 01 26 0000 0000 \
         0001'w' 0002'hi' 0001'u' 0001'p'",
        Connect {
            version: V5,
            clean_start: true,
            keep_alive: 60,
            client_id: text("id"),
            will: Some(Will {
                topic: topic("w"),
                payload: binary(b"hi"),
                qos: QoS::AtLeastOnce,
                retain: true,
                properties: will_properties,
            }),
            username: Some(text("u")),
            password: Some(binary(b"p")),
            properties,
        },
    );
}

#[test]
fn connack() {
    inverse(Server, "20 03 00 00 00", Connack::new(false, ReasonCode::Success));
    inverse(Server, "20 03 01 00 00", Connack::new(true, ReasonCode::Success));
    inverse(Server, "20 03 00 87 00", Connack::new(false, ReasonCode::NotAuthorized));
    let properties = ConnackProperties::new()
        .with_session_expiry_interval(10)
        .with_receive_maximum(two(1))
        .with_maximum_qos(QoS::AtLeastOnce)
        .with_retain_available(false)
        .with_maximum_packet_size(four(1024))
        .with_assigned_client_identifier(&text("a1"))
        .with_topic_alias_maximum(0)
        .with_reason_string(&text("ok"))
        .with_user_property(&text("a"), &text("1"))
        .with_user_property(&text("a"), &text("2"))
        .with_wildcard_subscription_available(true)
        .with_subscription_identifiers_available(false)
        .with_shared_subscription_available(true)
        .with_server_keep_alive(30)
        .with_response_information(&text("ri"))
        .with_server_reference(&text("h:1"))
        .with_authentication_method(&text("M"))
        .with_authentication_data(&binary(b""));
    inverse(
        Server,
        "20 4a  00 00 47 \
         110000000a 210001 2401 2500 2700000400 12 0002'a1' 220000 1f 0002'ok' \
         26 0001'a' 0001'1' 26 0001'a' 0001'2' 2801 2900 2a01 13001e 1a 0002'ri' 1c 0003'h:1' 15 0001'M' 16 0000",
        Connack { session_present: false, reason: ReasonCode::Success, properties },
    );
}

// [5.0 MQTT-2.2.1-2] [5.0 MQTT-3.3.2-1] [5.0 MQTT-4.7.3-1]
#[test]
fn publish() {
    for sender in [Client, Server] {
        inverse(sender, "30 06 0003'a/b' 00", Publish::new(topic("a/b"), Bytes::new()));
        inverse(
            sender,
            "3b 08 0001'a' 0001 00 0000",
            Publish {
                dup: true,
                qos: QoS::AtLeastOnce,
                retain: true,
                packet_id: Some(id(1)),
                ..Publish::new(topic("a"), &[0, 0][..])
            },
        );
        // The name may be empty beside an alias.
        let properties = PublishProperties::new().with_topic_alias(two(7));
        inverse(
            sender,
            "30 08 0000 03 230007 'hi'",
            Publish { properties, ..Publish::new(TopicName::empty(), "hi") },
        );
    }
    let properties = PublishProperties::new()
        .with_payload_format_indicator(false)
        .with_message_expiry_interval(1)
        .with_topic_alias(two(0xFFFF))
        .with_response_topic(&topic("re/ply"))
        .with_correlation_data(&binary(&[0, 255]))
        .with_user_property(&text("k"), &text("v"))
        .with_content_type(&text("text/plain"));
    inverse(
        Client,
        "34 32 0001't' 0009 2c 0100 0200000001 23ffff 08 0006're/ply' 09 0002 00ff 26 0001'k' 0001'v' \
         03 000a'text/plain'",
        Publish {
            qos: QoS::ExactlyOnce,
            packet_id: Some(id(9)),
            properties: properties.clone(),
            ..Publish::new(topic("t"), Bytes::new())
        },
    );
    // Only a server may send subscription identifiers, and more than one of them.
    let properties = PublishProperties::new()
        .with_subscription_identifier(subscription(1))
        .with_subscription_identifier(subscription(268_435_455))
        .with_subscription_identifier(subscription(1));
    inverse(
        Server,
        "30 0d 0001't' 09 0b01 0bffffff7f 0b01",
        Publish { properties, ..Publish::new(topic("t"), Bytes::new()) },
    );
}

#[test]
fn acknowledgements_in_their_shortest_form() {
    let kinds = [
        ("40", AckKind::Puback, "10", ReasonCode::NoMatchingSubscribers),
        ("50", AckKind::Pubrec, "97", ReasonCode::QuotaExceeded),
        ("62", AckKind::Pubrel, "92", ReasonCode::PacketIdentifierNotFound),
        ("70", AckKind::Pubcomp, "92", ReasonCode::PacketIdentifierNotFound),
    ];
    for (first, kind, code, reason) in kinds {
        let ack = Ack::new(kind, id(0x0102));
        let refused = ack.clone().with_reason(reason);
        let explained =
            AckProperties::new().with_reason_string(&text("no")).with_user_property(&text("a"), &text("b"));

        inverse(Server, &format!("{first} 02 0102"), ack.clone());
        inverse(Server, &format!("{first} 03 0102 {code}"), refused.clone());
        inverse(
            Server,
            &format!("{first} 10 0102 {code} 0c 1f 0002'no' 26 0001'a' 0001'b'"),
            Ack { properties: explained.clone(), ..refused.clone() },
        );
        inverse(
            Server,
            &format!("{first} 10 0102 00 0c 1f 0002'no' 26 0001'a' 0001'b'"),
            Ack { properties: explained, ..ack.clone() },
        );
        reads(Server, &format!("{first} 03 0102 00"), ack.clone());
        reads(Server, &format!("{first} 04 0102 00 00"), ack);
        reads(Server, &format!("{first} 04 0102 {code} 00"), refused);
    }
}

#[test]
fn subscribe() {
    inverse(
        Client,
        "82 07 0001 00 0001'#' 01",
        Subscribe::new(id(1), vec![SubscribeFilter::new(filter("#"), QoS::AtLeastOnce)]),
    );
    let options = |qos, no_local, retain_as_published, retain_handling| SubscriptionOptions {
        qos,
        no_local,
        retain_as_published,
        retain_handling,
    };
    inverse(
        Client,
        "82 22 ffff 0a 0b8001 26 0001'a' 0001'b' 0001'a' 1e 0001'b' 20 000a'$share/g/+' 09",
        Subscribe {
            packet_id: id(0xFFFF),
            properties: SubscribeProperties::new()
                .with_subscription_identifier(subscription(128))
                .with_user_property(&text("a"), &text("b")),
            filters: vec![
                SubscribeFilter {
                    filter: filter("a"),
                    options: options(QoS::ExactlyOnce, true, true, RetainHandling::SendIfNew),
                },
                SubscribeFilter {
                    filter: filter("b"),
                    options: options(QoS::AtMostOnce, false, false, RetainHandling::DoNotSend),
                },
                SubscribeFilter {
                    filter: filter("$share/g/+"),
                    options: options(QoS::AtLeastOnce, false, true, RetainHandling::SendAtSubscribe),
                },
            ],
        },
    );
}

#[test]
fn suback() {
    use ReasonCode as R;
    inverse(
        Server,
        "90 14 0001 05 26 0000 0000 00 01 02 80 83 87 8f 91 97 9e a1 a2",
        Suback {
            packet_id: id(1),
            properties: SubackProperties::new().with_user_property(&text(""), &text("")),
            reasons: vec![
                R::Success,
                R::GrantedQoS1,
                R::GrantedQoS2,
                R::UnspecifiedError,
                R::ImplementationSpecificError,
                R::NotAuthorized,
                R::TopicFilterInvalid,
                R::PacketIdentifierInUse,
                R::QuotaExceeded,
                R::SharedSubscriptionsNotSupported,
                R::SubscriptionIdentifiersNotSupported,
                R::WildcardSubscriptionsNotSupported,
            ],
        },
    );
    inverse(
        Server,
        "90 09 0001 05 1f 0002'no' 80",
        Suback {
            packet_id: id(1),
            properties: SubackProperties::new().with_reason_string(&text("no")),
            reasons: vec![R::UnspecifiedError],
        },
    );
}

#[test]
fn unsubscribe_and_unsuback() {
    inverse(Client, "a2 06 0007 00 0001'#'", Unsubscribe::new(id(7), vec![filter("#")]));
    inverse(
        Client,
        "a2 11 0007 07 26 0001'a' 0001'b' 0001'#' 0002'/+'",
        Unsubscribe {
            packet_id: id(7),
            properties: UnsubscribeProperties::new().with_user_property(&text("a"), &text("b")),
            filters: vec![filter("#"), filter("/+")],
        },
    );
    inverse(
        Server,
        "b0 05 0007 00 00 11",
        Unsuback::new(id(7), vec![ReasonCode::Success, ReasonCode::NoSubscriptionExisted]),
    );
    inverse(
        Server,
        "b0 08 0007 04 1f 0001'x' 87",
        Unsuback {
            packet_id: id(7),
            properties: UnsubackProperties::new().with_reason_string(&text("x")),
            reasons: vec![ReasonCode::NotAuthorized],
        },
    );
}

#[test]
fn pings() {
    inverse(Client, "c0 00", Packet::Pingreq);
    inverse(Server, "d0 00", Packet::Pingresp);
}

#[test]
fn disconnect_in_its_shortest_form() {
    inverse(Client, "e0 00", Disconnect::default());
    inverse(Client, "e0 01 04", Disconnect::new(ReasonCode::DisconnectWithWill));
    reads(Client, "e0 01 00", Disconnect::default());
    reads(Client, "e0 02 00 00", Disconnect::default());
    reads(Server, "e0 02 8b 00", Disconnect::new(ReasonCode::ServerShuttingDown));
    inverse(
        Client,
        "e0 07 00 05 1100000000",
        Disconnect {
            reason: ReasonCode::Success,
            properties: DisconnectProperties::new().with_session_expiry_interval(0),
        },
    );
    inverse(
        Server,
        "e0 11 9d 0f 1f 0001'm' 1c 0001'h' 26 0001'a' 0001'b'",
        Disconnect {
            reason: ReasonCode::ServerMoved,
            properties: DisconnectProperties::new()
                .with_reason_string(&text("m"))
                .with_server_reference(&text("h"))
                .with_user_property(&text("a"), &text("b")),
        },
    );
}

#[test]
fn auth() {
    let method = AuthProperties::new().with_authentication_method(&text("M"));
    inverse(Server, "f0 00", Auth::new(ReasonCode::Success, AuthProperties::new()));
    reads(Server, "f0 01 00", Auth::new(ReasonCode::Success, AuthProperties::new()));
    reads(Server, "f0 02 00 00", Auth::new(ReasonCode::Success, AuthProperties::new()));
    inverse(Client, "f0 06 19 04 15 0001'M'", Auth::new(ReasonCode::ReAuthenticate, method.clone()));
    inverse(
        Server,
        "f0 12 18 10 15 0001'M' 16 0000 1f 0001'r' 26 0000 0000",
        Auth::new(
            ReasonCode::ContinueAuthentication,
            method
                .with_authentication_data(&binary(b""))
                .with_reason_string(&text("r"))
                .with_user_property(&text(""), &text("")),
        ),
    );
}

// [5.0 MQTT-1.5.4-3]
#[test]
fn a_byte_order_mark_is_kept_as_a_character() {
    inverse(Server, "30 07 0004 efbbbf'a' 00", Publish::new(topic("\u{feff}a"), Bytes::new()));
}
