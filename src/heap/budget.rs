//! What a heap has committed, and may have.

use core::sync::atomic::{AtomicUsize, Ordering};

/// Bytes committed, with a limit.
pub(super) struct Budget {
    committed: AtomicUsize,
    limit: AtomicUsize,
}

impl Budget {
    /// A budget of which `committed` bytes are spent.
    #[cfg(feature = "heaps")]
    pub(super) const fn new(committed: usize, limit: usize) -> Self {
        Budget {
            committed: AtomicUsize::new(committed),
            limit: AtomicUsize::new(limit),
        }
    }

    /// Enters `bytes`; false, and nothing entered, when that is too much.
    pub(super) fn charge(&self, bytes: usize) -> bool {
        let limit = self.limit.load(Ordering::Relaxed);
        let within = |old: usize| old.checked_add(bytes).filter(|&new| new <= limit);
        self.committed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, within)
            .is_ok()
    }

    /// Takes `bytes` back that were entered.
    pub(super) fn credit(&self, bytes: usize) {
        self.committed.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// The bytes entered.
    #[cfg(feature = "heaps")]
    pub(super) fn committed(&self) -> usize {
        self.committed.load(Ordering::Relaxed)
    }
}
