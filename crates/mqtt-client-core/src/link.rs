//! A connection's life as the client sees it: wanted, dialled, accepted, lost, tried again, ended.

use std::time::Duration;

use crate::codec::{Disconnect, ReasonCode, Version};
use crate::core::Core;
use crate::error::FailureClass;
use crate::session::{self, Command, Connected, DisconnectCause, Output, Phase, Session, Timestamp};
use crate::slots::NOBODY;
use crate::{Attempt, ConnectError, Duty, Event, Failure, Offline, Preparation, ProviderError, Scheme};

/// Where the client stands.
#[derive(Debug)]
pub(crate) enum Link {
    /// Not connected, and not trying. `None`: it was never told to.
    Offline(Option<Offline>),
    /// Waiting for the next attempt.
    Backoff { until: Timestamp },
    /// The next attempt is due.
    Dial,
    /// The application is asked what it uses.
    Preparing { deadline: Timestamp },
    /// A step of an authentication is taken, which says what CONNECT has to hold.
    Authenticating { deadline: Timestamp },
    /// The driver is to dial, once the authentication has begun.
    Prepared { deadline: Timestamp },
    /// The driver dials.
    Dialing { deadline: Timestamp },
    /// CONNECT is sent.
    Handshake { deadline: Timestamp },
    /// The broker has accepted. `ready`: lost subscriptions are restored too.
    Up { since: Timestamp, ready: bool },
    /// Too much is unread: once half of it has been read, the next attempt.
    Backlogged,
    /// DISCONNECT is submitted.
    Leaving {
        /// To connect anew.
        again: bool,
        /// But first the backlog has to shrink.
        backlog: bool,
    },
}

/// How long the DISCONNECT may take when the time to leave is up: a transport that takes nothing would hold it for ever.
const GOODBYE: Duration = Duration::from_secs(1);

/// `disconnect` was called, and what is on its way may still arrive.
#[derive(Debug)]
pub(crate) struct Drain {
    /// Counts from the driver's next look: the application has no clock.
    limit: Option<Duration>,
    deadline: Option<Timestamp>,
    /// The last packet.
    disconnect: Disconnect,
}

impl Drain {
    /// The time has come to leave, whatever is still on its way.
    fn is_due(&self, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// The time has come to close, even without a goodbye.
    fn is_overdue(&self, now: Timestamp) -> bool {
        self.deadline.is_some_and(|deadline| deadline + GOODBYE <= now)
    }

    fn next_time(&self, now: Timestamp) -> Option<Timestamp> {
        let deadline = self.deadline?;
        [deadline, deadline + GOODBYE].into_iter().find(|time| *time > now)
    }
}

impl Core {
    /// Starts to connect, unless that is under way or done.
    pub(crate) fn start(&mut self) {
        if matches!(self.link, Link::Offline(_)) && !self.abandoned && !self.stopping {
            self.backoff.reset();
            self.destinations.start_over();
            (self.was_connected, self.clean) = (false, self.options.clean_start);
            self.last_failure = None;
            self.drain = None;
            self.link = Link::Dial;
            self.attend();
        }
    }

    /// Starts to leave: what is on its way first, for as long as `limit` says, or the drain timeout. A limit given later can
    /// shorten that.
    pub(crate) fn leave(&mut self, limit: Option<Duration>, disconnect: Disconnect) {
        if matches!(self.link, Link::Offline(Some(_))) {
            return;
        }
        match &mut self.drain {
            Some(drain) => {
                let sooner = [drain.limit, limit].into_iter().flatten().min();
                drain.limit = sooner;
                self.attend();
            }
            None => {
                self.empty_collectors();
                let limit = limit.unwrap_or(self.options.drain_timeout);
                self.drain = Some(Drain { limit: Some(limit), deadline: None, disconnect });
                self.attend();
                self.pump();
            }
        }
    }

    /// Ready when the client is connected, ready, and will stay so for all it knows; or when it is offline for good.
    pub(crate) fn outcome(&self) -> Option<Result<&Connected, Offline>> {
        match &self.link {
            Link::Up { ready: true, .. } => self.connected.as_ref().map(Ok),
            Link::Offline(Some(offline)) => Some(Err(offline.clone())),
            _ => None,
        }
    }

    /// Why nothing can be sent now or later, if so.
    pub(crate) fn is_over(&self) -> Option<Offline> {
        match &self.link {
            Link::Offline(Some(offline)) => Some(offline.clone()),
            _ if self.drain.is_some() => Some(Offline::Disconnected),
            _ => None,
        }
    }

    /// Why a call can't be taken now, if so.
    #[inline]
    pub(crate) fn refuses_calls(&self) -> Option<Offline> {
        let is_up = matches!(self.link, Link::Up { .. });
        if is_up && self.drain.is_none() {
            return None;
        }
        let waits = self.options.wait_for_connection || is_up;
        self.is_over().or((!waits).then_some(Offline::NotConnected))
    }

    /// The application has said what the attempt uses, or could not.
    pub(crate) fn prepared(&mut self, answer: Result<Attempt, ProviderError>) {
        self.transport = false;
        let Link::Preparing { deadline } = self.link else { return };
        match answer {
            Ok(Attempt { endpoint, credentials, .. }) => {
                if let Err(error) = self.options.transport.check(&endpoint) {
                    return self.link_ended(Failure::Provider(error.into()));
                }
                self.destinations.provide(endpoint);
                self.credentials = credentials;
                self.link = Link::Prepared { deadline };
            }
            Err(error) => self.link_ended(Failure::Provider(error)),
        }
    }

    pub(crate) fn dialed(&mut self) {
        let Link::Dialing { deadline } = self.link else { return };
        let credentials = std::mem::take(&mut self.credentials);
        let mut connect = self.options.connect(&self.client_id, self.clean, credentials);
        self.introduce(&mut connect.properties);
        match self.session.handle_opened(self.now, connect) {
            Ok(()) => self.link = Link::Handshake { deadline },
            Err(rejected) => self.link_ended(Failure::Invalid(Box::new(rejected.refusal))),
        }
    }

    /// A server of TLS answers what it does not understand with an alert. No packet begins like that.
    pub(crate) fn recognise_tls(&mut self, input: &[u8]) {
        if matches!(self.link, Link::Handshake { .. }) && input.starts_with(&[0x15, 3]) {
            self.failure = Some(Failure::TlsExpected);
        }
    }

    pub(crate) fn accepted(&mut self, connected: Connected) {
        self.subscriptions.connected(connected.session_present, &mut self.effects);
        self.publishing.replay_lost();
        self.reconnects += u64::from(self.was_connected);
        // Later connections resume what this client has begun.
        self.clean = false;
        if let Some(assigned) = &connected.limits.assigned_client_identifier {
            self.client_id = assigned.clone();
        }
        self.destinations.worked();
        self.was_connected = true;
        self.link = Link::Up { since: self.now, ready: false };
        self.connected = Some(connected);
    }

    pub(crate) fn disconnected(&mut self, cause: DisconnectCause) {
        if !matches!(self.link, Link::Handshake { .. } | Link::Up { .. } | Link::Leaving { .. }) {
            return; // Given up before the session knew.
        }
        // What the session knows is why the transport failed, if that failed too.
        let failure = match (self.failure.take(), cause) {
            (_, DisconnectCause::ByUs) => return self.left(),
            (Some(Failure::TlsExpected), _) => Failure::TlsExpected,
            (_, DisconnectCause::ByPeer(disconnect)) if disconnect.reason == ReasonCode::SessionTakenOver => {
                Failure::TakenOver {
                    client_id: self.client_id.as_str().into(),
                    disconnect: Box::new(disconnect),
                }
            }
            (_, DisconnectCause::ByPeer(disconnect)) => Failure::Disconnected(Box::new(disconnect)),
            (_, DisconnectCause::ProtocolError(error)) => Failure::Protocol(Box::new(error)),
            (_, DisconnectCause::PingTimeout) => Failure::PingTimeout,
            (_, DisconnectCause::WriteTimeout | DisconnectCause::PeerNotReading) => Failure::WriteTimeout,
            (Some(failure), _) => failure,
            (None, _) => Failure::Closed,
        };
        let failure = match self.link {
            Link::Handshake { .. } => {
                failure.before_connack(self.destinations.current().scheme() == Scheme::Mqtt)
            }
            _ => failure,
        };
        self.link_ended(failure);
    }

    /// The policy: an attempt or a connection failed; what now?
    pub(crate) fn link_ended(&mut self, failure: Failure) {
        let policy = self.options.reconnect;
        let was_up = match self.link {
            Link::Up { since, .. } => {
                if self.now.saturating_since(since) >= policy.stable_after {
                    self.backoff.reset();
                    self.destinations.start_over();
                }
                true
            }
            Link::Leaving { .. } => return self.left(),
            _ => false,
        };
        self.end_authentication(Some(&failure));
        if matches!(self.link, Link::Preparing { .. } | Link::Authenticating { .. }) {
            self.tell_attempt(); // One that has an outcome has to have begun.
        }
        self.connected = None;
        self.last_failure = Some(failure.clone());
        let class = match failure.class(was_up) {
            // What was good once has expired, and the next attempt brings something new.
            FailureClass::Permanent
                if was_up && failure.is_about_credentials() && self.brings_something_new() =>
            {
                FailureClass::Network
            }
            class => class,
        };
        let may_retry = (self.was_connected || policy.retry_initial)
            && policy.max_retries.is_none_or(|max| self.backoff.failures() < max)
            && (class != FailureClass::Permanent || policy.retry_permanent);
        let endpoint = self.destinations.current();
        // Where the application chose the broker, or could not, the fault is none of the next one's in the list.
        let follows = self.follows(&failure);
        let chosen = self.destinations.over() || matches!(failure, Failure::Provider(_));
        let others = class == FailureClass::Network && !chosen && (may_retry || !was_up);
        if follows || others && self.destinations.failed() {
            self.link = Link::Dial;
            self.tell(Event::Failed { endpoint, failure, retry_in: Duration::ZERO });
            return self.attend();
        }
        if !may_retry {
            let attempts = self.backoff.failures() + 1;
            return self.go_offline(Offline::GaveUp(ConnectError { endpoint, attempts, failure }));
        }
        let wait = match class {
            FailureClass::TakenOver => self.backoff.next_hard_wait(),
            _ => self.backoff.next_wait(),
        };
        self.link = Link::Backoff { until: self.now + wait };
        self.tell(Event::Failed { endpoint, failure, retry_in: wait });
        self.attend();
    }

    /// Whether the next attempt is more than the last one once more.
    fn brings_something_new(&self) -> bool {
        self.options.before_attempt.is_some() || self.options.authenticator.is_some()
    }

    /// Whether the failure is a broker's advice that the options say to follow: to speak the older version, or to go elsewhere.
    fn follows(&mut self, failure: &Failure) -> bool {
        let (reason, reference) = match failure {
            Failure::Refused(connack) => (connack.reason, connack.properties.server_reference()),
            Failure::Disconnected(disconnect) => {
                (disconnect.reason, disconnect.properties.server_reference())
            }
            _ => return false,
        };
        match (reason, reference) {
            (ReasonCode::UnsupportedProtocolVersion, _) if !self.was_connected => {
                let Some(config) = self.options.fall_back.take() else { return false };
                self.options.version = config.version;
                self.publishing.close_doors();
                self.session = Session::new(config);
                true
            }
            (ReasonCode::UseAnotherServer, Some(reference)) => {
                self.destinations.redirect(reference.as_str(), false)
            }
            (ReasonCode::ServerMoved, Some(reference)) => {
                self.destinations.redirect(reference.as_str(), true)
            }
            _ => false,
        }
    }

    /// Gives up the present connection, or the wait for the next attempt, and connects at once.
    pub(crate) fn reconnect(&mut self, clean: bool) {
        self.start();
        self.clean |= clean && self.options.version == Version::V5;
        match self.link {
            Link::Backoff { .. } | Link::Backlogged => self.link = Link::Dial,
            Link::Up { .. }
                if self.drain.is_none()
                    && self.session.submit(Command::Disconnect(Disconnect::default())).is_ok() =>
            {
                self.connected = None;
                self.link = Link::Leaving { again: true, backlog: false };
            }
            _ => {}
        }
        self.attend();
    }

    /// The machine has slept: the broker may have gone, or be back. A refused ping has one on its way that says as much.
    pub(crate) fn check_link(&mut self) {
        match self.link {
            Link::Up { .. } => drop(self.session.submit(Command::Ping { tag: NOBODY })),
            Link::Backoff { .. } => self.link = Link::Dial,
            _ => {}
        }
    }

    /// The connection that was to be left is gone.
    fn left(&mut self) {
        self.connected = None;
        self.end_authentication(None);
        match self.link {
            Link::Leaving { again: true, backlog } if self.drain.is_none() => {
                self.link = if backlog { Link::Backlogged } else { Link::Dial };
                self.resume_after_backlog();
                self.attend();
            }
            _ => self.go_offline(Offline::Disconnected),
        }
    }

    /// More is unread than the options allow, and reading must not stop: the broker is told to keep the rest.
    #[cold]
    pub(crate) fn shed_load(&mut self) {
        if !matches!(self.link, Link::Up { .. }) || self.drain.is_some() {
            return;
        }
        let mut disconnect = Disconnect::default();
        if self.options.version == Version::V5 {
            disconnect.reason = ReasonCode::QuotaExceeded;
        }
        if self.session.submit(Command::Disconnect(disconnect)).is_ok() {
            self.connected = None;
            self.link = Link::Leaving { again: true, backlog: true };
            self.tell(Event::Backlogged { unread_bytes: self.streams.budget.used() });
            self.attend();
        }
    }

    /// Whether what the broker sends is of no interest any more: of a connection that was given up, or that would only add to
    /// the backlog.
    pub(crate) fn gives_up_input(&self) -> bool {
        !matches!(self.link, Link::Handshake { .. } | Link::Up { .. } | Link::Leaving { backlog: false, .. })
    }

    /// Something was read: perhaps enough to go on.
    pub(crate) fn resume_after_backlog(&mut self) {
        if matches!(self.link, Link::Backlogged) && self.streams.budget.is_relaxed() {
            self.link = Link::Dial;
            self.attend();
        }
    }

    /// Nothing is tried any more. Everything that waits is told.
    pub(crate) fn go_offline(&mut self, offline: Offline) {
        self.connected = None;
        self.end_authentication(None);
        self.drain = None;
        self.link = Link::Offline(Some(offline.clone()));
        self.publishing.handle_time(self.now, &mut self.effects);
        let (version, effects) = (self.options.version, &mut self.effects);
        self.not_sent.extend(self.publishing.end_all(version, &offline, &self.session, effects));
        self.not_sent.extend(self.collectors.take_all());
        self.subscriptions.end_all(&offline, &mut self.effects);
        self.replies.end_all(&offline, &mut self.effects);
        self.streams.wake_all(&mut self.effects);
        self.wake_waiting();
        self.tell(Event::Offline(offline));
        self.attend();
    }

    /// What time alone changes. Called with every look of the driver, so nothing hangs on the timer's precision.
    pub(crate) fn link_timeout(&mut self) {
        if let Some(drain) = &mut self.drain {
            let fresh = drain.limit.take().map(|limit| self.now + limit);
            drain.deadline = [drain.deadline, fresh].into_iter().flatten().min();
        }
        match self.link {
            Link::Leaving { .. } if self.drain.as_ref().is_some_and(|drain| drain.is_overdue(self.now)) => {
                self.go_offline(Offline::Disconnected);
            }
            Link::Backoff { until } if until <= self.now => self.link = Link::Dial,
            Link::Preparing { deadline }
            | Link::Authenticating { deadline }
            | Link::Prepared { deadline }
            | Link::Dialing { deadline }
            | Link::Handshake { deadline }
                if deadline <= self.now =>
            {
                self.link_ended(Failure::ConnectTimeout(self.options.connect_timeout));
            }
            _ => {}
        }
        self.reauthentication_timeout();
    }

    /// Becomes ready, or leaves, once nothing stands in the way. Returns whether it moved.
    pub(crate) fn settle_link(&mut self) -> bool {
        if let Link::Up { ready: ready @ false, .. } = &mut self.link
            && self.subscriptions.is_restored()
        {
            *ready = true;
            let session_present = self.connected.as_ref().is_some_and(|connected| connected.session_present);
            self.wake_waiting();
            self.tell(Event::Connected { session_present });
            return true;
        }
        let Some(drain) = &self.drain else { return false };
        let due = drain.is_due(self.now);
        let idle = self.publishing.is_idle() && self.subscriptions.is_idle();
        match self.link {
            Link::Leaving { .. } | Link::Offline(Some(_)) => false,
            Link::Up { .. } if (idle || due) && self.session.phase() == Phase::Ready => {
                // What the broker's limits forbid is left out [5.0 MQTT-3.14.2-3], [5.0 MQTT-3.14.2-4].
                let shorter = [Disconnect::new(drain.disconnect.reason), Disconnect::default()];
                let left = std::iter::once(drain.disconnect.clone())
                    .chain(shorter)
                    .any(|disconnect| self.session.submit(Command::Disconnect(disconnect)).is_ok());
                if left {
                    self.link = Link::Leaving { again: false, backlog: false };
                    self.attend();
                }
                left
            }
            Link::Up { .. } => false,
            _ if idle || due || matches!(self.link, Link::Offline(None)) => {
                self.go_offline(Offline::Disconnected);
                true
            }
            _ => false,
        }
    }

    /// What the driver is to do now.
    pub(crate) fn link_duty(&mut self, out: &mut Output) -> Duty {
        match self.link {
            // A transport that nothing uses any more goes first.
            Link::Offline(_) | Link::Backoff { .. } | Link::Backlogged | Link::Dial if self.transport => {
                Duty::Close
            }
            Link::Offline(Some(_)) if self.abandoned || self.stopping => Duty::Stop,
            Link::Offline(_) | Link::Backlogged => {
                Duty::Wait { deadline: self.earliest([]), read: false, turns: 0 }
            }
            Link::Backoff { until } => {
                Duty::Wait { deadline: self.earliest([Some(until)]), read: false, turns: 0 }
            }
            Link::Dial => {
                let deadline = self.now + self.options.connect_timeout;
                self.failure = None;
                self.destinations.over();
                let credentials = self.options.credentials.clone();
                let Some(provider) = &self.options.before_attempt else {
                    self.credentials = credentials;
                    return self.approach(deadline);
                };
                let attempt = Attempt {
                    endpoint: self.destinations.current(),
                    number: self.backoff.failures() + 1,
                    failure: self.last_failure.clone(),
                    credentials,
                };
                let preparation = Preparation::new(provider, attempt);
                self.link = Link::Preparing { deadline };
                self.transport = true;
                Duty::Prepare(preparation)
            }
            Link::Prepared { deadline } => self.approach(deadline),
            Link::Preparing { deadline } | Link::Authenticating { deadline } | Link::Dialing { deadline } => {
                Duty::Wait { deadline: self.earliest([Some(deadline)]), read: false, turns: 0 }
            }
            Link::Handshake { .. } | Link::Up { .. } | Link::Leaving { .. } => {
                let handshake = match self.link {
                    Link::Handshake { deadline } => Some(deadline),
                    _ => None,
                };
                match self.session.poll_io(self.now, out) {
                    session::Duty::Close => Duty::Close,
                    session::Duty::Wait(deadline) => {
                        let paused = self.paused_until();
                        let deadlines = [deadline.map(|deadline| deadline.at), handshake, paused];
                        let read = paused.is_none() && !self.holds_handshake();
                        let turns = if out.is_empty() { self.lingering.turns() } else { 0 };
                        Duty::Wait { deadline: self.earliest(deadlines), read, turns }
                    }
                }
            }
        }
    }

    /// On to the dialling, or to what comes before it.
    fn approach(&mut self, deadline: Timestamp) -> Duty {
        if self.has_to_begin_authentication()
            && let Some(step) = self.authentication.take_step()
        {
            self.link = Link::Authenticating { deadline };
            self.transport = true;
            return Duty::Authenticate(step);
        }
        self.dial(deadline)
    }

    fn dial(&mut self, deadline: Timestamp) -> Duty {
        self.link = Link::Dialing { deadline };
        self.transport = true;
        self.tell_attempt();
        Duty::Dial(self.destinations.current())
    }

    fn tell_attempt(&mut self) {
        let (endpoint, number) = (self.destinations.current(), self.backoff.failures() + 1);
        self.tell(Event::Attempt { endpoint, number });
    }

    fn earliest<const N: usize>(&self, deadlines: [Option<Timestamp>; N]) -> Option<Timestamp> {
        let drain = self.drain.as_ref().and_then(|drain| drain.next_time(self.now));
        let waking = matches!(self.link, Link::Up { .. } | Link::Backoff { .. });
        let look = self.suspend.next().filter(|_| waking);
        let others = [
            drain,
            look,
            self.streams.next_time(),
            self.publishing.next_time(),
            self.collectors.next_time(),
            self.replies.next_time(),
            self.store_deadline(),
            self.reauthentication_deadline(),
        ];
        deadlines.into_iter().chain(others).flatten().min()
    }

    pub(crate) fn wake_waiting(&mut self) {
        for (_, waiting) in self.waiting.iter_mut() {
            self.effects.wake(waiting);
        }
    }
}
