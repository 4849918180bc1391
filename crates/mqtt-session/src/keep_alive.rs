//! [`KeepAlive`]: when PINGREQ is due, and when PINGRESP is overdue.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::{Config, Deadline, Tag, Timer, Timestamp};

/// The application's pings are refused while so many answers are outstanding.
const MAX_PINGS: usize = 16;

/// Keeps one connection alive, and notices when it is not.
///
/// PINGREQ goes out at the earlier of two moments: `ping_delay` before the keep alive would have passed since the
/// last write, as the server demands it [MQTT-3.1.2-20]; and one keep alive after the last byte came in, which
/// finds out about a link that swallows what a busy sender writes.
#[derive(Debug)]
pub(crate) struct KeepAlive {
    /// The keep alive in force; `None` when it is off, or not agreed yet.
    interval: Option<Duration>,
    ping_delay: Duration,
    ping_timeout: Duration,
    last_write: Timestamp,
    last_read: Timestamp,
    pings: VecDeque<Ping>,
}

/// A PINGREQ whose answer is outstanding.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ping {
    pub(crate) tag: Option<Tag>,
    /// The connection's count of bytes at its end.
    end: u64,
    /// When the transport took it. Until then no answer can be overdue: it may stand behind a large publish.
    pub(crate) written_at: Option<Timestamp>,
}

/// What a passed moment means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    Ping,
    Dead,
}

impl KeepAlive {
    pub(crate) fn new(config: &Config, now: Timestamp) -> Self {
        Self {
            interval: None,
            ping_delay: config.ping_delay,
            ping_timeout: config.ping_timeout,
            last_write: now,
            last_read: now,
            pings: VecDeque::new(),
        }
    }

    /// Begins to ping; `seconds` = 0 means never.
    pub(crate) fn start(&mut self, seconds: u16) {
        self.interval = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
    }

    /// The transport has taken `written` bytes in all.
    pub(crate) fn wrote(&mut self, written: u64, now: Timestamp) {
        self.last_write = now;
        for ping in self.pings.iter_mut().filter(|ping| ping.end <= written) {
            ping.written_at.get_or_insert(now);
        }
    }

    pub(crate) fn read(&mut self, now: Timestamp) {
        self.last_read = now;
    }

    pub(crate) fn accepts_ping(&self) -> bool {
        self.pings.len() < MAX_PINGS
    }

    /// A PINGREQ is on its way; it ends at the byte `end` of the connection.
    pub(crate) fn pinged(&mut self, tag: Option<Tag>, end: u64, now: Timestamp) {
        self.pings.push_back(Ping { tag, end, written_at: None });
        self.last_write = now;
    }

    /// PINGRESP came: the ping that it answers, if any was sent.
    pub(crate) fn answered(&mut self) -> Option<Ping> {
        self.pings.pop_front()
    }

    pub(crate) fn due(&self, now: Timestamp) -> Due {
        if self.ping_response_deadline().is_some_and(|at| at <= now) {
            Due::Dead
        } else if self.ping_deadline().is_some_and(|at| at <= now) {
            Due::Ping
        } else {
            Due::Nothing
        }
    }

    pub(crate) fn deadlines(&self) -> [Option<Deadline>; 2] {
        [
            self.ping_deadline().map(|at| Deadline { at, timer: Timer::KeepAlive }),
            self.ping_response_deadline().map(|at| Deadline { at, timer: Timer::PingResponse }),
        ]
    }

    /// The pings that will not be answered any more.
    pub(crate) fn into_pings(self) -> impl Iterator<Item = Ping> {
        self.pings.into_iter()
    }

    fn ping_deadline(&self) -> Option<Timestamp> {
        let interval = self.interval?;
        let after_write = self.last_write + (interval - self.ping_delay.min(interval / 2));
        // One answer outstanding says all that silence could say.
        let after_read = self.pings.is_empty().then(|| self.last_read + interval);
        Some(after_read.map_or(after_write, |at| at.min(after_write)))
    }

    fn ping_response_deadline(&self) -> Option<Timestamp> {
        Some(self.pings.front()?.written_at? + self.ping_timeout)
    }
}
