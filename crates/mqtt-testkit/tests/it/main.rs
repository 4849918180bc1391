//! The broker and the server, in virtual time and against clients of other houses.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod mosquitto;
mod programs;
