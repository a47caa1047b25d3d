//! Which pages of another process hold something: in memory, or swapped out. A reservation
//! of terabytes holds little, and is not looked through as if it were full.
//!
//! A page of a file that was not touched holds what the file does, which is no address of
//! this process.

use crate::model::Range;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// As the system's "pagemap" says it (the kernel's documentation, "Examining Process Page
/// Tables").
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const PAGEMAP_SCAN: libc::Ioctl = 0xC060_6610_u32 as libc::Ioctl;
const IS_PRESENT: u64 = 1 << 3;
const IS_SWAPPED: u64 = 1 << 4;

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Region {
    start: u64,
    end: u64,
    categories: u64,
}

#[repr(C)]
#[derive(Default)]
struct Scan {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// Bytes of a page of the system, which a word of its list is for.
pub(crate) fn page_size() -> u64 {
    // SAFETY: it reads nothing of this process.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    // It is known on every Linux; a count of 0 would be divided by.
    u64::try_from(size)
        .ok()
        .filter(|size| size.is_power_of_two())
        .unwrap_or(4096)
}

/// The parts of a range of whole pages that hold something; the range itself where the system
/// does not tell.
pub(crate) fn of(pid: i32, range: Range) -> Vec<Range> {
    let Ok(file) = File::open(format!("/proc/{pid}/pagemap")) else {
        return vec![range];
    };
    scanned(&file, range)
        .or_else(|| listed(&file, range))
        .unwrap_or_else(|| vec![range])
}

/// By one call for many ranges, which passes over what is not there (Linux 6.7).
fn scanned(file: &File, range: Range) -> Option<Vec<Range>> {
    let mut found: Vec<Range> = Vec::new();
    let mut regions = [Region::default(); 512];
    let mut start = range.start;
    while start < range.end {
        let mut scan = Scan {
            size: size_of::<Scan>() as u64,
            start,
            end: range.end,
            vec: regions.as_mut_ptr() as u64,
            vec_len: regions.len() as u64,
            category_anyof_mask: IS_PRESENT | IS_SWAPPED,
            return_mask: IS_PRESENT | IS_SWAPPED,
            ..Scan::default()
        };
        // SAFETY: the system reads and writes the one record, and writes at most as many
        // regions as the array has, which lives until the call returns.
        let count = unsafe { libc::ioctl(file.as_raw_fd(), PAGEMAP_SCAN, &raw mut scan) };
        let count = usize::try_from(count).ok()?;
        for region in regions.get(..count)? {
            add(&mut found, region.start, region.end);
        }
        // The system goes forward, or there is no end.
        if scan.walk_end <= start {
            return None;
        }
        start = scan.walk_end;
    }
    Some(found)
}

/// By a word for each page.
fn listed(file: &File, range: Range) -> Option<Vec<Range>> {
    let page = page_size();
    let mut found = Vec::new();
    let mut bytes = vec![0; 1 << 20];
    let mut at = range.start;
    while at < range.end {
        let pages = ((range.end - at) / page).min(bytes.len() as u64 / 8);
        let words = bytes.get_mut(..pages as usize * 8)?;
        file.read_exact_at(words, at / page * 8).ok()?;
        for word in words.as_chunks::<8>().0 {
            if u64::from_ne_bytes(*word) & (PRESENT | SWAPPED) != 0 {
                add(&mut found, at, at + page);
            }
            at += page;
        }
        if pages == 0 {
            return None;
        }
    }
    Some(found)
}

/// Adds a range behind the others.
fn add(found: &mut Vec<Range>, start: u64, end: u64) {
    match found.last_mut() {
        Some(last) if last.end == start => last.end = end,
        _ => found.push(Range { start, end }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_were_written_are_told_alike_in_both_ways() {
        const PAGES: usize = 3000;
        let page_bytes = page_size() as usize;
        // SAFETY: a new mapping, at no address of anybody's.
        let base = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
            let rights = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(
                std::ptr::null_mut(),
                PAGES * page_bytes,
                rights,
                flags,
                -1,
                0,
            )
        };
        assert_ne!(base, libc::MAP_FAILED);
        // SAFETY: this test's mapping; no larger pages, which come with their neighbours.
        unsafe { libc::madvise(base, PAGES * page_bytes, libc::MADV_NOHUGEPAGE) };
        let start = base as u64;
        let mut expected = Vec::new();
        for page in [0, 1, 2, 700, 2999]
            .into_iter()
            .chain((1000..2400).step_by(2))
        {
            // SAFETY: in the mapping.
            unsafe { base.cast::<u8>().add(page * page_bytes).write(1) };
            expected.push(page);
        }
        expected.sort_unstable();
        let range = Range {
            start,
            end: start + PAGES as u64 * page_bytes as u64,
        };
        let pages = |found: Vec<Range>| -> Vec<usize> {
            let pages = found
                .iter()
                .flat_map(|range| (range.start..range.end).step_by(page_bytes));
            pages.map(|at| (at - start) as usize / page_bytes).collect()
        };
        let file = File::open("/proc/self/pagemap").expect("a pagemap");
        assert_eq!(pages(listed(&file, range).expect("a list")), expected);
        // Kernels before 6.7 have no such call.
        if let Some(found) = scanned(&file, range) {
            assert_eq!(pages(found), expected);
        }
        let pid = i32::try_from(std::process::id()).expect("a small number");
        assert_eq!(pages(of(pid, range)), expected);
        assert_eq!(of(i32::MAX, range), [range]);
        // SAFETY: this test's, whole.
        unsafe { libc::munmap(base, PAGES * page_bytes) };
    }
}
