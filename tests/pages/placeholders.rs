//! Placeholders of `ntheap::vm`: split, joined, and replaced.

use crate::support::{Random, alone, charged, lacks};
use ntheap::vm::*;

fn program() -> Line {
    account().get(Use::Program)
}

#[test]
fn a_placeholder_is_split_joined_and_replaced() {
    if lacks("placeholders") {
        return;
    }
    let page = page_size();
    let whole = Placeholder::new(16 * page - 1).expect("reserved");
    let (at, size) = (whole.address(), whole.size());
    assert_eq!((at % GRANULARITY, size), (0, 16 * page));
    let told = query(at).expect("told");
    assert_eq!((told.state, told.range.len()), (PageState::Reserved, size));
    let (low, rest) = whole.split(4 * page).expect("split");
    let (middle, high) = rest.split(4 * page).expect("split");
    assert_eq!(
        (low.size(), middle.size(), high.size()),
        (4 * page, 4 * page, 8 * page)
    );
    assert_eq!(
        (middle.address(), high.address()),
        (at + 4 * page, at + 8 * page)
    );
    // A reservation in the middle lies exactly there, and nowhere else.
    let mut memory = middle.reserve().expect("replaced");
    assert_eq!(
        (memory.as_ptr().addr(), memory.size()),
        (at + 4 * page, 4 * page)
    );
    memory.commit(0..4 * page).expect("committed").fill(7);
    assert_eq!(memory.commit(0..5 * page), Err(PageError::Invalid));
    let kept = low.join(high).expect_err("not neighbours");
    assert_eq!(kept.error, PageError::Invalid);
    let (low, high) = kept.kept;
    let middle = memory.into_placeholder().expect("one again");
    // In any order; what was there is gone.
    let upper = high.join(middle).expect("joined");
    let whole = low.join(upper).expect("joined");
    assert_eq!((whole.address(), whole.size()), (at, size));
    let mut memory = whole.reserve().expect("replaced");
    assert_eq!(memory.commit(0..size).expect("committed"), vec![0; size]);
}

#[test]
fn what_is_refused_is_given_back_as_it_was() {
    if lacks("placeholders") {
        return;
    }
    let page = page_size();
    let mut place = Placeholder::new(4 * page).expect("reserved");
    for at in [
        0,
        1,
        page - 1,
        page + 1,
        4 * page,
        4 * page + page,
        usize::MAX,
        usize::MAX & !0xfff,
    ] {
        let refused = place.split(at).expect_err("no such split");
        assert_eq!(refused.error, PageError::Invalid, "{at:#x}");
        place = refused.kept;
        assert_eq!(place.size(), 4 * page);
    }
    let plain = Reservation::new(4 * page).expect("reserved");
    let refused = plain.into_placeholder().expect_err("it was none");
    assert_eq!(refused.error, PageError::Invalid);
    assert_eq!(refused.kept.size(), 4 * page);
    assert_eq!(Placeholder::new(0).err(), Some(PageError::Invalid));
    assert_eq!(Placeholder::new(usize::MAX).err(), Some(PageError::Invalid));
    let options = ReserveOptions::new();
    for options in [options.large_pages(), options.write_watch()] {
        assert_eq!(options.placeholder(1 << 21).err(), Some(PageError::Invalid));
    }
    let low = options.below(1 << 32).placeholder(page).expect("reserved");
    assert!(low.address() < 1 << 32);
}

#[test]
fn random_placeholders_leave_nothing_behind() {
    if lacks("placeholders") || !alone("placeholders::random_placeholders_leave_nothing_behind") {
        return;
    }
    let page = page_size();
    let before = program();
    let mut random = Random::new(9);
    let mut free = vec![Placeholder::new(64 * page).expect("reserved")];
    let mut used = Vec::<Reservation>::new();
    let base = free[0].address();
    for step in 0..5000 {
        match random.below(4) {
            0 if !free.is_empty() => {
                let own = free.swap_remove(random.below(free.len()));
                let pages = own.size() / page;
                if pages < 2 {
                    free.push(own);
                } else {
                    let at = (1 + random.below(pages - 1)) * page;
                    let (low, high) = own.split(at).expect("split");
                    free.extend([low, high]);
                }
            }
            1 if free.len() >= 2 => {
                let one = free.swap_remove(random.below(free.len()));
                let other = free.swap_remove(random.below(free.len()));
                let follows = one.address() + one.size() == other.address()
                    || other.address() + other.size() == one.address();
                match one.join(other) {
                    Ok(both) => {
                        assert!(follows, "step {step}");
                        free.push(both);
                    }
                    Err(refused) => {
                        assert!(!follows, "step {step}: {}", refused.error);
                        let (one, other) = refused.kept;
                        free.extend([one, other]);
                    }
                }
            }
            2 if !free.is_empty() => {
                let own = free.swap_remove(random.below(free.len()));
                let mut memory = own.reserve().expect("replaced");
                let bytes = memory.commit(0..1).expect("committed");
                assert_eq!(bytes, [0]);
                bytes[0] = 1;
                used.push(memory);
            }
            3 if !used.is_empty() => {
                let memory = used.swap_remove(random.below(used.len()));
                free.push(memory.into_placeholder().expect("one again"));
            }
            _ => {}
        }
        let sizes = free.iter().map(Placeholder::size);
        let all: usize = sizes.chain(used.iter().map(Reservation::size)).sum();
        assert_eq!(all, 64 * page);
        assert_eq!(program().reserved, before.reserved + charged(all));
        assert_eq!(
            program().committed,
            before.committed + charged(used.len() * page)
        );
        let mut owned = used.iter().map(|memory| memory.as_ptr().addr());
        assert!(owned.all(|at| (base..base + 64 * page).contains(&at)));
    }
    drop((free, used));
    assert_eq!(program(), before);
}
