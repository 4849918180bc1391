//! [`PacketTrace`]: one record per packet, for logs and observers.

use alloc::vec::Vec;

use mqtt_codec::{PacketId, PacketKind, TopicName};

use crate::Timestamp;

/// Which way a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the peer to us.
    Inbound,
    /// From us to the peer.
    Outbound,
}

/// What there is to say about one packet without its payload. Collected only with
/// [`Config::trace`](crate::Config::trace), in the order in which packets were parsed and encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketTrace {
    /// Which way it went.
    pub direction: Direction,
    /// When it was parsed or encoded.
    pub at: Timestamp,
    /// The packet type.
    pub kind: PacketKind,
    /// The whole packet's length in bytes.
    pub len: usize,
    /// The low four bits of the first byte (of a PUBLISH: DUP, QoS, RETAIN).
    pub flags: u8,
    /// The packet identifier, where there is one.
    pub packet_id: Option<PacketId>,
    /// The topic of a PUBLISH.
    pub topic: Option<TopicName>,
}

/// Collects records, or nothing.
#[derive(Debug)]
pub(crate) struct Trace {
    records: Option<Vec<PacketTrace>>,
}

impl Trace {
    pub(crate) fn new(enabled: bool) -> Self {
        Self { records: enabled.then(Vec::new) }
    }

    /// Enabling again what is enabled loses no record.
    pub(crate) fn enable(&mut self, enabled: bool) {
        match enabled {
            true => _ = self.records.get_or_insert_default(),
            false => self.records = None,
        }
    }

    /// `record` runs only when somebody wants it.
    #[inline]
    pub(crate) fn push(&mut self, record: impl FnOnce() -> PacketTrace) {
        if let Some(records) = &mut self.records {
            records.push(record());
        }
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = PacketTrace> + '_ {
        self.records.iter_mut().flat_map(|records| records.drain(..))
    }
}
