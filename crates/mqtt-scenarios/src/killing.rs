//! Exactly once across killed processes: a worker that is ended by SIGKILL again and again, and what has to come of it.
//!
//! The worker keeps its session with `mqtt-store`. It is fed through mosquitto and publishes on its own, at QoS 1 and 2, all
//! the while; it goes on after each kill, by turns over either adapter. It notes in files of its own what its store has
//! confirmed and what it has worked on. In the end both directions are counted at both ends.

mod notes;
mod worker;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mqtt_client_core::codec::{QoS, Version};

use crate::{Case, Client, Mosquitto, Next, Subscription, Tokio};

use notes::Notes;
pub use worker::{Life, work};

/// How long a life lasts at most.
const LONGEST: u64 = 120;
/// How long all that is under way may take to come to its end, once nobody is killed any more.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long to look for messages that should not come.
const SILENCE: Duration = Duration::from_millis(500);

/// Who is to be killed, and how often.
#[derive(Clone, Debug)]
pub struct Killing {
    /// The program whose `main` calls [`work`] with the [`Life`] of its arguments.
    pub program: PathBuf,
    /// The protocol version.
    pub version: Version,
    /// How often.
    pub kills: u32,
    /// Decides at which moments.
    pub seed: u64,
}

/// What was counted.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The protocol version.
    pub version: Version,
    /// How often the worker was killed.
    pub kills: u32,
    /// Messages that the worker's store confirmed, all of which arrived.
    pub published: usize,
    /// Copies of them that came once more, all of QoS 1.
    pub published_again: usize,
    /// Messages that were sent to the worker, on all of which it has worked.
    pub received: usize,
    /// Work that was done once more, all of it at QoS 1.
    pub received_again: usize,
}

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counted { version, kills, published, published_again, received, received_again } = self;
        write!(
            f,
            "MQTT {version}, killed {kills} times: {published} messages out ({published_again} repeated), {received} in \
             ({received_again} repeated); none lost, none of QoS 2 twice, all in order"
        )
    }
}

impl Killing {
    /// Kills, and counts.
    ///
    /// # Panics
    /// When anything is lost, or of QoS 2 and there twice, or out of order; or does not end.
    #[must_use]
    pub fn run(&self) -> Counted {
        // What waits for room in its window, mosquitto 2.0.11 sends behind newer messages: it is given no window.
        let mosquitto = Mosquitto::start_with("max_inflight_messages 0");
        let folder = mosquitto.folder().join("worker");
        std::fs::create_dir_all(&folder).expect("the folder for temporary files can be written to");
        let case = Case::<Tokio>::start(self.version);
        let options =
            |id| case.persistent(&mosquitto.url(), id).max_in_flight(1000).receive_maximum(u16::MAX);
        let connect = |id| case.connect_with(options(id));
        let (reader, feeder) = (connect("reader"), connect("feeder"));
        let mut out = reader.subscribe("out/#").expect("granted");
        let life = |number: &str| self.start(number, &mosquitto.url(), &folder);

        // Before anything is sent to it, the broker has to know the worker.
        let mut first = life(Life::LAST);
        wait(&mut first, "the worker has subscribed", || folder.join("subscribed").exists());
        end(first);

        let read = Mutex::new(Vec::new());
        let (killed, over, fed) = (AtomicBool::new(false), AtomicBool::new(false), AtomicUsize::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Acquire) {
                    if let Next::Message(message) = out.next_within(Duration::from_millis(20)) {
                        let number = message.text().parse().expect("a number");
                        read.lock().expect("nobody panics with it").push(number);
                    }
                }
            });
            let feeding = scope.spawn(|| {
                let mut number = 0;
                while !killed.load(Ordering::Acquire) {
                    let (topic, qos) = (topic_of("in", number), qos_of(number));
                    let publish = feeder.publish(&topic, number.to_string()).qos(qos).enqueue();
                    drop(feeder.wait(publish).expect("admitted"));
                    number += 1;
                    fed.store(number, Ordering::Release);
                    thread::sleep(Duration::from_millis(1));
                }
                feeder.flush();
            });
            let mut random = self.seed;
            for number in 0..self.kills {
                let worker = life(&number.to_string());
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                thread::sleep(Duration::from_millis(5 + (random >> 33) % LONGEST));
                end(worker);
            }
            killed.store(true, Ordering::Release);
            let fed = feeding.join().map(|()| fed.load(Ordering::Acquire)).expect("all was fed");
            let mut last = life(Life::LAST);
            wait(&mut last, "all is worked on, and all has arrived", || {
                let done: BTreeSet<_> = notes(&folder).results().into_iter().collect();
                let read: BTreeSet<_> = read.lock().expect("nobody panics with it").iter().copied().collect();
                (0..fed).all(|number| done.contains(&number))
                    && notes(&folder).stored().iter().all(|number| read.contains(number))
            });
            thread::sleep(SILENCE);
            end(last);
            over.store(true, Ordering::Release);
        });

        let (stored, results) = (notes(&folder).stored(), notes(&folder).results());
        let read = read.into_inner().expect("nobody panics with it");
        let fed = fed.into_inner();
        Counted {
            version: self.version,
            kills: self.kills,
            published: stored.len(),
            published_again: repeated("published", &read, &stored),
            received: fed,
            received_again: repeated("received", &results, &(0..fed).collect::<Vec<_>>()),
        }
    }

    fn start(&self, number: &str, url: &str, folder: &Path) -> Child {
        let version = if self.version == Version::V5 { "5" } else { "3" };
        let mut command = Command::new(&self.program);
        command.args(["worker", version, number, url]).arg(folder);
        command.spawn().expect("the worker starts")
    }
}

/// Even numbers travel at QoS 1, odd ones at QoS 2.
fn qos_of(number: usize) -> QoS {
    if number.is_multiple_of(2) { QoS::AtLeastOnce } else { QoS::ExactlyOnce }
}

/// Each on a topic of its own, where its order is kept.
fn topic_of(direction: &str, number: usize) -> String {
    format!("{direction}/{}", qos_of(number) as u8)
}

fn notes(folder: &Path) -> Notes {
    Notes::of(folder)
}

/// SIGKILL.
fn end(mut worker: Child) {
    worker.kill().and_then(|()| worker.wait()).expect("the worker can be killed");
}

fn wait(worker: &mut Child, what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        assert!(worker.try_wait().is_ok_and(|status| status.is_none()), "the worker has ended by itself");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Nothing expected may be missing, QoS 2 comes once, and first copies come in order. How many others there are.
fn repeated(what: &str, came: &[usize], expected: &[usize]) -> usize {
    let (mut seen, mut latest, mut repeated) = (BTreeSet::new(), [None; 2], 0);
    for (at, number) in came.iter().enumerate() {
        if seen.insert(*number) {
            let latest = &mut latest[number % 2];
            let around = &came[at.saturating_sub(40)..came.len().min(at + 40)];
            assert!(*latest < Some(*number), "{what}: {number} after {latest:?}: {around:?}");
            *latest = Some(*number);
        } else {
            assert_eq!(qos_of(*number), QoS::AtLeastOnce, "{what}: {number} comes twice");
            repeated += 1;
        }
    }
    let lost: Vec<_> = expected.iter().filter(|number| !seen.contains(number)).collect();
    assert!(lost.is_empty(), "{what}: lost {lost:?}");
    repeated
}
