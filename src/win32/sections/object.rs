//! Making and opening sections.

use super::super::constants::*;
use super::super::files::{self as file_calls, FILE};
use super::super::handles::{self, Kind};
use super::super::tokens;
use super::super::types::{DWORD, HANDLE, NTSTATUS};
use crate::heap;
use crate::sys;
use crate::sys::files::{self, Errno};
use crate::vm::sections::{self, Failure, LONGEST_NAME, Request, Unfit};

/// A section. Its value is the section's number.
pub(super) static SECTION: Kind = Kind {
    end: sections::drop_handle,
    all: SECTION_ALL_ACCESS,
    generic: [
        0x0002_0000 | SECTION_QUERY | SECTION_MAP_READ,
        0x0002_0000 | SECTION_MAP_WRITE,
        0x0002_0000 | SECTION_MAP_EXECUTE,
        SECTION_ALL_ACCESS,
    ],
    is_bounded: false,
};

/// What a section is made from, by the caller's words.
pub(super) struct Wanted<'a> {
    /// Its name in this library's space of names; empty for none.
    pub(super) name: &'a [u16],
    /// A file, or null for memory.
    pub(super) file: HANDLE,
    pub(super) size: u64,
    pub(super) protect: DWORD,
    pub(super) attributes: DWORD,
    /// The rights of the new handle; those that the protection gives if 0.
    pub(super) access: DWORD,
}

/// A protection is one of these six.
fn is_protection(protect: DWORD) -> bool {
    matches!(
        protect,
        PAGE_READONLY
            | PAGE_READWRITE
            | PAGE_WRITECOPY
            | PAGE_EXECUTE_READ
            | PAGE_EXECUTE_READWRITE
            | PAGE_EXECUTE_WRITECOPY
    )
}

/// Whether views may write to a section of this protection.
pub(super) fn writes(protect: DWORD) -> bool {
    matches!(protect, PAGE_READWRITE | PAGE_EXECUTE_READWRITE)
}

/// Whether code in views may run.
pub(super) fn executes(protect: DWORD) -> bool {
    protect & (PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY) != 0
}

/// The rights that a handle has whose maker did not ask for any.
fn rights_for(protect: DWORD) -> DWORD {
    const STANDARD: DWORD = 0x000f_0000;
    let mut rights = STANDARD | SECTION_QUERY | SECTION_MAP_READ;
    if writes(protect) {
        rights |= SECTION_MAP_WRITE;
    }
    if executes(protect) {
        rights |= SECTION_MAP_EXECUTE | SECTION_MAP_EXECUTE_EXPLICIT;
    }
    rights
}

/// Whether attributes go together.
fn are_attributes(attributes: DWORD) -> bool {
    const KINDS: DWORD = SEC_COMMIT | SEC_RESERVE | SEC_IMAGE;
    const MODIFIERS: DWORD = SEC_NOCACHE | SEC_WRITECOMBINE | SEC_LARGE_PAGES;
    let kind = attributes & KINDS;
    let modifiers = attributes & MODIFIERS;
    if attributes & !(KINDS | MODIFIERS) != 0 || kind.count_ones() != 1 {
        return false;
    }
    match kind {
        SEC_IMAGE => modifiers & !SEC_NOCACHE == 0,
        SEC_RESERVE => modifiers & SEC_LARGE_PAGES == 0,
        _ => true,
    }
}

/// The status of what the layer below refused.
fn status_of(failure: Failure) -> NTSTATUS {
    match failure {
        Failure::NotFound => STATUS_OBJECT_NAME_NOT_FOUND,
        Failure::NoMemory => STATUS_NO_MEMORY,
        Failure::NoLargePages => STATUS_INSUFFICIENT_RESOURCES,
        Failure::CommitLimit => STATUS_COMMITMENT_LIMIT,
        Failure::System(Errno(libc::EMFILE | libc::ENFILE)) => STATUS_TOO_MANY_OPENED_FILES,
        Failure::System(Errno(libc::ENOSPC | libc::EFBIG | libc::EDQUOT)) => STATUS_DISK_FULL,
        Failure::System(Errno(libc::EACCES | libc::EPERM)) => STATUS_ACCESS_DENIED,
        Failure::System(Errno(libc::ENOSYS)) => STATUS_NOT_SUPPORTED,
        Failure::System(_) => STATUS_INSUFFICIENT_RESOURCES,
    }
}

/// Makes a section; its handle, and whether it existed.
pub(super) fn create(wanted: &Wanted<'_>) -> Result<(HANDLE, bool), NTSTATUS> {
    if !is_protection(wanted.protect) {
        return Err(STATUS_INVALID_PAGE_PROTECTION);
    }
    if !are_attributes(wanted.attributes) {
        return Err(STATUS_INVALID_PARAMETER_6);
    }
    let (number, existed) = if wanted.file.is_null() {
        of_memory(wanted)?
    } else {
        of_file(wanted)?
    };
    let access = if wanted.access == 0 {
        rights_for(wanted.protect)
    } else {
        SECTION.rights(wanted.access)
    };
    // Without memory for a handle the section is ended.
    let handle = handles::open(&SECTION, number, access);
    Ok((handle.ok_or(STATUS_NO_MEMORY)?, existed))
}

/// Whether a section of large pages can be asked for.
fn check_large(size: u64) -> Result<(), NTSTATUS> {
    let unit = sys::large_page_size().map_or(0, |unit| unit as u64);
    if unit != 0 && !size.is_multiple_of(unit) {
        Err(STATUS_INVALID_PARAMETER_4)
    } else if !tokens::may_lock_memory() {
        Err(STATUS_PRIVILEGE_NOT_HELD)
    } else if unit == 0 {
        Err(STATUS_INSUFFICIENT_RESOURCES)
    } else {
        Ok(())
    }
}

fn of_memory(wanted: &Wanted<'_>) -> Result<(usize, bool), NTSTATUS> {
    if wanted.attributes & SEC_IMAGE != 0 {
        return Err(STATUS_INVALID_FILE_FOR_SECTION);
    }
    if wanted.size == 0 {
        return Err(STATUS_INVALID_PARAMETER_4);
    }
    if wanted.attributes & SEC_LARGE_PAGES != 0 {
        check_large(wanted.size)?;
    }
    let size = sections::memory_size(wanted.size);
    let request = Request {
        name: wanted.name,
        file: None,
        size: size.ok_or(STATUS_SECTION_TOO_BIG)?,
        protect: wanted.protect,
        attributes: wanted.attributes,
        writes: true,
    };
    let bytes = usize::try_from(request.size).unwrap_or(usize::MAX);
    heap::insist(bytes, || sections::create(&request)).map_err(status_of)
}

fn of_file(wanted: &Wanted<'_>) -> Result<(usize, bool), NTSTATUS> {
    let file = handles::borrow(wanted.file, &FILE).ok_or(STATUS_INVALID_HANDLE)?;
    let mut rights = file_calls::READ_DATA;
    if writes(wanted.protect) {
        rights |= file_calls::WRITE_DATA;
    }
    if executes(wanted.protect) {
        rights |= file_calls::EXECUTE;
    }
    if file.access & rights != rights {
        return Err(STATUS_ACCESS_DENIED);
    }
    let descriptor = file_calls::descriptor(&file);
    let status = files::status(descriptor).map_err(|error| match error {
        Errno(libc::EBADF) => STATUS_INVALID_HANDLE,
        other => status_of(other.into()),
    })?;
    if !status.is_regular {
        return Err(STATUS_INVALID_FILE_FOR_SECTION);
    }
    if wanted.attributes & SEC_IMAGE != 0 {
        // Programs of this system are loaded by its own loader.
        return Err(STATUS_INVALID_IMAGE_NOT_MZ);
    }
    if wanted.attributes & SEC_LARGE_PAGES != 0 {
        return Err(STATUS_INVALID_PARAMETER_6);
    }
    let may_write = writes(wanted.protect);
    let size = sections::file_size(status.size, wanted.size, may_write);
    let size = size.map_err(|unfit| match unfit {
        Unfit::Empty => STATUS_MAPPED_FILE_SIZE_ZERO,
        Unfit::TooShort => STATUS_SECTION_TOO_BIG,
    })?;
    let request = Request {
        name: wanted.name,
        file: Some(descriptor),
        size,
        protect: wanted.protect,
        // Committed or reserved, a file has all its pages.
        attributes: wanted.attributes & !(SEC_COMMIT | SEC_RESERVE) | SEC_FILE,
        writes: writes(wanted.protect),
    };
    sections::create(&request).map_err(status_of)
}

/// Opens the section of a name, with these rights.
pub(super) fn open(name: &[u16], access: DWORD) -> Result<HANDLE, NTSTATUS> {
    if name.is_empty() {
        return Err(STATUS_OBJECT_NAME_INVALID);
    }
    let number = sections::open(name).map_err(status_of)?;
    let handle = handles::open(&SECTION, number, SECTION.rights(access));
    handle.ok_or(STATUS_NO_MEMORY)
}

/// A name in this library's space of names: those of the session are as they
/// are, those of all sessions begin with `Global\`.
pub(super) struct Name {
    units: [u16; LONGEST_NAME],
    length: usize,
}

const GLOBAL: [u16; 7] = wide(*b"Global\\");
const LOCAL: [u16; 6] = wide(*b"Local\\");
const BASE: [u16; 18] = wide(*b"\\BaseNamedObjects\\");
const SESSIONS: [u16; 10] = wide(*b"\\Sessions\\");
const BACKSLASH: u16 = b'\\' as u16;

const fn wide<const N: usize>(text: [u8; N]) -> [u16; N] {
    let mut units = [0; N];
    let mut at = 0;
    while at < N {
        units[at] = text[at] as u16;
        at += 1;
    }
    units
}

impl Name {
    /// No name.
    pub(super) const NONE: Name = Name {
        units: [0; LONGEST_NAME],
        length: 0,
    };

    pub(super) fn units(&self) -> &[u16] {
        self.units.get(..self.length).unwrap_or_default()
    }

    fn of(is_global: bool, rest: &[u16]) -> Result<Name, NTSTATUS> {
        if rest.contains(&BACKSLASH) {
            return Err(STATUS_OBJECT_PATH_NOT_FOUND);
        }
        if rest.is_empty() {
            return Err(STATUS_OBJECT_NAME_INVALID);
        }
        let prefix: &[u16] = if is_global { &GLOBAL } else { &[] };
        let mut name = Name::NONE;
        for part in [prefix, rest] {
            let end = name.length + part.len();
            let room = name.units.get_mut(name.length..end);
            room.ok_or(STATUS_NAME_TOO_LONG)?.copy_from_slice(part);
            name.length = end;
        }
        Ok(name)
    }

    /// The name that a program gives to CreateFileMapping.
    pub(super) fn new(text: &[u16]) -> Result<Name, NTSTATUS> {
        if text.is_empty() {
            return Ok(Name::NONE);
        }
        match text.strip_prefix(&GLOBAL) {
            Some(rest) => Name::of(true, rest),
            None => Name::of(false, text.strip_prefix(&LOCAL).unwrap_or(text)),
        }
    }

    /// The name that a program gives to NtCreateSection, from the root on.
    pub(super) fn native(text: &[u16]) -> Result<Name, NTSTATUS> {
        if let Some(rest) = text.strip_prefix(&BASE) {
            return Name::of(true, rest);
        }
        let session = text
            .strip_prefix(&SESSIONS)
            .ok_or(STATUS_OBJECT_PATH_NOT_FOUND)?;
        let digits = session
            .iter()
            .take_while(|unit| (0x30..0x3a).contains(*unit));
        let rest = session.get(digits.count()..).unwrap_or_default();
        match rest.strip_prefix(&BASE) {
            Some(rest) => Name::of(false, rest),
            None => Err(STATUS_OBJECT_PATH_NOT_FOUND),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::String;
    use std::vec::Vec;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    #[test]
    fn a_name_is_of_the_session_or_of_all() {
        let name =
            |text| Name::new(&units(text)).map(|name| String::from_utf16_lossy(name.units()));
        let native =
            |text| Name::native(&units(text)).map(|name| String::from_utf16_lossy(name.units()));
        assert_eq!(name("a").as_deref(), Ok("a"));
        assert_eq!(name("Local\\a").as_deref(), Ok("a"));
        assert_eq!(name("Global\\a").as_deref(), Ok("Global\\a"));
        assert_eq!(name("").as_deref(), Ok(""));
        assert_eq!(name("a\\b"), Err(STATUS_OBJECT_PATH_NOT_FOUND));
        assert_eq!(name("Local\\"), Err(STATUS_OBJECT_NAME_INVALID));
        assert_eq!(native("\\BaseNamedObjects\\a").as_deref(), Ok("Global\\a"));
        assert_eq!(
            native("\\Sessions\\12\\BaseNamedObjects\\a").as_deref(),
            Ok("a")
        );
        assert_eq!(native("a"), Err(STATUS_OBJECT_PATH_NOT_FOUND));
        let long = "x".repeat(LONGEST_NAME);
        assert_eq!(name(&long).as_deref(), Ok(&*long));
        let longer = "x".repeat(LONGEST_NAME + 1);
        assert_eq!(name(&longer), Err(STATUS_NAME_TOO_LONG));
    }

    #[test]
    fn attributes_are_of_one_kind() {
        for good in [
            SEC_COMMIT,
            SEC_RESERVE,
            SEC_IMAGE,
            SEC_IMAGE_NO_EXECUTE,
            SEC_COMMIT | SEC_NOCACHE,
            SEC_COMMIT | SEC_LARGE_PAGES,
        ] {
            assert!(are_attributes(good), "{good:#x}");
        }
        for bad in [
            0,
            SEC_RESERVE | SEC_COMMIT,
            SEC_NOCACHE,
            SEC_WRITECOMBINE,
            SEC_LARGE_PAGES,
            SEC_FILE,
            SEC_IMAGE | SEC_RESERVE,
            SEC_IMAGE | SEC_COMMIT,
            SEC_RESERVE | SEC_LARGE_PAGES,
        ] {
            assert!(!are_attributes(bad), "{bad:#x}");
        }
    }
}
