//! What functions of pages document as errors, one by one: a test for each source.

use crate::physical::allow;
use crate::support::alone;
use ntheap::sys::{Call, fault};
use ntheap::vm::*;
use ntheap::win32::{
    _get_osfhandle, AllocateUserPhysicalPages, ERROR_COMMITMENT_LIMIT, ERROR_NO_SYSTEM_RESOURCES,
    FALSE, FlushViewOfFile, GetCurrentProcess, GetLastError, MEM_COMMIT, MEM_LARGE_PAGES,
    MEM_RESERVE, NtAllocateVirtualMemory, NtCreateSection, PAGE_READWRITE, SEC_COMMIT,
    SECTION_ALL_ACCESS, STATUS_DISK_FULL, STATUS_INSUFFICIENT_RESOURCES,
};
use std::fs;
use std::os::fd::AsRawFd;

/// What `act` says while the first of its calls of these kinds is refused by the system.
fn refused<T>(kinds: &[Call], act: impl FnOnce() -> T) -> T {
    fault::plan(0, 1, kinds);
    let said = act();
    let (_, struck) = fault::end();
    assert_eq!(struck, 1, "nothing was refused");
    said
}

/// What `act` says where no more may be committed.
fn at_the_limit<T>(act: impl FnOnce() -> T) -> T {
    set_commit_limit(account().total().committed);
    let said = act();
    set_commit_limit(usize::MAX);
    said
}

/// What `make` says where a file cannot be made longer: each of its calls that have to do with
/// files is refused in turn, one of which makes it so.
fn full<T, E: PartialEq + Copy>(make: impl Fn(&fs::File) -> Result<T, E>, want: E) -> bool {
    let path = std::env::temp_dir().join(format!("ntheap-full-{}", std::process::id()));
    let was = (0..20).any(|nth| {
        fs::write(&path, [1; 10]).expect("written");
        let file = fs::File::options().read(true).write(true).open(&path);
        let file = file.expect("opened");
        fault::plan(nth, 1, &[Call::File]);
        let said = make(&file);
        fault::end();
        said.err() == Some(want)
    });
    fs::remove_file(&path).expect("removed");
    was
}

/// A reservation of eight pages, of which the first four are committed.
fn half() -> Reservation {
    let mut memory = Reservation::new(8 * page_size()).expect("reserved");
    memory.commit(0..4 * page_size()).expect("committed");
    memory
}

#[test]
fn of_a_guard_handler() {
    if !alone("errors::of_a_guard_handler") {
        return;
    }
    fn ring(_: *mut u8) -> bool {
        true
    }
    let mut memory = half();
    // Faults are not caught yet.
    let said = refused(&[Call::Catch], || {
        // SAFETY: the handler does nothing.
        unsafe { set_guard_handler(Some(ring)) }
    });
    let set_guard_handler = said.err();
    assert_eq!(set_guard_handler, Some(PageError::Unsupported));
    let said = refused(&[Call::Catch], || memory.guard(0..1, PageAccess::Read));
    let guard = said.err();
    assert_eq!(guard, Some(PageError::Unsupported));
}

#[test]
fn of_reservations() {
    if !alone("errors::of_reservations") {
        return;
    }
    let page = page_size();
    for size in [0, usize::MAX] {
        assert_eq!(Reservation::new(size).err(), Some(PageError::Invalid));
    }
    assert_eq!(
        refused(&[Call::Reserve], || Reservation::new(page).err()),
        Some(PageError::NoMemory)
    );

    let mut memory = half();
    for range in [0..0, 0..8 * page + 1] {
        assert_eq!(memory.commit(range.clone()), Err(PageError::Invalid));
        assert_eq!(memory.decommit(range.clone()), Err(PageError::Invalid));
        let protect = memory.protect(range, PageAccess::Read);
        assert_eq!(protect, Err(PageError::Invalid));
    }
    let rest = 4 * page..5 * page;
    let commit = refused(&[], || memory.commit(rest.clone()).err());
    assert_eq!(commit, Some(PageError::NoMemory));
    let commit = at_the_limit(|| memory.commit(rest.clone()).err());
    assert_eq!(commit, Some(PageError::CommitLimit));
    let decommit = refused(&[], || memory.decommit(page..2 * page));
    assert_eq!(decommit, Err(PageError::NoMemory));
    let protect = memory.protect(rest.clone(), PageAccess::Read);
    assert_eq!(protect, Err(PageError::NotCommitted));
    let protect = refused(&[], || memory.protect(page..2 * page, PageAccess::Read));
    assert_eq!(protect, Err(PageError::NoMemory));
    let guard = memory.guard(0..page, PageAccess::None);
    assert_eq!(guard, Err(PageError::Invalid));

    assert_eq!(memory.bytes(rest), Err(PageError::NotCommitted));
    let beyond = 8 * page..8 * page + 1;
    assert_eq!(memory.bytes(beyond), Err(PageError::Invalid));

    let into_placeholder = memory.into_placeholder().map_err(|refused| refused.error);
    assert_eq!(into_placeholder.err(), Some(PageError::Invalid));
    let place = Placeholder::new(8 * page).expect("reserved");
    let memory = place.reserve().expect("replaced");
    let into_placeholder = refused(&[], || memory.into_placeholder());
    let into_placeholder = into_placeholder.map_err(|refused| refused.error);
    assert_eq!(into_placeholder.err(), Some(PageError::NoMemory));
}

#[test]
fn of_what_pages_hold() {
    if !alone("errors::of_what_pages_hold") {
        return;
    }
    let page = page_size();
    let mut memory = half();
    assert_eq!(
        memory.undo_reset(0..page),
        Err(PageError::Invalid),
        "nothing was reset"
    );
    let mut found = [0; 8];
    for range in [0..0, 0..8 * page + 1] {
        assert_eq!(memory.reset(range.clone()), Err(PageError::Invalid));
        assert_eq!(memory.undo_reset(range.clone()), Err(PageError::Invalid));
        assert_eq!(memory.prefetch(range.clone()), Err(PageError::Invalid));
        assert_eq!(memory.lock(range.clone()), Err(PageError::Invalid));
        assert_eq!(memory.unlock(range.clone()), Err(PageError::Invalid));
        let written = memory.written(range, &mut found);
        assert_eq!(written, Err(PageError::Invalid));
    }
    assert_eq!(
        memory.written(0..page, &mut found),
        Err(PageError::Invalid),
        "not watched"
    );
    let part = 1..page;
    assert_eq!(memory.offer(part.clone()), Err(PageError::Invalid));
    assert_eq!(memory.reclaim(part.clone()), Err(PageError::Invalid));
    assert_eq!(memory.discard(part), Err(PageError::Invalid));
    let rest = 4 * page..5 * page;
    assert_eq!(memory.offer(rest.clone()), Err(PageError::NotCommitted));
    assert_eq!(memory.reclaim(rest.clone()), Err(PageError::NotCommitted));
    assert_eq!(memory.discard(rest.clone()), Err(PageError::NotCommitted));
    assert_eq!(memory.lock(rest), Err(PageError::NotCommitted));

    let middle = page..2 * page;
    let offer = refused(&[Call::Protect], || memory.offer(middle.clone()));
    assert_eq!(offer, Err(PageError::NoMemory));
    memory.offer(middle.clone()).expect("offered");
    let reclaim = refused(&[Call::Protect], || memory.reclaim(middle.clone()));
    assert_eq!(reclaim, Err(PageError::NoMemory));
    assert_eq!(memory.discard(middle.clone()), Err(PageError::NotCommitted));
    memory.reclaim(middle.clone()).expect("reclaimed");

    assert_eq!(memory.unlock(middle.clone()), Err(PageError::NotLocked));
    let lock = refused(&[Call::Lock], || memory.lock(middle.clone()));
    assert_eq!(lock, Err(PageError::LockLimit));
    memory
        .guard(middle.clone(), PageAccess::Read)
        .expect("guarded");
    assert_eq!(memory.lock(middle), Err(PageError::Guard));
}

#[test]
fn of_pages_that_are_watched() {
    if !alone("errors::of_pages_that_are_watched") {
        return;
    }
    let page = page_size();
    let options = Reservation::options().write_watch();
    assert_eq!(
        refused(&[Call::Watch], || ReserveOptions::reserve(options, page)
            .err()),
        Some(PageError::Unsupported)
    );
    let Ok(mut memory) = options.reserve(8 * page) else {
        return;
    };
    memory.commit(0..page).expect("committed");
    let mut found = [0; 8];
    let written = refused(&[Call::Watch], || memory.written(0..page, &mut found));
    assert_eq!(written, Err(PageError::Unsupported));
}

#[test]
fn of_options() {
    if !alone("errors::of_options") {
        return;
    }
    let page = page_size();
    let options = ReserveOptions::new();
    for size in [0, usize::MAX] {
        assert_eq!(options.reserve(size).err(), Some(PageError::Invalid));
        assert_eq!(options.placeholder(size).err(), Some(PageError::Invalid));
    }
    let placeholder = options.write_watch().placeholder(page);
    assert_eq!(placeholder.err(), Some(PageError::Invalid));
    assert_eq!(
        ReserveOptions::reserve(options.at(1), page).err(),
        Some(PageError::Invalid)
    );
    let there = Reservation::new(page).expect("reserved");
    let taken = options.at(there.as_ptr().addr());
    assert_eq!(
        ReserveOptions::reserve(taken, page).err(),
        Some(PageError::InUse)
    );
    assert_eq!(
        refused(&[Call::Reserve], || ReserveOptions::reserve(options, page)
            .err()),
        Some(PageError::NoMemory)
    );

    let section = Section::new(1 << 17).expect("made");
    let map = |options: ReserveOptions| options.map(&section, 0, 0, ViewAccess::Read).err();
    assert_eq!(map(options.write_watch()), Some(PageError::Invalid));
    assert_eq!(
        map(options.at(there.as_ptr().addr())),
        Some(PageError::InUse)
    );
}

#[test]
fn of_physical_pages() {
    if !alone("errors::of_physical_pages") {
        return;
    }
    let page = page_size();
    assert_eq!(PhysicalPages::new(0).err(), Some(PageError::Invalid));
    let many = isize::MAX as usize;
    assert_eq!(PhysicalPages::new(many).err(), Some(PageError::NoMemory));
    assert_eq!(
        at_the_limit(|| PhysicalPages::new(1).err()),
        Some(PageError::CommitLimit)
    );
    for size in [0, usize::MAX] {
        assert_eq!(Window::new(size).err(), Some(PageError::Invalid));
    }
    assert_eq!(
        refused(&[Call::Reserve], || Window::new(page).err()),
        Some(PageError::NoMemory)
    );

    let pages = PhysicalPages::new(4).expect("taken");
    let mut window = Window::new(4 * page).expect("reserved");
    let mut shown = window.show(&pages).expect("shown");
    assert_eq!(shown.bytes(0..1), Err(PageError::NotCommitted));
    assert_eq!(shown.bytes(0..4 * page + 1), Err(PageError::Invalid));
    assert_eq!(shown.map(0, 0..0), Err(PageError::Invalid));
    let map = refused(&[Call::Map], || shown.map(0, 0..1));
    assert_eq!(map, Err(PageError::NoMemory));
    shown.map(0, 0..1).expect("mapped");
    assert_eq!(shown.map(1, 0..1), Err(PageError::InUse));
    assert_eq!(shown.scatter(&[(2, 2), (2, 3)]), Err(PageError::InUse));
    assert_eq!(shown.unmap(0..0), Err(PageError::Invalid));
    let unmap = refused(&[], || shown.unmap(0..1));
    assert_eq!(unmap, Err(PageError::NoMemory));
    std::mem::forget(shown);
    let show = refused(&[], || window.show(&pages).err());
    assert_eq!(show, Some(PageError::NoMemory));
}

#[test]
fn of_placeholders() {
    if !alone("errors::of_placeholders") {
        return;
    }
    let page = page_size();
    let place = Placeholder::new(8 * page).expect("reserved");
    let split = place.split(0).expect_err("no page");
    assert_eq!(split.error, PageError::Invalid);
    let place = split.kept;
    let other = Placeholder::new(page).expect("reserved");
    let join = place.join(other).expect_err("elsewhere");
    assert_eq!(join.error, PageError::Invalid);

    // With no more memory for records, of which there is one for each.
    let mut rest = Placeholder::new(4096 * page).expect("reserved");
    let mut parts = Vec::with_capacity(4096);
    fault::plan(0, u64::MAX, &[]);
    let split = loop {
        match rest.split(page) {
            Ok((part, after)) => {
                parts.push(part);
                rest = after;
            }
            Err(split) => break split,
        }
    };
    fault::end();
    assert_eq!(split.error, PageError::NoMemory);
}

#[test]
fn of_queries() {
    if !alone("errors::of_queries") {
        return;
    }
    assert_eq!(
        ntheap::vm::query(usize::MAX).err(),
        Some(PageError::Invalid)
    );
    // What the system's list of mappings alone tells.
    let local = 0;
    let foreign = (&raw const local).addr();
    assert_eq!(
        refused(&[Call::File], || ntheap::vm::query(foreign).err()),
        Some(PageError::Unsupported)
    );
}

#[test]
fn of_sections() {
    if !alone("errors::of_sections") {
        return;
    }
    let page = page_size();
    let options = Section::options();
    for size in [0, usize::MAX] {
        assert_eq!(options.create(size).err(), Some(PageError::Invalid));
    }
    let of_file = |file: &fs::File| {
        // SAFETY: the file is open.
        unsafe { options.of_file(file.as_raw_fd(), 1 << 16, true) }
    };
    assert!(full(of_file, PageError::NoMemory));
    let create = refused(&[Call::File], || options.create(page));
    assert_eq!(create.err(), Some(PageError::NoMemory));
    let create = at_the_limit(|| options.create(page));
    assert_eq!(create.err(), Some(PageError::CommitLimit));
    let open = Section::open("ntheap: nobody has this name");
    assert_eq!(open.err(), Some(PageError::NotFound));

    let path = std::env::temp_dir().join(format!("ntheap-errors-{}", std::process::id()));
    fs::write(&path, b"").expect("written");
    let empty = fs::File::open(&path).expect("opened");
    // SAFETY: the file is open.
    let of_file = |size, writes| unsafe { options.of_file(empty.as_raw_fd(), size, writes) };
    assert_eq!(of_file(0, false).err(), Some(PageError::Invalid));
    assert_eq!(of_file(10, true).err(), Some(PageError::Denied));
    fs::remove_file(&path).expect("removed");

    let section = Section::new(1 << 17).expect("made");
    let map = |offset, size, access| section.map(offset, size, access).err();
    assert_eq!(map(1, 0, ViewAccess::Read), Some(PageError::Invalid));
    assert_eq!(map(0, 1 << 18, ViewAccess::Read), Some(PageError::Invalid));
    assert_eq!(map(0, 0, ViewAccess::ReadExecute), Some(PageError::Denied));
    let kinds = [Call::Reserve, Call::Map];
    assert_eq!(
        refused(&kinds, || map(0, 0, ViewAccess::Read)),
        Some(PageError::NoMemory)
    );
    assert_eq!(
        at_the_limit(|| map(0, 0, ViewAccess::Copy)),
        Some(PageError::CommitLimit)
    );
    let reserved = options.reserved().create(1 << 17).expect("made");
    let map = refused(&[Call::Catch], || reserved.map(0, 0, ViewAccess::ReadWrite));
    assert_eq!(map.err(), Some(PageError::Unsupported));
}

#[test]
fn of_typed_pages() {
    if !alone("errors::of_typed_pages") {
        return;
    }
    assert_eq!(SparseArray::<u64>::new(0).err(), Some(PageError::Invalid));
    assert_eq!(
        SparseArray::<[u8; 0]>::new(1).err(),
        Some(PageError::Invalid)
    );
    let mut array = SparseArray::<u64>::new(10).expect("reserved");
    assert_eq!(array.get_mut(10).err(), Some(PageError::Invalid));
    assert_eq!(array.clear(0..11), Err(PageError::Invalid));
    assert_eq!(
        refused(&[Call::Catch], || TouchArray::<u64>::new(10).err()),
        Some(PageError::Unsupported)
    );
    assert_eq!(TouchArray::<u64>::new(0).err(), Some(PageError::Invalid));
    let commit = 1 << 16;
    assert_eq!(
        GrowingStack::new(commit, commit).err(),
        Some(PageError::Invalid)
    );
}

#[test]
fn of_views() {
    if !alone("errors::of_views") {
        return;
    }
    let page = page_size();
    let size = 1 << 17;
    let section = Section::new(size).expect("made");
    let mut view = section.map(0, 0, ViewAccess::ReadWrite).expect("mapped");
    let mut bytes = [0; 8];
    assert_eq!(view.read_bytes(size, &mut bytes), Err(PageError::Invalid));
    // SAFETY: nobody else uses it.
    let atomic_u32 = unsafe { view.atomic_u32(1).err() };
    assert_eq!(atomic_u32, Some(PageError::Invalid));
    for range in [0..0, 0..size + 1] {
        assert_eq!(view.commit(range.clone()), Err(PageError::Invalid));
        assert_eq!(view.unlock(range.clone()), Err(PageError::Invalid));
        assert_eq!(view.prefetch(range.clone()), Err(PageError::Invalid));
        assert_eq!(view.flush(range.clone()), Err(PageError::Invalid));
        let protect = view.protect(range, PageAccess::Read);
        assert_eq!(protect, Err(PageError::Invalid));
    }
    assert_eq!(view.unlock(0..page), Err(PageError::NotLocked));
    let guard = view.guard(0..page, PageAccess::None);
    assert_eq!(guard, Err(PageError::Invalid));
    let protect = view.protect(0..page, PageAccess::ReadExecute);
    assert_eq!(protect, Err(PageError::Denied));
    let protect = refused(&[], || view.protect(page..2 * page, PageAccess::Read));
    assert_eq!(protect, Err(PageError::NoMemory));
    let read = section.map(0, 0, ViewAccess::Read).expect("mapped");
    assert_eq!(read.write_bytes(0, &bytes), Err(PageError::NotCommitted));
    let into_placeholder = read.into_placeholder().map_err(|refused| refused.error);
    assert_eq!(into_placeholder.err(), Some(PageError::Invalid));
    let place = Placeholder::new(size).expect("reserved");
    let taken = place.map(&section, 0, ViewAccess::Read).expect("mapped");
    let into_placeholder = refused(&[], || taken.into_placeholder());
    let into_placeholder = into_placeholder.map_err(|refused| refused.error);
    assert_eq!(into_placeholder.err(), Some(PageError::NoMemory));

    let guard = refused(&[Call::Catch], || view.guard(0..page, PageAccess::Read));
    assert_eq!(guard, Err(PageError::Unsupported));
    let reserved = Section::options().reserved().create(size).expect("made");
    let mut view = reserved.map(0, 0, ViewAccess::ReadWrite).expect("mapped");
    assert_eq!(view.read_bytes(0, &mut bytes), Err(PageError::NotCommitted));
    let protect = view.protect(0..page, PageAccess::Read);
    assert_eq!(protect, Err(PageError::NotCommitted));
    let commit = at_the_limit(|| view.commit(0..page));
    assert_eq!(commit, Err(PageError::CommitLimit));
    let commit = refused(&[], || view.commit(0..page));
    assert_eq!(commit, Err(PageError::NoMemory));
}

/// What else the Windows names tell that only a refused call brings about.
#[test]
fn of_windows_names() {
    if !alone("errors::of_windows_names") {
        return;
    }
    // SAFETY: the pointers lead to variables of this function, and the handles are its own.
    unsafe {
        let made = |file: &fs::File| {
            let file = _get_osfhandle(libc::dup(file.as_raw_fd()));
            let file = std::ptr::with_exposed_provenance_mut(file as usize);
            let (mut section, mut size) = (std::ptr::null_mut(), 1_i64 << 16);
            let status = NtCreateSection(
                &raw mut section,
                SECTION_ALL_ACCESS,
                std::ptr::null_mut(),
                (&raw mut size).cast(),
                PAGE_READWRITE,
                SEC_COMMIT,
                file,
            );
            if status < 0 { Err(status) } else { Ok(section) }
        };
        assert!(full(made, STATUS_DISK_FULL));

        allow();
        let (mut base, mut size) = (std::ptr::null_mut(), large_page_size().unwrap_or(1 << 21));
        fault::plan(0, 1, &[Call::Commit]);
        let status = NtAllocateVirtualMemory(
            GetCurrentProcess(),
            &raw mut base,
            0,
            &raw mut size,
            MEM_RESERVE | MEM_COMMIT | MEM_LARGE_PAGES,
            PAGE_READWRITE,
        );
        fault::end();
        assert_eq!(status, STATUS_INSUFFICIENT_RESOURCES);

        let mut given = 1;
        let mut number = 0;
        set_commit_limit(account().total().committed);
        let taken = AllocateUserPhysicalPages(GetCurrentProcess(), &raw mut given, &raw mut number);
        set_commit_limit(usize::MAX);
        assert_eq!((taken, GetLastError()), (FALSE, ERROR_COMMITMENT_LIMIT));
    }
}

#[test]
fn of_views_of_files() {
    if !alone("errors::of_views_of_files") {
        return;
    }
    let path = std::env::temp_dir().join(format!("ntheap-flush-{}", std::process::id()));
    fs::write(&path, [1; 4096]).expect("written");
    let both = fs::File::options().read(true).write(true).open(&path);
    let both = both.expect("opened");
    // SAFETY: the file is open.
    let section = unsafe { Section::options().of_file(both.as_raw_fd(), 0, true) };
    let section = section.expect("made");
    let view = section.map(0, 0, ViewAccess::ReadWrite).expect("mapped");
    view.write(0, 2u8).expect("written");
    let flush = refused(&[], || view.flush(0..1));
    assert_eq!(flush, Err(PageError::NoMemory));
    let start = view.as_ptr().cast();
    // SAFETY: the view is there.
    let flushed = refused(&[], || unsafe { FlushViewOfFile(start, 1) });
    // SAFETY: nothing to keep.
    let error = unsafe { GetLastError() };
    assert_eq!(
        (flushed, error),
        (FALSE, ERROR_NO_SYSTEM_RESOURCES),
        "FlushViewOfFile"
    );
    fs::remove_file(&path).expect("removed");
}
