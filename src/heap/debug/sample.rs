//! Sampled guarding: one allocation in many goes to pages with guards, so that an
//! overrun or a use after free is caught where the program really runs.
//!
//! ```text
//!   a thread:  | refill 62 | refill 62 | ... | refill cut to 17 | sample | ...
//!              |<------ as many blocks as were drawn ---------->|
//! ```
//!
//! No fast path counts. A thread draws how many blocks it is given before its next
//! sample, counts what its refills bring, and has the last of them cut short: the
//! allocation after that is a slow one, and is sampled. The number is drawn as
//! if for each block a coin fell, so that no pattern of a program's hides from it.
//! What a thread frees and takes again from its cache is not counted: it is not
//! given anew.
//!
//! The pool is small: [`BLOCKS`] blocks in use and kept together. What is freed is
//! kept from use as long as the pool has room.

use super::page::{self, Bounds, Request, Rule};
use super::{stacks, threads};
use crate::config::Config;
use crate::heap::cache::State;
use crate::heap::classes::MAX_BUCKET_SIZE;
use crate::heap::descriptor::Kind;
use crate::heap::front::{Front, Shared};
use crate::heap::word::Word;
use crate::vm::guarded::Guards;
use crate::vm::page_size;
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

/// Blocks in use and kept, together.
const BLOCKS: usize = 256;

/// Bytes of address space: room for the blocks at the largest, several times.
const SPACE: usize = 64 * 1024 * 1024;

/// Bytes of the stack database.
const STACKS: usize = 8 * 1024 * 1024;

/// The rate: one in so many; 0 for none.
static RATE: AtomicU64 = AtomicU64::new(0);

/// Begins, if the options say so.
pub(super) fn begin(config: &Config) {
    let rate = config.sample() as u64;
    let bounds = Bounds {
        kept_blocks: BLOCKS,
        kept_bytes: usize::MAX,
        busy: BLOCKS,
        blocks: BLOCKS,
    };
    if rate != 0 && page::begin(SPACE, Guards::Advice, bounds) {
        stacks::begin(STACKS);
        SEED.store(crate::sys::random(), Ordering::Relaxed);
        RATE.store(rate, Ordering::Relaxed);
    }
}

/// Whether allocations are sampled.
#[inline]
pub(in crate::heap) fn is_on() -> bool {
    RATE.load(Ordering::Relaxed) != 0
}

/// A sampled block for an allocation that took the slow path; null if it is not to be
/// sampled, or cannot be.
#[cold]
pub(in crate::heap) fn take(
    front: &Front,
    shared: Shared<'_>,
    word: &Word,
    size: usize,
    align: usize,
    is_zero: bool,
) -> *mut u8 {
    let cache = front.cache(shared, word);
    if !cache.is(State::Live) {
        return ptr::null_mut();
    }
    let until = &cache.until_sample;
    match until.get() {
        // A thread's first allocation: nothing was drawn yet.
        0 if !cache.has_drawn.replace(true) => until.set(draw()),
        // No refill counts a large block.
        left if size > MAX_BUCKET_SIZE => until.set(left.saturating_sub(1)),
        _ => {}
    }
    if until.get() != 0 || size > MAX_BUCKET_SIZE || align > page_size() {
        return ptr::null_mut();
    }
    until.set(draw());
    let rule = match front.kind() {
        // The Layout says the alignment; the free knows the block by its address.
        Kind::Plain if align <= 8 => Rule::Beside,
        Kind::Plain => return ptr::null_mut(),
        Kind::Checked => Rule::End,
    };
    threads::note(crate::sys::thread_id() as u32);
    page::allocate(&Request {
        heap: 0,
        size,
        align,
        rule,
        info: 0,
        stack: stacks::capture(),
        is_zero,
        is_sample: true,
    })
}

static SEED: AtomicU64 = AtomicU64::new(0);

/// What the state of a source of random bits grows by for each number.
pub(in crate::heap) const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// 64 random bits.
fn random() -> u64 {
    mixed(SEED.fetch_add(STEP, Ordering::Relaxed))
}

/// The random bits of a state (SplitMix64: Steele, Lea, Flood, "Fast Splittable
/// Pseudorandom Number Generators", 2014).
pub(in crate::heap) fn mixed(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

/// Blocks before the next sample.
fn draw() -> u64 {
    interval(random(), RATE.load(Ordering::Relaxed))
}

/// Blocks before the next sample by 64 random bits, at one in `rate`: of the
/// geometric distribution, whose mean is `rate - 1`.
fn interval(bits: u64, rate: u64) -> u64 {
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
