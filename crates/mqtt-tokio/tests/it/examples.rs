//! The examples that people copy, each run against a broker.

use mqtt_testkit::{BrokerConfig, Server};

use crate::soon;

#[path = "../../examples/batches.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod batches;
#[path = "../../examples/bridge.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod bridge;
#[path = "../../examples/service.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod service;
#[path = "../../examples/thermostat.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod thermostat;

fn server() -> Server {
    Server::bind("127.0.0.1:0", BrokerConfig::default()).expect("a port")
}

async fn client(server: &Server) -> mqtt_tokio::Client {
    mqtt_tokio::connect(&server.url()).await.expect("the broker accepts")
}

#[tokio::test]
async fn the_thermostat_heats_cold_rooms() {
    let server = server();
    let house = client(&server).await;
    let mut heating = house.subscribe("house/+/heating").await.expect("granted");
    for (room, degrees) in [("kitchen", "19.5"), ("hall", "21"), ("attic", "warm")] {
        let temperature = house.publish(format!("house/{room}/temperature"), degrees).retain(true);
        temperature.qos(mqtt_tokio::QoS::AtLeastOnce).await.expect("delivered");
    }
    soon("the thermostat", thermostat::run(client(&server).await, 3)).await.expect("it ends well");
    let mut switched = Vec::new();
    for _ in 0..2 {
        let message = soon("a switch", heating.recv()).await.expect("a message");
        switched.push(format!("{} {}", message.topic(), message.text()));
    }
    switched.sort();
    assert_eq!(switched, ["house/hall/heating off", "house/kitchen/heating on"]);
}

#[tokio::test]
async fn the_bridge_carries_messages_over() {
    let (west, east) = (server(), server());
    let source = client(&west).await;
    let mut target = client(&east).await.subscribe("#").await.expect("granted");
    source.publish("bridged/a", "x").retain(true).qos(mqtt_tokio::QoS::ExactlyOnce).await.expect("delivered");
    let bridge = bridge::run(client(&west).await, client(&east).await, 1);
    soon("the bridge", bridge).await.expect("it ends well");
    let message = soon("the message", target.recv()).await.expect("a message");
    assert_eq!((message.topic(), &*message.text()), ("bridged/a", "x"));
}

#[tokio::test]
async fn the_service_answers() {
    let server = server();
    let sum = soon("the service", service::run(client(&server).await)).await.expect("it ends well");
    assert_eq!(sum, "6");
}

#[tokio::test]
async fn readings_leave_in_batches() {
    let server = server();
    let mut stream = client(&server).await.subscribe("sensor/readings").await.expect("granted");
    soon("the sensor", batches::run(client(&server).await)).await.expect("it ends well");
    for first in ["0", "10", "20"] {
        let batch = soon("a batch", stream.recv()).await.expect("a message");
        assert!(batch.text().starts_with(&format!("[\"{first}\",")), "{}", batch.text());
    }
}
