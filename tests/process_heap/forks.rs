//! Forks of a program whose threads are at work: each child has a heap at
//! rest, in which nothing that was free is lost.
#![cfg(unix)]

use super::support::*;
use super::workload::Load;
use ntheap::stats;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const WORKERS: u64 = 16;

/// Allocates and frees on every route until told to stop.
fn work(face: Face, number: u64, stop: &AtomicBool) {
    let mut random = Random::new(number);
    let mut blocks: Vec<Block> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        if blocks.len() < 200 || (random.below(2) == 0 && blocks.len() < 600) {
            let size = match random.below(100) {
                0 => MIB + random.below(MIB),
                1..4 => random.log_uniform(16 * KIB, MIB),
                _ => random.log_uniform(1, 8 * KIB),
            };
            let layout = layout(size, 8);
            let start = face.allocate(layout);
            assert!(!start.is_null());
            blocks.push(Block { start, layout });
        } else {
            let block = blocks.swap_remove(random.below(blocks.len()));
            face.free(block.start, block.layout);
        }
        // Not all at once, so that the children have a turn.
        if random.below(2000) == 0 {
            std::thread::sleep(Duration::from_millis(3));
        }
        // Some are born and end all the time, one asks the others for what
        // they have.
        if number < 4 && random.below(1000) == 0 {
            let end = blocks.split_off(blocks.len() / 2);
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    let block = face.allocate(layout(100, 8));
                    face.free(block, layout(100, 8));
                    for block in end {
                        face.free(block.start, block.layout);
                    }
                });
            });
        } else if number == 4 && random.below(2000) == 0 {
            face.purge();
        }
    }
    for block in blocks {
        face.free(block.start, block.layout);
    }
}

/// What must hold in every child.
fn child(face: Face, thoroughly: bool) -> u8 {
    let before = stats();
    assert!(before.threads <= 1, "{} threads", before.threads);
    let mut sum = before.large_bytes;
    for bucket in &before.buckets {
        assert!(bucket.live + bucket.cached <= bucket.blocks, "{bucket:?}");
        sum += bucket.live as usize * bucket.size;
    }
    assert_eq!(before.allocated, sum);
    let mut load = Load::new(face, 17);
    if thoroughly {
        load.run(true);
    } else {
        load.run_briefly();
    }
    assert_eq!(load.refused, 0);
    assert_eq!(stats().allocated, before.allocated);
    face.purge();
    let after = stats();
    assert_eq!(after.allocated, before.allocated);
    assert!(after.buckets.iter().all(|bucket| bucket.cached == 0));
    0
}

fn children_of_a_working_program_have_a_whole_heap(face: Face) {
    let forks = if long() { 2000 } else { 50 };
    let stop = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in 0..WORKERS {
            scope.spawn(move || work(face, number, stop));
        }
        for number in 0..forks {
            // The forking thread's own cache is in all states too.
            let block = face.allocate(layout(100 + number, 8));
            let answer = in_fork(|| child(face, number % 10 == 0));
            assert_eq!(answer, 0, "fork {number}");
            face.free(block, layout(100 + number, 8));
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(stats().allocated, 0);
    figure(&format!(
        "{forks} forks among {WORKERS} threads at work, {face:?}"
    ));
}

each_face!(children_of_a_working_program_have_a_whole_heap:
    plain = Plain, checked = Checked);

/// A fork of a fork, and of one that was the first to use the heap.
fn forks_of_forks(face: Face) {
    fn deeper(face: Face, left: u8) -> u8 {
        let mut load = Load::new(face, u64::from(left));
        load.run(true);
        assert_eq!((load.refused, stats().allocated), (0, 0));
        if left == 0 {
            return 0;
        }
        let block = face.allocate(layout(1000, 8));
        assert_eq!(in_fork(|| deeper_but_for_one(face, left - 1)), 0);
        face.free(block, layout(1000, 8));
        0
    }
    // The parent's block is alive in its child, and nobody's there.
    fn deeper_but_for_one(face: Face, left: u8) -> u8 {
        let class = ntheap::heap::classes::class_of(1000);
        let live = stats().buckets[class].live;
        assert_eq!(live, 1);
        let mut load = Load::new(face, u64::from(left));
        load.run(true);
        assert_eq!(stats().buckets[class].live, 1);
        in_fork(|| {
            assert_eq!(stats().buckets[class].live, 1);
            0
        })
    }
    assert_eq!(in_fork(|| deeper(face, 1)), 0);
    assert_eq!(deeper(face, 1), 0);
}

each_face!(forks_of_forks: plain = Plain, checked = Checked);
