//! What has to happen once the lock is free: wake-ups, and the drops of values that may run foreign code.

use std::fmt;
use std::task::Waker;

use crate::auth::SharedExchange;
use crate::codec::Publish;

/// Discarded messages for which memory is kept.
const KEPT: usize = 1024;

/// Collected under the lock, carried out after it by dropping or [`run`](Self::run)ning it.
///
/// A waker, a payload (`Bytes::from_owner`) and an exchange of an authentication are somebody else's code: run under the lock, they could call the client
/// again and wait for ever. What came in is in buffers of the driver's, and harms nobody.
#[derive(Default)]
pub(crate) struct Effects {
    wakers: Vec<Waker>,
    discarded: Vec<Publish>,
    retired: Vec<SharedExchange>,
    /// How many were woken since this was asked.
    woke: usize,
}

impl fmt::Debug for Effects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Effects").finish_non_exhaustive()
    }
}

impl Effects {
    /// Wakes whoever waits here, if anybody does.
    pub(crate) fn wake(&mut self, waiting: &mut Option<Waker>) {
        self.wakers.extend(waiting.take());
    }

    pub(crate) fn discard(&mut self, publish: Publish) {
        self.discarded.push(publish);
    }

    pub(crate) fn retire(&mut self, exchange: SharedExchange) {
        self.retired.push(exchange);
    }

    /// What there is to do, if anything; leaves nothing, not even the memory.
    pub(crate) fn take(&mut self) -> Option<Self> {
        let any = !(self.wakers.is_empty() && self.discarded.is_empty() && self.retired.is_empty());
        any.then(|| std::mem::take(self))
    }

    /// How many were woken since the last time.
    pub(crate) fn take_woke(&mut self) -> usize {
        std::mem::take(&mut self.woke)
    }

    /// Leaves nothing but the memory.
    pub(crate) fn run(&mut self) {
        self.woke += self.wakers.len();
        self.wakers.drain(..).for_each(Waker::wake);
        self.discarded.clear();
        self.retired.clear();
        self.discarded.shrink_to(KEPT);
    }
}

/// Leaves the new waker in the place of the old one, which the caller drops after the lock.
pub(crate) fn park<T>(place: &mut Option<Waker>, waker: &mut Option<Waker>) -> std::task::Poll<T> {
    std::mem::swap(place, waker);
    std::task::Poll::Pending
}
