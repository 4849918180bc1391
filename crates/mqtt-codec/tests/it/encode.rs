//! Packets that have no form on the wire, and what encoding leaves in the caller's buffer.

use std::num::NonZeroU16;

use mqtt_codec::{
    Ack, AckKind, AckProperties, Auth, AuthProperties, Connack, ConnackProperties, Connect,
    ConnectProperties, Decoder, Disconnect, EncodeError, Packet, PacketKind, Publish, PublishProperties, QoS,
    ReasonCode, Side, Suback, Subscribe, SubscribeFilter, TopicName, Unsuback, Unsubscribe,
    Version::{self, V5, V311},
    Will,
    bytes::Bytes,
};

use crate::support::{binary, filter, id, text, topic};

#[track_caller]
fn refused(version: Version, packet: impl Into<Packet>, expected: EncodeError) {
    let packet = packet.into();
    let mut out = vec![1, 2, 3];
    assert_eq!(packet.encode(version, &mut out), Err(expected), "{packet:?}");
    assert_eq!(out, [1, 2, 3], "nothing is written");
    assert_eq!(packet.encoded_len(version), Err(expected));
}

#[track_caller]
fn not_in_v311(packet: impl Into<Packet>, what: &'static str) {
    refused(V311, packet, EncodeError::NotInVersion { what, version: V311 });
}

// [3.1.1 MQTT-2.3.1-5] [3.1.1 MQTT-3.3.1-2] [5.0 MQTT-2.2.1-2] [5.0 MQTT-3.3.1-2]
#[test]
fn publish_and_its_packet_identifier() {
    let publish = Publish::new(topic("a"), "x");
    for version in [V311, V5] {
        refused(version, Publish { qos: QoS::AtLeastOnce, ..publish.clone() }, EncodeError::PacketIdMissing);
        refused(version, Publish { qos: QoS::ExactlyOnce, ..publish.clone() }, EncodeError::PacketIdMissing);
        refused(
            version,
            Publish { packet_id: Some(id(1)), ..publish.clone() },
            EncodeError::PacketIdWithQoS0,
        );
        refused(version, Publish { dup: true, ..publish.clone() }, EncodeError::DupWithQoS0);
        refused(version, Publish::new(TopicName::empty(), "x"), EncodeError::TopicMissing);
    }
}

#[test]
fn what_3_1_1_can_not_say() {
    let mut connect = Connect::new(V311, text("c"));
    connect.properties = ConnectProperties::new().with_topic_alias_maximum(1);
    not_in_v311(connect, "properties");
    let mut will = Will::new(topic("w"), binary(b""));
    will.properties.set_will_delay_interval(1);
    not_in_v311(Connect { will: Some(will), ..Connect::new(V311, text("c")) }, "will properties");

    let alias = PublishProperties::new().with_topic_alias(NonZeroU16::MIN);
    not_in_v311(Publish { properties: alias, ..Publish::new(topic("a"), "") }, "properties");

    let ack = Ack::new(AckKind::Puback, id(1));
    not_in_v311(ack.clone().with_reason(ReasonCode::QuotaExceeded), "reason codes for this packet");
    let explained = AckProperties::new().with_reason_string(&text("x"));
    not_in_v311(Ack { properties: explained, ..ack }, "properties");

    not_in_v311(Connack::new(false, ReasonCode::Banned), "such CONNACK return code");
    not_in_v311(Suback::new(id(1), vec![ReasonCode::QuotaExceeded]), "such SUBACK return code");
    not_in_v311(Unsuback::new(id(1), vec![ReasonCode::Success]), "UNSUBACK reason codes");
    not_in_v311(Disconnect::new(ReasonCode::DisconnectWithWill), "reason codes for DISCONNECT");
    not_in_v311(Auth::new(ReasonCode::Success, AuthProperties::new()), "AUTH");

    let mut wanted = SubscribeFilter::new(filter("a"), QoS::AtMostOnce);
    wanted.options.no_local = true;
    not_in_v311(Subscribe::new(id(1), vec![wanted]), "subscription options besides QoS");
}

// [3.1.1 MQTT-3.8.3-3] [3.1.1 MQTT-3.10.3-2] [5.0 MQTT-3.8.3-2] [5.0 MQTT-3.10.3-2]
#[test]
fn empty_lists() {
    for version in [V311, V5] {
        refused(version, Subscribe::new(id(1), vec![]), EncodeError::NoFilters);
        refused(version, Unsubscribe::new(id(1), vec![]), EncodeError::NoFilters);
        refused(version, Suback::new(id(1), vec![]), EncodeError::NoReasonCodes);
    }
    refused(V5, Unsuback::new(id(1), vec![]), EncodeError::NoReasonCodes);
}

// [5.0 MQTT-3.2.2-8] [5.0 MQTT-3.4.2-1] [5.0 MQTT-3.5.2-1] [5.0 MQTT-3.6.2-1] [5.0 MQTT-3.7.2-1]
// [5.0 MQTT-3.9.3-2] [5.0 MQTT-3.11.3-2] [5.0 MQTT-3.14.2-1] [5.0 MQTT-3.15.2-1]
#[test]
fn reason_codes_that_have_no_place_in_the_packet() {
    let method = AuthProperties::new().with_authentication_method(&text("M"));
    let code = ReasonCode::GrantedQoS1;
    let packets: [Packet; 8] = [
        Connack::new(false, code).into(),
        Ack::new(AckKind::Puback, id(1)).with_reason(code).into(),
        Ack::new(AckKind::Pubrec, id(1)).with_reason(code).into(),
        Ack::new(AckKind::Pubrel, id(1)).with_reason(code).into(),
        Ack::new(AckKind::Pubcomp, id(1)).with_reason(code).into(),
        Unsuback::new(id(1), vec![ReasonCode::Success, code]).into(),
        Disconnect::new(code).into(),
        Auth::new(code, method).into(),
    ];
    for packet in packets {
        let kind = packet.kind();
        refused(V5, packet, EncodeError::ReasonCodeNotAllowed { code, packet: kind });
    }
    refused(
        V5,
        Suback::new(id(1), vec![ReasonCode::Banned]),
        EncodeError::ReasonCodeNotAllowed { code: ReasonCode::Banned, packet: PacketKind::Suback },
    );
}

// [3.1.1 MQTT-3.1.2-22] [5.0 MQTT-3.8.3-4]
#[test]
fn fields_that_exclude_each_other() {
    let mut connect = Connect::new(V311, text("c"));
    connect.password = Some(binary(b"p"));
    refused(V311, connect, EncodeError::PasswordWithoutUserName);

    for version in [V311, V5] {
        refused(version, Connack::new(true, ReasonCode::NotAuthorized), EncodeError::SessionPresentWithError);
    }

    let mut shared = SubscribeFilter::new(filter("$share/g/a"), QoS::AtMostOnce);
    shared.options.no_local = true;
    refused(V5, Subscribe::new(id(1), vec![shared]), EncodeError::NoLocalOnSharedSubscription);

    let will = Will::new(TopicName::empty(), binary(b""));
    refused(V5, Connect { will: Some(will), ..Connect::new(V5, text("c")) }, EncodeError::TopicMissing);
}

#[test]
fn authentication_needs_its_method() {
    let data = binary(b"x");
    let missing = EncodeError::AuthenticationMethodMissing;
    let properties = ConnectProperties::new().with_authentication_data(&data);
    refused(V5, Connect { properties, ..Connect::new(V5, text("c")) }, missing);
    let properties = ConnackProperties::new().with_authentication_data(&data);
    refused(V5, Connack { properties, ..Connack::new(false, ReasonCode::Success) }, missing);
    refused(V5, Auth::new(ReasonCode::ContinueAuthentication, AuthProperties::new()), missing);
}

#[test]
fn a_remaining_length_beyond_four_bytes() {
    // Two bytes of topic length, one of topic, so many of payload.
    let payload = |len: usize| Bytes::from(vec![0; len]);
    let largest = Publish::new(topic("a"), payload(268_435_455 - 3));
    assert_eq!(largest.encoded_len(V311), Ok(268_435_460));
    let publish = Publish::new(topic("a"), payload(268_435_455 - 2));
    let expected = EncodeError::TooLarge { remaining: 268_435_456 };
    assert_eq!(publish.encoded_len(V311), Err(expected));
    let mut out = Vec::new();
    assert_eq!(publish.encode(V311, &mut out), Err(expected));
    assert_eq!(publish.encode_head(V311, &mut out), Err(expected));
    assert!(out.is_empty());
}

#[test]
fn packets_are_appended() {
    let mut out = Vec::new();
    for expected in [2, 2, 4] {
        let packet = if expected == 4 { Ack::new(AckKind::Pubrel, id(9)).into() } else { Packet::Pingreq };
        assert_eq!(packet.encode(V5, &mut out), Ok(expected));
    }
    assert_eq!(out, [0xC0, 0, 0xC0, 0, 0x62, 2, 0, 9]);
}

#[test]
fn a_head_is_all_but_the_payload() {
    let publish = Publish {
        qos: QoS::AtLeastOnce,
        packet_id: Some(id(7)),
        properties: PublishProperties::new().with_content_type(&text("x")),
        ..Publish::new(topic("a/b"), vec![7; 1000])
    };
    for version in [V311, V5] {
        let mut publish = publish.clone();
        if version == V311 {
            publish.properties = PublishProperties::new();
        }
        let (mut whole, mut head) = (Vec::new(), Vec::new());
        publish.encode(version, &mut whole).unwrap();
        assert_eq!(publish.encode_head(version, &mut head), Ok(whole.len() - 1000));
        head.extend_from_slice(&publish.payload);
        assert_eq!(head, whole);
    }
}

#[test]
fn a_connect_is_written_in_its_own_version() {
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let connect = Connect::new(V5, text("c"));
    connect.encode(&mut a).unwrap();
    Packet::from(connect).encode(V311, &mut b).unwrap();
    assert_eq!(a, b);
}

#[test]
fn secrets_do_not_appear_in_debug_output() {
    let properties = ConnectProperties::new()
        .with_authentication_method(&text("M"))
        .with_authentication_data(&binary(b"sesame"));
    let connect = Connect {
        username: Some(text("u")),
        password: Some(binary(b"sesame")),
        properties,
        ..Connect::new(V5, text("c"))
    };
    let publish = Publish::new(topic("a"), "sesame");
    let debug = format!("{connect:?} {publish:?}");
    assert!(debug.contains("(6 bytes)") && !debug.contains("sesame") && !debug.contains("115"), "{debug}");
}

/// A packet that explains itself with a reason string of 2 bytes and two user properties of 2 bytes each: cut down to
/// each limit it keeps what fits.
macro_rules! check_fit {
    ($packet:expr, $bare:expr) => {
        let (text, bare) = (text("xx"), u32::try_from($bare).unwrap());
        let mut packet = $packet;
        packet.properties.set_reason_string(&text);
        let explained = u32::try_from(packet.encoded_len(V5).unwrap()).unwrap();
        packet.properties.add_user_property(&text, &text);
        packet.properties.add_user_property(&text, &text);
        let whole = u32::try_from(packet.encoded_len(V5).unwrap()).unwrap();

        let cut_to = |limit: u32| {
            let mut cut = packet.clone();
            let fits = cut.fit_within(limit, V5).unwrap();
            let reason_string = cut.properties.reason_string().is_some();
            (fits, reason_string, cut.properties.user_properties().count())
        };
        assert_eq!(cut_to(whole), (true, true, 2));
        assert_eq!(cut_to(whole - 1), (true, true, 0));
        assert_eq!(cut_to(explained), (true, true, 0));
        assert_eq!(cut_to(explained - 1), (true, false, 0));
        assert_eq!(cut_to(bare), (true, false, 0));
        assert_eq!(cut_to(bare - 1), (false, false, 0));
    };
}

// [5.0 MQTT-3.2.2-19] [5.0 MQTT-3.2.2-20] [5.0 MQTT-3.9.2-1] [5.0 MQTT-3.9.2-2] [5.0 MQTT-3.11.2-1]
// [5.0 MQTT-3.11.2-2]
#[test]
fn explanations_are_left_out_where_the_receiver_s_limit_asks_for_it() {
    check_fit!(Connack::new(false, ReasonCode::Banned), 5);
    for kind in [AckKind::Puback, AckKind::Pubrec, AckKind::Pubrel, AckKind::Pubcomp] {
        check_fit!(Ack::new(kind, id(1)), 4);
    }
    check_fit!(Suback::new(id(1), vec![ReasonCode::Success]), 6);
    check_fit!(Unsuback::new(id(1), vec![ReasonCode::Success]), 6);
    check_fit!(Disconnect::default(), 2);
    let method = AuthProperties::new().with_authentication_method(&text("M"));
    check_fit!(Auth::new(ReasonCode::ContinueAuthentication, method), 8);
}

// [5.0 MQTT-3.3.2-1]
#[test]
fn an_alias_stands_beside_the_topic_name_or_in_its_place() {
    let alias = NonZeroU16::new(0x0102).unwrap();
    let crowded = PublishProperties::new().with_content_type(&text(&"x".repeat(122)));
    for (properties, qos) in [
        (PublishProperties::new(), QoS::AtMostOnce),
        (PublishProperties::new().with_message_expiry_interval(9), QoS::AtLeastOnce),
        // With the alias, the property length takes another byte.
        (crowded, QoS::ExactlyOnce),
    ] {
        let packet_id = (qos != QoS::AtMostOnce).then(|| id(7));
        let publish = Publish { qos, packet_id, properties, ..Publish::new(topic("a/topic"), "payload") };
        for (aliased, name) in [
            (publish.setting_alias(alias), publish.topic.clone()),
            (publish.by_alias(alias), TopicName::empty()),
        ] {
            let mut expected = Publish { topic: name, ..publish.clone() };
            expected.properties.set_topic_alias(alias);
            let mut out = Vec::new();
            assert_eq!(aliased.encode(V5, &mut out), Ok(out.len()));
            assert_eq!(aliased.encoded_len(V5), Ok(out.len()));
            let decoded = Decoder::new(V5, Side::Client).decode(&Bytes::from(out.clone()));
            assert_eq!(decoded, Ok(expected.into()));
            let mut head = Vec::new();
            let length = out.len() - publish.payload.len();
            assert_eq!(aliased.encode_head(V5, &mut head), Ok(length));
            assert_eq!(head, out[..length]);
        }
    }
}

#[test]
fn what_can_have_no_alias() {
    let check = |publish: Publish, version, expected| {
        let mut out = vec![1];
        for aliased in [publish.setting_alias(NonZeroU16::MIN), publish.by_alias(NonZeroU16::MIN)] {
            assert_eq!(aliased.encode(version, &mut out), Err(expected));
            assert_eq!(aliased.encode_head(version, &mut out), Err(expected));
            assert_eq!(aliased.encoded_len(version), Err(expected));
        }
        assert_eq!(out, [1], "nothing is written");
    };
    let publish = || Publish::new(topic("a"), "");
    check(publish(), V311, EncodeError::NotInVersion { what: "topic aliases", version: V311 });
    check(Publish { dup: true, ..publish() }, V5, EncodeError::DupWithQoS0);
    check(Publish::new(TopicName::empty(), ""), V5, EncodeError::TopicMissing);
    let mut aliased = publish();
    aliased.properties.set_topic_alias(NonZeroU16::MAX);
    check(aliased, V5, EncodeError::TwoTopicAliases);
}
