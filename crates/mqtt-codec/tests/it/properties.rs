//! Properties: which packet may carry which, how often, with which values; getters and setters.

use std::num::NonZeroU16;

use mqtt_codec::{
    ConnackProperties, DecodeErrorKind as Kind, Decoder, Packet, PacketKind, PacketRef, PropertyId,
    PropertyValue, PublishProperties, QoS,
    Side::{self, Client, Server},
    Version::V5,
};

use crate::support::{bytes, decode, framed, subscription, text, topic};

/// Table 2-4 of the specification once more, in other words: a valid property, and the packets that carry it.
const TABLE: [(PropertyId, &str, &str); 27] = [
    (PropertyId::PayloadFormatIndicator, "01 01", "client-publish server-publish will"),
    (PropertyId::MessageExpiryInterval, "02 00000000", "client-publish server-publish will"),
    (PropertyId::ContentType, "03 0000", "client-publish server-publish will"),
    (PropertyId::ResponseTopic, "08 0001'r'", "client-publish server-publish will"),
    (PropertyId::CorrelationData, "09 0001 00", "client-publish server-publish will"),
    (PropertyId::SubscriptionIdentifier, "0b 01", "server-publish subscribe"),
    (PropertyId::SessionExpiryInterval, "11 00000000", "connect connack client-disconnect"),
    (PropertyId::AssignedClientIdentifier, "12 0001'c'", "connack"),
    (PropertyId::ServerKeepAlive, "13 0000", "connack"),
    (PropertyId::AuthenticationMethod, "15 0001'M'", "connect connack auth"),
    (PropertyId::AuthenticationData, "16 0000", "connect connack auth"),
    (PropertyId::RequestProblemInformation, "17 00", "connect"),
    (PropertyId::WillDelayInterval, "18 00000000", "will"),
    (PropertyId::RequestResponseInformation, "19 01", "connect"),
    (PropertyId::ResponseInformation, "1a 0000", "connack"),
    (PropertyId::ServerReference, "1c 0000", "connack server-disconnect"),
    (
        PropertyId::ReasonString,
        "1f 0000",
        "connack puback pubrec pubrel pubcomp suback unsuback client-disconnect server-disconnect auth",
    ),
    (PropertyId::ReceiveMaximum, "21 0001", "connect connack"),
    (PropertyId::TopicAliasMaximum, "22 0000", "connect connack"),
    (PropertyId::TopicAlias, "23 0001", "client-publish server-publish"),
    (PropertyId::MaximumQoS, "24 01", "connack"),
    (PropertyId::RetainAvailable, "25 00", "connack"),
    (
        PropertyId::UserProperty,
        "26 0000 0000",
        "connect will connack client-publish server-publish puback pubrec pubrel pubcomp subscribe suback \
         unsubscribe unsuback client-disconnect server-disconnect auth",
    ),
    (PropertyId::MaximumPacketSize, "27 00000001", "connect connack"),
    (PropertyId::WildcardSubscriptionAvailable, "28 00", "connack"),
    (PropertyId::SubscriptionIdentifiersAvailable, "29 01", "connack"),
    (PropertyId::SharedSubscriptionAvailable, "2a 01", "connack"),
];

/// A packet for each place; `*` is the property length with the properties, behind which the rest is valid.
const PLACES: [(&str, PacketKind, Side, u8, &str); 16] = [
    ("connect", PacketKind::Connect, Client, 0x10, "0004'MQTT' 05 02 0000 * 0000"),
    ("will", PacketKind::Connect, Client, 0x10, "0004'MQTT' 05 06 0000 00 0000 * 0001'w' 0000"),
    ("connack", PacketKind::Connack, Server, 0x20, "00 00 *"),
    ("client-publish", PacketKind::Publish, Client, 0x30, "0001'a' *"),
    ("server-publish", PacketKind::Publish, Server, 0x30, "0001'a' *"),
    ("puback", PacketKind::Puback, Client, 0x40, "0001 00 *"),
    ("pubrec", PacketKind::Pubrec, Client, 0x50, "0001 00 *"),
    ("pubrel", PacketKind::Pubrel, Client, 0x62, "0001 00 *"),
    ("pubcomp", PacketKind::Pubcomp, Client, 0x70, "0001 00 *"),
    ("subscribe", PacketKind::Subscribe, Client, 0x82, "0001 * 0001'a' 00"),
    ("suback", PacketKind::Suback, Server, 0x90, "0001 * 00"),
    ("unsubscribe", PacketKind::Unsubscribe, Client, 0xA2, "0001 * 0001'a'"),
    ("unsuback", PacketKind::Unsuback, Server, 0xB0, "0001 * 00"),
    ("client-disconnect", PacketKind::Disconnect, Client, 0xE0, "00 *"),
    ("server-disconnect", PacketKind::Disconnect, Server, 0xE0, "00 *"),
    ("auth", PacketKind::Auth, Server, 0xF0, "00 *"),
];

/// Decodes a packet of that place with these properties; the offset of an error is counted from the first property.
fn with_properties(place: &str, properties: &str) -> Result<Packet, (Kind, usize)> {
    let (_, kind, sender, first, body) =
        PLACES.into_iter().find(|(name, ..)| *name == place).expect("a place of the table");
    let (before, _) = body.split_once('*').unwrap();
    let block = format!("{:02x} {properties}", bytes(properties).len());
    let frame = framed(first, &body.replace('*', &block));
    decode(V5, sender, &frame).map_err(|error| {
        assert_eq!(error.packet, Some(kind));
        (error.kind, error.offset.wrapping_sub(2 + bytes(before).len() + 1))
    })
}

/// What must stand beside a property for other reasons.
fn companion(place: &str, id: PropertyId) -> &'static str {
    match (place, id) {
        (_, PropertyId::AuthenticationMethod) => "",
        ("auth", _) | (_, PropertyId::AuthenticationData) => "15 0001'M' ",
        _ => "",
    }
}

// [5.0 MQTT-3.3.4-6] [5.0 MQTT-3.14.2-2]
#[test]
fn each_property_in_each_packet() {
    assert!(TABLE.iter().map(|(id, ..)| *id).eq(PropertyId::ALL.iter().copied()));
    for (id, property, carriers) in TABLE {
        for (place, ..) in PLACES {
            let carried = carriers.split_whitespace().any(|carrier| carrier == place);
            let companion = if carried { companion(place, id) } else { "" };
            let result = with_properties(place, &format!("{companion}{property}"));
            let other_side = match place.split_once('-') {
                Some(("client", kind)) => carriers.contains(&format!("server-{kind}")),
                Some(("server", kind)) => carriers.contains(&format!("client-{kind}")),
                _ => false,
            };
            match result {
                Ok(_) => assert!(carried, "{place} must refuse {id}"),
                Err(error) => {
                    let expected = if other_side {
                        Kind::PropertyFromWrongSide(id)
                    } else {
                        Kind::PropertyNotAllowed(id)
                    };
                    assert!(!carried, "{place} must accept {id}: {error:?}");
                    assert_eq!(error, (expected, 0), "{place} {id}");
                }
            }
        }
    }
}

#[test]
fn each_property_twice() {
    for (id, property, carriers) in TABLE {
        for place in carriers.split_whitespace() {
            let companion = companion(place, id);
            let result = with_properties(place, &format!("{companion}{property} {property}"));
            let repeats = id == PropertyId::UserProperty
                || (id == PropertyId::SubscriptionIdentifier && place == "server-publish");
            if repeats {
                assert!(result.is_ok(), "{place} {id}: {result:?}");
            } else {
                let second = bytes(companion).len() + bytes(property).len();
                assert_eq!(result, Err((Kind::DuplicateProperty(id), second)), "{place} {id}");
            }
        }
    }
}

#[test]
fn identifiers_that_do_not_exist() {
    let known: Vec<u8> = PropertyId::ALL.iter().map(|id| id.as_u8()).collect();
    for id in (0..=255_u8).filter(|id| !known.contains(id)) {
        let result = with_properties("connect", &format!("{id:02x} 00"));
        assert_eq!(result, Err((Kind::UnknownProperty(id), 0)));
    }
}

// [5.0 MQTT-3.3.2-8]
#[test]
fn values_out_of_range() {
    use PropertyId as P;
    let cases = [
        ("client-publish", "23 0000", P::TopicAlias),
        ("connect", "21 0000", P::ReceiveMaximum),
        ("connack", "21 0000", P::ReceiveMaximum),
        ("connect", "27 00000000", P::MaximumPacketSize),
        ("connack", "27 00000000", P::MaximumPacketSize),
        ("subscribe", "0b 00", P::SubscriptionIdentifier),
        ("server-publish", "0b 00", P::SubscriptionIdentifier),
        ("will", "01 02", P::PayloadFormatIndicator),
        ("client-publish", "01 ff", P::PayloadFormatIndicator),
        ("connect", "17 02", P::RequestProblemInformation),
        ("connect", "19 02", P::RequestResponseInformation),
        ("connack", "24 02", P::MaximumQoS),
        ("connack", "25 02", P::RetainAvailable),
        ("connack", "28 02", P::WildcardSubscriptionAvailable),
        ("connack", "29 02", P::SubscriptionIdentifiersAvailable),
        ("connack", "2a 02", P::SharedSubscriptionAvailable),
    ];
    for (place, property, id) in cases {
        assert_eq!(
            with_properties(place, property),
            Err((Kind::PropertyOutOfRange(id), 1)),
            "{place} {property}"
        );
    }
}

// [5.0 MQTT-1.5.4-1] [5.0 MQTT-1.5.4-2] [5.0 MQTT-1.5.7-1] [5.0 MQTT-3.3.2-13] [5.0 MQTT-3.3.2-14]
// [5.0 MQTT-3.3.2-19] [5.0 MQTT-4.7.0-1]
#[test]
fn text_in_properties() {
    let cases = [
        ("client-publish", "03 0001 00", Kind::NulInText, 3),
        ("client-publish", "03 0002'a' ff", Kind::IllFormedText, 4),
        ("client-publish", "08 0001 ff", Kind::IllFormedText, 3),
        ("client-publish", "08 0003 eda080", Kind::IllFormedText, 3),
        ("client-publish", "08 0002'/#'", Kind::WildcardInTopicName, 4),
        ("will", "08 0001'+'", Kind::WildcardInTopicName, 3),
        ("client-publish", "08 0000", Kind::EmptyTopic, 3),
        ("puback", "26 0001 00 0001'v'", Kind::NulInText, 3),
        ("puback", "26 0001'k' 0001 00", Kind::NulInText, 6),
        ("puback", "26 0001 c0 0001'v'", Kind::IllFormedText, 3),
        ("puback", "26 0001'k' 0001 c0", Kind::IllFormedText, 6),
        ("connack", "1f 0001 00", Kind::NulInText, 3),
    ];
    for (place, property, kind, offset) in cases {
        assert_eq!(with_properties(place, property), Err((kind, offset)), "{place} {property}");
    }
}

#[test]
fn setters_replace_and_clear() {
    let mut properties = PublishProperties::new();
    assert!(properties.is_empty());
    assert_eq!(properties.content_type(), None);

    properties.set_content_type(&text("a"));
    properties.set_message_expiry_interval(1);
    properties.set_content_type(&text("bb"));
    assert_eq!(properties.content_type().unwrap(), "bb");
    assert_eq!(properties.message_expiry_interval(), Some(1));
    assert_eq!(properties.iter().count(), 2);

    properties.clear_content_type();
    properties.clear_content_type();
    assert_eq!(properties.content_type(), None);
    assert_eq!(properties.message_expiry_interval(), Some(1));
    properties.clear_message_expiry_interval();
    assert_eq!(properties, PublishProperties::new());
}

#[test]
fn repeated_properties_keep_their_order() {
    let mut properties = PublishProperties::new();
    properties.add_user_property(&text("k"), &text("1"));
    properties.add_subscription_identifier(subscription(7));
    properties.add_user_property(&text("k"), &text("2"));
    properties.add_subscription_identifier(subscription(3));
    let pairs: Vec<_> =
        properties.user_properties().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("k", "1"), ("k", "2")]);
    assert!(properties.subscription_identifiers().map(|id| id.get()).eq([7, 3]));
    properties.clear_user_properties();
    properties.clear_subscription_identifiers();
    assert!(properties.is_empty());
}

#[test]
fn values_that_are_said_by_saying_nothing() {
    let connack = ConnackProperties::new().with_maximum_qos(QoS::AtMostOnce);
    assert_eq!(connack.maximum_qos(), Some(QoS::AtMostOnce));
    assert!(connack.with_maximum_qos(QoS::ExactlyOnce).is_empty());
    let request = PublishProperties::new().with_response_topic(&topic("r"));
    assert_eq!(request.response_topic().unwrap(), "r");
    assert!(request.with_response_topic(&mqtt_codec::TopicName::empty()).is_empty());
}

#[test]
fn equality_ignores_the_order_of_different_properties() {
    let base = PublishProperties::new();
    let alias = NonZeroU16::MIN;
    let a = base.clone().with_topic_alias(alias).with_content_type(&text("x"));
    let b = base.clone().with_content_type(&text("x")).with_topic_alias(alias);
    assert_eq!(a, b);
    assert_ne!(a, base.clone().with_topic_alias(alias).with_content_type(&text("y")));
    assert_ne!(a, base.clone().with_topic_alias(alias));
    // That of equal ones is the application's.
    let pair = |first, second| {
        base.clone()
            .with_user_property(&text("k"), &text(first))
            .with_user_property(&text("k"), &text(second))
    };
    assert_ne!(pair("1", "2"), pair("2", "1"));
}

#[test]
fn changing_a_clone_leaves_the_packet_alone() {
    let frame = framed(0x30, "0001'a' 03 230001");
    let Ok(Packet::Publish(publish)) = decode(V5, Server, &frame) else { panic!("a PUBLISH") };
    let mut changed = publish.properties.clone();
    changed.clear_topic_alias();
    changed.set_message_expiry_interval(9);
    assert_eq!(publish.properties.topic_alias(), Some(NonZeroU16::MIN));
    assert_eq!((changed.topic_alias(), changed.message_expiry_interval()), (None, Some(9)));
}

#[test]
fn views_have_the_same_getters() {
    let frame = framed(0x30, "0001'a' 09 0b07 0300 02'tt' 0101".replace("0300 02", "03 0002").as_str());
    let Ok(PacketRef::Publish(publish)) = Decoder::new(V5, Server).parse(&frame) else { panic!("a PUBLISH") };
    assert_eq!(publish.properties.content_type().unwrap(), "tt");
    assert_eq!(publish.properties.payload_format_indicator(), Some(true));
    assert_eq!(publish.properties.subscription_identifiers().next(), Some(subscription(7)));
    assert_eq!(
        publish.properties.iter().next(),
        Some((PropertyId::SubscriptionIdentifier, PropertyValue::VariableByteInteger(7)))
    );
}
