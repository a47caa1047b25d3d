//! The invalid parameter handler ("_set_invalid_parameter_handler").

use super::errno;
use crate::sync::Function;
use core::ptr;

/// Told of an argument that is not allowed: the expression, function and file,
/// in 16-bit characters, the line, and a word that is reserved. As in the
/// release versions of the C runtime all of them are null or 0.
///
/// It may return; the function then fails with EINVAL.
pub type Handler = unsafe extern "C" fn(*const u16, *const u16, *const u16, u32, usize);

static HANDLER: Function<Handler> = Function::none();

/// Sets the process's handler, or takes it away; returns the one before. Any
/// thread may call it at any time.
pub fn set(handler: Option<Handler>) -> Option<Handler> {
    HANDLER.swap(handler)
}

/// The process's handler.
pub fn get() -> Option<Handler> {
    HANDLER.get()
}

/// What a function does about an argument that is not allowed: the handler is
/// called, then errno is EINVAL. Without a handler errno alone tells, as with
/// the system's own `msvcrt.dll`; the runtimes that come with Visual C++ end the
/// process there ("Parameter Validation").
#[cold]
pub fn parameter() {
    if let Some(handler) = get() {
        // SAFETY: the program set it for this.
        unsafe { handler(ptr::null(), ptr::null(), ptr::null(), 0, 0) };
    }
    errno::set(errno::EINVAL);
}
