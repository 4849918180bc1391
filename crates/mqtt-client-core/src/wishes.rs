//! What the application may ask of the core. Every wish is one short call under the lock; what it wakes runs after it.

use std::collections::VecDeque;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::acknowledge::Answer;
use crate::client::any_granted;
use crate::codec::{
    Disconnect, Publish, QoS, ReasonCode, SubscribeFilter, SubscribeProperties, TopicFilter,
    UnsubscribeProperties,
};
use crate::core::Core;
use crate::effects::park;
use crate::outbox::measure;
use crate::publishing::{Admission, Asked, PublishResult, taken};
use crate::session::{Command, Connected, InboundPublish, Refusal};
use crate::slots::Tag;
use crate::streams::{Delivery, Due, Handed, Share};
use crate::{
    Acknowledge, DisconnectReport, Event, FilterResults, NotSent, Offline, PingError, PublishError,
    Qos0Overflow, RequestError, Stats, SubscribeError,
};

/// A PINGREQ that the application asked for.
#[derive(Debug)]
pub(crate) struct PingSlot {
    result: Option<Result<Duration, PingError>>,
    waker: Option<Waker>,
}

impl Core {
    /// Takes a message on its way. What is left in `publish` is the caller's to drop, without the lock.
    pub(crate) fn publish(&mut self, publish: &mut Publish, asked: Asked) -> Admission {
        let not_sent = |publish: &Publish, why| Admission::Failed(PublishError::new(&publish.topic, why));
        if let Some(why) = self.refuses_publish(publish.qos) {
            return not_sent(publish, why);
        }
        let cost = match self.cost(publish) {
            Ok(cost) => cost,
            Err(why) => return not_sent(publish, why),
        };
        self.gathering.published();
        // Behind others that wait, it waits too, and the driver has nothing to do that it does not know of.
        let is_first = self.publishing.has_handed_over_all();
        if asked.forget
            && asked.timeout.is_none()
            && let Some(sent) = self.publishing.send_off(publish, cost, &mut self.session)
        {
            if is_first {
                self.attend();
            }
            self.publishing.lend(self.options.version, &self.session);
            return sent.map_or_else(Admission::Failed, |()| Admission::Queued);
        }
        let publish = taken(publish);
        let (session, effects) = (&mut self.session, &mut self.effects);
        match self.publishing.start(publish, cost, asked, session, effects) {
            Err(error) => Admission::Failed(error),
            Ok((tag, handed)) => {
                let moved = handed || self.publishing.pump(self.now, session, effects);
                if moved || self.publishing.has_fresh_limits() || self.keeping.is_some() {
                    self.attend();
                }
                self.publishing.lend(self.options.version, &self.session);
                self.publishing.admission(tag, asked.forget)
            }
        }
    }

    /// Takes what was published without this lock, before whatever is asked now.
    #[inline]
    pub(crate) fn take_arrivals(&mut self) {
        if self.publishing.has_arrivals()
            && self.publishing.pump(self.now, &mut self.session, &mut self.effects)
        {
            self.attend();
        }
    }

    /// What a publish takes of the byte bound, if it can be encoded at all.
    pub(crate) fn cost(&self, publish: &mut Publish) -> Result<usize, NotSent> {
        measure(publish, self.options.version).map_err(|error| NotSent::Refused(Refusal::Invalid(error)))
    }

    pub(crate) fn poll_admitted(&mut self, tag: Tag, waker: &mut Option<Waker>) -> Poll<()> {
        self.publishing.poll_admitted(tag, waker)
    }

    pub(crate) fn poll_published(&mut self, tag: Tag, waker: &mut Option<Waker>) -> Poll<PublishResult> {
        self.publishing.poll_ended(tag, waker)
    }

    pub(crate) fn detach_publish(&mut self, tag: Tag) {
        if self.publishing.detach(tag, &mut self.effects) {
            self.pump();
        }
    }

    /// Opens a stream, and asks for its filters. Returns the stream and the call.
    pub(crate) fn subscribe(
        &mut self,
        filters: Vec<SubscribeFilter>,
        properties: &SubscribeProperties,
        acknowledge: Acknowledge,
        overflow: Qos0Overflow,
    ) -> Result<(Tag, Tag), Offline> {
        if let Some(offline) = self.refuses_calls() {
            return Err(offline);
        }
        let stream = self.streams.open(acknowledge, overflow);
        let operation = self.subscriptions.subscribe(stream, filters, properties);
        self.route_unclaimed();
        self.attend();
        self.pump();
        Ok((stream, operation))
    }

    /// Opens a stream for what no other one matches, also for what has waited for one.
    pub(crate) fn catch_all(&mut self, acknowledge: Acknowledge) -> Tag {
        let stream = self.streams.open_catch_all(acknowledge);
        self.route_unclaimed();
        stream
    }

    pub(crate) fn unsubscribe(
        &mut self,
        filters: Vec<TopicFilter>,
        properties: &UnsubscribeProperties,
    ) -> Result<Tag, Offline> {
        if let Some(offline) = self.refuses_calls() {
            return Err(offline);
        }
        let operation = self.subscriptions.unsubscribe(filters, properties);
        self.streams.wake_all(&mut self.effects);
        self.attend();
        self.pump();
        Ok(operation)
    }

    pub(crate) fn poll_operation(
        &mut self,
        operation: Tag,
        waker: &mut Option<Waker>,
    ) -> Poll<Result<FilterResults, Offline>> {
        self.subscriptions.poll_operation(operation, waker)
    }

    pub(crate) fn detach_operation(&mut self, operation: Tag) {
        self.subscriptions.detach_operation(operation);
    }

    /// The next message, and at the end of `run` those behind it that the reader may take without asking; `None` when there is
    /// none and none can come: no filter feeds the stream, or the client is offline for good.
    pub(crate) fn poll_message(
        &mut self,
        stream: Tag,
        run: &mut VecDeque<Delivery>,
        waker: &mut Option<Waker>,
    ) -> Poll<Option<Handed>> {
        self.collect(stream);
        match self.streams.poll_next(stream, waker) {
            Poll::Ready((handed, due)) => {
                // The driver is to look after what was lent.
                if self.streams.lend(stream, run) {
                    self.attend();
                }
                self.settle(due);
                self.retry_pause();
                self.resume_after_backlog();
                Poll::Ready(Some(handed))
            }
            Poll::Pending if self.is_over().is_some() => Poll::Ready(None),
            Poll::Pending
                if self.subscriptions.feeds(stream) || self.streams.catch_alls().contains(&stream) =>
            {
                Poll::Pending
            }
            Poll::Pending => Poll::Ready(None),
        }
    }

    /// The reader of a stream has taken messages that it was lent.
    pub(crate) fn collect(&mut self, stream: Tag) {
        let mut due = std::mem::take(&mut self.due);
        self.streams.collect(stream, &mut due);
        self.settle_all(due);
    }

    /// So may others have.
    pub(crate) fn look_after_loans(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        self.streams.look_after_loans(self.now, &mut due);
        self.settle_all(due);
    }

    /// Ends a stream. Its unread messages wait for another one, as those do that no stream matched. `lent`: what the reader has
    /// not taken.
    pub(crate) fn close_stream(&mut self, stream: Tag, unsubscribe: bool, lent: VecDeque<Delivery>) {
        self.collect(stream);
        self.subscriptions.drop_stream(stream, unsubscribe);
        self.streams.close(self.now, stream, lent);
        self.route_unclaimed();
        self.retry_pause();
        self.resume_after_backlog();
        self.attend();
        self.pump();
    }

    /// A reader's answer to a message that was left to it.
    pub(crate) fn answer(&mut self, share: Share, answer: Option<Box<Answer>>) {
        let due = self.streams.settle(share, answer);
        self.settle(due);
    }

    /// A message that was left to its reader comes back unanswered.
    pub(crate) fn hand_back(&mut self, stream: Tag, share: Share, publish: InboundPublish) {
        self.streams.hand_back(self.now, stream, share, publish, &mut self.effects);
        self.route_unclaimed();
    }

    /// Begins a request: its message is addressed, and sent by the caller when responses can arrive.
    pub(crate) fn begin_request(
        &mut self,
        publish: &mut Publish,
        timeout: Duration,
    ) -> Result<Tag, RequestError> {
        if let Some(offline) = self.refuses_calls() {
            return Err(RequestError::Offline { topic: publish.topic.as_str().into(), error: offline });
        }
        let (request, path) = self.replies.begin(self.options.version, publish, timeout)?;
        if let Some(path) = path {
            let streams = &mut self.streams;
            let stream = *self
                .replies
                .stream
                .get_or_insert_with(|| streams.open(Acknowledge::OnDelivery, Qos0Overflow::default()));
            let filter = path.filter.clone();
            let operation = self.subscriptions.subscribe(stream, vec![path], &SubscribeProperties::new());
            self.replies.path_asked(request, filter, operation);
        }
        self.attend();
        self.pump();
        Ok(request)
    }

    /// Responses that came, to whom they answer.
    pub(crate) fn take_responses(&mut self) {
        let Some(stream) = self.replies.stream else { return };
        let (subscriptions, effects) = (&mut self.subscriptions, &mut self.effects);
        if self.replies.wait_for_paths() {
            let granted = |operation| {
                let results = subscriptions.poll_operation(operation, &mut None);
                results
                    .map(|results| results.map_err(SubscribeError::Offline).and_then(any_granted).map(drop))
            };
            self.replies.settle_paths(granted, effects);
        }
        while let Poll::Ready((Handed { publish, .. }, due)) = self.streams.poll_next(stream, &mut None) {
            self.settle(due);
            if !self.replies.arrived(self.options.version, publish, &mut self.effects) {
                self.streams.unclaimed_count += 1;
            }
        }
    }

    pub(crate) fn ping(&mut self) -> Result<Tag, PingError> {
        if self.is_over().is_some() {
            return Err(PingError::NotConnected);
        }
        let tag = self.pings.insert(PingSlot { result: None, waker: None });
        match self.session.submit(Command::Ping { tag }) {
            Ok(()) => {
                self.attend();
                Ok(tag)
            }
            Err(_) => {
                self.pings.remove(tag);
                Err(PingError::NotConnected)
            }
        }
    }

    pub(crate) fn poll_pong(
        &mut self,
        tag: Tag,
        waker: &mut Option<Waker>,
    ) -> Poll<Result<Duration, PingError>> {
        match self.pings.get_mut(tag) {
            Some(PingSlot { result: None, waker: place }) => park(place, waker),
            _ => Poll::Ready(
                self.pings.remove(tag).and_then(|slot| slot.result).unwrap_or(Err(PingError::LinkLost)),
            ),
        }
    }

    pub(crate) fn detach_ping(&mut self, tag: Tag) {
        self.pings.remove(tag);
    }

    pub(crate) fn pinged(&mut self, tag: Option<Tag>, round_trip: Option<Duration>) {
        if let Some(slot) = tag.and_then(|tag| self.pings.get_mut(tag)) {
            slot.result = Some(round_trip.ok_or(PingError::LinkLost));
            self.effects.wake(&mut slot.waker);
        }
    }

    /// A place to wait in for the client to become ready or offline.
    pub(crate) fn wait(&mut self) -> Tag {
        self.waiting.insert(None)
    }

    pub(crate) fn stop_waiting(&mut self, tag: Tag) {
        self.waiting.remove(tag);
    }

    pub(crate) fn poll_ready(
        &mut self,
        tag: Tag,
        waker: &mut Option<Waker>,
    ) -> Poll<Result<Connected, Offline>> {
        if let Some(offline) = self.is_over() {
            return Poll::Ready(Err(offline));
        }
        match self.outcome() {
            Some(outcome) => Poll::Ready(outcome.cloned()),
            None => self.park_waiting(tag, waker),
        }
    }

    pub(crate) fn poll_offline(&mut self, tag: Tag, waker: &mut Option<Waker>) -> Poll<DisconnectReport> {
        match self.outcome() {
            Some(Err(_)) if self.is_stored() => {
                let not_sent = std::mem::take(&mut self.not_sent);
                Poll::Ready(DisconnectReport { not_sent, kept: self.publishing.kept() })
            }
            _ => self.park_waiting(tag, waker),
        }
    }

    /// Waits for all that was published, and for what is only collected yet.
    pub(crate) fn flush(&mut self) -> Tag {
        self.empty_collectors();
        self.publishing.flush()
    }

    /// The application's code has failed where nobody waits for it.
    pub(crate) fn callback_panicked(&mut self, what: String) {
        self.callback_panics += 1;
        self.tell(Event::CallbackPanicked(what));
        self.attend();
    }

    pub(crate) fn listen(&mut self) -> Tag {
        self.listeners.open()
    }

    pub(crate) fn poll_event(&mut self, listener: Tag, waker: &mut Option<Waker>) -> Poll<Option<Event>> {
        match self.listeners.poll_next(listener, waker) {
            Poll::Ready(event) => Poll::Ready(Some(event)),
            Poll::Pending if self.abandoned => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }

    pub(crate) fn stop_listening(&mut self, listener: Tag) {
        self.listeners.close(listener);
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            queued_publishes: self.publishing.queued(),
            collected_publishes: self.collectors.len(),
            pending_publishes: self.publishing.pending(),
            pending_bytes: self.publishing.pending_bytes(),
            dropped_publishes: self.publishing.counts.dropped,
            superseded_publishes: self.publishing.counts.superseded,
            expired_publishes: self.publishing.counts.expired,
            refused_publishes: self.publishing.counts.refused,
            timed_out_publishes: self.publishing.counts.timed_out,
            lost_publishes: self.publishing.counts.lost,
            in_flight: self.session.in_flight(),
            unread_bytes: self.streams.budget.used(),
            unacknowledged_messages: self.session.inbound_unacknowledged(),
            dropped_messages: self.streams.dropped,
            unclaimed_messages: self.streams.unclaimed_count,
            store_failed: self.has_store_failed(),
            callback_panics: self.callback_panics,
            missed_packets: self.packets.missed,
            reconnects: self.reconnects,
            bytes_sent: self.bytes_sent,
            bytes_received: self.bytes_received,
            round_trip: self.session.round_trip(),
        }
    }

    /// Leaves in good order, for good.
    pub(crate) fn stop(&mut self, limit: Option<Duration>) {
        self.stopping = true;
        self.leave(limit, Disconnect::default());
        self.attend();
    }

    /// The last handle is gone: leave in good order, then end the driver.
    pub(crate) fn abandon(&mut self) {
        self.abandoned = true;
        self.leave(None, Disconnect::default());
        self.attend();
    }

    /// Acknowledges what all streams have done with.
    pub(crate) fn settle(&mut self, due: Option<Due>) {
        if let Some((token, answer)) = due {
            match answer {
                None => self.session.acknowledge(token, ReasonCode::Success),
                Some(answer) => self.session.acknowledge_with(token, answer.reason, answer.properties),
            };
            self.attend();
        }
    }

    /// The same with memory that is kept.
    fn settle_all(&mut self, mut due: Vec<Due>) {
        due.drain(..).for_each(|due| self.settle(Some(due)));
        self.due = due;
    }

    /// Why a message can't be taken now, if so.
    pub(crate) fn refuses_publish(&self, qos: QoS) -> Option<NotSent> {
        if let Some(offline) = self.refuses_calls() {
            return Some(NotSent::Offline(offline));
        }
        self.store_error().filter(|_| qos != QoS::AtMostOnce).cloned().map(NotSent::Store)
    }

    fn park_waiting<T>(&mut self, tag: Tag, waker: &mut Option<Waker>) -> Poll<T> {
        match self.waiting.get_mut(tag) {
            Some(place) => park(place, waker),
            None => Poll::Pending,
        }
    }
}
