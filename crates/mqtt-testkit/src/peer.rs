//! A broker's end of a connection, played by hand on a thread of its own: for what no broker would do.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long the client may keep the play waiting.
const PATIENCE: Duration = Duration::from_secs(20);

/// A CONNACK of 5.0 that accepts, without a session.
const CONNACK: [u8; 5] = [0x20, 3, 0, 0, 0];

/// Plays one connection of a client that has sent its CONNECT: byte for byte, from the listening socket's side. Gives the
/// URL to connect to, and the thread with the play's result.
///
/// ```
/// use std::io::Write;
/// use std::net::TcpStream;
///
/// let (url, peer) = mqtt_testkit::play(|mut stream| stream.write_all(b"not a CONNACK").is_ok());
/// let mut client = TcpStream::connect(url.trim_start_matches("mqtt://"))?;
/// client.write_all(b"\x10\x0c\0\x04MQTT\x04\x02\0\0\0\0")?;
/// assert!(peer.join().unwrap());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Panics
/// When no port is free. The thread panics when nobody connects, or with anything but a CONNECT.
pub fn play<T: Send + 'static>(
    play: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
    let url = format!("mqtt://{}", listener.local_addr().expect("a bound socket has an address"));
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit above zero is taken");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time limit above zero is taken");
        let mut connect = [0; 256];
        let count = stream.read(&mut connect).expect("a CONNECT");
        assert_eq!(connect[..count].first(), Some(&0x10), "CONNECT comes first");
        play(stream)
    });
    (url, thread)
}

/// The same after a CONNACK of 5.0 that accepts.
///
/// # Panics
/// As [`play`].
pub fn play_accepted<T: Send + 'static>(
    then: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    play(|mut stream| {
        stream.write_all(&CONNACK).expect("the client listens");
        then(stream)
    })
}
