//! `packets 3.1.1|5.0` prints legal packets of that version in hex, one a line, for another program to judge.
//!
//! The first is a CONNECT, which tells the version. The rest come from both sides, the same ones on every run.

use std::{env, process::ExitCode};

use arbitrary::Unstructured;
use mqtt_codec::{Connect, Packet, Side, Text, Version};
use mqtt_fuzz::{corpus, generate};

/// How many packets follow the CONNECT.
const COUNT: u32 = 2000;

fn main() -> ExitCode {
    let version = match env::args().nth(1).as_deref() {
        Some("3.1.1") => Version::V311,
        Some("5.0") => Version::V5,
        _ => {
            eprintln!("usage: packets 3.1.1|5.0");
            return ExitCode::FAILURE;
        }
    };
    let client_id = Text::from_static("packets").expect("plain ASCII");
    show(&Connect::new(version, client_id).into(), version);
    for seed in 0..COUNT {
        let choices = corpus::noise(seed, 256);
        let sender = if seed % 2 == 0 { Side::Client } else { Side::Server };
        if let Ok(packet) = generate::packet(&mut Unstructured::new(&choices), version, sender) {
            show(&packet, version);
        }
    }
    ExitCode::SUCCESS
}

fn show(packet: &Packet, version: Version) {
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).expect("a generated packet is legal");
    println!("{}", corpus::hex(&bytes));
}
