//! What the functions of heaps return, and what they leave as the last error.

use crate::support::{NULL, UNTOUCHED, holds, passes_alone, this_test, with_error};
use ntheap::win32::*;
use std::ffi::c_void;
use std::mem::{MaybeUninit, zeroed};
use std::ptr;
use std::time::Duration;

/// A heap that is destroyed when it goes.
pub(crate) struct Heap(pub(crate) HANDLE);

impl Heap {
    pub(crate) fn new(flags: DWORD, initial: usize, maximum: usize) -> Heap {
        // SAFETY: nothing is promised to HeapCreate.
        let handle = unsafe { HeapCreate(flags, initial, maximum) };
        holds!(!handle.is_null());
        Heap(handle)
    }

    pub(crate) fn alloc(&self, size: usize) -> *mut c_void {
        // SAFETY: the heap lives; one thread uses it.
        let block = unsafe { HeapAlloc(self.0, 0, size) };
        holds!(!block.is_null());
        block
    }

    fn size(&self, block: *const c_void) -> usize {
        // SAFETY: the heap lives; one thread uses it.
        unsafe { HeapSize(self.0, 0, block) }
    }

    fn free(&self, block: *mut c_void) -> BOOL {
        // SAFETY: the heap lives, and the tests use no block after this.
        unsafe { HeapFree(self.0, 0, block) }
    }

    fn walk(&self) -> Vec<PROCESS_HEAP_ENTRY> {
        // SAFETY: an entry of zeros starts a walk.
        let mut entry: PROCESS_HEAP_ENTRY = unsafe { zeroed() };
        let mut entries = Vec::new();
        // SAFETY: the heap lives, and the entry is one.
        let ((), error) = with_error(|| unsafe {
            while HeapWalk(self.0, &raw mut entry) != FALSE {
                entries.push(entry);
            }
        });
        assert_eq!(error, ERROR_NO_MORE_ITEMS);
        entries
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        // SAFETY: the tests use nothing of a heap that is gone.
        let gone = unsafe { HeapDestroy(self.0) };
        if !std::thread::panicking() {
            holds!(gone == TRUE);
        }
    }
}

/// Addresses that are no block of a heap but for the last, which cannot be read.
fn no_blocks(heap: &Heap) -> [*mut c_void; 4] {
    static STATIC: [u64; 8] = [0; 8];
    let freed = heap.alloc(48);
    let inside = heap.alloc(48).wrapping_byte_add(16);
    assert_eq!(heap.free(freed), TRUE);
    [
        freed,
        inside,
        (&raw const STATIC[2]).cast_mut().cast(),
        ptr::without_provenance_mut(0xdead_bee0),
    ]
}

#[test]
fn what_is_no_block_is_refused_and_says_why() {
    let heap = Heap::new(0, 0, 0);
    let other = Heap::new(0, 0, 0);
    let foreign = other.alloc(100);
    let wrong: Vec<_> = no_blocks(&heap).into_iter().chain([foreign]).collect();
    for block in wrong {
        let unreadable = block.addr() == 0xdead_bee0;
        let expected = if unreadable {
            ERROR_NOACCESS
        } else {
            ERROR_INVALID_PARAMETER
        };
        assert_eq!(with_error(|| heap.free(block)), (FALSE, expected));
        // SAFETY: the address is no block of the heap, which refuses it.
        let resized = with_error(|| unsafe { HeapReAlloc(heap.0, 0, block, 10) });
        assert_eq!(resized, (NULL, expected));
        let size = with_error(|| heap.size(block));
        assert_eq!(size, (usize::MAX, UNTOUCHED));
        // SAFETY: any address may be asked about.
        let valid = with_error(|| unsafe { HeapValidate(heap.0, 0, block) });
        let expected_of_it = if unreadable { expected } else { UNTOUCHED };
        assert_eq!(valid, (FALSE, expected_of_it));
        // SAFETY: as above.
        let native = with_error(|| unsafe { RtlFreeHeap(heap.0, 0, block) });
        assert_eq!(native, (0, expected));
    }
    // SAFETY: the heap lives.
    assert_eq!(unsafe { HeapValidate(heap.0, 0, NULL) }, TRUE);
    assert_eq!(other.size(foreign), 100);
}

#[test]
fn null_is_not_like_other_addresses() {
    let heap = Heap::new(0, 0, 0);
    assert_eq!(with_error(|| heap.free(NULL)), (TRUE, UNTOUCHED));
    // SAFETY: null is freed of any heap.
    let of_none = with_error(|| unsafe { HeapFree(NULL, 0, NULL) });
    assert_eq!(of_none, (TRUE, UNTOUCHED));
    // SAFETY: null is refused.
    let resized = with_error(|| unsafe { HeapReAlloc(heap.0, 0, NULL, 10) });
    assert_eq!(resized, (NULL, NO_ERROR));
    let size = with_error(|| heap.size(NULL));
    assert_eq!(size, (usize::MAX, UNTOUCHED));
}

#[test]
fn handles_that_are_no_heaps_are_refused() {
    let gone = {
        let heap = Heap::new(0, 0, 0);
        heap.alloc(10);
        heap.0
    };
    let heap = Heap::new(0, 0, 0);
    let block = heap.alloc(10);
    let mut entry = MaybeUninit::<PROCESS_HEAP_ENTRY>::zeroed();
    let mut walk = MaybeUninit::<RTL_HEAP_WALK_ENTRY>::zeroed();
    let mut value = 2u32;
    let value = (&raw mut value).cast::<c_void>();
    let wrong = [
        NULL,
        gone,
        heap.0.wrapping_byte_add(16),
        block,
        ptr::without_provenance_mut(usize::MAX),
        ptr::without_provenance_mut(0x10000),
    ];
    for handle in wrong {
        // SAFETY: no handle is a heap's, and all are refused.
        unsafe {
            let refused = |result| assert_eq!(result, (FALSE, ERROR_INVALID_HANDLE));
            let no_address = |result| assert_eq!(result, (NULL, ERROR_INVALID_HANDLE));
            refused(with_error(|| HeapDestroy(handle)));
            no_address(with_error(|| HeapAlloc(handle, 0, 10)));
            no_address(with_error(|| HeapReAlloc(handle, 0, block, 10)));
            refused(with_error(|| HeapFree(handle, 0, block)));
            assert_eq!(
                with_error(|| HeapSize(handle, 0, block)),
                (usize::MAX, ERROR_INVALID_HANDLE)
            );
            refused(with_error(|| HeapValidate(handle, 0, block)));
            refused(with_error(|| HeapValidate(handle, 0, NULL)));
            assert_eq!(
                with_error(|| HeapCompact(handle, 0)),
                (0, ERROR_INVALID_HANDLE)
            );
            refused(with_error(|| HeapLock(handle)));
            refused(with_error(|| HeapUnlock(handle)));
            refused(with_error(|| HeapWalk(handle, entry.as_mut_ptr())));
            assert_eq!(
                RtlWalkHeap(handle, walk.as_mut_ptr()),
                STATUS_INVALID_HANDLE
            );
            assert_eq!(
                with_error(|| RtlDestroyHeap(handle)),
                (handle, ERROR_INVALID_HANDLE)
            );
            let native = (0, ERROR_INVALID_HANDLE);
            let set = || RtlSetUserValueHeap(handle, 0, block, NULL);
            assert_eq!(with_error(set), native);
            let set = || RtlSetUserFlagsHeap(handle, 0, block, 0, 0x200);
            assert_eq!(with_error(set), native);
            let none = ptr::null_mut();
            let info = || RtlGetUserInfoHeap(handle, 0, block, none, ptr::null_mut());
            assert_eq!(with_error(info), native);
            let mut list = [NULL, block];
            let free = || RtlMultipleFreeHeap(handle, 0, 2, list.as_mut_ptr());
            assert_eq!(with_error(free), (1, ERROR_INVALID_HANDLE));
            // Of these two, null is another error.
            let expected = if handle.is_null() {
                (FALSE, ERROR_NOACCESS)
            } else {
                (FALSE, ERROR_INVALID_HANDLE)
            };
            let class = HeapCompatibilityInformation;
            let query = || HeapQueryInformation(handle, class, value, 4, ptr::null_mut());
            assert_eq!(with_error(query), expected);
            let set = || HeapSetInformation(handle, class, value, 4);
            assert_eq!(with_error(set), expected);
        }
    }
    assert_eq!(heap.size(block), 10);
}

#[test]
fn sizes_are_exact_and_overflow_is_no_memory() {
    let heap = Heap::new(0, 0, 0);
    for size in [0, 1, 15, 16, 17, 1000, 0xfd000, 0xff000, 0x123456] {
        let block = heap.alloc(size);
        assert_eq!(block.addr() % 16, 0);
        assert_eq!(heap.size(block), size);
        for huge in [usize::MAX, usize::MAX - 7, usize::MAX / 2] {
            // SAFETY: it fails, and the block stays.
            let resized = with_error(|| unsafe { HeapReAlloc(heap.0, 0, block, huge) });
            assert_eq!(resized, (NULL, ERROR_NOT_ENOUGH_MEMORY));
            // SAFETY: the heap lives.
            let made = with_error(|| unsafe { HeapAlloc(heap.0, 0, huge) });
            assert_eq!(made, (NULL, ERROR_NOT_ENOUGH_MEMORY));
        }
        assert_eq!(heap.size(block), size);
        assert_eq!(with_error(|| heap.free(block)), (TRUE, UNTOUCHED));
    }
}

#[test]
fn creations_that_cannot_be_are_refused() {
    // SAFETY: nothing is promised to HeapCreate.
    let create = |initial, maximum| with_error(|| unsafe { HeapCreate(0, initial, maximum) });
    assert_eq!(create(0x20000, 0x10000), (NULL, ERROR_INVALID_PARAMETER));
    assert_eq!(create(0, 1 << 47), (NULL, ERROR_NOT_ENOUGH_MEMORY));
    // Flags that mean nothing are no hindrance.
    drop(Heap::new(0x0FF0_0F00, 0x3000, 0));
}

#[test]
fn fixed_heaps_are_full_at_some_time_and_go_on() {
    let heap = Heap::new(0, 0x1000, 0x40000);
    // SAFETY: the heap lives.
    let too_large = with_error(|| unsafe { HeapAlloc(heap.0, 0, 0x40000) });
    assert_eq!(too_large, (NULL, ERROR_NOT_ENOUGH_MEMORY));
    let mut blocks = Vec::new();
    loop {
        // SAFETY: the heap lives.
        let (block, error) = with_error(|| unsafe { HeapAlloc(heap.0, 0, 0x1000) });
        if block.is_null() {
            assert_eq!(error, ERROR_NOT_ENOUGH_MEMORY);
            break;
        }
        blocks.push(block);
    }
    assert!((50..64).contains(&blocks.len()), "{}", blocks.len());
    assert_eq!(heap.free(blocks.pop().expect("a block")), TRUE);
    heap.alloc(0x1000);
}

#[test]
fn locks_belong_to_their_thread() {
    let heap = Heap::new(0, 0, 0);
    let handle = heap.0.expose_provenance();
    // SAFETY: the heap lives until the end of the test.
    unsafe {
        assert_eq!(with_error(|| HeapUnlock(heap.0)), (FALSE, ERROR_NOT_OWNER));
        assert_eq!(with_error(|| HeapLock(heap.0)), (TRUE, UNTOUCHED));
        assert_eq!(HeapLock(heap.0), TRUE);
        heap.alloc(10);
        let other = std::thread::spawn(move || {
            let heap = ptr::with_exposed_provenance_mut(handle);
            with_error(|| HeapUnlock(heap))
        });
        assert_eq!(other.join().expect("it ends"), (FALSE, ERROR_NOT_OWNER));
        assert_eq!(HeapUnlock(heap.0), TRUE);
        assert_eq!(with_error(|| HeapUnlock(heap.0)), (TRUE, UNTOUCHED));
        assert_eq!(with_error(|| HeapUnlock(heap.0)), (FALSE, ERROR_NOT_OWNER));
    }
}

#[test]
fn a_summary_adds_up() {
    let heap = Heap::new(0, 0, 0);
    let ask = |summary: &mut HEAP_SUMMARY, flags| {
        // SAFETY: the heap lives, and the structure is one.
        with_error(|| unsafe { HeapSummary(heap.0, flags, summary) })
    };
    let mut told = HEAP_SUMMARY::default();
    assert_eq!(ask(&mut told, 0), (FALSE, ERROR_INVALID_PARAMETER));
    told.cb = 40;
    assert_eq!(ask(&mut told, 1), (FALSE, ERROR_INVALID_PARAMETER));
    // SAFETY: the heap lives, and null is refused.
    let null = with_error(|| unsafe { HeapSummary(heap.0, 0, ptr::null_mut()) });
    assert_eq!(null, (FALSE, ERROR_INVALID_PARAMETER));
    assert_eq!(ask(&mut told, 0), (TRUE, UNTOUCHED));
    assert_eq!((told.cb, told.cbAllocated), (40, 0));
    let fresh = told;
    heap.alloc(1000);
    heap.alloc(0x20_0000);
    assert_eq!(ask(&mut told, 0), (TRUE, UNTOUCHED));
    assert_eq!(told.cbAllocated, 1000 + 0x20_0000);
    assert!(told.cbCommitted >= fresh.cbCommitted + 0x20_0000);
    assert!(told.cbCommitted <= told.cbReserved && told.cbReserved <= told.cbMaxReserve);
}

#[test]
fn compaction_tells_the_largest_free_block() {
    let heap = Heap::new(0, 0, 0x10000);
    // SAFETY: the heap lives.
    let compact = || with_error(|| unsafe { HeapCompact(heap.0, 0) });
    let (largest, error) = compact();
    let free = |heap: &Heap| {
        let entries = heap.walk();
        let free = entries.iter().filter(|entry| entry.wFlags == 0);
        free.map(|entry| entry.cbData as usize).max()
    };
    assert_eq!((Some(largest), error), (free(&heap), UNTOUCHED));
    // Nothing is left: blocks down to the least size have taken all of it.
    let mut blocks = Vec::new();
    for size in [0x8000, 0x1000, 0x100, 0x10, 0] {
        // SAFETY: the heap lives.
        while let block = unsafe { HeapAlloc(heap.0, 0, size) }
            && !block.is_null()
        {
            blocks.push(block);
        }
    }
    assert_eq!(compact(), (0, NO_ERROR));
    assert_eq!(heap.free(blocks[0]), TRUE);
    let (largest, error) = compact();
    assert_eq!((Some(largest), error), (free(&heap), UNTOUCHED));
    assert!((0x7fe0..0x8020).contains(&largest), "{largest:#x}");
}

#[test]
fn information_that_is_none_is_refused() {
    let heap = Heap::new(0, 0, 0);
    let set = |handle: HANDLE, class, buffer: *mut c_void, length| {
        // SAFETY: the buffers have the lengths that are given.
        with_error(|| unsafe { HeapSetInformation(handle, class, buffer, length) })
    };
    let mut word = 2u32;
    let word = (&raw mut word).cast::<c_void>();
    let compatibility = HeapCompatibilityInformation;
    let short = (FALSE, ERROR_INSUFFICIENT_BUFFER);
    let invalid = (FALSE, ERROR_INVALID_PARAMETER);
    assert_eq!(set(heap.0, compatibility, word, 3), short);
    assert_eq!(set(heap.0, compatibility, NULL, 4), (FALSE, ERROR_NOACCESS));
    assert_eq!(set(NULL, compatibility, word, 4), (FALSE, ERROR_NOACCESS));
    for class in [2, 4, -1] {
        assert_eq!(set(heap.0, class, word, 4), invalid);
    }
    let termination = HeapEnableTerminationOnCorruption;
    assert_eq!(set(heap.0, termination, word, 4), invalid);

    let optimize = HeapOptimizeResources;
    let mut wanted = HEAP_OPTIMIZE_RESOURCES_INFORMATION {
        Version: 1,
        Flags: 0,
    };
    let mut of = |handle, length, version, flags| {
        wanted.Version = version;
        wanted.Flags = flags;
        set(handle, optimize, (&raw mut wanted).cast(), length)
    };
    assert_eq!(of(heap.0, 7, 1, 0), short);
    assert_eq!(of(heap.0, 8, 2, 0), invalid);
    assert_eq!(of(heap.0, 8, 1, 1), invalid);
    assert_eq!(of(heap.0, 8, 1, 0), (TRUE, UNTOUCHED));
    assert_eq!(of(NULL, 8, 1, 0), (TRUE, UNTOUCHED));

    let query = |class, buffer: *mut c_void, length| {
        // SAFETY: the buffers have the lengths that are given.
        with_error(|| unsafe {
            HeapQueryInformation(heap.0, class, buffer, length, ptr::null_mut())
        })
    };
    assert_eq!(query(termination, word, 4), invalid);
    assert_eq!(query(compatibility, NULL, 4), (FALSE, ERROR_NOACCESS));
    assert_eq!(query(compatibility, word, 4), (TRUE, UNTOUCHED));
}

#[test]
fn optimizing_gives_back_what_buckets_keep() {
    // Other tests optimize all heaps of their process.
    let test = this_test!(optimizing_gives_back_what_buckets_keep);
    passes_alone(test, || {
        let heap = Heap::new(0, 0, 0);
        let kept = Heap::new(0, 0, 0);
        let committed = |heap: &Heap| {
            let mut told = HEAP_SUMMARY {
                cb: 40,
                ..HEAP_SUMMARY::default()
            };
            // SAFETY: the heap lives, and the structure is one.
            holds!(unsafe { HeapSummary(heap.0, 0, &raw mut told) } == TRUE);
            told.cbCommitted
        };
        for one in [true, false] {
            for of in [&heap, &kept] {
                let blocks: Vec<_> = (0..2000).map(|_| of.alloc(64)).collect();
                assert!(committed(of) >= 2000 * 64);
                assert!(blocks.into_iter().all(|block| of.free(block) == TRUE));
                assert!(committed(of) > 0x2000, "buckets keep something");
            }
            let handle = if one { heap.0 } else { NULL };
            let mut wanted = HEAP_OPTIMIZE_RESOURCES_INFORMATION {
                Version: 1,
                Flags: 0,
            };
            let buffer = (&raw mut wanted).cast();
            // SAFETY: the buffer has that length.
            let set = unsafe { HeapSetInformation(handle, HeapOptimizeResources, buffer, 8) };
            assert_eq!(set, TRUE);
            assert_eq!(committed(&heap), 0x2000);
            assert_eq!(committed(&kept) == 0x2000, !one, "the other one's, too?");
        }
    });
}

#[test]
fn flags_that_mean_nothing_are_ignored() {
    const NOTHING: DWORD = 0x8600_0000;
    let heap = Heap::new(NOTHING, 0, 0);
    let mut told = UNTOUCHED;
    // SAFETY: the heap lives, and each block is used by its last address alone.
    unsafe {
        let block = HeapAlloc(heap.0, NOTHING, 100);
        holds!(!block.is_null());
        let block = HeapReAlloc(heap.0, NOTHING, block, 300);
        let all = || {
            assert_eq!(HeapSize(heap.0, NOTHING, block), 300);
            assert_eq!(HeapValidate(heap.0, NOTHING, block), TRUE);
            assert_eq!(HeapValidate(heap.0, NOTHING, ptr::null()), TRUE);
            assert!(HeapCompact(heap.0, NOTHING) > 0);
            let flags = &raw mut told;
            let info = RtlGetUserInfoHeap(heap.0, NOTHING, block, ptr::null_mut(), flags);
            assert_eq!(info, TRUE as BOOLEAN);
            HeapFree(heap.0, NOTHING, block)
        };
        assert_eq!(with_error(all), (TRUE, UNTOUCHED));
    }
    assert_eq!(told, 0);
}

#[test]
fn optimizing_all_heaps_waits_for_no_program() {
    let held = Heap::new(0, 0, 0);
    let (done, is_done) = std::sync::mpsc::channel();
    // SAFETY: the heaps live until the end of the test.
    unsafe {
        assert_eq!(HeapLock(held.0), TRUE);
        let other = std::thread::spawn(move || {
            let mut wanted = HEAP_OPTIMIZE_RESOURCES_INFORMATION {
                Version: 1,
                Flags: 0,
            };
            let buffer = (&raw mut wanted).cast();
            let set = HeapSetInformation(NULL, HeapOptimizeResources, buffer, 8);
            done.send(set).expect("somebody waits");
        });
        let answer = is_done.recv_timeout(Duration::from_secs(20));
        assert_eq!(HeapUnlock(held.0), TRUE);
        other.join().expect("it ends");
        assert_eq!(answer, Ok(TRUE));
    }
}

#[test]
fn walks_lose_their_place_where_there_is_none() {
    let heap = Heap::new(0, 0, 0);
    let block = heap.alloc(100);
    // SAFETY: null is refused.
    let null = with_error(|| unsafe { HeapWalk(heap.0, ptr::null_mut()) });
    assert_eq!(null, (FALSE, ERROR_INVALID_PARAMETER));
    for place in [block.wrapping_byte_add(32), NULL.wrapping_byte_add(16)] {
        // SAFETY: an entry of zeros starts a walk.
        let mut entry: PROCESS_HEAP_ENTRY = unsafe { zeroed() };
        entry.lpData = place;
        entry.wFlags = PROCESS_HEAP_ENTRY_BUSY;
        // SAFETY: the entry is one.
        let walked = with_error(|| unsafe { HeapWalk(heap.0, &raw mut entry) });
        assert_eq!(walked, (FALSE, ERROR_INVALID_PARAMETER));
        assert_eq!(entry.lpData, place);
    }
    let entries = heap.walk();
    let found = entries.iter().find(|entry| entry.lpData == block);
    assert_eq!(found.map(|entry| entry.cbData), Some(100));
}

#[test]
fn the_process_heap_is_first_and_stays() {
    passes_alone(this_test!(the_process_heap_is_first_and_stays), || {
        // SAFETY: no promise to keep, but for the room.
        unsafe {
            let process = GetProcessHeap();
            holds!(!process.is_null());
            assert_eq!(GetProcessHeaps(0, ptr::null_mut()), 1);
            let first = Heap::new(0, 0, 0);
            let second = Heap::new(0, 0, 0);
            assert_eq!(GetProcessHeaps(0, ptr::null_mut()), 3);
            let mut handles = [NULL; 4];
            assert_eq!(GetProcessHeaps(4, handles.as_mut_ptr()), 3);
            assert_eq!(handles, [process, first.0, second.0, NULL]);
            handles = [NULL; 4];
            assert_eq!(RtlGetProcessHeaps(2, handles.as_mut_ptr()), 3);
            assert_eq!(handles, [process, first.0, NULL, NULL]);
            drop(first);
            assert_eq!(GetProcessHeaps(4, handles.as_mut_ptr()), 2);
            assert_eq!(handles[..2], [process, second.0]);
            assert_eq!(
                with_error(|| HeapDestroy(process)),
                (FALSE, ERROR_INVALID_HANDLE)
            );
            assert_eq!(RtlDestroyHeap(process), process);
            assert_eq!(GetProcessHeap(), process);
            let block = HeapAlloc(process, 0, 77);
            assert_eq!(HeapSize(process, 0, block), 77);
            assert_eq!(HeapFree(process, 0, block), TRUE);
        }
    });
}

#[test]
fn executable_heaps_run_code_and_queries_say_so() {
    let heap = Heap::new(HEAP_CREATE_ENABLE_EXECUTE, 0, 0);
    let block = heap.alloc(64);
    let mut told = MaybeUninit::<MEMORY_BASIC_INFORMATION>::uninit();
    // SAFETY: the buffer has room for the structure.
    let told = unsafe {
        holds!(VirtualQuery(block, told.as_mut_ptr(), 48) == 48);
        told.assume_init()
    };
    assert_eq!(told.Protect, PAGE_EXECUTE_READWRITE);
    assert_eq!(told.AllocationBase, heap.0);
    if cfg!(target_arch = "x86_64") {
        let code = block.cast::<[u8; 6]>();
        // SAFETY: the block has 64 bytes, and the bytes are a function: mov eax,
        // 42; ret.
        unsafe {
            code.write([0xb8, 42, 0, 0, 0, 0xc3]);
            let function = std::mem::transmute::<*mut [u8; 6], extern "C" fn() -> i32>(code);
            assert_eq!(function(), 42);
        }
    }
}
