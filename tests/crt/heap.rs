//! Looking at an instance's heap where it is damaged, where there is none, and where
//! it has pages to give back.

use super::{alone, passed};
use ntheap::crt::check::{HEAPBADBEGIN, HEAPBADNODE, HEAPEND, HEAPOK, HeapInfo};
use ntheap::crt::{Crt, Mode};
use ntheap::sys::fault;
use std::ptr;

/// A walk of the whole heap: how many entries, and how it ends.
fn walk(crt: &Crt) -> (usize, i32) {
    let mut info = HeapInfo {
        entry: ptr::null_mut(),
        size: 0,
        use_flag: 0,
    };
    for entries in 0..100_000 {
        match crt.heapwalk(&mut info) {
            HEAPOK => {}
            end => return (entries, end),
        }
    }
    panic!("no end");
}

/// What is written behind a block is damage, of that heap alone.
#[test]
fn damage_is_a_bad_node() {
    static HURT: Crt = Crt::private("hurt");
    static WHOLE: Crt = Crt::private("whole");
    let name = "heap::damage_is_a_bad_node";
    let variables = [
        ("NTHEAP_GFLAGS", "+htc"),
        ("NTHEAP_ON_CORRUPTION", "continue"),
    ];
    let output = alone(name, &variables, || {
        let block = HURT.malloc(100);
        assert!(!WHOLE.malloc(100).is_null());
        let (entries, end) = walk(&HURT);
        assert_eq!((HURT.heapchk(), end), (HEAPOK, HEAPEND));
        // SAFETY: the bug to be found: what is written is behind the block, and in
        // the heap's own bytes.
        unsafe { block.add(100).write(1) };
        assert_eq!(HURT.heapchk(), HEAPBADNODE);
        assert_eq!(HURT.heapset(0xEE), HEAPBADNODE);
        assert_eq!(WHOLE.heapchk(), HEAPOK);
        // A walk reads what the heap keeps elsewhere, and that is whole.
        assert_eq!(walk(&HURT), (entries, HEAPEND));
        // SAFETY: as above.
        unsafe { block.add(100).write(0xab) };
        assert_eq!(HURT.heapchk(), HEAPOK);
    });
    if let Some(output) = output {
        assert_eq!(passed(&output), "");
    }
}

/// A heap that there is no memory for: nothing is made of it, and a later call tries
/// again.
#[test]
fn no_heap_is_a_bad_begin() {
    static NONE: Crt = Crt::private("none");
    let name = "heap::no_heap_is_a_bad_begin";
    let output = alone(name, &[], || {
        fault::plan(0, u64::MAX, &[]);
        let found = (NONE.heapchk(), NONE.heapset(1), walk(&NONE), NONE.heapmin());
        let (_, struck) = fault::end();
        assert!(struck > 0);
        let no = HEAPBADBEGIN;
        assert_eq!(found, (no, no, (0, no), false));
        assert_eq!(NONE.heapchk(), HEAPOK);
        assert_eq!(walk(&NONE).1, HEAPEND);
        assert!(NONE.heapmin());
    });
    if let Some(output) = output {
        assert_eq!(passed(&output), "");
    }
}

/// Whole pages within a block, and how many of them hold memory.
fn pages(block: *mut u8, size: usize) -> (usize, usize) {
    const PAGE: usize = 4096;
    let start = block.map_addr(|at| at.next_multiple_of(PAGE));
    let count = (block.addr() + size - start.addr()) / PAGE;
    let mut holds = vec![0; count];
    // SAFETY: the pages are mapped, and there is a byte for each.
    let code = unsafe { libc::mincore(start.cast(), count * PAGE, holds.as_mut_ptr()) };
    assert_eq!(code, 0);
    let held = holds.iter().filter(|&&byte| byte & 1 != 0).count();
    (count, held)
}

/// The pages of freed blocks go back at the call, and no others.
fn gives_back(name: &str, mode: Mode) {
    static CRT: Crt = Crt::private("pages");
    /// So few are freed of so many that the heap does nothing by itself.
    const BLOCKS: usize = 200;
    const EVERY: usize = 20;
    const SIZE: usize = 60_000;
    let output = alone(name, &[("NTHEAP_CRT", mode.name())], || {
        let blocks: Vec<*mut u8> = (0..BLOCKS).map(|_| CRT.malloc(SIZE)).collect();
        for block in &blocks {
            // SAFETY: the block's bytes.
            unsafe { block.write_bytes(1, SIZE) };
        }
        for block in blocks.iter().step_by(EVERY) {
            // SAFETY: nobody uses the block any more.
            unsafe { CRT.free(*block) }.unwrap();
        }
        let is_free = |at: usize| at.is_multiple_of(EVERY);
        for block in blocks.iter().step_by(EVERY) {
            let (count, held) = pages(*block, SIZE);
            assert_eq!(held, count);
        }
        assert!(CRT.heapmin());
        for (at, block) in blocks.iter().enumerate() {
            let (count, held) = pages(*block, SIZE);
            assert_eq!(held, if is_free(at) { 0 } else { count }, "block {at}");
        }
        for (at, block) in blocks.iter().enumerate() {
            if !is_free(at) {
                // SAFETY: the block's bytes, and then its end.
                unsafe {
                    assert!((0..SIZE).step_by(4000).all(|at| block.add(at).read() == 1));
                    CRT.free(*block).unwrap();
                }
            }
        }
    });
    if let Some(output) = output {
        assert_eq!(passed(&output), "");
    }
}

#[test]
fn free_pages_go_back_private() {
    gives_back("heap::free_pages_go_back_private", Mode::Private);
}

#[test]
fn free_pages_go_back_process() {
    gives_back("heap::free_pages_go_back_process", Mode::Process);
}
