//! A broker's end of a connection, played by hand on a thread of its own.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use crate::PATIENCE;

/// A CONNACK of 5.0 that accepts, without a session.
pub(crate) const CONNACK: [u8; 5] = [0x20, 3, 0, 0, 0];

/// Plays one connection that has sent its CONNECT. Returns where, and the thread with the play's result.
pub(crate) fn play<T: Send + 'static>(
    play: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let url = format!("mqtt://{}", listener.local_addr().expect("it is bound"));
    let thread = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time limit");
        stream.set_write_timeout(Some(PATIENCE)).expect("a time limit");
        let mut connect = [0; 256];
        let count = stream.read(&mut connect).expect("a CONNECT");
        assert_eq!(connect[..count].first(), Some(&0x10), "CONNECT comes first");
        play(stream)
    });
    (url, thread)
}

/// The same, accepted.
pub(crate) fn play_accepted<T: Send + 'static>(
    then: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    play(|mut stream| {
        stream.write_all(&CONNACK).expect("the client listens");
        then(stream)
    })
}
