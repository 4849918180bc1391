//! A session that outlives its process: the store is a map, and the server four bytes.
//!
//! ```text
//! cargo run -p mqtt-session --example durable
//! ```
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt_session::codec::bytes::{Bytes, BytesMut};
use mqtt_session::codec::{Connect, Decoder, EncodeError, Publish, QoS, Side, Text, TopicName, Version};
use mqtt_session::{
    Command, Config, Event, Key, Operation, Output, Record, RestoreError, Session, Timestamp,
};

/// What would be on the disk.
type Store = BTreeMap<[u8; Key::LEN], Vec<u8>>;

const VERSION: Version = Version::V311;

/// CONNACK: accepted, without and with a session of before.
const NEW_SESSION: [u8; 4] = [0x20, 2, 0, 0];
const SESSION_PRESENT: [u8; 4] = [0x20, 2, 1, 0];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut store = Store::new();

    println!("A process publishes a message; before the answer comes, it is killed.");
    let mut session = load(&store)?;
    connect(&mut session, NEW_SESSION, &mut store)?;
    let mut publish = Publish::new(TopicName::new("meter/7")?, "42.0 kWh");
    publish.qos = QoS::ExactlyOnce;
    session.submit(Command::Publish { tag: 1, publish })?;
    serve(&mut session, &mut store)?;
    drop(session);

    println!("Another one goes on.");
    let mut session = load(&store)?;
    connect(&mut session, SESSION_PRESENT, &mut store)?;
    // PUBREC and PUBCOMP, for the packet identifier 1.
    for answer in [[0x50, 2, 0, 1], [0x70, 2, 0, 1]] {
        session.handle_input(Timestamp::ZERO, &mut BytesMut::from(&answer[..]))?;
        serve(&mut session, &mut store)?;
    }
    Ok(())
}

/// The session that the store has; a new one, if it is empty.
fn load(store: &Store) -> Result<Session, RestoreError> {
    let config = Config { version: VERSION, durable: true, ..Config::default() };
    let record = |(key, value): (&[u8; Key::LEN], &Vec<u8>)| {
        Record::decode(Key::from_bytes(key)?, &Bytes::copy_from_slice(value))
    };
    let records = store.iter().map(record).collect::<Result<Vec<_>, _>>()?;
    // A real store knows when it was last written.
    Session::restore(config, records, Timestamp::ZERO, Duration::ZERO)
}

/// Does all operations of a batch, as one transaction of a database would.
fn write(store: &mut Store, batch: &[Operation]) -> Result<(), EncodeError> {
    for operation in batch {
        match operation {
            Operation::Put(record) => {
                let mut value = Vec::new();
                record.encode(&mut value)?;
                println!("  store   put {}, {} bytes", record.key(), value.len());
                store.insert(record.key().to_bytes(), value);
            }
            Operation::Delete(key) => {
                println!("  store   delete {key}");
                store.remove(&key.to_bytes());
            }
        }
    }
    Ok(())
}

fn connect(
    session: &mut Session,
    connack: [u8; 4],
    store: &mut Store,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut connect = Connect::new(VERSION, Text::new("meter")?);
    connect.clean_start = false;
    session.handle_opened(Timestamp::ZERO, connect)?;
    serve(session, store)?;
    session.handle_input(Timestamp::ZERO, &mut BytesMut::from(&connack[..]))?;
    serve(session, store)
}

/// The driver's round, until nothing is left to be done. The clock stands still.
fn serve(session: &mut Session, store: &mut Store) -> Result<(), Box<dyn std::error::Error>> {
    let now = Timestamp::ZERO;
    let (mut output, mut batch) = (Output::new(), Vec::new());
    loop {
        while let Some(event) = session.poll_event() {
            if let Event::Published { tag, result, .. } = event {
                println!("  told    publish {tag} has ended: {result:?}");
            }
        }
        session.poll_io(now, &mut output);
        let mut sent: BytesMut = output.chunks().flatten().copied().collect();
        output.advance(sent.len());
        session.handle_written(now, sent.len());
        let nothing_sent = sent.is_empty();
        while let Some(packet) = Decoder::new(VERSION, Side::Client).decode_from(&mut sent)? {
            println!("  sent    {packet:?}");
        }
        match session.poll_store(now, &mut batch) {
            Some(number) => {
                // If this fails: session.handle_store_failed(now).
                write(store, &batch)?;
                batch.clear();
                session.handle_stored(now, number);
            }
            None if nothing_sent => return Ok(()),
            None => {}
        }
    }
}
