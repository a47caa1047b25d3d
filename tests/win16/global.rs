//! The global heap: where blocks lie, sizes, locks, reallocation.

use super::support::*;
use ntheap::win16::{BlockFlags, Error, Flags, GlobalHeap, Task};

#[test]
fn fixed_blocks_lie_low_moveable_above_and_discardable_at_the_top() {
    let heap = arena(64);
    let moveable = heap.alloc(MOVEABLE, 4 * KIB).unwrap();
    let discarded = heap.alloc(discardable(), 4 * KIB).unwrap();
    let fixed = heap.alloc(FIXED, 4 * KIB).unwrap();
    let second = heap.alloc(discardable(), 4 * KIB).unwrap();
    // The moveable block had to go out of the fixed one's way.
    assert_eq!(heap.address(fixed), Ok(0));
    assert_eq!(heap.address(moveable), Ok(4 * KIB));
    assert_eq!(heap.address(discarded), Ok(60 * KIB));
    assert_eq!(heap.address(second), Ok(56 * KIB));
    assert_eq!(heap.figures().moves, 1);
}

#[test]
fn a_fixed_block_goes_above_what_cannot_move() {
    let heap = arena(64);
    let locked = heap.alloc(MOVEABLE, 4 * KIB).unwrap();
    let guard = heap.lock(locked).unwrap();
    let fixed = heap.alloc(FIXED, 4 * KIB).unwrap();
    assert_eq!(heap.address(locked), Ok(0));
    assert_eq!(heap.address(fixed), Ok(4 * KIB));
    drop(guard);
    // Without moving blocks, a fixed one takes the lowest hole.
    let heap = arena(64);
    heap.alloc(MOVEABLE, 4 * KIB).unwrap();
    let fixed = heap.alloc(FIXED | Flags::NOCOMPACT, 4 * KIB).unwrap();
    assert_eq!(heap.address(fixed), Ok(4 * KIB));
}

#[test]
fn sizes_are_rounded_up_and_all_of_a_block_can_be_used() {
    let heap = arena(64);
    for (size, rounded) in [(1, 32), (32, 32), (33, 64), (1000, 1024)] {
        let block = heap.alloc(MOVEABLE, size).unwrap();
        assert_eq!(heap.size_of(block), Ok(rounded));
        let bytes = heap.lock(block).unwrap();
        assert_eq!(bytes.len(), rounded as usize);
        bytes.fill(7);
        assert!(bytes.iter().all(|byte| byte.get() == 7));
    }
    assert!(heap.validate());
}

#[test]
fn zeroinit_zeroes_what_others_left() {
    let heap = arena(64);
    let block = heap.alloc(MOVEABLE, 60 * KIB).unwrap();
    heap.lock(block).unwrap().fill(0xAA);
    heap.free(block).unwrap();
    let block = heap.alloc(Flags::HND, 8 * KIB).unwrap();
    let zero = |range: core::ops::Range<usize>| {
        let bytes = heap.lock(block).unwrap();
        bytes[range].iter().all(|byte| byte.get() == 0)
    };
    assert!(zero(0..8192));
    heap.lock(block).unwrap().fill(1);
    heap.realloc(block, 16 * KIB, Flags::ZEROINIT).unwrap();
    assert!(zero(8192..16384) && !zero(0..1));
}

#[test]
fn guards_read_and_write_within_their_block() {
    let heap = arena(64);
    let block = heap.alloc(Flags::HND, 64).unwrap();
    let bytes = heap.lock(block).unwrap();
    assert!(bytes.write(60, b"last"));
    assert!(!bytes.write(61, b"last"));
    assert!(!bytes.write(usize::MAX, b"last"));
    let mut read = [0; 4];
    assert!(bytes.read(60, &mut read));
    assert_eq!(&read, b"last");
    assert!(!bytes.read(61, &mut read) && !bytes.read(usize::MAX, &mut read));
    // Everybody who has locked it sees the same bytes.
    let other = heap.lock(block).unwrap();
    bytes[0].set(9);
    assert_eq!(other[0].get(), 9);
}

#[test]
fn locks_are_counted_and_a_locked_block_stays() {
    let heap = arena(64);
    let low = heap.alloc(MOVEABLE, 4 * KIB).unwrap();
    let block = heap.alloc(MOVEABLE, 4 * KIB).unwrap();
    heap.free(low).unwrap();
    let first = heap.lock(block).unwrap();
    let second = heap.lock(block).unwrap();
    assert_eq!(heap.flags(block).unwrap().locks, 2);
    assert!(first.unlock());
    heap.compact(0).unwrap();
    assert_eq!(heap.address(block), Ok(4 * KIB));
    assert!(!second.unlock());
    assert_eq!(heap.flags(block).unwrap().locks, 0);
    heap.compact(0).unwrap();
    assert_eq!(heap.address(block), Ok(0));
}

#[test]
fn a_lock_count_of_255_is_for_ever() {
    let heap = arena(64);
    let block = heap.alloc(MOVEABLE, KIB).unwrap();
    let mut guards: Vec<_> = (0..254).map(|_| heap.lock(block).unwrap()).collect();
    guards.clear();
    assert_eq!(heap.flags(block).unwrap().locks, 0);
    guards.extend((0..300).map(|_| heap.lock(block).unwrap()));
    assert_eq!(heap.flags(block).unwrap().locks, 255);
    guards.clear();
    assert_eq!(heap.flags(block).unwrap().locks, 255);
    assert_eq!(heap.free(block), Err(Error::Locked));
    // The same of locks without an address.
    let block = heap.alloc(MOVEABLE, KIB).unwrap();
    for count in 1..=255 {
        assert_eq!(heap.fix(block), Ok(count));
    }
    assert_eq!(heap.fix(block), Ok(255));
    assert_eq!(heap.unfix(block), Ok(255));
}

#[test]
fn fixing_pins_without_an_address() {
    let heap = arena(64);
    let low = heap.alloc(MOVEABLE, 4 * KIB).unwrap();
    let block = heap.alloc(discardable(), 4 * KIB).unwrap();
    let at = heap.address(block).unwrap();
    assert_eq!(heap.fix(block), Ok(1));
    assert_eq!(heap.fix(block), Ok(2));
    let guard = heap.lock(block).unwrap();
    assert_eq!(heap.unfix(block), Ok(2));
    assert_eq!(heap.unfix(block), Ok(1));
    // A guard's lock is not to be taken away.
    assert_eq!(heap.unfix(block), Err(Error::NotLocked));
    heap.free(low).unwrap();
    heap.compact(u32::MAX).unwrap();
    assert_eq!(heap.address(block), Ok(at));
    drop(guard);
    heap.compact(u32::MAX).unwrap();
    assert!(heap.flags(block).unwrap().discarded);
}

#[test]
fn wiring_moves_a_block_low_and_locks_it() {
    let heap = arena(64);
    let fixed = heap.alloc(FIXED, 4 * KIB).unwrap();
    let others: Vec<_> = (0..5)
        .map(|seed| {
            let block = heap.alloc(MOVEABLE, 4 * KIB).unwrap();
            fill(&heap, block, 4 * KIB, seed);
            block
        })
        .collect();
    let guard = heap.wire(others[4]).unwrap();
    assert_eq!(heap.address(others[4]), Ok(4 * KIB));
    assert_eq!(heap.flags(others[4]).unwrap().locks, 1);
    assert!(heap.validate());
    drop(guard);
    for (seed, block) in others.iter().enumerate() {
        check(&heap, *block, 4 * KIB, seed as u64);
    }
    // What is fixed or locked stays.
    drop(heap.wire(fixed).unwrap());
    assert_eq!(heap.address(fixed), Ok(0));
    let at = heap.address(others[0]);
    let guard = heap.lock(others[0]).unwrap();
    drop(heap.wire(others[0]).unwrap());
    assert_eq!(heap.address(others[0]), at);
    drop(guard);
}

#[test]
fn a_fixed_blocks_lock_count_is_0_though_it_cannot_be_freed_while_used() {
    let heap = arena(64);
    let block = heap.alloc(FIXED, KIB).unwrap();
    let guard = heap.lock(block).unwrap();
    assert_eq!(heap.flags(block), Ok(BlockFlags::default()));
    assert_eq!(heap.free(block), Err(Error::Locked));
    drop(guard);
    assert_eq!(heap.free(block), Ok(()));
}

#[test]
fn flags_have_windows_bits() {
    let heap = arena(64);
    let block = heap.alloc(discardable() | Flags::SHARE, KIB).unwrap();
    let guards = [heap.lock(block).unwrap(), heap.lock(block).unwrap()];
    assert_eq!(heap.flags(block).unwrap().bits(), 0x2102);
    drop(guards);
    heap.discard(block).unwrap();
    assert_eq!(heap.flags(block).unwrap().bits(), 0x6100);
    assert_eq!(
        Flags::from_bits(0x0142),
        Some(Flags::HND | Flags::DISCARDABLE)
    );
    assert_eq!(Flags::from_bits(0x0001), None);
    assert_eq!(Flags::PTR.bits(), 0x40);
    assert_eq!(format!("{:?}", Flags::NOTIFY), "Flags(0x4000)");
}

#[test]
fn a_size_of_0_gives_a_block_without_memory() {
    let heap = arena(64);
    let block = heap.alloc(MOVEABLE, 0).unwrap();
    assert_eq!(heap.size_of(block), Ok(0));
    assert!(heap.flags(block).unwrap().discarded);
    assert_eq!(heap.lock(block).err(), Some(Error::Discarded));
    assert_eq!(heap.realloc(block, KIB, MOVEABLE), Ok(block));
    assert_eq!(heap.size_of(block), Ok(KIB));
    heap.free(block).unwrap();
    let block = heap.alloc(MOVEABLE, 0).unwrap();
    heap.free(block).unwrap();
}

#[test]
fn reallocation_keeps_contents_wherever_it_finds_room() {
    let heap = arena(64);
    let block = heap.alloc(MOVEABLE, 4 * KIB).unwrap();
    let behind = heap.alloc(MOVEABLE, 4 * KIB).unwrap();
    fill(&heap, block, 4 * KIB, 1);
    fill(&heap, behind, 4 * KIB, 2);
    // Not in place, but elsewhere.
    assert_eq!(heap.realloc(block, 8 * KIB, FIXED), Ok(block));
    check(&heap, block, 4 * KIB, 1);
    // In place only.
    let guard = heap.lock(block).unwrap();
    assert_eq!(heap.realloc(block, 12 * KIB, FIXED), Ok(block));
    assert_eq!(guard.len(), 8 * KIB as usize);
    drop(guard);
    check(&heap, block, 4 * KIB, 1);
    // All there is, which takes moving the other one.
    assert_eq!(heap.realloc(block, 60 * KIB, FIXED), Ok(block));
    check(&heap, block, 4 * KIB, 1);
    check(&heap, behind, 4 * KIB, 2);
    assert_eq!(heap.free_bytes(), 0);
    // Smaller.
    assert_eq!(heap.realloc(block, 40, FIXED), Ok(block));
    assert_eq!(heap.size_of(block), Ok(64));
    check(&heap, block, 40, 1);
    assert!(heap.validate());
}

#[test]
fn a_fixed_block_grows_in_place_or_if_allowed_elsewhere() {
    let heap = arena(64);
    let block = heap.alloc(FIXED, 4 * KIB).unwrap();
    let moveable = heap.alloc(MOVEABLE, 4 * KIB).unwrap();
    fill(&heap, block, 4 * KIB, 1);
    // The neighbour goes out of its way.
    heap.realloc(block, 8 * KIB, FIXED).unwrap();
    assert_eq!(heap.address(block), Ok(0));
    assert_eq!(heap.address(moveable), Ok(8 * KIB));
    let fixed = heap.alloc(FIXED, 4 * KIB).unwrap();
    assert_eq!(heap.address(fixed), Ok(8 * KIB));
    let no = heap.realloc(block, 12 * KIB, FIXED);
    assert_eq!(no, Err(Error::NoMemory));
    assert_eq!(heap.size_of(block), Ok(8 * KIB));
    assert_eq!(heap.realloc(block, 12 * KIB, MOVEABLE), Ok(block));
    assert_eq!(heap.address(block), Ok(12 * KIB));
    check(&heap, block, 4 * KIB, 1);
}

#[test]
fn modifying_changes_attributes_and_no_size() {
    let heap = arena(64);
    let block = heap.alloc(MOVEABLE, KIB).unwrap();
    let modified = heap.realloc(block, 50 * KIB, Flags::MODIFY | Flags::DISCARDABLE);
    assert_eq!(modified, Ok(block));
    assert_eq!(heap.size_of(block), Ok(KIB));
    assert!(heap.flags(block).unwrap().discardable);
    heap.realloc(block, 0, Flags::MODIFY | MOVEABLE).unwrap();
    assert!(!heap.flags(block).unwrap().discardable);
    assert_eq!(heap.discard(block), Err(Error::NotDiscardable));
    // A fixed block becomes moveable, and then does move.
    let heap = arena(64);
    let first = heap.alloc(FIXED, KIB).unwrap();
    let second = heap.alloc(FIXED, KIB).unwrap();
    heap.free(first).unwrap();
    heap.compact(0).unwrap();
    assert_eq!(heap.address(second), Ok(KIB));
    heap.realloc(second, 0, Flags::MODIFY | MOVEABLE).unwrap();
    heap.compact(0).unwrap();
    assert_eq!(heap.address(second), Ok(0));
    // Without MOVEABLE a fixed one stays what it is.
    let fixed = heap.alloc(FIXED, KIB).unwrap();
    heap.realloc(fixed, 0, Flags::MODIFY).unwrap();
    assert_eq!(heap.discard(fixed), Err(Error::NotDiscardable));
}

#[test]
fn huge_blocks_are_one_piece_of_several_tiles() {
    let heap = arena(1024);
    let block = heap.alloc(MOVEABLE, 128 * KIB + 32).unwrap();
    fill(&heap, block, 128 * KIB + 32, 5);
    let bytes = heap.lock(block).unwrap();
    assert_eq!(bytes.len(), 0x20020);
    let tiles: Vec<_> = (0..4).map(|n| bytes.tile(n).map(<[_]>::len)).collect();
    assert_eq!(tiles, [Some(0x10000), Some(0x10000), Some(32), None]);
    assert_eq!(bytes.tile(1).unwrap()[0].get(), pattern(5, 0x10000));
}

#[test]
fn growing_across_64_kib_may_give_another_handle() {
    let heap = arena(1024);
    let block = heap.alloc(MOVEABLE, 60 * KIB).unwrap();
    fill(&heap, block, 60 * KIB, 1);
    // The handle behind is unused: the block keeps its own.
    let grown = heap.realloc(block, 70 * KIB, MOVEABLE).unwrap();
    assert_eq!(grown, block);
    let behind = heap.alloc(MOVEABLE, KIB).unwrap();
    assert_eq!(behind.number(), block.number() + 2);
    // Within the 64 KiB that it has begun, it always does.
    assert_eq!(heap.realloc(block, 128 * KIB, MOVEABLE), Ok(block));
    // Across, with the handle behind taken, it gets another.
    let other = heap.realloc(block, 129 * KIB, MOVEABLE).unwrap();
    assert_ne!(other, block);
    check(&heap, other, 60 * KIB, 1);
    assert_eq!(heap.lock(block).err(), Some(Error::InvalidHandle));
    assert_eq!(heap.size_of(block), Err(Error::InvalidHandle));
    // The old ones can be used again, and the old value names none of them.
    let reused = heap.alloc(MOVEABLE, KIB).unwrap();
    assert_eq!(reused.number(), block.number());
    assert_ne!(reused, block);
    assert_eq!(heap.size_of(block), Err(Error::InvalidHandle));
    // Smaller: it keeps its handle and gives back those behind.
    assert_eq!(heap.realloc(other, KIB, MOVEABLE), Ok(other));
    check(&heap, other, KIB, 1);
    let next = heap.alloc(MOVEABLE, 0).unwrap();
    let after = heap.alloc(MOVEABLE, 0).unwrap();
    assert_eq!(next.number(), block.number() + 1);
    assert_eq!(after.number(), other.number() + 1);
    assert!(heap.validate());
}

#[test]
fn a_locked_block_gets_no_other_handle() {
    let heap = arena(1024);
    let block = heap.alloc(MOVEABLE, 60 * KIB).unwrap();
    heap.alloc(MOVEABLE, 0).unwrap();
    let guard = heap.lock(block).unwrap();
    assert_eq!(heap.realloc(block, 70 * KIB, MOVEABLE), Err(Error::Locked));
    drop(guard);
    assert!(heap.realloc(block, 70 * KIB, MOVEABLE).is_ok());
}

#[test]
fn blocks_are_found_by_their_address() {
    let heap = arena(64);
    let low = heap.alloc(MOVEABLE, KIB).unwrap();
    let high = heap.alloc(discardable(), KIB).unwrap();
    assert_eq!(heap.handle_at(0), Some(low));
    assert_eq!(heap.handle_at(KIB - 1), Some(low));
    assert_eq!(heap.handle_at(KIB), None);
    assert_eq!(heap.handle_at(64 * KIB - 1), Some(high));
    assert_eq!(heap.handle_at(64 * KIB), None);
}

#[test]
fn a_tasks_blocks_go_with_it() {
    let heap = arena(64);
    let kept = heap.alloc(MOVEABLE, KIB).unwrap();
    let (one, other) = (heap.new_task(), heap.new_task());
    assert_ne!(one, other);
    assert_eq!(heap.switch_to(one), Task(0));
    let blocks = [
        heap.alloc(MOVEABLE, KIB).unwrap(),
        heap.alloc(discardable(), KIB).unwrap(),
        heap.alloc(MOVEABLE, 0).unwrap(),
    ];
    let locked = heap.alloc(MOVEABLE, KIB).unwrap();
    let guard = heap.lock(locked).unwrap();
    assert_eq!(heap.switch_to(other), one);
    let theirs = heap.alloc(MOVEABLE, KIB).unwrap();
    assert_eq!(heap.end_task(one), Ok(3));
    for block in blocks {
        assert_eq!(heap.size_of(block), Err(Error::InvalidHandle));
    }
    drop(guard);
    for block in [kept, theirs, locked] {
        assert_eq!(heap.size_of(block), Ok(KIB));
    }
    assert_eq!(heap.end_task(one), Ok(1));
}

#[test]
fn an_arenas_memory_goes_back() {
    use ntheap::vm::{Use, account};
    // Other tests make arenas meanwhile: only that it does not pile up.
    let bytes = 8 << 20;
    for _ in 0..64 {
        let heap = GlobalHeap::new(bytes).unwrap();
        assert_eq!(heap.size(), bytes);
        heap.snapshot().unwrap();
    }
    assert!(account().get(Use::Program).committed < 64 * bytes as usize / 2);
}
