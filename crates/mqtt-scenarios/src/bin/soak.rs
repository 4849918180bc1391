//! One party to `cargo xtask soak`: publishes and reads for minutes over whatever link it is given, counts at both ends,
//! and watches its own memory.
//!
//! `soak URL tokio|blocking 3.1.1|5.0 SECONDS`. It ends with an error that says what was lost or doubled, or
//! how its memory grew.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Display;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use mqtt_client_core::codec::{QoS, Version};
use mqtt_client_core::{Completion, Reconnect};
use mqtt_scenarios::{Adapter, Blocking, Case, Client, Next, Subscription, Tokio};

/// From here on memory is held against what it was.
const SETTLED: Duration = Duration::from_secs(120);
/// What it may grow by from then on.
const GROWTH: u64 = 2 << 20;
/// How long everything that is under way at the end may take, on a link that is whole again.
const LAST_WORDS: Duration = Duration::from_secs(90);
/// How many publishes of a flow may be without their outcome.
const UNDER_WAY: usize = 200;
/// How many messages may come while an earlier one has not.
const MOST_EARLY: usize = 10 * UNDER_WAY;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let result = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [url, adapter, version, seconds] => match (adapter, parse(version, seconds)) {
            ("tokio", Ok((version, time))) => soak::<Tokio>(url, adapter, version, time),
            ("blocking", Ok((version, time))) => soak::<Blocking>(url, adapter, version, time),
            (_, Err(error)) => Err(error),
            _ => Err(format!("no adapter is called {adapter}")),
        },
        _ => Err("usage: soak URL tokio|blocking 3.1.1|5.0 SECONDS".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("FAILED: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn parse(version: &str, seconds: &str) -> Result<(Version, Duration), String> {
    let version = match version {
        "3.1.1" => Version::V311,
        "5.0" => Version::V5,
        other => return Err(format!("no version is called {other}")),
    };
    let seconds = seconds.parse().map_err(|_| format!("{seconds}: not a number of seconds"))?;
    Ok((version, Duration::from_secs(seconds)))
}

/// One numbered flow from the publisher to the subscriber.
struct Flow {
    topic: String,
    qos: QoS,
    published: AtomicU64,
    arrived: AtomicU64,
    repeated: AtomicU64,
}

impl Flow {
    fn new(topic: String, qos: QoS) -> Self {
        Flow { topic, qos, published: 0.into(), arrived: 0.into(), repeated: 0.into() }
    }

    /// Publishes number after number, a few hundred under way, until it is over; then sees all of them through.
    fn publish<C: Client>(&self, client: &C, over: &AtomicBool) -> Result<(), String> {
        let mut under_way: VecDeque<(u64, Completion)> = VecDeque::with_capacity(UNDER_WAY);
        for number in 0.. {
            if over.load(Ordering::Acquire) {
                break;
            }
            if under_way.len() == UNDER_WAY
                && let Some((oldest, completion)) = under_way.pop_front()
            {
                see_through(client, oldest, completion)?;
            }
            let publish = client.publish(&self.topic, number.to_string()).qos(self.qos);
            let completion = publish.try_enqueue().map_err(|error| format!("publish {number}: {error}"))?;
            under_way.push_back((number, completion));
            self.published.store(number + 1, Ordering::Release);
        }
        under_way.into_iter().try_for_each(|(number, completion)| see_through(client, number, completion))
    }

    /// Reads until it is over and everything published has arrived, at QoS 2 nothing twice. The order is not checked
    /// here: mosquitto 2.0.11 sends what is new before what it has queued.
    fn read(&self, messages: &mut impl Subscription, over: &AtomicBool) -> Result<(), String> {
        let mut ending: Option<Instant> = None;
        // Those that came before their turn.
        let mut early = BTreeSet::new();
        loop {
            let next = self.arrived.load(Ordering::Relaxed);
            if over.load(Ordering::Acquire) {
                let published = self.published.load(Ordering::Acquire);
                if next == published {
                    break;
                }
                if ending.get_or_insert_with(Instant::now).elapsed() > LAST_WORDS {
                    return Err(format!("{}: {next} of {published} messages arrived", self.topic));
                }
            }
            match messages.next_within(Duration::from_secs(1)) {
                Next::Silence => {}
                Next::Ended => return Err(format!("{}: the stream has ended", self.topic)),
                Next::Message(message) => {
                    let number: u64 = message.text().parse().map_err(|_| format!("not ours: {message:?}"))?;
                    let first = number >= next && early.insert(number);
                    if !first && self.qos == QoS::ExactlyOnce {
                        return Err(format!("{}: {number} came twice", self.topic));
                    }
                    self.repeated.fetch_add(u64::from(!first), Ordering::Relaxed);
                    let mut next = next;
                    while early.remove(&next) {
                        next += 1;
                    }
                    self.arrived.store(next, Ordering::Release);
                    if early.len() > MOST_EARLY {
                        return Err(format!("{}: {next} is lost, {number} came meanwhile", self.topic));
                    }
                }
            }
        }
        match messages.next_within(Duration::from_secs(2)) {
            Next::Message(message) if self.qos == QoS::ExactlyOnce => {
                Err(format!("{}: {} came twice", self.topic, message.text()))
            }
            _ => Ok(()),
        }
    }
}

impl Display for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [published, arrived, repeated] =
            [&self.published, &self.arrived, &self.repeated].map(|count| count.load(Ordering::Relaxed));
        write!(f, "{:?}: {published} published, {arrived} arrived, {repeated} repeated", self.qos)
    }
}

/// Waits for an outcome longer than a scenario would: the link may be away for a while.
fn see_through<C: Client>(client: &C, number: u64, mut completion: Completion) -> Result<(), String> {
    let mut context = Context::from_waker(Waker::noop());
    let deadline = Instant::now() + LAST_WORDS;
    loop {
        match Pin::new(&mut completion).poll(&mut context) {
            Poll::Ready(Ok(_)) => return Ok(()),
            Poll::Ready(Err(error)) => return Err(format!("publish {number}: {error}")),
            Poll::Pending if Instant::now() > deadline => {
                return Err(format!("publish {number}: no outcome for {LAST_WORDS:?}: {:?}", client.stats()));
            }
            Poll::Pending => thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn soak<A: Adapter>(url: &str, name: &str, version: Version, time: Duration) -> Result<(), String> {
    let case = Case::<A>::start(version);
    let client = |role: &str| {
        let options = case.persistent(url, &case.unique(role));
        case.connect_with(
            options.keep_alive(Duration::from_secs(5)).connect_timeout(Duration::from_secs(5)).reconnect(
                Reconnect {
                    first_wait: Duration::from_millis(50),
                    max_wait: Duration::from_secs(1),
                    retry_initial: true,
                    ..Reconnect::default()
                },
            ),
        )
    };
    let (publisher, subscriber) = (client("publisher"), client("subscriber"));
    let flows = [("soak/once", QoS::ExactlyOnce), ("soak/least", QoS::AtLeastOnce)]
        .map(|(topic, qos)| Flow::new(case.unique(topic), qos));
    let over = AtomicBool::new(false);
    let mut memory = Memory::default();

    thread::scope(|scope| {
        let mut parties = Vec::new();
        for flow in &flows {
            let mut messages = subscriber.subscribe(&flow.topic).map_err(|error| error.to_string())?;
            let (publisher, over) = (&publisher, &over);
            parties.push(scope.spawn(move || flow.publish(publisher, over)));
            parties.push(scope.spawn(move || flow.read(&mut messages, over)));
        }
        let start = Instant::now();
        while start.elapsed() < time && parties.iter().all(|party| !party.is_finished()) {
            thread::sleep(Duration::from_secs(1));
            memory.watch(start.elapsed());
            if start.elapsed().as_secs().is_multiple_of(30) {
                let reconnects = publisher.stats().reconnects + subscriber.stats().reconnects;
                say(format_args!(
                    "{name} {version}: {:>4} s, {}; {}; {reconnects} reconnects; {memory}",
                    start.elapsed().as_secs(),
                    flows[0],
                    flows[1],
                ));
            }
        }
        over.store(true, Ordering::Release);
        for party in parties {
            party.join().map_err(|_| "a thread panicked".to_owned())??;
        }
        Ok::<(), String>(())
    })?;

    let (sent, read) = (publisher.stats(), subscriber.stats());
    if sent.reconnects == 0 || read.reconnects == 0 {
        return Err("the link never broke: this proves nothing".to_owned());
    }
    if sent.in_flight + sent.pending_publishes > 0 || read.dropped_messages + read.unclaimed_messages > 0 {
        return Err(format!("something is left: {sent:?}, {read:?}"));
    }
    say(format_args!("{name} {version}: {}; {}; {memory}", flows[0], flows[1]));
    memory.verdict()
}

/// The resident size of this process.
#[derive(Default)]
struct Memory {
    settled: Option<u64>,
    greatest: u64,
}

impl Memory {
    fn watch(&mut self, running_for: Duration) {
        if running_for >= SETTLED {
            let now = resident();
            self.greatest = self.greatest.max(now);
            self.settled.get_or_insert(now);
        }
    }

    fn verdict(&self) -> Result<(), String> {
        match self.settled {
            Some(settled) if self.greatest > settled + GROWTH => Err(format!("memory grew: {self}")),
            _ => Ok(()),
        }
    }
}

impl Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kib = |bytes| bytes / 1024;
        match self.settled {
            Some(settled) => {
                write!(f, "{} KiB after two minutes, then at most {}", kib(settled), kib(self.greatest))
            }
            None => write!(f, "{} KiB", kib(resident())),
        }
    }
}

/// From Linux's own account of this process, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it tells the resident size");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of KiB") * 1024
}

#[expect(clippy::print_stdout, reason = "a program that reports on a terminal")]
fn say(line: std::fmt::Arguments<'_>) {
    println!("{line}");
}
