//! HeapSnapshot: what two of them differ by.

use ntheap::{Heap, HeapBlock, HeapChange, HeapSnapshot};
use std::alloc::Layout;
use std::collections::BTreeSet;
use std::ptr::NonNull;

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 16).unwrap()
}

/// What changed in one heap.
fn changes(heap: &Heap, before: &HeapSnapshot, after: &HeapSnapshot) -> Vec<HeapChange> {
    let own = |block: &HeapBlock| block.heap == heap.handle();
    before
        .diff(after)
        .filter(|change| match change {
            HeapChange::Appeared(block) | HeapChange::Vanished(block) => own(block),
            HeapChange::Resized { to, .. } => own(to),
            _ => false,
        })
        .collect()
}

#[test]
fn a_difference_is_what_was_done_in_between() {
    let heap = Heap::new().unwrap();
    let address = |block: &NonNull<u8>| block.addr().get();
    // Of all kinds: cold, of a size that becomes hot, large.
    let mut blocks: Vec<(NonNull<u8>, usize)> = Vec::new();
    for nth in 0..200 {
        let size = [40, 40, 40, 3000, 0x20_0000][nth % 5];
        blocks.push((heap.alloc(layout(size)).unwrap(), size));
    }
    let before = HeapSnapshot::take().unwrap();
    let known: BTreeSet<(usize, usize)> = before
        .blocks()
        .iter()
        .filter(|block| block.heap == heap.handle())
        .map(|block| (block.address, block.size))
        .collect();
    let expected = blocks.iter().map(|(block, size)| (address(block), *size));
    assert_eq!(known, expected.collect());
    assert_eq!(changes(&heap, &before, &before), []);

    let (freed, size) = blocks.swap_remove(17);
    // SAFETY: a block of the heap, which nobody uses any more.
    unsafe { heap.free(freed).unwrap() };
    let new = heap.alloc(layout(77_777)).unwrap();
    let after = HeapSnapshot::take().unwrap();
    let mut found = Vec::new();
    for change in changes(&heap, &before, &after) {
        found.push(match change {
            HeapChange::Appeared(block) => (true, block.address, block.size),
            HeapChange::Vanished(block) => (false, block.address, block.size),
            other => panic!("{other:?}"),
        });
    }
    found.sort_unstable();
    let mut expected = vec![
        (true, address(&new), 77_777),
        (false, address(&freed), size),
    ];
    expected.sort_unstable();
    assert_eq!(found, expected);
    // And the other way round.
    assert_eq!(changes(&heap, &after, &before).len(), 2);
}

/// Ends what waits for it, when the test fails as well.
struct Stop<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn heaps_come_and_go_meanwhile() {
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let heap = Heap::new().unwrap();
                    for size in 1..100 {
                        let block = heap.alloc(layout(size * 7)).unwrap();
                        if size % 3 == 0 {
                            // SAFETY: a block of the heap, which nobody uses.
                            unsafe { heap.free(block).unwrap() };
                        }
                    }
                }
            });
        }
        let _stop = Stop(&stop);
        for _ in 0..200 {
            let before = HeapSnapshot::take().unwrap();
            let after = HeapSnapshot::take().unwrap();
            let is_sorted = |blocks: &[HeapBlock]| blocks.is_sorted();
            assert!(is_sorted(before.blocks()) && is_sorted(after.blocks()));
            let appeared = before
                .diff(&after)
                .filter(|change| matches!(change, HeapChange::Appeared(_)))
                .count();
            let vanished = before
                .diff(&after)
                .filter(|change| matches!(change, HeapChange::Vanished(_)))
                .count();
            assert_eq!(
                before.blocks().len() + appeared,
                after.blocks().len() + vanished
            );
        }
    });
}

/// Whatever comes and goes in a bucket, what lies in others, and behind them, is seen.
#[test]
fn no_block_is_missed_while_subsegments_come_and_go() {
    const SMALL: usize = 48;
    let heap = Heap::new().unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    // Of sizes on both sides of the one that others use meanwhile, in buckets and not.
    let sizes = [24, 1000, 5000, 0x4_0000, 0x20_0000];
    let blocks: BTreeSet<usize> = (0..500)
        .map(|nth| {
            heap.alloc(layout(sizes[nth % sizes.len()]))
                .unwrap()
                .addr()
                .get()
        })
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let all: Vec<_> = (0..4000)
                        .map(|_| heap.alloc(layout(SMALL)).unwrap())
                        .collect();
                    for block in all {
                        // SAFETY: a block of the heap, which nobody uses any more.
                        unsafe { heap.free(block).unwrap() };
                    }
                }
            });
        }
        let _stop = Stop(&stop);
        let (mut most, mut least) = (0, usize::MAX);
        for round in 0..100 {
            let snapshot = HeapSnapshot::take().unwrap();
            let own = snapshot.blocks().iter();
            let own = own.filter(|block| block.heap == heap.handle());
            let (passing, kept): (Vec<&HeapBlock>, Vec<&HeapBlock>) =
                own.partition(|block| block.size == SMALL);
            let kept: BTreeSet<usize> = kept.iter().map(|block| block.address).collect();
            assert_eq!(kept, blocks, "round {round}");
            most = most.max(passing.len());
            least = least.min(passing.len());
        }
        // They did come and go, by many subsegments.
        assert!(most > least + 2000, "{least} to {most}");
    });
}

#[test]
fn a_locked_heap_is_not_waited_for() {
    let heap = Heap::new().unwrap();
    let block = heap.alloc(layout(5000)).unwrap();
    let _guard = heap.lock();
    let seen = std::thread::scope(|scope| {
        let taken = scope.spawn(|| HeapSnapshot::take().unwrap());
        taken.join().unwrap()
    });
    let address = block.addr().get();
    assert!(seen.blocks().iter().any(|block| block.address == address));
}
