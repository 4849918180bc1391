//! How `mqtt sub` prints a message: mosquitto_sub's format strings, byte for byte.

use std::io::Write as _;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use mqtt_tokio::{Message, QoS};

/// What a format string may hold, for its error message.
const KNOWN: &str = "%t topic, %p payload, %x and %X payload in hex, %l length, %q QoS, %r retain, %m packet id, \
                     %U Unix time, %%";

/// A parsed format string.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Format(Vec<Piece>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Literal(Vec<u8>),
    Topic,
    Payload,
    /// As `-v` has it: an empty one is `(null)`.
    PayloadOrNull,
    LowerHex,
    UpperHex,
    Length,
    QoS,
    Retain,
    PacketId,
    UnixTime,
}

/// The parts of a message that can be printed.
#[derive(Clone, Copy)]
pub(crate) struct Printed<'a> {
    topic: &'a str,
    payload: &'a [u8],
    qos: QoS,
    retain: bool,
    packet_id: u16,
}

impl<'a> From<&'a Message> for Printed<'a> {
    fn from(message: &'a Message) -> Self {
        Printed {
            topic: message.topic(),
            payload: message.payload(),
            qos: message.qos(),
            retain: message.retain(),
            packet_id: message.packet_id().map_or(0, |id| id.get()),
        }
    }
}

impl Format {
    /// The payload as it is.
    pub(crate) fn payload() -> Self {
        Format(vec![Piece::Payload])
    }

    /// `-v`: the topic before the payload.
    pub(crate) fn verbose() -> Self {
        Format(vec![Piece::Topic, Piece::Literal(b" ".into()), Piece::PayloadOrNull])
    }

    /// Appends a message. `now` is the time since 1970 that `%U` shows.
    pub(crate) fn append(&self, message: Printed<'_>, now: Duration, out: &mut Vec<u8>) {
        for piece in &self.0 {
            let written = match piece {
                Piece::Literal(bytes) => out.write_all(bytes),
                Piece::Topic => out.write_all(message.topic.as_bytes()),
                Piece::PayloadOrNull if message.payload.is_empty() => out.write_all(b"(null)"),
                Piece::Payload | Piece::PayloadOrNull => out.write_all(message.payload),
                Piece::LowerHex => message.payload.iter().try_for_each(|byte| write!(out, "{byte:02x}")),
                Piece::UpperHex => message.payload.iter().try_for_each(|byte| write!(out, "{byte:02X}")),
                Piece::Length => write!(out, "{}", message.payload.len()),
                Piece::QoS => write!(out, "{}", message.qos.as_u8()),
                Piece::Retain => write!(out, "{}", u8::from(message.retain)),
                Piece::PacketId => write!(out, "{}", message.packet_id),
                Piece::UnixTime => write!(out, "{}.{:09}", now.as_secs(), now.subsec_nanos()),
            };
            debug_assert!(written.is_ok(), "a vector takes everything");
        }
    }
}

/// The time since 1970 by the system's clock.
pub(crate) fn unix_time() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            let piece = match letter {
                '%' => match letters.next() {
                    Some('%') => {
                        literal.push('%');
                        continue;
                    }
                    Some('t') => Piece::Topic,
                    Some('p') => Piece::Payload,
                    Some('x') => Piece::LowerHex,
                    Some('X') => Piece::UpperHex,
                    Some('l') => Piece::Length,
                    Some('q') => Piece::QoS,
                    Some('r') => Piece::Retain,
                    Some('m') => Piece::PacketId,
                    Some('U') => Piece::UnixTime,
                    Some(other) => return Err(format!("%{other} means nothing here; there are {KNOWN}")),
                    None => return Err(format!("a single % at the end; there are {KNOWN}")),
                },
                '\\' => {
                    literal.push(match letters.next() {
                        Some('\\') => '\\',
                        Some('0') => '\0',
                        Some('a') => '\u{7}',
                        Some('e') => '\u{1b}',
                        Some('n') => '\n',
                        Some('r') => '\r',
                        Some('t') => '\t',
                        Some('v') => '\u{b}',
                        Some(other) => {
                            return Err(format!(
                                r"\{other} means nothing here; there are \\ \0 \a \e \n \r \t \v"
                            ));
                        }
                        None => return Err(r"a single \ at the end; write \\ for the character".into()),
                    });
                    continue;
                }
                letter => {
                    literal.push(letter);
                    continue;
                }
            };
            flush(&mut literal, &mut pieces);
            pieces.push(piece);
        }
        flush(&mut literal, &mut pieces);
        Ok(Format(pieces))
    }
}

fn flush(literal: &mut String, pieces: &mut Vec<Piece>) {
    if !literal.is_empty() {
        pieces.push(Piece::Literal(std::mem::take(literal).into_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: Printed<'_> =
        Printed { topic: "a/b", payload: b"\x00\xffhi", qos: QoS::ExactlyOnce, retain: true, packet_id: 7 };

    #[track_caller]
    fn check(format: &str, message: Printed<'_>, expected: &[u8]) {
        let mut out = Vec::new();
        let format: Format = format.parse().unwrap();
        format.append(message, Duration::new(1_700_000_000, 5), &mut out);
        assert_eq!(out, expected, "{}", String::from_utf8_lossy(&out));
    }

    #[test]
    fn a_format_string_prints_what_it_names() {
        check("%p", MESSAGE, b"\x00\xffhi");
        check("%t q%q r%r m%m l%l", MESSAGE, b"a/b q2 r1 m7 l4");
        check("%x %X", MESSAGE, b"00ff6869 00FF6869");
        check("%U", MESSAGE, b"1700000000.000000005");
        check(r"100%%\t\\\0%%t", MESSAGE, b"100%\t\\\0%t");
        check("", MESSAGE, b"");
        check("ä%t", MESSAGE, "äa/b".as_bytes());
        check("%m%r", Printed { packet_id: 0, retain: false, ..MESSAGE }, b"00");
    }

    #[test]
    fn an_empty_payload_is_null_in_the_verbose_form_only() {
        let empty = Printed { payload: b"", ..MESSAGE };
        let shown = |format: Format| {
            let mut out = Vec::new();
            format.append(empty, Duration::ZERO, &mut out);
            out
        };
        assert_eq!(shown(Format::verbose()), b"a/b (null)");
        assert_eq!(shown(Format::payload()), b"");
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (format, part) in [("%j", "%j"), ("50%", "single %"), (r"\q", r"\q"), (r"x\", r"single \")] {
            let error = format.parse::<Format>().unwrap_err();
            assert!(error.contains(part), "{format}: {error}");
        }
    }
}
