//! The proof of `mqtt-session`, in simulated time.
//!
//! | room | holds |
//! | --- | --- |
//! | `reference`, `kept` | a model of the session in plain maps: what it owes, and what it keeps |
//! | `judge` | what a session sends, held against that model |
//! | `observer` | what anybody can tell who sees a connection's bytes: packets without aliases, whose turn it is, how it ends |
//! | [`lockstep`] | a session beside these two in the same story, with a store and a peer that breaks any rule (`peer`) |
//! | [`server`], [`world`] | an honest server, and a link to it that can be cut anywhere |
//! | [`delivery`] | random traffic in that world: what was promised about each message holds |
//! | [`explore`](mod@explore) | every way through small worlds |
//! | [`steady`] | a session with so many messages under way, to count what one more costs |
//! | [`soak`](mod@soak) | years on a flaky link |
//!
//! Stories are bytes ([`step`]): property tests, the fuzz target `session` and `cargo xtask sim` tell them.

pub mod delivery;
pub mod explore;
mod judge;
mod kept;
pub mod lockstep;
pub mod messages;
pub mod news;
mod observer;
mod peer;
mod reference;
pub mod seeds;
pub mod server;
pub mod soak;
pub mod steady;
pub mod step;
pub mod store;
pub mod world;
