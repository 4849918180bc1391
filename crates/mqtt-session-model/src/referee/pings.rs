//! [`Pings`]: keep alive, when a ping is missing, and when an answer.

use std::collections::VecDeque;
use std::mem::take;
use std::time::Duration;

use mqtt_session::codec::{Connack, Connect, Packet, PacketKind, ReasonCode};
use mqtt_session::{Tag, Timestamp};

use super::{Due, Referee, Told};
use crate::news::News;

/// The pings of one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pings {
    /// How long an answer may take.
    timeout: Duration,
    /// How long the client may be silent; zero: for ever.
    keep_alive: Duration,
    /// Whether that is watched, and since when it is silent.
    is_watched: bool,
    last_write: Timestamp,
    /// How many the application has submitted that are not sent, and all that have no answer, since when.
    owed: usize,
    unanswered: VecDeque<(Option<Tag>, Timestamp)>,
    news: Vec<Told>,
}

impl Referee for Pings {
    fn opened(&mut self, connect: &Connect, now: Timestamp) {
        self.keep_alive = Duration::from_secs(connect.keep_alive.into());
        self.last_write = now;
    }

    fn closed(&mut self) {
        let tags = self.unanswered.iter().filter_map(|(tag, _)| *tag);
        let news = tags.map(|tag| (News::Aborted { tag }, None)).collect();
        *self = Self { news, ..Self::new(self.timeout) };
    }

    fn accepted(&mut self, _: &Connack) {
        self.is_watched = true;
    }

    fn sealed(&mut self) {
        self.is_watched = false;
    }

    fn grants(&self, packet: &Packet) -> bool {
        packet.kind() != PacketKind::Pingreq || self.unanswered.len() < 16
    }

    fn submitted(&mut self, tag: Tag, packet: &Packet, now: Timestamp) {
        match packet {
            Packet::Pingreq => {
                self.owed += 1;
                self.unanswered.push_back((Some(tag), now));
            }
            // Who takes his leave waits for no answer.
            Packet::Disconnect(_) => self.is_watched = false,
            _ => {}
        }
    }

    fn due(&self) -> Vec<Due> {
        vec![(None, Packet::Pingreq); self.owed]
    }

    fn sent(&mut self, (_, packet): &Due, _: u64, now: Timestamp) {
        self.last_write = now;
        if *packet != Packet::Pingreq {
            return;
        }
        match self.owed.checked_sub(1) {
            Some(owed) => self.owed = owed,
            None => self.unanswered.push_back((None, now)),
        }
    }

    fn hear(&mut self, packet: &mut Packet, _: Timestamp) -> Result<(), ReasonCode> {
        if *packet == Packet::Pingresp
            && let Some((tag, _)) = self.unanswered.pop_front()
        {
            self.news.push((News::Answered { tag }, None));
        }
        Ok(())
    }

    fn news(&mut self) -> Vec<Told> {
        take(&mut self.news)
    }
}

impl Pings {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { timeout, ..Self::default() }
    }

    /// Whether the client pings of its own accord.
    pub(crate) fn is_kept_alive(&self) -> bool {
        !self.keep_alive.is_zero()
    }

    /// Whether there are pings to send, or to wait for.
    pub(crate) fn is_pinging(&self) -> bool {
        self.is_kept_alive() || !self.unanswered.is_empty()
    }

    /// Whether the server has taken too long.
    pub(crate) fn is_given_up(&self, now: Timestamp) -> bool {
        let oldest = self.unanswered.front().filter(|_| self.is_watched);
        oldest.is_some_and(|(_, since)| *since + self.timeout <= now)
    }

    /// The session has done all that it can.
    pub(crate) fn settled(&self, now: Timestamp) {
        let is_late = self.is_watched && self.is_kept_alive() && now > self.last_write + self.keep_alive;
        assert!(!is_late, "a ping is missing");
    }
}
