//! What queries tell of threads' stacks.

use crate::support::*;
use ntheap::win32::*;
use std::thread;

#[test]
fn a_threads_stack_is_one_reservation_with_a_guard_below() {
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
            runs[1].1 >= SIZE - PAGE && runs[1].1 < 2 * SIZE,
            "{runs:x?}"
        );
    };
    let thread = thread::Builder::new().stack_size(SIZE).spawn(work);
    thread.expect("started").join().expect("no panic");
}
