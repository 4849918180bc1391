//! [`soak`]: years on a flaky link, in virtual time. Nothing may gather, and no packet identifier may be lost.

use std::time::Duration;

use mqtt_session::Phase;
use mqtt_session::codec::QoS::{self, AtLeastOnce, AtMostOnce, ExactlyOnce};
use mqtt_session::codec::Version;

use crate::seeds::Dice;
use crate::world::World;

/// Publishes and messages are held back while so many are unacknowledged.
const MODERATION: usize = 20;

/// An idle session is described in fewer characters, whatever it has been through.
const IDLE_SIZE: usize = 32 * 1024;

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What happened in these years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Years {
    /// Connections that were opened.
    pub connections: u64,
    /// Restarts of the client's process.
    pub restarts: u64,
    /// Links that fell silent, and were found out.
    pub silences: u64,
    /// Publishes that the client made.
    pub published: u64,
    /// Messages that it got.
    pub delivered: u64,
}

/// Lives for so many years of keep alive, publishes both ways, cuts, silent links, restarts and pauses.
///
/// # Panics
///
/// If a message is lost or doubled, or something gathers.
#[must_use]
pub fn soak(seed: u64, version: Version, years: u32) -> Years {
    let mut dice = Dice::new(seed);
    let mut world = World::new(version, u16::MAX, 40).with_keep_alive(600).with_store();
    let mut told = Years::default();
    let mut awaited = [0; 3];
    let mut lost = Vec::new();
    world.open();
    world.run(true);
    while world.age() < YEAR * years {
        if !world.is_connected() {
            world.live(Duration::from_secs(dice.below(3_600)));
            world.open();
            told.connections += 1;
        }
        for _ in 0..dice.below(4) {
            let qos = [AtMostOnce, AtLeastOnce, ExactlyOnce][dice.below(3) as usize];
            if world.session.in_flight() < MODERATION && world.publish(told.published + 1, qos) {
                told.published += 1;
            }
            if world.is_connected() && world.server.waiting() < MODERATION {
                world.server.publish(told.delivered + 1, qos);
                told.delivered += 1;
                awaited[qos as usize] += 1;
            }
        }
        trouble(&mut dice, &mut world, &mut told, &mut lost);
        world.live(Duration::from_secs(dice.below(1_800)));
        check_bounds(&world);
    }
    rest(&mut world);
    let arrived = |tag: &&u64| world.server.received.iter().any(|(n, _)| n == *tag);
    assert_eq!(lost.iter().find(arrived), None, "sent before it was stored");
    check_messages(&world, &awaited);
    check_identifiers(&mut world, told.published);
    told
}

/// Now and then, before all that was sent has arrived.
fn trouble(dice: &mut Dice, world: &mut World, told: &mut Years, lost: &mut Vec<u64>) {
    world.flush();
    world.hear_at_server(dice.below(200) as usize);
    world.server.step();
    world.hear_at_client(dice.below(200) as usize);
    match dice.below(64) {
        0..=3 => world.cut(),
        4 => {
            told.restarts += 1;
            lost.extend(world.restart(dice.below(2) == 0));
        }
        5 if world.session.phase() == Phase::Ready => {
            told.silences += 1;
            world.is_silent = true;
            world.live(Duration::from_secs(3_600));
            assert!(!world.is_connected(), "a silent link is not found out");
        }
        _ => {}
    }
}

/// Nothing gathers on the way.
fn check_bounds(world: &World) {
    let records = world.session.snapshot().count();
    assert!(records <= 1 + 2 * MODERATION + 40, "{records} records");
    assert!(world.session.inbound_unacknowledged() <= 40);
}

/// All that was begun comes to its end.
fn rest(world: &mut World) {
    for _ in 0..2 {
        world.cut();
        world.open();
        world.run(true);
    }
    world.check_nothing_left();
    let size = format!("{:?}", world.session).len();
    assert!(size < IDLE_SIZE, "{size} characters describe an idle session");
}

/// QoS 2 once and in order, QoS 1 at least once.
fn check_messages(world: &World, awaited: &[usize; 3]) {
    for (got, of) in [(&world.server.received, "received"), (&world.delivered, "delivered")] {
        let once: Vec<u64> = numbers(got, ExactlyOnce).collect();
        assert!(once.is_sorted_by(|a, b| a < b), "QoS 2 {of} twice or out of order");
    }
    let mut at_least_once: Vec<u64> = numbers(&world.delivered, AtLeastOnce).collect();
    at_least_once.sort_unstable();
    at_least_once.dedup();
    assert_eq!(at_least_once.len(), awaited[1], "QoS 1 messages");
    assert_eq!(numbers(&world.delivered, ExactlyOnce).count(), awaited[2], "QoS 2 messages");
}

fn numbers(got: &[(u64, QoS)], qos: QoS) -> impl Iterator<Item = u64> + '_ {
    got.iter().filter(move |(_, got)| *got == qos).map(|(n, _)| *n)
}

/// Every packet identifier can be had.
fn check_identifiers(world: &mut World, published: u64) {
    let all = u64::from(u16::MAX);
    for n in 1..=all {
        assert!(world.publish(published + n, AtLeastOnce), "the identifier of publish {n} is lost");
    }
    assert!(!world.publish(published + all + 1, AtLeastOnce), "there are only 65,535");
    world.run(true);
    world.check_nothing_left();
}
