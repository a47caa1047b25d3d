//! Each documented error of local heaps.

use super::support::*;
use ntheap::win16::{Error, Flags, HLocal, LocalHeap};

#[test]
fn where_no_local_heap_can_be() {
    let heap = arena(256);
    let init = |block, part| LocalHeap::init(&heap, block, part).err();
    let large = heap.alloc(MOVEABLE, 64 * KIB + 32).unwrap();
    assert_eq!(init(large, 0..KIB), Some(Error::TooLarge));
    let gone = heap.alloc(discardable(), KIB).unwrap();
    assert_eq!(init(gone, 0..KIB), Some(Error::SegmentAttributes));
    let segment = heap.alloc(MOVEABLE, 64 * KIB).unwrap();
    let beyond = init(segment, 0..64 * KIB + 1);
    assert_eq!(beyond, Some(Error::InvalidParameter));
    let backwards = core::ops::Range { start: 9, end: 8 };
    assert_eq!(init(segment, backwards), Some(Error::InvalidParameter));
    // An empty part grows.
    let small = heap.alloc(MOVEABLE, 32).unwrap();
    let local = LocalHeap::init(&heap, small, 32..32).unwrap();
    assert_eq!(local.size(), 0);
    assert!(local.alloc(MOVEABLE, 100).is_ok());
    assert!(LocalHeap::init(&heap, segment, 0..64 * KIB).is_ok());
}

#[test]
fn flags_and_sizes() {
    let heap = arena(64);
    let segment = heap.alloc(MOVEABLE, KIB).unwrap();
    let local = LocalHeap::init(&heap, segment, 0..KIB).unwrap();
    for flags in [
        Flags::DISCARDABLE,
        MOVEABLE | Flags::MODIFY,
        MOVEABLE | Flags::SHARE,
        MOVEABLE | Flags::NOTIFY,
        MOVEABLE | Flags::NOT_BANKED,
    ] {
        assert_eq!(local.alloc(flags, 32).err(), Some(Error::InvalidFlags));
    }
    assert_eq!(local.alloc(FIXED, 0).err(), Some(Error::ZeroSize));
    let large = local.alloc(MOVEABLE, 0x1_0001).err();
    assert_eq!(large, Some(Error::TooLarge));
    let block = local.alloc(MOVEABLE, 32).unwrap();
    assert_eq!(local.alloc(MOVEABLE, 0x1_0000).err(), Some(Error::NoMemory));
    let resized = |size, flags| local.realloc(block, size, flags).err();
    assert_eq!(resized(0, FIXED), Some(Error::ZeroSize));
    assert_eq!(resized(0x1_0001, FIXED), Some(Error::TooLarge));
    assert_eq!(resized(0x1_0000, FIXED), Some(Error::NoMemory));
    for flags in [Flags::SHARE, Flags::NOTIFY, Flags::NOT_BANKED] {
        assert_eq!(resized(64, flags), Some(Error::InvalidFlags));
    }
    // MODIFY goes with DISCARDABLE alone.
    for flags in [
        MOVEABLE,
        Flags::ZEROINIT,
        Flags::NOCOMPACT,
        Flags::NODISCARD,
    ] {
        let with = resized(64, Flags::MODIFY | flags);
        assert_eq!(with, Some(Error::InvalidFlags));
    }
    assert_eq!(local.size_of(block), Ok(32));
}

fn all_refuse(local: &LocalHeap<'_, '_>, block: HLocal) {
    let expected = Some(Error::InvalidHandle);
    assert_eq!(local.lock(block).err(), expected);
    assert_eq!(local.free(block).err(), expected);
    assert_eq!(local.discard(block).err(), expected);
    assert_eq!(local.size_of(block).err(), expected);
    assert_eq!(local.flags(block).err(), expected);
    assert_eq!(local.near(block).err(), expected);
    assert_eq!(local.realloc(block, 64, MOVEABLE).err(), expected);
    assert_eq!(local.realloc(block, 0, Flags::MODIFY).err(), expected);
}

#[test]
fn freed_and_foreign_handles() {
    let heap = arena(64);
    let made = |_| {
        let segment = heap.alloc(MOVEABLE, KIB).unwrap();
        LocalHeap::init(&heap, segment, 0..KIB).unwrap()
    };
    let [local, other] = [0, 1].map(made);
    let freed = local.alloc(MOVEABLE, 32).unwrap();
    local.free(freed).unwrap();
    all_refuse(&local, freed);
    let new = local.alloc(FIXED, 32).unwrap();
    assert_eq!(new.number(), freed.number());
    all_refuse(&local, freed);
    let foreign = other.alloc(MOVEABLE, 32).unwrap();
    all_refuse(&local, foreign);
    assert_eq!(local.size_of(new), Ok(32));
}

#[test]
fn locked_and_discarded_blocks_refuse() {
    let heap = arena(64);
    let segment = heap.alloc(MOVEABLE, KIB).unwrap();
    let local = LocalHeap::init(&heap, segment, 0..KIB).unwrap();
    let block = local.alloc(discardable(), 32).unwrap();
    let fixed = local.alloc(FIXED, 32).unwrap();
    for block in [block, fixed] {
        let guard = local.lock(block).unwrap();
        assert_eq!(local.free(block), Err(Error::Locked));
        assert_eq!(local.realloc(block, 0, MOVEABLE), Err(Error::Locked));
        assert_eq!(local.realloc(block, 16, FIXED), Err(Error::Locked));
        drop(guard);
    }
    let guard = local.lock(block).unwrap();
    assert_eq!(local.discard(block), Err(Error::Locked));
    drop(guard);
    assert_eq!(local.discard(fixed), Err(Error::Fixed));
    local.discard(block).unwrap();
    assert_eq!(local.lock(block).err(), Some(Error::Discarded));
    assert_eq!(local.near(block), Err(Error::Discarded));
    // The segment: one lock of `init`, and none that could be taken back twice.
    assert_eq!(local.unlock_data(), Ok(0));
    assert_eq!(local.unlock_data(), Err(Error::NotLocked));
    assert_eq!(local.lock_data(), Ok(1));
    assert_eq!(local.unlock_data(), Ok(0));
}

#[test]
fn a_guard_of_the_whole_segment_forbids_shrinking() {
    let heap = arena(64);
    let segment = heap.alloc(MOVEABLE, 8 * KIB).unwrap();
    let local = LocalHeap::init(&heap, segment, 0..8 * KIB).unwrap();
    let guard = heap.lock(segment).unwrap();
    assert_eq!(local.shrink(0), Err(Error::Locked));
    drop(guard);
    assert_eq!(local.shrink(KIB), Ok(KIB));
}

#[test]
fn handles_run_out() {
    let heap = arena(64);
    let segment = heap.alloc(MOVEABLE, 60 * KIB).unwrap();
    let local = LocalHeap::init(&heap, segment, 0..60 * KIB).unwrap();
    for _ in 0..4095 {
        local.alloc(MOVEABLE, 4).unwrap();
    }
    assert_eq!(local.alloc(MOVEABLE, 4).err(), Some(Error::NoHandles));
}
