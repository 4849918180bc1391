//! The proof of `mqtt-session`, in simulated time.
//!
//! | room | holds |
//! | --- | --- |
//! | `model` | a model of the session in plain maps: all that is known here of what a session must do |
//! | [`lockstep`] | a session beside the model in the same story, with a store and a peer that breaks any rule (`peer`) |
//! | [`server`], [`world`] | an honest server, and a link to it that can be cut anywhere |
//! | [`delivery`] | random traffic in that world: what was promised about each message holds |
//! | [`explore`](mod@explore) | every way through small worlds |
//! | [`steady`] | a session with so many messages under way, to count what one more costs |
//! | [`soak`](mod@soak) | years on a flaky link |
//!
//! Stories are bytes ([`step`]): property tests, the fuzz target `session` and `cargo xtask sim` tell them.

pub mod delivery;
pub mod explore;
pub mod lockstep;
pub mod messages;
mod model;
pub mod news;
mod peer;
pub mod seeds;
pub mod server;
pub mod soak;
pub mod steady;
pub mod step;
pub mod store;
pub mod world;
