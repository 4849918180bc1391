//! What the broker says to one filter of a SUBSCRIBE or UNSUBSCRIBE.

use crate::codec::{ReasonCode, Suback, SubackProperties, TextRef, TopicFilter, Unsuback};
use crate::error::FilterRefused;

/// What became of each filter of a call, in the call's order: the broker's answer, or why it failed.
pub type FilterResults = Vec<(TopicFilter, Result<FilterAnswer, FilterRefused>)>;

/// The broker's answer to one filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterAnswer {
    /// The reason code: for a subscription the granted QoS, unless it was refused. In 3.1.1 the answer to an unsubscribe is
    /// always a success.
    pub reason: ReasonCode,
    /// What the broker has added (5.0): a reason string, user properties. In buffers of their own, which keep nothing else
    /// alive.
    pub properties: SubackProperties,
}

impl FilterAnswer {
    /// An answer without properties.
    pub(crate) fn new(reason: ReasonCode) -> Self {
        FilterAnswer { reason, properties: SubackProperties::new() }
    }

    /// The answer to a SUBSCRIBE of one filter.
    pub(crate) fn to_subscribe(suback: &Suback) -> Self {
        let (reasons, properties) = (&suback.reasons, &suback.properties);
        Self::of(reasons, properties.reason_string(), properties.user_properties())
    }

    /// The answer to an UNSUBSCRIBE of one filter.
    pub(crate) fn to_unsubscribe(unsuback: &Unsuback) -> Self {
        let (reasons, properties) = (&unsuback.reasons, &unsuback.properties);
        Self::of(reasons, properties.reason_string(), properties.user_properties())
    }

    /// Copied, because an application may keep it for as long as its subscription: the packet's would keep the buffer that
    /// it was read into.
    fn of<'a>(
        reasons: &[ReasonCode],
        reason_string: Option<TextRef<'a>>,
        user_properties: impl Iterator<Item = (TextRef<'a>, TextRef<'a>)>,
    ) -> Self {
        // 3.1.1's UNSUBACK holds no code: that is success.
        let mut answer = Self::new(reasons.first().copied().unwrap_or(ReasonCode::Success));
        if let Some(text) = reason_string {
            answer.properties.set_reason_string(&text.to_text());
        }
        for (name, value) in user_properties {
            answer.properties.add_user_property(&name.to_text(), &value.to_text());
        }
        answer
    }
}
