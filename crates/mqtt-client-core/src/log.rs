//! What a client says of itself: spans and lines for `tracing`, and records for the packet hook.
//!
//! Both may run code of the application's, so the core only gathers what there is to say; the driver says it when the lock is
//! free. Of a payload as much is said as the options ask for, of a
//! password nothing ever.

use tracing::{Level, Span};

use crate::Event;
use crate::options::Hook;
use crate::session::{Direction, PacketLine, PacketTrace};

/// Whether anybody wants a line for each packet.
pub(crate) fn wants_packets() -> bool {
    tracing::enabled!(target: "mqtt::packet", Level::TRACE)
}

/// A client's lines, inside of a span for the client and one for each connection, which begins with its attempt.
#[derive(Debug)]
pub(crate) struct Log {
    client_id: String,
    client: Span,
    /// None between connections.
    connection: Span,
    hook: Option<Hook>,
    /// Packets that were traced since the last time.
    pub(crate) records: Vec<PacketTrace>,
}

impl Log {
    pub(crate) fn new(client_id: String, hook: Option<Hook>) -> Self {
        Log { client: span(&client_id), client_id, connection: Span::none(), hook, records: Vec::new() }
    }

    /// The broker has chosen the client id.
    pub(crate) fn rename(&mut self, client_id: &str) {
        if self.client_id != client_id {
            self.client = span(client_id);
            client_id.clone_into(&mut self.client_id);
        }
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Says what a step has brought: its packets, then its events.
    pub(crate) fn say(&mut self, news: &[Event]) {
        for record in std::mem::take(&mut self.records) {
            self.within().in_scope(|| self.packet(&record));
        }
        for event in news {
            if let Event::Attempt { endpoint, number } = event {
                self.connection = tracing::info_span!(
                    target: "mqtt", parent: &self.client, "connection", %endpoint, number
                );
            }
            self.within().in_scope(|| {
                tracing::info!(target: "mqtt", client_id = self.client_id, "{event}");
            });
            if let Event::Failed { .. } | Event::Offline(_) = event {
                self.connection = Span::none();
            }
        }
    }

    fn within(&self) -> &Span {
        if self.connection.is_none() { &self.client } else { &self.connection }
    }

    fn packet(&self, record: &PacketTrace) {
        let direction = match record.direction {
            Direction::Outbound => "-out->",
            Direction::Inbound => "<-in--",
        };
        tracing::trace!(
            target: "mqtt::packet",
            client_id = self.client_id,
            direction,
            at_us = record.at.as_micros(),
            kind = %record.kind,
            len = record.len,
            flags = record.flags,
            packet_id = record.packet_id.map(|id| id.get()),
            topic = record.topic.as_ref().map(|topic| topic.as_str()),
            payload = record.payload.as_ref().map(tracing::field::display),
        );
        if let Some(Hook(hook)) = &self.hook {
            hook(PacketLine { client_id: &self.client_id, packet: record });
        }
    }
}

fn span(client_id: &str) -> Span {
    tracing::info_span!(target: "mqtt", parent: None, "client", client_id)
}
