//! Reads MQTT packets given in hexadecimal and says what they are, or which rule is broken at which byte.
//!
//! ```sh
//! cargo run -p mqtt-codec --example decode                         # a built-in conversation
//! cargo run -p mqtt-codec --example decode -- client 5 "30 05 00 01 61 00 68"
//! cargo run -p mqtt-codec --example decode -- server 3.1.1 20020000
//! ```

#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::{env, process::ExitCode};

use mqtt_codec::{DecodeError, Decoder, Packet, Side, Version, bytes::BytesMut};

/// Who speaks, and what: a connection over 5.0 that ends with a mistake.
const SAMPLE: &[(Side, &str)] = &[
    (Side::Client, "10 10 00 04 4d 51 54 54 05 02 00 3c 03 21 00 14 00 00"),
    (Side::Server, "20 0a 00 00 07 22 00 0a 12 00 01 63"),
    (Side::Client, "82 09 00 01 00 00 03 61 2f 23 01  c0 00"),
    (Side::Server, "90 04 00 01 00 01  d0 00"),
    (Side::Server, "32 11 00 03 61 2f 62 00 07 04 03 00 01 74 68 65 6c 6c 6f"),
    (Side::Client, "40 02 00 07"),
    (Side::Client, "30 06 00 03 61 2f 23 00"),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            show_sample();
            Ok(())
        }
        [sender, version, hex] => {
            parse_arguments(sender, version).and_then(|(sender, version)| show(version, sender, hex))
        }
        _ => Err("usage: decode [client|server 3.1.1|5 HEX]".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Its last packet is wrong on purpose.
pub(crate) fn show_sample() {
    for (sender, hex) in SAMPLE {
        if let Err(message) = show(Version::V5, *sender, hex) {
            println!("{message}");
        }
    }
}

fn parse_arguments(sender: &str, version: &str) -> Result<(Side, Version), String> {
    let sender = match sender {
        "client" => Side::Client,
        "server" => Side::Server,
        other => return Err(format!("the sender is client or server, not {other}")),
    };
    let version = match version {
        "3.1.1" => Version::V311,
        "5" | "5.0" => Version::V5,
        other => return Err(format!("the version is 3.1.1 or 5, not {other}")),
    };
    Ok((sender, version))
}

/// Prints all packets of a stream; a rest that is no whole packet is said, too.
pub(crate) fn show(version: Version, sender: Side, hex: &str) -> Result<(), String> {
    let decoder = Decoder::new(version, sender);
    let mut stream = from_hex(hex)?;
    loop {
        let input = stream.clone();
        match decoder.decode_from(&mut stream) {
            Ok(Some(packet)) => println!("{sender}: {}\n    {packet:?}", summary(&packet)),
            Ok(None) if stream.is_empty() => return Ok(()),
            Ok(None) => return Err(format!("{sender}: {} bytes of an unfinished packet", stream.len())),
            Err(error) => return Err(explain(sender, &error, &input)),
        }
    }
}

fn summary(packet: &Packet) -> String {
    match packet {
        Packet::Publish(publish) => {
            format!("PUBLISH, {}, {} bytes to {}", publish.qos, publish.payload.len(), publish.topic)
        }
        Packet::Ack(ack) => format!("{} of packet {}: {}", packet.kind(), ack.packet_id, ack.reason),
        other => other.kind().to_string(),
    }
}

/// The message, and the packet with a mark under the byte that is wrong.
fn explain(sender: Side, error: &DecodeError, input: &[u8]) -> String {
    let bytes: String = input.iter().map(|byte| format!("{byte:02x} ")).collect();
    let mark = " ".repeat(error.offset * 3);
    format!("{sender}: {error}; a 5.0 peer is told {}\n    {bytes}\n    {mark}^^", error.reason_code())
}

fn from_hex(hex: &str) -> Result<BytesMut, String> {
    let digits: Vec<u32> = hex
        .chars()
        .filter(|character| !character.is_whitespace())
        .map(|character| {
            character.to_digit(16).ok_or_else(|| format!("{character:?} is no hexadecimal digit"))
        })
        .collect::<Result<_, _>>()?;
    if !digits.len().is_multiple_of(2) {
        return Err("the number of hexadecimal digits is odd".to_owned());
    }
    Ok(digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect())
}
