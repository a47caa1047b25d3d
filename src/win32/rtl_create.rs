//! Making and ending heaps by the native layer's functions.

use super::constants::{
    ERROR_INVALID_PARAMETER, ERROR_NOACCESS, HEAP_GROWABLE, MEM_COMMIT, MEM_RESERVE,
    STATUS_NO_MEMORY, STATUS_SUCCESS,
};
use super::failure::{handle_of, last_error_of};
use super::types::{
    DWORD, NTSTATUS, PRTL_HEAP_COMMIT_ROUTINE, PRTL_HEAP_PARAMETERS, PVOID, RTL_HEAP_PARAMETERS,
    SIZE_T, ULONG,
};
use super::{heap, last_error, pages};
use crate::heap::private::{self, CommitRoutine, Error, Memory, Settings, Shape, Tuning};
use crate::sys::{self, text::Text};
use crate::vm::regions::{self, Protect};
use core::ptr;

/// Bytes that a heap which cannot grow reserves when nothing else is said, and
/// the multiple that a reserve made from a commit is rounded up to.
const DEFAULT_RESERVE: usize = 64 * 0x1000;
const RESERVE_STEP: usize = 16 * 0x1000;

/// Makes a heap.
///
/// - With HEAP_GROWABLE and no base, a heap that grows, whose first region
///   commits `commit` bytes, at most `reserve` if that is not 0.
/// - Without it, a heap of `reserve` bytes: of `commit` bytes rounded up to 64
///   KiB if `reserve` is 0, of 256 KiB if both are.
/// - With a base, a multiple of 64 KiB, a heap that lies in the caller's memory
///   and cannot grow. The parameters' InitialReserve and InitialCommit, or else
///   `reserve` and `commit`, say how large that memory is and how much of it is
///   committed; or, for memory of `VirtualAlloc`, what is known of it. More of it
///   is committed by the parameters' CommitRoutine, or by the system; the routine
///   is called while the heap is locked, and does not use it. The memory stays the
///   caller's when the heap is destroyed.
///
/// The parameters count when Length is the structure's size; what is 0 is as for
/// `HeapCreate`. SegmentReserve is what the second region reserves, at most
/// 0xFD0000 bytes, each further one twice as much; SegmentCommit what a region
/// commits at a time; the pages of free blocks of DeCommitFreeBlockThreshold bytes
/// and more go back to the system once DeCommitTotalFreeThreshold bytes, or a
/// quarter of what is in use, were freed, though they count as committed. A block
/// above VirtualMemoryThreshold, which is lowered to `HeapCreate`'s, has a mapping
/// of its own, and one above MaximumAllocationSize is refused. `lock` is not used:
/// the heap has a lock.
///
/// The handle; null and the last error otherwise: ERROR_NOACCESS for parameters
/// that cannot be read; ERROR_INVALID_PARAMETER for a commit routine without a
/// base or with HEAP_GROWABLE, and for memory that is no memory for a heap;
/// ERROR_NOT_ENOUGH_MEMORY.
///
/// Source: "RtlCreateHeap function (ntifs.h)", "RTL_HEAP_PARAMETERS".
///
/// # Safety
/// Memory given is the heap's alone until it is destroyed, and the commit
/// routine can be called until then.
pub unsafe extern "system" fn RtlCreateHeap(
    flags: ULONG,
    base: PVOID,
    reserve: SIZE_T,
    commit: SIZE_T,
    _lock: PVOID,
    parameters: PRTL_HEAP_PARAMETERS,
) -> PVOID {
    let made = read_parameters(parameters).and_then(|told| {
        // SAFETY: the caller's promise is the callee's.
        unsafe { create(flags, base, reserve, commit, &told) }
    });
    match made {
        Ok(handle) => handle,
        Err(error) => {
            last_error::set(error);
            ptr::null_mut()
        }
    }
}

/// What counts of the parameters.
#[derive(Default)]
struct Told {
    commit: usize,
    reserve: usize,
    routine: PRTL_HEAP_COMMIT_ROUTINE,
    tuning: Tuning,
}

fn read_parameters(parameters: PRTL_HEAP_PARAMETERS) -> Result<Told, DWORD> {
    if parameters.is_null() {
        return Ok(Told::default());
    }
    let readable = |size| pages::is_readable(parameters.addr(), size);
    if !readable(size_of::<ULONG>()) {
        return Err(ERROR_NOACCESS);
    }
    // SAFETY: the length can be read, wherever it lies.
    let length = unsafe { (&raw const (*parameters).Length).read_unaligned() } as usize;
    if length < size_of::<RTL_HEAP_PARAMETERS>() {
        return Ok(Told::default());
    }
    if !readable(size_of::<RTL_HEAP_PARAMETERS>()) {
        return Err(ERROR_NOACCESS);
    }
    // SAFETY: all of it can be read, and the caller says that it is such a
    // structure.
    let all = unsafe { parameters.read_unaligned() };
    Ok(Told {
        commit: all.InitialCommit,
        reserve: all.InitialReserve,
        routine: all.CommitRoutine,
        tuning: Tuning {
            region: all.SegmentReserve,
            commit: all.SegmentCommit,
            free_block: all.DeCommitFreeBlockThreshold,
            freed: all.DeCommitTotalFreeThreshold,
            most: all.MaximumAllocationSize,
            large: all.VirtualMemoryThreshold,
        },
    })
}

unsafe fn create(
    flags: ULONG,
    base: PVOID,
    reserve: usize,
    commit: usize,
    told: &Told,
) -> Result<PVOID, DWORD> {
    let is_growable = flags & HEAP_GROWABLE != 0;
    if told.routine.is_some() && (base.is_null() || is_growable) {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let name = heap::next_name();
    let common = Settings {
        flags,
        name: name.as_str(),
        tuning: told.tuning,
        ..Settings::DEFAULT
    };
    let settings = if !base.is_null() {
        let memory = memory_of(base, reserve, commit, told)?;
        Settings {
            shape: Shape::Fixed(memory.reserve),
            memory: Some(memory),
            ..common
        }
    } else if is_growable {
        let most = if reserve == 0 { usize::MAX } else { reserve };
        Settings {
            initial: commit.min(most),
            ..common
        }
    } else {
        let reserve = match (reserve, commit) {
            (0, 0) => DEFAULT_RESERVE,
            (0, commit) => commit
                .checked_next_multiple_of(RESERVE_STEP)
                .ok_or(ERROR_INVALID_PARAMETER)?,
            (reserve, _) => reserve,
        };
        Settings {
            shape: Shape::Fixed(reserve),
            initial: commit.min(reserve),
            ..common
        }
    };
    // SAFETY: the caller's promise is the callee's.
    let made = unsafe { private::create(&settings) };
    made.map(heap::address_of).map_err(last_error_of)
}

/// The caller's memory: as the parameters say, as the arguments say, or as far
/// as it is known.
fn memory_of(base: PVOID, reserve: usize, commit: usize, told: &Told) -> Result<Memory, DWORD> {
    let first = |told: usize, argument: usize| if told == 0 { argument } else { told };
    let mut reserve = first(told.reserve, reserve);
    let mut commit = first(told.commit, commit);
    if reserve == 0 || commit == 0 {
        let (committed, reserved) = extent(base)?;
        reserve = first(reserve, reserved);
        commit = first(commit, committed);
    }
    if commit == 0 || commit > reserve {
        return Err(ERROR_INVALID_PARAMETER);
    }
    Ok(Memory {
        base: base.cast(),
        commit,
        reserve,
        routine: told.routine.or_else(|| {
            // Pages that `VirtualAlloc` reserved are committed by it, too, so
            // that queries tell what is so.
            regions::find(base.addr()).map(|_| commit_pages as CommitRoutine)
        }),
    })
}

/// Commits pages of a reservation of `VirtualAlloc`'s.
unsafe extern "system" fn commit_pages(
    _base: PVOID,
    address: *mut PVOID,
    size: *mut SIZE_T,
) -> NTSTATUS {
    // SAFETY: the heap's own variables.
    let (address, size) = unsafe { ((*address).addr(), *size) };
    match regions::commit(address, size, Protect::READ_WRITE) {
        Ok(_) => STATUS_SUCCESS,
        Err(_) => STATUS_NO_MEMORY,
    }
}

/// How much of the reservation at `base` is committed from there on, and how
/// large it is.
fn extent(base: PVOID) -> Result<(usize, usize), DWORD> {
    let (mut committed, mut reserved) = (0, 0);
    loop {
        let at = base.addr() + reserved;
        let run = pages::query(at)?;
        if run.AllocationBase != base || (run.State != MEM_COMMIT && run.State != MEM_RESERVE) {
            break;
        }
        if run.State == MEM_COMMIT && committed == reserved {
            committed += run.RegionSize;
        }
        reserved += run.RegionSize;
    }
    if reserved == 0 {
        return Err(ERROR_INVALID_PARAMETER);
    }
    Ok((committed, reserved))
}

/// [`HeapDestroy`](super::HeapDestroy): null when the heap is gone, or the
/// handle and ERROR_INVALID_HANDLE. Of a handle that is no heap's, a debugger that is
/// attached (Linux) is told by a line of text and a breakpoint, from which the call
/// goes on; a tracer that is none and passes the SIGTRAP on ends the process by that.
///
/// Source: "RtlDestroyHeap function (ntifs.h)".
///
/// # Safety
/// As for [`HeapDestroy`](super::HeapDestroy).
pub unsafe extern "system" fn RtlDestroyHeap(heap: PVOID) -> PVOID {
    // SAFETY: the caller's promise is the callee's.
    match unsafe { private::destroy(handle_of(heap)) } {
        Ok(()) => ptr::null_mut(),
        Err(error) => {
            if matches!(error, Error::InvalidHandle | Error::Destroyed) {
                tell_debugger(heap);
            }
            last_error::set(last_error_of(error));
            heap
        }
    }
}

/// Tells a debugger that is attached of a handle that is no heap's, and stops there.
#[cold]
fn tell_debugger(heap: PVOID) {
    if !sys::system::is_debugged() {
        return;
    }
    let mut line = Text::<80>::new();
    line.push(b"ntheap: RtlDestroyHeap: ");
    line.push_hex(heap.addr() as u64);
    line.push(b" is no heap's handle\n");
    sys::write_stderr(line.as_bytes());
    sys::break_here();
}
