//! Buckets: when they wake, what is seen of them, and whom they keep waiting.

use super::heap::*;
use super::support::*;
use ntheap::heap::private::{self, Buckets, EntryKind, Error, Settings, Shape, flags};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

fn in_buckets(heap: &TestHeap) -> usize {
    let is_in = |kind| matches!(kind, EntryKind::BucketBusy | EntryKind::BucketFree);
    heap.walk().iter().filter(|entry| is_in(entry.kind)).count()
}

fn compatibility(heap: &TestHeap) -> u32 {
    private::compatibility(heap.0).unwrap()
}

fn allocate_and_free(heap: &TestHeap, count: usize, size: usize) {
    let blocks: Vec<usize> = (0..count).map(|_| heap.allocate(size)).collect();
    for block in blocks {
        heap.free(block).unwrap();
    }
}

/// A heap in which the bucket of a size has woken.
fn awake(size: usize) -> TestHeap {
    let heap = TestHeap::new();
    allocate_and_free(&heap, 20, size);
    let block = heap.allocate(size);
    heap.free(block).unwrap();
    assert!(in_buckets(&heap) > 0);
    heap
}

#[test]
fn eighteen_blocks_of_a_size_give_a_heap_buckets() {
    for size in [0, 40, 1000, 10_000] {
        let heap = TestHeap::new();
        assert_eq!(compatibility(&heap), 0);
        allocate_and_free(&heap, 17, size);
        // Only blocks that are out at a time count.
        allocate_and_free(&heap, 17, size);
        assert_eq!(compatibility(&heap), 0);
        allocate_and_free(&heap, 18, size);
        assert_eq!(compatibility(&heap), 2);
    }
}

#[test]
fn blocks_in_all_wake_a_bucket_however_few_are_out() {
    let heap = TestHeap::new();
    for _ in 0..7 * 587 {
        allocate_and_free(&heap, 1, 40);
    }
    assert_eq!(compatibility(&heap), 0);
    allocate_and_free(&heap, 1, 40);
    assert_eq!(compatibility(&heap), 2);
    // The first to be hot only says that the heap has buckets now.
    assert_eq!(in_buckets(&heap), 0);
    allocate_and_free(&heap, 1, 40);
    assert!(in_buckets(&heap) > 0);
    assert_eq!(compatibility(&heap), 2);
}

#[test]
fn the_bucket_serves_from_the_eighteenth_on_where_there_are_some() {
    let heap = TestHeap::new();
    private::set_compatibility(heap.0, 2).unwrap();
    let fresh = heap.walk();
    allocate_and_free(&heap, 17, 40);
    assert_eq!(heap.walk(), fresh);
    allocate_and_free(&heap, 18, 40);
    let walk = heap.walk();
    assert!(walk.len() > 24);
    // The region, its one free block, the bucket's, what is not committed, and
    // last the subsegment.
    let [first, second, blocks @ .., rest, subsegment] = &walk[..] else {
        panic!("{walk:?}")
    };
    assert_eq!([*first, *second, *rest], fresh[..]);
    assert_eq!(subsegment.kind, EntryKind::BucketRegion);
    for entry in blocks {
        assert_ne!(entry.data, subsegment.data);
        assert_eq!(entry.kind, EntryKind::BucketFree);
        assert_eq!(entry.kind.flags(), 0);
        assert_eq!((entry.size, entry.overhead), (0x20, 0x10));
    }
    let block = heap.allocate(0x28);
    let busy: Vec<_> = heap
        .walk()
        .into_iter()
        .filter(|entry| entry.kind == EntryKind::BucketBusy)
        .collect();
    let [entry] = busy[..] else {
        panic!("{busy:?}")
    };
    assert_eq!((entry.data, entry.size, entry.overhead), (block, 0x28, 8));
    assert_eq!(entry.kind.flags(), EntryKind::BUSY);
}

#[test]
fn in_a_fresh_heap_the_eighteenth_makes_buckets_and_the_nineteenth_is_in_one() {
    let heap = TestHeap::new();
    let blocks: Vec<usize> = (0..19).map(|_| heap.allocate(0xf0)).collect();
    for pair in blocks[..18].windows(2) {
        assert_eq!(pair[1] - pair[0], 0x100);
    }
    let is_in_region = |block: usize| private::region_of(block).unwrap().base == heap.base();
    assert!(is_in_region(blocks[17]) && !is_in_region(blocks[18]));
}

#[test]
fn what_a_heap_says_of_its_buckets_cannot_be_taken_back() {
    let heap = TestHeap::new();
    assert_eq!(
        private::set_compatibility(heap.0, 1),
        Err(Error::InvalidParameter)
    );
    private::set_compatibility(heap.0, 2).unwrap();
    private::set_compatibility(heap.0, 2).unwrap();
    for value in [0, 1] {
        assert_eq!(
            private::set_compatibility(heap.0, value),
            Err(Error::HasBuckets)
        );
    }
    assert_eq!(compatibility(&heap), 2);
    for heap in [
        TestHeap::flagged(flags::NO_SERIALIZE),
        TestHeap::shaped(Shape::Fixed(0x40000)),
    ] {
        assert_eq!(
            private::set_compatibility(heap.0, 2),
            Err(Error::InvalidParameter)
        );
        allocate_and_free(&heap, 30, 40);
        allocate_and_free(&heap, 30, 40);
        assert_eq!((compatibility(&heap), in_buckets(&heap)), (0, 0));
    }
    let local = TestHeap::with(&Settings {
        flags: flags::NO_SERIALIZE,
        buckets: Buckets::Always,
        ..Settings::DEFAULT
    });
    allocate_and_free(&local, 30, 40);
    assert_eq!(compatibility(&local), 2);
    assert!(in_buckets(&local) > 0);
}

#[test]
fn every_size_of_a_bucket_is_kept_exactly() {
    for base in [1, 100, 1000, 1030, 5000, 16_000] {
        let heap = awake(base);
        let mut blocks = Vec::new();
        for size in base.saturating_sub(30)..base + 40 {
            for _ in 0..20 {
                let block = heap.allocate(size);
                fill(block, size, block);
                blocks.push((block, size));
            }
        }
        assert!(heap.is_valid(0));
        for (block, size) in &blocks {
            assert_eq!(heap.size(*block), Ok(*size));
            assert!(is_filled(*block, *size, *block) && heap.is_valid(*block));
        }
        let sum = blocks.iter().map(|(_, size)| size).sum::<usize>();
        let summary = private::summary(heap.0).unwrap();
        assert_eq!((summary.blocks, summary.allocated), (blocks.len(), sum));
        for (block, _) in blocks {
            heap.free(block).unwrap();
            // Its subsegment may be gone by now.
            let again = heap.free(block).unwrap_err();
            assert!(matches!(again, Error::AlreadyFree | Error::NotABlock));
        }
        assert!(heap.is_valid(0));
        assert_eq!(private::summary(heap.0).unwrap().allocated, 0);
    }
}

#[test]
fn bad_addresses_in_a_bucket_are_told() {
    let (heap, other) = (awake(100), TestHeap::new());
    let block = heap.allocate(100);
    assert!(in_buckets(&heap) > 0 && private::region_of(block).unwrap().base != heap.base());
    for inner in [1, 8, 16, 111] {
        assert_eq!(heap.free(block + inner), Err(Error::NotABlock));
        assert!(!heap.is_valid(block + inner));
    }
    assert_eq!(other.free(block), Err(Error::OtherHeap));
    assert_eq!(private::owner_of(block + 50), Some(heap.0));
    heap.free(block).unwrap();
    assert_eq!(heap.free(block), Err(Error::AlreadyFree));
    assert_eq!(heap.size(block), Err(Error::AlreadyFree));
    assert!(!heap.is_valid(block));
}

#[test]
fn malloc_and_a_bucket_do_not_take_each_others_blocks() {
    isolated(|| {
        static SEEN: AtomicUsize = AtomicUsize::new(0);
        fn note(report: &ntheap::Report<'_>) {
            assert_eq!(report.stop, ntheap::Stop::SwitchedHeapHandle);
            assert_eq!((report.heap, report.owner), ("process heap", Some("")));
            SEEN.fetch_add(1, Ordering::Relaxed);
        }
        // SAFETY: set before any thread is made.
        unsafe { std::env::set_var("NTHEAP_ON_CORRUPTION", "continue") };
        ntheap::set_hook(Some(note));
        let heap = awake(100);
        let (hot, cold, large) = (
            heap.allocate(100),
            heap.allocate(300),
            heap.allocate(2 << 20),
        );
        for (nth, block) in [hot, cold, large].into_iter().enumerate() {
            Face::Checked.free(pointer(block), layout(100, 16));
            assert_eq!(SEEN.load(Ordering::Relaxed), nth + 1);
            assert!(heap.is_valid(block));
        }
        let process = private::Handle::process().unwrap();
        let mallocs = Face::Checked.allocate(layout(100, 16));
        assert_eq!(
            heap.free(mallocs.expose_provenance()),
            Err(Error::OtherHeap)
        );
        assert_eq!(private::size_of(process, 0, mallocs), Ok(112));
        assert!(private::validate(process, 0, mallocs));
        // SAFETY: the block is the test's, and given up once.
        unsafe {
            let grown = private::reallocate(process, 0, mallocs, 5000).unwrap();
            assert_eq!(private::size_of(process, 0, grown.as_ptr()), Ok(5000));
            private::free(process, 0, grown.as_ptr()).unwrap();
            let second = Face::Checked.allocate(layout(100, 16));
            private::free(process, 0, second).unwrap();
        }
        assert_eq!(ntheap::stats().allocated, 100 + 300 + (2 << 20) + 12);
    });
}

#[test]
fn a_locked_heap_serves_hot_sizes() {
    let heap = awake(40);
    let block = heap.allocate(40);
    private::lock(heap.0).unwrap();
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            heap.free(block).unwrap();
            heap.allocate(40)
        });
        for _ in 0..200 {
            if other.is_finished() {
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        assert!(other.is_finished(), "a hot size waits for the lock");
        // Other sizes wait.
        let waiting = scope.spawn(|| heap.allocate(500));
        thread::sleep(Duration::from_millis(50));
        assert!(!waiting.is_finished());
        private::unlock(heap.0).unwrap();
    });
}

#[test]
fn blocks_of_a_bucket_move_as_windows_has_it() {
    let heap = awake(40);
    let block = heap.allocate(40);
    fill(block, 40, 1);
    for size in [40, 41, 10] {
        assert_eq!(heap.in_place(block, size), Err(Error::NotInPlace));
    }
    let block = heap.reallocate(0, block, 45).unwrap();
    assert_eq!(heap.size(block), Ok(45));
    let moved = heap.reallocate(0, block, 20_000).unwrap();
    assert!(is_filled(moved, 40, 1) && heap.size(moved) == Ok(20_000));
    let back = heap.reallocate(0, moved, 40).unwrap();
    assert!(is_filled(back, 40, 1) && heap.is_valid(0));
    let own = TestHeap::with(&Settings {
        buckets: Buckets::Always,
        ..Settings::DEFAULT
    });
    allocate_and_free(&own, 20, 40);
    let block = own.allocate(40);
    assert_eq!(own.in_place(block, 48), Ok(block));
    assert_eq!(own.size(block), Ok(48));
    assert_eq!(own.in_place(block, 49), Err(Error::NotInPlace));
}

#[test]
fn subsegments_go_back_when_nothing_is_in_them() {
    isolated(|| {
        let heap = awake(64);
        let before = ntheap::stats();
        let mut blocks: Vec<usize> = (0..200_000).map(|_| heap.allocate(64)).collect();
        let full = ntheap::stats();
        assert_eq!(full.allocated - before.allocated, 200_000 * 64);
        assert!(full.active - before.active >= 200_000 * 64);
        Random::new(1).shuffle(&mut blocks);
        for block in blocks {
            heap.free(block).unwrap();
        }
        let after = ntheap::stats();
        assert_eq!(after.allocated, before.allocated);
        assert!(
            after.active < before.active + (4 << 20),
            "{}",
            mib(after.active)
        );
        private::compact(heap.0, 0).unwrap();
        assert_eq!(in_buckets(&heap), 0);
        let least = private::summary(heap.0).unwrap();
        assert_eq!((least.committed, least.reserved), (0x2000, 0x10000));
        assert!(heap.is_valid(0));
    });
}

#[test]
fn a_limit_holds_with_buckets() {
    let limit = 1 << 20;
    let heap = TestHeap::shaped(Shape::Limited(limit));
    let mut blocks = Vec::new();
    while let Ok(block) = heap.try_allocate(0, 64) {
        blocks.push(block);
        assert!(blocks.len() * 64 < limit);
    }
    assert!(blocks.len() * 64 > limit / 2, "{}", blocks.len());
    assert!(private::summary(heap.0).unwrap().committed <= limit);
    for block in blocks {
        heap.free(block).unwrap();
    }
    assert!(heap.is_valid(0) && heap.try_allocate(0, 64).is_ok());
}

#[test]
fn figures_are_exact_and_nothing_is_left_of_a_destroyed_heap() {
    isolated(|| {
        drop(TestHeap::new());
        private::handles(&mut []);
        let before = ntheap::stats();
        let heap = TestHeap::new();
        let mut expected = 0;
        for (size, count) in [
            (64, 10_000),
            (100, 500),
            (3000, 300),
            (70_000, 50),
            (2 << 20, 3),
        ] {
            for nth in 0..count {
                let block = heap.allocate(size);
                // The first size's eighteenth only makes the buckets.
                let in_bucket = size <= 16384 && nth >= 17 + usize::from(size == 64);
                expected += match size {
                    100 if in_bucket => 112,
                    3000 if in_bucket => 3072,
                    _ => size,
                };
                bytes(block, size.min(64)).fill(1);
            }
        }
        let full = ntheap::stats();
        assert_eq!(full.allocated - before.allocated, expected);
        assert_eq!(full.large_blocks - before.large_blocks, 3);
        drop(heap);
        let after = ntheap::stats();
        assert_eq!(after.allocated, before.allocated);
        assert_eq!(after.active, before.active);
        assert_eq!(after.large_bytes, before.large_bytes);
    });
}
