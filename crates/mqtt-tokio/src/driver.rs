//! The task that moves a client's bytes. What they mean, and what follows from it, the core decides.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread;
use std::time::SystemTime;

use bytes::BytesMut;
use mqtt_client_core as core;
use mqtt_client_core::session::{Output, Timestamp};
use mqtt_client_core::{
    Attempt, AuthOutcome, ClientError, Duty, LINGER, Options, Preparation, ProviderError,
};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking, yield_now};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use crate::transport::{Ask, Connection, Connector, DialError, Dialing, dial, entropy};

/// So many turns have others before a task of the application's sleeps, some 100 µs if nobody takes them.
const PATIENCE: u32 = 2000;

/// Starts a client's task.
pub(crate) fn spawn(
    options: Options,
    connector: Option<Connector>,
    runtime: &Handle,
) -> Result<core::Client, ClientError> {
    let seed = getrandom::u64().map_err(io::Error::from)?;
    let wake = Arc::new(WakeUp(Notify::new()));
    let (client, mut driver) = core::Driver::new(options, seed, Waker::from(Arc::clone(&wake)))?;
    driver.set_patience(PATIENCE);
    if let Some(storing) = driver.take_storing() {
        thread::Builder::new().name("mqtt-store".into()).spawn(move || storing.run())?;
    }
    runtime.spawn(async move { Driver::new(driver, connector).run(&wake.0).await });
    Ok(client)
}

/// How the core calls the task.
struct WakeUp(Notify);

impl Wake for WakeUp {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.notify_one();
    }
}

struct Driver {
    core: core::Driver,
    connector: Option<Connector>,
    epoch: Instant,
    link: Link,
    /// A step of an authentication is taken.
    authenticating: Option<JoinHandle<AuthOutcome>>,
    input: BytesMut,
    output: Output,
    sleep: Pin<Box<Sleep>>,
}

enum Link {
    Down,
    Preparing(JoinSet<Prepared>),
    Dialing(Dialing),
    Up(Connection),
}

/// What the application's provider says.
type Prepared = Result<Attempt, ProviderError>;

/// What a wait has brought: everything that was ready at that moment, so that nothing can starve anything else.
#[derive(Default)]
struct Ready {
    woken: bool,
    due: bool,
    /// `None` inside: the provider has panicked.
    prepared: Option<Option<Prepared>>,
    /// `None` inside: the authenticator has panicked.
    authenticated: Option<Option<AuthOutcome>>,
    dialed: Option<Result<Connection, DialError>>,
    read: Option<io::Result<usize>>,
    written: Option<io::Result<usize>>,
}

impl Driver {
    fn new(core: core::Driver, connector: Option<Connector>) -> Self {
        let epoch = Instant::now();
        let sleep = Box::pin(sleep_until(epoch));
        Driver {
            core,
            connector,
            epoch,
            link: Link::Down,
            authenticating: None,
            input: BytesMut::new(),
            output: Output::new(),
            sleep,
        }
    }

    async fn run(mut self, wake: &Notify) {
        self.core.handle_wall_clock(self.now(), SystemTime::now());
        loop {
            match self.core.poll_io(self.now(), &mut self.output) {
                Duty::Prepare(preparation) => self.link = Link::Preparing(prepare(preparation)),
                Duty::Authenticate(step) => {
                    self.authenticating = Some(spawn_blocking(move || step.run(entropy)));
                }
                Duty::Dial(endpoint) => {
                    let options = Arc::clone(self.core.transport());
                    self.link = Link::Dialing(dial(endpoint, options, self.connector.clone()));
                }
                Duty::Wait { deadline, read, turns } => {
                    let ready = self.wait(wake, deadline, read, turns).await;
                    self.tell(ready);
                }
                Duty::Gather => yield_now().await,
                Duty::GiveWay => step_aside().await,
                Duty::Resume => self.parse(),
                Duty::Close => {
                    self.close().await;
                    self.closed(None);
                }
                Duty::Stop => return,
            }
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::ZERO + self.epoch.elapsed()
    }

    /// Waits until anything can go on. Others have so many turns before this task sleeps.
    async fn wait(&mut self, wake: &Notify, deadline: Option<Timestamp>, read: bool, turns: u8) -> Ready {
        let deadline =
            deadline.and_then(|deadline| self.epoch.checked_add(deadline.saturating_since(Timestamp::ZERO)));
        let mut notified = pin!(wake.notified());
        for _ in 0..turns {
            let ready = poll_fn(|context| {
                Poll::Ready(self.look(context, notified.as_mut(), deadline, read, Ask::System))
            })
            .await;
            if ready.is_any() {
                return ready;
            }
            // Who is to answer may have been put behind this thread, on the same processor.
            thread::yield_now();
            yield_now().await;
        }
        poll_fn(|context| {
            let mut ready = self.look(context, notified.as_mut(), deadline, read, Ask::Runtime);
            if !ready.is_any() {
                let confirm_at = match &mut self.link {
                    Link::Up(connection) => connection.confirm(),
                    _ => None,
                };
                let next = deadline.into_iter().chain(confirm_at).min();
                ready.due = next.is_some_and(|next| self.poll_sleep(context, next).is_ready());
            }
            if ready.is_any() { Poll::Ready(ready) } else { Poll::Pending }
        })
        .await
    }

    /// What can go on now.
    fn look(
        &mut self,
        context: &mut Context<'_>,
        notified: Pin<&mut Notified<'_>>,
        deadline: Option<Instant>,
        read: bool,
        ask: Ask,
    ) -> Ready {
        let mut ready = Ready {
            woken: notified.poll(context).is_ready(),
            due: deadline.is_some_and(|deadline| deadline <= Instant::now()),
            ..Ready::default()
        };
        if let Some(step) = &mut self.authenticating {
            ready.authenticated = done(Pin::new(step).poll(context)).map(Result::ok);
        }
        match &mut self.link {
            Link::Down => {}
            Link::Preparing(provider) => {
                let joined = done(provider.poll_join_next(context));
                ready.prepared = joined.map(|joined| joined.and_then(Result::ok));
            }
            Link::Dialing(dialing) => ready.dialed = done(dialing.as_mut().poll(context)),
            Link::Up(connection) => {
                if read {
                    ready.read = done(connection.poll_read(context, &mut self.input, ask));
                }
                if !self.core.is_broken() {
                    ready.written = done(connection.poll_write(context, &self.output));
                }
            }
        }
        ready
    }

    /// Ready at the deadline, which moves with nearly every packet, mostly to a later time; the timer is then left where it is,
    /// and moved on when it comes, which is cheaper.
    fn poll_sleep(&mut self, context: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        loop {
            if self.sleep.is_elapsed() || self.sleep.deadline() > deadline {
                self.sleep.as_mut().reset(deadline);
            }
            ready!(self.sleep.as_mut().poll(context));
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
        }
    }

    /// Tells the core what has happened.
    fn tell(&mut self, ready: Ready) {
        if ready.due {
            self.core.handle_timeout(self.now());
            self.core.handle_wall_clock(self.now(), SystemTime::now());
        }
        if let Some(answer) = ready.prepared {
            self.link = Link::Down;
            self.core.handle_prepared(self.now(), answer);
        }
        if let Some(outcome) = ready.authenticated {
            self.authenticating = None;
            self.core.handle_authenticated(self.now(), outcome);
        }
        match ready.dialed {
            Some(Ok(connection)) => {
                self.link = Link::Up(connection);
                self.core.handle_dialed(self.now());
            }
            Some(Err((doing, error))) => {
                self.link = Link::Down;
                self.core.handle_dial_failed(self.now(), doing, error);
            }
            None => {}
        }
        match ready.written {
            Some(Ok(count)) => {
                self.output.advance(count);
                self.core.handle_written(self.now(), count);
            }
            Some(Err(error)) => self.core.handle_write_failed(error),
            None => {}
        }
        match ready.read {
            Some(Ok(1..)) => self.parse(),
            Some(Ok(0)) => self.closed(None),
            Some(Err(error)) => self.closed(Some(("reading", error))),
            None => {}
        }
    }

    fn parse(&mut self) {
        while self.core.handle_input(self.now(), &mut self.input) > 0 {}
    }

    /// Ends the connection so that what has been written arrives.
    async fn close(&mut self) {
        if let Link::Up(connection) = &mut self.link
            && self.output.is_empty()
        {
            // A peer that does not close in time, or resets the connection, has nothing more to be told.
            let _ = timeout(LINGER, connection.close()).await;
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

impl Ready {
    fn is_any(&self) -> bool {
        let moved = self.read.is_some() || self.written.is_some();
        let helped = self.prepared.is_some() || self.authenticated.is_some();
        self.woken || self.due || helped || self.dialed.is_some() || moved
    }
}

/// Asks the application in a task of its own, which neither takes the driver's time nor, panicking, its life. Dropping it
/// aborts it.
fn prepare(preparation: Preparation) -> JoinSet<Prepared> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { preparation.await });
    tasks
}

/// Has a task that this one woke run on this worker, and this one go on on another that is free. After
/// [`yield_now`](tokio::task::yield_now) it would stay here: only this worker knows of it until it has nothing else to do.
async fn step_aside() {
    let mut aside = false;
    poll_fn(|context| {
        if std::mem::replace(&mut aside, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn done<T>(polled: Poll<T>) -> Option<T> {
    match polled {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
