//! The loads on rusty_alloc, and on its heaps.

use std::alloc::Layout;
use std::process::ExitCode;
use std::ptr;

#[global_allocator]
static ALLOCATOR: rusty_alloc_api::RustyAlloc = rusty_alloc_api::RustyAlloc;

/// A heap that takes its blocks along when it is dropped.
struct Heap(rusty_alloc_api::Heap);

// SAFETY: rusty_alloc's heaps keep their blocks until these are freed or the
// heap is dropped, and follow the layout.
unsafe impl ntheap_loads::Heap for Heap {
    fn create() -> Self {
        Heap(rusty_alloc_api::Heap::new_destroyable())
    }

    #[inline]
    fn allocate(&self, layout: Layout) -> *mut u8 {
        let block = self.0.alloc(layout);
        block.map_or(ptr::null_mut(), |block| block.as_ptr())
    }

    #[inline]
    unsafe fn free(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's block; the global allocator frees the blocks of
        // all heaps.
        unsafe { std::alloc::GlobalAlloc::dealloc(&ALLOCATOR, block, layout) }
    }
}

fn main() -> ExitCode {
    ntheap_loads::main_with_heaps::<_, Heap>(&ALLOCATOR)
}
