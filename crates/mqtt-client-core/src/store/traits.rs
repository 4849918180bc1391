//! [`Storage`] and [`Store`]: what keeps a session while no process runs.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::{Changes, StoreError};

/// A place where one client's session can be kept: named in the options
/// ([`OptionsBuilder::store`](crate::OptionsBuilder::store)), opened when the client is made. `mqtt-store` has one on the disk.
pub trait Storage: Send + Sync + 'static {
    /// Opens the store of this owner, for nobody else until it is dropped, and reads all that is in it.
    ///
    /// An empty place becomes this owner's. May block.
    ///
    /// # Errors
    /// It is another owner's, in use, in a format that is not known, damaged, or can't be read. Nothing in it has changed.
    fn open(&self, owner: &Owner, durability: Durability) -> Result<Opened, StoreError>;
}

/// A store that is open. Dropping it closes it.
pub trait Store: Send {
    /// Carries out all of the changes, in their order, or none of them. Returns when they would still be there after what
    /// the [`Durability`] names. Blocks as long as it likes: it has a thread of its own.
    ///
    /// # Errors
    /// Why not. The store is not used again.
    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError>;
}

/// What [`Storage::open`] found.
pub struct Opened {
    /// To be written to.
    pub store: Box<dyn Store>,
    /// Every key with its value, in any order.
    pub records: Vec<(Bytes, Bytes)>,
    /// How much time has passed since the last commit, by the clock on the wall; zero for a new store, or where that clock
    /// was set back.
    pub elapsed: Duration,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Opened { records, elapsed, .. } = self;
        f.debug_struct("Opened")
            .field("records", &records.len())
            .field("elapsed", elapsed)
            .finish_non_exhaustive()
    }
}

/// Whose session a store keeps: one client id at one broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The client id.
    pub client_id: String,
    /// The broker: the first of the endpoints, such as `mqtt://host:1883`.
    pub endpoint: String,
}

/// Such as `worker-1 at mqtt://host:1883`.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.client_id, self.endpoint)
    }
}

/// What a stored change outlives. Whatever the choice, a killed process loses nothing that was stored.
///
/// A change waits for its commit before anything relies on it: one commit is under way while the next one gathers, so that
/// however slow a disk is, few of them carry many messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Each commit is on the disk before it counts: it outlives a power cut.
    #[default]
    EachBatch,
    /// The same, but commits begin no more often than this, for disks that wear out: a message waits for up to that long,
    /// and those that come meanwhile share its commit.
    Interval(Duration),
    /// The system writes when it likes. A power cut, or a crash of the system, may lose the latest changes or leave a store
    /// that can't be opened any more ([`StoreError::Damaged`]).
    System,
}

impl Durability {
    /// The least time from the begin of a commit to that of the next one.
    pub(crate) fn interval(self) -> Duration {
        match self {
            Durability::Interval(interval) => interval,
            Durability::EachBatch | Durability::System => Duration::ZERO,
        }
    }
}
