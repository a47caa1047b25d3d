//! What is tried when there is no memory: the new handler, for `operator new`
//! always, for malloc where the new mode says so ("_set_new_handler",
//! "_set_new_mode").

use super::marks::Marks;
use super::{errno, invalid};
use crate::heap::private;
use crate::sync::Function;
use crate::sync::forks::{self, AtFork, Layer};
use core::ptr;
use core::sync::atomic::{AtomicI32, Ordering};

/// Told how many bytes were asked for. 0: the allocation fails; anything else:
/// it is tried again.
///
/// It may throw where `operator new` calls it. What it throws where malloc calls
/// it, in mode 1, ends the process, as a function of C's does that throws.
pub type Handler = unsafe extern "C" fn(usize) -> i32;

static HANDLER: Function<Handler> = Function::none();
static MODE: AtomicI32 = AtomicI32::new(0);

/// Threads whose `operator new` asks the handler itself.
static IN_NEW: Marks = Marks::new();

/// Sets the handler, or takes it away; returns the one before. Any thread may
/// call it at any time.
pub fn set(handler: Option<Handler>) -> Option<Handler> {
    HANDLER.swap(handler)
}

/// The handler.
pub fn get() -> Option<Handler> {
    HANDLER.get()
}

/// Calls a handler from a frame that no exception passes.
///
/// # Safety
/// The handler can be called.
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(ntheap_portable)))]
#[unsafe(naked)]
unsafe extern "C" fn ask(handler: Handler, size: usize) -> i32 {
    // Without a word about unwinding (.cfi_startproc): whoever looks for a catcher
    // of an exception finds the stack's end here, and ends the process, before a
    // frame of Rust's, which must not be unwound.
    core::arch::naked_asm!(
        "sub rsp, 8",
        "mov rax, rdi",
        "mov rdi, rsi",
        "call rax",
        "add rsp, 8",
        "ret",
    )
}

/// Calls a handler, which must not throw.
///
/// # Safety
/// The handler can be called.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(ntheap_portable))))]
unsafe fn ask(handler: Handler, size: usize) -> i32 {
    // SAFETY: the caller's handler.
    unsafe { handler(size) }
}

/// Calls the handler, if there is one; whether the allocation of `size` bytes is
/// to be tried again. No lock may be held.
#[cold]
pub fn call(size: usize) -> bool {
    match get() {
        // SAFETY: the program set it for this.
        Some(handler) => unsafe { ask(handler, size) != 0 },
        None => false,
    }
}

/// Runs an attempt of `operator new` at an allocation, which in mode 1 would ask
/// the handler: `operator new` does so itself, from a frame that exceptions may
/// pass. Of 64 threads at a time.
pub fn without_asking<R>(attempt: impl FnOnce() -> R) -> R {
    if mode() == 0 {
        return attempt();
    }
    forget_at_fork();
    IN_NEW.mark(attempt)
}

/// Has the child of a fork forget the parent's other threads. The system may
/// allocate for this.
fn forget_at_fork() {
    static FORK: AtFork = AtFork {
        child: || IN_NEW.keep_own(),
        ..AtFork::locks(&[])
    };
    forks::hold(Layer::NewHandlers, &FORK);
}

/// Says whether malloc calls the handler: 1, or 0, as it is at first. Returns the
/// mode before; any other number is an invalid parameter, and the result -1.
pub fn set_mode(mode: i32) -> i32 {
    if mode != 0 && mode != 1 {
        invalid::parameter();
        return -1;
    }
    // The shared library's malloc asks where it finds that there is no memory.
    private::when_no_memory((mode == 1).then_some(asks));
    MODE.swap(mode, Ordering::AcqRel)
}

/// [`call`] for sizes that there can be memory for.
fn asks(size: usize) -> bool {
    size <= super::MAX_REQUEST && !IN_NEW.has_me() && call(size)
}

/// 1 if malloc calls the handler, else 0.
pub fn mode() -> i32 {
    MODE.load(Ordering::Acquire)
}

/// Tries an allocation of malloc's, again as long as the handler says so in
/// mode 1; a null comes with ENOMEM.
#[inline]
pub fn attempt(size: usize, allocate: impl Fn() -> *mut u8) -> *mut u8 {
    let block = allocate();
    if !block.is_null() {
        return block;
    }
    again(size, allocate)
}

/// [`attempt`] after the first try failed.
#[cold]
pub fn again(size: usize, allocate: impl Fn() -> *mut u8) -> *mut u8 {
    while mode() == 1 && asks(size) {
        let block = allocate();
        if !block.is_null() {
            return block;
        }
    }
    errno::set(errno::ENOMEM);
    ptr::null_mut()
}
