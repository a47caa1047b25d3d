//! Toolhelp: how a walk's time grows.

use crate::clock::worked;
use ntheap::win32::*;
use std::time::Duration;

/// The least time of a walk over a heap's blocks, and how many there were.
fn walked(heap: HANDLE, walks: usize) -> (Duration, usize) {
    let walk = || {
        // SAFETY: numbers only.
        let mut entry: HEAPENTRY32 = unsafe { std::mem::zeroed() };
        entry.dwSize = size_of::<HEAPENTRY32>();
        let begin = worked();
        let mut count = 0;
        // SAFETY: the test's own structure and heap.
        unsafe {
            let mut more = Heap32First(&mut entry, 0, heap.addr());
            while more == TRUE {
                count += 1;
                more = Heap32Next(&mut entry);
            }
            assert_eq!(GetLastError(), ERROR_NO_MORE_FILES);
        }
        (worked() - begin, count)
    };
    (0..walks).map(|_| walk()).min().expect("walks")
}

/// The time of a call, in nanoseconds, for some blocks from one in the middle of a heap on.
fn time_in_the_middle(heap: HANDLE, block: *mut std::ffi::c_void) -> f64 {
    const CALLS: u32 = 300;
    // SAFETY: numbers only.
    let mut entry: HEAPENTRY32 = unsafe { std::mem::zeroed() };
    entry.dwSize = size_of::<HEAPENTRY32>();
    entry.th32HeapID = heap.addr();
    entry.dwAddress = block.addr();
    let begin = worked();
    let mut calls = 0;
    // SAFETY: the test's own structure and heap.
    while calls < CALLS && unsafe { Heap32Next(&mut entry) } == TRUE {
        calls += 1;
    }
    assert!(calls >= 100, "{calls} blocks behind the one in the middle");
    (worked() - begin).as_nanos() as f64 / f64::from(calls)
}

/// The time of a walk for a block, in nanoseconds, in a heap of so many. `size` says
/// how large the block of that number is, and `before` what the time was in a heap of
/// fewer: more than five times of that ends the test before it takes hours.
fn time_for_a_block(blocks: usize, walks: usize, size: fn(usize) -> usize, before: f64) -> f64 {
    // SAFETY: the heap is the test's own.
    let heap = unsafe { HeapCreate(0, 0, 0) };
    let mut middle = std::ptr::null_mut();
    for number in 0..blocks {
        // SAFETY: as above.
        let block = unsafe { HeapAlloc(heap, 0, size(number)) };
        assert!(!block.is_null());
        if number == blocks / 2 {
            middle = block;
        }
    }
    let times = (0..5).map(|_| time_in_the_middle(heap, middle));
    let least = times.fold(f64::INFINITY, f64::min);
    assert!(
        least < 5.0 * before,
        "{before:.0}, then {least:.0} ns a block"
    );
    let (time, count) = walked(heap, walks);
    assert!(count >= blocks, "{count} of {blocks}");
    // SAFETY: nobody uses the heap any more.
    assert_eq!(unsafe { HeapDestroy(heap) }, TRUE);
    time.as_nanos() as f64 / count as f64
}

/// In a heap of ten times as many blocks a walk that began anew for each would take ten
/// times as long for one. Five is for caches that no longer hold the tables, and for
/// what else the machine does.
#[test]
fn a_walk_takes_time_in_proportion_to_the_blocks() {
    // Blocks of regions, where each size is rare, and of buckets.
    let sizes: [fn(usize) -> usize; 2] = [|number| 24 + number % 1500 * 16, |_| 40];
    for (which, size) in sizes.into_iter().enumerate() {
        let mut before = time_for_a_block(1000, 20, size, f64::INFINITY);
        for (blocks, walks) in [(10_000, 3), (100_000, 2)] {
            let now = time_for_a_block(blocks, walks, size, before);
            println!("{which}, {blocks} blocks: {before:.0}, then {now:.0} ns a block");
            assert!(
                now < 5.0 * before,
                "{which}, {blocks} blocks: {before:.0}, then {now:.0} ns"
            );
            before = now;
        }
    }
}
