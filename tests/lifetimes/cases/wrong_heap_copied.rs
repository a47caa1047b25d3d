//! Two owners of one heap.

use ntheap::Heap;

fn main() {
    let heap = Heap::new().expect("a heap");
    let other = heap.clone();
    drop((heap, other));
}
