//! The invalid parameter handler ("_set_invalid_parameter_handler").

use super::errno;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// Told of an argument that is not allowed: the expression, function and file,
/// in 16-bit characters, the line, and a word that is reserved. As in the
/// release versions of the C runtime all of them are null or 0.
///
/// It may return; the function then fails with EINVAL.
pub type Handler = unsafe extern "C" fn(*const u16, *const u16, *const u16, u32, usize);

/// The handler, or null.
static HANDLER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

fn handler_at(stored: *mut ()) -> Option<Handler> {
    if stored.is_null() {
        return None;
    }
    // SAFETY: `HANDLER` only ever holds null, excluded above, or a `Handler`
    // that `set` cast to a pointer of the same size.
    Some(unsafe { core::mem::transmute::<*mut (), Handler>(stored) })
}

/// Sets the process's handler, or takes it away; returns the one before. Any
/// thread may call it at any time.
pub fn set(handler: Option<Handler>) -> Option<Handler> {
    let new = handler.map_or(ptr::null_mut(), |handler| handler as *mut ());
    handler_at(HANDLER.swap(new, Ordering::AcqRel))
}

/// The process's handler.
pub fn get() -> Option<Handler> {
    handler_at(HANDLER.load(Ordering::Acquire))
}

/// What a function does about an argument that is not allowed: the handler is
/// called, then errno is EINVAL. Without a handler errno alone tells, as with
/// the system's own `msvcrt.dll`.
#[cold]
pub fn parameter() {
    if let Some(handler) = get() {
        // SAFETY: the program set it for this.
        unsafe { handler(ptr::null(), ptr::null(), ptr::null(), 0, 0) };
    }
    errno::set(errno::EINVAL);
}
