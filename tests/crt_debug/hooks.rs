//! Allocation hooks, breakpoints, and the order of a request.

use crate::support::{alone, at, free, messages, normal, own_heap, reported};
use ntheap::crt::debug::kind::{
    CLIENT_BLOCK, HOOK_ALLOC, HOOK_FREE, HOOK_REALLOC, NORMAL_BLOCK, WARN,
};
use ntheap::crt::debug::{DebugHeap, Origin};
use ntheap::crt::errno;
use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int, c_long, c_uchar, c_void};
use std::os::unix::process::ExitStatusExt;

/// What a hook was told.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    what: i32,
    block: usize,
    size: usize,
    block_use: i32,
    request: i64,
    file: String,
    line: i32,
}

thread_local! {
    static TOLD: RefCell<Vec<Told>> = const { RefCell::new(Vec::new()) };
    static ANSWER: RefCell<i32> = const { RefCell::new(1) };
}

unsafe extern "C" fn note(
    what: c_int,
    block: *mut c_void,
    size: usize,
    block_use: c_int,
    request: c_long,
    file: *const c_uchar,
    line: c_int,
) -> c_int {
    let file = match file.is_null() {
        true => String::new(),
        // SAFETY: the tests' files are texts.
        false => unsafe { CStr::from_ptr(file.cast::<c_char>()) }
            .to_string_lossy()
            .into_owned(),
    };
    TOLD.with_borrow_mut(|told| {
        told.push(Told {
            what,
            block: block.addr(),
            size,
            block_use,
            request,
            file,
            line,
        });
    });
    ANSWER.with_borrow(|answer| *answer)
}

#[test]
fn a_hook_is_told_of_every_request() {
    own_heap!(HEAP);
    // SAFETY: the hook is there for good.
    assert!(unsafe { HEAP.set_alloc_hook(Some(note)) }.is_none());
    assert!(HEAP.alloc_hook().is_some());
    let use_ = CLIENT_BLOCK | 2 << 16;
    let first = HEAP.allocate(10, use_, at(1));
    // SAFETY: old addresses are used no more.
    let second = unsafe {
        let second = HEAP.reallocate(first, 100_000, use_, at(2));
        let third = HEAP.expand(second, 90_000, use_, at(3));
        assert_eq!(second, third);
        HEAP.free(third, use_);
        second
    };
    let zeroed = HEAP.allocate_zeroed(3, 7, NORMAL_BLOCK, Origin::NONE);
    HEAP.size_of(zeroed, NORMAL_BLOCK);
    free(&HEAP, zeroed);
    let told = |what, block: *mut u8, size, block_use, request, line| Told {
        what,
        block: block.addr(),
        size,
        block_use,
        request,
        file: if line == 0 {
            String::new()
        } else {
            "test.rs".to_owned()
        },
        line,
    };
    let null = std::ptr::null_mut();
    let expected = [
        told(HOOK_ALLOC, null, 10, use_, 1, 1),
        told(HOOK_REALLOC, first, 100_000, use_, 2, 2),
        told(HOOK_REALLOC, second, 90_000, use_, 3, 3),
        told(HOOK_FREE, second, 90_000, use_, 3, 3),
        told(HOOK_ALLOC, null, 21, NORMAL_BLOCK, 4, 0),
        told(HOOK_FREE, zeroed, 21, NORMAL_BLOCK, 4, 0),
    ];
    assert_eq!(TOLD.take(), expected);
    // SAFETY: as above.
    assert!(unsafe { HEAP.set_alloc_hook(None) }.is_some());
    normal(&HEAP, 1, 1);
    assert_eq!(TOLD.take(), []);
}

#[test]
fn a_hook_can_refuse() {
    own_heap!(HEAP);
    let block = normal(&HEAP, 10, 7);
    // SAFETY: the hook is there for good.
    unsafe { HEAP.set_alloc_hook(Some(note)) };
    ANSWER.set(0);
    errno::set(0);
    let (refused, reports) = reported(|| HEAP.allocate(20, NORMAL_BLOCK, at(8)));
    assert!(refused.is_null());
    assert_eq!(errno::get(), errno::ENOMEM);
    assert_eq!(
        reports,
        [(
            WARN,
            "Client hook allocation failure at file test.rs line 8.\n".to_owned()
        )]
    );
    assert_eq!(
        messages(|| {
            HEAP.allocate_zeroed(1, 20, NORMAL_BLOCK, Origin::NONE);
        }),
        "Client hook allocation failure.\n"
    );
    // SAFETY: nothing happens.
    unsafe {
        let (moved, _) = reported(|| HEAP.reallocate(block, 1000, NORMAL_BLOCK, at(9)));
        assert!(moved.is_null());
        let (grown, _) = reported(|| HEAP.expand(block, 11, NORMAL_BLOCK, at(9)));
        assert!(grown.is_null());
        // A free that is refused leaves the block.
        HEAP.free(block, NORMAL_BLOCK);
    }
    assert_eq!(HEAP.block_at(block).expect("there").size, 10);
    assert_eq!(HEAP.checkpoint().counts, [0, 1, 0, 0, 0]);
    ANSWER.set(1);
    // SAFETY: the block is used no more.
    unsafe { HEAP.free(block, NORMAL_BLOCK) };
    assert_eq!(HEAP.checkpoint().counts, [0; 5]);
}

/// A hook may ask for memory and give it back, by the same debug heap.
#[test]
fn a_hook_may_allocate_and_free() {
    own_heap!(HEAP);
    thread_local! {
        static DEPTH: RefCell<i32> = const { RefCell::new(0) };
    }
    unsafe extern "C" fn busy(
        _: c_int,
        _: *mut c_void,
        _: usize,
        _: c_int,
        _: c_long,
        _: *const c_uchar,
        _: c_int,
    ) -> c_int {
        if DEPTH.with(|depth| depth.replace_with(|depth| *depth + 1)) < 3 {
            let block = normal(&HEAP, 5, 0);
            assert!(HEAP.check());
            free(&HEAP, block);
        }
        DEPTH.with_borrow_mut(|depth| *depth -= 1);
        1
    }
    // SAFETY: the hook is there for good.
    unsafe { HEAP.set_alloc_hook(Some(busy)) };
    let blocks: Vec<*mut u8> = (0..20).map(|line| normal(&HEAP, 30, line)).collect();
    assert_eq!(HEAP.checkpoint().counts, [0, 20, 0, 0, 0]);
    // Numbers were taken before the hook asked for its own.
    let requests: Vec<u64> = blocks
        .iter()
        .map(|&block| HEAP.block_at(block).expect("a block").request)
        .collect();
    assert!(requests.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(requests[0], 1);
    assert!(requests[1] > 2);
    for block in blocks {
        free(&HEAP, block);
    }
    assert_eq!(HEAP.checkpoint().counts, [0; 5]);
    assert!(HEAP.check());
}

own_heap!(BROKEN);

/// The breakpoint comes before the request is done; without a debugger SIGTRAP
/// ends the process.
#[test]
fn a_breakpoint_stops_at_its_request() {
    let output = alone("hooks::a_breakpoint_stops_at_its_request", || {
        assert_eq!(BROKEN.break_at(3), -1);
        assert_eq!(BROKEN.break_at(3), 3);
        normal(&BROKEN, 1, 1);
        eprintln!("first");
        normal(&BROKEN, 1, 1);
        eprintln!("second");
        normal(&BROKEN, 1, 1);
        eprintln!("third");
    });
    if let Some(output) = output {
        assert_eq!(output.status.signal(), Some(libc::SIGTRAP), "{output:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains("first\nsecond\n"), "{error}");
        assert!(!error.contains("third"), "{error}");
    }
}

#[test]
fn what_blocks_cannot_be_asked_for_as_is_an_error() {
    own_heap!(HEAP);
    for block_use in [0, 5, 6, 0xFFFF, -1, 1 << 16] {
        errno::set(0);
        let (block, reports) = reported(|| HEAP.allocate(1, block_use, at(4)));
        assert!(block.is_null(), "{block_use:#x}");
        assert_eq!(errno::get(), errno::EINVAL);
        assert_eq!(
            reports,
            [(
                ntheap::crt::debug::kind::ERROR,
                "Error: memory allocation: bad memory block type.\n\
                 \nMemory allocated at test.rs(4).\n"
                    .to_owned()
            )]
        );
    }
}

/// The heap of the C library's functions is one, and is there at once.
#[test]
fn the_shared_debug_heap_works() {
    let heap: &'static DebugHeap = DebugHeap::shared();
    let block = normal(heap, 10, 1);
    assert!(heap.is_block(block));
    free(heap, block);
}
