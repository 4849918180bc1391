//! [`Requests`]: SUBSCRIBE and UNSUBSCRIBE that wait for their answer.

use alloc::collections::BTreeMap;

use mqtt_codec::{PacketId, PacketKind, Suback, Unsuback, Version};

use crate::news::News;
use crate::{Aborted, Event, ProtocolError, Tag, Violation};

/// The requests of one connection. Their packet identifiers come from the allocator that publishes use too, and are
/// free again when the connection ends: a request is never resent.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    pending: BTreeMap<PacketId, Request>,
}

#[derive(Debug)]
struct Request {
    tag: Tag,
    kind: RequestKind,
    filters: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestKind {
    Subscribe,
    Unsubscribe,
}

impl Requests {
    #[inline]
    pub(crate) fn holds(&self, packet_id: PacketId) -> bool {
        !self.pending.is_empty() && self.pending.contains_key(&packet_id)
    }

    pub(crate) fn insert(&mut self, packet_id: PacketId, tag: Tag, kind: RequestKind, filters: usize) {
        self.pending.insert(packet_id, Request { tag, kind, filters });
    }

    pub(crate) fn suback(&mut self, suback: Suback, news: &mut News) -> Result<(), ProtocolError> {
        let reasons = suback.reasons.len();
        let tag = self
            .answer(suback.packet_id, RequestKind::Subscribe, reasons)
            .map_err(|violation| ProtocolError::new(violation, PacketKind::Suback))?;
        news.tell(Event::Subscribed { tag, result: Ok(suback) });
        Ok(())
    }

    pub(crate) fn unsuback(
        &mut self,
        unsuback: Unsuback,
        version: Version,
        news: &mut News,
    ) -> Result<(), ProtocolError> {
        let reasons = match version {
            Version::V5 => unsuback.reasons.len(),
            // The UNSUBACK of 3.1.1 carries none.
            Version::V311 => self.pending.get(&unsuback.packet_id).map_or(0, |request| request.filters),
        };
        let tag = self
            .answer(unsuback.packet_id, RequestKind::Unsubscribe, reasons)
            .map_err(|violation| ProtocolError::new(violation, PacketKind::Unsuback))?;
        news.tell(Event::Unsubscribed { tag, result: Ok(unsuback) });
        Ok(())
    }

    /// The connection is gone, and with it the answers.
    pub(crate) fn abort(self, news: &mut News) {
        for Request { tag, kind, .. } in self.pending.into_values() {
            news.tell(match kind {
                RequestKind::Subscribe => Event::Subscribed { tag, result: Err(Aborted) },
                RequestKind::Unsubscribe => Event::Unsubscribed { tag, result: Err(Aborted) },
            });
        }
    }

    /// Ends the request that an answer belongs to.
    fn answer(&mut self, packet_id: PacketId, kind: RequestKind, reasons: usize) -> Result<Tag, Violation> {
        let request = self.pending.get(&packet_id).ok_or(Violation::UnknownRequest)?;
        if request.kind != kind {
            return Err(Violation::UnknownRequest);
        }
        if request.filters != reasons {
            return Err(Violation::ReasonCount { expected: request.filters, actual: reasons });
        }
        let tag = request.tag;
        self.pending.remove(&packet_id);
        Ok(tag)
    }
}
