//! A box of a heap without a lock, sent to another thread.

use allocator_api2::boxed::Box;
use ntheap::Heap;

fn main() {
    let heap = Heap::options().create_local().expect("a heap");
    let boxed = Box::new_in(7, &heap);
    std::thread::scope(|scope| {
        scope.spawn(move || drop(boxed));
    });
}
