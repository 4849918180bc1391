//! Inbound messages between the session and whoever reads them.

use std::collections::VecDeque;
use std::mem;
use std::ops::{AddAssign, SubAssign};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use slab::Slab;

use crate::acknowledge::Answer;
use crate::codec::QoS;
use crate::effects::{Effects, park};
use crate::lending::{Lent, Loan, Reading};
use crate::session::{Inbound, InboundPublish, Timestamp, Token};
use crate::slots::{Slots, Tag};
use crate::unread::{Budget, PINNED, StallWatch, cost_of, unpin};
use crate::{Acknowledge, Options, Qos0Overflow};

/// Where messages have to make room for others, or owe an acknowledgement, a reader is lent this part of the capacity at once,
const LENT_PART: usize = 4;

/// and no more than so many messages.
const MOST_LENT: usize = 1024;

/// Of those that are owed an acknowledgement it is lent so many: the broker waits for these while it reads.
const MOST_OWING: usize = 128;

/// The unread messages of all subscription streams, and which of them still owe the broker an acknowledgement.
///
/// QoS 1 and 2 messages are bounded by the Receive Maximum, because they are acknowledged only when a stream hands them
/// over, or later; QoS 0 messages, and those that a stream has acknowledged on receipt, by its capacity.
#[derive(Debug)]
pub(crate) struct Streams {
    streams: Slots<Stream>,
    /// One for each message with a token, while any stream holds it.
    owed: Slab<Owed>,
    /// Messages that no stream matched, until one does or their grace ends; in order of arrival. The budget pays for them too.
    unclaimed: VecDeque<(Timestamp, Inbound)>,
    /// The streams whose readers have been lent messages that are owed an acknowledgement.
    lending: Vec<Tag>,
    capacity: usize,
    /// Counts the pieces of input that messages came in: none of them is in more than one receive buffer.
    piece: u64,
    grace: Duration,
    /// Streams that get what no other one matches.
    catch_alls: Vec<Tag>,
    pub(crate) budget: Budget,
    stalls: StallWatch,
    /// A store keeps what is received, so that a delivery has the same number after a crash.
    durable: bool,
    pub(crate) dropped: u64,
    pub(crate) unclaimed_count: u64,
}

#[derive(Debug, Default)]
struct Stream {
    acknowledge: Acknowledge,
    overflow: Qos0Overflow,
    /// QoS 0 messages that it has lost.
    dropped: u64,
    queue: VecDeque<Delivery>,
    queued: Queued,
    /// Reading has paused for this stream in vain: until it takes something, its oldest QoS 0 messages make room at once.
    lagging: bool,
    loan: Loan,
    /// It was told that nobody reads.
    stalled: bool,
    waker: Option<Waker>,
}

/// What is in a queue.
#[derive(Clone, Copy, Debug, Default)]
struct Queued {
    /// How many messages have QoS 0.
    qos0: usize,
    /// How many were acknowledged on receipt.
    settled: usize,
    /// How many owe the broker an acknowledgement.
    owing: usize,
    /// What they take of the budget for unread bytes.
    cost: usize,
}

/// A message on its way to the reader of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) publish: InboundPublish,
    /// What it takes of the budget for unread bytes.
    cost: usize,
    owed: Option<Share>,
    /// The piece of input that it came in.
    piece: u64,
}

/// A message's place among those that are owed an acknowledgement. Every stream that holds the message has a share in it,
/// to be given up once.
pub(crate) type Share = usize;

#[derive(Debug)]
struct Owed {
    token: Token,
    /// How many shares are held.
    shares: usize,
    /// The first refusal, if one of the streams refused; else the first answer that says something.
    answer: Option<Box<Answer>>,
}

/// An acknowledgement that is due: every stream has done with the message.
pub(crate) type Due = (Token, Option<Box<Answer>>);

/// A message that a stream hands over.
#[derive(Debug)]
pub(crate) struct Handed {
    pub(crate) publish: InboundPublish,
    /// The reader's share, if it acknowledges by hand.
    pub(crate) share: Option<Share>,
    /// The number of its delivery, where that outlives the process.
    pub(crate) delivery_id: Option<u64>,
}

impl Streams {
    pub(crate) fn new(options: &Options) -> Self {
        Streams {
            streams: Slots::new(),
            owed: Slab::new(),
            unclaimed: VecDeque::new(),
            lending: Vec::new(),
            capacity: options.stream_capacity,
            piece: 0,
            grace: options.unclaimed_grace,
            catch_alls: Vec::new(),
            budget: Budget::new(options.max_unread_bytes),
            stalls: StallWatch::new(options.stall_after),
            durable: options.session.durable,
            dropped: 0,
            unclaimed_count: 0,
        }
    }

    pub(crate) fn open(&mut self, acknowledge: Acknowledge, overflow: Qos0Overflow) -> Tag {
        self.streams.insert(Stream { acknowledge, overflow, ..Stream::default() })
    }

    /// What is delivered from now on comes from another piece of input.
    pub(crate) fn begin_piece(&mut self) {
        self.piece += 1;
    }

    /// Opens a stream for what no other one matches.
    pub(crate) fn open_catch_all(&mut self, acknowledge: Acknowledge) -> Tag {
        let stream = self.open(acknowledge, Qos0Overflow::default());
        self.catch_alls.push(stream);
        stream
    }

    pub(crate) fn catch_alls(&self) -> &[Tag] {
        &self.catch_alls
    }

    /// Takes a stream away. Unread messages that only it held, and that are owed an acknowledgement, become unclaimed. `lent`:
    /// what its reader has not taken.
    pub(crate) fn close(&mut self, now: Timestamp, stream: Tag, lent: VecDeque<Delivery>) {
        let Some(mut closed) = self.streams.remove(stream) else { return };
        self.catch_alls.retain(|other| *other != stream);
        self.budget.release(closed.queued.cost);
        while let Some(lent) = closed.loan.next() {
            self.budget.release(lent.cost);
        }
        for Delivery { publish, owed, .. } in lent.into_iter().chain(closed.queue) {
            if let Some((token, _)) = owed.and_then(|owed| self.settle(owed, None)) {
                self.keep_unclaimed(now, Inbound { publish, token: Some(token) });
            }
        }
    }

    /// Whether a QoS 0 message for these streams has to wait for one of them to read.
    pub(crate) fn must_pause(&mut self, targets: &[Tag]) -> bool {
        let capacity = self.capacity;
        targets.iter().any(|target| {
            self.streams.get_mut(*target).is_some_and(|stream| {
                stream.queued.qos0 >= capacity && !stream.lagging && stream.overflow == Qos0Overflow::Pause
            })
        })
    }

    /// How many QoS 0 messages a stream has lost.
    pub(crate) fn dropped_by(&mut self, stream: Tag) -> u64 {
        self.streams.get_mut(stream).map_or(0, |stream| stream.dropped)
    }

    /// The pause is over: from now on these streams lose their oldest instead of holding up everybody else.
    pub(crate) fn pause_is_over(&mut self, targets: &[Tag]) {
        let capacity = self.capacity;
        for target in targets {
            if let Some(stream) = self.streams.get_mut(*target) {
                stream.lagging |= stream.queued.qos0 >= capacity;
            }
        }
    }

    /// Puts a message on each target. It is acknowledged after the last of them has done with it, which may be now.
    #[inline]
    pub(crate) fn deliver(
        &mut self,
        now: Timestamp,
        inbound: Inbound,
        targets: &[Tag],
        effects: &mut Effects,
    ) -> Option<Due> {
        let Inbound { publish, token } = inbound;
        let owed = token.map(|token| self.owed.insert(Owed { token, shares: targets.len(), answer: None }));
        let (last, others) = targets.split_last()?;
        self.stalls.begin(now);
        let mut due = None;
        for target in others {
            due = due.or(self.enqueue(*target, publish.clone(), owed, effects));
        }
        due.or(self.enqueue(*last, publish, owed, effects))
    }

    fn enqueue(
        &mut self,
        target: Tag,
        mut publish: InboundPublish,
        mut owed: Option<Share>,
        effects: &mut Effects,
    ) -> Option<Due> {
        let (capacity, piece) = (self.capacity, self.piece);
        let Some(stream) = self.streams.get_mut(target) else {
            return self.settle(owed?, None);
        };
        if publish.qos() == QoS::AtMostOnce {
            let full = stream.queued.qos0 >= capacity;
            if full && stream.overflow == Qos0Overflow::DropNewest {
                stream.dropped += 1;
                self.dropped += 1;
                return None;
            }
            if full
                && let Some(oldest) = stream.queue.iter().position(Delivery::is_qos0)
                && let Some(oldest) = stream.queue.remove(oldest)
            {
                stream.queued -= oldest.alone();
                stream.dropped += 1;
                self.budget.release(oldest.cost);
                self.dropped += 1;
            }
        }
        // Acknowledged on receipt, and never dropped: so there is a bound, past which it waits for the reader.
        let on_receipt = stream.acknowledge == Acknowledge::OnReceipt && stream.queued.settled < capacity;
        let share = if on_receipt { owed.take() } else { None };
        // What the stream holds uncopied came in since its oldest message, so in no more buffers than that.
        if stream.queue.front().is_some_and(|oldest| piece - oldest.piece >= PINNED) {
            unpin(&mut publish);
        }
        let cost = cost_of(&publish);
        self.budget.charge(cost);
        let delivery = Delivery { publish, cost, owed, piece };
        stream.queued += delivery.alone();
        stream.queue.push_back(delivery);
        effects.wake(&mut stream.waker);
        self.settle(share?, None)
    }

    /// The next message of a stream, and the acknowledgement that is due with it, if this was its last stream.
    pub(crate) fn poll_next(
        &mut self,
        stream: Tag,
        waker: &mut Option<Waker>,
    ) -> Poll<(Handed, Option<Due>)> {
        let Some(stream) = self.streams.get_mut(stream) else { return Poll::Pending };
        stream.lagging = false;
        stream.loan.mark();
        let Some(delivery) = stream.queue.pop_front() else {
            return park(&mut stream.waker, waker);
        };
        self.budget.release(delivery.cost);
        let by_hand = stream.acknowledge == Acknowledge::ByHand;
        stream.queued -= delivery.alone();
        let Delivery { publish, owed, .. } = delivery;
        let delivery_id = owed
            .filter(|_| self.durable && publish.qos() == QoS::ExactlyOnce)
            .and_then(|share| self.owed.get(share))
            .map(|owed| owed.token.delivery_id());
        Poll::Ready(match owed {
            Some(share) if by_hand => (Handed { publish, share: Some(share), delivery_id }, None),
            Some(share) => {
                let due = self.settle(share, None);
                (Handed { publish, share: None, delivery_id }, due)
            }
            None => (Handed { publish, share: None, delivery_id }, None),
        })
    }

    /// Lends the reader messages, at the end of `run`: it needs no lock for each of them. They stay charged to the budget, and
    /// owed an acknowledgement, until it has taken them; one stays in the queue, so that a reader that never comes back is
    /// noticed. Returns whether any of them is owed an acknowledgement.
    ///
    /// Messages that owe none, and need not make room, are lent all at once: to take them out one by one keeps the driver waiting.
    pub(crate) fn lend(&mut self, tag: Tag, run: &mut VecDeque<Delivery>) -> bool {
        let most = (self.capacity / LENT_PART).min(MOST_LENT);
        let Some(stream) = self.streams.get_mut(tag) else { return false };
        if run.is_empty() && stream.queued.owing == 0 && stream.overflow == Qos0Overflow::Pause {
            stream.lend_all(run);
            return false;
        }
        // Neither can be answered, nor has a number of its delivery, what is lent.
        let plain = stream.acknowledge != Acknowledge::ByHand && !self.durable;
        while run.len() < most
            && stream.queue.len() > 1
            && let Some(delivery) = stream
                .queue
                .pop_front_if(|next| next.owed.is_none() || plain && stream.loan.owing() < MOST_OWING)
        {
            stream.queued -= delivery.alone();
            stream.loan.lend(Lent { messages: 1, cost: delivery.cost, share: delivery.owed });
            run.push_back(delivery);
        }
        let owing = stream.loan.owing() > 0;
        if owing && !self.lending.contains(&tag) {
            self.lending.push(tag);
        }
        owing
    }

    /// The acknowledgements that are due because readers have taken what they were lent. One that takes its time is asked to
    /// report each message from now on.
    pub(crate) fn look_after_loans(&mut self, now: Timestamp, due: &mut Vec<Due>) {
        let mut lending = mem::take(&mut self.lending);
        lending.retain(|tag| {
            let over = self.streams.get_mut(*tag).is_some_and(|stream| stream.loan.is_over(now));
            self.collect(*tag, due);
            !over && self.streams.get(*tag).is_some_and(|stream| stream.loan.owing() > 0)
        });
        self.lending = lending;
    }

    /// The same for one stream.
    pub(crate) fn collect(&mut self, tag: Tag, due: &mut Vec<Due>) {
        while let Some(Lent { cost, share, .. }) =
            self.streams.get_mut(tag).and_then(|stream| stream.loan.next_taken())
        {
            self.budget.release(cost);
            due.extend(share.and_then(|share| self.settle(share, None)));
        }
    }

    /// What the reader of a stream looks at without the lock.
    pub(crate) fn reading(&mut self, stream: Tag) -> Arc<Reading> {
        self.streams.get_mut(stream).map(|stream| Arc::clone(stream.loan.reading())).unwrap_or_default()
    }

    /// A message that was handed over, and whose reader did not answer, goes back to the front of its stream, marked as a
    /// repetition. Without the stream it becomes unclaimed, unless another stream still holds it.
    pub(crate) fn hand_back(
        &mut self,
        now: Timestamp,
        stream: Tag,
        share: Share,
        publish: InboundPublish,
        effects: &mut Effects,
    ) {
        let publish = publish.repeated();
        if let Some(stream) = self.streams.get_mut(stream) {
            let cost = cost_of(&publish);
            self.budget.charge(cost);
            let piece = stream.queue.front().map_or(self.piece, |oldest| oldest.piece);
            let delivery = Delivery { publish, cost, owed: Some(share), piece };
            stream.queued += delivery.alone();
            stream.queue.push_front(delivery);
            effects.wake(&mut stream.waker);
        } else if let Some((token, _)) = self.settle(share, None) {
            self.keep_unclaimed(now, Inbound { publish, token: Some(token) });
        }
    }

    /// One stream has done with a message; the acknowledgement, when that was the last one.
    pub(crate) fn settle(&mut self, share: Share, answer: Option<Box<Answer>>) -> Option<Due> {
        let owed = self.owed.get_mut(share)?;
        owed.shares -= 1;
        if let Some(answer) = answer
            && owed.answer.as_ref().is_none_or(|first| answer.is_refusal() && !first.is_refusal())
        {
            owed.answer = Some(answer);
        }
        if owed.shares > 0 {
            return None;
        }
        let Owed { token, answer, .. } = self.owed.remove(share);
        Some((token, answer))
    }

    /// Keeps a message that no stream matches, for one that may come.
    pub(crate) fn keep_unclaimed(&mut self, now: Timestamp, mut inbound: Inbound) {
        if inbound.token.is_some() {
            unpin(&mut inbound.publish);
            self.put_unclaimed(now + self.grace, inbound);
        } else {
            self.unclaimed_count += 1;
        }
    }

    /// Takes out what has waited unclaimed, so that it can be routed again.
    pub(crate) fn take_unclaimed(&mut self) -> VecDeque<(Timestamp, Inbound)> {
        self.unclaimed.iter().for_each(|(_, inbound)| self.budget.release(cost_of(&inbound.publish)));
        mem::take(&mut self.unclaimed)
    }

    /// Puts back what was taken out and is still unclaimed.
    pub(crate) fn put_unclaimed(&mut self, until: Timestamp, inbound: Inbound) {
        self.budget.charge(cost_of(&inbound.publish));
        self.unclaimed.push_back((until, inbound));
    }

    /// A message whose grace has ended: nobody wanted it.
    pub(crate) fn expire_unclaimed(&mut self, now: Timestamp) -> Option<Token> {
        self.unclaimed.front().filter(|(until, _)| *until <= now)?;
        let (_, inbound) = self.unclaimed.pop_front()?;
        self.budget.release(cost_of(&inbound.publish));
        self.unclaimed_count += 1;
        inbound.token
    }

    pub(crate) fn next_time(&self) -> Option<Timestamp> {
        let expiry = self.unclaimed.front().map(|(until, _)| *until);
        let lent = self.lending.iter().filter_map(|tag| self.streams.get(*tag)?.loan.next_time());
        expiry.into_iter().chain(self.stalls.next()).chain(lent).min()
    }

    /// The streams of which nothing was read for some time although there was something, each told once: how many messages
    /// wait.
    pub(crate) fn take_stalled(&mut self, now: Timestamp) -> Vec<(Tag, usize)> {
        if !self.stalls.is_due(now) {
            return Vec::new();
        }
        let mut stalled = Vec::new();
        for (tag, stream) in self.streams.iter_mut().filter(|(_, stream)| !stream.queue.is_empty()) {
            if stream.loan.take_mark() {
                stream.stalled = false;
            } else if !stream.stalled {
                stream.stalled = true;
                stalled.push((tag, stream.queue.len()));
            }
            if !stream.stalled {
                self.stalls.begin(now);
            }
        }
        stalled
    }

    /// Wakes a reader, or all, to see that something other than a message has happened.
    pub(crate) fn wake_all(&mut self, effects: &mut Effects) {
        self.streams.iter_mut().for_each(|(_, stream)| effects.wake(&mut stream.waker));
    }
}

impl Stream {
    /// Lends the whole queue but its last message, none of which owes an acknowledgement.
    fn lend_all(&mut self, run: &mut VecDeque<Delivery>) {
        let Some(last) = self.queue.pop_back() else { return };
        self.queued -= last.alone();
        if !self.queue.is_empty() {
            self.loan.lend(Lent { messages: self.queue.len(), cost: self.queued.cost, share: None });
            mem::swap(&mut self.queue, run);
        }
        self.queued = last.alone();
        self.queue.push_back(last);
    }
}

impl Delivery {
    /// A queue of no other.
    fn alone(&self) -> Queued {
        let (qos0, owes) = (self.is_qos0(), self.owed.is_some());
        Queued { qos0: qos0.into(), settled: (!owes && !qos0).into(), owing: owes.into(), cost: self.cost }
    }

    fn is_qos0(&self) -> bool {
        self.publish.qos() == QoS::AtMostOnce
    }
}

impl AddAssign for Queued {
    fn add_assign(&mut self, other: Self) {
        self.qos0 += other.qos0;
        self.settled += other.settled;
        self.owing += other.owing;
        self.cost += other.cost;
    }
}

impl SubAssign for Queued {
    fn sub_assign(&mut self, other: Self) {
        self.qos0 -= other.qos0;
        self.settled -= other.settled;
        self.owing -= other.owing;
        self.cost -= other.cost;
    }
}
