//! HEAP_GENERATE_EXCEPTIONS: failures of heaps are exceptions.

use crate::heaps::Heap;
use crate::support::{NULL, passes_alone, reports, this_test};
use ntheap::win32::*;
use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr;

thread_local! {
    /// What was raised: code and parameter.
    static RAISED: RefCell<Vec<(NTSTATUS, usize)>> = const { RefCell::new(Vec::new()) };
    /// A heap and blocks of it that the handler may free, one at a time.
    static TO_FREE: RefCell<(HANDLE, Vec<*mut c_void>)> =
        const { RefCell::new((ptr::null_mut(), Vec::new())) };
    /// How often the handler goes on when it has nothing to free.
    static LEFT: Cell<u32> = const { Cell::new(0) };
}

fn raised() -> Vec<(NTSTATUS, usize)> {
    RAISED.take()
}

/// Notes the exception, frees a block if there is one, and has it tried again.
unsafe extern "system" fn making_room(pointers: *mut EXCEPTION_POINTERS) -> LONG {
    // SAFETY: a handler is given a record.
    let record = unsafe { *(*pointers).ExceptionRecord };
    assert_eq!(record.ExceptionFlags, 0);
    assert_eq!(record.NumberParameters, 1);
    RAISED.with_borrow_mut(|raised| {
        raised.push((record.ExceptionCode, record.ExceptionInformation[0]));
    });
    let (heap, block) = TO_FREE.with_borrow_mut(|(heap, blocks)| (*heap, blocks.pop()));
    match block {
        Some(block) => {
            // SAFETY: the heap lives, and nobody uses the block.
            assert_eq!(unsafe { HeapFree(heap, 0, block) }, TRUE);
            EXCEPTION_CONTINUE_EXECUTION
        }
        None if LEFT.get() != 0 => {
            LEFT.set(LEFT.get() - 1);
            EXCEPTION_CONTINUE_EXECUTION
        }
        None => EXCEPTION_CONTINUE_SEARCH,
    }
}

fn handle() {
    // SAFETY: functions of this program can be called as long as it runs.
    let handle = unsafe { AddVectoredExceptionHandler(0, Some(making_room)) };
    assert!(!handle.is_null());
}

/// Fills a fixed heap; its blocks of 4 KiB.
fn fill(heap: &Heap) -> Vec<*mut c_void> {
    let next = || {
        // SAFETY: the heap lives.
        let block = unsafe { HeapAlloc(heap.0, 0, 0x1000) };
        (!block.is_null()).then_some(block)
    };
    let blocks: Vec<_> = std::iter::from_fn(next).collect();
    assert!(blocks.len() > 8);
    blocks
}

#[test]
fn a_handler_makes_room_and_the_allocation_is_tried_again() {
    let test = this_test!(a_handler_makes_room_and_the_allocation_is_tried_again);
    passes_alone(test, || {
        handle();
        let heap = Heap::new(0, 0, 0x10000);
        let mut blocks = fill(&heap);
        let kept = blocks.pop().expect("a block");
        let spare = blocks.split_off(blocks.len() - 4);
        TO_FREE.set((heap.0, spare));
        // Two blocks of 4 KiB that lie side by side are room for one of 8 KiB.
        // SAFETY: the heap lives.
        let large = unsafe { HeapAlloc(heap.0, HEAP_GENERATE_EXCEPTIONS, 0x2000) };
        assert!(!large.is_null());
        assert_eq!(raised(), [(STATUS_NO_MEMORY, 0x2000); 2]);
        // SAFETY: the heap lives, and the block is used by its new address only.
        let kept = unsafe { HeapReAlloc(heap.0, HEAP_GENERATE_EXCEPTIONS, kept, 0x1800) };
        assert!(!kept.is_null());
        let codes = raised();
        assert!(!codes.is_empty() && codes.iter().all(|&one| one == (STATUS_NO_MEMORY, 0x1800)));
    });
}

#[test]
fn the_flag_counts_from_the_heap_or_the_call() {
    passes_alone(
        this_test!(the_flag_counts_from_the_heap_or_the_call),
        || {
            handle();
            let raising = Heap::new(HEAP_GENERATE_EXCEPTIONS, 0, 0x10000);
            let silent = Heap::new(0, 0, 0x10000);
            let mut freed = Vec::new();
            for (heap, flags) in [(&raising, 0), (&silent, HEAP_GENERATE_EXCEPTIONS)] {
                TO_FREE.set((heap.0, vec![heap.alloc(0x8000)]));
                // SAFETY: the heap lives.
                let block = unsafe { HeapAlloc(heap.0, flags, 0xA000) };
                assert!(!block.is_null());
                freed.extend(raised());
            }
            assert_eq!(freed, [(STATUS_NO_MEMORY, 0xA000); 2]);
            // SAFETY: the heap lives.
            assert!(unsafe { HeapAlloc(silent.0, 0, usize::MAX) }.is_null());
            assert_eq!(raised(), []);
        },
    );
}

/// Asserts that the body ends its process with an exception that nobody handled.
fn ends_with(name: &str, code: &str, operation: &str, body: impl FnOnce()) {
    if let Some(report) = reports(name, body) {
        assert!(report.contains("STOP 000000000000000A: "), "{report}");
        let code = format!("    {code} : exception code\n");
        assert!(report.contains(&code), "{report}");
        let operation = format!("  {operation}, thread ");
        assert!(report.contains(&operation), "{report}");
    }
}

#[test]
fn a_bad_handle_is_an_access_violation() {
    let test = this_test!(a_bad_handle_is_an_access_violation);
    let code = format!("{:016X}", STATUS_ACCESS_VIOLATION.cast_unsigned());
    ends_with(test, &code, "HeapAlloc", || {
        // SAFETY: the handle is no heap's, which is told.
        unsafe { HeapAlloc(NULL, HEAP_GENERATE_EXCEPTIONS, 8) };
    });
}

#[test]
fn a_bad_block_is_an_access_violation() {
    let test = this_test!(a_bad_block_is_an_access_violation);
    let operation = "HeapReAlloc on heap \"heap 1\"";
    ends_with(test, "00000000C0000005", operation, || {
        let heap = Heap::new(HEAP_GENERATE_EXCEPTIONS, 0, 0);
        let block = heap.alloc(100).wrapping_byte_add(16);
        // Functions that allocate nothing raise nothing.
        // SAFETY: the address is no block, which is told.
        unsafe {
            assert_eq!(HeapFree(heap.0, HEAP_GENERATE_EXCEPTIONS, block), FALSE);
            assert_eq!(
                HeapSize(heap.0, HEAP_GENERATE_EXCEPTIONS, block),
                usize::MAX
            );
            assert!(HeapReAlloc(heap.0, 0, NULL, 8).is_null());
            HeapReAlloc(heap.0, 0, block, 8);
        }
    });
}

#[test]
fn a_handler_is_asked_until_it_goes_on_no_more() {
    let test = this_test!(a_handler_is_asked_until_it_goes_on_no_more);
    ends_with(
        test,
        "00000000C0000017",
        "HeapAlloc on heap \"heap 1\"",
        || {
            handle();
            LEFT.set(3);
            let heap = Heap::new(HEAP_GENERATE_EXCEPTIONS, 0, 0);
            // SAFETY: the heap lives.
            unsafe { HeapAlloc(heap.0, 0, usize::MAX) };
        },
    );
}

#[test]
fn with_nobody_to_go_on_the_report_names_the_heap() {
    let test = this_test!(with_nobody_to_go_on_the_report_names_the_heap);
    let operation = "RtlAllocateHeap on heap \"heap 1\"";
    ends_with(test, "00000000C0000017", operation, || {
        let heap = Heap::new(0, 0, 0);
        // SAFETY: the heap lives.
        unsafe { RtlAllocateHeap(heap.0, HEAP_GENERATE_EXCEPTIONS, usize::MAX) };
    });
}
