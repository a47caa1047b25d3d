//! A tile of a huge block kept over its unlocking.

use ntheap::win16::{Flags, GlobalHeap};

fn main() {
    let heap = GlobalHeap::new(0x10_0000).expect("an arena");
    let block = heap.alloc(Flags::MOVEABLE, 0x2_0000).expect("room");
    let guard = heap.lock(block).expect("it has memory");
    let tile = guard.tile(1).expect("it has two");
    guard.unlock();
    tile[0].set(7);
}
