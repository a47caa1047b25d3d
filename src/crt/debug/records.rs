//! What is true of each debug block: records in memory of their own, which no
//! overrun reaches.
//!
//! ```text
//!   index 0 ... 1023 | 1024 ... 3071 | 3072 ... 7167 | ...
//!         segment 0    segment 1        segment 2        each twice as long
//! ```
//!
//! A record keeps its index and its place for as long as its block lives.
//! Segments are never given back; records of blocks that are gone are used
//! again.

use crate::vm::{self, Use};
use core::ffi::c_char;
use core::ptr;

/// No record.
pub(super) const NONE: u32 = u32::MAX;
/// Records of the first segment.
const FIRST: u32 = 1024;
/// Segments for as many records as an index can name.
const SEGMENTS: usize = 23;

/// What is true of one block.
#[derive(Clone, Copy)]
pub(super) struct Record {
    /// The block's first byte; null in a record that is not used.
    pub(super) data: *mut u8,
    /// Its bytes.
    pub(super) size: usize,
    /// The file that asked for it, or null.
    pub(super) file: *const c_char,
    /// The number of the request. No two live blocks have the same.
    pub(super) request: u64,
    /// The bytes of all requests until then, this one included.
    pub(super) total: usize,
    /// The line in the file.
    pub(super) line: i32,
    /// The type, and in the upper half the subtype.
    pub(super) block_use: i32,
    /// The next block of the list towards the newest.
    pub(super) newer: u32,
    /// The next block of the list towards the oldest; of an unused record, the
    /// next unused one.
    pub(super) older: u32,
}

/// All records of a debug heap.
pub(super) struct Records {
    segments: [*mut Record; SEGMENTS],
    /// Records ever used: indices below this are good.
    count: u32,
    /// The first unused one among those.
    free: u32,
}

// SAFETY: the segments are the table's own, and shown by reference only.
unsafe impl Send for Records {}

/// The segment of an index, and the place in it.
fn place(index: u32) -> (usize, usize) {
    let step = (index / FIRST + 1).ilog2();
    let before = FIRST * ((1 << step) - 1);
    (step as usize, (index - before) as usize)
}

impl Records {
    pub(super) const fn new() -> Records {
        Records {
            segments: [ptr::null_mut(); SEGMENTS],
            count: 0,
            free: NONE,
        }
    }

    fn at(&self, index: u32) -> *mut Record {
        if index >= self.count {
            return ptr::null_mut();
        }
        let (segment, offset) = place(index);
        match self.segments.get(segment) {
            Some(base) => base.wrapping_add(offset),
            None => ptr::null_mut(),
        }
    }

    /// The record of a live block.
    pub(super) fn get(&self, index: u32) -> Option<&Record> {
        // SAFETY: null, or a record below `count`, which was written, in a
        // segment that is never given back; `&self` excludes a change.
        let record = unsafe { self.at(index).as_ref() }?;
        (!record.data.is_null()).then_some(record)
    }

    /// The record of a live block, to be changed.
    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut Record> {
        // SAFETY: as in `get`, and `&mut self` excludes other borrows.
        let record = unsafe { self.at(index).as_mut() }?;
        (!record.data.is_null()).then_some(record)
    }

    /// Keeps a record; its index, or [`NONE`] when there is no memory.
    pub(super) fn add(&mut self, record: Record) -> u32 {
        let index = match self.free {
            NONE => match self.extend() {
                Some(index) => index,
                None => return NONE,
            },
            free => free,
        };
        let at = self.at(index);
        // SAFETY: an unused record's place, which `&mut self` makes ours.
        unsafe {
            self.free = (*at).older;
            at.write(record);
        }
        index
    }

    /// Makes one more record, unused and the last of the unused ones.
    fn extend(&mut self) -> Option<u32> {
        let index = self.count;
        if index == NONE {
            return None;
        }
        let (segment, offset) = place(index);
        let base = self.segments.get_mut(segment)?;
        if base.is_null() {
            let bytes = ((FIRST as usize) << segment) * size_of::<Record>();
            let fresh = vm::allocate(Use::Metadata, vm::round_to_pages(bytes)?);
            if fresh.is_null() {
                return None;
            }
            *base = fresh.cast();
        }
        let unused = Record {
            data: ptr::null_mut(),
            size: 0,
            file: ptr::null(),
            request: 0,
            total: 0,
            line: 0,
            block_use: 0,
            newer: NONE,
            older: NONE,
        };
        // SAFETY: the segment has room for this place, and nobody knows of it.
        unsafe { base.wrapping_add(offset).write(unused) };
        self.count += 1;
        Some(index)
    }

    /// Forgets a live block's record.
    pub(super) fn remove(&mut self, index: u32) {
        let free = self.free;
        if let Some(record) = self.get_mut(index) {
            record.data = ptr::null_mut();
            record.older = free;
            self.free = index;
        }
    }

    /// The index of the block that starts at `data`, found among all. Takes
    /// time with their number.
    pub(super) fn search(&self, data: *const u8) -> Option<u32> {
        (0..self.count).find(|&index| {
            self.get(index)
                .is_some_and(|record| ptr::eq(record.data, data))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_lie_one_after_another_in_segments_that_double() {
        let mut expected = (0, 0);
        for index in 0..200_000 {
            assert_eq!(place(index), expected, "{index}");
            expected.1 += 1;
            if expected.1 == (FIRST as usize) << expected.0 {
                expected = (expected.0 + 1, 0);
            }
        }
        assert_eq!(place(NONE - 1).0, SEGMENTS - 1);
    }
}
