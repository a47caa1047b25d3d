//! The list of a debug heap's blocks, newest request first, and their figures:
//! all that its lock protects.
//!
//! ```text
//!   newest --older--> ... --older--> oldest        requests fall this way
//!          <--newer--     <--newer--
//! ```
//!
//! Invariants:
//! - The list is in the order of the requests' numbers, though requests may
//!   finish in another order: a walk that was interrupted goes on from a number
//!   alone.
//! - The counters are those of the blocks in the list.

use super::block::{self, Damage};
use super::kind::{FREE_BLOCK, MAX_BLOCKS, type_of};
use super::records::{NONE, Record, Records};
use super::state::State;
use core::ffi::c_char;

/// Where and as what a block is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    /// The number, or 0 before there is one.
    pub(super) number: u64,
    /// Type and subtype.
    pub(super) block_use: i32,
    pub(super) file: *const c_char,
    pub(super) line: i32,
}

/// What a look at one block found.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    pub(super) index: u32,
    pub(super) record: Record,
    pub(super) damage: Damage,
}

pub(super) struct List {
    records: Records,
    newest: u32,
    oldest: u32,
    counts: [usize; MAX_BLOCKS],
    sizes: [usize; MAX_BLOCKS],
    /// Bytes of blocks that are not freed, now and at most.
    current: usize,
    highest: usize,
    /// Bytes of all requests.
    total: usize,
    /// The last request's number.
    last: u64,
    /// Calls since all blocks were checked.
    pub(super) calls: u32,
}

impl List {
    pub(super) const fn new() -> List {
        List {
            records: Records::new(),
            newest: NONE,
            oldest: NONE,
            counts: [0; MAX_BLOCKS],
            sizes: [0; MAX_BLOCKS],
            current: 0,
            highest: 0,
            total: 0,
            last: 0,
            calls: 0,
        }
    }

    /// The next request's number.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    pub(super) fn get(&self, index: u32) -> Option<&Record> {
        self.records.get(index)
    }

    /// The block that starts at `data`, by its stamp or else by a search.
    ///
    /// # Safety
    /// The 16 bytes of a stamp can be read where a block's would lie.
    pub(super) unsafe fn find(&self, data: *mut u8) -> Option<u32> {
        // SAFETY: the caller's promise.
        let stamped = unsafe { block::stamped(data) }.filter(|&index| {
            self.get(index)
                .is_some_and(|record| core::ptr::eq(record.data, data))
        });
        stamped.or_else(|| self.records.search(data))
    }

    /// Counts a block's bytes in or out.
    fn count(&mut self, block_use: i32, size: usize, is_added: bool) {
        let kind = type_of(block_use);
        if let (Some(count), Some(bytes)) = (self.counts.get_mut(kind), self.sizes.get_mut(kind)) {
            if is_added {
                *count += 1;
                *bytes += size;
            } else {
                *count -= 1;
                *bytes -= size;
            }
        }
        if kind != FREE_BLOCK as usize {
            if is_added {
                self.current += size;
                self.highest = self.highest.max(self.current);
            } else {
                self.current -= size;
            }
        }
    }

    /// Enters a new block of the runtime's heap, at its place; false when there
    /// is no memory for its record.
    ///
    /// # Safety
    /// The bytes before and behind `data` are a block's lead and fence.
    pub(super) unsafe fn enter(&mut self, data: *mut u8, size: usize, request: Request) -> bool {
        let index = self.records.add(Record {
            data,
            size,
            file: request.file,
            request: request.number,
            total: 0,
            line: request.line,
            block_use: request.block_use,
            newer: NONE,
            older: NONE,
        });
        if index == NONE {
            return false;
        }
        self.total = self.total.wrapping_add(size);
        let total = self.total;
        if let Some(record) = self.records.get_mut(index) {
            record.total = total;
        }
        self.count(request.block_use, size, true);
        // SAFETY: the caller's block is in the list now, and live.
        unsafe {
            self.link(index);
            if let Some(record) = self.get(index) {
                block::write_fence(record);
            }
        }
        true
    }

    /// Puts a record into the list at its place, and the links into headers.
    unsafe fn link(&mut self, index: u32) {
        let Some(number) = self.get(index).map(|record| record.request) else {
            return;
        };
        let (mut newer, mut older) = (NONE, self.newest);
        while let Some(record) = self.get(older)
            && record.request > number
        {
            (newer, older) = (older, record.older);
        }
        if let Some(record) = self.records.get_mut(index) {
            (record.newer, record.older) = (newer, older);
        }
        self.join(newer, index);
        self.join(index, older);
        // SAFETY: blocks in the list are live.
        unsafe {
            self.refresh(index);
            self.refresh_links(newer);
            self.refresh_links(older);
        }
    }

    /// Takes a record out of the list, and out of the links in headers.
    unsafe fn unlink(&mut self, index: u32) {
        let Some((newer, older)) = self.get(index).map(|record| (record.newer, record.older))
        else {
            return;
        };
        self.join(newer, older);
        // SAFETY: blocks in the list are live.
        unsafe {
            self.refresh_links(newer);
            self.refresh_links(older);
        }
    }

    /// Makes two records neighbours; either may be the list's end.
    fn join(&mut self, newer: u32, older: u32) {
        match self.records.get_mut(newer) {
            Some(record) => record.older = older,
            None => self.newest = older,
        }
        match self.records.get_mut(older) {
            Some(record) => record.newer = newer,
            None => self.oldest = newer,
        }
    }

    unsafe fn refresh(&self, index: u32) {
        if let Some(record) = self.get(index) {
            let (older, newer) = (self.get(record.older), self.get(record.newer));
            // SAFETY: blocks in the list are live.
            unsafe { block::write_lead(index, record, older, newer) };
        }
    }

    unsafe fn refresh_links(&self, index: u32) {
        if let Some(record) = self.get(index) {
            let (older, newer) = (self.get(record.older), self.get(record.newer));
            // SAFETY: blocks in the list are live.
            unsafe { block::write_links(record, older, newer) };
        }
    }

    /// What a look at a block finds.
    pub(super) fn look(&self, index: u32) -> Option<Seen> {
        let record = self.get(index)?;
        let (older, newer) = (self.get(record.older), self.get(record.newer));
        let is_freed = type_of(record.block_use) == FREE_BLOCK as usize;
        // SAFETY: blocks in the list are live.
        let damage = unsafe { block::damage(index, record, older, newer, is_freed) };
        Some(Seen {
            index,
            record: *record,
            damage,
        })
    }

    /// Takes a block out. It is the runtime's heap's own from then on.
    ///
    /// # Safety
    /// Nobody uses the block any more.
    pub(super) unsafe fn leave(&mut self, index: u32) {
        let Some(record) = self.get(index).copied() else {
            return;
        };
        self.count(record.block_use, record.size, false);
        // SAFETY: the list's blocks are live.
        unsafe { self.unlink(index) };
        self.records.remove(index);
    }

    /// Keeps a freed block in the list, filled.
    ///
    /// # Safety
    /// Nobody uses the block any more.
    pub(super) unsafe fn keep_freed(&mut self, index: u32) {
        let Some(record) = self.records.get_mut(index) else {
            return;
        };
        let (before, size, data) = (record.block_use, record.size, record.data);
        record.block_use = FREE_BLOCK;
        // SAFETY: the block is live, and its bytes are nobody's.
        unsafe { data.write_bytes(block::FREED, size) };
        self.count(before, size, false);
        self.count(FREE_BLOCK, size, true);
        // SAFETY: blocks in the list are live. What was damaged was reported.
        unsafe {
            self.refresh(index);
            if let Some(record) = self.get(index) {
                block::write_fence(record);
            }
        }
    }

    /// Gives a block another size and request; it becomes the newest.
    ///
    /// # Safety
    /// The runtime's heap has given the block room for `size` bytes and its
    /// surroundings.
    pub(super) unsafe fn change(&mut self, index: u32, size: usize, request: Request) {
        let Some(record) = self.get(index).copied() else {
            return;
        };
        self.count(record.block_use, record.size, false);
        self.count(request.block_use, size, true);
        self.total = self.total.wrapping_add(size);
        let total = self.total;
        // SAFETY: blocks in the list are live, this one with its new size.
        unsafe {
            self.unlink(index);
            if let Some(record) = self.records.get_mut(index) {
                record.size = size;
                record.file = request.file;
                record.line = request.line;
                record.block_use = request.block_use;
                record.request = request.number;
                record.total = total;
            }
            self.link(index);
            if let Some(record) = self.get(index) {
                block::write_fence(record);
            }
        }
    }

    /// Gives up the bytes of a block from `size` on, for the list and its fence;
    /// the runtime's heap is not told.
    ///
    /// # Safety
    /// Nobody uses those bytes.
    pub(super) unsafe fn trim(&mut self, index: u32, size: usize) {
        let Some(record) = self.get(index).copied() else {
            return;
        };
        self.count(record.block_use, record.size, false);
        self.count(record.block_use, size, true);
        if let Some(record) = self.records.get_mut(index) {
            record.size = size;
        }
        // SAFETY: blocks in the list are live, and have had more bytes.
        unsafe {
            self.refresh(index);
            if let Some(record) = self.get(index) {
                block::write_fence(record);
            }
        }
    }

    /// The newest block, or the next one behind the one that a walk was at: by
    /// its index if it is still there, else by its number. The former takes no
    /// time.
    pub(super) fn after(&self, at: Option<(u32, u64)>) -> u32 {
        let Some((index, number)) = at else {
            return self.newest;
        };
        if let Some(record) = self.get(index)
            && record.request == number
        {
            return record.older;
        }
        let mut next = self.newest;
        while let Some(record) = self.get(next)
            && record.request >= number
        {
            next = record.older;
        }
        next
    }

    /// The figures now.
    pub(super) fn state(&self) -> State {
        State {
            newest: self
                .get(self.newest)
                .map_or(core::ptr::null_mut(), |record| {
                    block::header_of(record.data)
                }),
            counts: self.counts,
            sizes: self.sizes,
            highest: self.highest,
            total: self.total,
        }
    }
}
