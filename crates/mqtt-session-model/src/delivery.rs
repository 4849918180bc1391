//! [`run`]: random traffic over a link that drops at random, against an honest server. QoS 1 arrives at least once,
//! QoS 2 exactly once and in order, in both directions; quotas are kept; nothing is left over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mqtt_session::codec::QoS::{self, AtLeastOnce, AtMostOnce, ExactlyOnce};
use mqtt_session::codec::Version;

use crate::news::End;
use crate::world::World;

/// How many publishes may be unacknowledged, in either direction; small, so that it is often reached.
const WINDOW: u16 = 3;

/// The bytes before the first [`Step`], and those of each.
pub const HEAD: usize = 1;
/// See [`HEAD`].
pub const STEP: usize = 2;

/// What happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// The application publishes.
    Publish(QoS),
    /// Somebody else publishes for it.
    Deliver(QoS),
    /// So many bytes travel.
    HearAtServer(usize),
    /// So many bytes travel the other way.
    HearAtClient(usize),
    /// The client writes.
    Flush,
    /// The server handles so many packets.
    Serve(u8),
    /// The application acknowledges one of the messages that it has.
    Acknowledge(usize),
    /// The link is cut, and opened again.
    Cut,
    /// What the store was given is stored.
    Commit,
    /// The client's process dies, and begins again from its store.
    Restart {
        /// Whether what was being written is stored.
        written: bool,
    },
    /// So many milliseconds pass.
    Pass(u64),
    /// The server loses its session.
    Forget,
}

impl Step {
    fn read([kind, a]: [u8; 2]) -> Self {
        let qos = [AtMostOnce, AtLeastOnce, ExactlyOnce, ExactlyOnce][usize::from(a % 4)];
        match kind % 32 {
            0..=2 => Self::Publish(qos),
            3..=5 => Self::Deliver(qos),
            6..=9 => Self::HearAtServer(usize::from(a) % 40),
            10..=13 => Self::HearAtClient(usize::from(a) % 40),
            14..=17 => Self::Flush,
            18 => Self::Commit,
            19..=23 => Self::Serve(a % 4),
            24..=27 => Self::Acknowledge(usize::from(a) % 6),
            28 => Self::Cut,
            29 => Self::Restart { written: a >= 128 },
            30 => Self::Pass(u64::from(a) * 20),
            _ => Self::Forget,
        }
    }
}

/// Lives through the story that the bytes tell: the first says which version, whether the server may lose its
/// session and whether the client has a store, each two that follow are a step.
///
/// # Panics
///
/// If a message is lost or doubled against the promise of its QoS, or something else is wrong.
pub fn run(story: &[u8]) {
    tell(story, &mut |_| {});
}

/// The same, and each step is told before it happens.
///
/// # Panics
///
/// As [`run`] does.
pub fn tell(story: &[u8], told: &mut dyn FnMut(&Step)) {
    let [first, steps @ ..] = story else { return };
    let version = if first & 1 == 0 { Version::V311 } else { Version::V5 };
    let may_forget = first & 2 != 0;
    let mut traffic = Traffic::new(version, first & 4 != 0);
    for step in steps.as_chunks().0 {
        match Step::read(*step) {
            Step::Forget if !may_forget => {}
            step => {
                told(&step);
                traffic.step(step);
            }
        }
    }
    traffic.heal();
    traffic.check(may_forget);
}

/// What was asked for, by number, in a world.
struct Traffic {
    world: World,
    published: BTreeMap<u64, QoS>,
    delivered: BTreeMap<u64, QoS>,
    restarted: bool,
    /// The publishes that the store had not got when the process died.
    lost: BTreeSet<u64>,
}

impl Traffic {
    fn new(version: Version, stores: bool) -> Self {
        let mut world = World::new(version, WINDOW, WINDOW);
        if stores {
            world = world.with_store();
        }
        world.open();
        world.run(true);
        Self {
            world,
            published: BTreeMap::new(),
            delivered: BTreeMap::new(),
            restarted: false,
            lost: BTreeSet::new(),
        }
    }

    fn step(&mut self, step: Step) {
        let world = &mut self.world;
        match step {
            Step::Publish(qos) => {
                let n = self.published.len() as u64 + 1;
                if world.publish(n, qos) {
                    self.published.insert(n, qos);
                }
            }
            Step::Deliver(qos) => {
                let n = self.delivered.len() as u64 + 1;
                self.delivered.insert(n, qos);
                world.server.publish(n, qos);
            }
            Step::HearAtServer(bytes) => _ = world.hear_at_server(bytes),
            Step::HearAtClient(bytes) => _ = world.hear_at_client(bytes),
            Step::Flush => _ = world.flush(),
            Step::Serve(packets) => (0..packets).for_each(|_| _ = world.server.step()),
            Step::Acknowledge(place) => _ = world.acknowledge(place),
            Step::Cut => {
                world.cut();
                world.open();
            }
            Step::Commit => _ = world.commit(),
            Step::Restart { written } => {
                self.restarted = true;
                self.lost.extend(world.restart(written));
                world.open();
            }
            Step::Pass(millis) => world.pass(Duration::from_millis(millis)),
            Step::Forget => {
                world.server.forget();
                world.cut();
                world.open();
                // The client gets to know: a CONNACK that is lost here would hide the loss, and nothing in the
                // protocol could tell the next server session from the lost one.
                world.flush();
                world.hear_at_server(usize::MAX);
                world.server.step();
                world.hear_at_client(usize::MAX);
                // And so does its store: a process that dies before that goes on with the lost session.
                world.flush();
                while world.commit() {
                    world.flush();
                }
            }
        }
        assert!(world.session.in_flight() <= WINDOW.into());
        assert!(world.session.publish_room() <= WINDOW.into());
    }

    /// What is still on its way arrives. A session may need a second connection to be found lost.
    fn heal(&mut self) {
        self.world.run(true);
        self.world.cut();
        self.world.open();
        self.world.run(true);
        self.world.check_nothing_left();
    }

    fn check(&self, may_forget: bool) {
        let world = &self.world;
        for (tag, qos) in &self.published {
            let copies = world.server.received.iter().filter(|(n, _)| n == tag).count();
            if self.lost.contains(tag) {
                assert_eq!(copies, 0, "{tag} was sent before it was stored");
                continue;
            }
            let Some(end) = world.ended.get(tag) else {
                // With the process its QoS 0 publishes end, and nobody is there to be told.
                assert!(*qos == AtMostOnce && self.restarted, "{tag} did not end");
                continue;
            };
            match end {
                End::Written => assert!(*qos == AtMostOnce && copies <= 1),
                End::Acknowledged(_) => assert!(copies == 1 || *qos == AtLeastOnce && copies > 0),
                End::Lost(_) => assert!(*qos == AtMostOnce || may_forget),
                End::Refused(_) | End::Forbidden | End::Expired => panic!("{tag} ended as {end:?}"),
            }
            assert!(*qos != ExactlyOnce || copies <= 1, "{tag} arrived {copies} times");
        }
        for qos in [AtLeastOnce, ExactlyOnce] {
            if !may_forget {
                let stored = numbers(&self.published, qos).into_iter().filter(|n| !self.lost.contains(n));
                check_delivery(&world.server.received, qos, &stored.collect::<Vec<_>>());
                check_delivery(&world.delivered, qos, &numbers(&self.delivered, qos));
            }
        }
        for n in numbers(&self.delivered, ExactlyOnce) {
            let copies = world.delivered.iter().filter(|got| **got == (n, ExactlyOnce)).count();
            assert!(copies <= 1, "{n} came {copies} times");
        }
    }
}

fn numbers(asked: &BTreeMap<u64, QoS>, qos: QoS) -> Vec<u64> {
    asked.iter().filter(|(_, asked)| **asked == qos).map(|(n, _)| *n).collect()
}

/// QoS 1 at least once and QoS 2 exactly once, both in order.
///
/// # Panics
///
/// If not.
pub fn check_delivery(got: &[(u64, QoS)], qos: QoS, expected: &[u64]) {
    let mut numbers: Vec<u64> = got.iter().filter(|(_, got)| *got == qos).map(|(n, _)| *n).collect();
    if qos == AtLeastOnce {
        let mut seen = BTreeSet::new();
        numbers.retain(|n| seen.insert(*n));
    }
    assert_eq!(numbers, expected, "{qos:?} of {got:?}");
}
