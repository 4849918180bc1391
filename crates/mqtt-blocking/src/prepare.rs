//! Asking the application what an attempt uses, without blocking the driver.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::task::Poll;
use std::thread;

use mio::Waker;
use mqtt_client_core::{Attempt, Preparation, ProviderError};

use crate::Wait;

/// The provider's answer; `None` if there will be none, because it panicked.
type Answer = Option<Result<Attempt, ProviderError>>;

/// A provider at work on a thread of its own. Dropping it leaves the thread to itself.
pub(crate) struct Preparing {
    answer: Receiver<Result<Attempt, ProviderError>>,
}

impl Preparing {
    /// `wake` is woken by the answer, or when there will be none.
    pub(crate) fn start(preparation: Preparation, wake: &Arc<Waker>) -> io::Result<Self> {
        let (sender, answer) = sync_channel(1);
        let mut tell = Tell { sender: Some(sender), wake: Arc::clone(wake) };
        thread::Builder::new().name("mqtt-provider".into()).spawn(move || {
            let answer = preparation.wait();
            if let Some(sender) = tell.sender.take() {
                // Who gave up waiting does not miss it.
                let _ = sender.send(answer);
            }
        })?;
        Ok(Preparing { answer })
    }

    pub(crate) fn poll(&self) -> Poll<Answer> {
        match self.answer.try_recv() {
            Ok(answer) => Poll::Ready(Some(answer)),
            Err(TryRecvError::Empty) => Poll::Pending,
            Err(TryRecvError::Disconnected) => Poll::Ready(None),
        }
    }
}

/// Wakes the driver at the thread's end, which a panic is too, when the channel has its answer or is closed.
struct Tell {
    sender: Option<SyncSender<Result<Attempt, ProviderError>>>,
    wake: Arc<Waker>,
}

impl Drop for Tell {
    fn drop(&mut self) {
        self.sender = None;
        // A driver that can't be woken finds the answer at its next deadline.
        let _ = self.wake.wake();
    }
}
