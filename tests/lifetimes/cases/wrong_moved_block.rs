//! A block's address kept after the block is unlocked, when it may move.

use ntheap::win16::{Flags, GlobalHeap};

fn main() {
    let heap = GlobalHeap::new(0x10_0000).expect("an arena");
    let block = heap.alloc(Flags::MOVEABLE, 100).expect("room");
    let guard = heap.lock(block).expect("it has memory");
    let first = &guard[0];
    drop(guard);
    heap.compact(0).expect("nobody is asked");
    first.set(7);
}
