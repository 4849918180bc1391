//! The will: published when the client is gone without a goodbye, and only then.

use std::time::Duration;

use mqtt_client_core::Reconnect;
use mqtt_client_core::codec::{Disconnect, QoS, ReasonCode};
use mqtt_scenarios::{Adapter, Bed, Case, Client, Mosquitto, Subscription};
use mqtt_testkit::{BrokerConfig, Proxy, ProxyConfig, Server};

scenarios!(
    a_will_is_published_when_the_link_breaks,
    a_will_is_not_published_after_a_goodbye,
    a_will_is_published_by_mosquitto,
);

scenarios!(only 5.0: a_goodbye_may_ask_for_the_will);

fn a_will_is_published_when_the_link_breaks<A: Adapter>(case: &Case<A>) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    killed_link(case, &server.url(), &Proxy::start(server.addr(), ProxyConfig::default()).unwrap());
}

fn a_will_is_published_by_mosquitto<A: Adapter>(case: &Case<A>) {
    let mosquitto = Mosquitto::start();
    killed_link(case, &mosquitto.url(), &Proxy::start(mosquitto.addr(), ProxyConfig::default()).unwrap());
}

fn killed_link<A: Adapter>(case: &Case<A>, broker: &str, proxy: &Proxy) {
    let mut wills = case.connect(broker).subscribe("will/+").unwrap();
    let options = case.options(&proxy.url()).reconnect(Reconnect::never());
    let _client = case.connect_with(options.will("will/1", "gone", QoS::AtLeastOnce, true));
    proxy.cut();
    let will = wills.message();
    assert_eq!((will.topic(), &*will.text(), will.qos()), ("will/1", "gone", QoS::AtLeastOnce));
    let mut late = case.connect(broker).subscribe("will/+").unwrap();
    assert!(late.message().retain());
}

fn a_will_is_not_published_after_a_goodbye<A: Adapter>(case: &Case<A>) {
    let server = Server::bind("127.0.0.1:0", BrokerConfig::default()).unwrap();
    let other = case.connect(&server.url());
    let mut wills = other.subscribe("will/+").unwrap();
    let options = || case.options(&server.url()).will("will/1", "gone", QoS::AtLeastOnce, false);
    case.connect_with(options()).disconnect();
    drop(case.connect_with(options()));
    mqtt_scenarios::until("both are gone", || server.with_broker(|broker| broker.connection_count()) == 1);
    other.send("will/2", "end", QoS::AtLeastOnce).unwrap();
    assert_eq!(wills.message().text(), "end");
    wills.stays_silent(Duration::from_millis(1));
}

// [5.0 MQTT-3.14.4-3]
fn a_goodbye_may_ask_for_the_will<A: Adapter>(case: &Case<A>) {
    for bed in Bed::each() {
        let topic = case.unique("will");
        let mut wills = case.connect(bed.url()).subscribe(&topic).unwrap();
        let options = case.options(bed.url()).will(&topic, "gone", QoS::AtLeastOnce, false);
        let goodbye = Disconnect::new(ReasonCode::DisconnectWithWill);
        case.connect_with(options).disconnect_with(goodbye).unwrap();
        assert_eq!(wills.message().text(), "gone");
    }
}
