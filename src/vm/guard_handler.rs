//! The program's own handler of guard pages.

use core::sync::atomic::{AtomicUsize, Ordering};

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
/// Any thread may call it.
///
/// On Windows it is a vectored exception handler, ahead of those that were there before; a
/// page that nobody goes on with is no guard page any more there, as ever.
///
/// # Errors
/// [`PageError::Unsupported`](super::PageError::Unsupported) when faults cannot be caught:
/// who was asked before still is.
///
/// # Safety
/// The handler is called from a signal handler, or an exception handler, at any instruction of any thread that
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
    if handler.is_some() && !super::fault::catch() {
        return Err(super::PageError::Unsupported);
    }
    GUARDS.store(
        handler.map_or(0, |handler| handler as usize),
        Ordering::Release,
    );
    Ok(())
}

/// Whether the handler of guard pages has the access be made.
pub(super) fn goes_on(address: usize) -> bool {
    let handler = GUARDS.load(Ordering::Acquire);
    if handler == 0 {
        return false;
    }
    // SAFETY: only a `GuardHandler` is ever stored there.
    let handler = unsafe { core::mem::transmute::<usize, GuardHandler>(handler) };
    handler(core::ptr::with_exposed_provenance_mut(address))
}
