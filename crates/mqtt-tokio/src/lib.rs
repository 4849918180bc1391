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
//! # What to pick
//!
//! | you | take |
//! | --- | --- |
//! | use tokio | this crate |
//! | have threads, or a device without an async runtime | `mqtt-blocking`, the same client on a thread |
//! | need a session to outlive a killed process | `mqtt-store` besides |
//! | test code that uses a client | `mqtt-testkit` besides: a broker in the process, faults by script, virtual time |
//! | have a runtime or a loop of another kind | `mqtt-client-core`, and move its bytes |
//! | bring sessions, queues and reconnecting of your own | `mqtt-session`, which is `no_std` |
//! | write a proxy, a broker or a tool | `mqtt-codec`, `no_std` too |
//!
//! # What to rely on
//!
//! [`contract`] says it in full. In short: every message ends with exactly one outcome; a received one is acknowledged when it
//! was taken; a subscription and an unacknowledged message survive a broken link; every queue is bounded, and what happens at
//! the bound has a name and a counter; nothing blocks the connection, not even code that panics.
//!
//! # Recipes
//!
//! ## A message, and what became of it
//!
//! ```no_run
//! use mqtt_tokio::{Delivered, PublishFailure, QoS};
//! # async fn example(client: mqtt_tokio::Client) -> Result<(), Box<dyn std::error::Error>> {
//! match client.publish("door", "open").qos(QoS::AtLeastOnce).await {
//!     Ok(Delivered::Acknowledged(ack)) => println!("the broker has it: {}", ack.reason),
//!     Ok(_) => println!("on its way"), // QoS 0 has no answer.
//!     Err(error) => match error.failure() {
//!         PublishFailure::Rejected(ack) => println!("{}: the broker says no: {}", error.topic(), ack.reason),
//!         PublishFailure::NotSent(why) => println!("{}: nothing was sent: {why}", error.topic()),
//!         _ => println!("{error}"), // It may have arrived, or not.
//!     },
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ## Many messages at once
//!
//! Admission paces the loop; the answers come while it goes on.
//!
//! ```no_run
//! use mqtt_tokio::QoS;
//! # async fn example(client: mqtt_tokio::Client) -> Result<(), Box<dyn std::error::Error>> {
//! let mut open = Vec::new();
//! for reading in 0..1000 {
//!     open.push(client.publish("readings", reading.to_string()).qos(QoS::AtLeastOnce).enqueue().await?);
//! }
//! for completion in open {
//!     completion.await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ## Work that is not lost when the program crashes
//!
//! With a session that the broker keeps, and acknowledgement by hand.
//!
//! ```no_run
//! use mqtt_tokio::{Acknowledge, Options, SESSION_NEVER_EXPIRES};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let options = Options::builder()
//!     .url("mqtts://broker.example")
//!     .client_id("worker-1")
//!     .clean_start(false)
//!     .session_expiry(SESSION_NEVER_EXPIRES)
//!     .build()?;
//! let client = mqtt_tokio::connect(options).await?;
//! let mut jobs = client.subscribe("jobs/#").acknowledge(Acknowledge::ByHand).keep_on_drop(true).await?;
//! while let Some(job) = jobs.recv().await {
//!     println!("{}: {}", job.topic(), job.text());
//!     job.acknowledge(); // Not before it is done.
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ## A device that starts before its broker, and says when it is gone
//!
//! ```no_run
//! use mqtt_tokio::{Options, QoS, Reconnect};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let options = Options::builder()
//!     .url("mqtt://broker.example")
//!     .reconnect(Reconnect { retry_initial: true, ..Reconnect::default() })
//!     .will("sensor-7/state", "offline", QoS::AtLeastOnce, true)
//!     .build()?;
//! let client = mqtt_tokio::connect(options).await?;
//! client.publish("sensor-7/state", "online").qos(QoS::AtLeastOnce).retain(true).await?;
//! # Ok(())
//! # }
//! ```
//!
//! ## TLS with an authority of one's own, and a client certificate
//!
//! ```no_run
//! use mqtt_tokio::{Options, TlsOptions};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let tls = TlsOptions::new().ca_file("/etc/plant/ca.pem").client_auth_files("/etc/plant/me.pem", "/etc/plant/me.key");
//! let client = mqtt_tokio::connect(Options::builder().url("mqtts://broker.example").tls(tls).build()?).await?;
//! # Ok(())
//! # }
//! ```
//!
//! ## A request and its answer
//!
//! ```no_run
//! use mqtt_tokio::Client;
//! # async fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
//! let answer = client.request("calculator/add", "1 2 3").timeout(std::time::Duration::from_secs(5)).await?;
//! println!("{}", answer.text());
//! # Ok(())
//! # }
//! ```
//!
//! ## Whether there is a connection, and why not
//!
//! ```no_run
//! use mqtt_tokio::Event;
//! # async fn example(client: mqtt_tokio::Client) -> Result<(), Box<dyn std::error::Error>> {
//! let mut events = client.events();
//! while let Some(event) = events.recv().await {
//!     match event {
//!         Event::Connected { session_present } => println!("connected, session present: {session_present}"),
//!         Event::Failed { failure, retry_in, .. } => println!("{failure}; again in {retry_in:?}"),
//!         other => println!("{other}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ## Every packet, as a line
//!
//! Without payloads, unless [`packet_payload`](OptionsBuilder::packet_payload) asks for their beginning; secrets never. The same
//! comes through `tracing`, target `mqtt::packet`, at the level TRACE, from clients that are made when a subscriber that wants it
//! is there already: install the subscriber first.
//!
//! ```no_run
//! use mqtt_tokio::Options;
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let options = Options::builder().url("mqtt://localhost").on_packet(|line| eprintln!("{line}")).build()?;
//! let client = mqtt_tokio::connect(options).await?;
//! # Ok(())
//! # }
//! ```
//!
//! ## The end, in good order
//!
//! ```no_run
//! use mqtt_tokio::Client;
//! # async fn example(client: Client) -> Result<(), Box<dyn std::error::Error>> {
//! let report = client.stop_within(std::time::Duration::from_secs(2)).await;
//! println!("{} messages were not sent", report.not_sent.len());
//! # Ok(())
//! # }
//! ```
//!
//! Whole programs stand in `examples`: sensor, dashboard, thermostat, bridge, service, batches, graceful shutdown, own transport, packets.
//! Options from a file, in TOML, YAML or JSON: `Configuration`, with the feature `serde`.
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
