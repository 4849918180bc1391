//! The session of an MQTT client in one file, so that it outlives the process: killed at any moment, QoS 1 arrives at least
//! once and QoS 2 exactly once.
//!
//! ```no_run
//! use mqtt_blocking::{Options, SESSION_NEVER_EXPIRES};
//! use mqtt_store::FileStore;
//!
//! let options = Options::builder()
//!     .url("mqtt://localhost")
//!     .client_id("sensor-7")
//!     .clean_start(false)
//!     .session_expiry(SESSION_NEVER_EXPIRES)
//!     .store(FileStore::at("/var/lib/sensor/mqtt.session"))
//!     .build()?;
//! let client = mqtt_blocking::connect(options)?;
//! # Ok::<(), mqtt_blocking::ClientError>(())
//! ```
//!
//! `examples/exactly_once_worker.rs` is a worker that can be killed at any moment and works on each message once.
//!
//! # The file
//!
//! - It belongs to one client id at one broker, and is locked while a client has it open. The lock ends with the process.
//! - It is a [redb](https://docs.rs/redb) database with a format number of its own. `benches/stores/STORES.md` says why redb.
//! - It is small: of a megabyte or so while messages pass through, however many; twice to ten times what is under way when that
//!   is a lot, given back when it is gone.
//! - What can't be used is refused with a [`StoreError`](mqtt_client_core::StoreError) and left as it is: it is checked, every
//!   page of it, before anything is written.
//!
//! Deleting it is safe while no client has it open, and forgets the session on this side.

mod backend;
#[cfg(test)]
mod crash;
mod file;
mod inspect;
mod store;

pub use store::FileStore;
