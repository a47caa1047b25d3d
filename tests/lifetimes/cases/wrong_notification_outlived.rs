//! A notification that ends before it can be asked for the last time.

use ntheap::win16::{Flags, GlobalHeap, HGlobal, Task};

fn main() {
    let heap = GlobalHeap::new(0x10_0000).expect("an arena");
    {
        let ask = |_: HGlobal| true;
        heap.notify(Task(0), Some(&ask)).expect("room for it");
    }
    heap.alloc(Flags::MOVEABLE, 100).expect("room");
}
