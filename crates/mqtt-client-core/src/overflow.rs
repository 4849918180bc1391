//! What happens to a message when its queue is full: on its way out, and on its way in.

/// What happens to a publish for which the queue has no room ([`max_queued`](crate::OptionsBuilder::max_queued)).
///
/// Only messages of which nothing was ever sent can be dropped or superseded; each of them ends with its own
/// [`NotSent`](crate::NotSent), and is counted in [`Stats`](crate::Stats). Nothing ever goes silently.
///
/// ```
/// use mqtt_client_core::{Options, Overflow};
///
/// // Readings of many sensors, of which only the latest matter, and at most 1,000 of them or a megabyte.
/// let options =
///     Options::builder().url("mqtt://localhost").max_queued(1_000, 1 << 20).overflow(Overflow::KeepLatest).build()?;
/// # Ok::<(), mqtt_client_core::InvalidOptions>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Overflow {
    /// The call waits for room, first come, first served; `try_enqueue` fails with
    /// [`NotSent::QueueFull`](crate::NotSent::QueueFull). For programs that produce what the network can carry.
    #[default]
    Block,
    /// The call fails with [`NotSent::QueueFull`](crate::NotSent::QueueFull).
    Refuse,
    /// The new message is dropped: it ends as [`NotSent::Dropped`](crate::NotSent::Dropped).
    DropNewest,
    /// The oldest messages that were never sent are dropped, as many as it takes; the new one itself if that is not
    /// enough. For streams of which the end matters most.
    DropOldest,
    /// A message takes the place of the one of the same topic that was never sent, if there is one, at any time and not
    /// only when the queue is full: the older one ends as [`NotSent::Superseded`](crate::NotSent::Superseded). So there is
    /// at most one unsent message for each topic. With more topics than there is room, as
    /// [`DropOldest`](Self::DropOldest). For values of which only the latest counts.
    KeepLatest,
}

/// What happens to a QoS 0 message for a subscription stream that is full
/// ([`stream_capacity`](crate::OptionsBuilder::stream_capacity)).
///
/// QoS 1 and 2 messages are never dropped: unread ones are unacknowledged. Whatever goes is counted, for the stream and in
/// [`Stats::dropped_messages`](crate::Stats::dropped_messages).
///
/// ```
/// use mqtt_client_core::{Client, Qos0Overflow, SubscribeError, Subscription};
///
/// # async fn example(client: Client) -> Result<(), SubscribeError> {
/// // A dashboard shows what is, not what was.
/// let readings: Subscription = client.subscribe("plant/+").qos0_overflow(Qos0Overflow::DropOldest).await?;
/// assert_eq!(readings.dropped(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Qos0Overflow {
    /// Reading from the broker pauses, for at most 20 ms, for every stream; then the oldest goes, and from then on at once,
    /// until the stream is read again. A reader that keeps up on the whole loses nothing in a burst.
    #[default]
    Pause,
    /// The oldest goes at once: no other stream ever waits for this one.
    DropOldest,
    /// The new one goes, at once: for what only its beginning is of interest.
    DropNewest,
}
