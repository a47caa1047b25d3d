//! Memory read and written by the system on the process's behalf, which tells
//! what cannot be accessed where the process itself would fault; and which pages have
//! contents.

#[cfg(any(target_os = "linux", target_os = "android"))]
use super::c;
use super::{Call, admit};
#[cfg(any(target_os = "linux", target_os = "android"))]
use core::ptr;

/// Copies `size` bytes from `from`, any address, to `to`, any address. How many
/// were copied, from the first one on: fewer when either cannot be accessed.
/// `None` where the system does not do it.
pub fn copy(to: usize, from: usize, size: usize) -> Option<usize> {
    if !admit(Call::Copy) {
        return None;
    }
    if size == 0 {
        return Some(0);
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let pieces = [c::iovec {
            iov_base: ptr::with_exposed_provenance_mut(from),
            iov_len: size,
        }];
        // SAFETY: whoever asks for the copy owns the bytes written to.
        unsafe { super::os::read_pieces(ptr::with_exposed_provenance_mut(to), size, &pieces) }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = (to, from);
        None
    }
}

/// How many bytes from `address` on can be read, up to `size`: a byte of each
/// page is. `None` where the system does not tell.
pub fn readable(address: usize, size: usize) -> Option<usize> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        const AT_ONCE: usize = 64;
        let end = address.checked_add(size)?;
        let page = super::page_size();
        let mut next = address;
        while next < end {
            if !admit(Call::Copy) {
                return None;
            }
            let mut pages = [const {
                c::iovec {
                    iov_base: ptr::null_mut(),
                    iov_len: 1,
                }
            }; AT_ONCE];
            let mut count = 0;
            let first = next;
            for entry in &mut pages {
                if next >= end {
                    break;
                }
                entry.iov_base = ptr::with_exposed_provenance_mut(next);
                next = (next & !(page - 1)).saturating_add(page);
                count += 1;
            }
            let mut bytes = [0u8; AT_ONCE];
            let pieces = pages.get(..count).unwrap_or_default();
            // SAFETY: the buffer is this function's, with a byte for each piece.
            let read = unsafe { super::os::read_pieces(bytes.as_mut_ptr(), count, pieces) }?;
            if read < count {
                let bad = pages.get(read).map_or(first, |entry| entry.iov_base.addr());
                return Some(bad.saturating_sub(address));
            }
        }
        Some(size)
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = (address, size);
        None
    }
}

/// Writes `size` bytes from `from` to `to` whatever the rights of the pages
/// there, as a debugger does. False when the system refuses.
///
/// # Safety
/// `from` can be read, and nobody relies on what the bytes at `to` were.
pub unsafe fn overwrite(to: usize, from: *const u8, size: usize) -> bool {
    if !admit(Call::Copy) {
        return false;
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // SAFETY: a constant path; the flags need no third argument. The kernel
        // reads `size` bytes that the caller may read.
        unsafe {
            let flags = libc::O_RDWR | libc::O_CLOEXEC;
            let file = libc::open(c"/proc/self/mem".as_ptr(), flags);
            if file < 0 {
                return false;
            }
            let written = libc::pwrite64(file, from.cast(), size, to as i64);
            libc::close(file);
            written == size as isize
        }
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = (to, from, size);
        false
    }
}

/// Shows `visit` each page of a range that has contents of its own, in memory or
/// swapped out; all of them where the system does not tell. Start and size are whole
/// pages.
pub fn for_each_held(start: usize, size: usize, visit: &mut dyn FnMut(usize)) {
    let page = super::page_size();
    let end = start + size;
    let mut next = start;
    for_each_state(start, size, &mut |address, state| {
        if state & (IN_MEMORY | SWAPPED) != 0 {
            visit(address);
        }
        next = address + page;
        true
    });
    while next < end {
        visit(next);
        next += page;
    }
}

/// How many bytes from the page at `start` on are alike: pages of a mapped file, or
/// of memory like one, that the process has copies of, or pages that it has none of;
/// and whether it has. At most `size`, whole pages. `None` where the system does not
/// tell.
pub fn copied_pages(start: usize, size: usize) -> Option<(usize, bool)> {
    let page = super::page_size();
    let mut first = None;
    let mut end = start;
    for_each_state(start, size, &mut |address, state| {
        let is_own = state & (IN_MEMORY | SWAPPED) != 0 && state & FILES == 0;
        if *first.get_or_insert(is_own) != is_own {
            return false;
        }
        end = address + page;
        true
    });
    first.map(|is_own| (end - start, is_own))
}

/// What the system's list of pages says of one: in memory, swapped out, and a file's
/// or memory that is shared.
const IN_MEMORY: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const FILES: u64 = 1 << 61;

/// Shows `visit` what the system's list says of each page of a range, until it returns
/// false or the system does not tell.
fn for_each_state(start: usize, size: usize, visit: &mut dyn FnMut(usize, u64) -> bool) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        const AT_ONCE: usize = 256;
        if !admit(Call::Copy) {
            return;
        }
        // SAFETY: a constant path; the flags need no third argument.
        let file = unsafe {
            let flags = libc::O_RDONLY | libc::O_CLOEXEC;
            libc::open(c"/proc/self/pagemap".as_ptr(), flags)
        };
        if file < 0 {
            return;
        }
        let page = super::page_size();
        let mut states = [0u64; AT_ONCE];
        let (mut next, end) = (start, start + size);
        'all: while next < end {
            let bytes = ((end - next) / page).min(AT_ONCE) * size_of::<u64>();
            let place = (next / page * size_of::<u64>()) as i64;
            // SAFETY: the kernel writes at most `bytes` bytes to the buffer.
            let got = unsafe { libc::pread64(file, states.as_mut_ptr().cast(), bytes, place) };
            let count = usize::try_from(got).unwrap_or(0) / size_of::<u64>();
            if count == 0 {
                break;
            }
            for &state in states.iter().take(count) {
                if !visit(next, state) {
                    break 'all;
                }
                next += page;
            }
        }
        // SAFETY: opened above, and nobody else knows it.
        unsafe { libc::close(file) };
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (start, size, visit);
}

/// Has processors run the instructions that were written to a range: those that
/// do not see to it themselves are told.
pub fn flush_instructions(start: usize, size: usize) {
    #[cfg(not(any(target_arch = "x86_64", target_arch = "x86")))]
    {
        unsafe extern "C" {
            fn __clear_cache(start: *mut core::ffi::c_void, end: *mut core::ffi::c_void);
        }
        let first = core::ptr::with_exposed_provenance_mut(start);
        let end = core::ptr::with_exposed_provenance_mut(start.saturating_add(size));
        // SAFETY: the function of the compiler's own library changes no memory.
        unsafe { __clear_cache(first, end) };
    }
    #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
    let _ = (start, size);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::for_each_held;
    use crate::sys::{self, GRANULARITY};
    use std::vec::Vec;

    #[test]
    fn pages_that_were_written_are_told() {
        let page = sys::page_size();
        const PAGES: usize = 700;
        let base = sys::reserve(PAGES * page, GRANULARITY);
        assert!(!base.is_null());
        let own = [1, 2, 255, 256, 257, 600, 699];
        // SAFETY: reserved above; the pages written to are committed.
        unsafe {
            assert!(sys::commit(base, PAGES * page));
            // No larger ones, which would come with their neighbours.
            sys::advise_huge(base, PAGES * page, false);
            for number in own {
                base.add(number * page).write(1);
            }
        }
        let mut held = Vec::new();
        for_each_held(base.addr(), PAGES * page, &mut |address| {
            held.push((address - base.addr()) / page);
        });
        assert_eq!(held, own);
        // SAFETY: this test's, whole.
        assert!(unsafe { sys::release(base, PAGES * page) });
    }
}
