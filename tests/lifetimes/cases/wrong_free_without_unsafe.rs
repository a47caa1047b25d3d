//! A block freed in safe code.

use ntheap::Heap;
use std::alloc::Layout;

fn main() {
    let heap = Heap::new().expect("a heap");
    let block = heap.alloc(Layout::new::<u64>()).expect("a block");
    heap.free(block).expect("freed");
}
