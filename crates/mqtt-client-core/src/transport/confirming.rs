//! [`Confirming`]: when received bytes are confirmed without anything to send along.

use std::time::Duration;

/// So many confirmations in a row have to be in vain before one is put off.
const IN_VAIN: u8 = 8;

/// What a driver that is about to sleep does about bytes that came in, and that nothing has gone out since to confirm.
///
/// The system waits up to 40 ms for something to send along, and a peer that gathers small packets while others are
/// unconfirmed (Nagle's algorithm, which mosquitto leaves on) waits with it. Told to, the system confirms at once, which costs
/// a call and a packet: for nothing where the application answers at once. Where it has done so, it is given a moment.
///
/// | the driver | calls |
/// | --- | --- |
/// | has read | [`read`](Self::read) |
/// | has written | [`wrote`](Self::wrote) |
/// | is about to sleep | [`patience`](Self::patience); it sleeps no longer than that |
/// | has nothing to do after that time | [`confirm`](Self::confirm): if true, it has the system confirm |
#[derive(Debug, Default)]
pub struct Confirming {
    /// Bytes have come in, and nothing has gone out since.
    unconfirmed: bool,
    /// They were confirmed, and nothing has moved since.
    confirmed: bool,
    /// How often in a row something went out right behind a confirmation.
    in_vain: u8,
}

impl Confirming {
    /// How long an application that is used to answer at once has for it.
    pub const PATIENCE: Duration = Duration::from_millis(1);

    /// Bytes came in.
    pub fn read(&mut self) {
        if self.confirmed {
            self.in_vain = 0;
        }
        (self.unconfirmed, self.confirmed) = (true, false);
    }

    /// Bytes went out, and a confirmation with them.
    pub fn wrote(&mut self) {
        if self.confirmed {
            self.in_vain = self.in_vain.saturating_add(1);
        }
        (self.unconfirmed, self.confirmed) = (false, false);
    }

    /// How long to wait for something to send along; `None`: nothing is to be confirmed.
    pub fn patience(&self) -> Option<Duration> {
        let patience = if self.in_vain < IN_VAIN { Duration::ZERO } else { Self::PATIENCE };
        self.unconfirmed.then_some(patience)
    }

    /// That time has passed: whether to confirm now.
    pub fn confirm(&mut self) -> bool {
        if self.in_vain >= IN_VAIN {
            self.in_vain = 0;
        }
        self.confirmed = self.unconfirmed;
        std::mem::take(&mut self.unconfirmed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads, confirms if that is to be done at once, and answers; whether it was.
    fn exchange(confirming: &mut Confirming) -> bool {
        confirming.read();
        let at_once = confirming.patience() == Some(Duration::ZERO);
        if at_once {
            assert!(confirming.confirm());
        }
        assert_eq!(confirming.patience().is_none(), at_once);
        confirming.wrote();
        assert_eq!(confirming.patience(), None, "it went along");
        at_once
    }

    #[test]
    fn one_who_only_receives_confirms_at_once() {
        let mut confirming = Confirming::default();
        assert!(!confirming.confirm(), "nothing came in");
        for _ in 0..100 {
            confirming.read();
            assert_eq!(confirming.patience(), Some(Duration::ZERO));
            assert!(confirming.confirm());
            assert!(!confirming.confirm(), "once");
        }
    }

    #[test]
    fn one_who_answers_at_once_is_given_a_moment_until_he_does_not() {
        let mut confirming = Confirming::default();
        let at_once = (0..100).filter(|_| exchange(&mut confirming)).count();
        assert_eq!(at_once, usize::from(IN_VAIN));
        confirming.read();
        assert_eq!(confirming.patience(), Some(Confirming::PATIENCE));
        assert!(confirming.confirm(), "the moment has passed");
        assert!(exchange(&mut confirming), "and is to be earned anew");
    }
}
