//! A second opinion on our bytes: tshark, which nobody here wrote, reads packets that the codec encoded.
//!
//! The example `packets` of the fuzz crate prints the known answers of the codec's tests and generated packets, one per
//! line in hex, with the values of their fields, beginning with a CONNECT: tshark takes the version from there. Anything
//! that it marks as malformed, or reads otherwise, fails the chore.
//!
//! Two habits of the dissector (4.0) are allowed for: what is empty appears as nothing, or as missing; and binary
//! properties are shown as text, so that the texts beside them can't be compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    install,
    shell::{cargo, cmd, has_program, target_dir},
};

/// The versions, as the example is asked for them.
const VERSIONS: [&str; 2] = ["3.1.1", "5.0"];

pub(crate) fn run() -> Result<()> {
    install::apt(&[("tshark", has_program("tshark") && has_program("text2pcap"))])?;
    let folder = target_dir().join("tshark");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for version in VERSIONS {
        let packets =
            cargo("run --quiet --manifest-path fuzz/Cargo.toml --no-default-features --example packets --")
                .arg(version)
                .output()?;
        let packets = packets.lines().map(Expected::parse).collect::<Vec<_>>();
        fs::write(folder.join("packets.hex"), dump(packets.iter().map(|packet| packet.hex))?)?;
        cmd("text2pcap -q -T 40000,1883 packets.hex packets.pcap").dir(&folder).run()?;
        let names: BTreeSet<_> = packets.iter().flat_map(|packet| packet.fields.keys().copied()).collect();
        let tshark = cmd("tshark -r packets.pcap -T fields -E occurrence=a -E")
            .arg(format!("aggregator={BETWEEN}"))
            .words("-e _ws.malformed");
        let tshark = names.iter().fold(tshark, |tshark, name| tshark.arg("-e").arg(name));
        let names: Vec<_> = names.into_iter().collect();
        verdict(version, &packets, &names, &tshark.dir(&folder).output()?)?;
    }
    Ok(())
}

/// Between the values of a field that repeats.
const BETWEEN: char = '\u{1f}';

/// Among the values of a field that can't be compared.
const ANYTHING: &str = "\u{1a}";

/// A packet, and the values that each of its fields must have.
struct Expected<'a> {
    hex: &'a str,
    fields: BTreeMap<&'a str, &'a str>,
}

impl<'a> Expected<'a> {
    fn parse(line: &'a str) -> Self {
        let mut cells = line.split('\t');
        let hex = cells.next().unwrap_or_default();
        Self { hex, fields: cells.filter_map(|cell| cell.split_once('=')).collect() }
    }
}

/// Hex digits as the dump that text2pcap reads: an offset, bytes apart, a blank line between packets.
fn dump<'a>(packets: impl Iterator<Item = &'a str>) -> Result<String> {
    let mut out = String::new();
    for hex in packets {
        ensure!(hex.is_ascii() && hex.len().is_multiple_of(2), "not hex: {hex}");
        out.push_str("0000");
        for at in (0..hex.len()).step_by(2) {
            write!(out, " {}", &hex[at..at + 2])?;
        }
        out.push_str("\n\n");
    }
    Ok(out)
}

/// Each packet was seen as MQTT, none as malformed, and each field has its values.
fn verdict(version: &str, packets: &[Expected<'_>], names: &[&str], seen: &str) -> Result<()> {
    let mut bad = Vec::new();
    let mut fields = 0;
    for (packet, line) in packets.iter().zip(seen.lines()) {
        let mut cells = line.split('\t');
        if !cells.next().unwrap_or_default().is_empty() {
            bad.push(format!("malformed\n    {}", packet.hex));
        }
        for (name, found) in names.iter().zip(cells) {
            let expected = packet.fields.get(name).copied().unwrap_or_default();
            if !expected.contains(ANYTHING) && values(expected) != values(found) {
                bad.push(format!("{name}: {found:?} instead of {expected:?}\n    {}", packet.hex));
            }
            fields += usize::from(packet.fields.contains_key(name));
        }
    }
    let count = packets.len();
    ensure!(
        count > 0 && seen.lines().count() == count,
        "{version}: tshark saw another number of packets than {count}"
    );
    if !bad.is_empty() {
        bail!("{version}: tshark objects to {} of {count} packets:\n{}", bad.len(), bad.join("\n"));
    }
    println!("{version}: tshark reads all {count} packets, and {fields} fields as they are");
    Ok(())
}

/// The values of a field. The dissector writes some numbers in hex, and what is empty in three ways.
fn values(cell: &str) -> Vec<String> {
    let value = |value: &str| match value.strip_prefix("0x").map(|hex| u32::from_str_radix(hex, 16)) {
        Some(Ok(number)) => number.to_string(),
        _ => value.to_owned(),
    };
    cell.split(BETWEEN).filter(|value| !matches!(*value, "" | "<MISSING>")).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_becomes_a_dump() {
        assert_eq!(dump(["c000", "d000"].into_iter()).unwrap(), "0000 c0 00\n\n0000 d0 00\n\n");
        assert!(dump(["c00"].into_iter()).is_err());
    }

    #[track_caller]
    fn check(packet: &str, seen: &str, expected: bool) {
        let packets = [Expected::parse(packet)];
        let names = ["mqtt.msgtype", "mqtt.topic"];
        assert_eq!(verdict("5.0", &packets, &names, seen).is_ok(), expected, "{packet} {seen}");
    }

    #[test]
    fn what_is_seen_otherwise_is_named() {
        let publish = "300400016161\tmqtt.msgtype=3\tmqtt.topic=a";
        check(publish, "\t3\ta\n", true);
        check(publish, "\t0x03\ta\n", true);
        check(publish, "1\t3\ta\n", false);
        check(publish, "\t3\tb\n", false);
        check(publish, "\t3\t\n", false);
        check(publish, "\t3\ta\u{1f}a\n", false);
        check(publish, "\t\t\n", false);
        check(publish, "", false);
        check("c000\tmqtt.msgtype=12\tmqtt.topic=\u{1a}", "\t12\tanything\n", true);
    }
}
