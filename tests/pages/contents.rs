//! What pages hold that were offered to the system.

use crate::support::*;
use ntheap::win32::*;

/// Whether a page is swapped out.
fn is_swapped(address: usize) -> bool {
    use std::os::unix::fs::FileExt;
    let list = std::fs::File::open("/proc/self/pagemap").expect("the list of pages");
    let mut state = [0; 8];
    let place = (address / page_size() * 8) as u64;
    list.read_exact_at(&mut state, place)
        .expect("a page's state");
    u64::from_le_bytes(state) & 1 << 62 != 0
}

const PAGES: usize = 64;

/// Reserves and commits pages, each of which holds its number and 0x5a.
fn filled() -> usize {
    let base = allocate(0, PAGES * page_size(), BOTH, PAGE_READWRITE).expect("reserved");
    for nth in 0..PAGES {
        // SAFETY: committed just above.
        unsafe { *byte(base + nth * page_size()) = 0x5a ^ nth as u8 };
    }
    base
}

/// Which pages hold what `filled` wrote; all others must read zero.
fn kept(base: usize) -> Vec<usize> {
    let holds = |nth: &usize| {
        // SAFETY: committed, and can be read.
        let value = unsafe { *byte(base + nth * page_size()) };
        assert!(value == 0 || value == 0x5a ^ *nth as u8, "page {nth}");
        value != 0
    };
    (0..PAGES).filter(holds).collect()
}

/// Has the system take pages that were offered to it, as it does when memory is
/// short. Whether it knows how.
fn take(address: usize, pages: usize) -> bool {
    // SAFETY: the advice drops only what pages hold that were offered.
    unsafe {
        libc::madvise(
            byte(address).cast(),
            pages * page_size(),
            libc::MADV_PAGEOUT,
        ) == 0
    }
}

/// Goes through a test until the system took a quarter of the pages in all: a page may
/// wait in another processor's list, where it is not found, for longer the busier the machine
/// is. `round` says how many were taken, and has looked at what became of them; `None` if the
/// system does not know how.
fn until_some_are_taken(mut round: impl FnMut() -> Option<usize>) {
    let mut taken = 0;
    let since = std::time::Instant::now();
    while since.elapsed().as_secs() < 5 {
        let Some(pages) = round() else {
            println!("the system takes nothing when it is asked to");
            return;
        };
        taken += pages;
        if taken >= PAGES / 4 {
            return;
        }
        std::thread::yield_now();
    }
    println!("the system took {taken} pages only");
}

/// Undoing MEM_RESET succeeds if and only if every page still holds what it did.
#[test]
fn undoing_a_reset_tells_what_the_system_took() {
    if pretends() {
        return;
    }
    let undo = |base| allocate(base, PAGES * page_size(), MEM_RESET_UNDO, PAGE_NOACCESS);
    until_some_are_taken(|| {
        let base = filled();
        allocate(base, PAGES * page_size(), MEM_RESET, PAGE_NOACCESS).expect("reset");
        assert_eq!(undo(base), Ok(base), "nobody took anything");
        assert_eq!(kept(base).len(), PAGES);
        // What is needed after all is not taken any more.
        let knows = take(base, PAGES);
        assert_eq!(kept(base).len(), PAGES);

        allocate(base, PAGES * page_size(), MEM_RESET, PAGE_NOACCESS).expect("reset");
        // SAFETY: committed. What is written to is not taken either.
        unsafe { *byte(base + 3 * page_size()) = 0x5a ^ 3 };
        take(base, PAGES / 2);
        let left = kept(base);
        assert!(left.contains(&3), "{left:?}");
        assert!(left.ends_with(&(PAGES / 2..PAGES).collect::<Vec<_>>()));
        match undo(base) {
            Ok(_) => assert_eq!(left.len(), PAGES),
            Err(error) => {
                assert_eq!(error, ERROR_NOT_ENOUGH_MEMORY);
                assert!(left.len() < PAGES);
            }
        }
        // Either way the rest is kept from now on, and the pages are usable.
        take(base, PAGES);
        assert_eq!(kept(base), left);
        assert_eq!(query(base).RegionSize, PAGES * page_size());
        free(base, 0, MEM_RELEASE).expect("released");
        knows.then(|| PAGES - left.len())
    });
}

/// Pages that were offered and taken meanwhile are told of when they are reclaimed.
#[test]
fn reclaiming_tells_what_the_system_took() {
    if pretends() {
        return;
    }
    until_some_are_taken(|| {
        let base = filled();
        let start = byte(base).cast();
        // SAFETY: the pages are not used while they are offered.
        let (offered, knows, reclaimed) = unsafe {
            (
                OfferVirtualMemory(start, PAGES * page_size(), VmOfferPriorityLow),
                take(base, PAGES / 2),
                ReclaimVirtualMemory(start, PAGES * page_size()),
            )
        };
        assert_eq!(offered, ERROR_SUCCESS);
        let left = kept(base);
        assert!(left.ends_with(&(PAGES / 2..PAGES).collect::<Vec<_>>()));
        let told = if left.len() == PAGES {
            ERROR_SUCCESS
        } else {
            ERROR_BUSY
        };
        assert_eq!(reclaimed, told, "{left:?}");
        free(base, 0, MEM_RELEASE).expect("released");
        knows.then(|| PAGES - left.len())
    });
}

/// Pages that were swapped out are dropped when they are offered: undoing it must
/// say so. Where the machine has nowhere to swap to there are none.
#[test]
fn what_was_swapped_out_is_not_called_kept() {
    let base = allocate(0, PAGES * page_size(), BOTH, PAGE_READWRITE).expect("reserved");
    let pages = || (0..PAGES).map(|page| base + page * page_size());
    for page in pages() {
        // SAFETY: committed just above.
        unsafe { *byte(page) = 0x5a };
    }
    let start = byte(base).cast();
    // SAFETY: the advice changes no contents.
    let asked = unsafe { libc::madvise(start, PAGES * page_size(), libc::MADV_PAGEOUT) };
    let out = pages().filter(|&page| is_swapped(page)).count();
    println!("{out} pages swapped out (madvise: {asked})");
    allocate(base, PAGES * page_size(), MEM_RESET, PAGE_NOACCESS).expect("reset");
    let undone = allocate(base, PAGES * page_size(), MEM_RESET_UNDO, PAGE_NOACCESS);
    // SAFETY: committed.
    let kept = pages()
        .filter(|&page| unsafe { *byte(page) } == 0x5a)
        .count();
    assert_eq!(undone.is_ok(), kept == PAGES, "{kept} kept, {undone:?}");
    free(base, 0, MEM_RELEASE).expect("released");
}
