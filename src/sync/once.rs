//! Something made ready once, by whichever thread comes first.
//!
//! ```text
//!   new --begin--> starting --end(true)--> ready
//!    ^                |
//!    +---end(false)---+     the next to come tries again
//! ```
//!
//! A fork copies an attempt that another thread was at, but not the thread. What may be
//! made a second time says whose attempt it is, by the process ([`Once::begin_in`]): the
//! child makes its own. Everything else has its fork handlers see to it, or is made
//! before there are threads.

use super::atomic::{AtomicU32, Ordering};
use super::os;

const NEW: u32 = 0;
const STARTING: u32 = 1;
const READY: u32 = 2;

/// With a process's number: that process is at it.
#[cfg(feature = "crt")]
const IN_PROCESS: u32 = 1 << 31;

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
        self.begin_as(STARTING)
    }

    /// [`Once::begin`] by the process of that number, for what may be made once more
    /// where another process, of which this one is a copy, was at it. A `Once` is begun
    /// either this way or the other, always.
    #[cfg(feature = "crt")]
    pub(crate) fn begin_in(&self, process: u32) -> bool {
        self.begin_as(IN_PROCESS | process)
    }

    fn begin_as(&self, own: u32) -> bool {
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
