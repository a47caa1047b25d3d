//! `CrtHeap`: an instance of the C runtime as a module's own global allocator.

use super::instance::Crt;
use super::mode::Mode;
use crate::heap::private::flags;
use core::alloc::{GlobalAlloc, Layout};
use core::ptr;

/// What [`Crt`] and this type ask reports to call a free.
const DEALLOC: &str = "dealloc";

/// A C runtime of a module's own as Rust's global allocator.
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: ntheap::CrtHeap = ntheap::CrtHeap::new("plugin");
/// # fn main() { drop(String::from("in the plugin's heap")) }
/// ```
///
/// Each module of a program, the program or a plugin, may have one. As a module
/// of Windows that links the C runtime statically, it has a heap of its own,
/// and a `String` that another module's allocator frees is the bug that crashes
/// such programs. Here it is reported: which heap was used, which one owns the
/// block, and of which module that is. `NTHEAP_CRT=shared` or `process` puts all
/// modules on one heap, as a shared runtime library does.
///
/// - **Sizes** are kept exactly; a size of 0 gives a block of its own.
/// - **Alignment** can be any power of two.
/// - **Errors**: out of memory is a null pointer. A block of another heap that is
///   given back here is reported and, if the process goes on, left alone.
/// - **Threads**: any thread may allocate and free.
/// - **Cost**: every free looks the owner of its block up: one load and one
///   comparison more than a free that trusts its caller.
///   [`NtHeap`](crate::NtHeap) looks nothing up.
#[derive(Debug)]
pub struct CrtHeap {
    crt: Crt,
}

impl CrtHeap {
    /// A runtime with a heap of its own, unless `NTHEAP_CRT` says otherwise.
    pub const fn new(name: &'static str) -> CrtHeap {
        CrtHeap {
            crt: Crt::private(name),
        }
    }

    /// A runtime in a mode of the program's choice, which `NTHEAP_CRT` overrules.
    pub const fn with_mode(name: &'static str, mode: Mode) -> CrtHeap {
        CrtHeap {
            crt: Crt::with_mode(name, mode),
        }
    }

    /// The instance of the runtime.
    pub const fn crt(&self) -> &Crt {
        &self.crt
    }

    /// `dealloc` with the comparison of the owner compiled out, for measuring what
    /// that costs.
    ///
    /// # Safety
    /// The block is one of this heap, and nobody uses it any more.
    #[doc(hidden)]
    #[inline]
    pub unsafe fn free_unowned(&self, block: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.crt.heap_here() {
                Some(heap) => drop(heap.free_unowned(DEALLOC, block)),
                None => self.free_elsewhere(block),
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn allocate_first(&self, flags: u32, layout: Layout) -> *mut u8 {
        self.crt.allocate_as(flags, layout.size(), layout.align())
    }

    /// # Safety
    /// As for [`GlobalAlloc::dealloc`].
    #[cold]
    #[inline(never)]
    unsafe fn free_elsewhere(&self, block: *mut u8) {
        // SAFETY: the caller's promise. What is no block was reported.
        let _ = unsafe { self.crt.free_as(DEALLOC, block) };
    }
}

// SAFETY: blocks are distinct, as large and as aligned as their layout says,
// live until they are freed, and no method unwinds.
unsafe impl GlobalAlloc for CrtHeap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match self.crt.heap_here() {
            // SAFETY: the heap is serialized.
            Some(heap) => unsafe { heap.allocate_or_null::<false>(layout.size(), layout.align()) },
            None => self.allocate_first(0, layout),
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: the heap is serialized, and the caller gives the block up. What
        // is no block of the heap was reported.
        unsafe {
            match self.crt.heap_here() {
                Some(heap) => drop(heap.free_as(DEALLOC, block)),
                None => self.free_elsewhere(block),
            }
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.crt
            .allocate_as(flags::ZERO_MEMORY, layout.size(), layout.align())
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's block; the new one is distinct and large enough
        // for what both hold.
        unsafe {
            if layout.align() <= 16 {
                return self.crt.reallocate_as("realloc", 0, block, size);
            }
            let new = self.crt.allocate_as(0, size, layout.align());
            if !new.is_null() {
                ptr::copy_nonoverlapping(block, new, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}
