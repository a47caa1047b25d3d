//! Forks while another thread is in the first use of something: the child makes its own
//! of whatever was begun, and what it has in common with the parent is whole.

use super::support::*;
use ntheap::crt::Crt;
use ntheap::crt::debug::{DebugHeap, Origin};
use ntheap::win32::*;
use std::sync::Barrier;

static CRT: Crt = Crt::private("first uses");
static DEBUG: DebugHeap = DebugHeap::on(&CRT);

extern "system" fn passes_on(_: *mut EXCEPTION_POINTERS) -> LONG {
    EXCEPTION_CONTINUE_SEARCH
}

fn process_heap() -> bool {
    // SAFETY: the heap is the process's, and the block its own.
    unsafe {
        let heap = GetProcessHeap();
        let block = HeapAlloc(heap, 0, 100);
        let mut heaps = [std::ptr::null_mut(); 8];
        // One for the program, and no second.
        let count = GetProcessHeaps(8, heaps.as_mut_ptr()) as usize;
        let own = heaps.iter().take(count).filter(|&&own| own == heap).count();
        !block.is_null() && own == 1 && HeapFree(heap, 0, block) == TRUE
    }
}

fn moveable() -> bool {
    // SAFETY: the handle is this call's own.
    unsafe {
        let handle = GlobalAlloc(GMEM_MOVEABLE, 100);
        !handle.is_null() && GlobalFree(handle).is_null()
    }
}

fn strings() -> bool {
    // SAFETY: no text is read, and the string is this call's own.
    unsafe {
        let string = SysAllocStringLen(std::ptr::null(), 10);
        SysFreeString(string);
        !string.is_null()
    }
}

fn exceptions() -> bool {
    // SAFETY: the handler only passes on.
    unsafe {
        let handle = AddVectoredExceptionHandler(1, Some(passes_on));
        !handle.is_null() && RemoveVectoredExceptionHandler(handle) != 0
    }
}

/// Pages, faults of theirs, and handles and sections.
fn pages() -> bool {
    // SAFETY: the pages and the handle are this call's own.
    unsafe {
        let guard = PAGE_READWRITE | PAGE_GUARD;
        let base = VirtualAlloc(std::ptr::null_mut(), 4096, MEM_RESERVE | MEM_COMMIT, guard);
        let section = CreateFileMappingW(
            INVALID_HANDLE_VALUE,
            std::ptr::null_mut(),
            PAGE_READWRITE,
            0,
            4096,
            std::ptr::null(),
        );
        !base.is_null()
            && VirtualFree(base, 0, MEM_RELEASE) == TRUE
            && !section.is_null()
            && CloseHandle(section) == TRUE
    }
}

fn debug_heap() -> bool {
    // SAFETY: the block is this call's own.
    unsafe {
        let block = DEBUG.allocate(100, 1, Origin::new(c"uses", 1));
        DEBUG.free(block, 1);
        !block.is_null() && DEBUG.check()
    }
}

const USES: [fn() -> bool; 6] = [
    process_heap,
    moveable,
    strings,
    exceptions,
    pages,
    debug_heap,
];

/// Runs `body` in a fork, which it has so many seconds for: its status.
fn in_fork(seconds: u32, body: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child uses the library and threads of its own, and ends.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0);
        if child == 0 {
            libc::alarm(seconds);
            let status = body();
            libc::_exit(status);
        }
        let mut status = -1;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        status
    }
}

#[test]
fn a_fork_during_a_first_use_leaves_nobody_waiting() {
    passes_alone(
        this_test!(a_fork_during_a_first_use_leaves_nobody_waiting),
        || {
            for round in 0..30 * USES.len() {
                // Each round begins in a process that has used nothing.
                let status = in_fork(6, || {
                    let start = Barrier::new(2);
                    let first = USES[round % USES.len()];
                    std::thread::scope(|scope| {
                        scope.spawn(|| {
                            start.wait();
                            assert!(first());
                        });
                        start.wait();
                        // Not always at the same moment.
                        for _ in 0..round / USES.len() * 40 {
                            std::hint::spin_loop();
                        }
                        in_fork(3, || {
                            // Whoever was used first has the other thread's first use.
                            let is_right = first() && USES.iter().all(|uses| uses());
                            // And a fork of this process finds all locks free.
                            let again = in_fork(2, || i32::from(!USES.iter().all(|uses| uses())));
                            i32::from(!is_right) | again
                        })
                    })
                });
                assert_eq!(status, 0, "round {round}");
            }
        },
    );
}
