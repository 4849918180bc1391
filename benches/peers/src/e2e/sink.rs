//! A broker's stand-in for one client: it acknowledges at once, sends what it is told to send, and counts. It looks at no
//! more of a packet than that takes, and what it sends was encoded before, so that the client is what is measured.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use mqtt_codec::{Decoder, Packet, PacketId, Publish, QoS, Side, TopicName, Version};

use super::{PAYLOAD, TOPIC, Work};

const VERSION: Version = Version::V311;

/// The stand-in, and how far it has come.
pub struct Sink {
    addr: SocketAddr,
    done: Arc<Done>,
}

/// Set once all messages have been seen, or acknowledged.
#[derive(Default)]
pub struct Done {
    is: Mutex<bool>,
    changed: Condvar,
}

impl Done {
    pub fn set(&self) {
        *self.is.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }
}

impl Sink {
    /// Listens for one client that does this work with so many messages.
    pub fn start(work: Work, messages: u64) -> io::Result<Sink> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let addr = listener.local_addr()?;
        let done = Arc::new(Done::default());
        let connection = Connection {
            out: Vec::new(),
            message: message(work)?,
            work,
            messages,
            seen: 0,
            sent: 0,
            acknowledged: 0,
            done: Arc::clone(&done),
        };
        thread::spawn(move || listener.accept().and_then(|(stream, _)| connection.serve(stream)));
        Ok(Sink { addr, done })
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// For a consumer that has counted all QoS 0 messages itself.
    pub fn done(&self) -> Arc<Done> {
        Arc::clone(&self.done)
    }

    /// Waits until all is done.
    pub fn wait(&self, patience: Duration) -> Result<(), String> {
        let is = self.done.is.lock().unwrap_or_else(PoisonError::into_inner);
        let (is, _) = self
            .done
            .changed
            .wait_timeout_while(is, patience, |is| !*is)
            .unwrap_or_else(PoisonError::into_inner);
        if *is { Ok(()) } else { Err(format!("not done after {patience:?}")) }
    }
}

/// The first byte of each packet that is answered or sent.
mod first {
    pub const CONNECT: u8 = 0x10;
    pub const PUBACK: u8 = 0x40;
    pub const PUBREC: u8 = 0x50;
    pub const PUBREL: u8 = 0x62;
    pub const PUBCOMP: u8 = 0x70;
    pub const SUBSCRIBE: u8 = 0x82;
    pub const PINGREQ: u8 = 0xc0;
}

/// Where the packet identifier of an acknowledgement stands, and where the topic of a publish begins whose length takes one byte.
const HEADER: usize = 2;

struct Connection {
    out: Vec<u8>,
    /// The message that is sent, encoded; its packet identifier is put in.
    message: Vec<u8>,
    work: Work,
    messages: u64,
    /// Messages that came and are through.
    seen: u64,
    /// Messages that were sent, and of these acknowledged.
    sent: u64,
    acknowledged: u64,
    done: Arc<Done>,
}

impl Connection {
    fn serve(mut self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let decoder = Decoder::new(VERSION, Side::Client);
        let mut input = vec![0; 256 * 1024];
        let mut len = 0;
        loop {
            let count = stream.read(&mut input[len..])?;
            if count == 0 {
                return Ok(());
            }
            len += count;
            let mut at = 0;
            while let Some(size) = decoder.delimit(&input[at..len]).map_err(io::Error::other)? {
                self.handle(&input[at..at + size]);
                at += size;
            }
            input.copy_within(at..len, 0);
            len -= at;
            stream.write_all(&self.out)?;
            self.out.clear();
            // A source of QoS 0 waits for nothing.
            while self.subscribed_for(QoS::AtMostOnce) && self.sent < self.messages {
                self.send();
                stream.write_all(&self.out)?;
                self.out.clear();
            }
        }
    }

    fn handle(&mut self, packet: &[u8]) {
        match packet[0] {
            first::CONNECT => self.out.extend([0x20, 2, 0, 0]),
            first::PUBACK | first::PUBCOMP => {
                self.acknowledged += 1;
                if self.acknowledged == self.messages {
                    self.done.set();
                }
                self.send();
            }
            first::PUBREC => self.answer(first::PUBREL, packet, HEADER),
            first::PUBREL => {
                self.answer(first::PUBCOMP, packet, HEADER);
                self.see();
            }
            first::SUBSCRIBE => {
                self.out.extend([0x90, 3, packet[HEADER], packet[HEADER + 1], 2]);
                self.send();
            }
            first::PINGREQ => self.out.extend([0xd0, 0]),
            // Without a flag, or with that of a repetition.
            publish if publish >> 4 == 3 => {
                let id = HEADER + 2 + TOPIC.len();
                match publish & 0b110 {
                    0 => {
                        if matches!(self.work, Work::PingPong) {
                            self.out.extend_from_slice(packet);
                        }
                        self.see();
                    }
                    0b010 => {
                        self.answer(first::PUBACK, packet, id);
                        self.see();
                    }
                    _ => self.answer(first::PUBREC, packet, id),
                }
            }
            _ => {}
        }
    }

    /// An acknowledgement with the packet identifier that stands there in the packet.
    fn answer(&mut self, first: u8, packet: &[u8], id: usize) {
        self.out.extend([first, 2, packet[id], packet[id + 1]]);
    }

    fn subscribed_for(&self, wanted: QoS) -> bool {
        self.sent > 0 && matches!(self.work, Work::Receive { qos, .. } if qos == wanted)
    }

    fn see(&mut self) {
        self.seen += 1;
        if self.seen == self.messages {
            self.done.set();
        }
    }

    /// Sends as much as the window allows, which is a thousand at once where there is none.
    fn send(&mut self) {
        let Work::Receive { qos, window } = self.work else { return };
        let open = match qos {
            QoS::AtMostOnce => 1000,
            _ => u64::from(window) - (self.sent - self.acknowledged),
        };
        for _ in 0..open.min(self.messages - self.sent) {
            if qos != QoS::AtMostOnce {
                let id = (self.sent % 60_000) as u16 + 1;
                self.message[HEADER + 2 + TOPIC.len()..][..2].copy_from_slice(&id.to_be_bytes());
            }
            self.out.extend_from_slice(&self.message);
            self.sent += 1;
        }
    }
}

/// What a source sends.
fn message(work: Work) -> io::Result<Vec<u8>> {
    let qos = match work {
        Work::Receive { qos, .. } => qos,
        _ => QoS::AtMostOnce,
    };
    let topic = TopicName::from_static(TOPIC).expect("a topic");
    let packet_id = Some(PacketId::MIN).filter(|_| qos != QoS::AtMostOnce);
    let publish = Publish { qos, packet_id, ..Publish::new(topic, &[7; PAYLOAD][..]) };
    let mut message = Vec::new();
    Packet::from(publish).encode(VERSION, &mut message).map_err(io::Error::other)?;
    Ok(message)
}
