//! What queries tell of threads' stacks, and stacks that grow where the page layer
//! is called.

use crate::support::*;
use ntheap::vm::GrowingStack;
use ntheap::win32::*;
use std::thread;

#[test]
fn a_threads_stack_is_one_reservation_with_a_guard_below() {
    if pretends() {
        return;
    }
    const SIZE: usize = 1 << 20;
    let work = || {
        let local = 0u8;
        let here = (&raw const local).addr();
        let told = query(here);
        assert_eq!((told.State, told.Protect), (MEM_COMMIT, PAGE_READWRITE));
        assert_eq!(told.Type, MEM_PRIVATE);
        let base = told.AllocationBase.addr();
        let mut at = base;
        let mut runs = Vec::new();
        loop {
            let told = query(at);
            if told.AllocationBase.addr() != base {
                break;
            }
            assert_eq!(told.BaseAddress.addr(), at);
            runs.push((told.State, told.RegionSize));
            at += told.RegionSize;
        }
        assert!((base..at).contains(&here));
        assert_eq!(runs.len(), 2, "{runs:x?}");
        assert_eq!(runs[0].0, MEM_RESERVE);
        assert_eq!(runs[1].0, MEM_COMMIT);
        assert!(
            runs[1].1 >= SIZE - page_size() && runs[1].1 < 2 * SIZE,
            "{runs:x?}"
        );
    };
    let thread = thread::Builder::new().stack_size(SIZE).spawn(work);
    thread.expect("started").join().expect("no panic");
}

/// Calls `work` when the stack has come down to `lowest`, or less than 200 bytes above.
#[inline(never)]
fn at_depth(lowest: usize, work: &mut dyn FnMut()) {
    let frame = std::hint::black_box([0u8; 16]);
    if frame.as_ptr().addr() > lowest + 200 {
        at_depth(lowest, work);
    } else {
        work();
    }
    std::hint::black_box(&frame);
}

/// Runs `work` on fresh stacks, each time a little nearer to the guard page.
fn near_the_guard(step: usize, work: &mut dyn FnMut()) {
    // What is committed at first: whole pages.
    let commit = (32 * 1024_usize).next_multiple_of(page_size());
    for above in (64..24 * 1024).step_by(step) {
        let mut stack = GrowingStack::new(1 << 20, commit).expect("a stack");
        stack.run(|| {
            let here = 0u8;
            // The stack's top is less than a page above.
            let top = ((&raw const here).addr() & !(page_size() - 1)) + page_size();
            at_depth(top - commit + above, work);
        });
    }
}

#[test]
fn a_stack_grows_before_the_page_layer_begins() {
    if !alone("stacks::a_stack_grows_before_the_page_layer_begins") {
        return;
    }
    let base = allocate(0, 4 * page_size(), MEM_RESERVE, PAGE_READWRITE).expect("reserved");
    let mut calls = 0;
    near_the_guard(96, &mut || {
        allocate(base, 3 * page_size(), MEM_COMMIT, PAGE_READWRITE).expect("committed");
        protect(base + page_size(), page_size(), PAGE_READONLY).expect("protected");
        assert_eq!(query(base).RegionSize, page_size());
        free(base, 2 * page_size(), MEM_DECOMMIT).expect("decommitted");
        calls += 1;
    });
    assert!(calls > 200, "{calls}");
    free(base, 0, MEM_RELEASE).expect("released");
}

#[test]
fn a_stack_grows_before_a_fork() {
    if !alone("stacks::a_stack_grows_before_a_fork") {
        return;
    }
    near_the_guard(512, &mut || {
        // SAFETY: the child does nothing but end.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: as above.
            unsafe { libc::_exit(7) };
        }
        let mut status = 0;
        // SAFETY: waits for the child above.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(libc::WEXITSTATUS(status), 7);
    });
}

/// The stack of the calling thread's handlers.
fn alternate() -> *mut libc::c_void {
    let mut now = std::mem::MaybeUninit::<libc::stack_t>::zeroed();
    // SAFETY: nothing is set; what there is is written by the call.
    unsafe {
        assert_eq!(libc::sigaltstack(std::ptr::null(), now.as_mut_ptr()), 0);
        now.assume_init().ss_sp
    }
}

#[test]
fn a_guarantee_takes_its_stack_back_into_use() {
    // What a thread leaves is the next one's stack, whatever size that asks for.
    if !alone("stacks::a_guarantee_takes_its_stack_back_into_use") {
        return;
    }
    let guarantee = |bytes: ULONG| {
        let mut bytes = bytes;
        // SAFETY: the number is this function's.
        truth(unsafe { SetThreadStackGuarantee(&raw mut bytes) }).map(|()| bytes)
    };
    // What was asked for, in whole pages.
    let had = 0x8000_usize.next_multiple_of(page_size()) as ULONG;
    let work = move || {
        let first = alternate();
        assert_eq!(guarantee(0x8000), Ok(0));
        let own = alternate();
        assert_ne!(own, first);
        let mut bytes = vec![0u8; 1 << 16];
        let other = libc::stack_t {
            ss_sp: bytes.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: bytes.len(),
        };
        // SAFETY: the bytes are there until another stack takes their place.
        let set = || unsafe { libc::sigaltstack(&raw const other, std::ptr::null_mut()) };
        assert_eq!(set(), 0);
        // Who only asks changes nothing.
        assert_eq!(guarantee(0), Ok(had));
        assert_eq!(alternate(), other.ss_sp);
        assert_eq!(guarantee(1), Ok(had));
        assert_eq!(alternate(), own);
    };
    thread::spawn(work).join().expect("no panic");
    // Without a pointer that leads anywhere there is no number.
    for at in [0usize, 8, usize::MAX - 7] {
        // SAFETY: such a pointer is refused.
        let set = unsafe { SetThreadStackGuarantee(std::ptr::without_provenance_mut(at)) };
        assert_eq!(truth(set), Err(ERROR_NOACCESS), "{at:x}");
    }
}

/// A stack of a program's own and a guarantee go together, whichever comes first.
#[test]
fn a_guarantee_holds_on_a_growing_stack() {
    if !alone("stacks::a_guarantee_holds_on_a_growing_stack") {
        return;
    }
    let guarantee = |bytes: ULONG| {
        let mut bytes = bytes;
        // SAFETY: the number is this function's.
        truth(unsafe { SetThreadStackGuarantee(&raw mut bytes) }).map(|()| bytes)
    };
    let work = move || {
        let mut stack = GrowingStack::new(1 << 20, UNIT).expect("reserved");
        // Asked for before, it is the one that handlers have there.
        assert_eq!(guarantee(0x4_0000), Ok(0));
        let own = alternate();
        assert_eq!(stack.run(alternate), own);
        assert_eq!(alternate(), own);
        // Asked for there, it stays.
        let (there, refused) = stack.run(|| {
            let refused = guarantee(2 << 20);
            assert_eq!(guarantee(0x8_0000), Ok(0x4_0000));
            (alternate(), refused)
        });
        // More than that stack has there cannot be.
        assert_eq!(refused, Err(ERROR_INVALID_PARAMETER));
        assert_ne!(there, own);
        assert_eq!(alternate(), there);
        assert_eq!(guarantee(0), Ok(0x8_0000));
    };
    thread::Builder::new()
        .stack_size(8 << 20)
        .spawn(work)
        .expect("started")
        .join()
        .expect("no panic");
}
