//! Says hello to itself through a broker: `cargo run -p mqtt-blocking --example hello_blocking [URL]`.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use mqtt_blocking::{QoS, Wait};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = std::env::args().nth(1).unwrap_or("mqtt://localhost".into());
    let client = mqtt_blocking::connect(&url)?;
    let mut hellos = client.subscribe("hello/+").wait()?;

    client.publish("hello/world", "hi there").qos(QoS::ExactlyOnce).wait()?;

    if let Some(message) = hellos.next() {
        println!("{}: {}", message.topic(), message.text());
    }
    client.disconnect().wait();
    Ok(())
}
