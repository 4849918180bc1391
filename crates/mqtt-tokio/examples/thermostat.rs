//! Listens to the temperatures of all rooms, and switches their heating: `cargo run -p mqtt-tokio --example thermostat [URL]`.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;

use mqtt_tokio::{Client, QoS};

/// Degrees below which a room is heated.
const COLD: f64 = 20.0;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or("mqtt://localhost".into());
    run(mqtt_tokio::connect(&url).await?, usize::MAX).await
}

/// Until so many temperatures have come.
pub(crate) async fn run(client: Client, readings: usize) -> Result<(), Box<dyn Error>> {
    let mut temperatures = client.subscribe("house/+/temperature").qos(QoS::AtLeastOnce).await?;
    for _ in 0..readings {
        let Some(message) = temperatures.recv().await else { break };
        let (Some(room), Ok(degrees)) = (message.topic().split('/').nth(1), message.text().parse::<f64>())
        else {
            println!("not a temperature: {} {}", message.topic(), message.text());
            continue;
        };
        let heating = if degrees < COLD { "on" } else { "off" };
        println!("{room}: {degrees} degrees, heating {heating}");
        // Retained, so that a heating that starts later knows; and admitted, not awaited, so that the next room is not held up.
        let switch = client.publish(format!("house/{room}/heating"), heating);
        drop(switch.qos(QoS::AtLeastOnce).retain(true).enqueue().await?);
    }
    client.disconnect().await;
    Ok(())
}
