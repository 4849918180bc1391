//! [`Spool`]: the door beside the core's lock for messages of QoS 0, which are encoded as they come in by it.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::codec::PlainPublish;
use crate::locking::lock_door;
use crate::outbox::{Bounds, cost_of};
use crate::session::{Batch, BatchForm};
use crate::unasked::BURST;

/// What a packet without properties has besides its topic and its payload, at most: in bytes.
const HEAD: usize = 5 + 2;

/// What the [`Intake`](crate::intake::Intake) is for messages that wait for their turn, this is for those that are sent off.
///
/// It is open only while nothing is before such a message. The core lends it room within the bounds, and the form in which the
/// connection has its messages; what is in it becomes the core's at its next look, as with the other door.
#[derive(Debug, Default)]
pub(crate) struct Spool {
    /// Whether something is in it.
    filled: AtomicBool,
    roll: Mutex<Roll>,
}

#[derive(Debug)]
struct Roll {
    /// `None`: it is closed.
    form: Option<BatchForm>,
    room: Bounds,
    batch: Batch,
    /// What its messages take of the bounds.
    used: Bounds,
    /// The driver sleeps, and would send what comes at once.
    calls_driver: bool,
}

/// A message is in.
#[derive(Debug)]
pub(crate) struct Spooled {
    pub(crate) calls_driver: bool,
}

impl Spool {
    /// Takes a message in of which nobody asks more, if nothing but room is needed to admit it, and there is room.
    #[inline]
    pub(crate) fn enter(&self, publish: &PlainPublish<'_>) -> Option<Spooled> {
        let most = cost_of(HEAD + publish.topic().as_bytes().len() + publish.payload().len());
        let mut roll = self.roll();
        let Roll { form: Some(form), room, batch, used, calls_driver } = &mut *roll else { return None };
        let before = batch.len();
        if before >= BURST || room.messages == 0 || room.bytes < most || !form.encode(publish, batch) {
            return None;
        }
        let taken = Bounds::of_one(cost_of(batch.len() - before));
        *room -= taken;
        *used += taken;
        if before == 0 {
            self.filled.store(true, Ordering::Relaxed);
        }
        Some(Spooled { calls_driver: mem::take(calls_driver) })
    }

    /// Whether something is in it. Who knows of a publish sees it.
    pub(crate) fn is_filled(&self) -> bool {
        self.filled.load(Ordering::Relaxed)
    }

    /// Takes all out, and leaves the memory of an empty batch. What the messages take of the bounds.
    pub(crate) fn take(&self, batch: &mut Batch) -> Bounds {
        let mut roll = self.roll();
        self.filled.store(false, Ordering::Relaxed);
        roll.take(batch)
    }

    /// Lends more room to messages for that connection.
    pub(crate) fn lend(&self, form: BatchForm, room: Bounds) {
        let mut roll = self.roll();
        roll.form = Some(form);
        roll.room += room;
    }

    /// Closes it, and takes all out a last time.
    pub(crate) fn close(&self, batch: &mut Batch) -> Bounds {
        let mut roll = self.roll();
        self.filled.store(false, Ordering::Relaxed);
        (roll.form, roll.room) = (None, Bounds::NONE);
        roll.take(batch)
    }

    /// The next message is to call the driver. False if there is one already.
    pub(crate) fn call_driver(&self) -> bool {
        let mut roll = self.roll();
        roll.calls_driver = roll.batch.is_empty();
        roll.calls_driver
    }

    /// It is awake.
    pub(crate) fn let_driver_be(&self) {
        self.roll().calls_driver = false;
    }

    fn roll(&self) -> MutexGuard<'_, Roll> {
        lock_door(&self.roll)
    }
}

impl Roll {
    fn take(&mut self, batch: &mut Batch) -> Bounds {
        mem::swap(&mut self.batch, batch);
        mem::replace(&mut self.used, Bounds::NONE)
    }
}

impl Default for Roll {
    /// Closed.
    fn default() -> Self {
        Roll {
            form: None,
            room: Bounds::NONE,
            batch: Batch::default(),
            used: Bounds::NONE,
            calls_driver: false,
        }
    }
}
