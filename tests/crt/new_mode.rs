//! The new handler across a fork, and about what is no block. What it does else, C
//! programs show.

use super::{alone, passed};
use ntheap::crt::{Crt, errno, new_handler};
use std::ffi::c_int;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

static CRT: Crt = Crt::private("new");
/// Threads that can be told to be in `operator new`.
const THREADS: usize = 64;
static WITHIN: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn count(_: usize) -> i32 {
    CALLS.fetch_add(1, Ordering::Relaxed);
    0
}

/// In a child of a fork, the parent's other threads are in `operator new` no more:
/// its own attempts have the places that those had.
#[test]
fn a_forked_child_forgets_who_was_in_operator_new() {
    let name = "new_mode::a_forked_child_forgets_who_was_in_operator_new";
    let output = alone(name, &[], || {
        new_handler::set(Some(count));
        assert_eq!(new_handler::set_mode(1), 0);
        for _ in 0..THREADS {
            thread::spawn(|| {
                new_handler::without_asking(|| {
                    WITHIN.fetch_add(1, Ordering::Relaxed);
                    loop {
                        thread::park();
                    }
                })
            });
        }
        while WITHIN.load(Ordering::Relaxed) != THREADS {
            thread::yield_now();
        }
        // SAFETY: the child allocates nothing but of a heap that is whole in it, and
        // ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let within = new_handler::without_asking(|| CRT.malloc(1 << 62));
            let asked_within = CALLS.load(Ordering::Relaxed);
            let outside = CRT.malloc(1 << 62);
            let asked = CALLS.load(Ordering::Relaxed);
            let is_right = within.is_null() && outside.is_null() && (asked_within, asked) == (0, 1);
            // SAFETY: ends the child at once.
            unsafe {
                libc::_exit(if is_right {
                    7
                } else {
                    c_int::from(asked_within != 0)
                })
            };
        }
        let mut status = -1;
        // SAFETY: waits for the child that was just made.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert!(libc::WIFEXITED(status));
        assert_eq!(libc::WEXITSTATUS(status), 7);
    });
    if let Some(output) = output {
        assert_eq!(passed(&output), "");
    }
}

/// What is no block is reported, once, and nobody is asked for memory for it.
#[test]
fn no_memory_is_asked_for_what_is_no_block() {
    static OTHER: Crt = Crt::private("other");
    let name = "new_mode::no_memory_is_asked_for_what_is_no_block";
    let output = alone(name, &[("NTHEAP_ON_CORRUPTION", "continue")], || {
        new_handler::set(Some(count));
        assert_eq!(new_handler::set_mode(1), 0);
        let (own, stranger) = (CRT.malloc(100), OTHER.malloc(100));
        // SAFETY: the bug to be found; the blocks stay as they are.
        unsafe {
            let resizes: [unsafe fn(&Crt, *mut u8, usize) -> *mut u8; 2] =
                [Crt::realloc, |crt, block, size| {
                    crt.recalloc(block, size, 1)
                }];
            for resize in resizes {
                errno::set(0);
                assert!(resize(&CRT, stranger, 5000).is_null());
                assert_eq!(errno::get(), errno::EINVAL);
                assert_eq!(CALLS.swap(0, Ordering::Relaxed), 0);
                errno::set(0);
                assert!(resize(&CRT, own, 1 << 62).is_null());
                assert_eq!(errno::get(), errno::ENOMEM);
                assert_eq!(CALLS.swap(0, Ordering::Relaxed), 1);
            }
        }
        assert!(CRT.owns(own) && OTHER.owns(stranger));
    });
    if let Some(output) = output {
        let error = passed(&output);
        assert_eq!(error.matches("VERIFIER STOP").count(), 2, "{error}");
    }
}
