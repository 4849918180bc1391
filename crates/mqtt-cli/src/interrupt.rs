//! Ctrl-C and the request to terminate: the first one ends the command in good order, the second one at once.

use std::future::pending;
use std::io;
use std::process;

use tokio::sync::watch;

use crate::outcome::{Exit, Failure};

/// Listens to signals from its creation on.
pub(crate) struct Interrupt {
    requested: watch::Receiver<bool>,
}

impl Interrupt {
    pub(crate) fn listen() -> Result<Self, Failure> {
        let (told, requested) = watch::channel(false);
        let mut signals = Signals::new()
            .map_err(|error| Failure::new(Exit::Here, format!("listening to signals: {error}")))?;
        tokio::spawn(async move {
            signals.next().await;
            told.send_replace(true);
            signals.next().await;
            process::exit(Exit::Interrupted as i32);
        });
        Ok(Interrupt { requested })
    }

    /// Ready once the program was told to end, and from then on.
    pub(crate) async fn requested(&self) {
        // The sender lives as long as the process, in the task above.
        if self.requested.clone().wait_for(|requested| *requested).await.is_err() {
            pending::<()>().await;
        }
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Signals)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            pending::<()>().await;
        }
    }
}
