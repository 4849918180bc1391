//! Futures that are dropped half-way lose nothing and tear nothing.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use mqtt_testkit::{BrokerConfig, Server};
use mqtt_tokio::{Client, Options, PublishFailure, QoS};

use crate::soon;

fn server() -> Server {
    Server::bind("127.0.0.1:0", BrokerConfig::default()).expect("a free port")
}

#[tokio::test]
async fn dropping_the_future_of_connect_does_not_stop_the_attempt() {
    let server = server();
    let client = Client::new(server.url().as_str()).expect("a runtime");
    drop(client.connect());
    soon("connecting", client.connect()).await.expect("accepted");
}

#[tokio::test]
async fn a_publish_that_is_dropped_half_way_still_arrives_whole_and_once() {
    let server = server();
    let client = mqtt_tokio::connect(server.url().as_str()).await.expect("a connection");
    let mut stream = client.subscribe("a").await.expect("granted");
    // More than the socket takes at once, so that the driver is in the middle of some when their futures go.
    let payload = |n: u32| format!("{n:04}").repeat(250_000);
    for n in 0..20 {
        let mut publish = pin!(client.publish("a", payload(n)).qos(QoS::ExactlyOnce).into_future());
        assert!(publish.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        tokio::task::yield_now().await;
    }
    for n in 0..20 {
        let message = soon("a message", stream.recv()).await.expect("not the end");
        assert!(message.text() == payload(n), "{n}");
    }
}

#[tokio::test]
async fn a_publish_that_is_dropped_before_admission_is_taken_back() {
    let options = Options::builder().url(&server().url()).max_queued(1, usize::MAX).build();
    let client = Client::new(options.expect("valid options")).expect("a runtime");
    let first = client.publish("a", "1").qos(QoS::AtLeastOnce).try_enqueue().expect("there is room");
    let mut second = Box::pin(client.publish("a", "2").enqueue());
    assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let full = client.publish("a", "3").try_enqueue().expect_err("no room");
    assert!(matches!(full.failure(), PublishFailure::NotSent(_)), "{full:?}");
    drop(second);
    assert_eq!(client.stats().pending_publishes, 1);
    drop(first);
}

#[tokio::test]
async fn dropping_recv_loses_no_message() {
    let server = server();
    let client = mqtt_tokio::connect(server.url().as_str()).await.expect("a connection");
    let mut stream = client.subscribe("a").await.expect("granted");
    for n in 0..50 {
        client.publish("a", n.to_string()).qos(QoS::AtLeastOnce).await.expect("delivered");
    }
    let mut read = Vec::new();
    while read.len() < 50 {
        // Polled once and dropped, ready or not.
        let once = poll_fn(|context| Poll::Ready(pin!(stream.recv()).poll(context))).await;
        if let Poll::Ready(message) = once {
            read.push(message.expect("not the end").text().into_owned());
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(read, (0..50).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_subscription_is_a_stream_that_ends_with_its_client() {
    let server = server();
    let client = mqtt_tokio::connect(server.url().as_str()).await.expect("a connection");
    let mut stream = client.subscribe(["a", "b"]).await.expect("granted");
    assert_eq!(stream.granted().len(), 2);
    client.publish("b", "x").await.expect("queued");
    let next = poll_fn(|context| Pin::new(&mut stream).poll_next(context));
    assert_eq!(
        soon("a message", next).await.map(|message| message.text().into_owned()).as_deref(),
        Some("x")
    );
    assert_eq!(stream.client().client_id(), client.client_id());
    client.disconnect().await;
    assert!(soon("the end", stream.recv()).await.is_none());
}
