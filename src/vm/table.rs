//! A list of small records in order, in pages of its own.
//!
//! Its owner keeps the order and finds records by halving. Inserting and
//! removing move what comes behind: right for some thousands of records that
//! change rarely beside what each change costs in calls to the system.

use super::Use;
use core::ptr;

/// Records in order. Never shrinks.
pub(crate) struct Table<T: Copy> {
    records: *mut T,
    len: usize,
    /// Bytes of the pages that hold the records.
    bytes: usize,
}

// SAFETY: the table owns its pages and shows records by reference only, so it
// may move to another thread as an array of `T` may.
unsafe impl<T: Copy + Send> Send for Table<T> {}

#[cfg_attr(windows, allow(dead_code))]
impl<T: Copy> Table<T> {
    /// No records, and no memory.
    pub(crate) const fn new() -> Self {
        Table {
            records: ptr::null_mut(),
            len: 0,
            bytes: 0,
        }
    }

    /// The records, in order.
    pub(crate) fn records(&self) -> &[T] {
        if self.records.is_null() {
            return &[];
        }
        // SAFETY: the first `len` records were written, and only `&mut self`
        // changes or moves them.
        unsafe { core::slice::from_raw_parts(self.records, self.len) }
    }

    /// The records, to be changed in place.
    pub(crate) fn records_mut(&mut self) -> &mut [T] {
        if self.records.is_null() {
            return &mut [];
        }
        // SAFETY: as in `records`, and `&mut self` excludes other borrows.
        unsafe { core::slice::from_raw_parts_mut(self.records, self.len) }
    }

    /// Whether `more` records can be inserted without memory.
    #[inline]
    pub(crate) fn has_room(&self, more: usize) -> bool {
        let all = self.len.checked_add(more);
        all.and_then(|all| all.checked_mul(size_of::<T>()))
            .is_some_and(|need| need <= self.bytes)
    }

    /// Makes room for `more` records, after which inserting so many cannot
    /// fail. False, and nothing changed, when there is no memory.
    pub(crate) fn reserve(&mut self, more: usize) -> bool {
        let size = size_of::<T>().max(1);
        let need = match self.len.checked_add(more).and_then(|n| n.checked_mul(size)) {
            Some(need) if need > self.bytes => need,
            Some(_) => return true,
            None => return false,
        };
        let Some(bytes) = super::round_to_pages(need.max(self.bytes.saturating_mul(2))) else {
            return false;
        };
        let fresh = super::allocate(Use::Metadata, bytes).cast::<T>();
        if fresh.is_null() {
            return false;
        }
        if !self.records.is_null() {
            // SAFETY: the old pages hold `len` records, the new ones have room
            // for more than that, and the two are different regions. The old
            // region is this table's, whole, and nobody borrows from it.
            unsafe {
                ptr::copy_nonoverlapping(self.records, fresh, self.len);
                super::give_back(Use::Metadata, self.records.cast(), self.bytes, self.bytes);
            }
        }
        self.records = fresh;
        self.bytes = bytes;
        true
    }

    /// Puts `record` before the one at `index`, or at the end. False, and
    /// nothing changed, when there is no memory or no such place.
    pub(crate) fn insert(&mut self, index: usize, record: T) -> bool {
        if index > self.len || !self.reserve(1) {
            return false;
        }
        // SAFETY: there is room for `len + 1` records, `index` is at most
        // `len`, and the records from `index` on move up by one.
        unsafe {
            let at = self.records.add(index);
            ptr::copy(at, at.add(1), self.len - index);
            at.write(record);
        }
        self.len += 1;
        true
    }

    /// Takes out the `count` records from `first` on, as far as there are any.
    pub(crate) fn remove(&mut self, first: usize, count: usize) {
        let first = first.min(self.len);
        let count = count.min(self.len - first);
        if count == 0 {
            return;
        }
        // SAFETY: `first + count` is at most `len`; the records behind move
        // down by `count`.
        unsafe {
            let at = self.records.add(first);
            ptr::copy(at.add(count), at, self.len - first - count);
        }
        self.len -= count;
    }
}

#[cfg(test)]
mod tests {
    use super::Table;
    use std::vec::Vec;

    #[test]
    fn it_keeps_what_a_vector_keeps() {
        let mut table = Table::<[u64; 3]>::new();
        let mut model = Vec::<[u64; 3]>::new();
        let mut state = 1u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            (state >> 33) as usize % below.max(1)
        };
        for step in 0..20_000u64 {
            if next(3) != 0 {
                let at = next(model.len() + 1);
                assert!(table.insert(at, [step; 3]));
                model.insert(at, [step; 3]);
            } else {
                let first = next(model.len() + 1);
                let count = next(3).min(model.len() - first);
                table.remove(first, count);
                model.drain(first..first + count);
            }
            if step % 64 == 0 {
                assert_eq!(table.records(), model);
            }
        }
        assert!(model.len() > 1000, "pages were outgrown");
        assert!(!table.insert(model.len() + 1, [0; 3]));
        table.remove(model.len(), 5);
        assert_eq!(table.records(), model);
        table.records_mut().reverse();
        model.reverse();
        assert_eq!(table.records(), model);
    }
}
