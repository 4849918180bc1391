//! What the Rust API guidelines ask of every public type, as far as a compiler can check it.

use std::{error::Error, fmt::Debug, hash::Hash};

use mqtt_codec::*;

fn usual<T: Debug + Clone + Send + Sync + Unpin + 'static>() {}
fn compared<T: Debug + Clone + PartialEq + Eq + Send + Sync + Unpin + 'static>() {}
fn key<T: Debug + Clone + Eq + Ord + Hash + Send + Sync + Unpin + 'static>() {}
fn view<T: Debug + Copy + PartialEq + Eq + Send + Sync + Unpin + 'static>() {}
fn error<T: Error + Copy + PartialEq + Eq + Send + Sync + Unpin + 'static>() {}

#[test]
fn public_types_have_the_common_traits() {
    usual::<FrameReader>();
    usual::<Properties<'static>>();
    usual::<PublishShape>();

    compared::<Packet>();
    compared::<Received>();
    compared::<PublishFrame>();
    compared::<Connect>();
    compared::<Will>();
    compared::<Connack>();
    compared::<Publish>();
    compared::<Ack>();
    compared::<Subscribe>();
    compared::<SubscribeFilter>();
    compared::<Suback>();
    compared::<Unsubscribe>();
    compared::<Unsuback>();
    compared::<Disconnect>();
    compared::<Auth>();
    compared::<ConnectProperties>();
    compared::<PublishProperties>();

    key::<Text>();
    key::<Binary>();
    key::<TopicName>();
    key::<TopicFilter>();
    key::<PacketId>();
    key::<SubscriptionId>();
    key::<QoS>();
    key::<ReasonCode>();
    key::<PropertyId>();
    key::<PacketKind>();
    key::<AckKind>();
    key::<Version>();
    key::<Side>();

    view::<Decoder>();
    view::<PacketRef<'static>>();
    view::<PublishPropertiesRef<'static>>();
    view::<PropertyValue<'static>>();
    view::<TextRef<'static>>();
    view::<BinaryRef<'static>>();
    view::<AliasedPublish<'static>>();
    view::<SubscriptionOptions>();
}

#[test]
fn errors_are_errors() {
    error::<DecodeError>();
    error::<EncodeError>();
    error::<InvalidText>();
    error::<InvalidTopic>();
    error::<InvalidFilter>();
    error::<BinaryTooLong>();
    error::<InvalidQoS>();
    error::<InvalidReasonCode>();
    error::<InvalidPropertyId>();
    error::<InvalidSubscriptionId>();
}

#[test]
fn nothing_is_invisible() {
    assert_eq!(format!("{:?}", Text::default()), r#""""#);
    assert_eq!(format!("{:?}", TopicName::empty()), r#""""#);
    assert_eq!(format!("{:?}", PublishProperties::new()), "{}");
    assert!(!format!("{:?}", Binary::default()).is_empty());
}

#[test]
fn a_set_of_properties_is_walked_by_reference() {
    let properties = PublishProperties::new().with_payload_format_indicator(true);
    let mut found = Vec::new();
    for (id, _) in &properties {
        found.push(id);
    }
    assert_eq!(found, [PropertyId::PayloadFormatIndicator]);
}
