//! Walks: each block in use exactly once, with its size.

use super::layout;
use ntheap::{Heap, HeapEntry};
use std::collections::BTreeMap;

/// The blocks in use of a heap, by address.
fn busy(heap: &Heap) -> BTreeMap<usize, usize> {
    let mut found = BTreeMap::new();
    for entry in heap.lock().walk() {
        if let HeapEntry::Busy { address, size } = entry {
            assert_eq!(found.insert(address, size), None, "{address:#x} twice");
        }
    }
    found
}

#[test]
fn a_fresh_heap_is_a_region_a_free_block_and_the_uncommitted_rest() {
    let heap = Heap::new().expect("a heap");
    let entries: Vec<_> = heap.lock().walk().take(3).collect();
    let [
        HeapEntry::Region {
            address,
            committed,
            uncommitted,
        },
        HeapEntry::Free { .. },
        HeapEntry::Uncommitted { .. },
    ] = entries[..]
    else {
        panic!("{entries:?}");
    };
    assert_eq!(address, heap.handle());
    assert_eq!((committed, committed + uncommitted), (0x2000, 0x10000));
}

#[test]
fn a_walk_tells_each_block_once() {
    let heap = Heap::new().expect("a heap");
    let mut model = BTreeMap::new();
    // The bucket of a size in common use has a region of its own, which is a
    // busy block too: here none is.
    for number in 0..400 {
        let size = 1 + number * 37;
        let block = heap.alloc(layout(size, 8)).expect("a block");
        model.insert(block, size);
    }
    for block in model.keys().copied().step_by(3).collect::<Vec<_>>() {
        model.remove(&block);
        // SAFETY: used no more.
        unsafe { heap.free(block) }.expect("freed");
    }
    let large = heap.alloc(layout(4 << 20, 8)).expect("a block");
    model.insert(large, 4 << 20);
    let expected: BTreeMap<_, _> = model
        .iter()
        .map(|(block, size)| (block.addr().get(), *size))
        .collect();
    assert_eq!(busy(&heap), expected);
    assert!(heap.validate());
    for block in model.into_keys() {
        assert!(heap.validate_block(block));
        // SAFETY: used no more.
        unsafe { heap.free(block) }.expect("freed");
        assert!(!heap.validate_block(block));
    }
    assert_eq!(busy(&heap), BTreeMap::new());
}

#[test]
fn blocks_of_a_common_size_are_told_one_by_one() {
    let heap = Heap::new().expect("a heap");
    let blocks: Vec<_> = (0..1000)
        .map(|_| heap.alloc(layout(40, 8)).expect("a block"))
        .collect();
    let found = busy(&heap);
    for block in &blocks {
        assert_eq!(found.get(&block.addr().get()), Some(&40));
    }
    for block in &blocks {
        // SAFETY: used no more.
        unsafe { heap.free(*block) }.expect("freed");
    }
    let found = busy(&heap);
    assert!(
        blocks
            .iter()
            .all(|block| !found.contains_key(&block.addr().get()))
    );
}
