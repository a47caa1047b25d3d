//! With termination on corruption, misuse ends the process, and the report names
//! the heap used, the heap that owns the block, and the block's size.

use crate::support::{NULL, passes_alone, reports, this_test};
use ntheap::win32::*;
use std::ffi::c_void;
use std::ptr;

fn create() -> HANDLE {
    // SAFETY: nothing is promised to HeapCreate.
    let heap = unsafe { HeapCreate(0, 0, 0) };
    assert!(!heap.is_null());
    heap
}

/// From here on misuse ends the process.
fn terminate() {
    // SAFETY: no buffer is given.
    let set = unsafe { HeapSetInformation(NULL, HeapEnableTerminationOnCorruption, NULL, 0) };
    assert_eq!(set, TRUE);
}

fn alloc(heap: HANDLE, size: usize) -> *mut c_void {
    // SAFETY: the heap lives; one thread uses it.
    let block = unsafe { HeapAlloc(heap, 0, size) };
    assert!(!block.is_null());
    block
}

fn say(what: &[(&str, *mut c_void)]) {
    for (name, address) in what {
        eprintln!("{name} {:016X}", address.addr());
    }
}

/// A report's lines, the numbers that `say` named replaced by their names, the
/// process's and the thread's by a hash.
fn named(error: &str) -> Vec<String> {
    let (said, report) = error.split_at(error.find("ntheap: ").expect("a report"));
    let mut text = report.to_owned();
    for line in said.lines() {
        let (name, digits) = line.split_once(' ').expect("a name and a number");
        let number = usize::from_str_radix(digits, 16).expect("a number");
        text = text.replace(digits, name);
        text = text.replace(&format!("{number:#x}"), name);
    }
    text.lines()
        .map(|line| {
            let line = match line.split_once(", thread ") {
                Some((before, _)) => format!("{before}, thread #"),
                None => line.to_owned(),
            };
            match line.split_once("pid 0x") {
                Some((before, pid)) => {
                    let rest = pid.trim_start_matches(|c: char| c.is_ascii_hexdigit());
                    format!("{before}pid #{rest}")
                }
                None => line,
            }
        })
        .collect()
}

/// Asserts that the body ends its process with exactly this report.
fn ends(name: &str, expected: &[&str], body: impl FnOnce()) {
    if let Some(error) = reports(name, body) {
        assert_eq!(named(&error), expected, "{error}");
    }
}

#[test]
fn a_wrong_heap_is_named_and_so_is_the_right_one() {
    let test = this_test!(a_wrong_heap_is_named_and_so_is_the_right_one);
    let expected = [
        "ntheap: VERIFIER STOP 0000000000000006: pid #: bad pointer or wrong heap (SWITCHED_HEAP_HANDLE)",
        "    used : heap handle used",
        "    block : block",
        "    0000000000000064 : size",
        "    owner : heap the block came from",
        "  HeapFree(block) on heap \"heap 2\", thread #",
        "  the address is the start of a busy block of 100 bytes",
        "  it belongs to heap \"heap 1\"",
    ];
    ends(test, &expected, || {
        let (owner, used) = (create(), create());
        let block = alloc(owner, 100);
        say(&[("owner", owner), ("used", used), ("block", block)]);
        terminate();
        // SAFETY: the block is another heap's.
        unsafe { HeapFree(used, 0, block) };
    });
}

#[test]
fn a_block_freed_twice_is_told_of() {
    let expected = [
        "ntheap: VERIFIER STOP 0000000000000007: pid #: block already freed (DOUBLE_FREE)",
        "    heap : heap handle",
        "    block : block",
        "    0000000000000070 : size",
        "    0000000000000000 : not used",
        "  HeapFree(block) on heap \"heap 1\", thread #",
        "  the address is the start of a free block of 112 bytes",
    ];
    ends(
        this_test!(a_block_freed_twice_is_told_of),
        &expected,
        || {
            let heap = create();
            let block = alloc(heap, 100);
            // So that the free block stays one of its own.
            alloc(heap, 10);
            say(&[("heap", heap), ("block", block)]);
            terminate();
            // SAFETY: the second is what is tested.
            unsafe {
                HeapFree(heap, 0, block);
                HeapFree(heap, 0, block);
            }
        },
    );
}

#[test]
fn an_address_inside_a_block_is_told_of() {
    let expected = [
        "ntheap: VERIFIER STOP 0000000000000006: pid #: bad pointer or wrong heap (SWITCHED_HEAP_HANDLE)",
        "    heap : heap handle used",
        "    inside : block",
        "    0000000000000064 : size",
        "    heap : heap the block came from",
        "  HeapReAlloc(inside) on heap \"heap 1\", thread #",
        "  the address lies 32 bytes inside a busy block of 100 bytes that starts at block",
    ];
    ends(
        this_test!(an_address_inside_a_block_is_told_of),
        &expected,
        || {
            let heap = create();
            let block = alloc(heap, 100);
            let inside = block.wrapping_byte_add(32);
            say(&[("heap", heap), ("inside", inside), ("block", block)]);
            terminate();
            // SAFETY: no block starts there.
            unsafe { HeapReAlloc(heap, 0, inside, 10) };
        },
    );
}

#[test]
fn memory_of_no_heap_is_told_of() {
    let expected = [
        "ntheap: VERIFIER STOP 0000000000000006: pid #: bad pointer or wrong heap (SWITCHED_HEAP_HANDLE)",
        "    heap : heap handle used",
        "    stack : block",
        "    0000000000000000 : size",
        "    0000000000000000 : heap the block came from",
        "  HeapSize(stack) on heap \"heap 1\", thread #",
        "  the address belongs to no block of any ntheap heap",
    ];
    ends(this_test!(memory_of_no_heap_is_told_of), &expected, || {
        let heap = create();
        let mut local = 0u128;
        let stack = (&raw mut local).cast();
        say(&[("heap", heap), ("stack", stack)]);
        terminate();
        // SAFETY: the address is no block.
        unsafe { HeapSize(heap, 0, stack) };
    });
}

const BAD_HANDLE: [&str; 5] = [
    "ntheap: VERIFIER STOP 0000000000000005: pid #: bad heap handle (BAD_HEAP_HANDLE)",
    "    handle : heap handle",
    "    0000000000000000 : not used",
    "    0000000000000000 : not used",
    "    0000000000000000 : not used",
];

const DESTROYED: &str = "  advice: that heap was destroyed, and all its blocks with it; use neither \
     afterwards (\"HeapDestroy function\")";

#[test]
fn what_never_was_a_heap_is_told_of() {
    let expected: Vec<&str> = BAD_HANDLE
        .into_iter()
        .chain(["  HeapAlloc, thread #"])
        .collect();
    ends(
        this_test!(what_never_was_a_heap_is_told_of),
        &expected,
        || {
            let heap = create();
            // Aligned as a handle is, in memory of the heap.
            let block = alloc(heap, 0x4_0000);
            let handle =
                ptr::without_provenance_mut::<c_void>(block.addr().next_multiple_of(0x1_0000));
            say(&[("handle", handle)]);
            terminate();
            // SAFETY: the handle is no heap's, which is told.
            unsafe { HeapAlloc(handle, 0, 1) };
        },
    );
}

/// Makes a test of each function: given a handle of a destroyed heap, it ends the
/// process.
macro_rules! bad_handles {
    ($($name:ident: $operation:literal, |$heap:ident| $call:block)*) => {
        $(
            #[test]
            fn $name() {
                let last = concat!("  ", $operation, ", thread #");
                let expected: Vec<&str> = BAD_HANDLE.into_iter().chain([last, DESTROYED]).collect();
                ends(this_test!($name), &expected, || {
                    let destroyed = create();
                    // SAFETY: the heap is this test's, and its handle is then
                    // what is tested.
                    unsafe { HeapDestroy(destroyed) };
                    say(&[("handle", destroyed)]);
                    terminate();
                    let $heap = destroyed;
                    // SAFETY: the handle is no heap's, which is told; what else
                    // is passed is as large as the functions are told.
                    unsafe { $call };
                });
            }
        )*
    };
}

/// An address that is no block of any heap.
const NO_BLOCK: *mut c_void = ptr::without_provenance_mut(0x1000);

bad_handles! {
    destroyed_and_destroyed: "HeapDestroy", |heap| { HeapDestroy(heap) }
    destroyed_and_allocated_from: "HeapAlloc", |heap| { HeapAlloc(heap, 0, 1) }
    destroyed_and_resized: "HeapReAlloc", |heap| { HeapReAlloc(heap, 0, NO_BLOCK, 1) }
    destroyed_and_freed: "HeapFree", |heap| { HeapFree(heap, 0, NO_BLOCK) }
    destroyed_and_asked_for_sizes: "HeapSize", |heap| { HeapSize(heap, 0, NO_BLOCK) }
    destroyed_and_validated: "HeapValidate", |heap| { HeapValidate(heap, 0, NULL) }
    destroyed_and_compacted: "HeapCompact", |heap| { HeapCompact(heap, 0) }
    destroyed_and_locked: "HeapLock", |heap| { HeapLock(heap) }
    destroyed_and_unlocked: "HeapUnlock", |heap| { HeapUnlock(heap) }
    destroyed_and_walked: "HeapWalk", |heap| {
        let mut entry = std::mem::zeroed();
        HeapWalk(heap, &raw mut entry)
    }
    destroyed_and_summed_up: "HeapSummary", |heap| {
        let mut summary = HEAP_SUMMARY { cb: 40, ..HEAP_SUMMARY::default() };
        HeapSummary(heap, 0, &raw mut summary)
    }
    destroyed_and_queried: "HeapQueryInformation", |heap| {
        let mut value = 0u32;
        let value = (&raw mut value).cast();
        HeapQueryInformation(heap, HeapCompatibilityInformation, value, 4, ptr::null_mut())
    }
    destroyed_and_set: "HeapSetInformation", |heap| {
        let mut value = 2u32;
        HeapSetInformation(heap, HeapCompatibilityInformation, (&raw mut value).cast(), 4)
    }
    destroyed_and_given_a_user_value: "RtlSetUserValueHeap", |heap| {
        RtlSetUserValueHeap(heap, 0, NO_BLOCK, NULL)
    }
    destroyed_and_asked_for_user_info: "RtlGetUserInfoHeap", |heap| {
        RtlGetUserInfoHeap(heap, 0, NO_BLOCK, ptr::null_mut(), ptr::null_mut())
    }
    destroyed_and_given_user_flags: "RtlSetUserFlagsHeap", |heap| {
        RtlSetUserFlagsHeap(heap, 0, NO_BLOCK, 0, 0x200)
    }
    destroyed_and_freed_by_the_list: "HeapFree", |heap| {
        let mut block = NO_BLOCK;
        RtlMultipleFreeHeap(heap, 0, 1, &raw mut block)
    }
    destroyed_and_destroyed_natively: "HeapDestroy", |heap| { RtlDestroyHeap(heap) }
}

#[test]
fn the_process_heap_cannot_be_destroyed() {
    let expected = [
        "ntheap: VERIFIER STOP 0000000000000009: pid #: attempt to destroy the process heap (DESTROY_PROCESS_HEAP)",
        "    heap : heap handle",
        "    0000000000000000 : not used",
        "    0000000000000000 : not used",
        "    0000000000000000 : not used",
        "  HeapDestroy on heap \"process heap\", thread #",
    ];
    ends(
        this_test!(the_process_heap_cannot_be_destroyed),
        &expected,
        || {
            // SAFETY: no promise to keep.
            let heap = unsafe { GetProcessHeap() };
            say(&[("heap", heap)]);
            terminate();
            // SAFETY: it is refused.
            unsafe { HeapDestroy(heap) };
        },
    );
}

#[test]
fn what_is_right_goes_on_and_validation_still_answers() {
    let test = this_test!(what_is_right_goes_on_and_validation_still_answers);
    passes_alone(test, || {
        let heap = create();
        terminate();
        let block = alloc(heap, 100);
        // SAFETY: the heap lives; validation may be asked about any address.
        unsafe {
            assert_eq!(HeapValidate(heap, 0, block.wrapping_byte_add(16)), FALSE);
            assert_eq!(HeapSize(heap, 0, NULL), usize::MAX);
            assert_eq!(HeapFree(heap, 0, NULL), TRUE);
            assert!(HeapAlloc(heap, 0, usize::MAX).is_null());
            assert!(HeapReAlloc(heap, 0, NULL, 5).is_null());
            assert_eq!(HeapFree(heap, 0, block), TRUE);
            assert_eq!(HeapValidate(heap, 0, block), FALSE);
            assert_eq!(HeapDestroy(heap), TRUE);
        }
    });
}
