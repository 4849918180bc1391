//! The proof of `mqtt-session`, in simulated time.
//!
//! | room | holds |
//! | --- | --- |
//! | `model` | the reference model: what becomes of messages of QoS 1 and 2, in plain maps and a file that is soon read |
//! | `referee` | who knows what else a session must do, each a concern of its own: conduct, pings, limits, … |
//! | `panel` | asks the model and the other referees, and puts together what they say |
//! | [`lockstep`] | a session beside them in the same story, with a store and a peer that breaks any rule (`peer`) |
//! | [`server`], [`world`] | an honest server, and a link to it that can be cut anywhere |
//! | [`delivery`] | random traffic in that world: what was promised about each message holds |
//! | [`explore`](mod@explore) | every way through small worlds |
//! | [`steady`] | a session with so many messages under way, to count what one more costs |
//! | [`soak`](mod@soak) | years on a flaky link |
//!
//! Stories are bytes ([`step`]): property tests, the fuzz target `session` and `cargo xtask sim` tell them.

pub mod delivery;
mod durable;
pub mod explore;
pub mod lockstep;
pub mod messages;
mod model;
pub mod news;
mod panel;
mod peer;
mod referee;
pub mod seeds;
pub mod server;
pub mod soak;
pub mod steady;
pub mod step;
pub mod store;
pub mod world;
