//! Written pages: Linux' userfaultfd, in the mode in which the kernel itself
//! resolves writes to protected pages, and the list of pages that tells which it
//! resolved (PAGEMAP_SCAN, Linux 6.7). Writes by system calls count as any.
//!
//! A page that was never touched, or only read, is not marked and not written:
//! it is not there, or it is the page of zeros that all share.

use super::{Call, admit};

#[cfg(target_os = "linux")]
mod linux {
    use core::ffi::c_int;
    use core::sync::atomic::{AtomicI32, Ordering};

    /// The file that watching is asked of, plus 1; 0 while there is none.
    static WATCHER: AtomicI32 = AtomicI32::new(0);
    /// The list of pages, plus 1.
    static PAGES: AtomicI32 = AtomicI32::new(0);

    const USER_MODE_ONLY: c_int = 1;
    const API: u64 = 0xAA;
    const FEATURE_WP_ASYNC: u64 = 1 << 15;
    const REGISTER_MODE_WP: u64 = 1 << 1;

    #[repr(C)]
    struct Api {
        api: u64,
        features: u64,
        ioctls: u64,
    }

    #[repr(C)]
    struct Register {
        start: u64,
        length: u64,
        mode: u64,
        ioctls: u64,
    }

    #[repr(C)]
    struct Scan {
        size: u64,
        flags: u64,
        start: u64,
        end: u64,
        walk_end: u64,
        regions: u64,
        regions_length: u64,
        max_pages: u64,
        inverted: u64,
        mask: u64,
        any_of: u64,
        returned: u64,
    }

    #[derive(Clone, Copy)]
    #[repr(C)]
    struct Region {
        start: u64,
        end: u64,
        categories: u64,
    }

    const UFFDIO_API: u64 = 0xC018_AA3F;
    const UFFDIO_REGISTER: u64 = 0xC020_AA00;
    const PAGEMAP_SCAN: u64 = 0xC060_6610;
    const WP_MATCHING: u64 = 1;
    const CHECK_WPASYNC: u64 = 2;
    const IS_WRITTEN: u64 = 1 << 1;
    const IS_PRESENT: u64 = 1 << 3;
    const IS_SWAPPED: u64 = 1 << 4;
    const IS_ZERO_PAGE: u64 = 1 << 5;

    fn ioctl<T>(file: c_int, request: u64, argument: &mut T) -> c_int {
        // SAFETY: each request of this file takes the structure that it is
        // passed with, of the size that is part of its number.
        unsafe { libc::ioctl(file, request as _, &raw mut *argument) }
    }

    /// Takes a file that was opened just now for the process's own, unless
    /// another thread was first.
    fn keep(slot: &AtomicI32, file: c_int) -> Option<c_int> {
        if file < 0 {
            return None;
        }
        match slot.compare_exchange(0, file + 1, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Some(file),
            Err(other) => {
                // SAFETY: nobody else knows of the file.
                unsafe { libc::close(file) };
                Some(other - 1)
            }
        }
    }

    fn watcher() -> Option<c_int> {
        if let known @ 1.. = WATCHER.load(Ordering::Acquire) {
            return Some(known - 1);
        }
        let flags = libc::O_CLOEXEC | libc::O_NONBLOCK | USER_MODE_ONLY;
        // SAFETY: takes flags only.
        let file = unsafe { libc::syscall(libc::SYS_userfaultfd, flags) } as c_int;
        if file < 0 {
            return None;
        }
        let mut api = Api {
            api: API,
            features: FEATURE_WP_ASYNC,
            ioctls: 0,
        };
        if ioctl(file, UFFDIO_API, &mut api) != 0 {
            // SAFETY: the file was opened above and nobody else knows of it.
            unsafe { libc::close(file) };
            return None;
        }
        keep(&WATCHER, file)
    }

    fn pages() -> Option<c_int> {
        if let known @ 1.. = PAGES.load(Ordering::Acquire) {
            return Some(known - 1);
        }
        // SAFETY: a constant path; the flags need no third argument.
        let file = unsafe {
            libc::open(
                c"/proc/self/pagemap".as_ptr(),
                libc::O_RDONLY | libc::O_CLOEXEC,
            )
        };
        keep(&PAGES, file)
    }

    pub(super) fn watch(start: usize, size: usize) -> bool {
        let Some(watcher) = watcher() else {
            return false;
        };
        let mut register = Register {
            start: start as u64,
            length: size as u64,
            mode: REGISTER_MODE_WP,
            ioctls: 0,
        };
        // A huge page would be written as a whole.
        // SAFETY: the advice changes no contents.
        unsafe {
            libc::madvise(
                core::ptr::with_exposed_provenance_mut(start),
                size,
                libc::MADV_NOHUGEPAGE,
            )
        };
        ioctl(watcher, UFFDIO_REGISTER, &mut register) == 0
            && scan(start, size, false, &mut |_, _| {})
    }

    pub(super) fn scan(
        start: usize,
        size: usize,
        marks: bool,
        visit: &mut dyn FnMut(usize, usize),
    ) -> bool {
        const AT_ONCE: usize = 64;
        let Some(pages) = pages() else {
            return false;
        };
        let mut regions = [Region {
            start: 0,
            end: 0,
            categories: 0,
        }; AT_ONCE];
        let end = (start + size) as u64;
        let mut next = start as u64;
        while next < end {
            let mut scan = Scan {
                size: size_of::<Scan>() as u64,
                flags: CHECK_WPASYNC | if marks { WP_MATCHING } else { 0 },
                start: next,
                end,
                walk_end: 0,
                regions: regions.as_mut_ptr().expose_provenance() as u64,
                regions_length: AT_ONCE as u64,
                max_pages: 0,
                inverted: IS_ZERO_PAGE,
                mask: IS_WRITTEN | IS_ZERO_PAGE,
                // What was never there is not marked, and looks written.
                any_of: IS_PRESENT | IS_SWAPPED,
                returned: IS_WRITTEN,
            };
            let Ok(found) = usize::try_from(ioctl(pages, PAGEMAP_SCAN, &mut scan)) else {
                return false;
            };
            for region in regions.iter().take(found) {
                visit(region.start as usize, region.end as usize);
            }
            if scan.walk_end <= next {
                return false;
            }
            next = scan.walk_end;
        }
        true
    }

    pub(super) fn forget() {
        for slot in [&WATCHER, &PAGES] {
            if let known @ 1.. = slot.swap(0, Ordering::AcqRel) {
                // SAFETY: the file is this process's copy of its parent's, which
                // nobody uses any more.
                unsafe { libc::close(known - 1) };
            }
        }
    }
}

/// Has the system note from now on which pages of a reserved range are written
/// to. False where it cannot. It forgets what it noted about pages that are
/// mapped anew.
pub fn watch(start: usize, size: usize) -> bool {
    if !admit(Call::Watch) {
        return false;
    }
    #[cfg(target_os = "linux")]
    {
        linux::watch(start, size)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (start, size);
        false
    }
}

/// Shows `visit` the runs of pages of a watched range, from start to end, that
/// were written to since they were last marked, and marks them if `marks` says
/// so, each page in one step. False when the system does not tell.
pub fn written_pages(
    start: usize,
    size: usize,
    marks: bool,
    visit: &mut dyn FnMut(usize, usize),
) -> bool {
    if !admit(Call::Watch) {
        return false;
    }
    #[cfg(target_os = "linux")]
    {
        linux::scan(start, size, marks, visit)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (start, size, marks, visit);
        false
    }
}

/// In the child of a fork: what was asked of the system was the parent's.
pub fn forget_watching() {
    #[cfg(target_os = "linux")]
    linux::forget();
}
