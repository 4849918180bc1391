//! A second opinion on our bytes: tshark, which nobody here wrote, reads packets that the codec encoded.
//!
//! The example `packets` of the fuzz crate prints generated packets, one per line in hex, each connection beginning
//! with a CONNECT: tshark takes the version from there. Anything that it marks as malformed fails the chore.

use std::{fmt::Write as _, fs};

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
        fs::write(folder.join("packets.hex"), dump(&packets)?)?;
        cmd("text2pcap -q -T 40000,1883 packets.hex packets.pcap").dir(&folder).run()?;
        let seen = cmd("tshark -r packets.pcap -T fields -e frame.number -e mqtt.msgtype -e _ws.malformed -e _ws.col.Info")
            .dir(&folder)
            .output()?;
        verdict(version, &packets, &seen)?;
    }
    Ok(())
}

/// Hex digits as the dump that text2pcap reads: an offset, bytes apart, a blank line between packets.
fn dump(packets: &str) -> Result<String> {
    let mut out = String::new();
    for line in packets.lines() {
        ensure!(line.is_ascii() && line.len().is_multiple_of(2), "not hex: {line}");
        out.push_str("0000");
        for at in (0..line.len()).step_by(2) {
            write!(out, " {}", &line[at..at + 2])?;
        }
        out.push_str("\n\n");
    }
    Ok(out)
}

/// Each packet was seen as MQTT, and none as malformed.
fn verdict(version: &str, packets: &str, seen: &str) -> Result<()> {
    let mut bad = Vec::new();
    for (packet, line) in packets.lines().zip(seen.lines()) {
        let mut cells = line.split('\t').skip(1);
        let (kind, malformed) = (cells.next().unwrap_or_default(), cells.next().unwrap_or_default());
        if kind.is_empty() || !malformed.is_empty() {
            bad.push(format!("{line}\n    {packet}"));
        }
    }
    let count = packets.lines().count();
    ensure!(
        count > 0 && seen.lines().count() == count,
        "{version}: tshark saw another number of packets than {count}"
    );
    if !bad.is_empty() {
        bail!("{version}: tshark objects to {} of {count} packets:\n{}", bad.len(), bad.join("\n"));
    }
    println!("{version}: tshark reads all {count} packets");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_becomes_a_dump() {
        assert_eq!(dump("c000\nd000\n").unwrap(), "0000 c0 00\n\n0000 d0 00\n\n");
        assert!(dump("c00").is_err());
    }

    #[test]
    fn a_malformed_packet_is_named() {
        assert!(verdict("5.0", "c000\n", "1\t12\t\tPing Request\n").is_ok());
        assert!(verdict("5.0", "c001\n", "1\t12\t1\tMalformed\n").is_err());
        assert!(verdict("5.0", "c000\n", "1\t\t\tTCP\n").is_err());
        assert!(verdict("5.0", "c000\n", "").is_err());
    }
}
