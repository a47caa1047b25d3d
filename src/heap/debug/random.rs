//! Numbers that no pattern of a program's agrees with, and how far apart samples lie.

use crate::heap::splitmix::{STEP, mixed};
use core::sync::atomic::{AtomicU64, Ordering};

static SEED: AtomicU64 = AtomicU64::new(0);

/// Begins with what the system has of chance.
pub(super) fn begin() {
    SEED.store(crate::sys::random(), Ordering::Relaxed);
}

/// 64 random bits.
pub(super) fn random() -> u64 {
    mixed(SEED.fetch_add(STEP, Ordering::Relaxed))
}

/// Blocks before the next sample by 64 random bits, at one in `rate`: of the
/// geometric distribution, whose mean is `rate - 1`.
pub(super) fn interval(bits: u64, rate: u64) -> u64 {
    if rate <= 1 {
        return 0;
    }
    // ln(2) with 24 bits behind the point.
    const LN2: u128 = 11_629_080;
    // -1 / ln(1 - 1/rate) is rate - 1/2 - 1/(12 rate), and hardly less.
    let rate = u128::from(rate.min(1 << 32));
    let drawn = u128::from(minus_log2(bits)) * LN2;
    ((drawn * (12 * rate * rate - 6 * rate - 1) / (12 * rate)) >> 48) as u64
}

/// -log2 of a number between 0 and 1, given as a part of 2^64; 24 bits behind the
/// point.
fn minus_log2(bits: u64) -> u64 {
    let bits = bits | 1;
    let zeros = bits.leading_zeros();
    // Between 1 and 2, 63 bits behind the point. Squared, its logarithm doubles.
    let mut number = bits << zeros;
    let mut log = 0u64;
    for _ in 0..24 {
        let square = (u128::from(number) * u128::from(number)) >> 63;
        log <<= 1;
        if square >> 64 != 0 {
            log |= 1;
            number = (square >> 1) as u64;
        } else {
            number = square as u64;
        }
    }
    ((u64::from(zeros) + 1) << 24) - log
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_right() {
        for bits in [1u64 << 63, 1 << 62, 1, u64::MAX, 0x1234_5678_9abc_def1] {
            let expected = 64.0 - (bits as f64).log2();
            let got = minus_log2(bits) as f64 / f64::from(1 << 24);
            assert!((got - expected).abs() < 1e-6, "{bits}: {got} {expected}");
        }
    }

    /// The distribution: mean, and the part of intervals below a tenth of it and above
    /// three times it, as those of coins.
    #[test]
    fn intervals_are_as_of_coins() {
        for rate in [2u64, 10, 5000] {
            let count = 200_000;
            let (mut sum, mut short, mut long) = (0u64, 0u32, 0u32);
            for _ in 0..count {
                let drawn = interval(random(), rate);
                sum += drawn;
                short += u32::from(drawn < rate / 10);
                long += u32::from(drawn > 3 * rate);
            }
            let mean = sum as f64 / f64::from(count);
            let wanted = rate as f64 - 1.0;
            assert!(
                (mean - wanted).abs() < 0.02 * rate as f64,
                "{mean} {wanted}"
            );
            let miss = 1.0 - 1.0 / rate as f64;
            let below = 1.0 - miss.powf((rate / 10) as f64);
            let above = miss.powf((3 * rate + 1) as f64);
            let part = |found: u32| f64::from(found) / f64::from(count);
            assert!(
                (part(short) - below).abs() < 0.005,
                "{rate} {}",
                part(short)
            );
            assert!((part(long) - above).abs() < 0.005, "{rate} {}", part(long));
        }
        assert_eq!(interval(u64::MAX, 1), 0, "at one in one, each");
    }
}
