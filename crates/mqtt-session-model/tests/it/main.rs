//! The proof of `mqtt-session`: what its promises come to, whatever happens.
#![allow(clippy::print_stdout, reason = "how much was gone through is worth knowing")]

mod cuts;
mod stories;
mod ways;
mod years;
