//! Whole clients on a store: what they find again.

use std::time::{Duration, Instant};

use mqtt_blocking::{
    Client, ClientError, Delivered, Options, QoS, SESSION_NEVER_EXPIRES, Subscription, Wait,
};
use mqtt_client_core::{Durability, StoreError};
use mqtt_testkit::{BrokerConfig, Server};

use crate::support::Folder;

fn options(url: &str, client_id: &str, folder: &Folder) -> Options {
    Options::builder()
        .url(url)
        .client_id(client_id)
        .clean_start(false)
        .session_expiry(SESSION_NEVER_EXPIRES)
        .max_queued(100_000, 1 << 30)
        .store(folder.store())
        .durability(Durability::System)
        .build()
        .unwrap()
}

#[test]
fn thirty_thousand_pending_messages_are_there_again() {
    const COUNT: usize = 30_000;
    let folder = Folder::new();
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let client = Client::new(options(&server.url(), "sender", &folder)).unwrap();
    for number in 0..COUNT {
        let qos = if number % 2 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
        drop(client.publish("t", format!("{number:0100}")).qos(qos).try_enqueue().unwrap());
    }
    client.stored().wait().unwrap();
    drop(client);

    let begin = Instant::now();
    let client = Client::new(options(&server.url(), "sender", &folder)).unwrap();
    println!("{COUNT} messages loaded in {:?}", begin.elapsed());
    assert_eq!(client.stats().pending_publishes, COUNT);

    let reader = mqtt_blocking::connect(&server.url()).unwrap();
    let mut messages: Subscription = reader.subscribe("t").wait().unwrap();
    client.connect().wait().unwrap();
    let mut next = [0, 1];
    for _ in 0..COUNT {
        let message = messages.recv().unwrap();
        let number: usize = message.text().parse().unwrap();
        let expected = &mut next[number % 2];
        assert_eq!(number, *expected, "those of one QoS come in order, each once");
        *expected += 2;
    }
    client.flush().wait();
    client.disconnect().wait();
    drop(client);
    assert!(std::fs::metadata(folder.path()).unwrap().len() < 8 << 20);
}

#[test]
fn a_client_goes_on_where_the_one_before_was_dropped() {
    let folder = Folder::new();
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let reader = mqtt_blocking::connect(&server.url()).unwrap();
    let mut messages: Subscription = reader.subscribe("t").wait().unwrap();
    for life in 0..5 {
        let client = mqtt_blocking::connect(options(&server.url(), "sender", &folder)).unwrap();
        let sent = client.publish("t", life.to_string()).qos(QoS::ExactlyOnce).wait().unwrap();
        assert!(matches!(sent, Delivered::Acknowledged(_)));
        assert_eq!(messages.recv().unwrap().text(), life.to_string());
    }
    assert!(messages.recv_timeout(Duration::from_millis(50)).is_err());
}

#[test]
fn a_store_that_cannot_be_had_makes_no_client() {
    let folder = Folder::new();
    let url = "mqtt://127.0.0.1:1";
    let _first = Client::new(options(url, "sender", &folder)).unwrap();
    let error = Client::new(options(url, "sender", &folder)).unwrap_err();
    assert!(matches!(error, ClientError::Store(StoreError::Locked)), "{error}");
}
