//! A box that stays when its heap is dropped.

use allocator_api2::boxed::Box;
use ntheap::Heap;

fn main() {
    let heap = Heap::new().expect("a heap");
    let boxed = Box::new_in(7, &heap);
    drop(heap);
    println!("{boxed}");
}
