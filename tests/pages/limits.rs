//! The system's limits, met for real: address space, mappings, locked memory,
//! and the limit of committed bytes.

use crate::support::*;
use ntheap::vm;
use ntheap::win32::*;

/// A limit's number, as the C library types it.
#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

/// Sets a limit of this process, which is the test's own: what it is then.
pub(crate) fn limit(what: Resource, bytes: u64) -> u64 {
    // SAFETY: reads and sets a structure of this frame.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        assert_eq!(libc::getrlimit(what, &raw mut limit), 0);
        limit.rlim_cur = bytes.min(limit.rlim_max);
        assert_eq!(libc::setrlimit(what, &raw const limit), 0);
        limit.rlim_cur
    }
}

fn program() -> vm::Line {
    vm::account().get(vm::Use::Program)
}

#[test]
fn where_there_is_no_room_for_another_mapping_nothing_changes() {
    if !alone("limits::where_there_is_no_room_for_another_mapping_nothing_changes") {
        return;
    }
    let most = most_mappings();
    let pages = 2 * most + 4096;
    let base = allocate(0, pages * page_size(), BOTH, PAGE_READWRITE).expect("reserved");
    let before = program();
    let mut split = 0;
    let refused = loop {
        assert!(split < pages / 2, "the limit was not met");
        match protect(base + 2 * split * page_size(), page_size(), PAGE_READONLY) {
            Ok(old) => assert_eq!(old, PAGE_READWRITE),
            Err(error) => break error,
        }
        split += 1;
    };
    assert_eq!(refused, ERROR_NOT_ENOUGH_MEMORY);
    assert!(split > most / 2 - 4096, "{split} pages were split off");
    let tail = base + 2 * split * page_size();
    let tail_size = (pages - 2 * split) * page_size();
    let whole = |told: &MEMORY_BASIC_INFORMATION| {
        // Nothing half done: one run, as it was.
        assert_eq!(
            (told.RegionSize, told.Protect),
            (tail_size - page_size(), PAGE_READWRITE)
        );
    };
    whole(&query(tail + page_size()));
    // In the middle of a run each of these needs mappings.
    let middle = tail + tail_size / 2;
    assert_eq!(
        protect(middle, page_size(), PAGE_NOACCESS),
        Err(ERROR_NOT_ENOUGH_MEMORY)
    );
    assert_eq!(
        allocate(middle, page_size(), MEM_COMMIT, PAGE_READONLY),
        Err(ERROR_NOT_ENOUGH_MEMORY)
    );
    // SAFETY: the page is committed and writable.
    unsafe { *byte(middle) = 9 };
    assert_eq!(
        free(middle, page_size(), MEM_DECOMMIT),
        Err(ERROR_NOT_ENOUGH_MEMORY)
    );
    // SAFETY: as above: the refusal has dropped nothing.
    unsafe { assert_eq!(*byte(middle), 9) };
    whole(&query(tail + page_size()));
    // Over pieces of different protections: some may have changed before the
    // refusal, and are as they were after it.
    let wide = protect(
        base + page_size(),
        64 * page_size() + tail_size,
        PAGE_READONLY,
    );
    assert!(
        matches!(wide, Ok(_) | Err(ERROR_INVALID_ADDRESS)),
        "{wide:?}"
    );
    assert_eq!(program(), before);
    for page in 0..split {
        let told = query(base + 2 * page * page_size());
        assert_eq!(told.Protect, PAGE_READONLY);
        if wide.is_err() && page > 0 {
            let told = query(base + (2 * page - 1) * page_size());
            assert_eq!(
                (told.Protect, told.RegionSize),
                (PAGE_READWRITE, page_size())
            );
        }
    }
    // What joins mappings can be done, and what is whole can be ended.
    protect(base, pages * page_size(), PAGE_READWRITE).expect("joined");
    assert_eq!(query(base).RegionSize, pages * page_size());
    free(base, 0, MEM_RELEASE).expect("released");
    let after = program();
    assert_eq!(before.committed - after.committed, pages * page_size());
    assert_eq!(before.reserved - after.reserved, pages * page_size());
    let again = allocate(0, page_size(), BOTH, PAGE_READWRITE).expect("room again");
    free(again, 0, MEM_RELEASE).expect("released");
}

#[test]
fn where_there_is_no_address_space_nothing_is_reserved() {
    if !alone("limits::where_there_is_no_address_space_nothing_is_reserved") {
        return;
    }
    let base = allocate(0, 64 * UNIT, MEM_RESERVE, PAGE_NOACCESS).expect("reserved");
    let before = program();
    let total: usize = mappings().iter().map(|line| line.end - line.start).sum();
    // There is room for the layer's own records, which are larger with larger pages.
    limit(libc::RLIMIT_AS, (total + (4 << 20)) as u64);
    assert_eq!(
        allocate(0, 1 << 30, MEM_RESERVE, PAGE_NOACCESS),
        Err(ERROR_NOT_ENOUGH_MEMORY)
    );
    assert_eq!(
        allocate(0, 1 << 30, BOTH, PAGE_READWRITE),
        Err(ERROR_NOT_ENOUGH_MEMORY)
    );
    let refused = allocate(0x2000_0000_0000, 1 << 30, MEM_RESERVE, PAGE_NOACCESS);
    assert!(refused.is_err());
    assert_eq!(program(), before);
    // What is reserved can be committed, decommitted and ended.
    allocate(base, 64 * UNIT, MEM_COMMIT, PAGE_READWRITE).expect("committed");
    free(base, 0, MEM_DECOMMIT).expect("decommitted");
    assert_eq!(program(), before);
    limit(libc::RLIMIT_AS, libc::RLIM_INFINITY);
    free(base, 0, MEM_RELEASE).expect("released");
}

#[test]
fn the_limit_of_committed_bytes_refuses_and_counts() {
    if !alone("limits::the_limit_of_committed_bytes_refuses_and_counts") {
        return;
    }
    let base = allocate(0, 256 * page_size(), MEM_RESERVE, PAGE_READWRITE).expect("reserved");
    allocate(base, 16 * page_size(), MEM_COMMIT, PAGE_READWRITE).expect("committed");
    let before = program();
    let total = vm::account().total().committed;
    vm::set_commit_limit(total + 8 * page_size());
    let over = allocate(base, 25 * page_size(), MEM_COMMIT, PAGE_READONLY);
    assert_eq!(over, Err(ERROR_COMMITMENT_LIMIT));
    assert_eq!(program(), before);
    let told = query(base);
    assert_eq!(
        (told.RegionSize, told.Protect),
        (16 * page_size(), PAGE_READWRITE)
    );
    assert_eq!(
        allocate(0, 9 * page_size(), BOTH, PAGE_READWRITE),
        Err(ERROR_COMMITMENT_LIMIT)
    );
    // Only what is not committed counts.
    allocate(base, 20 * page_size(), MEM_COMMIT, PAGE_READWRITE).expect("within");
    assert_eq!(program().committed - before.committed, 4 * page_size());
    free(base, 4 * page_size(), MEM_DECOMMIT).expect("decommitted");
    assert_eq!(program().committed, before.committed);
    vm::set_commit_limit(usize::MAX);
    free(base, 0, MEM_RELEASE).expect("released");
}

/// Bytes of this process that are in memory.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("the figures");
    let pages: usize = text
        .split(' ')
        .nth(1)
        .and_then(|field| field.parse().ok())
        .expect("a number");
    pages * kernel_page()
}

#[test]
fn decommitted_and_released_memory_is_the_systems_again() {
    const SIZE: usize = 64 << 20;
    if !alone("limits::decommitted_and_released_memory_is_the_systems_again") {
        return;
    }
    let base = allocate(0, SIZE, BOTH, PAGE_READWRITE).expect("committed");
    let fill = || {
        // SAFETY: all of it is committed and writable.
        unsafe { byte(base).write_bytes(1, SIZE) };
    };
    let untouched = resident();
    fill();
    assert!(resident() - untouched > SIZE - (4 << 20));
    free(base, SIZE / 2, MEM_DECOMMIT).expect("decommitted");
    assert!(resident() - untouched < SIZE / 2 + (4 << 20));
    allocate(base, SIZE, MEM_COMMIT, PAGE_READWRITE).expect("committed");
    fill();
    // SAFETY: nobody needs what the pages hold.
    let discarded = unsafe { DiscardVirtualMemory(byte(base).cast(), SIZE) };
    assert_eq!(discarded, ERROR_SUCCESS);
    assert!(resident() < untouched + (4 << 20));
    fill();
    free(base, 0, MEM_RELEASE).expect("released");
    assert!(resident() < untouched + (4 << 20));
}

#[test]
fn no_more_is_locked_than_the_system_lets_a_process() {
    if !alone("limits::no_more_is_locked_than_the_system_lets_a_process") {
        return;
    }
    let base = allocate(0, 256 * page_size(), BOTH, PAGE_READWRITE).expect("committed");
    limit(libc::RLIMIT_MEMLOCK, 16 * page_size() as u64);
    // The superuser may lock anything.
    // SAFETY: no arguments but numbers.
    unsafe { libc::setuid(65534) };
    let before = locked();
    // SAFETY: the memory is the test's.
    unsafe {
        assert_eq!(VirtualLock(byte(base).cast(), 8 * page_size()), TRUE);
        assert_eq!(locked(), before + 8 * page_size());
        assert_eq!(VirtualLock(byte(base).cast(), 64 * page_size()), FALSE);
        assert_eq!(GetLastError(), ERROR_WORKING_SET_QUOTA);
        assert_eq!(locked(), before + 8 * page_size());
        // Those that were locked still are, and no others.
        assert_eq!(VirtualUnlock(byte(base).cast(), 9 * page_size()), FALSE);
        assert_eq!(GetLastError(), ERROR_NOT_LOCKED);
        assert_eq!(VirtualUnlock(byte(base).cast(), 8 * page_size()), TRUE);
    }
    assert_eq!(locked(), before);
    free(base, 0, MEM_RELEASE).expect("released");
}

#[test]
fn where_there_is_no_room_for_another_mapping_sections_and_placeholders_stay() {
    if !alone("limits::where_there_is_no_room_for_another_mapping_sections_and_placeholders_stay") {
        return;
    }
    const PAGES: usize = 64;
    let section = |protect| {
        // SAFETY: there is no name.
        let made = unsafe {
            let size = (PAGES * page_size()) as DWORD;
            let none = std::ptr::null_mut();
            CreateFileMappingA(
                INVALID_HANDLE_VALUE,
                none,
                protect,
                0,
                size,
                std::ptr::null(),
            )
        };
        assert!(!made.is_null());
        made
    };
    // SAFETY: a new view is nobody's.
    let map = |section| unsafe { MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0) };
    let (whole, sparse) = (
        section(PAGE_READWRITE),
        section(PAGE_READWRITE | SEC_RESERVE),
    );
    let view = map(whole).expose_provenance();
    let parts = map(sparse).expose_provenance();
    let watched = allocate(
        0,
        PAGES * page_size(),
        BOTH | MEM_WRITE_WATCH,
        PAGE_READWRITE,
    )
    .expect("watched");
    let placeholder = || {
        let kind = MEM_RESERVE | MEM_RESERVE_PLACEHOLDER;
        let none = std::ptr::null_mut();
        // SAFETY: address space that is nobody's.
        let base = unsafe {
            VirtualAlloc2(
                none,
                none,
                PAGES * page_size(),
                kind,
                PAGE_NOACCESS,
                std::ptr::null_mut(),
                0,
            )
        };
        assert!(!base.is_null());
        base.expose_provenance()
    };
    let kept = placeholder();
    // SAFETY: the pages are the test's, committed and writable.
    unsafe { *byte(view + 9 * page_size()) = 1 };
    // SAFETY: as above.
    unsafe { *byte(watched + 9 * page_size()) = 1 };

    let most = most_mappings();
    let pages = 2 * most + 4096;
    let base = allocate(0, pages * page_size(), BOTH, PAGE_READWRITE).expect("reserved");
    let mut split = 0;
    while protect(base + 2 * split * page_size(), page_size(), PAGE_READONLY).is_ok() {
        split += 1;
        assert!(split < pages / 2, "the limit was not met");
    }
    let before = program();
    let told = [view, parts, watched, kept].map(|at| {
        let told = query(at);
        (told.State, told.Protect, told.RegionSize)
    });
    let memory = Err(ERROR_NOT_ENOUGH_MEMORY);
    // In the middle of each of them these need mappings.
    assert_eq!(
        protect(view + 9 * page_size(), page_size(), PAGE_READONLY).map(drop),
        memory
    );
    assert_eq!(
        protect(view + 9 * page_size(), page_size(), PAGE_WRITECOPY).map(drop),
        memory
    );
    assert_eq!(
        allocate(
            parts + 9 * page_size(),
            page_size(),
            MEM_COMMIT,
            PAGE_READWRITE
        )
        .map(drop),
        memory
    );
    assert_eq!(
        protect(watched + 9 * page_size(), page_size(), PAGE_READONLY).map(drop),
        memory
    );
    assert_eq!(
        free(watched + 9 * page_size(), page_size(), MEM_DECOMMIT),
        memory
    );
    assert!(map(whole).is_null());
    let now = [view, parts, watched, kept].map(|at| {
        let told = query(at);
        (told.State, told.Protect, told.RegionSize)
    });
    assert_eq!(now, told);
    assert_eq!(program(), before);
    // SAFETY: what was refused has dropped nothing.
    unsafe {
        assert_eq!(
            (
                *byte(view + 9 * page_size()),
                *byte(watched + 9 * page_size())
            ),
            (1, 1)
        )
    };
    // A placeholder is split in the records alone.
    let preserve = MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER;
    free(kept, 16 * page_size(), preserve).expect("split");

    free(base, 0, MEM_RELEASE).expect("released");
    protect(view + 9 * page_size(), page_size(), PAGE_WRITECOPY).expect("there is room again");
    allocate(
        parts + 9 * page_size(),
        page_size(),
        MEM_COMMIT,
        PAGE_READWRITE,
    )
    .expect("committed");
    free(watched + 9 * page_size(), page_size(), MEM_DECOMMIT).expect("decommitted");
    assert!(!map(whole).is_null());
}

#[test]
fn what_counts_as_data_may_be_limited() {
    if !alone("limits::what_counts_as_data_may_be_limited") {
        return;
    }
    // Private pages that can be written to are data; reserved ones are not.
    const SIZE: usize = 64 << 20;
    let base = allocate(0, SIZE, MEM_RESERVE, PAGE_READWRITE).expect("reserved");
    allocate(base, page_size(), MEM_COMMIT, PAGE_READWRITE).expect("committed");
    let text = std::fs::read_to_string("/proc/self/status").expect("the figures");
    let data = text.lines().find_map(|line| line.strip_prefix("VmData:"));
    let kib = data.and_then(|data| data.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    limit(libc::RLIMIT_DATA, kib.expect("a number") * 1024 + (4 << 20));
    let before = program();
    let memory = Err(ERROR_NOT_ENOUGH_MEMORY);
    assert_eq!(
        allocate(base, SIZE, MEM_COMMIT, PAGE_READWRITE).map(drop),
        memory
    );
    assert_eq!(allocate(0, SIZE, BOTH, PAGE_READWRITE).map(drop), memory);
    assert_eq!(program(), before);
    assert_eq!(query(base).RegionSize, page_size());
    // What is only read is none, until it may be written to.
    allocate(
        base + page_size(),
        SIZE - page_size(),
        MEM_COMMIT,
        PAGE_READONLY,
    )
    .expect("committed");
    assert_eq!(protect(base, SIZE, PAGE_READWRITE).map(drop), memory);
    assert_eq!(query(base + page_size()).Protect, PAGE_READONLY);
    limit(libc::RLIMIT_DATA, libc::RLIM_INFINITY);
    protect(base, SIZE, PAGE_READWRITE).expect("protected");
    free(base, 0, MEM_RELEASE).expect("released");
    assert_eq!(before.committed - program().committed, page_size());
}

#[test]
fn memory_of_a_control_group_may_be_limited() {
    if !alone("limits::memory_of_a_control_group_may_be_limited") {
        return;
    }
    let root = std::path::Path::new("/sys/fs/cgroup");
    let (root, most) = if root.join("cgroup.controllers").exists() {
        (root.to_owned(), "memory.max")
    } else {
        (root.join("memory"), "memory.limit_in_bytes")
    };
    let group = root.join(format!("ntheap-{}", std::process::id()));
    let set = std::fs::create_dir(&group)
        .and_then(|()| std::fs::write(group.join(most), (64 << 20).to_string()));
    if let Err(error) = set {
        println!("skipped: no control group with a limit can be made: {error}");
        let _ = std::fs::remove_dir(&group);
        return;
    }
    // Commit is a promise that the group's limit does not refuse; what is touched
    // beyond it ends the process, and what is given back makes room.
    let run = |gives_back: bool| {
        // SAFETY: the child uses page functions and ends.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let joined = std::fs::write(group.join("cgroup.procs"), "0").is_ok();
            let base = allocate(0, 256 << 20, BOTH, PAGE_READWRITE).expect("committed");
            for part in 0..8 {
                let at = base + part * (32 << 20);
                // SAFETY: committed just above.
                unsafe { byte(at).write_bytes(1, 32 << 20) };
                if gives_back {
                    free(at, 32 << 20, MEM_DECOMMIT).expect("decommitted");
                }
            }
            // SAFETY: ends the child.
            unsafe { libc::_exit(if joined { 0 } else { 3 }) };
        }
        let mut status = 0;
        // SAFETY: waits for the child above.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        status
    };
    let (within, beyond) = (run(true), run(false));
    std::fs::remove_dir(&group).expect("removed");
    assert_eq!(within, 0, "what is decommitted is the group's again");
    assert!(
        libc::WIFSIGNALED(beyond) && libc::WTERMSIG(beyond) == libc::SIGKILL,
        "{beyond:#x}"
    );
}

#[test]
fn where_the_system_promises_no_more_than_it_has_commits_are_refused() {
    if !alone("limits::where_the_system_promises_no_more_than_it_has_commits_are_refused") {
        return;
    }
    let mode = std::fs::read_to_string("/proc/sys/vm/overcommit_memory").expect("the setting");
    if mode.trim() != "2" {
        println!(
            "skipped: overcommit_memory is {}, and is the whole machine's",
            mode.trim()
        );
        return;
    }
    // Reserving is no promise; committing is, up to the machine's limit.
    let size = 1 << 42;
    let base = allocate(0, size, MEM_RESERVE, PAGE_READWRITE).expect("reserved");
    let before = program();
    let memory = Err(ERROR_NOT_ENOUGH_MEMORY);
    assert_eq!(
        allocate(base, size, MEM_COMMIT, PAGE_READWRITE).map(drop),
        memory
    );
    assert_eq!(program(), before);
    allocate(base, page_size(), MEM_COMMIT, PAGE_READWRITE).expect("a page");
    free(base, 0, MEM_RELEASE).expect("released");
}
