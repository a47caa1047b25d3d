//! What pages hold that were offered to the system.

use crate::support::*;
use ntheap::win32::*;

/// Whether a page is swapped out.
fn is_swapped(address: usize) -> bool {
    use std::os::unix::fs::FileExt;
    let list = std::fs::File::open("/proc/self/pagemap").expect("the list of pages");
    let mut state = [0; 8];
    let place = (address / PAGE * 8) as u64;
    list.read_exact_at(&mut state, place)
        .expect("a page's state");
    u64::from_le_bytes(state) & 1 << 62 != 0
}

/// Pages that were swapped out are dropped when they are offered: undoing it must
/// say so. Where the machine has nowhere to swap to there are none.
#[test]
fn what_was_swapped_out_is_not_called_kept() {
    const PAGES: usize = 64;
    let base = allocate(0, PAGES * PAGE, BOTH, PAGE_READWRITE).expect("reserved");
    let pages = || (0..PAGES).map(|page| base + page * PAGE);
    for page in pages() {
        // SAFETY: committed just above.
        unsafe { *byte(page) = 0x5a };
    }
    let start = byte(base).cast();
    // SAFETY: the advice changes no contents.
    let asked = unsafe { libc::madvise(start, PAGES * PAGE, libc::MADV_PAGEOUT) };
    let out = pages().filter(|&page| is_swapped(page)).count();
    println!("{out} pages swapped out (madvise: {asked})");
    allocate(base, PAGES * PAGE, MEM_RESET, PAGE_NOACCESS).expect("reset");
    let undone = allocate(base, PAGES * PAGE, MEM_RESET_UNDO, PAGE_NOACCESS);
    // SAFETY: committed.
    let kept = pages()
        .filter(|&page| unsafe { *byte(page) } == 0x5a)
        .count();
    assert_eq!(undone.is_ok(), kept == PAGES, "{kept} kept, {undone:?}");
    free(base, 0, MEM_RELEASE).expect("released");
}
