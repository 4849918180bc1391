//! The thread that moves a client's bytes. What they mean, and what follows from it, the core decides.

use std::io;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;
use mio::{Events, Token};
use mqtt_client_core as core;
use mqtt_client_core::session::{Output, Timestamp};
use mqtt_client_core::{
    Attempt, AuthOutcome, AuthStep, ClientError, Duty, Endpoint, LINGER, Options, Preparation, ProviderError,
};

use crate::Wait;
use crate::helper::Helper;
use crate::transport::{Connection, Connector, DialError, Dialing, entropy};

const WAKE: Token = Token(0);
const LINK: Token = Token(1);

/// Starts a client's thread.
pub(crate) fn spawn(options: Options, connector: Option<Connector>) -> Result<core::Client, ClientError> {
    let seed = getrandom::u64().map_err(io::Error::from)?;
    let poll = mio::Poll::new()?;
    let wake = Arc::new(mio::Waker::new(poll.registry(), WAKE)?);
    let waker = Waker::from(Arc::new(WakeUp(Arc::clone(&wake))));
    let (client, mut core) = core::Driver::new(options, seed, waker)?;
    if let Some(storing) = core.take_storing() {
        thread::Builder::new().name("mqtt-store".into()).spawn(move || storing.run())?;
    }
    let driver = Driver {
        core,
        connector,
        epoch: Instant::now(),
        poll,
        events: Events::with_capacity(8),
        wake,
        link: Link::Down,
        authenticating: None,
        input: BytesMut::new(),
        output: Output::new(),
    };
    thread::Builder::new().name("mqtt".into()).spawn(move || driver.run())?;
    Ok(client)
}

/// How the core calls the thread.
struct WakeUp(Arc<mio::Waker>);

impl Wake for WakeUp {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // It fails only when the system is out of its depth; the thread then comes by at its next deadline.
        let _ = self.0.wake();
    }
}

struct Driver {
    core: core::Driver,
    connector: Option<Connector>,
    epoch: Instant,
    poll: mio::Poll,
    events: Events,
    wake: Arc<mio::Waker>,
    link: Link,
    /// A step of an authentication is taken.
    authenticating: Option<Helper<AuthOutcome>>,
    input: BytesMut,
    output: Output,
}

enum Link {
    Down,
    Preparing(Helper<Result<Attempt, ProviderError>>),
    Dialing(Dialing),
    Up(Connection),
}

impl Driver {
    fn run(mut self) {
        self.core.handle_wall_clock(self.now(), SystemTime::now());
        let mut looked = true;
        loop {
            match self.core.poll_io(self.now(), &mut self.output) {
                Duty::Prepare(preparation) => self.prepare(preparation),
                Duty::Authenticate(step) => self.authenticate(step),
                Duty::Dial(endpoint) => self.dial(endpoint),
                Duty::Wait { deadline, read, turns } => {
                    // Something told to the core may have changed its mind: it is asked again before the thread sleeps.
                    // Mostly there is nothing more then, so that a look at what happens comes every other time.
                    let moved = self.go_on() | self.write() | (read && self.read());
                    looked = !moved || !looked;
                    if looked && self.look(moved, deadline, turns).is_err() {
                        return; // No events, no client: the core tells everybody who waits.
                    }
                    if deadline.is_some_and(|deadline| deadline <= self.now()) {
                        self.core.handle_timeout(self.now());
                        self.core.handle_wall_clock(self.now(), SystemTime::now());
                    }
                }
                Duty::Gather | Duty::GiveWay => thread::yield_now(),
                Duty::Resume => self.parse(),
                Duty::Close => {
                    self.close();
                    self.closed(None);
                }
                Duty::Stop => return,
            }
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.epoch.elapsed()
    }

    fn until(&self, deadline: Option<Timestamp>) -> Option<Duration> {
        let next_step = match &self.link {
            Link::Dialing(dialing) => {
                dialing.deadline().map(|at| at.saturating_duration_since(Instant::now()))
            }
            _ => None,
        };
        let deadline = deadline.map(|deadline| deadline.saturating_since(self.now()));
        [deadline, next_step].into_iter().flatten().min()
    }

    /// Notes what has happened; sleeps until something does, unless something has `moved` or does while others have `turns`.
    fn look(&mut self, moved: bool, deadline: Option<Timestamp>, turns: u8) -> io::Result<()> {
        if moved {
            return self.poll(Some(Duration::ZERO)).map(drop);
        }
        for _ in 0..turns {
            thread::yield_now();
            if self.poll(Some(Duration::ZERO))? {
                return Ok(());
            }
        }
        let first = |patience: &Duration| self.until(deadline).is_none_or(|until| *patience < until);
        if let Some(patience) = self.patience().filter(first) {
            if !patience.is_zero() && self.poll(Some(patience))? {
                return Ok(());
            }
            self.confirm();
        }
        self.poll(self.until(deadline)).map(drop)
    }

    /// Whether anything has happened in that time.
    fn poll(&mut self, timeout: Option<Duration>) -> io::Result<bool> {
        match self.poll.poll(&mut self.events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            polled => polled?,
        }
        if let Link::Up(connection) = &mut self.link {
            self.events
                .iter()
                .filter(|event| event.token() == LINK)
                .for_each(|event| connection.notice(event));
        }
        Ok(!self.events.is_empty())
    }

    fn prepare(&mut self, preparation: Preparation) {
        match Helper::start("mqtt-provider", &self.wake, move || preparation.wait()) {
            Ok(preparing) => self.link = Link::Preparing(preparing),
            Err(error) => {
                self.core.handle_prepared(self.now(), Some(Err(ProviderError::temporary(error))));
            }
        }
    }

    fn authenticate(&mut self, step: AuthStep) {
        self.authenticating = Helper::start("mqtt-auth", &self.wake, move || step.run(entropy)).ok();
        if self.authenticating.is_none() {
            self.core.handle_authenticated(self.now(), None);
        }
    }

    fn dial(&mut self, endpoint: Endpoint) {
        match Dialing::start(endpoint, self.core.transport(), self.connector.as_ref(), &self.wake) {
            Ok(dialing) => self.link = Link::Dialing(dialing),
            Err(error) => self.dialed(Err(("connecting", error))),
        }
    }

    /// The next step of an attempt. Returns whether the core was told anything, as the next two do.
    fn go_on(&mut self) -> bool {
        if let Some(helper) = &self.authenticating
            && let Poll::Ready(outcome) = helper.poll()
        {
            self.authenticating = None;
            self.core.handle_authenticated(self.now(), outcome);
            return true;
        }
        match &mut self.link {
            Link::Preparing(preparing) => {
                let Poll::Ready(answer) = preparing.poll() else { return false };
                self.link = Link::Down;
                self.core.handle_prepared(self.now(), answer);
                true
            }
            Link::Dialing(dialing) => {
                let Poll::Ready(dialed) = dialing.poll(self.poll.registry(), LINK) else { return false };
                self.dialed(dialed);
                true
            }
            Link::Down | Link::Up(_) => false,
        }
    }

    fn dialed(&mut self, dialed: Result<Connection, DialError>) {
        match dialed {
            Ok(connection) => {
                self.link = Link::Up(connection);
                self.core.handle_dialed(self.now());
            }
            Err((doing, error)) => {
                self.link = Link::Down;
                self.core.handle_dial_failed(self.now(), doing, error);
            }
        }
    }

    /// One write, which gathers many packets.
    fn write(&mut self) -> bool {
        let Link::Up(connection) = &mut self.link else { return false };
        if self.core.is_broken() {
            return false;
        }
        match connection.poll_write(&self.output) {
            Poll::Pending => return false,
            Poll::Ready(Ok(count)) => {
                self.output.advance(count);
                self.core.handle_written(self.now(), count);
            }
            Poll::Ready(Err(error)) => self.core.handle_write_failed(error),
        }
        true
    }

    /// One read, which many packets can share.
    fn read(&mut self) -> bool {
        let Link::Up(connection) = &mut self.link else { return false };
        match connection.poll_read(&mut self.input) {
            Poll::Pending => return false,
            Poll::Ready(Ok(1..)) => self.parse(),
            Poll::Ready(Ok(0)) => self.closed(None),
            Poll::Ready(Err(error)) => self.closed(Some(("reading", error))),
        }
        true
    }

    fn patience(&self) -> Option<Duration> {
        match &self.link {
            Link::Up(connection) => connection.patience(),
            _ => None,
        }
    }

    fn confirm(&mut self) {
        if let Link::Up(connection) = &mut self.link {
            connection.confirm();
        }
    }

    fn parse(&mut self) {
        while self.core.handle_input(self.now(), &mut self.input) > 0 {}
    }

    /// Ends the connection so that what has been written arrives.
    fn close(&mut self) {
        if let Link::Up(connection) = &mut self.link
            && self.output.is_empty()
        {
            // A peer that does not close in time, or resets the connection, has nothing more to be told.
            let _ = connection.close(&mut self.poll, &mut self.events, Instant::now() + LINGER);
        }
    }

    fn closed(&mut self, failure: Option<(&'static str, io::Error)>) {
        self.link = Link::Down;
        self.authenticating = None;
        self.input.clear();
        self.output.clear();
        self.core.handle_closed(self.now(), failure);
    }
}
