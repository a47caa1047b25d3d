//! Handlers are the whole process's: each test runs alone in a process.

use crate::support::{NULL, holds, passes_alone, reports, this_test};
use ntheap::win32::*;
use std::cell::RefCell;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

thread_local! {
    /// What the handlers say they saw.
    static SEEN: RefCell<Vec<(u8, NTSTATUS)>> = const { RefCell::new(Vec::new()) };
}

fn seen() -> Vec<(u8, NTSTATUS)> {
    SEEN.take()
}

fn note(number: u8, pointers: *mut EXCEPTION_POINTERS) -> NTSTATUS {
    // SAFETY: a handler is given the exception's record.
    let code = unsafe { (*(*pointers).ExceptionRecord).ExceptionCode };
    SEEN.with_borrow_mut(|seen| seen.push((number, code)));
    code
}

macro_rules! searching {
    ($name:ident = $number:literal) => {
        unsafe extern "system" fn $name(pointers: *mut EXCEPTION_POINTERS) -> LONG {
            note($number, pointers);
            EXCEPTION_CONTINUE_SEARCH
        }
    };
}

searching!(one = 1);
searching!(two = 2);
searching!(three = 3);

unsafe extern "system" fn going_on(pointers: *mut EXCEPTION_POINTERS) -> LONG {
    note(9, pointers);
    EXCEPTION_CONTINUE_EXECUTION
}

fn add(first: u32, handler: unsafe extern "system" fn(*mut EXCEPTION_POINTERS) -> LONG) -> PVOID {
    // SAFETY: functions of this program can be called as long as it runs.
    let handle = unsafe { AddVectoredExceptionHandler(first, Some(handler)) };
    assert!(!handle.is_null());
    handle
}

fn remove(handle: PVOID) -> u32 {
    // SAFETY: no promise to keep.
    unsafe { RemoveVectoredExceptionHandler(handle) }
}

fn raise(code: u32) {
    // SAFETY: no arguments.
    unsafe { RaiseException(code, 0, 0, ptr::null()) }
}

#[test]
fn handlers_are_called_in_order_until_one_goes_on() {
    let test = this_test!(handlers_are_called_in_order_until_one_goes_on);
    passes_alone(test, || {
        let last = add(0, going_on);
        let one = add(1, one);
        let two = add(1, two);
        let behind = add(0, three);
        raise(0x1234);
        assert_eq!(seen(), [(2, 0x1234), (1, 0x1234), (9, 0x1234)]);
        assert_ne!(remove(one), 0);
        assert_eq!(remove(one), 0);
        raise(0x1235);
        assert_eq!(seen(), [(2, 0x1235), (9, 0x1235)]);
        assert_ne!(remove(behind), 0);
        assert_ne!(remove(two), 0);
        assert_ne!(remove(last), 0);
        for wrong in [NULL, last, ptr::without_provenance_mut(usize::MAX)] {
            assert_eq!(remove(wrong), 0);
        }
        // SAFETY: null is refused.
        assert!(unsafe { AddVectoredExceptionHandler(1, None) }.is_null());
    });
}

#[test]
fn what_is_raised_is_shown() {
    unsafe extern "system" fn look(pointers: *mut EXCEPTION_POINTERS) -> LONG {
        // SAFETY: a handler is given a record and a context.
        let (record, context) = unsafe {
            let pointers = &*pointers;
            (*pointers.ExceptionRecord, *pointers.ContextRecord)
        };
        assert_eq!(record.ExceptionCode.cast_unsigned(), 0xE012_3456);
        assert_eq!(record.ExceptionFlags, 0);
        assert!(record.ExceptionRecord.is_null());
        assert!(!record.ExceptionAddress.is_null());
        assert_eq!(record.NumberParameters, 15);
        let expected: [usize; 15] = std::array::from_fn(|i| i + 1);
        assert_eq!(record.ExceptionInformation, expected);
        if cfg!(all(target_arch = "x86_64", not(ntheap_portable))) {
            assert_eq!(context.ContextFlags, CONTEXT_CONTROL);
            let here = (&raw const record).addr() as u64;
            assert!(context.Rsp > here && context.Rsp - here < 1 << 16);
            assert_ne!(context.Rip, 0);
            assert_eq!(context.MxCsr & 0x1f80, 0x1f80);
        }
        SEEN.with_borrow_mut(|seen| seen.push((0, 0)));
        EXCEPTION_CONTINUE_EXECUTION
    }
    passes_alone(this_test!(what_is_raised_is_shown), || {
        add(0, look);
        let arguments: [usize; 20] = std::array::from_fn(|i| i + 1);
        // The system's bit 28 is cleared, and the sixteenth argument is lost.
        // SAFETY: there are twenty arguments.
        unsafe { RaiseException(0xF012_3456, 0, 20, arguments.as_ptr()) };
        assert_eq!(seen().len(), 1);
    });
}

static HANDLE: AtomicUsize = AtomicUsize::new(0);

#[test]
fn handlers_add_remove_and_raise() {
    unsafe extern "system" fn changing(pointers: *mut EXCEPTION_POINTERS) -> LONG {
        if note(5, pointers) != 1 {
            return EXCEPTION_CONTINUE_SEARCH;
        }
        let own = ptr::with_exposed_provenance_mut(HANDLE.load(Ordering::Relaxed));
        assert_ne!(remove(own), 0);
        // One before this place, which is not called now, and one behind.
        add(1, one);
        add(0, going_on);
        raise(2);
        EXCEPTION_CONTINUE_SEARCH
    }
    passes_alone(this_test!(handlers_add_remove_and_raise), || {
        let own = add(0, changing);
        HANDLE.store(own.expose_provenance(), Ordering::Relaxed);
        raise(1);
        assert_eq!(seen(), [(5, 1), (1, 2), (9, 2), (9, 1)]);
    });
}

#[test]
fn threads_add_and_remove_while_others_raise() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    unsafe extern "system" fn passing(_: *mut EXCEPTION_POINTERS) -> LONG {
        CALLS.fetch_add(1, Ordering::Relaxed);
        EXCEPTION_CONTINUE_SEARCH
    }
    passes_alone(
        this_test!(threads_add_and_remove_while_others_raise),
        || {
            add(0, going_on);
            let stop = Arc::new(AtomicBool::new(false));
            let changing: Vec<_> = (0..2)
                .map(|number| {
                    let stop = stop.clone();
                    std::thread::spawn(move || {
                        while !stop.load(Ordering::Relaxed) {
                            let handles = [0; 8].map(|_| add(number, passing));
                            for handle in handles {
                                assert_ne!(remove(handle), 0);
                            }
                        }
                    })
                })
                .collect();
            let mut raised = 0;
            while raised < 20_000 || CALLS.load(Ordering::Relaxed) == 0 {
                raise(7);
                raised += 1;
            }
            stop.store(true, Ordering::Relaxed);
            for thread in changing {
                thread.join().expect("it ends");
            }
            assert_eq!(seen().len(), raised);
        },
    );
}

#[test]
fn a_fork_while_handlers_change_leaves_the_child_its_handlers() {
    let test = this_test!(a_fork_while_handlers_change_leaves_the_child_its_handlers);
    passes_alone(test, || {
        add(1, going_on);
        let stop = Arc::new(AtomicBool::new(false));
        let changing = {
            let stop = stop.clone();
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    assert_ne!(remove(add(0, one)), 0);
                    // SAFETY: nobody uses the pages.
                    unsafe {
                        let base = VirtualAlloc(NULL, 1, MEM_RESERVE, PAGE_NOACCESS);
                        holds!(VirtualFree(base, 0, MEM_RELEASE) != 0);
                    }
                }
            })
        };
        for _ in 0..100 {
            // SAFETY: the child calls functions that take their own locks only,
            // and ends.
            unsafe {
                let child = libc::fork();
                if child == 0 {
                    libc::alarm(20);
                    add(0, one);
                    raise(3);
                    let base = VirtualAlloc(NULL, 1, MEM_COMMIT, PAGE_READWRITE);
                    libc::_exit(i32::from(base.is_null()));
                }
                let mut status = 0;
                assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
                assert_eq!(status, 0);
            }
        }
        stop.store(true, Ordering::Relaxed);
        changing.join().expect("it ends");
    });
}

#[test]
fn with_nobody_to_go_on_the_process_ends_with_a_report() {
    let test = this_test!(with_nobody_to_go_on_the_process_ends_with_a_report);
    let report = reports(test, || {
        add(0, one);
        raise(0xC000_0017);
    });
    if let Some(report) = report {
        let lines: Vec<&str> = report.lines().collect();
        assert!(lines[0].starts_with("ntheap: VERIFIER STOP 000000000000000A: pid 0x"));
        assert!(lines[0].ends_with("(UNEXPECTED_EXCEPTION)"), "{report}");
        assert_eq!(lines[1], "    0000000000000000 : heap handle");
        assert_eq!(lines[4], "    00000000C0000017 : exception code");
        assert!(
            lines[5].starts_with("  RaiseException, thread "),
            "{report}"
        );
        assert_eq!(lines.len(), 6, "{report}");
    }
}

#[test]
fn what_cannot_be_continued_ends_the_process() {
    unsafe extern "system" fn twice(pointers: *mut EXCEPTION_POINTERS) -> LONG {
        // SAFETY: a handler is given a record, and the second one leads to the
        // first.
        unsafe {
            let record = *(*pointers).ExceptionRecord;
            assert_eq!(record.ExceptionFlags, EXCEPTION_NONCONTINUABLE);
            if record.ExceptionCode == STATUS_NONCONTINUABLE_EXCEPTION {
                assert_eq!((*record.ExceptionRecord).ExceptionCode, 5);
                OutputDebugStringA(c"second\n".as_ptr());
            } else {
                assert_eq!(record.ExceptionCode, 5);
                OutputDebugStringA(c"first\n".as_ptr());
            }
        }
        EXCEPTION_CONTINUE_EXECUTION
    }
    let report = reports(
        this_test!(what_cannot_be_continued_ends_the_process),
        || {
            add(0, twice);
            // SAFETY: no arguments.
            unsafe { RaiseException(5, u32::MAX, 3, ptr::null()) };
        },
    );
    if let Some(report) = report {
        assert!(report.starts_with("first\nsecond\nntheap: "), "{report}");
        assert!(report.contains("    0000000000000005 : exception code"));
    }
}
