//! Stories from numbers, for those who can't wait for a fuzzer.

/// Bytes that look random and depend on the seed alone (splitmix64).
#[must_use]
pub fn story(seed: u64, len: usize) -> Vec<u8> {
    // Neighbouring seeds must not tell the same story with another beginning.
    let mut state = mix(seed);
    let next = move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        Some(mix(state).to_le_bytes())
    };
    std::iter::from_fn(next).flatten().take(len).collect()
}

fn mix(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_tell_different_stories() {
        let (one, two) = (story(1, 800), story(2, 800));
        let words = |story: &[u8]| -> std::collections::BTreeSet<Vec<u8>> {
            story.chunks(8).map(<[u8]>::to_vec).collect()
        };
        assert!(words(&one).is_disjoint(&words(&two)));
        assert_eq!(one, story(1, 800));
    }
}
