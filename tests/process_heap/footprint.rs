//! What stays behind when a program has freed its memory, and what the system
//! has to keep track of. Linux: the figures come from /proc.
#![cfg(target_os = "linux")]

use super::support::*;
use std::sync::{Barrier, mpsc};
use std::time::{Duration, Instant};

/// What a process may occupy a second after it has freed everything.
const AIM: usize = 32 * MIB;

/// Allocates and touches `total` bytes of blocks of 16 bytes to 16 KiB, all
/// orders of magnitude alike, and shuffles them.
fn fill(face: Face, total: usize) -> Vec<Block> {
    let mut random = Random::new(1);
    // A capacity of its own mapping, so that nothing of it stays.
    let mut blocks = Vec::with_capacity(total / 1024);
    let mut bytes = 0;
    while bytes < total {
        let layout = layout(random.log_uniform(16, 16 * KIB), 8);
        let start = face.allocate(layout);
        assert!(!start.is_null());
        // SAFETY: a block just allocated.
        unsafe { start.write_bytes(1, layout.size()) };
        bytes += layout.size();
        blocks.push(Block { start, layout });
    }
    random.shuffle(&mut blocks);
    blocks
}

fn free_all(face: Face, blocks: Vec<Block>) {
    for block in &blocks {
        face.free(block.start, block.layout);
    }
}

/// Watches the process for a second, calling nothing of the heap's.
fn settle(what: &str, peak: usize) -> usize {
    let at_once = resident();
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(900) {
        std::thread::sleep(Duration::from_millis(50));
    }
    let left = resident();
    figure(&format!(
        "{what}: {} resident when full, {} when freed, {} a second later",
        mib(peak),
        mib(at_once),
        mib(left)
    ));
    assert!(peak > GIB, "the blocks were not touched");
    left
}

fn assert_little(left: usize) {
    assert!(left < AIM, "{} stay", mib(left));
}

fn a_gigabyte_freed_leaves_little(face: Face) {
    let blocks = fill(face, GIB);
    let peak = resident();
    free_all(face, blocks);
    assert_little(settle(
        &format!("1 GiB freed by its thread, {face:?}"),
        peak,
    ));
}

fn a_gigabyte_freed_by_another_thread_leaves_little(face: Face) {
    let (hand_over, take) = mpsc::channel();
    let (let_go, wait) = mpsc::channel::<()>();
    let owner = std::thread::spawn(move || {
        hand_over.send(fill(face, GIB)).unwrap();
        // Asleep, without a call, until the figures are taken.
        let _ = wait.recv();
    });
    let blocks: Vec<Block> = take.recv().unwrap();
    let peak = resident();
    free_all(face, blocks);
    let what = format!("1 GiB freed by another thread, its own asleep, {face:?}");
    let left = settle(&what, peak);
    drop(let_go);
    owner.join().unwrap();
    assert_little(left);
}

/// Threads that stop freeing before the heap comes under pressure keep what is
/// in their magazines, and each block keeps its subsegment: how much that is
/// gets printed. A purge takes all but one block of each size and thread.
fn a_gigabyte_exchanged_by_threads_can_be_purged(face: Face) {
    const THREADS: usize = 8;
    let (full, settled) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    let (left, purged, kept) = std::thread::scope(|scope| {
        let boxes: Vec<_> = (0..THREADS).map(|_| mpsc::channel()).collect();
        let (gives, takes): (Vec<_>, Vec<_>) = boxes.into_iter().unzip();
        for (number, take) in takes.into_iter().enumerate() {
            let give = gives[(number + 1) % THREADS].clone();
            let (full, settled) = (&full, &settled);
            scope.spawn(move || {
                give.send(fill(face, GIB / THREADS)).unwrap();
                full.wait();
                full.wait();
                free_all(face, take.recv().unwrap());
                settled.wait();
                // Asleep, with what is in the cache, until the figures are
                // taken.
                settled.wait();
            });
        }
        full.wait();
        let peak = resident();
        full.wait();
        settled.wait();
        let what = format!("1 GiB exchanged and freed by {THREADS} threads, all asleep, {face:?}");
        let left = settle(&what, peak);
        face.purge();
        let now = ntheap::stats();
        let kept: u64 = now.buckets.iter().map(|bucket| bucket.cached).sum();
        let purged = resident();
        figure(&format!(
            "after a purge: {}, {kept} blocks cached",
            mib(purged)
        ));
        settled.wait();
        (left, purged, kept)
    });
    assert!(purged < left, "{} of {} stay", mib(purged), mib(left));
    let most = THREADS * (ntheap::BUCKETS - 1);
    assert!(kept as usize <= most, "{kept} blocks stay in caches");
}

each_face!(a_gigabyte_exchanged_by_threads_can_be_purged: plain = Plain, checked = Checked);
each_face!(a_gigabyte_freed_leaves_little: plain = Plain, checked = Checked);
each_face!(a_gigabyte_freed_by_another_thread_leaves_little: plain = Plain, checked = Checked);

/// Large regions kept for reuse are given up when what they were kept for is
/// gone.
fn large_blocks_freed_leave_little(face: Face) {
    let touched = |size: usize| {
        let layout = layout(size, 8);
        let start = face.allocate(layout);
        assert!(!start.is_null());
        // SAFETY: a block just allocated.
        unsafe { start.write_bytes(1, size) };
        Block { start, layout }
    };
    let small: Vec<Block> = (0..25).map(|_| touched(4 * MIB)).collect();
    let large = touched(400 * MIB);
    free_all(face, small);
    let kept = resident();
    let shrunk = face.reallocate(large.start, large.layout, 20 * MIB);
    assert!(!shrunk.is_null());
    let when_shrunk = resident();
    let grown = face.reallocate(shrunk, layout(20 * MIB, 8), 300 * MIB);
    face.free(grown, layout(300 * MIB, 8));
    let left = resident();
    figure(&format!(
        "25 blocks of 4 MiB freed, one of 400 MiB left, {face:?}: {} resident; {} when it has \
         shrunk to 20 MiB, {} when it is freed",
        mib(kept),
        mib(when_shrunk),
        mib(left)
    ));
    assert!(when_shrunk < 20 * MIB + AIM);
    assert!(left < AIM);
}

each_face!(large_blocks_freed_leave_little: plain = Plain, checked = Checked);

/// Allocates 16 GiB without touching them, frees a random half in random
/// order, then the rest; returns the most mappings seen at a hundred points.
fn most_mappings(face: Face, sizes: impl Fn(&mut Random) -> usize) -> (usize, usize) {
    const TOTAL: usize = 16 * GIB;
    let mut random = Random::new(2);
    let mut most = mappings();
    let mut blocks = Vec::new();
    let mut bytes = 0;
    while bytes < TOTAL {
        let layout = layout(sizes(&mut random), 16);
        let start = face.allocate(layout);
        assert!(!start.is_null(), "no address space for 16 GiB");
        if bytes * 33 / TOTAL != (bytes + layout.size()) * 33 / TOTAL {
            most = most.max(mappings());
        }
        bytes += layout.size();
        blocks.push(Block { start, layout });
    }
    let count = blocks.len();
    random.shuffle(&mut blocks);
    for (index, block) in blocks.into_iter().enumerate() {
        face.free(block.start, block.layout);
        if index % (count / 67).max(1) == 0 {
            most = most.max(mappings());
        }
    }
    (most.max(mappings()), count)
}

fn keeps_mappings_few(what: &str, face: Face, sizes: impl Fn(&mut Random) -> usize) {
    let before = mappings();
    let (most, blocks) = most_mappings(face, sizes);
    figure(&format!(
        "16 GiB of {what} freed at random, {face:?}: {blocks} blocks, at most {most} mappings \
         ({before} before)"
    ));
    assert!(most < 2000, "{most} mappings");
}

fn sixteen_gigabytes_of_runs_are_few_mappings(face: Face) {
    keeps_mappings_few("64 KiB to 1 MiB", face, |random| {
        64 * KIB + random.below(960 * KIB + 1)
    });
}

fn sixteen_gigabytes_of_large_blocks_are_few_mappings(face: Face) {
    keeps_mappings_few("3 MiB", face, |_| 3 * MIB);
}

each_face!(sixteen_gigabytes_of_runs_are_few_mappings: plain = Plain, checked = Checked);
each_face!(sixteen_gigabytes_of_large_blocks_are_few_mappings: plain = Plain);
