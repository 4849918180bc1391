//! The broker's side of a world: its connections, and the links that they go over.

use std::collections::BTreeMap;

use bytes::BytesMut;
use mqtt_codec::Side;
use mqtt_session::Timestamp;

use crate::broker::{Broker, ConnDuty, ConnId};
use crate::link::{Link, LinkConfig};

/// A broker, and everything between it and the clients.
pub(super) struct Network {
    pub(super) broker: Broker,
    pub(super) plan: Box<dyn FnMut(u64) -> LinkConfig>,
    pub(super) reachable: bool,
    pub(super) dials: Vec<Timestamp>,
    wires: BTreeMap<ConnId, Wire>,
}

/// One connection.
struct Wire {
    link: Link,
    /// What the broker has sent and the link has not taken.
    outbox: Vec<u8>,
    /// The broker has output, or wants to close.
    ready: bool,
    /// The broker wants the transport closed once the outbox is empty.
    closing: bool,
    /// The broker was told that the connection is gone.
    broker_gone: bool,
    client_gone: bool,
}

impl Network {
    pub(super) fn new(broker: Broker) -> Self {
        Self {
            broker,
            plan: Box::new(|n| LinkConfig { seed: n, ..LinkConfig::default() }),
            reachable: true,
            dials: Vec::new(),
            wires: BTreeMap::new(),
        }
    }

    // --- for clients ---

    /// A client dials: how its link will be, if it comes to one.
    pub(super) fn dial(&mut self, now: Timestamp) -> LinkConfig {
        self.dials.push(now);
        (self.plan)(self.dials.len() as u64)
    }

    /// The client's connection opens; `None` when it can't.
    pub(super) fn open(&mut self, now: Timestamp, config: LinkConfig) -> Option<ConnId> {
        if !self.reachable {
            return None;
        }
        let id = self.broker.handle_opened(now);
        let link = Link::new(config);
        let wire = Wire {
            link,
            outbox: Vec::new(),
            ready: false,
            closing: false,
            broker_gone: false,
            client_gone: false,
        };
        self.wires.insert(id, wire);
        Some(id)
    }

    /// Takes bytes from the client, and returns how many.
    pub(super) fn send(&mut self, now: Timestamp, id: ConnId, bytes: &[u8]) -> usize {
        self.wires.get_mut(&id).map_or(0, |wire| wire.link.send(now, Side::Client, bytes))
    }

    /// Gives the client what has arrived, and returns how many bytes that is.
    pub(super) fn receive(&mut self, now: Timestamp, id: ConnId, into: &mut BytesMut) -> usize {
        self.wires.get_mut(&id).map_or(0, |wire| wire.link.receive(now, Side::Client, into))
    }

    /// Whether the client will get nothing more.
    pub(super) fn is_ended(&self, id: ConnId) -> bool {
        self.wires.get(&id).is_none_or(|wire| wire.link.is_ended(Side::Client))
    }

    /// The client is done with the connection; what it has sent still arrives.
    pub(super) fn hang_up(&mut self, id: ConnId) {
        if let Some(wire) = self.wires.get_mut(&id) {
            wire.link.close(Side::Client);
            wire.client_gone = true;
        }
    }

    // --- for the world ---

    pub(super) fn links_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.wires.values_mut().map(|wire| &mut wire.link)
    }

    /// When there is something to do; what is past already waits for a client.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Timestamp> {
        let arrivals = self.wires.values().flat_map(|wire| {
            [Side::Client, Side::Server].into_iter().filter_map(|side| wire.link.arrival(side))
        });
        arrivals.chain(self.broker.poll_deadline())
    }

    /// Moves bytes between the broker and the links. Returns whether there were any, or anything else happened.
    pub(super) fn turn(&mut self, now: Timestamp) -> bool {
        let Self { broker, wires, .. } = self;
        let mut used = false;
        if broker.poll_deadline().is_some_and(|at| at <= now) {
            broker.handle_timeout(now);
            used = true;
        }
        for (&id, wire) in wires.iter_mut().filter(|(_, wire)| !wire.broker_gone) {
            used |= wire.bring(now, id, broker);
        }
        while let Some(id) = broker.poll_ready() {
            if let Some(wire) = wires.get_mut(&id) {
                wire.ready = true;
            }
        }
        for (&id, wire) in wires.iter_mut().filter(|(_, wire)| !wire.broker_gone) {
            used |= wire.fetch(now, id, broker);
        }
        wires.retain(|_, wire| !(wire.broker_gone && wire.client_gone));
        used
    }
}

impl Wire {
    /// Brings the broker what has arrived for it.
    fn bring(&mut self, now: Timestamp, id: ConnId, broker: &mut Broker) -> bool {
        let mut arrived = BytesMut::new();
        let count = self.link.receive(now, Side::Server, &mut arrived);
        if count > 0 {
            broker.handle_input(now, id, &mut arrived);
        }
        let ended = self.link.is_ended(Side::Server);
        if ended {
            broker.handle_closed(now, id);
            self.broker_gone = true;
        }
        count > 0 || ended
    }

    /// Fetches from the broker what the link can take.
    fn fetch(&mut self, now: Timestamp, id: ConnId, broker: &mut Broker) -> bool {
        let mut used = false;
        if self.ready && self.outbox.is_empty() {
            self.closing |= broker.poll_output(now, id, &mut self.outbox) == ConnDuty::Close;
            self.ready = !self.outbox.is_empty();
            used = true;
        }
        let taken = self.link.send(now, Side::Server, &self.outbox);
        self.outbox.drain(..taken);
        if self.closing && self.outbox.is_empty() {
            self.link.close(Side::Server);
            broker.handle_closed(now, id);
            self.broker_gone = true;
            used = true;
        }
        used || taken > 0
    }
}
