//! Time and instruction counts of candidates that do the same work.

use std::time::Instant;

/// Who does the work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum House {
    Ours,
    Peer,
    Floor,
    /// A copy of the bytes: what no decoder has to beat, shown for scale.
    Copy,
    /// Shown beside the others, because it does more or less than the row asks.
    Beside,
}

/// One way to do the work of a row.
pub struct Candidate {
    pub name: &'static str,
    pub house: House,
    /// How many packets one call works on.
    pub packets: usize,
    /// Works on a batch and returns the nanoseconds that it took, without the preparation.
    run: Box<dyn FnMut() -> u128>,
}

impl Candidate {
    /// `prepare` makes what `work` uses up; only `work` is measured.
    pub fn new<S: 'static>(
        name: &'static str,
        house: House,
        packets: usize,
        mut prepare: impl FnMut() -> S + 'static,
        mut work: impl FnMut(&mut S) + 'static,
    ) -> Self {
        let run = move || {
            let mut state = prepare();
            let start = Instant::now();
            the_measured_part(&mut state, &mut work);
            start.elapsed().as_nanos()
        };
        Self { name, house, packets, run: Box::new(run) }
    }

    /// Works on one batch.
    pub fn once(&mut self) -> u128 {
        (self.run)()
    }
}

/// What valgrind counts, found by its name.
#[inline(never)]
fn the_measured_part<S>(state: &mut S, work: &mut impl FnMut(&mut S)) {
    work(state);
}

/// One kind of packet, and everybody who can do it.
pub struct Row {
    pub name: &'static str,
    /// What issue 3 allows us, against the fastest peer and against the floor.
    pub goal: (f64, Option<f64>),
    pub candidates: Vec<Candidate>,
}

impl Row {
    /// Nanoseconds a packet, the median over the rounds; the candidates take turns, so that what disturbs the
    /// machine disturbs all of them.
    pub fn times(&mut self, rounds: usize) -> Vec<f64> {
        let mut samples = vec![Vec::with_capacity(rounds); self.candidates.len()];
        for round in 0..rounds + rounds / 10 {
            for (candidate, samples) in self.candidates.iter_mut().zip(&mut samples) {
                let nanoseconds = candidate.once() as f64 / candidate.packets as f64;
                // The first tenth warms caches and predictors.
                if round >= rounds / 10 {
                    samples.push(nanoseconds);
                }
            }
        }
        samples.into_iter().map(median).collect()
    }
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
