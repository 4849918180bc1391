//! The process ends after each step of an exchange in turn, with what the store was writing or without it, and another
//! one goes on: at least once, exactly once, in order.

use std::collections::{BTreeSet, VecDeque};

use mqtt_session::codec::{AckKind, Connack, Packet, Publish, QoS, ReasonCode, Version};
use mqtt_session::{Event, Inbound, PublishEnd, Record, Token};

use crate::disk::Durable;
use crate::support::*;

/// How many messages go each way.
const MESSAGES: u64 = 3;

/// An honest server, which keeps its session and has no connection of its own: it handles what it is given.
#[derive(Default)]
struct Peer {
    /// The messages that it took, in order.
    took: Vec<u64>,
    /// Identifiers of QoS 2 messages that wait for PUBREL.
    holds: BTreeSet<u16>,
    /// Messages for the client that have not come to their end: identifier, number and whether PUBREC came.
    gives: VecDeque<(u16, u64, bool)>,
}

impl Peer {
    /// What it says to a new connection, after CONNACK.
    fn greet(&self, qos: QoS) -> Vec<Packet> {
        let repeat = |&(packet_id, n, recorded): &(u16, u64, bool)| match recorded {
            false => again(publish(n, qos, packet_id)).into(),
            true => pubrel(packet_id).into(),
        };
        self.gives.iter().map(repeat).collect()
    }

    fn answer(&mut self, packet: Packet) -> Option<Packet> {
        match packet {
            Packet::Connect(_) => None,
            Packet::Publish(publish) => {
                let packet_id = publish.packet_id.unwrap().get();
                let n = number(&publish);
                if publish.qos == AtLeastOnce {
                    self.took.push(n);
                    return Some(puback(packet_id).into());
                }
                if self.holds.insert(packet_id) {
                    self.took.push(n);
                } else {
                    assert!(publish.dup, "{n} takes the identifier of another message");
                }
                Some(pubrec(packet_id).into())
            }
            Packet::Ack(ack) => {
                let packet_id = ack.packet_id.get();
                let given = self.gives.iter_mut().find(|(given, ..)| *given == packet_id);
                match ack.kind {
                    AckKind::Pubrel => {
                        self.holds.remove(&packet_id);
                        return Some(pubcomp(packet_id).into());
                    }
                    AckKind::Pubrec => {
                        given.expect("PUBREC answers a message").2 = true;
                        return Some(pubrel(packet_id).into());
                    }
                    AckKind::Puback | AckKind::Pubcomp => {
                        assert!(given.is_some(), "{ack:?} answers nothing");
                        self.gives.retain(|(given, ..)| *given != packet_id);
                    }
                }
                None
            }
            other => panic!("not expected: {other:?}"),
        }
    }
}

/// What the application has on a disk of its own.
#[derive(Default)]
struct Application {
    /// The messages that are to be published, and have no outcome.
    outbox: Vec<u64>,
    /// The deliveries whose work is done, and what each of them said.
    done: BTreeSet<u64>,
    work: Vec<u64>,
}

fn number(publish: &Publish) -> u64 {
    std::str::from_utf8(&publish.payload).unwrap().parse().unwrap()
}

struct Exchange {
    version: Version,
    qos: QoS,
    durable: Durable,
    application: Application,
    /// Messages that this process has been told of and has not worked on.
    tasks: VecDeque<(Token, u64)>,
    peer: Peer,
    to_peer: VecDeque<Packet>,
    to_client: VecDeque<Packet>,
    /// After how many more steps the process ends, if it has not ended already.
    steps_to_live: Option<usize>,
    /// Whether the store has what it was writing then.
    written: bool,
}

impl Exchange {
    fn new(version: Version, qos: QoS, steps_to_live: usize, written: bool) -> Self {
        let durable = Durable::ready(version);
        let mut peer = Peer::default();
        peer.gives.extend((1..=MESSAGES).map(|n| (7 + n as u16, n, false)));
        let mut exchange = Self {
            version,
            qos,
            durable,
            application: Application::default(),
            tasks: VecDeque::new(),
            peer,
            to_peer: VecDeque::new(),
            to_client: VecDeque::new(),
            steps_to_live: Some(steps_to_live),
            written,
        };
        exchange
            .to_client
            .extend(exchange.peer.gives.iter().map(|&(packet_id, n, _)| publish_packet(n, qos, packet_id)));
        for n in 1..=MESSAGES {
            exchange.application.outbox.push(n);
            exchange.durable.rig.publish(n, qos);
        }
        exchange
    }

    /// Runs until nothing happens any more; whether the process ended before.
    fn run(&mut self) -> bool {
        let mut idle = 0;
        while idle < 6 {
            // The store takes longer than anything else.
            for step in [Self::send, Self::serve, Self::hear, Self::listen, Self::work, Self::store] {
                match self.steps_to_live.take() {
                    Some(0) => self.crash(),
                    steps => self.steps_to_live = steps.map(|steps| steps - 1),
                }
                idle = if step(self) { 0 } else { idle + 1 };
            }
        }
        self.steps_to_live.is_none()
    }

    fn crash(&mut self) {
        self.tasks.clear();
        self.to_peer.clear();
        self.to_client.clear();
        self.durable.crash(self.written);
        let rig = &mut self.durable.rig;
        rig.open(connect(self.version));
        rig.sent();
        rig.peer_ok(Connack::new(true, ReasonCode::Success));
        rig.events();
        // What never came as far as the store was never sent: it is published now, behind the others.
        let kept: BTreeSet<u64> = self.tags();
        for n in self.application.outbox.iter().filter(|n| !kept.contains(n)) {
            self.durable.rig.publish(*n, self.qos);
        }
        self.to_client.extend(self.peer.greet(self.qos));
    }

    /// The publishes that the session sees through.
    fn tags(&self) -> BTreeSet<u64> {
        let tag = |record| match record {
            Record::Publish { tag, .. } => Some(tag),
            _ => None,
        };
        self.durable.rig.session.snapshot().filter_map(tag).collect()
    }

    fn send(&mut self) -> bool {
        let sent = self.durable.rig.sent();
        let any = !sent.is_empty();
        self.to_peer.extend(sent);
        any
    }

    fn serve(&mut self) -> bool {
        let Some(packet) = self.to_peer.pop_front() else { return false };
        self.to_client.extend(self.peer.answer(packet));
        true
    }

    fn hear(&mut self) -> bool {
        let Some(packet) = self.to_client.pop_front() else { return false };
        self.durable.rig.peer_ok(packet);
        true
    }

    fn listen(&mut self) -> bool {
        let Some(event) = self.durable.rig.session.poll_event() else { return false };
        match event {
            Event::Message(Inbound { publish, token }) => {
                self.tasks.push_back((token.unwrap(), number(&publish.to_publish())));
            }
            Event::Published { tag, result: PublishEnd::Acknowledged(_), .. } => {
                self.application.outbox.retain(|n| *n != tag);
            }
            other => panic!("not expected: {other:?}"),
        }
        true
    }

    /// The application works on a message: the result and the delivery id are stored together. Then it acknowledges.
    fn work(&mut self) -> bool {
        let Some((token, n)) = self.tasks.pop_front() else { return false };
        if self.qos == AtLeastOnce || self.application.done.insert(token.delivery_id()) {
            self.application.work.push(n);
        }
        self.durable.rig.session.acknowledge(token, ReasonCode::Success)
    }

    fn store(&mut self) -> bool {
        self.durable.commit() | !self.durable.begin().is_empty()
    }

    fn check(&self, case: &str) {
        let once: Vec<u64> = (1..=MESSAGES).collect();
        for (direction, got) in [("out", &self.peer.took), ("in", &self.application.work)] {
            match self.qos {
                ExactlyOnce => assert_eq!(got, &once, "{case}, {direction}: exactly once, in order"),
                _ => assert_eq!(
                    got.iter().copied().collect::<BTreeSet<_>>(),
                    once.iter().copied().collect(),
                    "{case}, {direction}: at least once"
                ),
            }
        }
        let first_copies = |got: &[u64]| {
            let mut seen = BTreeSet::new();
            got.iter().copied().filter(|n| seen.insert(*n)).collect::<Vec<_>>()
        };
        assert_eq!(first_copies(&self.peer.took), once, "{case}: the order of the first copies");
        assert_eq!(self.application.outbox, [], "{case}: each publish has its outcome");
        assert!(self.peer.gives.is_empty() && self.peer.holds.is_empty(), "{case}");
        assert_eq!(self.durable.disk.records().len(), 1, "{case}: nothing is left but the session's");
    }
}

#[test]
fn the_process_may_end_after_any_step() {
    both(|version| {
        for qos in [AtLeastOnce, ExactlyOnce] {
            for written in [false, true] {
                for steps in 0.. {
                    let mut exchange = Exchange::new(version, qos, steps, written);
                    let ended = exchange.run();
                    let case = format!("{version}, {qos:?}, after {steps} steps, written: {written}");
                    exchange.check(&case);
                    if !ended {
                        assert!(steps > 40, "{case}: the exchange is longer than that");
                        break;
                    }
                }
            }
        }
    });
}
