//! [`Storing`]: the thread that writes a client's batches to its store.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::{Changes, Operation, Store, StoreError};
use crate::locking::lock;
use crate::shared::Shared;

/// Serves the store of one client: [`run`](Self::run) on a thread of its own, since a store blocks.
///
/// It holds no lock while the store is at work, so that nobody but what relies on a batch waits for it. Dropped before the
/// driver is, it ends the store: what relies on it fails.
pub struct Storing {
    shared: Arc<Shared>,
    store: Box<dyn Store>,
    batch: Vec<Operation>,
    changes: Changes,
}

impl Storing {
    pub(crate) fn new(shared: Arc<Shared>, store: Box<dyn Store>) -> Self {
        Storing { shared, store, batch: Vec::new(), changes: Changes::default() }
    }

    /// Serves the store until the driver has ended and all is stored, or the store has failed. Then closes it.
    pub fn run(mut self) {
        loop {
            while self.begin() {
                self.finish();
            }
            if self.shared.run(|core| core.store_is_over()) {
                return;
            }
            self.shared.gate.wait();
        }
    }

    /// For a simulation, which has no threads: takes the next batch, if there is one.
    pub fn begin(&mut self) -> bool {
        let batch = &mut self.batch;
        self.shared.run(|core| core.take_batch(batch))
    }

    /// Stores the batch that was begun, and reports what came of it.
    pub fn finish(&mut self) {
        // What can't be encoded was never sent either.
        let changes = &mut self.changes;
        let written = self.batch.drain(..).try_for_each(|operation| operation.write(changes));
        let result = match written {
            Ok(()) => self.store.commit(changes),
            Err(error) => Err(StoreError::Damaged(error.to_string())),
        };
        changes.clear();
        self.shared.run(|core| core.handle_committed(result));
    }
}

impl Drop for Storing {
    fn drop(&mut self) {
        self.shared.run(|core| core.handle_store_gone());
    }
}

impl fmt::Debug for Storing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Storing").finish_non_exhaustive()
    }
}

/// Where the store's thread waits to be called.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub(crate) fn open(&self) {
        *lock(&self.open) = true;
        self.opened.notify_one();
    }

    /// Waits until it is open, and closes it.
    fn wait(&self) {
        let open = lock(&self.open);
        let mut open = self.opened.wait_while(open, |open| !*open).unwrap_or_else(PoisonError::into_inner);
        *open = false;
    }
}
