//! [`Batch`]: publishes of QoS 0 that are encoded before the connection has room for them.

use alloc::vec::Vec;
use core::{fmt, iter, mem};

use bytes::BytesMut;
use mqtt_codec::{Decoder, EncodeError, Packet, PlainPublish, Publish, Side, Version};

use crate::limits::PlainLimits;
use crate::outbound::Epoch;
use crate::wire;

/// So much memory is taken hold of at once, in bytes.
const CLAIM: usize = 2048;

/// Publishes of QoS 0 that are encoded for one connection before it has room for them. So they wait in few bytes, and pass
/// on to the output as they are.
///
/// [`Session::encode`](crate::Session::encode) appends to it, and [`Session::send_batch`](crate::Session::send_batch) sends
/// all of it. If the connection has ended before, [`take`](Self::take) gives the messages back.
#[derive(Default)]
pub struct Batch {
    bytes: Vec<u8>,
    /// So far this processor has the memory to itself.
    claimed: usize,
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
        decode(version, &mem::take(self.bytes()))
    }

    /// Whether another publish may join those that are there: all are for the same connection.
    #[inline]
    pub(crate) fn is_for(&self, epoch: Epoch) -> bool {
        self.is_empty() || self.target.is_some_and(|(target, _)| target == epoch)
    }

    /// Appends a publish, or nothing.
    #[inline]
    pub(crate) fn append(
        &mut self,
        epoch: Epoch,
        version: Version,
        publish: &Publish,
    ) -> Result<(), EncodeError> {
        wire::encode_usual(publish, version, self.next(epoch, version)).map(drop)
    }

    /// Where the next publish is encoded.
    #[inline]
    fn next(&mut self, epoch: Epoch, version: Version) -> &mut Vec<u8> {
        self.target = Some((epoch, version));
        self.claim();
        &mut self.bytes
    }

    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        self.claimed = 0;
        &mut self.bytes
    }

    /// Writes over the memory that comes next, if there is a burst. Another processor has read from it when it was sent the last
    /// time, and to take it back one cache line at a time, in the middle of encoding, takes longer than the encoding.
    #[inline]
    fn claim(&mut self) {
        let len = self.bytes.len();
        if len > 0 && len + CLAIM / 8 > self.claimed {
            self.claimed = len + CLAIM;
            self.bytes.resize(self.claimed, 0);
            self.bytes.truncate(len);
        }
    }
}

/// How publishes of QoS 0 are encoded for one connection: [`Session::batch_form`](crate::Session::batch_form) gives it to who
/// encodes them without the session.
///
/// ```
/// # use mqtt_session::{Batch, Session};
/// # use mqtt_session::codec::PlainPublish;
/// fn encode(session: &Session, publishes: &[PlainPublish<'_>]) -> Batch {
///     let mut batch = Batch::default();
///     if let Some(form) = session.batch_form() {
///         // One that is not taken here is for the session to judge.
///         let taken = publishes.iter().take_while(|publish| form.encode(publish, &mut batch));
///         println!("{} publishes in {} bytes", taken.count(), batch.len());
///     }
///     batch
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BatchForm {
    pub(crate) epoch: Epoch,
    pub(crate) limits: PlainLimits,
}

impl BatchForm {
    /// Encodes a publish behind those that are in `batch`, if it is one that the server certainly takes: of less than 16 KiB,
    /// and within the connection's limits. Else, and for a batch of another connection, it returns false and does nothing.
    #[inline]
    #[must_use = "a publish that is not taken is not in the batch"]
    pub fn encode(&self, publish: &PlainPublish<'_>, batch: &mut Batch) -> bool {
        let &BatchForm { epoch, limits } = self;
        let version = limits.version;
        batch.is_for(epoch)
            && limits.allow(publish)
            && wire::encode_plain(publish, version, batch.next(epoch, version)).is_ok()
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
