//! Inbound QoS 1 and 2.

use mqtt_codec::PacketId;

/// The right to acknowledge one inbound QoS 1 or 2 message, with
/// [`Session::acknowledge`](crate::Session::acknowledge). It belongs to the session, not to a connection: it stays
/// good across a reconnect as long as the server keeps the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token {
    packet_id: PacketId,
    serial: u64,
}
