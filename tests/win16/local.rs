//! Local heaps: near addresses, growth, shrinking, and both orders of
//! compaction.

use super::support::*;
use ntheap::win16::{Error, Flags, GlobalHeap, HLocal, LocalHeap};

/// A local heap in a segment of `kib` KiB, all but its first KiB.
fn local<'g, 'n>(heap: &'g GlobalHeap<'n>, kib: u32) -> LocalHeap<'g, 'n> {
    let segment = heap.alloc(MOVEABLE, kib * KIB).unwrap();
    LocalHeap::init(heap, segment, KIB..kib * KIB).unwrap()
}

fn fill_local(heap: &LocalHeap<'_, '_>, block: HLocal, seed: u64) {
    let bytes = heap.lock(block).unwrap();
    for (at, cell) in bytes.iter().enumerate() {
        cell.set(pattern(seed, at));
    }
}

fn check_local(heap: &LocalHeap<'_, '_>, block: HLocal, size: usize, seed: u64) {
    let bytes = heap.lock(block).unwrap();
    assert!(bytes.len() >= size);
    for (at, cell) in bytes.iter().take(size).enumerate() {
        assert_eq!(cell.get(), pattern(seed, at), "byte {at} of {block:?}");
    }
}

#[test]
fn blocks_have_near_addresses_in_their_segment() {
    let heap = arena(64);
    let local = local(&heap, 4);
    let fixed = local.alloc(FIXED, 30).unwrap();
    let moveable = local.alloc(MOVEABLE, 50).unwrap();
    let high = local.alloc(discardable(), 10).unwrap();
    assert_eq!(local.near(fixed), Ok(1024));
    assert_eq!(local.near(moveable), Ok(1056));
    assert_eq!(local.near(high), Ok(4096 - 12));
    assert_eq!(local.size_of(fixed), Ok(32));
    assert_eq!(local.size_of(moveable), Ok(52));
    assert_eq!(local.lock(high).unwrap().near(), 4096 - 12);
    assert_eq!(local.handle_at(1056), Some(moveable));
    assert_eq!(local.handle_at(1060), None);
    assert_eq!(local.size(), 3 * KIB);
    assert_eq!(local.free_bytes(), 3 * KIB - 32 - 52 - 12);
}

#[test]
fn near_addresses_stay_when_the_segment_moves() {
    let heap = arena(64);
    let below = heap.alloc(MOVEABLE, 8 * KIB).unwrap();
    let local = local(&heap, 4);
    let segment = local.data_segment();
    let block = local.alloc(FIXED, 100).unwrap();
    fill_local(&local, block, 1);
    heap.free(below).unwrap();
    // The lock of `init` keeps it.
    heap.compact(0).unwrap();
    assert_eq!(heap.address(segment), Ok(8 * KIB));
    assert_eq!(local.unlock_data(), Ok(0));
    // So does a guard of any of its blocks, however many there are.
    let guards = [local.lock(block).unwrap(), local.lock(block).unwrap()];
    assert_eq!(heap.flags(segment).unwrap().locks, 1);
    heap.compact(0).unwrap();
    assert_eq!(heap.address(segment), Ok(8 * KIB));
    drop(guards);
    heap.compact(0).unwrap();
    assert_eq!(heap.address(segment), Ok(0));
    assert_eq!(local.near(block), Ok(1024));
    check_local(&local, block, 100, 1);
}

#[test]
fn a_local_block_is_seen_through_the_segment() {
    let heap = arena(64);
    let local = local(&heap, 4);
    let block = local.alloc(Flags::PTR, 16).unwrap();
    local.lock(block).unwrap().write(0, b"seen");
    let segment = heap.lock(local.data_segment()).unwrap();
    let mut bytes = [0; 4];
    segment.read(usize::from(local.near(block).unwrap()), &mut bytes);
    assert_eq!(&bytes, b"seen");
}

#[test]
fn the_segment_grows_to_64_kib_and_moves_for_it() {
    let heap = arena(256);
    let local = local(&heap, 4);
    let behind = heap.alloc(FIXED, KIB).unwrap();
    let wall = heap.address(behind).unwrap();
    assert_eq!(wall, 4 * KIB);
    let mut blocks = Vec::new();
    let error = loop {
        match local.alloc(MOVEABLE, 1000) {
            Ok(block) => {
                fill_local(&local, block, blocks.len() as u64);
                blocks.push(block);
            }
            Err(error) => break error,
        }
    };
    assert_eq!(error, Error::NoMemory);
    // 63 KiB of local heap, and the lock of `init` gave way.
    assert_eq!(blocks.len(), 64);
    assert!(heap.size_of(local.data_segment()).unwrap() <= 64 * KIB);
    assert!(heap.size_of(local.data_segment()).unwrap() >= 62 * KIB + 512);
    assert!(heap.address(local.data_segment()).unwrap() > wall);
    assert_eq!(heap.flags(local.data_segment()).unwrap().locks, 1);
    for (seed, block) in blocks.iter().enumerate() {
        check_local(&local, *block, 1000, seed as u64);
    }
    assert!(heap.validate() && local.validate());
}

#[test]
fn a_locked_segment_grows_in_place_only() {
    let heap = arena(256);
    let local = local(&heap, 4);
    let first = local.alloc(MOVEABLE, 64).unwrap();
    let wall = heap.alloc(FIXED, KIB).unwrap();
    assert_eq!(local.lock_data(), Ok(2));
    assert_eq!(local.alloc(MOVEABLE, 8 * KIB), Err(Error::NoMemory));
    assert_eq!(local.unlock_data(), Ok(1));
    let guard = local.lock(first).unwrap();
    assert_eq!(local.alloc(MOVEABLE, 8 * KIB), Err(Error::NoMemory));
    drop(guard);
    assert!(local.alloc(MOVEABLE, 8 * KIB).is_ok());
    assert!(heap.address(local.data_segment()).unwrap() > heap.address(wall).unwrap());
    // With nothing in the way it grows under a guard, too.
    let guard = local.lock(first).unwrap();
    assert!(local.alloc(MOVEABLE, 8 * KIB).is_ok());
    drop(guard);
}

#[test]
fn a_heap_that_ends_before_its_segment_does_not_grow() {
    let heap = arena(64);
    let segment = heap.alloc(MOVEABLE, 4 * KIB).unwrap();
    let local = LocalHeap::init(&heap, segment, 1..2047).unwrap();
    assert_eq!(local.size(), 2040);
    assert!(local.alloc(MOVEABLE, 2040).is_ok());
    assert_eq!(local.alloc(MOVEABLE, 4), Err(Error::NoMemory));
    assert_eq!(heap.size_of(segment), Ok(4 * KIB));
    assert_eq!(local.shrink(0), Ok(2040));
}

#[test]
fn growing_comes_before_discarding() {
    let heap = arena(80);
    let local = local(&heap, 8);
    let block = local.alloc(discardable(), 6 * KIB).unwrap();
    assert!(local.alloc(MOVEABLE, 50 * KIB).is_ok());
    assert!(!local.flags(block).unwrap().discarded);
    // Not with more than 64 KiB.
    let with = |flags| local.alloc(MOVEABLE | flags, 8 * KIB);
    assert_eq!(with(Flags::NODISCARD), Err(Error::NoMemory));
    assert!(with(FIXED).is_ok());
    assert!(local.flags(block).unwrap().discarded);
    assert_eq!(local.figures().discards, 1);
}

#[test]
fn local_compact_looks_before_it_moves() {
    let heap = arena(64);
    let segment = heap.alloc(MOVEABLE, 8 * KIB).unwrap();
    let local = LocalHeap::init(&heap, segment, 0..8 * KIB).unwrap();
    let blocks: Vec<_> = (0..8)
        .map(|seed| {
            let block = local.alloc(MOVEABLE, KIB).unwrap();
            fill_local(&local, block, seed);
            block
        })
        .collect();
    local.free(blocks[1]).unwrap();
    local.free(blocks[4]).unwrap();
    // Enough as it lies: nothing moves. With 0 nothing does either.
    assert_eq!(local.compact(KIB), Ok(KIB));
    assert_eq!(local.compact(0), Ok(2 * KIB));
    assert_eq!(local.figures().moves, 0);
    // Too little: they move to high memory.
    assert_eq!(local.compact(KIB + 1), Ok(2 * KIB));
    assert_eq!(local.near(blocks[7]), Ok(7 * 1024));
    assert_eq!(local.near(blocks[0]), Ok(2 * 1024));
    assert_eq!(local.figures().moves, 3);
    for at in [0, 2, 3, 5, 6, 7] {
        check_local(&local, blocks[at], 1024, at as u64);
    }
    // Still too little: discardable ones go, the least recently used first.
    for at in [6, 2] {
        let flags = Flags::MODIFY | Flags::DISCARDABLE;
        local.realloc(blocks[at], 0, flags).unwrap();
        drop(local.lock(blocks[at]).unwrap());
    }
    assert_eq!(local.compact(0), Ok(4 * KIB));
    assert_eq!(local.compact(3 * KIB), Ok(3 * KIB));
    assert!(local.flags(blocks[6]).unwrap().discarded);
    assert!(!local.flags(blocks[2]).unwrap().discarded);
    assert_eq!(local.compact(u32::MAX), Ok(4 * KIB));
    assert!(local.flags(blocks[2]).unwrap().discarded);
    assert_eq!(heap.size_of(segment), Ok(8 * KIB));
}

#[test]
fn realloc_changes_size_or_attributes_and_never_both() {
    let heap = arena(64);
    let local = local(&heap, 8);
    let block = local.alloc(MOVEABLE, 32).unwrap();
    fill_local(&local, block, 1);
    // Attributes: the size is ignored.
    let flags = Flags::MODIFY | Flags::DISCARDABLE;
    assert_eq!(local.realloc(block, 500, flags), Ok(block));
    assert_eq!(local.size_of(block), Ok(32));
    assert!(local.flags(block).unwrap().discardable);
    assert_eq!(local.realloc(block, 500, Flags::MODIFY), Ok(block));
    assert!(!local.flags(block).unwrap().discardable);
    // A size: attributes cannot be given.
    for flags in [Flags::DISCARDABLE, discardable()] {
        assert_eq!(local.realloc(block, 64, flags), Err(Error::InvalidFlags));
    }
    assert_eq!(local.size_of(block), Ok(32));
    assert_eq!(local.realloc(block, 500, Flags::ZEROINIT), Ok(block));
    check_local(&local, block, 32, 1);
    let bytes = local.lock(block).unwrap();
    assert!(bytes[32..500].iter().all(|byte| byte.get() == 0));
    drop(bytes);
    assert_eq!(local.realloc(block, 8, FIXED), Ok(block));
    assert_eq!(local.size_of(block), Ok(8));
    // Fixed blocks have no other attributes, and no other block becomes fixed.
    let fixed = local.alloc(FIXED, 8).unwrap();
    let modified = local.realloc(fixed, 0, Flags::MODIFY | Flags::DISCARDABLE);
    assert_eq!(modified, Err(Error::Fixed));
    assert_eq!(local.realloc(fixed, 0, Flags::MODIFY), Err(Error::Fixed));
}

#[test]
fn a_size_of_0_discards_moveable_blocks_and_frees_fixed_ones() {
    let heap = arena(64);
    let local = local(&heap, 8);
    let moveable = local.alloc(MOVEABLE, 32).unwrap();
    assert_eq!(local.realloc(moveable, 0, MOVEABLE), Ok(moveable));
    assert!(local.flags(moveable).unwrap().discarded);
    assert_eq!(local.realloc(moveable, 64, MOVEABLE), Ok(moveable));
    assert_eq!(local.size_of(moveable), Ok(64));
    let fixed = local.alloc(FIXED, 32).unwrap();
    assert_eq!(local.realloc(fixed, 0, MOVEABLE), Ok(fixed));
    assert_eq!(local.size_of(fixed), Err(Error::InvalidHandle));
    local.discard(moveable).unwrap();
    local.discard(moveable).unwrap();
    assert!(local.flags(moveable).unwrap().discarded);
    let empty = local.alloc(MOVEABLE, 0).unwrap();
    assert!(local.flags(empty).unwrap().discarded);
    local.free(empty).unwrap();
}

#[test]
fn a_fixed_block_may_get_another_fixed_place() {
    let heap = arena(64);
    let local = local(&heap, 8);
    let block = local.alloc(FIXED, 32).unwrap();
    local.alloc(FIXED, 32).unwrap();
    fill_local(&local, block, 1);
    assert_eq!(local.realloc(block, 64, FIXED), Err(Error::NoMemory));
    assert_eq!(local.near(block), Ok(1024));
    assert_eq!(local.realloc(block, 64, MOVEABLE), Ok(block));
    assert_eq!(local.near(block), Ok(1024 + 64));
    check_local(&local, block, 32, 1);
}

#[test]
fn shrinking_gives_memory_back_to_the_global_heap() {
    let heap = arena(128);
    let local = local(&heap, 4);
    let fixed = local.alloc(FIXED, 100).unwrap();
    let blocks: Vec<_> = (0..30)
        .map(|seed| {
            let block = local.alloc(MOVEABLE, KIB).unwrap();
            fill_local(&local, block, seed);
            block
        })
        .collect();
    let grown = heap.size_of(local.data_segment()).unwrap();
    assert!(grown >= 31 * KIB);
    for block in &blocks[..28] {
        local.free(*block).unwrap();
    }
    let free = heap.free_bytes();
    // To what the blocks need: two of 1 KiB, and the fixed one.
    let size = local.shrink(0).unwrap();
    assert!((2148..2148 + 32).contains(&size), "{size}");
    assert_eq!(heap.size_of(local.data_segment()), Ok(KIB + size));
    assert_eq!(heap.free_bytes() - free, grown - KIB - size);
    assert_eq!(local.near(fixed), Ok(1024));
    for (seed, block) in blocks.iter().enumerate().skip(28) {
        check_local(&local, *block, 1024, seed as u64);
    }
    // It grows again, and does not shrink below what is wanted.
    let more = local.alloc(MOVEABLE, 10 * KIB).unwrap();
    local.free(more).unwrap();
    assert_eq!(local.shrink(8 * KIB), Ok(8 * KIB));
    assert_eq!(local.shrink(9 * KIB), Ok(8 * KIB));
    assert!(local.validate() && heap.validate());
}

#[test]
fn locked_and_fixed_blocks_limit_shrinking() {
    let heap = arena(128);
    let local = local(&heap, 16);
    let low = local.alloc(MOVEABLE, 4 * KIB).unwrap();
    let locked = local.alloc(MOVEABLE, KIB).unwrap();
    let guard = local.lock(locked).unwrap();
    local.free(low).unwrap();
    assert_eq!(local.shrink(0), Ok(5 * KIB));
    assert_eq!(guard.near(), 5 * 1024);
    guard.fill(3);
    drop(guard);
    assert_eq!(local.shrink(0), Ok(KIB));
    assert_eq!(local.lock(locked).unwrap()[1023].get(), 3);
}

#[test]
fn local_locks_are_counted() {
    let heap = arena(64);
    let local = local(&heap, 4);
    let block = local.alloc(discardable(), 32).unwrap();
    let first = local.lock(block).unwrap();
    let second = local.lock(block).unwrap();
    assert_eq!(local.flags(block).unwrap().bits(), 0x0102);
    assert!(first.unlock());
    assert!(!second.unlock());
    // The segment has the lock of `init` alone.
    assert_eq!(heap.flags(local.data_segment()).unwrap().locks, 1);
}

#[test]
fn several_local_heaps_in_one_arena_go_with_their_guards() {
    let heap = arena(256);
    let heaps: Vec<_> = (0..4).map(|_| local(&heap, 8)).collect();
    let blocks: Vec<_> = heaps
        .iter()
        .map(|local| local.alloc(MOVEABLE, 500))
        .collect();
    for (seed, (local, block)) in heaps.iter().zip(&blocks).enumerate() {
        fill_local(local, block.unwrap(), seed as u64);
        local.unlock_data().unwrap();
    }
    // A handle of one is none of another.
    assert_eq!(
        heaps[0].size_of(blocks[1].unwrap()),
        Err(Error::InvalidHandle)
    );
    heap.alloc(FIXED, 20 * KIB).unwrap();
    for (seed, (local, block)) in heaps.iter().zip(&blocks).enumerate() {
        check_local(local, block.unwrap(), 500, seed as u64);
    }
}

#[test]
fn a_segment_grows_before_anything_is_discarded() {
    let heap = arena(64);
    let local = local(&heap, 4);
    let discarded = |block| local.flags(block).unwrap().discarded;
    let block = local.alloc(discardable(), KIB).unwrap();
    local.alloc(MOVEABLE, KIB).unwrap();
    // A kilobyte is free, and another one could be had of the block.
    local.alloc(MOVEABLE, 2 * KIB - 64).unwrap();
    assert!(!discarded(block));
    assert!(local.size() > 3 * KIB);
    // Where the segment cannot grow, the block goes.
    let rest = heap.alloc(FIXED, 1).unwrap();
    assert!(heap.address(rest).is_ok());
    heap.alloc(MOVEABLE, heap.compact(0).unwrap()).unwrap();
    let size = local.size();
    local.alloc(MOVEABLE, KIB / 2).unwrap();
    assert!(discarded(block));
    assert_eq!(local.size(), size);
}
