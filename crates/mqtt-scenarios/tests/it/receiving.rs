//! One message at a time, with a time limit; and streams that are read too late.

use std::time::Duration;

use mqtt_client_core::codec::QoS;
use mqtt_client_core::{Offline, Qos0Overflow, RecvError};
use mqtt_scenarios::{Adapter, Case, Client, Subscription, until};
use mqtt_testkit::{BrokerConfig, Proxy, Server};

scenarios!(the_next_message_comes_or_the_error_says_why_not, each_stream_loses_qos_0_messages_in_its_own_way,);

const MOMENT: Duration = Duration::from_millis(5);

fn the_next_message_comes_or_the_error_says_why_not<A: Adapter>(case: &Case<A>) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let proxy = Proxy::start(server.addr(), Default::default()).unwrap();
    let client = case.connect(&proxy.url());
    let mut stream = client.subscribe("a").unwrap();
    let mut other = client.subscribe("b").unwrap();
    assert!(matches!(stream.recv_timeout(MOMENT), Err(RecvError::Timeout)));
    client.send("a", "x", QoS::AtLeastOnce).unwrap();
    assert_eq!(stream.recv_timeout(mqtt_scenarios::PATIENCE).unwrap().text(), "x");

    client.unsubscribe("b").unwrap();
    assert!(matches!(other.recv_timeout(MOMENT), Err(RecvError::Ended)));

    drop(server);
    proxy.cut();
    until("the connection is lost", || !client.is_connected());
    assert!(matches!(stream.recv_timeout(MOMENT), Err(RecvError::Offline(Offline::NotConnected))));

    client.disconnect();
    assert!(matches!(stream.recv_timeout(MOMENT), Err(RecvError::Offline(Offline::Disconnected))));
}

fn each_stream_loses_qos_0_messages_in_its_own_way<A: Adapter>(case: &Case<A>) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let client = case.connect_with(case.options(&server.url()).stream_capacity(10));
    let subscribe = |overflow| client.subscribe_with("a", |builder| builder.qos0_overflow(overflow)).unwrap();
    let mut oldest = subscribe(Qos0Overflow::DropOldest);
    let mut newest = subscribe(Qos0Overflow::DropNewest);
    let mut after = client.subscribe("b").unwrap();
    for n in 0..30 {
        client.send("a", n.to_string(), QoS::AtMostOnce).unwrap();
    }
    client.send("b", "x", QoS::AtLeastOnce).unwrap();
    assert_eq!(after.message().text(), "x");
    assert_eq!((oldest.dropped(), newest.dropped()), (20, 20));
    assert_eq!(oldest.texts(10), (20..30).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(newest.texts(10), (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(client.stats().dropped_messages, 40);
}
