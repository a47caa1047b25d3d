//! The flags: types that are ignored, freed blocks that are kept, and when all
//! blocks are checked.

use crate::support::{at, free, normal, own_heap, reported};
use ntheap::crt::debug::DebugHeap;
use ntheap::crt::debug::kind::{CLIENT_BLOCK, CRT_BLOCK, IGNORE_BLOCK, NORMAL_BLOCK, flags};
use ntheap::win32::*;

#[test]
fn flags_are_returned_and_refused_where_they_mean_nothing() {
    own_heap!(HEAP);
    assert_eq!(HEAP.flags(), flags::ALLOC_MEM);
    assert_eq!(HEAP.set_flags(flags::CHECK_CRT), Some(flags::ALLOC_MEM));
    for wrong in [0x40, 0x8000, 0x100, -2] {
        assert_eq!(HEAP.set_flags(wrong), None, "{wrong:#x}");
        assert_eq!(HEAP.flags(), flags::CHECK_CRT);
    }
    let all = flags::ALLOC_MEM | flags::RESERVED | flags::CHECK_EVERY_1024;
    assert_eq!(HEAP.set_flags(all), Some(flags::CHECK_CRT));
    // SAFETY: the place is the flags' own.
    unsafe { HEAP.flags_place().write(0) };
    assert_eq!(HEAP.flags(), 0);
}

#[test]
fn without_alloc_mem_blocks_are_ignored() {
    own_heap!(HEAP);
    HEAP.set_flags(0).expect("flags");
    let normal_block = normal(&HEAP, 10, 1);
    let client_block = HEAP.allocate(20, CLIENT_BLOCK | 3 << 16, at(2));
    let runtimes = HEAP.allocate(30, CRT_BLOCK, at(3));
    assert_eq!(HEAP.block_type(normal_block), IGNORE_BLOCK);
    assert_eq!(HEAP.block_type(client_block), IGNORE_BLOCK);
    assert_eq!(HEAP.block_type(runtimes), CRT_BLOCK);
    assert_eq!(HEAP.checkpoint().counts, [0, 0, 1, 2, 0]);
    assert!(!HEAP.dump_leaks());
    // A check says that all is well without a look.
    // SAFETY: the fence behind the block.
    unsafe { normal_block.wrapping_add(10).write(0) };
    assert!(HEAP.check());
    HEAP.set_flags(flags::ALLOC_MEM).expect("flags");
    let (is_sound, reports) = reported(|| HEAP.check());
    assert!(!is_sound);
    assert!(
        reports[0].1.contains("after Ignore block (#1)"),
        "{reports:?}"
    );
    // SAFETY: as above.
    unsafe { normal_block.wrapping_add(10).write(0xFD) };
    let ((), reports) = reported(|| {
        // SAFETY: the blocks are used no more.
        unsafe {
            HEAP.free(normal_block, NORMAL_BLOCK);
            HEAP.free(client_block, CLIENT_BLOCK | 3 << 16);
            HEAP.free(runtimes, CRT_BLOCK);
        }
    });
    assert_eq!(reports, []);
}

/// How many of `calls` calls of each kind look at all blocks, with these flags.
fn checks(heap: &'static DebugHeap, new: i32, calls: usize) -> usize {
    heap.set_flags(flags::ALLOC_MEM).expect("flags");
    let damaged = normal(heap, 10, 1);
    let used = normal(heap, 10, 2);
    // SAFETY: the fence behind the block.
    unsafe { damaged.wrapping_add(10).write(0) };
    heap.set_flags(new).expect("flags");
    let ((), reports) = reported(|| {
        for _ in 0..calls {
            let block = heap.allocate(10, NORMAL_BLOCK, at(3));
            // SAFETY: old addresses are used no more.
            unsafe {
                let block = heap.reallocate(block, 20, NORMAL_BLOCK, at(4));
                heap.size_of(used, NORMAL_BLOCK);
                heap.free(block, NORMAL_BLOCK);
            }
        }
    });
    heap.set_flags(flags::ALLOC_MEM).expect("flags");
    // SAFETY: as above.
    unsafe { damaged.wrapping_add(10).write(0xFD) };
    free(heap, damaged);
    free(heap, used);
    reports.len()
}

#[test]
fn all_blocks_are_checked_as_often_as_the_flags_say() {
    own_heap!(HEAP);
    // Four calls a round.
    assert_eq!(checks(&HEAP, flags::ALLOC_MEM, 1000), 0);
    assert_eq!(
        checks(&HEAP, flags::ALLOC_MEM | flags::CHECK_ALWAYS, 100),
        400
    );
    assert_eq!(
        checks(&HEAP, flags::ALLOC_MEM | flags::CHECK_EVERY_16, 1000),
        250
    );
    assert_eq!(
        checks(&HEAP, flags::ALLOC_MEM | flags::CHECK_EVERY_128, 3200),
        100
    );
    assert_eq!(
        checks(&HEAP, flags::ALLOC_MEM | flags::CHECK_EVERY_1024, 2560),
        10
    );
    // Any number may be in the upper half; the flag for all goes before it.
    assert_eq!(checks(&HEAP, flags::ALLOC_MEM | 0x000A_0000, 100), 40);
    let both = flags::ALLOC_MEM | flags::CHECK_ALWAYS | flags::CHECK_EVERY_16;
    assert_eq!(checks(&HEAP, both, 10), 40);
}

#[test]
fn freed_blocks_are_kept_as_long_as_the_flag_says() {
    own_heap!(HEAP);
    HEAP.set_flags(flags::ALLOC_MEM | flags::DELAY_FREE_MEM)
        .expect("flags");
    let kept = normal(&HEAP, 10, 1);
    free(&HEAP, kept);
    HEAP.set_flags(flags::ALLOC_MEM).expect("flags");
    let gone = normal(&HEAP, 10, 2);
    assert_ne!(kept, gone);
    free(&HEAP, gone);
    assert_eq!(HEAP.checkpoint().counts, [1, 0, 0, 0, 0]);
    assert_eq!(HEAP.checkpoint().sizes, [10, 0, 0, 0, 0]);
    assert!(!HEAP.dump_leaks());
    // SAFETY: the list keeps the block.
    unsafe { assert_eq!(kept.read(), 0xDD) };
}

/// The Windows names lead to the shared debug heap, with Windows' results.
#[test]
fn windows_names_say_what_is_documented() {
    // SAFETY: the arguments are as documented; blocks are used while they live.
    unsafe {
        let old = _CrtSetDbgFlag(-1);
        assert_eq!(old, flags::ALLOC_MEM);
        ntheap::crt::errno::set(0);
        assert_eq!(_CrtSetDbgFlag(0x40), old);
        assert_eq!(ntheap::crt::errno::get(), libc::EINVAL);
        assert_eq!(*__p__crtDbgFlag(), old);
        assert_eq!(*__p__crtBreakAlloc(), -1);
        assert_eq!(_CrtSetBreakAlloc(-1), -1);

        let block = _malloc_dbg(10, NORMAL_BLOCK, c"w.c".as_ptr(), 3);
        let (mut request, mut file, mut line) = (0, std::ptr::null_mut(), 0);
        assert_eq!(
            _CrtIsMemoryBlock(block, 10, &raw mut request, &raw mut file, &raw mut line),
            1
        );
        assert!(request > 0);
        assert_eq!(std::ffi::CStr::from_ptr(file), c"w.c");
        assert_eq!(line, 3);
        assert_eq!(
            _CrtIsMemoryBlock(block, 11, &raw mut request, &raw mut file, &raw mut line),
            0
        );
        assert_eq!((request, line), (0, 0));
        assert!(file.is_null());
        assert_eq!(
            _CrtIsMemoryBlock(
                block,
                10,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                std::ptr::null_mut()
            ),
            1
        );
        assert_eq!(_CrtIsValidHeapPointer(block), 1);
        assert_eq!(
            _CrtIsValidHeapPointer(block.cast::<u8>().wrapping_add(1).cast()),
            0
        );
        assert_eq!(_CrtIsValidPointer(block, 10, 1), 1);
        assert_eq!(_CrtIsValidPointer(std::ptr::null(), 10, 1), 0);
        assert_eq!(_CrtReportBlockType(block), NORMAL_BLOCK);
        assert_eq!(_msize_dbg(block, NORMAL_BLOCK), 10);
        assert_eq!(_msize_dbg(std::ptr::null_mut(), NORMAL_BLOCK), usize::MAX);
        _free_dbg(block, NORMAL_BLOCK);
        assert_eq!(_CrtReportBlockType(block), -1);

        let text = _strdup_dbg(c"text".as_ptr(), NORMAL_BLOCK, std::ptr::null(), 0);
        assert_eq!(std::ffi::CStr::from_ptr(text), c"text");
        assert_eq!(_msize_dbg(text.cast(), NORMAL_BLOCK), 5);
        _free_dbg(text.cast(), NORMAL_BLOCK);
        let wide: Vec<u16> = "w\u{1f600}\0".encode_utf16().collect();
        let copy = _wcsdup_dbg(wide.as_ptr(), NORMAL_BLOCK, std::ptr::null(), 0);
        assert_eq!(std::slice::from_raw_parts(copy, 4), wide);
        assert_eq!(_msize_dbg(copy.cast(), NORMAL_BLOCK), 8);
        _free_dbg(copy.cast(), NORMAL_BLOCK);
        assert!(_strdup_dbg(std::ptr::null(), NORMAL_BLOCK, std::ptr::null(), 0).is_null());

        for wrong in [3, 127] {
            ntheap::crt::errno::set(0);
            assert!(_aligned_malloc_dbg(10, wrong, std::ptr::null(), 0).is_null());
            assert_eq!(ntheap::crt::errno::get(), libc::EINVAL);
        }
        ntheap::crt::errno::set(0);
        assert!(_aligned_malloc_dbg(0, 16, std::ptr::null(), 0).is_null());
        assert_eq!(ntheap::crt::errno::get(), libc::EINVAL);
        let block = _aligned_offset_malloc_dbg(23, 16, 7, std::ptr::null(), 0);
        assert_eq!((block.addr() + 7) % 16, 0);
        assert_eq!(_aligned_msize_dbg(block, 16, 7), 23);
        let block = _aligned_offset_recalloc_dbg(block, 5, 8, 32, 4, std::ptr::null(), 0);
        assert_eq!((block.addr() + 4) % 32, 0);
        assert_eq!(_aligned_msize_dbg(block, 32, 4), 40);
        assert!(_aligned_realloc_dbg(block, 0, 32, std::ptr::null(), 0).is_null());

        let mut state = ntheap::crt::debug::State::EMPTY;
        ntheap::crt::errno::set(0);
        _CrtMemCheckpoint(std::ptr::null_mut());
        assert_eq!(ntheap::crt::errno::get(), libc::EINVAL);
        ntheap::crt::errno::set(0);
        assert_eq!(
            _CrtMemDifference(&raw mut state, std::ptr::null(), &raw const state),
            0
        );
        assert_eq!(ntheap::crt::errno::get(), libc::EINVAL);
        ntheap::crt::errno::set(0);
        _CrtMemDumpStatistics(std::ptr::null());
        assert_eq!(ntheap::crt::errno::get(), libc::EINVAL);
        ntheap::crt::errno::set(0);
        _CrtDoForAllClientObjects(None, std::ptr::null_mut());
        assert_eq!(ntheap::crt::errno::get(), libc::EINVAL);
        ntheap::crt::errno::set(0);
        assert!(_expand_dbg(std::ptr::null_mut(), 1, NORMAL_BLOCK, std::ptr::null(), 0).is_null());
        assert_eq!(ntheap::crt::errno::get(), libc::EINVAL);
        assert_eq!(_CrtSetReportMode(7, 1), -1);
        assert_eq!(
            _CrtSetReportFile(7, std::ptr::null_mut()).addr() as isize,
            -2
        );
        assert_eq!(_CrtSetReportHook2(2, None), -1);
        assert_eq!(_CrtSetReportHook2(0, None), -1);
        assert_eq!(_CrtSetReportHookW2(1, None), -1);
    }
}
