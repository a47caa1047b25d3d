//! How functions tell a result: as the last error, and TRUE or FALSE, an address, a
//! status.

use super::constants::{FALSE, STATUS_SUCCESS, TRUE};
use super::types::{BOOL, DWORD, LPVOID, NTSTATUS};
use super::{last_error, status};
use core::ptr;

/// Sets the last error that stands for a status.
#[cold]
pub(super) fn fail(status: NTSTATUS) {
    last_error::set(status::error_of(status));
}

/// TRUE, or FALSE and the last error.
pub(super) fn told(result: Result<(), DWORD>) -> BOOL {
    match result {
        Ok(()) => TRUE,
        Err(error) => {
            last_error::set(error);
            FALSE
        }
    }
}

/// TRUE, or FALSE and the last error that stands for the status.
pub(super) fn truth(result: Result<(), NTSTATUS>) -> BOOL {
    told(result.map_err(status::error_of))
}

/// The address of memory that was had, with its size, or null and the last error.
pub(super) fn address(result: Result<(usize, usize), NTSTATUS>) -> LPVOID {
    match result {
        Ok((base, _)) => ptr::with_exposed_provenance_mut(base),
        Err(status) => {
            fail(status);
            ptr::null_mut()
        }
    }
}

/// STATUS_SUCCESS, or why not.
pub(super) fn status(result: Result<(), NTSTATUS>) -> NTSTATUS {
    match result {
        Ok(()) => STATUS_SUCCESS,
        Err(status) => status,
    }
}
