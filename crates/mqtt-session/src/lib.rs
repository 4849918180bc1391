//! One MQTT client session, sans-IO.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub use mqtt_codec as codec;

mod command;
mod config;
mod connection;
mod duty;
mod error;
mod event;
mod handshake;
mod ids;
mod inbound;
mod keep_alive;
mod limits;
mod news;
mod outbound;
mod output;
mod phase;
mod requests;
mod send_queue;
mod session;
mod timestamp;
mod trace;
mod wire;
mod wishes;

pub use command::{Command, Refusal, Rejected, Tag};
pub use config::Config;
pub use duty::{Deadline, Duty, Timer};
pub use error::{ProtocolError, Violation};
pub use event::{Aborted, Connected, DisconnectCause, Event, Inbound, PublishEnd, Stage};
pub use inbound::Token;
pub use limits::Limits;
pub use output::Output;
pub use phase::Phase;
pub use session::Session;
pub use timestamp::Timestamp;
pub use trace::{Direction, PacketTrace};
