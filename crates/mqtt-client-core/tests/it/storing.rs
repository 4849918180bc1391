//! Clients whose sessions survive them: killed at every moment there is, and with a store that fails at each of its commits.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use mqtt_client_core::codec::{QoS, Version};
use mqtt_client_core::{
    Acknowledge, Client, Delivered, Durability, Event, Indeterminate, InvalidOptions, Message, NotSent,
    Options, OptionsBuilder, PublishFailure, SESSION_NEVER_EXPIRES, StoreError, Subscription,
};
use mqtt_testkit::{BrokerConfig, MemoryStore, StoreFault, World};

use crate::rig::failure;

const VERSIONS: [Version; 2] = [Version::V311, Version::V5];
const COUNT: usize = 8;
/// Enough for everything to come to its end.
const LONG: Duration = Duration::from_secs(60);

fn lasting(version: Version, id: &str) -> OptionsBuilder {
    Options::builder()
        .version(version)
        .client_id(id)
        .clean_start(false)
        .session_expiry(SESSION_NEVER_EXPIRES)
        .unclaimed_grace(LONG * 10)
}

fn options(version: Version, id: &str) -> Options {
    lasting(version, id).build().expect("valid options")
}

fn stored(version: Version, id: &str, store: &MemoryStore) -> Options {
    lasting(version, id).store(store.clone()).build().expect("valid options")
}

async fn next(messages: &mut Subscription) -> Option<Message> {
    poll_fn(|context| messages.poll_next(context)).await
}

/// Even numbers go at QoS 1, odd ones at QoS 2.
fn qos_of(number: usize) -> QoS {
    if number.is_multiple_of(2) { QoS::AtLeastOnce } else { QoS::ExactlyOnce }
}

/// What an application publishes in one life, going on in the next.
#[derive(Clone, Default)]
struct Work {
    next: Rc<Cell<usize>>,
    /// What the store has.
    stored: Rc<RefCell<Vec<usize>>>,
    acknowledged: Rc<RefCell<Vec<usize>>>,
}

impl Work {
    /// Publishes what is left. The first half is waited for one by one.
    async fn publish(self, client: Client) {
        while self.next.get() < COUNT {
            let number = self.next.get();
            self.next.set(number + 1);
            let publish = client.publish("t", number.to_string()).qos(qos_of(number)).enqueue();
            let Ok(completion) = publish.await else { return };
            if client.stored().await.is_err() {
                return;
            }
            self.stored.borrow_mut().push(number);
            if number < COUNT / 2 && completion.await.is_ok() {
                self.acknowledged.borrow_mut().push(number);
            }
        }
    }
}

/// A client that reads everything, of whose process no more is said.
fn reader(world: &mut World, version: Version) -> Rc<RefCell<Vec<usize>>> {
    let client = world.add(options(version, "reader"));
    world.run(client.connect()).expect("the broker accepts");
    let mut messages: Subscription = world.run(client.subscribe("t")).expect("granted");
    let read = Rc::new(RefCell::new(Vec::new()));
    let reading = Rc::clone(&read);
    world.spawn(async move {
        while let Some(message) = next(&mut messages).await {
            reading.borrow_mut().push(message.text().parse().expect("a number"));
        }
    });
    read
}

/// What has to be true of what was read: nothing stored is missing, QoS 2 comes once, first copies of a QoS come in order.
#[track_caller]
fn check_read(read: &[usize], stored: &[usize], context: &str) {
    for number in stored {
        assert!(read.contains(number), "{context}: {number} is lost: {read:?}");
    }
    let mut seen = BTreeSet::new();
    for number in read {
        let first = seen.insert(*number);
        assert!(first || qos_of(*number) == QoS::AtLeastOnce, "{context}: {number} comes twice: {read:?}");
        let newest = seen.iter().rfind(|other| qos_of(**other) == qos_of(*number));
        assert!(!first || newest == Some(number), "{context}: {number} comes late: {read:?}");
    }
}

#[test]
fn a_publisher_killed_at_any_moment_loses_and_doubles_nothing() {
    for version in VERSIONS {
        let mut steps = 0;
        while !publisher_killed_after(version, steps) {
            steps += 1;
        }
        assert!(steps > 25, "{steps} moments");
    }
}

/// Returns whether the story was over before.
fn publisher_killed_after(version: Version, steps: usize) -> bool {
    let mut world = World::new(BrokerConfig::default());
    let read = reader(&mut world, version);
    let (store, work) = (MemoryStore::new(), Work::default());
    let life = |world: &mut World| {
        let client = world.add(stored(version, "publisher", &store));
        drop(client.connect());
        world.spawn(work.clone().publish(client.clone()));
        client
    };
    let client = life(&mut world);
    let over = !(0..steps).all(|_| world.step() && read.borrow().len() < COUNT);
    world.kill(&client);
    let client = life(&mut world);
    world.run_for(LONG);
    let context = format!("{version}, killed after {steps} steps");
    assert_eq!(work.next.get(), COUNT, "{context}");
    check_read(&read.borrow(), &work.stored.borrow(), &context);
    assert_eq!((client.stats().pending_publishes, client.stats().in_flight), (0, 0), "{context}");
    assert!(store.records() <= 2, "{context}: {store:?}");
    assert_eq!(world.broker().violations(), [], "{context}");
    over
}

#[test]
fn a_worker_killed_at_any_moment_works_on_each_message_once() {
    for version in VERSIONS {
        let mut steps = 0;
        while !worker_killed_after(version, steps) {
            steps += 1;
        }
        assert!(steps > 12, "{steps} moments");
    }
}

/// An application's own database: results, and what they were made of, stored together.
#[derive(Clone, Default)]
struct Results(Rc<RefCell<Vec<Worked>>>);

/// A delivery id, and the number in its message.
type Worked = (Option<u64>, usize);

impl Results {
    async fn work(self, mut messages: Subscription) {
        while let Some(message) = next(&mut messages).await {
            let number = message.text().parse().expect("a number");
            let id = message.delivery_id();
            assert_eq!(id.is_some(), message.qos() == QoS::ExactlyOnce);
            let known = id.is_some() && self.0.borrow().iter().any(|(other, _)| *other == id);
            if !known {
                self.0.borrow_mut().push((id, number));
            }
            message.acknowledge();
        }
    }
}

fn worker_killed_after(version: Version, steps: usize) -> bool {
    let mut world = World::new(BrokerConfig::default());
    let (store, results) = (MemoryStore::new(), Results::default());
    let publisher = world.add(options(version, "publisher"));
    world.run(publisher.connect()).expect("the broker accepts");
    let life = |world: &mut World| {
        let client = world.add(stored(version, "worker", &store));
        let subscribe = client.subscribe("t").acknowledge(Acknowledge::ByHand).keep_on_drop(true);
        drop(client.connect());
        let results = results.clone();
        world.spawn(async move {
            if let Ok(messages) = subscribe.await {
                results.work(messages).await;
            }
        });
        client
    };
    let client = life(&mut world);
    world.run_for(Duration::from_secs(1));
    world.spawn(Work::default().publish(publisher));
    let over = !(0..steps).all(|_| world.step() && results.0.borrow().len() < COUNT);
    world.kill(&client);
    let client = life(&mut world);
    world.run_for(LONG);
    let context = format!("{version}, killed after {steps} steps");
    let numbers: Vec<_> = results.0.borrow().iter().map(|(_, number)| *number).collect();
    check_read(&numbers, &(0..COUNT).collect::<Vec<_>>(), &context);
    assert_eq!(client.stats().unacknowledged_messages, 0, "{context}");
    assert_eq!(world.broker().violations(), [], "{context}");
    over
}

#[test]
fn a_store_that_fails_at_any_commit_fails_what_relies_on_it_and_nothing_else() {
    for version in VERSIONS {
        for fault in [StoreFault::Fails, StoreFault::FailsAfterwards] {
            let mut commit = 1;
            while store_fails(version, fault, commit) {
                commit += 1;
            }
            assert!(commit > COUNT as u64, "{commit} commits");
        }
    }
}

/// Returns whether there was such a commit.
fn store_fails(version: Version, fault: StoreFault, commit: u64) -> bool {
    let mut world = World::new(BrokerConfig::default());
    let read = reader(&mut world, version);
    let (store, work) = (MemoryStore::new(), Work::default());
    store.inject(commit, fault);
    let client = world.add(stored(version, "publisher", &store));
    let mut events = client.events();
    world.spawn(work.clone().publish(client.clone()));
    drop(client.connect());
    world.run_for(LONG);
    let context = format!("{version}, {fault:?} at commit {commit}");
    let failed = store.commits() >= commit;
    assert_eq!(client.stats().store_failed, failed, "{context}");
    check_read(&read.borrow(), &work.acknowledged.borrow(), &context);
    if failed {
        let told = crate::rig::drain(&mut events);
        assert!(told.iter().any(|event| matches!(event, Event::StoreFailed(StoreError::Io(_)))), "{context}");
        assert_eq!(client.stats().pending_publishes, 0, "{context}: everything has ended");
        assert!(matches!(world.run(client.stored()), Err(StoreError::Io(_))), "{context}");
        let refused = world.run(client.publish("t", "100").qos(QoS::ExactlyOnce));
        assert!(
            matches!(failure("t", &refused), PublishFailure::NotSent(NotSent::Store(_))),
            "{context}: {refused:?}"
        );
        let written = world.run(client.publish("t", "101"));
        assert!(matches!(written, Ok(Delivered::Queued)), "{context}: QoS 0 goes on: {written:?}");
        world.run_for(LONG);
        assert_eq!(read.borrow_mut().pop(), Some(101), "{context}");
    }
    // The next one goes on from what the store has.
    world.kill(&client);
    let client = world.add(stored(version, "publisher", &store));
    drop(client.connect());
    world.spawn(work.clone().publish(client.clone()));
    world.run_for(LONG);
    check_read(&read.borrow(), &work.stored.borrow(), &context);
    assert_eq!(world.broker().violations(), [], "{context}");
    failed
}

#[test]
fn what_was_queued_before_the_first_connection_survives() {
    let store = MemoryStore::new();
    let mut world = World::new(BrokerConfig::default());
    let client = world.add(stored(Version::V5, "publisher", &store));
    let work = Work { next: Rc::new(Cell::new(COUNT / 2)), ..Work::default() };
    world.spawn(work.clone().publish(client.clone()));
    world.run_for(LONG);
    assert_eq!(work.stored.borrow().len(), COUNT / 2);
    assert_eq!(client.stats().pending_publishes, COUNT / 2);
    world.kill(&client);

    let read = reader(&mut world, Version::V5);
    let client = world.add(stored(Version::V5, "publisher", &store));
    assert_eq!(client.stats().pending_publishes, COUNT / 2);
    let later = client.publish("t", "100").qos(QoS::AtLeastOnce).try_enqueue().expect("room");
    world.run(client.connect()).expect("the broker accepts");
    assert!(matches!(world.run(later), Ok(Delivered::Acknowledged(_))));
    world.run_for(LONG);
    let expected: Vec<_> = (COUNT / 2..COUNT).chain([100]).collect();
    assert_eq!(*read.borrow(), expected, "in their order, before anything newer");
}

/// At QoS 1 such a message is sent anew; at QoS 2 a second copy could be one too many.
#[test]
fn what_a_store_brought_back_and_the_broker_forgot_is_told() {
    for version in VERSIONS {
        let store = MemoryStore::new();
        let mut world = World::new(BrokerConfig::default());
        let client = world.add(stored(version, "publisher", &store));
        world.run(client.connect()).expect("the broker accepts");
        for (topic, qos) in [("once", QoS::ExactlyOnce), ("least", QoS::AtLeastOnce)] {
            drop(client.publish(topic, "0").qos(qos).try_enqueue().expect("room"));
        }
        world.run(client.stored()).expect("the store works");
        world.kill(&client);

        // Another broker, of which nothing else is known.
        let mut world = World::new(BrokerConfig::default());
        let client = world.add(stored(version, "publisher", &store));
        let mut events = client.events();
        world.run(client.connect()).expect("the broker accepts");
        world.run_for(LONG);
        let mut told = crate::rig::drain(&mut events);
        told.retain(|event| matches!(event, Event::NotPublished(_)));
        let lost = PublishFailure::Indeterminate(Indeterminate::SessionLost);
        assert_eq!(
            told.iter().map(Event::to_string).collect::<Vec<_>>(),
            [format!("publishing to \"once\": {lost}")]
        );
        assert_eq!(client.stats().pending_publishes, 0, "{version}");
        assert!(store.records() <= 2, "{version}: {store:?}");
    }
}

#[test]
fn messages_outlive_a_disconnect_in_the_store() {
    let store = MemoryStore::new();
    let mut world = World::new(BrokerConfig::default());
    let read = reader(&mut world, Version::V5);
    let client = world.add(stored(Version::V5, "publisher", &store));
    let publish = |number: usize, qos| client.publish("t", number.to_string()).qos(qos).try_enqueue();
    let kept = publish(1, QoS::ExactlyOnce).expect("room");
    let lost = publish(2, QoS::AtMostOnce).expect("room");
    let report = world.run(client.disconnect());
    assert_eq!((report.kept, report.not_sent.len()), (1, 1));
    let outcome = world.run(kept);
    assert!(
        matches!(failure("t", &outcome), PublishFailure::Indeterminate(Indeterminate::Kept(_))),
        "{outcome:?}"
    );
    assert!(matches!(failure("t", &world.run(lost)), PublishFailure::NotSent(_)));
    world.run(client.flush());

    world.run(client.connect()).expect("the same client goes on");
    world.run_for(LONG);
    assert_eq!(*read.borrow(), [1]);
    assert_eq!(client.stats().pending_publishes, 0);
}

#[test]
fn expiry_goes_on_while_no_process_runs() {
    for (away, expected) in [(10, &[1, 2][..]), (50, &[2])] {
        let store = MemoryStore::new();
        let mut world = World::new(BrokerConfig::default());
        let read = reader(&mut world, Version::V5);
        let client = world.add(stored(Version::V5, "publisher", &store));
        for (number, seconds) in [(1, 40), (2, 4000)] {
            let mut properties = mqtt_client_core::codec::PublishProperties::default();
            properties.set_message_expiry_interval(seconds);
            let publish = client.publish("t", number.to_string()).qos(QoS::AtLeastOnce);
            drop(publish.properties(properties).try_enqueue().expect("room"));
        }
        world.run(client.stored()).expect("stored");
        world.kill(&client);
        store.set_elapsed(Duration::from_secs(away));
        let client = world.add(stored(Version::V5, "publisher", &store));
        world.run(client.connect()).expect("the broker accepts");
        world.run_for(LONG);
        assert_eq!(*read.borrow(), expected, "after {away} s");
        assert_eq!(client.stats().expired_publishes, 2 - expected.len() as u64);
    }
}

#[test]
fn subscriptions_come_back_and_streams_attach_to_them_again() {
    let store = MemoryStore::new();
    let mut world = World::new(BrokerConfig::default());
    let publisher = world.add(options(Version::V5, "publisher"));
    world.run(publisher.connect()).expect("the broker accepts");
    let client = world.add(stored(Version::V5, "worker", &store));
    world.run(client.connect()).expect("the broker accepts");
    let first: Subscription = world.run(client.subscribe("first")).expect("granted");
    let second: Subscription = world.run(client.subscribe("second")).expect("granted");
    world.run(client.stored()).expect("stored");
    world.kill(&client);
    drop((first, second));

    // The broker has lost the session meanwhile: the subscriptions are made again before anybody asks.
    let thief = world.add(Options::builder().client_id("worker").build().expect("valid options"));
    world.run(thief.connect()).expect("the broker accepts");
    world.run(thief.disconnect());
    let client = world.add(stored(Version::V5, "worker", &store));
    world.run(client.connect()).expect("the broker accepts");
    for topic in ["second", "first"] {
        world.run(publisher.publish(topic, topic).qos(QoS::AtLeastOnce)).expect("delivered");
    }
    world.run_for(Duration::from_secs(1));
    // In the other order: the numbers of the subscriptions are those of before.
    let mut second: Subscription = world.run(client.subscribe("second")).expect("granted");
    let mut first: Subscription = world.run(client.subscribe("first")).expect("granted");
    for (stream, expected) in [(&mut second, "second"), (&mut first, "first")] {
        let message = world.run(next(stream)).expect("a message");
        assert_eq!(message.text(), expected);
    }
}

#[test]
fn commits_keep_the_interval_that_they_are_given() {
    let store = MemoryStore::new();
    let mut world = World::new(BrokerConfig::default());
    let interval = Durability::Interval(Duration::from_secs(5));
    let options = lasting(Version::V5, "publisher").store(store.clone()).durability(interval);
    let client = world.add(options.build().expect("valid options"));
    world.run(client.connect()).expect("the broker accepts");
    let begin = world.now();
    for number in 0..10 {
        world.run_for(Duration::from_secs(1));
        let publish = client.publish("t", number.to_string()).qos(QoS::AtLeastOnce).try_enqueue();
        drop(publish.expect("room"));
    }
    world.run(client.flush());
    world.run(client.stored()).expect("stored");
    let took = world.now().saturating_since(begin).as_secs();
    let commits = store.commits();
    assert!((2..=took / 5 + 2).contains(&commits), "{commits} commits in {took} s");
}

#[test]
fn a_store_that_cannot_be_opened_makes_no_client() {
    let store = MemoryStore::new();
    let mut world = World::new(BrokerConfig::default());
    let client = world.add(stored(Version::V5, "one", &store));
    let error = world.try_add(stored(Version::V5, "one", &store)).expect_err("it is in use");
    assert!(matches!(error, StoreError::Locked), "{error}");
    drop(client.publish("t", "1").qos(QoS::AtLeastOnce).try_enqueue().expect("room"));
    world.run(client.connect()).expect("the broker accepts");
    world.run(client.flush());
    world.run(client.stored()).expect("stored");
    world.kill(&client);
    let error = world.try_add(stored(Version::V5, "two", &store)).expect_err("it is another's");
    assert!(error.to_string().contains("that of one at mqtt://localhost:1883, not of two"), "{error}");
    let error = world.try_add(stored(Version::V311, "one", &store)).expect_err("another version's");
    assert!(matches!(error, StoreError::Session(_)), "{error}");
    world.try_add(stored(Version::V5, "one", &store)).expect("nothing was changed");
}

#[test]
fn a_store_needs_a_session_that_is_kept() {
    let builder = || lasting(Version::V5, "one").store(MemoryStore::new());
    for options in [
        builder().client_id(""),
        builder().clean_start(true),
        builder().session_expiry(Duration::ZERO),
        builder().fall_back(true),
    ] {
        let error = options.build().expect_err("it makes no sense");
        assert!(matches!(error, InvalidOptions::Option { option: "store" | "client_id", .. }), "{error}");
    }
}
