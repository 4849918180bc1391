//! A proxy that logs: passes bytes on unchanged, and prints each packet that they hold, one connection at a time.
//!
//! ```sh
//! cargo run -p mqtt-codec --example proxy -- 127.0.0.1:1884 127.0.0.1:1883
//! ```

#![allow(clippy::print_stdout, clippy::disallowed_types, reason = "a program that prints, and has sockets")]

use mqtt_codec::{Decoder, FrameReader, Packet, Side, Version};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::{env, sync::OnceLock, thread};

fn main() -> io::Result<()> {
    let (Some(listen), Some(server)) = (env::args().nth(1), env::args().nth(2)) else {
        return Err(io::Error::other("usage: proxy LISTEN SERVER"));
    };
    for client in TcpListener::bind(listen)?.incoming() {
        let (client, server, version) = (client?, TcpStream::connect(&server)?, OnceLock::new());
        thread::scope(|scope| {
            scope.spawn(|| pass(&client, &server, Side::Client, &version));
            pass(&server, &client, Side::Server, &version)
        })?;
    }
    Ok(())
}

/// Passes on what one side says, until it says no more; the client's first packet names the version.
fn pass(mut from: &TcpStream, mut to: &TcpStream, by: Side, version: &OnceLock<Version>) -> io::Result<()> {
    let mut reader = FrameReader::new(Decoder::new(Version::V311, by));
    let mut chunk = [0; 16 * 1024];
    while let len @ 1.. = from.read(&mut chunk)? {
        reader.buffer_mut().extend_from_slice(&chunk[..len]);
        loop {
            reader.set_decoder(Decoder::new(*version.get().unwrap_or(&Version::V311), by));
            let packet = match reader.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                Err(error) => break println!("{by}: {error}"),
            };
            println!("{by}: {packet:?}");
            if let Packet::Connect(connect) = packet {
                version.get_or_init(|| connect.version);
            }
        }
        to.write_all(&chunk[..len])?;
    }
    to.shutdown(Shutdown::Write)
}
