//! Sizes: exact, zero, huge, aligned, resized.

use super::heap::*;
use super::support::Random;
use ntheap::heap::private::{self, Error, LARGEST, Shape, flags};
use std::collections::HashSet;

/// Where a block starts to be large, as Windows is seen to have it.
const REGION_AT_MOST: usize = 0xfd000;
const LARGE_AT_LEAST: usize = 0xff000;

#[test]
fn every_size_is_kept_exactly() {
    let heap = TestHeap::new();
    let mut blocks = HashSet::new();
    for size in (0..3000).chain([4096, 16384, 65536, 0x60000, 0x10_0000, 5_000_000]) {
        let block = heap.allocate(size);
        assert_eq!(heap.size(block), Ok(size));
        assert_eq!(block % 16, 0);
        assert!(heap.is_valid(block) && blocks.insert(block));
        fill(block, size, block);
    }
    assert!(heap.is_valid(0));
    let walk = heap.walk();
    assert!(
        blocks
            .iter()
            .all(|block| walk.iter().any(|entry| entry.data == *block))
    );
    assert!(
        blocks
            .iter()
            .all(|block| is_filled(*block, heap.size(*block).unwrap(), *block))
    );
}

#[test]
fn zero_bytes_are_a_block_of_their_own() {
    let heap = TestHeap::new();
    let blocks: HashSet<usize> = (0..100).map(|_| heap.allocate(0)).collect();
    assert_eq!(blocks.len(), 100);
    for block in blocks {
        assert_eq!(heap.size(block), Ok(0));
        assert_eq!(
            heap.reallocate(0, block, 10).map(|block| heap.size(block)),
            Ok(Ok(10))
        );
    }
}

#[test]
fn sizes_that_no_memory_has_are_refused() {
    for shape in [
        Shape::Growable,
        Shape::Fixed(0x40000),
        Shape::Limited(1 << 20),
    ] {
        let heap = TestHeap::shaped(shape);
        let block = heap.allocate(100);
        fill(block, 100, 3);
        let before = heap.walk();
        for size in [
            usize::MAX,
            usize::MAX - 7,
            usize::MAX - 0x40,
            usize::MAX / 2,
            1 << 47,
        ] {
            let error = heap.try_allocate(0, size).unwrap_err();
            assert!(
                matches!(error, Error::NoMemory | Error::LimitReached),
                "{error:?}"
            );
            assert!(heap.try_allocate(flags::ZERO_MEMORY, size).is_err());
            assert!(heap.reallocate(0, block, size).is_err());
            // SAFETY: nothing is allocated.
            assert!(unsafe { private::allocate_aligned(heap.0, 0, size, 1 << 20) }.is_err());
        }
        assert_eq!(heap.walk(), before);
        assert!(is_filled(block, 100, 3));
    }
}

#[test]
fn the_threshold_of_large_blocks_is_windows() {
    let heap = TestHeap::new();
    for size in [REGION_AT_MOST, LARGEST, LARGE_AT_LEAST] {
        let block = heap.allocate(size);
        let index = heap
            .walk()
            .iter()
            .find(|entry| entry.data == block)
            .unwrap()
            .region_index;
        assert_eq!(index == 64, size >= LARGE_AT_LEAST, "{size:#x}");
        assert!(heap.free(block).is_ok());
    }
}

#[test]
fn region_blocks_are_aligned_to_16_and_large_ones_to_64_and_no_more() {
    let heap = TestHeap::new();
    let blocks: Vec<usize> = (0..128).map(|_| heap.allocate(0x40000)).collect();
    assert!(blocks.iter().all(|block| block % 16 == 0));
    assert!(blocks.iter().any(|block| block % 32 != 0));
    let large = heap.allocate(0x20_0000);
    assert_eq!(large % 0x1000, 0x40);
}

#[test]
fn zeroed_means_all_bytes_of_the_block() {
    for flagged in [0, flags::ZERO_MEMORY] {
        let heap = TestHeap::flagged(flagged);
        let call = flags::ZERO_MEMORY ^ flagged;
        for size in [1, 15, 100, 5000, 70_000, 0x80000, 0x20_0000] {
            let dirty = heap.try_allocate(call, size).unwrap();
            bytes(dirty, size).fill(0xaa);
            heap.free(dirty).unwrap();
            let block = heap.try_allocate(call, size).unwrap();
            assert!(bytes(block, size).iter().all(|byte| *byte == 0));
            bytes(block, size).fill(0xbb);
            let grown = heap.reallocate(call, block, size * 2).unwrap();
            assert!(bytes(grown, size).iter().all(|byte| *byte == 0xbb));
            assert!(bytes(grown + size, size).iter().all(|byte| *byte == 0));
            heap.free(grown).unwrap();
        }
    }
}

#[test]
fn contents_survive_growing_and_shrinking_past_the_threshold() {
    let heap = TestHeap::new();
    let mut block = heap.allocate(0x78000);
    fill(block, 0x78000, 7);
    let up = (0x78000..0x10_2000).step_by(0x1500);
    for size in up.clone().chain(up.rev()) {
        block = heap.reallocate(0, block, size).unwrap();
        assert_eq!(heap.size(block), Ok(size));
        assert!(is_filled(block, 0x78000, 7), "{size:#x}");
    }
    assert!(heap.is_valid(0));
}

#[test]
fn region_blocks_shrink_and_grow_back_in_place() {
    let heap = TestHeap::new();
    let block = heap.allocate(0xc0000);
    for size in [0x60000, 0x80000, 0xc0000, 1, 0, 0x1000] {
        assert_eq!(heap.in_place(block, size), Ok(block));
        assert_eq!(heap.size(block), Ok(size));
    }
    let behind = heap.allocate(0x20000);
    assert_eq!(heap.in_place(block, 0x90000), Err(Error::NotInPlace));
    assert_eq!(heap.size(block), Ok(0x1000));
    heap.free(behind).unwrap();
    assert_eq!(heap.in_place(block, 0x90000), Ok(block));
    assert!(heap.is_valid(0));
}

#[test]
fn a_large_block_that_shrank_in_place_does_not_grow_back() {
    let heap = TestHeap::new();
    let block = heap.allocate(0x20_0000);
    fill(block, 0x60000, 1);
    assert_eq!(heap.in_place(block, 0x60000), Ok(block));
    assert_eq!(heap.size(block), Ok(0x60000));
    let entry = *heap.walk().last().unwrap();
    assert_eq!((entry.region_index, entry.size), (64, 0x60000));
    assert_eq!(heap.in_place(block, 0x10_0000), Err(Error::NotInPlace));
    assert_eq!(heap.size(block), Ok(0x60000));
    let moved = heap.reallocate(0, block, 0x10_0000).unwrap();
    assert!(is_filled(moved, 0x60000, 1));
}

#[test]
fn alignments_up_to_two_mebibytes_are_served() {
    for shape in [Shape::Growable, Shape::Fixed(0x40_0000)] {
        let heap = TestHeap::shaped(shape);
        let fresh = heap.walk();
        let mut random = Random::new(5);
        let mut blocks = Vec::new();
        for shift in 0..=21 {
            for size in [0, 1, 16, 100, 4000, 70_000, 0x20_0000] {
                let align = 1usize << shift;
                // SAFETY: nobody else is in the heap.
                let block = unsafe { private::allocate_aligned(heap.0, 0, size, align) };
                match block {
                    Ok(block) => {
                        let block = block.addr().get();
                        assert_eq!(block % align, 0);
                        assert_eq!(heap.size(block), Ok(size));
                        bytes(block, size).fill(1);
                        blocks.push(block);
                    }
                    Err(error) => {
                        assert_eq!((error, shape), (Error::NoMemory, Shape::Fixed(0x40_0000)));
                    }
                }
            }
        }
        assert!(blocks.len() > 60 && heap.is_valid(0));
        random.shuffle(&mut blocks);
        for block in blocks {
            heap.free(block).unwrap();
        }
        assert!(heap.is_valid(0));
        assert_eq!(heap.walk(), fresh);
    }
}

#[test]
fn settable_values_and_flags_go_with_their_block() {
    let heap = TestHeap::new();
    let info = |block: usize| private::user_info(heap.0, 0, pointer(block)).unwrap();
    let plain = heap.allocate(100);
    assert_eq!((info(plain).value, info(plain).flags), (None, 0));
    assert!(private::set_user_value(heap.0, 0, pointer(plain), 1).is_err());
    for size in [0, 1, 24, 25, 33, 100, 5000, 0x80000, 0x20_0000] {
        let block = heap
            .try_allocate(flags::SETTABLE_USER_VALUE | 0xc00, size)
            .unwrap();
        assert_eq!((info(block).value, info(block).flags), (Some(0), 0xc00));
        private::set_user_value(heap.0, 0, pointer(block), 0x1234_5678_9abc).unwrap();
        fill(block, size, 9);
        assert_eq!(info(block).value, Some(0x1234_5678_9abc));
        private::set_user_flags(heap.0, 0, pointer(block), 0x400, 0x200).unwrap();
        assert_eq!(info(block).flags, 0xa00);
        let bad = private::set_user_flags(heap.0, 0, pointer(block), 0, 0x1000);
        assert_eq!(bad, Err(Error::InvalidParameter));
        // Shrinking keeps the flags, growing replaces them; the value stays.
        let small = heap.reallocate(0x800, block, size / 2).unwrap();
        assert_eq!(
            (info(small).value, info(small).flags),
            (Some(0x1234_5678_9abc), 0xa00)
        );
        let large = heap.reallocate(0x400, small, size * 3 + 1).unwrap();
        assert_eq!(
            (info(large).value, info(large).flags),
            (Some(0x1234_5678_9abc), 0x400)
        );
        assert!(is_filled(large, size / 2, 9) && heap.is_valid(0));
        assert_eq!(heap.size(large), Ok(size * 3 + 1));
    }
    assert!(private::user_info(heap.0, 0, pointer(heap.base())).is_err());
    assert!(private::set_user_flags(heap.0, 0, pointer(heap.base()), 0, 0x200).is_err());
}

#[test]
fn a_value_takes_16_bytes_behind_a_small_block() {
    let heap = TestHeap::new();
    for size in [16, 24, 40] {
        let first = heap.try_allocate(flags::SETTABLE_USER_VALUE, size).unwrap();
        let second = heap.allocate(1);
        assert_eq!(second - first, (size + 8).next_multiple_of(16) + 16);
        private::set_user_value(heap.0, 0, pointer(first), 77).unwrap();
        let words = bytes(first + size.next_multiple_of(8), 16);
        assert_eq!(words[8..], 77u64.to_ne_bytes());
    }
}

#[test]
fn a_block_without_bytes_lies_in_its_own_mapping_at_any_alignment() {
    let heap = TestHeap::new();
    for shift in [17, 18, 20, 21, 22] {
        for size in [0, 1] {
            let align = 1 << shift;
            // As many as it takes for some mapping to be aligned by itself.
            for _ in 0..(align >> 14).min(256) {
                // SAFETY: the heap is serialized.
                let made = unsafe { private::allocate_aligned(heap.0, 0, size, align) };
                let block = made.unwrap().as_ptr().expose_provenance();
                assert_eq!(block % align, 0);
                let region = private::region_of(block).unwrap();
                assert!(
                    (region.base..region.base + region.committed).contains(&block),
                    "{block:#x} of {size} at {align:#x}: {region:?}"
                );
            }
        }
    }
    assert!(heap.is_valid(0));
}
