//! Heaps made by the native layer's function.

use crate::support::{NULL, UNTOUCHED, holds, with_error};
use ntheap::win32::*;
use std::ffi::c_void;
use std::mem::{MaybeUninit, zeroed};
use std::ptr;

const NONE: *const RTL_HEAP_PARAMETERS = ptr::null();

fn create(flags: ULONG, base: PVOID, reserve: usize, commit: usize) -> (PVOID, DWORD) {
    // SAFETY: memory given is the heap's until the test ends it.
    with_error(|| unsafe { RtlCreateHeap(flags, base, reserve, commit, NULL, NONE) })
}

/// Bytes committed and not in the heap's first region.
fn first_region(heap: PVOID) -> (usize, usize) {
    // SAFETY: an entry of zeros starts a walk; the heap lives.
    unsafe {
        let mut entry: RTL_HEAP_WALK_ENTRY = zeroed();
        assert_eq!(RtlWalkHeap(heap, &raw mut entry), STATUS_SUCCESS);
        assert_eq!((entry.DataAddress, entry.Flags), (heap, 2));
        let region = entry.Anonymous.Segment;
        (
            region.CommittedSize as usize,
            region.UnCommittedSize as usize,
        )
    }
}

fn destroy(heap: PVOID) {
    // SAFETY: the tests use nothing of a heap that is gone.
    assert!(unsafe { RtlDestroyHeap(heap) }.is_null());
}

#[test]
fn heaps_that_cannot_grow_have_the_size_that_reserve_and_commit_say() {
    for (reserve, commit, whole) in [
        (0, 0, 0x40000),
        (0, 0x5000, 0x10000),
        (0, 0x12000, 0x20000),
        (0x30000, 0, 0x30000),
        (0x30000, 0x8000, 0x30000),
        (0x30000, 0x50000, 0x30000),
    ] {
        let (heap, error) = create(0, NULL, reserve, commit);
        holds!(!heap.is_null());
        assert_eq!(error, UNTOUCHED);
        let (committed, rest) = first_region(heap);
        assert_eq!(committed + rest, whole, "{reserve:#x} {commit:#x}");
        assert!(committed >= commit.min(reserve.max(commit)).min(whole));
        // SAFETY: the heap lives.
        let large = with_error(|| unsafe { RtlAllocateHeap(heap, 0, whole) });
        assert_eq!(large, (NULL, ERROR_NOT_ENOUGH_MEMORY));
        destroy(heap);
    }
}

#[test]
fn a_heap_in_its_makers_memory_commits_what_it_needs() {
    for given in [true, false] {
        // SAFETY: nothing is taken away from anybody.
        let base = unsafe {
            let base = VirtualAlloc(NULL, 0x20000, MEM_RESERVE, PAGE_READWRITE);
            VirtualAlloc(base, 0x2000, MEM_COMMIT, PAGE_READWRITE)
        };
        holds!(!base.is_null());
        let (reserve, commit) = if given { (0x20000, 0x2000) } else { (0, 0) };
        let (heap, error) = create(0, base, reserve, commit);
        assert_eq!((heap, error), (base, UNTOUCHED));
        // SAFETY: the heap lives.
        let block = unsafe { RtlAllocateHeap(heap, HEAP_ZERO_MEMORY, 0xA000) };
        holds!(!block.is_null());
        assert!(block > base && block < base.wrapping_byte_add(0x20000));
        // Queries tell what is committed, and of whose reservation.
        let mut told = MaybeUninit::<MEMORY_BASIC_INFORMATION>::uninit();
        // SAFETY: the buffer has room for the structure.
        let told = unsafe {
            holds!(VirtualQuery(block, told.as_mut_ptr(), 48) == 48);
            told.assume_init()
        };
        assert_eq!((told.AllocationBase, told.State), (base, MEM_COMMIT));
        // SAFETY: the heap lives.
        let too_large = with_error(|| unsafe { RtlAllocateHeap(heap, 0, 0x20000) });
        assert_eq!(too_large, (NULL, ERROR_NOT_ENOUGH_MEMORY));
        destroy(heap);
        // SAFETY: the memory is this test's again.
        unsafe {
            *block.cast::<u8>() = 1;
            holds!(VirtualFree(base, 0, MEM_RELEASE) == TRUE);
        }
    }
}

unsafe extern "system" fn refusing(_: PVOID, _: *mut PVOID, _: PSIZE_T) -> NTSTATUS {
    STATUS_NO_MEMORY
}

#[test]
fn memory_and_routines_that_do_not_fit_are_refused() {
    let mut parameters: RTL_HEAP_PARAMETERS = RTL_HEAP_PARAMETERS {
        Length: size_of::<RTL_HEAP_PARAMETERS>() as ULONG,
        CommitRoutine: Some(refusing),
        InitialCommit: 0x1000,
        InitialReserve: 0x10000,
        // SAFETY: numbers and an address, all of which may be 0.
        ..unsafe { zeroed() }
    };
    let invalid = (NULL, ERROR_INVALID_PARAMETER);
    // SAFETY: what is refused is not used.
    unsafe {
        let base = VirtualAlloc(NULL, 0x10000, MEM_RESERVE, PAGE_READWRITE);
        holds!(VirtualAlloc(base, 0x1000, MEM_COMMIT, PAGE_READWRITE) == base);
        let create = |flags, base: *mut c_void, parameters: &RTL_HEAP_PARAMETERS| {
            with_error(|| RtlCreateHeap(flags, base, 0, 0, NULL, parameters))
        };
        assert_eq!(create(0, NULL, &parameters), invalid);
        assert_eq!(create(HEAP_GROWABLE, base, &parameters), invalid);
        parameters.InitialCommit = 0x20000;
        assert_eq!(create(0, base, &parameters), invalid);
        parameters.InitialCommit = 0x1000;
        // With a routine that refuses, the heap is full where its pages end.
        let (heap, error) = create(0, base, &parameters);
        assert_eq!((heap, error), (base, UNTOUCHED));
        let block = with_error(|| RtlAllocateHeap(heap, 0, 0x4000));
        assert_eq!(block, (NULL, ERROR_NOT_ENOUGH_MEMORY));
        holds!(!RtlAllocateHeap(heap, 0, 100).is_null());
        destroy(heap);
        let wild = ptr::without_provenance(0xdead_beef);
        assert_eq!(
            with_error(|| RtlCreateHeap(HEAP_GROWABLE, NULL, 0, 0, NULL, wild)),
            (NULL, ERROR_NOACCESS)
        );
        // Nothing is committed there any more.
        holds!(VirtualFree(base, 0, MEM_DECOMMIT) == TRUE);
        assert_eq!(
            with_error(|| RtlCreateHeap(0, base, 0, 0, NULL, NONE)),
            invalid
        );
        holds!(VirtualFree(base, 0, MEM_RELEASE) == TRUE);
    }
}

#[test]
fn flags_that_are_set_without_room_for_them_are_refused() {
    let (heap, _) = create(HEAP_GROWABLE, NULL, 0, 0);
    holds!(!heap.is_null());
    // SAFETY: the heap lives, and its blocks are the test's.
    unsafe {
        let plain = RtlAllocateHeap(heap, 0, 32);
        let value = ptr::without_provenance_mut(5);
        let set = with_error(|| RtlSetUserValueHeap(heap, 0, plain, value));
        assert_eq!(set, (0, ERROR_INVALID_PARAMETER));
        for no_block in [heap, plain.wrapping_byte_add(8), NULL] {
            let refused = (0, ERROR_INVALID_PARAMETER);
            let (mut told, mut flags) = (NULL, 77);
            let info = || RtlGetUserInfoHeap(heap, 0, no_block, &raw mut told, &raw mut flags);
            assert_eq!(with_error(info), refused);
            assert_eq!((told, flags), (NULL, 77));
            let set = || RtlSetUserValueHeap(heap, 0, no_block, value);
            assert_eq!(with_error(set), refused);
            let set = || RtlSetUserFlagsHeap(heap, 0, no_block, 0, 0x200);
            assert_eq!(with_error(set), refused);
        }
        // Whoever does not want to know need not.
        let null = ptr::null_mut();
        assert_eq!(RtlGetUserInfoHeap(heap, 0, plain, null, ptr::null_mut()), 1);
        assert_eq!(RtlGetNtGlobalFlags(), 0);
        assert_eq!((RtlLockHeap(heap), RtlUnlockHeap(heap)), (1, 1));
        assert_eq!(RtlValidateHeap(heap, 0, plain), 1);
        assert_eq!(RtlValidateHeap(heap, 0, heap), 0);
        assert_eq!(RtlSizeHeap(heap, 0, plain), 32);
        assert!(RtlCompactHeap(heap, 0) > 0);
        assert_eq!(RtlFreeHeap(heap, 0, plain), 1);
    }
    destroy(heap);
}

/// A heap that grows, made with parameters.
fn tuned(change: impl FnOnce(&mut RTL_HEAP_PARAMETERS)) -> PVOID {
    let mut parameters = RTL_HEAP_PARAMETERS {
        Length: size_of::<RTL_HEAP_PARAMETERS>() as ULONG,
        // SAFETY: numbers and an address, all of which may be 0.
        ..unsafe { zeroed() }
    };
    change(&mut parameters);
    // SAFETY: no memory is given.
    let heap = unsafe { RtlCreateHeap(HEAP_GROWABLE, NULL, 0, 0, NULL, &raw const parameters) };
    holds!(!heap.is_null());
    heap
}

fn allocate(heap: PVOID, size: usize) -> (PVOID, DWORD) {
    // SAFETY: the heap lives.
    with_error(|| unsafe { RtlAllocateHeap(heap, 0, size) })
}

/// What is known of the reservation that a block lies in: its base, and how much
/// of it is committed and reserved.
fn reservation(block: PVOID) -> (PVOID, usize, usize) {
    let query = |at: PVOID| {
        let mut told = MaybeUninit::<MEMORY_BASIC_INFORMATION>::uninit();
        // SAFETY: the buffer has room for the structure.
        unsafe {
            holds!(VirtualQuery(at, told.as_mut_ptr(), 48) == 48);
            told.assume_init()
        }
    };
    let base = query(block).AllocationBase;
    let first = query(base);
    let rest = query(base.wrapping_byte_add(first.RegionSize));
    let reserved = if rest.AllocationBase == base {
        rest.RegionSize
    } else {
        0
    };
    (base, first.RegionSize, first.RegionSize + reserved)
}

#[test]
fn parameters_choose_how_a_heap_reserves_and_commits() {
    let heap = tuned(|all| {
        all.SegmentReserve = 0x3_0000;
        all.SegmentCommit = 0x6000;
    });
    // Past the first region's 64 KiB, and past the second one's.
    let mut seen = Vec::new();
    for _ in 0..40 {
        let (base, committed, reserved) = reservation(allocate(heap, 0x5000).0);
        if base != heap && !seen.contains(&(base, reserved)) {
            seen.push((base, reserved));
            // Fresh, with room for one block.
            assert_eq!(committed, 0x6000);
        }
    }
    let sizes: Vec<usize> = seen.iter().map(|(_, reserved)| *reserved).collect();
    assert!(sizes.starts_with(&[0x3_0000, 0x6_0000]), "{sizes:x?}");
    let (_, committed, _) = reservation(heap);
    assert_eq!((committed - 0x2000) % 0x6000, 0, "{committed:#x}");
    destroy(heap);
}

#[test]
fn parameters_choose_which_blocks_are_large_and_too_large() {
    let heap = tuned(|all| {
        all.VirtualMemoryThreshold = 0x8000;
        all.MaximumAllocationSize = 0x10_0000;
    });
    let (inside, outside) = (allocate(heap, 0x7ff8).0, allocate(heap, 0x7ff9).0);
    assert_eq!(reservation(inside).0, heap);
    assert_eq!(reservation(outside).0, outside.wrapping_byte_sub(0x40));
    let (block, error) = allocate(heap, 0x10_0000);
    assert!(!block.is_null() && error == UNTOUCHED);
    assert_eq!(allocate(heap, 0x10_0001), (NULL, ERROR_NOT_ENOUGH_MEMORY));
    // SAFETY: the heap and its blocks live; what is refused changes nothing.
    unsafe {
        for flags in [0, HEAP_REALLOC_IN_PLACE_ONLY] {
            let grown = with_error(|| RtlReAllocateHeap(heap, flags, block, 0x10_0001));
            assert_eq!(grown, (NULL, ERROR_NOT_ENOUGH_MEMORY));
        }
        assert_eq!(RtlSizeHeap(heap, 0, block), 0x10_0000);
        assert_eq!(RtlValidateHeap(heap, 0, NULL), TRUE as BOOLEAN);
    }
    destroy(heap);
    // A threshold above Windows' is Windows'.
    let heap = tuned(|all| all.VirtualMemoryThreshold = usize::MAX);
    let large = allocate(heap, 0xf_f000).0;
    assert_eq!(reservation(large).0, large.wrapping_byte_sub(0x40));
    assert_ne!(reservation(allocate(heap, 0xf_d000).0).0, large);
    destroy(heap);
}
