//! Publishes many small readings in batches: `cargo run -p mqtt-tokio --example batches [URL]`.

use std::error::Error;
use std::time::Duration;

use mqtt_tokio::{Client, Collect, QoS, TopicDefaults};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or("mqtt://localhost".into());
    run(mqtt_tokio::connect(&url).await?).await
}

/// 25 readings in three batches.
pub(crate) async fn run(client: Client) -> Result<(), Box<dyn Error>> {
    let message = TopicDefaults { qos: Some(QoS::AtLeastOnce), ..TopicDefaults::default() };
    let mut readings = client.batch_publisher(Collect {
        size: 10,
        interval: Duration::from_secs(30),
        message,
        ..Collect::default()
    });
    for reading in 0..25 {
        readings.publish("sensor/readings", reading.to_string()).await?;
    }
    // What is left goes out first; what could not is handed back.
    let report = client.disconnect().await;
    if report.not_sent.is_empty() { Ok(()) } else { Err("the broker is away".into()) }
}
