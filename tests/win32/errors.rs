//! The last error, and documented errors that no other test is about.

use crate::support::{passes_alone, this_test, with_error};
use ntheap::win32::*;
use std::ffi::c_void;

#[test]
fn each_thread_has_its_own_last_error() {
    // SAFETY: no promise to keep.
    unsafe {
        SetLastError(1);
        let before_and_after = std::thread::spawn(|| {
            let before = GetLastError();
            SetLastError(2);
            (before, GetLastError())
        });
        assert_eq!(before_and_after.join().expect("it ends"), (0, 2));
        assert_eq!(GetLastError(), 1);
        SetLastError(u32::MAX);
        assert_eq!(GetLastError(), u32::MAX);
    }
}

/// Memory that nobody has.
const WILD: *mut c_void = std::ptr::without_provenance_mut(0x10);
const NONE: *mut c_void = std::ptr::null_mut();
/// The calling process, and no handle.
const OWN: HANDLE = std::ptr::without_provenance_mut(usize::MAX);
const NOBODY: HANDLE = std::ptr::without_provenance_mut(0xdead_bee8);
const PAGE: usize = 0x1000;

/// The last error of a call that must fail.
fn refused(call: impl FnOnce() -> BOOL) -> DWORD {
    let (result, error) = with_error(call);
    assert_eq!(result, FALSE);
    error
}

/// The last error of a call that must give no handle or address.
fn nothing(call: impl FnOnce() -> *mut c_void) -> DWORD {
    let (result, error) = with_error(call);
    assert!(result.is_null() || result == INVALID_HANDLE_VALUE);
    error
}

fn file(access: DWORD) -> HANDLE {
    let path = format!("{}\0", std::env::current_exe().unwrap().display());
    let mut copy = std::env::temp_dir();
    copy.push(format!("ntheap-errors-{}-{access:x}", std::process::id()));
    std::fs::write(&copy, path.as_bytes()).unwrap();
    let name = format!("{}\0", copy.display());
    // SAFETY: the name ends with 0.
    let file = unsafe {
        CreateFileA(
            name.as_ptr().cast(),
            access,
            0,
            NONE.cast(),
            OPEN_EXISTING,
            0,
            NONE,
        )
    };
    assert_ne!(file, INVALID_HANDLE_VALUE);
    std::fs::remove_file(&copy).unwrap();
    file
}

#[test]
fn files_tell_what_is_wrong() {
    let (read, write) = (file(GENERIC_READ), file(GENERIC_READ | GENERIC_WRITE));
    let long = format!("{}\0", "x".repeat(4095));
    let mut size = 0;
    // SAFETY: the names end with 0, and what leads nowhere is refused.
    unsafe {
        let name = long.as_ptr().cast();
        let error =
            nothing(|| CreateFileA(name, GENERIC_READ, 0, NONE.cast(), OPEN_EXISTING, 0, NONE));
        assert_eq!(error, ERROR_FILENAME_EXCED_RANGE);
        let error = refused(|| GetFileSizeEx(NOBODY, &raw mut size));
        assert_eq!(error, ERROR_INVALID_HANDLE);
        assert_eq!(refused(|| GetFileSizeEx(read, NONE.cast())), ERROR_NOACCESS);
        let error = refused(|| SetFilePointerEx(NOBODY, 0, NONE.cast(), FILE_BEGIN));
        assert_eq!(error, ERROR_INVALID_HANDLE);
        let error = refused(|| SetFilePointerEx(read, -1, NONE.cast(), FILE_BEGIN));
        assert_eq!(error, ERROR_NEGATIVE_SEEK);
        assert_eq!(refused(|| SetEndOfFile(NOBODY)), ERROR_INVALID_HANDLE);
        assert_eq!(refused(|| SetEndOfFile(read)), ERROR_ACCESS_DENIED);
        let mut count = 0;
        let error = refused(|| ReadFile(read, WILD, 8, &raw mut count, NONE.cast()));
        assert_eq!(error, ERROR_NOACCESS);
        let error = refused(|| WriteFile(write, WILD, 8, &raw mut count, NONE.cast()));
        assert_eq!(error, ERROR_NOACCESS);
        // A section that is written to needs a file that is.
        let mut section = NONE;
        let made = NtCreateSection(
            &raw mut section,
            SECTION_ALL_ACCESS,
            NONE.cast(),
            NONE.cast(),
            PAGE_READWRITE,
            SEC_COMMIT,
            read,
        );
        assert_eq!(made, STATUS_ACCESS_DENIED);
        assert_eq!((CloseHandle(read), CloseHandle(write)), (TRUE, TRUE));
    }
}

#[test]
fn names_of_sections_have_bounds() {
    let long = format!("{}\0", "n".repeat(261));
    // SAFETY: the names end with 0.
    unsafe {
        let name = long.as_ptr().cast();
        let made = || {
            CreateFileMappingA(
                INVALID_HANDLE_VALUE,
                NONE.cast(),
                PAGE_READWRITE,
                0,
                4096,
                name,
            )
        };
        assert_eq!(nothing(made), ERROR_FILENAME_EXCED_RANGE);
        let opened = nothing(|| OpenFileMappingA(FILE_MAP_READ, FALSE, name));
        assert_eq!(opened, ERROR_FILENAME_EXCED_RANGE);
        let opened = nothing(|| OpenFileMappingA(FILE_MAP_READ, FALSE, std::ptr::null()));
        assert_eq!(opened, ERROR_INVALID_NAME);
    }
}

/// Maps a view of all of a section.
fn map(section: HANDLE, protect: ULONG) -> (PVOID, NTSTATUS) {
    let (mut base, mut size) = (std::ptr::null_mut(), 0);
    // SAFETY: the view lies where nobody has anything.
    let status = unsafe {
        NtMapViewOfSection(
            section,
            OWN,
            &raw mut base,
            0,
            0,
            NONE.cast(),
            &raw mut size,
            ViewUnmap,
            0,
            protect,
        )
    };
    (base, status)
}

fn section(access: ACCESS_MASK, attributes: ULONG) -> Result<HANDLE, NTSTATUS> {
    let (mut section, mut size) = (std::ptr::null_mut(), 16 * PAGE as i64);
    // SAFETY: the test's own places.
    let status = unsafe {
        NtCreateSection(
            &raw mut section,
            access,
            NONE.cast(),
            (&raw mut size).cast(),
            PAGE_READWRITE,
            attributes,
            NONE,
        )
    };
    if status < 0 { Err(status) } else { Ok(section) }
}

#[test]
fn the_native_calls_tell_what_is_wrong_with_pages_and_views() {
    let read = section(SECTION_MAP_READ, SEC_COMMIT).unwrap();
    assert_eq!(map(read, PAGE_READWRITE).1, STATUS_ACCESS_DENIED);
    let (view, status) = map(read, PAGE_READONLY);
    assert_eq!(status, 0);
    // SAFETY: the test's own places; what leads nowhere is refused.
    unsafe {
        let mut told: SECTION_BASIC_INFORMATION = std::mem::zeroed();
        let to = (&raw mut told).cast();
        let size = size_of::<SECTION_BASIC_INFORMATION>();
        let asked = NtQuerySection(read, SectionBasicInformation, to, size, NONE.cast());
        assert_eq!(asked, STATUS_ACCESS_DENIED);

        let (mut base, mut size) = (view, PAGE);
        let (at, length) = (&raw mut base, &raw mut size);
        let status = NtAllocateVirtualMemory(OWN, at, 0, length, MEM_COMMIT, PAGE_READWRITE);
        assert_eq!(status, STATUS_ALREADY_COMMITTED);
        *length = 0;
        let status = NtFreeVirtualMemory(OWN, at, length, MEM_RELEASE);
        assert_eq!(status, STATUS_UNABLE_TO_DELETE_SECTION);
        let mut old = 0;
        let status = NtProtectVirtualMemory(OWN, at, length, PAGE_READONLY, &raw mut old);
        assert_eq!(status, STATUS_INVALID_PARAMETER);
        assert_eq!(NtUnmapViewOfSection(OWN, view), 0);

        // Nothing is there any more.
        let mut region: MEMORY_REGION_INFORMATION = std::mem::zeroed();
        let to = (&raw mut region).cast();
        let size_of_it = size_of::<MEMORY_REGION_INFORMATION>();
        let status = NtQueryVirtualMemory(OWN, view, 3, to, size_of_it, NONE.cast());
        assert_eq!(status, STATUS_INVALID_ADDRESS);

        *at = NONE;
        *length = PAGE;
        let wild = WILD.cast();
        let (kind, protect) = (MEM_RESERVE, PAGE_NOACCESS);
        let status = NtAllocateVirtualMemoryEx(OWN, at, length, kind, protect, wild, 1);
        assert_eq!(status, STATUS_ACCESS_VIOLATION);

        // Of a watched region a part is not released.
        *length = 32 * PAGE;
        let kind = MEM_RESERVE | MEM_COMMIT | MEM_WRITE_WATCH;
        let status = NtAllocateVirtualMemory(OWN, at, 0, length, kind, PAGE_READWRITE);
        assert_eq!(status, 0);
        *length = PAGE;
        let status = NtFreeVirtualMemory(OWN, at, length, MEM_RELEASE);
        assert_eq!(status, STATUS_NOT_SUPPORTED);
        assert_eq!(VirtualFree(*at, 0, MEM_RELEASE), TRUE);
        assert_eq!(CloseHandle(read), TRUE);

        let mut range = WIN32_MEMORY_RANGE_ENTRY {
            VirtualAddress: NONE,
            NumberOfBytes: 0,
        };
        let range = &raw mut range;
        let error = refused(|| PrefetchVirtualMemory(OWN, 0, range, 0));
        assert_eq!(error, ERROR_INVALID_PARAMETER);
        let error = refused(|| PrefetchVirtualMemory(NOBODY, 1, range, 0));
        assert_eq!(error, ERROR_INVALID_HANDLE);
    }
}

#[test]
fn the_limit_of_committed_bytes_is_told() {
    passes_alone(this_test!(the_limit_of_committed_bytes_is_told), || {
        let made = section(SECTION_ALL_ACCESS, SEC_COMMIT).unwrap();
        ntheap::vm::set_commit_limit(ntheap::vm::account().total().committed + PAGE);
        let refused = section(SECTION_ALL_ACCESS, SEC_COMMIT);
        assert_eq!(refused, Err(STATUS_COMMITMENT_LIMIT));
        // A view that copies is charged whole.
        assert_eq!(map(made, PAGE_WRITECOPY).1, STATUS_COMMITMENT_LIMIT);
        // SAFETY: nothing lies there.
        let view = || unsafe { MapViewOfFileEx(made, FILE_MAP_COPY, 0, 0, 0, NONE) };
        assert_eq!(nothing(view), ERROR_COMMITMENT_LIMIT);
    });
}

#[test]
fn what_leads_nowhere_is_refused_by_what_tells_of_the_process() {
    // SAFETY: the test's own places; what leads nowhere is refused.
    unsafe {
        assert_eq!(
            refused(|| K32GetPerformanceInfo(NONE.cast(), 104)),
            ERROR_NOACCESS
        );
        let told = || K32GetProcessMemoryInfo(OWN, NONE.cast(), 72);
        assert_eq!(refused(told), ERROR_NOACCESS);
        let mut bytes = ULONG::MAX;
        let error = refused(|| SetThreadStackGuarantee(&raw mut bytes));
        assert_eq!(error, ERROR_INVALID_PARAMETER);
        assert_eq!(bytes, ULONG::MAX);
        let mut summary: HEAP_SUMMARY = std::mem::zeroed();
        summary.cb = size_of::<HEAP_SUMMARY>() as DWORD;
        let error = refused(|| HeapSummary(NONE, 0, &raw mut summary));
        assert_eq!(error, ERROR_INVALID_HANDLE);
        let walked = RtlWalkHeap(GetProcessHeap(), NONE.cast());
        assert_eq!(walked, STATUS_INVALID_PARAMETER);
    }
}

#[test]
fn tokens_tell_what_is_wrong() {
    let mut token = NONE;
    // SAFETY: the test's own places, texts that end with 0; what leads nowhere is refused.
    unsafe {
        let error = refused(|| OpenProcessToken(OWN, TOKEN_QUERY, NONE.cast()));
        assert_eq!(error, ERROR_NOACCESS);
        let rights = TOKEN_QUERY | TOKEN_ADJUST_PRIVILEGES;
        assert_eq!(OpenProcessToken(OWN, rights, &raw mut token), TRUE);
        let mut wanted: TOKEN_PRIVILEGES = std::mem::zeroed();
        wanted.PrivilegeCount = 1;
        let number = &raw mut wanted.Privileges[0].Luid;
        let name = c"SeLockMemoryPrivilege".as_ptr();
        let other = c"other".as_ptr();
        let error = refused(|| LookupPrivilegeValueA(other, name, number));
        assert_eq!(error, ERROR_INVALID_PARAMETER);
        let error = refused(|| LookupPrivilegeValueA(NONE.cast(), NONE.cast(), number));
        assert_eq!(error, ERROR_NOACCESS);
        assert_eq!(LookupPrivilegeValueA(NONE.cast(), name, number), TRUE);
        let mut before: TOKEN_PRIVILEGES = std::mem::zeroed();
        let mut needed = 0;
        let set = |wanted: PTOKEN_PRIVILEGES, size, before: PTOKEN_PRIVILEGES, needed| {
            refused(|| AdjustTokenPrivileges(token, FALSE, wanted, size, before, needed))
        };
        let (wanted, before, needed) = (&raw mut wanted, &raw mut before, &raw mut needed);
        let null = std::ptr::null_mut();
        let error = set(null, 0, null, std::ptr::null_mut());
        assert_eq!(error, ERROR_INVALID_PARAMETER);
        let error = set(wanted, 64, before, std::ptr::null_mut());
        assert_eq!(error, ERROR_NOACCESS);
        (*wanted).Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
        assert_eq!(set(wanted, 1, before, needed), ERROR_INSUFFICIENT_BUFFER);
        assert_eq!(CloseHandle(token), TRUE);
    }
}

#[test]
fn moveable_blocks_of_no_memorys_size_are_refused() {
    let most = isize::MAX as usize;
    let made = MoveableBlock::new(most);
    assert_eq!(made.err(), Some(MoveableError::NotEnoughMemory));
    let mut block = MoveableBlock::new(100).unwrap();
    let resized = block.resize(most);
    assert_eq!(resized.err(), Some(MoveableError::NotEnoughMemory));
    assert_eq!(block.size(), 100);
}
