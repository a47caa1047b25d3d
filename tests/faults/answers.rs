//! The answers by name.

use ntheap::win32::*;

/// Numbers of answers that have none of their own.
pub(crate) const NULL: u32 = 0xffff_0001;
/// `PageError::NoMemory`, `HeapError::OutOfMemory`.
pub(crate) const NO_MEMORY: u32 = 0xffff_0002;

/// What an answer is called; 0 is none.
pub(crate) fn name(answer: u32) -> String {
    let names = [
        (0, "done"),
        (NULL, "null"),
        (NO_MEMORY, "no memory"),
        (ERROR_NOT_ENOUGH_MEMORY, "ERROR_NOT_ENOUGH_MEMORY"),
        (ERROR_NOT_SUPPORTED, "ERROR_NOT_SUPPORTED"),
        (ERROR_INVALID_ADDRESS, "ERROR_INVALID_ADDRESS"),
        (ERROR_NOACCESS, "ERROR_NOACCESS"),
        (ERROR_ACCESS_DENIED, "ERROR_ACCESS_DENIED"),
        (ERROR_WORKING_SET_QUOTA, "ERROR_WORKING_SET_QUOTA"),
        (ERROR_NO_SYSTEM_RESOURCES, "ERROR_NO_SYSTEM_RESOURCES"),
        (ERROR_TOO_MANY_OPEN_FILES, "ERROR_TOO_MANY_OPEN_FILES"),
        (ERROR_IO_DEVICE, "ERROR_IO_DEVICE"),
        (ERROR_DISK_FULL, "ERROR_DISK_FULL"),
        (
            STATUS_TOO_MANY_OPENED_FILES as u32,
            "STATUS_TOO_MANY_OPENED_FILES",
        ),
        (STATUS_NO_MEMORY as u32, "STATUS_NO_MEMORY"),
        (STATUS_NOT_SUPPORTED as u32, "STATUS_NOT_SUPPORTED"),
    ];
    let known = names.iter().find(|(number, _)| *number == answer);
    known.map_or_else(|| format!("{answer:#x}"), |(_, name)| (*name).into())
}
