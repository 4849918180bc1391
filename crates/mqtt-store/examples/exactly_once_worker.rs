//! A worker that can be killed at any moment, and works on each job once.
//!
//! ```text
//! cargo run -p mqtt-store --example exactly_once_worker -- mqtt://localhost worker-1
//! mosquitto_pub -q 2 -t jobs/1 -m 'a job'
//! ```
//!
//! Its results stand in a database of its own, each together with the number of the delivery that it was made of. The job is
//! acknowledged only then. Killed before that, the worker is told the job again, with the same number, and finds that it has
//! been done; killed before the result was stored, it does the job.
#![allow(clippy::print_stdout, reason = "it is a program")]

use std::error::Error;
use std::path::Path;

use mqtt_blocking::{Acknowledge, Options, SESSION_NEVER_EXPIRES, Wait};
use mqtt_store::FileStore;
use redb::{Database, ReadableTable, TableDefinition};

/// By the number of the delivery.
pub(crate) const RESULTS: TableDefinition<'_, u64, &str> = TableDefinition::new("results");

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().unwrap_or_else(|| "mqtt://localhost".into());
    let name = arguments.next().unwrap_or_else(|| "worker-1".into());
    run(&url, &name, Path::new("."), usize::MAX)
}

/// Works on so many jobs. Its files are in this folder.
pub(crate) fn run(url: &str, name: &str, folder: &Path, jobs: usize) -> Result<(), Box<dyn Error>> {
    let results = Database::create(folder.join(format!("{name}.results")))?;
    let options = Options::builder()
        .url(url)
        .client_id(name)
        .clean_start(false)
        .session_expiry(SESSION_NEVER_EXPIRES)
        .store(FileStore::at(folder.join(format!("{name}.session"))))
        .build()?;
    let client = mqtt_blocking::connect(options)?;
    let stream = client.subscribe("jobs/#").acknowledge(Acknowledge::ByHand).keep_on_drop(true).wait()?;
    for job in stream.take(jobs) {
        // Jobs of QoS 0 and 1 have no number: they may come twice, or not at all.
        if let Some(number) = job.delivery_id() {
            work(&results, number, &job.text())?;
        }
        job.acknowledge();
    }
    client.stop().wait();
    Ok(())
}

/// Does the job, if it has not been done.
fn work(results: &Database, number: u64, job: &str) -> Result<(), redb::Error> {
    let write = results.begin_write()?;
    let mut table = write.open_table(RESULTS)?;
    if table.get(number)?.is_some() {
        println!("{number:016x} has been done");
        return Ok(());
    }
    // Whatever else the job changes in this database is part of the same transaction.
    let result = job.to_uppercase();
    table.insert(number, result.as_str())?;
    drop(table);
    write.commit()?;
    println!("{number:016x} {result}");
    Ok(())
}
