//! A lock given back by another thread than took it.

use ntheap::Heap;

fn main() {
    let heap = Heap::new().expect("a heap");
    let guard = heap.lock();
    std::thread::scope(|scope| {
        scope.spawn(move || drop(guard));
    });
}
