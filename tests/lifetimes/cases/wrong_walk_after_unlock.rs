//! A walk that goes on when the heap is unlocked.

use ntheap::Heap;

fn main() {
    let heap = Heap::new().expect("a heap");
    let guard = heap.lock();
    let mut walk = guard.walk();
    drop(guard);
    walk.next();
}
