//! Legal packets out of arbitrary bytes: every choice is taken from the input, so that the fuzzer steers it.

use std::num::{NonZeroU16, NonZeroU32};

use arbitrary::{Result, Unstructured};
use mqtt_codec::{
    Ack, AckKind, Auth, Binary, Connack, Connect, Disconnect, Packet, PacketId, PacketKind, Publish, QoS,
    ReasonCode, RetainHandling, Side, Suback, Subscribe, SubscribeFilter, SubscriptionId,
    SubscriptionOptions, Text, TopicFilter, TopicName, Unsuback, Unsubscribe, Version, Will,
};

/// What the tests want, told to the generator.
type Choices<'a, 'b> = &'a mut Unstructured<'b>;

/// The packets that a side sends; the last ones only in 5.0.
const BY_CLIENT: [PacketKind; 11] = [
    PacketKind::Connect,
    PacketKind::Publish,
    PacketKind::Puback,
    PacketKind::Pubrec,
    PacketKind::Pubrel,
    PacketKind::Pubcomp,
    PacketKind::Subscribe,
    PacketKind::Unsubscribe,
    PacketKind::Pingreq,
    PacketKind::Disconnect,
    PacketKind::Auth,
];
const BY_SERVER: [PacketKind; 11] = [
    PacketKind::Connack,
    PacketKind::Publish,
    PacketKind::Puback,
    PacketKind::Pubrec,
    PacketKind::Pubrel,
    PacketKind::Pubcomp,
    PacketKind::Suback,
    PacketKind::Unsuback,
    PacketKind::Pingresp,
    PacketKind::Disconnect,
    PacketKind::Auth,
];

/// Return codes that a 3.1.1 CONNACK can express.
const V311_CONNACK: [ReasonCode; 6] = [
    ReasonCode::Success,
    ReasonCode::UnsupportedProtocolVersion,
    ReasonCode::ClientIdentifierNotValid,
    ReasonCode::ServerUnavailable,
    ReasonCode::BadUserNameOrPassword,
    ReasonCode::NotAuthorized,
];

/// Return codes that a 3.1.1 SUBACK can express.
const V311_SUBACK: [ReasonCode; 4] =
    [ReasonCode::Success, ReasonCode::GrantedQoS1, ReasonCode::GrantedQoS2, ReasonCode::UnspecifiedError];

/// Fills the properties of a set, each or not: `$set` is called with what `$value` makes.
macro_rules! properties {
    ($u:ident, $version:expr, $Set:ident: $($set:ident($($value:tt)+)),* $(,)?) => {{
        let mut properties = mqtt_codec::$Set::default();
        if $version == Version::V5 {
            $(if $u.ratio(1, 4)? { properties.$set($($value)+); })*
            for _ in 0..$u.int_in_range(0..=2)? {
                properties.add_user_property(&text($u)?, &text($u)?);
            }
        }
        properties
    }};
}

/// A packet that `sender` may send in `version`.
///
/// # Errors
///
/// The input is too short for the choices to be made.
pub fn packet(u: Choices<'_, '_>, version: Version, sender: Side) -> Result<Packet> {
    let kinds = match sender {
        Side::Client => &BY_CLIENT,
        Side::Server => &BY_SERVER,
    };
    let is_legal = |kind: &&PacketKind| match kind {
        PacketKind::Auth => version == Version::V5,
        PacketKind::Disconnect => version == Version::V5 || sender == Side::Client,
        _ => true,
    };
    let kinds: Vec<&PacketKind> = kinds.iter().filter(is_legal).collect();
    Ok(match u.choose(&kinds)? {
        PacketKind::Connect => connect(u, version)?.into(),
        PacketKind::Connack => connack(u, version)?.into(),
        PacketKind::Publish => publish(u, version, sender)?.into(),
        PacketKind::Puback => ack(u, version, sender, AckKind::Puback)?.into(),
        PacketKind::Pubrec => ack(u, version, sender, AckKind::Pubrec)?.into(),
        PacketKind::Pubrel => ack(u, version, sender, AckKind::Pubrel)?.into(),
        PacketKind::Pubcomp => ack(u, version, sender, AckKind::Pubcomp)?.into(),
        PacketKind::Subscribe => subscribe(u, version)?.into(),
        PacketKind::Suback => suback(u, version)?.into(),
        PacketKind::Unsubscribe => unsubscribe(u, version)?.into(),
        PacketKind::Unsuback => unsuback(u, version)?.into(),
        PacketKind::Pingreq => Packet::Pingreq,
        PacketKind::Pingresp => Packet::Pingresp,
        PacketKind::Disconnect => disconnect(u, version, sender)?.into(),
        PacketKind::Auth => auth(u, sender)?.into(),
    })
}

/// A CONNECT.
///
/// # Errors
///
/// The input is too short.
pub fn connect(u: Choices<'_, '_>, version: Version) -> Result<Connect> {
    let client_id = text(u)?;
    let username = optional(u, text)?;
    // 3.1.1 has no password without a user name [3.1.1 MQTT-3.1.2-22], and no kept session without a client id.
    let may_have_password = version == Version::V5 || username.is_some();
    let password = if may_have_password { optional(u, binary)? } else { None };
    let clean_start = u.arbitrary::<bool>()? || (version == Version::V311 && client_id.is_empty());
    let mut properties = properties!(u, version, ConnectProperties:
        set_session_expiry_interval(u.arbitrary()?),
        set_receive_maximum(non_zero_u16(u)?),
        set_maximum_packet_size(non_zero_u32(u)?),
        set_topic_alias_maximum(u.arbitrary()?),
        set_request_response_information(u.arbitrary()?),
        set_request_problem_information(u.arbitrary()?),
        set_authentication_method(&text(u)?),
    );
    if properties.authentication_method().is_some() && u.arbitrary()? {
        properties.set_authentication_data(&binary(u)?);
    }
    let will = if u.arbitrary()? { Some(will(u, version)?) } else { None };
    Ok(Connect {
        version,
        clean_start,
        keep_alive: u.arbitrary()?,
        client_id,
        will,
        username,
        password,
        properties,
    })
}

fn will(u: Choices<'_, '_>, version: Version) -> Result<Will> {
    let properties = properties!(u, version, WillProperties:
        set_will_delay_interval(u.arbitrary()?),
        set_payload_format_indicator(u.arbitrary()?),
        set_message_expiry_interval(u.arbitrary()?),
        set_content_type(&text(u)?),
        set_response_topic(&topic(u)?),
        set_correlation_data(&binary(u)?),
    );
    Ok(Will { topic: topic(u)?, payload: binary(u)?, qos: qos(u)?, retain: u.arbitrary()?, properties })
}

/// A CONNACK.
///
/// # Errors
///
/// The input is too short.
pub fn connack(u: Choices<'_, '_>, version: Version) -> Result<Connack> {
    let reason = match version {
        Version::V311 => *u.choose(&V311_CONNACK)?,
        Version::V5 => reason(u, PacketKind::Connack, Side::Server)?,
    };
    let session_present = reason == ReasonCode::Success && u.arbitrary()?;
    let mut properties = properties!(u, version, ConnackProperties:
        set_session_expiry_interval(u.arbitrary()?),
        set_receive_maximum(non_zero_u16(u)?),
        set_maximum_qos(qos(u)?),
        set_retain_available(u.arbitrary()?),
        set_maximum_packet_size(non_zero_u32(u)?),
        set_assigned_client_identifier(&text(u)?),
        set_topic_alias_maximum(u.arbitrary()?),
        set_reason_string(&text(u)?),
        set_wildcard_subscription_available(u.arbitrary()?),
        set_subscription_identifiers_available(u.arbitrary()?),
        set_shared_subscription_available(u.arbitrary()?),
        set_server_keep_alive(u.arbitrary()?),
        set_response_information(&text(u)?),
        set_server_reference(&text(u)?),
        set_authentication_method(&text(u)?),
    );
    if properties.authentication_method().is_some() && u.arbitrary()? {
        properties.set_authentication_data(&binary(u)?);
    }
    Ok(Connack { session_present, reason, properties })
}

/// A PUBLISH.
///
/// # Errors
///
/// The input is too short.
pub fn publish(u: Choices<'_, '_>, version: Version, sender: Side) -> Result<Publish> {
    let qos = qos(u)?;
    let mut properties = properties!(u, version, PublishProperties:
        set_payload_format_indicator(u.arbitrary()?),
        set_message_expiry_interval(u.arbitrary()?),
        set_topic_alias(non_zero_u16(u)?),
        set_response_topic(&topic(u)?),
        set_correlation_data(&binary(u)?),
        set_content_type(&text(u)?),
    );
    if version == Version::V5 && sender == Side::Server {
        for _ in 0..u.int_in_range(0..=2)? {
            properties.add_subscription_identifier(subscription_id(u)?);
        }
    }
    let has_alias = properties.topic_alias().is_some();
    Ok(Publish {
        dup: qos != QoS::AtMostOnce && u.arbitrary()?,
        qos,
        retain: u.arbitrary()?,
        topic: if has_alias && u.arbitrary()? { TopicName::empty() } else { topic(u)? },
        packet_id: if qos == QoS::AtMostOnce { None } else { Some(packet_id(u)?) },
        properties,
        payload: bytes(u)?.into(),
    })
}

fn ack(u: Choices<'_, '_>, version: Version, sender: Side, kind: AckKind) -> Result<Ack> {
    let mut ack = Ack::new(kind, packet_id(u)?);
    if version == Version::V5 {
        ack.reason = reason(u, Packet::from(ack.clone()).kind(), sender)?;
        ack.properties = properties!(u, version, AckProperties: set_reason_string(&text(u)?));
    }
    Ok(ack)
}

fn subscribe(u: Choices<'_, '_>, version: Version) -> Result<Subscribe> {
    let properties =
        properties!(u, version, SubscribeProperties: set_subscription_identifier(subscription_id(u)?));
    Ok(Subscribe {
        packet_id: packet_id(u)?,
        properties,
        filters: some(u, |u| subscribe_filter(u, version))?,
    })
}

/// A filter with its options.
///
/// # Errors
///
/// The input is too short.
pub fn subscribe_filter(u: Choices<'_, '_>, version: Version) -> Result<SubscribeFilter> {
    let filter = filter(u)?;
    let mut options = SubscriptionOptions { qos: qos(u)?, ..SubscriptionOptions::default() };
    if version == Version::V5 {
        options.no_local = !filter.is_shared() && u.arbitrary()?;
        options.retain_as_published = u.arbitrary()?;
        options.retain_handling = *u.choose(&[
            RetainHandling::SendAtSubscribe,
            RetainHandling::SendIfNew,
            RetainHandling::DoNotSend,
        ])?;
    }
    Ok(SubscribeFilter { filter, options })
}

fn suback(u: Choices<'_, '_>, version: Version) -> Result<Suback> {
    let reasons = some(u, |u| match version {
        Version::V311 => u.choose(&V311_SUBACK).copied(),
        Version::V5 => reason(u, PacketKind::Suback, Side::Server),
    })?;
    let properties = properties!(u, version, SubackProperties: set_reason_string(&text(u)?));
    Ok(Suback { packet_id: packet_id(u)?, reasons, properties })
}

fn unsubscribe(u: Choices<'_, '_>, version: Version) -> Result<Unsubscribe> {
    let properties = properties!(u, version, UnsubscribeProperties:);
    Ok(Unsubscribe { packet_id: packet_id(u)?, properties, filters: some(u, filter)? })
}

fn unsuback(u: Choices<'_, '_>, version: Version) -> Result<Unsuback> {
    let reasons = match version {
        Version::V311 => Vec::new(),
        Version::V5 => some(u, |u| reason(u, PacketKind::Unsuback, Side::Server))?,
    };
    let properties = properties!(u, version, UnsubackProperties: set_reason_string(&text(u)?));
    Ok(Unsuback { packet_id: packet_id(u)?, reasons, properties })
}

fn disconnect(u: Choices<'_, '_>, version: Version, sender: Side) -> Result<Disconnect> {
    let reason = match version {
        Version::V311 => ReasonCode::Success,
        Version::V5 => reason(u, PacketKind::Disconnect, sender)?,
    };
    let mut properties = properties!(u, version, DisconnectProperties: set_reason_string(&text(u)?));
    if version == Version::V5 && u.arbitrary()? {
        match sender {
            Side::Client => properties.set_session_expiry_interval(u.arbitrary()?),
            Side::Server => properties.set_server_reference(&text(u)?),
        }
    }
    Ok(Disconnect { reason, properties })
}

fn auth(u: Choices<'_, '_>, sender: Side) -> Result<Auth> {
    let reason = reason(u, PacketKind::Auth, sender)?;
    let mut properties = properties!(u, Version::V5, AuthProperties: set_reason_string(&text(u)?));
    properties.set_authentication_method(&text(u)?);
    if u.arbitrary()? {
        properties.set_authentication_data(&binary(u)?);
    }
    Ok(Auth { reason, properties })
}

fn reason(u: Choices<'_, '_>, packet: PacketKind, sender: Side) -> Result<ReasonCode> {
    let allowed: Vec<ReasonCode> =
        ReasonCode::ALL.iter().copied().filter(|code| code.allowed_in(packet, sender)).collect();
    u.choose(&allowed).copied()
}

/// Few different ids, so that packets meet.
fn packet_id(u: Choices<'_, '_>) -> Result<PacketId> {
    let id = if u.ratio(7, 8)? { u.int_in_range(1..=4)? } else { u.int_in_range(1..=u16::MAX)? };
    Ok(PacketId::new(id).expect("at least 1"))
}

/// A QoS.
///
/// # Errors
///
/// The input is too short.
pub fn qos(u: Choices<'_, '_>) -> Result<QoS> {
    u.choose(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]).copied()
}

fn subscription_id(u: Choices<'_, '_>) -> Result<SubscriptionId> {
    Ok(SubscriptionId::new(u.int_in_range(1..=268_435_455)?).expect("in range"))
}

fn non_zero_u16(u: Choices<'_, '_>) -> Result<NonZeroU16> {
    Ok(NonZeroU16::new(u.arbitrary()?).unwrap_or(NonZeroU16::MIN))
}

fn non_zero_u32(u: Choices<'_, '_>) -> Result<NonZeroU32> {
    Ok(NonZeroU32::new(u.arbitrary()?).unwrap_or(NonZeroU32::MIN))
}

/// Characters of one to four bytes, among them those that readers are tempted to treat specially.
const CHARACTERS: [char; 8] = ['a', 'b', '0', ' ', 'é', '\u{feff}', '😀', '$'];

fn characters(u: Choices<'_, '_>, at_least: usize) -> Result<String> {
    let count = u.int_in_range(at_least..=8)?;
    (0..count).map(|_| u.choose(&CHARACTERS).copied()).collect()
}

fn text(u: Choices<'_, '_>) -> Result<Text> {
    Ok(Text::new(characters(u, 0)?).expect("short and without NUL"))
}

/// A topic name of up to four levels.
///
/// # Errors
///
/// The input is too short.
pub fn topic(u: Choices<'_, '_>) -> Result<TopicName> {
    let mut levels = vec![characters(u, 1)?];
    for _ in 0..u.int_in_range(0..=3)? {
        levels.push(characters(u, 0)?);
    }
    Ok(TopicName::new(levels.join("/")).expect("not empty, no wildcard"))
}

/// A topic filter of up to four levels, shared or not.
///
/// # Errors
///
/// The input is too short.
pub fn filter(u: Choices<'_, '_>) -> Result<TopicFilter> {
    let mut levels = if u.ratio(1, 4)? { vec!["$share".to_owned(), characters(u, 1)?] } else { Vec::new() };
    // Not empty, so that neither the filter nor what a share shares is.
    levels.push(if u.ratio(1, 4)? { "+".to_owned() } else { format!("x{}", characters(u, 0)?) });
    for _ in 0..u.int_in_range(0..=2)? {
        levels.push(if u.ratio(1, 4)? { "+".to_owned() } else { characters(u, 0)? });
    }
    if u.ratio(1, 4)? {
        levels.push("#".to_owned());
    }
    Ok(TopicFilter::new(levels.join("/")).expect("wildcards where they belong"))
}

fn binary(u: Choices<'_, '_>) -> Result<Binary> {
    Ok(Binary::new(bytes(u)?).expect("short"))
}

fn bytes(u: Choices<'_, '_>) -> Result<Vec<u8>> {
    let count = u.int_in_range(0..=16)?;
    (0..count).map(|_| u.arbitrary()).collect()
}

fn optional<'b, T>(
    u: Choices<'_, 'b>,
    make: impl Fn(&mut Unstructured<'b>) -> Result<T>,
) -> Result<Option<T>> {
    if u.arbitrary()? { make(u).map(Some) } else { Ok(None) }
}

/// One to three.
fn some<'b, T>(u: Choices<'_, 'b>, make: impl Fn(&mut Unstructured<'b>) -> Result<T>) -> Result<Vec<T>> {
    let count = u.int_in_range(1..=3)?;
    (0..count).map(|_| make(u)).collect()
}
