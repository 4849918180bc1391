//! `vectors FILE` runs packet vectors of other codecs' tests through the codec and lists each disagreement.
//!
//! The file has a head line and tab-separated columns: the packet in hex, version, direction (`c2s`, `s2c`, `both`),
//! packet, `accept` or `reject`, and columns that say where the vector is from. Some expectations are wrong; they are
//! explained in [`EXPLAINED`], packet by packet, and any other disagreement fails the run. The report names, rule by
//! rule, the lines that are wrong by it, and what we say of each.

use std::{env, fmt, fs, process::ExitCode};

use bytes::Bytes;
use mqtt_codec::{
    DecodeError, Decoder, Packet, Side,
    Version::{self, V5, V311},
};

/// Packets whose expectation is wrong: what we do instead, the rule that says so, and the packets (or so many of their
/// first digits as tell them apart).
struct Wrong {
    version: Version,
    accept: bool,
    rule: &'static str,
    packets: &'static [&'static str],
}

/// All of them, by rule.
const EXPLAINED: &[Wrong] = &[
    Wrong {
        version: V311,
        accept: false,
        rule: "return codes of CONNACK above 5 are reserved (3.1.1 table 3.1)",
        packets: &["20020082", "20020182", "20020185", "20020188", "20020186", "20020187"],
    },
    Wrong {
        version: V311,
        accept: false,
        rule: "DUP must be 0 at QoS 0 ([3.1.1 MQTT-3.3.1-2])",
        packets: &["380a0003612f6268656c6c6f"],
    },
    Wrong {
        version: V5,
        accept: false,
        rule: "0x01 is no Connect Reason Code ([5.0 MQTT-3.2.2-8])",
        packets: &["20020001"],
    },
    Wrong {
        version: V5,
        accept: false,
        rule: "CONNACK may leave out neither its reason code nor its property length (5.0 section 3.2.2)",
        packets: &["200101", "20020100"],
    },
    Wrong {
        version: V5,
        accept: false,
        rule: "Maximum QoS is 0 or 1 (5.0 section 3.2.2.3.4)",
        packets: &["2057000054", "2064000061"],
    },
    Wrong {
        version: V5,
        accept: false,
        rule: "in DISCONNECT the Session Expiry Interval is the client's, the Server Reference the server's: nobody \
               may send both ([5.0 MQTT-3.14.2-2], 5.0 section 3.14.2.2.5)",
        packets: &["e022002011"],
    },
    Wrong {
        version: V5,
        accept: false,
        rule: "0x82 is no Subscribe Reason Code ([5.0 MQTT-3.9.3-2])",
        packets: &["9004000f0082"],
    },
    Wrong {
        version: V5,
        accept: true,
        rule: "PUBREC without a reason code has 0x00 (5.0 section 3.5.2.1)",
        packets: &["50020007"],
    },
    Wrong {
        version: V5,
        accept: true,
        rule: "DISCONNECT without a reason code has 0x00 (5.0 section 3.14.2.1)",
        packets: &["e000"],
    },
];

fn main() -> ExitCode {
    let Some(text) = env::args().nth(1).and_then(|file| fs::read_to_string(file).ok()) else {
        eprintln!("usage: vectors FILE");
        return ExitCode::FAILURE;
    };
    let mut report =
        Report { explained: EXPLAINED.iter().map(|_| Vec::new()).collect(), ..Report::default() };
    for (number, line) in text.lines().enumerate().skip(1) {
        match Vector::parse(line) {
            Ok(Some(vector)) => vector.run(number + 1, &mut report),
            Ok(None) => report.skipped += 1,
            Err(error) => report.unexplained.push(format!("line {}: {error}", number + 1)),
        }
    }
    println!("{report}");
    if report.unexplained.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the run found: numbers, and the lines to print.
#[derive(Default)]
struct Report {
    agreed: usize,
    skipped: usize,
    /// For each of [`EXPLAINED`].
    explained: Vec<Vec<String>>,
    unexplained: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (Wrong { version, rule, .. }, lines) in EXPLAINED.iter().zip(&self.explained) {
            writeln!(f, "{version}: {rule}: {} wrong", lines.len())?;
            lines.iter().try_for_each(|line| writeln!(f, "  {line}"))?;
        }
        self.unexplained.iter().try_for_each(|line| writeln!(f, "UNEXPLAINED: {line}"))?;
        write!(
            f,
            "{} agree, {} disagree and are explained, {} disagree; {} of other versions skipped",
            self.agreed,
            self.explained.iter().map(Vec::len).sum::<usize>(),
            self.unexplained.len(),
            self.skipped
        )
    }
}

struct Vector<'a> {
    frame: Bytes,
    version: Version,
    senders: &'static [Side],
    packet: &'a str,
    accept: bool,
    hex: &'a str,
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
        Ok(Some(Self { frame, version, senders, packet, accept, hex }))
    }

    fn run(&self, number: usize, report: &mut Report) {
        // `both` holds if either side may send it so: most sources parse without knowing who spoke.
        let outcome = self.senders.iter().map(|sender| self.decode(*sender)).min_by_key(Result::is_err);
        let (accept, found) = match outcome {
            Some(Err(error)) => (false, error.to_string()),
            _ => (true, "it is accepted".to_owned()),
        };
        if accept == self.accept {
            report.agreed += 1;
            return;
        }
        let line = format!("line {number}: {} {}: {found}", self.packet, self.hex);
        let explains = |wrong: &Wrong| {
            (wrong.version, wrong.accept) == (self.version, accept)
                && wrong.packets.iter().any(|packet| self.hex.starts_with(packet))
        };
        match EXPLAINED.iter().position(explains) {
            Some(at) => report.explained[at].push(line),
            None => report.unexplained.push(line),
        }
    }

    fn decode(&self, sender: Side) -> Result<Packet, DecodeError> {
        Decoder::new(self.version, sender).decode(&self.frame)
    }
}
