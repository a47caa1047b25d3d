//! Sections and views of `ntheap::vm`.

use crate::support::{alone, charged, lacks};
use ntheap::vm::*;
#[cfg(unix)]
use std::os::fd::AsRawFd;
#[cfg(windows)]
use std::os::windows::io::AsRawHandle;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

fn program() -> Line {
    account().get(Use::Program)
}

fn raw(file: &fs::File) -> RawFile {
    #[cfg(unix)]
    return file.as_raw_fd();
    #[cfg(windows)]
    file.as_raw_handle()
}

fn bytes_of(view: &View, offset: usize, length: usize) -> Vec<u8> {
    let mut bytes = vec![0xaa; length];
    view.read_bytes(offset, &mut bytes).expect("inside");
    bytes
}

#[test]
fn views_of_a_section_show_the_same_and_copies_their_own() {
    if !alone("views::views_of_a_section_show_the_same_and_copies_their_own") {
        return;
    }
    let page = page_size();
    let before = program();
    let section = Section::new(3 * page - 1).expect("made");
    assert_eq!(
        (section.size(), section.existed()),
        (3 * page as u64, false)
    );
    assert_eq!(program().committed, before.committed + charged(3 * page));
    let one = section.map(0, 0, ViewAccess::ReadWrite).expect("mapped");
    let copy = section.map(0, 2 * page, ViewAccess::Copy).expect("mapped");
    assert_eq!((one.size(), copy.size()), (3 * page, 2 * page));
    assert_eq!(program().committed, before.committed + charged(5 * page));
    let read = section.map(0, 1, ViewAccess::Read).expect("mapped");
    assert_eq!((read.size(), read.access()), (page, ViewAccess::Read));
    one.write_bytes(page - 2, b"abcd").expect("written");
    assert_eq!(bytes_of(&copy, page - 2, 4), b"abcd");
    copy.write(page, 0x1122_3344_u32.to_be()).expect("written");
    assert_eq!(bytes_of(&one, page - 2, 4), b"abcd");
    assert_eq!(bytes_of(&copy, page - 2, 4), b"ab\x11\x22");
    // A value lies anywhere.
    assert_eq!(one.read::<u16>(page - 1), Ok(u16::from_ne_bytes(*b"bc")));
    assert_eq!(one.read::<[u8; 3]>(page - 2), Ok(*b"abc"));
    assert_eq!(read.write(0, 1u8), Err(PageError::NotCommitted));
    // The section goes on while it has views.
    drop(section);
    one.write(0, 7u8).expect("written");
    assert_eq!(read.read::<u8>(0), Ok(7));
    let run = copy.query(page).expect("inside");
    assert_eq!(run.access, Some(PageAccess::ReadWrite));
    assert_eq!(read.query(page), None);
    assert_eq!(
        query(one.as_ptr().addr()).expect("told").kind,
        Some(PageKind::Mapped)
    );
    drop((one, copy, read));
    assert_eq!(program(), before);
}

#[test]
fn what_has_no_meaning_is_refused() {
    let page = page_size();
    for size in [0, usize::MAX, isize::MAX as usize + 1] {
        assert_eq!(
            Section::new(size).err(),
            Some(PageError::Invalid),
            "{size:#x}"
        );
    }
    let long = "x".repeat(261);
    for name in ["", "a\\b", "a\0b", &long] {
        let made = Section::options().named(name).create(page);
        assert_eq!(made.err(), Some(PageError::Invalid), "{name:?}");
        assert_eq!(
            Section::open(name).err(),
            Some(PageError::Invalid),
            "{name:?}"
        );
    }
    let section = Section::new(1 << 17).expect("made");
    let map = |offset, size| section.map(offset, size, ViewAccess::Read).err();
    for (offset, size) in [
        (1, 0),
        (4096, 0),
        (1 << 17, 0),
        (!0xffff, 0),
        (0, (1 << 17) + 1),
        (1 << 16, (1 << 16) + 1),
        (0, usize::MAX),
    ] {
        assert_eq!(
            map(offset, size),
            Some(PageError::Invalid),
            "{offset:#x} {size:#x}"
        );
    }
    let mut view = section
        .map(1 << 16, 0, ViewAccess::ReadWrite)
        .expect("mapped");
    let end = view.size();
    assert_eq!(end, 1 << 16);
    for offset in [end, end - 3, usize::MAX, usize::MAX - 2] {
        assert_eq!(
            view.read::<u32>(offset),
            Err(PageError::Invalid),
            "{offset:#x}"
        );
        assert_eq!(
            view.write(offset, 1u32),
            Err(PageError::Invalid),
            "{offset:#x}"
        );
    }
    view.write_bytes(end, &[]).expect("nothing");
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    for range in [
        0..0,
        5..2,
        0..end + 1,
        end..usize::MAX,
        usize::MAX..usize::MAX,
    ] {
        assert_eq!(
            view.flush(range.clone()),
            Err(PageError::Invalid),
            "{range:?}"
        );
        assert_eq!(
            view.commit(range.clone()),
            Err(PageError::Invalid),
            "{range:?}"
        );
    }
    // All of its pages are committed.
    assert_eq!(view.commit(0..1), Err(PageError::Invalid));
    // SAFETY: nothing is borrowed.
    unsafe {
        assert_eq!(view.atomic_u32(2).err(), Some(PageError::Invalid));
        assert_eq!(view.atomic_u64(4).err(), Some(PageError::Invalid));
        assert_eq!(view.atomic_u64(end).err(), Some(PageError::Invalid));
        assert_eq!(view.bytes(0..end + 1).err(), Some(PageError::Invalid));
        #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
        let backwards = view.bytes(5..4).err();
        assert_eq!(backwards, Some(PageError::Invalid));
    }
    // SAFETY: nobody else uses the section.
    let all = unsafe { view.bytes_mut(0..end) }.expect("inside");
    all.fill(3);
    assert_eq!(view.read::<u64>(8), Ok(0x0303_0303_0303_0303));
    let read = section.map(0, 0, ViewAccess::Read).expect("mapped");
    // SAFETY: nothing is borrowed.
    let shared = unsafe { read.atomic_u32(0) }.err();
    assert_eq!(shared, Some(PageError::NotCommitted));
    let refused = view.into_placeholder().expect_err("it took none's place");
    assert_eq!(refused.error, PageError::Invalid);
    assert_eq!(refused.kept.read::<u8>(0), Ok(3));
}

#[test]
fn a_reserved_section_is_committed_in_all_views_at_once() {
    let page = page_size();
    let section = Section::options().reserved().create(1 << 20).expect("made");
    let one = section.map(0, 0, ViewAccess::ReadWrite).expect("mapped");
    let other = section.map(1 << 16, 0, ViewAccess::Read).expect("mapped");
    assert_eq!(one.read::<u8>(0), Err(PageError::NotCommitted));
    assert_eq!(one.write(1 << 16, 5u8), Err(PageError::NotCommitted));
    // SAFETY: nothing is borrowed.
    assert!(unsafe { one.atomic_u32(0) }.is_err());
    let (first, last) = ((1 << 16) + page, (1 << 16) + 2 * page - 1);
    one.commit(first..last).expect("committed");
    one.write(first, 9u8).expect("written");
    assert_eq!(other.read::<u8>(page), Ok(9));
    assert_eq!(
        other.read::<[u8; 2]>(2 * page - 1),
        Err(PageError::NotCommitted)
    );
    assert_eq!(other.query(page).expect("inside").range, page..2 * page);
    other
        .commit(0..1)
        .expect("committed by a view that is read");
    one.write(1 << 16, 4u8).expect("written");
    assert_eq!(other.read::<u8>(0), Ok(4));
    let late = section.map(0, 0, ViewAccess::ReadWrite).expect("mapped");
    assert_eq!(late.read::<u8>(first), Ok(9));
    assert_eq!(late.read::<u8>(0), Err(PageError::NotCommitted));
}

#[test]
fn a_files_contents_are_read_written_and_copied() {
    let path = std::env::temp_dir().join(format!("ntheap-section-{}", std::process::id()));
    fs::write(&path, b"0123456789").expect("written");
    let read = fs::File::open(&path).expect("opened");
    let both = fs::File::options()
        .read(true)
        .write(true)
        .open(&path)
        .expect("opened");
    let write = fs::File::options().write(true).open(&path).expect("opened");
    let of = |file: &fs::File, size, writes| {
        // SAFETY: the descriptor is the file's, which is open.
        unsafe { SectionOptions::new().of_file(raw(file), size, writes) }
    };
    assert_eq!(of(&read, 0, true).err(), Some(PageError::Denied));
    assert_eq!(of(&write, 0, true).err(), Some(PageError::Denied));
    assert_eq!(of(&read, 11, false).err(), Some(PageError::Invalid));
    // Refused for its name, it is no longer than it was.
    let options = SectionOptions::new().named("no\\name");
    // SAFETY: as above.
    let named = unsafe { options.of_file(raw(&both), 16, true) }.err();
    assert_eq!(named, Some(PageError::Invalid));
    assert_eq!(fs::metadata(&path).expect("there").len(), 10);
    #[cfg(unix)]
    {
        let folder = fs::File::open(std::env::temp_dir()).expect("opened");
        assert_eq!(of(&folder, 0, false).err(), Some(PageError::Invalid));
    }
    #[cfg(unix)]
    let nobodys = -1;
    #[cfg(windows)]
    let nobodys = std::ptr::without_provenance_mut(0x7ff0);
    // SAFETY: nobody has the number.
    let closed = unsafe { SectionOptions::new().of_file(nobodys, 0, false) }.err();
    assert_eq!(closed, Some(PageError::Invalid));
    let section = of(&read, 0, false).expect("made");
    assert_eq!(section.size(), 10);
    let denied = section.map(0, 0, ViewAccess::ReadWrite).err();
    assert_eq!(denied, Some(PageError::Denied));
    let copy = section.map(0, 0, ViewAccess::Copy).expect("mapped");
    copy.write_bytes(0, b"copy").expect("written");
    assert_eq!(bytes_of(&copy, 0, 11), b"copy456789\0");
    copy.flush(0..1).expect("nothing to write");
    // A file that may be written to grows.
    let longer = of(&both, 16, true).expect("made");
    assert_eq!(fs::metadata(&path).expect("there").len(), 16);
    drop((read, both, write));
    let view = longer.map(0, 0, ViewAccess::ReadWrite).expect("mapped");
    view.write_bytes(9, b"written").expect("written");
    view.flush(0..view.size()).expect("flushed");
    assert_eq!(fs::read(&path).expect("read"), b"012345678written");
    // On Windows nobody shortens what has views.
    drop((view, copy, section, longer));
    fs::write(&path, b"").expect("emptied");
    let empty = fs::File::open(&path).expect("opened");
    assert_eq!(of(&empty, 0, false).err(), Some(PageError::Invalid));
    drop(empty);
    fs::remove_file(&path).expect("removed");
}

/// The name lives with those that hold the section, not with views, and is found by another
/// process, also after its first holder was killed.
#[test]
fn a_name_lives_as_long_as_its_holders() {
    const MARK: &str = "PAGES_NAME";
    if let Ok(name) = std::env::var(MARK) {
        let section = Section::open(&name).expect("opened");
        assert!(section.existed());
        let view = section.map(0, 0, ViewAccess::ReadWrite).expect("mapped");
        assert_eq!(view.read::<u32>(4), Ok(77));
        view.write(8, 78u32).expect("written");
        // SAFETY: these bytes are counted by this function alone.
        let count = unsafe { view.atomic_u64(16) }.expect("inside");
        count.fetch_add(1, Ordering::Relaxed);
        // Killed, not ended.
        // SAFETY: ends the process.
        #[cfg(unix)]
        unsafe {
            libc::raise(libc::SIGKILL)
        };
        std::process::abort();
    }
    let name = format!("ntheap views {} é", std::process::id());
    assert_eq!(Section::open(&name).err(), Some(PageError::NotFound));
    let section = Section::options().named(&name).create(4096).expect("made");
    let view = section.map(0, 0, ViewAccess::ReadWrite).expect("mapped");
    view.write(4, 77u32).expect("written");
    // Whatever is asked for, it is what it was.
    let again = Section::options()
        .named(&name)
        .create(1 << 20)
        .expect("opened");
    assert_eq!((again.existed(), again.size()), (true, section.size()));
    for _ in 0..2 {
        let ended = Command::new(std::env::current_exe().expect("this program"))
            .args(["views::a_name_lives_as_long_as_its_holders", "--exact"])
            .env(MARK, &name)
            .output()
            .expect("started");
        #[cfg(unix)]
        {
            use std::os::unix::process::ExitStatusExt;
            assert_eq!(ended.status.signal(), Some(libc::SIGKILL), "{ended:?}");
        }
        assert!(!ended.status.success(), "{ended:?}");
    }
    assert_eq!(view.read::<u32>(8), Ok(78));
    assert_eq!(view.read::<u64>(16), Ok(2));
    drop(section);
    drop(Section::open(&name).expect("still held"));
    drop(again);
    assert_eq!(Section::open(&name).err(), Some(PageError::NotFound));
    assert_eq!(view.read::<u32>(8), Ok(78));
    let fresh = Section::options().named(&name).create(4096).expect("made");
    assert!(!fresh.existed());
}

#[test]
fn a_view_takes_a_placeholders_place_and_gives_it_back() {
    if lacks("placeholders") {
        return;
    }
    let page = page_size();
    let section = Section::new(4 * page).expect("made");
    let (low, high) = Placeholder::new(6 * page)
        .expect("reserved")
        .split(2 * page)
        .expect("split");
    let at = low.address();
    let refused = low.map(&section, 1, ViewAccess::Read).expect_err("no page");
    assert_eq!(refused.error, PageError::Invalid);
    let refused = refused
        .kept
        .map(&section, 3 * page as u64, ViewAccess::Read);
    let refused = refused.expect_err("beyond the section");
    assert_eq!(refused.error, PageError::Invalid);
    let low = refused
        .kept
        .map(&section, 2 * page as u64, ViewAccess::ReadWrite)
        .expect("mapped");
    let high = high.map(&section, 0, ViewAccess::Read).expect("mapped");
    assert_eq!(
        (low.as_ptr().addr(), high.as_ptr().addr()),
        (at, at + 2 * page)
    );
    low.write(0, 5u64).expect("written");
    assert_eq!(high.read::<u64>(2 * page), Ok(5));
    let low = low.into_placeholder().expect("left");
    let high = high.into_placeholder().expect("left");
    let whole = low.join(high).expect("joined");
    assert_eq!((whole.address(), whole.size()), (at, 6 * page));
}

#[test]
fn threads_read_and_write_one_view() {
    let section = Section::new(1 << 16).expect("made");
    let view = section.map(0, 0, ViewAccess::ReadWrite).expect("mapped");
    thread::scope(|scope| {
        for own in 0..4u8 {
            let view = &view;
            scope.spawn(move || {
                for round in 0..500 {
                    view.write_bytes(0, &[own; 64]).expect("written");
                    let mut seen = [9; 64];
                    view.read_bytes(0, &mut seen).expect("read");
                    assert!(seen.iter().all(|&byte| byte < 4), "round {round}");
                }
            });
        }
    });
}

#[test]
fn pages_of_a_view_have_rights_of_their_own() {
    if !alone("views::pages_of_a_view_have_rights_of_their_own") {
        return;
    }
    static RANG: AtomicUsize = AtomicUsize::new(0);
    fn ring(_: *mut u8) -> bool {
        RANG.fetch_add(1, Ordering::Relaxed);
        true
    }
    let page = page_size();
    let section = Section::new(4 * page).expect("made");
    let mut one = section.map(0, 0, ViewAccess::ReadWrite).expect("mapped");
    let other = section.map(0, 0, ViewAccess::ReadWrite).expect("mapped");
    one.protect(page..2 * page, PageAccess::Read)
        .expect("protected");
    assert_eq!(one.write(page, 1u8), Err(PageError::NotCommitted));
    assert_eq!(one.read::<u8>(page), Ok(0));
    assert_eq!(
        one.query(page).expect("inside").access,
        Some(PageAccess::Read)
    );
    // Another view's are its own.
    other.write(page, 7u8).expect("written");
    assert_eq!(one.read::<u8>(page), Ok(7));
    one.protect(0..page, PageAccess::None).expect("protected");
    assert_eq!(one.read::<u8>(0), Err(PageError::NotCommitted));
    assert_eq!(one.read::<[u8; 2]>(page - 1), Err(PageError::NotCommitted));
    one.guard(2 * page..3 * page, PageAccess::ReadWrite)
        .expect("guarded");
    assert!(one.query(2 * page).expect("inside").is_guard);
    assert_eq!(one.write(2 * page, 1u8), Err(PageError::NotCommitted));
    // SAFETY: the handler counts.
    unsafe { set_guard_handler(Some(ring)) }.expect("set");
    let at = one.as_ptr().wrapping_add(2 * page);
    // SAFETY: the page is the view's; the handler goes on.
    unsafe { at.write_volatile(5) };
    assert_eq!(RANG.load(Ordering::Relaxed), 1);
    assert_eq!(other.read::<u8>(2 * page), Ok(5));
    one.write(2 * page, 6u8).expect("no guard any more");
    one.lock(3 * page..4 * page).expect("locked");
    one.unlock(3 * page..4 * page).expect("unlocked");
    one.prefetch(0..4 * page).expect("a hint");
    // What a view was not made for it does not get.
    let refused = [
        one.protect(0..page, PageAccess::ReadExecute),
        one.guard(0..page, PageAccess::ReadWriteExecute),
    ];
    assert_eq!(refused, [Err(PageError::Denied); 2]);
    let mut read = section.map(0, 0, ViewAccess::Read).expect("mapped");
    let refused = read.protect(0..page, PageAccess::ReadWrite);
    assert_eq!(refused, Err(PageError::Denied));
    assert_eq!(
        one.guard(0..page, PageAccess::None),
        Err(PageError::Invalid)
    );
    #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
    for range in [0..0, 2..1, 0..4 * page + 1, usize::MAX..usize::MAX] {
        let refused = [
            one.protect(range.clone(), PageAccess::Read),
            one.guard(range.clone(), PageAccess::Read),
            one.lock(range.clone()),
            one.unlock(range.clone()),
            one.prefetch(range.clone()),
        ];
        assert_eq!(refused, [Err(PageError::Invalid); 5], "{range:?}");
    }
    // A copy stays one.
    let mut copy = section.map(0, 0, ViewAccess::Copy).expect("mapped");
    copy.protect(0..page, PageAccess::Read).expect("protected");
    assert_eq!(copy.write(0, 1u8), Err(PageError::NotCommitted));
    copy.protect(0..page, PageAccess::ReadWrite)
        .expect("protected");
    copy.write(0, 9u8).expect("written");
    assert_eq!(other.read::<u8>(0), Ok(0));
    assert_eq!(copy.read::<u8>(0), Ok(9));
}

/// `mov eax, 42; ret`, or the same for another processor.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn code_runs_in_an_executable_view() {
    #[cfg(target_arch = "x86_64")]
    let code: &[u8] = &[0xb8, 42, 0, 0, 0, 0xc3];
    #[cfg(target_arch = "aarch64")]
    let code: &[u8] = &[0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6];
    let plain = Section::new(page_size()).expect("made");
    for access in [ViewAccess::ReadExecute, ViewAccess::ReadWriteExecute] {
        let denied = plain.map(0, 0, access).err();
        assert_eq!(denied, Some(PageError::Denied), "{access:?}");
    }
    let section = Section::options()
        .executable()
        .create(page_size())
        .expect("made");
    let write = section.map(0, 0, ViewAccess::ReadWrite).expect("mapped");
    write.write_bytes(0, code).expect("written");
    let mut run = section.map(0, 0, ViewAccess::ReadExecute).expect("mapped");
    assert_eq!(run.write(0, 0u8), Err(PageError::NotCommitted));
    assert_eq!(
        run.query(0).expect("inside").access,
        Some(PageAccess::ReadExecute)
    );
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: the view has the code of such a function.
        let answer =
            unsafe { std::mem::transmute::<*mut u8, extern "C" fn() -> i32>(run.as_ptr()) };
        assert_eq!(answer(), 42);
    }
    run.protect(0..1, PageAccess::Read).expect("protected");
    run.protect(0..1, PageAccess::ReadExecute)
        .expect("protected");
    let both = section.map(0, 0, ViewAccess::ReadWriteExecute);
    both.expect("mapped").write(0, code[0]).expect("written");
}

#[test]
fn a_view_lies_where_it_is_asked_to() {
    // What is free here stays free until it is asked for, where there is nobody else.
    if !alone("views::a_view_lies_where_it_is_asked_to") {
        return;
    }
    let section = Section::new(1 << 17).expect("made");
    let options = ReserveOptions::new();
    let first = section.map(0, 0, ViewAccess::ReadWrite).expect("mapped");
    let at = first.as_ptr().addr();
    let taken = options.at(at).map(&section, 0, 0, ViewAccess::Read).err();
    assert_eq!(taken, Some(PageError::InUse));
    let place = Reservation::new(1 << 17).expect("reserved");
    let free = place.as_ptr().addr();
    drop(place);
    let there = options.at(free).map(&section, 1 << 16, 0, ViewAccess::Read);
    let there = there.expect("free again");
    assert_eq!((there.as_ptr().addr(), there.size()), (free, 1 << 16));
    first.write(1 << 16, 3u32).expect("written");
    assert_eq!(there.read::<u32>(0), Ok(3));
    let low = options.below(1 << 32).alignment(1 << 20);
    match low.map(&section, 0, 1, ViewAccess::Read) {
        Err(PageError::Unsupported | PageError::Invalid) if lacks("bounds of MapViewOfFile3") => {}
        other => {
            let at = other.expect("mapped").as_ptr().addr();
            assert!(at < 1 << 32 && at.is_multiple_of(1 << 20), "{at:#x}");
        }
    }
    let bad = [
        options.at(at + 1),
        options.alignment(3),
        options.large_pages(),
        options.write_watch(),
        options.caching(Caching::None),
        options.at(1 << 16).below(1 << 32),
    ];
    for (nth, options) in bad.into_iter().enumerate() {
        let refused = options.map(&section, 0, 0, ViewAccess::Read).err();
        assert_eq!(refused, Some(PageError::Invalid), "{nth}");
    }
    let refused = options.map(&section, 4096, 0, ViewAccess::Read).err();
    assert_eq!(refused, Some(PageError::Invalid));
}

#[test]
fn a_name_that_leads_to_another_section_leaves_a_file_as_it_is() {
    let own = std::process::id();
    let path = std::env::temp_dir().join(format!("ntheap-not-longer-{own}"));
    fs::write(&path, b"0123456789").expect("written");
    let both = fs::File::options().read(true).write(true).open(&path);
    let both = both.expect("opened");
    let name = format!("ntheap not longer {own}");
    let first = Section::options().named(&name).create(4096).expect("made");
    let options = Section::options().named(&name);
    // SAFETY: the file is open.
    let again = unsafe { options.of_file(raw(&both), 1 << 20, true) }.expect("opened");
    assert_eq!((again.existed(), again.size()), (true, first.size()));
    // Wine makes it longer first.
    if !lacks("names that are looked up first") {
        assert_eq!(both.metadata().expect("there").len(), 10);
    }
    drop((first, again));
    // SAFETY: as above.
    let own = unsafe { options.of_file(raw(&both), 1 << 20, true) }.expect("made");
    assert_eq!((own.existed(), own.size()), (false, 1 << 20));
    assert_eq!(both.metadata().expect("there").len(), 1 << 20);
    drop((own, both));
    fs::remove_file(&path).expect("removed");
}

#[test]
fn a_files_last_page_takes_a_placeholders_place() {
    if lacks("placeholders") {
        return;
    }
    let page = page_size();
    let path = std::env::temp_dir().join(format!("ntheap-last-{}", std::process::id()));
    fs::write(&path, vec![6; 2 * page + 10]).expect("written");
    let file = fs::File::open(&path).expect("opened");
    // SAFETY: the file is open.
    let section = unsafe { Section::options().of_file(raw(&file), 0, false) }.expect("made");
    let place = Placeholder::new(3 * page).expect("reserved");
    let (low, high) = place.split(page).expect("split");
    let refused = low.map(&section, 2 * page as u64 + 1, ViewAccess::Read);
    let low = refused.expect_err("no page").kept;
    let low = low.map(&section, 2 * page as u64, ViewAccess::Read);
    let low = low.expect("the last page");
    assert_eq!(bytes_of(&low, 8, 4), [6, 6, 0, 0]);
    let refused = high.map(&section, 2 * page as u64, ViewAccess::Read);
    let refused = refused.expect_err("a page too many");
    assert_eq!(refused.error, PageError::Invalid);
    let high = refused.kept.map(&section, page as u64, ViewAccess::Read);
    assert_eq!(high.expect("both pages").size(), 2 * page);
    fs::remove_file(&path).expect("removed");
}

#[test]
fn a_section_of_large_pages_is_large_whole() {
    let Some(large) = large_page_size() else {
        return;
    };
    let options = Section::options().large_pages();
    let refused = [
        options.create(large + 1).err(),
        options.reserved().create(large).err(),
    ];
    assert_eq!(refused, [Some(PageError::Invalid); 2]);
    if lacks("large pages") {
        return;
    }
    let section = match options.create(large) {
        Err(PageError::NoMemory) => return,
        Err(PageError::Denied | PageError::Invalid) if cfg!(windows) => return,
        other => other.expect("made"),
    };
    let view = section.map(0, 0, ViewAccess::ReadWrite).expect("mapped");
    assert!(view.as_ptr().addr().is_multiple_of(large));
    view.write(large - 8, 5u64).expect("written");
    let copy = section.map(0, 0, ViewAccess::Copy).err();
    assert_eq!(copy, Some(PageError::Invalid));
}
