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

/// Sets a limit of this process, which is the test's own.
fn limit(what: Resource, bytes: u64) {
    // SAFETY: reads and sets a structure of this frame.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        assert_eq!(libc::getrlimit(what, &raw mut limit), 0);
        limit.rlim_cur = bytes.min(limit.rlim_max);
        assert_eq!(libc::setrlimit(what, &raw const limit), 0);
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
    let base = allocate(0, pages * PAGE, BOTH, PAGE_READWRITE).expect("reserved");
    let before = program();
    let mut split = 0;
    let refused = loop {
        assert!(split < pages / 2, "the limit was not met");
        match protect(base + 2 * split * PAGE, PAGE, PAGE_READONLY) {
            Ok(old) => assert_eq!(old, PAGE_READWRITE),
            Err(error) => break error,
        }
        split += 1;
    };
    assert_eq!(refused, ERROR_NOT_ENOUGH_MEMORY);
    assert!(split > most / 2 - 4096, "{split} pages were split off");
    let tail = base + 2 * split * PAGE;
    let tail_size = (pages - 2 * split) * PAGE;
    let whole = |told: &MEMORY_BASIC_INFORMATION| {
        // Nothing half done: one run, as it was.
        assert_eq!(
            (told.RegionSize, told.Protect),
            (tail_size - PAGE, PAGE_READWRITE)
        );
    };
    whole(&query(tail + PAGE));
    // In the middle of a run each of these needs mappings.
    let middle = tail + tail_size / 2;
    assert_eq!(
        protect(middle, PAGE, PAGE_NOACCESS),
        Err(ERROR_NOT_ENOUGH_MEMORY)
    );
    assert_eq!(
        allocate(middle, PAGE, MEM_COMMIT, PAGE_READONLY),
        Err(ERROR_NOT_ENOUGH_MEMORY)
    );
    // SAFETY: the page is committed and writable.
    unsafe { *byte(middle) = 9 };
    assert_eq!(
        free(middle, PAGE, MEM_DECOMMIT),
        Err(ERROR_NOT_ENOUGH_MEMORY)
    );
    // SAFETY: as above: the refusal has dropped nothing.
    unsafe { assert_eq!(*byte(middle), 9) };
    whole(&query(tail + PAGE));
    // Over pieces of different protections: some may have changed before the
    // refusal, and are as they were after it.
    let wide = protect(base + PAGE, 64 * PAGE + tail_size, PAGE_READONLY);
    assert!(
        matches!(wide, Ok(_) | Err(ERROR_INVALID_ADDRESS)),
        "{wide:?}"
    );
    assert_eq!(program(), before);
    for page in 0..split {
        let told = query(base + 2 * page * PAGE);
        assert_eq!(told.Protect, PAGE_READONLY);
        if wide.is_err() && page > 0 {
            let told = query(base + (2 * page - 1) * PAGE);
            assert_eq!((told.Protect, told.RegionSize), (PAGE_READWRITE, PAGE));
        }
    }
    // What joins mappings can be done, and what is whole can be ended.
    protect(base, pages * PAGE, PAGE_READWRITE).expect("joined");
    assert_eq!(query(base).RegionSize, pages * PAGE);
    free(base, 0, MEM_RELEASE).expect("released");
    let after = program();
    assert_eq!(before.committed - after.committed, pages * PAGE);
    assert_eq!(before.reserved - after.reserved, pages * PAGE);
    let again = allocate(0, PAGE, BOTH, PAGE_READWRITE).expect("room again");
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
    limit(libc::RLIMIT_AS, (total + (1 << 20)) as u64);
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
    let base = allocate(0, 256 * PAGE, MEM_RESERVE, PAGE_READWRITE).expect("reserved");
    allocate(base, 16 * PAGE, MEM_COMMIT, PAGE_READWRITE).expect("committed");
    let before = program();
    let total = vm::account().total().committed;
    vm::set_commit_limit(total + 8 * PAGE);
    let over = allocate(base, 25 * PAGE, MEM_COMMIT, PAGE_READONLY);
    assert_eq!(over, Err(ERROR_COMMITMENT_LIMIT));
    assert_eq!(program(), before);
    let told = query(base);
    assert_eq!((told.RegionSize, told.Protect), (16 * PAGE, PAGE_READWRITE));
    assert_eq!(
        allocate(0, 9 * PAGE, BOTH, PAGE_READWRITE),
        Err(ERROR_COMMITMENT_LIMIT)
    );
    // Only what is not committed counts.
    allocate(base, 20 * PAGE, MEM_COMMIT, PAGE_READWRITE).expect("within");
    assert_eq!(program().committed - before.committed, 4 * PAGE);
    free(base, 4 * PAGE, MEM_DECOMMIT).expect("decommitted");
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
    pages * vm::page_size()
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
    let base = allocate(0, 256 * PAGE, BOTH, PAGE_READWRITE).expect("committed");
    limit(libc::RLIMIT_MEMLOCK, 16 * PAGE as u64);
    // The superuser may lock anything.
    // SAFETY: no arguments but numbers.
    unsafe { libc::setuid(65534) };
    // SAFETY: the memory is the test's.
    unsafe {
        assert_eq!(VirtualLock(byte(base).cast(), 8 * PAGE), TRUE);
        assert_eq!(VirtualLock(byte(base).cast(), 64 * PAGE), FALSE);
        assert_eq!(GetLastError(), ERROR_WORKING_SET_QUOTA);
        // Those that were locked still are, and no others.
        assert_eq!(VirtualUnlock(byte(base).cast(), 9 * PAGE), FALSE);
        assert_eq!(GetLastError(), ERROR_NOT_LOCKED);
        assert_eq!(VirtualUnlock(byte(base).cast(), 8 * PAGE), TRUE);
    }
    free(base, 0, MEM_RELEASE).expect("released");
}
