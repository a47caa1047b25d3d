//! Loads must notice an allocator that does not do what it should: with one
//! that does it wrong in a way of the test's choice.

use ntheap_loads::{Scale, all, run};
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering::SeqCst};

/// Does nothing wrong.
const NONE: u8 = 0;
/// Writes to the last block of 1,024 bytes when the next is allocated.
const OVERLAPS: u8 = 1;
/// Forgets to zero a byte of blocks of 4 KiB and more.
const NOT_ZERO: u8 = 2;
/// Aligns to a quarter of what is asked, from 256 on.
const MISALIGNS: u8 = 3;
/// Loses a byte of blocks of 4 KiB and more that it resizes.
const LOSES: u8 = 4;

static FAULT: AtomicU8 = AtomicU8::new(NONE);

struct Faulty;

#[global_allocator]
static ALLOCATOR: Faulty = Faulty;

static LAST: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

fn has(fault: u8) -> bool {
    FAULT.load(SeqCst) == fault
}

/// How far from where it should be a block lies; as long as the test does not
/// change the fault while such a block is alive.
fn misplaced(layout: Layout) -> usize {
    match layout.align() {
        align @ 256.. if has(MISALIGNS) => align / 4,
        _ => 0,
    }
}

fn larger(layout: Layout) -> Layout {
    let size = layout.size() + misplaced(layout);
    Layout::from_size_align(size, layout.align()).unwrap_or(layout)
}

// SAFETY: all faults stay inside of blocks; a block misplaced is one of a
// larger block. That contents and alignment are wrong is what the test is for:
// the loads that it runs see only bytes and numbers in such blocks.
unsafe impl GlobalAlloc for Faulty {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let block = unsafe { System.alloc(larger(layout)) };
        if layout.size() == 1024 && has(OVERLAPS) {
            let last = LAST.swap(block, SeqCst);
            if !last.is_null() {
                // SAFETY: a block of 1,024 bytes that `dealloc` has not seen.
                unsafe { last.write(!last.read()) };
            }
        }
        // SAFETY: the block is larger by that much.
        unsafe { block.add(misplaced(layout)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises; no alignment above 128 is zeroed here.
        let block = unsafe { System.alloc_zeroed(layout) };
        if layout.size() >= 4096 && has(NOT_ZERO) {
            // SAFETY: inside of the block.
            unsafe { block.add(2048).write(1) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let _ = LAST.compare_exchange(block, ptr::null_mut(), SeqCst, SeqCst);
        // SAFETY: where `alloc` got it from.
        unsafe { System.dealloc(block.sub(misplaced(layout)), larger(layout)) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises; no alignment above 128 is resized.
        let block = unsafe { System.realloc(block, layout, size) };
        if layout.size() >= 4096 && has(LOSES) {
            // SAFETY: the first element of a vector of at least 4 KiB.
            unsafe { block.write(0xEE) };
        }
        block
    }
}

fn result_of(name: &str, fault: u8) -> Result<String, String> {
    let load = all::<Faulty>().find(|load| load.name == name);
    let load = load.expect("the load is there");
    let scale = Scale::new(0.01).expect("positive");
    FAULT.store(fault, SeqCst);
    let result = run(load, scale);
    FAULT.store(NONE, SeqCst);
    LAST.store(ptr::null_mut(), SeqCst);
    result.map_err(|e| e.to_string())
}

// One test, so that no other thread allocates while something is wrong.
#[test]
fn a_load_notices_what_it_checks() {
    for (name, fault, message) in [
        ("batch-1024", OVERLAPS, "lost their contents"),
        ("zeroed", NOT_ZERO, "not zero"),
        ("aligned-256", MISALIGNS, "misaligned"),
        ("aligned-4096", MISALIGNS, "misaligned"),
        ("vec-growth", LOSES, "numbers were lost"),
    ] {
        let right = result_of(name, NONE);
        assert!(right.is_ok(), "{name}: {right:?}");
        let wrong = result_of(name, fault);
        let error = wrong.expect_err(name);
        assert!(error.contains(message), "{name}: {error}");
    }
}
