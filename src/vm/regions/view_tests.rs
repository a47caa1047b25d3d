use super::*;
use crate::vm::{page_size, sections};
use core::sync::atomic::{AtomicU64, Ordering};
use std::boxed::Box;

const ANYWHERE: Whereabouts = Whereabouts {
    address: 0,
    lowest: 0,
    limit: 0,
    alignment: 0,
    top_down: false,
    replaces: false,
};

fn at(address: usize) -> Whereabouts {
    Whereabouts {
        address,
        ..ANYWHERE
    }
}

fn exactly(address: usize) -> Whereabouts {
    Whereabouts {
        replaces: true,
        ..at(address)
    }
}

/// The address of what was reserved.
fn reserve(at: &Whereabouts, size: usize, request: &Request) -> Result<usize, Refusal> {
    super::reserve(at, size, request).map(|done| done.0)
}

const PLACEHOLDER: Request = Request {
    kind: Kind::Placeholder,
    ..Request::private(Protect::NONE)
};

fn byte(address: usize) -> *mut u8 {
    pointer(address)
}

/// The area of an address: its pages' numbers from `base` on, and its kind.
fn area(base: usize, page_number: usize) -> (usize, usize, Kind) {
    let page = page_size();
    let area = find(base + page_number * page).expect("reserved").area;
    (
        (area.start - base) / page,
        (area.end - base) / page,
        area.kind,
    )
}

#[test]
fn placeholders_are_split_replaced_turned_back_and_joined() {
    let page = page_size();
    let base = reserve(&ANYWHERE, 8 * page, &PLACEHOLDER).expect("reserved");
    let write = Protect::READ_WRITE;
    assert_eq!(commit(base, page, write), Err(Refusal::Conflict));
    let plain = Request::private(write).committed();
    assert_eq!(reserve(&at(base), page, &plain), Err(Refusal::Conflict));
    assert_eq!(
        reserve(&exactly(base), page, &plain),
        Err(Refusal::Conflict)
    );
    // SAFETY: nobody uses any of these pages but where the test says so.
    unsafe {
        assert_eq!(split_placeholder(base, 8 * page), Err(Refusal::Conflict));
        assert_eq!(split_placeholder(base, 9 * page), Err(Refusal::Conflict));
        assert_eq!(split_placeholder(base, 0), Err(Refusal::Invalid));
        let middle = base + 2 * page;
        assert_eq!(split_placeholder(middle, 3 * page), Ok((middle, 3 * page)));
        assert_eq!(area(base, 1), (0, 2, Kind::Placeholder));
        assert_eq!(area(base, 2), (2, 5, Kind::Placeholder));
        assert_eq!(area(base, 5), (5, 8, Kind::Placeholder));
        assert_eq!(reserve(&exactly(middle), 3 * page, &plain), Ok(middle));
        assert_eq!(area(base, 4), (2, 5, Kind::Private));
        *byte(middle + 2 * page) = 7;
        assert_eq!(coalesce(base, 8 * page), Err(Refusal::Conflict));
        assert_eq!(split_placeholder(middle, page), Err(Refusal::Conflict));
        assert_eq!(split_placeholder(middle, 3 * page), Ok((middle, 3 * page)));
        assert_eq!(coalesce(base, 2 * page), Err(Refusal::Conflict));
        assert_eq!(coalesce(base, 6 * page), Err(Refusal::Conflict));
        assert_eq!(coalesce(base, 0), Err(Refusal::Invalid));
        assert_eq!(coalesce(base, 8 * page), Ok((base, 8 * page)));
        assert_eq!(area(base, 3), (0, 8, Kind::Placeholder));
        assert_eq!(reserve(&exactly(base), 8 * page, &plain), Ok(base));
        assert_eq!(*byte(middle + 2 * page), 0);
        assert_eq!(release(base), Ok((base, 8 * page)));
    }
    assert_eq!(find(base), None);
}

#[test]
fn what_is_left_of_an_area_are_areas() {
    let page = page_size();
    let write = Protect::READ_WRITE;
    let request = Request::private(write).committed();
    let base = reserve(&ANYWHERE, 10 * page, &request).expect("reserved");
    // SAFETY: nobody uses the pages that are ended.
    unsafe {
        *byte(base + 9 * page) = 9;
        let part = base + 3 * page;
        assert_eq!(release_part(part, 8 * page), Err(Refusal::PastTheEnd));
        assert_eq!(release_part(part + 1, page), Ok((part, 2 * page)));
        assert_eq!(area(base, 2), (0, 3, Kind::Private));
        assert_eq!(area(base, 5), (5, 10, Kind::Private));
        assert_eq!(find(part), None);
        assert_eq!(release_part(base, page), Ok((base, page)));
        assert_eq!(area(base, 1), (1, 3, Kind::Private));
        assert_eq!(
            release_part(base + 2 * page, page),
            Ok((base + 2 * page, page))
        );
        assert_eq!(area(base, 1), (1, 2, Kind::Private));
        assert_eq!(release_part(base + page, page), Ok((base + page, page)));
        assert_eq!(*byte(base + 9 * page), 9);
        assert_eq!(release(base + 5 * page), Ok((base + 5 * page, 5 * page)));
    }
}

/// A section of the tests: a file in memory, the bits of its pages behind the count
/// of their changes, and what this process has of it.
struct Section {
    file: i32,
    words: Box<[AtomicU64]>,
    token: usize,
}

impl Section {
    fn new(pages: usize) -> Section {
        // SAFETY: a constant name; the file is this section's.
        let file = unsafe {
            let file = libc::memfd_create(c"section".as_ptr(), libc::MFD_CLOEXEC);
            assert_eq!(
                libc::ftruncate(file, (pages * page_size()) as libc::off_t),
                0
            );
            file
        };
        Section {
            file,
            words: (0..pages.div_ceil(64) + 1)
                .map(|_| AtomicU64::new(0))
                .collect(),
            token: sections::new_own(),
        }
    }

    /// A view of it, from a page on, whose pages are committed one by one.
    fn view(&self, first: usize) -> View {
        View {
            section: 78,
            offset: (first * page_size()) as u64,
            commits: self.words[1..].as_ptr().expose_provenance(),
            token: self.token,
            file: self.file,
            charged: 0,
            seen: 0,
            next: 0,
        }
    }

    /// Commits pages as another process does: these bits of a word.
    fn commit_elsewhere(&self, word: usize, bits: u64) {
        self.words[word + 1].fetch_or(bits, Ordering::Relaxed);
        self.words[0].fetch_add(1, Ordering::Release);
    }

    fn map(&self, at: &Whereabouts, view: View, size: usize) -> Result<usize, Refusal> {
        insert_view(at, size, view, Protect::READ_WRITE, false, |base| {
            let rights = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_SHARED | libc::MAP_FIXED;
            let offset = view.offset as libc::off_t;
            // SAFETY: the range was reserved for the view just now.
            let got = unsafe { libc::mmap(base.cast(), size, rights, flags, self.file, offset) };
            got == base.cast()
        })
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        // SAFETY: the file and the record are this section's, which has no views now.
        unsafe {
            libc::close(self.file);
            sections::end_own(self.token);
        }
    }
}

#[test]
fn a_view_is_an_area_that_can_replace_a_placeholder() {
    let page = page_size();
    let section = Section::new(4);
    let view = View {
        section: 77,
        offset: page as u64,
        commits: 0,
        token: 5,
        file: section.file,
        charged: 0,
        seen: 0,
        next: 0,
    };
    let base = section.map(&ANYWHERE, view, 2 * page).expect("mapped");
    assert_eq!(area(base, 1), (0, 2, Kind::View(view)));
    assert_eq!(
        find(base).expect("a view").committed,
        Some(Protect::READ_WRITE)
    );
    let run = Protect::EXECUTE_READ;
    assert_eq!(protect(base, page, run), Err(Refusal::Protection));
    let old = Protect::READ_WRITE;
    assert_eq!(protect(base, page, Protect::READ), Ok((base, page, old)));
    assert_eq!(find(base).expect("a view").end, base + page);
    assert_eq!(commit(base, page, old), Err(Refusal::IsCommitted));
    // SAFETY: refused, or nobody uses the pages.
    unsafe {
        assert_eq!(release(base), Err(Refusal::IsView));
        assert_eq!(decommit(base, page), Err(Refusal::IsView));
        assert!(matches!(drop_view(base, true), Err(Refusal::Conflict)));
        let hole = reserve(&ANYWHERE, 2 * page, &PLACEHOLDER).expect("reserved");
        let second = section.map(&exactly(hole), view, 2 * page).expect("mapped");
        assert_eq!(second, hole);
        *byte(base + page) = 3;
        assert_eq!(*byte(hole + page), 3);
        let both = [base, hole].map(|start| view_at(start).expect("a view").0.token);
        assert_eq!(both, [5, 5]);
        let (dropped, _) = drop_view(hole + page, true).expect("dropped");
        assert_eq!(dropped, view);
        assert_eq!(area(hole, 1), (0, 2, Kind::Placeholder));
        assert_eq!(release(hole), Ok((hole, 2 * page)));
        assert!(drop_view(base + page, false).is_ok());
    }
    assert_eq!(view_at(base), None);
}

#[test]
fn committing_in_one_view_shows_in_all() {
    let page = page_size();
    let section = Section::new(200);
    let one = section
        .map(&ANYWHERE, section.view(0), 200 * page)
        .expect("mapped");
    let two = section
        .map(&ANYWHERE, section.view(100), 50 * page)
        .expect("mapped");
    assert_eq!(find(one).expect("a view").committed, None);
    let write = Protect::READ_WRITE;
    assert_eq!(
        commit(one + 90 * page, 20 * page, write).map(|done| done.1),
        Ok(20 * page)
    );
    let told = find(two).expect("a view");
    assert_eq!((told.committed, told.end), (Some(write), two + 10 * page));
    let told = find(one + 89 * page).expect("a view");
    assert_eq!(
        (told.start, told.end, told.committed),
        (one, one + 90 * page, None)
    );
    // SAFETY: pages 90 to 109 are committed; nobody uses the views afterwards.
    unsafe {
        *byte(one + 105 * page) = 9;
        assert_eq!(*byte(two + 5 * page), 9);
        // Another process commits pages 120 to 129, and 149.
        section.commit_elsewhere(1, 0xff << (120 - 64));
        section.commit_elsewhere(2, 3 | 1 << (149 - 128));
        let told = find(two + 25 * page).expect("a view");
        assert_eq!(told.committed, Some(write));
        assert_eq!((told.start, told.end), (two + 20 * page, two + 30 * page));
        assert_eq!(
            find(two + 49 * page).expect("a view").committed,
            Some(write)
        );
        let three = section
            .map(&ANYWHERE, section.view(108), 5 * page)
            .expect("mapped");
        assert_eq!(find(three).expect("a view").end, three + 2 * page);
        // A touch finds what was committed around it, before it is counted.
        assert_eq!(find(one + 133 * page).expect("a view").committed, None);
        section.words[3].fetch_or(3 << (133 - 128), Ordering::Relaxed);
        assert_eq!(find(one + 133 * page).expect("a view").committed, None);
        assert_eq!(touched(one + 132 * page, Access::Read), Touched::Barred);
        assert_eq!(touched(one + 133 * page, Access::Read), Touched::Ready);
        let told = find(one + 133 * page).expect("a view");
        assert_eq!((told.start, told.end), (one + 133 * page, one + 135 * page));
        // The views are forgotten in any order, and none is missed.
        assert!(drop_view(two, false).is_ok());
        commit(one + 108 * page, 4 * page, write).expect("committed");
        assert_eq!(find(three).expect("a view").end, three + 4 * page);
        for view in [one, three] {
            assert!(drop_view(view, false).is_ok());
        }
    }
}

#[test]
fn a_commit_in_a_view_gives_its_pages_a_protection() {
    let page = page_size();
    let section = Section::new(16);
    let map = |first: usize| section.map(&ANYWHERE, section.view(first), 8 * page);
    let (one, two) = (map(0).expect("mapped"), map(0).expect("mapped"));
    let (read, write) = (Protect::READ, Protect::READ_WRITE);
    let at = |base: usize, number: usize| find(base + number * page).expect("a view").committed;
    commit(one, 2 * page, read).expect("committed");
    assert_eq!([at(one, 0), at(two, 0)], [Some(read), Some(write)]);
    // What is committed already gets the protection in this view only.
    commit(one + page, 2 * page, write).expect("committed");
    protect(two + page, page, Protect::NONE).expect("protected");
    commit(one + page, 3 * page, read).expect("committed");
    let told = [0, 1, 2, 3, 4].map(|number| (at(one, number), at(two, number)));
    let expected = [
        (Some(read), Some(write)),
        (Some(read), Some(Protect::NONE)),
        (Some(read), Some(write)),
        (Some(read), Some(write)),
        (None, None),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        commit(one, page, Protect::EXECUTE_READ),
        Err(Refusal::Protection)
    );
    // SAFETY: the page is committed and writable; nobody uses the views afterwards.
    unsafe {
        *byte(two + 3 * page) = 4;
        assert_eq!(*byte(one + 3 * page), 4);
        for view in [one, two] {
            assert!(drop_view(view, false).is_ok());
        }
    }
}
