//! Sessions that survive their process: what a store has to do, what it is given, and who gives it.

mod changes;
mod error;
mod journal;
mod keeping;
mod records;
mod restore;
mod stored;
mod storing;
mod traits;

pub use changes::{Change, Changes};
pub use error::StoreError;
pub(crate) use journal::Journal;
pub(crate) use keeping::Keeping;
pub(crate) use records::{FIRST_PLACE, Filter, Operation, Queued};
pub(crate) use restore::Restored;
pub use stored::Stored;
pub(crate) use storing::Gate;
pub use storing::Storing;
pub use traits::{Durability, Opened, Owner, Storage, Store};
