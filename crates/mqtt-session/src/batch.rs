//! [`Batch`]: publishes of QoS 0 that are encoded before the connection has room for them.

use alloc::vec::Vec;
use core::{fmt, iter, mem};

use bytes::BytesMut;
use mqtt_codec::{Decoder, EncodeError, Packet, Publish, Side, Version};

use crate::outbound::Epoch;

/// Publishes of QoS 0 that are encoded for one connection before it has room for them. So they wait in few bytes, and pass
/// on to the output as they are.
///
/// [`Session::encode`](crate::Session::encode) appends to it, and [`Session::send_batch`](crate::Session::send_batch) sends
/// all of it. If the connection has ended before, [`take`](Self::take) gives the messages back.
#[derive(Default)]
pub struct Batch {
    bytes: Vec<u8>,
    /// What it is encoded for; as good as none while it is empty.
    target: Option<(Epoch, Version)>,
}

impl Batch {
    /// The number of bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing to send.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes the messages out, in their order.
    pub fn take(&mut self) -> impl Iterator<Item = Publish> + use<> {
        let version = self.target.map_or(Version::V311, |(_, version)| version);
        decode(version, &mem::take(&mut self.bytes))
    }

    /// Whether another publish may join those that are there: all are for the same connection.
    #[inline]
    pub(crate) fn is_for(&self, epoch: Epoch) -> bool {
        self.is_empty() || self.target.is_some_and(|(target, _)| target == epoch)
    }

    /// Appends what `encode` makes of a publish, or nothing.
    #[inline]
    pub(crate) fn append(
        &mut self,
        epoch: Epoch,
        version: Version,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<usize, EncodeError>,
    ) -> Result<(), EncodeError> {
        self.target = Some((epoch, version));
        encode(&mut self.bytes).map(drop)
    }

    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

/// The publishes of a batch.
pub(crate) fn decode(version: Version, bytes: &[u8]) -> impl Iterator<Item = Publish> + use<> {
    let decoder = Decoder::new(version, Side::Client);
    let mut bytes = BytesMut::from(bytes);
    iter::from_fn(move || match decoder.decode_from(&mut bytes) {
        Ok(Some(Packet::Publish(publish))) => Some(publish),
        // Nothing else was encoded.
        _ => None,
    })
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").field("len", &self.len()).finish_non_exhaustive()
    }
}
