//! Every way to a broker: TCP, TLS, with a client certificate, WebSocket, secure WebSocket, Unix socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use mqtt_client_core::codec::QoS;
use mqtt_scenarios::{Adapter, Case, Client, Events, Subscription, Way, Ways};

scenarios!(
    over_tcp,
    over_tls,
    over_tls_with_a_client_certificate,
    over_websocket,
    over_secure_websocket,
    over_a_unix_socket,
);

/// All three levels, a payload larger than any buffer on the way, and all again after the connection was lost.
#[track_caller]
fn check<A: Adapter>(case: &Case<A>, way: Way) {
    let mut ways = Ways::start();
    let awake = Awake::keep(case, &ways);
    let client = case.connect_with(ways.options(case, way));
    let mut events = client.events();
    let mut messages = client.subscribe_with("a/#", |builder| builder.qos(QoS::ExactlyOnce)).unwrap();
    let large: Vec<u8> = (0..1 << 20).map(|n: u32| (n / 7) as u8).collect();
    for round in ["before", "after"] {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let text = format!("{round} {qos:?}");
            client.send("a/b", text.clone(), qos).unwrap();
            assert_eq!(messages.message().text(), text);
        }
        client.send("a/large", large.clone(), QoS::ExactlyOnce).unwrap();
        assert!(messages.message().payload() == large);
        // Many at once, so that packets share frames and records.
        let sent: Vec<_> =
            (0..500).map(|n| client.publish("a/c", n.to_string()).qos(QoS::AtLeastOnce)).collect();
        let sent: Vec<_> = sent.into_iter().map(|publish| client.wait(publish.enqueue()).unwrap()).collect();
        assert_eq!(messages.texts(500), (0..500).map(|n| n.to_string()).collect::<Vec<_>>());
        sent.into_iter().for_each(|completion| drop(client.wait(completion).unwrap()));
        if round == "before" {
            ways.restart();
            events.failure();
            events.connected();
        }
    }
    client.disconnect();
    drop(awake);
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
