//! Shows the latest value of everything that sensors publish: `cargo run -p mqtt-tokio --example dashboard [URL]`.
#![allow(clippy::print_stdout, reason = "a program that prints")]

use std::collections::BTreeMap;
use std::error::Error;

use mqtt_tokio::{Client, Qos0Overflow};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).unwrap_or("mqtt://localhost".into());
    run(mqtt_tokio::connect(&url).await?, usize::MAX).await?;
    Ok(())
}

/// What there is to show after so many messages: the latest value of each topic.
pub(crate) async fn run(client: Client, messages: usize) -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    // Retained values come at once, so that the board is not empty until the next reading. When more comes than can be shown,
    // the oldest may go: a board shows what is, not what was.
    let mut values = client
        .subscribe(["sensors/+/temperature", "sensors/+/state"])
        .qos0_overflow(Qos0Overflow::DropOldest)
        .await?;
    let mut board = BTreeMap::new();
    for _ in 0..messages {
        // After a broken link the subscription is made again, and the stream goes on; it ends with the client.
        let Some(message) = values.recv().await else { break };
        if message.payload().is_empty() {
            board.remove(message.topic()); // How a retained value is deleted.
        } else {
            board.insert(message.topic().to_owned(), message.text().into_owned());
        }
        show(&board);
    }
    client.disconnect().await;
    Ok(board)
}

fn show(board: &BTreeMap<String, String>) {
    println!("---");
    for (topic, value) in board {
        // What came from outside is shown with its control characters escaped: a terminal would obey them.
        println!("{} {}", topic.escape_debug(), value.escape_debug());
    }
}
