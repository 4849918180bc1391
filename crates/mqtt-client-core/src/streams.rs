//! Inbound messages between the session and whoever reads them.

use std::collections::VecDeque;
use std::task::{Poll, Waker};
use std::time::Duration;

use slab::Slab;

use crate::Message;
use crate::codec::Publish;
use crate::effects::{Effects, park};
use crate::session::{Inbound, Timestamp, Token};
use crate::slots::{Slots, Tag};

/// The unread messages of all subscription streams, and which of them still owe the broker an acknowledgement.
///
/// QoS 1 and 2 messages are bounded by the Receive Maximum, because they are acknowledged only when a stream hands them
/// over; QoS 0 messages by each stream's capacity.
#[derive(Debug)]
pub(crate) struct Streams {
    streams: Slots<Stream>,
    /// One for each message with a token, while any stream holds it.
    owed: Slab<Owed>,
    /// Messages that no stream matched, until one does or their grace ends; in order of arrival.
    unclaimed: VecDeque<(Timestamp, Inbound)>,
    capacity: usize,
    grace: Duration,
    pub(crate) dropped: u64,
    pub(crate) unclaimed_count: u64,
}

#[derive(Debug, Default)]
struct Stream {
    queue: VecDeque<Delivery>,
    /// How many of `queue` have QoS 0.
    unowed: usize,
    /// Reading has paused for this stream in vain: until it takes something, its oldest QoS 0 messages make room at once.
    lagging: bool,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Delivery {
    publish: Publish,
    owed: Option<usize>,
}

#[derive(Debug)]
struct Owed {
    token: Token,
    streams: usize,
}

impl Streams {
    pub(crate) fn new(capacity: usize, grace: Duration) -> Self {
        Streams {
            streams: Slots::new(),
            owed: Slab::new(),
            unclaimed: VecDeque::new(),
            capacity,
            grace,
            dropped: 0,
            unclaimed_count: 0,
        }
    }

    pub(crate) fn open(&mut self) -> Tag {
        self.streams.insert(Stream::default())
    }

    /// Takes a stream away. Unread messages that only it held, and that are owed an acknowledgement, become unclaimed.
    pub(crate) fn close(&mut self, now: Timestamp, stream: Tag, effects: &mut Effects) {
        let Some(stream) = self.streams.remove(stream) else { return };
        for Delivery { publish, owed } in stream.queue {
            match owed.and_then(|owed| self.settle(owed)) {
                Some(token) => self.keep_unclaimed(now, Inbound { publish, token: Some(token) }, effects),
                None => effects.discard(publish),
            }
        }
    }

    /// Whether a QoS 0 message for these streams has to wait for one of them to read.
    pub(crate) fn must_pause(&mut self, targets: &[Tag]) -> bool {
        let capacity = self.capacity;
        targets.iter().any(|target| {
            self.streams.get_mut(*target).is_some_and(|stream| stream.unowed >= capacity && !stream.lagging)
        })
    }

    /// The pause is over: from now on these streams lose their oldest instead of holding up everybody else.
    pub(crate) fn pause_is_over(&mut self, targets: &[Tag]) {
        let capacity = self.capacity;
        for target in targets {
            if let Some(stream) = self.streams.get_mut(*target) {
                stream.lagging |= stream.unowed >= capacity;
            }
        }
    }

    /// Puts a message on each target. It is acknowledged after the last of them has handed it over.
    pub(crate) fn deliver(&mut self, inbound: Inbound, targets: &[Tag], effects: &mut Effects) {
        let Inbound { publish, token } = inbound;
        let owed = token.map(|token| self.owed.insert(Owed { token, streams: targets.len() }));
        let Some((last, others)) = targets.split_last() else { return };
        for target in others {
            self.enqueue(*target, Delivery { publish: publish.clone(), owed }, effects);
        }
        self.enqueue(*last, Delivery { publish, owed }, effects);
    }

    fn enqueue(&mut self, target: Tag, delivery: Delivery, effects: &mut Effects) {
        let Some(stream) = self.streams.get_mut(target) else { return };
        if delivery.owed.is_none() {
            if stream.unowed >= self.capacity
                && let Some(oldest) = stream.queue.iter().position(|queued| queued.owed.is_none())
                && let Some(oldest) = stream.queue.remove(oldest)
            {
                stream.unowed -= 1;
                self.dropped += 1;
                effects.discard(oldest.publish);
            }
            stream.unowed += 1;
        }
        stream.queue.push_back(delivery);
        effects.wake(&mut stream.waker);
    }

    /// The next message of a stream, and the token that is due with it, if this was its last stream.
    pub(crate) fn poll_next(
        &mut self,
        stream: Tag,
        waker: &mut Option<Waker>,
    ) -> Poll<(Message, Option<Token>)> {
        let Some(stream) = self.streams.get_mut(stream) else { return Poll::Pending };
        stream.lagging = false;
        let Some(Delivery { publish, owed }) = stream.queue.pop_front() else {
            return park(&mut stream.waker, waker);
        };
        let token = match owed {
            Some(owed) => self.settle(owed),
            None => {
                stream.unowed -= 1;
                None
            }
        };
        Poll::Ready((Message::new(publish), token))
    }

    /// Keeps a message that no stream matches, for one that may come.
    pub(crate) fn keep_unclaimed(&mut self, now: Timestamp, inbound: Inbound, effects: &mut Effects) {
        if inbound.token.is_some() {
            self.unclaimed.push_back((now + self.grace, inbound));
        } else {
            self.unclaimed_count += 1;
            effects.discard(inbound.publish);
        }
    }

    /// Takes out what has waited unclaimed, so that it can be routed again.
    pub(crate) fn take_unclaimed(&mut self) -> VecDeque<(Timestamp, Inbound)> {
        std::mem::take(&mut self.unclaimed)
    }

    /// Puts back what was taken out and is still unclaimed.
    pub(crate) fn put_unclaimed(&mut self, until: Timestamp, inbound: Inbound) {
        self.unclaimed.push_back((until, inbound));
    }

    /// A message whose grace has ended: nobody wanted it.
    pub(crate) fn expire_unclaimed(&mut self, now: Timestamp, effects: &mut Effects) -> Option<Token> {
        self.unclaimed.front().filter(|(until, _)| *until <= now)?;
        let (_, inbound) = self.unclaimed.pop_front()?;
        self.unclaimed_count += 1;
        effects.discard(inbound.publish);
        inbound.token
    }

    pub(crate) fn next_expiry(&self) -> Option<Timestamp> {
        self.unclaimed.front().map(|(until, _)| *until)
    }

    /// Wakes a reader, or all, to see that something other than a message has happened.
    pub(crate) fn wake_all(&mut self, effects: &mut Effects) {
        self.streams.iter_mut().for_each(|(_, stream)| effects.wake(&mut stream.waker));
    }

    /// One stream fewer holds a message; the token when that was the last one.
    fn settle(&mut self, owed: usize) -> Option<Token> {
        let entry = self.owed.get_mut(owed)?;
        entry.streams -= 1;
        (entry.streams == 0).then(|| self.owed.remove(owed).token)
    }
}
