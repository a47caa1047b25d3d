//! Every call into the system refused in turn.

use crate::support::{alone, at, reported};
use ntheap::crt::debug::DebugHeap;
use ntheap::crt::debug::aligned::Alignment;
use ntheap::crt::debug::kind::NORMAL_BLOCK;
use ntheap::crt::{Crt, errno};
use ntheap::sys::fault;

/// A load on a debug heap of its own; how often it was refused.
fn load() -> usize {
    let runtime: &'static Crt = Box::leak(Box::new(Crt::private("refused")));
    let heap: &'static DebugHeap = Box::leak(Box::new(DebugHeap::on(runtime)));
    let mut refused = 0;
    let mut blocks: Vec<*mut u8> = Vec::new();
    let mut count = |block: *mut u8, blocks: &mut Vec<*mut u8>| {
        if block.is_null() {
            assert_eq!(errno::get(), errno::ENOMEM);
            refused += 1;
        } else {
            blocks.push(block);
        }
    };
    // Enough blocks for a second segment of records.
    for size in (0..1500)
        .map(|at| at % 70)
        .chain([100_000, 2_000_000, 5_000_000])
    {
        errno::set(0);
        count(heap.allocate(size, NORMAL_BLOCK, at(1)), &mut blocks);
    }
    for index in (0..blocks.len()).step_by(40) {
        let old = heap.block_at(blocks[index]).expect("a block").size;
        errno::set(0);
        // SAFETY: the old address is used no more if this succeeds.
        let new = unsafe { heap.reallocate(blocks[index], old + 60_000, NORMAL_BLOCK, at(2)) };
        if new.is_null() {
            count(new, &mut blocks);
            assert_eq!(heap.size_of(blocks[index], NORMAL_BLOCK), Some(old));
        } else {
            blocks[index] = new;
        }
    }
    let alignment = Alignment::new(4096, 0, 10).expect("an alignment");
    errno::set(0);
    let aligned = heap.allocate_aligned(10, alignment, at(3));
    if aligned.is_null() {
        count(aligned, &mut blocks);
    } else {
        // SAFETY: the block is used no more.
        unsafe { heap.free_aligned(aligned) };
    }
    assert!(heap.check());
    assert_eq!(heap.checkpoint().counts, [0, blocks.len(), 0, 0, 0]);
    for block in blocks {
        // SAFETY: the block is used no more.
        unsafe { heap.free(block, NORMAL_BLOCK) };
    }
    assert_eq!(heap.checkpoint().counts, [0; 5]);
    refused
}

#[test]
fn a_refusal_of_any_call_is_enomem_and_changes_nothing() {
    let output = alone(
        "faults::a_refusal_of_any_call_is_enomem_and_changes_nothing",
        || {
            // What the process makes once.
            assert_eq!(load(), 0);
            let mut refused = 0;
            for first in 0.. {
                fault::plan(first, 1, &[]);
                let (more, reports) = reported(load);
                let (_, struck) = fault::end();
                assert_eq!(reports, []);
                refused += more;
                if struck == 0 {
                    break;
                }
            }
            assert!(refused > 0, "nothing was refused");
            // From some call on, all of them.
            for first in 0..20 {
                fault::plan(first, u64::MAX - first, &[]);
                let (_, reports) = reported(load);
                fault::end();
                assert_eq!(reports, []);
            }
        },
    );
    if let Some(output) = output {
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
    }
}
