//! A million live blocks, and frees whose time does not grow with them.

use crate::clock::worked;
use crate::support::{Numbers, free, normal, own_heap, reported};
use ntheap::crt::debug::DebugHeap;
use std::time::Duration;

/// The shortest time of several in which `count` blocks come and go.
fn pairs(heap: &'static DebugHeap, count: usize) -> Duration {
    (0..9)
        .map(|_| {
            let start = worked();
            for _ in 0..count {
                let block = normal(heap, 32, 1);
                free(heap, block);
            }
            worked() - start
        })
        .min()
        .expect("several")
}

#[test]
fn a_million_blocks_live_and_go_in_any_order() {
    own_heap!(HEAP);
    const MILLION: usize = 1_000_000;
    let empty = pairs(&HEAP, 1000);
    let mut blocks: Vec<*mut u8> = (0..MILLION)
        .map(|line| normal(&HEAP, line % 64, line as i32))
        .collect();
    let state = HEAP.checkpoint();
    assert_eq!(state.counts[1], MILLION);
    let (is_sound, reports) = reported(|| HEAP.check());
    assert!(is_sound, "{reports:?}");
    // Were they searched for, it would take ten thousand times as long.
    let full = pairs(&HEAP, 1000);
    assert!(
        full < 50 * empty,
        "{empty:?} when empty, {full:?} with a million"
    );
    // Near ones first, which spares the test the processor's caches.
    let mut numbers = Numbers(0x1_0000_0001);
    for index in (1..blocks.len()).rev() {
        blocks.swap(index, index - numbers.below(index.min(1000)));
    }
    let middle = HEAP.block_at(blocks[MILLION / 2]).expect("a block");
    assert_eq!(middle.size, middle.origin.line() as usize % 64);
    let ((), reports) = reported(|| {
        for block in blocks {
            free(&HEAP, block);
        }
    });
    assert_eq!(reports, []);
    assert_eq!(HEAP.checkpoint().counts, [0; 5]);
    assert_eq!(HEAP.checkpoint().sizes, [0; 5]);
}
