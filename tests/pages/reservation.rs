//! What a reservation of `ntheap::vm` does beyond committing: guards, contents that may
//! go, locks, written pages, and where it may lie.

#[cfg(unix)]
use crate::support::most_mappings;
use crate::support::{ACCESSES, Random, alone, lacks, pretends};
use ntheap::vm::*;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

fn committed(pages: usize) -> Reservation {
    let size = pages * page_size();
    let mut memory = Reservation::new(size).expect("reserved");
    memory.commit(0..size).expect("committed");
    memory
}

/// Has the system take what the pages hold that it may take. Windows takes it when it will.
#[cfg(windows)]
fn take(_: &Reservation, _: Range<usize>) {}

/// Has the system take what the pages hold that it may take.
#[cfg(unix)]
fn take(memory: &Reservation, range: Range<usize>) {
    let at = memory.as_ptr().wrapping_add(range.start).cast();
    // SAFETY: what the pages hold the test has given up; others keep what they hold.
    let told = unsafe { libc::madvise(at, range.len(), libc::MADV_PAGEOUT) };
    assert_eq!(told, 0, "{}", std::io::Error::last_os_error());
}

type Ranged = fn(&mut Reservation, Range<usize>) -> Result<(), PageError>;

/// All that take a range, by name.
const RANGED: [(&str, Ranged); 15] = [
    ("commit", |memory, range| memory.commit(range).map(|_| ())),
    ("protect", |memory, range| {
        memory.protect(range, PageAccess::ReadWrite)
    }),
    ("guard", |memory, range| {
        memory.guard(range, PageAccess::Read)
    }),
    ("decommit", |memory, range| memory.decommit(range)),
    ("reset", |memory, range| memory.reset(range)),
    ("undo_reset", |memory, range| {
        memory.undo_reset(range).map(|_| ())
    }),
    ("offer", |memory, range| memory.offer(range)),
    ("reclaim", |memory, range| memory.reclaim(range).map(|_| ())),
    ("discard", |memory, range| memory.discard(range)),
    ("prefetch", |memory, range| memory.prefetch(range)),
    ("lock", |memory, range| memory.lock(range)),
    ("unlock", |memory, range| memory.unlock(range)),
    ("written", |memory, range| {
        memory.written(range, &mut [0; 4]).map(|_| ())
    }),
    ("take_written", |memory, range| {
        memory.take_written(range, &mut [0; 4]).map(|_| ())
    }),
    ("forget_written", |memory, range| {
        memory.forget_written(range)
    }),
];

#[test]
fn ranges_without_meaning_are_refused_and_change_nothing() {
    let page = page_size();
    let mut memory = committed(4);
    let end = 4 * page;
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    let bad = [
        0..0,
        end..end,
        page..page,
        page..0,
        0..end + 1,
        end..end + page,
        0..usize::MAX,
        usize::MAX - 1..usize::MAX,
        usize::MAX..0,
        usize::MAX - page..page,
    ];
    for (name, act) in RANGED {
        for range in &bad {
            let refused = act(&mut memory, range.clone());
            assert_eq!(refused, Err(PageError::Invalid), "{name} {range:?}");
        }
    }
    let run = memory.query(0).expect("inside");
    assert_eq!(
        (run.range, run.access),
        (0..end, Some(PageAccess::ReadWrite))
    );
    assert!(!run.is_guard && !run.is_locked && !run.is_offered);
    // Reserved pages have nothing to guard, offer, lock or discard.
    memory.decommit(0..page).expect("decommitted");
    let barred = [
        memory.guard(0..page, PageAccess::Read),
        memory.offer(0..2 * page),
        memory.discard(0..page),
        memory.lock(0..2 * page),
        memory.protect(0..end, PageAccess::Read),
    ];
    assert_eq!(barred, [Err(PageError::NotCommitted); 5]);
    // These want whole pages.
    let parts = [
        memory.offer(page + 1..2 * page),
        memory.discard(page..2 * page - 1),
        memory.reclaim(page..page + 1).map(|_| ()),
        memory.guard(page..2 * page, PageAccess::None),
    ];
    assert_eq!(parts, [Err(PageError::Invalid); 4]);
}

static RANG: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_guard_rings_once_and_is_not_touched_by_safe_functions() {
    if !alone("reservation::a_guard_rings_once_and_is_not_touched_by_safe_functions") {
        return;
    }
    fn ring(at: *mut u8) -> bool {
        RANG.store(at.addr(), Ordering::Relaxed);
        true
    }
    let page = page_size();
    let mut memory = committed(3);
    memory.bytes_mut(page..page + 1).expect("open")[0] = 7;
    memory
        .guard(page..2 * page, PageAccess::Read)
        .expect("guarded");
    let run = memory.query(page).expect("inside");
    assert_eq!(
        (run.range, run.access, run.is_guard),
        (page..2 * page, Some(PageAccess::Read), true)
    );
    assert_eq!(memory.bytes(0..2 * page), Err(PageError::NotCommitted));
    assert_eq!(
        memory.bytes_mut(page..page + 1),
        Err(PageError::NotCommitted)
    );
    let told = query(memory.as_ptr().addr() + page).expect("told");
    assert!(told.is_guard && told.access == Some(PageAccess::Read));
    // SAFETY: the handler stores a number.
    unsafe { set_guard_handler(Some(ring)) }.expect("set");
    let at = memory.as_ptr().wrapping_add(page);
    // SAFETY: the page is committed; the handler goes on.
    assert_eq!(unsafe { at.read_volatile() }, 7);
    assert_eq!(RANG.swap(0, Ordering::Relaxed), at.addr());
    // SAFETY: as above, and nothing is to be caught.
    assert_eq!(unsafe { at.read_volatile() }, 7);
    assert_eq!(RANG.load(Ordering::Relaxed), 0);
    let run = memory.query(page).expect("inside");
    assert_eq!((run.access, run.is_guard), (Some(PageAccess::Read), false));
    assert_eq!(memory.bytes(page..page + 1), Ok(&[7][..]));
    // Locking meets a guard, and says so; protecting and committing take it away.
    memory
        .guard(0..page, PageAccess::ReadWrite)
        .expect("guarded");
    if !lacks("guards that locking meets") {
        assert_eq!(memory.lock(0..page), Err(PageError::Guard));
        memory.bytes(0..1).expect("open");
    }
    memory
        .guard(0..page, PageAccess::ReadWrite)
        .expect("guarded");
    memory
        .protect(0..page, PageAccess::Read)
        .expect("protected");
    memory.bytes(0..1).expect("open");
    memory
        .guard(0..page, PageAccess::ReadWrite)
        .expect("guarded");
    memory.commit(0..1).expect("committed");
    // SAFETY: nobody is asked any more.
    unsafe { set_guard_handler(None) }.expect("set");
}

#[test]
fn a_guard_that_nobody_takes_notice_of_ends_the_process() {
    const MARK: &str = "PAGES_GUARD";
    if std::env::var_os(MARK).is_some() {
        let mut memory = committed(1);
        memory.guard(0..1, PageAccess::ReadWrite).expect("guarded");
        // SAFETY: the page is committed; the fault ends the process.
        unsafe { memory.as_ptr().read_volatile() };
        std::process::exit(0);
    }
    let ended = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args([
            "reservation::a_guard_that_nobody_takes_notice_of_ends_the_process",
            "--exact",
        ])
        .env(MARK, "1")
        .output()
        .expect("started");
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(ended.status.signal(), Some(libc::SIGSEGV), "{ended:?}");
    }
    // Under Wine a debugger that is none ends it.
    #[cfg(windows)]
    assert!(!ended.status.success(), "{ended:?}");
}

#[test]
fn what_was_reset_holds_what_it_shows() {
    if pretends() {
        return;
    }
    let page = page_size();
    let mut memory = committed(8);
    memory.bytes_mut(0..8 * page).expect("open").fill(9);
    assert_eq!(memory.undo_reset(0..page), Err(PageError::Invalid));
    memory.reset(0..8 * page).expect("reset");
    // Shown, a page holds what it holds, whatever the system would take.
    let shown = memory.bytes(page..page + 1).expect("open")[0];
    // Wine takes it at once.
    assert_eq!(
        shown,
        if lacks("contents after MEM_RESET") {
            0
        } else {
            9
        }
    );
    take(&memory, 0..8 * page);
    assert_eq!(memory.bytes(page..2 * page), Ok(&vec![shown; page][..]));
    for nth in 0..8 {
        let bytes = memory.bytes(nth * page..(nth + 1) * page).expect("open");
        let first = bytes[0];
        assert!(first == 9 || first == 0, "page {nth}: {first}");
        assert!(bytes.iter().all(|&byte| byte == first), "page {nth}");
    }
    memory.bytes_mut(0..8 * page).expect("open").fill(9);
    memory.reset(0..8 * page).expect("reset");
    if lacks("MEM_RESET_UNDO") {
        assert_eq!(memory.undo_reset(0..8 * page), Ok(false));
        return;
    }
    assert_eq!(memory.undo_reset(0..8 * page), Ok(true));
    take(&memory, 0..8 * page);
    assert_eq!(memory.bytes(0..8 * page), Ok(&vec![9; 8 * page][..]));
    // Other rights do not make it stay: it is kept before they come.
    memory.reset(0..8 * page).expect("reset");
    memory
        .protect(0..8 * page, PageAccess::Read)
        .expect("protected");
    take(&memory, 0..8 * page);
    assert_eq!(memory.bytes(0..8 * page), Ok(&vec![9; 8 * page][..]));
}

#[test]
fn offered_pages_are_barred_until_they_are_reclaimed() {
    if pretends() {
        return;
    }
    let page = page_size();
    let mut memory = committed(4);
    memory.bytes_mut(0..4 * page).expect("open").fill(3);
    memory.lock(page..2 * page).expect("locked");
    match memory.offer(page..3 * page) {
        Err(PageError::Unsupported) if lacks("OfferVirtualMemory") => return,
        other => other.expect("offered"),
    }
    let run = memory.query(page).expect("inside");
    assert!(run.is_offered && !run.is_locked, "{run:?}");
    assert_eq!(memory.bytes(0..2 * page), Err(PageError::NotCommitted));
    assert_eq!(
        memory.bytes_mut(2 * page..2 * page + 1),
        Err(PageError::NotCommitted)
    );
    assert_eq!(
        memory.protect(0..2 * page, PageAccess::Read),
        Err(PageError::NotCommitted)
    );
    assert_eq!(
        memory.guard(2 * page..3 * page, PageAccess::Read),
        Err(PageError::NotCommitted)
    );
    assert_eq!(memory.lock(page..2 * page), Err(PageError::NotCommitted));
    assert_eq!(memory.reclaim(0..2 * page), Err(PageError::Invalid));
    assert_eq!(memory.reclaim(page..3 * page), Ok(true));
    assert_eq!(memory.bytes(0..4 * page), Ok(&vec![3; 4 * page][..]));
    memory.offer(0..4 * page).expect("offered");
    take(&memory, 0..4 * page);
    let whole = memory.reclaim(0..4 * page).expect("reclaimed");
    let kept = memory
        .bytes(0..4 * page)
        .expect("open")
        .iter()
        .all(|&byte| byte == 3);
    assert_eq!(whole, kept);
    // Committing opens them as well, and what they hold then stays.
    memory.bytes_mut(0..4 * page).expect("open").fill(4);
    memory.offer(0..page).expect("offered");
    let first = memory.commit(0..page).expect("committed")[0];
    take(&memory, 0..page);
    assert_eq!(memory.bytes(0..page), Ok(&vec![first; page][..]));
}

#[test]
fn discarded_pages_read_zero_and_stay_committed() {
    let page = page_size();
    let mut memory = committed(3);
    memory.bytes_mut(0..3 * page).expect("open").fill(1);
    memory.discard(page..2 * page).expect("discarded");
    assert_eq!(memory.bytes(page..2 * page), Ok(&vec![0; page][..]));
    assert_eq!(memory.bytes(2 * page..2 * page + 1), Ok(&[1][..]));
    assert_eq!(memory.committed(), 3 * page);
    memory
        .protect(0..page, PageAccess::Read)
        .expect("protected");
    assert_eq!(memory.discard(0..2 * page), Err(PageError::Invalid));
    memory.prefetch(0..3 * page).expect("a hint");
}

#[test]
fn locks_have_no_count_and_tell_whether_there_were_any() {
    let page = page_size();
    let mut memory = committed(2);
    memory.lock(0..1).expect("locked");
    memory.lock(0..page).expect("locked");
    if cfg!(unix) {
        let run = memory.query(0).expect("inside");
        assert_eq!((run.range, run.is_locked), (0..page, true));
    }
    if lacks("locks that it knows of") {
        return;
    }
    assert_eq!(memory.unlock(0..2 * page), Err(PageError::NotLocked));
    memory.unlock(0..page).expect("unlocked");
    assert_eq!(memory.unlock(0..page), Err(PageError::NotLocked));
    let size = 1 << 30;
    let mut large = Reservation::new(size).expect("reserved");
    large.commit(0..size).expect("committed");
    #[cfg(windows)]
    let limited = true;
    // SAFETY: the limit goes to a local.
    #[cfg(unix)]
    let limited = unsafe {
        let mut limit = std::mem::zeroed::<libc::rlimit>();
        assert_eq!(libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit), 0);
        limit.rlim_cur < size as u64 && libc::geteuid() != 0
    };
    if limited {
        assert_eq!(large.lock(0..size), Err(PageError::LockLimit));
    }
}

#[test]
fn written_pages_are_told_and_forgotten() {
    if pretends() {
        return;
    }
    let page = page_size();
    let plain = committed(1);
    assert_eq!(plain.written(0..page, &mut [0; 1]), Err(PageError::Invalid));
    assert_eq!(plain.written(0..page, &mut []), Err(PageError::Invalid));
    let mut memory = match Reservation::options().write_watch().reserve(600 * page) {
        Err(PageError::Unsupported) => return,
        other => other.expect("reserved"),
    };
    memory.commit(0..600 * page).expect("committed");
    let mut found = [usize::MAX; 600];
    assert_eq!(memory.written(0..600 * page, &mut found), Ok(0));
    // More than are told in one piece.
    for nth in (0..600).step_by(2) {
        memory.bytes_mut(nth * page..nth * page + 1).expect("open")[0] = 1;
    }
    let told: Vec<_> = (0..300).map(|nth| 2 * nth * page).collect();
    assert_eq!(memory.written(0..600 * page, &mut found), Ok(300));
    assert_eq!(found[..300], told);
    // Those alone are forgotten that there is room for.
    assert_eq!(
        memory.take_written(page..600 * page, &mut found[..5]),
        Ok(5)
    );
    assert_eq!(found[..5], told[1..6]);
    assert_eq!(memory.written(0..600 * page, &mut found), Ok(295));
    assert_eq!(found[..2], [0, 12 * page]);
    assert_eq!(memory.written(0..600 * page, &mut []), Ok(0));
    memory.forget_written(0..600 * page).expect("forgotten");
    assert_eq!(memory.written(0..600 * page, &mut found), Ok(0));
}

#[test]
fn a_reservation_lies_where_it_is_asked_to() {
    let options = Reservation::options();
    let low = options.below(1 << 32).top_down().reserve(1 << 20);
    let low = match low {
        Err(PageError::Unsupported) if lacks("bounds of VirtualAlloc2") => return,
        other => other.expect("reserved"),
    };
    assert!(low.as_ptr().addr() + (1 << 20) <= 1 << 32);
    let between = options
        .at_or_above(1 << 33)
        .below(1 << 34)
        .alignment(1 << 24);
    let between = match between.reserve(1 << 16) {
        Err(PageError::Unsupported) if lacks("bounds of VirtualAlloc2") => return,
        other => other.expect("reserved"),
    };
    let at = between.as_ptr().addr();
    assert!(
        (1 << 33..1 << 34).contains(&at) && at.is_multiple_of(1 << 24),
        "{at:#x}"
    );
    assert_eq!(options.at(at).reserve(1).err(), Some(PageError::InUse));
    drop(between);
    let there = options.at(at).reserve(1 << 16).expect("free again");
    assert_eq!(there.as_ptr().addr(), at);
    let bad = [
        options.at(at + 0x1000),
        options.at(1),
        options.at(usize::MAX & !0xffff),
        options.at(at).alignment(1 << 16),
        options.alignment(3),
        options.alignment(4096),
        options.alignment(usize::MAX),
        options.below(100),
        options.below(usize::MAX),
        options.below(1 << 20).at_or_above(1 << 20),
        options.at_or_above(0x8000),
        options.at_or_above(usize::MAX & !0xffff),
        options.large_pages().write_watch(),
    ];
    for (nth, options) in bad.into_iter().enumerate() {
        assert_eq!(
            options.reserve(1 << 21).err(),
            Some(PageError::Invalid),
            "{nth}"
        );
    }
    let nowhere = options.below(1 << 17).reserve(1 << 20).err();
    assert_eq!(nowhere, Some(PageError::NoMemory));
    if let Some(large) = large_page_size() {
        let wrong = options.large_pages().reserve(large + 1).err();
        assert_eq!(wrong, Some(PageError::Invalid));
        match options.large_pages().reserve(large) {
            Err(PageError::NoMemory) => {}
            Err(PageError::Denied | PageError::Invalid) if cfg!(windows) => {}
            other => {
                let mut memory = other.expect("reserved");
                assert_eq!(memory.committed(), large);
                memory.bytes_mut(0..large).expect("open").fill(1);
                assert_eq!(memory.decommit(0..large), Err(PageError::Invalid));
                assert_eq!(memory.commit(0..large), Err(PageError::Invalid));
            }
        }
    }
}

#[test]
fn any_address_can_be_asked_about() {
    static CONSTANT: &str = "in the program";
    let page = page_size();
    let on_stack = 0u8;
    let told = query((&raw const on_stack).addr()).expect("told");
    assert_eq!(told.state, PageState::Committed);
    assert_eq!(
        (told.access, told.kind),
        (Some(PageAccess::ReadWrite), Some(PageKind::Private))
    );
    let told = query(CONSTANT.as_ptr().addr()).expect("told");
    assert_eq!(
        (told.state, told.kind),
        (PageState::Committed, Some(PageKind::Image))
    );
    let code = query(any_address_can_be_asked_about as fn() as usize).expect("told");
    assert_eq!(code.kind, Some(PageKind::Image));
    assert_eq!(code.access, Some(PageAccess::ReadExecute));
    let told = query(0).expect("told");
    assert_eq!(
        (told.state, told.access, told.kind),
        (PageState::Free, None, None)
    );
    assert_eq!((told.range.start, told.allocation), (0, 0));
    assert_eq!(query(usize::MAX), Err(PageError::Invalid));
    let mut memory = Reservation::new(4 * page).expect("reserved");
    let at = memory.as_ptr().addr();
    memory.commit(page..2 * page).expect("committed");
    let states: Vec<_> = (0..4)
        .map(|nth| query(at + nth * page + 1).expect("told"))
        .inspect(|told| assert_eq!(told.allocation, at))
        .map(|told| (told.range.start - at, told.range.end - at, told.state))
        .collect();
    assert_eq!(
        states,
        [
            (0, page, PageState::Reserved),
            (page, 2 * page, PageState::Committed),
            (2 * page, 4 * page, PageState::Reserved),
            (3 * page, 4 * page, PageState::Reserved),
        ]
    );
    drop(memory);
    let heap = ntheap::Heap::new().expect("a heap");
    let layout = std::alloc::Layout::new::<u64>();
    let block = heap.alloc(layout).expect("a block").as_ptr().addr();
    let told = query(block).expect("told");
    assert!(told.allocation != 0 && told.state == PageState::Committed);
    assert!(told.range.contains(&block));
}

#[test]
fn random_operations_show_what_a_model_says() {
    #[derive(Clone, Copy, PartialEq, Debug)]
    enum Page {
        Reserved,
        Open(u8),
        ReadOnly(u8),
        Guarded(u8),
        Offered(u8),
    }
    use Page::*;
    const PAGES: usize = 24;
    let page = page_size();
    let mut random = Random::new(5);
    let mut memory = Reservation::new(PAGES * page).expect("reserved");
    let mut model = [Reserved; PAGES];
    let is_offering = !lacks("OfferVirtualMemory");
    let takes = lacks("contents after MEM_RESET");
    #[cfg(unix)]
    assert!(most_mappings() > 1000, "room for mappings");
    for step in 0..6000 {
        let first = random.below(PAGES);
        let last = (first + 1 + random.below(6)).min(PAGES);
        let bytes = first * page..last * page;
        let part = &mut model[first..last];
        let holds = |page: Page| match page {
            Reserved => 0,
            Open(byte) | ReadOnly(byte) | Guarded(byte) | Offered(byte) => byte,
        };
        let is_committed = part.iter().all(|&page| page != Reserved);
        let is_offered = part.iter().any(|page| matches!(page, Offered(_)));
        let offers = part.iter().all(|page| matches!(page, Open(_) | Offered(_)));
        let changes = is_committed && !is_offered;
        let says = |can: bool, done: Result<(), PageError>| {
            assert_eq!(done.is_ok(), can, "step {step}: {done:?}");
            can
        };
        match random.below(9) {
            0 => {
                let byte = step as u8 | 1;
                memory.commit(bytes).expect("committed").fill(byte);
                part.fill(Open(byte));
            }
            1 => {
                memory.decommit(bytes).expect("decommitted");
                part.fill(Reserved);
            }
            2 if says(changes, memory.protect(bytes.clone(), PageAccess::Read)) => {
                part.iter_mut()
                    .for_each(|page| *page = ReadOnly(holds(*page)));
            }
            3 if says(
                changes,
                memory.protect(bytes.clone(), PageAccess::ReadWrite),
            ) =>
            {
                part.iter_mut().for_each(|page| *page = Open(holds(*page)));
            }
            4 if says(changes, memory.guard(bytes.clone(), PageAccess::ReadWrite)) => {
                part.iter_mut()
                    .for_each(|page| *page = Guarded(holds(*page)));
            }
            5 if is_offering && says(offers, memory.offer(bytes.clone())) => {
                part.iter_mut()
                    .for_each(|page| *page = Offered(holds(*page)));
            }
            6 => {
                let all = part.iter().all(|page| matches!(page, Offered(_)));
                if says(all, memory.reclaim(bytes.clone()).map(|kept| assert!(kept))) {
                    part.iter_mut().for_each(|page| *page = Open(holds(*page)));
                }
            }
            7 if !takes => {
                // What is not under pressure stays.
                memory.reset(bytes.clone()).expect("reset");
            }
            _ => {}
        }
        for (nth, &state) in model.iter().enumerate() {
            let bytes = nth * page..(nth + 1) * page;
            let shown = memory
                .bytes(bytes.clone())
                .map(|bytes| (bytes[0], bytes[page - 1]));
            let writes = memory.bytes_mut(bytes).is_ok();
            match state {
                Open(byte) => assert_eq!((shown, writes), (Ok((byte, byte)), true), "{step}"),
                ReadOnly(byte) => assert_eq!((shown, writes), (Ok((byte, byte)), false), "{step}"),
                _ => assert!(shown.is_err() && !writes, "{step}, page {nth}: {state:?}"),
            }
        }
    }
}

#[test]
fn pages_are_committed_with_any_access() {
    let page = page_size();
    let mut memory = Reservation::new(ACCESSES.len() * page).expect("reserved");
    for (nth, access) in ACCESSES.into_iter().enumerate() {
        let range = nth * page..(nth + 1) * page;
        memory.commit_as(range, access).expect("committed");
        let run = memory.query(nth * page).expect("inside");
        assert_eq!(run.access, Some(access));
    }
    assert_eq!(memory.committed(), ACCESSES.len() * page);
    memory.bytes_mut(2 * page..2 * page + 1).expect("open")[0] = 4;
    memory
        .commit_as(page..3 * page, PageAccess::Read)
        .expect("committed");
    assert_eq!(memory.bytes(2 * page..2 * page + 1), Ok(&[4][..]));
    assert!(memory.bytes_mut(2 * page..2 * page + 1).is_err());
    let refused = memory.commit_as(0..0, PageAccess::Read);
    assert_eq!(refused, Err(PageError::Invalid));
}

#[test]
fn caching_is_the_reservations_and_told() {
    let page = page_size();
    for caching in [Caching::Usual, Caching::None, Caching::WriteCombined] {
        let options = Reservation::options().caching(caching);
        let mut memory = options.reserve(2 * page).expect("reserved");
        memory.commit(0..page).expect("committed")[0] = 1;
        let told = query(memory.as_ptr().addr()).expect("told");
        if caching == Caching::Usual || !lacks("caching that it tells") {
            assert_eq!(told.caching, caching);
        }
        memory
            .protect(0..page, PageAccess::Read)
            .expect("protected");
        assert_eq!(memory.bytes(0..1), Ok(&[1][..]));
        assert!(options.placeholder(page).is_err() || caching == Caching::Usual);
    }
}

/// Pages that were reset and then given back were not taken by the system.
#[test]
fn what_was_given_back_was_not_taken() {
    let page = page_size();
    let mut memory = committed(4);
    memory.bytes_mut(0..4 * page).expect("open").fill(5);
    memory.reset(0..4 * page).expect("reset");
    memory.decommit(0..2 * page).expect("decommitted");
    memory.discard(2 * page..4 * page).expect("discarded");
    memory.commit(0..4 * page).expect("committed");
    assert_eq!(memory.undo_reset(0..4 * page), Ok(true));
    assert!(
        memory
            .bytes(0..4 * page)
            .expect("open")
            .iter()
            .all(|&byte| byte == 0)
    );
    assert_eq!(memory.lock(0..page), Ok(()));
}

/// What the system would not take back is given back with what comes after it.
#[cfg(unix)]
#[test]
fn what_could_not_be_dropped_goes_later() {
    use ntheap::sys::{Call, fault};
    if !alone("reservation::what_could_not_be_dropped_goes_later") {
        return;
    }
    let program = || account().get(Use::Program);
    let page = page_size();
    let before = program();
    let memory = committed(4);
    let section = Section::new(4 * page).expect("made");
    let view = section.map(0, 0, ViewAccess::Copy).expect("mapped");
    let places = [memory.as_ptr().addr(), view.as_ptr().addr()];
    let later = committed(1);
    fault::plan(0, 2, &[Call::Release]);
    drop(memory);
    drop(view);
    assert_eq!(fault::end(), (2, 2));
    // Nobody's any more, without memory, and still in the account.
    let left = program();
    assert_eq!(left.reserved, before.reserved + 9 * page);
    assert_eq!(left.committed, before.committed + 9 * page);
    for place in places {
        let there = Reservation::options().at(place).reserve(page).err();
        assert_eq!(there, Some(PageError::InUse));
    }
    drop(later);
    drop(section);
    assert_eq!(program(), before);
    for place in places {
        assert_eq!(query(place).expect("told").state, PageState::Free);
    }
}
