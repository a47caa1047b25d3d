//! The task allocator's object while somebody listens to the calls: its methods wrap
//! the functions, and both are told. An object of its own, so that whoever has the other
//! one pays nothing.

use super::malloc::{METHODS, Object, allocate, release, resize};
use super::types::{IMalloc, IMallocVtbl};
use crate::trace::{self, Argument};
use crate::win32::types::{LPVOID, SIZE_T};

static TOLD: IMallocVtbl = IMallocVtbl {
    Alloc: alloc,
    Realloc: realloc,
    Free: free,
    ..METHODS
};

pub(super) static MALLOC: Object = Object::new(&TOLD);

fn bytes_of(bytes: SIZE_T) -> Argument {
    Argument::new(c"bytes", bytes as u64)
}

fn block_of(block: LPVOID) -> Argument {
    Argument::new(c"block", block.addr() as u64)
}

unsafe extern "system" fn alloc(_this: *mut IMalloc, bytes: SIZE_T) -> LPVOID {
    let arguments = || [bytes_of(bytes)];
    trace::during(c"IMalloc::Alloc", arguments, || {
        trace::during(c"CoTaskMemAlloc", arguments, || allocate(bytes))
    })
}

unsafe extern "system" fn realloc(_this: *mut IMalloc, block: LPVOID, bytes: SIZE_T) -> LPVOID {
    let arguments = || [block_of(block), bytes_of(bytes)];
    trace::during(c"IMalloc::Realloc", arguments, || {
        // SAFETY: the caller's promise.
        trace::during(c"CoTaskMemRealloc", arguments, || unsafe {
            resize(block, bytes)
        })
    })
}

unsafe extern "system" fn free(_this: *mut IMalloc, block: LPVOID) {
    let arguments = || [block_of(block)];
    trace::during(c"IMalloc::Free", arguments, || {
        // SAFETY: the caller's promise.
        trace::during(c"CoTaskMemFree", arguments, || unsafe { release(block) });
    });
}
