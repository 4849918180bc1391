//! Publishes what it measures, and whether it lives, whatever the network does: `cargo run -p mqtt-tokio --example sensor [URL]`.

use std::error::Error;
use std::time::Duration;

use mqtt_tokio::{Client, Event, InvalidOptions, Options, Overflow, QoS, Reconnect};

const STATE: &str = "sensors/cellar/state";
const TEMPERATURE: &str = "sensors/cellar/temperature";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or("mqtt://localhost".into());
    run(Client::new(options(&url)?)?, Duration::from_secs(60), usize::MAX).await
}

pub(crate) fn options(url: &str) -> Result<Options, InvalidOptions> {
    Options::builder()
        .url(url)
        // The broker says so if this program, or its network, dies.
        .will(STATE, "offline", QoS::AtLeastOnce, true)
        // It may start before the network does, after a power cut.
        .reconnect(Reconnect { retry_initial: true, ..Reconnect::default() })
        // While the broker is away a day's readings are kept; then the oldest go.
        .max_queued(24 * 60, 1 << 20)
        .overflow(Overflow::DropOldest)
        .build()
}

/// So many readings, one for each interval.
pub(crate) async fn run(client: Client, interval: Duration, readings: usize) -> Result<(), Box<dyn Error>> {
    let mut events = client.events();
    let sensor = client.clone();
    let state = tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            // After each connection, not only the first: the will was published when the last one broke.
            if let Event::Connected { .. } = event {
                let _ = sensor.publish(STATE, "online").qos(QoS::AtLeastOnce).retain(true).await;
            }
        }
    });
    // Not awaited: it measures without a broker, too.
    drop(client.connect());
    let mut clock = tokio::time::interval(interval);
    for number in 0..readings {
        clock.tick().await;
        // Admitted, not awaited: an acknowledgement that takes long must not hold up the next reading.
        let reading = client.publish(TEMPERATURE, format!("{:.1}", measure(number)));
        drop(reading.qos(QoS::AtLeastOnce).enqueue().await?);
    }
    // Who says goodbye has no will, so this has to be said too. Then everything goes out, and the task above ends.
    drop(client.publish(STATE, "offline").qos(QoS::AtLeastOnce).retain(true).enqueue().await?);
    let report = client.stop().await;
    state.await?;
    if report.not_sent.is_empty() { Ok(()) } else { Err(format!("{} lost", report.not_sent.len()).into()) }
}

/// In degrees: stands for the hardware.
fn measure(number: usize) -> f64 {
    20.0 + (number % 10) as f64 / 10.0
}
