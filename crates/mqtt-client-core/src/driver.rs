//! The driver's side of a client: what an adapter, or a simulation, moves bytes for.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::task::Waker;
use std::time::SystemTime;

use bytes::BytesMut;

use crate::core::Core;
use crate::effects::Effects;
use crate::log::{self, Log};
use crate::options::Options;
use crate::session::{Output, Timestamp};
use crate::shared::Shared;
use crate::store::{Restored, StoreError, Storing};
use crate::{
    Attempt, AuthOutcome, Client, ConnectError, Duty, Event, Failure, Offline, ProviderError,
    TransportOptions,
};

/// So many more turns have others after one in which output has grown: each look takes the lock, and is in their way.
const TURNS: u8 = 15;

/// Tells the core facts, and asks it for duties. One driver belongs to one client; dropping it ends the client.
///
/// Time is the caller's: timestamps count from an epoch of its own and do not go back. None of the methods blocks.
pub struct Driver {
    shared: Arc<Shared>,
    log: Log,
    transport: Arc<TransportOptions>,
    trace: bool,
    /// Kept for its memory.
    effects: Effects,
    storing: Option<Storing>,
    /// Why the transport takes nothing any more.
    broken: Option<io::Error>,
    /// Turns that others have before the next look.
    turns: u8,
}

impl Driver {
    /// A client and its driver. Nothing happens until [`Client::connect`] is called.
    ///
    /// `seed` decides the jitter and a generated client id: the adapters draw it from the system, a simulation chooses it.
    /// `wake` is woken, from any thread, when the driver waits and should look at [`poll_io`](Self::poll_io) again.
    ///
    /// With a store in the options, this opens it and blocks while it reads; [`take_storing`](Self::take_storing) then has to
    /// be served.
    ///
    /// # Errors
    /// The store can't be opened, or what it holds can't be gone on with. Without a store there are none.
    pub fn new(mut options: Options, seed: u64, wake: Waker) -> Result<(Client, Driver), StoreError> {
        let logs = log::wants_packets();
        options.session.trace |= logs;
        if let Some(fall_back) = &mut options.fall_back {
            fall_back.trace |= logs;
        }
        let (hook, trace) = (options.packet_hook.take(), options.session.trace);
        let transport = Arc::new(options.transport.clone());
        let (mut store, mut restored) = (None, None);
        if let Some(opened) = options.open_store() {
            let opened = opened?;
            restored = Some(Restored::read(&opened.records, opened.elapsed)?);
            store = Some(opened.store);
        }
        let core = Core::new(options, seed, restored)?;
        let log = Log::new(core.client_id.as_str().to_owned(), hook);
        let shared = Shared::new(core, wake);
        let client = Client::new(Arc::clone(&shared));
        let storing = store.map(|store| Storing::new(Arc::clone(&shared), store));
        Ok((
            client,
            Driver {
                shared,
                log,
                transport,
                trace,
                effects: Effects::default(),
                storing,
                broken: None,
                turns: 0,
            },
        ))
    }

    /// Has tasks that wait for the driver, for room or for a message, give others so many turns before they sleep: as many as take
    /// about as long as to fall asleep and be woken. Default: 0.
    pub fn set_patience(&mut self, turns: u32) {
        self.shared.patience.set(turns);
    }

    /// What serves the store that the options name, once: to be run on a thread of its own. None without a store.
    pub fn take_storing(&mut self) -> Option<Storing> {
        self.storing.take()
    }

    /// How the options say that brokers are reached.
    pub fn transport(&self) -> &Arc<TransportOptions> {
        &self.transport
    }

    /// The transport that [`Duty::Dial`] asked for is open.
    pub fn handle_dialed(&mut self, now: Timestamp) {
        self.run(|core| core.handle_dialed(now));
    }

    /// The answer to [`Duty::Prepare`]; `None` if there will be none, because it panicked.
    pub fn handle_prepared(&mut self, now: Timestamp, answer: Option<Result<Attempt, ProviderError>>) {
        self.run(|core| core.handle_prepared(now, answer));
    }

    /// What came of the step of [`Duty::Authenticate`]; `None` if nothing did, because it panicked, or could not be taken.
    pub fn handle_authenticated(&mut self, now: Timestamp, outcome: Option<AuthOutcome>) {
        self.run(|core| core.handle_authenticated(now, outcome));
    }

    /// There will be no transport: what was being done (`resolving`, `connecting`), and why it failed.
    pub fn handle_dial_failed(&mut self, now: Timestamp, doing: &'static str, error: io::Error) {
        self.run(|core| core.handle_dial_failed(now, doing, error));
    }

    /// Bytes arrived. Complete packets are taken off the front, at most about 64 KiB a call; call again until it returns 0.
    /// What is left over is the start of a packet, or waits for [`Duty::Resume`].
    pub fn handle_input(&mut self, now: Timestamp, input: &mut BytesMut) -> usize {
        self.run(|core| core.handle_input(now, input))
    }

    /// The transport took so many bytes of the output.
    pub fn handle_written(&mut self, now: Timestamp, bytes: usize) {
        self.run(|core| core.handle_written(now, bytes));
    }

    /// The transport takes nothing any more. What had arrived before is still to be read, to its end: the peer's last words may
    /// say why it closed. [`is_broken`](Self::is_broken) until [`handle_closed`](Self::handle_closed).
    pub fn handle_write_failed(&mut self, error: io::Error) {
        self.broken = Some(error);
    }

    /// Whether nothing is to be written any more, because that has failed.
    pub fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// The transport is gone: closed by either side, or failed while doing something.
    pub fn handle_closed(&mut self, now: Timestamp, failure: Option<(&'static str, io::Error)>) {
        // What the peer has said, in the words of a layer, counts more than that it takes nothing any more.
        let is_told = failure.as_ref().is_some_and(|(_, error)| error.get_ref().is_some());
        let broken = self.broken.take().filter(|_| !is_told).map(|error| ("writing", error));
        self.run(|core| core.handle_closed(now, broken.or(failure)));
    }

    /// The deadline of [`Duty::Wait`] has come. A spurious call does nothing.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.run(|core| core.handle_timeout(now));
    }

    /// What the wall clock shows. To be told once at the start and then with each [`handle_timeout`](Self::handle_timeout): when
    /// it has run ahead of `now` the machine has slept, and the link is checked, or tried again, at once. A driver whose `now`
    /// goes on in a machine's sleep has no need of it.
    pub fn handle_wall_clock(&mut self, now: Timestamp, wall: SystemTime) {
        self.run(|core| core.handle_wall_clock(now, wall));
    }

    /// What to do next. Appends what is to be written to `out`.
    pub fn poll_io(&mut self, now: Timestamp, out: &mut Output) -> Duty {
        if self.turns > 0 {
            self.turns -= 1;
            return Duty::Gather;
        }
        let woke = self.effects.take_woke().saturating_sub(self.shared.patience.take_rung());
        let duty = self.run(|core| core.poll_io(now, out, woke));
        if matches!(duty, Duty::Gather) {
            self.turns = TURNS;
        }
        duty
    }

    /// One step under the lock, then the news it made: the log lines, and the packet hook.
    fn run<T>(&mut self, step: impl FnOnce(&mut Core) -> T) -> T {
        let Driver { shared, log, trace, effects, .. } = self;
        let (result, news) = shared.run_with(effects, |core| {
            let result = step(core);
            if *trace || !core.packets.is_empty() {
                core.take_trace(&mut log.records);
            }
            (result, std::mem::take(&mut core.news))
        });
        if news.iter().any(|event| matches!(event, Event::Connected { .. })) {
            log.rename(shared.run(|core| core.client_id.clone()).as_str());
        }
        log.say(&news);
        result
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("client_id", &self.log.client_id()).finish_non_exhaustive()
    }
}

impl Drop for Driver {
    /// Whatever ends the driver, nobody waits for it in vain.
    fn drop(&mut self) {
        let news = self.shared.run(|core| {
            let endpoint = core.destinations.current();
            core.abandoned = true;
            if core.outcome().is_none_or(|outcome| outcome.is_ok()) {
                let failure = Failure::DriverEnded;
                core.go_offline(Offline::GaveUp(ConnectError { endpoint, attempts: 1, failure }));
            }
            // The session learns it too, which ends what only a connection could answer.
            core.handle_closed(core.now, None);
            core.listeners.wake_all(&mut core.effects);
            core.end_store();
            std::mem::take(&mut core.news)
        });
        self.log.say(&news);
    }
}
