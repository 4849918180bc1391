//! The session in virtual time, against scripted and modelled peers.
#![allow(clippy::unwrap_used, reason = "a test that unwraps fails where it should")]

mod aliases;
mod allocations;
mod auth;
mod chunking;
mod crash;
mod disk;
mod durable;
mod expiry;
mod explaining;
mod inbound;
mod keep_alive;
mod limits;
mod outbound;
mod outcomes;
mod output;
mod phases;
mod reconnect;
mod records;
mod requests;
mod restore;
mod round_trip;
mod runs;
mod send;
mod support;
mod tables;
