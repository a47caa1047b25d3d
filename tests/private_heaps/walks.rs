//! What a walk shows, field by field.

use super::heap::*;
use ntheap::heap::private::{EntryKind, Settings, Shape, flags};

fn distance(size: usize) -> usize {
    (size.max(16) + 8).next_multiple_of(16)
}

#[test]
fn a_fresh_heap_shows_three_entries() {
    for flags in [0, flags::NO_SERIALIZE] {
        let heap = TestHeap::flagged(flags);
        let [region, free, uncommitted] = heap.walk()[..] else {
            panic!("{:?}", heap.walk());
        };
        assert_eq!(heap.base() % 0x10000, 0);
        assert_eq!(region.kind.flags(), EntryKind::REGION);
        assert_eq!(region.data, heap.base());
        assert!(region.size <= 0x1000);
        assert_eq!((region.overhead, region.region_index), (0, 0));
        assert_eq!(region.committed, 0x2000);
        assert_eq!(region.uncommitted, 0x10000 - 0x2000);
        assert_eq!(region.first_block, region.data + region.size + 16);
        assert_eq!(region.last_block, uncommitted.data + uncommitted.size);

        assert_eq!(free.kind, EntryKind::Free);
        assert_eq!((free.kind.flags(), free.overhead), (0, 0x20));
        assert_eq!(free.region_index, 0);
        assert_eq!(free.data + free.size + 0x40, uncommitted.data);

        assert_eq!(uncommitted.kind.flags(), EntryKind::UNCOMMITTED);
        assert_eq!(uncommitted.data, heap.base() + 0x2000);
        assert_eq!(uncommitted.size, region.uncommitted - 0x1000);
        assert_eq!(uncommitted.overhead, 0);
    }
}

#[test]
fn neighbours_lie_at_windows_distances() {
    // Sizes all unlike, so that no bucket becomes hot.
    let heap = TestHeap::flagged(flags::NO_SERIALIZE);
    let mut blocks = Vec::new();
    for size in (0..700).step_by(7) {
        blocks.push((heap.allocate(size), size));
    }
    for pair in blocks.windows(2) {
        let [(first, size), (second, _)] = pair else {
            unreachable!()
        };
        assert_eq!(second - first, distance(*size), "{size}");
    }
    let walk = heap.walk();
    let busy: Vec<_> = walk
        .iter()
        .filter(|entry| entry.kind == EntryKind::Busy)
        .collect();
    assert_eq!(busy.len(), blocks.len());
    for (entry, (block, size)) in busy.iter().zip(&blocks) {
        assert_eq!((entry.data, entry.size), (*block, *size));
        assert_eq!(entry.kind.flags(), EntryKind::BUSY);
        assert_ne!(entry.overhead, 0);
        assert_eq!(entry.region_index, 0);
        assert_eq!(entry.size + usize::from(entry.overhead), distance(*size));
    }
    assert_eq!(busy[0].data, walk[0].first_block);
}

#[test]
fn a_free_block_starts_sixteen_bytes_later_than_a_busy_one() {
    let heap = TestHeap::new();
    let blocks: Vec<usize> = (0..5).map(|at| heap.allocate(100 + at)).collect();
    heap.free(blocks[1]).unwrap();
    heap.free(blocks[3]).unwrap();
    let walk = heap.walk();
    let kinds: Vec<EntryKind> = walk.iter().map(|entry| entry.kind).collect();
    use EntryKind::{Busy, Free, Region, Uncommitted};
    assert_eq!(
        kinds,
        [Region, Busy, Free, Busy, Free, Busy, Free, Uncommitted]
    );
    for pair in walk[1..7].windows(2) {
        let [entry, next] = pair else { unreachable!() };
        let end = entry.data + entry.size + usize::from(entry.overhead);
        match (entry.kind, next.kind) {
            (Busy, Free) => assert_eq!(next.data, end + 16),
            (Free, Busy) => assert_eq!(next.data, entry.data + entry.size + 16),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn freed_blocks_join_until_the_walk_is_the_fresh_one_again() {
    for order in 0..6 {
        let heap = TestHeap::new();
        let fresh = heap.walk();
        let mut blocks: Vec<usize> = (0..60).map(|at| heap.allocate(at * 61)).collect();
        match order {
            0 => {}
            1 => blocks.reverse(),
            2 => blocks.sort_by_key(|block| block.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            // Every second, third and fourth first.
            step => {
                let (first, last): (Vec<_>, Vec<_>) = blocks
                    .iter()
                    .enumerate()
                    .partition(|(at, _)| at % (step - 1) == 0);
                blocks = first
                    .into_iter()
                    .chain(last)
                    .map(|(_, block)| *block)
                    .collect();
            }
        }
        for block in blocks {
            heap.free(block).unwrap();
            assert!(heap.is_valid(0));
        }
        assert_eq!(heap.walk(), fresh, "order {order}");
    }
}

#[test]
fn large_blocks_come_last_in_the_order_they_were_made() {
    let heap = TestHeap::new();
    heap.allocate(1000);
    let before = heap.walk();
    let blocks: Vec<usize> = (0..5).map(|at| heap.allocate(0x10_0000 + at)).collect();
    let walk = heap.walk();
    assert_eq!(walk[..before.len()], before);
    for (at, (entry, block)) in walk[before.len()..].iter().zip(&blocks).enumerate() {
        assert_eq!(entry.kind, EntryKind::Large);
        assert_eq!(entry.kind.flags(), EntryKind::BUSY);
        assert_eq!((entry.data, entry.size), (*block, 0x10_0000 + at));
        assert_eq!((entry.overhead, entry.region_index), (0, 64));
    }
    heap.free(blocks[2]).unwrap();
    let left: Vec<usize> = heap.walk()[before.len()..]
        .iter()
        .map(|entry| entry.data)
        .collect();
    assert_eq!(left, [blocks[0], blocks[1], blocks[3], blocks[4]]);
    for at in [0, 1, 3, 4] {
        heap.free(blocks[at]).unwrap();
    }
    assert_eq!(heap.walk(), before);
}

#[test]
fn further_regions_are_walked_in_turn() {
    let heap = TestHeap::new();
    let fresh = heap.walk();
    let blocks: Vec<usize> = (0..100).map(|_| heap.allocate(0x60000)).collect();
    let walk = heap.walk();
    let regions: Vec<_> = walk
        .iter()
        .filter(|entry| entry.kind == EntryKind::Region)
        .collect();
    let spans: Vec<usize> = regions
        .iter()
        .map(|entry| entry.committed + entry.uncommitted)
        .collect();
    assert_eq!(
        spans[..7],
        [
            0x10000, 0x10_0000, 0x20_0000, 0x40_0000, 0x80_0000, 0xfd_0000, 0xfd_0000
        ]
    );
    for (at, region) in regions.iter().enumerate() {
        assert_eq!(usize::from(region.region_index), at);
        assert_eq!(region.data % 0x10000, 0);
    }
    let busy = walk
        .iter()
        .filter(|entry| entry.kind == EntryKind::Busy)
        .count();
    assert_eq!(busy, blocks.len());
    // Still not large, so no entry of a large block.
    assert!(walk.iter().all(|entry| entry.kind != EntryKind::Large));
    for block in blocks {
        heap.free(block).unwrap();
    }
    assert_eq!(heap.walk(), fresh);
}

#[test]
fn an_initial_size_is_reserved_and_committed() {
    for initial in [1, 0x1000, 0x8000, 0x10000, 0x35000, 0x20_0000] {
        let heap = TestHeap::with(&Settings {
            initial,
            ..Settings::DEFAULT
        });
        let pages = initial.next_multiple_of(0x1000);
        let region = heap.walk()[0];
        assert_eq!(region.committed, pages.max(0x2000));
        let reserved = region.committed + region.uncommitted;
        assert_eq!(reserved, (pages + 0x10000).next_multiple_of(0x10000));
        heap.allocate(initial);
        assert!(heap.is_valid(0));
    }
}

#[test]
fn a_fixed_heap_is_reserved_in_steps_of_two_pages() {
    for most in [1, 0x2000, 0x3000, 0x40000, 0x4_0001] {
        let heap = TestHeap::shaped(Shape::Fixed(most));
        let region = heap.walk()[0];
        assert_eq!(
            region.committed + region.uncommitted,
            most.next_multiple_of(0x2000)
        );
    }
}
