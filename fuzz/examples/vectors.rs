//! `vectors FILE` runs packet vectors of other codecs' tests through the codec and lists each disagreement.
//!
//! The file has a head line and tab-separated columns: the packet in hex, version, direction (`c2s`, `s2c`, `both`),
//! packet, `accept` or `reject`, and columns that say where the vector is from. Some expectations are wrong; they are
//! explained in [`EXPLAINED`], by what is expected of which packet and what we find in it, and any other disagreement
//! fails the run.

use std::{env, fmt, fs, process::ExitCode};

use bytes::Bytes;
use mqtt_codec::{
    DecodeErrorKind as Kind, Decoder, Side,
    Version::{self, V5, V311},
};

/// Wrong expectations: version, packet, what we say instead, and the rule that says so.
const EXPLAINED: &[(Version, &str, &str, &str)] = &[
    (V311, "CONNACK", "UnknownReasonCode", "return codes above 5 are reserved (3.1.1 table 3.1)"),
    (V311, "PUBLISH", "DupWithQoS0", "DUP must be 0 at QoS 0 ([3.1.1 MQTT-3.3.1-2])"),
    (V5, "CONNACK", "ReasonCodeNotAllowed", "0x01 is no Connect Reason Code ([5.0 MQTT-3.2.2-8])"),
    (
        V5,
        "CONNACK",
        "FieldPastEnd",
        "reason code and property length may not be left out (5.0 section 3.2.2)",
    ),
    (V5, "CONNACK", "PropertyOutOfRange(MaximumQoS)", "Maximum QoS is 0 or 1 (5.0 section 3.2.2.3.4)"),
    (
        V5,
        "DISCONNECT",
        "PropertyFromWrongSide(ServerReference)",
        "Session Expiry Interval is the client's, Server Reference the server's: nobody may send both \
         ([5.0 MQTT-3.14.2-2], 5.0 section 3.14.2.2.5)",
    ),
    (V5, "DISCONNECT", "accepted", "without content its reason code is 0x00 (5.0 section 3.14.2.1)"),
    (V5, "PUBREC", "accepted", "a reason code of 0x00 may be left out (5.0 section 3.5.2.1)"),
    (V5, "SUBACK", "ReasonCodeNotAllowed", "0x82 is no Subscribe Reason Code ([5.0 MQTT-3.9.3-2])"),
];

fn main() -> ExitCode {
    let Some(text) = env::args().nth(1).and_then(|file| fs::read_to_string(file).ok()) else {
        eprintln!("usage: vectors FILE");
        return ExitCode::FAILURE;
    };
    let mut tally = Tally::default();
    for (number, line) in text.lines().enumerate().skip(1) {
        match Vector::parse(line) {
            Ok(Some(vector)) => vector.run(number + 1, &mut tally),
            Ok(None) => tally.skipped += 1,
            Err(error) => {
                println!("line {}: {error}", number + 1);
                tally.unexplained += 1;
            }
        }
    }
    println!("{tally}");
    if tally.unexplained == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Default)]
struct Tally {
    agreed: usize,
    explained: usize,
    unexplained: usize,
    skipped: usize,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agreed, explained, unexplained, skipped } = self;
        write!(
            f,
            "{agreed} agree, {explained} disagree and are explained, {unexplained} disagree; \
             {skipped} of other versions skipped"
        )
    }
}

struct Vector<'a> {
    frame: Bytes,
    version: Version,
    senders: &'static [Side],
    packet: &'a str,
    accept: bool,
    line: &'a str,
}

impl<'a> Vector<'a> {
    /// `None` for versions that the codec does not speak.
    fn parse(line: &'a str) -> Result<Option<Self>, &'static str> {
        let mut columns = line.split('\t');
        let mut next = || columns.next().ok_or("a column is missing");
        let (hex, version, direction, packet, expect) = (next()?, next()?, next()?, next()?, next()?);
        let version = match version {
            "3.1.1" => V311,
            "5" => V5,
            _ => return Ok(None),
        };
        let senders: &[Side] = match direction {
            "c2s" => &[Side::Client],
            "s2c" => &[Side::Server],
            "both" => &[Side::Client, Side::Server],
            _ => return Err("the direction is c2s, s2c or both"),
        };
        let accept = match expect {
            "accept" => true,
            "reject" => false,
            _ => return Err("the expectation is accept or reject"),
        };
        let frame = mqtt_fuzz::corpus::from_hex(hex).ok_or("the packet is not hex")?.into();
        Ok(Some(Self { frame, version, senders, packet, accept, line }))
    }

    fn run(&self, number: usize, tally: &mut Tally) {
        // `both` holds if either side may send it so: most sources parse without knowing who spoke.
        let found = self.senders.iter().map(|sender| self.decode(*sender)).min().unwrap_or_default();
        if found.is_empty() == self.accept {
            tally.agreed += 1;
            return;
        }
        let said = if found.is_empty() { "accepted" } else { &found };
        let rule = EXPLAINED.iter().find(|(version, packet, what, _)| {
            (*version, *packet, *what) == (self.version, self.packet, said)
        });
        if let Some((.., rule)) = rule {
            tally.explained += 1;
            println!("line {number}: {} {}: {said}: {rule}", self.version, self.packet);
        } else {
            tally.unexplained += 1;
            println!("line {number}: UNEXPLAINED: {said}: {}", self.line);
        }
    }

    /// What is wrong with the packet; empty if nothing is.
    fn decode(&self, sender: Side) -> String {
        match Decoder::new(self.version, sender).decode(&self.frame) {
            Ok(_) => String::new(),
            Err(error) => match error.kind {
                Kind::UnknownReasonCode(_) => "UnknownReasonCode".to_owned(),
                Kind::ReasonCodeNotAllowed(_) => "ReasonCodeNotAllowed".to_owned(),
                kind => format!("{kind:?}"),
            },
        }
    }
}
