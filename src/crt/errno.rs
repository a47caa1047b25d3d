//! The calling thread's errno, which is the C library's own.

/// No memory for the request.
pub const ENOMEM: i32 = libc::ENOMEM;
/// An argument that is not allowed.
pub const EINVAL: i32 = libc::EINVAL;
/// A result that does not fit.
pub const ERANGE: i32 = libc::ERANGE;
/// The function does not exist here.
pub const ENOSYS: i32 = libc::ENOSYS;

#[cfg(any(target_os = "linux", target_os = "emscripten"))]
fn place() -> *mut i32 {
    // SAFETY: no arguments.
    unsafe { libc::__errno_location() }
}

#[cfg(any(target_os = "macos", target_os = "ios", target_os = "freebsd"))]
fn place() -> *mut i32 {
    // SAFETY: no arguments.
    unsafe { libc::__error() }
}

#[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
fn place() -> *mut i32 {
    // SAFETY: no arguments.
    unsafe { libc::__errno() }
}

/// The calling thread's errno.
pub fn get() -> i32 {
    // SAFETY: errno's place is the calling thread's own.
    unsafe { *place() }
}

/// Sets the calling thread's errno.
pub fn set(error: i32) {
    // SAFETY: as above.
    unsafe { *place() = error };
}

/// Runs `body` and leaves errno as it was.
pub fn keep<R>(body: impl FnOnce() -> R) -> R {
    let before = get();
    let result = body();
    set(before);
    result
}
