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
