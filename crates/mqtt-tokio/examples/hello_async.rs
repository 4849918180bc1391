//! Says hello to itself through a broker: `cargo run -p mqtt-tokio --example hello_async [URL]`.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use mqtt_tokio::QoS;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or("mqtt://localhost".into());
    let client = mqtt_tokio::connect(&url).await?;
    let mut hellos = client.subscribe("hello/+").await?;

    client.publish("hello/world", "hi there").qos(QoS::ExactlyOnce).await?;

    if let Some(message) = hellos.recv().await {
        println!("{}: {}", message.topic(), message.text());
    }
    client.disconnect().await;
    Ok(())
}
