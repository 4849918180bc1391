//! Stories and dice from numbers, for those who can't wait for a fuzzer.

/// Bytes that look random and depend on the seed alone.
#[must_use]
pub fn story(seed: u64, len: usize) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    std::iter::from_fn(|| Some(dice.roll().to_le_bytes())).flatten().take(len).collect()
}

/// Numbers that look random and depend on the seed alone (splitmix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Neighbouring seeds do not tell the same story with another beginning.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// Any number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number below `sides`.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn below(&mut self, sides: u64) -> u64 {
        self.roll() % sides
    }
}

/// The story without the steps that it fails without as well. It begins with `head` bytes, and has `step` in each step.
#[must_use]
pub fn shorten(mut story: Vec<u8>, head: usize, step: usize, fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut piece = 1024 * step;
    while piece >= step {
        let mut at = head;
        while at < story.len() {
            let mut shorter = story.clone();
            shorter.drain(at..story.len().min(at + piece));
            if fails(&shorter) {
                story = shorter;
            } else {
                at += piece;
            }
        }
        piece /= 2;
    }
    story
}

fn mix(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_story_keeps_only_what_it_fails_of() {
        let fails = |story: &[u8]| story.starts_with(&[9]) && story[1..].chunks(2).any(|step| step == [7, 7]);
        let long = [vec![9], vec![0; 200], vec![7; 2], vec![0; 101]].concat();
        assert_eq!(shorten(long, 1, 2, fails), [9, 7, 7]);
    }

    #[test]
    fn seeds_tell_different_stories() {
        let words = |seed| story(seed, 800).chunks(8).map(<[u8]>::to_vec).collect::<BTreeSet<_>>();
        assert!(words(1).is_disjoint(&words(2)));
        assert_eq!(words(1), words(1));
    }
}
