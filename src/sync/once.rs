//! Something made ready once, by whichever thread comes first.
//!
//! ```text
//!   new --begin--> starting --end(true)--> ready
//!    ^                |
//!    +---end(false)---+     the next to come tries again
//! ```

use super::atomic::{AtomicU32, Ordering};
use super::os;

const NEW: u32 = 0;
const STARTING: u32 = 1;
const READY: u32 = 2;

/// Whether something is ready. Whoever sees that it is sees all that made it
/// so.
pub(crate) struct Once {
    state: AtomicU32,
}

impl Once {
    /// Not ready.
    #[cfg(not(ntheap_model))]
    pub(crate) const fn new() -> Self {
        Once {
            state: AtomicU32::new(NEW),
        }
    }

    /// Not ready.
    #[cfg(ntheap_model)]
    pub(crate) fn new() -> Self {
        Once {
            state: AtomicU32::new(NEW),
        }
    }

    /// Whether it is ready.
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        self.state.load(Ordering::Acquire) == READY
    }

    /// Waits while another thread is at it. True when the caller must make it
    /// ready and then call [`Once::end`]; false when it is ready.
    pub(crate) fn begin(&self) -> bool {
        loop {
            let exchange =
                self.state
                    .compare_exchange(NEW, STARTING, Ordering::Acquire, Ordering::Acquire);
            match exchange {
                Ok(_) => return true,
                Err(READY) => return false,
                Err(_) => os::yield_now(),
            }
        }
    }

    /// Says how the attempt ended that [`Once::begin`] asked for.
    pub(crate) fn end(&self, ready: bool) {
        let state = if ready { READY } else { NEW };
        self.state.store(state, Ordering::Release);
    }
}
