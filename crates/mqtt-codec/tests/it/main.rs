//! The codec from outside: known answers, refusals by rule and byte, and properties over random packets.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod allocations;
mod api;
mod encode;
mod frame;
mod known_v311;
mod known_v5;
mod properties;
mod random;
mod reader;
mod reason_codes;
mod received;
mod reject_both;
mod reject_v311;
mod reject_v5;
mod strategies;
mod support;
