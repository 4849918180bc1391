//! Prints every packet that comes and goes: `cargo run -p mqtt-tokio --example packets [URL]`.
#![allow(clippy::print_stderr, reason = "a program that prints")]

use std::error::Error;

use mqtt_tokio::{Client, Options, PacketKind, PacketLine, QoS};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or("mqtt://localhost".into());
    run(&url, |line| {
        // What says only that all is well is left out. A line shows itself; its parts are there, too.
        if !matches!(line.packet.kind, PacketKind::Pingreq | PacketKind::Pingresp) {
            eprintln!("{line}");
        }
    })
    .await
}

/// A message there and back, with every packet shown to `watch`.
pub(crate) async fn run(
    url: &str,
    watch: impl Fn(PacketLine<'_>) + Send + Sync + 'static,
) -> Result<(), Box<dyn Error>> {
    let options = Options::builder()
        .url(url)
        .client_id("watched")
        // It runs on the client's own task: what takes long, or blocks, belongs elsewhere.
        .on_packet(watch)
        // The first bytes of each payload, escaped; without this, payloads stay unseen. Passwords always do.
        .packet_payload(16)
        .build()?;
    let client: Client = mqtt_tokio::connect(options).await?;
    let mut stream = client.subscribe("watched/#").await?;
    client.publish("watched/a", "a payload of some length").qos(QoS::ExactlyOnce).await?;
    stream.recv().await;
    client.disconnect().await;
    Ok(())
}
