//! [`explore`]: every way through a small world without time: whatever may happen next is tried, in each state that can
//! be reached, until there is no new one.
//!
//! A session can't be copied, so a state is reached by living through its way from the start. Two states are one if
//! everything in them is the same, down to the session's counters; their number is an upper bound of those that differ.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::{self, Write};

use mqtt_session::codec::QoS;
use mqtt_session::codec::Version;

use crate::delivery::check_delivery;
use crate::news::End;
use crate::world::World;

/// A small world.
#[derive(Clone, Debug)]
pub struct Small {
    /// The protocol version.
    pub version: Version,
    /// The QoS of all messages.
    pub qos: QoS,
    /// How many publishes and messages may be unacknowledged.
    pub window: u16,
    /// How many messages the client publishes.
    pub publishes: u64,
    /// How many messages the server has for it.
    pub messages: u64,
    /// How often the link may be cut.
    pub cuts: u32,
    /// How often the client's process may die.
    pub deaths: u32,
    /// Whether it has a store, which takes its time. Without one a process leaves all behind that it knew.
    pub stores: bool,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explored {
    /// States that differ.
    pub states: usize,
    /// Ways from one to another, or to itself.
    pub steps: usize,
    /// The number of steps of the longest way to a new state.
    pub depth: usize,
}

/// What may happen next.
#[derive(Clone, Copy, Debug)]
enum Act {
    Publish,
    /// A packet arrives and is handled.
    ToServer,
    ToClient,
    /// The application acknowledges the first or the last message that it has.
    AcknowledgeFirst,
    AcknowledgeLast,
    /// The link is cut, and opened again.
    Cut,
    /// The store has what it was given.
    Commit,
    /// The client's process dies, and another one opens a link; what was being written is lost.
    Die,
    /// The same, and it is not lost.
    DieWritten,
}

const ACTS: [Act; 9] = [
    Act::Publish,
    Act::ToServer,
    Act::ToClient,
    Act::AcknowledgeFirst,
    Act::AcknowledgeLast,
    Act::Cut,
    Act::Commit,
    Act::Die,
    Act::DieWritten,
];

/// Looks at every state of the small world. In each, no message was lost, doubled or put out of order, and there is a
/// way on to where all of them have arrived.
///
/// # Panics
///
/// If not; the message names the way.
pub fn explore(small: &Small) -> Explored {
    let mut seen = BTreeSet::new();
    let mut ahead = VecDeque::from([Vec::new()]);
    let mut explored = Explored { states: 0, steps: 0, depth: 0 };
    seen.insert(Life::new(small).fingerprint());
    while let Some(way) = ahead.pop_front() {
        explored.states += 1;
        explored.depth = way.len();
        Life::lived(small, &way).check_way_out();
        for act in ACTS {
            let mut life = Life::lived(small, &way);
            if !life.act(act) {
                continue;
            }
            explored.steps += 1;
            life.check();
            if seen.insert(life.fingerprint()) {
                ahead.push_back([&way[..], &[act]].concat());
            }
        }
    }
    explored
}

/// One way through the world.
struct Life {
    small: Small,
    world: World,
    /// The publishes that are to be made, in order.
    ahead: VecDeque<u64>,
    cuts: u32,
    deaths: u32,
    way: Vec<Act>,
}

impl Life {
    /// Connected, with a session on both sides.
    fn new(small: &Small) -> Self {
        let mut world = World::new(small.version, small.window, small.window);
        if small.stores {
            world = world.with_store();
        }
        world.open();
        world.run(true);
        (1..=small.messages).for_each(|n| world.server.publish(n, small.qos));
        let ahead = (1..=small.publishes).collect();
        Self { small: small.clone(), world, ahead, cuts: 0, deaths: 0, way: Vec::new() }
    }

    fn lived(small: &Small, way: &[Act]) -> Self {
        let mut life = Self::new(small);
        for act in way {
            assert!(life.act(*act), "the same way leads elsewhere: {way:?}");
        }
        life
    }

    /// False if it can't happen now.
    fn act(&mut self, act: Act) -> bool {
        let world = &mut self.world;
        let happened = match act {
            Act::Publish => {
                let taken = self.ahead.front().is_some_and(|tag| world.publish(*tag, self.small.qos));
                self.ahead.drain(..usize::from(taken));
                taken
            }
            Act::ToServer => world.packet_to_server(),
            Act::ToClient => {
                // A server that has nothing to answer sends what it has for the client.
                world.server.step();
                world.packet_to_client()
            }
            Act::AcknowledgeFirst => world.acknowledge(0),
            Act::AcknowledgeLast if world.tokens.len() < 2 => false,
            Act::AcknowledgeLast => world.acknowledge(world.tokens.len() - 1),
            Act::Cut if self.cuts == self.small.cuts => false,
            Act::Cut => {
                self.cuts += 1;
                world.cut();
                world.open();
                true
            }
            Act::Commit => world.commit(),
            Act::DieWritten if !self.small.stores => false,
            Act::Die | Act::DieWritten if self.deaths == self.small.deaths => false,
            Act::Die | Act::DieWritten => {
                self.deaths += 1;
                let lost = world.restart(matches!(act, Act::DieWritten));
                lost.into_iter().rev().for_each(|tag| self.ahead.push_front(tag));
                world.open();
                true
            }
        };
        world.flush();
        self.way.push(act);
        happened
    }

    /// Nothing has gone wrong yet.
    fn check(&self) {
        for got in [&self.world.server.received, &self.world.delivered] {
            let numbers: Vec<u64> = got.iter().map(|(n, _)| *n).collect();
            let in_order = (1..).zip(&numbers).all(|(expected, n)| expected == *n);
            assert!(self.small.qos != QoS::ExactlyOnce || in_order, "{numbers:?} after {:?}", self.way);
        }
    }

    /// There is a way to where all is done.
    fn check_way_out(mut self) {
        self.world.run(true);
        while self.act(Act::Publish) {
            self.world.run(true);
        }
        let all = |count| (1..=count).collect::<Vec<_>>();
        check_delivery(&self.world.server.received, self.small.qos, &all(self.small.publishes));
        check_delivery(&self.world.delivered, self.small.qos, &all(self.small.messages));
        let acknowledged = |end: &End| matches!(end, End::Acknowledged(_));
        assert!(self.world.ended.values().all(acknowledged), "{:?} after {:?}", self.world.ended, self.way);
        self.world.check_nothing_left();
    }

    /// A number that stands for everything in this state.
    fn fingerprint(&self) -> u64 {
        let mut hash = Hash(0xcbf2_9ce4_8422_2325);
        let counts = (&self.ahead, self.cuts, self.deaths);
        write!(hash, "{counts:?} {:?}", self.world).expect("a hash takes everything");
        hash.0
    }
}

/// FNV-1a, over what is written to it.
struct Hash(u64);

impl Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(())
    }
}
