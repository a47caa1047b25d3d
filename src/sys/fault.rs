//! The mock: makes chosen calls into the system fail on demand.
//!
//! A plan counts the admissible calls from the moment it is set and lets
//! those in a window fail, as the system itself would refuse them. Tests
//! move the window over a workload until it strikes nothing, so that every
//! call has failed once. Calls that put back what the system had a moment ago are
//! not counted: it grants those, for at the limit of mappings some are given up.

use super::Call;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static ARMED: AtomicBool = AtomicBool::new(false);
static SEEN: AtomicU64 = AtomicU64::new(0);
static FIRST: AtomicU64 = AtomicU64::new(0);
static COUNT: AtomicU64 = AtomicU64::new(0);
static MASK: AtomicU64 = AtomicU64::new(0);
static STRUCK: AtomicU64 = AtomicU64::new(0);
/// How many threads put something back.
#[cfg(all(unix, feature = "pages"))]
static SPARED: AtomicU64 = AtomicU64::new(0);

/// Lets the calls number `first` to `first + count - 1` fail, counted from
/// now on and from 0, of the kinds in `kinds` (all when empty).
pub fn plan(first: u64, count: u64, kinds: &[Call]) {
    ARMED.store(false, Ordering::SeqCst);
    SEEN.store(0, Ordering::SeqCst);
    STRUCK.store(0, Ordering::SeqCst);
    FIRST.store(first, Ordering::SeqCst);
    COUNT.store(count, Ordering::SeqCst);
    let mask = if kinds.is_empty() {
        u64::MAX
    } else {
        kinds
            .iter()
            .fold(0, |mask, kind| mask | 1 << (*kind as usize))
    };
    MASK.store(mask, Ordering::SeqCst);
    ARMED.store(true, Ordering::SeqCst);
}

/// Ends the plan and says how many calls it saw and how many it made fail.
pub fn end() -> (u64, u64) {
    ARMED.store(false, Ordering::SeqCst);
    (SEEN.load(Ordering::SeqCst), STRUCK.load(Ordering::SeqCst))
}

/// The number that a variable of the environment has, if there is one.
fn number(variable: &[u8]) -> Option<usize> {
    let mut number = None;
    super::for_each_env(variable, &mut |name, value| {
        if name == variable {
            number = core::str::from_utf8(value).unwrap_or_default().parse().ok();
        }
    });
    number
}

/// The page size that tests pretend the system has, a multiple of its own: the value of
/// `MOCK_PAGE_SIZE`, in KiB.
pub(super) fn page_size() -> Option<usize> {
    number(b"MOCK_PAGE_SIZE")
        .filter(|kibibytes| (1..=64).contains(kibibytes) && kibibytes.is_power_of_two())
        .map(|kibibytes| kibibytes * 1024)
}

/// The processors that tests pretend a thread may run on: the value of `MOCK_PROCESSORS`.
pub(super) fn processors() -> Option<usize> {
    number(b"MOCK_PROCESSORS")
}

/// Runs `body` with nothing refused.
#[cfg(all(unix, feature = "pages"))]
pub(super) fn spared<R>(body: impl FnOnce() -> R) -> R {
    SPARED.fetch_add(1, Ordering::Relaxed);
    let result = body();
    SPARED.fetch_sub(1, Ordering::Relaxed);
    result
}

pub(super) fn fails(call: Call) -> bool {
    #[cfg(all(unix, feature = "pages"))]
    if SPARED.load(Ordering::Relaxed) != 0 {
        return false;
    }
    if !ARMED.load(Ordering::Relaxed) || MASK.load(Ordering::Relaxed) & 1 << (call as usize) == 0 {
        return false;
    }
    let number = SEEN.fetch_add(1, Ordering::Relaxed);
    let strikes = number
        .checked_sub(FIRST.load(Ordering::Relaxed))
        .is_some_and(|nth| nth < COUNT.load(Ordering::Relaxed));
    if strikes {
        STRUCK.fetch_add(1, Ordering::Relaxed);
    }
    strikes
}
