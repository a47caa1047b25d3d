//! Each documented error of the global heap, and that nothing changed.

use super::support::*;
use ntheap::win16::{Error, Flags, GlobalHeap, HGlobal, LocalHeap, Task};
use std::cell::Cell;

#[test]
fn arenas_have_bounds() {
    let made = |bytes| GlobalHeap::new(bytes).err();
    assert_eq!(made(GlobalHeap::MIN - 1), Some(Error::InvalidParameter));
    assert_eq!(made(GlobalHeap::MAX + 1), Some(Error::InvalidParameter));
    assert_eq!(made(GlobalHeap::MIN), None);
    assert_eq!(made(GlobalHeap::MAX), None);
    let odd = GlobalHeap::new(GlobalHeap::MIN + 31).unwrap();
    assert_eq!(odd.size(), GlobalHeap::MIN);
}

#[test]
fn flags_that_do_not_go_together() {
    let heap = arena(64);
    for flags in [
        Flags::DISCARDABLE,
        Flags::MODIFY,
        MOVEABLE | Flags::MODIFY,
        MOVEABLE | Flags::NOT_BANKED | Flags::NOTIFY,
    ] {
        assert_eq!(heap.alloc(flags, 32).err(), Some(Error::InvalidFlags));
    }
    let block = heap.alloc(MOVEABLE | Flags::NOT_BANKED, 32).unwrap();
    let with = heap.realloc(block, 64, discardable());
    assert_eq!(with, Err(Error::InvalidFlags));
    let fixed = heap.alloc(FIXED, 32).unwrap();
    let modified = heap.realloc(fixed, 0, Flags::MODIFY | Flags::DISCARDABLE);
    assert_eq!(modified, Err(Error::Fixed));
}

#[test]
fn sizes_that_cannot_be() {
    let heap = arena(64);
    assert_eq!(heap.alloc(FIXED, 0).err(), Some(Error::ZeroSize));
    for size in [u32::MAX, (16 << 20) - 65536 + 1] {
        assert_eq!(heap.alloc(MOVEABLE, size).err(), Some(Error::TooLarge));
    }
    assert_eq!(heap.alloc(MOVEABLE, 65 * KIB).err(), Some(Error::NoMemory));
    let block = heap.alloc(MOVEABLE, KIB).unwrap();
    let resized = |size, flags| heap.realloc(block, size, flags).err();
    assert_eq!(resized(0, FIXED), Some(Error::ZeroSize));
    assert_eq!(resized(u32::MAX, FIXED), Some(Error::TooLarge));
    assert_eq!(resized(65 * KIB, MOVEABLE), Some(Error::NoMemory));
    assert_eq!(resized(0, MOVEABLE), Some(Error::NotDiscardable));
    assert_eq!(heap.size_of(block), Ok(KIB));
    // The largest block there can be is 16 MiB less 64 KiB.
    let heap = GlobalHeap::new(GlobalHeap::MAX).unwrap();
    assert!(heap.alloc(MOVEABLE, (16 << 20) - 65536).is_ok());
}

/// What every function that takes a handle says of this one.
fn all_refuse(heap: &GlobalHeap<'_>, block: HGlobal) {
    let expected = Some(Error::InvalidHandle);
    assert_eq!(heap.lock(block).err(), expected);
    assert_eq!(heap.wire(block).err(), expected);
    assert_eq!(heap.fix(block).err(), expected);
    assert_eq!(heap.unfix(block).err(), expected);
    assert_eq!(heap.free(block).err(), expected);
    assert_eq!(heap.discard(block).err(), expected);
    assert_eq!(heap.size_of(block).err(), expected);
    assert_eq!(heap.flags(block).err(), expected);
    assert_eq!(heap.address(block).err(), expected);
    assert_eq!(heap.lru_newest(block).err(), expected);
    assert_eq!(heap.lru_oldest(block).err(), expected);
    assert_eq!(heap.realloc(block, 64, MOVEABLE).err(), expected);
    assert_eq!(heap.realloc(block, 0, Flags::MODIFY).err(), expected);
    assert_eq!(LocalHeap::init(heap, block, 0..32).err(), expected);
}

#[test]
fn freed_and_foreign_handles() {
    let heap = arena(64);
    let freed = heap.alloc(MOVEABLE, KIB).unwrap();
    heap.free(freed).unwrap();
    all_refuse(&heap, freed);
    // Its place is taken, and the old handle names the new block no more.
    let new = heap.alloc(MOVEABLE, KIB).unwrap();
    assert_eq!(new.number(), freed.number());
    all_refuse(&heap, freed);
    let other = arena(64);
    let foreign = other.alloc(MOVEABLE, KIB).unwrap();
    assert_eq!(foreign.number(), new.number());
    all_refuse(&heap, foreign);
    assert_eq!(heap.size_of(new), Ok(KIB));
}

#[test]
fn handles_run_out() {
    let heap = arena(1024);
    let blocks: Vec<_> = (0..8191)
        .map(|_| heap.alloc(MOVEABLE, 0).unwrap())
        .collect();
    assert_eq!(heap.alloc(MOVEABLE, 32).err(), Some(Error::NoHandles));
    heap.free(blocks[17]).unwrap();
    // One is not enough for a huge block.
    let huge = heap.alloc(MOVEABLE, 65 * KIB).err();
    assert_eq!(huge, Some(Error::NoHandles));
    heap.realloc(blocks[16], 64 * KIB, MOVEABLE).unwrap();
    assert_eq!(heap.realloc(blocks[16], 65 * KIB, MOVEABLE), Ok(blocks[16]));
    let grown = heap.realloc(blocks[16], 129 * KIB, MOVEABLE);
    assert_eq!(grown, Err(Error::NoHandles));
    assert_eq!(heap.size_of(blocks[16]), Ok(65 * KIB));
}

#[test]
fn locked_blocks_refuse() {
    let heap = arena(64);
    let block = heap.alloc(discardable(), 4 * KIB).unwrap();
    let fixed = heap.alloc(FIXED, 4 * KIB).unwrap();
    heap.alloc(MOVEABLE, 48 * KIB).unwrap();
    fill(&heap, block, 4 * KIB, 3);
    let guard = heap.lock(block).unwrap();
    assert_eq!(heap.free(block), Err(Error::Locked));
    assert_eq!(heap.discard(block), Err(Error::Locked));
    assert_eq!(heap.realloc(block, 0, MOVEABLE), Err(Error::Locked));
    assert_eq!(heap.realloc(block, KIB, FIXED), Err(Error::Locked));
    assert_eq!(heap.realloc(block, 16 * KIB, MOVEABLE), Err(Error::Locked));
    drop(guard);
    check(&heap, block, 4 * KIB, 3);
    // Only a guard has an address that shrinking would make wrong.
    heap.fix(block).unwrap();
    assert_eq!(heap.realloc(block, KIB, FIXED), Ok(block));
    assert_eq!(heap.free(block), Err(Error::Locked));
    heap.unfix(block).unwrap();
    assert_eq!(heap.unfix(block), Err(Error::NotLocked));
    assert_eq!(heap.discard(fixed), Err(Error::NotDiscardable));
}

#[test]
fn discarded_blocks_refuse() {
    let heap = arena(64);
    let block = heap.alloc(discardable(), KIB).unwrap();
    heap.discard(block).unwrap();
    assert_eq!(heap.discard(block), Ok(()));
    assert_eq!(heap.lock(block).err(), Some(Error::Discarded));
    assert_eq!(heap.wire(block).err(), Some(Error::Discarded));
    assert_eq!(heap.fix(block), Err(Error::Discarded));
    assert_eq!(heap.address(block), Err(Error::Discarded));
    let local = LocalHeap::init(&heap, block, 0..32).err();
    assert_eq!(local, Some(Error::Discarded));
    assert_eq!(heap.flags(block).unwrap().locks, 0);
}

#[test]
fn segments_in_use_refuse() {
    let heap = arena(64);
    let segment = heap.alloc(MOVEABLE, KIB).unwrap();
    let local = LocalHeap::init(&heap, segment, 0..KIB).unwrap();
    assert_eq!(heap.free(segment), Err(Error::InUse));
    assert_eq!(heap.discard(segment), Err(Error::InUse));
    assert_eq!(heap.realloc(segment, 64, MOVEABLE), Err(Error::InUse));
    let second = LocalHeap::init(&heap, segment, 0..KIB).err();
    assert_eq!(second, Some(Error::InUse));
    drop(local);
    assert_eq!(heap.free(segment), Ok(()));
}

#[test]
fn notifications_run_out() {
    let ask = |_: HGlobal| true;
    let heap = arena(64);
    for task in 1..=32 {
        heap.notify(Task(task), Some(&ask)).unwrap();
    }
    assert_eq!(heap.notify(Task(33), Some(&ask)), Err(Error::TooManyTasks));
    // One again for a task that has one; and taken away from one that has none.
    heap.notify(Task(3), Some(&ask)).unwrap();
    heap.notify(Task(40), None).unwrap();
    heap.notify(Task(4), None).unwrap();
    heap.notify(Task(33), Some(&ask)).unwrap();
    // A task that ends takes its own along.
    heap.end_task(Task(5)).unwrap();
    heap.notify(Task(34), Some(&ask)).unwrap();
    assert_eq!(heap.notify(Task(35), Some(&ask)), Err(Error::TooManyTasks));
}

#[test]
fn nothing_may_move_while_a_task_is_asked() {
    let asked = Cell::new(0);
    // Leaked, so that the notification can reach the heap itself.
    let heap: &'static GlobalHeap<'static> = Box::leak(Box::new(arena(64)));
    let asked: &'static Cell<u32> = Box::leak(Box::new(asked));
    let segment = heap.alloc(MOVEABLE, KIB).unwrap();
    let local = LocalHeap::init(heap, segment, 0..KIB).unwrap();
    let near = local.alloc(MOVEABLE, 32).unwrap();
    let local: &'static LocalHeap<'_, '_> = Box::leak(Box::new(local));
    let other = heap.alloc(discardable(), KIB).unwrap();
    let ask = move |block: HGlobal| {
        asked.set(asked.get() + 1);
        let busy = Some(Error::Busy);
        assert_eq!(heap.alloc(MOVEABLE, 32).err(), busy);
        assert_eq!(heap.alloc(MOVEABLE, 0).err(), busy);
        assert_eq!(heap.realloc(other, 32, MOVEABLE).err(), busy);
        assert_eq!(heap.realloc(other, 32, Flags::MODIFY).err(), busy);
        assert_eq!(heap.free(other).err(), busy);
        assert_eq!(heap.discard(other).err(), busy);
        assert_eq!(heap.wire(other).err(), busy);
        assert_eq!(heap.compact(0).err(), busy);
        assert_eq!(heap.end_task(Task(0)).err(), busy);
        assert_eq!(LocalHeap::init(heap, other, 0..32).err(), busy);
        assert_eq!(local.alloc(MOVEABLE, 32).err(), busy);
        assert_eq!(local.realloc(near, 64, MOVEABLE).err(), busy);
        assert_eq!(local.free(near).err(), busy);
        assert_eq!(local.discard(near).err(), busy);
        assert_eq!(local.compact(0).err(), busy);
        assert_eq!(local.shrink(0).err(), busy);
        // What moves nothing works, the block that is asked about included.
        assert_eq!(heap.size_of(block), Ok(40 * KIB));
        heap.lock(block).unwrap().fill(1);
        heap.lru_newest(other).unwrap();
        heap.snapshot().unwrap();
        true
    };
    heap.notify(Task(0), Some(Box::leak(Box::new(ask))))
        .unwrap();
    let block = heap.alloc(discardable() | Flags::NOTIFY, 40 * KIB).unwrap();
    heap.lru_oldest(block).unwrap();
    heap.alloc(MOVEABLE, 40 * KIB).unwrap();
    assert_eq!(asked.get(), 1);
    assert!(heap.flags(block).unwrap().discarded);
    assert!(heap.validate() && heap.size_of(other) == Ok(KIB));
}

#[test]
fn a_notification_that_panics_leaves_the_heap_usable() {
    let ask = |_: HGlobal| panic!("on purpose");
    let heap = arena(64);
    heap.notify(Task(0), Some(&ask)).unwrap();
    let block = heap.alloc(discardable() | Flags::NOTIFY, 40 * KIB).unwrap();
    let alloc = || heap.alloc(MOVEABLE, 40 * KIB);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(alloc));
    assert!(result.is_err());
    assert!(heap.validate());
    assert_eq!(heap.size_of(block), Ok(40 * KIB));
    heap.notify(Task(0), None).unwrap();
    assert!(heap.alloc(MOVEABLE, 40 * KIB).is_ok());
}

#[test]
fn errors_have_texts_of_their_own() {
    let all = [
        Error::NoMemory,
        Error::NoHandles,
        Error::InvalidHandle,
        Error::InvalidFlags,
        Error::InvalidParameter,
        Error::ZeroSize,
        Error::TooLarge,
        Error::Locked,
        Error::NotLocked,
        Error::Discarded,
        Error::NotDiscardable,
        Error::Fixed,
        Error::InUse,
        Error::Busy,
        Error::TooManyTasks,
        Error::GeneralProtection,
        Error::LoadFailed,
        Error::SecondInstance,
        Error::NoDataSegment,
        Error::SegmentAttributes,
    ];
    let texts: std::collections::BTreeSet<_> = all.iter().map(Error::to_string).collect();
    assert_eq!(texts.len(), all.len());
}
