//! [`StoreError`]: why a session can't be kept.

use std::io;
use std::sync::Arc;

use super::Owner;
use crate::error_texts::{error_conversions, error_texts};
use crate::session::RestoreError;

/// Why a store can't be opened, or why it has failed. Opening changes nothing in a store that it refuses.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// The system said no: no permission, no space, no such folder.
    Io(Arc<io::Error>),
    /// Another client, of this process or another one, has it open.
    Locked,
    /// It keeps the session of another client id, or at another broker.
    Owner {
        /// Whose it is.
        stored: Box<Owner>,
        /// Who wanted it.
        wanted: Box<Owner>,
    },
    /// It was written in a format that is not known here, by a newer version as a rule.
    Format(u64),
    /// It is no store, or it is damaged.
    Damaged(String),
    /// What it holds makes no session.
    Session(RestoreError),
    /// The thread that served it has ended, for whatever reason.
    Ended,
}

error_texts!(StoreError {
    Self::Io(error) => source error, "the store can't be read or written: {error}";
    Self::Locked => "the store is in use by another client";
    Self::Owner { stored, wanted } => "the store is that of {stored}, not of {wanted}";
    Self::Format(format) => "the store has format {format}, which is unknown, perhaps newer";
    Self::Damaged(problem) => "the store is damaged: {problem}";
    Self::Session(error) => source error, "{error}";
    Self::Ended => "the store's thread has ended: nothing is kept any more";
});

error_conversions!(StoreError { Session(RestoreError) });

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        StoreError::Io(Arc::new(error))
    }
}
