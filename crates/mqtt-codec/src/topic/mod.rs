//! Topic names, topic filters, and which filter matches which name (section 4.7 of both versions).

mod filter;
mod matching;
mod name;

pub use filter::{InvalidFilter, TopicFilter};
pub use name::{InvalidTopic, TopicName};

pub(crate) use filter::{is_shared, validate as validate_filter};
pub(crate) use name::validate as validate_name;
