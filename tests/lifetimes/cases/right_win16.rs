//! All that the cases of 16-bit heaps do, in the right order.

use ntheap::win16::{Flags, GlobalHeap, HGlobal, LocalHeap};

fn main() {
    let refused = std::cell::Cell::new(None);
    let ask = |block: HGlobal| refused.get() != Some(block);
    let heap = GlobalHeap::new(0x10_0000).expect("an arena");
    heap.notify(heap.new_task(), Some(&ask)).expect("room for it");
    let block = heap.alloc(Flags::HND, 100).expect("room");
    let guard = heap.lock(block).expect("it has memory");
    let first = &guard[0];
    first.set(7);
    assert_eq!(guard[0].get(), 7);
    assert!(!guard.unlock());
    heap.compact(0).expect("nobody is asked");
    assert_eq!(heap.lock(block).expect("it has memory")[0].get(), 7);

    let segment = heap.alloc(Flags::MOVEABLE, 4096).expect("room");
    let local = LocalHeap::init(&heap, segment, 0..4096).expect("a local heap");
    let near = local.alloc(Flags::MOVEABLE, 100).expect("room");
    local.lock(near).expect("it has memory").fill(1);
    drop(local);
    drop(heap);
}
