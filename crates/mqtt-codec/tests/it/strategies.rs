//! Random packets: everything that a side may send in a version, and nothing else.

use std::{
    fmt,
    num::{NonZeroU16, NonZeroU32},
    rc::Rc,
};

use mqtt_codec::{
    Ack, AckKind, AckProperties, Auth, AuthProperties, Binary, Connack, ConnackProperties, Connect,
    ConnectProperties, Disconnect, DisconnectProperties, Packet, PacketId, PacketKind, Publish,
    PublishProperties, QoS, ReasonCode, RetainHandling, Side, Suback, SubackProperties, Subscribe,
    SubscribeFilter, SubscribeProperties, SubscriptionId, SubscriptionOptions, Text, TopicFilter, TopicName,
    Unsuback, UnsubackProperties, Unsubscribe, UnsubscribeProperties, Version, Will, WillProperties,
    bytes::Bytes,
};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// Any packet that `sender` may send in `version`.
pub(crate) fn packet(version: Version, sender: Side) -> BoxedStrategy<Packet> {
    let both = prop_oneof![
        4 => publish(version, sender).prop_map(Packet::from),
        4 => ack(version, sender).prop_map(Packet::from),
    ];
    let one_sided = match sender {
        Side::Client => prop_oneof![
            connect().prop_map(Packet::from),
            subscribe(version).prop_map(Packet::from),
            unsubscribe(version).prop_map(Packet::from),
            Just(Packet::Pingreq),
            disconnect(version, sender).prop_map(Packet::from),
        ]
        .boxed(),
        Side::Server => prop_oneof![
            connack(version).prop_map(Packet::from),
            suback(version).prop_map(Packet::from),
            unsuback(version).prop_map(Packet::from),
            Just(Packet::Pingresp),
        ]
        .boxed(),
    };
    let in_v5 = prop_oneof![
        disconnect(Version::V5, sender).prop_map(Packet::from),
        auth(sender).prop_map(Packet::from),
    ];
    match version {
        Version::V311 => prop_oneof![2 => both, 3 => one_sided].boxed(),
        Version::V5 => prop_oneof![3 => both, 4 => one_sided, 2 => in_v5].boxed(),
    }
}

/// Both versions, both sides.
pub(crate) fn setting() -> impl Strategy<Value = (Version, Side)> {
    (select(vec![Version::V311, Version::V5]), select(vec![Side::Client, Side::Server]))
}

fn text() -> impl Strategy<Value = Text> {
    "[^\0]{0,20}".prop_map(|text| Text::new(text).unwrap())
}

fn topic() -> impl Strategy<Value = TopicName> {
    prop_oneof!["[a-z$/]{1,30}", "[^\0+#]{1,12}"].prop_map(|name| TopicName::new(name).unwrap())
}

fn filter() -> impl Strategy<Value = TopicFilter> {
    let level = prop_oneof!["[a-z$]{0,6}", "[^\0+#/]{0,4}", Just("+".to_owned())];
    let share = option::of("[^\0+#/]{1,5}");
    (share, vec(level, 0..5), any::<bool>()).prop_filter_map("not empty", |(share, mut levels, rest)| {
        levels.extend(rest.then(|| "#".to_owned()));
        let filter = levels.join("/");
        TopicFilter::new(share.map_or(filter.clone(), |share| format!("$share/{share}/{filter}"))).ok()
    })
}

fn binary() -> impl Strategy<Value = Binary> {
    vec(any::<u8>(), 0..30).prop_map(|bytes| Binary::new(bytes).unwrap())
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    any::<NonZeroU16>().prop_map(PacketId::from)
}

fn qos() -> impl Strategy<Value = QoS> {
    select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

fn reason(packet: PacketKind, sender: Side) -> impl Strategy<Value = ReasonCode> {
    let legal = ReasonCode::ALL.iter().copied().filter(|code| code.allowed_in(packet, sender));
    select(legal.collect::<Vec<_>>())
}

fn subscription_id() -> impl Strategy<Value = SubscriptionId> {
    (1..=SubscriptionId::MAX).prop_map(|id| SubscriptionId::new(id).unwrap())
}

/// A call of a setter, or none.
#[derive(Clone)]
struct Edit<S>(Rc<dyn Fn(&mut S)>);

impl<S> fmt::Debug for Edit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Edit")
    }
}

fn maybe<S: 'static, T: Clone + fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + 'static,
    set: fn(&mut S, T),
) -> BoxedStrategy<Edit<S>> {
    let call = move |value: Option<T>| {
        Edit(Rc::new(move |properties: &mut S| {
            if let Some(value) = value.clone() {
                set(properties, value);
            }
        }))
    };
    option::weighted(0.4, value).prop_map(call).boxed()
}

/// Properties put together by these calls in any order; none in 3.1.1.
fn properties<S: Default + Clone + fmt::Debug + 'static>(
    version: Version,
    edits: Vec<BoxedStrategy<Edit<S>>>,
) -> BoxedStrategy<S> {
    if version == Version::V311 {
        return Just(S::default()).boxed();
    }
    let apply = |edits: Vec<Edit<S>>| {
        let mut properties = S::default();
        edits.iter().for_each(|edit| (edit.0)(&mut properties));
        properties
    };
    edits.prop_shuffle().prop_map(apply).boxed()
}

/// The edit that adds user properties.
macro_rules! user_properties {
    ($Set:ident) => {
        maybe(vec((text(), text()), 1..3), |set: &mut $Set, pairs| {
            pairs.iter().for_each(|(name, value)| set.add_user_property(name, value));
        })
    };
}

/// The edits of sets that explain an outcome.
macro_rules! explained {
    ($Set:ident) => {
        vec![user_properties!($Set), maybe(text(), |set: &mut $Set, reason| set.set_reason_string(&reason))]
    };
}

/// Authentication data comes with its method only.
macro_rules! authentication {
    ($Set:ident) => {
        maybe((text(), option::of(binary())), |set: &mut $Set, (method, data)| {
            set.set_authentication_method(&method);
            if let Some(data) = data {
                set.set_authentication_data(&data);
            }
        })
    };
}

fn connect() -> impl Strategy<Value = Connect> {
    select(vec![Version::V311, Version::V5]).prop_flat_map(|version| {
        let credentials =
            (option::of(text()), option::of(binary())).prop_map(move |(username, password)| match version {
                Version::V311 if username.is_none() => (None, None),
                _ => (username, password),
            });
        let fields = (any::<bool>(), any::<u16>(), text(), option::of(will(version)), credentials);
        (fields, connect_properties(version)).prop_map(
            move |((clean_start, keep_alive, client_id, will, (username, password)), properties)| Connect {
                version,
                clean_start,
                keep_alive,
                client_id,
                will,
                username,
                password,
                properties,
            },
        )
    })
}

fn connect_properties(version: Version) -> BoxedStrategy<ConnectProperties> {
    type Set = ConnectProperties;
    let edits = vec![
        maybe(any::<u32>(), Set::set_session_expiry_interval),
        maybe(any::<NonZeroU16>(), Set::set_receive_maximum),
        maybe(any::<NonZeroU32>(), Set::set_maximum_packet_size),
        maybe(any::<u16>(), Set::set_topic_alias_maximum),
        maybe(any::<bool>(), Set::set_request_response_information),
        maybe(any::<bool>(), Set::set_request_problem_information),
        authentication!(Set),
        user_properties!(Set),
    ];
    properties(version, edits)
}

fn will(version: Version) -> impl Strategy<Value = Will> {
    type Set = WillProperties;
    let edits = vec![
        maybe(any::<u32>(), Set::set_will_delay_interval),
        maybe(any::<bool>(), Set::set_payload_format_indicator),
        maybe(any::<u32>(), Set::set_message_expiry_interval),
        maybe(text(), |set: &mut Set, value| set.set_content_type(&value)),
        maybe(topic(), |set: &mut Set, value| set.set_response_topic(&value)),
        maybe(binary(), |set: &mut Set, value| set.set_correlation_data(&value)),
        user_properties!(Set),
    ];
    (topic(), binary(), qos(), any::<bool>(), properties(version, edits)).prop_map(
        |(topic, payload, qos, retain, properties)| Will { topic, payload, qos, retain, properties },
    )
}

fn connack(version: Version) -> impl Strategy<Value = Connack> {
    type Set = ConnackProperties;
    let edits = vec![
        maybe(any::<u32>(), Set::set_session_expiry_interval),
        maybe(any::<NonZeroU16>(), Set::set_receive_maximum),
        maybe(qos(), Set::set_maximum_qos),
        maybe(any::<bool>(), Set::set_retain_available),
        maybe(any::<NonZeroU32>(), Set::set_maximum_packet_size),
        maybe(text(), |set: &mut Set, value| set.set_assigned_client_identifier(&value)),
        maybe(any::<u16>(), Set::set_topic_alias_maximum),
        maybe(text(), |set: &mut Set, value| set.set_reason_string(&value)),
        user_properties!(Set),
        maybe(any::<bool>(), Set::set_wildcard_subscription_available),
        maybe(any::<bool>(), Set::set_subscription_identifiers_available),
        maybe(any::<bool>(), Set::set_shared_subscription_available),
        maybe(any::<u16>(), Set::set_server_keep_alive),
        maybe(text(), |set: &mut Set, value| set.set_response_information(&value)),
        maybe(text(), |set: &mut Set, value| set.set_server_reference(&value)),
        authentication!(Set),
    ];
    let reason = match version {
        Version::V5 => reason(PacketKind::Connack, Side::Server).boxed(),
        Version::V311 => select(vec![
            ReasonCode::Success,
            ReasonCode::UnsupportedProtocolVersion,
            ReasonCode::ClientIdentifierNotValid,
            ReasonCode::ServerUnavailable,
            ReasonCode::BadUserNameOrPassword,
            ReasonCode::NotAuthorized,
        ])
        .boxed(),
    };
    (any::<bool>(), reason, properties(version, edits)).prop_map(|(session, reason, properties)| Connack {
        session_present: session && reason == ReasonCode::Success,
        reason,
        properties,
    })
}

fn publish(version: Version, sender: Side) -> impl Strategy<Value = Publish> {
    type Set = PublishProperties;
    let mut edits = vec![
        maybe(any::<bool>(), Set::set_payload_format_indicator),
        maybe(any::<u32>(), Set::set_message_expiry_interval),
        maybe(any::<NonZeroU16>(), Set::set_topic_alias),
        maybe(topic(), |set: &mut Set, value| set.set_response_topic(&value)),
        maybe(binary(), |set: &mut Set, value| set.set_correlation_data(&value)),
        maybe(text(), |set: &mut Set, value| set.set_content_type(&value)),
        user_properties!(Set),
    ];
    if sender == Side::Server {
        edits.push(maybe(vec(subscription_id(), 1..4), |set: &mut Set, ids| {
            ids.into_iter().for_each(|id| set.add_subscription_identifier(id));
        }));
    }
    let payload = prop_oneof![9 => vec(any::<u8>(), 0..60), 1 => vec(any::<u8>(), 100..400)];
    let flags = (any::<bool>(), qos(), any::<bool>());
    (flags, topic(), any::<bool>(), packet_id(), payload, properties(version, edits)).prop_map(
        |((dup, qos, retain), topic, leave_out, id, payload, properties)| Publish {
            dup: dup && qos != QoS::AtMostOnce,
            qos,
            retain,
            topic: if leave_out && properties.topic_alias().is_some() { TopicName::empty() } else { topic },
            packet_id: (qos != QoS::AtMostOnce).then_some(id),
            properties,
            payload: Bytes::from(payload),
        },
    )
}

fn ack(version: Version, sender: Side) -> impl Strategy<Value = Ack> {
    select(vec![AckKind::Puback, AckKind::Pubrec, AckKind::Pubrel, AckKind::Pubcomp]).prop_flat_map(
        move |kind| {
            let reason = match version {
                Version::V5 => reason(kind.into(), sender).boxed(),
                Version::V311 => Just(ReasonCode::Success).boxed(),
            };
            (packet_id(), reason, properties(version, explained!(AckProperties)))
                .prop_map(move |(packet_id, reason, properties)| Ack { kind, packet_id, reason, properties })
        },
    )
}

fn options(version: Version) -> BoxedStrategy<SubscriptionOptions> {
    let handling =
        select(vec![RetainHandling::SendAtSubscribe, RetainHandling::SendIfNew, RetainHandling::DoNotSend]);
    match version {
        Version::V311 => {
            qos().prop_map(|qos| SubscriptionOptions { qos, ..SubscriptionOptions::default() }).boxed()
        }
        Version::V5 => (qos(), any::<bool>(), any::<bool>(), handling)
            .prop_map(|(qos, no_local, retain_as_published, retain_handling)| SubscriptionOptions {
                qos,
                no_local,
                retain_as_published,
                retain_handling,
            })
            .boxed(),
    }
}

fn subscribe(version: Version) -> impl Strategy<Value = Subscribe> {
    let wanted = (filter(), options(version)).prop_map(|(filter, mut options)| {
        options.no_local &= !filter.is_shared();
        SubscribeFilter { filter, options }
    });
    type Set = SubscribeProperties;
    let edits = vec![maybe(subscription_id(), Set::set_subscription_identifier), user_properties!(Set)];
    (packet_id(), properties(version, edits), vec(wanted, 1..5))
        .prop_map(|(packet_id, properties, filters)| Subscribe { packet_id, properties, filters })
}

fn suback(version: Version) -> impl Strategy<Value = Suback> {
    let code = match version {
        Version::V5 => reason(PacketKind::Suback, Side::Server).boxed(),
        Version::V311 => select(vec![
            ReasonCode::Success,
            ReasonCode::GrantedQoS1,
            ReasonCode::GrantedQoS2,
            ReasonCode::UnspecifiedError,
        ])
        .boxed(),
    };
    (packet_id(), properties(version, explained!(SubackProperties)), vec(code, 1..6))
        .prop_map(|(packet_id, properties, reasons)| Suback { packet_id, properties, reasons })
}

fn unsubscribe(version: Version) -> impl Strategy<Value = Unsubscribe> {
    let edits = vec![user_properties!(UnsubscribeProperties)];
    (packet_id(), properties(version, edits), vec(filter(), 1..5))
        .prop_map(|(packet_id, properties, filters)| Unsubscribe { packet_id, properties, filters })
}

fn unsuback(version: Version) -> impl Strategy<Value = Unsuback> {
    let codes = match version {
        Version::V5 => vec(reason(PacketKind::Unsuback, Side::Server), 1..6).boxed(),
        Version::V311 => Just(vec![]).boxed(),
    };
    (packet_id(), properties(version, explained!(UnsubackProperties)), codes)
        .prop_map(|(packet_id, properties, reasons)| Unsuback { packet_id, properties, reasons })
}

fn disconnect(version: Version, sender: Side) -> BoxedStrategy<Disconnect> {
    if version == Version::V311 {
        return Just(Disconnect::default()).boxed();
    }
    type Set = DisconnectProperties;
    let mut edits = explained!(Set);
    edits.push(match sender {
        Side::Client => maybe(any::<u32>(), Set::set_session_expiry_interval),
        Side::Server => maybe(text(), |set: &mut Set, value| set.set_server_reference(&value)),
    });
    (reason(PacketKind::Disconnect, sender), properties(version, edits))
        .prop_map(|(reason, properties)| Disconnect { reason, properties })
        .boxed()
}

fn auth(sender: Side) -> impl Strategy<Value = Auth> {
    let mut edits = explained!(AuthProperties);
    edits.push(maybe(binary(), |set: &mut AuthProperties, data| set.set_authentication_data(&data)));
    (reason(PacketKind::Auth, sender), text(), properties(Version::V5, edits)).prop_map(
        |(reason, method, properties)| Auth {
            reason,
            properties: properties.with_authentication_method(&method),
        },
    )
}
