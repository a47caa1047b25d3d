//! The loads on ntheap's `NtHeap`, and on its heaps.

use std::alloc::Layout;
use std::process::ExitCode;
use std::ptr::{self, NonNull};

#[global_allocator]
static ALLOCATOR: ntheap::NtHeap = ntheap::NtHeap::new();

struct Heap(ntheap::Heap);

// SAFETY: a heap keeps its blocks until these are freed or it is dropped, and
// follows the layout.
unsafe impl ntheap_loads::Heap for Heap {
    fn create() -> Self {
        match ntheap::Heap::new() {
            Ok(heap) => Heap(heap),
            Err(error) => panic!("no heap: {error}"),
        }
    }

    #[inline]
    fn allocate(&self, layout: Layout) -> *mut u8 {
        let block = self.0.alloc(layout);
        block.map_or(ptr::null_mut(), |block| block.as_ptr())
    }

    #[inline]
    unsafe fn free(&self, block: *mut u8, _: Layout) {
        if let Some(block) = NonNull::new(block) {
            // What is wrong with a block ends the process.
            // SAFETY: the caller's block.
            let _ = unsafe { self.0.free(block) };
        }
    }
}

fn main() -> ExitCode {
    ntheap_loads::main_with_heaps::<_, Heap>(&ALLOCATOR)
}
