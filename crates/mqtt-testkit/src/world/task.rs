//! Futures that are polled when they were woken, and only then.

use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::task::Wake;

/// Remembers that somebody was woken.
#[derive(Debug)]
pub(super) struct Flag(AtomicBool);

impl Flag {
    /// A flag that is up, and the waker that raises it.
    pub(super) fn raised() -> (Arc<Self>, Waker) {
        let flag = Arc::new(Self(AtomicBool::new(true)));
        (Arc::clone(&flag), Waker::from(flag))
    }

    pub(super) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Lowers the flag. Returns whether it was up.
    pub(super) fn lower(&self) -> bool {
        self.0.swap(false, Ordering::AcqRel)
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// A part of the application that runs along.
pub(super) struct Task {
    future: Pin<Box<dyn Future<Output = ()>>>,
    flag: Arc<Flag>,
    waker: Waker,
}

impl Task {
    pub(super) fn new(future: impl Future<Output = ()> + 'static) -> Self {
        let (flag, waker) = Flag::raised();
        Self { future: Box::pin(future), flag, waker }
    }

    /// Polls the future if it was woken; `None` if it was not.
    pub(super) fn turn(&mut self) -> Option<Poll<()>> {
        self.flag.lower().then(|| self.future.as_mut().poll(&mut Context::from_waker(&self.waker)))
    }
}
