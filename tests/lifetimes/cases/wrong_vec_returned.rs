//! A list returned out of the function that has its heap.

use allocator_api2::vec::Vec;
use ntheap::Heap;

fn list<'a>() -> Vec<u32, &'a Heap> {
    let heap = Heap::new().expect("a heap");
    Vec::new_in(&heap)
}

fn main() {
    list().push(1);
}
