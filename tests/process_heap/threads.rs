//! Blocks that outlive the threads they were allocated by.

use super::handover::Handover;
use super::support::*;
use ntheap::stats;

/// The example's body, through an entrance of its own.
fn blocks_are_handed_from_thread_to_thread(face: Face) {
    let operations = if long() { 100_000_000 } else { 1_000_000 };
    let heap = Through(face);
    let mut handover = Handover::new(&heap);
    let began = std::time::Instant::now();
    let done = handover.run(operations);
    figure(&format!(
        "{} operations by {} threads, 64 at a time, {face:?}: {:.2} s, {} blocks of {} bytes alive",
        done.operations,
        done.threads,
        began.elapsed().as_secs_f64(),
        handover.blocks(),
        handover.usable()
    ));
    assert_eq!(stats().allocated, handover.usable());
    assert_eq!(stats().threads, 0, "threads that ended left their caches");
    let cached: u64 = stats().buckets.iter().map(|bucket| bucket.cached).sum();
    let live: u64 = stats().buckets.iter().map(|bucket| bucket.live).sum();
    assert_eq!(live, handover.blocks() as u64);
    handover.free();
    assert_eq!(stats().allocated, 0);
    println!("{cached} blocks were in depots");
}

each_face!(blocks_are_handed_from_thread_to_thread:
    plain = Plain, checked = Checked, global = Global);

/// What a thread's cache holds decides at the thread's end whether it is kept for the next
/// one: up to 4 MiB in all, of whatever classes.
fn caches_of_ended_threads_are_kept_up_to_four_megabytes(face: Face) {
    /// Has a thread free `count` blocks of each of `sizes`, and end.
    fn end_with(face: Face, sizes: &'static [usize], count: usize) {
        let work = move || {
            for layout in sizes.iter().map(|size| layout(*size, 16)) {
                let blocks: Vec<_> = (0..count).map(|_| face.allocate(layout)).collect();
                for block in blocks {
                    face.free(block, layout);
                }
            }
        };
        std::thread::spawn(work).join().unwrap();
    }
    /// Blocks of `size` bytes that caches and depots hold.
    fn cached(size: usize) -> u64 {
        let class = ntheap::heap::classes::class_for(size, 16).unwrap();
        let size = ntheap::heap::classes::size_of(class);
        let buckets = stats().buckets;
        buckets
            .iter()
            .filter(|bucket| bucket.size == size)
            .map(|bucket| bucket.cached)
            .sum()
    }
    // Where one thread is alone, its idle classes go back while it works.
    let one = layout(16, 8);
    face.free(face.allocate(one), one);
    const FEW: [usize; 4] = [16, 1008, 4 * KIB, 512 * KIB];
    end_with(face, &FEW, 1);
    for size in FEW {
        assert!(cached(size) > 0, "{size} bytes, {face:?}: kept");
    }
    // The next thread has the same cache: two magazines of twelve blocks of each of these
    // sizes, and of all of them 4.6 MiB.
    const MANY: [usize; 16] = {
        let mut sizes = [0; 16];
        let mut nth = 0;
        while nth < 16 {
            sizes[nth] = 8 * KIB + 512 * (nth + 1);
            nth += 1;
        }
        sizes
    };
    end_with(face, &MANY[..4], 24);
    for size in FEW {
        assert!(cached(size) > 0, "{size} bytes, {face:?}: kept");
    }
    for size in &MANY[..4] {
        assert!(cached(*size) >= 24, "{size} bytes, {face:?}: kept");
    }
    end_with(face, &MANY[4..], 24);
    for size in &FEW[1..] {
        assert_eq!(cached(*size), 0, "{size} bytes, {face:?}: given back");
    }
    // A magazine of a size may be in its depot, where other threads find it.
    for size in MANY {
        assert!(cached(size) <= 12, "{size} bytes, {face:?}: given back");
    }
    assert_eq!(stats().allocated, 0);
}

each_face!(caches_of_ended_threads_are_kept_up_to_four_megabytes:
    plain = Plain, checked = Checked, global = Global);

/// Threads of each shard shrink blocks, while all that is free is given back.
fn blocks_shrink_in_each_shard(face: Face) {
    const SIZES: [usize; 6] = [100, 500, 1000, 5000, 20_000, 200_000];
    const ROUNDS: usize = 20;
    let work = |seed: usize| {
        for round in 0..ROUNDS {
            let size = SIZES[(seed + round) % SIZES.len()];
            let whole = layout(size, 8);
            let held = |tag| super::workload::Held::new(face.allocate(whole), whole, tag);
            let mut blocks: Vec<_> = (0..200).map(held).collect();
            for to in [size / 7, 5] {
                assert!(blocks.iter_mut().all(|block| block.resize(face, to)));
            }
            blocks.into_iter().for_each(|block| block.free(face));
            face.purge();
        }
    };
    // More threads than this share the first one's shard, if few processors run them.
    std::thread::scope(|scope| {
        for seed in 0..4 {
            scope.spawn(move || work(seed));
        }
    });
    assert_eq!(stats().allocated, 0);
}

each_face!(blocks_shrink_in_each_shard:
    plain = Plain, checked = Checked, global = Global);
