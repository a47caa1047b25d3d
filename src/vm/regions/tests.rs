use super::*;
use crate::vm::page_size;
use std::vec;
use std::vec::Vec;

fn reserve_at(
    address: usize,
    size: usize,
    access: Protect,
    commits: bool,
) -> Result<usize, Refusal> {
    let at = Whereabouts {
        address,
        ..Whereabouts::default()
    };
    let request = Request {
        commits,
        ..Request::private(access)
    };
    reserve(&at, size, &request).map(|done| done.0)
}

fn reserve_somewhere(pages: usize, commit: bool) -> usize {
    let base = reserve_at(0, pages * page_size(), Protect::READ_WRITE, commit).expect("reserved");
    assert_eq!(base % GRANULARITY, 0);
    base
}

fn end(base: usize) {
    // SAFETY: the tests use no pointer into a region they end.
    unsafe { release(base) }.expect("released");
}

fn bytes(address: usize) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut(address)
}

#[test]
fn pages_are_committed_and_zero_and_keep_what_they_hold() {
    let page = page_size();
    let base = reserve_somewhere(4, false);
    let told = find(base + page + 5).expect("known");
    assert_eq!((told.start, told.end), (base, base + 4 * page));
    assert_eq!((told.area.start, told.area.end), (base, base + 4 * page));
    assert_eq!(told.area.initial, Protect::READ_WRITE);
    assert_eq!(told.area.kind, Kind::Private);
    assert_eq!(told.committed, None);
    // One byte across a page's end commits two pages.
    assert_eq!(
        commit(base + 2 * page - 1, 2, Protect::READ_WRITE),
        Ok((base + page, 2 * page))
    );
    let at = bytes(base + page);
    // SAFETY: two pages were committed at `at`.
    unsafe {
        assert_eq!((*at, *at.add(2 * page - 1)), (0, 0));
        at.write_bytes(7, 2 * page);
    }
    assert_eq!(commit(base, 4 * page, Protect::READ), Ok((base, 4 * page)));
    // SAFETY: all four pages are committed and readable.
    unsafe { assert_eq!((*at.sub(1), *at, *at.add(2 * page)), (0, 7, 0)) };
    let run = find(base).expect("known");
    assert_eq!((run.start, run.end), (base, base + 4 * page));
    assert_eq!(run.committed, Some(Protect::READ));
    // SAFETY: nobody uses the second page.
    assert_eq!(unsafe { decommit(base + page, 1) }, Ok((base + page, page)));
    assert_eq!(
        commit(base, 4 * page, Protect::READ_WRITE),
        Ok((base, 4 * page))
    );
    // SAFETY: all four pages are committed.
    unsafe { assert_eq!((*at, *at.add(page)), (0, 7)) };
    end(base);
    assert_eq!(find(base), None);
}

#[test]
fn what_is_named_wrongly_is_refused_and_changes_nothing() {
    let page = page_size();
    let base = reserve_somewhere(4, true);
    let before = find(base);
    let size = 4 * page;
    let access = Protect::READ_WRITE;
    assert_eq!(reserve_at(0, 0, access, false), Err(Refusal::Invalid));
    assert_eq!(
        reserve_at(0, usize::MAX, access, false),
        Err(Refusal::Invalid)
    );
    assert_eq!(reserve_at(1, page, access, false), Err(Refusal::Conflict));
    assert_eq!(
        reserve_at(base, page, access, false),
        Err(Refusal::Conflict)
    );
    // Behind the pages, but in the same 64 KiB.
    assert_eq!(
        reserve_at(base + size, page, access, false),
        Err(Refusal::Conflict)
    );
    assert_eq!(commit(base, 0, access), Err(Refusal::Invalid));
    assert_eq!(commit(base, size + 1, access), Err(Refusal::Conflict));
    assert_eq!(
        commit(base - page, 2 * page, access),
        Err(Refusal::Conflict)
    );
    // SAFETY: all of these are refused.
    unsafe {
        assert_eq!(decommit(base + page, 0), Err(Refusal::NotAtBase));
        assert_eq!(decommit(base, size + 1), Err(Refusal::PastTheEnd));
        assert_eq!(release(base + page), Err(Refusal::NotAtBase));
    }
    assert_eq!(find(base), before);
    end(base);
    // SAFETY: both are refused.
    unsafe {
        assert_eq!(release(base), Err(Refusal::NotAllocated));
        assert_eq!(decommit(base, page), Err(Refusal::NotAllocated));
    }
}

#[test]
fn an_address_is_rounded_down_and_the_size_covers_all_that_was_named() {
    let page = page_size();
    // Far from where the system puts anything.
    let hint = 0x2100_0000_0000;
    let base = reserve_at(hint + 0x8000, 1, Protect::NONE, false).expect("reserved");
    assert_eq!(base, hint);
    assert_eq!(find(base).map(|run| run.end), Some(base + 0x8000 + page));
    end(base);
}

#[test]
fn two_reservations_are_not_one_range() {
    let page = page_size();
    // Far from where the system puts anything.
    let hint = 0x2200_0000_0000;
    let access = Protect::READ_WRITE;
    let first = reserve_at(hint, GRANULARITY, access, false).expect("reserved");
    let second = reserve_at(hint + GRANULARITY, GRANULARITY, access, false).expect("reserved");
    assert_eq!(second, first + GRANULARITY);
    assert_eq!(
        commit(second - page, 2 * page, access),
        Err(Refusal::Conflict)
    );
    // SAFETY: refused.
    unsafe {
        assert_eq!(decommit(second - page, 2 * page), Err(Refusal::PastTheEnd));
    }
    assert_eq!(find(first).map(|run| run.end), Some(second));
    end(first);
    end(second);
}

/// One page as the model sees it.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Page {
    committed: Option<Protect>,
    byte: u8,
}

#[test]
fn random_calls_leave_what_a_model_of_pages_says() {
    const PAGES: usize = 24;
    let page = page_size();
    let base = reserve_somewhere(PAGES, false);
    let none = Page {
        committed: None,
        byte: 0,
    };
    let mut model: Vec<Page> = vec![none; PAGES];
    let mut state = 99u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
        (state >> 33) as usize % below
    };
    for step in 0..3000u32 {
        let first = next(PAGES);
        let count = 1 + next(PAGES - first);
        let start = base + first * page;
        let pages = &mut model[first..first + count];
        match next(4) {
            0 => {
                let access = Protect::from_number([1, 2, 4][next(3)]).expect("a right");
                assert_eq!(
                    commit(start, count * page, access),
                    Ok((start, count * page))
                );
                for page in pages {
                    page.committed = Some(access);
                }
            }
            1 => {
                // SAFETY: the model forgets what the pages hold.
                let done = unsafe { decommit(start, count * page) };
                assert_eq!(done, Ok((start, count * page)));
                pages.fill(none);
            }
            _ => {
                let byte = step as u8;
                for (index, model) in pages.iter_mut().enumerate() {
                    if model.committed == Some(Protect::READ_WRITE) {
                        // SAFETY: the page is committed and writable.
                        unsafe { *bytes(start + index * page) = byte };
                        model.byte = byte;
                    }
                }
            }
        }
        for (index, page_model) in model.iter().enumerate() {
            let at = base + index * page;
            let run = find(at).expect("in the reservation");
            assert_eq!(run.area.start, base);
            assert_eq!(run.committed, page_model.committed, "step {step}");
            let alike = |index: usize| model[index].committed == page_model.committed;
            let from = (0..=index).rev().take_while(|&i| alike(i)).last();
            let to = (index..PAGES).take_while(|&i| alike(i)).last();
            assert_eq!(Some((run.start - base) / page), from);
            assert_eq!((run.end - base) / page, to.expect("itself") + 1);
            if !matches!(page_model.committed, None | Some(Protect::NONE)) {
                // SAFETY: the page is committed and readable.
                assert_eq!(unsafe { *bytes(at) }, page_model.byte);
            }
        }
    }
    end(base);
}
