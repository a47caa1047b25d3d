//! A heap without a lock, shared by two threads.

use ntheap::Heap;

fn main() {
    let heap = Heap::options().create_local().expect("a heap");
    std::thread::scope(|scope| {
        scope.spawn(|| heap.summary());
    });
}
