//! A locked block whose arena is gone.

use ntheap::win16::{Flags, GlobalHeap};

fn main() {
    let heap = GlobalHeap::new(0x10_0000).expect("an arena");
    let block = heap.alloc(Flags::MOVEABLE, 100).expect("room");
    let guard = heap.lock(block).expect("it has memory");
    drop(heap);
    guard.fill(7);
}
