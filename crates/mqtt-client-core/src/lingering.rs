//! [`Lingering`]: when the peer answers so soon that it is not worth sleeping until then.

use std::time::Duration;

use crate::session::Timestamp;

/// An answer that comes within this time is a quick one: about as long as it takes to fall asleep and be woken.
const QUICK: Duration = Duration::from_micros(100);

/// So often a driver looks again before it sleeps, giving others a turn in between: some 50 µs, if nobody takes it.
const TURNS: u8 = 64;

/// How long the peer took for its latest answer.
///
/// On the way to a broker near by, a processor that sleeps and is woken for each answer does little else. One that waits awake
/// once in vain sleeps until an answer is quick again.
#[derive(Debug, Default)]
pub(crate) struct Lingering {
    /// When the transport first took output since the latest input.
    wrote: Option<Timestamp>,
    /// The latest answer was quick, and nobody has waited for the next one yet.
    quick: bool,
}

impl Lingering {
    /// The transport has taken output.
    pub(crate) fn wrote(&mut self, now: Timestamp) {
        self.wrote.get_or_insert(now);
    }

    /// Input has come.
    pub(crate) fn answered(&mut self, now: Timestamp) {
        if let Some(wrote) = self.wrote.take() {
            self.quick = now.saturating_since(wrote) <= QUICK;
        }
    }

    /// The driver has nothing to do: how often it is to look again before it sleeps.
    pub(crate) fn turns(&mut self) -> u8 {
        if self.wrote.is_some() && std::mem::take(&mut self.quick) { TURNS } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Timestamp {
        Timestamp::ZERO + Duration::from_micros(micros)
    }

    /// What it says after output at 0, an answer after so long, and output at once.
    fn after_an_answer(micros: u64) -> Lingering {
        let mut lingering = Lingering::default();
        lingering.wrote(at(0));
        lingering.answered(at(micros));
        lingering.wrote(at(micros));
        lingering
    }

    #[test]
    fn a_quick_answer_lets_the_driver_wait_awake_for_the_next_one_once() {
        let mut lingering = after_an_answer(30);
        assert_eq!([lingering.turns(), lingering.turns()], [TURNS, 0]);
        lingering.answered(at(60));
        assert_eq!(lingering.turns(), 0, "nothing was sent since");
        lingering.wrote(at(70));
        assert_eq!(lingering.turns(), TURNS);
    }

    #[test]
    fn a_slow_answer_lets_it_sleep() {
        assert_eq!(after_an_answer(1000).turns(), 0);
        assert_eq!(Lingering::default().turns(), 0);
    }
}
