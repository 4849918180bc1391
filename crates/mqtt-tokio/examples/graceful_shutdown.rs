//! Ends in good order at Ctrl-C, and says what could not be sent:
//! `cargo run -p mqtt-tokio --example graceful_shutdown [URL]`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

use std::error::Error;
use std::time::Duration;

use mqtt_tokio::{Acknowledge, Client, DisconnectReport, Message, QoS};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or("mqtt://localhost".into());
    let client = mqtt_tokio::connect(&url).await?;
    let report = run(client, async { drop(tokio::signal::ctrl_c().await) }).await?;
    for message in &report.not_sent {
        eprintln!("not sent: {}", message.topic);
    }
    println!("goodbye");
    Ok(())
}

/// Works until `end` is ready.
pub(crate) async fn run(
    client: Client,
    end: impl Future<Output = ()>,
) -> Result<DisconnectReport, Box<dyn Error>> {
    // By hand: a job whose result is not on its way yet is not acknowledged, and comes again.
    let mut jobs = client.subscribe("jobs/#").acknowledge(Acknowledge::ByHand).await?;
    let mut end = std::pin::pin!(end);
    loop {
        // Only the waiting is broken off, never the work on a job.
        tokio::select! {
            () = &mut end => break,
            job = jobs.recv() => match job {
                Some(job) => work(&client, job).await?,
                None => break,
            },
        }
    }
    // No new jobs; then what is on its way has ten seconds to arrive. After that it is handed back, and nothing is left
    // behind: no task, no connection.
    drop(jobs);
    Ok(client.stop_within(Duration::from_secs(10)).await)
}

async fn work(client: &Client, job: Message) -> Result<(), Box<dyn Error>> {
    let result = job.text().to_uppercase();
    client.publish(format!("results/{}", job.topic()), result).qos(QoS::AtLeastOnce).await?;
    job.acknowledge();
    Ok(())
}
