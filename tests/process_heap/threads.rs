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
