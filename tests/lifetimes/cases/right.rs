//! All that the other cases do, in the right order.

use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;
use hashbrown::{DefaultHashBuilder, HashMap};
use ntheap::{Heap, LocalHeap};

fn main() {
    let heap = Heap::new().expect("a heap");
    let mut list: Vec<u32, &Heap> = Vec::new_in(&heap);
    list.push(1);
    let boxed = Box::new_in(7, &heap);
    let mut map: HashMap<u32, u32, DefaultHashBuilder, &Heap> = HashMap::new_in(&heap);
    map.insert(1, 2);
    std::thread::scope(|scope| {
        scope.spawn(|| Box::new_in([0; 100], &heap)[3]);
    });
    let guard = heap.lock();
    assert!(guard.walk().count() > 2);
    drop(guard);
    drop((list, boxed, map));
    drop(heap);

    let local: LocalHeap = Heap::options().create_local().expect("a heap");
    let sum = std::thread::spawn(move || *Box::new_in(1, &local) + 1);
    assert_eq!(sum.join().expect("no panic"), 2);
}
