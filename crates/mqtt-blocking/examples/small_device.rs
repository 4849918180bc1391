//! One loop on a small device, with bounded memory: measures, and obeys:
//! `cargo run -p mqtt-blocking --example small_device [URL]`.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;
use std::time::{Duration, Instant};

use mqtt_blocking::{Client, InvalidOptions, Options, Overflow, QoS, Reconnect, RecvError, Wait};

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or("mqtt://localhost".into());
    run(options(&url)?, Duration::from_secs(10))
}

/// What a device with a megabyte to spare can say.
pub(crate) fn options(url: &str) -> Result<Options, InvalidOptions> {
    Options::builder()
        .url(url)
        .client_id("device-7")
        // Commands that come while it is away wait at the broker for an hour.
        .clean_start(false)
        .session_expiry(Duration::from_secs(3600))
        // Everything that waits is bounded: what it sends, of which the latest reading counts, and what it is sent.
        .max_queued(16, 16 << 10)
        .overflow(Overflow::KeepLatest)
        .receive_maximum(4)
        .stream_capacity(4)
        .max_packet_size(4 << 10)
        .max_unread_bytes(32 << 10)
        // A rare ping, for the battery.
        .keep_alive(Duration::from_secs(900))
        .reconnect(Reconnect {
            retry_initial: true,
            max_wait: Duration::from_secs(300),
            ..Reconnect::default()
        })
        .build()
}

/// Until it is told to stop.
pub(crate) fn run(options: Options, interval: Duration) -> Result<(), Box<dyn Error>> {
    let client = mqtt_blocking::connect(options)?;
    let mut commands = client.subscribe("devices/7/command").qos(QoS::ExactlyOnce).wait()?;
    let mut next = Instant::now();
    loop {
        // Waiting for a command is what it does between two readings: no second thread, no polling.
        match commands.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(command) => match &*command.text() {
                "stop" => break,
                "measure" => measure(&client),
                other => println!("unknown: {other:?}"),
            },
            // Time for a reading, with or without a connection.
            Err(RecvError::Timeout | RecvError::Offline(mqtt_blocking::Offline::NotConnected)) => {
                measure(&client);
                next = Instant::now() + interval;
            }
            Err(over) => return Err(over.into()),
        }
    }
    client.disconnect_within(Duration::from_secs(2)).wait();
    Ok(())
}

/// Of the readings that could not be sent the latest is kept.
fn measure(client: &Client) {
    drop(client.publish("devices/7/reading", "21.5").qos(QoS::AtLeastOnce).try_enqueue());
}
