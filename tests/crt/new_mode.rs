//! The new handler across a fork. What it does else, C programs show.

use super::{alone, passed};
use ntheap::crt::{Crt, new_handler};
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
