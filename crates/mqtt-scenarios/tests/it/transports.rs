//! Every way to a broker: TCP, TLS, with a client certificate, WebSocket, secure WebSocket, Unix socket.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use mqtt_client_core::codec::QoS;
use mqtt_client_core::{TcpKeepAlive, TcpOptions};
use mqtt_scenarios::{Adapter, Case, Client, Events, Peer, PeerLink, Subscription, Way, Ways, until};

scenarios!(
    over_tcp,
    over_tls,
    over_tls_with_a_client_certificate,
    over_websocket,
    over_secure_websocket,
    over_a_unix_socket,
    from_the_address_that_is_asked_for,
    with_probes_of_tcp_if_asked_for,
);

/// All three levels, a payload larger than any buffer on the way, and all again after the connection was lost.
#[track_caller]
fn check<A: Adapter>(case: &Case<A>, way: Way) {
    let mut ways = Ways::start();
    let awake = Awake::keep(case, &ways);
    let client = case.connect_with(ways.options(case, way));
    let mut events = client.events();
    let mut messages = client.subscribe_with("a/#", |builder| builder.qos(QoS::ExactlyOnce)).unwrap();
    carries_everything(&client, &mut messages, "before");
    ways.restart();
    events.failure();
    events.connected();
    carries_everything(&client, &mut messages, "after");
    client.disconnect();
    drop(awake);
}

/// All three levels, and a payload larger than any buffer on the way; the client is subscribed to `a/#`.
#[track_caller]
pub(crate) fn carries_everything<C: Client>(client: &C, messages: &mut impl Subscription, round: &str) {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let text = format!("{round} {qos:?}");
        client.send("a/b", text.clone(), qos).unwrap();
        assert_eq!(messages.message().text(), text);
    }
    let large: Vec<u8> = (0..1 << 20).map(|n: u32| (n / 7) as u8).collect();
    client.send("a/large", large.clone(), QoS::ExactlyOnce).unwrap();
    assert!(messages.message().payload() == large);
    // Many at once, so that packets share frames and records.
    let sent: Vec<_> = (0..500).map(|n| client.publish("a/c", n.to_string()).qos(QoS::AtLeastOnce)).collect();
    let sent: Vec<_> = sent.into_iter().map(|publish| client.wait(publish.enqueue()).unwrap()).collect();
    assert_eq!(messages.texts(500), (0..500).map(|n| n.to_string()).collect::<Vec<_>>());
    sent.into_iter().for_each(|completion| drop(client.wait(completion).unwrap()));
}

/// Another client, which pings without end: mosquitto 2.0.11 looks after its WebSockets, with 4 KiB at a time, only every 100
/// ms while nothing else happens.
struct Awake {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Awake {
    fn keep<A: Adapter>(case: &Case<A>, ways: &Ways) -> Self {
        let client = case.connect(&ways.url(Way::Tcp));
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let thread = thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                // It fails while mosquitto is down.
                let _ = client.ping();
            }
        });
        Awake { over, thread: Some(thread) }
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn over_tcp<A: Adapter>(case: &Case<A>) {
    check(case, Way::Tcp);
}

fn over_tls<A: Adapter>(case: &Case<A>) {
    check(case, Way::Tls);
}

fn over_tls_with_a_client_certificate<A: Adapter>(case: &Case<A>) {
    check(case, Way::ClientCertificate);
}

// [3.1.1 MQTT-6.0.0-1, MQTT-6.0.0-3] [5.0 MQTT-6.0.0-1, MQTT-6.0.0-3]: mosquitto takes nothing else.
fn over_websocket<A: Adapter>(case: &Case<A>) {
    check(case, Way::WebSocket);
}

fn over_secure_websocket<A: Adapter>(case: &Case<A>) {
    check(case, Way::SecureWebSocket);
}

fn over_a_unix_socket<A: Adapter>(case: &Case<A>) {
    check(case, Way::Unix);
}

/// A client that has connected over TCP with these options, and the other end.
fn connected<A: Adapter>(case: &Case<A>, tcp: TcpOptions) -> (A::Client, PeerLink) {
    let peer = Peer::listen();
    let client = case.client(case.options(&peer.url()).tcp(tcp));
    let link = thread::scope(|scope| {
        let connecting = scope.spawn(|| client.connect().map(drop));
        let link = peer.welcome(case.version);
        connecting.join().unwrap().unwrap();
        link
    });
    (client, link)
}

fn from_the_address_that_is_asked_for<A: Adapter>(case: &Case<A>) {
    let local = Ipv4Addr::new(127, 0, 0, 2);
    let bind = Some(SocketAddr::from((local, 0)));
    let (_client, link) = connected(case, TcpOptions { bind, ..TcpOptions::default() });
    assert_eq!(link.client_addr().ip(), local);
}

fn with_probes_of_tcp_if_asked_for<A: Adapter>(case: &Case<A>) {
    // Linux tells which timer of a socket runs: none, or that of the probes.
    let timer = |link: &PeerLink| {
        let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
        // Another socket may have the same port, at another peer, or left behind by an earlier test.
        let [ours, theirs] =
            [link.client_addr(), link.local_addr()].map(|end| format!(":{:04X}", end.port()));
        let mut fields = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let socket = fields.find(|it| it[1].ends_with(&ours) && it[2].ends_with(&theirs) && it[3] == "01");
        let socket = socket.expect("it is connected");
        socket[5][..2].to_owned()
    };
    let (_client, link) = connected(case, TcpOptions::default());
    until("no timer runs", || timer(&link) == "00");
    let keep_alive = Some(TcpKeepAlive::default());
    let (_client, link) = connected(case, TcpOptions { keep_alive, ..TcpOptions::default() });
    until("the timer of the probes runs", || timer(&link) == "02");
}
