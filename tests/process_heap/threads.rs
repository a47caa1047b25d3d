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
    /// Has a thread free a block of each of `sizes`, and end.
    fn end_with(face: Face, sizes: &'static [usize]) {
        let work = move || {
            let blocks: Vec<_> = sizes.iter().map(|size| layout(*size, 16)).collect();
            let blocks = blocks
                .into_iter()
                .map(|layout| (face.allocate(layout), layout));
            for (block, layout) in blocks.collect::<Vec<_>>() {
                face.free(block, layout);
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
    const FEW: [usize; 4] = [16, 1008, 4 * KIB, 512 * KIB];
    end_with(face, &FEW);
    for size in FEW {
        assert!(cached(size) > 0, "{size} bytes, {face:?}: kept");
    }
    // The next thread has the same cache.
    const MANY: [usize; 8] = [
        320 * KIB,
        384 * KIB,
        448 * KIB,
        512 * KIB,
        640 * KIB,
        768 * KIB,
        896 * KIB,
        1024 * KIB,
    ];
    end_with(face, &MANY[..4]);
    for size in FEW.into_iter().chain(MANY[..4].iter().copied()) {
        assert!(cached(size) > 0, "{size} bytes, {face:?}: kept");
    }
    end_with(face, &MANY);
    for size in FEW.into_iter().chain(MANY) {
        assert_eq!(cached(size), 0, "{size} bytes, {face:?}: given back");
    }
    assert_eq!(stats().allocated, 0);
}

each_face!(caches_of_ended_threads_are_kept_up_to_four_megabytes:
    plain = Plain, checked = Checked, global = Global);
