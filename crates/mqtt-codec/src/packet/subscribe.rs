//! SUBSCRIBE: a client asks for messages (section 3.8 of both versions).
//!
//! ```text
//! +------+---------------------------+-----------------------------+------------------+
//! | 0x82 | remaining length (varint) | packet identifier (2 bytes) | properties  5.0  |
//! +------+---------------------------+-----------------------------+------------------+
//! | topic filter: text                     | options (1 byte)                         |   once or more
//! +----------------------------------------+------------------------------------------+
//!
//! options | 7  6     | 5  4             | 3                    | 2         | 1  0         |
//!         | reserved | retain handling  | retain as published  | no local  | maximum QoS  |
//! ```
//!
//! In 3.1.1 the upper six bits of the options are reserved.

use alloc::vec::Vec;
use bytes::Bytes;

use crate::{
    DecodeErrorKind, EncodeError, PacketId, QoS, SubscribeProperties, SubscribePropertiesRef, TextRef,
    TopicFilter, Version,
    encode::{Body, expressible, impl_encode, prefixed, prefixed_len},
    packet::PacketKind,
    parse::{
        Context, Fault, Input, Parsed, cut, ensure, located_byte, packet_id, qos, text_unchecked,
        topic_filter,
    },
    property::Place,
    topic,
};

/// A client's request for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// The answer's, too.
    pub packet_id: PacketId,
    /// Empty in 3.1.1.
    pub properties: SubscribeProperties,
    /// What it asks for; one at least.
    pub filters: Vec<SubscribeFilter>,
}

/// One filter of a SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeFilter {
    /// Which topics.
    pub filter: TopicFilter,
    /// How.
    pub options: SubscriptionOptions,
}

/// How a subscription wants its messages. 3.1.1 knows the QoS alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SubscriptionOptions {
    /// The highest QoS to deliver with.
    pub qos: QoS,
    /// Leave out what this very client publishes; not on a shared subscription.
    pub no_local: bool,
    /// Keep the RETAIN flag as it was published, rather than for kept messages alone.
    pub retain_as_published: bool,
    /// When to deliver the messages that the server has kept.
    pub retain_handling: RetainHandling,
}

/// When a subscription brings the messages that the server has kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RetainHandling {
    /// At each SUBSCRIBE; what 3.1.1 does.
    #[default]
    SendAtSubscribe = 0,
    /// When the subscription did not exist before.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

mod bits {
    pub(super) const NO_LOCAL: u8 = 1 << 2;
    pub(super) const RETAIN_AS_PUBLISHED: u8 = 1 << 3;
    pub(super) const RETAIN_HANDLING_SHIFT: u8 = 4;
    pub(super) const RESERVED: u8 = 0b1100_0000;
    pub(super) const RESERVED_V311: u8 = 0b1111_1100;
}

impl Subscribe {
    /// A request without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, filters: Vec<SubscribeFilter>) -> Self {
        Self { packet_id, properties: SubscribeProperties::default(), filters }
    }
}

impl SubscribeFilter {
    /// A filter with all options but the QoS at their defaults.
    #[must_use]
    pub fn new(filter: TopicFilter, qos: QoS) -> Self {
        Self { filter, options: SubscriptionOptions { qos, ..SubscriptionOptions::default() } }
    }

    #[inline]
    fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        if version == Version::V311 {
            let qos_alone = SubscriptionOptions { qos: self.options.qos, ..SubscriptionOptions::default() };
            expressible(self.options == qos_alone, "subscription options besides QoS", version)?;
        }
        // [5.0 MQTT-3.8.3-4]
        if self.options.no_local && self.filter.is_shared() {
            return Err(EncodeError::NoLocalOnSharedSubscription);
        }
        Ok(prefixed_len(self.filter.as_bytes()) + 1)
    }
}

impl SubscriptionOptions {
    #[inline]
    fn to_byte(self) -> u8 {
        self.qos.as_u8()
            | if self.no_local { bits::NO_LOCAL } else { 0 }
            | if self.retain_as_published { bits::RETAIN_AS_PUBLISHED } else { 0 }
            | (self.retain_handling as u8) << bits::RETAIN_HANDLING_SHIFT
    }

    #[inline(always)]
    fn parse(version: Version, input: Input<'_>) -> Parsed<'_, Self> {
        let (rest, (at, byte)) = located_byte(input)?;
        let reserved = match version {
            Version::V5 => bits::RESERVED,
            Version::V311 => bits::RESERVED_V311,
        };
        ensure(byte & reserved == 0, at, DecodeErrorKind::SubscriptionOptions)?;
        let retain_handling = match byte >> bits::RETAIN_HANDLING_SHIFT {
            0 => RetainHandling::SendAtSubscribe,
            1 => RetainHandling::SendIfNew,
            2 => RetainHandling::DoNotSend,
            _ => return Fault::fail(at, DecodeErrorKind::RetainHandling),
        };
        let options = Self {
            qos: qos(byte, at)?,
            no_local: byte & bits::NO_LOCAL != 0,
            retain_as_published: byte & bits::RETAIN_AS_PUBLISHED != 0,
            retain_handling,
        };
        Ok((rest, options))
    }
}

impl_encode!(Subscribe);

impl Body for Subscribe {
    #[inline]
    fn first_byte(&self) -> u8 {
        PacketKind::Subscribe.first_byte()
    }

    #[inline]
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        if self.filters.is_empty() {
            return Err(EncodeError::NoFilters);
        }
        let properties = self.properties.len_in(version, "properties")?;
        self.filters.iter().try_fold(2 + properties, |sum, filter| Ok(sum + filter.encoded_len(version)?))
    }

    #[inline(always)]
    fn start(&self) -> impl AsRef<[u8]> {
        self.packet_id.get().to_be_bytes()
    }

    #[inline]
    fn write_rest(&self, version: Version, out: &mut Vec<u8>) {
        self.properties.write(version, out);
        for SubscribeFilter { filter, options } in &self.filters {
            prefixed(filter.as_bytes(), out);
            out.push(match version {
                Version::V5 => options.to_byte(),
                Version::V311 => options.qos.as_u8(),
            });
        }
    }
}

/// [`Subscribe`] in the buffer that it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscribeRef<'a> {
    /// See [`Subscribe::packet_id`].
    pub packet_id: PacketId,
    /// See [`Subscribe::properties`].
    pub properties: SubscribePropertiesRef<'a>,
    /// Filters and options, validated.
    payload: &'a [u8],
}

impl<'a> SubscribeRef<'a> {
    /// Parses all that follows the fixed header.
    pub(crate) fn parse(context: Context, input: Input<'a>) -> Parsed<'a, Self> {
        let (rest, packet_id) = packet_id(input)?;
        let (payload, properties) = SubscribePropertiesRef::parse(context.version, Place::Subscribe, rest)?;
        ensure(!payload.is_empty(), payload, DecodeErrorKind::NoFilters)?;
        let mut rest = payload;
        while !rest.is_empty() {
            (rest, _) = parse_filter(context.version, rest)?;
        }
        Ok((rest, Self { packet_id, properties, payload }))
    }

    /// Filters and options, read in place; the filters are valid ones.
    pub fn filters(&self) -> impl Iterator<Item = (TextRef<'a>, SubscriptionOptions)> + use<'a> {
        let mut rest = self.payload;
        core::iter::from_fn(move || {
            let (after, filter) = text_unchecked(rest).ok()?;
            // 3.1.1's options are those of 5.0 with nothing set but the QoS.
            let (after, options) = SubscriptionOptions::parse(Version::V5, after).ok()?;
            rest = after;
            Some((filter, options))
        })
    }

    /// The owned packet, sharing the buffer `frame` that this view points into.
    pub(crate) fn to_owned_in(self, frame: &Bytes) -> Subscribe {
        let filters = self.filters().map(|(filter, options)| SubscribeFilter {
            filter: TopicFilter::from_parsed(cut(frame, filter.as_bytes())),
            options,
        });
        Subscribe {
            packet_id: self.packet_id,
            properties: self.properties.to_owned_in(frame),
            filters: filters.collect(),
        }
    }
}

/// One filter with its options.
#[inline(always)]
fn parse_filter(version: Version, input: Input<'_>) -> Parsed<'_, (TextRef<'_>, SubscriptionOptions)> {
    let (at_options, filter) = topic_filter(input)?;
    let (rest, options) = SubscriptionOptions::parse(version, at_options)?;
    ensure(
        !options.no_local || !topic::is_shared(filter.as_bytes()),
        at_options,
        DecodeErrorKind::NoLocalOnSharedSubscription,
    )?;
    Ok((rest, (filter, options)))
}
