//! [`Gathering`]: when output is about to grow, so that a write would be too early.

/// So much is written without waiting for more.
const ENOUGH: usize = 16 * 1024;

/// What the driver's looks at the output have shown.
///
/// A driver that is as fast as an application which publishes without a pause would write every few messages, each time with a
/// system call, and a broker would answer in as small pieces. A message that comes alone is not held up.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    /// Messages that were published since the last look.
    published: usize,
    /// The output's length then.
    seen: usize,
}

impl Gathering {
    /// The application has published a message.
    pub(crate) fn published(&mut self) {
        self.published = self.published.saturating_add(1);
    }

    /// The transport has taken output.
    pub(crate) fn wrote(&mut self) {
        self.seen = 0;
    }

    /// The driver looks at the output, which has this length, and so many messages more have `arrived`. Whether it should look
    /// once more before it writes: several messages have come since the last look, and made it longer.
    pub(crate) fn look(&mut self, len: usize, arrived: usize) -> bool {
        let grows = len > self.seen && self.published + arrived > 1;
        (self.seen, self.published) = (len, 0);
        grows && !is_worth_a_write(len)
    }
}

/// Whether output of this length is written without waiting for more. Doing so takes longer than having somebody else begin.
pub(crate) fn is_worth_a_write(len: usize) -> bool {
    len >= ENOUGH
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The looks' lengths, and how many messages came before each: what the last one says.
    fn last(looks: &[(usize, usize)]) -> bool {
        let mut gathering = Gathering::default();
        let looked = looks.iter().map(|&(published, len)| {
            (0..published.min(1)).for_each(|_| gathering.published());
            gathering.look(len, published.saturating_sub(1))
        });
        looked.last().expect("some looks")
    }

    #[test]
    fn it_is_worth_another_look_as_long_as_several_messages_make_the_output_longer() {
        assert!(!last(&[(1, 100)]), "one message is sent at once");
        assert!(last(&[(2, 200)]));
        assert!(last(&[(2, 200), (3, 500)]));
        assert!(!last(&[(2, 200), (0, 200)]), "no more has come");
        assert!(!last(&[(2, 200), (5, 200)]), "what has come has to wait for something else");
        assert!(!last(&[(2, 200), (200, ENOUGH)]));
    }

    #[test]
    fn what_was_written_is_no_part_of_the_next_look() {
        let mut gathering = Gathering::default();
        gathering.look(5000, 0);
        gathering.wrote();
        (0..2).for_each(|_| gathering.published());
        assert!(gathering.look(200, 0));
    }
}
