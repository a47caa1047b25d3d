//! The allocator of the command itself: ntheap, or the system's.
//!
//! The demonstration runs one program on two allocators. Two binaries could
//! differ in more than the allocator, so it is one binary with a switch,
//! thrown by the environment before the first allocation and never again.
//! Either side pays the same for it: one load and one branch a call.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::{CStr, c_char};
use std::sync::atomic::{AtomicU8, Ordering};

/// Names the allocator of a child: `ntheap` (the default) or `system`.
pub(crate) const VARIABLE: &str = "NTHEAP_DEMO_ALLOCATOR";
const VARIABLE_C: &CStr = c"NTHEAP_DEMO_ALLOCATOR";

const UNDECIDED: u8 = 0;
const NTHEAP: u8 = 1;
const SYSTEM: u8 = 2;

/// A global allocator that is one of two for the whole life of a process.
pub(crate) struct Switch {
    chosen: AtomicU8,
    ntheap: ntheap::NtHeap,
}

impl Switch {
    pub(crate) const fn new() -> Self {
        Switch {
            chosen: AtomicU8::new(UNDECIDED),
            ntheap: ntheap::NtHeap::new(),
        }
    }

    /// The name of the allocator in use.
    pub(crate) fn name(&self) -> &'static str {
        if self.is_system() { "system" } else { "ntheap" }
    }

    #[inline]
    fn is_system(&self) -> bool {
        match self.chosen.load(Ordering::Relaxed) {
            NTHEAP => false,
            SYSTEM => true,
            _ => self.choose(),
        }
    }

    /// Decides, once: whoever stores first has decided for everybody, so that
    /// no block can be freed by the allocator it does not come from.
    #[cold]
    #[inline(never)]
    fn choose(&self) -> bool {
        let wish = if environment_says_system() {
            SYSTEM
        } else {
            NTHEAP
        };
        match self
            .chosen
            .compare_exchange(UNDECIDED, wish, Ordering::Relaxed, Ordering::Relaxed)
        {
            Ok(_) => wish == SYSTEM,
            Err(earlier) => earlier == SYSTEM,
        }
    }
}

/// Asks C's `getenv`: `std::env` allocates, and this runs inside the first
/// allocation.
fn environment_says_system() -> bool {
    // SAFETY: the name is a C string. The first allocation comes from the
    // runtime's start, before a second thread exists that could change the
    // environment meanwhile.
    let value: *const c_char = unsafe { libc::getenv(VARIABLE_C.as_ptr()) };
    if value.is_null() {
        return false;
    }
    // SAFETY: a result of getenv that is not null is a C string, and by the
    // same argument nobody changes the environment while it is read here.
    let value = unsafe { CStr::from_ptr(value) };
    value == c"system"
}

// SAFETY: every block is allocated, resized and freed by the same one of two
// allocators, each of which keeps GlobalAlloc's contract: the choice is made
// before the first call returns and is never changed.
unsafe impl GlobalAlloc for Switch {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.is_system() {
            // SAFETY: the caller's promises are passed on unchanged.
            unsafe { System.alloc(layout) }
        } else {
            // SAFETY: the caller's promises are passed on unchanged.
            unsafe { self.ntheap.alloc(layout) }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if self.is_system() {
            // SAFETY: the block came from `self`, hence, the choice being
            // final, from this allocator with this layout.
            unsafe { System.dealloc(block, layout) }
        } else {
            // SAFETY: the block came from `self`, hence, the choice being
            // final, from this allocator with this layout.
            unsafe { self.ntheap.dealloc(block, layout) }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if self.is_system() {
            // SAFETY: the caller's promises are passed on unchanged.
            unsafe { System.alloc_zeroed(layout) }
        } else {
            // SAFETY: the caller's promises are passed on unchanged.
            unsafe { self.ntheap.alloc_zeroed(layout) }
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if self.is_system() {
            // SAFETY: the block came from `self`, hence, the choice being
            // final, from this allocator with this layout.
            unsafe { System.realloc(block, layout, size) }
        } else {
            // SAFETY: the block came from `self`, hence, the choice being
            // final, from this allocator with this layout.
            unsafe { self.ntheap.realloc(block, layout, size) }
        }
    }
}
