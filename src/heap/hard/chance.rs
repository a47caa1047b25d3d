//! Chance: random numbers, cheap and of no pattern that a program shows.
//!
//! The generator begins with a state of the system's. It decides where blocks lie, which
//! a program sees of its own; what must stay secret (pattern.rs) comes from the system
//! directly.

use crate::heap::splitmix::{STEP, mixed};
use core::sync::atomic::{AtomicU64, Ordering};

static STATE: AtomicU64 = AtomicU64::new(0);

/// What patterns are made of: two numbers that nobody else knows, the second one odd.
static SECRETS: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(1)];

/// Draws the first state and the secrets from the system.
pub(super) fn begin() {
    STATE.store(crate::sys::random(), Ordering::Relaxed);
    let [first, second] = &SECRETS;
    first.store(crate::sys::random(), Ordering::Relaxed);
    second.store(crate::sys::random() | 1, Ordering::Relaxed);
}

/// The secrets.
#[inline(always)]
pub(in crate::heap) fn secrets() -> [u64; 2] {
    let [first, second] = &SECRETS;
    [
        first.load(Ordering::Relaxed),
        second.load(Ordering::Relaxed),
    ]
}

/// 64 random bits, for any thread.
pub(in crate::heap) fn random() -> u64 {
    mixed(STATE.fetch_add(STEP, Ordering::Relaxed))
}

/// 64 random bits of a state of the caller's own.
#[inline(always)]
pub(super) fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(STEP);
    mixed(*state)
}

/// A number below `bound`, which is small, from random bits.
#[inline(always)]
pub(super) fn below(bits: u64, bound: usize) -> usize {
    ((u128::from(bits) * bound as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_below_a_bound_are_all_met_and_no_other() {
        let mut state = 7;
        for bound in [1, 2, 7, 64, 4096] {
            let mut met = std::vec![0u32; bound];
            for _ in 0..bound * 64 {
                met[below(next(&mut state), bound)] += 1;
            }
            assert!(met.iter().all(|&count| count > 0), "{bound}");
        }
        assert_eq!(below(u64::MAX, 10), 9);
        assert_eq!(below(0, 10), 0);
    }
}
