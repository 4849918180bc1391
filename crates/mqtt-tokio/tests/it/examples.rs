//! The examples that people copy, each run against a broker.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mqtt_testkit::{BrokerConfig, Proxy, ProxyConfig, Server};
use mqtt_tokio::QoS;

use crate::soon;

#[path = "../../examples/batches.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod batches;
#[path = "../../examples/bridge.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod bridge;
#[path = "../../examples/dashboard.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod dashboard;
#[path = "../../examples/graceful_shutdown.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod graceful_shutdown;
#[path = "../../examples/own_transport.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod own_transport;
#[path = "../../examples/packets.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod packets;
#[path = "../../examples/sensor.rs"]
#[allow(dead_code, reason = "its main is for the command line")]
mod sensor;
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

async fn subscribed(server: &Server, client_id: &str, filter: &str) {
    soon("the subscription", async {
        while !server.with_broker(|broker| broker.is_subscribed(client_id, filter)) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn the_thermostat_heats_cold_rooms() {
    let server = server();
    let house = client(&server).await;
    let mut heating = house.subscribe("house/+/heating").await.expect("granted");
    for (room, degrees) in [("kitchen", "19.5"), ("hall", "21"), ("attic", "warm")] {
        let temperature = house.publish(format!("house/{room}/temperature"), degrees).retain(true);
        temperature.qos(QoS::AtLeastOnce).await.expect("delivered");
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
    source.publish("bridged/a", "x").retain(true).qos(QoS::ExactlyOnce).await.expect("delivered");
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

#[tokio::test]
async fn the_sensor_says_whether_it_lives_and_loses_no_reading() {
    let server = server();
    let way = Proxy::start(server.addr(), ProxyConfig::default()).expect("a port");
    // It starts before there is a way to the broker.
    way.refuse(true);
    let options = sensor::options(&way.url()).expect("valid");
    let client = mqtt_tokio::Client::new(options).expect("a runtime");
    let running = tokio::spawn(async move {
        let ended = sensor::run(client, Duration::from_millis(40), 25).await;
        ended.map_err(|error| error.to_string())
    });
    let watcher = self::client(&server).await;
    let mut stream = watcher.subscribe("sensors/#").await.expect("granted");
    way.refuse(false);
    let (mut states, mut readings) = (Vec::new(), 0);
    while readings < 25 || states.last().map(String::as_str) != Some("offline") {
        let message = soon("the sensor", stream.recv()).await.expect("a message");
        match message.topic() {
            "sensors/cellar/state" => states.push(message.text().into_owned()),
            _ => readings += 1,
        }
    }
    assert_eq!(readings, 25);
    // Where all was measured before there was a connection, it never was online.
    assert!(states == ["online", "offline"] || states == ["offline"], "{states:?}");
    soon("the sensor's end", running).await.expect("no panic").expect("it ends well");
}

#[tokio::test]
async fn the_dashboard_shows_the_latest_value_of_each_topic() {
    let server = server();
    let sensor = client(&server).await;
    let publish = async |topic: &'static str, value: &'static str| {
        sensor.publish(topic, value).retain(true).qos(QoS::AtLeastOnce).await.expect("delivered");
    };
    publish("sensors/attic/temperature", "30").await;
    publish("sensors/cellar/state", "online").await;
    let watcher = client(&server).await;
    let id = watcher.client_id();
    let board =
        tokio::spawn(async move { dashboard::run(watcher, 5).await.map_err(|error| error.to_string()) });
    // The retained two come first, whatever their order.
    for filter in ["sensors/+/temperature", "sensors/+/state"] {
        subscribed(&server, &id, filter).await;
    }
    publish("sensors/attic/temperature", "31").await;
    publish("sensors/cellar/temperature", "12").await;
    publish("sensors/cellar/state", "").await;
    let board = soon("the board", board).await.expect("no panic").expect("it ends well");
    let board: Vec<String> = board.iter().map(|(topic, value)| format!("{topic} {value}")).collect();
    assert_eq!(board, ["sensors/attic/temperature 31", "sensors/cellar/temperature 12"]);
}

#[tokio::test]
async fn a_worker_ends_in_good_order_when_it_is_told_to() {
    let server = server();
    let boss = client(&server).await;
    let mut results = boss.subscribe("results/#").await.expect("granted");
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let worker = client(&server).await;
    let id = worker.client_id();
    let running = tokio::spawn(async move {
        let report = graceful_shutdown::run(worker, async { drop(ended.await) }).await;
        report.map_err(|error| error.to_string())
    });
    subscribed(&server, &id, "jobs/#").await;
    boss.publish("jobs/1", "sweep").qos(QoS::ExactlyOnce).await.expect("delivered");
    assert_eq!(soon("the result", results.recv()).await.expect("a message").text(), "SWEEP");
    end.send(()).expect("it listens");
    let report = soon("the end", running).await.expect("no panic").expect("it ends well");
    assert_eq!(report.not_sent, []);
    assert_eq!(server.with_broker(|broker| broker.violations().to_vec()), []);
}

#[tokio::test]
async fn a_stream_of_ones_own_carries_the_connection() {
    let server = server();
    let bytes = soon("the greeting", own_transport::run(server.addr().to_string())).await;
    let received = server.with_broker(|broker| broker.stats().received);
    assert_eq!(received, 1);
    assert!(bytes.expect("it ends well") > 60, "CONNECT, the message, and their answers");
}

#[tokio::test]
async fn every_packet_is_shown() {
    let server = server();
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&lines);
    let watch = move |line: mqtt_tokio::PacketLine<'_>| seen.lock().expect("no panic").push(line.to_string());
    soon("the round trip", packets::run(&server.url(), watch)).await.expect("it ends well");
    let lines = lines.lock().expect("no panic").join("\n");
    for part in
        ["watched -out->", "<-in--", "CONNACK", "PUBREC", "SUBACK", r#""a payload of som"... of 24 bytes"#]
    {
        assert!(lines.contains(part), "{part}: {lines}");
    }
}
