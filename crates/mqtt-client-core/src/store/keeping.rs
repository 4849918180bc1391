//! The core's side of a store: what is handed out, what came of it, and who waits for that.

use std::task::{Poll, Waker};
use std::time::Duration;

use super::{Operation, StoreError};
use crate::Event;
use crate::core::Core;
use crate::effects::park;
use crate::session::Timestamp;
use crate::slots::{Slots, Tag};

/// Batches are counted from 1. One is with the store while the next one gathers.
#[derive(Debug)]
pub(crate) struct Keeping {
    /// By how many microseconds the session's clock is ahead of the driver's, wrapping round.
    clock_ahead: u64,
    interval: Duration,
    /// When the next batch may be handed out.
    not_before: Timestamp,
    /// A batch is with the store: the session's number of it, if the session has a part in it.
    out: Option<Option<u64>>,
    handed_out: u64,
    stored: u64,
    failed: Option<StoreError>,
    /// The store's thread was called since it last asked.
    called: bool,
    /// The driver has ended, and the store's thread ends when it has stored the rest.
    ended: bool,
    waiting: Slots<Waiting>,
}

/// Somebody waits for a batch to be stored.
#[derive(Debug)]
struct Waiting {
    batch: u64,
    waker: Option<Waker>,
}

impl Keeping {
    pub(crate) fn new(clock_ahead: u64, interval: Duration) -> Self {
        Keeping {
            clock_ahead,
            interval,
            not_before: Timestamp::ZERO,
            out: None,
            handed_out: 0,
            stored: 0,
            failed: None,
            called: false,
            ended: false,
            waiting: Slots::new(),
        }
    }
}

impl Core {
    /// Whether the store's thread has to be called; says so once until it has asked.
    #[inline]
    pub(crate) fn take_store_attention(&mut self) -> bool {
        self.keeping.is_some() && self.calls_store()
    }

    fn calls_store(&mut self) -> bool {
        let wanted = self.wants_store() || self.store_is_over();
        self.keeping.as_mut().is_some_and(|keeping| wanted && !std::mem::replace(&mut keeping.called, true))
    }

    /// Whether there is a batch to be handed out now.
    fn wants_store(&self) -> bool {
        let ready = |keeping: &Keeping| {
            keeping.failed.is_none()
                && keeping.out.is_none()
                && (keeping.ended || keeping.not_before <= self.now)
        };
        self.keeping.as_ref().is_some_and(ready) && self.has_unstored()
    }

    /// When a batch that gathers may be handed out, if time is all that it waits for.
    pub(crate) fn store_deadline(&self) -> Option<Timestamp> {
        let keeping = self.keeping.as_ref()?;
        let waits = keeping.failed.is_none() && keeping.out.is_none() && keeping.not_before > self.now;
        (waits && self.has_unstored()).then_some(keeping.not_before)
    }

    /// Appends what the store has to do next, if there is anything and it has done all before.
    pub(crate) fn take_batch(&mut self, batch: &mut Vec<Operation>) -> bool {
        let wanted = self.wants_store();
        let now = self.now;
        let Some(keeping) = &mut self.keeping else { return false };
        keeping.called = false;
        if !wanted {
            return false;
        }
        let ahead = keeping.clock_ahead;
        let on_clock = |at: Timestamp| Timestamp::from_micros(at.as_micros().wrapping_add(ahead));
        let mut operations = Vec::new();
        keeping.out = Some(self.session.poll_store(now, &mut operations));
        keeping.handed_out += 1;
        keeping.not_before = now + keeping.interval;
        batch.extend(operations.into_iter().map(Operation::Session));
        self.publishing.take_changes(now, on_clock, batch);
        self.subscriptions.take_changes(batch);
        batch.push(Operation::Clock(on_clock(now)));
        true
    }

    /// What came of the batch that was handed out.
    pub(crate) fn handle_committed(&mut self, result: Result<(), StoreError>) {
        let Some(keeping) = &mut self.keeping else { return };
        let batch = keeping.out.take();
        match result {
            Ok(()) => {
                keeping.stored = keeping.handed_out;
                if let Some(batch) = batch.flatten() {
                    self.session.handle_stored(self.now, batch);
                }
            }
            Err(error) => self.store_failed(error),
        }
        self.pump();
        self.wake_stored();
        self.attend();
    }

    /// The store's thread is gone. Before the client's end, that is a failure.
    pub(crate) fn handle_store_gone(&mut self) {
        if self.keeping.as_ref().is_some_and(|keeping| !keeping.ended && keeping.failed.is_none()) {
            self.handle_committed(Err(StoreError::Ended));
        }
    }

    /// Whether the store has all that it will ever be given.
    pub(crate) fn store_is_over(&self) -> bool {
        self.keeping.as_ref().is_none_or(|keeping| {
            keeping.failed.is_some() || keeping.ended && keeping.out.is_none() && !self.has_unstored()
        })
    }

    /// The driver has ended.
    pub(crate) fn end_store(&mut self) {
        if let Some(keeping) = &mut self.keeping {
            keeping.ended = true;
        }
    }

    /// Whether nothing is on its way to the store.
    pub(crate) fn is_stored(&self) -> bool {
        self.keeping
            .as_ref()
            .is_none_or(|keeping| keeping.failed.is_some() || keeping.out.is_none() && !self.has_unstored())
    }

    /// A place to wait in for all that has happened so far to be stored.
    pub(crate) fn wait_stored(&mut self) -> Option<Tag> {
        let unstored = self.has_unstored();
        let keeping = self.keeping.as_mut()?;
        let batch = keeping.handed_out + u64::from(unstored);
        Some(keeping.waiting.insert(Waiting { batch, waker: None }))
    }

    pub(crate) fn poll_stored(
        &mut self,
        tag: Tag,
        waker: &mut Option<Waker>,
    ) -> Poll<Result<(), StoreError>> {
        let Some(keeping) = &mut self.keeping else { return Poll::Ready(Ok(())) };
        let stored = keeping.stored;
        match (keeping.waiting.get_mut(tag), &keeping.failed) {
            (Some(waiting), _) if waiting.batch <= stored => Poll::Ready(Ok(())),
            (_, Some(error)) => Poll::Ready(Err(error.clone())),
            (Some(waiting), None) => park(&mut waiting.waker, waker),
            (None, None) => Poll::Pending,
        }
    }

    pub(crate) fn stop_waiting_stored(&mut self, tag: Tag) {
        if let Some(keeping) = &mut self.keeping {
            keeping.waiting.remove(tag);
        }
    }

    pub(crate) fn has_store_failed(&self) -> bool {
        self.store_error().is_some()
    }

    /// Why nothing can be stored any more, if so.
    pub(crate) fn store_error(&self) -> Option<&StoreError> {
        self.keeping.as_ref()?.failed.as_ref()
    }

    fn has_unstored(&self) -> bool {
        self.session.has_unstored() || self.publishing.has_unstored() || self.subscriptions.has_unstored()
    }

    /// What relies on the store ends here; the rest goes on without it.
    fn store_failed(&mut self, error: StoreError) {
        self.session.handle_store_failed(self.now);
        self.publishing.store_failed(&error, &self.session, &mut self.effects);
        if let Some(keeping) = &mut self.keeping {
            keeping.failed = Some(error.clone());
        }
        self.tell(Event::StoreFailed(error));
    }

    fn wake_stored(&mut self) {
        if self.is_stored() {
            self.wake_waiting();
        }
        if let Some(keeping) = &mut self.keeping {
            let (stored, failed) = (keeping.stored, keeping.failed.is_some());
            for (_, waiting) in keeping.waiting.iter_mut() {
                if failed || waiting.batch <= stored {
                    self.effects.wake(&mut waiting.waker);
                }
            }
        }
    }
}
