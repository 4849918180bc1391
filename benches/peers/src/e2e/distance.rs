//! How far apart two processors are: publisher and driver share memory, so that decides a round as much as what they do.

use std::{
    hint,
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Instant,
};

/// How often a cache line goes there and back for one figure.
const TRIPS: u32 = 4000;

/// Figures of which the median counts: the two threads may begin on one processor.
const FIGURES: u32 = 7;

/// A place in memory that shares its cache line with nothing.
#[repr(align(128))]
struct Line(AtomicU32);

impl Line {
    fn pass(&self, from: u32) {
        while self.0.load(Ordering::Acquire) != from {
            hint::spin_loop();
        }
        self.0.store(from.wrapping_add(1), Ordering::Release);
    }
}

/// How long a cache line takes to another processor and back, in nanoseconds.
pub fn round_trip() -> f64 {
    let line = Line(AtomicU32::new(0));
    thread::scope(|scope| {
        scope.spawn(|| (0..TRIPS * FIGURES).for_each(|trip| line.pass(2 * trip + 1)));
        let figures = (0..FIGURES).map(|figure| {
            let start = Instant::now();
            (TRIPS * figure..TRIPS * (figure + 1)).for_each(|trip| line.pass(2 * trip));
            start.elapsed().as_nanos() as f64 / f64::from(TRIPS)
        });
        super::median(figures.collect())
    })
}
