//! A plugin in Rust whose C runtime is its own: a library that links the runtime
//! statically. Two packages are made of this file, so that there are two plugins
//! with a copy of the allocator each.

use ntheap::CrtHeap;
use std::mem::ManuallyDrop;

#[global_allocator]
static RUNTIME: CrtHeap = CrtHeap::new(env!("CARGO_PKG_NAME"));

/// A String taken apart, to be handed from one module to another.
#[derive(Debug)]
#[repr(C)]
pub struct Parts {
    /// Its first byte.
    pub start: *mut u8,
    /// Its length in bytes.
    pub length: usize,
    /// Its capacity in bytes.
    pub capacity: usize,
}

/// Builds a String of `length` letters in this module.
///
/// # Safety
/// `parts` can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plugin_make_string(length: usize, parts: *mut Parts) {
    let mut text = ManuallyDrop::new("x".repeat(length));
    // SAFETY: the caller's promise.
    unsafe {
        parts.write(Parts {
            start: text.as_mut_ptr(),
            length: text.len(),
            capacity: text.capacity(),
        });
    }
}

/// Drops a String in this module, whoever built it: the bug, if another module
/// did.
///
/// # Safety
/// The parts are those of a String that is used no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plugin_drop_string(parts: *mut Parts) {
    // SAFETY: the caller's promise, but for the allocator, which looks the block's
    // owner up and reports another one.
    unsafe {
        let parts = parts.read();
        drop(String::from_raw_parts(
            parts.start,
            parts.length,
            parts.capacity,
        ));
    }
}

/// What the runtime of a library does when the library is unloaded
/// (`DLL_PROCESS_DETACH`): its heap is destroyed. How many blocks were in use.
///
/// # Safety
/// The module is used no more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plugin_detach() -> usize {
    // SAFETY: the caller's promise.
    unsafe { RUNTIME.crt().detach() }
}
