//! [`Unasked`]: messages of QoS 0 of which nobody asks what becomes, on their way to the transport.

use std::collections::VecDeque;
use std::mem;

use crate::codec::Publish;
use crate::flush::Epoch;
use crate::outbox::Bounds;
use crate::session::{Batch, Refusal, Session};

/// A burst that has so many bytes is followed by another one: no more than that is out of the client's hands with it.
pub(crate) const BURST: usize = 64 * 1024;

/// For so many of them memory is kept.
const SPARE: usize = 16;

/// Messages that need no slot. They are encoded as they come, and wait together for their turn; once the session has them, all
/// there is to know is where they end among the connection's bytes.
#[derive(Debug, Default)]
pub(crate) struct Unasked {
    /// For the session, in their order. The last one still grows.
    waiting: VecDeque<Burst>,
    /// What the session has.
    sent: VecDeque<SentOff>,
    /// Empty ones, kept for their memory.
    spare: Vec<Batch>,
}

/// Messages that wait together.
#[derive(Debug)]
struct Burst {
    batch: Batch,
    share: Share,
}

/// What a number of messages take of the bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) used: Bounds,
    /// In which all of them were begun.
    pub(crate) epoch: Epoch,
}

#[derive(Debug)]
struct SentOff {
    /// Where the last one ends among the bytes of the connection.
    end: u64,
    share: Share,
}

impl Unasked {
    /// Takes a message behind all others. `cost`: what it takes of the byte bound.
    ///
    /// # Errors
    /// It can't be encoded, or not before its turn.
    pub(crate) fn push(
        &mut self,
        publish: &Publish,
        cost: usize,
        epoch: Epoch,
        session: &Session,
    ) -> Result<(), Refusal> {
        if let Some(Burst { batch, share }) = self.waiting.back_mut()
            && batch.len() < BURST
            && share.epoch == epoch
        {
            session.encode(publish, batch)?;
            share.used += Bounds::of_one(cost);
            return Ok(());
        }
        let mut batch = self.take_spare();
        let encoded = session.encode(publish, &mut batch);
        self.push_batch(batch, Share::of_one(cost, epoch));
        encoded
    }

    /// An empty batch, with memory if there is any.
    pub(crate) fn take_spare(&mut self) -> Batch {
        self.spare.pop().unwrap_or_default()
    }

    /// Takes messages that are encoded behind all others.
    pub(crate) fn push_batch(&mut self, batch: Batch, share: Share) {
        if batch.is_empty() {
            self.keep(batch);
        } else {
            self.waiting.push_back(Burst { batch, share });
        }
    }

    /// Hands the session what it takes now. Returns whether it took anything.
    pub(crate) fn pump(&mut self, session: &mut Session) -> bool {
        let mut progress = false;
        while let Some(Burst { batch, share }) = self.waiting.front_mut()
            && let Ok(end) = session.send_batch(batch)
        {
            // What it leaves in the place of the bytes is their memory's successor.
            let spare = mem::take(batch);
            self.sent.push_back(SentOff { end, share: *share });
            self.waiting.pop_front();
            self.keep(spare);
            progress = true;
        }
        progress
    }

    /// A message has gone straight to the session.
    pub(crate) fn sent(&mut self, end: u64, cost: usize, epoch: Epoch) {
        self.sent.push_back(SentOff { end, share: Share::of_one(cost, epoch) });
    }

    /// The next ones that the transport has whole, now that it has so many bytes.
    pub(crate) fn pop_written(&mut self, bytes: u64) -> Option<Share> {
        self.sent.pop_front_if(|sent| sent.end <= bytes).map(|sent| sent.share)
    }

    /// The next ones that the session has, whatever the transport has of them: the connection is gone.
    pub(crate) fn pop_sent(&mut self) -> Option<Share> {
        self.sent.pop_front().map(|sent| sent.share)
    }

    /// The last ones of those that wait, in their order.
    pub(crate) fn pop_waiting(&mut self) -> Option<(Share, Vec<Publish>)> {
        let Burst { mut batch, share } = self.waiting.pop_back()?;
        Some((share, batch.take().collect()))
    }

    /// How many wait for the session.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.iter().map(|burst| burst.share.used.messages).sum()
    }

    /// Whether none waits for the session.
    pub(crate) fn are_all_sent(&self) -> bool {
        self.waiting.is_empty()
    }

    fn keep(&mut self, spare: Batch) {
        if self.spare.len() < SPARE {
            self.spare.push(spare);
        }
    }
}

impl Share {
    fn of_one(cost: usize, epoch: Epoch) -> Self {
        Share { used: Bounds::of_one(cost), epoch }
    }
}
