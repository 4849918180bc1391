//! Text that was given for a topic name or a topic filter, and is none.

use crate::codec::{InvalidFilter, InvalidTopic};
use crate::error_texts::error_texts;

/// How many characters of it are kept: what is no topic may be anything, and of any length.
const KEPT: usize = 100;

/// Text that is no topic name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadTopic {
    /// What was given, up to 100 characters of it.
    pub topic: String,
    /// What is wrong with it.
    pub why: InvalidTopic,
}

impl BadTopic {
    pub(crate) fn new(topic: &str, why: InvalidTopic) -> Self {
        BadTopic { topic: beginning(topic), why }
    }
}

error_texts!(BadTopic {
    Self { topic, why } => source why, "{why}: {topic:?}";
});

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
        BadFilter { filter: beginning(filter), why }
    }
}

error_texts!(BadFilter {
    Self { filter, why } => source why, "{why}: {filter:?}";
});

fn beginning(text: &str) -> String {
    text.chars().take(KEPT).collect()
}
