//! `[limits]`: how much of everything, and what happens then.

use serde::Deserialize;

use super::values::{Set, given, in_range, optional};
use crate::{InvalidOptions, OptionsBuilder, Overflow};

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Limits {
    max_queued_messages: Option<i64>,
    max_queued_bytes: Option<i64>,
    overflow: Option<OverflowName>,
    max_in_flight: Option<i64>,
    receive_maximum: Option<i64>,
    max_unreleased: Option<i64>,
    topic_alias_maximum: Option<i64>,
    max_outbound_aliases: Option<i64>,
    max_packet_size: Option<i64>,
    stream_capacity: Option<i64>,
    max_unread_bytes: Option<i64>,
}

/// [`Overflow`] as a file writes it.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OverflowName {
    Block,
    Refuse,
    DropNewest,
    DropOldest,
    KeepLatest,
}

impl From<OverflowName> for Overflow {
    fn from(name: OverflowName) -> Self {
        match name {
            OverflowName::Block => Overflow::Block,
            OverflowName::Refuse => Overflow::Refuse,
            OverflowName::DropNewest => Overflow::DropNewest,
            OverflowName::DropOldest => Overflow::DropOldest,
            OverflowName::KeepLatest => Overflow::KeepLatest,
        }
    }
}

impl Limits {
    pub(super) fn apply(&self, options: OptionsBuilder) -> Result<OptionsBuilder, InvalidOptions> {
        let (u16_max, u32_max) = (u16::MAX.into(), u32::MAX.into());
        let bounds = options.options.bounds;
        let messages = optional("limits.max_queued_messages", self.max_queued_messages, 1, i64::MAX)?;
        let bytes = optional("limits.max_queued_bytes", self.max_queued_bytes, 0, i64::MAX)?;
        let options = options.max_queued(messages.unwrap_or(bounds.messages), bytes.unwrap_or(bounds.bytes));
        let options = given(options, self.overflow.map(Overflow::from), OptionsBuilder::overflow);
        let mut options = given(
            options,
            self.max_packet_size
                .map(|size| in_range("limits.max_packet_size", size, 1, u32_max))
                .transpose()?,
            OptionsBuilder::max_packet_size,
        );
        let packets: [(_, _, _, Set<u16>); 5] = [
            ("limits.max_in_flight", self.max_in_flight, 1, OptionsBuilder::max_in_flight),
            ("limits.receive_maximum", self.receive_maximum, 1, OptionsBuilder::receive_maximum),
            ("limits.max_unreleased", self.max_unreleased, 1, OptionsBuilder::max_unreleased),
            ("limits.topic_alias_maximum", self.topic_alias_maximum, 0, OptionsBuilder::topic_alias_maximum),
            (
                "limits.max_outbound_aliases",
                self.max_outbound_aliases,
                0,
                OptionsBuilder::max_outbound_aliases,
            ),
        ];
        for (key, value, least, set) in packets {
            options = given(options, optional(key, value, least, u16_max)?, set);
        }
        let sizes: [(_, _, Set<usize>); 2] = [
            ("limits.stream_capacity", self.stream_capacity, OptionsBuilder::stream_capacity),
            ("limits.max_unread_bytes", self.max_unread_bytes, OptionsBuilder::max_unread_bytes),
        ];
        for (key, value, set) in sizes {
            options = given(options, optional(key, value, 1, i64::MAX)?, set);
        }
        Ok(options)
    }
}
