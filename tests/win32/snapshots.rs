//! The heap monitor in Rust: which blocks of GlobalAlloc, HeapAlloc and a C runtime's
//! appeared in which heap, by two snapshots.

use crate::support::{passes_alone, this_test};
use ntheap::win32::*;
use ntheap::{CrtHeap, HeapBlock, HeapChange, HeapSnapshot};
use std::alloc::{GlobalAlloc as _, Layout};

static RUNTIME: CrtHeap = CrtHeap::new("monitored");

fn block(heap: usize, address: *const u8, size: usize) -> (usize, usize, usize) {
    (heap, address.addr(), size)
}

fn told(block: &HeapBlock) -> (usize, usize, usize) {
    (block.heap, block.address, block.size)
}

/// What changed, and that it was all that did.
fn changes(before: &HeapSnapshot, after: &HeapSnapshot) -> Vec<HeapChange> {
    before.diff(after).collect()
}

#[test]
fn every_family_s_block_is_told_with_its_heap() {
    // Nobody else allocates there.
    passes_alone(
        this_test!(every_family_s_block_is_told_with_its_heap),
        || {
            let layout = Layout::from_size_align(5000, 16).unwrap();
            // SAFETY: each block is freed once, and used by its own address.
            unsafe {
                let process = GetProcessHeap();
                let runtime = RUNTIME.crt().heap().unwrap().address();
                let before = HeapSnapshot::take().unwrap();
                // A heap that appears as well.
                let own = HeapCreate(0, 0, 0);
                assert!(!own.is_null() && own.addr() != runtime && own != process);

                let fixed = GlobalAlloc(GMEM_FIXED, 2000);
                let moveable = GlobalAlloc(GMEM_MOVEABLE, 3000);
                let local = LocalAlloc(LMEM_FIXED, 3500);
                let data = GlobalLock(moveable);
                let in_process = HeapAlloc(process, 0, 4000);
                let in_own = HeapAlloc(own, 0, 4500);
                let by_runtime = RUNTIME.alloc(layout);
                let after = HeapSnapshot::take().unwrap();

                let mut expected = [
                    block(process.addr(), fixed.cast(), 2000),
                    block(process.addr(), data.cast(), 3000),
                    block(process.addr(), local.cast(), 3500),
                    block(process.addr(), in_process.cast(), 4000),
                    block(own.addr(), in_own.cast(), 4500),
                    block(runtime, by_runtime, 5000),
                ];
                expected.sort_unstable();
                let appeared = |changes: &[HeapChange]| -> Vec<_> {
                    let appeared = changes.iter().map(|change| match change {
                        HeapChange::Appeared(block) => told(block),
                        other => panic!("{other:?}"),
                    });
                    appeared.collect()
                };
                assert_eq!(appeared(&changes(&before, &after)), expected);

                // What is resized where it is is told as that.
                let resized = HeapReAlloc(process, HEAP_REALLOC_IN_PLACE_ONLY, in_process, 1000);
                assert_eq!(resized, in_process);
                let later = HeapSnapshot::take().unwrap();
                let found = changes(&after, &later);
                let [HeapChange::Resized { from, to }] = found[..] else {
                    panic!("{found:?}");
                };
                assert_eq!(told(&from), block(process.addr(), in_process.cast(), 4000));
                assert_eq!(told(&to), block(process.addr(), in_process.cast(), 1000));

                assert_eq!(GlobalUnlock(moveable), FALSE);
                assert!(GlobalFree(fixed).is_null() && GlobalFree(moveable).is_null());
                assert!(LocalFree(local).is_null());
                assert_eq!(HeapFree(process, 0, in_process), TRUE);
                RUNTIME.dealloc(by_runtime, layout);
                assert_eq!(HeapDestroy(own), TRUE);
                assert_eq!(changes(&before, &HeapSnapshot::take().unwrap()), []);
            }
        },
    );
}
