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

use super::guarantee;
use super::regions::{self, Access, Touched};
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

/// Asked about the first access to a guard page, which is none any more, on the thread that
/// made it, by the address: true when the access is to be made. It is asked about all guard
/// pages of the process, and answers false about those that are not its own.
pub type GuardHandler = fn(*mut u8) -> bool;

/// A [`GuardHandler`], or 0.
static GUARDS: AtomicUsize = AtomicUsize::new(0);

/// Sets who is asked first when a guard page is touched, for the whole process; `None` for
/// nobody. The one that was set before is asked no more. See
/// [`Reservation::guard`](super::Reservation::guard) for what happens then.
///
/// [`PageError::Unsupported`](super::PageError::Unsupported) when faults cannot be caught:
/// who was asked before still is. Any thread may call it.
///
/// On Windows there is none: `AddVectoredExceptionHandler` is the system's own.
///
/// # Safety
/// The handler is called from a signal handler, at any instruction of any thread that
/// touches a guard page: it does only what may be done there, so that it takes no lock that
/// the thread may hold, and does not allocate. Functions of pages may be called, but for
/// [`query`](super::query()).
///
/// ```
/// use ntheap::vm::{PageAccess, Reservation, set_guard_handler};
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// static RANG: AtomicUsize = AtomicUsize::new(0);
///
/// fn ring(_: *mut u8) -> bool {
///     RANG.fetch_add(1, Ordering::Relaxed);
///     true
/// }
///
/// let mut memory = Reservation::new(4096)?;
/// memory.commit(0..4096)?[5] = 7;
/// memory.guard(0..4096, PageAccess::ReadWrite)?;
/// // SAFETY: the handler counts, and does nothing else.
/// unsafe { set_guard_handler(Some(ring)) }?;
/// for _ in 0..3 {
///     // SAFETY: the page is committed; the handler goes on.
///     assert_eq!(unsafe { memory.as_ptr().add(5).read_volatile() }, 7);
/// }
/// assert_eq!(RANG.load(Ordering::Relaxed), 1);
/// # Ok::<(), ntheap::vm::PageError>(())
/// ```
pub unsafe fn set_guard_handler(handler: Option<GuardHandler>) -> Result<(), super::PageError> {
    if handler.is_some() && !catch() {
        return Err(super::PageError::Unsupported);
    }
    GUARDS.store(
        handler.map_or(0, |handler| handler as usize),
        Ordering::Release,
    );
    Ok(())
}

/// Whether the handler of guard pages has the access be made.
fn guard_goes_on(address: usize) -> bool {
    let handler = GUARDS.load(Ordering::Acquire);
    if handler == 0 {
        return false;
    }
    // SAFETY: only a `GuardHandler` is ever stored there.
    let handler = unsafe { core::mem::transmute::<usize, GuardHandler>(handler) };
    handler(core::ptr::with_exposed_provenance_mut(address))
}

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
        Touched::Guard if guard_goes_on(fault.address) => return true,
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
