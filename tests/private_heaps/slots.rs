//! Threads in one bucket of a heap: each has a slot and subsegments of its own.

use super::heap::*;
use super::support::*;
use ntheap::heap::private;
use std::thread;
#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    not(ntheap_portable)
))]
use std::{
    collections::{HashMap, HashSet},
    sync::Barrier,
};

/// A heap with a bucket for 64 bytes.
fn awake() -> TestHeap {
    let heap = TestHeap::new();
    let blocks: Vec<usize> = (0..20).map(|_| heap.allocate(64)).collect();
    for block in blocks {
        heap.free(block).unwrap();
    }
    heap
}

/// The subsegments that some threads at once take blocks from, a set for each
/// thread, which frees its blocks in the end.
#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    not(ntheap_portable)
))]
fn subsegments(heap: &TestHeap, threads: usize) -> Vec<HashSet<usize>> {
    let all_there = Barrier::new(threads);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut bases = HashSet::new();
                    for _ in 0..3 {
                        all_there.wait();
                        // Pairs that meet, then some blocks at a time.
                        for _ in 0..2000 {
                            let block = heap.allocate(64);
                            bases.insert(private::region_of(block).unwrap().base);
                            heap.free(block).unwrap();
                        }
                        let blocks: Vec<usize> = (0..50).map(|_| heap.allocate(64)).collect();
                        for block in blocks {
                            bases.insert(private::region_of(block).unwrap().base);
                            heap.free(block).unwrap();
                        }
                    }
                    all_there.wait();
                    bases
                })
            })
            .collect();
        threads.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

#[test]
#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    not(ntheap_portable)
))]
fn threads_at_a_time_take_blocks_of_different_subsegments() {
    isolated(|| {
        // The main thread's number, too, is none of theirs.
        let heap = awake();
        let own = heap.allocate(64);
        let mains = private::region_of(own).unwrap().base;
        for threads in [2, 3, 7] {
            // As often as not in a heap that other threads were in before.
            for round in 0..10 {
                let fresh = awake();
                let heap = if round % 2 == 0 { &heap } else { &fresh };
                let mut whose = HashMap::new();
                for (nth, bases) in subsegments(heap, threads).into_iter().enumerate() {
                    assert!(!bases.is_empty() && !bases.contains(&mains));
                    for base in bases {
                        let first = *whose.entry(base).or_insert(nth);
                        assert_eq!(first, nth, "{threads} threads, round {round}");
                    }
                }
                assert!(heap.is_valid(0));
            }
        }
        heap.free(own).unwrap();
    });
}

#[test]
fn many_threads_come_and_go_and_lose_nothing() {
    isolated(|| {
        let heap = awake();
        for round in 0..if long() { 200 } else { 10 } {
            // Up to four times as many as there are slots.
            let threads = 1 + round * 7 % 64;
            let left: Vec<usize> = thread::scope(|scope| {
                let threads: Vec<_> = (0..threads)
                    .map(|seed| {
                        let heap = &heap;
                        scope.spawn(move || {
                            let mut random = Random::new(seed as u64);
                            let mut blocks = Vec::new();
                            for _ in 0..500 {
                                if random.below(2) == 0 || blocks.is_empty() {
                                    let block = heap.allocate(64);
                                    fill(block, 64, block >> 6);
                                    blocks.push(block);
                                } else {
                                    let block = blocks.swap_remove(random.below(blocks.len()));
                                    assert!(is_filled(block, 64, block >> 6));
                                    heap.free(block).unwrap();
                                }
                            }
                            blocks
                        })
                    })
                    .collect();
                threads
                    .into_iter()
                    .flat_map(|one| one.join().unwrap())
                    .collect()
            });
            assert!(heap.is_valid(0));
            assert_eq!(private::summary(heap.0).unwrap().blocks, left.len());
            for block in left {
                assert!(is_filled(block, 64, block >> 6));
                heap.free(block).unwrap();
            }
        }
        assert_eq!(private::summary(heap.0).unwrap().allocated, 0);
    });
}
