//! What a heap tells of itself, and what can be set.

use super::answers;
use super::constants::{
    ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_PARAMETER, ERROR_NOACCESS, FALSE, HEAP_NO_SERIALIZE,
    HEAP_OPTIMIZE_RESOURCES_CURRENT_VERSION, HeapCompatibilityInformation,
    HeapEnableTerminationOnCorruption, HeapOptimizeResources,
};
use super::failure::{handle_of, told};
use super::last_error;
use super::types::{
    BOOL, DWORD, HANDLE, HEAP_INFORMATION_CLASS, HEAP_OPTIMIZE_RESOURCES_INFORMATION, HEAP_SUMMARY,
    LPHEAP_SUMMARY, PSIZE_T, PVOID, SIZE_T, ULONG,
};
use crate::heap::private;

/// Tells HeapCompatibilityInformation: a ULONG of 0 for a heap without front
/// end, of 2 for one with the low-fragmentation heap.
///
/// TRUE; FALSE and the last error otherwise: ERROR_INSUFFICIENT_BUFFER when the
/// buffer is shorter than 4 bytes; `*needed`, if there is such a place, is then
/// 4 as well. ERROR_NOACCESS when `heap` is null, ERROR_INVALID_HANDLE when it is
/// no heap, ERROR_INVALID_PARAMETER for any other class.
///
/// Source: "HeapQueryInformation function (heapapi.h)".
///
/// # Safety
/// `buffer` leads to `length` bytes that can be written to, `needed` to a
/// number; each may be null. `heap` is not being destroyed.
pub unsafe extern "system" fn HeapQueryInformation(
    heap: HANDLE,
    class: HEAP_INFORMATION_CLASS,
    buffer: PVOID,
    length: SIZE_T,
    needed: PSIZE_T,
) -> BOOL {
    // SAFETY: the caller's promise is the callee's.
    answers::told(unsafe { query(heap, class, buffer, length, needed) })
}

unsafe fn query(
    heap: HANDLE,
    class: HEAP_INFORMATION_CLASS,
    buffer: PVOID,
    length: SIZE_T,
    needed: PSIZE_T,
) -> Result<(), DWORD> {
    if class != HeapCompatibilityInformation {
        return Err(ERROR_INVALID_PARAMETER);
    }
    if heap.is_null() {
        return Err(ERROR_NOACCESS);
    }
    let value: ULONG = private::compatibility(handle_of(heap))
        .map_err(|error| told("HeapQueryInformation", heap, error))?;
    if !needed.is_null() {
        // SAFETY: the caller's place for the length.
        unsafe { needed.write_unaligned(size_of::<ULONG>()) };
    }
    if length < size_of::<ULONG>() {
        return Err(ERROR_INSUFFICIENT_BUFFER);
    }
    if buffer.is_null() {
        return Err(ERROR_NOACCESS);
    }
    // SAFETY: the caller's buffer has at least four bytes.
    unsafe { buffer.cast::<ULONG>().write_unaligned(value) };
    Ok(())
}

/// Sets one of three things:
///
/// - HeapCompatibilityInformation: a ULONG of 2 gives the heap the
///   low-fragmentation heap, for good; it serves a size from the 18th allocation
///   on. After that other values are ERROR_GEN_FAILURE; before, 0 changes
///   nothing, and others are ERROR_INVALID_PARAMETER. A heap with HEAP_NO_SERIALIZE or of
///   fixed size cannot have it: ERROR_INVALID_PARAMETER.
/// - HeapEnableTerminationOnCorruption: from now on misuse and corruption of any
///   heap of the Windows names end the process, with a report. `buffer` is null
///   and `length` 0; the handle does not count. It cannot be undone. (64-bit
///   Windows has it on from the start. Here it is off, so that the answers FALSE
///   can be seen.)
/// - HeapOptimizeResources: free memory of the heap, or if `heap` is null of all
///   heaps but those made with HEAP_NO_SERIALIZE, goes back to the system.
///   `buffer` leads to a HEAP_OPTIMIZE_RESOURCES_INFORMATION.
///
/// TRUE; FALSE and the last error otherwise, besides those above:
/// ERROR_INSUFFICIENT_BUFFER for a buffer too short, ERROR_NOACCESS when it or
/// the heap is null and must not be, ERROR_INVALID_HANDLE,
/// ERROR_INVALID_PARAMETER for any other class, version or flag.
///
/// Source: "HeapSetInformation function (heapapi.h)".
///
/// # Safety
/// `buffer` is null or leads to `length` bytes. `heap` is not being destroyed.
pub unsafe extern "system" fn HeapSetInformation(
    heap: HANDLE,
    class: HEAP_INFORMATION_CLASS,
    buffer: PVOID,
    length: SIZE_T,
) -> BOOL {
    // SAFETY: the caller's promise is the callee's.
    answers::told(unsafe { set(heap, class, buffer, length) })
}

unsafe fn set(
    heap: HANDLE,
    class: HEAP_INFORMATION_CLASS,
    buffer: PVOID,
    length: SIZE_T,
) -> Result<(), DWORD> {
    let said = |error| told("HeapSetInformation", heap, error);
    if class == HeapCompatibilityInformation {
        if heap.is_null() {
            return Err(ERROR_NOACCESS);
        }
        // The handle comes before the buffer.
        private::compatibility(handle_of(heap)).map_err(said)?;
        // SAFETY: the caller's promise is the callee's.
        let value = unsafe { read::<ULONG>(buffer, length) }?;
        private::set_compatibility(handle_of(heap), value).map_err(said)
    } else if class == HeapEnableTerminationOnCorruption {
        if !buffer.is_null() || length != 0 {
            return Err(ERROR_INVALID_PARAMETER);
        }
        private::terminate_on_corruption();
        Ok(())
    } else if class == HeapOptimizeResources {
        // SAFETY: the caller's promise is the callee's.
        let wanted = unsafe { read::<HEAP_OPTIMIZE_RESOURCES_INFORMATION>(buffer, length) }?;
        if wanted.Version != HEAP_OPTIMIZE_RESOURCES_CURRENT_VERSION || wanted.Flags != 0 {
            return Err(ERROR_INVALID_PARAMETER);
        }
        if heap.is_null() {
            optimize_all();
            Ok(())
        } else {
            let done = private::compact(handle_of(heap), 0);
            done.map(|_| ()).map_err(said)
        }
    } else {
        Err(ERROR_INVALID_PARAMETER)
    }
}

/// Gives the free memory of all heaps back that any thread may use. Those made
/// with HEAP_NO_SERIALIZE have no lock, and belong to threads that know nothing of
/// this call. The list of heaps is locked meanwhile, so nothing here waits for a
/// program that holds a heap by HeapLock, and may want to make another: the call's
/// own HEAP_NO_SERIALIZE sees to that, and operations exclude each other all the
/// same.
fn optimize_all() {
    private::for_each(&mut |handle| {
        // A heap of the list is live, so there is nothing to fail.
        let flags = private::flags_of(handle).unwrap_or(HEAP_NO_SERIALIZE);
        if flags & HEAP_NO_SERIALIZE == 0 {
            let _ = private::compact(handle, HEAP_NO_SERIALIZE);
        }
        true
    });
}

/// What lies in the caller's buffer.
unsafe fn read<T: Copy>(buffer: PVOID, length: SIZE_T) -> Result<T, DWORD> {
    if length < size_of::<T>() {
        return Err(ERROR_INSUFFICIENT_BUFFER);
    }
    if buffer.is_null() {
        return Err(ERROR_NOACCESS);
    }
    // SAFETY: the caller's buffer has at least so many bytes, and the types read
    // here are numbers.
    Ok(unsafe { buffer.cast::<T>().read_unaligned() })
}

/// Tells how many bytes the heap has handed out, committed and reserved, and may
/// reserve. TRUE; FALSE and the last error otherwise: ERROR_INVALID_PARAMETER
/// when `flags` is not 0, `summary` is null or its `cb` is not its size;
/// ERROR_INVALID_HANDLE. The figures are one moment's only while no other thread
/// uses the heap.
///
/// Source: "HeapSummary function (heapapi.h)".
///
/// # Safety
/// `summary` is null or leads to such a structure. `heap` is not being destroyed.
pub unsafe extern "system" fn HeapSummary(
    heap: HANDLE,
    flags: DWORD,
    summary: LPHEAP_SUMMARY,
) -> BOOL {
    const SIZE: DWORD = size_of::<HEAP_SUMMARY>() as DWORD;
    // SAFETY: the caller's structure, where there is one, has a `cb`.
    let is_known = flags == 0 && !summary.is_null() && unsafe { (*summary).cb } == SIZE;
    if !is_known {
        last_error::set(ERROR_INVALID_PARAMETER);
        return FALSE;
    }
    let figures = private::summary(handle_of(heap));
    let figures = figures.map_err(|error| told("HeapSummary", heap, error));
    answers::told(figures.map(|figures| {
        // SAFETY: the caller's structure can be written to.
        unsafe {
            summary.write(HEAP_SUMMARY {
                cb: SIZE,
                cbAllocated: figures.allocated,
                cbCommitted: figures.committed,
                cbReserved: figures.reserved,
                cbMaxReserve: figures.max_reserve,
            });
        }
    }))
}
