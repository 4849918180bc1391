//! [`BadFilter`]: text that was given for a topic filter, and is none.

use crate::codec::InvalidFilter;
use crate::error_texts::{beginning, error_texts};

/// Text that is no topic filter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadFilter {
    /// What was given, up to 100 characters of it.
    pub filter: String,
    /// What is wrong with it.
    pub why: InvalidFilter,
}

impl BadFilter {
    pub(crate) fn new(filter: &str, why: InvalidFilter) -> Self {
        BadFilter { filter: beginning(filter).to_owned(), why }
    }
}

error_texts!(BadFilter {
    Self { filter, why } => source why, "{why}: {filter:?}";
});
