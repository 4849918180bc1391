//! [`PacketTrace`]: one record per packet, for logs and observers; [`PacketLine`]: that as a line.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use mqtt_codec::{PacketId, PacketKind, TopicName};

use crate::Timestamp;

/// Which way a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the peer to us.
    Inbound,
    /// From us to the peer.
    Outbound,
}

/// What there is to say about one packet; of secrets, CONNECT's password and will and AUTH's data, nothing. Collected only
/// with [`Config::trace`](crate::Config::trace), in the order in which packets were parsed and encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketTrace {
    /// Which way it went.
    pub direction: Direction,
    /// When it was parsed or encoded.
    pub at: Timestamp,
    /// The packet type.
    pub kind: PacketKind,
    /// The whole packet's length in bytes.
    pub len: usize,
    /// The low four bits of the first byte (of a PUBLISH: DUP, QoS, RETAIN).
    pub flags: u8,
    /// The packet identifier, where there is one.
    pub packet_id: Option<PacketId>,
    /// The topic of a PUBLISH, in full where the packet has only its alias.
    pub topic: Option<TopicName>,
    /// The payload of a PUBLISH, if [`Config::trace_payload`](crate::Config::trace_payload) asks for it.
    pub payload: Option<PayloadStart>,
}

/// The first bytes of a payload: a copy, so that a record keeps no buffer alive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadStart {
    /// As many as were asked for, or all.
    pub bytes: Box<[u8]>,
    /// The length of the whole payload, in bytes.
    pub len: usize,
}

impl PayloadStart {
    /// `None` if nothing is to be shown.
    pub(crate) fn of(payload: &[u8], limit: usize) -> Option<Self> {
        let shown = &payload[..payload.len().min(limit)];
        (limit > 0).then(|| Self { bytes: shown.into(), len: payload.len() })
    }
}

/// In quotes, with what is no printable text escaped as in Rust, `"21.5 \u{b0}C\xff"`; after it, if it was cut, how much there was.
impl fmt::Display for PayloadStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Escaped(&self.bytes))?;
        if self.bytes.len() < self.len { write!(f, "... of {} bytes", self.len) } else { Ok(()) }
    }
}

/// One packet of one client as the line of a log, without the line's end.
///
/// Client id, direction, time in microseconds, packet type, length in bytes, flags; then, where there are such, packet id, topic,
/// and the payload's beginning. Nothing from outside can end the line or steer a terminal.
///
/// ```text
/// sensor-7 -out->   1234567 us  PUBLISH        42 bytes  flags 0010  id 7      room/state  "21.5"
/// sensor-7 <-in--   1236012 us  PUBACK          4 bytes  flags 0000  id 7
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PacketLine<'a> {
    /// Whose packet it is.
    pub client_id: &'a str,
    /// The packet.
    pub packet: &'a PacketTrace,
}

impl fmt::Display for PacketLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PacketTrace { direction, at, kind, len, flags, packet_id, topic, payload } = self.packet;
        let arrow = match direction {
            Direction::Outbound => "-out->",
            Direction::Inbound => "<-in--",
        };
        let (client_id, at) = (Escaped(self.client_id.as_bytes()), at.as_micros());
        write!(f, "{client_id} {arrow} {at:>9} us  {kind:<11} {len:>5} bytes  flags {flags:04b}")?;
        match (packet_id, topic) {
            (Some(id), Some(_)) => write!(f, "  id {:<5}", id.get())?,
            (Some(id), None) => write!(f, "  id {}", id.get())?,
            (None, Some(_)) => f.write_str("          ")?,
            (None, None) => {}
        }
        if let Some(topic) = topic {
            write!(f, "  {}", Escaped(topic.as_str().as_bytes()))?;
        }
        match payload {
            Some(payload) => write!(f, "  {payload}"),
            None => Ok(()),
        }
    }
}

/// Text as it is, but for control characters, quotes and backslashes; bytes that are no text in hexadecimal.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for letter in chunk.valid().chars() {
                match letter {
                    '"' | '\\' => write!(f, "\\{letter}")?,
                    letter if letter.is_control() => write!(f, "{}", letter.escape_default())?,
                    letter => f.write_char(letter)?,
                }
            }
            write!(f, "{}", chunk.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

/// Collects records, or nothing.
#[derive(Debug)]
pub(crate) struct Trace {
    records: Option<Vec<PacketTrace>>,
    /// How much of each payload they have.
    payload: usize,
}

impl Trace {
    pub(crate) fn new(enabled: bool, payload: usize) -> Self {
        Self { records: enabled.then(Vec::new), payload }
    }

    /// Enabling again what is enabled loses no record.
    pub(crate) fn enable(&mut self, enabled: bool) {
        match enabled {
            true => _ = self.records.get_or_insert_default(),
            false => self.records = None,
        }
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.records.is_some()
    }

    /// `record` runs only when somebody wants it; it is told how much of a payload to have.
    #[inline]
    pub(crate) fn push(&mut self, record: impl FnOnce(usize) -> PacketTrace) {
        if let Some(records) = &mut self.records {
            records.push(record(self.payload));
        }
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = PacketTrace> + '_ {
        self.records.iter_mut().flat_map(|records| records.drain(..))
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_line_has_what_there_is_to_say_of_a_packet() {
        let publish = PacketTrace {
            direction: Direction::Outbound,
            at: Timestamp::from_micros(1_234_567),
            kind: PacketKind::Publish,
            len: 42,
            flags: 0b1100,
            packet_id: PacketId::new(7),
            topic: TopicName::try_from("plant/\u{7}").ok(),
            payload: None,
        };
        let paid = |payload: &[u8], limit| PacketTrace {
            packet_id: None,
            payload: PayloadStart::of(payload, limit),
            ..publish.clone()
        };
        let ack = PacketTrace {
            direction: Direction::Inbound,
            kind: PacketKind::Puback,
            len: 4,
            flags: 0,
            topic: None,
            ..publish.clone()
        };
        let ping = PacketTrace { kind: PacketKind::Pingresp, len: 2, packet_id: None, ..ack.clone() };
        let unnamed = r"c -out->   1234567 us  PUBLISH        42 bytes  flags 1100            plant/\u{7}";
        for (packet, expected) in [
            (
                publish.clone(),
                r"c -out->   1234567 us  PUBLISH        42 bytes  flags 1100  id 7      plant/\u{7}"
                    .to_string(),
            ),
            (ack, "c <-in--   1234567 us  PUBACK          4 bytes  flags 0000  id 7".to_string()),
            (ping, "c <-in--   1234567 us  PINGRESP        2 bytes  flags 0000".to_string()),
            (paid(b"text", 0), unnamed.to_string()),
            (paid(b"", 9), unnamed.to_string() + r#"  """#),
            (paid("21 °".as_bytes(), 5), unnamed.to_string() + r#"  "21 °""#),
            (paid(b"long text", 4), unnamed.to_string() + r#"  "long"... of 9 bytes"#),
            (paid(b"\x00\xff\n\"\\\x1b[2J", 99), unnamed.to_string() + r#"  "\u{0}\xff\n\"\\\u{1b}[2J""#),
        ] {
            assert_eq!(PacketLine { client_id: "c", packet: &packet }.to_string(), expected);
        }
        let line = PacketLine { client_id: "\r\n", packet: &publish }.to_string();
        assert!(line.starts_with(r"\r\n -out->"), "{line}");
    }
}
