//! Physical pages and windows of `ntheap::vm`.

use crate::support::{Random, alone, charged, lacks};
#[cfg(unix)]
use ntheap::sys::{Call, fault};
use ntheap::vm::*;

fn program() -> Line {
    account().get(Use::Program)
}

/// Whether this process can have physical pages: on Windows it takes a privilege.
fn has_pages() -> bool {
    match PhysicalPages::new(1) {
        Err(PageError::Unsupported) if lacks("physical pages") => false,
        Err(PageError::Denied) if cfg!(windows) => {
            println!("SeLockMemoryPrivilege is not in force");
            false
        }
        other => other.map(|_| true).expect("taken"),
    }
}

#[test]
fn a_window_shows_different_pages_in_turn() {
    if !has_pages() {
        return;
    }
    if !alone("windows::a_window_shows_different_pages_in_turn") {
        return;
    }
    let page = page_size();
    let before = program();
    let pages = PhysicalPages::new(100).expect("taken");
    assert_eq!(pages.len(), 100);
    assert_eq!(program().committed, before.committed + charged(100 * page));
    let mut window = Window::new(4 * page - 1).expect("reserved");
    assert_eq!((window.size(), window.len()), (4 * page, 4));
    let mut shown = window.show(&pages).expect("shown");
    assert_eq!(shown.bytes(0..1), Err(PageError::NotCommitted));
    for turn in 0..25 {
        shown.map(0, 4 * turn..4 * turn + 4).expect("mapped");
        let bytes = shown.bytes_mut(0..4 * page).expect("shown");
        assert!(bytes.iter().all(|&byte| byte == 0), "turn {turn}");
        bytes.fill(turn as u8 + 1);
    }
    for turn in (0..25).rev() {
        shown.map(0, 4 * turn..4 * turn + 4).expect("mapped");
        assert_eq!(shown.bytes(page..page + 1), Ok(&[turn as u8 + 1][..]));
    }
    // A page stays where it is shown, unless its place is shown something else as well.
    assert_eq!(shown.map(1, 0..1), Err(PageError::InUse));
    shown
        .scatter(&[(0, 3), (3, 0), (1, 50)])
        .expect("changed places");
    assert_eq!(shown.bytes(page..page + 1), Ok(&[13][..]));
    shown.unmap(1..2).expect("unmapped");
    assert_eq!(shown.bytes(0..2 * page), Err(PageError::NotCommitted));
    assert_eq!(
        shown.bytes(2 * page..4 * page).expect("shown").len(),
        2 * page
    );
    drop(shown);
    // Nothing is shown any more, and the pages can be shown elsewhere.
    let mut other = Window::new(page).expect("reserved");
    let mut there = other.show(&pages).expect("shown");
    there.map(0, 3..4).expect("mapped");
    assert_eq!(there.bytes(0..1), Ok(&[1][..]));
    // Two windows at once, each page in one of them.
    let mut here = window.show(&pages).expect("shown");
    assert_eq!(here.map(0, 3..4), Err(PageError::InUse));
    here.map(0, 4..6).expect("mapped");
    here.bytes_mut(0..1).expect("shown")[0] = 99;
    assert_eq!(there.bytes(0..1), Ok(&[1][..]));
    drop((here, there));
    drop((other, window, pages));
    assert_eq!(program(), before);
}

#[test]
fn what_has_no_meaning_changes_nothing() {
    assert_eq!(PhysicalPages::new(0).err(), Some(PageError::Invalid));
    for count in [
        usize::MAX,
        isize::MAX as usize,
        isize::MAX as usize / 4096 + 1,
    ] {
        let refused = PhysicalPages::new(count).err();
        assert_eq!(refused, Some(PageError::NoMemory), "{count:#x}");
    }
    assert_eq!(Window::new(0).err(), Some(PageError::Invalid));
    assert_eq!(Window::new(usize::MAX).err(), Some(PageError::Invalid));
    if !has_pages() {
        return;
    }
    let page = page_size();
    let pages = PhysicalPages::new(4).expect("taken");
    let mut window = Window::new(4 * page).expect("reserved");
    let mut shown = window.show(&pages).expect("shown");
    shown.map(0, 0..2).expect("mapped");
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    let bad = [
        (0, 0..0),
        (0, 3..5),
        (0, 2..1),
        (3, 2..4),
        (4, 2..3),
        (usize::MAX, 2..4),
        (0, usize::MAX..usize::MAX),
    ];
    for (at, which) in bad {
        assert_eq!(
            shown.map(at, which.clone()),
            Err(PageError::Invalid),
            "{at} {which:?}"
        );
    }
    let twice = [
        shown.scatter(&[(2, 2), (2, 3)]),
        shown.scatter(&[(2, 2), (3, 2)]),
        shown.scatter(&[(2, 0)]),
    ];
    assert_eq!(twice, [Err(PageError::InUse); 3]);
    for pairs in [
        &[][..],
        &[(4, 2)],
        &[(2, 4)],
        &[(usize::MAX, 2)],
        &[(2, usize::MAX)],
    ] {
        assert_eq!(shown.scatter(pairs), Err(PageError::Invalid), "{pairs:?}");
    }
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    for range in [0..0, 3..2, 0..5, usize::MAX..usize::MAX] {
        assert_eq!(
            shown.unmap(range.clone()),
            Err(PageError::Invalid),
            "{range:?}"
        );
    }
    assert_eq!(shown.bytes(0..4 * page + 1), Err(PageError::Invalid));
    assert_eq!(shown.bytes(0..2 * page).expect("as before").len(), 2 * page);
    assert_eq!(shown.bytes(0..2 * page + 1), Err(PageError::NotCommitted));
}

/// What was forgotten while it showed pages is shown to nobody, whatever becomes of the
/// pages.
#[test]
fn what_was_forgotten_is_not_shown_again() {
    if !has_pages() {
        return;
    }
    let page = page_size();
    let mut window = Window::new(2 * page).expect("reserved");
    let first = PhysicalPages::new(2).expect("taken");
    let mut shown = window.show(&first).expect("shown");
    shown.map(0, 0..2).expect("mapped");
    shown.bytes_mut(0..1).expect("shown")[0] = 1;
    std::mem::forget(shown);
    let second = PhysicalPages::new(2).expect("taken");
    let mut shown = window.show(&second).expect("shown");
    assert_eq!(shown.bytes(0..1), Err(PageError::NotCommitted));
    shown.map(1, 0..1).expect("mapped");
    assert_eq!(shown.bytes(page..page + 1), Ok(&[0][..]));
    std::mem::forget(shown);
    drop(second);
    let mut shown = window.show(&first).expect("shown");
    assert_eq!(shown.bytes(page..page + 1), Err(PageError::NotCommitted));
    shown.map(1, 0..1).expect("mapped");
    assert_eq!(shown.bytes(page..page + 1), Ok(&[1][..]));
}

#[cfg(unix)]
#[test]
fn a_child_of_a_fork_cannot_show_its_parents_pages() {
    if !alone("windows::a_child_of_a_fork_cannot_show_its_parents_pages") {
        return;
    }
    let page = page_size();
    let mut window = Window::new(page).expect("reserved");
    let pages = PhysicalPages::new(2).expect("taken");
    let mut shows = Window::new(page).expect("reserved");
    let more = PhysicalPages::new(1).expect("taken");
    let mut kept = shows.show(&more).expect("shown");
    kept.map(0, 0..1).expect("mapped");
    kept.bytes_mut(0..1).expect("shown")[0] = 7;
    // SAFETY: the child only does what may be done after a fork of a threaded program:
    // page functions and exiting.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let work = std::panic::AssertUnwindSafe(move || {
            assert_eq!(window.show(&pages).err(), Some(PageError::Invalid));
            // What is shown is the parent's too.
            assert_eq!(kept.bytes(0..1), Err(PageError::Invalid));
            assert_eq!(kept.bytes_mut(0..1), Err(PageError::Invalid));
            let own = PhysicalPages::new(2).expect("taken");
            let mut shown = window.show(&own).expect("shown");
            shown.map(0, 0..1).expect("mapped");
            // The numbers may be the same; they are not given back with the parent's.
            drop(pages);
            shown.bytes_mut(0..page).expect("shown").fill(1);
        });
        let result = std::panic::catch_unwind(work);
        // SAFETY: ends the child.
        unsafe { libc::_exit(i32::from(result.is_err())) };
    }
    let mut status = 0;
    // SAFETY: the child is this test's.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    let mut shown = window.show(&pages).expect("shown");
    shown.map(0, 1..2).expect("mapped");
    assert_eq!(shown.bytes(0..1), Ok(&[0][..]));
    assert_eq!(kept.bytes(0..1), Ok(&[7][..]));
}

#[cfg(unix)]
#[test]
fn one_page_that_is_refused_keeps_no_other() {
    if !alone("windows::one_page_that_is_refused_keeps_no_other") {
        return;
    }
    let before = program().committed;
    let pages = PhysicalPages::new(5).expect("taken");
    fault::plan(2, 1, &[Call::File]);
    drop(pages);
    assert_eq!(fault::end(), (5, 1));
    assert_eq!(program().committed, before + page_size());
}

#[test]
fn random_pages_are_shown_as_a_model_says() {
    if !has_pages() {
        return;
    }
    const PLACES: usize = 16;
    const PAGES: usize = 40;
    let page = page_size();
    let mut random = Random::new(11);
    let pages = PhysicalPages::new(PAGES).expect("taken");
    let mut window = Window::new(PLACES * page).expect("reserved");
    let mut shown = window.show(&pages).expect("shown");
    let mut shows = [None::<usize>; PLACES];
    let mut holds = [0u8; PAGES];
    for step in 0..3000 {
        let count = 1 + random.below(4);
        let pairs: Vec<_> = (0..count)
            .map(|_| (random.below(PLACES), random.below(PAGES)))
            .collect();
        let once = |of: fn(&(usize, usize)) -> usize| {
            let mut all: Vec<_> = pairs.iter().map(of).collect();
            all.sort_unstable();
            all.windows(2).all(|two| two[0] != two[1])
        };
        let stays = |which| {
            let at = shows.iter().position(|&shown| shown == Some(which));
            at.is_some_and(|at| pairs.iter().all(|pair| pair.0 != at))
        };
        let can = once(|pair| pair.0) && once(|pair| pair.1);
        let can = can && !pairs.iter().any(|pair| stays(pair.1));
        let done = shown.scatter(&pairs);
        assert_eq!(
            done,
            if can { Ok(()) } else { Err(PageError::InUse) },
            "step {step}"
        );
        if can {
            for &(at, which) in &pairs {
                shows[at] = Some(which);
            }
        }
        let at = random.below(PLACES);
        match shows[at] {
            Some(which) => {
                let bytes = shown.bytes_mut(at * page..(at + 1) * page).expect("shown");
                assert_eq!((bytes[0], bytes[page - 1]), (holds[which], holds[which]));
                holds[which] = step as u8;
                bytes.fill(step as u8);
            }
            None => assert!(shown.bytes(at * page..at * page + 1).is_err()),
        }
        if random.below(5) == 0 {
            shown.unmap(at..at + 1).expect("unmapped");
            shows[at] = None;
        }
    }
}
