//! The loads on heaps, on bumpalo's arena: what it costs at least to build
//! something that is dropped as a whole. It frees no single block.

use bumpalo::Bump;
use std::alloc::Layout;
use std::process::ExitCode;
use std::ptr;

struct Heap(Bump);

// SAFETY: an arena keeps its blocks until it is dropped, and follows the
// layout.
unsafe impl ntheap_loads::Heap for Heap {
    fn create() -> Self {
        Heap(Bump::new())
    }

    #[inline]
    fn allocate(&self, layout: Layout) -> *mut u8 {
        match self.0.try_alloc_layout(layout) {
            Ok(block) => block.as_ptr(),
            Err(_) => ptr::null_mut(),
        }
    }

    unsafe fn free(&self, _: *mut u8, _: Layout) {}
}

fn main() -> ExitCode {
    ntheap_loads::main_of_heaps::<Heap>()
}
