//! Each call into the system refused in turn: the documented error, the account
//! right, nothing half done.

use crate::support::*;
use ntheap::sys::{Call, fault};
use ntheap::vm;
use ntheap::win32::*;

/// All that can be asked about a window of pages.
#[derive(PartialEq, Debug)]
struct Picture {
    runs: Vec<(usize, usize, DWORD, DWORD, usize)>,
    bytes: Vec<u8>,
    program: vm::Line,
}

const PAGES: usize = 48;

fn picture(base: usize) -> Picture {
    let mut runs = Vec::new();
    let mut bytes = Vec::new();
    let mut at = base;
    while at < base + PAGES * page_size() {
        let told = query(at);
        // Free addresses go on behind the window.
        let size = told.RegionSize.min(base + PAGES * page_size() - at);
        let reservation = told.AllocationBase.addr();
        runs.push((at, size, told.State, told.Protect, reservation));
        if told.State == MEM_COMMIT
            && told.Protect & (PAGE_READONLY | PAGE_READWRITE) == told.Protect
        {
            for page in (at..at + size).step_by(page_size()) {
                // SAFETY: the page is committed and readable.
                bytes.push(unsafe { *byte(page) });
            }
        }
        at += size;
    }
    let program = vm::account().get(vm::Use::Program);
    Picture {
        runs,
        bytes,
        program,
    }
}

/// Makes every call into the system fail in turn that `act` makes in a window
/// that `prepare` has prepared, alone and with all that follow but what gives something back,
/// since some are made once more. Each time it must answer one of `errors`, and
/// leave what was there.
fn refuse(
    what: &str,
    kinds: &[Call],
    errors: &[DWORD],
    prepare: impl Fn(usize),
    act: impl Fn(usize) -> Result<(), DWORD>,
) {
    // Far from where the system puts anything.
    const BASE: usize = 0x2300_0000_0000;
    let mut refused = 0;
    let kept: Vec<Call> = match kinds {
        [] => Call::ALL.to_vec(),
        some => some.to_vec(),
    };
    let kept: Vec<Call> = kept
        .into_iter()
        .filter(|&call| call != Call::Release)
        .collect();
    let (mut nth, mut alone) = (0, true);
    loop {
        assert!(nth < 100, "{what}: no end");
        prepare(BASE);
        let before = picture(BASE);
        match alone {
            true => fault::plan(nth, 1, kinds),
            false => fault::plan(nth, u64::MAX, &kept),
        }
        let result = act(BASE);
        let (_, struck) = fault::end();
        if let Err(error) = result {
            assert!(errors.contains(&error), "{what}, call {nth}: {error}");
            assert_eq!(picture(BASE), before, "{what}, call {nth}");
            refused += 1;
            // It can be done all the same, once the system lets it.
            assert_eq!(act(BASE), Ok(()), "{what}, call {nth}");
        }
        let mut at = BASE;
        while at < BASE + PAGES * page_size() {
            let told = query(at);
            if told.State != MEM_FREE {
                free(at, 0, MEM_RELEASE).expect("released");
            }
            at += told.RegionSize.min(BASE + PAGES * page_size() - at);
        }
        nth += 1;
        if struck == 0 {
            assert_eq!(result, Ok(()), "{what}");
            if !alone {
                break;
            }
            (nth, alone) = (0, false);
        }
    }
    assert!(refused > 0, "{what}: no call could be refused");
}

/// Three committed runs of different protections, with bytes, and a reserved one.
fn pieces(base: usize) {
    allocate(base, PAGES * page_size(), MEM_RESERVE, PAGE_READWRITE).expect("reserved");
    allocate(base, 24 * page_size(), MEM_COMMIT, PAGE_READWRITE).expect("committed");
    for page in 0..24 {
        // SAFETY: committed just above.
        unsafe { *byte(base + page * page_size()) = page as u8 + 1 };
    }
    protect(base + 8 * page_size(), 8 * page_size(), PAGE_READONLY).expect("protected");
    protect(base + 16 * page_size(), 4 * page_size(), PAGE_NOACCESS).expect("protected");
}

#[test]
fn every_refusal_of_the_system_leaves_all_as_it_was() {
    if !alone("refused::every_refusal_of_the_system_leaves_all_as_it_was") {
        return;
    }
    let memory = [ERROR_NOT_ENOUGH_MEMORY];
    let nothing = |_| {};
    refuse("reserve", &[], &memory, nothing, |base| {
        allocate(base, 8 * page_size(), MEM_RESERVE, PAGE_NOACCESS).map(drop)
    });
    refuse("reserve and commit", &[], &memory, nothing, |base| {
        allocate(base, 8 * page_size(), BOTH, PAGE_READWRITE).map(drop)
    });
    refuse(
        "reserve with a watch",
        &[Call::Reserve, Call::Commit, Call::Watch],
        &[ERROR_NOT_ENOUGH_MEMORY, ERROR_NOT_SUPPORTED],
        nothing,
        |base| {
            allocate(
                base,
                8 * page_size(),
                BOTH | MEM_WRITE_WATCH,
                PAGE_READWRITE,
            )
            .map(drop)
        },
    );
    // Putting back what was changed is not refused: the system had it so.
    refuse(
        "commit",
        &[Call::Reserve, Call::Commit],
        &memory,
        pieces,
        |base| {
            allocate(
                base + 4 * page_size(),
                40 * page_size(),
                MEM_COMMIT,
                PAGE_READWRITE,
            )
            .map(drop)
        },
    );
    refuse(
        "protect",
        &[Call::Reserve, Call::Protect],
        &memory,
        pieces,
        |base| protect(base + 2 * page_size(), 20 * page_size(), PAGE_READWRITE).map(drop),
    );
    refuse("decommit", &[], &memory, pieces, |base| {
        free(base + 4 * page_size(), 40 * page_size(), MEM_DECOMMIT)
    });
    refuse("release", &[], &memory, pieces, |base| {
        // Done already, the second time.
        match query(base).State {
            MEM_FREE => Ok(()),
            _ => free(base, 0, MEM_RELEASE),
        }
    });
    let watched = |base| {
        let kind = MEM_RESERVE | MEM_COMMIT | MEM_WRITE_WATCH;
        allocate(base, 8 * page_size(), kind, PAGE_READWRITE).expect("reserved");
        // SAFETY: committed just above.
        unsafe { *byte(base + page_size()) = 1 };
    };
    refuse(
        "decommit watched",
        &[Call::Protect, Call::Purge],
        &memory,
        watched,
        |base| free(base, 4 * page_size(), MEM_DECOMMIT),
    );
    refuse(
        "guard",
        &[Call::Reserve, Call::Protect],
        &memory,
        pieces,
        |base| protect(base, 4 * page_size(), PAGE_READWRITE | PAGE_GUARD).map(drop),
    );
}

#[test]
fn a_watch_that_the_system_cannot_keep_is_refused() {
    if !alone("refused::a_watch_that_the_system_cannot_keep_is_refused") {
        return;
    }
    fault::plan(0, u64::MAX, &[Call::Watch]);
    let kind = MEM_RESERVE | MEM_WRITE_WATCH;
    assert_eq!(
        allocate(0, UNIT, kind, PAGE_READWRITE),
        Err(ERROR_NOT_SUPPORTED)
    );
    fault::end();
    let before = vm::account().get(vm::Use::Program);
    let base = allocate(0, UNIT, kind, PAGE_READWRITE).expect("reserved");
    let mut pages = [std::ptr::null_mut(); 4];
    let (mut count, mut granularity) = (4, 0);
    fault::plan(0, u64::MAX, &[Call::Watch]);
    // SAFETY: the memory is the test's, the pointers are its variables'.
    unsafe {
        let at = byte(base).cast();
        let to = pages.as_mut_ptr();
        let got = GetWriteWatch(0, at, UNIT, to, &raw mut count, &raw mut granularity);
        assert_eq!((got, GetLastError()), (u32::MAX, ERROR_NOT_SUPPORTED));
        assert_eq!(ResetWriteWatch(at, UNIT), u32::MAX);
    }
    fault::end();
    free(base, 0, MEM_RELEASE).expect("released");
    assert_eq!(vm::account().get(vm::Use::Program), before);
}

#[test]
fn without_faults_caught_there_are_no_guards_and_no_handlers() {
    if !alone("refused::without_faults_caught_there_are_no_guards_and_no_handlers") {
        return;
    }
    unsafe extern "system" fn none(_: *mut EXCEPTION_POINTERS) -> LONG {
        EXCEPTION_CONTINUE_SEARCH
    }
    fault::plan(0, u64::MAX, &[Call::Catch]);
    let guarded = allocate(0, page_size(), BOTH, PAGE_READWRITE | PAGE_GUARD);
    assert_eq!(guarded, Err(ERROR_NOT_SUPPORTED));
    // SAFETY: the handler can be called at any time.
    assert!(unsafe { AddVectoredExceptionHandler(1, Some(none)) }.is_null());
    assert!(vm::TouchArray::<u8>::new(page_size()).is_err());
    fault::end();
    // SAFETY: as above.
    assert!(!unsafe { AddVectoredExceptionHandler(1, Some(none)) }.is_null());
}
