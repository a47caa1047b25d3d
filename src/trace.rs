//! Calls from layer to layer, told to a listener.
//!
//! Whoever wants to see how `new` becomes `malloc`, `RtlAllocateHeap`,
//! `NtAllocateVirtualMemory` and at last a system call, sets a [`Listener`]. It
//! is told when a call into the heap, the page layer or the system begins and
//! when it ends; what a program itself calls is for whoever stands between the
//! program and the library.
//!
//! Nothing of this is on a fast path. While somebody listens, the process
//! heap's calls are diverted to their slow paths and no new bucket of a private
//! heap comes to life; the slow paths look for a listener, which is one load.
//!
//! Invariants: telling allocates nothing, takes no lock and cannot panic. A
//! listener is called under the heap's locks, so it must call nothing of the
//! heap's.

use core::ffi::{CStr, c_char};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// An argument by its name.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Argument {
    /// The name of the parameter, a C string.
    pub name: *const c_char,
    /// Its value; an address as a number.
    pub value: u64,
}

impl Argument {
    /// The argument `value` of the parameter `name`.
    pub const fn new(name: &'static CStr, value: u64) -> Argument {
        Argument {
            name: name.as_ptr(),
            value,
        }
    }
}

/// A call that begins or has ended.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Call {
    /// The name of what is called, a C string.
    pub name: *const c_char,
    /// Its arguments.
    pub arguments: *const Argument,
    /// How many they are.
    pub count: usize,
    /// Whether the call has ended.
    pub ended: bool,
    /// What it gave, once it has ended; 0 for nothing.
    pub result: u64,
}

/// Is told of calls. It may be called by any thread at any time, with the heap's
/// locks held: it must neither allocate nor free nor wait for a thread that
/// might.
pub type Listener = unsafe extern "C" fn(&Call);

static LISTENER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Has `listener` told of all calls from now on.
///
/// Calls of the process heap are seen from a thread's next slow call on: see
/// [`divert`](crate::heap::divert).
pub fn listen(listener: Listener) {
    LISTENER.store(listener as *mut (), Ordering::Release);
}

/// Whether somebody listens.
#[inline]
pub(crate) fn is_listening() -> bool {
    cfg!(feature = "trace") && !LISTENER.load(Ordering::Relaxed).is_null()
}

/// What a call gives, as a number.
pub(crate) trait Outcome: Copy {
    /// The number.
    fn number(self) -> u64;
}

impl Outcome for () {
    fn number(self) -> u64 {
        0
    }
}

impl Outcome for bool {
    fn number(self) -> u64 {
        u64::from(self)
    }
}

impl Outcome for i32 {
    fn number(self) -> u64 {
        self as i64 as u64
    }
}

impl<T> Outcome for *mut T {
    fn number(self) -> u64 {
        self.addr() as u64
    }
}

impl<E: Copy> Outcome for Result<(), E> {
    fn number(self) -> u64 {
        u64::from(self.is_ok())
    }
}

impl<T, E: Copy> Outcome for Result<ptr::NonNull<T>, E> {
    fn number(self) -> u64 {
        self.map_or(0, |block| block.addr().get() as u64)
    }
}

/// Runs `body`, which is the call of `name`, and tells of it.
#[inline]
pub(crate) fn during<R: Outcome, const COUNT: usize>(
    name: &'static CStr,
    arguments: impl FnOnce() -> [Argument; COUNT],
    body: impl FnOnce() -> R,
) -> R {
    during_as(name, arguments, body, Outcome::number)
}

/// [`during`], and `told` is what is told of the result.
#[inline]
pub(crate) fn during_as<R: Copy, const COUNT: usize>(
    name: &'static CStr,
    arguments: impl FnOnce() -> [Argument; COUNT],
    body: impl FnOnce() -> R,
    told: impl FnOnce(R) -> u64,
) -> R {
    if !is_listening() {
        return body();
    }
    let arguments = arguments();
    tell(name, &arguments, None);
    let result = body();
    tell(name, &arguments, Some(told(result)));
    result
}

#[cold]
#[inline(never)]
fn tell(name: &'static CStr, arguments: &[Argument], result: Option<u64>) {
    let listener = LISTENER.load(Ordering::Acquire);
    if listener.is_null() {
        return;
    }
    // SAFETY: only `listen` stores there, and what it stores is a `Listener`.
    let listener = unsafe { core::mem::transmute::<*mut (), Listener>(listener) };
    let call = Call {
        name: name.as_ptr(),
        arguments: arguments.as_ptr(),
        count: arguments.len(),
        ended: result.is_some(),
        result: result.unwrap_or(0),
    };
    // SAFETY: the strings and arguments live longer than the call, and the
    // listener's promise is its own.
    unsafe { listener(&call) }
}
