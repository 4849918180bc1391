//! A broker's stand-in for one client: it acknowledges at once, sends what it is told to send, and counts.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use bytes::BytesMut;
use mqtt_codec::{
    Ack, AckKind, Connack, Decoder, Packet, PacketId, Publish, QoS, ReasonCode, Side, Suback, TopicName,
    Version,
};

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

struct Connection {
    out: Vec<u8>,
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
        let mut input = BytesMut::new();
        let mut chunk = vec![0; 256 * 1024];
        loop {
            let count = stream.read(&mut chunk)?;
            if count == 0 {
                return Ok(());
            }
            input.extend_from_slice(&chunk[..count]);
            while let Some(packet) = decoder.decode_from(&mut input).map_err(io::Error::other)? {
                self.handle(packet);
            }
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

    fn handle(&mut self, packet: Packet) {
        match packet {
            Packet::Connect(_) => self.put(Connack::new(false, ReasonCode::Success)),
            Packet::Publish(publish) => match publish.packet_id {
                None => {
                    if matches!(self.work, Work::PingPong) {
                        self.put(publish);
                    }
                    self.see();
                }
                Some(id) if publish.qos == QoS::AtLeastOnce => {
                    self.put(Ack::new(AckKind::Puback, id));
                    self.see();
                }
                Some(id) => self.put(Ack::new(AckKind::Pubrec, id)),
            },
            Packet::Ack(ack) => match ack.kind {
                AckKind::Pubrel => {
                    self.put(Ack::new(AckKind::Pubcomp, ack.packet_id));
                    self.see();
                }
                AckKind::Pubrec => self.put(Ack::new(AckKind::Pubrel, ack.packet_id)),
                AckKind::Puback | AckKind::Pubcomp => {
                    self.acknowledged += 1;
                    if self.acknowledged == self.messages {
                        self.done.set();
                    }
                    self.send();
                }
            },
            Packet::Subscribe(subscribe) => {
                self.put(Suback::new(subscribe.packet_id, vec![ReasonCode::GrantedQoS2]));
                self.send();
            }
            Packet::Pingreq => self.put(Packet::Pingresp),
            _ => {}
        }
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
            let id = PacketId::new((self.sent % 60_000) as u16 + 1);
            let topic = TopicName::from_static(TOPIC).expect("a topic");
            let packet_id = if qos == QoS::AtMostOnce { None } else { id };
            self.put(Publish { qos, packet_id, ..Publish::new(topic, &[7; PAYLOAD][..]) });
            self.sent += 1;
        }
    }

    fn put(&mut self, packet: impl Into<Packet>) {
        packet.into().encode(VERSION, &mut self.out).expect("a legal packet");
    }
}
