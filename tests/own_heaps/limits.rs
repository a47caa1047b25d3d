//! Limits: what is committed never passes them, and the heap goes on working.

use super::layout;
use ntheap::{Heap, HeapError};

#[test]
fn a_limit_bounds_what_is_committed() {
    for limit in [256 << 10, 1 << 20, 10 << 20] {
        let heap = Heap::options().limit(limit).create().expect("a heap");
        assert_eq!(heap.summary().limit, limit);
        for size in [24, 100, 3000, 20_000, 200_000] {
            let mut blocks = Vec::new();
            let error = loop {
                match heap.alloc(layout(size, 16)) {
                    Ok(block) => blocks.push(block),
                    Err(error) => break error,
                }
                if blocks.len() % 500 == 0 {
                    assert!(heap.summary().committed <= limit);
                }
                assert!(blocks.len() * size <= limit, "{size} below {limit}");
            };
            assert_eq!(error, HeapError::LimitReached, "{size} below {limit}");
            assert!(heap.summary().committed <= limit);
            if size <= limit / 8 {
                let used = blocks.len() * size;
                assert!(used >= limit / 2, "{used} of {limit} in blocks of {size}");
            }
            assert!(heap.validate());
            // It works on: what is freed can be had again.
            if let Some(block) = blocks.pop() {
                // SAFETY: used no more.
                unsafe { heap.free(block) }.expect("freed");
                blocks.push(heap.alloc(layout(size, 16)).expect("the block just freed"));
            }
            for block in blocks {
                // SAFETY: used no more.
                unsafe { heap.free(block) }.expect("freed");
            }
            assert_eq!(heap.summary().allocated, 0);
        }
    }
}

#[test]
fn a_limit_holds_for_blocks_of_any_size() {
    let heap = Heap::options().limit(64 << 20).create().expect("a heap");
    let large = heap.alloc(layout(40 << 20, 16)).expect("a large block");
    assert_eq!(
        heap.alloc(layout(40 << 20, 16)),
        Err(HeapError::LimitReached)
    );
    let small = heap.alloc(layout(1000, 16)).expect("a small block");
    // SAFETY: used no more.
    unsafe {
        heap.free(large).expect("freed");
        let again = heap
            .alloc(layout(50 << 20, 16))
            .expect("there is room again");
        heap.free(again).expect("freed");
        heap.free(small).expect("freed");
    }
}

#[test]
fn a_fixed_heap_is_what_windows_makes_of_it() {
    let size = 0x40000;
    let heap = Heap::options().fixed(size).create().expect("a heap");
    let block = heap
        .alloc(layout(size - 0xC00, 16))
        .expect("nearly all of it");
    assert_eq!(heap.size_of(block), Ok(size - 0xC00));
    // SAFETY: used no more.
    unsafe { heap.free(block) }.expect("freed");
    let full = Err(HeapError::LimitReached);
    assert_eq!(heap.alloc(layout(size - 0x600, 16)), full);
    let heap = Heap::options().fixed(8 * size).create().expect("a heap");
    assert_eq!(heap.alloc(layout(4 * size, 16)), full, "no large blocks");
    assert!(heap.alloc(layout(2 * size, 16)).is_ok());
    assert!(heap.alloc(layout(1, 0x2_0000)).is_ok());
    assert_eq!(heap.alloc(layout(1, 0x10_0000)), full);
    let block = heap.alloc(layout(100, 64)).expect("a block");
    // SAFETY: the block is the heap's and stays where it is.
    let larger = unsafe { heap.realloc(block, layout(100, 64), 8 * size) };
    assert_eq!(larger, full);
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    for options in [
        Heap::options().initial_size(1 << 20).fixed(1 << 16),
        Heap::options().initial_size(1 << 20).limit(1 << 16),
    ] {
        assert_eq!(options.create().err(), Some(HeapError::InvalidParameter));
        assert!(options.create_local().is_err());
    }
    let much = Heap::options().initial_size(1 << 62);
    assert_eq!(much.create().err(), Some(HeapError::OutOfMemory));
}

#[test]
fn sizes_that_no_memory_has_are_errors() {
    let heap = Heap::new().expect("a heap");
    let most = isize::MAX as usize;
    for size in [most, most - 15, most / 2, 1 << 62] {
        let error = heap.alloc(layout(size, 1)).expect_err("too large");
        assert!(
            matches!(error, HeapError::OutOfMemory | HeapError::LimitReached),
            "{error}"
        );
    }
    let block = heap.alloc(layout(10, 1)).expect("a block");
    super::fill(block, 10, 5);
    for size in [most, usize::MAX, usize::MAX - 7] {
        // SAFETY: in use; a failure leaves it as it was.
        let error = unsafe { heap.realloc(block, layout(10, 1), size) }.expect_err("too large");
        assert_eq!(error, HeapError::OutOfMemory);
        assert!(super::is_filled(block, 10, 5));
    }
    // SAFETY: used no more.
    unsafe { heap.free(block) }.expect("freed");
    // A layout cannot be had of such a size; the alignment is to be kept.
    let block = heap.alloc(layout(10, 64)).expect("a block");
    // SAFETY: in use; a failure leaves it as it was.
    let refused = unsafe { heap.realloc(block, layout(10, 64), usize::MAX) };
    assert_eq!(refused, Err(HeapError::InvalidParameter));
}
