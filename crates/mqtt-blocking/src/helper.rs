//! [`Helper`]: the application's code at work, without blocking the driver.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::task::Poll;
use std::thread;

use mio::Waker;

/// Work on a thread of its own. Dropping it leaves the thread to itself.
pub(crate) struct Helper<T> {
    result: Receiver<T>,
}

impl<T: Send + 'static> Helper<T> {
    /// `wake` is woken by the result, or when there will be none.
    pub(crate) fn start(
        name: &str,
        wake: &Arc<Waker>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, result) = sync_channel(1);
        let mut tell = Tell { sender: Some(sender), wake: Arc::clone(wake) };
        thread::Builder::new().name(name.into()).spawn(move || {
            let result = work();
            if let Some(sender) = tell.sender.take() {
                // Who gave up waiting does not miss it.
                let _ = sender.send(result);
            }
        })?;
        Ok(Helper { result })
    }

    /// The result; `None` if there will be none, because the work panicked.
    pub(crate) fn poll(&self) -> Poll<Option<T>> {
        match self.result.try_recv() {
            Ok(result) => Poll::Ready(Some(result)),
            Err(TryRecvError::Empty) => Poll::Pending,
            Err(TryRecvError::Disconnected) => Poll::Ready(None),
        }
    }
}

/// Wakes the driver at the thread's end, which a panic is too, when the channel has its result or is closed.
struct Tell<T> {
    sender: Option<SyncSender<T>>,
    wake: Arc<Waker>,
}

impl<T> Drop for Tell<T> {
    fn drop(&mut self) {
        self.sender = None;
        // A driver that can't be woken finds the result at its next deadline.
        let _ = self.wake.wake();
    }
}
