//! What only the page layer asks of the system: addresses within bounds, large
//! pages, and words about contents that are not needed.

use super::{Call, Mapping, Protection, admit, for_each_mapping, os};
use core::ptr;

/// What came of [`reserve_exactly`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// The range is reserved.
    Done,
    /// Something is there.
    InUse,
    /// The system has no memory, or no room for another mapping.
    NoMemory,
}

/// Reserves the `size` bytes at `base`, not accessible, like
/// [`reserve_at`](super::reserve_at), and says why it could not.
pub fn reserve_exactly(base: *mut u8, size: usize) -> Placed {
    if !admit(Call::Reserve) {
        return Placed::NoMemory;
    }
    let before = os::errno();
    os::set_errno(0);
    let placed = match os::reserve_at(base, size) {
        true => Placed::Done,
        false if os::errno() == libc::ENOMEM => Placed::NoMemory,
        false => Placed::InUse,
    };
    os::set_errno(before);
    placed
}

/// Reserves `size` bytes, not accessible, at a multiple of `align`, from
/// `lowest` on and below `limit` (0 for no limit): at the lowest place there
/// is, or the highest if `top_down`. Null when there is none or the system
/// refuses. The time grows with the number of the process's mappings.
pub fn reserve_within(
    size: usize,
    align: usize,
    lowest: usize,
    limit: usize,
    top_down: bool,
) -> *mut u8 {
    /// Places that other threads may take before this one does.
    const TRIES: usize = 64;
    let mut lowest = lowest.max(super::GRANULARITY);
    let mut limit = if limit == 0 { super::USER_END } else { limit };
    limit = limit.min(super::USER_END);
    for _ in 0..TRIES {
        let Some(place) = find_gap(size, align, lowest, limit, top_down) else {
            break;
        };
        let base = ptr::with_exposed_provenance_mut(place);
        match reserve_exactly(base, size) {
            Placed::Done => return base,
            // Another place would not help.
            Placed::NoMemory => break,
            Placed::InUse => {}
        }
        // Taken since.
        if top_down {
            limit = place.saturating_add(size - 1);
        } else {
            lowest = place + 1;
        }
    }
    ptr::null_mut()
}

/// The lowest or highest free place within bounds.
fn find_gap(
    size: usize,
    align: usize,
    lowest: usize,
    limit: usize,
    top_down: bool,
) -> Option<usize> {
    let mut found = None;
    let mut free_from = lowest;
    let mut look = |from: usize, to: usize| {
        let (from, to) = (from.max(lowest), to.min(limit));
        if let Some(place) = place_in(size, align, from, to, top_down) {
            found = Some(place);
        }
        found.is_none() || top_down
    };
    let mut ended = false;
    let told = for_each_mapping(&mut |mapping: &Mapping| {
        let goes_on = look(free_from, mapping.start);
        free_from = mapping.end;
        ended = !goes_on || mapping.start >= limit;
        !ended
    });
    if !told {
        return None;
    }
    if !ended {
        look(free_from, limit);
    }
    found
}

/// A place for `size` bytes in `[from, to)`.
fn place_in(size: usize, align: usize, from: usize, to: usize, top_down: bool) -> Option<usize> {
    let highest = to.checked_sub(size)?;
    let place = if top_down {
        highest & !(align - 1)
    } else {
        from.checked_add(align - 1)? & !(align - 1)
    };
    (place >= from && place <= highest).then_some(place)
}

/// The size of the system's large pages, in bytes; `None` where there are none. It is
/// what a pool has that MAP_HUGETLB takes from, whether any is in it or not.
pub fn large_page_size() -> Option<usize> {
    let size = usize::try_from(super::system::memory()?.large_page).ok()?;
    (size != 0).then_some(size)
}

/// Puts large pages, from the system's pool, in place of a reserved range, with
/// the rights of `protection`. False, and nothing changed, when there are not
/// enough.
///
/// # Safety
/// The range lies in one reservation, at multiples of the large size, and the
/// caller owns it.
pub unsafe fn commit_large(base: *mut u8, size: usize, protection: Protection) -> bool {
    // SAFETY: the caller's promise is the callee's.
    admit(Call::Commit) && unsafe { map_large(base, size, protection) }
}

/// Without MAP_NORESERVE: pages that the pool cannot promise are refused now,
/// where a fault would end the process later.
///
/// # Safety
/// As for [`commit_large`].
unsafe fn map_large(base: *mut u8, size: usize, protection: Protection) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED | libc::MAP_HUGETLB;
        if !os::map(base, size, os::bits_of(protection), flags).is_null() {
            return true;
        }
        // Older kernels unmap first and find out then.
        os::reserve_at(base, size);
        false
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = (base, size, protection);
        false
    }
}

/// Says that what a range holds is not needed: until it is written to, it keeps
/// it or comes to read zero, as the system likes. False when the system
/// refuses: it keeps it then.
///
/// # Safety
/// The caller owns the range and needs nothing that it holds.
pub unsafe fn offer(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller's promise is the callee's.
    admit(Call::Advise) && unsafe { libc::madvise(base.cast(), size, libc::MADV_FREE) == 0 }
}

/// Has the pages of a range stay in memory. False when the system refuses:
/// some may stay then.
///
/// # Safety
/// The caller owns the range.
pub unsafe fn lock_pages(base: *mut u8, size: usize) -> bool {
    // SAFETY: locking changes nothing that the pages hold.
    admit(Call::Lock) && unsafe { libc::mlock(base.cast(), size) == 0 }
}

/// Undoes [`lock_pages`].
///
/// # Safety
/// The caller owns the range.
pub unsafe fn unlock_pages(base: *mut u8, size: usize) -> bool {
    // SAFETY: unlocking changes nothing that the pages hold.
    admit(Call::Lock) && unsafe { libc::munlock(base.cast(), size) == 0 }
}

/// Says that a range of any addresses will be used soon. A hint: whether the
/// system took it.
pub fn fetch(start: usize, size: usize) -> bool {
    // SAFETY: the advice changes no contents, wherever it points.
    admit(Call::Advise)
        && unsafe {
            let base = ptr::with_exposed_provenance_mut(start);
            libc::madvise(base, size, libc::MADV_WILLNEED) == 0
        }
}

#[cfg(test)]
mod tests {
    use super::{place_in, reserve_within};
    use crate::sys::release;

    #[test]
    fn a_place_is_aligned_and_inside() {
        assert_eq!(
            place_in(0x1000, 0x10000, 0x12345, 0x40000, false),
            Some(0x20000)
        );
        assert_eq!(
            place_in(0x1000, 0x10000, 0x12345, 0x40000, true),
            Some(0x30000)
        );
        assert_eq!(
            place_in(0x20000, 0x10000, 0x20000, 0x40000, true),
            Some(0x20000)
        );
        assert_eq!(place_in(0x20001, 0x10000, 0x20000, 0x40000, true), None);
        assert_eq!(place_in(0x1000, 0x10000, 0x10001, 0x20000, false), None);
        assert_eq!(place_in(usize::MAX, 0x10000, 0, 0x40000, false), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn bounds_are_kept() {
        let (low, limit) = (0x2000_0000_0000, 0x2000_0040_0000);
        let first = reserve_within(0x10000, 0x10000, low, limit, false);
        let second = reserve_within(0x10000, 0x10000, low, limit, false);
        let last = reserve_within(0x10000, 0x10000, low, limit, true);
        assert_eq!(first.addr(), low);
        assert_eq!(second.addr(), low + 0x10000);
        assert_eq!(last.addr(), limit - 0x10000);
        let aligned = reserve_within(0x10000, 0x20_0000, low, limit, false);
        assert_eq!(aligned.addr(), low + 0x20_0000);
        assert!(reserve_within(0x40_0000, 0x10000, low, limit, false).is_null());
        for base in [first, second, last, aligned] {
            // SAFETY: reserved above and not used.
            assert!(unsafe { release(base, 0x10000) });
        }
    }
}
