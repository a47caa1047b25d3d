//! A local heap whose arena is gone.

use ntheap::win16::{Flags, GlobalHeap, LocalHeap};

fn main() {
    let heap = GlobalHeap::new(0x10_0000).expect("an arena");
    let segment = heap.alloc(Flags::MOVEABLE, 4096).expect("room");
    let local = LocalHeap::init(&heap, segment, 0..4096).expect("a local heap");
    drop(heap);
    local.size();
}
