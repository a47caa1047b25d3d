//! What a failure of the heap becomes: a last error, a status, an exception, a
//! report.

use super::constants::{
    ERROR_GEN_FAILURE, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NO_MORE_ITEMS,
    ERROR_NOACCESS, ERROR_NOT_ENOUGH_MEMORY, ERROR_NOT_OWNER, HEAP_GENERATE_EXCEPTIONS,
    STATUS_ACCESS_VIOLATION, STATUS_INVALID_HANDLE, STATUS_INVALID_PARAMETER, STATUS_NO_MEMORY,
    STATUS_NO_MORE_ENTRIES,
};
use super::exceptions::{self, Raised};
use super::types::{DWORD, HANDLE, NTSTATUS};
use super::{last_error, pages};
use crate::heap::private::{self, Error, Handle};

/// The handle, which may be no heap's: whatever it is used for checks it.
#[inline]
pub(super) fn handle_of(heap: HANDLE) -> Handle {
    Handle::unchecked(heap.addr())
}

/// The last error that says `error`.
pub(super) fn last_error_of(error: Error) -> DWORD {
    match error {
        Error::NoMemory | Error::LimitReached | Error::NotInPlace => ERROR_NOT_ENOUGH_MEMORY,
        Error::InvalidHandle | Error::Destroyed | Error::ProcessHeap => ERROR_INVALID_HANDLE,
        Error::NoMore => ERROR_NO_MORE_ITEMS,
        Error::NotLocked => ERROR_NOT_OWNER,
        Error::HasBuckets => ERROR_GEN_FAILURE,
        _ => ERROR_INVALID_PARAMETER,
    }
}

/// The status that says `error`.
pub(super) fn status_of(error: Error) -> NTSTATUS {
    match error {
        Error::NoMemory | Error::LimitReached | Error::NotInPlace => STATUS_NO_MEMORY,
        Error::InvalidHandle | Error::Destroyed | Error::ProcessHeap => STATUS_INVALID_HANDLE,
        Error::NoMore => STATUS_NO_MORE_ENTRIES,
        _ => STATUS_INVALID_PARAMETER,
    }
}

/// Sets the last error to what says `error`.
#[cold]
pub(super) fn fail(error: Error) {
    last_error::set(last_error_of(error));
}

/// The last error that says `error` of `operation`, after a bad handle was
/// reported: for functions of the heap that do not see to that.
#[cold]
pub(super) fn told(operation: &str, heap: HANDLE, error: Error) -> DWORD {
    if matches!(error, Error::InvalidHandle | Error::Destroyed) {
        private::bad_handle(operation, handle_of(heap));
    }
    last_error_of(error)
}

/// Sets the last error for a call that was given `block`, which may be no
/// block: whether it can be read makes a difference.
#[cold]
pub(super) fn fail_block(error: Error, block: usize) {
    let error = match error {
        Error::NotABlock if !pages::is_readable(block, 1) => ERROR_NOACCESS,
        error => last_error_of(error),
    };
    last_error::set(error);
}

/// Whether a failure is to be an exception, by the flags of the call and of the
/// heap.
fn raises(heap: HANDLE, flags: DWORD) -> bool {
    let of_heap = private::flags_of(handle_of(heap)).unwrap_or(0);
    (flags | of_heap) & HEAP_GENERATE_EXCEPTIONS != 0
}

/// Raises the exception that says that `operation` failed with `error`, if the
/// flags want one. True when a handler goes on and the caller is to try again;
/// false when there is no exception. No lock may be held, and no caller may have
/// anything to clean up.
#[cold]
pub(super) fn raised(
    operation: &str,
    heap: HANDLE,
    flags: DWORD,
    size: usize,
    error: Error,
) -> bool {
    if !raises(heap, flags) {
        return false;
    }
    let code = match status_of(error) {
        STATUS_NO_MEMORY => STATUS_NO_MEMORY,
        _ => STATUS_ACCESS_VIOLATION,
    };
    let mut name = [0; private::NAME_MAX];
    let length = private::name_of(handle_of(heap), &mut name).unwrap_or(0);
    let name = name.get(..length).unwrap_or_default();
    exceptions::raise(&Raised {
        code,
        flags: 0,
        parameters: &[size],
        operation,
        heap: heap.addr(),
        heap_name: core::str::from_utf8(name).unwrap_or_default(),
    });
    true
}
