//! Page heap in private heaps: what is kept of freed blocks, and for how long, and what is
//! made of pages that the system does not shut. Each test in a process of its own.

#![cfg(target_os = "linux")]

mod isolated;

use isolated::{isolated, succeeds};
use ntheap::heap::private::{self, Cursor, EntryKind, Handle, Settings, flags};
use ntheap::sys::{self, fault};
use ntheap::{Heap, HeapChange, HeapSnapshot};
use std::alloc::Layout;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;

const LIGHT: [(&str, &str); 2] = [
    ("NTHEAP_GFLAGS", "+hpa"),
    ("NTHEAP_PAGEHEAP", "light,delay=64K"),
];

/// Pages are shut one by one, as on an older kernel.
const MAPPINGS: [(&str, &str); 2] = [
    ("NTHEAP_GFLAGS", "+hpa"),
    ("NTHEAP_PAGEHEAP", "mappings,delay=64K"),
];

fn heap(flags: u32) -> Handle {
    let settings = Settings {
        flags,
        ..Settings::DEFAULT
    };
    // SAFETY: the settings name no memory.
    unsafe { private::create(&settings) }.unwrap()
}

fn allocate(heap: Handle, size: usize) -> *mut u8 {
    // SAFETY: the heap is used by this thread alone.
    unsafe { private::allocate(heap, 0, size) }
        .unwrap()
        .as_ptr()
}

fn free(heap: Handle, block: *mut u8) {
    // SAFETY: as above; nobody uses the block.
    unsafe { private::free(heap, 0, block) }.unwrap();
}

/// Writes to a byte of page heap's, in or beside a block.
fn poke(block: *mut u8, offset: isize) {
    // SAFETY: the planted bugs: the bytes are the heap's.
    unsafe { block.wrapping_offset(offset).write_volatile(0x41) };
}

/// Busy blocks by the heap's walk.
fn busy(heap: Handle) -> usize {
    let mut cursor = Cursor::START;
    let entries = std::iter::from_fn(|| private::walk(heap, &mut cursor).ok());
    entries
        .filter(|entry| entry.kind.flags() & EntryKind::BUSY != 0)
        .count()
}

/// The address that a process said its report would be of.
fn announced(output: &Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    let line = out
        .lines()
        .find_map(|line| line.strip_prefix("announced "))
        .unwrap_or_else(|| panic!("{output:?}"));
    line.to_owned()
}

fn announce(block: *mut u8) {
    println!("\nannounced {:#x}", block.addr());
}

/// It ended by one report, of `stop`, by `operation` on the announced block.
fn assert_reported(output: &Output, stop: &str, operation: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{said}");
    assert_eq!(said.matches("VERIFIER STOP").count(), 1, "{said}");
    assert!(said.contains(&format!("({stop})\n")), "{said}");
    let call = format!("\n  {operation}({})", announced(output));
    assert!(said.contains(&call), "{said}");
}

/// A heap that nobody locks keeps no freed block: each is the heap's again at once.
#[test]
fn a_heap_without_a_lock_keeps_nothing() {
    succeeds("a_heap_without_a_lock_keeps_nothing", &LIGHT, || {
        let unlocked = heap(flags::NO_SERIALIZE);
        let committed = |heap| private::summary(heap).unwrap().committed;
        let held = allocate(unlocked, 100);
        free(unlocked, allocate(unlocked, 20_000));
        let before = committed(unlocked);
        // Far less than would wait elsewhere.
        for _ in 0..3 {
            let block = allocate(unlocked, 20_000);
            poke(block, 19_999);
            free(unlocked, block);
            assert_eq!((committed(unlocked), busy(unlocked)), (before, 1));
        }
        assert!(private::validate(unlocked, 0, std::ptr::null()));
        free(unlocked, held);
        // One that is locked keeps them.
        let locked = heap(0);
        let first = allocate(locked, 20_000);
        free(locked, first);
        let before = committed(locked);
        free(locked, allocate(locked, 20_000));
        assert!(committed(locked) > before);
    });
}

/// A block of `size` bytes, which its heap keeps after it was freed.
fn freed(heap: Handle, size: usize) -> *mut u8 {
    let block = allocate(heap, size);
    free(heap, block);
    block
}

#[test]
fn a_heap_without_a_lock_is_checked_at_the_free() {
    let test = "a_heap_without_a_lock_is_checked_at_the_free";
    let Some(output) = isolated(test, &LIGHT, || {
        let heap = heap(flags::NO_SERIALIZE);
        let block = allocate(heap, 60);
        announce(block);
        poke(block, 60);
        free(heap, block);
    }) else {
        return;
    };
    assert_reported(&output, "CORRUPTED_HEAP_BLOCK_SUFFIX", "HeapFree");
}

/// A heap's end lets the others' kept blocks stay, in their order: what is written to one of
/// them is found when it leaves.
#[test]
fn a_heaps_end_leaves_others_kept_blocks() {
    let test = "a_heaps_end_leaves_others_kept_blocks";
    let Some(output) = isolated(test, &LIGHT, || {
        let heaps = [heap(0), heap(0)];
        let kept = [0, 1, 0, 1, 0, 1].map(|of| freed(heaps[of], 1000));
        // SAFETY: nobody uses the heap or its blocks.
        unsafe { private::destroy(heaps[1]) }.unwrap();
        announce(kept[2]);
        poke(kept[2], 500);
        for nth in 0..1000 {
            // The first one leaves, sound, before the second; blocks are told apart.
            let block = allocate(heaps[0], 1000);
            assert!(!kept.contains(&block) || nth > 30);
            free(heaps[0], block);
        }
    }) else {
        return;
    };
    assert_reported(&output, "CORRUPTED_FREED_HEAP_BLOCK", "delayed free");
}

/// What nobody would look at any more is looked at when the process ends.
#[test]
fn kept_blocks_are_looked_at_in_the_end() {
    let test = "kept_blocks_are_looked_at_in_the_end";
    let Some(output) = isolated(test, &LIGHT, || {
        let heaps = [heap(0), heap(0)];
        let kept = [0, 1, 0, 1, 0].map(|of| freed(heaps[of], 1000));
        // SAFETY: nobody uses the heap or its blocks.
        unsafe { private::destroy(heaps[1]) }.unwrap();
        announce(kept[4]);
        poke(kept[4], 999);
    }) else {
        return;
    };
    assert_reported(&output, "CORRUPTED_FREED_HEAP_BLOCK", "exit");
}

/// A snapshot has page heap's blocks, light or not, with the sizes that were asked for.
#[test]
fn a_snapshot_has_all_blocks() {
    for variables in [&LIGHT[..], &LIGHT[..1]] {
        succeeds("a_snapshot_has_all_blocks", variables, || {
            let heap = Heap::new().unwrap();
            let layout = |size| Layout::from_size_align(size, 16).unwrap();
            let sizes = [1, 16, 100, 4096, 5000, 70_000, 0x20_0000];
            let blocks = sizes.map(|size| (heap.alloc(layout(size)).unwrap(), size));
            let own = |snapshot: &HeapSnapshot| -> BTreeMap<usize, usize> {
                let own = snapshot.blocks().iter();
                let own = own.filter(|block| block.heap == heap.handle());
                own.map(|block| (block.address, block.size)).collect()
            };
            let before = HeapSnapshot::take().unwrap();
            let known = blocks
                .iter()
                .map(|(block, size)| (block.addr().get(), *size));
            assert_eq!(own(&before), known.collect());
            let (freed, size) = blocks[3];
            // SAFETY: a block of the heap, which nobody uses any more.
            unsafe { heap.free(freed) }.unwrap();
            let after = HeapSnapshot::take().unwrap();
            let changes: Vec<_> = before
                .diff(&after)
                .filter_map(|change| match change {
                    HeapChange::Vanished(block) if block.heap == heap.handle() => {
                        Some((block.address, block.size))
                    }
                    HeapChange::Appeared(block) => {
                        assert_ne!(block.heap, heap.handle());
                        None
                    }
                    _ => None,
                })
                .collect();
            assert_eq!(changes, [(freed.addr().get(), size)]);
        });
    }
}

/// Of pages that stay open more or less may be used by the next block: each finds what fresh
/// ones hold, and nothing of those before it.
#[test]
fn what_cannot_be_shut_is_opened_further() {
    succeeds("what_cannot_be_shut_is_opened_further", &MAPPINGS, || {
        // SAFETY: no memory of the caller's; the blocks are this test's.
        unsafe {
            let heap = private::create(&Settings::DEFAULT).unwrap();
            fault::plan(0, u64::MAX, &[sys::Call::Decommit]);
            let mut starts = std::collections::BTreeSet::new();
            for round in 0..200 {
                // Of 16 and of 17 pages, for which the same places do.
                let size = [61_540, 65_636, 65_636, 61_540, 61_540][round % 5];
                let zero = if round % 3 == 0 { 8 } else { 0 };
                let block = private::allocate(heap, zero, size).unwrap().as_ptr();
                let fresh = if zero == 0 { 0xC0 } else { 0 };
                assert!((0..size).all(|at| block.add(at).read() == fresh), "{round}");
                block.write_bytes(round as u8, size);
                assert!(private::validate(heap, 0, block), "{round}");
                starts.insert(block.addr());
                private::free(heap, 0, block).unwrap();
            }
            let (_, refused) = fault::end();
            assert!(refused >= 200);
            assert!(starts.len() < 20, "{}", starts.len());
            assert!(private::validate(heap, 0, std::ptr::null()));
        }
    });
}

/// Who writes to a block that is freed, in pages that could not be shut, is told of when they
/// are to be used again.
#[test]
fn writes_to_what_cannot_be_shut_are_found() {
    let test = "writes_to_what_cannot_be_shut_are_found";
    let Some(output) = isolated(test, &MAPPINGS, || {
        let heap = heap(0);
        fault::plan(0, u64::MAX, &[sys::Call::Decommit]);
        let block = allocate(heap, 3000);
        free(heap, block);
        announce(block);
        poke(block, 1000);
        for _ in 0..100 {
            free(heap, allocate(heap, 3000));
        }
    }) else {
        return;
    };
    assert_reported(&output, "CORRUPTED_FREED_HEAP_BLOCK", "delayed free");
}
