//! [`Flushing`]: waiting for all that was published before.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::Client;
use crate::slots::Tag;

/// The future of [`Client::flush`](crate::Client::flush).
#[derive(Debug)]
#[must_use = "the messages are out only when this is ready"]
pub struct Flushing {
    client: Client,
    tag: Tag,
}

impl Flushing {
    pub(crate) fn new(client: Client, tag: Tag) -> Self {
        Flushing { client, tag }
    }
}

impl Future for Flushing {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.client.shared().poll(context, |core, waker| core.publishing.poll_flushed(self.tag, waker))
    }
}

impl Drop for Flushing {
    fn drop(&mut self) {
        self.client.shared().run(|core| core.publishing.stop_flushing(self.tag));
    }
}

/// A stretch of time between two flushes.
pub(crate) type Epoch = u64;

/// That of a message which no flush waits for.
pub(crate) const NO_EPOCH: Epoch = 0;

/// How many messages of each epoch have not ended: a flush waits for the epochs before it, and messages that are begun
/// later don't hold it up. Beginning and ending a message takes constant time.
#[derive(Debug)]
pub(crate) struct Epochs {
    /// The number of the front of `open`; counts up from 1.
    first: Epoch,
    /// The last one is the present; never empty.
    open: VecDeque<usize>,
}

impl Epochs {
    pub(crate) fn new() -> Self {
        Epochs { first: 1, open: VecDeque::from([0]) }
    }

    /// A message begins; in which epoch.
    pub(crate) fn begin(&mut self) -> Epoch {
        self.begin_all(1)
    }

    /// So many messages begin; in which epoch.
    pub(crate) fn begin_all(&mut self, messages: usize) -> Epoch {
        if let Some(present) = self.open.back_mut() {
            *present += messages;
        }
        self.present()
    }

    /// So many messages of that epoch have ended. Whether that completes an epoch that somebody waits for.
    pub(crate) fn end(&mut self, epoch: Epoch, messages: usize) -> bool {
        let at = usize::try_from(epoch - self.first).unwrap_or(usize::MAX);
        if let Some(count) = self.open.get_mut(at) {
            *count -= messages;
        }
        let before = self.first;
        while self.open.len() > 1 && self.open.front() == Some(&0) {
            self.open.pop_front();
            self.first += 1;
        }
        self.first > before
    }

    /// Closes the present epoch. What it and all before it hold is over once `is_over` says so.
    pub(crate) fn close(&mut self) -> Epoch {
        let closed = self.present();
        match self.open.back() {
            // Nothing was begun since the last flush: they wait for the same.
            Some(0) => closed - 1,
            _ => {
                self.open.push_back(0);
                closed
            }
        }
    }

    /// Whether every message of that epoch and of those before it has ended.
    pub(crate) fn is_over(&self, epoch: Epoch) -> bool {
        epoch < self.first
    }

    /// That of a message which is begun now.
    pub(crate) fn present(&self) -> Epoch {
        self.first + self.open.len() as Epoch - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_over_when_it_and_those_before_it_have_no_message_left() {
        let mut epochs = Epochs::new();
        let nothing = epochs.close();
        let messages = [epochs.begin(), epochs.begin()];
        assert!(epochs.is_over(nothing), "nothing had been begun then");
        let first = epochs.close();
        let later = epochs.begin();
        let second = epochs.close();
        let again = epochs.close();
        assert_eq!(again, second, "nothing between the two");
        assert!(!epochs.end(later, 1), "the first is still open");
        assert!(!epochs.is_over(first) && !epochs.is_over(second));
        assert!(!epochs.end(messages[1], 1));
        assert!(epochs.end(messages[0], 1));
        assert!(epochs.is_over(first) && epochs.is_over(second));
        let new = epochs.begin();
        assert!(epochs.is_over(second), "what is begun later holds up nobody");
        assert!(!epochs.end(new, 1), "nobody waits for it");
        assert_eq!(epochs.open.len(), 1);
    }
}
