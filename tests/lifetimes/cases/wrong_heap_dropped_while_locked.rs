//! A heap destroyed while it is locked.

use ntheap::Heap;

fn main() {
    let heap = Heap::new().expect("a heap");
    let guard = heap.lock();
    drop(heap);
    drop(guard);
}
