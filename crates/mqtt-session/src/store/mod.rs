//! What a store keeps of a session: [`Record`]s under [`Key`]s, and what can be wrong with them.

mod encoding;
mod error;
mod journal;
mod record;
mod restore;

pub use error::{Fault, RestoreError};
pub(crate) use journal::{Batch, Journal};
pub use record::{Key, Operation, Record};
pub(crate) use restore::Moment;
