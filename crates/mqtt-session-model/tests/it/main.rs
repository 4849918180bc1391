//! The proof of `mqtt-session`: what its promises come to, whatever happens.

mod cuts;
mod stories;
