//! Whole clients in virtual time: whatever the links do, the delivery contract holds.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use mqtt_client_core::codec::{PacketKind, QoS, ReasonCode, Side, Version};
use mqtt_client_core::{
    Client, Event, Events, Failure, Options, OptionsBuilder, Reconnect, SESSION_NEVER_EXPIRES, Subscription,
};
use mqtt_testkit::{BrokerConfig, CutAfter, Fault, LinkConfig, World};

use crate::bed::{AtLeastOnce, AtMostOnce, ExactlyOnce, V5, VERSIONS};

/// A client whose session stays, and which comes back within 100 ms.
fn lasting(version: Version, id: &str) -> OptionsBuilder {
    let reconnect = Reconnect {
        first_wait: Duration::from_millis(10),
        max_wait: Duration::from_millis(100),
        retry_initial: true,
        ..Reconnect::default()
    };
    Options::builder()
        .version(version)
        .client_id(id)
        .clean_start(false)
        .session_expiry(SESSION_NEVER_EXPIRES)
        .reconnect(reconnect)
}

/// Adds a client and connects it.
fn join(world: &mut World, options: OptionsBuilder) -> Client {
    let client = world.add(options.build().unwrap());
    world.run(client.connect()).unwrap();
    client
}

fn subscribe(world: &mut World, client: &Client, filter: &str) -> Subscription {
    world.run(client.subscribe(filter)).unwrap()
}

/// Gathers the payloads of a stream while the world goes on.
fn gather(world: &mut World, mut messages: Subscription) -> Rc<RefCell<Vec<String>>> {
    let gathered = Rc::new(RefCell::new(Vec::new()));
    let into = Rc::clone(&gathered);
    world.spawn(async move {
        while let Some(message) = poll_fn(|context| messages.poll_next(context)).await {
            into.borrow_mut().push(message.text().into_owned());
        }
    });
    gathered
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

#[test]
fn every_qos_arrives_in_every_version() {
    for version in VERSIONS {
        let mut world = World::new(BrokerConfig::default());
        let from = join(&mut world, lasting(version, "from"));
        let to = join(&mut world, lasting(version, "to"));
        let messages = subscribe(&mut world, &to, "t/+");
        let gathered = gather(&mut world, messages);
        for qos in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
            for n in 0..3 {
                world.run(from.publish("t/x", format!("{} {n}", qos.as_u8())).qos(qos)).unwrap();
            }
        }
        world.run_for(Duration::from_secs(1));
        let expected = ["0 0", "0 1", "0 2", "1 0", "1 1", "1 2", "2 0", "2 1", "2 2"];
        assert_eq!(*gathered.borrow(), expected);
        assert_eq!(world.broker().violations(), []);
    }
}

/// Cuts the publisher's first link after so many bytes of one side, and checks what arrives. Returns whether the cut
/// came to pass.
fn check_cut(version: Version, qos: QoS, side: Side, bytes: u64) -> bool {
    let mut world = World::new(BrokerConfig::default()).with_links(move |n| match n {
        2 => LinkConfig { cut_after: CutAfter::Bytes(side, bytes), ..LinkConfig::default() },
        _ => LinkConfig::default(),
    });
    let to = join(&mut world, lasting(version, "to"));
    let messages = subscribe(&mut world, &to, "t");
    let gathered = gather(&mut world, messages);
    let from = join(&mut world, lasting(version, "from"));
    let completions: Vec<_> =
        numbers(5).into_iter().map(|n| from.publish("t", n).qos(qos).try_enqueue().unwrap()).collect();
    for completion in completions {
        world.run(completion).unwrap();
    }
    world.run_for(Duration::from_secs(1));
    let gathered = gathered.borrow();
    let mut once = gathered.clone();
    if qos == AtLeastOnce {
        // At least once: the first copies are in order, and nothing is missing.
        once = Vec::new();
        gathered.iter().for_each(|n| {
            if !once.contains(n) {
                once.push(n.clone());
            }
        });
    }
    assert_eq!(once, numbers(5), "MQTT {version}, {qos}, cut after {bytes} bytes from the {side}");
    assert_eq!(world.broker().violations(), []);
    from.stats().reconnects > 0 || world.dials().len() > 2
}

#[test]
fn a_cut_after_any_byte_loses_and_doubles_nothing() {
    for version in VERSIONS {
        for qos in [AtLeastOnce, ExactlyOnce] {
            for side in [Side::Client, Side::Server] {
                let cuts = (0..).take_while(|&bytes| check_cut(version, qos, side, bytes)).count();
                assert!(cuts > 20, "only {cuts} cuts");
            }
        }
    }
}

/// Sends `count` messages over links that are cut again and again, and checks what arrives.
fn check_unsteady(version: Version, qos: QoS, seed: u64) {
    let count = 300;
    let mut world = World::new(BrokerConfig::default()).with_links(move |n| {
        let side = if n % 2 == 0 { Side::Client } else { Side::Server };
        LinkConfig {
            seed: seed * 1_000 + n,
            jitter: Duration::from_millis(5),
            max_chunk: Some(1 + (seed + n) as usize % 40),
            cut_after: CutAfter::Bytes(side, 200 + (seed * 31 + n * 17) % 700),
            ..LinkConfig::default()
        }
    });
    let to = join(&mut world, lasting(version, "to"));
    let messages = subscribe(&mut world, &to, "t");
    let gathered = gather(&mut world, messages);
    let from = join(&mut world, lasting(version, "from"));
    for n in numbers(count) {
        drop(world.run(from.publish("t", n).qos(qos).enqueue()).unwrap());
    }
    let started = world.now();
    while from.stats().pending_publishes > 0 || world.broker().backlog("to") != Some(0) {
        world.run_for(Duration::from_secs(1));
        let took = world.now().saturating_since(started);
        assert!(took < Duration::from_secs(600), "only {} of {count} came", gathered.borrow().len());
    }
    let mut once = gathered.borrow().clone();
    if qos == AtLeastOnce {
        once.sort_by_key(|n| n.parse::<usize>().unwrap());
        once.dedup();
    }
    assert!(once == numbers(count), "MQTT {version}, {qos}, seed {seed}: {once:?}");
    assert!(from.stats().reconnects + to.stats().reconnects > 5);
    assert_eq!(world.broker().violations(), []);
}

#[test]
fn unsteady_links_lose_and_double_nothing() {
    for seed in 0..4 {
        for version in VERSIONS {
            check_unsteady(version, AtLeastOnce, seed);
            check_unsteady(version, ExactlyOnce, seed);
        }
    }
}

#[test]
fn the_same_seeds_give_the_same_run() {
    let run = || {
        let mut world = World::new(BrokerConfig::default()).with_links(|n| LinkConfig {
            seed: n,
            jitter: Duration::from_millis(9),
            max_chunk: Some(7),
            cut_after: CutAfter::Bytes(Side::Server, 300),
            ..LinkConfig::default()
        });
        let client = join(&mut world, lasting(V5, "a"));
        let messages = subscribe(&mut world, &client, "t");
        gather(&mut world, messages);
        for n in numbers(30) {
            world.run(client.publish("t", n).qos(ExactlyOnce)).unwrap();
        }
        let log: Vec<_> = world.broker().log().map(ToString::to_string).collect();
        (log, world.now())
    };
    assert_eq!(run(), run());
}

#[test]
fn a_quiet_connection_lives_for_weeks() {
    for version in VERSIONS {
        let mut world = World::new(BrokerConfig::default());
        let client = join(&mut world, lasting(version, "a").keep_alive(Duration::from_secs(30)));
        world.run_for(Duration::from_secs(14 * 24 * 3600));
        assert!(client.is_connected());
        assert_eq!((client.stats().reconnects, world.dials().len()), (0, 1));
    }
}

#[test]
fn years_of_daily_cuts_are_survived() {
    let mut world = World::new(BrokerConfig::default());
    let client = join(&mut world, lasting(V5, "a").keep_alive(Duration::from_secs(600)));
    let messages = subscribe(&mut world, &client, "t");
    let gathered = gather(&mut world, messages);
    let days = 3 * 365;
    for day in 0..days {
        world.run_for(Duration::from_secs(24 * 3600));
        world.links_mut().for_each(mqtt_testkit::Link::cut);
        world.run(client.publish("t", day.to_string()).qos(ExactlyOnce)).unwrap();
    }
    world.run_for(Duration::from_secs(1));
    assert!(*gathered.borrow() == numbers(days));
    assert_eq!(client.stats().reconnects, days as u64);
    assert_eq!(world.broker().violations(), []);
}

/// The first event that `wanted` makes something of.
fn event<T>(world: &mut World, events: &mut Events, wanted: impl Fn(Event) -> Option<T>) -> T {
    world.run(poll_fn(|context| {
        loop {
            match core::task::ready!(events.poll_next(context)).and_then(&wanted) {
                Some(found) => return core::task::Poll::Ready(found),
                None => continue,
            }
        }
    }))
}

#[test]
fn a_link_that_only_looks_alive_is_given_up() {
    for version in VERSIONS {
        let mut world = World::new(BrokerConfig::default());
        let options =
            lasting(version, "a").keep_alive(Duration::from_secs(30)).ping_timeout(Duration::from_secs(5));
        let client = join(&mut world, options);
        let mut events = client.events();
        world.run_for(Duration::from_secs(100));
        world.links_mut().for_each(|link| link.stall(Side::Server));
        let before = world.now();
        let failure = event(&mut world, &mut events, |event| match event {
            Event::Failed { failure, .. } => Some(failure),
            _ => None,
        });
        let took = world.now().saturating_since(before);
        assert!(took <= Duration::from_secs(36), "{took:?}: {failure}");
        world.run_for(Duration::from_secs(1));
        assert!(client.is_connected());
    }
}

#[test]
fn dials_back_off_and_a_broker_that_returns_is_found() {
    let mut world = World::new(BrokerConfig::default());
    let patient = Reconnect { retry_initial: true, ..Reconnect::default() };
    let client = world.add(Options::builder().client_id("a").reconnect(patient).build().unwrap());
    world.set_reachable(false);
    let connecting = client.connect();
    world.run_for(Duration::from_secs(3600));
    let dials = world.dials();
    // Ceilings of 0.5, 1, 2 … 30 s, jittered: 15 s each in the long run.
    assert!((120..480).contains(&dials.len()), "{} dials", dials.len());
    let longest = dials.windows(2).map(|pair| pair[1].saturating_since(pair[0])).max().unwrap();
    assert!(longest <= Duration::from_secs(31) && longest > Duration::from_secs(20), "{longest:?}");
    world.set_reachable(true);
    world.run(connecting).unwrap();
    assert!(world.broker().is_connected("a"));
}

#[test]
fn a_client_that_is_pushed_out_waits_and_says_why() {
    let mut world = World::new(BrokerConfig::default());
    let options = || Options::builder().version(V5).client_id("same");
    let first = join(&mut world, options());
    let mut events = first.events();
    let _second = join(&mut world, options());
    let (failure, retry_in) = event(&mut world, &mut events, |event| match event {
        Event::Failed { failure, retry_in, .. } => Some((failure, retry_in)),
        _ => None,
    });
    let Failure::TakenOver { client_id, disconnect } = failure else { panic!("{failure:?}") };
    assert_eq!((&*client_id, disconnect.reason), ("same", ReasonCode::SessionTakenOver));
    assert!(retry_in >= Duration::from_secs(10), "{retry_in:?}");
}

#[test]
fn a_lost_session_is_subscribed_anew() {
    for version in VERSIONS {
        let mut world = World::new(BrokerConfig::default());
        let options = Options::builder()
            .version(version)
            .client_id("to")
            .reconnect(Reconnect { first_wait: Duration::from_millis(10), ..Reconnect::default() });
        let to = join(&mut world, options);
        let messages = subscribe(&mut world, &to, "t");
        let gathered = gather(&mut world, messages);
        let from = join(&mut world, lasting(version, "from"));
        for n in 0..5 {
            world.run(from.publish("t", n.to_string()).qos(AtLeastOnce)).unwrap();
            world.run_for(Duration::from_secs(1));
            assert!(world.broker_mut().cut("to"));
            world.run_for(Duration::from_secs(10));
            assert!(world.broker().is_subscribed("to", "t"));
        }
        assert_eq!(*gathered.borrow(), numbers(5));
        assert_eq!(to.stats().reconnects, 5);
        assert_eq!(world.broker().violations(), []);
    }
}

#[test]
fn a_withheld_acknowledgement_holds_up_only_its_own_message() {
    for version in VERSIONS {
        let faults = vec![Fault::sent(PacketKind::Puback).client("a").withhold()];
        let mut world = World::new(BrokerConfig { faults, ..BrokerConfig::default() });
        let client = join(&mut world, lasting(version, "a"));
        let held = client.publish("t", "held").qos(AtLeastOnce).try_enqueue().unwrap();
        world.run_for(Duration::from_secs(600));
        world.run(client.publish("t", "next").qos(AtLeastOnce)).unwrap();
        assert_eq!(client.stats().pending_publishes, 1);
        assert!(world.broker_mut().release("a"));
        world.run(held).unwrap();
        assert_eq!(client.stats().reconnects, 0);
        assert_eq!(world.broker().violations(), [], "nothing is sent again on a live connection");
    }
}

#[test]
fn a_refusal_is_an_outcome_and_the_connection_stays() {
    let refuse = |kind| Fault::received(kind).client("a").refuse(ReasonCode::NotAuthorized);
    let faults = vec![refuse(PacketKind::Publish), refuse(PacketKind::Subscribe)];
    let mut world = World::new(BrokerConfig { faults, ..BrokerConfig::default() });
    let client = join(&mut world, lasting(V5, "a"));
    assert!(world.run(client.publish("t", "x").qos(ExactlyOnce)).is_err());
    let refused: Result<Subscription, _> = world.run(client.subscribe("t"));
    assert!(refused.is_err());
    world.run(client.publish("t", "x").qos(ExactlyOnce)).unwrap();
    assert_eq!(client.stats().reconnects, 0);
}
