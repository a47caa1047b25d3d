//! Where the calling thread's stack lies, and running on another one, which may grow
//! as it is touched.

use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// A thread's stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// The lowest address that it may come to, guard pages included.
    pub low: usize,
    /// The lowest address that can be used.
    pub usable: usize,
    /// The byte after the highest.
    pub high: usize,
    /// Whether it is the first thread's, which the system makes larger as it is used.
    pub is_first: bool,
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
            is_first,
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

/// The stack that the calling thread's signals are handled on, if they are on one: its
/// lowest address and its bytes.
pub fn alternate_stack() -> Option<(usize, usize)> {
    let mut now = core::mem::MaybeUninit::<libc::stack_t>::zeroed();
    // SAFETY: nothing is set; what there is is written by the call.
    let now = unsafe {
        if libc::sigaltstack(ptr::null(), now.as_mut_ptr()) != 0 {
            return None;
        }
        now.assume_init()
    };
    (now.ss_flags & libc::SS_DISABLE == 0).then(|| (now.ss_sp.addr(), now.ss_size))
}

/// Has the calling thread's signals handled on its own stack from now on.
pub fn forget_alternate_stack() {
    let none = libc::stack_t {
        ss_sp: ptr::null_mut(),
        ss_flags: libc::SS_DISABLE,
        ss_size: 0,
    };
    // SAFETY: no memory is given to the system.
    unsafe { libc::sigaltstack(&raw const none, ptr::null_mut()) };
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

/// The key of the thread's value that leads to the addresses of a stack that grows,
/// plus 1; 0 while no thread has run on one.
static GROWING: AtomicUsize = AtomicUsize::new(0);

/// Says that the calling thread runs on a stack that grows when its pages are touched
/// in order, from the highest down to the second; null that it does not. What it was
/// before. Where the system has no more thread values nothing is said.
///
/// # Safety
/// `span` is null, or leads to the stack's addresses until the next call.
pub unsafe fn set_growing_stack(span: *const Range<usize>) -> *const Range<usize> {
    let mut stored = GROWING.load(Ordering::Acquire);
    if stored == 0 {
        let mut key = 0;
        // SAFETY: the key is written by the call; no function is to be called.
        if unsafe { libc::pthread_key_create(&raw mut key, None) } != 0 {
            return ptr::null();
        }
        stored = key as usize + 1;
        let known = GROWING.compare_exchange(0, stored, Ordering::AcqRel, Ordering::Acquire);
        if let Err(winner) = known {
            // SAFETY: the key was made above and nobody else knows it.
            unsafe { libc::pthread_key_delete(key) };
            stored = winner;
        }
    }
    let key = (stored - 1) as libc::pthread_key_t;
    // SAFETY: the key was made by pthread_key_create and is never deleted.
    unsafe {
        let before = libc::pthread_getspecific(key).cast_const().cast();
        libc::pthread_setspecific(key, span.cast());
        before
    }
}

/// The bytes of the stack that the calling thread runs on, if it is one that grows.
pub fn growing_stack() -> Option<usize> {
    let stored = GROWING.load(Ordering::Acquire);
    let key = stored.checked_sub(1)? as libc::pthread_key_t;
    // SAFETY: the key was made by pthread_key_create and is never deleted; its value is null,
    // or what `set_growing_stack` was given by this thread, which is there until it is taken
    // back.
    let span = unsafe {
        libc::pthread_getspecific(key)
            .cast::<Range<usize>>()
            .as_ref()
    }?;
    let local = 0u8;
    // A signal's handler may run on another stack.
    span.contains(&(&raw const local).addr())
        .then(|| span.end - span.start)
}

/// Has the stack that the calling thread runs on grow by `bytes`, if it is one that
/// grows: for code that cannot bear that a page of it is touched for the first time.
/// At the stack's end this is where it overflows.
#[inline]
pub fn grow_stack(bytes: usize) {
    let stored = GROWING.load(Ordering::Acquire);
    if stored != 0 {
        touch_stack((stored - 1) as libc::pthread_key_t, bytes);
    }
}

#[cold]
fn touch_stack(key: libc::pthread_key_t, bytes: usize) {
    // SAFETY: the key was made by pthread_key_create and is never deleted.
    let span: *const Range<usize> = unsafe { libc::pthread_getspecific(key) }
        .cast_const()
        .cast();
    // SAFETY: null, or what `set_growing_stack` was given by this thread, which is
    // there until it is taken back.
    let Some(span) = (unsafe { span.as_ref() }) else {
        return;
    };
    let local = 0u8;
    let here = (&raw const local).addr();
    // A signal's handler may run on another stack.
    if !span.contains(&here) {
        return;
    }
    let page = super::page_size();
    let lowest = here.saturating_sub(bytes).max(span.start + page);
    let mut next = here;
    while next > lowest {
        next = next.saturating_sub(page).max(lowest);
        // SAFETY: a byte of the stack's, below what is used of it. Its page can be
        // read, or is the one whose touch makes the stack grow: the pages above were
        // touched before. What is read is not looked at.
        unsafe { ptr::with_exposed_provenance::<u8>(next).read_volatile() };
    }
}
