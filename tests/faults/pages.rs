//! The page layer's operations.

use crate::scene::*;
use crate::table::{Row, family};
use ntheap::win32::*;

const BOTH: DWORD = MEM_RESERVE | MEM_COMMIT;
const MEMORY: &[u32] = &[ERROR_NOT_ENOUGH_MEMORY];
const NO_MEMORY: &[u32] = &[STATUS_NO_MEMORY as u32];
const OWN: HANDLE = std::ptr::without_provenance_mut(usize::MAX);
const PAGES: usize = 48;

pub(crate) fn alloc(at: usize, pages: usize, kind: DWORD, protect: DWORD) -> Result<usize, u32> {
    // SAFETY: the scenes change only what is theirs.
    got(unsafe { VirtualAlloc(pointer(at), pages * PAGE, kind, protect) })
}

pub(crate) fn free(at: usize, pages: usize, kind: DWORD) -> Result<usize, u32> {
    // SAFETY: as above, and nobody uses the pages any more.
    truth(unsafe { VirtualFree(pointer(at), pages * PAGE, kind) })
}

fn protect(at: usize, pages: usize, protect: DWORD) -> Result<usize, u32> {
    let mut old = 0;
    // SAFETY: as above.
    truth(unsafe { VirtualProtect(pointer(at), pages * PAGE, protect, &raw mut old) })
}

fn fill(first: usize, pages: usize) {
    for page in first..first + pages {
        // SAFETY: the scene's, committed and writable.
        unsafe { *pointer(BASE + page * PAGE).cast::<u8>() = page as u8 + 1 };
    }
}

extern "system" fn code() -> isize {
    0
}

fn nothing() -> Scene {
    Scene::pages(BASE..BASE + PAGES * PAGE)
}

/// Reserved pages, of which the first are committed in three runs of different
/// protections, with bytes.
fn make_pieces() {
    alloc(BASE, PAGES, MEM_RESERVE, PAGE_READWRITE).expect("reserved");
    alloc(BASE, 24, MEM_COMMIT, PAGE_READWRITE).expect("committed");
    fill(0, 24);
    protect(BASE + 8 * PAGE, 8, PAGE_READONLY).expect("protected");
    protect(BASE + 16 * PAGE, 4, PAGE_NOACCESS).expect("protected");
}

fn pieces() -> Scene {
    make_pieces();
    nothing()
}

/// The same again, whatever has become of them.
fn again(_: &Scene, _: usize) {
    free(BASE, 0, MEM_RELEASE).expect("released");
    make_pieces();
}

fn committed() -> Scene {
    alloc(BASE, PAGES, BOTH, PAGE_READWRITE).expect("committed");
    fill(0, PAGES);
    nothing()
}

fn watched() -> Scene {
    alloc(BASE, PAGES, BOTH | MEM_WRITE_WATCH, PAGE_READWRITE).expect("watched");
    fill(0, 3);
    nothing()
}

/// Pages of which those that are offered cannot be read.
fn offered() -> Scene {
    let scene = committed();
    offer(&scene).expect("offered");
    Scene::pages(BASE + 8 * PAGE..BASE + PAGES * PAGE)
}

/// Pages that the system may take, but has not.
fn reset() -> Scene {
    let scene = committed();
    alloc(BASE, 8, MEM_RESET, PAGE_NOACCESS).expect("reset");
    scene
}

fn offer(_: &Scene) -> Result<usize, u32> {
    // SAFETY: the scene's, which is not touched meanwhile.
    told(unsafe { OfferVirtualMemory(pointer(BASE), 8 * PAGE, VmOfferPriorityNormal) })
}

fn reclaim(_: &Scene) -> Result<usize, u32> {
    // SAFETY: the scene's.
    told(unsafe { ReclaimVirtualMemory(pointer(BASE), 8 * PAGE) })
}

fn placeholder() -> Scene {
    alloc_2(
        BASE,
        PAGES,
        MEM_RESERVE | MEM_RESERVE_PLACEHOLDER,
        PAGE_NOACCESS,
    )
    .expect("kept");
    nothing()
}

fn two_placeholders() -> Scene {
    let scene = placeholder();
    free(BASE, 16, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER).expect("split");
    scene
}

fn replaced() -> Scene {
    let scene = placeholder();
    alloc_2(BASE, PAGES, BOTH | MEM_REPLACE_PLACEHOLDER, PAGE_READWRITE).expect("replaced");
    fill(0, PAGES);
    scene
}

pub(crate) fn alloc_2(at: usize, pages: usize, kind: DWORD, protect: DWORD) -> Result<usize, u32> {
    let none = std::ptr::null_mut();
    // SAFETY: the scenes change only what is theirs.
    got(unsafe { VirtualAlloc2(OWN, pointer(at), pages * PAGE, kind, protect, none, 0) })
}

fn alloc_bounded(from_app: bool) -> Result<usize, u32> {
    let mut bounds = MEM_ADDRESS_REQUIREMENTS {
        LowestStartingAddress: pointer(BASE),
        HighestEndingAddress: pointer(BASE + 64 * UNIT - 1),
        Alignment: 4 * UNIT,
    };
    // SAFETY: all zero is a value of the structure.
    let mut parameter: MEM_EXTENDED_PARAMETER = unsafe { std::mem::zeroed() };
    parameter.Type = MemExtendedParameterAddressRequirements as u64;
    parameter.Anonymous.Pointer = (&raw mut bounds).cast();
    let call = if from_app {
        VirtualAlloc2FromApp
    } else {
        VirtualAlloc2
    };
    let null = std::ptr::null_mut();
    // SAFETY: the parameter leads to the structure above.
    got(unsafe {
        call(
            OWN,
            null,
            PAGES * PAGE,
            BOTH,
            PAGE_READWRITE,
            &raw mut parameter,
            1,
        )
    })
}

fn release_it(_: &Scene, at: usize) {
    free(at, 0, MEM_RELEASE).expect("released");
}

fn nt_alloc(ex: bool, kind: DWORD) -> Result<usize, u32> {
    let (mut base, mut size) = (pointer(BASE), PAGES * PAGE);
    let (at, bytes) = (&raw mut base, &raw mut size);
    let none = std::ptr::null_mut();
    // SAFETY: the pointers are variables of this function.
    let result = unsafe {
        if ex {
            NtAllocateVirtualMemoryEx(OWN, at, bytes, kind, PAGE_READWRITE, none, 0)
        } else {
            NtAllocateVirtualMemory(OWN, at, 0, bytes, kind, PAGE_READWRITE)
        }
    };
    status(result)?;
    Ok(base.addr())
}

fn nt_free(at: usize, pages: usize, kind: DWORD) -> Result<usize, u32> {
    let (mut base, mut size) = (pointer(at), pages * PAGE);
    // SAFETY: as above; nobody uses the pages any more.
    status(unsafe { NtFreeVirtualMemory(OWN, &raw mut base, &raw mut size, kind) })
}

fn written(flags: DWORD) -> Result<usize, u32> {
    let mut pages = [std::ptr::null_mut(); 8];
    let (mut count, mut granularity) = (8, 0);
    let to = pages.as_mut_ptr();
    let (base, size) = (pointer(BASE), PAGES * PAGE);
    // SAFETY: the pointers are variables of this function.
    match unsafe { GetWriteWatch(flags, base, size, to, &raw mut count, &raw mut granularity) } {
        0 => {
            assert_eq!(count, 3, "three pages were written to");
            Ok(0)
        }
        _ => Err(last_error()),
    }
}

fn window() -> Scene {
    alloc(BASE, PAGES, MEM_RESERVE | MEM_PHYSICAL, PAGE_READWRITE).expect("a window");
    nothing()
}

fn query_of(address: usize) -> Result<usize, u32> {
    let mut told = std::mem::MaybeUninit::<MEMORY_BASIC_INFORMATION>::uninit();
    // SAFETY: the buffer has room for the structure.
    match unsafe { VirtualQuery(pointer(address), told.as_mut_ptr(), 48) } {
        0 => Err(last_error()),
        _ => Ok(0),
    }
}

fn keep(_: &Scene, _: usize) {}

/// A page that is nobody's scene: a variable of the program's.
static FOREIGN: [u8; 64] = [7; 64];

fn foreign() -> usize {
    (&raw const FOREIGN).expose_provenance()
}

macro_rules! row {
    ($name:expr, $errors:expr, $prepare:expr, $act:expr, $undo:expr) => {
        row!($name, $errors, $prepare, $act, $undo, "")
    };
    ($name:expr, $errors:expr, $prepare:expr, $act:expr, $undo:expr, $leaves:expr) => {
        Row {
            name: $name,
            errors: $errors,
            prepare: $prepare,
            act: $act,
            undo: $undo,
            leaves: $leaves,
        }
    };
}
pub(crate) use row;

#[test]
fn reserving_and_committing() {
    let watch = &[ERROR_NOT_ENOUGH_MEMORY, ERROR_NOT_SUPPORTED];
    let guard = watch;
    let rows = [
        row!(
            "`VirtualAlloc` MEM_RESERVE, anywhere",
            MEMORY,
            Scene::default,
            |_| alloc(0, PAGES, MEM_RESERVE, PAGE_NOACCESS),
            release_it
        ),
        row!(
            "`VirtualAlloc` MEM_RESERVE",
            MEMORY,
            nothing,
            |_| alloc(BASE, PAGES, MEM_RESERVE, PAGE_NOACCESS),
            release_it
        ),
        row!(
            "`VirtualAlloc` MEM_RESERVE, MEM_TOP_DOWN",
            MEMORY,
            Scene::default,
            |_| alloc(0, PAGES, MEM_RESERVE | MEM_TOP_DOWN, PAGE_NOACCESS),
            release_it
        ),
        row!(
            "`VirtualAlloc` MEM_RESERVE, MEM_COMMIT",
            MEMORY,
            nothing,
            |_| alloc(BASE, PAGES, BOTH, PAGE_READWRITE),
            release_it
        ),
        row!(
            "`VirtualAlloc` MEM_RESERVE, MEM_COMMIT, PAGE_GUARD",
            guard,
            nothing,
            |_| alloc(BASE, PAGES, BOTH, PAGE_READWRITE | PAGE_GUARD),
            release_it
        ),
        row!(
            "`VirtualAlloc` MEM_WRITE_WATCH",
            watch,
            nothing,
            |_| alloc(BASE, PAGES, BOTH | MEM_WRITE_WATCH, PAGE_READWRITE),
            release_it
        ),
        row!(
            "`VirtualAlloc` MEM_PHYSICAL",
            MEMORY,
            nothing,
            |_| alloc(BASE, PAGES, MEM_RESERVE | MEM_PHYSICAL, PAGE_READWRITE),
            release_it
        ),
        row!(
            "`VirtualAlloc` MEM_COMMIT, one page",
            MEMORY,
            pieces,
            |_| alloc(BASE + 30 * PAGE, 1, MEM_COMMIT, PAGE_READWRITE),
            again
        ),
        row!(
            "`VirtualAlloc` MEM_COMMIT, over runs",
            MEMORY,
            pieces,
            |_| alloc(BASE + 4 * PAGE, 40, MEM_COMMIT, PAGE_READWRITE),
            again
        ),
        row!(
            "`VirtualAlloc` MEM_COMMIT, PAGE_GUARD",
            guard,
            pieces,
            |_| alloc(BASE + 30 * PAGE, 2, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD),
            again
        ),
        row!(
            "`VirtualAlloc` MEM_RESET",
            MEMORY,
            committed,
            |_| alloc(BASE, 8, MEM_RESET, PAGE_NOACCESS),
            keep
        ),
        row!(
            "`VirtualAlloc` MEM_RESET_UNDO",
            MEMORY,
            reset,
            |_| alloc(BASE, 8, MEM_RESET_UNDO, PAGE_NOACCESS),
            |_, _| {
                alloc(BASE, 8, MEM_RESET, PAGE_NOACCESS).expect("reset");
            }
        ),
        row!(
            "`VirtualAllocEx`",
            MEMORY,
            nothing,
            // SAFETY: nobody has the place.
            |_| got(unsafe { VirtualAllocEx(OWN, pointer(BASE), UNIT, BOTH, PAGE_READWRITE) }),
            release_it
        ),
        row!(
            "`VirtualAllocFromApp`",
            MEMORY,
            nothing,
            // SAFETY: as above.
            |_| got(unsafe { VirtualAllocFromApp(pointer(BASE), UNIT, BOTH, PAGE_READWRITE) }),
            release_it
        ),
        row!(
            "`VirtualAlloc2` between two addresses",
            MEMORY,
            nothing,
            |_| alloc_bounded(false),
            release_it
        ),
        row!(
            "`VirtualAlloc2FromApp` between two addresses",
            MEMORY,
            nothing,
            |_| alloc_bounded(true),
            release_it
        ),
        row!(
            "`VirtualAlloc2` MEM_RESERVE_PLACEHOLDER",
            MEMORY,
            nothing,
            |_| alloc_2(
                BASE,
                PAGES,
                MEM_RESERVE | MEM_RESERVE_PLACEHOLDER,
                PAGE_NOACCESS
            ),
            release_it
        ),
        row!(
            "`VirtualAlloc2` MEM_REPLACE_PLACEHOLDER",
            MEMORY,
            placeholder,
            |_| alloc_2(BASE, PAGES, BOTH | MEM_REPLACE_PLACEHOLDER, PAGE_READWRITE),
            |_, at| {
                free(at, PAGES, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER).expect("preserved");
            }
        ),
        row!(
            "`NtAllocateVirtualMemory`",
            NO_MEMORY,
            nothing,
            |_| nt_alloc(false, BOTH),
            release_it
        ),
        row!(
            "`NtAllocateVirtualMemory` MEM_COMMIT",
            NO_MEMORY,
            pieces,
            |_| nt_alloc(false, MEM_COMMIT),
            again
        ),
        row!(
            "`NtAllocateVirtualMemoryEx`",
            NO_MEMORY,
            nothing,
            |_| nt_alloc(true, BOTH),
            release_it
        ),
    ];
    family("Reserving and committing", &rows);
}

#[test]
fn freeing_and_protecting() {
    let guard = &[ERROR_NOT_ENOUGH_MEMORY, ERROR_NOT_SUPPORTED];
    let rows = [
        row!(
            "`VirtualFree` MEM_DECOMMIT",
            MEMORY,
            pieces,
            |_| free(BASE + 4 * PAGE, 40, MEM_DECOMMIT),
            again
        ),
        row!(
            "`VirtualFree` MEM_DECOMMIT, watched",
            MEMORY,
            watched,
            |_| free(BASE, 4, MEM_DECOMMIT),
            |_, _| {
                alloc(BASE, 4, MEM_COMMIT, PAGE_READWRITE).expect("committed");
                fill(0, 3);
            }
        ),
        row!(
            "`VirtualFree` MEM_RELEASE",
            MEMORY,
            pieces,
            |_| free(BASE, 0, MEM_RELEASE),
            |_, _| make_pieces()
        ),
        row!(
            "`VirtualFree` MEM_RELEASE, watched",
            MEMORY,
            watched,
            |_| free(BASE, 0, MEM_RELEASE),
            |_, _| {
                watched();
            }
        ),
        row!(
            "`VirtualFree` MEM_RELEASE, a window",
            MEMORY,
            window,
            |_| free(BASE, 0, MEM_RELEASE),
            |_, _| {
                window();
            }
        ),
        row!(
            "`VirtualFree` MEM_PRESERVE_PLACEHOLDER, splitting",
            MEMORY,
            placeholder,
            |_| free(BASE, 16, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER),
            |_, _| {
                free(BASE, PAGES, MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS).expect("joined");
            }
        ),
        row!(
            "`VirtualFree` MEM_PRESERVE_PLACEHOLDER, of a region",
            MEMORY,
            replaced,
            |_| free(BASE, PAGES, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER),
            |_, _| {
                let kind = BOTH | MEM_REPLACE_PLACEHOLDER;
                alloc_2(BASE, PAGES, kind, PAGE_READWRITE).expect("replaced");
                fill(0, PAGES);
            }
        ),
        row!(
            "`VirtualFree` MEM_COALESCE_PLACEHOLDERS",
            MEMORY,
            two_placeholders,
            |_| free(BASE, PAGES, MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS),
            |_, _| {
                free(BASE, 16, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER).expect("split");
            }
        ),
        row!(
            "`VirtualFree` MEM_RELEASE of a placeholder",
            MEMORY,
            placeholder,
            |_| free(BASE, 0, MEM_RELEASE),
            |_, _| {
                placeholder();
            }
        ),
        row!(
            "`VirtualFreeEx` MEM_DECOMMIT",
            MEMORY,
            pieces,
            // SAFETY: nobody uses the pages any more.
            |_| truth(unsafe { VirtualFreeEx(OWN, pointer(BASE), 9 * PAGE, MEM_DECOMMIT) }),
            again
        ),
        row!(
            "`NtFreeVirtualMemory` MEM_DECOMMIT",
            NO_MEMORY,
            pieces,
            |_| nt_free(BASE + 4 * PAGE, 40, MEM_DECOMMIT),
            again
        ),
        row!(
            "`NtFreeVirtualMemory` MEM_RELEASE of a part",
            NO_MEMORY,
            pieces,
            |_| nt_free(BASE + 16 * PAGE, 16, MEM_RELEASE),
            |_, _| {
                free(BASE, 0, MEM_RELEASE).expect("released");
                free(BASE + 32 * PAGE, 0, MEM_RELEASE).expect("released");
                make_pieces();
            }
        ),
        row!(
            "`VirtualProtect` one run",
            MEMORY,
            pieces,
            |_| protect(BASE + 9 * PAGE, 2, PAGE_READWRITE),
            again
        ),
        row!(
            "`VirtualProtect` over runs",
            MEMORY,
            pieces,
            |_| protect(BASE + 2 * PAGE, 20, PAGE_READWRITE),
            again
        ),
        row!(
            "`VirtualProtect` PAGE_GUARD",
            guard,
            pieces,
            |_| protect(BASE, 4, PAGE_READWRITE | PAGE_GUARD),
            again
        ),
        row!(
            "`VirtualProtectEx`",
            MEMORY,
            pieces,
            |_| {
                let mut old = 0;
                let at = pointer(BASE + 9 * PAGE);
                // SAFETY: the scene's.
                truth(unsafe { VirtualProtectEx(OWN, at, PAGE, PAGE_READWRITE, &raw mut old) })
            },
            again
        ),
        row!(
            "`VirtualProtectFromApp`",
            MEMORY,
            pieces,
            |_| {
                let mut old = 0;
                let at = pointer(BASE + 9 * PAGE);
                // SAFETY: the scene's.
                truth(unsafe { VirtualProtectFromApp(at, PAGE, PAGE_READWRITE, &raw mut old) })
            },
            again
        ),
        row!(
            "`NtProtectVirtualMemory`",
            NO_MEMORY,
            pieces,
            |_| {
                let (mut base, mut size, mut old) = (pointer(BASE), 20 * PAGE, 0);
                let (at, bytes) = (&raw mut base, &raw mut size);
                // SAFETY: the scene's; the pointers are this function's.
                let result =
                    unsafe { NtProtectVirtualMemory(OWN, at, bytes, PAGE_READONLY, &raw mut old) };
                status(result)
            },
            again
        ),
    ];
    family("Freeing and protecting", &rows);
}

/// A text of five characters and one of three: wherever the linker puts it, one reading
/// has it whole.
#[repr(align(8))]
struct Text([u8; 8]);
static TEXT: Text = Text(*b"text\0\0\0\0");

#[test]
fn asking_and_advising() {
    let watch = &[ERROR_NOT_SUPPORTED];
    let quota = &[ERROR_WORKING_SET_QUOTA];
    let rows = [
        row!("`VirtualQuery`", &[], pieces, |_| query_of(BASE), keep),
        row!(
            "`VirtualQuery` of another's page",
            &[ERROR_NOT_SUPPORTED],
            Scene::default,
            |_| query_of(foreign()),
            keep
        ),
        row!(
            "`VirtualQueryEx`",
            &[],
            pieces,
            |_| {
                let mut told = std::mem::MaybeUninit::<MEMORY_BASIC_INFORMATION>::uninit();
                // SAFETY: the buffer has room for the structure.
                match unsafe { VirtualQueryEx(OWN, pointer(BASE), told.as_mut_ptr(), 48) } {
                    0 => Err(last_error()),
                    _ => Ok(0),
                }
            },
            keep
        ),
        row!(
            "`NtQueryVirtualMemory`",
            &[],
            pieces,
            |_| {
                let mut told = std::mem::MaybeUninit::<MEMORY_BASIC_INFORMATION>::uninit();
                let mut size = 0;
                let (at, to) = (pointer(BASE), told.as_mut_ptr().cast());
                // SAFETY: the buffer has room for the structure.
                status(unsafe {
                    NtQueryVirtualMemory(OWN, at, MemoryBasicInformation, to, 48, &raw mut size)
                })
            },
            keep
        ),
        row!(
            "`VirtualLock`",
            quota,
            committed,
            // SAFETY: the scene's.
            |_| truth(unsafe { VirtualLock(pointer(BASE), 4 * PAGE) }),
            // SAFETY: as above.
            |_, _| assert_eq!(unsafe { VirtualUnlock(pointer(BASE), 4 * PAGE) }, TRUE)
        ),
        row!(
            "`VirtualUnlock`",
            MEMORY,
            || {
                let scene = committed();
                // SAFETY: the scene's.
                assert_eq!(unsafe { VirtualLock(pointer(BASE), 4 * PAGE) }, TRUE);
                scene
            },
            // SAFETY: as above.
            |_| truth(unsafe { VirtualUnlock(pointer(BASE), 4 * PAGE) }),
            // SAFETY: as above.
            |_, _| assert_eq!(unsafe { VirtualLock(pointer(BASE), 4 * PAGE) }, TRUE)
        ),
        row!(
            "`PrefetchVirtualMemory`",
            &[],
            committed,
            |_| {
                let mut range = WIN32_MEMORY_RANGE_ENTRY {
                    VirtualAddress: pointer(BASE),
                    NumberOfBytes: 8 * PAGE,
                };
                // SAFETY: one range is passed.
                truth(unsafe { PrefetchVirtualMemory(OWN, 1, &raw mut range, 0) })
            },
            keep
        ),
        row!(
            "`NtSetInformationVirtualMemory`",
            &[],
            committed,
            |_| {
                let mut range = MEMORY_RANGE_ENTRY {
                    VirtualAddress: pointer(BASE),
                    NumberOfBytes: 8 * PAGE,
                };
                let mut flags: ULONG = 0;
                let (range, flags) = (&raw mut range, (&raw mut flags).cast());
                // SAFETY: one range and four bytes of flags are passed.
                status(unsafe {
                    NtSetInformationVirtualMemory(OWN, VmPrefetchInformation, 1, range, flags, 4)
                })
            },
            keep
        ),
        row!(
            "`DiscardVirtualMemory`",
            MEMORY,
            committed,
            // SAFETY: nobody needs what the pages hold.
            |_| told(unsafe { DiscardVirtualMemory(pointer(BASE), 8 * PAGE) }),
            |_, _| fill(0, 8)
        ),
        row!(
            "`OfferVirtualMemory`",
            MEMORY,
            committed,
            offer,
            |scene, _| {
                reclaim(scene).expect("reclaimed");
            }
        ),
        row!(
            "`ReclaimVirtualMemory`",
            MEMORY,
            offered,
            reclaim,
            |scene, _| {
                offer(scene).expect("offered");
            }
        ),
        row!("`GetWriteWatch`", watch, watched, |_| written(0), keep),
        row!(
            "`GetWriteWatch` WRITE_WATCH_FLAG_RESET",
            watch,
            watched,
            |_| written(WRITE_WATCH_FLAG_RESET),
            |_, _| fill(0, 3)
        ),
        row!(
            "`ResetWriteWatch`",
            watch,
            watched,
            // SAFETY: the scene's.
            |_| match unsafe { ResetWriteWatch(pointer(BASE), PAGES * PAGE) } {
                0 => Ok(0),
                _ => Err(last_error()),
            },
            |_, _| fill(0, 3)
        ),
        row!(
            "`IsBadReadPtr`",
            &[],
            committed,
            // SAFETY: any address may be asked about.
            |_| Ok(unsafe { IsBadReadPtr(pointer(BASE), PAGE) } as usize),
            keep
        ),
        row!(
            "`IsBadHugeReadPtr`",
            &[],
            committed,
            // SAFETY: as above.
            |_| Ok(unsafe { IsBadHugeReadPtr(pointer(BASE), PAGE) } as usize),
            keep
        ),
        row!(
            "`IsBadWritePtr`",
            &[],
            committed,
            // SAFETY: as above.
            |_| Ok(unsafe { IsBadWritePtr(pointer(BASE), PAGE) } as usize),
            keep
        ),
        row!(
            "`IsBadHugeWritePtr`",
            &[],
            committed,
            // SAFETY: as above.
            |_| Ok(unsafe { IsBadHugeWritePtr(pointer(BASE), PAGE) } as usize),
            keep
        ),
        row!(
            "`IsBadCodePtr`",
            &[],
            Scene::default,
            // SAFETY: any address may be asked about; the code is never run.
            |_| Ok(unsafe { IsBadCodePtr(Some(code)) } as usize),
            keep
        ),
        row!(
            "`IsBadStringPtrA`",
            &[],
            Scene::default,
            // SAFETY: as above.
            |_| Ok(unsafe { IsBadStringPtrA(TEXT.0.as_ptr().cast(), 5) } as usize),
            keep
        ),
        row!(
            "`IsBadStringPtrW`",
            &[],
            Scene::default,
            // SAFETY: as above.
            |_| Ok(unsafe { IsBadStringPtrW(TEXT.0.as_ptr().cast(), 3) } as usize),
            keep
        ),
        row!(
            "`ReadProcessMemory`",
            &[ERROR_NOT_SUPPORTED],
            committed,
            |_| {
                let (mut bytes, mut count) = ([0u8; 16], 0);
                let to = bytes.as_mut_ptr().cast();
                // SAFETY: the buffer has room for so many.
                truth(unsafe { ReadProcessMemory(OWN, pointer(BASE), to, 16, &raw mut count) })
            },
            keep
        ),
        row!(
            "`WriteProcessMemory`",
            &[ERROR_NOACCESS],
            committed,
            |_| {
                let (bytes, mut count) = ([1u8; 16], 0);
                let from = bytes.as_ptr().cast();
                // SAFETY: the scene's.
                truth(unsafe { WriteProcessMemory(OWN, pointer(BASE), from, 16, &raw mut count) })
            },
            keep
        ),
        row!(
            "`WriteProcessMemory` to code",
            &[ERROR_NOT_SUPPORTED, ERROR_NOACCESS, ERROR_NOT_ENOUGH_MEMORY],
            || {
                let scene = committed();
                protect(BASE, PAGES, PAGE_EXECUTE_READ).expect("protected");
                scene
            },
            |_| {
                let (bytes, mut count) = ([1u8; 1], 0);
                let from = bytes.as_ptr().cast();
                // SAFETY: the scene's.
                truth(unsafe { WriteProcessMemory(OWN, pointer(BASE), from, 1, &raw mut count) })
            },
            keep
        ),
        row!(
            "`FlushInstructionCache`",
            &[],
            committed,
            // SAFETY: the scene's.
            |_| truth(unsafe { FlushInstructionCache(OWN, pointer(BASE), PAGE) }),
            keep
        ),
    ];
    family("Asking and advising", &rows);
}
