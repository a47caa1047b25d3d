//! Heaps and their blocks.
//!
//! What all of these have in common:
//! - A handle that is no heap's, or a destroyed heap's, gives FALSE, null or
//!   (SIZE_T)-1 and ERROR_INVALID_HANDLE. An address that is no block of the
//!   heap gives FALSE, null or (SIZE_T)-1. Both end the process by a report
//!   once termination on corruption is on ([`HeapSetInformation`]).
//! - Flags that mean nothing to a function are ignored; those of the heap's
//!   creation count for every call.
//! - Any thread may call them; on a heap made with HEAP_NO_SERIALIZE, or for a
//!   call with that flag, the callers see to it that one of them is in it at a
//!   time.
//!
//! [`HeapSetInformation`]: super::HeapSetInformation

use super::constants::{ERROR_NOACCESS, FALSE, TRUE};
use super::failure::{fail, fail_block, handle_of, raised, told};
use super::types::{BOOL, DWORD, HANDLE, LPCVOID, LPVOID, PHANDLE, SIZE_T};
use super::{last_error, pages};
use crate::heap::private::{self, Error, Handle, Settings, Shape};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

pub(super) fn address_of(handle: Handle) -> HANDLE {
    ptr::with_exposed_provenance_mut(handle.address())
}

/// A heap's name for reports, which the Windows names have no other for: "heap
/// 1", "heap 2" and so on, in the order of their creation.
pub(super) struct Name {
    bytes: [u8; Name::ROOM],
    start: usize,
}

impl Name {
    const PREFIX: [u8; 5] = *b"heap ";
    const ROOM: usize = Self::PREFIX.len() + 20;

    fn of(number: usize) -> Name {
        let mut name = Name {
            bytes: [0; Name::ROOM],
            start: Name::ROOM,
        };
        let mut rest = number;
        loop {
            name.put(b'0' + (rest % 10) as u8);
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        for &letter in Name::PREFIX.iter().rev() {
            name.put(letter);
        }
        name
    }

    fn put(&mut self, letter: u8) {
        if let Some(before) = self.start.checked_sub(1)
            && let Some(place) = self.bytes.get_mut(before)
        {
            *place = letter;
            self.start = before;
        }
    }

    pub(super) fn as_str(&self) -> &str {
        let bytes = self.bytes.get(self.start..).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// The next heap's name.
pub(super) fn next_name() -> Name {
    static HEAPS: AtomicUsize = AtomicUsize::new(0);
    Name::of(HEAPS.fetch_add(1, Ordering::Relaxed) + 1)
}

/// Makes a heap. With a maximum of 0 it grows as long as there is memory, and
/// `initial` bytes are committed at first, a page at least; with another one it
/// reserves so many bytes, rounded up to 8 KiB, never grows, and serves no
/// block of 0xFD000 bytes or more.
///
/// Flags: HEAP_NO_SERIALIZE, HEAP_GENERATE_EXCEPTIONS,
/// HEAP_CREATE_ENABLE_EXECUTE. Others are ignored.
///
/// The handle, the address of the heap's first region, a multiple of 64 KiB;
/// null and the last error otherwise: ERROR_INVALID_PARAMETER when `initial` is
/// larger than a maximum that is not 0, ERROR_NOT_ENOUGH_MEMORY. Constant time.
///
/// Source: "HeapCreate function (heapapi.h)".
///
/// # Safety
/// None to keep until the heap is used.
pub unsafe extern "system" fn HeapCreate(
    options: DWORD,
    initial: SIZE_T,
    maximum: SIZE_T,
) -> HANDLE {
    let shape = match maximum {
        0 => Shape::Growable,
        maximum => Shape::Fixed(maximum),
    };
    let name = next_name();
    let settings = Settings {
        shape,
        initial,
        flags: options,
        name: name.as_str(),
        ..Settings::DEFAULT
    };
    // SAFETY: no memory is given.
    match unsafe { private::create(&settings) } {
        Ok(handle) => address_of(handle),
        Err(error) => {
            fail(error);
            ptr::null_mut()
        }
    }
}

/// Ends a heap with all of its blocks. TRUE; FALSE and ERROR_INVALID_HANDLE for
/// the process heap, which cannot end. Takes time with the heap's regions and
/// large blocks, not with the number of its blocks.
///
/// Source: "HeapDestroy function (heapapi.h)".
///
/// # Safety
/// Nobody uses the heap or any of its blocks any more.
pub unsafe extern "system" fn HeapDestroy(heap: HANDLE) -> BOOL {
    // SAFETY: the caller's promise is the callee's.
    match unsafe { private::destroy(handle_of(heap)) } {
        Ok(()) => TRUE,
        Err(_) => {
            fail(Error::InvalidHandle);
            FALSE
        }
    }
}

/// A block of exactly `bytes` bytes, at a multiple of 16; of 0 bytes a block of
/// its own.
///
/// Flags: HEAP_NO_SERIALIZE, HEAP_GENERATE_EXCEPTIONS, HEAP_ZERO_MEMORY, and
/// HEAP_SETTABLE_USER_VALUE and the user flags for the Rtl functions.
///
/// Null and ERROR_NOT_ENOUGH_MEMORY when there is no memory or the heap is at
/// its limit. With HEAP_GENERATE_EXCEPTIONS the failure is the exception
/// STATUS_NO_MEMORY, or STATUS_ACCESS_VIOLATION for a bad handle, with `bytes`
/// as its one parameter; a handler that continues has it tried again. Constant
/// time on most paths.
///
/// Source: "HeapAlloc function (heapapi.h)". (Windows is documented not to set
/// the last error, and is seen to set it.)
///
/// # Safety
/// `heap` is not being destroyed.
#[inline]
pub unsafe extern "system" fn HeapAlloc(heap: HANDLE, flags: DWORD, bytes: SIZE_T) -> LPVOID {
    // SAFETY: the caller's promise is the callees'.
    unsafe {
        let block = private::at_hand(handle_of(heap), flags, bytes);
        if block.is_null() {
            return allocate_rest(heap, flags, bytes);
        }
        block.cast()
    }
}

/// [`HeapAlloc`] where no block is at hand: a function of its own, so that the
/// other one has nothing to save.
#[inline(never)]
unsafe extern "system" fn allocate_rest(heap: HANDLE, flags: DWORD, bytes: SIZE_T) -> LPVOID {
    // SAFETY: the caller's promise is the callee's.
    unsafe { allocate("HeapAlloc", heap, flags, bytes) }
}

/// [`HeapAlloc`] by another name.
pub(super) unsafe fn allocate(
    operation: &'static str,
    heap: HANDLE,
    flags: DWORD,
    bytes: SIZE_T,
) -> LPVOID {
    // SAFETY: the caller's promise is the callee's.
    match unsafe { private::allocate(handle_of(heap), flags, bytes) } {
        Ok(block) => block.as_ptr().cast(),
        // SAFETY: as above.
        Err(error) => unsafe { allocate_failed(operation, heap, flags, bytes, error) },
    }
}

#[cold]
#[inline(never)]
unsafe fn allocate_failed(
    operation: &'static str,
    heap: HANDLE,
    flags: DWORD,
    bytes: SIZE_T,
    mut error: Error,
) -> LPVOID {
    while raised(operation, heap, flags, bytes, error) {
        // SAFETY: the caller's promise is the callee's.
        match unsafe { private::allocate(handle_of(heap), flags, bytes) } {
            Ok(block) => return block.as_ptr().cast(),
            Err(again) => error = again,
        }
    }
    fail(error);
    ptr::null_mut()
}

/// Changes a block's size to exactly `bytes`, 0 included. What it held stays,
/// up to the smaller size. The block's address, which may be new.
///
/// Flags as for [`HeapAlloc`], HEAP_ZERO_MEMORY for what is added, and
/// HEAP_REALLOC_IN_PLACE_ONLY to fail rather than move the block.
///
/// Null otherwise, and the block as it was: ERROR_NOT_ENOUGH_MEMORY when there
/// is no memory, the heap is at its limit or the block cannot stay;
/// ERROR_INVALID_PARAMETER or ERROR_NOACCESS when `block` is no block of the
/// heap; NO_ERROR when it is null. With HEAP_GENERATE_EXCEPTIONS a failure
/// but the last is an exception as for [`HeapAlloc`].
///
/// Source: "HeapReAlloc function (heapapi.h)".
///
/// # Safety
/// `heap` is not being destroyed, and nobody uses the block through its old
/// address unless null is returned.
pub unsafe extern "system" fn HeapReAlloc(
    heap: HANDLE,
    flags: DWORD,
    block: LPVOID,
    bytes: SIZE_T,
) -> LPVOID {
    // SAFETY: the caller's promise is the callee's.
    unsafe { reallocate("HeapReAlloc", heap, flags, block, bytes) }
}

pub(super) unsafe fn reallocate(
    operation: &'static str,
    heap: HANDLE,
    flags: DWORD,
    block: LPVOID,
    bytes: SIZE_T,
) -> LPVOID {
    if block.is_null() {
        last_error::clear();
        return ptr::null_mut();
    }
    loop {
        // SAFETY: the caller's promise is the callee's.
        match unsafe { private::reallocate(handle_of(heap), flags, block.cast(), bytes) } {
            Ok(block) => return block.as_ptr().cast(),
            Err(error) if raised(operation, heap, flags, bytes, error) => {}
            Err(error) => {
                fail_block(error, block.addr());
                return ptr::null_mut();
            }
        }
    }
}

/// Frees a block. TRUE, also for null, whatever the handle is; FALSE and
/// ERROR_INVALID_PARAMETER, or ERROR_NOACCESS where nothing can be read, for an
/// address that is no block of the heap. Constant time on most paths.
///
/// Source: "HeapFree function (heapapi.h)".
///
/// # Safety
/// `heap` is not being destroyed, and nobody uses the block any more.
#[inline]
pub unsafe extern "system" fn HeapFree(heap: HANDLE, flags: DWORD, block: LPVOID) -> BOOL {
    // SAFETY: the caller's promise is the callees'.
    unsafe {
        if private::free_at_hand(handle_of(heap), block.cast()) {
            return TRUE;
        }
        free_rest(heap, flags, 0, block)
    }
}

/// [`HeapFree`] where a slot has no room for the block, or it is none. The block
/// comes in the fourth place: the register of the third one is used up by the
/// multiplication that finds a block's number, and the block need not be saved
/// from it and put back.
#[inline(never)]
unsafe extern "system" fn free_rest(heap: HANDLE, flags: DWORD, _: usize, block: LPVOID) -> BOOL {
    // SAFETY: the caller's promise is the callee's.
    match unsafe { free(heap, flags, block) } {
        Ok(()) => TRUE,
        Err(error) => {
            fail_block(error, block.addr());
            FALSE
        }
    }
}

/// Frees a block or null.
pub(super) unsafe fn free(heap: HANDLE, flags: DWORD, block: LPVOID) -> Result<(), Error> {
    if block.is_null() {
        return Ok(());
    }
    // SAFETY: the caller's promise is the callee's.
    unsafe { private::free(handle_of(heap), flags, block.cast()) }
}

/// The size of a block, exactly as it was asked for. (SIZE_T)-1 for null and for
/// what is no block of the heap; the last error stays as it was, unless the
/// handle is bad. Constant time.
///
/// Source: "HeapSize function (heapapi.h)".
///
/// # Safety
/// `heap` is not being destroyed.
pub unsafe extern "system" fn HeapSize(heap: HANDLE, flags: DWORD, block: LPCVOID) -> SIZE_T {
    if block.is_null() {
        return SIZE_T::MAX;
    }
    match private::size_of(handle_of(heap), flags, block.cast()) {
        Ok(size) => size,
        Err(error @ (Error::InvalidHandle | Error::Destroyed)) => {
            fail(error);
            SIZE_T::MAX
        }
        Err(_) => SIZE_T::MAX,
    }
}

/// Whether `block` is a block of the heap that is handed out; with null,
/// whether the whole heap is sound. Any address may be asked about. The last
/// error stays as it was, unless the handle is bad or the address cannot be read
/// (ERROR_NOACCESS). The answer is all: a debugger that is attached is not broken
/// into. The whole heap takes time with its size, and excludes other threads
/// meanwhile.
///
/// Source: "HeapValidate function (heapapi.h)".
///
/// # Safety
/// `heap` is not being destroyed.
pub unsafe extern "system" fn HeapValidate(heap: HANDLE, flags: DWORD, block: LPCVOID) -> BOOL {
    let handle = handle_of(heap);
    if private::validate(handle, flags, block.cast()) {
        return TRUE;
    }
    if let Err(error) = Handle::from_address(handle.address()) {
        fail(error);
    } else if !block.is_null() && !pages::is_readable(block.addr(), 1) {
        last_error::set(ERROR_NOACCESS);
    }
    FALSE
}

/// Gives free memory back. The bytes of the largest free block that is
/// committed; 0 and NO_ERROR when there is none. Takes time with the heap's size.
///
/// Source: "HeapCompact function (heapapi.h)".
///
/// # Safety
/// `heap` is not being destroyed.
pub unsafe extern "system" fn HeapCompact(heap: HANDLE, flags: DWORD) -> SIZE_T {
    match private::compact(handle_of(heap), flags) {
        Ok(largest) => {
            if largest == 0 {
                last_error::clear();
            }
            largest
        }
        Err(error) => {
            last_error::set(told("HeapCompact", heap, error));
            0
        }
    }
}

/// Takes the heap for this thread, again and again if it likes: other threads'
/// calls wait until it was given back as often, but for blocks of sizes that the
/// low-fragmentation heap serves. TRUE; on a heap made with HEAP_NO_SERIALIZE it
/// excludes nobody.
///
/// Source: "HeapLock function (heapapi.h)".
///
/// # Safety
/// `heap` is not being destroyed.
pub unsafe extern "system" fn HeapLock(heap: HANDLE) -> BOOL {
    lock(heap)
}

/// Gives back a heap that [`HeapLock`] took. TRUE; FALSE and ERROR_NOT_OWNER
/// when this thread has not got it.
///
/// Source: "HeapUnlock function (heapapi.h)".
///
/// # Safety
/// `heap` is not being destroyed.
pub unsafe extern "system" fn HeapUnlock(heap: HANDLE) -> BOOL {
    unlock(heap)
}

pub(super) fn lock(heap: HANDLE) -> BOOL {
    answer("HeapLock", heap, private::lock(handle_of(heap)))
}

pub(super) fn unlock(heap: HANDLE) -> BOOL {
    answer("HeapUnlock", heap, private::unlock(handle_of(heap)))
}

fn answer(operation: &str, heap: HANDLE, done: Result<(), Error>) -> BOOL {
    match done {
        Ok(()) => TRUE,
        Err(error) => {
            last_error::set(told(operation, heap, error));
            FALSE
        }
    }
}

/// The process heap: there from its first use on, never destroyed, and the
/// heap of `malloc`. Null and ERROR_NOT_ENOUGH_MEMORY when the system has no
/// memory for it.
///
/// Source: "GetProcessHeap function (heapapi.h)".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn GetProcessHeap() -> HANDLE {
    match Handle::process() {
        Ok(handle) => address_of(handle),
        Err(error) => {
            fail(error);
            ptr::null_mut()
        }
    }
}

/// The number of the process's heaps. Up to `count` of their handles are
/// written, the process heap's first, then in the order of their creation. 0 and
/// the last error when the system has no memory for the process heap.
///
/// Source: "GetProcessHeaps function (heapapi.h)".
///
/// # Safety
/// `heaps` leads to room for `count` handles, or `count` is 0.
pub unsafe extern "system" fn GetProcessHeaps(count: DWORD, heaps: PHANDLE) -> DWORD {
    if let Err(error) = Handle::process() {
        fail(error);
        return 0;
    }
    let mut at = heaps;
    let mut room = if heaps.is_null() { 0 } else { count };
    let total = private::for_each(&mut |handle| {
        if room != 0 {
            // SAFETY: fewer than `count` handles were written, and the caller
            // has room for so many.
            unsafe { at.write_unaligned(address_of(handle)) };
            at = at.wrapping_add(1);
            room -= 1;
        }
        true
    });
    DWORD::try_from(total).unwrap_or(DWORD::MAX)
}
