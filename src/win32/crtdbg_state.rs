//! The debug C runtime's names: flags, hooks, states, dumps and questions, about
//! the debug heap of the runtime that all modules share ([`DebugHeap::shared`]).
//!
//! Any thread may call them.

use super::types::{
    _CRT_ALLOC_HOOK, _CRT_DUMP_CLIENT, _CrtClientVisitor, _CrtMemState, INT, LPCVOID, LPSTR, PINT,
    PVOID, UINT, long,
};
use crate::crt::debug::kind::flags;
use crate::crt::debug::{DebugHeap, Known, Origin};
use crate::crt::invalid;

fn heap() -> &'static DebugHeap {
    DebugHeap::shared()
}

/// Sets the flags of the debug heap; those before. `_CRTDBG_REPORT_FLAG`, -1,
/// sets nothing. EINVAL, after the invalid parameter handler, and nothing set,
/// for bits that mean nothing.
///
/// With `_CRTDBG_LEAK_CHECK_DF` leaks are reported when the process ends by exit
/// or by returning from main: for C programs after all of their own exit handlers
/// and destructors ran, for Rust programs before those that were registered
/// earlier.
///
/// Source: "_CrtSetDbgFlag".
///
/// # Safety
/// None to keep.
pub unsafe extern "system" fn _CrtSetDbgFlag(new: INT) -> INT {
    if new == -1 {
        return heap().flags();
    }
    heap().set_flags(new).unwrap_or_else(|| {
        invalid::parameter();
        heap().flags()
    })
}

/// Where the flags are: the variable `_crtDbgFlag`. A leak check at the end is
/// asked for by [`_CrtSetDbgFlag`] only.
///
/// Source: "_crtDbgFlag".
///
/// # Safety
/// None to keep.
pub unsafe extern "system" fn __p__crtDbgFlag() -> PINT {
    heap().flags_place()
}

/// Breaks into the debugger, by SIGTRAP, at the request of this number, before
/// it is done; -1 at none. The number before.
///
/// Source: "_CrtSetBreakAlloc".
///
/// # Safety
/// None to keep.
pub unsafe extern "system" fn _CrtSetBreakAlloc(request: long) -> long {
    heap().break_at(request as isize) as long
}

/// Where that number is: the variable `_crtBreakAlloc`.
///
/// Source: "CRT debug heap details".
///
/// # Safety
/// None to keep.
pub unsafe extern "system" fn __p__crtBreakAlloc() -> *mut long {
    heap().break_place().cast()
}

/// Sets the allocation hook, or takes it away; the one before. It is called with
/// no lock held and may allocate and free.
///
/// Source: "_CrtSetAllocHook".
///
/// # Safety
/// The hook can be called until it is replaced, and a while after that if other
/// threads are allocating.
pub unsafe extern "system" fn _CrtSetAllocHook(hook: _CRT_ALLOC_HOOK) -> _CRT_ALLOC_HOOK {
    // SAFETY: the caller's promise.
    unsafe { heap().set_alloc_hook(hook) }
}

/// The allocation hook, or null.
///
/// Source: "_CrtGetAllocHook".
///
/// # Safety
/// None to keep.
pub unsafe extern "system" fn _CrtGetAllocHook() -> _CRT_ALLOC_HOOK {
    heap().alloc_hook()
}

/// Sets what shows client blocks in dumps, in place of their first bytes; what
/// did before.
///
/// Source: "_CrtSetDumpClient".
///
/// # Safety
/// As for [`_CrtSetAllocHook`].
pub unsafe extern "system" fn _CrtSetDumpClient(dump: _CRT_DUMP_CLIENT) -> _CRT_DUMP_CLIENT {
    // SAFETY: the caller's promise.
    unsafe { heap().set_dump_client(dump) }
}

/// What shows client blocks, or null.
///
/// Source: "_CrtGetDumpClient".
///
/// # Safety
/// None to keep.
pub unsafe extern "system" fn _CrtGetDumpClient() -> _CRT_DUMP_CLIENT {
    heap().dump_client()
}

/// Looks at all blocks, and at the heap below; TRUE when all is well, or when
/// `_CRTDBG_ALLOC_MEM_DF` is off. What is wrong is reported as warnings. Takes
/// time with the blocks.
///
/// Source: "_CrtCheckMemory".
///
/// # Safety
/// None to keep.
pub unsafe extern "system" fn _CrtCheckMemory() -> INT {
    INT::from(heap().check())
}

/// Writes the debug heap's figures. EINVAL, after the invalid parameter handler,
/// for null. Constant time.
///
/// Source: "_CrtMemCheckpoint".
///
/// # Safety
/// `state` is null or can be written to.
pub unsafe extern "system" fn _CrtMemCheckpoint(state: *mut _CrtMemState) {
    if state.is_null() {
        invalid::parameter();
        return;
    }
    // SAFETY: the caller's promise.
    unsafe { state.write(heap().checkpoint()) };
}

/// Writes how two states differ; TRUE when they do significantly: in the blocks
/// or bytes of a type that counts. FALSE and EINVAL, after the invalid parameter
/// handler, where one is null.
///
/// Source: "_CrtMemDifference".
///
/// # Safety
/// Each is null, or can be read, and the first written to.
pub unsafe extern "system" fn _CrtMemDifference(
    difference: *mut _CrtMemState,
    old: *const _CrtMemState,
    new: *const _CrtMemState,
) -> INT {
    if difference.is_null() || old.is_null() || new.is_null() {
        invalid::parameter();
        return 0;
    }
    let with_crt = heap().flags() & flags::CHECK_CRT != 0;
    // SAFETY: the caller's promise. The difference may be one of the two: both
    // are read before it is written.
    unsafe {
        let (result, differs) = old.read().difference(&new.read(), with_crt);
        difference.write(result);
        INT::from(differs)
    }
}

/// Reports a state's figures, a line each. EINVAL, after the invalid parameter
/// handler, for null.
///
/// Source: "_CrtMemDumpStatistics".
///
/// # Safety
/// `state` is null or can be read.
pub unsafe extern "system" fn _CrtMemDumpStatistics(state: *const _CrtMemState) {
    // SAFETY: the caller's promise.
    match unsafe { state.as_ref() } {
        Some(state) => heap().dump_statistics(state),
        None => invalid::parameter(),
    }
}

/// Reports all blocks that were asked for since a state, or ever, newest first.
/// No lock is held meanwhile. Takes time with the blocks.
///
/// Source: "_CrtMemDumpAllObjectsSince".
///
/// # Safety
/// `state` is null or can be read.
pub unsafe extern "system" fn _CrtMemDumpAllObjectsSince(state: *const _CrtMemState) {
    // SAFETY: the caller's promise.
    heap().dump_since(unsafe { state.as_ref() });
}

/// Reports all blocks, if there are any that count as leaks; TRUE then.
///
/// Source: "_CrtDumpMemoryLeaks".
///
/// # Safety
/// None to keep.
pub unsafe extern "system" fn _CrtDumpMemoryLeaks() -> INT {
    INT::from(heap().dump_leaks())
}

/// Calls a function for every client block, newest first, with no lock held.
/// Nothing when `_CRTDBG_ALLOC_MEM_DF` is off. EINVAL, after the invalid
/// parameter handler, for null.
///
/// Source: "_CrtDoForAllClientObjects".
///
/// # Safety
/// The function can be called with the context.
pub unsafe extern "system" fn _CrtDoForAllClientObjects(visit: _CrtClientVisitor, context: PVOID) {
    match visit {
        // SAFETY: the caller's promise.
        Some(visit) => unsafe { heap().for_all_client_blocks(visit, context) },
        None => invalid::parameter(),
    }
}

/// TRUE unless the address is null, as since Visual Studio 2010.
///
/// Source: "_CrtIsValidPointer".
///
/// # Safety
/// None to keep.
pub unsafe extern "system" fn _CrtIsValidPointer(
    address: LPCVOID,
    _size: UINT,
    _access: INT,
) -> INT {
    INT::from(!address.is_null())
}

/// Whether a debug block starts at the address. Any address may be asked about.
///
/// Source: "_CrtIsValidHeapPointer".
///
/// # Safety
/// None to keep.
pub unsafe extern "system" fn _CrtIsValidHeapPointer(block: LPCVOID) -> INT {
    INT::from(heap().is_block(block.cast()))
}

/// Whether a debug block of that size starts at the address, and was not freed.
/// Its request's number, file and line are written where that is wanted; 0, null
/// and 0 for none.
///
/// Source: "_CrtIsMemoryBlock".
///
/// # Safety
/// The last three are null, or can be written to.
pub unsafe extern "system" fn _CrtIsMemoryBlock(
    block: LPCVOID,
    size: UINT,
    request: *mut long,
    file: *mut LPSTR,
    line: PINT,
) -> INT {
    let known = heap().block_of(block.cast(), size as usize);
    let told = |known: &Known| (known.request as long, known.origin);
    let (number, origin) = known.as_ref().map_or((0, Origin::NONE), told);
    // SAFETY: the caller's promise.
    unsafe {
        if !request.is_null() {
            request.write(number);
        }
        if !file.is_null() {
            file.write(origin.file().cast_mut());
        }
        if !line.is_null() {
            line.write(origin.line());
        }
    }
    INT::from(known.is_some())
}

/// Type and subtype of the debug block that starts at the address; -1 where
/// there is none, or one that was freed.
///
/// Source: "_CrtReportBlockType".
///
/// # Safety
/// None to keep.
pub unsafe extern "system" fn _CrtReportBlockType(block: LPCVOID) -> INT {
    heap().block_type(block.cast())
}
