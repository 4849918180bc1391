//! Whole clients over loopback: messages a second through each adapter, rumqttc and a raw socket, against a sink that
//! acknowledges at once and a source that sends as fast as it may. `cargo xtask bench e2e [--quick] [--filter TEXT]`.
//!
//! Everybody speaks 3.1.1, publishes 64 bytes, and is measured from the other side: until the sink has seen the last
//! message, or the consumer has, over a few tenths of a second at least: the first milliseconds of a process, with fresh memory and
//! threads that look for their processors, are not what a rate is; round trips are as many a second as fit at their median length.
//! The candidates take turns; the figure is the median of the rounds. So is the last one of each row: how long a cache line took
//! from one processor to the other and back meanwhile. Where the machine is virtual that differs from one minute to the next, and
//! whoever shares memory takes twice as long when it is four times as far.

mod distance;
mod ours;
mod raw;
mod rumqttc;
mod sink;

use std::{
    error::Error,
    fmt::Write,
    time::{Duration, Instant},
};

use mqtt_codec::QoS;

use sink::Sink;

/// Bytes of each payload.
const PAYLOAD: usize = 64;

/// The topic of all messages.
const TOPIC: &str = "bench/plant/line/7/temp";

/// What a row does.
#[derive(Clone, Copy)]
pub enum Work {
    /// Publish with so many in flight, from so many tasks or threads.
    Publish { qos: QoS, window: u16, tasks: usize },
    /// Receive what a source sends with so many in flight.
    Receive { qos: QoS, window: u16 },
    /// Publish at QoS 0, and wait for the echo before the next one.
    PingPong,
}

/// A client at work: returns when it has done its part; the sink or the source says when all is done. Only of round trips it
/// takes the time itself: all of them would have taken so long, had each been as long as the median.
type Run = fn(&Sink, Work, u64) -> Result<Option<Duration>, Box<dyn Error>>;

/// Times single round trips.
struct Lap {
    start: Instant,
    laps: Vec<Duration>,
}

impl Lap {
    fn new() -> Self {
        Lap { start: Instant::now(), laps: Vec::new() }
    }

    /// A round trip begins.
    fn begin(&mut self) {
        self.start = Instant::now();
    }

    /// It ends.
    fn end(&mut self) {
        self.laps.push(self.start.elapsed());
    }

    /// What as many round trips of median length take.
    fn all(mut self) -> Option<Duration> {
        self.laps.sort_unstable();
        let median = self.laps.get(self.laps.len() / 2)?;
        Some(*median * u32::try_from(self.laps.len()).ok()?)
    }
}

struct Candidate {
    name: &'static str,
    run: Run,
    /// Ours have to reach the gate.
    ours: bool,
}

const CANDIDATES: [Candidate; 4] = [
    Candidate { name: "mqtt-tokio", run: ours::tokio, ours: true },
    Candidate { name: "mqtt-blocking", run: ours::blocking, ours: true },
    Candidate { name: "rumqttc", run: rumqttc::run, ours: false },
    Candidate { name: "raw socket", run: raw::run, ours: false },
];

struct Row {
    name: &'static str,
    work: Work,
    messages: u64,
    /// How many times as many as rumqttc issue 5 asks for.
    gate: f64,
}

fn rows() -> Vec<Row> {
    use QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
    let publish = |name, qos, window, tasks, messages, gate| Row {
        name,
        work: Work::Publish { qos, window, tasks },
        messages,
        gate,
    };
    let receive =
        |name, qos, messages, gate| Row { name, work: Work::Receive { qos, window: 1000 }, messages, gate };
    vec![
        publish("publish QoS 0", AtMostOnce, 100, 1, 1_000_000, 15.0),
        publish("publish QoS 0, four tasks", AtMostOnce, 100, 4, 1_000_000, 15.0),
        publish("publish QoS 1, window 100", AtLeastOnce, 100, 1, 250_000, 5.0),
        publish("publish QoS 1, window 1,000", AtLeastOnce, 1000, 1, 500_000, 15.0),
        publish("publish QoS 2, window 100", ExactlyOnce, 100, 1, 150_000, 4.0),
        publish("publish QoS 2, window 1,000", ExactlyOnce, 1000, 1, 300_000, 12.0),
        receive("receive QoS 0", AtMostOnce, 1_000_000, 2.0),
        receive("receive QoS 1, window 1,000", AtLeastOnce, 500_000, 3.0),
        receive("receive QoS 2, window 1,000", ExactlyOnce, 300_000, 3.0),
        Row { name: "ping-pong, p50", work: Work::PingPong, messages: 20_000, gate: 0.95 },
    ]
}

/// Measures all rows whose name holds `filter` and prints the table: that, and the rows that miss their gate.
pub fn run(filter: &str, rounds: usize, quick: bool) -> Result<(String, Vec<&'static str>), Box<dyn Error>> {
    let mut table = String::from(
        "| messages a second | mqtt-tokio | mqtt-blocking | rumqttc | raw socket | against rumqttc, gate | distance, ns |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    print!("{table}");
    let mut missed = Vec::new();
    for row in rows().iter().filter(|row| row.name.contains(filter)) {
        let messages = if quick { row.messages / 5 } else { row.messages };
        let mut rates = [const { Vec::new() }; CANDIDATES.len()];
        let mut distances = Vec::new();
        for _ in 0..rounds {
            distances.push(distance::round_trip());
            for (candidate, rates) in CANDIDATES.iter().zip(&mut rates) {
                let time = once(candidate, row.work, messages)
                    .map_err(|error| format!("{}, {}: {error}", row.name, candidate.name))?;
                rates.push(messages as f64 / time.as_secs_f64());
            }
        }
        let rates = rates.map(median);
        let mut line = format!("| {}", row.name);
        for rate in rates {
            write!(line, " | {rate:.0}")?;
        }
        let peer = rates[2];
        let ratios: Vec<f64> =
            CANDIDATES.iter().zip(rates).filter(|(c, _)| c.ours).map(|(_, rate)| rate / peer).collect();
        let verdict = if ratios.iter().any(|ratio| *ratio < row.gate) { " **no**" } else { "" };
        let shown: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.1}")).collect();
        let distance = median(distances);
        write!(line, " | {} ≥ {}{verdict} | {distance:.0} |", shown.join(", "), row.gate)?;
        println!("{line}");
        table += &line;
        table.push('\n');
        if !verdict.is_empty() {
            missed.push(row.name);
        }
    }
    Ok((table, missed))
}

fn once(candidate: &Candidate, work: Work, messages: u64) -> Result<Duration, Box<dyn Error>> {
    let sink = Sink::start(work, messages)?;
    let start = Instant::now();
    let own = (candidate.run)(&sink, work, messages)?;
    sink.wait(Duration::from_secs(60))?;
    Ok(own.unwrap_or(start.elapsed()))
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}
