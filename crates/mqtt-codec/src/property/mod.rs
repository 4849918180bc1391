//! The properties of 5.0 (section 2.2.2): a table that says what each one is, a block that holds those of a packet
//! in wire form, and one typed set for each packet over it.
//!
//! ```text
//! +-----------------+----+-------+----+-------+-----
//! | length (varint) | id | value | id | value | ...
//! +-----------------+----+-------+----+-------+-----
//! ```

mod block;
mod sets;
mod table;
mod value;

pub use block::Properties;
pub use sets::*;
pub use table::{InvalidPropertyId, PropertyId};
pub use value::{InvalidSubscriptionId, PropertyValue, SubscriptionId};

pub(crate) use table::Place;
