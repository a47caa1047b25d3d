//! A debug heap in a fork, and at the end of its process.

use crate::support::{alone, at, free, normal, own_heap};
use ntheap::crt::debug::DebugHeap;
use ntheap::crt::debug::kind::{CLIENT_BLOCK, WARN, flags};
use ntheap::crt::debug::report::{self, Hook, Message};
use std::ffi::{c_char, c_int};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

own_heap!(FORKED);

/// A child that is forked while other threads are in the debug heap finds it
/// whole, and its own to use.
#[test]
fn a_forked_child_has_a_whole_debug_heap() {
    let output = alone("life::a_forked_child_has_a_whole_debug_heap", || {
        static IS_OVER: AtomicBool = AtomicBool::new(false);
        let first = normal(&FORKED, 10, 1);
        let busy: Vec<_> = (0..3)
            .map(|_| {
                thread::spawn(|| {
                    while !IS_OVER.load(Ordering::Relaxed) {
                        let block = normal(&FORKED, 100, 2);
                        // SAFETY: the old address is used no more.
                        let block = unsafe { FORKED.reallocate(block, 200, 1, at(3)) };
                        FORKED.check();
                        free(&FORKED, block);
                    }
                })
            })
            .collect();
        for _ in 0..100 {
            // SAFETY: the child calls the debug heap, which holds its locks across
            // a fork, and ends.
            let child = unsafe { libc::fork() };
            if child == 0 {
                let mut status = 0;
                for _ in 0..50 {
                    let block = normal(&FORKED, 1000, 4);
                    status |= i32::from(!FORKED.check());
                    free(&FORKED, block);
                }
                status |= i32::from(!FORKED.is_block(first)) << 1;
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(status) };
            }
            assert!(child > 0);
            let mut status = -1;
            // SAFETY: waits for the child that was just made.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0);
        }
        IS_OVER.store(true, Ordering::Relaxed);
        for thread in busy {
            thread.join().expect("ended well");
        }
        assert_eq!(FORKED.checkpoint().counts, [0, 1, 0, 0, 0]);
        assert!(FORKED.check());
    });
    if let Some(output) = output {
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
    }
}

/// Threads that are in a hook at the fork: as many as reports can tell apart.
const REPORTERS: usize = 64;
static IN_HOOK: AtomicUsize = AtomicUsize::new(0);
static IS_FORKED: AtomicBool = AtomicBool::new(false);
static CHILD_CALLS: AtomicUsize = AtomicUsize::new(0);

/// Waits in the parent; in the child, reports once more.
unsafe extern "C" fn stay(kind: c_int, _: *mut c_char, answer: *mut c_int) -> c_int {
    if IS_FORKED.load(Ordering::Relaxed) {
        if CHILD_CALLS.fetch_add(1, Ordering::Relaxed) == 0 {
            tell(kind);
        }
    } else {
        IN_HOOK.fetch_add(1, Ordering::Relaxed);
        loop {
            thread::park();
        }
    }
    // SAFETY: a hook's answer can be written.
    unsafe { answer.write(0) };
    1
}

fn tell(kind: i32) {
    let message = Message {
        file: None,
        line: 0,
        module: None,
        text: Some(b"told\n"),
    };
    report::report(kind, &message);
}

/// A child of a fork knows that the other threads that were in reports are none of
/// its own: its own reports are told from those within hooks.
#[test]
fn a_forked_child_forgets_the_reports_of_others() {
    let name = "life::a_forked_child_forgets_the_reports_of_others";
    let output = alone(name, || {
        // SAFETY: the hook is there for good.
        unsafe { report::install(Hook::Narrow(stay)) };
        for _ in 0..REPORTERS {
            thread::spawn(|| tell(WARN));
        }
        while IN_HOOK.load(Ordering::Relaxed) != REPORTERS {
            thread::yield_now();
        }
        // SAFETY: the child reports, which takes no lock but what forks keep, and
        // ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            IS_FORKED.store(true, Ordering::Relaxed);
            tell(WARN);
            // The hook's own report went past the hook.
            let calls = CHILD_CALLS.load(Ordering::Relaxed);
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(calls as c_int) };
        }
        let mut status = -1;
        // SAFETY: waits for the child that was just made.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(libc::WEXITSTATUS(status), 1);
        assert!(libc::WIFEXITED(status));
        println!("forgot");
    });
    if let Some(output) = output {
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        assert!(String::from_utf8_lossy(&output.stdout).contains("forgot"));
        assert_eq!(error, "told\n");
    }
}

own_heap!(SECOND);

/// Leaks are told at the end of those debug heaps whose flags ask for it.
#[test]
fn leaks_are_told_at_the_end() {
    let output = alone("life::leaks_are_told_at_the_end", || {
        own_heap!(SILENT);
        let heap = DebugHeap::shared();
        for heap in [heap, &SECOND] {
            let old = heap.flags();
            heap.set_flags(old | flags::LEAK_CHECK).expect("flags");
        }
        let gone = normal(heap, 3, 1);
        normal(heap, 4, 2);
        heap.allocate(5, CLIENT_BLOCK, at(3));
        normal(&SECOND, 6, 4);
        normal(&SILENT, 7, 5);
        free(heap, gone);
    });
    if let Some(output) = output {
        assert!(output.status.success());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        // The address is another each time.
        let lines: Vec<String> = error
            .lines()
            .map(|line| match line.split_once(" at 0x") {
                Some((before, after)) => format!("{before} at{}", after.get(16..).expect("digits")),
                None => line.to_owned(),
            })
            .collect();
        let found = lines.join("\n");
        let shared = "Detected memory leaks!\n\
            Dumping objects ->\n\
            test.rs(3) : {3} client block at, subtype 0, 5 bytes long.\n \
            Data: <     > CD CD CD CD CD \n\
            test.rs(2) : {2} normal block at, 4 bytes long.\n \
            Data: <    > CD CD CD CD \n\
            Object dump complete.";
        let second = "Detected memory leaks!\n\
            Dumping objects ->\n\
            test.rs(4) : {1} normal block at, 6 bytes long.\n \
            Data: <      > CD CD CD CD CD CD \n\
            Object dump complete.";
        assert_eq!(found, format!("{second}\n{shared}"));
    }
}
