//! What a store keeps of a session: [`Record`]s under [`Key`]s, and what can be wrong with them.

mod encoding;
mod error;
mod record;
mod restore;

pub use error::{Fault, RestoreError};
pub use record::{Key, Record};
