//! What a user of either adapter is promised, written once and run over both.
//!
//! The scenarios stand in `tests/it`, a module for each theme. This library holds what they are written with:
//!
//! | type | what it is |
//! | --- | --- |
//! | [`Adapter`], [`Client`], [`Subscription`], [`Events`] | the calls that both adapters offer, in a form that blocks |
//! | [`Tokio`], [`Blocking`] | the two |
//! | [`Case`] | one run of a scenario: an adapter and a protocol version |
//! | [`Bed`] | a broker to lie in: ours in this process, mosquitto, or one that `MQTT_TEST_BROKER` names |
//! | [`Mosquitto`] | a mosquitto of one's own, that can be stopped and started again |
//! | [`Ways`] | a mosquitto that is reached in every way: TCP, TLS, WebSocket, Unix socket |
//! | [`QuicServer`] | a broker behind QUIC |
//! | [`Authority`] | certificates made on the spot |
//! | [`Killing`] | a process that is killed again and again, and counts afterwards |
//! | [`Sleeper`] | a process whose machine seems to have slept |
//! | [`secrets`] | what is planted in every client, and watched for in all that is said |
//! | [`Peer`] | a server's end of a connection, played by hand |
//!
//! Nothing here sleeps for a fixed time and hopes: whatever is waited for has [`PATIENCE`], after which the scenario fails
//! and says what did not happen.

mod adapter;
mod bed;
mod blocking;
mod case;
mod certificates;
mod failing;
mod killing;
mod mosquitto;
mod patience;
mod peer;
mod quic;
pub mod secrets;
mod sleeping;
mod tokio;
mod ways;

pub use adapter::{Adapter, Client, Events, Next, Subscription};
pub use bed::Bed;
pub use blocking::Blocking;
pub use case::Case;
pub use certificates::{Authority, Certified};
pub use failing::failure;
pub use killing::{Counted, Killing, Life, work};
pub use mosquitto::Mosquitto;
pub use patience::{PATIENCE, until};
pub use peer::{Peer, PeerLink};
pub use quic::QuicServer;
pub use sleeping::Sleeper;
pub use tokio::Tokio;
pub use ways::{Way, Ways};
