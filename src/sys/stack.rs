//! Where the calling thread's stack lies, and running on another one.

/// A thread's stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// The lowest address that it may come to, guard pages included.
    pub low: usize,
    /// The lowest address that can be used.
    pub usable: usize,
    /// The byte after the highest.
    pub high: usize,
}

/// The calling thread's stack; `None` where the system does not tell. It may
/// allocate.
pub fn own_stack() -> Option<Stack> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use core::mem::MaybeUninit;
        let mut attributes = MaybeUninit::<libc::pthread_attr_t>::zeroed();
        let mut low = core::ptr::null_mut();
        let (mut size, mut guard) = (0, 0);
        // SAFETY: the attributes are filled by the first call, read by the next
        // ones and ended by the last.
        let told = unsafe {
            let own = libc::pthread_self();
            if libc::pthread_getattr_np(own, attributes.as_mut_ptr()) != 0 {
                return None;
            }
            let at = attributes.as_ptr();
            let told = libc::pthread_attr_getstack(at, &raw mut low, &raw mut size) == 0
                && libc::pthread_attr_getguardsize(at, &raw mut guard) == 0;
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            told
        };
        let low = low.addr();
        // Some C libraries keep a thread's own data above, on the same page.
        let high = low
            .checked_add(size)?
            .checked_next_multiple_of(super::page_size())?;
        // The first thread's stack has its guard wherever it ends.
        let is_first = super::thread_id() == u64::from(super::process_id());
        told.then(|| Stack {
            low: if is_first {
                low
            } else {
                low.saturating_sub(guard)
            },
            usable: low,
            high,
        })
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    None
}

/// Has the calling thread's signals that ask for it handled on a stack of these
/// bytes. What it had before; `None` when the system refuses, as while it is on
/// one.
///
/// # Safety
/// The bytes are used by nobody else until [`restore_alternate_stack`].
pub unsafe fn set_alternate_stack(base: *mut u8, size: usize) -> Option<libc::stack_t> {
    let stack = libc::stack_t {
        ss_sp: base.cast(),
        ss_flags: 0,
        ss_size: size,
    };
    let mut before = core::mem::MaybeUninit::<libc::stack_t>::zeroed();
    // SAFETY: the stack is the caller's to give; the previous one is written by
    // the call.
    unsafe {
        (libc::sigaltstack(&raw const stack, before.as_mut_ptr()) == 0)
            .then(|| before.assume_init())
    }
}

/// Undoes [`set_alternate_stack`].
///
/// # Safety
/// `before` is what that returned on this thread, and its bytes are still there.
pub unsafe fn restore_alternate_stack(before: &libc::stack_t) {
    // SAFETY: the caller's promise.
    unsafe { libc::sigaltstack(&raw const *before, core::ptr::null_mut()) };
}

/// Calls `function(argument)` on another stack, of which `top` is the end.
///
/// # Safety
/// The bytes below `top` are a stack that is large enough and used by nobody
/// else; `top` is a multiple of 16. `function` returns, and takes `argument`.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub unsafe fn call_on(top: *mut u8, function: unsafe extern "C" fn(*mut u8), argument: *mut u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the function keeps r12, in which the old stack pointer waits, as
    // every function of this calling convention does; all registers that it may
    // change are said to change.
    unsafe {
        core::arch::asm!(
            "xchg rsp, r12",
            "call {function}",
            "mov rsp, r12",
            function = in(reg) function,
            inout("r12") top => _,
            in("rdi") argument,
            clobber_abi("C"),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above, of x20.
    unsafe {
        core::arch::asm!(
            "mov x20, sp",
            "mov sp, {top}",
            "blr {function}",
            "mov sp, x20",
            top = in(reg) top,
            function = in(reg) function,
            out("x20") _,
            in("x0") argument,
            clobber_abi("C"),
        );
    }
}
