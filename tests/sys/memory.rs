//! Address space and memory.

#[cfg(any(target_os = "linux", windows))]
use super::rights;
use super::{BEFORE, Range, faults, passes, say, touch, turn};
#[cfg(target_os = "linux")]
use super::{mappings, resident};
use ntheap::sys::{self, Protection};

#[test]
fn page_size_is_the_systems() {
    let page = sys::page_size();
    assert!(page.is_power_of_two());
    assert!(page >= 4096);
    assert_eq!(page, sys::page_size());
    #[cfg(unix)]
    // SAFETY: sysconf reads a constant of the system.
    assert_eq!(page, unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize);
}

#[test]
fn reservations_are_aligned_and_apart() {
    let _turn = turn();
    let page = sys::page_size();
    let mut ranges: Vec<Range> = Vec::new();
    for align in [1, sys::GRANULARITY, 1 << 20, 2 << 20, 64 << 20] {
        for size in [page, sys::GRANULARITY, (2 << 20) + page, 8 << 20] {
            let base = sys::reserve(size, align);
            assert!(!base.is_null(), "{size} bytes at {align}");
            assert_eq!(
                base.addr() % align.max(sys::GRANULARITY),
                0,
                "{size} at {align}"
            );
            let apart = |range: &Range| {
                range.base.addr() + range.size <= base.addr()
                    || base.addr() + size <= range.base.addr()
            };
            assert!(ranges.iter().all(apart), "{size} bytes at {align} overlap");
            ranges.push(Range { base, size });
        }
    }
    // The whole of a range is there, its last page included.
    for range in &ranges {
        let last = range.base.wrapping_add(range.size - page);
        // SAFETY: the last page of a reservation of ours.
        assert!(unsafe { sys::commit(last, page) });
        touch(last, true);
    }
}

#[test]
fn impossible_reservations_give_null() {
    let _turn = turn();
    let most = usize::MAX & !(sys::page_size() - 1);
    for align in [1, 2 << 20] {
        assert!(sys::reserve(most, align).is_null());
        assert!(sys::reserve(most / 2, align).is_null());
    }
    assert!(sys::reserve(1 << 20, 1 << (usize::BITS - 1)).is_null());
    assert!(sys::allocate(most).is_null());
    assert!(sys::reserve_readable(most).is_null());
}

#[test]
fn reserved_memory_faults() {
    faults("reserved");
}

#[test]
fn readable_reservations_read_zero_and_can_be_committed() {
    let _turn = turn();
    let page = sys::page_size();
    let size = 64 * page;
    let base = sys::reserve_readable(size);
    assert!(!base.is_null());
    let range = Range { base, size };
    assert!(range.all(0));
    // SAFETY: two pages of our reservation.
    assert!(unsafe { sys::commit(range.page(5), 2 * page) });
    touch(range.page(5), true);
    touch(range.page(6), true);
    let ones: Vec<_> = (0..size).filter(|&at| range.bytes()[at] != 0).collect();
    assert_eq!(ones, [5 * page, 6 * page]);
}

#[test]
fn allocated_memory_is_zero_and_writable() {
    let _turn = turn();
    let size = 16 * sys::page_size();
    let base = sys::allocate(size);
    assert!(!base.is_null());
    let range = Range { base, size };
    assert!(range.all(0));
    range.fill(3);
    assert!(range.all(3));
}

#[test]
fn committed_pages_are_zero_and_stay_when_committed_again() {
    let _turn = turn();
    let page = sys::page_size();
    let range = Range::reserved(8);
    // SAFETY: two pages of our reservation.
    assert!(unsafe { sys::commit(range.page(3), 2 * page) });
    for number in [3, 4] {
        // SAFETY: a page that was just committed.
        let bytes = unsafe { std::slice::from_raw_parts_mut(range.page(number), page) };
        assert!(bytes.iter().all(|&byte| byte == 0));
        bytes.fill(number as u8);
    }
    // SAFETY: the whole reservation, part of it committed before.
    assert!(unsafe { sys::commit(range.base, range.size) });
    for (number, bytes) in range.bytes().chunks(page).enumerate() {
        let expected = if number == 3 || number == 4 {
            number
        } else {
            0
        };
        assert!(bytes.iter().all(|&byte| usize::from(byte) == expected));
    }
}

#[test]
fn decommitted_memory_is_given_back_and_faults() {
    let turn = turn();
    let range = Range::committed(8);
    range.fill(7);
    #[cfg(target_os = "linux")]
    assert_eq!(resident(&range), 8);
    // SAFETY: our range, of which nothing is used any more.
    assert!(unsafe { sys::decommit(range.base, range.size) });
    #[cfg(target_os = "linux")]
    assert_eq!(resident(&range), 0);
    #[cfg(any(target_os = "linux", windows))]
    assert_eq!(rights(range.base).as_deref(), Some("---"));
    // SAFETY: our range.
    assert!(unsafe { sys::commit(range.base, range.size) });
    assert!(range.all(0));
    drop(range);
    drop(turn);
    faults("decommitted");
}

#[test]
fn purged_memory_is_given_back_and_zero() {
    let _turn = turn();
    let page = sys::page_size();
    let range = Range::committed(16);
    range.fill(7);
    // SAFETY: the middle of our range, whose contents are dead.
    assert!(unsafe { sys::purge(range.page(4), 8 * page) });
    #[cfg(target_os = "linux")]
    {
        assert_eq!(resident(&range), 8);
        assert_eq!(mappings(range.base, range.size), ["rw-"]);
    }
    #[cfg(any(target_os = "linux", windows))]
    assert_eq!(rights(range.page(4)).as_deref(), Some("rw-"));
    for (number, bytes) in range.bytes().chunks(page).enumerate() {
        let expected = if (4..12).contains(&number) { 0 } else { 7 };
        assert!(bytes.iter().all(|&byte| byte == expected), "page {number}");
    }
    range.fill(8);
    // SAFETY: our range, never touched pages or touched ones alike.
    assert!(unsafe { sys::purge(range.base, range.size) && sys::purge(range.base, range.size) });
    assert!(range.all(0));
}

#[test]
fn released_ranges_are_gone() {
    passes("release", &[]);
    faults("released");
}

/// In a process where no other thread maps anything at the old address.
pub(crate) fn release_in_child() {
    say(BEFORE);
    for touched in [false, true] {
        let range = Range::reserved(4);
        if touched {
            // SAFETY: half of our range.
            assert!(unsafe { sys::commit(range.base, range.size / 2) });
            touch(range.base, true);
        }
        #[cfg(any(target_os = "linux", windows))]
        {
            let base = range.base;
            assert!(rights(base).is_some());
            drop(range);
            assert_eq!(rights(base), None);
        }
    }
}

#[test]
fn protection_is_what_was_asked_for() {
    let turn = turn();
    let page = sys::page_size();
    let range = Range::committed(3);
    range.fill(7);
    for (protection, expected) in [
        (Protection::Read, "r--"),
        (Protection::None, "---"),
        (Protection::ReadWriteExecute, "rwx"),
        (Protection::ReadWrite, "rw-"),
    ] {
        // SAFETY: the middle page of our range.
        assert!(unsafe { sys::protect(range.page(1), page, protection) });
        #[cfg(any(target_os = "linux", windows))]
        {
            assert_eq!(rights(range.page(0)).as_deref(), Some("rw-"));
            assert_eq!(rights(range.page(1)).as_deref(), Some(expected));
            assert_eq!(rights(range.page(2)).as_deref(), Some("rw-"));
        }
        let _ = expected;
    }
    assert!(range.all(7), "contents outlive a change of rights");
    drop(range);
    drop(turn);
    faults("unreadable");
    faults("read only");
}

/// A committed range with a pattern in it, and a copy of its contents.
fn patterned(pages: usize) -> (Range, Vec<u8>) {
    let range = Range::committed(pages);
    for (at, byte) in (0..range.size).step_by(1000).zip((1..=250).cycle()) {
        // SAFETY: inside our committed range.
        unsafe { range.base.add(at).write(byte) };
    }
    let contents = range.bytes().to_vec();
    (range, contents)
}

#[test]
fn resizing_in_place_keeps_contents() {
    passes("resize", &[]);
}

/// In a process where no other thread maps anything into the gap.
pub(crate) fn resize_in_child() {
    say(BEFORE);
    // A reservation cut short leaves free address space behind itself.
    let (mut range, contents) = patterned(64);
    let (whole, half) = (range.size, range.size / 2);
    // SAFETY: one whole committed reservation of ours.
    let shrunk = unsafe { sys::resize(range.base, whole, half) };
    assert_eq!(shrunk, cfg!(target_os = "linux"), "only Linux resizes");
    if !shrunk {
        assert_eq!(range.bytes(), contents);
        return;
    }
    range.size = half;
    assert_eq!(range.bytes(), &contents[..half]);
    #[cfg(target_os = "linux")]
    assert_eq!(rights(range.base.wrapping_add(half)), None);
    // SAFETY: as above.
    assert!(unsafe { sys::resize(range.base, half, whole) });
    range.size = whole;
    assert_eq!(range.bytes()[..half], contents[..half]);
    assert!(range.bytes()[half..].iter().all(|&byte| byte == 0));
}

#[test]
fn resizing_into_something_else_is_refused() {
    let _turn = turn();
    let page = sys::page_size();
    // The neighbour is the end of the same reservation, given other rights so
    // that it is a mapping of its own.
    let range = Range::committed(4);
    range.fill(7);
    // SAFETY: the end of our range.
    assert!(unsafe { sys::protect(range.page(2), 2 * page, Protection::Read) });
    // SAFETY: the front is a mapping of its own; refused, it changes nothing.
    assert!(!unsafe { sys::resize(range.base, 2 * page, 3 * page) });
    assert!(range.all(7));
}

#[test]
fn moving_keeps_contents_and_ends_the_source() {
    passes("move", &[]);
}

/// In a process where no other thread maps anything at the old address.
pub(crate) fn move_in_child() {
    say(BEFORE);
    let (range, contents) = patterned(16);
    let target = Range::reserved(64);
    // SAFETY: two whole reservations of ours, the first all committed; if it
    // moves, the first is forgotten.
    let moved = unsafe { sys::move_to(range.base, range.size, target.base, target.size) };
    assert_eq!(
        moved,
        cfg!(target_os = "linux"),
        "only Linux moves mappings"
    );
    if !moved {
        assert_eq!(range.bytes(), contents);
        return;
    }
    #[cfg(target_os = "linux")]
    assert_eq!(rights(range.base), None);
    std::mem::forget(range);
    assert_eq!(target.bytes()[..contents.len()], contents);
    assert!(
        target.bytes()[contents.len()..]
            .iter()
            .all(|&byte| byte == 0)
    );
    target.fill(9);
    assert!(target.all(9));
}

#[cfg(target_os = "linux")]
#[test]
fn a_refused_move_leaves_both_ranges() {
    passes("refused move", &[]);
}

#[test]
fn guards_fault_and_split_no_mapping() {
    let turn = turn();
    let page = sys::page_size();
    let range = Range::committed(8);
    range.fill(7);
    // SAFETY: one page of our range, whose contents are dead.
    assert!(unsafe { sys::guard(range.page(3), page) });
    #[cfg(target_os = "linux")]
    {
        assert_eq!(resident(&range), 7);
        // The advice's number is MADV_GUARD_INSTALL; asked of a page of its own.
        let probe = Range::committed(1);
        // SAFETY: a page of ours with nothing in it.
        if unsafe { libc::madvise(probe.base.cast(), page, 102) } == 0 {
            assert_eq!(mappings(range.base, range.size), ["rw-"]);
        } else {
            println!("skipped: that guards split no mapping (this kernel is older than 6.13)");
            assert_eq!(mappings(range.base, range.size), ["rw-", "---", "rw-"]);
        }
    }
    #[cfg(windows)]
    assert_eq!(rights(range.page(3)).as_deref(), Some("---"));
    // SAFETY: the page that was guarded.
    assert!(unsafe { sys::unguard(range.page(3), page) });
    for (number, bytes) in range.bytes().chunks(page).enumerate() {
        let expected = if number == 3 { 0 } else { 7 };
        assert!(bytes.iter().all(|&byte| byte == expected), "page {number}");
    }
    touch(range.page(3), true);
    drop(range);
    drop(turn);
    faults("guarded");
}

#[test]
fn huge_pages_are_advised_and_contents_stay() {
    let _turn = turn();
    let size = 8 << 20;
    let base = sys::reserve(size, 2 << 20);
    assert!(!base.is_null());
    let range = Range { base, size };
    // SAFETY: the whole of our reservation.
    unsafe {
        assert!(sys::commit(base, size));
        touch(base, true);
        sys::advise_huge(base, size, true);
    }
    assert_eq!(range.bytes()[0], 1);
    assert!(range.bytes()[1..].iter().all(|&byte| byte == 0));
    #[cfg(target_os = "linux")]
    if std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
        let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let entry = smaps.split_once(&format!("{:x}-", base.addr())).unwrap().1;
        let flags = entry
            .lines()
            .find(|line| line.starts_with("VmFlags:"))
            .unwrap();
        assert!(flags.split_whitespace().any(|flag| flag == "hg"), "{flags}");
    } else {
        println!("skipped: the advice's flag (this kernel has no transparent huge pages)");
    }
}
