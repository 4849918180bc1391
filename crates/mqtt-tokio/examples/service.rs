//! Answers requests, and asks one itself: `cargo run -p mqtt-tokio --example service [URL]`.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;
use std::time::Duration;

use mqtt_tokio::{Client, Message};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or("mqtt://localhost".into());
    let client = mqtt_tokio::connect(&url).await?;
    let sum = run(client).await?;
    println!("1 + 2 + 3 = {sum}");
    Ok(())
}

/// The answer to a request of its own.
pub(crate) async fn run(client: Client) -> Result<String, Box<dyn Error>> {
    let mut requests = client.subscribe("calculator/add").await?;
    let service = {
        let client = client.clone();
        tokio::spawn(async move {
            while let Some(request) = requests.recv().await {
                // One that names no topic for the response is none.
                if let Ok(response) = client.respond(&request, answer(&request)) {
                    let _ = response.await;
                }
            }
        })
    };
    let response = client.request("calculator/add", "1 2 3").timeout(Duration::from_secs(5)).await?;
    client.disconnect().await;
    service.await?;
    Ok(response.text().into_owned())
}

fn answer(request: &Message) -> String {
    let numbers = request.text();
    let sum: Result<i64, _> = numbers.split_whitespace().map(str::parse::<i64>).sum();
    sum.map_or_else(|error| format!("{numbers:?}: {error}"), |sum| sum.to_string())
}
