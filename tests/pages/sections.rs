//! Sections and views when the system refuses: each call into it in turn.

use crate::support::*;
use ntheap::sys::fault;
use ntheap::vm;
use ntheap::win32::*;
use std::os::fd::IntoRawFd;

/// All that a refused call must leave as it was.
#[derive(PartialEq, Debug)]
struct Picture {
    program: vm::Line,
    files: usize,
    pages: Vec<(DWORD, DWORD, usize)>,
    bytes: Vec<u8>,
}

/// A picture, with what there is at some addresses: pages of views.
fn picture(at: &[usize]) -> Picture {
    let pages = at.iter().map(|&at| query(at));
    let pages: Vec<_> = pages
        .map(|told| (told.State, told.Protect, told.RegionSize))
        .collect();
    let readable = |&(nth, _): &(usize, usize)| {
        let (state, protect, _) = pages[nth];
        state == MEM_COMMIT && !matches!(protect, 0 | PAGE_NOACCESS)
    };
    let places = at.iter().copied().enumerate().filter(readable);
    Picture {
        program: vm::account().get(vm::Use::Program),
        files: std::fs::read_dir("/proc/self/fd")
            .expect("the list")
            .count(),
        // SAFETY: the pages are committed and can be read.
        bytes: places.map(|(_, at)| unsafe { *byte(at) }).collect(),
        pages,
    }
}

/// Makes each call into the system fail in turn that `act` makes. Refused, it answers
/// one of `errors`, leaves what was there at `at`, and can be done then; `undo` undoes
/// it. How many times it was refused.
fn refuse<T>(
    what: &str,
    errors: &[DWORD],
    at: &[usize],
    mut act: impl FnMut() -> Result<T, DWORD>,
    mut undo: impl FnMut(T),
) -> usize {
    // What is made once and kept is there then.
    undo(act().expect(what));
    let mut refused = 0;
    for nth in 0.. {
        assert!(nth < 200, "{what}: no end");
        let before = picture(at);
        fault::plan(nth, 1, &[]);
        let result = act();
        let (_, struck) = fault::end();
        match result {
            Ok(done) => undo(done),
            Err(error) => {
                assert!(errors.contains(&error), "{what}, call {nth}: {error}");
                assert_eq!(picture(at), before, "{what}, call {nth}");
                refused += 1;
                match act() {
                    Ok(done) => undo(done),
                    Err(error) => panic!("{what}, call {nth}, a second time: {error}"),
                }
            }
        }
        assert_eq!(picture(at), before, "{what}, call {nth}, undone");
        if struck == 0 {
            break;
        }
    }
    assert!(refused > 0, "{what}: no call could be refused");
    refused
}

fn handle(handle: HANDLE) -> Result<HANDLE, DWORD> {
    if handle.is_null() {
        // SAFETY: nothing to keep.
        Err(unsafe { GetLastError() })
    } else {
        Ok(handle)
    }
}

fn close(handle: HANDLE) {
    // SAFETY: the test's own.
    assert_eq!(unsafe { CloseHandle(handle) }, TRUE);
}

/// Makes a section of a file or, for null, of memory.
fn section(file: HANDLE, protect: DWORD, size: usize, name: &str) -> Result<HANDLE, DWORD> {
    let name: Vec<u16> = name.encode_utf16().chain([0]).collect();
    let named = if name.len() == 1 {
        std::ptr::null()
    } else {
        name.as_ptr()
    };
    // SAFETY: the name ends with 0.
    handle(unsafe {
        let none = std::ptr::null_mut();
        CreateFileMappingW(file, none, protect, 0, size as DWORD, named)
    })
}

/// Maps all of a section, or ends the view.
fn map(section: HANDLE, access: DWORD) -> Result<usize, DWORD> {
    // SAFETY: a new view is nobody's.
    let view = unsafe { MapViewOfFile(section, access, 0, 0, 0) };
    handle(view.cast()).map(|view| view.expose_provenance())
}

fn unmap(view: usize) -> Result<(), DWORD> {
    // SAFETY: the test's own, which uses it no more.
    truth(unsafe { UnmapViewOfFile(byte(view).cast_const().cast()) })
}

fn size() -> usize {
    16 * page_size()
}
/// What the system's want of memory, mappings or files comes to.
const WANT: [DWORD; 2] = [ERROR_NOT_ENOUGH_MEMORY, ERROR_TOO_MANY_OPEN_FILES];

#[test]
fn every_refusal_leaves_sections_as_they_were() {
    if !alone("sections::every_refusal_leaves_sections_as_they_were") {
        return;
    }
    let memory = INVALID_HANDLE_VALUE;
    let name = format!("Local\\refused-{}", std::process::id());
    let plain = PAGE_READWRITE;
    refuse(
        "memory",
        &WANT,
        &[],
        || section(memory, plain, size(), ""),
        close,
    );
    let sparse = PAGE_READWRITE | SEC_RESERVE;
    refuse(
        "reserved",
        &WANT,
        &[],
        || section(memory, sparse, size(), ""),
        close,
    );
    refuse(
        "named",
        &WANT,
        &[],
        || section(memory, plain, size(), &name),
        close,
    );
    refuse(
        "named, reserved",
        &WANT,
        &[],
        || section(memory, sparse, size(), &name),
        close,
    );

    let path = std::env::temp_dir().join(format!("ntheap-refused-{}", std::process::id()));
    std::fs::write(&path, vec![7; size()]).expect("written");
    let open = std::fs::File::options().read(true).write(true).open(&path);
    let file = _get_osfhandle(open.expect("opened").into_raw_fd());
    let file = std::ptr::with_exposed_provenance_mut(file as usize);
    refuse("file", &WANT, &[], || section(file, plain, 0, ""), close);
    // A file that is to grow can meet a full disk.
    let mut size = size();
    let errors = [WANT[0], WANT[1], ERROR_DISK_FULL];
    refuse(
        "longer file",
        &errors,
        &[],
        || {
            let made = section(file, plain, size + page_size(), "");
            size += if made.is_ok() { page_size() } else { 0 };
            made
        },
        close,
    );
    std::fs::remove_file(path).expect("removed");
}

#[test]
fn every_refusal_leaves_views_as_they_were() {
    if !alone("sections::every_refusal_leaves_views_as_they_were") {
        return;
    }
    let whole = section(INVALID_HANDLE_VALUE, PAGE_READWRITE, size(), "").expect("made");
    for access in [FILE_MAP_WRITE, FILE_MAP_READ, FILE_MAP_COPY] {
        let what = format!("view, access {access}");
        refuse(
            &what,
            &WANT,
            &[],
            || map(whole, access),
            |view| {
                unmap(view).expect("ended");
            },
        );
    }
    let view = map(whole, FILE_MAP_WRITE).expect("mapped");
    let other = map(whole, FILE_MAP_WRITE).expect("mapped");
    for page in 0..16 {
        // SAFETY: the view is the test's and can be written to.
        unsafe { *byte(view + page * page_size()) = page as u8 + 1 };
    }
    let pages: Vec<usize> = (0..16).map(|page| view + page * page_size()).collect();
    // Copies, in three runs of two rights, one page of which has its copy already.
    protect(view + 4 * page_size(), 2 * page_size(), PAGE_READONLY).expect("protected");
    protect(view + 8 * page_size(), 2 * page_size(), PAGE_WRITECOPY).expect("protected");
    // SAFETY: as above.
    unsafe { *byte(view + 9 * page_size()) = 99 };
    let back = |()| {
        protect(view, size(), PAGE_READWRITE).expect("protected");
        protect(view + 4 * page_size(), 2 * page_size(), PAGE_READONLY).expect("protected");
        protect(view + 8 * page_size(), 2 * page_size(), PAGE_WRITECOPY).expect("protected");
    };
    refuse(
        "to copies",
        &WANT,
        &pages,
        || protect(view + 2 * page_size(), 12 * page_size(), PAGE_WRITECOPY).map(drop),
        back,
    );
    refuse(
        "from copies",
        &WANT,
        &pages,
        || protect(view + 2 * page_size(), 12 * page_size(), PAGE_READWRITE).map(drop),
        back,
    );
    // What is shared is so still, whatever was refused.
    // SAFETY: as above.
    unsafe {
        *byte(view + 12 * page_size()) = 55;
        assert_eq!(*byte(other + 12 * page_size()), 55);
        assert_eq!(*byte(other + 9 * page_size()), 10);
    }
    refuse(
        "unmap",
        &WANT,
        &[other],
        || match query(view).State {
            // Done already, the second time.
            MEM_FREE => Ok(()),
            _ => unmap(view),
        },
        |()| {
            let again = map_at(whole, view).expect("mapped");
            assert_eq!(again, view);
        },
    );
    unmap(view).expect("ended");
    unmap(other).expect("ended");
    close(whole);
}

/// Maps all of a section where a view was.
fn map_at(section: HANDLE, at: usize) -> Result<usize, DWORD> {
    // SAFETY: a new view is nobody's.
    let view = unsafe { MapViewOfFileEx(section, FILE_MAP_WRITE, 0, 0, 0, byte(at).cast()) };
    handle(view.cast()).map(|view| view.expose_provenance())
}

#[test]
fn every_refusal_leaves_reserved_sections_as_they_were() {
    if !alone("sections::every_refusal_leaves_reserved_sections_as_they_were") {
        return;
    }
    let mut calls = 0;
    // What is committed stays so: a section for each call that fails.
    for nth in 0.. {
        assert!(nth < 100, "no end");
        let protect = PAGE_READWRITE | SEC_RESERVE;
        let whole = section(INVALID_HANDLE_VALUE, protect, size(), "").expect("made");
        let views = [0; 3].map(|_| map(whole, FILE_MAP_WRITE).expect("mapped"));
        allocate(
            views[1] + 4 * page_size(),
            2 * page_size(),
            MEM_COMMIT,
            PAGE_READONLY,
        )
        .expect("committed");
        let at: Vec<usize> = views
            .iter()
            .flat_map(|view| (0..16).map(move |page| view + page * page_size()))
            .collect();
        let before = picture(&at);
        fault::plan(nth, 1, &[]);
        let commit = || {
            allocate(
                views[0] + 2 * page_size(),
                6 * page_size(),
                MEM_COMMIT,
                PAGE_READWRITE,
            )
        };
        let result = commit();
        let (_, struck) = fault::end();
        if let Err(error) = result {
            assert_eq!(error, ERROR_NOT_ENOUGH_MEMORY, "call {nth}");
            assert_eq!(picture(&at), before, "call {nth}");
            calls += 1;
            commit().expect("a second time");
        }
        let charged = vm::account().get(vm::Use::Program).committed;
        assert_eq!(
            charged,
            before.program.committed + 4 * page_size(),
            "call {nth}"
        );
        for view in views {
            assert_eq!(query(view + 2 * page_size()).State, MEM_COMMIT);
            // SAFETY: committed in all views.
            assert_eq!(unsafe { *byte(view + 7 * page_size()) }, 0);
            unmap(view).expect("ended");
        }
        close(whole);
        if struck == 0 {
            break;
        }
    }
    assert!(calls >= 4, "{calls} calls could be refused");
}

/// A section that is to be cached otherwise is one as others are: that has no effect here.
#[test]
fn sections_are_alike_however_they_are_to_be_cached() {
    use ntheap::vm::{Caching, Section, ViewAccess};
    for caching in [Caching::Usual, Caching::None, Caching::WriteCombined] {
        let section = Section::options().caching(caching);
        let section = section.create(page_size()).expect("made");
        let views = [ViewAccess::ReadWrite, ViewAccess::Read]
            .map(|access| section.map(0, 0, access).expect("mapped"));
        views[0].write(5, 7u8).expect("written");
        assert_eq!(views[1].read::<u8>(5), Ok(7), "{caching:?}");
        let told = views.each_ref().map(|view| query(view.as_ptr().addr()));
        assert_eq!(told.map(|it| it.Type), [MEM_MAPPED; 2], "{caching:?}");
        let protects = told.map(|it| it.Protect);
        assert_eq!(protects, [PAGE_READWRITE, PAGE_READONLY], "{caching:?}");
    }
}

/// Code in a file that is only read runs; a copy of an executable section runs none.
#[test]
#[cfg(target_arch = "x86_64")]
fn code_runs_in_files_and_not_in_copies() {
    use ntheap::vm::{PageAccess, PageError, Section, ViewAccess};
    use std::os::fd::AsRawFd;
    let section = Section::options().executable();
    let section = section.create(page_size()).expect("made");
    let mut copy = section.map(0, 0, ViewAccess::Copy).expect("mapped");
    for access in [PageAccess::ReadExecute, PageAccess::ReadWriteExecute] {
        let denied = copy.protect(0..1, access);
        assert_eq!(denied, Err(PageError::Denied), "{access:?}");
    }
    assert_eq!(query(copy.as_ptr().addr()).Protect, PAGE_WRITECOPY);

    // mov eax, 42; ret
    let code = [0xb8, 42, 0, 0, 0, 0xc3];
    let path = std::env::temp_dir().join(format!("ntheap-code-{}", std::process::id()));
    std::fs::write(&path, code).expect("written");
    let file = std::fs::File::open(&path).expect("opened");
    std::fs::remove_file(&path).expect("removed");
    let of_file = Section::options().executable();
    // SAFETY: the file is open.
    let of_file = unsafe { of_file.of_file(file.as_raw_fd(), 0, false) }.expect("made");
    drop(file);
    let view = of_file.map(0, 0, ViewAccess::ReadExecute).expect("mapped");
    // SAFETY: the view has the code of such a function.
    let call = unsafe { std::mem::transmute::<*mut u8, extern "C" fn() -> i32>(view.as_ptr()) };
    assert_eq!(call(), 42);
    assert_eq!(query(view.as_ptr().addr()).Protect, PAGE_EXECUTE_READ);
    for access in [ViewAccess::ReadWrite, ViewAccess::ReadWriteExecute] {
        assert_eq!(of_file.map(0, 0, access).err(), Some(PageError::Denied));
    }
}
