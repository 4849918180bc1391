//! [`Wire`]: the outgoing half of one connection: packets that overtake publishes, and the count of bytes.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use mqtt_codec::{
    Ack, AckKind, AckProperties, EncodeError, Packet, PacketId, PacketKind, PlainPublish, Publish,
    ReasonCode, Version,
};

use crate::batch;
use crate::news::News;
use crate::outbound_aliases::{Naming, OutboundAliases};
use crate::output::{KEPT_CAPACITY, LARGE_PAYLOAD};
use crate::store::Batch;
use crate::trace::PayloadStart;
use crate::{Direction, Limits, Output, PacketTrace, Timestamp};

/// Publishes are encoded only while less than this waits for the transport, so that they stay under the session's
/// control, and packets that overtake them don't wait long.
pub(crate) const HIGH_WATER: usize = 64 * 1024;

/// More answers than this waiting mean that the peer sends without reading.
const HARD_CAP: usize = 1024 * 1024;

/// What goes out on one connection.
pub(crate) struct Wire {
    version: Version,
    /// Encoded packets that no window holds back: CONNECT, acknowledgements, PINGREQ, DISCONNECT, and publishes that
    /// were sent as they came. They go out before any further publish.
    staged: Vec<u8>,
    /// Encoded publishes of QoS 1 and 2 whose turn it was when they were submitted. They go out before any that waits
    /// elsewhere.
    publishes: Vec<u8>,
    appended: u64,
    written: u64,
    /// When the transport last took something, or output began to wait.
    progress_at: Timestamp,
    sealed: bool,
    /// Nothing more is handed out, whatever was encoded.
    cut: bool,
    /// Acknowledgements that rely on what the store has yet to keep, in order.
    unstored: VecDeque<(Batch, Ack)>,
    /// By which aliases the server knows topics.
    aliases: OutboundAliases,
    /// The largest packet that the server takes.
    max_packet_size: u32,
}

impl Wire {
    pub(crate) fn new(version: Version, now: Timestamp) -> Self {
        Self {
            version,
            staged: Vec::new(),
            publishes: Vec::new(),
            appended: 0,
            written: 0,
            progress_at: now,
            sealed: false,
            cut: false,
            unstored: VecDeque::new(),
            aliases: OutboundAliases::new(0),
            max_packet_size: 0,
        }
    }

    /// From now on publishes may go out with topic aliases, as many as the server takes and `maximum` allows.
    pub(crate) fn allow_aliases(&mut self, maximum: u16, limits: &Limits) {
        self.aliases = OutboundAliases::new(maximum.min(limits.topic_alias_maximum));
        self.max_packet_size = limits.maximum_packet_size;
    }

    /// Whether publishes may go out with topic aliases, so that they have to be encoded in the order of sending.
    #[inline]
    pub(crate) fn uses_aliases(&self) -> bool {
        self.aliases.are_allowed()
    }

    /// How many bytes the transport has taken.
    #[inline]
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// How many bytes were handed out up to now.
    #[inline]
    pub(crate) fn appended(&self) -> u64 {
        self.appended
    }

    /// How many bytes wait for the transport.
    #[inline]
    pub(crate) fn waiting(&self) -> usize {
        let handed_out = usize::try_from(self.appended - self.written).unwrap_or(usize::MAX);
        handed_out.saturating_add(self.staged.len() + self.publishes.len())
    }

    /// The count of bytes of this connection at the end of what is staged.
    #[inline]
    pub(crate) fn staged_end(&self) -> u64 {
        self.appended + self.staged.len() as u64
    }

    /// Whether more answers wait than a peer that reads could leave waiting.
    #[inline]
    pub(crate) fn is_clogged(&self) -> bool {
        self.staged.len() + self.unstored.len() * Ack::SHORTEST_LEN > HARD_CAP
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Drops what is staged, and lets nothing follow what was handed out.
    pub(crate) fn cut(&mut self) {
        self.staged = Vec::new();
        self.publishes = Vec::new();
        (self.sealed, self.cut) = (true, true);
    }

    /// Lets nothing follow what is staged now, publishes that have not gone before it included.
    pub(crate) fn seal(&mut self) {
        self.sealed = true;
        if !self.publishes.is_empty() {
            self.publishes = Vec::new();
            self.cut = true;
        }
    }

    /// Stages an acknowledgement.
    #[inline]
    pub(crate) fn stage_ack(
        &mut self,
        kind: AckKind,
        packet_id: PacketId,
        reason: ReasonCode,
        news: &mut News,
    ) {
        let version = self.version;
        let reason = expressible(version, reason);
        if reason == ReasonCode::Success {
            return self.stage_success(kind, packet_id, news);
        }
        let ack = Ack::new(kind, packet_id).with_reason(reason);
        self.stage_with(kind.into(), Some(packet_id), news, |staged| ack.encode(version, staged));
    }

    /// Stages an acknowledgement that says more than its reason, as far as the version has words for it and the server takes
    /// packets of that size [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3].
    #[cold]
    pub(crate) fn stage_explained_ack(
        &mut self,
        kind: AckKind,
        packet_id: PacketId,
        reason: ReasonCode,
        properties: AckProperties,
        news: &mut News,
    ) {
        let version = self.version;
        let mut ack = Ack { properties, ..Ack::new(kind, packet_id).with_reason(reason) };
        if !ack.fit_within(self.max_packet_size, version).unwrap_or(false) {
            ack.properties = AckProperties::new();
        }
        self.stage_with(kind.into(), Some(packet_id), news, |staged| ack.encode(version, staged));
    }

    #[inline]
    fn stage_success(&mut self, kind: AckKind, packet_id: PacketId, news: &mut News) {
        if self.sealed {
            return;
        }
        let ack = Ack::shortest(kind, packet_id);
        self.staged.extend_from_slice(&ack);
        record(news, kind.into(), Some(packet_id), &ack, 0, None);
    }

    /// Stages an acknowledgement as soon as the store has `batch`, and not before any other that waits so.
    #[inline]
    pub(crate) fn stage_ack_when_stored(
        &mut self,
        batch: Batch,
        kind: AckKind,
        packet_id: PacketId,
        reason: ReasonCode,
        news: &mut News,
    ) {
        if self.unstored.is_empty() && news.journal.is_stored(batch) {
            self.stage_ack(kind, packet_id, reason, news);
        } else {
            self.unstored.push_back((batch, Ack::new(kind, packet_id).with_reason(reason)));
        }
    }

    /// Stages what has waited for the store.
    pub(crate) fn stage_stored(&mut self, news: &mut News) {
        while let Some((_, ack)) = self.unstored.pop_front_if(|(batch, _)| news.journal.is_stored(*batch)) {
            self.stage_ack(ack.kind, ack.packet_id, ack.reason, news);
        }
    }

    /// Stages a packet that has been checked to be encodable.
    pub(crate) fn stage(&mut self, packet: &Packet, news: &mut News) {
        let version = self.version;
        self.stage_with(packet.kind(), packet.packet_id(), news, |staged| packet.encode(version, staged));
    }

    #[inline]
    fn stage_with(
        &mut self,
        kind: PacketKind,
        packet_id: Option<PacketId>,
        news: &mut News,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<usize, EncodeError>,
    ) {
        if self.sealed {
            return;
        }
        let start = self.staged.len();
        let encoded = encode(&mut self.staged);
        debug_assert!(encoded.is_ok(), "{kind} was not checked before it was staged: {encoded:?}");
        record(news, kind, packet_id, &self.staged[start..], 0, None);
    }

    /// Moves what is encoded to the output, unless that is full.
    #[inline]
    pub(crate) fn flush(&mut self, out: &mut Output, now: Timestamp) {
        let bytes = self.staged.len() + self.publishes.len();
        if bytes > 0 && out.len() < HIGH_WATER {
            for encoded in [&mut self.staged, &mut self.publishes] {
                if out.is_empty() && !encoded.is_empty() {
                    core::mem::swap(out.shared(), encoded);
                } else {
                    out.shared().extend_from_slice(encoded);
                    encoded.clear();
                }
                encoded.shrink_to(KEPT_CAPACITY);
            }
            if self.appended == 0 {
                out.keep_private(); // It begins with CONNECT.
            }
            self.count(bytes, now);
        }
    }

    /// Appends a publish to an output that is not full, behind all that is staged; its payload stays uncopied when
    /// it is large.
    #[inline]
    pub(crate) fn append_publish(
        &mut self,
        publish: &Publish,
        out: &mut Output,
        news: &mut News,
    ) -> Result<(), EncodeError> {
        self.flush(out, news.now());
        let start = out.shared().len();
        let is_large = publish.payload.len() >= LARGE_PAYLOAD;
        let naming = self.name(publish);
        encode(publish, naming, is_large, self.version, out.shared())?;
        let payload = if is_large { publish.payload.len() } else { 0 };
        let encoded = &out.shared()[start..];
        record(news, PacketKind::Publish, publish.packet_id, encoded, payload, Some(publish));
        let bytes = encoded.len() + payload;
        if payload > 0 {
            out.push_large(publish.payload.clone());
        }
        self.count(bytes, news.now());
        Ok(())
    }

    /// Stages a publish of QoS 0 whole, behind all that is staged.
    #[inline]
    pub(crate) fn stage_publish(&mut self, publish: &Publish, news: &mut News) -> Result<(), EncodeError> {
        self.encode_in(|wire| &mut wire.staged, publish, news)
    }

    /// Stages publishes of QoS 0 that are encoded, behind all that is staged, and leaves nothing of them.
    pub(crate) fn stage_batch(&mut self, encoded: &mut Vec<u8>, news: &mut News) {
        if news.trace.is_enabled() {
            let mut packet = Vec::new();
            for publish in batch::decode(self.version, encoded) {
                packet.clear();
                let again = encode_usual(&publish, self.version, &mut packet);
                debug_assert!(again.is_ok(), "it has been encoded before: {again:?}");
                record(news, PacketKind::Publish, None, &packet, 0, Some(&publish));
            }
        }
        if self.staged.is_empty() {
            core::mem::swap(&mut self.staged, encoded);
        } else {
            self.staged.append(encoded);
        }
    }

    /// Encodes a publish of QoS 1 or 2 whole, behind all others that are.
    #[inline]
    pub(crate) fn encode_ahead(&mut self, publish: &Publish, news: &mut News) -> Result<(), EncodeError> {
        self.encode_in(|wire| &mut wire.publishes, publish, news)
    }

    #[inline(always)]
    fn encode_in(
        &mut self,
        buffer: impl Fn(&mut Self) -> &mut Vec<u8>,
        publish: &Publish,
        news: &mut News,
    ) -> Result<(), EncodeError> {
        let (version, naming) = (self.version, self.name(publish));
        let out = buffer(self);
        let start = out.len();
        encode(publish, naming, false, version, out)?;
        record(news, PacketKind::Publish, publish.packet_id, &out[start..], 0, Some(publish));
        Ok(())
    }

    /// How the next publish says its topic.
    #[inline]
    fn name(&mut self, publish: &Publish) -> Naming {
        let (version, limit) = (self.version, self.max_packet_size);
        self.aliases.choose(publish.topic.as_bytes(), |alias| {
            publish.setting_alias(alias).encoded_len(version).is_ok_and(|len| len <= limit as usize)
        })
    }

    /// Whether no publish waits that was encoded ahead.
    #[inline]
    pub(crate) fn has_none_ahead(&self) -> bool {
        self.publishes.is_empty()
    }

    /// Whether all that was encoded has been handed out.
    #[inline]
    pub(crate) fn is_flushed(&self) -> bool {
        self.publishes.is_empty() && !self.cut
    }

    /// The transport took `bytes` bytes.
    pub(crate) fn wrote(&mut self, bytes: usize, now: Timestamp) {
        self.written = (self.written + bytes as u64).min(self.appended);
        self.progress_at = now;
    }

    /// When the connection is to be given up, should the transport take nothing until then.
    pub(crate) fn deadline(&self, timeout: Duration) -> Option<Timestamp> {
        (self.written < self.appended).then(|| self.progress_at + timeout)
    }

    fn count(&mut self, bytes: usize, now: Timestamp) {
        if self.written == self.appended {
            self.progress_at = now;
        }
        self.appended += bytes as u64;
    }
}

/// Packets appear as their length: a CONNECT or AUTH may hold a secret.
impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("staged", &self.staged.len())
            .field("appended", &self.appended)
            .field("written", &self.written)
            .field("sealed", &self.sealed)
            .finish_non_exhaustive()
    }
}

/// What becomes of an acknowledgement's reason in this version: 3.1.1 knows only success.
#[inline]
pub(crate) fn expressible(version: Version, reason: ReasonCode) -> ReasonCode {
    if version == Version::V5 { reason } else { ReasonCode::Success }
}

#[inline]
fn encode(
    publish: &Publish,
    naming: Naming,
    is_large: bool,
    version: Version,
    out: &mut Vec<u8>,
) -> Result<usize, EncodeError> {
    if naming == Naming::Name && !is_large {
        encode_usual(publish, version, out)
    } else {
        encode_unusual(publish, naming, is_large, version, out)
    }
}

/// Encodes a publish as it is. This and the next two are calls of their own, so that the compiler unfolds all of the usual
/// encoding in one place, and none of it in several.
#[inline(never)]
pub(crate) fn encode_usual(
    publish: &Publish,
    version: Version,
    out: &mut Vec<u8>,
) -> Result<usize, EncodeError> {
    publish.encode(version, out)
}

/// Encodes one that is plain.
#[inline(never)]
pub(crate) fn encode_plain(
    publish: &PlainPublish<'_>,
    version: Version,
    out: &mut Vec<u8>,
) -> Result<usize, EncodeError> {
    publish.encode(version, out)
}

/// Encodes a publish with an alias, or without its large payload.
#[inline(never)]
fn encode_unusual(
    publish: &Publish,
    naming: Naming,
    is_large: bool,
    version: Version,
    out: &mut Vec<u8>,
) -> Result<usize, EncodeError> {
    let aliased = match naming {
        Naming::Name => None,
        Naming::Set(alias) => Some(publish.setting_alias(alias)),
        Naming::Alias(alias) => Some(publish.by_alias(alias)),
    };
    match (aliased, is_large) {
        (None, false) => publish.encode(version, out),
        (None, true) => publish.encode_head(version, out),
        (Some(aliased), false) => aliased.encode(version, out),
        (Some(aliased), true) => aliased.encode_head(version, out),
    }
}

#[inline(always)]
fn record(
    news: &mut News,
    kind: PacketKind,
    packet_id: Option<PacketId>,
    encoded: &[u8],
    payload: usize,
    publish: Option<&Publish>,
) {
    let at = news.now();
    news.trace.push(|limit| PacketTrace {
        direction: Direction::Outbound,
        at,
        kind,
        len: encoded.len() + payload,
        flags: encoded.first().map_or(0, |first| first & 0x0f),
        packet_id,
        topic: publish.map(|publish| publish.topic.clone()),
        payload: publish.and_then(|publish| PayloadStart::of(&publish.payload, limit)),
    });
}
