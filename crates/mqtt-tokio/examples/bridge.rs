//! Carries messages from one broker to another, and loses none: `cargo run -p mqtt-tokio --example bridge FROM TO`.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;

use mqtt_tokio::{Acknowledge, Client};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(from), Some(to)) = (args.next(), args.next()) else { return Err("two URLs, please".into()) };
    run(mqtt_tokio::connect(&from).await?, mqtt_tokio::connect(&to).await?, usize::MAX).await
}

/// Until so many messages are over.
pub(crate) async fn run(from: Client, to: Client, messages: usize) -> Result<(), Box<dyn Error>> {
    // What is not acknowledged yet when this program ends, the broker keeps, if the session is kept.
    let mut stream = from.subscribe("bridged/#").acknowledge(Acknowledge::ByHand).await?;
    for _ in 0..messages {
        let Some(message) = stream.recv().await else { break };
        let copy = to.publish(message.topic(), message.to_payload()).qos(message.qos());
        copy.retain(message.retain()).await?;
        message.acknowledge();
        println!("{}", message.topic());
    }
    from.disconnect().await;
    to.disconnect().await;
    Ok(())
}
