//! A map whose heap is moved away.

use hashbrown::{DefaultHashBuilder, HashMap};
use ntheap::Heap;

fn main() {
    let heap = Heap::new().expect("a heap");
    let mut map: HashMap<u32, u32, DefaultHashBuilder, &Heap> = HashMap::new_in(&heap);
    let moved = heap;
    map.insert(1, 2);
    drop(moved);
}
