//! A locked local block whose local heap is gone, and with it the lock on the
//! segment.

use ntheap::win16::{Flags, GlobalHeap, LocalHeap};

fn main() {
    let heap = GlobalHeap::new(0x10_0000).expect("an arena");
    let segment = heap.alloc(Flags::MOVEABLE, 4096).expect("room");
    let local = LocalHeap::init(&heap, segment, 0..4096).expect("a local heap");
    let near = local.alloc(Flags::MOVEABLE, 100).expect("room");
    let guard = local.lock(near).expect("it has memory");
    drop(local);
    guard.fill(1);
}
