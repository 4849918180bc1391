//! Whole clients with a store: messages a second for each durability, beside a session in memory.
//!
//! Publisher and broker are threads of this process and talk over loopback, so that figures are good for comparison with one
//! another.

use std::path::Path;
use std::time::{Duration, Instant};

use mqtt_blocking::{Client, Durability, Options, QoS, SESSION_NEVER_EXPIRES, Wait};
use mqtt_store::FileStore;
use mqtt_testkit::{BrokerConfig, Server};

use crate::Result;
use crate::engines::fresh;

/// Messages under way at once.
const WINDOWS: [u16; 3] = [1, 64, 1000];
const PAYLOAD: usize = 64;
const TIME: Duration = Duration::from_secs(2);

/// Prints one table.
pub fn run(folder: &Path) -> Result<()> {
    let kept = [
        ("memory", None),
        ("system", Some(Durability::System)),
        ("interval of 20 ms", Some(Durability::Interval(Duration::from_millis(20)))),
        ("each batch", Some(Durability::EachBatch)),
    ];
    println!("| QoS | under way | {} |", kept.map(|(name, _)| name).join(" | "));
    println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for window in WINDOWS {
            let mut row = format!("| {} | {window} |", qos as u8);
            for (_, durability) in kept {
                row += &format!(" {:.0} |", measure(folder, qos, window, durability)?);
            }
            println!("{row}");
        }
    }
    Ok(())
}

/// Messages a second, from the call to the acknowledgement.
fn measure(folder: &Path, qos: QoS, window: u16, durability: Option<Durability>) -> Result<f64> {
    let path = fresh(folder)?;
    let config = BrokerConfig::default();
    let server = Server::bind("127.0.0.1:0", config)?;
    let mut options = Options::builder()
        .url(&server.url())
        .client_id("publisher")
        .clean_start(false)
        .session_expiry(SESSION_NEVER_EXPIRES)
        .max_in_flight(window)
        .max_queued(window.into(), usize::MAX);
    if let Some(durability) = durability {
        options = options.store(FileStore::at(path)).durability(durability);
    }
    let client: Client = mqtt_blocking::connect(options.build()?)?;
    let (begin, mut messages) = (Instant::now(), 0_u32);
    while begin.elapsed() < TIME {
        // A call waits while so many are under way.
        for _ in 0..window {
            drop(client.publish("bench/topic", vec![7; PAYLOAD]).qos(qos).enqueue().wait()?);
        }
        messages += u32::from(window);
    }
    client.flush().wait();
    let rate = f64::from(messages) / begin.elapsed().as_secs_f64();
    client.disconnect().wait();
    Ok(rate)
}
