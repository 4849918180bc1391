//! A proxy that logs: passes bytes on unchanged, and prints each packet that they hold, one connection at a time.
//!
//! ```sh
//! cargo run -p mqtt-codec --example proxy -- 127.0.0.1:1884 127.0.0.1:1883
//! ```

#![allow(clippy::print_stdout, clippy::disallowed_types, reason = "a program that prints, and has sockets")]

use std::{
    env,
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use mqtt_codec::{Decoder, Packet, Side, Version, bytes::BytesMut};

fn main() -> io::Result<()> {
    let (Some(listen), Some(server)) = (env::args().nth(1), env::args().nth(2)) else {
        return Err(io::Error::other("usage: proxy LISTEN SERVER"));
    };
    for client in TcpListener::bind(listen)?.incoming() {
        let (client, server) = (client?, TcpStream::connect(&server)?);
        // The client's first packet names the version; the server answers only after it.
        let v5 = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| pass(&client, &server, Side::Client, &v5));
            pass(&server, &client, Side::Server, &v5)
        })?;
    }
    Ok(())
}

/// Passes on what one side says, until it says no more.
fn pass(mut from: &TcpStream, mut to: &TcpStream, sender: Side, v5: &AtomicBool) -> io::Result<()> {
    let (mut chunk, mut unread) = ([0; 16 * 1024], BytesMut::new());
    loop {
        let len = from.read(&mut chunk)?;
        if len == 0 {
            return to.shutdown(Shutdown::Write);
        }
        unread.extend_from_slice(&chunk[..len]);
        loop {
            let version = if v5.load(Ordering::Acquire) { Version::V5 } else { Version::V311 };
            match Decoder::new(version, sender).decode_from(&mut unread) {
                Ok(Some(packet)) => {
                    if let Packet::Connect(connect) = &packet {
                        v5.store(connect.version == Version::V5, Ordering::Release);
                    }
                    println!("{sender}: {packet:?}");
                }
                Ok(None) => break,
                Err(error) => {
                    // What follows can't be read, but it is passed on all the same.
                    println!("{sender}: {error}");
                    to.write_all(&chunk[..len])?;
                    io::copy(&mut from, &mut to)?;
                    return to.shutdown(Shutdown::Write);
                }
            }
        }
        to.write_all(&chunk[..len])?;
    }
}
