//! The program as its users meet it: a process with flags, streams and exit codes.

#![expect(clippy::unwrap_used, reason = "tests may panic, in their helpers too")]

mod crossing;
mod demo;
mod endings;
mod errors;
mod programs;
mod sessions;
