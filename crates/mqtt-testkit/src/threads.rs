//! Threads with names, which show in debuggers and in reports of panics.

use std::io;
use std::thread::{Builder, JoinHandle};

pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).spawn(run)
}
