//! Handles, files, sections and their views, frames.

use crate::answers::NULL;
use crate::pages::row;
use crate::scene::*;
use crate::table::{Row, family};
use ntheap::win32::*;
use std::ptr::{null, null_mut};

const OWN: HANDLE = std::ptr::without_provenance_mut(usize::MAX);
const SIZE: usize = 16 * PAGE;
/// What want of memory, mappings or files comes to.
const WANT: &[u32] = &[ERROR_NOT_ENOUGH_MEMORY, ERROR_TOO_MANY_OPEN_FILES];
const WANT_STATUS: &[u32] = &[STATUS_NO_MEMORY as u32, STATUS_TOO_MANY_OPENED_FILES as u32];
const IO: &[u32] = &[ERROR_IO_DEVICE, ERROR_NOT_ENOUGH_MEMORY];

fn close(handle: usize) {
    // SAFETY: the scene's, used no more.
    assert_eq!(unsafe { CloseHandle(pointer(handle)) }, TRUE);
}

fn close_it(_: &Scene, handle: usize) {
    close(handle);
}

fn keep(_: &Scene, _: usize) {}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// A name of this process's.
fn name(rest: &str) -> String {
    format!("Local\\faults-{}-{rest}", std::process::id())
}

fn section(file: HANDLE, protect: DWORD, size: usize, named: Option<&str>) -> Result<usize, u32> {
    let name = named.map(|rest| units(&name(rest)));
    let name = name.as_ref().map_or(null(), |name| name.as_ptr());
    let none = null_mut();
    // SAFETY: the name ends with 0.
    got(unsafe { CreateFileMappingW(file, none, protect, 0, size as DWORD, name) })
}

fn shared() -> Scene {
    let made = section(INVALID_HANDLE_VALUE, PAGE_READWRITE, SIZE, None).expect("made");
    Scene::given(&[made])
}

fn reserved() -> Scene {
    let protect = PAGE_READWRITE | SEC_RESERVE;
    Scene::given(&[section(INVALID_HANDLE_VALUE, protect, SIZE, None).expect("made")])
}

fn map(section: LPVOID, access: DWORD, at: usize) -> Result<usize, u32> {
    // SAFETY: nobody has the place.
    got(unsafe { MapViewOfFileEx(section, access, 0, 0, 0, pointer(at)) })
}

type Map3 = unsafe extern "system" fn(
    HANDLE,
    HANDLE,
    PVOID,
    u64,
    SIZE_T,
    ULONG,
    ULONG,
    PMEM_EXTENDED_PARAMETER,
    ULONG,
) -> PVOID;

fn map_3(scene: &Scene, function: Map3) -> Result<usize, u32> {
    let none = null_mut();
    // SAFETY: a new view is nobody's.
    got(unsafe {
        function(
            scene.at(0),
            OWN,
            none,
            0,
            0,
            0,
            PAGE_READWRITE,
            null_mut(),
            0,
        )
    })
}

fn unmap(view: usize) -> Result<usize, u32> {
    // SAFETY: the scene's, used no more.
    truth(unsafe { UnmapViewOfFile(pointer(view)) })
}

fn unmap_it(_: &Scene, view: usize) {
    unmap(view).expect("unmapped");
}

/// A section with a view at the place for pages, which hold something.
fn viewed() -> Scene {
    let scene = shared();
    map(scene.at(0), FILE_MAP_WRITE, BASE).expect("a view");
    for page in 0..16 {
        // SAFETY: the scene's view.
        unsafe { *pointer(BASE + page * PAGE).cast::<u8>() = page as u8 + 1 };
    }
    Scene {
        pages: Some(BASE..BASE + SIZE),
        ..scene
    }
}

fn protect(first: usize, pages: usize, protect: DWORD) -> Result<usize, u32> {
    let (mut old, at) = (0, pointer(BASE + first * PAGE));
    // SAFETY: the scene's view.
    truth(unsafe { VirtualProtect(at, pages * PAGE, protect, &raw mut old) })
}

/// The same with pages of two rights more, one of which has a copy.
fn copied() -> Scene {
    let scene = viewed();
    set_copies(&scene, 0);
    scene
}

fn set_copies(_: &Scene, _: usize) {
    protect(0, 16, PAGE_READWRITE).expect("protected");
    protect(4, 2, PAGE_READONLY).expect("protected");
    protect(8, 2, PAGE_WRITECOPY).expect("protected");
    // SAFETY: the scene's view.
    unsafe { *pointer(BASE + 9 * PAGE).cast::<u8>() = 99 };
}

fn open(disposition: DWORD) -> Result<usize, u32> {
    let path = units(path().to_str().expect("text"));
    let access = GENERIC_READ | GENERIC_WRITE;
    let share = FILE_SHARE_READ | FILE_SHARE_WRITE;
    // SAFETY: the path ends with 0.
    let file = unsafe {
        CreateFileW(
            path.as_ptr(),
            access,
            share,
            null_mut(),
            disposition,
            0,
            null_mut(),
        )
    };
    match file {
        INVALID_HANDLE_VALUE => Err(last_error()),
        file => Ok(file.addr()),
    }
}

fn file() -> Scene {
    std::fs::write(path(), [7; SIZE]).expect("written");
    Scene::given(&[open(OPEN_EXISTING).expect("opened")])
}

/// A descriptor of the file.
fn descriptor() -> Scene {
    std::fs::write(path(), [7; SIZE]).expect("written");
    let file = std::fs::File::open(path()).expect("opened");
    Scene::given(&[std::os::fd::IntoRawFd::into_raw_fd(file) as usize])
}

fn named() -> Scene {
    let made = section(INVALID_HANDLE_VALUE, PAGE_READWRITE, SIZE, Some("open"));
    Scene::given(&[made.expect("made")])
}

fn nt_create(attributes: ULONG) -> Result<usize, u32> {
    let (mut handle, mut size) = (null_mut(), SIZE as i64);
    let (section, size) = (&raw mut handle, (&raw mut size).cast());
    let (access, none) = (SECTION_ALL_ACCESS, null_mut());
    // SAFETY: the pointers are variables of this function.
    status(unsafe {
        NtCreateSection(
            section,
            access,
            none,
            size,
            PAGE_READWRITE,
            attributes,
            null_mut(),
        )
    })?;
    Ok(handle.addr())
}

fn nt_map(section: HANDLE) -> Result<usize, u32> {
    let (mut base, mut size) = (null_mut(), 0);
    let (at, bytes, none) = (&raw mut base, &raw mut size, null_mut());
    // SAFETY: as above.
    status(unsafe {
        NtMapViewOfSection(
            section,
            OWN,
            at,
            0,
            0,
            none,
            bytes,
            ViewUnmap,
            0,
            PAGE_READWRITE,
        )
    })?;
    Ok(base.addr())
}

#[test]
fn sections() {
    let rows = [
        row!(
            "`CreateFileMappingW` of memory",
            WANT,
            Scene::default,
            |_| section(INVALID_HANDLE_VALUE, PAGE_READWRITE, SIZE, None),
            close_it
        ),
        row!(
            "`CreateFileMappingA` of memory",
            WANT,
            Scene::default,
            |_| {
                let (none, size) = (null_mut(), SIZE as DWORD);
                // SAFETY: there is no name.
                got(unsafe {
                    CreateFileMappingA(INVALID_HANDLE_VALUE, none, PAGE_READWRITE, 0, size, null())
                })
            },
            close_it
        ),
        row!(
            "`CreateFileMappingW` SEC_RESERVE",
            WANT,
            Scene::default,
            |_| section(
                INVALID_HANDLE_VALUE,
                PAGE_READWRITE | SEC_RESERVE,
                SIZE,
                None
            ),
            close_it
        ),
        row!(
            "`CreateFileMappingW` with a name",
            WANT,
            Scene::default,
            |_| section(INVALID_HANDLE_VALUE, PAGE_READWRITE, SIZE, Some("new")),
            close_it
        ),
        row!(
            "`CreateFileMappingW` with a name, SEC_RESERVE",
            WANT,
            Scene::default,
            |_| section(
                INVALID_HANDLE_VALUE,
                PAGE_READWRITE | SEC_RESERVE,
                SIZE,
                Some("new")
            ),
            close_it
        ),
        row!(
            "`CreateFileMappingW` of a file",
            WANT,
            file,
            |scene| section(scene.at(0), PAGE_READWRITE, 0, None),
            close_it
        ),
        row!(
            "`OpenFileMappingW`",
            WANT,
            named,
            |_| {
                let name = units(&name("open"));
                // SAFETY: the name ends with 0.
                got(unsafe { OpenFileMappingW(FILE_MAP_WRITE, FALSE, name.as_ptr()) })
            },
            close_it
        ),
        row!(
            "`OpenFileMappingA`",
            WANT,
            named,
            |_| {
                let name = format!("{}\0", name("open"));
                // SAFETY: the name ends with 0.
                got(unsafe { OpenFileMappingA(FILE_MAP_WRITE, FALSE, name.as_ptr().cast()) })
            },
            close_it
        ),
        row!(
            "`NtCreateSection`",
            WANT_STATUS,
            Scene::default,
            |_| nt_create(SEC_COMMIT),
            close_it
        ),
        row!(
            "`NtQuerySection`",
            &[],
            shared,
            |scene| {
                let mut told = std::mem::MaybeUninit::<SECTION_BASIC_INFORMATION>::uninit();
                let (to, size) = (
                    told.as_mut_ptr().cast(),
                    size_of::<SECTION_BASIC_INFORMATION>(),
                );
                // SAFETY: the buffer has room for the structure.
                status(unsafe {
                    NtQuerySection(scene.at(0), SectionBasicInformation, to, size, null_mut())
                })
            },
            keep
        ),
        row!(
            "`CloseHandle` of a section",
            &[],
            shared,
            |scene| {
                close(scene.at(0).addr());
                Ok(0)
            },
            |scene, _| scene.put(0, shared().at(0).addr())
        ),
        row!(
            "`NtClose` of a section",
            &[],
            shared,
            // SAFETY: the scene's, used no more.
            |scene| status(unsafe { NtClose(scene.at(0)) }),
            |scene, _| scene.put(0, shared().at(0).addr())
        ),
        row!(
            "`DuplicateHandle`",
            WANT,
            shared,
            |scene| {
                let mut target = null_mut();
                let (to, same) = (&raw mut target, DUPLICATE_SAME_ACCESS);
                // SAFETY: the pointer is a variable of this function.
                truth(unsafe { DuplicateHandle(OWN, scene.at(0), OWN, to, 0, FALSE, same) })?;
                Ok(target.addr())
            },
            close_it
        ),
    ];
    family("Sections", &rows);
}

#[test]
fn views() {
    let rows = [
        row!(
            "`MapViewOfFile` FILE_MAP_WRITE",
            WANT,
            shared,
            // SAFETY: a new view is nobody's.
            |scene| got(unsafe { MapViewOfFile(scene.at(0), FILE_MAP_WRITE, 0, 0, 0) }),
            unmap_it
        ),
        row!(
            "`MapViewOfFile` FILE_MAP_READ",
            WANT,
            shared,
            // SAFETY: as above.
            |scene| got(unsafe { MapViewOfFile(scene.at(0), FILE_MAP_READ, 0, 0, 0) }),
            unmap_it
        ),
        row!(
            "`MapViewOfFile` FILE_MAP_COPY",
            WANT,
            shared,
            // SAFETY: as above.
            |scene| got(unsafe { MapViewOfFile(scene.at(0), FILE_MAP_COPY, 0, 0, 0) }),
            unmap_it
        ),
        row!(
            "`MapViewOfFileEx`",
            WANT,
            shared,
            |scene| map(scene.at(0), FILE_MAP_WRITE, BASE),
            unmap_it
        ),
        row!(
            "`MapViewOfFile` of a SEC_RESERVE section",
            &[
                ERROR_NOT_ENOUGH_MEMORY,
                ERROR_TOO_MANY_OPEN_FILES,
                ERROR_NOT_SUPPORTED
            ],
            reserved,
            |scene| map(scene.at(0), FILE_MAP_WRITE, 0),
            unmap_it
        ),
        row!(
            "`MapViewOfFileFromApp`",
            WANT,
            shared,
            // SAFETY: as above.
            |scene| got(unsafe { MapViewOfFileFromApp(scene.at(0), FILE_MAP_WRITE, 0, 0) }),
            unmap_it
        ),
        row!(
            "`MapViewOfFile3`",
            WANT,
            shared,
            |scene| map_3(scene, MapViewOfFile3),
            unmap_it
        ),
        row!(
            "`MapViewOfFile3FromApp`",
            WANT,
            shared,
            |scene| map_3(scene, MapViewOfFile3FromApp),
            unmap_it
        ),
        row!(
            "`NtMapViewOfSection`",
            WANT_STATUS,
            shared,
            |scene| nt_map(scene.at(0)),
            unmap_it
        ),
        row!(
            "`UnmapViewOfFile`",
            WANT,
            viewed,
            |_| unmap(BASE),
            |scene, _| {
                map(scene.at(0), FILE_MAP_WRITE, BASE).expect("a view");
            }
        ),
        row!(
            "`UnmapViewOfFileEx`",
            WANT,
            viewed,
            // SAFETY: the scene's, used no more.
            |_| truth(unsafe { UnmapViewOfFileEx(pointer(BASE), 0) }),
            |scene, _| {
                map(scene.at(0), FILE_MAP_WRITE, BASE).expect("a view");
            }
        ),
        row!(
            "`UnmapViewOfFile2`",
            WANT,
            viewed,
            // SAFETY: as above.
            |_| truth(unsafe { UnmapViewOfFile2(OWN, pointer(BASE), 0) }),
            |scene, _| {
                map(scene.at(0), FILE_MAP_WRITE, BASE).expect("a view");
            }
        ),
        row!(
            "`NtUnmapViewOfSection`",
            WANT_STATUS,
            viewed,
            // SAFETY: as above.
            |_| status(unsafe { NtUnmapViewOfSection(OWN, pointer(BASE)) }),
            |scene, _| {
                map(scene.at(0), FILE_MAP_WRITE, BASE).expect("a view");
            }
        ),
        row!(
            "`FlushViewOfFile`",
            IO,
            viewed,
            // SAFETY: the scene's view.
            |_| truth(unsafe { FlushViewOfFile(pointer(BASE), 0) }),
            keep
        ),
        row!(
            "`VirtualProtect` of a view, to copies",
            WANT,
            copied,
            |_| protect(2, 12, PAGE_WRITECOPY),
            set_copies
        ),
        row!(
            "`VirtualProtect` of a view, from copies",
            WANT,
            copied,
            |_| protect(2, 12, PAGE_READWRITE),
            set_copies
        ),
        row!(
            "`VirtualQuery` of pages with copies",
            &[],
            copied,
            |_| {
                query(BASE + 9 * PAGE);
                Ok(0)
            },
            keep
        ),
    ];
    family("Views", &rows);
}

#[test]
fn files() {
    const ANY: &[u32] = &[
        ERROR_IO_DEVICE,
        ERROR_NOT_ENOUGH_MEMORY,
        ERROR_TOO_MANY_OPEN_FILES,
        ERROR_DISK_FULL,
    ];
    let rows = [
        row!(
            "`CreateFileW`",
            ANY,
            file,
            |_| open(OPEN_EXISTING),
            close_it
        ),
        row!(
            "`CreateFileA`",
            ANY,
            file,
            |_| {
                let path = format!("{}\0", path().to_str().expect("text"));
                let (path, none) = (path.as_ptr().cast(), null_mut());
                // SAFETY: the path ends with 0.
                let file = unsafe {
                    CreateFileA(path, GENERIC_READ, 0, null_mut(), OPEN_EXISTING, 0, none)
                };
                match file {
                    INVALID_HANDLE_VALUE => Err(last_error()),
                    file => Ok(file.addr()),
                }
            },
            close_it
        ),
        row!(
            "`CloseHandle` of a file",
            &[],
            file,
            |scene| {
                close(scene.at(0).addr());
                Ok(0)
            },
            |scene, _| scene.put(0, open(OPEN_EXISTING).expect("opened"))
        ),
        row!(
            "`GetFileSize`",
            ANY,
            file,
            // SAFETY: no high part is asked for.
            |scene| match unsafe { GetFileSize(scene.at(0), null_mut()) } {
                u32::MAX => Err(last_error()),
                _ => Ok(0),
            },
            keep
        ),
        row!(
            "`GetFileSizeEx`",
            ANY,
            file,
            |scene| {
                let mut size = 0i64;
                // SAFETY: the pointer is a variable of this function.
                truth(unsafe { GetFileSizeEx(scene.at(0), (&raw mut size).cast()) })
            },
            keep
        ),
        row!(
            "`SetFilePointer`",
            ANY,
            file,
            // SAFETY: no high part is given.
            |scene| match unsafe { SetFilePointer(scene.at(0), 5, null_mut(), FILE_BEGIN) } {
                u32::MAX => Err(last_error()),
                _ => Ok(0),
            },
            keep
        ),
        row!(
            "`SetFilePointerEx`",
            ANY,
            file,
            |scene| {
                let mut place = 0;
                // SAFETY: the pointer is a variable of this function.
                truth(unsafe { SetFilePointerEx(scene.at(0), 5, &raw mut place, FILE_BEGIN) })
            },
            keep
        ),
        row!(
            "`_get_osfhandle`",
            &[NULL],
            descriptor,
            |scene| match _get_osfhandle(scene.at(0).addr() as i32) {
                -1 => Err(NULL),
                handle => Ok(handle.cast_unsigned()),
            },
            close_it
        ),
        row!(
            "`_open_osfhandle`",
            &[NULL],
            file,
            |scene| match _open_osfhandle(scene.at(0).addr().cast_signed(), 0) {
                -1 => Err(NULL),
                descriptor => Ok(descriptor as usize),
            },
            |scene, descriptor| {
                close(scene.at(0).addr());
                // SAFETY: the descriptor is the program's since it was asked for.
                assert_eq!(unsafe { libc::close(descriptor as i32) }, 0);
                scene.put(0, open(OPEN_EXISTING).expect("opened"));
            }
        ),
        row!(
            "`FlushFileBuffers`",
            ANY,
            file,
            |scene| truth(FlushFileBuffers(scene.at(0))),
            keep
        ),
        row!(
            "`SetEndOfFile`",
            ANY,
            file,
            |scene| truth(SetEndOfFile(scene.at(0))),
            keep
        ),
        row!(
            "`ReadFile`",
            ANY,
            file,
            |scene| {
                let (mut bytes, mut count) = ([0u8; 16], 0);
                let (to, count) = (bytes.as_mut_ptr().cast(), &raw mut count);
                // SAFETY: the buffer has room for so many.
                truth(unsafe { ReadFile(scene.at(0), to, 16, count, null_mut()) })
            },
            keep
        ),
        row!(
            "`WriteFile`",
            ANY,
            file,
            |scene| {
                let (bytes, mut count) = ([7u8; 16], 0);
                let (from, count) = (bytes.as_ptr().cast(), &raw mut count);
                // SAFETY: so many bytes are there.
                truth(unsafe { WriteFile(scene.at(0), from, 16, count, null_mut()) })
            },
            keep
        ),
    ];
    family("Files", &rows);
}

/// Asks for the privilege that frames need.
fn allow() {
    let mut token = null_mut();
    // SAFETY: the pointers are variables of this function.
    unsafe {
        assert_eq!(
            OpenProcessToken(OWN, TOKEN_ADJUST_PRIVILEGES, &raw mut token),
            TRUE
        );
        let mut wanted: TOKEN_PRIVILEGES = std::mem::zeroed();
        wanted.PrivilegeCount = 1;
        wanted.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
        let name = units("SeLockMemoryPrivilege");
        let number = &raw mut wanted.Privileges[0].Luid;
        assert_eq!(LookupPrivilegeValueW(null(), name.as_ptr(), number), TRUE);
        let (new, none) = (&raw mut wanted, null_mut());
        assert_eq!(
            AdjustTokenPrivileges(token, FALSE, new, 0, none, null_mut()),
            TRUE
        );
        assert_eq!(CloseHandle(token), TRUE);
    }
}

const FRAMES: usize = 8;

/// Frames, as many as can be had; some at least.
fn frames() -> Result<[usize; FRAMES], u32> {
    let (mut numbers, mut count) = ([0; FRAMES], FRAMES);
    // SAFETY: the array has room for so many.
    truth(unsafe { AllocateUserPhysicalPages(OWN, &raw mut count, numbers.as_mut_ptr()) })?;
    numbers[count..].fill(0);
    Ok(numbers)
}

/// Gives frames back, if need be in several steps.
fn give_back(numbers: &[usize]) {
    let mut left: Vec<usize> = numbers
        .iter()
        .copied()
        .filter(|&frame| frame != 0)
        .collect();
    while !left.is_empty() {
        let mut count = left.len();
        // SAFETY: so many numbers are there.
        let done = unsafe { FreeUserPhysicalPages(OWN, &raw mut count, left.as_mut_ptr()) };
        left.drain(..count);
        if done == FALSE {
            assert_eq!(last_error(), ERROR_NOT_ENOUGH_MEMORY, "{left:?} left");
        }
    }
}

/// A window with frames for it.
fn window() -> Scene {
    allow();
    let kind = MEM_RESERVE | MEM_PHYSICAL;
    crate::pages::alloc(BASE, FRAMES, kind, PAGE_READWRITE).expect("a window");
    let numbers = frames().expect("frames");
    Scene {
        pages: Some(BASE..BASE + FRAMES * PAGE),
        ..Scene::given(&numbers)
    }
}

fn show(scene: &Scene) -> Result<usize, u32> {
    let mut numbers = scene.given.borrow().clone();
    // SAFETY: so many numbers are there; the window is the scene's.
    truth(unsafe { MapUserPhysicalPages(pointer(BASE), FRAMES, numbers.as_mut_ptr()) })
}

fn scatter(scene: &Scene, shows: bool) -> Result<usize, u32> {
    let mut numbers = scene.given.borrow().clone();
    let mut places: Vec<_> = (0..FRAMES)
        .rev()
        .map(|page| pointer(BASE + page * PAGE))
        .collect();
    let numbers = if shows {
        numbers.as_mut_ptr()
    } else {
        null_mut()
    };
    // SAFETY: as above.
    truth(unsafe { MapUserPhysicalPagesScatter(places.as_mut_ptr(), FRAMES, numbers) })
}

fn hide(_: &Scene, _: usize) {
    // SAFETY: the window is the scene's.
    let hidden = unsafe { MapUserPhysicalPages(pointer(BASE), FRAMES, null_mut()) };
    assert_eq!(hidden, TRUE);
}

#[test]
fn frames_and_windows() {
    let rows = [
        row!(
            "`AllocateUserPhysicalPages`",
            WANT,
            || {
                allow();
                Scene::given(&[0; FRAMES])
            },
            |scene| {
                *scene.given.borrow_mut() = frames()?.to_vec();
                Ok(0)
            },
            |scene, _| give_back(&scene.given.borrow()),
            "fewer frames may be had than were asked for"
        ),
        row!("`MapUserPhysicalPages`", WANT, window, show, hide),
        row!(
            "`MapUserPhysicalPagesScatter`",
            WANT,
            window,
            |scene| scatter(scene, true),
            hide
        ),
        row!(
            "`MapUserPhysicalPagesScatter` to nothing",
            WANT,
            || {
                let scene = window();
                scatter(&scene, true).expect("shown");
                scene
            },
            |scene| scatter(scene, false),
            |scene, _| {
                scatter(scene, true).expect("shown");
            }
        ),
        row!(
            "`OpenProcessToken`",
            WANT,
            Scene::default,
            |_| {
                let mut token = null_mut();
                // SAFETY: the pointer is a variable of this function.
                truth(unsafe { OpenProcessToken(OWN, TOKEN_QUERY, &raw mut token) })?;
                Ok(token.addr())
            },
            close_it
        ),
    ];
    family("Frames and windows", &rows);
}
