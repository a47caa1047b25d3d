use crate::support::{UNTOUCHED, holds, with_error};
use ntheap::win32::*;
use std::ffi::c_void;

const PAGE: usize = 0x1000;
const UNIT: usize = 0x10000;

fn allocate(address: usize, size: usize, kind: DWORD, protect: DWORD) -> *mut c_void {
    // SAFETY: the tests change only what they reserved.
    unsafe {
        VirtualAlloc(
            std::ptr::with_exposed_provenance_mut(address),
            size,
            kind,
            protect,
        )
    }
}

/// Reserves, or commits, and expects success.
fn get(address: usize, size: usize, kind: DWORD, protect: DWORD) -> usize {
    let base = allocate(address, size, kind, protect);
    holds!(!base.is_null());
    base.expose_provenance()
}

/// The last error of a call that must fail.
fn error(address: usize, size: usize, kind: DWORD, protect: DWORD) -> DWORD {
    let (base, error) = with_error(|| allocate(address, size, kind, protect));
    assert!(
        base.is_null(),
        "{address:#x} {size:#x} {kind:#x} {protect:#x}"
    );
    error
}

fn free(address: usize, size: usize, kind: DWORD) -> (BOOL, DWORD) {
    let address = std::ptr::with_exposed_provenance_mut(address);
    // SAFETY: the tests free only what they reserved, and use it no more.
    with_error(|| unsafe { VirtualFree(address, size, kind) })
}

const FREED: (BOOL, DWORD) = (TRUE, UNTOUCHED);

fn query(address: usize) -> MEMORY_BASIC_INFORMATION {
    let mut buffer = std::mem::MaybeUninit::uninit();
    let address = std::ptr::with_exposed_provenance(address);
    // SAFETY: the buffer has room for the structure, which is then filled.
    unsafe {
        let written = VirtualQuery(address, buffer.as_mut_ptr(), 48);
        holds!(written == 48);
        buffer.assume_init()
    }
}

/// Asserts what a query of `address` tells: where the run begins and its size,
/// the reservation, its first protection, the state and the protection.
fn tells(address: usize, expected: (usize, usize, usize, DWORD, DWORD, DWORD)) {
    let told = query(address);
    assert_eq!(
        (
            told.BaseAddress.addr(),
            told.RegionSize,
            told.AllocationBase.addr(),
            told.AllocationProtect,
            told.State,
            told.Protect
        ),
        expected
    );
    assert_eq!(told.PartitionId, 0);
    let kind = if told.State == MEM_FREE {
        0
    } else {
        MEM_PRIVATE
    };
    assert_eq!(told.Type, kind);
}

/// What a committed page's first byte holds.
fn byte(address: usize) -> u8 {
    // SAFETY: the tests ask for committed pages only.
    unsafe { *std::ptr::with_exposed_provenance::<u8>(address) }
}

#[test]
fn sizes_and_addresses_are_rounded() {
    for (size, rounded) in [(1, PAGE), (0xFFFC, UNIT), (UNIT + 1, UNIT + PAGE)] {
        let base = get(0, size, MEM_RESERVE, PAGE_READWRITE);
        assert_eq!(base % UNIT, 0);
        tells(
            base + 5,
            (base, rounded, base, PAGE_READWRITE, MEM_RESERVE, 0),
        );
        assert_eq!(free(base, 0, MEM_RELEASE), FREED);
    }
    // Commit alone reserves as well, and top-down is accepted.
    let base = get(0, PAGE, MEM_COMMIT | MEM_TOP_DOWN, PAGE_READONLY);
    let tail = (base, PAGE, base, PAGE_READONLY, MEM_COMMIT, PAGE_READONLY);
    tells(base, tail);
    assert_eq!(free(base + 7, 0, MEM_RELEASE), FREED);

    // Far from where the system puts anything.
    let room = 0x2000_0000_0000;
    for (offset, size, covered) in [
        (0x8000, 1, 0x9000),
        (0x1010, 0x1000, 0x3000),
        (0xFFFF, 0x3000, 0x13000),
    ] {
        let base = get(room + offset, size, MEM_RESERVE, PAGE_NOACCESS);
        assert_eq!(base, room);
        tells(base, (base, covered, base, PAGE_NOACCESS, MEM_RESERVE, 0));
        assert_eq!(free(base, 0, MEM_RELEASE), FREED);
    }
}

#[test]
fn what_has_no_meaning_is_an_invalid_parameter() {
    let both = MEM_RESERVE | MEM_COMMIT;
    assert_eq!(error(0, 0, both, PAGE_READWRITE), ERROR_INVALID_PARAMETER);
    for protect in [
        0,
        PAGE_READONLY | PAGE_READWRITE,
        PAGE_READWRITE | PAGE_EXECUTE,
        PAGE_WRITECOPY,
        PAGE_EXECUTE_WRITECOPY,
        0x1000,
    ] {
        assert_eq!(error(0, PAGE, both, protect), ERROR_INVALID_PARAMETER);
    }
    for kind in [
        0,
        MEM_RELEASE,
        MEM_TOP_DOWN,
        both | MEM_DECOMMIT,
        0x8000_0000,
    ] {
        assert_eq!(
            error(0, PAGE, kind, PAGE_READWRITE),
            ERROR_INVALID_PARAMETER
        );
    }
    for size in [usize::MAX, isize::MAX as usize] {
        assert_eq!(
            error(0, size, both, PAGE_READWRITE),
            ERROR_INVALID_PARAMETER
        );
    }
    assert_eq!(
        error(0, 0x7fff_0000_0000, both, PAGE_READWRITE),
        ERROR_NOT_ENOUGH_MEMORY
    );
    for protect in [
        PAGE_NOACCESS,
        PAGE_READONLY,
        PAGE_READWRITE,
        PAGE_EXECUTE,
        PAGE_EXECUTE_READ,
        PAGE_EXECUTE_READWRITE,
    ] {
        let base = get(0, PAGE, both, protect);
        tells(base, (base, PAGE, base, protect, MEM_COMMIT, protect));
        assert_eq!(free(base, 0, MEM_RELEASE), FREED);
    }
}

#[test]
fn addresses_that_are_taken_or_not_reserved_are_refused() {
    let base = get(0, 4 * PAGE, MEM_RESERVE, PAGE_READWRITE);
    for (address, size) in [
        (base, PAGE),
        (base + 2 * PAGE, PAGE),
        // Other pages, same 64 KiB.
        (base + 4 * PAGE, PAGE),
        (base + UNIT - 1, 1),
    ] {
        for kind in [MEM_RESERVE, MEM_RESERVE | MEM_COMMIT] {
            assert_eq!(
                error(address, size, kind, PAGE_READWRITE),
                ERROR_INVALID_ADDRESS
            );
        }
    }
    // What is not the program's by VirtualAlloc.
    let code = addresses_that_are_taken_or_not_reserved_are_refused as fn() as usize;
    for kind in [MEM_RESERVE, MEM_COMMIT] {
        let error = error(code, PAGE, kind, PAGE_READWRITE);
        assert_eq!(error, ERROR_INVALID_ADDRESS);
    }
    for (address, size) in [
        (base + 3 * PAGE, PAGE + 1),
        (base - 1, 2),
        (base + 4 * PAGE, 1),
    ] {
        assert_eq!(
            error(address, size, MEM_COMMIT, PAGE_READWRITE),
            ERROR_INVALID_ADDRESS
        );
    }
    tells(base, (base, 4 * PAGE, base, PAGE_READWRITE, MEM_RESERVE, 0));
    assert_eq!(free(base, 0, MEM_RELEASE), FREED);
}

#[test]
fn commits_make_runs_that_queries_tell_apart() {
    let base = get(0, 8 * PAGE, MEM_RESERVE, PAGE_NOACCESS);
    let at = |page: usize| base + page * PAGE;
    let run = |from: usize, pages: usize, state: DWORD, protect: DWORD| {
        (at(from), pages * PAGE, base, PAGE_NOACCESS, state, protect)
    };
    assert_eq!(get(at(2) + 1, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE), at(2));
    tells(base, run(0, 2, MEM_RESERVE, 0));
    tells(at(2), run(2, 3, MEM_COMMIT, PAGE_READWRITE));
    tells(at(3) + 9, run(3, 2, MEM_COMMIT, PAGE_READWRITE));
    tells(at(5), run(5, 3, MEM_RESERVE, 0));

    // SAFETY: the page is committed and writable.
    unsafe { *std::ptr::with_exposed_provenance_mut(at(3)) = 42u8 };
    get(at(3), PAGE, MEM_COMMIT, PAGE_READONLY);
    tells(at(2), run(2, 1, MEM_COMMIT, PAGE_READWRITE));
    tells(at(3), run(3, 1, MEM_COMMIT, PAGE_READONLY));
    tells(at(4), run(4, 1, MEM_COMMIT, PAGE_READWRITE));
    get(base, 8 * PAGE, MEM_COMMIT, PAGE_READWRITE);
    tells(base, run(0, 8, MEM_COMMIT, PAGE_READWRITE));
    assert_eq!(byte(at(3)), 42);

    assert_eq!(free(at(3), 1, MEM_DECOMMIT), FREED);
    tells(at(3), run(3, 1, MEM_RESERVE, 0));
    // Reserved pages among others are no hindrance.
    assert_eq!(free(at(2), 3 * PAGE, MEM_DECOMMIT), FREED);
    tells(at(2), run(2, 3, MEM_RESERVE, 0));
    get(at(3), PAGE, MEM_COMMIT, PAGE_READWRITE);
    assert_eq!(byte(at(3)), 0);

    assert_eq!(free(base, 0, MEM_DECOMMIT), FREED);
    tells(base, run(0, 8, MEM_RESERVE, 0));
    assert_eq!(free(base, 0, MEM_RELEASE), FREED);
    assert_eq!(query(base).State, MEM_FREE);
}

#[test]
fn frees_that_name_the_wrong_thing_are_refused() {
    let base = get(0, 4 * PAGE, MEM_COMMIT, PAGE_READWRITE);
    let wrong = |error| (FALSE, error);
    for kind in [0, MEM_FREE, MEM_COMMIT, MEM_DECOMMIT | MEM_RELEASE] {
        assert_eq!(free(base, 0, kind), wrong(ERROR_INVALID_PARAMETER));
    }
    assert_eq!(
        free(base, 4 * PAGE, MEM_RELEASE),
        wrong(ERROR_INVALID_PARAMETER)
    );
    assert_eq!(
        free(base + PAGE, 0, MEM_RELEASE),
        wrong(ERROR_INVALID_ADDRESS)
    );
    assert_eq!(
        free(base + PAGE, 0, MEM_DECOMMIT),
        wrong(ERROR_INVALID_ADDRESS)
    );
    assert_eq!(
        free(base + PAGE, 4 * PAGE, MEM_DECOMMIT),
        wrong(ERROR_INVALID_PARAMETER)
    );
    tells(
        base,
        (
            base,
            4 * PAGE,
            base,
            PAGE_READWRITE,
            MEM_COMMIT,
            PAGE_READWRITE,
        ),
    );
    assert_eq!(free(base, 0, MEM_RELEASE), FREED);
    assert_eq!(free(base, 0, MEM_RELEASE), wrong(ERROR_INVALID_ADDRESS));
    assert_eq!(free(base, PAGE, MEM_DECOMMIT), wrong(ERROR_INVALID_ADDRESS));
}

#[test]
fn queries_tell_of_free_and_of_foreign_memory() {
    let low = query(0x1234);
    assert_eq!(low.BaseAddress.addr(), 0x1000);
    assert!(low.AllocationBase.is_null());
    assert_eq!((low.AllocationProtect, low.Type), (0, 0));
    assert_eq!((low.State, low.Protect), (MEM_FREE, PAGE_NOACCESS));
    assert_eq!(low.RegionSize % PAGE, 0);
    // Where the free run ends, something begins.
    assert_ne!(query(0x1000 + low.RegionSize).State, MEM_FREE);

    let code = queries_tell_of_free_and_of_foreign_memory as fn() as usize;
    let told = query(code);
    assert_eq!(told.BaseAddress.addr(), code & !(PAGE - 1));
    assert!(told.AllocationBase.addr() <= code);
    assert_eq!((told.State, told.Type), (MEM_COMMIT, MEM_IMAGE));
    assert_eq!(told.Protect, PAGE_EXECUTE_READ);

    let local = 0u8;
    let told = query((&raw const local).addr());
    assert_eq!((told.State, told.Type), (MEM_COMMIT, MEM_PRIVATE));
    assert_eq!(told.Protect, PAGE_READWRITE);
}

/// What other code of the program mapped, by the system's own call.
#[test]
fn queries_tell_foreign_mappings_of_files_from_images_and_from_memory() {
    use std::os::fd::AsRawFd as _;
    let path = std::env::temp_dir().join(format!("ntheap-foreign-{}", std::process::id()));
    std::fs::write(&path, [7; 3 * PAGE]).expect("a file");
    let file = std::fs::File::options().read(true).write(true).open(&path);
    let file = file.expect("opened");
    std::fs::remove_file(&path).expect("removed");
    let (read, write, run) = (libc::PROT_READ, libc::PROT_WRITE, libc::PROT_EXEC);
    let (shared, private) = (libc::MAP_SHARED, libc::MAP_PRIVATE);
    let memory = libc::MAP_ANONYMOUS;
    let all = [
        (read, shared, MEM_COMMIT, PAGE_READONLY, MEM_MAPPED),
        (read | write, shared, MEM_COMMIT, PAGE_READWRITE, MEM_MAPPED),
        (read, private, MEM_COMMIT, PAGE_READONLY, MEM_MAPPED),
        (
            read | write,
            private,
            MEM_COMMIT,
            PAGE_WRITECOPY,
            MEM_MAPPED,
        ),
        (
            read | run,
            private,
            MEM_COMMIT,
            PAGE_EXECUTE_READ,
            MEM_IMAGE,
        ),
        (
            read | write,
            private | memory,
            MEM_COMMIT,
            PAGE_READWRITE,
            MEM_PRIVATE,
        ),
        (
            read | write,
            shared | memory,
            MEM_COMMIT,
            PAGE_READWRITE,
            MEM_MAPPED,
        ),
        (0, private | memory, MEM_RESERVE, 0, MEM_PRIVATE),
    ];
    for (rights, how, state, protect, kind) in all {
        // SAFETY: fresh mappings, the second in the middle of the first; they are looked at
        // by queries alone, and ended.
        unsafe {
            let none = std::ptr::null_mut();
            // Pages that can only be read, with which the system joins none of these.
            let room = libc::mmap(none, 5 * PAGE, read, private | memory, -1, 0);
            assert_ne!(room, libc::MAP_FAILED);
            let at = room.wrapping_byte_add(PAGE);
            let number = if how & memory == 0 {
                file.as_raw_fd()
            } else {
                -1
            };
            let mapped = libc::mmap(at, 3 * PAGE, rights, how | libc::MAP_FIXED, number, 0);
            assert_eq!(mapped, at);
            let start = at.wrapping_byte_add(PAGE);
            let told = query(start.expose_provenance() + 5);
            let what = format!("{rights} {how:#x}");
            let places = (told.BaseAddress, told.AllocationBase);
            assert_eq!(places, (start, at), "{what}");
            assert_eq!(told.RegionSize, 2 * PAGE, "{what}");
            let is = (told.State, told.Protect, told.Type);
            assert_eq!(is, (state, protect, kind), "{what}");
            assert_eq!(libc::munmap(room, 5 * PAGE), 0);
        }
    }
    // A library: code, constants and variables of one image.
    let code = query(libc::getenv as *const () as usize);
    assert_eq!((code.Type, code.Protect), (MEM_IMAGE, PAGE_EXECUTE_READ));
    let head = query(code.AllocationBase.expose_provenance());
    assert_eq!(
        (head.Type, head.AllocationBase),
        (MEM_IMAGE, code.AllocationBase)
    );
}

#[test]
fn queries_that_cannot_be_answered_say_why() {
    let mut buffer = [0u8; 48];
    let ask = |address: usize, buffer: *mut u8, length| {
        let address = std::ptr::without_provenance(address);
        // SAFETY: the buffer is null, or has room for `length` bytes.
        with_error(|| unsafe { VirtualQuery(address, buffer.cast(), length) })
    };
    let place = buffer.as_mut_ptr();
    assert_eq!(ask(PAGE, place, 47), (0, ERROR_BAD_LENGTH));
    let null = std::ptr::null_mut();
    assert_eq!(ask(PAGE, null, 48), (0, ERROR_NOACCESS));
    for above in [usize::MAX, 0x7fff_ffff_0000, 1 << 63] {
        assert_eq!(ask(above, place, 48), (0, ERROR_INVALID_PARAMETER));
    }
    assert_eq!(ask(PAGE, place, 48), (48, UNTOUCHED));
}

#[test]
fn what_is_committed_counts_and_is_given_back() {
    let account = || {
        ntheap::vm::account()
            .get(ntheap::vm::Use::Program)
            .committed
    };
    crate::support::passes_alone(
        crate::support::this_test!(what_is_committed_counts_and_is_given_back),
        || {
            assert_eq!(account(), 0);
            let base = get(0, 1 << 20, MEM_RESERVE, PAGE_READWRITE);
            assert_eq!(account(), 0);
            get(base, 1 << 18, MEM_COMMIT, PAGE_READWRITE);
            get(base + PAGE, 1 << 18, MEM_COMMIT, PAGE_READONLY);
            assert_eq!(account(), (1 << 18) + PAGE);
            assert_eq!(free(base, 0, MEM_DECOMMIT), FREED);
            assert_eq!(account(), 0);
            get(base, 1 << 18, MEM_COMMIT, PAGE_READWRITE);
            ntheap::vm::set_commit_limit(1 << 19);
            let error = error(base, 1 << 20, MEM_COMMIT, PAGE_READWRITE);
            assert_eq!(error, ERROR_COMMITMENT_LIMIT);
            assert_eq!(account(), 1 << 18);
            assert_eq!(free(base, 0, MEM_RELEASE), FREED);
            assert_eq!(account(), 0);
        },
    );
}

#[test]
fn further_arguments_that_lead_nowhere_are_no_access() {
    let reserve = |parameters: *mut MEM_EXTENDED_PARAMETER| {
        let none = std::ptr::null_mut();
        // SAFETY: the argument is one, or leads nowhere and is refused.
        with_error(|| unsafe {
            VirtualAlloc2(none, none, UNIT, MEM_RESERVE, PAGE_NOACCESS, parameters, 1)
        })
    };
    let refused = |error| (std::ptr::null_mut(), error);
    let cases = [
        (0, ERROR_INVALID_PARAMETER),
        (8, ERROR_NOACCESS),
        (usize::MAX - 63, ERROR_NOACCESS),
    ];
    for (at, error) in cases {
        assert_eq!(
            reserve(std::ptr::without_provenance_mut(at)),
            refused(error),
            "{at:x}"
        );
        let mut parameter = MEM_EXTENDED_PARAMETER {
            Type: MemExtendedParameterAddressRequirements as u64,
            Anonymous: MEM_EXTENDED_PARAMETER_0 {
                Pointer: std::ptr::without_provenance_mut(at),
            },
        };
        assert_eq!(reserve(&raw mut parameter), refused(error), "{at:x}");
    }
}
