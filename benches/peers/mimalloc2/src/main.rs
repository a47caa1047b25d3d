//! The loads on mimalloc 2, and on its heaps.

use libmimalloc_sys as mi;
use std::alloc::Layout;
use std::process::ExitCode;
use std::ptr::NonNull;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_heap_new` and `mi_heap_destroy`.
struct Heap(NonNull<mi::mi_heap_t>);

// SAFETY: mimalloc's heaps keep their blocks until these are freed or the heap
// is destroyed; blocks are at multiples of 16 unless they are smaller, and none
// of the loads asks for more.
unsafe impl ntheap_loads::Heap for Heap {
    fn create() -> Self {
        // SAFETY: has no conditions.
        match NonNull::new(unsafe { mi::mi_heap_new() }) {
            Some(heap) => Heap(heap),
            None => panic!("no heap"),
        }
    }

    #[inline]
    fn allocate(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the heap is alive.
        unsafe { mi::mi_heap_malloc(self.0.as_ptr(), layout.size()).cast() }
    }

    #[inline]
    unsafe fn free(&self, block: *mut u8, _: Layout) {
        // SAFETY: the caller's block.
        unsafe { mi::mi_free(block.cast()) }
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: the heap is alive, and nobody uses its blocks any more.
        unsafe { mi::mi_heap_destroy(self.0.as_ptr()) }
    }
}

fn main() -> ExitCode {
    ntheap_loads::main_with_heaps::<_, Heap>(&ALLOCATOR)
}
