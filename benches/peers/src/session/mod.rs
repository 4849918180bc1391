//! Sessions: the flows of QoS 1 and 2 in memory, from the user's message or the server's bytes to the bytes that leave
//! and the news that somebody reads.

mod floor;
mod flows;
mod ours;
mod protocol_core;
mod rumqttc;

use bytes::{Bytes, BytesMut};
use mqtt_codec::{QoS, Version};

use crate::measure::House;

pub use flows::rows;

/// How many messages are on their way at once: those of one round trip.
const MESSAGES: usize = 64;

/// A client's session, connected, and driven as its user has to drive it, with the framing that this takes.
///
/// What a peer has to tell is looked at and dropped, once for each piece of input.
trait Client: 'static {
    const NAME: &'static str;
    const HOUSE: House;

    /// What a user hands in to have it published.
    type Message: Clone + 'static;

    /// A session that the server has accepted, and would keep; with room for the messages of one round trip.
    fn connected(version: Version) -> Self;

    fn message(qos: QoS, topic: &'static str, payload: &Bytes) -> Self::Message;

    /// The identifier that the nth publish gets.
    fn id(nth: usize) -> u16 {
        (nth % MESSAGES) as u16 + 1
    }

    /// Publishes each message.
    fn publish(&mut self, messages: Vec<Self::Message>);

    /// Deals with what came in; a message is acknowledged. Says how many messages came in or came to their end.
    fn read(&mut self, input: BytesMut) -> usize;

    /// Hands out what is to be written.
    fn write(&mut self, transport: &mut impl FnMut(&[u8]));
}
