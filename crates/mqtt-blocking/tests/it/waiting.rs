//! Waiting with and without a limit, and what giving up takes back.

use std::thread;
use std::time::Duration;

use mqtt_blocking::{Client, Offline, Options, PublishFailure, QoS, RecvError, TimedOut, Wait};
use mqtt_testkit::{BrokerConfig, Server};

use crate::soon;

const MOMENT: Duration = Duration::from_millis(20);

fn server() -> Server {
    Server::bind("127.0.0.1:0", BrokerConfig::default()).expect("a free port")
}

#[test]
fn a_wait_that_is_given_up_does_not_stop_the_attempt() {
    let server = server();
    let client = Client::new(server.url().as_str()).expect("a thread");
    let error = client.connect().wait_timeout(Duration::ZERO).expect_err("nobody connects so fast");
    assert_eq!(error.to_string(), "it was not ready in time, and is not waited for any more");
    soon("connecting", client.connect()).expect("accepted");
}

#[test]
fn a_publish_whose_wait_is_given_up_is_taken_back_only_before_its_admission() {
    let options = Options::builder().url(&server().url()).max_queued(1, usize::MAX).build();
    let client = Client::new(options.expect("valid options")).expect("a thread");
    let first = client.publish("a", "1").qos(QoS::AtLeastOnce);
    assert!(matches!(first.wait_timeout(MOMENT), Err(TimedOut)));
    assert_eq!(client.stats().pending_publishes, 1, "it was admitted");
    assert!(matches!(client.publish("a", "2").enqueue().wait_timeout(MOMENT), Err(TimedOut)));
    let full = client.publish("a", "3").try_enqueue().expect_err("no room");
    assert!(matches!(full.failure(), PublishFailure::NotSent(_)), "{full:?}");
    assert_eq!(client.stats().pending_publishes, 1);
}

#[test]
fn a_wait_of_any_length_is_possible() {
    let server = server();
    let client = mqtt_blocking::connect(server.url().as_str()).expect("a connection");
    let mut stream = client.subscribe("a").wait().expect("granted");
    client
        .publish("a", "1")
        .qos(QoS::ExactlyOnce)
        .wait_timeout(Duration::MAX)
        .expect("in time")
        .expect("delivered");
    assert_eq!(stream.recv_timeout(Duration::MAX).expect("a message").text(), "1");
}

#[test]
fn a_subscription_iterates_times_out_and_ends_with_its_client() {
    let server = server();
    let client = mqtt_blocking::connect(server.url().as_str()).expect("a connection");
    let mut stream = client.subscribe(["a", "b"]).wait().expect("granted");
    assert_eq!(stream.granted().len(), 2);
    assert!(matches!(stream.try_recv(), Err(RecvError::Timeout)));
    assert!(matches!(stream.recv_timeout(MOMENT), Err(RecvError::Timeout)));

    let publisher = stream.client();
    let thread = thread::spawn(move || {
        for n in 0..100 {
            publisher.publish("b", n.to_string()).qos(QoS::AtLeastOnce).wait().expect("delivered");
        }
        publisher.disconnect().wait();
    });
    let texts: Vec<_> = stream.by_ref().map(|message| message.text().into_owned()).collect();
    assert_eq!(texts, (0..100).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(matches!(stream.try_recv(), Err(RecvError::Offline(Offline::Disconnected))));
    thread.join().expect("no panic");
}

/// Several threads use one client at a time, and each hears of its own.
#[test]
fn threads_share_a_client() {
    let server = server();
    let client = mqtt_blocking::connect(server.url().as_str()).expect("a connection");
    thread::scope(|scope| {
        for n in 0..8 {
            let client = client.clone();
            scope.spawn(move || {
                let topic = format!("thread/{n}");
                let mut stream = soon("subscribing", client.subscribe(&topic)).expect("granted");
                for m in 0..50 {
                    soon("publishing", client.publish(&topic, m.to_string()).qos(QoS::ExactlyOnce))
                        .expect("delivered");
                    assert_eq!(stream.recv().expect("not the end").text(), m.to_string());
                }
            });
        }
    });
}
