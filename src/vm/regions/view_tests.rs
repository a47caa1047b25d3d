use super::*;
use crate::vm::page_size;
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

/// A section of the tests: a file in memory, and the bits of its pages.
struct Section {
    file: i32,
    commits: Box<[AtomicU64]>,
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
            commits: (0..pages.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn map(&self, at: &Whereabouts, view: View, size: usize) -> Result<usize, Refusal> {
        insert_view(at, size, view, Protect::READ_WRITE, |base| {
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
        // SAFETY: the file is this section's.
        unsafe { libc::close(self.file) };
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
    let view = |first: usize| View {
        section: 78,
        offset: (first * page) as u64,
        commits: section.commits.as_ptr().expose_provenance(),
        token: 0,
    };
    let one = section.map(&ANYWHERE, view(0), 200 * page).expect("mapped");
    let two = section
        .map(&ANYWHERE, view(100), 50 * page)
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
        section.commits[1].fetch_or(0xff << (120 - 64), Ordering::Relaxed);
        section.commits[2].fetch_or(3 | 1 << (149 - 128), Ordering::Relaxed);
        let told = find(two + 25 * page).expect("a view");
        assert_eq!(told.committed, Some(write));
        assert_eq!((told.start, told.end), (two + 20 * page, two + 30 * page));
        assert_eq!(
            find(two + 49 * page).expect("a view").committed,
            Some(write)
        );
        let three = section.map(&ANYWHERE, view(108), 5 * page).expect("mapped");
        assert_eq!(find(three).expect("a view").end, three + 2 * page);
        for view in [one, two, three] {
            assert!(drop_view(view, false).is_ok());
        }
    }
}
