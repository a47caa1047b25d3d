//! Pages of 16 and 64 KiB, as on some ARM systems: what `docs/porting.md` says that each
//! function makes of ranges that a program took for pages of 4 KiB.

use crate::support::*;
use ntheap::win32::*;
use std::process::Command;
use std::ptr::null_mut;

const OWN: HANDLE = std::ptr::without_provenance_mut(usize::MAX);

/// Runs the test in a process whose pages have `kibibytes`, as the mock has it.
fn with_pages_of(kibibytes: usize) {
    let program = std::env::current_exe().expect("this program");
    let name = "larger::ranges_of_small_pages_stand_for_the_large_ones_that_they_touch";
    let ended = Command::new(program)
        .args([name, "--exact", "--test-threads=1", "--nocapture"])
        .env("MOCK_PAGE_SIZE", kibibytes.to_string())
        .output()
        .expect("started");
    let output = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success() && output.contains("1 passed"),
        "{kibibytes} KiB: {}\n{output}\n{}",
        ended.status,
        String::from_utf8_lossy(&ended.stderr)
    );
}

/// Bytes of the pages that a program took for granted.
const PAGE: usize = 0x1000;

/// What the system tells of its pages.
fn told_page() -> usize {
    let mut told = std::mem::MaybeUninit::<SYSTEM_INFO>::zeroed();
    // SAFETY: the structure is this function's, and all zero is a value of it.
    let told = unsafe {
        GetSystemInfo(told.as_mut_ptr());
        told.assume_init()
    };
    assert_eq!(told.dwAllocationGranularity as usize, UNIT);
    told.dwPageSize as usize
}

/// State and bytes of the pages from an address on.
fn told(address: usize) -> (DWORD, usize) {
    let told = query(address);
    (told.State, told.RegionSize)
}

#[test]
fn ranges_of_small_pages_stand_for_the_large_ones_that_they_touch() {
    if std::env::var_os("MOCK_PAGE_SIZE").is_none() {
        with_pages_of(16);
        with_pages_of(64);
        return;
    }
    let size = told_page();
    assert!(size > PAGE, "the mock's page");
    let base = allocate(0, 4 * UNIT, MEM_RESERVE, PAGE_READWRITE).expect("reserved");
    let at = |address: usize| std::ptr::with_exposed_provenance_mut::<u8>(address);

    // Committing 4 KiB commits what lies beside them, and so does protecting.
    assert_eq!(
        allocate(base + PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE),
        Ok(base)
    );
    assert_eq!(told(base), (MEM_COMMIT, size));
    let next = base + size;
    allocate(next, 2 * size, MEM_COMMIT, PAGE_READWRITE).expect("committed");
    for address in [base, next, next + PAGE, next + size] {
        // SAFETY: committed above.
        unsafe { at(address).write(7) };
    }
    assert_eq!(protect(next + PAGE, 1, PAGE_READONLY), Ok(PAGE_READWRITE));
    assert_eq!(told(next), (MEM_COMMIT, size));
    assert_eq!(query(next).Protect, PAGE_READONLY);
    protect(next, size, PAGE_READWRITE).expect("protected");

    // Decommitting 4 KiB drops what lies beside them; whole pages are as ever.
    free(next + PAGE, PAGE, MEM_DECOMMIT).expect("decommitted");
    assert_eq!(told(next), (MEM_RESERVE, size));
    allocate(next, size, MEM_COMMIT, PAGE_READWRITE).expect("committed");
    // SAFETY: committed.
    unsafe {
        assert_eq!(at(next).read(), 0, "beside what was decommitted");
        assert_eq!((at(base).read(), at(next + size).read()), (7, 7));
    }

    // Functions that want whole pages refuse ranges that are none.
    // SAFETY: the pages are the test's, which needs nothing that they hold.
    unsafe {
        let (place, half) = (at(base + PAGE).cast(), at(base).cast());
        assert_eq!(DiscardVirtualMemory(place, PAGE), ERROR_INVALID_PARAMETER);
        assert_eq!(DiscardVirtualMemory(half, PAGE), ERROR_INVALID_PARAMETER);
        assert_eq!(DiscardVirtualMemory(half, size), ERROR_SUCCESS);
        let offered = OfferVirtualMemory(half, PAGE, VmOfferPriorityLow);
        assert_eq!(offered, ERROR_INVALID_PARAMETER);
        let none = null_mut();
        let placed = VirtualAlloc2(OWN, none, UNIT + PAGE, MEM_RESERVE, 4, none.cast(), 0);
        assert!(placed.is_null());
        assert_eq!(GetLastError(), ERROR_INVALID_PARAMETER);
    }

    // A query begins with the page, and a region's size is whole pages.
    assert_eq!(query(base + PAGE).BaseAddress.addr(), base);
    let odd = allocate(0, PAGE, MEM_RESERVE, PAGE_NOACCESS).expect("reserved");
    assert_eq!(told(odd), (MEM_RESERVE, size));
    free(odd, 0, MEM_RELEASE).expect("released");

    // A part of a region that the native function ends is whole pages.
    let (mut start, mut length) = (at(base + PAGE).cast(), PAGE);
    // SAFETY: the pages are the test's, used no more.
    let status = unsafe { NtFreeVirtualMemory(OWN, &raw mut start, &raw mut length, MEM_RELEASE) };
    assert_eq!((status, start.addr(), length), (STATUS_SUCCESS, base, size));
    free(next, 0, MEM_RELEASE).expect("what is left of it");

    // A view ends with a page, and begins at a multiple of 64 KiB as ever.
    // SAFETY: a section of memory without a name; its view is the test's.
    unsafe {
        let none = null_mut();
        let section = CreateFileMappingA(
            INVALID_HANDLE_VALUE,
            none,
            PAGE_READWRITE,
            0,
            (2 * UNIT) as DWORD,
            std::ptr::null(),
        );
        let view = MapViewOfFile(section, FILE_MAP_WRITE, 0, UNIT as DWORD, PAGE);
        assert_eq!(told(view.expose_provenance()), (MEM_COMMIT, size));
        assert_eq!(UnmapViewOfFile(view), TRUE);
        assert_eq!(CloseHandle(section), TRUE);
    }
}
