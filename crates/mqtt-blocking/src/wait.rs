//! Blocking until a future of the core's is ready: the thread parks, and the waker unparks it.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Waits for what the client promises: an acknowledgement, a subscription, the end of a `disconnect`.
///
/// ```no_run
/// use std::time::Duration;
/// use mqtt_blocking::{QoS, Wait};
///
/// # fn example(client: mqtt_blocking::Client) -> Result<(), Box<dyn std::error::Error>> {
/// let completion = client.publish("a/b", "hi").qos(QoS::AtLeastOnce).enqueue().wait()?;
/// let delivered = completion.wait_timeout(Duration::from_secs(5))??;
/// # Ok(())
/// # }
/// ```
pub trait Wait: IntoFuture + Sized {
    /// Blocks until it is ready.
    fn wait(self) -> Self::Output {
        let mut future = pin!(self.into_future());
        forever(|context| future.as_mut().poll(context))
    }

    /// Blocks until it is ready, for at most `timeout`. Of zero: looks without blocking.
    ///
    /// # Errors
    /// [`TimedOut`]: it was not ready in time. It is dropped, which is safe always; what that takes back, and what goes on all
    /// the same, its own page says.
    fn wait_timeout(self, timeout: Duration) -> Result<Self::Output, TimedOut> {
        let mut future = pin!(self.into_future());
        for_at_most(timeout, |context| future.as_mut().poll(context)).ok_or(TimedOut)
    }
}

impl<F: IntoFuture> Wait for F {}

/// What was waited for did not happen in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimedOut;

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it was not ready in time, and is not waited for any more")
    }
}

impl std::error::Error for TimedOut {}

/// Blocks until `poll` has a value.
pub(crate) fn forever<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    loop {
        // Without a limit there is no other end.
        if let Some(value) = until(None, &mut poll) {
            return value;
        }
    }
}

/// Blocks until `poll` has a value, for at most `timeout`.
pub(crate) fn for_at_most<T>(timeout: Duration, poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    until(Some(timeout), poll)
}

fn until<T>(timeout: Option<Duration>, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    // A look that leaves no waker behind: often there is nothing to wait for, and a parker has to be allocated.
    if let Poll::Ready(value) = poll(&mut Context::from_waker(Waker::noop())) {
        return Some(value);
    }
    park_until(timeout, poll)
}

fn park_until<T>(timeout: Option<Duration>, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Option<T> {
    let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let parker = Parker::new();
    loop {
        if let Poll::Ready(value) = parker.poll(&mut poll) {
            return Some(value);
        }
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return None;
        }
        parker.park(left);
    }
}

/// So many turns have others before a thread sleeps, some 20 µs if nobody takes them: what it waits for is often about to happen,
/// and to fall asleep and be woken takes longer.
const TURNS: u8 = 64;

/// The waker of a blocked thread.
struct Parker {
    thread: Thread,
    /// The thread's own token is not enough: whatever runs in between may use it up.
    woken: AtomicBool,
}

impl Parker {
    fn new() -> Arc<Self> {
        Arc::new(Parker { thread: thread::current(), woken: AtomicBool::new(false) })
    }

    fn poll<T>(self: &Arc<Self>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        poll(&mut Context::from_waker(&Waker::from(Arc::clone(self))))
    }

    /// Returns when it is woken, when the time is up, or for no reason.
    fn park(&self, timeout: Option<Duration>) {
        for _ in 0..TURNS {
            if self.woken.load(Ordering::Relaxed) {
                break;
            }
            thread::yield_now();
        }
        if !self.woken.swap(false, Ordering::Acquire) {
            match timeout {
                Some(timeout) => thread::park_timeout(timeout),
                None => thread::park(),
            }
            self.woken.store(false, Ordering::Relaxed);
        }
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}
