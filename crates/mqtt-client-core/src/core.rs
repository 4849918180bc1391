//! The client as one state machine: the driver's facts and duties meet the application's wishes here.
//!
//! Dispatch only. How a connection lives and dies stands in `link`, what the application may ask in `wishes`.

use std::io;
use std::mem;

use bytes::BytesMut;

use crate::auth::Authentication;
use crate::backoff::{Backoff, SplitMix64};
use crate::codec::{Connack, Publish, QoS, Text};
use crate::collectors::Collectors;
use crate::credentials::Credentials;
use crate::destinations::Destinations;
use crate::effects::Effects;
use crate::event::Listeners;
use crate::gathering::{Gathering, is_worth_a_write};
use crate::lingering::Lingering;
use crate::link::{Drain, Link};
use crate::packet_watch::PacketWatches;
use crate::publishing::Publishing;
use crate::replies::Replies;
use crate::session::{self, Connected, Inbound, InboundPublish, Output, PacketTrace, Session, Timestamp};
use crate::slots::{Slots, Tag};
use crate::store::{Keeping, Restored, StoreError};
use crate::streams::{Due, Streams};
use crate::subscriptions::{Subscriptions, Unrestored};
use crate::suspend::SuspendWatch;
use crate::wishes::PingSlot;
use crate::{Attempt, AuthOutcome, Duty, Event, Failure, FilterAnswer, Options, ProviderError};
use std::task::Waker;
use std::time::{Duration, SystemTime};

/// How long reading may pause for a stream whose QoS 0 queue is full.
const PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) options: Options,
    pub(crate) client_id: Text,
    pub(crate) session: Session,
    pub(crate) backoff: Backoff,
    pub(crate) link: Link,
    pub(crate) destinations: Destinations,
    /// Of the attempt that is under way.
    pub(crate) credentials: Credentials,
    pub(crate) authentication: Authentication,
    /// How the connection before, or the attempt at one, ended.
    pub(crate) last_failure: Option<Failure>,
    /// The next connection throws away what the broker holds.
    pub(crate) clean: bool,
    /// The driver holds a transport, or is making one.
    pub(crate) transport: bool,
    /// A connection has been accepted at least once since `connect`.
    pub(crate) was_connected: bool,
    /// How the current connection fails, when that is known better than by what the session will say.
    pub(crate) failure: Option<Failure>,
    pub(crate) connected: Option<Connected>,
    pub(crate) drain: Option<Drain>,
    /// Nobody holds a handle any more.
    pub(crate) abandoned: bool,
    /// `stop` was called: the driver ends with this connection.
    pub(crate) stopping: bool,
    pub(crate) publishing: Publishing,
    pub(crate) collectors: Collectors,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) streams: Streams,
    pub(crate) pings: Slots<PingSlot>,
    pub(crate) replies: Replies,
    pub(crate) listeners: Listeners,
    pub(crate) packets: PacketWatches,
    pub(crate) callback_panics: u64,
    /// Calls that wait for the client to be ready, or to be offline.
    pub(crate) waiting: Slots<Option<Waker>>,
    /// With a store.
    pub(crate) keeping: Option<Keeping>,
    pub(crate) not_sent: Vec<Publish>,
    /// A message that waits for a full stream, and everything behind it with it.
    pause: Option<Pause>,
    /// The driver holds input that a pause, or a step of an authentication, kept from being taken.
    pub(crate) withheld: bool,
    /// The streams of the message at hand; kept for its memory.
    targets: Vec<Tag>,
    /// Acknowledgements at hand, likewise.
    pub(crate) due: Vec<Due>,
    pub(crate) reconnects: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) suspend: SuspendWatch,
    /// The latest time the driver has told.
    pub(crate) now: Timestamp,
    /// Something was asked that the driver has to see.
    attention: bool,
    /// The driver sleeps until it is woken.
    parked: bool,
    pub(crate) gathering: Gathering,
    pub(crate) lingering: Lingering,
    pub(crate) effects: Effects,
    pub(crate) news: Vec<Event>,
}

#[derive(Debug)]
struct Pause {
    inbound: Inbound,
    until: Timestamp,
}

impl Core {
    /// `restored`: what the store holds, if the options name one.
    pub(crate) fn new(options: Options, seed: u64, restored: Option<Restored>) -> Result<Self, StoreError> {
        let mut random = SplitMix64(seed);
        let reconnect = options.reconnect;
        let client_id = options.effective_client_id(&mut random);
        let mut publishing = Publishing::new(&options);
        let mut subscriptions = Subscriptions::new();
        let (mut session, mut keeping) = (None, None);
        if let Some(mut restored) = restored {
            session = Some(restored.resume(&options, &mut random, &mut publishing)?);
            keeping = Some(Keeping::new(restored.clock_ahead(), options.durability.interval()));
            subscriptions.restore(restored.filters);
        }
        Ok(Core {
            client_id,
            session: session.unwrap_or_else(|| Session::new(options.session.clone())),
            backoff: Backoff::new(reconnect.first_wait, reconnect.max_wait, random.next()),
            link: Link::Offline(None),
            destinations: Destinations::new(options.endpoints.clone(), options.max_redirects),
            credentials: Credentials::default(),
            authentication: Authentication::default(),
            last_failure: None,
            clean: options.clean_start,
            transport: false,
            was_connected: false,
            failure: None,
            connected: None,
            drain: None,
            abandoned: false,
            stopping: false,
            publishing,
            collectors: Collectors::new(),
            subscriptions,
            streams: Streams::new(&options),
            pings: Slots::new(),
            replies: Replies::new(random.next()),
            listeners: Listeners::new(),
            packets: PacketWatches::new(),
            callback_panics: 0,
            waiting: Slots::new(),
            keeping,
            not_sent: Vec::new(),
            pause: None,
            withheld: false,
            targets: Vec::new(),
            due: Vec::new(),
            reconnects: 0,
            bytes_sent: 0,
            bytes_received: 0,
            suspend: SuspendWatch::default(),
            now: Timestamp::ZERO,
            attention: false,
            parked: false,
            gathering: Gathering::default(),
            lingering: Lingering::default(),
            effects: Effects::default(),
            news: Vec::new(),
            options,
        })
    }

    pub(crate) fn handle_prepared(&mut self, now: Timestamp, answer: Option<Result<Attempt, ProviderError>>) {
        self.facts(now);
        self.prepared(answer.unwrap_or_else(|| Err(ProviderError::temporary("it panicked"))));
        self.pump();
    }

    pub(crate) fn handle_authenticated(&mut self, now: Timestamp, outcome: Option<AuthOutcome>) {
        self.facts(now);
        self.authenticated(outcome);
        self.pump();
    }

    pub(crate) fn handle_dialed(&mut self, now: Timestamp) {
        self.facts(now);
        self.dialed();
        self.pump();
    }

    pub(crate) fn handle_dial_failed(&mut self, now: Timestamp, doing: &'static str, error: io::Error) {
        self.facts(now);
        self.transport = false;
        if matches!(self.link, Link::Dialing { .. }) {
            self.link_ended(Failure::io(doing, error));
        }
        self.pump();
    }

    pub(crate) fn handle_input(&mut self, now: Timestamp, input: &mut BytesMut) -> usize {
        self.facts(now);
        if self.pause.is_some() {
            self.withheld = true;
            return 0;
        }
        if self.gives_up_input() {
            input.clear();
            return 0;
        }
        self.streams.begin_piece();
        self.recognise_tls(input);
        // A protocol error latches in the session, which closes the connection and names it in its last event.
        let consumed = self.take_input(input);
        self.bytes_received += consumed as u64;
        self.lingering.answered(now);
        self.pump();
        consumed
    }

    pub(crate) fn handle_written(&mut self, now: Timestamp, bytes: usize) {
        self.facts(now);
        self.bytes_sent += bytes as u64;
        self.gathering.wrote();
        self.lingering.wrote(now);
        self.session.handle_written(now, bytes);
        self.publishing.written(self.session.written(), &mut self.effects);
        self.pump();
    }

    pub(crate) fn handle_closed(&mut self, now: Timestamp, failure: Option<(&'static str, io::Error)>) {
        self.facts(now);
        self.transport = false;
        if self.failure.is_none() {
            self.failure = failure.map(|(doing, error)| Failure::io(doing, error));
        }
        self.end_pause();
        self.withheld = false;
        self.session.handle_closed(now);
        self.publishing.unlinked(self.options.version, &mut self.effects);
        self.pump();
        self.failure = None;
    }

    pub(crate) fn handle_timeout(&mut self, now: Timestamp) {
        self.facts(now);
        if self.pause.as_ref().is_some_and(|pause| pause.until <= now) {
            self.end_pause();
        }
        self.session.handle_timeout(now);
        self.link_timeout();
        for (stream, unread) in self.streams.take_stalled(now) {
            let filters = self.subscriptions.filters_of(stream);
            self.tell(Event::ConsumerStalled { filters, unread });
        }
        while let Some(token) = self.streams.expire_unclaimed(now) {
            self.session.acknowledge(token, crate::codec::ReasonCode::Success);
        }
        self.resume_after_backlog();
        self.pump();
    }

    pub(crate) fn handle_wall_clock(&mut self, now: Timestamp, wall: SystemTime) {
        self.facts(now);
        if self.suspend.look(now, wall) {
            self.check_link();
            self.pump();
        }
    }

    /// `woke`: how many were, since the last call.
    pub(crate) fn poll_io(&mut self, now: Timestamp, out: &mut Output, woke: usize) -> Duty {
        self.facts(now);
        self.link_timeout();
        self.look_after_loans();
        self.resume_after_backlog();
        self.pump();
        if let Some(step) = self.authentication.take_step() {
            return Duty::Authenticate(step);
        }
        if self.pause.is_none() && !self.holds_handshake() && mem::take(&mut self.withheld) {
            return Duty::Resume;
        }
        // Whatever was asked up to now is looked at here.
        self.attention = false;
        let duty = self.link_duty(out);
        let waits = matches!(duty, Duty::Wait { .. });
        let arrived = self.publishing.take_count();
        let grows = self.gathering.look(out.len(), arrived) && self.session.publish_room() > 0;
        if waits && woke == 1 && is_worth_a_write(out.len()) {
            return Duty::GiveWay;
        }
        if waits && (grows || !self.publishing.may_sleep(&self.session)) {
            return Duty::Gather;
        }
        self.parked = waits;
        duty
    }

    /// Something was asked that needs the driver: on unlocking it is woken, if it sleeps.
    pub(crate) fn attend(&mut self) {
        self.attention = true;
    }

    /// Whether the driver has to be woken now; says so once per sleep.
    pub(crate) fn take_attention(&mut self) -> bool {
        let wanted = mem::take(&mut self.attention) && self.parked;
        self.parked &= !wanted;
        wanted
    }

    /// Takes what was recorded of packets, for the log and for callbacks.
    pub(crate) fn take_trace(&mut self, records: &mut Vec<PacketTrace>) {
        records.extend(self.session.take_trace());
        self.packets.tell(records, &mut self.effects);
    }

    /// Whether input is taken, and until when not.
    pub(crate) fn paused_until(&self) -> Option<Timestamp> {
        self.pause.as_ref().map(|pause| pause.until)
    }

    /// News from the session to whom they concern, then what waits to the session, until neither moves.
    pub(crate) fn pump(&mut self) {
        loop {
            while self.pause.is_none()
                && let Some(event) = self.session.poll_event()
            {
                self.dispatch(event);
            }
            let (mut progress, unrestored) = self.subscriptions.pump(&mut self.session, &mut self.effects);
            self.report(unrestored);
            self.take_responses();
            progress |= self.publishing.pump(self.now, &mut self.session, &mut self.effects);
            for error in self.publishing.take_unheard() {
                self.tell(Event::NotPublished(error));
            }
            progress |= self.settle_link();
            if !progress {
                break;
            }
        }
        match self.refuses_publish(QoS::AtLeastOnce) {
            None => self.publishing.lend(self.options.version, &self.session),
            Some(_) => self.publishing.close_doors(),
        }
    }

    /// A stream has read something: the message that waited for it may go on.
    pub(crate) fn retry_pause(&mut self) {
        if let Some(Pause { inbound, until }) = self.pause.take() {
            self.route(inbound, until);
            if self.pause.is_none() {
                self.attend();
                self.pump();
            }
        }
    }

    /// Messages that nobody wanted may have found somebody.
    pub(crate) fn route_unclaimed(&mut self) {
        for (until, inbound) in self.streams.take_unclaimed() {
            let mut targets = mem::take(&mut self.targets);
            self.find_targets(&inbound.publish, &mut targets);
            match targets.is_empty() {
                true => self.streams.put_unclaimed(until, inbound),
                false => self.deliver(inbound, &targets),
            }
            self.targets = targets;
        }
    }

    pub(crate) fn tell(&mut self, event: Event) {
        self.listeners.tell(&event, &mut self.effects);
        self.news.push(event);
    }

    fn facts(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        self.parked = false;
        self.publishing.awake();
        self.collectors_timeout();
        self.publishing.handle_time(self.now, &mut self.effects);
        self.replies.handle_time(self.now, &mut self.effects);
    }

    fn dispatch(&mut self, event: session::Event) {
        let effects = &mut self.effects;
        match event {
            session::Event::Message(inbound) => self.route(inbound, self.now + PAUSE),
            session::Event::Published { tag, publish, result } => {
                self.publishing.ended(tag, &publish.topic, result, effects);
                effects.discard(publish);
            }
            session::Event::PublishLost { tag, publish, stage } => {
                self.publishing.lost(self.now, tag, publish, stage, effects);
            }
            session::Event::Subscribed { tag, result } => {
                let answer = result.map(|suback| FilterAnswer::to_subscribe(&suback));
                let unrestored = self.subscriptions.answered(tag, answer, effects);
                self.report(unrestored);
            }
            session::Event::Unsubscribed { tag, result } => {
                let answer = result.map(|unsuback| FilterAnswer::to_unsubscribe(&unsuback));
                let unrestored = self.subscriptions.answered(tag, answer, effects);
                self.report(unrestored);
            }
            session::Event::Pong { tag, round_trip } => self.pinged(tag, Some(round_trip)),
            session::Event::PingAborted { tag } => self.pinged(Some(tag), None),
            session::Event::Challenged(auth) => self.challenged(&auth),
            session::Event::Reauthenticated(auth) => self.reauthenticated(&auth),
            session::Event::Connected(connected) => self.accepted(connected),
            session::Event::Refused(connack) => self.refused(connack),
            session::Event::Disconnected(cause) => self.disconnected(cause),
        }
    }

    /// Puts a message on its streams. One of QoS 0 may have to wait until `until` for a stream that is full.
    fn route(&mut self, inbound: Inbound, until: Timestamp) {
        let mut targets = mem::take(&mut self.targets);
        self.find_targets(&inbound.publish, &mut targets);
        if targets.is_empty() {
            self.streams.keep_unclaimed(self.now, inbound);
            self.keep_to_budget();
        } else if inbound.token.is_none() && self.streams.must_pause(&targets) {
            self.pause = Some(Pause { inbound, until });
        } else {
            self.deliver(inbound, &targets);
        }
        self.targets = targets;
    }

    #[inline(always)]
    fn deliver(&mut self, inbound: Inbound, targets: &[Tag]) {
        let due = self.streams.deliver(self.now, inbound, targets, &mut self.effects);
        self.settle(due);
        self.keep_to_budget();
    }

    #[inline]
    fn keep_to_budget(&mut self) {
        if self.streams.budget.is_exceeded() {
            self.shed_load();
        }
    }

    #[inline(always)]
    fn find_targets(&mut self, publish: &InboundPublish, targets: &mut Vec<Tag>) {
        self.subscriptions.route(publish, targets);
        if targets.is_empty() {
            targets.extend_from_slice(self.streams.catch_alls());
        }
    }

    /// The pause has lasted long enough: from now on its streams lose their oldest instead.
    fn end_pause(&mut self) {
        if let Some(Pause { inbound, until }) = self.pause.take() {
            let mut targets = mem::take(&mut self.targets);
            self.find_targets(&inbound.publish, &mut targets);
            self.streams.pause_is_over(&targets);
            self.targets = targets;
            self.route(inbound, until);
        }
    }

    fn report(&mut self, unrestored: impl IntoIterator<Item = Unrestored>) {
        for Unrestored { filter, why } in unrestored {
            self.replies.path_lost(&filter);
            self.tell(Event::SubscriptionLost { filter, why });
            self.streams.wake_all(&mut self.effects);
        }
    }

    fn refused(&mut self, connack: Connack) {
        self.failure = Some(Failure::Refused(Box::new(connack)));
    }
}
