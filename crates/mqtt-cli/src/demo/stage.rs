//! The demonstration's broker and its two clients.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mqtt_testkit::session::Direction;
use mqtt_testkit::session::codec::PacketKind;
use mqtt_testkit::{BrokerConfig, Fault, Server};
use mqtt_tokio::{Client, Options, QoS, Reconnect, SESSION_NEVER_EXPIRES, Version};
use tokio::time::{Instant, sleep};

use super::record::Record;
use super::table::{Arrivals, Row};
use crate::outcome::{Exit, Failure};

const WRITER: &str = "writer";
const READER: &str = "reader";

/// An act is over when nothing has happened for so long.
const QUIET: Duration = Duration::from_millis(60);
/// A message that has not arrived by then is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// One version's broker, clients, and record.
pub(super) struct Stage {
    version: Version,
    server: Server,
    writer: Client,
    reader: Client,
    record: Record,
    /// By topic.
    arrivals: Arc<Mutex<BTreeMap<String, Arrivals>>>,
}

impl Stage {
    /// Starts the broker, connects both clients, subscribes, and waits until all is quiet.
    pub(super) async fn set(version: Version) -> Result<Self, Failure> {
        let server = Server::bind("127.0.0.1:0", BrokerConfig { log_capacity: 0, ..BrokerConfig::default() })
            .map_err(|error| Failure::new(Exit::Here, format!("starting the broker: {error}")))?;
        let record = Record::new();
        let reader = connect(READER, version, &server, &record).await?;
        let mut messages = reader.subscribe("demo/#").await.map_err(|error| failed(READER, &error))?;
        let writer = connect(WRITER, version, &server, &record).await?;
        let stage = Stage { version, server, writer, reader, record, arrivals: Arc::default() };

        let arrivals = Arc::clone(&stage.arrivals);
        tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                // What is no number was not sent by the writer, and is a duplicate of nothing.
                let number = message.text().parse().unwrap_or(u32::MAX);
                let mut arrivals = lock(&arrivals);
                *arrivals.entry(message.topic().to_owned()).or_default().entry(number).or_default() += 1;
            }
        });
        stage.settle(|| true).await;
        Ok(stage)
    }

    /// Publishes numbers, waits for each outcome, then until all have arrived and all is quiet.
    pub(super) async fn publish(&self, topic: &str, qos: QoS, numbers: Range<u32>) -> Result<(), Failure> {
        let mut open = Vec::new();
        for number in numbers.clone() {
            let message = self.writer.publish(topic, number.to_string()).qos(qos);
            open.push(message.enqueue().await.map_err(|error| failed(WRITER, &error))?);
        }
        for outcome in open {
            outcome.await.map_err(|error| failed(WRITER, &error))?;
        }
        self.settle(|| {
            let arrivals = lock(&self.arrivals);
            arrivals.get(topic).is_some_and(|all| numbers.clone().all(|number| all.contains_key(&number)))
        })
        .await;
        Ok(())
    }

    /// The broker takes the next message, but the link breaks before it says so.
    pub(super) fn cut_writer_before_pubrec(&self) {
        self.inject(Fault::sent(PacketKind::Pubrec).client(WRITER).cut_before());
    }

    /// The reader takes the next message, but the link breaks before the broker hears of it.
    pub(super) fn cut_reader_before_pubrec(&self) {
        self.inject(Fault::received(PacketKind::Pubrec).client(READER).cut_before());
    }

    /// Cuts at packets of every kind that come by, before and after them.
    pub(super) fn cut_often(&self) {
        for (packet, client) in [(120, WRITER), (310, READER), (480, WRITER), (750, READER), (1030, WRITER)] {
            self.inject(Fault::any(Direction::Inbound).client(client).nth(packet).cut_before());
            self.inject(Fault::any(Direction::Outbound).client(client).nth(packet + 83).cut_after());
        }
    }

    /// How often a client has connected again.
    pub(super) fn reconnects(&self) -> u64 {
        self.writer.stats().reconnects + self.reader.stats().reconnects
    }

    pub(super) fn row(&self, qos: QoS, topic: &str, sent: u32, cuts: u64) -> Row {
        Row::new(self.version, qos, cuts, sent, lock(&self.arrivals).get(topic))
    }

    /// The lines since the last time.
    pub(super) fn recorded(&self) -> String {
        self.record.take()
    }

    pub(super) fn discard_recorded(&self) {
        self.record.take();
    }

    /// The clients leave; an error if a cut that was ordered has not come.
    pub(super) async fn end(self) -> Result<(), Failure> {
        drop(self.writer.disconnect().await);
        drop(self.reader.disconnect().await);
        match self.server.with_broker(|broker| broker.waiting_faults()) {
            0 => Ok(()),
            cuts => Err(Failure::new(Exit::Rejected, format!("{cuts} of the planned cuts did not happen"))),
        }
    }

    fn inject(&self, fault: Fault) {
        self.server.with_broker(|broker| broker.inject(fault));
    }

    /// Waits until the state is reached and the packets of it have all gone, or until patience ends.
    async fn settle(&self, reached: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.record.len();
        let mut quiet_since = Instant::now();
        while Instant::now() < deadline && !(quiet_since.elapsed() >= QUIET && reached()) {
            sleep(QUIET / 6).await;
            let now = self.record.len();
            if now != seen {
                (seen, quiet_since) = (now, Instant::now());
            }
        }
    }
}

async fn connect(
    client_id: &'static str,
    version: Version,
    server: &Server,
    record: &Record,
) -> Result<Client, Failure> {
    // Quick to come back: the broker is here, and somebody watches.
    let reconnect = Reconnect {
        first_wait: Duration::from_millis(20),
        max_wait: Duration::from_millis(100),
        ..Reconnect::default()
    };
    let options = Options::builder()
        .url(&server.url())
        .version(version)
        .client_id(client_id)
        .clean_start(false)
        .session_expiry(SESSION_NEVER_EXPIRES)
        .reconnect(reconnect)
        .on_packet(record.packets())
        .build()
        .map_err(|error| failed(client_id, &error))?;
    let client = Client::new(options).map_err(|error| failed(client_id, &error))?;
    let (mut events, record) = (client.events(), record.clone());
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            record.event_of(client_id, &event);
        }
    });
    client.connect().await.map_err(|error| failed(client_id, &error))?;
    Ok(client)
}

fn failed(client_id: &str, error: &dyn std::error::Error) -> Failure {
    Failure::new(Exit::Rejected, format!("{client_id}: {error}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
