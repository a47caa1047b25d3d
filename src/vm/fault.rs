//! Faults: what the page layer knows an answer to, and what it passes up.
//!
//! Nothing of this is there until somebody asks for it, by a guard page, by
//! pages that are committed when they are touched, by a view whose pages are
//! committed one by one, or by an exception handler.
//!
//! ```text
//!   touch of a page --> regions: guard? to be committed? --> try again
//!                          |
//!                          +--> the layer above (exceptions) --> go on
//!                          +--> handlers that were there before
//! ```

use super::regions::{self, Access, Touched};
use super::{guarantee, guard_handler};
use crate::sync::Once;
use crate::sys::{self, Fault, Wanted};
use core::sync::atomic::{AtomicUsize, Ordering};

/// What a fault is to the layers above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// An access that is not allowed.
    Violation,
    /// The first access to a guard page, which is none any more.
    Guard,
    /// A stack that cannot grow any more.
    StackEnd,
    /// Pages with nothing behind them.
    Nothing,
}

/// The layer above: true when the program goes on with the registers that the
/// fault has then.
pub(crate) type Above = fn(Meaning, &Fault) -> bool;

/// An [`Above`], or 0.
static ABOVE: AtomicUsize = AtomicUsize::new(0);

/// Looks at a fault that means nothing here before anybody is asked about it; told
/// whether somebody will be, before the system.
#[cfg(feature = "debug")]
pub(crate) type Witness = fn(&Fault, bool);

/// A [`Witness`], or 0.
#[cfg(feature = "debug")]
static WITNESS: AtomicUsize = AtomicUsize::new(0);

/// Has faults that mean nothing here shown to `witness` first.
#[cfg(feature = "debug")]
pub(crate) fn show_to(witness: Witness) -> bool {
    WITNESS.store(witness as usize, Ordering::Release);
    catch()
}

/// The fault that was last answered by trying again though nothing was wrong
/// with the page: the address, mixed with the thread and the instruction's.
static TRIED: AtomicUsize = AtomicUsize::new(0);

/// Has faults of pages answered here. False when the system refuses.
pub(crate) fn catch() -> bool {
    static CAUGHT: Once = Once::new();
    if CAUGHT.is_ready() {
        return true;
    }
    if CAUGHT.begin() {
        // First, for none of it may be done where a fault is answered.
        regions::start();
        // Then: whoever takes the lock from now on holds signals back.
        regions::hold_signals_from_now();
        CAUGHT.end(sys::catch_faults(answer));
    }
    CAUGHT.is_ready()
}

/// Has faults that mean nothing here passed to `above`.
pub(crate) fn pass_to(above: Above) -> bool {
    ABOVE.store(above as usize, Ordering::Release);
    catch()
}

fn answer(fault: &Fault) -> bool {
    let access = match fault.wanted {
        Wanted::Read => Access::Read,
        Wanted::Write => Access::Write,
        Wanted::Execute => Access::Execute,
    };
    let touched = if fault.is_bus {
        Touched::Foreign
    } else {
        regions::touched(fault.address, access)
    };
    let meaning = match touched {
        Touched::Ready => return true,
        Touched::Open if is_first_try(fault) => return true,
        Touched::Guard if guard_handler::goes_on(fault.address) => return true,
        Touched::Guard => Meaning::Guard,
        Touched::StackEnd => Meaning::StackEnd,
        _ if fault.is_bus => Meaning::Nothing,
        Touched::Foreign if guarantee::is_stack_end(fault.address) => Meaning::StackEnd,
        _ => Meaning::Violation,
    };
    let above = ABOVE.load(Ordering::Acquire);
    #[cfg(feature = "debug")]
    show(fault, above != 0);
    if above != 0 {
        // SAFETY: only an `Above` is ever stored there.
        let above = unsafe { core::mem::transmute::<usize, Above>(above) };
        if above(meaning, fault) {
            return true;
        }
    }
    if matches!(meaning, Meaning::Guard | Meaning::StackEnd) {
        // Whoever is asked next, the system's own action in the end, is to find
        // the page as the instruction found it.
        regions::set_guard(fault.address);
    }
    false
}

/// Shows a fault to the witness, if there is one.
#[cfg(feature = "debug")]
fn show(fault: &Fault, has_above: bool) {
    let witness = WITNESS.load(Ordering::Acquire);
    if witness != 0 {
        // SAFETY: only a `Witness` is ever stored there.
        let witness = unsafe { core::mem::transmute::<usize, Witness>(witness) };
        witness(fault, has_above || sys::has_handler_before(fault));
    }
}

/// Whether a fault at a page that can be accessed is worth another try: another
/// thread may have just made it so. When it comes again, somebody else changed
/// the page's rights and means it.
fn is_first_try(fault: &Fault) -> bool {
    let mixed = fault.address ^ sys::thread_token().rotate_left(20) ^ fault.registers.addr() << 1;
    TRIED.swap(mixed, Ordering::Relaxed) != mixed
}
