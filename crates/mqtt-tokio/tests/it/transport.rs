//! What the sockets do: names that do not resolve, dials that hang, bytes in many or few pieces, last words.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mqtt_testkit::{BrokerConfig, DeadEnd, Server, play_accepted};
use mqtt_tokio::{
    Client, ClientError, ConnectError, Endpoint, Event, Failure, Indeterminate, Offline, Options,
    PublishFailure, QoS, ReasonCode, Reconnect,
};

use crate::soon;

fn failure(outcome: Result<Client, ClientError>) -> Failure {
    match outcome {
        Err(ClientError::Offline(Offline::GaveUp(ConnectError { failure, .. }))) => failure,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_told_as_such() {
    // Longer than any name can be, so that nobody has to be asked.
    let endpoint = Endpoint::tcp("x".repeat(300), 1883);
    let options = Options::builder().endpoint(endpoint).build().expect("valid options");
    let failure = failure(soon("connecting", mqtt_tokio::connect(options)).await);
    assert!(matches!(failure, Failure::Io { doing: "resolving", .. }), "{failure}");
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_told_as_such() {
    let failure = failure(soon("connecting", mqtt_tokio::connect("mqtt://127.0.0.1:1")).await);
    assert!(matches!(failure, Failure::Io { doing: "connecting", .. }), "{failure}");
}

#[tokio::test]
async fn a_dial_that_hangs_is_abandoned_by_disconnect() {
    let dead_end = DeadEnd::new().expect("a free port");
    let client = Client::new(&dead_end.url()).expect("a runtime");
    let mut events = client.events();
    let connecting = client.connect();
    let event = soon("an attempt", events.recv()).await;
    assert!(matches!(event, Some(Event::Attempt { .. })), "{event:?}");
    let began = Instant::now();
    soon("disconnecting", client.disconnect()).await;
    assert!(matches!(soon("connecting", connecting).await, Err(Offline::Disconnected)));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_dial_that_hangs_ends_at_the_connect_timeout() {
    let dead_end = DeadEnd::new().expect("a free port");
    let options = Options::builder().url(&dead_end.url()).connect_timeout(Duration::from_millis(100));
    let options = options.build().expect("valid options");
    let failure = failure(soon("connecting", mqtt_tokio::connect(options)).await);
    assert!(matches!(failure, Failure::ConnectTimeout(_)), "{failure}");
}

/// A pipe in memory, whose other end is carried to the broker by hand.
#[tokio::test]
async fn a_stream_of_the_users_own_takes_the_place_of_the_socket() {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).expect("a free port");
    let addr = server.addr();
    let client = Client::with_connector("mqtt://anywhere", move |endpoint| async move {
        assert_eq!(endpoint.host(), "anywhere");
        let (ours, mut theirs) = tokio::io::duplex(100);
        let mut socket = tokio::net::TcpStream::connect(addr).await?;
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut theirs, &mut socket).await });
        Ok(ours)
    });
    let client = client.expect("a runtime");
    soon("connecting", client.connect()).await.expect("accepted");
    let mut stream = soon("subscribing", client.subscribe("a")).await.expect("granted");
    let payload = vec![7; 10_000];
    soon("publishing", client.publish("a", payload.clone()).qos(QoS::ExactlyOnce)).await.expect("delivered");
    assert_eq!(soon("the message", stream.recv()).await.expect("not the end").payload(), payload);
    soon("disconnecting", client.disconnect()).await;
}

#[tokio::test]
async fn a_stream_that_can_not_be_opened_is_told_as_such() {
    let options = Options::builder().reconnect(Reconnect::never()).build().expect("valid options");
    let client = Client::with_connector(options, |_| async {
        Err::<tokio::io::DuplexStream, _>(std::io::Error::other("out of pipes"))
    });
    let error = soon("connecting", client.expect("a runtime").connect()).await.expect_err("no pipes");
    assert!(error.to_string().contains("out of pipes"), "{error}");
}

/// Larger than any socket buffer: it leaves and arrives in many pieces.
#[tokio::test]
async fn a_large_message_passes_in_both_directions() {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).expect("a free port");
    let client = mqtt_tokio::connect(server.url().as_str()).await.expect("a connection");
    let mut stream = client.subscribe("a").await.expect("granted");
    let payload: Vec<u8> = (0..12_000_000u32).map(|n| (n / 7) as u8).collect();
    client.publish("a", payload.clone()).qos(QoS::ExactlyOnce).await.expect("delivered");
    let message = soon("the message", stream.recv()).await.expect("not the end");
    assert!(message.payload() == payload);
}

/// Separate writes could share a read, so this can pass by chance; but they hardly ever do so a thousand times over.
#[tokio::test]
async fn many_packets_share_a_write() {
    let (url, peer) = play_accepted(|mut stream| {
        let (mut reads, mut bytes, mut buffer) = (0, 0, vec![0; 1 << 20]);
        while bytes < 10_000 * 12 {
            bytes += stream.read(&mut buffer).expect("messages");
            reads += 1;
        }
        (reads, bytes, stream) // Still open: the client is to find itself connected.
    });
    let client = Client::new(url.as_str()).expect("a runtime");
    for n in 0..10_000 {
        // Fixed header 2, topic 3, properties 1, payload 6: 12 bytes.
        let publish = client.publish("a", format!("{n:06}")).try_enqueue();
        drop(publish.expect("there is room"));
    }
    soon("connecting", client.connect()).await.expect("accepted");
    let (reads, bytes, _stream) = played(peer).await;
    assert_eq!(bytes, 120_000);
    assert!(reads <= 100, "{reads} reads for 10,000 packets");
}

/// A PUBLISH of QoS 0 (5.0) with topic `a`, 1,003 bytes long.
fn small_message() -> Vec<u8> {
    [&[0x30, 0xe8, 0x07, 0, 1, b'a', 0][..], &[b'x'; 996]].concat()
}

/// Reading pauses for the stream, which keeps ten messages. What had been read by then is not forgotten.
#[tokio::test]
async fn what_comes_behind_a_flood_of_qos_0_arrives() {
    let (url, peer) = play_accepted(|mut stream| {
        let mut buffer = [0; 64];
        let _ = stream.read(&mut buffer).expect("a SUBSCRIBE");
        // A message of 300,000 bytes makes the client's buffer large, so that one read takes all the rest.
        let large = [&[0x30, 0xe0, 0xa7, 0x12, 0, 1, b'a', 0][..], &[b'x'; 299_996]].concat();
        let last = [0x32, 6, 0, 1, b'a', 0, 7, 0];
        let suback = [0x90, 4, 0, 1, 0, 2];
        let all = [&suback[..], &large, &small_message().repeat(100), &last].concat();
        stream.write_all(&all).expect("the client reads on");
        let count = stream.read(&mut buffer).expect("a PUBACK");
        buffer[..count].to_vec()
    });
    let options = Options::builder().url(&url).stream_capacity(10).build().expect("valid options");
    let client = soon("connecting", mqtt_tokio::connect(options)).await.expect("accepted");
    let mut stream = soon("subscribing", client.subscribe("a")).await.expect("granted");
    while soon("a message", stream.recv()).await.expect("not the end").qos() == QoS::AtMostOnce {}
    assert_eq!(played(peer).await[..4], [0x40, 2, 0, 7], "PUBACK");
}

/// The broker says why it goes, and resets the connection while the client is in the middle of a large write.
#[tokio::test]
async fn the_brokers_last_words_are_heard_although_writing_fails() {
    let (url, peer) = play_accepted(|mut stream| {
        let mut some = [0; 100_000];
        stream.read_exact(&mut some).expect("the start of a message");
        // DISCONNECT, server shutting down. What is unread makes the close a reset.
        stream.write_all(&[0xe0, 1, 0x8b]).expect("the client listens");
    });
    let options = Options::builder().url(&url).reconnect(Reconnect::never()).build().expect("valid options");
    let client = soon("connecting", mqtt_tokio::connect(options)).await.expect("accepted");
    let publishing = client.publish("a", vec![0; 10 << 20]).qos(QoS::AtLeastOnce);
    match soon("publishing", publishing).await.expect_err("cut off").failure() {
        PublishFailure::Indeterminate(Indeterminate::Offline(Offline::GaveUp(error))) => {
            assert!(
                matches!(&error.failure, Failure::Disconnected(packet) if packet.reason == ReasonCode::ServerShuttingDown),
                "{error}"
            );
        }
        other => panic!("{other:?}"),
    }
    played(peer).await;
}

/// A socket that is closed with unread input, or that gets input later, resets the connection, and the DISCONNECT might get
/// lost.
#[tokio::test]
async fn a_busy_connection_is_left_with_a_disconnect_and_without_a_reset() {
    let (url, peer) = play_accepted(|mut stream| {
        let mut writer = stream.try_clone().expect("a second handle");
        let written = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&written);
        let flood = thread::spawn(move || {
            while writer.write_all(&small_message()).is_ok() {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut last = [0; 2];
        stream.read_exact(&mut last).expect("a DISCONNECT");
        let end = stream.read(&mut [0; 1]).expect("no reset");
        // The client has said its last word, and reads on.
        let before = written.load(Ordering::Relaxed);
        while written.load(Ordering::Relaxed) < before + 1000 {
            assert!(!flood.is_finished(), "the flood met a reset");
            thread::yield_now();
        }
        stream.shutdown(Shutdown::Both).expect("still open");
        flood.join().expect("no panic");
        (last, end)
    });
    let client = soon("connecting", mqtt_tokio::connect(url.as_str())).await.expect("accepted");
    soon("disconnecting", client.disconnect()).await;
    assert_eq!(played(peer).await, ([0xe0, 0], 0));
}

/// What a peer's play came to.
async fn played<T: Send + 'static>(peer: JoinHandle<T>) -> T {
    let joined = tokio::task::spawn_blocking(|| peer.join()).await.expect("the runtime is there");
    joined.expect("no panic")
}

/// As it is by default; the scenarios have the feature on.
#[cfg(all(feature = "tls", not(feature = "encrypted-keys")))]
#[tokio::test]
async fn an_encrypted_key_is_told_where_it_cannot_be_decrypted() {
    use mqtt_tokio::{TlsError, TlsOptions};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("mqtts://{}", listener.local_addr().unwrap());
    let pem = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nsecret\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for key in [pem.as_bytes(), &[0x30, 2, 0x30, 0]] {
        let tls = TlsOptions::new().dangerously_accept_any_certificate().client_auth("certificate", key);
        let options = Options::builder().url(&url).tls(tls).build().unwrap();
        match failure(soon("connecting", mqtt_tokio::connect(options)).await) {
            Failure::Tls(error) => assert_eq!(*error, TlsError::KeyDecryptionOff),
            other => panic!("{other}"),
        }
    }
}
