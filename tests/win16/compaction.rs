//! Compaction: holes merge, in the order of Windows' functions.

use super::support::*;
use ntheap::win16::{Error, Flags, HGlobal};

#[test]
fn a_moveable_block_between_two_holes_moves_and_they_become_one() {
    let heap = arena(64);
    let blocks: Vec<_> = (0..16)
        .map(|seed| {
            let block = heap.alloc(MOVEABLE, 4 * KIB).unwrap();
            fill(&heap, block, 4 * KIB, seed);
            block
        })
        .collect();
    for pair in blocks.chunks(2) {
        heap.free(pair[0]).unwrap();
    }
    assert_eq!((holes(&heap), heap.largest_hole()), (8, 4 * KIB));
    assert_eq!(heap.compact(0), Ok(32 * KIB));
    assert_eq!((holes(&heap), heap.largest_hole()), (1, 32 * KIB));
    for (seed, pair) in blocks.chunks(2).enumerate() {
        check(&heap, pair[1], 4 * KIB, 2 * seed as u64 + 1);
    }
}

#[test]
fn discardable_blocks_go_up_and_others_down() {
    let heap = arena(64);
    // Made discardable where they lie, low and between others.
    let blocks: Vec<HGlobal> = (0..10)
        .map(|seed| {
            let block = heap.alloc(MOVEABLE, 4 * KIB).unwrap();
            fill(&heap, block, 4 * KIB, seed);
            block
        })
        .collect();
    for block in blocks.iter().step_by(2) {
        let modified = heap.realloc(*block, 0, Flags::MODIFY | Flags::DISCARDABLE);
        assert_eq!(modified, Ok(*block));
    }
    heap.compact(0).unwrap();
    assert_eq!(holes(&heap), 1);
    for (at, block) in blocks.iter().enumerate() {
        check(&heap, *block, 4 * KIB, at as u64);
        let low = heap.address(*block).unwrap() < 20 * KIB;
        assert_eq!(low, at % 2 == 1, "block {at}");
    }
    // Nothing is left to move.
    let moves = heap.figures().moves;
    heap.compact(0).unwrap();
    assert_eq!(heap.figures().moves, moves);
}

#[test]
fn blocks_leave_the_run_that_can_have_the_largest_hole() {
    let heap = arena(64);
    let low = heap.alloc(MOVEABLE, 8 * KIB).unwrap();
    let pinned = heap.alloc(MOVEABLE, 4 * KIB).unwrap();
    let high = heap.alloc(MOVEABLE, 8 * KIB).unwrap();
    fill(&heap, high, 8 * KIB, 1);
    let guard = heap.lock(pinned).unwrap();
    heap.free(low).unwrap();
    // Nothing can slide, but `high` fits below what is locked.
    assert_eq!(heap.compact(0), Ok(52 * KIB));
    assert_eq!((heap.address(high), holes(&heap)), (Ok(0), 1));
    check(&heap, high, 8 * KIB, 1);
    assert_eq!(heap.address(pinned), Ok(8 * KIB));
    drop(guard);
}

#[test]
fn an_allocation_has_blocks_leave_for_other_holes_before_it_discards() {
    let heap = arena(64);
    let low = heap.alloc(MOVEABLE, 8 * KIB).unwrap();
    let pinned = heap.alloc(MOVEABLE, 4 * KIB).unwrap();
    let high = heap.alloc(MOVEABLE, 8 * KIB).unwrap();
    let kept = heap.alloc(discardable(), 40 * KIB).unwrap();
    fill(&heap, high, 8 * KIB, 1);
    let guard = heap.lock(pinned).unwrap();
    heap.free(low).unwrap();
    // 8 KiB are free below what is locked, and 4 above.
    let block = heap.alloc(MOVEABLE, 12 * KIB).unwrap();
    assert_eq!(heap.address(block), Ok(12 * KIB));
    assert_eq!(heap.address(high), Ok(0));
    check(&heap, high, 8 * KIB, 1);
    assert!(!heap.flags(kept).unwrap().discarded);
    drop(guard);
}

#[test]
fn nocompact_moves_nothing_and_nodiscard_discards_nothing() {
    let heap = arena(64);
    let blocks: Vec<_> = (0..14)
        .map(|_| heap.alloc(MOVEABLE, 4 * KIB).unwrap())
        .collect();
    let discarded = heap.alloc(discardable(), 8 * KIB).unwrap();
    heap.free(blocks[3]).unwrap();
    heap.free(blocks[7]).unwrap();
    let with = |flags| heap.alloc(MOVEABLE | flags, 8 * KIB);
    assert_eq!(with(Flags::NOCOMPACT), Err(Error::NoMemory));
    assert_eq!(heap.figures().moves, 0);
    let block = with(Flags::NODISCARD).unwrap();
    assert!(heap.figures().moves > 0);
    assert_eq!(with(Flags::NODISCARD), Err(Error::NoMemory));
    assert_eq!(heap.figures().discards, 0);
    // The same of growing.
    let grown = |flags| heap.realloc(block, 12 * KIB, flags);
    assert_eq!(grown(Flags::NOCOMPACT), Err(Error::NoMemory));
    assert_eq!(grown(Flags::NODISCARD), Err(Error::NoMemory));
    assert_eq!(heap.figures().discards, 0);
    assert_eq!(grown(FIXED), Ok(block));
    assert_eq!(heap.figures().discards, 1);
    assert!(heap.flags(discarded).unwrap().discarded);
}

#[test]
fn global_compact_moves_blocks_before_it_looks() {
    let heap = arena(64);
    let first = heap.alloc(MOVEABLE, 4 * KIB).unwrap();
    let second = heap.alloc(MOVEABLE, 4 * KIB).unwrap();
    heap.free(first).unwrap();
    // Much more is free in one piece than is wanted.
    assert_eq!(heap.compact(32), Ok(60 * KIB));
    assert_eq!(heap.address(second), Ok(0));
}

#[test]
fn global_compact_discards_only_as_many_as_it_must() {
    let heap = arena(64);
    let blocks: Vec<_> = (0..14)
        .map(|_| heap.alloc(discardable(), 4 * KIB).unwrap())
        .collect();
    // With 0: what could be, and nothing goes.
    assert_eq!(heap.compact(0), Ok(64 * KIB));
    assert_eq!(heap.figures().discards, 0);
    assert_eq!(heap.largest_hole(), 8 * KIB);
    assert_eq!(heap.compact(8 * KIB), Ok(8 * KIB));
    assert_eq!(heap.compact(9 * KIB), Ok(12 * KIB));
    assert_eq!(heap.compact(20 * KIB), Ok(20 * KIB));
    assert_eq!(heap.figures().discards, 3);
    // The oldest went.
    for (at, block) in blocks.iter().enumerate() {
        assert_eq!(heap.flags(*block).unwrap().discarded, at < 3);
    }
    // What is more than there is: as much as can be.
    let guard = heap.lock(blocks[9]).unwrap();
    let largest = heap.compact(1000 * KIB).unwrap();
    assert!(largest < 64 * KIB && largest == heap.largest_hole());
    assert_eq!(heap.figures().discards, 13);
    drop(guard);
    assert_eq!(heap.compact(u32::MAX), Ok(64 * KIB));
}

#[test]
fn what_global_compact_promises_can_be_allocated() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let heap = arena(128);
        let mut blocks = Vec::new();
        for _ in 0..60 {
            let flags = match random.below(8) {
                0 => FIXED,
                1..4 => MOVEABLE,
                _ => discardable(),
            };
            let size = 1 + random.below(6000) as u32;
            if let Ok(block) = heap.alloc(flags | Flags::NODISCARD, size) {
                blocks.push(block);
            }
            if random.below(3) == 0 && !blocks.is_empty() {
                heap.free(blocks.swap_remove(random.below(blocks.len())))
                    .unwrap();
            }
        }
        let some: Vec<_> = blocks.iter().step_by(7).collect();
        let guards: Vec<_> = some
            .iter()
            .map(|block| heap.lock(**block).unwrap())
            .collect();
        let promised = heap.compact(0).unwrap();
        assert!(promised >= heap.largest_hole());
        let moveable = heap.alloc(MOVEABLE, promised);
        assert!(moveable.is_ok(), "seed {seed}: {promised} bytes");
        assert!(heap.validate());
        drop(guards);
    }
}
