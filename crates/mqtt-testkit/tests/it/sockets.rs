//! The server and the proxy over real sockets, with a peer that writes and reads raw packets.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mqtt_codec::{Connect, Decoder, Packet, PacketId, Publish, QoS, ReasonCode, Side};
use mqtt_testkit::{BrokerConfig, CutAfter, Dribble, Proxy, ProxyConfig, Server};

use crate::bed::*;
use crate::programs::{LIMIT, until};

/// A blocking 5.0 peer.
struct Socket {
    stream: TcpStream,
    inbox: BytesMut,
}

impl Socket {
    fn open(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, inbox: BytesMut::new() }
    }

    /// Opens and connects.
    fn join(addr: SocketAddr, connect: Connect) -> Self {
        let mut socket = Self::open(addr);
        socket.say(connect);
        let Some(Packet::Connack(connack)) = socket.hear() else { panic!("no CONNACK") };
        assert_eq!(connack.reason, ReasonCode::Success);
        socket
    }

    fn say(&mut self, packet: impl Into<Packet>) {
        let mut bytes = Vec::new();
        packet.into().encode(V5, &mut bytes).unwrap();
        self.stream.write_all(&bytes).unwrap();
    }

    /// The next packet; `None` at the end of the connection.
    fn hear(&mut self) -> Option<Packet> {
        let mut chunk = [0; 4096];
        loop {
            if let Some(packet) = Decoder::new(V5, Side::Server).decode_from(&mut self.inbox).unwrap() {
                return Some(packet);
            }
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.inbox.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

fn server() -> Server {
    Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap()
}

#[test]
fn a_dropped_server_says_goodbye_and_closes() {
    let server = server();
    let mut all: Vec<_> =
        (0..5).map(|n| Socket::join(server.addr(), hello(V5, &format!("client-{n}")))).collect();
    let started = Instant::now();
    drop(server);
    assert!(started.elapsed() < Duration::from_secs(2));
    for socket in &mut all {
        let Some(Packet::Disconnect(disconnect)) = socket.hear() else { panic!("no DISCONNECT") };
        assert_eq!(disconnect.reason, ReasonCode::ServerShuttingDown);
        assert_eq!(socket.hear(), None);
    }
}

#[test]
fn the_reason_arrives_although_the_client_goes_on_sending() {
    let server = server();
    for n in 0..20 {
        let mut socket = Socket::join(server.addr(), hello(V5, &format!("client-{n}")));
        let offence = b"\x36\x05\0\x01t\0\x01";
        let more = vec![0xC0; 200_000];
        // The rest may find the connection closed.
        let _ = socket.stream.write_all(offence).and_then(|()| socket.stream.write_all(&more));
        let Some(Packet::Disconnect(disconnect)) = socket.hear() else { panic!("no DISCONNECT") };
        assert_eq!(disconnect.reason, ReasonCode::MalformedPacket);
        assert_eq!(socket.hear(), None);
    }
}

#[test]
fn a_restart_keeps_sessions_and_their_time() {
    let before = server();
    let addr = before.addr();
    let mut socket = Socket::join(addr, lasting(V5, "a"));
    socket.say(subscribe(1, &[("t", AtLeastOnce)]));
    socket.hear().unwrap();
    before.drop_connections();
    assert_eq!(socket.hear(), None);
    let broker = before.into_broker();
    let stopped_at = broker.now();

    let after = Server::start(addr, broker).unwrap();
    let mut other = Socket::join(addr, hello(V5, "b"));
    other.say(publish("t", AtLeastOnce, 1, "x"));
    assert_eq!(other.hear(), Some(puback(1).into()));
    let mut socket = Socket::open(addr);
    socket.say(lasting(V5, "a"));
    let Some(Packet::Connack(connack)) = socket.hear() else { panic!("no CONNACK") };
    assert!(connack.session_present);
    assert_eq!(socket.hear(), Some(publish("t", AtLeastOnce, 1, "x").into()));
    assert!(after.with_broker(|broker| broker.now()) > stopped_at);
}

#[test]
fn deadlines_are_kept_in_real_time() {
    let server = server();
    let mut socket = Socket::join(server.addr(), Connect { keep_alive: 1, ..hello(V5, "a") });
    let started = Instant::now();
    let Some(Packet::Disconnect(disconnect)) = socket.hear() else { panic!("no DISCONNECT") };
    assert_eq!(disconnect.reason, ReasonCode::KeepAliveTimeout);
    assert!((1_400..5_000).contains(&started.elapsed().as_millis()));
}

/// Publishes as fast as it can, while the receiver reads and acknowledges.
fn flood(qos: QoS) {
    const COUNT: u16 = 60_000;
    let server = server();
    let mut to = Socket::join(server.addr(), hello(V5, "to"));
    to.say(subscribe(1, &[("t", qos)]));
    to.hear().unwrap();
    let mut from = Socket::join(server.addr(), hello(V5, "from"));
    let mut flood = Vec::new();
    for n in 1..=COUNT {
        let packet_id = PacketId::new(n).filter(|_| qos == AtLeastOnce);
        let message = Publish { payload: vec![7; 100].into(), packet_id, ..publish("t", qos, 0, "") };
        Packet::from(message).encode(V5, &mut flood).unwrap();
    }
    let started = Instant::now();
    let mut writing = from.stream.try_clone().unwrap();
    let sender = thread::spawn(move || writing.write_all(&flood).unwrap());
    let acknowledged = thread::spawn(move || {
        let expected = if qos == AtLeastOnce { COUNT } else { 0 };
        (0..expected).all(|n| from.hear() == Some(puback(n + 1).into()))
    });
    for _ in 0..COUNT {
        let Some(Packet::Publish(publish)) = to.hear() else { panic!("no PUBLISH") };
        if let Some(packet_id) = publish.packet_id {
            to.say(puback(packet_id.get()));
        }
    }
    sender.join().unwrap();
    assert!(acknowledged.join().unwrap());
    let rate = f64::from(COUNT) / started.elapsed().as_secs_f64();
    assert_eq!(server.with_broker(|broker| broker.stats().dropped), 0);
    assert!(rate > 5_000.0, "{rate:.0} messages a second");
}

#[test]
fn a_flood_slows_its_sender_down_and_loses_nothing() {
    flood(AtMostOnce);
    flood(AtLeastOnce);
}

#[test]
fn a_receiver_that_does_not_read_holds_up_nobody_for_long() {
    let server =
        Server::bind("127.0.0.1:0", BrokerConfig { max_output: 1 << 20, ..Default::default() }).unwrap();
    let mut stuck = Socket::join(server.addr(), hello(V5, "stuck"));
    stuck.say(subscribe(1, &[("t", AtMostOnce)]));
    until(&server, "subscribed", |broker| broker.is_subscribed("stuck", "t"));
    let mut from = Socket::join(server.addr(), hello(V5, "from"));
    let message = Publish { payload: vec![0; 100_000].into(), ..publish("t", AtMostOnce, 0, "") };
    let started = Instant::now();
    for _ in 0..300 {
        from.say(message.clone());
    }
    from.say(Packet::Pingreq);
    assert_eq!(from.hear(), Some(Packet::Pingresp));
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert!(server.with_broker(|broker| broker.stats().dropped) > 0);
}

#[test]
fn a_proxy_cuts_after_exactly_so_many_bytes() {
    let server = server();
    let all = b"\x20\x08\0\0\x05\x27\x01\0\0\0"; // the CONNACK, up to its last property
    for bytes in [0, 1, 5, 8] {
        let config = ProxyConfig { cut_after: CutAfter::Bytes(Side::Server, bytes), ..Default::default() };
        let proxy = Proxy::start(server.addr(), config).unwrap();
        let mut socket = Socket::open(proxy.addr());
        socket.say(hello(V5, "a"));
        let mut heard = Vec::new();
        let end = socket.stream.read_to_end(&mut heard);
        assert!(end.is_ok() || end.unwrap_err().kind() == ErrorKind::ConnectionReset);
        assert_eq!(heard.len(), bytes as usize);
        assert_eq!(heard.first(), all.get(..bytes as usize).and_then(<[u8]>::first));
        assert_eq!((proxy.accepted(), proxy.cuts()), (1, 1));
    }
}

#[test]
fn a_proxy_cuts_stalls_and_refuses_on_command() {
    let server = server();
    let proxy = Proxy::start(server.addr(), ProxyConfig::default()).unwrap();
    let mut socket = Socket::join(proxy.addr(), hello(V5, "a"));
    proxy.stall(true);
    socket.say(Packet::Pingreq);
    socket.stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert_eq!(socket.stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    proxy.stall(false);
    socket.stream.set_read_timeout(Some(LIMIT)).unwrap();
    assert_eq!(socket.hear(), Some(Packet::Pingresp));

    assert_eq!(proxy.open(), 1);
    proxy.cut();
    assert_eq!(socket.hear(), None);
    until(&server, "gone", |broker| !broker.is_connected("a"));

    proxy.refuse(true);
    let mut refused = Socket::open(proxy.addr());
    assert_eq!(refused.hear(), None);
    proxy.refuse(false);
    Socket::join(proxy.addr(), hello(V5, "a"));
    assert_eq!((proxy.accepted(), proxy.cuts()), (3, 1));
}

#[test]
fn a_proxy_cuts_every_so_often_and_dribbles() {
    let server = server();
    let config = ProxyConfig { cut_every: Some(Duration::from_millis(50)), ..Default::default() };
    let proxy = Proxy::start(server.addr(), config).unwrap();
    let started = Instant::now();
    for n in 0..4 {
        let mut socket = Socket::join(proxy.addr(), hello(V5, &format!("a-{n}")));
        assert_eq!(socket.hear(), None);
    }
    assert!((90..2_000).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    assert_eq!(proxy.cuts(), 4);

    let dribble = Dribble { bytes: 1, pause: Duration::from_micros(100) };
    let proxy =
        Proxy::start(server.addr(), ProxyConfig { dribble: Some(dribble), ..Default::default() }).unwrap();
    let mut socket = Socket::join(proxy.addr(), hello(V5, "slow"));
    socket.say(publish("t", ExactlyOnce, 1, "drop by drop"));
    assert_eq!(socket.hear(), Some(unheard(V5, pubrec(1)).into()));
}
