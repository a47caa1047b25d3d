//! Discarding: who goes first, and who may refuse.

use super::support::*;
use ntheap::win16::{Error, Flags, HGlobal};
use std::cell::{Cell, RefCell};

/// Four discardable blocks that fill a heap.
fn full(heap: &ntheap::win16::GlobalHeap<'_>, flags: Flags) -> [HGlobal; 4] {
    [(); 4].map(|()| heap.alloc(discardable() | flags, 16 * KIB).unwrap())
}

fn gone(heap: &ntheap::win16::GlobalHeap<'_>, blocks: &[HGlobal]) -> Vec<bool> {
    let discarded = |block: &HGlobal| heap.flags(*block).unwrap().discarded;
    blocks.iter().map(discarded).collect()
}

#[test]
fn the_least_recently_used_goes_first() {
    let heap = arena(64);
    let blocks = full(&heap, FIXED);
    drop(heap.lock(blocks[0]).unwrap());
    heap.alloc(MOVEABLE, 16 * KIB).unwrap();
    assert_eq!(gone(&heap, &blocks), [false, true, false, false]);
    // Its handle is valid, and it comes back with new contents.
    assert_eq!(heap.lock(blocks[1]).err(), Some(Error::Discarded));
    assert_eq!(heap.size_of(blocks[1]), Ok(0));
    assert_eq!(heap.realloc(blocks[1], 8 * KIB, MOVEABLE), Ok(blocks[1]));
    assert_eq!(heap.size_of(blocks[1]), Ok(8 * KIB));
    assert!(heap.flags(blocks[1]).unwrap().discardable);
    // For which the next oldest went.
    assert_eq!(gone(&heap, &blocks), [false, false, true, false]);
}

#[test]
fn oldest_and_newest_can_be_said() {
    let heap = arena(64);
    let blocks = full(&heap, FIXED);
    heap.lru_newest(blocks[0]).unwrap();
    heap.lru_oldest(blocks[3]).unwrap();
    let order: Vec<_> = (0..4)
        .map(|_| {
            let before = gone(&heap, &blocks);
            heap.alloc(MOVEABLE, 16 * KIB).unwrap();
            let after = gone(&heap, &blocks);
            (0..4).find(|at| before[*at] != after[*at]).unwrap()
        })
        .collect();
    assert_eq!(order, [3, 1, 2, 0]);
}

#[test]
fn a_block_that_is_resized_is_used() {
    let heap = arena(64);
    let blocks = full(&heap, FIXED);
    assert_eq!(heap.realloc(blocks[0], 8 * KIB, MOVEABLE), Ok(blocks[0]));
    heap.alloc(MOVEABLE, 16 * KIB).unwrap();
    assert_eq!(gone(&heap, &blocks), [false, true, false, false]);
    // One that comes back, too.
    let heap = arena(64);
    let blocks = full(&heap, FIXED);
    heap.discard(blocks[0]).unwrap();
    assert_eq!(heap.realloc(blocks[0], 16 * KIB, MOVEABLE), Ok(blocks[0]));
    heap.alloc(MOVEABLE, 16 * KIB).unwrap();
    assert_eq!(gone(&heap, &blocks), [false, true, false, false]);
}

#[test]
fn nothing_moves_until_enough_is_discarded() {
    let heap = arena(64);
    let blocks = full(&heap, FIXED);
    heap.alloc(MOVEABLE, 48 * KIB).unwrap();
    assert_eq!(gone(&heap, &blocks), [true, true, true, false]);
    assert_eq!(heap.figures().moves, 1);
    let heap = arena(64);
    let blocks = full(&heap, FIXED);
    assert_eq!(heap.compact(48 * KIB), Ok(48 * KIB));
    assert_eq!(gone(&heap, &blocks), [true, true, true, false]);
    assert_eq!(heap.figures().moves, 1);
}

#[test]
fn locked_blocks_are_passed_over() {
    let heap = arena(64);
    let blocks = full(&heap, FIXED);
    let guard = heap.lock(blocks[0]).unwrap();
    heap.lru_oldest(blocks[0]).unwrap();
    heap.fix(blocks[1]).unwrap();
    assert!(heap.alloc(MOVEABLE, 17 * KIB).is_ok());
    assert_eq!(gone(&heap, &blocks), [false, false, true, true]);
    drop(guard);
}

#[test]
fn nothing_goes_for_what_could_not_be_had_anyway() {
    let heap = arena(64);
    let blocks = full(&heap, FIXED);
    heap.alloc(MOVEABLE, 16 * KIB).unwrap();
    assert_eq!(heap.alloc(MOVEABLE, 60 * KIB), Err(Error::NoMemory));
    assert_eq!(heap.figures().discards, 1);
    assert_eq!(gone(&heap, &blocks), [true, false, false, false]);
}

#[test]
fn owners_are_asked_and_may_refuse() {
    let refused = Cell::new(None);
    let asked = RefCell::new(Vec::new());
    let ask = |block: HGlobal| {
        asked.borrow_mut().push(block);
        refused.get() != Some(block)
    };
    let heap = arena(64);
    let task = heap.new_task();
    heap.notify(task, Some(&ask)).unwrap();
    heap.switch_to(task);
    let blocks = full(&heap, Flags::NOTIFY);
    refused.set(Some(blocks[0]));
    heap.alloc(MOVEABLE, 16 * KIB).unwrap();
    assert_eq!(gone(&heap, &blocks), [false, true, false, false]);
    assert_eq!(asked.take(), blocks[..2]);
    assert_eq!(heap.figures().vetoes, 1);
    // Asked again next time, and each once for one request.
    heap.compact(u32::MAX).unwrap();
    assert_eq!(gone(&heap, &blocks), [false, true, true, true]);
    assert_eq!(asked.take(), [blocks[0], blocks[2], blocks[3]]);
    // Brought back without the flag, it goes unasked.
    heap.realloc(blocks[1], 16 * KIB, MOVEABLE).unwrap();
    heap.realloc(blocks[2], 16 * KIB, MOVEABLE | Flags::NOTIFY)
        .unwrap();
    heap.compact(u32::MAX).unwrap();
    assert_eq!(asked.take(), [blocks[0], blocks[2]]);
    // And the owner, who discards it himself, is not asked.
    heap.discard(blocks[0]).unwrap();
    assert_eq!(asked.take(), []);
}

#[test]
fn only_the_owners_notification_is_asked_and_only_for_notify() {
    let asked = Cell::new(0);
    let other = Cell::new(0);
    let refuse = |_: HGlobal| {
        asked.set(asked.get() + 1);
        false
    };
    let refuse_others = |_: HGlobal| {
        other.set(other.get() + 1);
        false
    };
    let heap = arena(64);
    let (one, two) = (heap.new_task(), heap.new_task());
    heap.notify(one, Some(&refuse)).unwrap();
    heap.notify(two, Some(&refuse_others)).unwrap();
    heap.switch_to(one);
    let asked_for = heap.alloc(discardable() | Flags::NOTIFY, KIB).unwrap();
    let unasked = heap.alloc(discardable(), KIB).unwrap();
    heap.compact(u32::MAX).unwrap();
    assert_eq!(gone(&heap, &[asked_for, unasked]), [false, true]);
    assert_eq!((asked.get(), other.get()), (1, 0));
    heap.notify(one, None).unwrap();
    heap.compact(u32::MAX).unwrap();
    assert_eq!(gone(&heap, &[asked_for]), [true]);
}

#[test]
fn a_block_that_its_owner_locks_when_asked_stays() {
    let heap: &'static ntheap::win16::GlobalHeap<'static> = Box::leak(Box::new(arena(64)));
    let ask = |block: HGlobal| {
        std::mem::forget(heap.lock(block).unwrap());
        true
    };
    heap.notify(ntheap::win16::Task(0), Some(Box::leak(Box::new(ask))))
        .unwrap();
    let block = heap.alloc(discardable() | Flags::NOTIFY, KIB).unwrap();
    heap.compact(u32::MAX).unwrap();
    assert_eq!(gone(heap, &[block]), [false]);
    assert_eq!(heap.flags(block).unwrap().locks, 1);
}

#[test]
fn a_discarded_huge_block_comes_back() {
    let heap = arena(512);
    let block = heap.alloc(discardable(), 150 * KIB).unwrap();
    let behind = heap.alloc(MOVEABLE, KIB).unwrap();
    heap.discard(block).unwrap();
    assert_eq!(heap.realloc(block, 150 * KIB, FIXED), Ok(block));
    heap.discard(block).unwrap();
    // Larger than before: another handle.
    let back = heap.realloc(block, 250 * KIB, FIXED).unwrap();
    assert_ne!(back, block);
    fill(&heap, back, 250 * KIB, 1);
    heap.free(behind).unwrap();
    heap.compact(0).unwrap();
    check(&heap, back, 250 * KIB, 1);
}
