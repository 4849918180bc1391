//! [`Unasked`]: messages with the transport of which nobody asks what becomes.

use std::collections::VecDeque;

use crate::flush::Epoch;

/// Messages of QoS 0 that went straight into the connection's bytes: of each, all there is to know is where it ends.
#[derive(Debug, Default)]
pub(crate) struct Unasked {
    messages: VecDeque<SentOff>,
}

#[derive(Debug)]
pub(crate) struct SentOff {
    /// Where it ends among the bytes of the connection.
    pub(crate) end: u64,
    pub(crate) epoch: Epoch,
    /// What it takes of the byte bound.
    pub(crate) cost: usize,
}

impl Unasked {
    pub(crate) fn push(&mut self, message: SentOff) {
        self.messages.push_back(message);
    }

    /// The next one that the transport has whole, now that it has so many bytes.
    pub(crate) fn pop_written(&mut self, bytes: u64) -> Option<SentOff> {
        self.messages.pop_front_if(|message| message.end <= bytes)
    }

    /// The next one, whatever the transport has of it: the connection is gone.
    pub(crate) fn pop(&mut self) -> Option<SentOff> {
        self.messages.pop_front()
    }
}
