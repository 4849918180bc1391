//! The store on a real disk, alone and under whole clients.
#![allow(clippy::unwrap_used, reason = "they are tests")]

mod clients;
mod examples;
mod files;
mod support;
