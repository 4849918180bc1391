//! An MQTT broker, faulty links and virtual time: for tests and demonstrations, **never for production**.
//!
//! The broker keeps everything in memory, authenticates by a table, and does what a script tells it to, however
//! wrong. What it has over a real one: it is strict, it is deterministic, it runs inside your test, and it can be
//! told to misbehave.
//!
//! | type | what it is |
//! | --- | --- |
//! | [`Broker`] | an MQTT 3.1.1 and 5.0 server as a state machine: no socket, no clock, no thread |
//! | [`Server`] | a broker on a TCP port |
//! | [`Fault`] | one scripted misbehaviour: lose, delay, duplicate, withhold, refuse, cut |
//! | [`Proxy`] | a TCP proxy before any broker that cuts, refuses, stalls and dribbles |
//! | [`DeadEnd`] | an address where connecting comes to nothing |
//! | [`Link`] | a faulty byte stream in virtual time |
//! | [`Clock`] | virtual time |
//! | [`World`] | whole clients, a broker and the links between them in virtual time |
//!
//! A test against a real socket, whose third PUBACK gets lost:
//!
//! ```
//! use mqtt_codec::PacketKind;
//! use mqtt_testkit::{BrokerConfig, Fault, Server};
//!
//! let server = Server::bind("127.0.0.1:0", BrokerConfig::default())?;
//! server.with_broker(|broker| broker.inject(Fault::sent(PacketKind::Puback).nth(3).lose()));
//! // … run the client under test against `server.url()`, then ask what the broker saw:
//! server.with_broker(|broker| {
//!     assert_eq!(broker.violations(), []);
//!     println!("{:?}", broker.stats());
//! });
//! # Ok::<(), std::io::Error>(())
//! ```

mod broker;
mod clock;
mod dead_end;
mod link;
mod peer;
mod proxy;
mod rng;
mod server;
mod store;
mod threads;
mod world;

pub use broker::{
    AuthDialogue, AuthMethod, AuthReply, Broker, BrokerConfig, ConnDuty, ConnId, Fault, FaultMatch, LogEntry,
    Misdeed, Stats, TopicStats, Violation,
};
#[cfg(feature = "scram")]
pub use broker::{ScramServer, ScramVice};
pub use clock::Clock;
pub use dead_end::DeadEnd;
pub use link::{CutAfter, Link, LinkConfig};
pub use peer::{play, play_accepted};
pub use proxy::{Dribble, Proxy, ProxyConfig};
pub use server::Server;
pub use store::{MemoryStore, StoreFault};
pub use world::World;

/// The layer whose [`Timestamp`](mqtt_session::Timestamp) and [`PacketTrace`](mqtt_session::PacketTrace) stand in
/// this crate's interface; it holds the codec too, as `session::codec`.
pub use mqtt_session as session;
