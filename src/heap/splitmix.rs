//! SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators",
//! 2014): a number is what its state mixes to, and the next state is one step further. So
//! a state can be a counter that many threads step by one addition.
//!
//! Who knows some numbers knows the others: secrets come from the system.

/// What the state grows by for each number.
pub(super) const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The 64 random bits of a state.
#[inline(always)]
pub(super) fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers from state 0, as the paper's own program prints them.
    #[test]
    fn numbers_are_the_published_ones() {
        let numbers = [1, 2, 3].map(|nth| mixed(STEP.wrapping_mul(nth)));
        let published = [
            0xe220_a839_7b1d_cdaf,
            0x6e78_9e6a_a1b9_65f4,
            0x06c4_5d18_8009_454f,
        ];
        assert_eq!(numbers, published);
    }
}
