//! What guarding may cost: a part of the time, so that a program which does nothing but
//! allocate does not become one that does nothing but ask the system.
//!
//! Taking the access from a freed region takes a call of the system, opening it again
//! another one, and pages that were given back are page faults later. A program gets credit
//! as time goes by, a [`PART`]th of it, up to [`MOST`], which it has from its start: what it
//! cannot afford is not guarded. So the first some hundred are guarded, then as many as take
//! that part of the time.

use core::sync::atomic::{AtomicU64, Ordering};

/// The part of the time, as a divisor.
const PART: u64 = 16;
/// The most credit, in ticks: some milliseconds.
const MOST: u64 = 1 << 22;
/// What the calls take, in ticks, and what each page adds that is given back.
const CALLS: u64 = 8192;
const PAGE: u64 = 2048;

/// What was spent of the credit, in ticks of the processor's clock, and when that was reckoned.
/// Threads that reckon at once may count one of two: it is no more than that.
struct Budget {
    spent: AtomicU64,
    last: AtomicU64,
}

static BUDGET: Budget = Budget::new();

/// Whether taking and giving back the access to `pages` pages can be afforded; then it is paid
/// for.
#[inline]
pub(in crate::heap) fn affords(pages: usize) -> bool {
    BUDGET.affords_at(now(), pages, true)
}

/// Whether [`affords`] would say so now.
#[inline]
pub(super) fn could_afford(pages: usize) -> bool {
    BUDGET.affords_at(now(), pages, false)
}

impl Budget {
    const fn new() -> Self {
        Budget {
            spent: AtomicU64::new(0),
            last: AtomicU64::new(0),
        }
    }

    fn affords_at(&self, now: u64, pages: usize, pays: bool) -> bool {
        // Clocks of processors differ by little, and backwards is no time.
        let passed = now.saturating_sub(self.last.load(Ordering::Relaxed));
        self.last.store(now, Ordering::Relaxed);
        let left = self.spent.load(Ordering::Relaxed);
        let left = left.saturating_sub(passed / PART);
        let cost = CALLS.saturating_add((pages as u64).saturating_mul(PAGE));
        let spent = left.saturating_add(cost);
        let is_affordable = spent <= MOST;
        self.spent.store(
            if is_affordable && pays { spent } else { left },
            Ordering::Relaxed,
        );
        is_affordable
    }
}

/// The time, in ticks; where the processor does not tell, always so late that all can be
/// afforded.
#[inline(always)]
fn now() -> u64 {
    #[cfg(all(target_arch = "x86_64", not(ntheap_portable)))]
    // SAFETY: reads a clock that every such processor has.
    unsafe {
        core::arch::x86_64::_rdtsc()
    }
    #[cfg(not(all(target_arch = "x86_64", not(ntheap_portable))))]
    {
        static TIME: AtomicU64 = AtomicU64::new(0);
        TIME.fetch_add(MOST * PART, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_afforded_and_then_a_part_of_the_time() {
        let budget = Budget::new();
        let at_once = (0..100_000)
            .filter(|_| budget.affords_at(1, 0, true))
            .count();
        assert_eq!(at_once as u64, MOST / CALLS);
        // A guard each two ticks' worth of its cost: of all time a part is spent.
        let mut guards = 0;
        let end = 1 + 10_000 * CALLS;
        for now in (1..end).step_by(1000) {
            guards += u64::from(budget.affords_at(now, 0, true));
        }
        assert!(guards <= (end / PART) / CALLS + 1, "{guards}");
        assert!(guards >= (end / PART) / CALLS - 20, "{guards}");
        // Time that goes backwards gives nothing.
        assert!(!budget.affords_at(0, usize::MAX, true));
        // After long enough, all is there again, and no more.
        assert!((0..9).all(|_| budget.affords_at(u64::MAX / 2, 64, false)));
        assert!(budget.affords_at(u64::MAX / 2, 64, true));
        let again = (0..100_000)
            .filter(|_| budget.affords_at(u64::MAX / 2, 0, true))
            .count();
        assert!((again as u64) < MOST / CALLS);
    }
}
