//! [`StoreError`]: why a session can't be kept.

use std::io;
use std::sync::Arc;

use super::Owner;
use crate::session::RestoreError;

/// Why a store can't be opened, or why it has failed. Opening changes nothing in a store that it refuses.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The system said no: no permission, no space, no such folder.
    #[error("the store: {0}")]
    Io(#[source] Arc<io::Error>),
    /// Another client, of this process or another one, has it open.
    #[error("the store is in use")]
    Locked,
    /// It keeps the session of another client id, or at another broker.
    #[error("the store is that of {stored}, not of {wanted}")]
    Owner {
        /// Whose it is.
        stored: Box<Owner>,
        /// Who wanted it.
        wanted: Box<Owner>,
    },
    /// It was written in a format that is not known here, by a newer version as a rule.
    #[error("the store has format {0}, which is unknown, perhaps newer")]
    Format(u64),
    /// It is no store, or it is damaged.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// What it holds makes no session.
    #[error("{0}")]
    Session(#[from] RestoreError),
    /// The thread that served it has ended, for whatever reason.
    #[error("the store's thread has ended")]
    Ended,
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        StoreError::Io(Arc::new(error))
    }
}
