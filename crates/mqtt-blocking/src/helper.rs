//! [`Helper`]: what may block, at work without blocking the driver.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
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
        let wake = WakeAtEnd(Arc::clone(wake));
        thread::Builder::new().name(name.into()).spawn(move || {
            // The last to come is the first to go, even when the work panics: the channel tells before the driver is woken.
            let _wake = wake;
            let sender = sender;
            // Who gave up waiting does not miss it.
            let _ = sender.send(work());
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

struct WakeAtEnd(Arc<Waker>);

impl Drop for WakeAtEnd {
    fn drop(&mut self) {
        // A driver that can't be woken finds the result at its next deadline.
        let _ = self.0.wake();
    }
}
