//! [`Inbox`]: messages that came in, from their parsing until they are told.
//!
//! They are parsed where they lie. What is known of each waits in few bytes, while the packets wait in runs: those that
//! came in one behind the other share a single reference to the receive buffer.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use bytes::Bytes;
use mqtt_codec::{PublishShape, TopicName};

use crate::{Inbound, InboundPublish, Token};

/// The messages, in their order.
#[derive(Debug)]
pub(crate) struct Inbox {
    messages: VecDeque<Message>,
    /// The packets of the run that is being told, without those that were.
    opened: Bytes,
    /// Those of the runs that follow.
    runs: VecDeque<Bytes>,
}

/// All of a message but its bytes.
#[derive(Debug)]
struct Message {
    shape: PublishShape,
    /// What an alias stands for, where the packet does not say it.
    topic: Option<Arc<TopicName>>,
    token: Option<Token>,
}

impl Inbox {
    pub(crate) const fn new() -> Self {
        Self { messages: VecDeque::new(), opened: Bytes::new(), runs: VecDeque::new() }
    }

    /// A message was parsed. Its bytes follow, together with those of its neighbours, before anything is told.
    #[inline(always)]
    pub(crate) fn push(&mut self, shape: PublishShape, topic: Option<Arc<TopicName>>, token: Option<Token>) {
        self.messages.push_back(Message { shape, topic, token });
    }

    /// The packets of the messages since the last run, without anything before, between or behind them.
    #[inline]
    pub(crate) fn push_run(&mut self, packets: Bytes) {
        self.runs.push_back(packets);
    }

    /// The next run is to be told.
    #[inline]
    pub(crate) fn open_run(&mut self) {
        self.opened = self.runs.pop_front().unwrap_or_default();
    }

    /// The next message of the run that is being told.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<Inbound> {
        if self.opened.is_empty() {
            return None;
        }
        let Message { shape, topic, token } = self.messages.pop_front()?;
        let frame = shape.frame(self.opened.split_to(shape.packet_len()));
        Some(Inbound { publish: InboundPublish::new(frame, topic), token })
    }
}
