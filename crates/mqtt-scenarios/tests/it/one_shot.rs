//! One message, without a client that stays.

use std::thread;
use std::time::Duration;

use mqtt_client_core::codec::{PacketKind, QoS};
use mqtt_client_core::{ClientError, Delivered, Offline, OneShotError, RecvError};
use mqtt_scenarios::{Adapter, Bed, Case, Client, PATIENCE};
use mqtt_testkit::{BrokerConfig, Server};

scenarios!(publish_once_delivers_and_leaves, receive_once_takes_one_message, one_shots_say_what_failed);

fn publish_once_delivers_and_leaves<A: Adapter>(case: &Case<A>) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    for (qos, packets) in [(QoS::AtMostOnce, 1), (QoS::ExactlyOnce, 2)] {
        let options = case.options(&server.url()).default_qos(qos).build().unwrap();
        let delivered = case.adapter.publish_once(options, "a", "x").unwrap();
        assert_eq!(matches!(delivered, Delivered::Written), qos == QoS::AtMostOnce, "{delivered:?}");
        let goodbyes = |broker: &mut mqtt_testkit::Broker| {
            broker.log().filter(|entry| entry.packet.kind == PacketKind::Disconnect).count()
        };
        assert_eq!(server.with_broker(goodbyes), packets);
    }
}

fn receive_once_takes_one_message<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let topic = case.unique("once");
        let client = case.connect(bed.url());
        client.wait(client.publish(&topic, "kept").retain(true).qos(QoS::AtLeastOnce)).unwrap();
        let options = || case.options(bed.url()).build().unwrap();
        let message = case.adapter.receive_once(options(), &topic, PATIENCE).unwrap();
        assert_eq!((message.topic(), &*message.text()), (topic.as_str(), "kept"));
        client.wait(client.publish(&topic, "").retain(true).qos(QoS::AtLeastOnce)).unwrap();
        let error = case.adapter.receive_once(options(), &topic, Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, OneShotError::Receive(RecvError::Timeout)), "{error}");
    }
}

fn one_shots_say_what_failed<A: Adapter>(case: &Case<A>) {
    let options = || case.options("mqtt://127.0.0.1:1").build().unwrap();
    let publish =
        thread::scope(|scope| scope.spawn(|| case.adapter.publish_once(options(), "a", "x")).join().unwrap());
    let receive = case.adapter.receive_once(options(), "a", PATIENCE);
    for error in [publish.unwrap_err(), receive.unwrap_err()] {
        assert!(matches!(error, OneShotError::Client(ClientError::Offline(Offline::GaveUp(_)))), "{error}");
    }
}
