//! What is committed, and may be: of the process, or of one heap.
//!
//! The sum is never above the limit for a moment, however many threads charge it at
//! once; a limit that is lowered below the sum stops what comes after it.

use crate::sync::atomic::{AtomicUsize, Ordering};

/// Bytes committed, with a limit.
pub(crate) struct Budget {
    committed: AtomicUsize,
    limit: AtomicUsize,
}

impl Budget {
    /// A budget of which `committed` bytes are spent.
    #[cfg(not(ntheap_model))]
    pub(crate) const fn new(committed: usize, limit: usize) -> Self {
        Budget {
            committed: AtomicUsize::new(committed),
            limit: AtomicUsize::new(limit),
        }
    }

    /// As above.
    #[cfg(ntheap_model)]
    pub(crate) fn new(committed: usize, limit: usize) -> Self {
        Budget {
            committed: AtomicUsize::new(committed),
            limit: AtomicUsize::new(limit),
        }
    }

    /// Enters `bytes`; false, and nothing entered, when that is too much.
    pub(crate) fn charge(&self, bytes: usize) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        let within = |old: usize| old.checked_add(bytes).filter(|&new| new <= limit);
        self.committed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, within)
            .is_ok()
    }

    /// Takes `bytes` back that were entered.
    pub(crate) fn credit(&self, bytes: usize) {
        self.committed.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Sets the most bytes that may be entered from now on.
    pub(crate) fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
    }

    /// Whether there is a limit.
    pub(crate) fn is_limited(&self) -> bool {
        self.limit.load(Ordering::Relaxed) != usize::MAX
    }

    /// The bytes entered.
    #[cfg(feature = "heaps")]
    pub(crate) fn committed(&self) -> usize {
        self.committed.load(Ordering::Relaxed)
    }

    /// The bytes entered, and the most that may be.
    pub(crate) fn committed_and_limit(&self) -> (usize, usize) {
        let limit = self.limit.load(Ordering::Relaxed);
        (self.committed.load(Ordering::Relaxed), limit)
    }
}
