//! Pages by their numbers: across forks, and when the system refuses.

use crate::limits::limit;
use crate::support::*;
use ntheap::sys::fault;
use ntheap::vm;
use ntheap::win32::*;

/// The process, to the functions that ask for one.
fn this_process() -> HANDLE {
    GetCurrentProcess()
}

/// Asks for the privilege that physical and large pages need.
pub(crate) fn allow() {
    let mut token = std::ptr::null_mut();
    // SAFETY: the pointers are variables of this function.
    unsafe {
        let opened = OpenProcessToken(this_process(), TOKEN_ADJUST_PRIVILEGES, &raw mut token);
        assert_eq!(opened, TRUE);
        let mut wanted: TOKEN_PRIVILEGES = std::mem::zeroed();
        wanted.PrivilegeCount = 1;
        wanted.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
        let name: Vec<u16> = "SeLockMemoryPrivilege\0".encode_utf16().collect();
        let luid = &raw mut wanted.Privileges[0].Luid;
        assert_eq!(
            LookupPrivilegeValueW(std::ptr::null(), name.as_ptr(), luid),
            TRUE
        );
        let none = std::ptr::null_mut();
        assert_eq!(
            AdjustTokenPrivileges(token, FALSE, &raw mut wanted, 0, none, std::ptr::null_mut()),
            TRUE
        );
        assert_eq!(GetLastError(), ERROR_SUCCESS);
        assert_eq!(CloseHandle(token), TRUE);
    }
}

/// The numbers of so many frames, or of fewer; or the last error.
fn frames(count: usize) -> Result<Vec<usize>, DWORD> {
    let mut numbers = vec![0; count];
    let mut given = count;
    // SAFETY: the array has room for so many.
    let done =
        unsafe { AllocateUserPhysicalPages(this_process(), &raw mut given, numbers.as_mut_ptr()) };
    truth(done)?;
    numbers.truncate(given);
    Ok(numbers)
}

/// Gives frames back: how many were, or how many before the last error.
fn give_back(numbers: &[usize]) -> Result<usize, (usize, DWORD)> {
    let mut count = numbers.len();
    let numbers = numbers.as_ptr().cast_mut();
    // SAFETY: so many numbers are there; they are only read.
    let done = unsafe { FreeUserPhysicalPages(this_process(), &raw mut count, numbers) };
    truth(done).map(|()| count).map_err(|error| (count, error))
}

/// Shows frames at pages of a window, in any order, or nothing.
fn scatter(window: usize, pages: &[usize], numbers: Option<&[usize]>) -> Result<(), DWORD> {
    let mut places: Vec<PVOID> = pages
        .iter()
        .map(|page| byte(window + page * page_size()).cast())
        .collect();
    let numbers = numbers.map_or(std::ptr::null_mut(), |numbers| numbers.as_ptr().cast_mut());
    // SAFETY: as many places and numbers as there are pages; the window is the
    // test's, and no reference leads into it.
    truth(unsafe { MapUserPhysicalPagesScatter(places.as_mut_ptr(), pages.len(), numbers) })
}

fn window(pages: usize) -> usize {
    let kind = MEM_RESERVE | MEM_PHYSICAL;
    allocate(0, pages * page_size(), kind, PAGE_READWRITE).expect("a window")
}

/// What each page of a window holds first; `None` where it shows nothing.
fn shown(window: usize, pages: usize) -> Vec<Option<u8>> {
    (0..pages)
        .map(|page| {
            let told = query(window + page * page_size());
            // SAFETY: a page that shows a frame can be read.
            (told.State == MEM_COMMIT).then(|| unsafe { *byte(window + page * page_size()) })
        })
        .collect()
}

fn charged() -> usize {
    vm::account().get(vm::Use::Program).committed
}

#[test]
fn a_child_is_not_charged_for_its_parents_frames() {
    if !alone("physical::a_child_is_not_charged_for_its_parents_frames") {
        return;
    }
    allow();
    let before = charged();
    let window = window(4);
    let own = frames(4).expect("frames");
    scatter(window, &[0, 1, 2, 3], Some(&own)).expect("mapped");
    assert_eq!(charged(), before + 4 * page_size());
    // SAFETY: the child only does what may be done after a fork of a threaded
    // program: page functions and exiting.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let result = std::panic::catch_unwind(|| {
            assert_eq!(charged(), before, "in the child");
            assert_eq!(give_back(&own), Err((0, ERROR_INVALID_PARAMETER)));
            let fresh = frames(2).expect("frames of its own");
            assert_eq!(charged(), before + 2 * page_size());
            scatter(window, &[0, 1], Some(&fresh)).expect("mapped");
            // SAFETY: the page shows the child's own frame.
            unsafe { *byte(window) = 9 };
            assert_eq!(give_back(&fresh), Ok(2));
            free(window, 0, MEM_RELEASE).expect("released");
            assert_eq!(charged(), before);
        });
        // SAFETY: ends the child.
        unsafe { libc::_exit(i32::from(result.is_err())) };
    }
    let mut status = 0;
    // SAFETY: waits for the child above.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child failed");
    assert_eq!(charged(), before + 4 * page_size());
    assert_eq!(
        shown(window, 4),
        [Some(0); 4],
        "the child's byte is its own"
    );
    assert_eq!(give_back(&own), Ok(4));
    free(window, 0, MEM_RELEASE).expect("released");
    assert_eq!(charged(), before);
}

#[test]
fn frames_are_kept_in_memory_as_far_as_the_limit_lets_them() {
    if !alone("physical::frames_are_kept_in_memory_as_far_as_the_limit_lets_them") {
        return;
    }
    allow();
    let before = locked();
    let size = 8 * page_size();
    if limit(libc::RLIMIT_MEMLOCK, (before + size) as u64) < (before + size) as u64 {
        println!("skipped: this process may not keep {size} bytes in memory");
        return;
    }
    let kept = frames(8).expect("frames");
    assert_eq!(kept.len(), 8);
    assert_eq!(locked(), before + size);
    // Where no more may be, there are frames all the same. The superuser may keep anything.
    // SAFETY: no arguments but numbers.
    unsafe { libc::setuid(65534) };
    let others = frames(8).expect("frames");
    assert_eq!((others.len(), locked()), (8, before + size));
    let window = window(8);
    let pages: Vec<usize> = (0..8).collect();
    for numbers in [&kept, &others] {
        scatter(window, &pages, Some(numbers)).expect("mapped");
        assert_eq!(shown(window, 8), [Some(0); 8]);
    }
    // It is frames that are kept, whether they are shown or not.
    assert_eq!(locked(), before + size);
    assert_eq!(give_back(&kept), Ok(8));
    assert_eq!(give_back(&others), Ok(8));
    free(window, 0, MEM_RELEASE).expect("released");
}

/// Makes each call into the system fail in turn that `act` makes, and `calls` in
/// all from there on. Refused, it has changed nothing that `look` sees, and can be
/// done afterwards; `undo` undoes it. How many times it was refused.
fn refuse<T: PartialEq + std::fmt::Debug>(
    what: &str,
    calls: u64,
    look: impl Fn() -> T,
    mut act: impl FnMut() -> Result<(), DWORD>,
    mut undo: impl FnMut(),
) -> usize {
    let mut refused = 0;
    for nth in 0.. {
        assert!(nth < 200, "{what}: no end");
        let before = look();
        fault::plan(nth, calls, &[]);
        let result = act();
        let (_, struck) = fault::end();
        match result {
            Err(error) => {
                assert_eq!(error, ERROR_NOT_ENOUGH_MEMORY, "{what}, call {nth}");
                assert_eq!(look(), before, "{what}, call {nth}");
                refused += 1;
                assert_eq!(act(), Ok(()), "{what}, call {nth}, a second time");
                undo();
            }
            Ok(()) => undo(),
        }
        if struck == 0 {
            break;
        }
    }
    refused
}

/// Allocations of frames with calls refused, that are shown in a window and given
/// back. How many times there was not one frame, and how many times there were fewer
/// than were asked for.
fn allocations<T: PartialEq + std::fmt::Debug>(
    base: usize,
    calls: u64,
    before: usize,
    look: impl Fn() -> T,
) -> (usize, usize) {
    let got = std::cell::RefCell::new(Vec::new());
    let fewer = std::cell::Cell::new(0);
    let refused = refuse(
        "allocate",
        calls,
        look,
        || {
            let numbers = frames(8)?;
            assert_eq!(charged(), before + numbers.len() * page_size());
            fewer.set(fewer.get() + usize::from(numbers.len() < 8));
            got.replace(numbers);
            Ok(())
        },
        || {
            let numbers = got.take();
            let pages: Vec<usize> = (0..numbers.len()).collect();
            scatter(base, &pages, Some(&numbers)).expect("mapped");
            let fresh = &shown(base, 16)[..numbers.len()];
            let zeros = vec![Some(0); numbers.len()];
            assert_eq!(fresh, zeros, "fresh frames read zero");
            for &page in &pages {
                // SAFETY: the page shows a frame.
                unsafe { *byte(base + page * page_size()) = 0xee };
            }
            assert_eq!(give_back(&numbers), Ok(numbers.len()));
        },
    );
    (refused, fewer.get())
}

#[test]
fn every_refusal_of_the_system_leaves_frames_and_windows_as_they_were() {
    if !alone("physical::every_refusal_of_the_system_leaves_frames_and_windows_as_they_were") {
        return;
    }
    allow();
    // The page layer's own beginnings are not what this is about.
    let first = allocate(0, page_size(), BOTH, PAGE_READWRITE).expect("pages");
    let base = window(16);
    let look = || (shown(base, 16), charged());
    let before = look();

    // Allocation gives what it can, with one call refused some frames always; what
    // it gave can be used and given back.
    for calls in [1, u64::MAX] {
        let (refused, fewer) = allocations(base, calls, before.1, look);
        assert_eq!(refused > 0, calls > 1, "{calls} calls, {refused} refused");
        assert!(fewer > 0, "{calls} calls: always as many as were asked for");
        assert_eq!(look(), before);
    }
    let own = frames(8).expect("frames");
    assert_eq!(own.len(), 8);
    scatter(base, &[0, 2, 4, 6, 8, 10, 12, 14], Some(&own)).expect("mapped");
    for (nth, page) in (0..16).step_by(2).enumerate() {
        // SAFETY: the page shows a frame.
        unsafe { *byte(base + page * page_size()) = nth as u8 + 1 };
    }
    // Some frames change places, some pages get one, some lose theirs.
    let moved = [own[3], own[1], own[0], own[2]];
    let refused = refuse(
        "scatter",
        1,
        look,
        || scatter(base, &[0, 2, 4, 6], Some(&moved)),
        || {
            assert_eq!(shown(base, 3), [Some(4), None, Some(2)]);
            scatter(base, &[0, 2, 4, 6], Some(&own[..4])).expect("put back");
        },
    );
    assert!(
        refused >= 4,
        "{refused} calls of a scatter could be refused"
    );
    let refused = refuse(
        "unmap",
        1,
        look,
        || scatter(base, &[8, 10, 12], None),
        || scatter(base, &[8, 10, 12], Some(&own[4..7])).expect("put back"),
    );
    assert!(
        refused >= 3,
        "{refused} calls of unmapping could be refused"
    );

    // Freeing stops where the system refuses: what is before is free, the rest as
    // it was.
    let mut numbers = own.clone();
    let mut nth = 0;
    while !numbers.is_empty() {
        fault::plan(nth, 1, &[]);
        let result = give_back(&numbers);
        let (_, struck) = fault::end();
        let freed = match result {
            Ok(freed) => freed,
            Err((freed, error)) => {
                assert_eq!(error, ERROR_NOT_ENOUGH_MEMORY, "call {nth}");
                freed
            }
        };
        assert!(struck == 1 || freed == numbers.len());
        numbers.drain(..freed);
        assert_eq!(
            charged(),
            before.1 + numbers.len() * page_size(),
            "call {nth}"
        );
        let showing = shown(base, 16).iter().flatten().count();
        assert_eq!(showing, numbers.len(), "call {nth}");
        // A call further each time one frame's calls are behind.
        nth = if freed == 0 { nth + 1 } else { 0 };
        assert!(nth < 100, "no end");
    }
    assert_eq!(look(), before);
    free(base, 0, MEM_RELEASE).expect("released");
    free(first, 0, MEM_RELEASE).expect("released");
}
