//! What is tried when there is no memory: the new handler, for `operator new`
//! always, for malloc where the new mode says so ("_set_new_handler",
//! "_set_new_mode").

use super::{errno, invalid};
use crate::heap::private;
use core::ptr;
use core::sync::atomic::{AtomicI32, AtomicPtr, Ordering};

/// Told how many bytes were asked for. 0: the allocation fails; anything else:
/// it is tried again.
pub type Handler = unsafe extern "C" fn(usize) -> i32;

static HANDLER: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());
static MODE: AtomicI32 = AtomicI32::new(0);

fn handler_at(stored: *mut ()) -> Option<Handler> {
    if stored.is_null() {
        return None;
    }
    // SAFETY: `HANDLER` only ever holds null, excluded above, or a `Handler`
    // that `set` cast to a pointer of the same size.
    Some(unsafe { core::mem::transmute::<*mut (), Handler>(stored) })
}

/// Sets the handler, or takes it away; returns the one before. Any thread may
/// call it at any time.
pub fn set(handler: Option<Handler>) -> Option<Handler> {
    let new = handler.map_or(ptr::null_mut(), |handler| handler as *mut ());
    handler_at(HANDLER.swap(new, Ordering::AcqRel))
}

/// The handler.
pub fn get() -> Option<Handler> {
    handler_at(HANDLER.load(Ordering::Acquire))
}

/// Calls the handler, if there is one; whether the allocation of `size` bytes is
/// to be tried again. No lock may be held.
#[cold]
pub fn call(size: usize) -> bool {
    match get() {
        // SAFETY: the program set it for this.
        Some(handler) => unsafe { handler(size) != 0 },
        None => false,
    }
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
    size <= super::MAX_REQUEST && call(size)
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
