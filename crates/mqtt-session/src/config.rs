//! [`Config`]: what the caller decides once for a whole session.

use core::time::Duration;

use mqtt_codec::Version;

/// Settings of a [`Session`](crate::Session), fixed for its life. What differs from one connection to the next
/// stands in the CONNECT packet.
///
/// ```
/// use mqtt_session::{Config, codec::Version};
///
/// let config = Config { version: Version::V311, max_in_flight: 100, ..Config::default() };
/// assert_eq!(config.max_inbound, 1024);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The protocol version of every connection. Default: 5.0.
    pub version: Version,
    /// PINGREQ leaves this long before the keep alive would expire. Default: 1 s. At most half of the keep alive
    /// counts, so that a short keep alive does not turn into a stream of pings.
    pub ping_delay: Duration,
    /// The connection is closed when PINGRESP has not come this long after the transport took PINGREQ. Default:
    /// 10 s.
    pub ping_timeout: Duration,
    /// The connection is closed when output waited this long and the transport took none of it. Default: 30 s.
    pub write_timeout: Duration,
    /// How many outgoing QoS 1 and QoS 2 publishes may be unacknowledged at once; 0 counts as 1. Default: 1024.
    /// The peer's Receive Maximum applies as well: the smaller of both is the window.
    pub max_in_flight: u16,
    /// How many inbound QoS 1 and QoS 2 messages may be unacknowledged at once; 0 counts as 1. Default: 1024.
    ///
    /// In 5.0 this goes out as Receive Maximum, unless [`receive_maximum`](Self::receive_maximum) is less. A peer that
    /// exceeds it is cut off, in either version (5.0: with DISCONNECT 0x93).
    pub max_inbound: u16,
    /// What goes out as Receive Maximum in 5.0, if it is less than `max_inbound`; 0 counts as 1. Default: not less.
    ///
    /// For a server that exceeds what it is told, and is not to be cut off: mosquitto 2.0.11 does after a restart.
    pub receive_maximum: u16,
    /// How many PUBRECs of ours may wait for their PUBREL at once; 0 counts as 1. Further ones wait for their turn, and
    /// so does the peer's window. Default: as many as there may be.
    ///
    /// For a server that remembers only so many of them when it restarts: mosquitto 2.0.11 remembers 20 by default,
    /// and sends the other messages as new ones.
    pub max_unreleased: u16,
    /// The largest packet accepted from the peer, in bytes of the whole packet. Default: 16 MiB.
    ///
    /// In 5.0 this goes out as Maximum Packet Size. A peer that exceeds it is cut off before the packet is buffered
    /// (5.0: with DISCONNECT 0x95). Memory is not set aside for it: buffers grow with what really arrives.
    pub max_packet_size: u32,
    /// The highest topic alias that the server may set, which goes out as Topic Alias Maximum in 5.0; 0 = none.
    /// Default: 16.
    ///
    /// Enough for the topics that most messages come with; each alias may keep a name of 64 KiB in memory. A server
    /// that exceeds it is cut off with DISCONNECT 0x94.
    pub topic_alias_maximum: u16,
    /// How many topic aliases are given to topics of outgoing publishes on one connection; 0 = none. Default: 16. The
    /// server's Topic Alias Maximum applies as well: the smaller of both counts.
    ///
    /// A topic that is used again goes out as three bytes. More aliases than topics in frequent use save nothing, and
    /// cost memory on both sides.
    pub max_outbound_aliases: u16,
    /// Whether the session survives the process: each change to what it keeps is handed out as an
    /// [`Operation`](crate::Operation), and whatever relies on it waits until the store has it. Default: no.
    ///
    /// The driver then has to serve [`Session::poll_store`](crate::Session::poll_store).
    pub durable: bool,
    /// Whether a [`PacketTrace`](crate::PacketTrace) is kept of each packet, for
    /// [`Session::take_trace`](crate::Session::take_trace). Default: no.
    pub trace: bool,
    /// How many bytes of a PUBLISH's payload such a record has; 0: no payload at all. Default: 0.
    pub trace_payload: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            version: Version::V5,
            ping_delay: Duration::from_secs(1),
            ping_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            max_in_flight: 1024,
            max_inbound: 1024,
            receive_maximum: u16::MAX,
            max_unreleased: u16::MAX,
            max_packet_size: 16 * 1024 * 1024,
            topic_alias_maximum: 16,
            max_outbound_aliases: 16,
            durable: false,
            trace: false,
            trace_payload: 0,
        }
    }
}
