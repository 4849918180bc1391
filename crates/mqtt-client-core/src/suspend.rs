//! [`SuspendWatch`]: notices that the machine has slept.
//!
//! The clock that drivers measure time with stands still while a machine is suspended (Linux, macOS), and with it every
//! deadline: a link that died in its sleep would look alive until the next ping. The wall clock goes on.

use std::time::{Duration, SystemTime};

use crate::session::Timestamp;

/// How much further the wall clock has to have come. Less is how clocks are set right by the network.
const SLEPT: Duration = Duration::from_secs(2);

/// How often the clocks are compared. No timer ends because the machine wakes up, so this is how late it is noticed.
const INTERVAL: Duration = Duration::from_secs(5);

/// Compares the clocks now and then. Does nothing until it is first told the wall clock's time.
#[derive(Debug, Default)]
pub(crate) struct SuspendWatch {
    last: Option<(Timestamp, SystemTime)>,
}

impl SuspendWatch {
    /// Whether the machine has slept since the last look. `wall`: what the wall clock shows. One that somebody has set forward
    /// looks the same; one that was set back does not.
    pub(crate) fn look(&mut self, now: Timestamp, wall: SystemTime) -> bool {
        let Some((then, wall_then)) = self.last.replace((now, wall)) else { return false };
        wall.duration_since(wall_then).unwrap_or_default() > now.saturating_since(then) + SLEPT
    }

    /// When to look again.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.last.map(|(then, _)| then + INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_wall_clock_that_runs_ahead_tells_of_sleep() {
        let mut watch = SuspendWatch::default();
        let mut check = |now: u64, wall: u64, slept: bool| {
            let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(wall);
            let now = Timestamp::ZERO + Duration::from_secs(now);
            assert_eq!(watch.look(now, wall), slept, "at {now}, {wall:?}");
        };
        check(0, 1_000_000, false);
        check(5, 1_000_005, false);
        check(10, 1_000_012, false);
        check(15, 1_003_612, true);
        check(20, 1_003_617, false);
        check(25, 1_000_000, false);
        check(30, 1_000_005, false);
    }
}
