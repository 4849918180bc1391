//! [`Link`]: a byte stream between two ends, with seeded faults, in virtual time.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::BytesMut;
use mqtt_codec::Side;
use mqtt_session::Timestamp;

use crate::rng::Rng;

/// How a [`Link`] treats what it carries.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    /// Decides jitter and chunks: the same seed and traffic give the same run.
    pub seed: u64,
    /// How long a byte travels.
    pub delay: Duration,
    /// How much longer it may travel, chosen anew for each chunk. Bytes never overtake each other.
    pub jitter: Duration,
    /// Chunks are of 1 to so many bytes, chosen anew for each; `None` keeps together what was sent together.
    pub max_chunk: Option<usize>,
    /// Bytes that are under way in one direction at most, like the window of a TCP connection.
    pub window: usize,
    /// After how many bytes from the client, or from the server, the link is cut: exactly so many arrive.
    pub cut_after: CutAfter,
}

/// Where a [`Link`] is cut by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CutAfter {
    /// Nowhere.
    #[default]
    Never,
    /// After so many bytes that this side has sent.
    Bytes(Side, u64),
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            delay: Duration::from_millis(1),
            jitter: Duration::ZERO,
            max_chunk: None,
            window: 256 << 10,
            cut_after: CutAfter::Never,
        }
    }
}

/// One connection's two byte streams, without socket or clock: like TCP, bytes arrive in order and once or, after a
/// cut, not at all.
///
/// ```
/// use bytes::BytesMut;
/// use mqtt_codec::Side;
/// use mqtt_testkit::{Clock, Link, LinkConfig};
///
/// let mut clock = Clock::default();
/// let mut link = Link::new(LinkConfig { max_chunk: Some(2), ..LinkConfig::default() });
/// assert_eq!(link.send(clock.now(), Side::Client, b"hello"), 5);
///
/// let mut arrived = BytesMut::new();
/// while let Some(at) = link.poll_deadline() {
///     clock.advance_to(at);
///     link.receive(clock.now(), Side::Server, &mut arrived);
/// }
/// assert_eq!(arrived, "hello");
/// assert_eq!(clock.now().as_micros(), 1_000);
/// ```
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    rng: Rng,
    from_client: Lane,
    from_server: Lane,
    cut: bool,
}

/// One direction.
#[derive(Debug, Default)]
struct Lane {
    under_way: VecDeque<(Timestamp, Vec<u8>)>,
    /// Bytes in `under_way`.
    len: usize,
    /// Bytes that were taken in all.
    sent: u64,
    last_arrival: Timestamp,
    stalled: bool,
    closed: bool,
}

impl Link {
    /// An open link with nothing under way.
    #[must_use]
    pub fn new(config: LinkConfig) -> Self {
        let rng = Rng::new(config.seed);
        Self { config, rng, from_client: Lane::default(), from_server: Lane::default(), cut: false }
    }

    /// Takes bytes to carry, as many as the window has room for, and returns how many. A link that is cut or closed
    /// takes none.
    pub fn send(&mut self, now: Timestamp, from: Side, bytes: &[u8]) -> usize {
        if self.cut {
            return 0;
        }
        let Self { config, rng, .. } = self;
        let lane = match from {
            Side::Client => &mut self.from_client,
            Side::Server => &mut self.from_server,
        };
        if lane.closed {
            return 0;
        }
        let taken = bytes.len().min(config.window.saturating_sub(lane.len));
        let mut arriving = &bytes[..taken];
        if let CutAfter::Bytes(side, limit) = config.cut_after
            && side == from
        {
            let left = usize::try_from(limit.saturating_sub(lane.sent)).unwrap_or(usize::MAX);
            arriving = &arriving[..left.min(taken)];
        }
        lane.sent += taken as u64;
        while !arriving.is_empty() {
            let len = match config.max_chunk {
                None => arriving.len(),
                Some(max) => 1 + usize::try_from(rng.up_to(max.saturating_sub(1) as u64)).unwrap_or(0),
            };
            let (chunk, rest) = arriving.split_at(len.min(arriving.len()));
            lane.last_arrival = lane.last_arrival.max(now + config.delay + rng.duration(config.jitter));
            lane.under_way.push_back((lane.last_arrival, chunk.to_vec()));
            lane.len += chunk.len();
            arriving = rest;
        }
        self.cut_if_due();
        taken
    }

    /// Appends what has arrived at this side until now, and returns how many bytes that are.
    pub fn receive(&mut self, now: Timestamp, at: Side, into: &mut BytesMut) -> usize {
        let lane = self.lane_to(at);
        let before = lane.len;
        if !lane.stalled {
            while let Some((_, chunk)) = lane.under_way.pop_front_if(|(arrival, _)| *arrival <= now) {
                lane.len -= chunk.len();
                into.extend_from_slice(&chunk);
            }
        }
        let received = before - lane.len;
        self.cut_if_due();
        received
    }

    /// Whether nothing more will arrive at this side: the link is cut, or the other side closed it and all that it
    /// had sent has arrived.
    #[must_use]
    pub fn is_ended(&self, at: Side) -> bool {
        let lane = match at {
            Side::Client => &self.from_server,
            Side::Server => &self.from_client,
        };
        self.cut || (lane.closed && lane.under_way.is_empty())
    }

    /// When the next bytes arrive on either side; it may have passed.
    #[must_use]
    pub fn poll_deadline(&self) -> Option<Timestamp> {
        [Side::Client, Side::Server].into_iter().filter_map(|side| self.arrival(side)).min()
    }

    /// When the next bytes arrive at this side; it may have passed.
    #[must_use]
    pub fn arrival(&self, at: Side) -> Option<Timestamp> {
        let lane = match at {
            Side::Client => &self.from_server,
            Side::Server => &self.from_client,
        };
        lane.under_way.front().filter(|_| !lane.stalled).map(|(arrival, _)| *arrival)
    }

    /// Loses whatever is under way, and takes nothing more.
    pub fn cut(&mut self) {
        self.cut = true;
        for lane in [&mut self.from_client, &mut self.from_server] {
            lane.under_way.clear();
            lane.len = 0;
        }
    }

    /// Whether the link was cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// This side sends no more; what it has sent still arrives.
    pub fn close(&mut self, from: Side) {
        self.lane_to(other(from)).closed = true;
    }

    /// Nothing that this side sends arrives any more, until the link [resumes](Self::resume): it looks alive, and
    /// isn't.
    pub fn stall(&mut self, from: Side) {
        self.lane_to(other(from)).stalled = true;
    }

    /// Ends a stall.
    pub fn resume(&mut self, from: Side) {
        self.lane_to(other(from)).stalled = false;
    }

    fn lane_to(&mut self, at: Side) -> &mut Lane {
        match at {
            Side::Client => &mut self.from_server,
            Side::Server => &mut self.from_client,
        }
    }

    /// Cuts once all bytes up to the limit have arrived.
    fn cut_if_due(&mut self) {
        if let CutAfter::Bytes(from, limit) = self.config.cut_after {
            let lane = self.lane_to(other(from));
            if lane.sent >= limit && lane.under_way.is_empty() {
                self.cut();
            }
        }
    }
}

fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    /// Carries `input` from the client and returns what arrived, with how many bytes at which time.
    fn carry(config: LinkConfig, input: &[u8]) -> (Vec<u8>, Vec<(u64, usize)>) {
        let mut clock = Clock::default();
        let mut link = Link::new(config);
        let (mut arrived, mut steps, mut sent) = (BytesMut::new(), Vec::new(), 0);
        loop {
            sent += link.send(clock.now(), Side::Client, &input[sent..]);
            let Some(at) = link.poll_deadline() else { break };
            clock.advance_to(at);
            let count = link.receive(clock.now(), Side::Server, &mut arrived);
            steps.push((clock.now().as_micros(), count));
        }
        (arrived.to_vec(), steps)
    }

    fn numbers(len: usize) -> Vec<u8> {
        (0..len).map(|n| n as u8).collect()
    }

    #[test]
    fn all_bytes_arrive_in_order_whatever_the_chunks_and_the_jitter() {
        let input = numbers(2_000);
        for seed in 0..20 {
            let config = LinkConfig {
                seed,
                jitter: Duration::from_millis(7),
                max_chunk: Some(1 + seed as usize * 5),
                window: 100,
                ..LinkConfig::default()
            };
            let (arrived, steps) = carry(config.clone(), &input);
            assert_eq!(arrived, input);
            assert!(steps.is_sorted_by_key(|(at, _)| *at));
            assert_eq!(carry(config, &input).1, steps, "the same seed gives the same run");
        }
    }

    #[test]
    fn exactly_so_many_bytes_pass_before_the_cut() {
        for limit in [0, 1, 99, 100, 1_000] {
            let cut_after = CutAfter::Bytes(Side::Client, limit);
            let (arrived, _) = carry(
                LinkConfig { cut_after, max_chunk: Some(13), ..LinkConfig::default() },
                &numbers(1_000),
            );
            assert_eq!(arrived.len() as u64, limit);
        }
    }

    #[test]
    fn a_stalled_link_keeps_what_it_carries() {
        let (now, mut arrived) = (Timestamp::from_micros(5_000), BytesMut::new());
        let mut link = Link::new(LinkConfig::default());
        link.send(Timestamp::ZERO, Side::Server, b"late");
        link.stall(Side::Server);
        assert_eq!(link.receive(now, Side::Client, &mut arrived), 0);
        assert_eq!(link.poll_deadline(), None);
        link.resume(Side::Server);
        assert_eq!(link.receive(now, Side::Client, &mut arrived), 4);
    }

    #[test]
    fn a_close_lets_pass_what_was_sent_and_a_cut_does_not() {
        let (now, mut arrived) = (Timestamp::from_micros(5_000), BytesMut::new());
        let mut link = Link::new(LinkConfig::default());
        link.send(Timestamp::ZERO, Side::Client, b"last");
        link.close(Side::Client);
        assert_eq!(link.send(now, Side::Client, b"more"), 0);
        assert!(!link.is_ended(Side::Server));
        assert_eq!(link.receive(now, Side::Server, &mut arrived), 4);
        assert!(link.is_ended(Side::Server) && !link.is_ended(Side::Client));

        link.send(now, Side::Server, b"lost");
        link.cut();
        assert!(link.is_ended(Side::Client));
        assert_eq!(link.receive(now + Duration::from_secs(1), Side::Client, &mut arrived), 0);
    }
}
