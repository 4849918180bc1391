//! One set of properties for each packet (and the will): getters that read in place, setters that rebuild.
//!
//! What a set may hold is listed here, and a test holds the lists against the table.

use core::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;

use super::{
    PropertyId, PropertyValue, SubscriptionId,
    block::{Block, OwnedBytes, Properties},
    table::Place,
};
use crate::{
    Binary, EncodeError, QoS, Text, TextRef, TopicName, Version,
    encode::expressible,
    parse::{Input, Parsed},
};

/// How each property is got and set: getter and setter types, the names of both, and what it means.
///
/// `with_accessors!(emit, name)` calls `emit!` with the row of that name.
macro_rules! with_accessors {
    ($emit:ident, payload_format_indicator) => { $emit! {
        PayloadFormatIndicator, bool, bool,
        payload_format_indicator, set_payload_format_indicator, with_payload_format_indicator, clear_payload_format_indicator,
        "Payload Format Indicator (3.3.2.3.2): true says that the payload is UTF-8 text. Absent means false."
    } };
    ($emit:ident, message_expiry_interval) => { $emit! {
        MessageExpiryInterval, u32, u32,
        message_expiry_interval, set_message_expiry_interval, with_message_expiry_interval, clear_message_expiry_interval,
        "Message Expiry Interval (3.3.2.3.3): the message's lifetime in seconds. Absent means that it never expires."
    } };
    ($emit:ident, content_type) => { $emit! {
        ContentType, TextRef<'_>, &Text,
        content_type, set_content_type, with_content_type, clear_content_type,
        "Content Type (3.3.2.3.9): what the payload is, such as a MIME type; its meaning is the application's."
    } };
    ($emit:ident, response_topic) => { $emit! {
        ResponseTopic, TextRef<'_>, &TopicName,
        response_topic, set_response_topic, with_response_topic, clear_response_topic,
        "Response Topic (3.3.2.3.5): where a reply goes; a topic name, not empty. Its presence makes a message a request."
    } };
    ($emit:ident, correlation_data) => { $emit! {
        CorrelationData, &[u8], &Binary,
        correlation_data, set_correlation_data, with_correlation_data, clear_correlation_data,
        "Correlation Data (3.3.2.3.6): tells the requester which request a reply answers."
    } };
    ($emit:ident, subscription_identifier) => { $emit! {
        SubscriptionIdentifier, SubscriptionId, SubscriptionId,
        subscription_identifier, set_subscription_identifier, with_subscription_identifier, clear_subscription_identifier,
        "Subscription Identifier (3.8.2.1.2): comes back with each message that the subscription brings."
    } };
    ($emit:ident, session_expiry_interval) => { $emit! {
        SessionExpiryInterval, u32, u32,
        session_expiry_interval, set_session_expiry_interval, with_session_expiry_interval, clear_session_expiry_interval,
        "Session Expiry Interval (3.1.2.11.2): seconds that the session outlives its connection; 0xFFFF_FFFF is for ever. Absent means 0 in CONNECT, no change elsewhere."
    } };
    ($emit:ident, assigned_client_identifier) => { $emit! {
        AssignedClientIdentifier, TextRef<'_>, &Text,
        assigned_client_identifier, set_assigned_client_identifier, with_assigned_client_identifier, clear_assigned_client_identifier,
        "Assigned Client Identifier (3.2.2.3.7): the server's choice for a client that came without one."
    } };
    ($emit:ident, server_keep_alive) => { $emit! {
        ServerKeepAlive, u16, u16,
        server_keep_alive, set_server_keep_alive, with_server_keep_alive, clear_server_keep_alive,
        "Server Keep Alive (3.2.2.3.14): seconds; the client must use it in place of its own (`[MQTT-3.2.2-21]`)."
    } };
    ($emit:ident, authentication_method) => { $emit! {
        AuthenticationMethod, TextRef<'_>, &Text,
        authentication_method, set_authentication_method, with_authentication_method, clear_authentication_method,
        "Authentication Method (3.1.2.11.9): names the enhanced authentication in use."
    } };
    ($emit:ident, authentication_data) => { $emit! {
        AuthenticationData, &[u8], &Binary,
        authentication_data, set_authentication_data, with_authentication_data, clear_authentication_data,
        "Authentication Data (3.1.2.11.10): what the authentication method exchanges; not without the method."
    } };
    ($emit:ident, request_problem_information) => { $emit! {
        RequestProblemInformation, bool, bool,
        request_problem_information, set_request_problem_information, with_request_problem_information, clear_request_problem_information,
        "Request Problem Information (3.1.2.11.7): false keeps reason strings and user properties to PUBLISH, CONNACK and DISCONNECT. Absent means true."
    } };
    ($emit:ident, will_delay_interval) => { $emit! {
        WillDelayInterval, u32, u32,
        will_delay_interval, set_will_delay_interval, with_will_delay_interval, clear_will_delay_interval,
        "Will Delay Interval (3.1.3.2.2): seconds from the loss of the connection to the will. Absent means 0."
    } };
    ($emit:ident, request_response_information) => { $emit! {
        RequestResponseInformation, bool, bool,
        request_response_information, set_request_response_information, with_request_response_information, clear_request_response_information,
        "Request Response Information (3.1.2.11.6): true asks for Response Information in CONNACK. Absent means false."
    } };
    ($emit:ident, response_information) => { $emit! {
        ResponseInformation, TextRef<'_>, &Text,
        response_information, set_response_information, with_response_information, clear_response_information,
        "Response Information (3.2.2.3.15): what the client may build response topics from."
    } };
    ($emit:ident, server_reference) => { $emit! {
        ServerReference, TextRef<'_>, &Text,
        server_reference, set_server_reference, with_server_reference, clear_server_reference,
        "Server Reference (4.11): where else to connect to, as `host` or `host:port`, several apart by spaces."
    } };
    ($emit:ident, reason_string) => { $emit! {
        ReasonString, TextRef<'_>, &Text,
        reason_string, set_reason_string, with_reason_string, clear_reason_string,
        "Reason String: says more than the reason code, to people; not to be parsed."
    } };
    ($emit:ident, receive_maximum) => { $emit! {
        ReceiveMaximum, NonZeroU16, NonZeroU16,
        receive_maximum, set_receive_maximum, with_receive_maximum, clear_receive_maximum,
        "Receive Maximum (3.1.2.11.3): how many unacknowledged QoS 1 and 2 messages the sender of this takes at once. Absent means 65,535."
    } };
    ($emit:ident, topic_alias_maximum) => { $emit! {
        TopicAliasMaximum, u16, u16,
        topic_alias_maximum, set_topic_alias_maximum, with_topic_alias_maximum, clear_topic_alias_maximum,
        "Topic Alias Maximum (3.1.2.11.5): the highest alias that the sender of this accepts. Absent means 0, none."
    } };
    ($emit:ident, topic_alias) => { $emit! {
        TopicAlias, NonZeroU16, NonZeroU16,
        topic_alias, set_topic_alias, with_topic_alias, clear_topic_alias,
        "Topic Alias (3.3.2.3.4): stands for the topic name from now on, or, with an empty name, for the one it was given with. Never 0 (`[MQTT-3.3.2-8]`)."
    } };
    ($emit:ident, maximum_qos) => { $emit! {
        MaximumQoS, QoS, QoS,
        maximum_qos, set_maximum_qos, with_maximum_qos, clear_maximum_qos,
        "Maximum QoS (3.2.2.3.4): what the server takes, QoS 0 or 1. Absent means QoS 2, so that setting QoS 2 removes it."
    } };
    ($emit:ident, retain_available) => { $emit! {
        RetainAvailable, bool, bool,
        retain_available, set_retain_available, with_retain_available, clear_retain_available,
        "Retain Available (3.2.2.3.5): whether the server keeps retained messages. Absent means true."
    } };
    ($emit:ident, maximum_packet_size) => { $emit! {
        MaximumPacketSize, NonZeroU32, NonZeroU32,
        maximum_packet_size, set_maximum_packet_size, with_maximum_packet_size, clear_maximum_packet_size,
        "Maximum Packet Size (3.1.2.11.4): the largest whole packet, in bytes, that the sender of this accepts. Absent means no limit."
    } };
    ($emit:ident, wildcard_subscription_available) => { $emit! {
        WildcardSubscriptionAvailable, bool, bool,
        wildcard_subscription_available, set_wildcard_subscription_available, with_wildcard_subscription_available, clear_wildcard_subscription_available,
        "Wildcard Subscription Available (3.2.2.3.11). Absent means true."
    } };
    ($emit:ident, subscription_identifiers_available) => { $emit! {
        SubscriptionIdentifiersAvailable, bool, bool,
        subscription_identifiers_available, set_subscription_identifiers_available, with_subscription_identifiers_available, clear_subscription_identifiers_available,
        "Subscription Identifiers Available (3.2.2.3.12). Absent means true."
    } };
    ($emit:ident, shared_subscription_available) => { $emit! {
        SharedSubscriptionAvailable, bool, bool,
        shared_subscription_available, set_shared_subscription_available, with_shared_subscription_available, clear_shared_subscription_available,
        "Shared Subscription Available (3.2.2.3.13). Absent means true."
    } };
}

macro_rules! getter {
    ($Id:ident, $Get:ty, $Set:ty, $get:ident, $set:ident, $with:ident, $clear:ident, $doc:literal) => {
        #[doc = $doc]
        #[must_use]
        pub fn $get(&self) -> Option<$Get> {
            self.0.get(PropertyId::$Id)
        }
    };
}

macro_rules! setter {
    ($Id:ident, $Get:ty, $Set:ty, $get:ident, $set:ident, $with:ident, $clear:ident, $doc:literal) => {
        #[doc = concat!("Sets or replaces [`", stringify!($get), "`](Self::", stringify!($get), ").")]
        pub fn $set(&mut self, value: $Set) {
            self.0.set(PropertyId::$Id, &value);
        }

        #[doc = concat!("The same set with [`", stringify!($get), "`](Self::", stringify!($get), ").")]
        #[must_use]
        pub fn $with(mut self, value: $Set) -> Self {
            self.$set(value);
            self
        }

        #[doc = concat!("Removes [`", stringify!($get), "`](Self::", stringify!($get), ").")]
        pub fn $clear(&mut self) {
            self.0.remove(PropertyId::$Id);
        }
    };
}

/// The identifier alone, for the test that compares the sets with the table.
#[cfg(test)]
macro_rules! identifier {
    ($Id:ident, $($rest:tt)*) => {
        PropertyId::$Id
    };
}

macro_rules! property_set {
    ($(#[$doc:meta])* $Set:ident, $SetRef:ident, [$($place:ident),+]: $($property:ident),*) => {
        $(#[$doc])*
        ///
        /// Held in wire form, validated when it was parsed: decoding and cloning allocate nothing, a getter walks a
        /// few bytes, and a setter rebuilds the block. Two sets are equal if they say the same.
        #[derive(Clone, Copy, Default)]
        pub struct $Set<B = OwnedBytes>(Block<B>);

        #[doc = concat!("[`", stringify!($Set), "`] in the buffer that the packet came in.")]
        pub type $SetRef<'a> = $Set<&'a [u8]>;

        impl<B: AsRef<[u8]>> $Set<B> {
            $(with_accessors!(getter, $property);)*

            /// User Properties: names and values that are the application's, in their order; names may repeat.
            pub fn user_properties(&self) -> impl Iterator<Item = (TextRef<'_>, TextRef<'_>)> {
                self.0.all(PropertyId::UserProperty)
            }

            /// Whether there is no property.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.0.is_empty()
            }

            /// All properties, in the order on the wire.
            #[must_use]
            pub fn iter(&self) -> Properties<'_> {
                self.0.iter()
            }

            /// Length prefix included, in bytes.
            #[inline]
            pub(crate) fn encoded_len(&self) -> usize {
                self.0.encoded_len()
            }

            /// As [`encoded_len`](Self::encoded_len); 0 in 3.1.1, which can't say `what` this is.
            #[inline]
            pub(crate) fn len_in(&self, version: Version, what: &'static str) -> Result<usize, EncodeError> {
                match version {
                    Version::V5 => Ok(self.encoded_len()),
                    Version::V311 => expressible(self.is_empty(), what, version).map(|()| 0),
                }
            }

            /// Appends length prefix and properties; nothing in 3.1.1.
            #[inline]
            pub(crate) fn write(&self, version: Version, out: &mut alloc::vec::Vec<u8>) {
                if version == Version::V5 {
                    self.0.write(out);
                }
            }
        }

        impl<'a, B: AsRef<[u8]>> IntoIterator for &'a $Set<B> {
            type Item = (PropertyId, PropertyValue<'a>);
            type IntoIter = Properties<'a>;

            #[inline]
            fn into_iter(self) -> Properties<'a> {
                self.iter()
            }
        }

        impl<'a> $SetRef<'a> {
            /// Reads length prefix and properties; nothing in 3.1.1.
            #[inline]
            pub(crate) fn parse(version: Version, place: Place, input: Input<'a>) -> Parsed<'a, Self> {
                match version {
                    Version::V5 => Block::parse(place, input).map(|(rest, block)| (rest, Self(block))),
                    Version::V311 => Ok((input, Self::default())),
                }
            }

            /// The same properties, sharing the buffer that the packet came in.
            #[inline]
            pub(crate) fn to_owned_in(self, frame: &Bytes) -> $Set {
                $Set(self.0.to_owned_in(frame))
            }
        }

        impl $Set {
            /// No properties.
            #[must_use]
            pub const fn new() -> Self {
                Self(Block::new())
            }

            $(with_accessors!(setter, $property);)*

            /// Adds a user property behind all others.
            pub fn add_user_property(&mut self, name: &Text, value: &Text) {
                self.0.push(PropertyId::UserProperty, PropertyValue::Pair(name.view(), value.view()));
            }

            /// The same set with one more user property.
            #[must_use]
            pub fn with_user_property(mut self, name: &Text, value: &Text) -> Self {
                self.add_user_property(name, value);
                self
            }

            /// Removes all user properties.
            pub fn clear_user_properties(&mut self) {
                self.0.remove(PropertyId::UserProperty);
            }
        }

        impl<B: AsRef<[u8]>> PartialEq for $Set<B> {
            fn eq(&self, other: &Self) -> bool {
                self.0 == other.0
            }
        }

        impl<B: AsRef<[u8]>> Eq for $Set<B> {}

        impl<B: AsRef<[u8]>> core::fmt::Debug for $Set<B> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }

        #[cfg(test)]
        impl $Set {
            const PLACES: &'static [Place] = &[$(Place::$place),+];
            const IDS: &'static [PropertyId] = &[$(with_accessors!(identifier, $property)),*];
        }
    };
}

property_set! {
    /// The properties of a CONNECT (section 3.1.2.11).
    ConnectProperties, ConnectPropertiesRef, [Connect]:
    session_expiry_interval, receive_maximum, maximum_packet_size, topic_alias_maximum,
    request_response_information, request_problem_information, authentication_method, authentication_data
}

/// Authentication data needs a method (sections 3.1.2.11.10, 3.2.2.3.18).
macro_rules! check_authentication {
    ($Set:ident) => {
        impl<B: AsRef<[u8]>> $Set<B> {
            /// Authentication data needs a method.
            #[inline]
            pub(crate) fn check_authentication(&self) -> Result<(), EncodeError> {
                if self.0.has(PropertyId::AuthenticationData) && !self.0.has(PropertyId::AuthenticationMethod)
                {
                    return Err(EncodeError::AuthenticationMethodMissing);
                }
                Ok(())
            }
        }
    };
}
check_authentication!(ConnectProperties);
check_authentication!(ConnackProperties);

property_set! {
    /// The properties of a will (section 3.1.3.2).
    WillProperties, WillPropertiesRef, [Will]:
    will_delay_interval, payload_format_indicator, message_expiry_interval, content_type, response_topic,
    correlation_data
}

property_set! {
    /// The properties of a CONNACK (section 3.2.2.3).
    ConnackProperties, ConnackPropertiesRef, [Connack]:
    session_expiry_interval, receive_maximum, maximum_qos, retain_available, maximum_packet_size,
    assigned_client_identifier, topic_alias_maximum, reason_string, wildcard_subscription_available,
    subscription_identifiers_available, shared_subscription_available, server_keep_alive, response_information,
    server_reference, authentication_method, authentication_data
}

property_set! {
    /// The properties of a PUBLISH (section 3.3.2.3).
    PublishProperties, PublishPropertiesRef, [PublishByClient, PublishByServer]:
    payload_format_indicator, message_expiry_interval, topic_alias, response_topic, correlation_data, content_type
}

impl<B: AsRef<[u8]>> PublishProperties<B> {
    /// Subscription Identifiers (3.3.2.3.8) of the subscriptions that this message matched. Only servers send them
    /// (`[MQTT-3.3.4-6]`).
    pub fn subscription_identifiers(&self) -> impl Iterator<Item = SubscriptionId> {
        self.0.all(PropertyId::SubscriptionIdentifier)
    }

    /// Whether there is a topic alias, without reading it.
    #[inline]
    pub(crate) fn has_topic_alias(&self) -> bool {
        self.0.has(PropertyId::TopicAlias)
    }

    /// As [`encoded_len`](Self::encoded_len), a topic alias included.
    #[inline]
    pub(crate) fn encoded_len_with_alias(&self) -> usize {
        self.0.encoded_len_with(TOPIC_ALIAS_LEN)
    }

    /// As [`write`](Self::write), with a topic alias in front.
    #[inline]
    pub(crate) fn write_with_alias(&self, alias: NonZeroU16, out: &mut alloc::vec::Vec<u8>) {
        let [high, low] = alias.get().to_be_bytes();
        let property: [u8; TOPIC_ALIAS_LEN] = [PropertyId::TopicAlias.as_u8(), high, low];
        self.0.write_behind(&property, out);
    }
}

/// The identifier and two bytes.
const TOPIC_ALIAS_LEN: usize = 3;

impl<'a> PublishPropertiesRef<'a> {
    /// The properties' bytes, and which of them there are.
    #[inline]
    pub(crate) fn parts(&self) -> (&'a [u8], u64) {
        self.0.parts()
    }

    /// The way back from [`parts`](Self::parts).
    #[inline]
    pub(crate) fn from_parts(bytes: &'a [u8], present: u64) -> Self {
        Self(Block::from_parts(bytes, present))
    }
}

impl PublishProperties {
    /// Adds a subscription identifier behind all others.
    pub fn add_subscription_identifier(&mut self, id: SubscriptionId) {
        self.0.push(PropertyId::SubscriptionIdentifier, PropertyValue::VariableByteInteger(id.get()));
    }

    /// The same set with one more subscription identifier.
    #[must_use]
    pub fn with_subscription_identifier(mut self, id: SubscriptionId) -> Self {
        self.add_subscription_identifier(id);
        self
    }

    /// Removes all subscription identifiers.
    pub fn clear_subscription_identifiers(&mut self) {
        self.0.remove(PropertyId::SubscriptionIdentifier);
    }
}

property_set! {
    /// The properties of a PUBACK, PUBREC, PUBREL or PUBCOMP (sections 3.4.2.2 to 3.7.2.2).
    AckProperties, AckPropertiesRef, [Ack]: reason_string
}

property_set! {
    /// The properties of a SUBSCRIBE (section 3.8.2.1).
    SubscribeProperties, SubscribePropertiesRef, [Subscribe]: subscription_identifier
}

property_set! {
    /// The properties of a SUBACK (section 3.9.2.1).
    SubackProperties, SubackPropertiesRef, [Suback]: reason_string
}

property_set! {
    /// The properties of an UNSUBSCRIBE (section 3.10.2.1): user properties alone.
    UnsubscribeProperties, UnsubscribePropertiesRef, [Unsubscribe]:
}

property_set! {
    /// The properties of an UNSUBACK (section 3.11.2.1).
    UnsubackProperties, UnsubackPropertiesRef, [Unsuback]: reason_string
}

property_set! {
    /// The properties of a DISCONNECT (section 3.14.2.2). The session expiry interval is the client's to send, the
    /// server reference the server's.
    DisconnectProperties, DisconnectPropertiesRef, [DisconnectByClient, DisconnectByServer]:
    session_expiry_interval, reason_string, server_reference
}

property_set! {
    /// The properties of an AUTH (section 3.15.2.2).
    AuthProperties, AuthPropertiesRef, [Auth]: authentication_method, authentication_data, reason_string
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// The set has a getter for each property that the table allows there, and for no other.
    #[track_caller]
    fn check(places: &[Place], ids: &[PropertyId], beside: &[PropertyId]) {
        let mut listed = Vec::from(ids);
        listed.extend(beside);
        listed.push(PropertyId::UserProperty);
        listed.sort_unstable();
        let allowed = |id: &&PropertyId| places.iter().any(|place| id.allowed_in(*place));
        assert!(PropertyId::ALL.iter().filter(allowed).eq(&listed), "{places:?}");
    }

    #[test]
    fn each_set_has_what_the_table_allows() {
        check(ConnectProperties::PLACES, ConnectProperties::IDS, &[]);
        check(WillProperties::PLACES, WillProperties::IDS, &[]);
        check(ConnackProperties::PLACES, ConnackProperties::IDS, &[]);
        // The one property besides user properties that repeats has methods of its own.
        check(PublishProperties::PLACES, PublishProperties::IDS, &[PropertyId::SubscriptionIdentifier]);
        check(AckProperties::PLACES, AckProperties::IDS, &[]);
        check(SubscribeProperties::PLACES, SubscribeProperties::IDS, &[]);
        check(SubackProperties::PLACES, SubackProperties::IDS, &[]);
        check(UnsubscribeProperties::PLACES, UnsubscribeProperties::IDS, &[]);
        check(UnsubackProperties::PLACES, UnsubackProperties::IDS, &[]);
        check(DisconnectProperties::PLACES, DisconnectProperties::IDS, &[]);
        check(AuthProperties::PLACES, AuthProperties::IDS, &[]);
    }
}
