//! One life of the worker, as long as it lasts.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread;

use mqtt_client_core::codec::{QoS, Version};
use mqtt_client_core::{Acknowledge, Durability, Message};
use mqtt_store::FileStore;

use super::notes::{Note, Notes};
use super::{qos_of, topic_of};
use crate::{Adapter, Blocking, Case, Client, Next, PATIENCE, Subscription, Tokio};

/// How many messages are published between two looks at the store.
const BATCH: usize = 10;

/// What a worker is told on its command line: `VERSION NUMBER URL FOLDER`.
#[derive(Clone, Debug)]
pub struct Life {
    version: Version,
    number: String,
    url: String,
    folder: PathBuf,
}

impl Life {
    /// The number of the life that brings everything to its end, and begins nothing.
    pub const LAST: &str = "last";

    /// Reads it; `None` if that is not what they are.
    #[must_use]
    pub fn of(arguments: &[String]) -> Option<Self> {
        let [version, number, url, folder] = arguments else { return None };
        let version = if version == "5" { Version::V5 } else { Version::V311 };
        Some(Life { version, number: number.clone(), url: url.clone(), folder: folder.into() })
    }
}

/// Lives, until it is killed.
///
/// # Panics
/// When there is no broker, or no store.
pub fn work(life: &Life) {
    match life.number.parse::<u32>() {
        Ok(number) if number % 2 == 1 => live::<Tokio>(life),
        _ => live::<Blocking>(life),
    }
}

fn live<A: Adapter>(life: &Life) {
    let case = Case::<A>::start(life.version);
    let notes = Notes::of(&life.folder);
    let options = case.persistent(&life.url, "worker").store(FileStore::at(life.folder.join("session")));
    // Nobody cuts the power here; killed processes are what the system alone takes care of.
    let options = options.durability(Durability::System).receive_maximum(u16::MAX);
    let client = case.connect_with(options);
    let jobs = client.subscribe_with(["in/1", "in/2"], |subscribe| {
        subscribe.acknowledge(Acknowledge::ByHand).keep_on_drop(true)
    });
    notes.write("subscribed");
    let mut jobs = jobs.expect("granted");
    if life.number != Life::LAST {
        let (client, notes) = (client.clone(), Notes::of(&life.folder));
        thread::spawn(move || publish(&client, &notes));
    }
    let mut done: BTreeSet<u64> = notes.deliveries().collect();
    let mut results = notes.write("results");
    loop {
        if let Next::Message(message) = jobs.next_within(PATIENCE) {
            work_on(&message, &mut done, &mut results);
        }
    }
}

/// The note is the result, and its number is in it: so one is never there without the other.
fn work_on(message: &Message, done: &mut BTreeSet<u64>, results: &mut Note) {
    let (number, id) = (message.text(), message.delivery_id());
    assert_eq!(id.is_some(), message.qos() == QoS::ExactlyOnce, "only QoS 2 has it");
    match id {
        Some(id) if done.insert(id) => results.line(&format!("{number} {id}")),
        Some(_) => {}
        None => results.line(&number),
    }
    message.acknowledge();
}

/// Publishes without end. What was begun and not confirmed before a kill is not published again: it may be in the store.
fn publish<C: Client>(client: &C, notes: &Notes) {
    let (mut begun, mut stored) = (notes.write("begun"), notes.write("stored"));
    let mut next = notes.next();
    loop {
        let end = next + BATCH;
        begun.line(&end.to_string());
        for number in next..end {
            let publish = client.publish(topic_of("out", number), number.to_string()).qos(qos_of(number));
            drop(client.wait(publish.enqueue()).expect("admitted"));
        }
        client.stored().expect("stored");
        stored.line(&format!("{next} {end}"));
        next = end;
    }
}
