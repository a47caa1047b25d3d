//! The bytes of a guard that nobody keeps.

use ntheap::win16::{Flags, GlobalHeap};

fn main() {
    let heap = GlobalHeap::new(0x10_0000).expect("an arena");
    let block = heap.alloc(Flags::MOVEABLE, 100).expect("room");
    let mut bytes = heap.lock(block).expect("it has memory").iter();
    heap.compact(0).expect("nobody is asked");
    bytes.next().expect("a byte").set(7);
}
