//! An async MQTT client for tokio, 3.1.1 and 5.0.
//!
//! ```no_run
//! use mqtt_tokio::QoS;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = mqtt_tokio::connect("mqtt://localhost").await?;
//! let mut hellos = client.subscribe("hello/+").await?;
//! client.publish("hello/world", "hi").qos(QoS::ExactlyOnce).await?;
//! if let Some(message) = hellos.recv().await {
//!     println!("{}: {}", message.topic(), message.text());
//! }
//! client.disconnect().await;
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! Everything about MQTT is `mqtt-client-core`'s, whose types this crate re-exports (all of them as [`core`]). Here is what
//! needs tokio: one task for each client, which alone touches the socket, and [`Subscription`] and [`Events`] as
//! [`Stream`](futures_core::Stream)s. `mqtt-blocking` is the same client on a thread; names and meaning are the same, and
//! what is awaited here is `.wait()`ed for there:
//!
//! | call | here | in `mqtt-blocking` |
//! | --- | --- | --- |
//! | [`connect`]`(url or options)` | `.await` | blocks |
//! | [`Client::new`]`(url or options)` | starts a task | starts a thread |
//! | [`connect`](Client::connect), [`disconnect`](Client::disconnect), [`ping`](Client::ping), [`unsubscribe`](Client::unsubscribe) | `.await` | `.wait()`, `.wait_timeout(time)` |
//! | [`publish`](Client::publish), [its `enqueue`](PublishBuilder::enqueue), [`Completion`] | `.await` | `.wait()`, `.wait_timeout(time)` |
//! | [`subscribe`](Client::subscribe) | `.await` | `.wait()`, `.wait_timeout(time)` |
//! | [`Subscription`], [`Events`] | `Stream`, `recv().await`, `recv_timeout(time).await`, `try_recv()` | `Iterator`, `recv()`, `recv_timeout(time)`, `try_recv()` |
//!
//! # Cancellation
//!
//! Every future may be dropped at any time, in `select!` too: none of them owns a half-written packet or a message that has
//! been taken. What dropping one takes back, and what goes on all the same, is said at each.
//!
//! # The runtime
//!
//! It needs its I/O and time drivers (`enable_all`). Its end ends the client, without a DISCONNECT: call
//! [`Client::disconnect`] first. Time is tokio's alone, so a client stands still in a runtime whose clock is paused.

pub use mqtt_client_core as core;
#[doc(inline)]
pub use mqtt_client_core::exports::*;

mod client;
mod driver;
mod one_shot;
mod streams;
mod transport;

pub use client::{Client, connect};
pub use one_shot::{publish_once, receive_once};
pub use streams::{Events, Subscription};
pub use transport::Stream;
