//! A child of fork has the regions of its parent, watches included.

use crate::support::*;
use ntheap::win32::*;

/// The pages that were written to, by number.
fn written(base: usize, pages: usize) -> Vec<usize> {
    let mut addresses = vec![std::ptr::null_mut(); pages];
    let (mut count, mut granularity) = (pages, 0);
    // SAFETY: the memory is the test's, the pointers are its variables'.
    let got = unsafe {
        GetWriteWatch(
            WRITE_WATCH_FLAG_RESET,
            byte(base).cast(),
            pages * page_size(),
            addresses.as_mut_ptr(),
            &raw mut count,
            &raw mut granularity,
        )
    };
    assert_eq!(got, 0);
    let addresses = &addresses[..count];
    addresses
        .iter()
        .map(|at| (at.addr() - base) / page_size())
        .collect()
}

#[test]
fn a_child_goes_on_with_what_was_noted() {
    if pretends() {
        return;
    }
    if !alone("fork::a_child_goes_on_with_what_was_noted") {
        return;
    }
    let kind = BOTH | MEM_WRITE_WATCH;
    let base = allocate(0, 16 * page_size(), kind, PAGE_READWRITE).expect("reserved");
    let write = |page: usize| {
        // SAFETY: the page is the test's and committed.
        unsafe { *byte(base + page * page_size()) = 1 };
    };
    write(1);
    write(2);
    assert_eq!(written(base, 16), [1, 2]);
    write(2);
    write(5);
    // SAFETY: the child only does what may be done after a fork of a threaded
    // program: page functions and exiting.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let result = std::panic::catch_unwind(|| {
            assert_eq!(written(base, 16), [2, 5]);
            write(1);
            write(7);
            assert_eq!(written(base, 16), [1, 7]);
            assert_eq!(query(base).RegionSize, 16 * page_size());
            free(base, 8 * page_size(), MEM_DECOMMIT).expect("decommitted");
            free(base, 0, MEM_RELEASE).expect("released");
        });
        // SAFETY: ends the child.
        unsafe { libc::_exit(i32::from(result.is_err())) };
    }
    let mut status = 0;
    // SAFETY: waits for the child above.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child failed");
    // The parent's notes are its own.
    write(9);
    assert_eq!(written(base, 16), [2, 5, 9]);
    free(base, 0, MEM_RELEASE).expect("released");
}
