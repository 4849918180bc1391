//! The examples that people copy, each run against a broker.

use std::thread;
use std::time::Duration;

use mqtt_blocking::{Client, QoS};
use mqtt_testkit::{BrokerConfig, Server};

use crate::{PATIENCE, soon};

#[path = "../../examples/callbacks.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod callbacks;
#[path = "../../examples/small_device.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod small_device;

fn server() -> Server {
    Server::bind("127.0.0.1:0", BrokerConfig::default()).expect("a port")
}

fn client(server: &Server) -> Client {
    mqtt_blocking::connect(&server.url()).expect("the broker accepts")
}

#[test]
fn callbacks_are_called_for_what_they_are_for() {
    let mut calls = callbacks::run(&server().url()).expect("it ends well");
    assert_eq!(calls.first().map(String::as_str), Some("connected: session present: false"));
    assert!(calls.pop().is_some_and(|last| last.starts_with("disconnected: ")), "{calls:?}");
    let place = |what: &str| calls.iter().position(|call| call == what);
    assert!(place("message: house/door") < place("alarm: house/alarm"), "{calls:?}");
    calls.sort();
    assert_eq!(
        calls,
        [
            "alarm: house/alarm",
            "any message: open",
            "any message: open",
            "connected: session present: false",
            "delivered: house/alarm",
            "delivered: house/door",
            "message: house/door",
        ]
    );
}

#[test]
fn the_small_device_measures_and_obeys() {
    let server = server();
    let boss = client(&server);
    let mut readings = soon("subscribing", boss.subscribe("devices/7/reading")).expect("granted");
    let options = small_device::options(&server.url()).expect("valid");
    let device = thread::spawn(move || {
        small_device::run(options, Duration::from_secs(3600)).map_err(|error| error.to_string())
    });
    readings.recv_timeout(PATIENCE).expect("the first at once");
    for command in ["dance", "measure", "stop"] {
        soon("a command", boss.publish("devices/7/command", command).qos(QoS::ExactlyOnce))
            .expect("delivered");
    }
    readings.recv_timeout(PATIENCE).expect("measured when told to");
    device.join().expect("no panic").expect("it ends well");
}
