//! One line per packet, as `-d` and the demonstration print it.

use std::io::{self, Write as _};
use std::sync::{Arc, OnceLock};

use mqtt_tokio::core::session::{Direction, PacketTrace};

use crate::outcome::Printable;

/// Client id, direction, time in microseconds, packet type, length in bytes, flags, packet id, topic; never a payload.
pub(crate) fn line(client_id: &str, at_micros: u64, packet: &PacketTrace) -> String {
    let direction = match packet.direction {
        Direction::Outbound => "-out->",
        Direction::Inbound => "<-in--",
    };
    let PacketTrace { kind, len, flags, packet_id, topic, .. } = packet;
    let mut line = format!(
        "{} {direction} {at_micros:>9} us  {kind:<11} {len:>5} bytes  flags {flags:04b}",
        Printable(client_id)
    );
    if packet_id.is_some() || topic.is_some() {
        let packet_id = packet_id.map(|id| format!("id {id}")).unwrap_or_default();
        let topic = topic.as_ref().map(|topic| topic.as_str()).unwrap_or_default();
        line += format!("  {packet_id:<8}  {}", Printable(topic)).trim_end();
    }
    line
}

/// Prints packets to standard error. A hook has to be there before the client, whose id it shows: that comes later.
#[derive(Default)]
pub(crate) struct PacketLog {
    client_id: Arc<OnceLock<String>>,
}

impl PacketLog {
    /// The hook for [`OptionsBuilder::on_packet`](mqtt_tokio::OptionsBuilder::on_packet).
    pub(crate) fn hook(&self) -> impl Fn(&PacketTrace) + Send + Sync + 'static {
        let client_id = Arc::clone(&self.client_id);
        move |packet| {
            let client_id = client_id.get().map(String::as_str).unwrap_or_default();
            let _ = writeln!(io::stderr().lock(), "{}", line(client_id, packet.at.as_micros(), packet));
        }
    }

    /// The client's id, once it is known; the first one holds.
    pub(crate) fn name(&self, client_id: String) {
        let _ = self.client_id.set(client_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_tokio::core::codec::{PacketId, PacketKind, TopicName};
    use mqtt_tokio::core::session::Timestamp;

    #[track_caller]
    fn check(packet: PacketTrace, expected: &str) {
        assert_eq!(line("sensor", packet.at.as_micros(), &packet), expected);
    }

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
        };
        check(
            publish.clone(),
            "sensor -out->   1234567 us  PUBLISH        42 bytes  flags 1100  id 7      plant/\\u{7}",
        );
        let ack = PacketTrace {
            direction: Direction::Inbound,
            kind: PacketKind::Puback,
            len: 4,
            flags: 0,
            topic: None,
            ..publish
        };
        check(ack.clone(), "sensor <-in--   1234567 us  PUBACK          4 bytes  flags 0000  id 7");
        let ping = PacketTrace { kind: PacketKind::Pingresp, len: 2, packet_id: None, ..ack };
        check(ping, "sensor <-in--   1234567 us  PINGRESP        2 bytes  flags 0000");
    }
}
