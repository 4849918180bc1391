//! UNSUBSCRIBE: a client asks for no more messages (section 3.10 of both versions).
//!
//! ```text
//! +------+---------------------------+-----------------------------+-----------------+--------------------+
//! | 0xA2 | remaining length (varint) | packet identifier (2 bytes) | properties 5.0  | topic filter: text |
//! |      |                           |                             |                 | once or more       |
//! +------+---------------------------+-----------------------------+-----------------+--------------------+
//! ```

use alloc::vec::Vec;
use bytes::Bytes;

use crate::{
    DecodeErrorKind, EncodeError, PacketId, TextRef, TopicFilter, UnsubscribeProperties,
    UnsubscribePropertiesRef, Version,
    encode::{Body, impl_encode, prefixed, prefixed_len},
    packet::PacketKind,
    parse::{Context, Input, Parsed, cut, ensure, packet_id, text_unchecked, topic_filter},
    property::Place,
};

/// A client's request to end subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// The answer's, too.
    pub packet_id: PacketId,
    /// Empty in 3.1.1.
    pub properties: UnsubscribeProperties,
    /// Which subscriptions, compared character by character; one at least.
    pub filters: Vec<TopicFilter>,
}

impl Unsubscribe {
    /// A request without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, filters: Vec<TopicFilter>) -> Self {
        Self { packet_id, properties: UnsubscribeProperties::default(), filters }
    }
}

impl_encode!(Unsubscribe);

impl Body for Unsubscribe {
    #[inline]
    fn first_byte(&self) -> u8 {
        PacketKind::Unsubscribe.first_byte()
    }

    #[inline]
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        if self.filters.is_empty() {
            return Err(EncodeError::NoFilters);
        }
        let properties = self.properties.len_in(version, "properties")?;
        let filters: usize = self.filters.iter().map(|filter| prefixed_len(filter.as_bytes())).sum();
        Ok(2 + properties + filters)
    }

    #[inline(always)]
    fn start(&self) -> impl AsRef<[u8]> {
        self.packet_id.get().to_be_bytes()
    }

    #[inline]
    fn write_rest(&self, version: Version, out: &mut Vec<u8>) {
        self.properties.write(version, out);
        for filter in &self.filters {
            prefixed(filter.as_bytes(), out);
        }
    }
}

/// [`Unsubscribe`] in the buffer that it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnsubscribeRef<'a> {
    /// See [`Unsubscribe::packet_id`].
    pub packet_id: PacketId,
    /// See [`Unsubscribe::properties`].
    pub properties: UnsubscribePropertiesRef<'a>,
    /// Filters, validated.
    payload: &'a [u8],
}

impl<'a> UnsubscribeRef<'a> {
    /// Parses all that follows the fixed header.
    pub(crate) fn parse(context: Context, input: Input<'a>) -> Parsed<'a, Self> {
        let (rest, packet_id) = packet_id(input)?;
        let (payload, properties) =
            UnsubscribePropertiesRef::parse(context.version, Place::Unsubscribe, rest)?;
        ensure(!payload.is_empty(), payload, DecodeErrorKind::NoFilters)?;
        let mut rest = payload;
        while !rest.is_empty() {
            (rest, _) = topic_filter(rest)?;
        }
        Ok((rest, Self { packet_id, properties, payload }))
    }

    /// The filters, read in place; they are valid ones.
    pub fn filters(&self) -> impl Iterator<Item = TextRef<'a>> + use<'a> {
        let mut rest = self.payload;
        core::iter::from_fn(move || {
            let (after, filter) = text_unchecked(rest).ok()?;
            rest = after;
            Some(filter)
        })
    }

    /// The owned packet, sharing the buffer `frame` that this view points into.
    pub(crate) fn to_owned_in(self, frame: &Bytes) -> Unsubscribe {
        let filters = self.filters().map(|filter| TopicFilter::from_parsed(cut(frame, filter.as_bytes())));
        Unsubscribe {
            packet_id: self.packet_id,
            properties: self.properties.to_owned_in(frame),
            filters: filters.collect(),
        }
    }
}
