//! A blocking MQTT client, 3.1.1 and 5.0, with no async runtime inside.
//!
//! ```no_run
//! use mqtt_blocking::{QoS, Wait};
//!
//! # fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = mqtt_blocking::connect("mqtt://localhost")?;
//! let mut hellos = client.subscribe("hello/+").wait()?;
//! client.publish("hello/world", "hi").qos(QoS::ExactlyOnce).wait()?;
//! if let Some(message) = hellos.next() {
//!     println!("{}: {}", message.topic(), message.text());
//! }
//! client.disconnect().wait();
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! Everything about MQTT is `mqtt-client-core`'s, whose types this crate re-exports (all of them as [`core`]). Here is what
//! blocks: one thread for each client, which alone touches the socket, [`Wait`] for whatever the core promises, and
//! [`Subscription`] and [`Events`] as iterators. `mqtt-tokio` is the same client on a task; names and meaning are the same,
//! and what is awaited there is `.wait()`ed for here:
//!
//! | call | here | in `mqtt-tokio` |
//! | --- | --- | --- |
//! | [`connect`]`(url or options)` | blocks | `.await` |
//! | [`Client::new`]`(url or options)` | starts a thread | starts a task |
//! | [`connect`](Client::connect), [`disconnect`](Client::disconnect), [`ping`](Client::ping), [`unsubscribe`](Client::unsubscribe) | `.wait()`, `.wait_timeout(time)` | `.await` |
//! | [`publish`](Client::publish), [its `enqueue`](PublishBuilder::enqueue), [`Completion`] | `.wait()`, `.wait_timeout(time)` | `.await` |
//! | [`subscribe`](Client::subscribe) | `.wait()`, `.wait_timeout(time)` | `.await` |
//! | [`Subscription`], [`Events`] | `Iterator`, `recv()`, `recv_timeout(time)`, `try_recv()` | `Stream`, the same three `.await` |
//!
//! What the core's pages call awaiting a future is waiting for it here; a call whose time is up drops it, and what that
//! takes back, and what goes on all the same, is said at each.

pub use mqtt_client_core as core;
#[doc(inline)]
pub use mqtt_client_core::exports::*;

mod client;
mod driver;
mod helper;
mod one_shot;
mod streams;
mod transport;
mod wait;

pub use client::{Client, connect};
pub use one_shot::{publish_once, receive_once};
pub use streams::{Events, Subscription};
pub use transport::Stream;
pub use wait::{TimedOut, Wait};
