//! One message, without a client that stays.

use std::time::Duration;

use mqtt_client_core as core;
use mqtt_client_core::codec::bytes::Bytes;

use crate::{Client, Delivered, IntoFilters, IntoOptions, Message, OneShotError, Subscription, Wait};

/// Publishes one message: connects, publishes, waits for the outcome, disconnects. QoS and retain are what the options say
/// ([`default_qos`](crate::OptionsBuilder::default_qos)). It blocks for as long as that takes.
///
/// ```no_run
/// # fn example() -> Result<(), mqtt_blocking::OneShotError> {
/// mqtt_blocking::publish_once("mqtt://broker.example:1883", "room/state", "on")?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// There is no connection, or the message was not delivered.
pub fn publish_once(
    options: impl IntoOptions,
    topic: impl AsRef<str>,
    payload: impl Into<Bytes>,
) -> Result<Delivered, OneShotError> {
    core::publish_once(Client::new(options)?.core, topic, payload).wait()
}

/// Receives one message: connects, subscribes, waits for a message for at most `time`, disconnects.
///
/// # Errors
/// There is no connection, the broker grants none of the filters, or no message came in time.
pub fn receive_once(
    options: impl IntoOptions,
    filters: impl IntoFilters,
    time: Duration,
) -> Result<Message, OneShotError> {
    let receive = |mut stream: Subscription| async move { stream.recv_timeout(time) };
    core::receive_once(Client::new(options)?.core, filters, receive).wait()
}
