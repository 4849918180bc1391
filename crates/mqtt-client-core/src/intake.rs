//! [`Intake`]: the door beside the core's lock, for messages whose admission is sure.

use std::collections::VecDeque;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use crate::codec::{Publish, QoS, Version};
use crate::locking::lock_door;
use crate::outbox::{Bounds, Entry, Owner, measure};
use crate::publishing::taken;
use crate::slots::Tag;

/// Where messages come in while the driver has the core, so that who publishes and who drives are not in each other's way.
///
/// The core lends it room within the bounds, and tags for the callers to ask by. A message that finds both is admitted, and
/// becomes the core's at its next look: before each other call of the application's, which therefore comes after all that was
/// published before it, and at each of the driver's. When nothing is lent the door is closed, and a message goes to the core.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    /// Whether something is not counted yet.
    filled: AtomicBool,
    door: Mutex<Door>,
}

#[derive(Debug)]
struct Door {
    version: Version,
    tags: Vec<Tag>,
    room: Bounds,
    came: VecDeque<Entry>,
    /// What those take of the bounds that are not counted yet.
    used: Bounds,
    /// Of whose messages nobody asks any more, likewise.
    let_go: Vec<Tag>,
    /// The driver sleeps, and would send what comes at once.
    calls_driver: bool,
}

/// A message that came in.
#[derive(Debug)]
pub(crate) struct Entered {
    pub(crate) tag: Tag,
    pub(crate) calls_driver: bool,
}

impl Intake {
    /// Takes a message in, if nothing but room is needed to admit it, and there is room.
    pub(crate) fn enter(&self, publish: &mut Publish) -> Option<Entered> {
        if !needs_only_room(publish) {
            return None;
        }
        let mut door = self.door();
        let Door { version, tags, room, came, used, calls_driver, .. } = &mut *door;
        let cost = measure(publish, *version).ok()?;
        if room.messages == 0 || room.bytes < cost {
            return None;
        }
        let tag = tags.pop()?;
        *room -= Bounds::of_one(cost);
        *used += Bounds::of_one(cost);
        came.push_back(Entry::new(Owner::Slot(tag), cost, taken(publish)));
        self.filled.store(true, Ordering::Relaxed);
        Some(Entered { tag, calls_driver: mem::take(calls_driver) })
    }

    /// Nobody will ask what became of an admitted message.
    pub(crate) fn let_go(&self, tag: Tag) {
        let mut door = self.door();
        match door.came.back_mut() {
            Some(entry) if entry.is_of(tag) => entry.let_go = true,
            _ => {
                door.let_go.push(tag);
                self.filled.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Whether something has come in that is not counted yet. Who knows of a publish sees it.
    pub(crate) fn is_filled(&self) -> bool {
        self.filled.load(Ordering::Relaxed)
    }

    /// Counts what came in since this was done the last time: what the messages take of the bounds, and of which nobody asks any
    /// more.
    pub(crate) fn count(&self, let_go: &mut Vec<Tag>) -> Bounds {
        let mut door = self.door();
        self.filled.store(false, Ordering::Relaxed);
        door.count(let_go)
    }

    /// The same, and takes all messages out. Nothing is in the queue that is left in their place.
    pub(crate) fn empty(&self, came: &mut VecDeque<Entry>, let_go: &mut Vec<Tag>) -> Bounds {
        let mut door = self.door();
        self.filled.store(false, Ordering::Relaxed);
        mem::swap(came, &mut door.came);
        door.count(let_go)
    }

    /// Puts a message behind those that came in, which the core has admitted and counted.
    pub(crate) fn put(&self, entry: Entry) {
        self.door().came.push_back(entry);
    }

    /// Lends more room, and a tag for each message that it admits.
    pub(crate) fn lend(&self, version: Version, room: Bounds, tags: impl Iterator<Item = Tag>) {
        let mut door = self.door();
        door.version = version;
        door.room += room;
        door.tags.extend(tags);
    }

    /// Closes the door: takes back the tags that were lent, and counts a last time.
    pub(crate) fn close(&self, tags: &mut Vec<Tag>, let_go: &mut Vec<Tag>) -> Bounds {
        let mut door = self.door();
        self.filled.store(false, Ordering::Relaxed);
        door.room = Bounds::NONE;
        tags.append(&mut door.tags);
        door.count(let_go)
    }

    /// The next message is to call the driver. False if there is one already.
    pub(crate) fn call_driver(&self) -> bool {
        let mut door = self.door();
        door.calls_driver = door.came.is_empty();
        door.calls_driver
    }

    /// It is awake.
    pub(crate) fn let_driver_be(&self) {
        self.door().calls_driver = false;
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        lock_door(&self.door)
    }
}

impl Door {
    fn count(&mut self, let_go: &mut Vec<Tag>) -> Bounds {
        let_go.append(&mut self.let_go);
        mem::replace(&mut self.used, Bounds::NONE)
    }
}

impl Default for Door {
    /// Closed.
    fn default() -> Self {
        Door {
            version: Version::V5,
            tags: Vec::new(),
            room: Bounds::NONE,
            came: VecDeque::new(),
            used: Bounds::NONE,
            let_go: Vec::new(),
            calls_driver: false,
        }
    }
}

/// Whether no more than room is needed to admit such a message: no clock runs for it, and its end is heard of.
pub(crate) fn needs_only_room(publish: &Publish) -> bool {
    publish.qos != QoS::AtMostOnce && publish.properties.message_expiry_interval().is_none()
}
