//! Something made ready once, by whichever thread comes first.
//!
//! ```text
//!   new --begin--> starting, in generation n --end(true)--> ready
//!    ^              |                  |
//!    |              |                  +--begin, in a later one--> starting, in that one
//!    +--end(false)--+
//!     the next to come tries again
//! ```
//!
//! A fork copies an attempt that another thread was at, but not the thread. So an attempt
//! says which process it is of, by the forks before that one ([`super::forks`]), and a
//! child makes its own in its place: whatever is made here may be made a second time,
//! over a first time that was left at any point but not inside a lock that forks hold.

use super::atomic::{AtomicU32, Ordering};
use super::os;

const NEW: u32 = 0;
const READY: u32 = 1;

/// With a generation of processes: somebody of that one is at it.
const STARTING: u32 = 1 << 31;

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
        let own = STARTING | os::generation();
        let mut from = NEW;
        loop {
            let exchange =
                self.state
                    .compare_exchange(from, own, Ordering::Acquire, Ordering::Acquire);
            from = NEW;
            match exchange {
                Ok(_) => return true,
                Err(READY) => return false,
                // Nobody is at it: the thread that was is in another process.
                Err(left) if left != own && left != NEW => from = left,
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
