//! What the types for programs do on every system; on Linux more is in `tests/pages`.

use crate::vm::{
    GRANULARITY, PageAccess, PageError, PageKind, PageState, Placeholder, Reservation, page_size,
    query,
};

#[test]
fn pages_are_committed_guarded_discarded_and_given_back() {
    let page = page_size();
    let mut memory = Reservation::new(4 * page).expect("reserved");
    let at = memory.as_ptr().addr();
    assert_eq!(at % GRANULARITY, 0);
    assert_eq!(memory.bytes(0..1), Err(PageError::NotCommitted));
    memory.commit(0..2 * page).expect("committed").fill(5);
    memory.prefetch(0..4 * page).expect("a hint");
    let told = query(at + page).expect("told");
    assert_eq!(
        (told.range, told.allocation),
        (at + page..at + 2 * page, at)
    );
    assert_eq!(
        (told.state, told.kind),
        (PageState::Committed, Some(PageKind::Private))
    );
    memory
        .guard(0..page, PageAccess::ReadWrite)
        .expect("guarded");
    assert!(memory.query(0).expect("inside").is_guard);
    assert_eq!(memory.bytes(0..1), Err(PageError::NotCommitted));
    assert_eq!(
        memory.guard(0..page, PageAccess::None),
        Err(PageError::Invalid)
    );
    memory
        .protect(0..page, PageAccess::Read)
        .expect("protected");
    assert_eq!(memory.bytes(0..1), Ok(&[5][..]));
    assert_eq!(memory.bytes_mut(0..1), Err(PageError::NotCommitted));
    memory.lock(page..2 * page).expect("locked");
    memory.unlock(page..2 * page).expect("unlocked");
    // Wine does not know what is locked.
    #[cfg(unix)]
    assert_eq!(memory.unlock(page..2 * page), Err(PageError::NotLocked));
    memory.discard(page..2 * page).expect("discarded");
    assert!(
        memory
            .bytes(page..2 * page)
            .expect("open")
            .iter()
            .all(|&byte| byte == 0)
    );
    assert_eq!(memory.discard(page..2 * page - 1), Err(PageError::Invalid));
    assert_eq!(memory.discard(0..2 * page), Err(PageError::Invalid));
    memory.decommit(0..page).expect("decommitted");
    assert_eq!(memory.query(0).expect("inside").access, None);
    assert_eq!(memory.committed(), page);
    assert_eq!(
        memory.written(0..page, &mut [0; 1]),
        Err(PageError::Invalid)
    );
    drop(memory);
    assert_eq!(query(at).map(|told| told.allocation == at), Ok(false));
}

#[test]
fn written_pages_are_told() {
    let page = page_size();
    let mut memory = match Reservation::options().write_watch().reserve(300 * page) {
        Err(PageError::Unsupported) => return,
        other => other.expect("reserved"),
    };
    memory.commit(0..300 * page).expect("committed");
    for nth in (0..300).step_by(2) {
        memory.bytes_mut(nth * page..nth * page + 1).expect("open")[0] = 1;
    }
    let mut found = [0; 300];
    assert_eq!(memory.take_written(0..300 * page, &mut found), Ok(150));
    assert!((0..150).all(|nth| found[nth] == 2 * nth * page));
    assert_eq!(memory.written(0..300 * page, &mut found), Ok(0));
    memory.bytes_mut(0..1).expect("open")[0] = 2;
    memory.forget_written(0..300 * page).expect("forgotten");
    assert_eq!(memory.written(0..300 * page, &mut found), Ok(0));
}

#[test]
fn reservations_lie_in_bounds() {
    let options = Reservation::options().below(1 << 31).alignment(1 << 20);
    let low = match options.reserve(1 << 16) {
        // Wine takes no notice of bounds.
        Err(PageError::Unsupported) if cfg!(windows) => return,
        other => other.expect("reserved"),
    };
    let at = low.as_ptr().addr();
    assert!(at < 1 << 31 && at.is_multiple_of(1 << 20), "{at:#x}");
    let there = Reservation::options().at(at).reserve(1 << 16).err();
    assert_eq!(there, Some(PageError::InUse));
    assert_eq!(options.at(at).reserve(1).err(), Some(PageError::Invalid));
}

#[test]
fn placeholders_are_split_replaced_and_joined() {
    let page = page_size();
    let whole = match Placeholder::new(8 * page) {
        // Wine has none.
        Err(PageError::Invalid) if cfg!(windows) => return,
        other => other.expect("reserved"),
    };
    let at = whole.address();
    let (low, high) = whole.split(3 * page).expect("split");
    let refused = low.split(page + 1).expect_err("no page");
    assert_eq!(refused.error, PageError::Invalid);
    let mut memory = refused.kept.reserve().expect("replaced");
    assert_eq!((memory.as_ptr().addr(), memory.size()), (at, 3 * page));
    memory.commit(0..page).expect("committed")[0] = 1;
    let low = memory.into_placeholder().expect("one again");
    let whole = high.join(low).expect("joined");
    assert_eq!((whole.address(), whole.size()), (at, 8 * page));
    let plain = Reservation::new(page).expect("reserved").into_placeholder();
    assert!(plain.is_err(), "it was none");
}
