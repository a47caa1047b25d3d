//! Fault injection: allocations that fail by chance, so that what a program does then is
//! seen (`fault=RATE:TIMEOUT:seed=N`; on Windows `gflags /p /enable ... /fault`).
//!
//! Off, nothing asks: heaps are not watched for it. On, each allocation of a watched heap,
//! and each resizing that moves its block, is a draw. The draws of a seed are always the
//! same, in the order in which allocations come: a program of one thread fails at the
//! same places again. What is drawn says nothing of a program that is right: its calls
//! fail as they do where memory is short.

use super::modules;
use crate::config::gflags::Faults;
use crate::heap::splitmix::{STEP, mixed};
use crate::report::FixedBuffer;
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Of how many allocations the rate tells those that fail.
const OF: u64 = 10_000;

static SEED: AtomicU64 = AtomicU64::new(0);
/// When they begin, by the system's clock.
static BEGIN: AtomicU64 = AtomicU64::new(0);
/// Whether they have begun: the clock is not asked again.
static HAS_BEGUN: AtomicBool = AtomicBool::new(false);
static DRAWS: AtomicU64 = AtomicU64::new(0);
static FAILED: AtomicU64 = AtomicU64::new(0);

/// Takes note of what the options say. Called once, before the heap serves.
pub(super) fn configure(faults: &Faults) {
    SEED.store(
        faults.seed.unwrap_or_else(crate::sys::random),
        Ordering::Relaxed,
    );
    let begin = crate::sys::milliseconds() + 1000 * u64::from(faults.timeout);
    BEGIN.store(begin, Ordering::Relaxed);
    HAS_BEGUN.store(faults.timeout == 0, Ordering::Relaxed);
}

/// Has the end of the process told how many failed.
pub(super) fn begun() {
    crate::sys::at_exit(tell);
}

/// Whether an allocation fails that is asked for with the stack of this number.
#[inline]
pub(in crate::heap) fn strike(stack: u32) -> bool {
    super::injects() && draw(stack)
}

#[cold]
fn draw(stack: u32) -> bool {
    if !HAS_BEGUN.load(Ordering::Relaxed) {
        if crate::sys::milliseconds() < BEGIN.load(Ordering::Relaxed) {
            return false;
        }
        HAS_BEGUN.store(true, Ordering::Relaxed);
    }
    if !modules::are_for(stack) {
        return false;
    }
    let rate = u64::from(super::options().faults.rate);
    let nth = DRAWS.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    let fails = is_struck(SEED.load(Ordering::Relaxed), nth, rate);
    if fails {
        FAILED.fetch_add(1, Ordering::Relaxed);
    }
    fails
}

/// Whether draw number `nth` of a seed fails.
fn is_struck(seed: u64, nth: u64, rate: u64) -> bool {
    let bits = mixed(seed.wrapping_add(nth.wrapping_mul(STEP)));
    // The product's upper half is a number below `OF`, each as likely as the others.
    let drawn = (u128::from(bits) * u128::from(OF)) >> 64;
    drawn < u128::from(rate)
}

/// Says how many allocations failed.
extern "C" fn tell() {
    let mut line = FixedBuffer::<192>::new();
    // The buffer truncates and never fails.
    let _ = writeln!(
        line,
        "ntheap: fault injection: {} of {} allocations failed (rate {} in {OF}, seed {})",
        FAILED.load(Ordering::Relaxed),
        DRAWS.load(Ordering::Relaxed),
        super::options().faults.rate,
        SEED.load(Ordering::Relaxed),
    );
    crate::sys::write_stderr(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_fail_as_were_asked_for() {
        for rate in [1, 100, 2_500, 9_999] {
            let draws = 400_000;
            let count = (0..draws).filter(|&nth| is_struck(7, nth, rate)).count() as f64;
            let part = rate as f64 / OF as f64;
            let mean = draws as f64 * part;
            // Five times the deviation.
            let most = 5.0 * (mean * (1.0 - part)).sqrt();
            assert!((count - mean).abs() <= most, "{rate}: {count}");
        }
        assert!((0..1000).all(|nth| is_struck(7, nth, OF)));
        assert!((0..1000).all(|nth| !is_struck(7, nth, 0)));
        let of = |seed| -> std::vec::Vec<bool> {
            (0..1000).map(|nth| is_struck(seed, nth, 5_000)).collect()
        };
        assert_eq!(of(3), of(3));
        assert_ne!(of(3), of(4));
    }
}
