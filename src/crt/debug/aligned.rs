//! Blocks at multiples of any power of two, inside debug blocks.
//!
//! ```text
//!   debug block                                    a multiple of the alignment
//!   |                                                        |
//!   +- - - - -+------+------+-- - --+-------- offset --------+- - - -+
//!   | spare   | this | own  | ED×4+ |  bytes                         |
//!   +- - - - -+------+------+-- - --+- - - - - - - - - - - - - - - - +
//!             |      | the debug block's first byte
//!             | the bytes' first one
//! ```
//!
//! The bytes end where the debug block does, so that its fence is behind them.
//! The word below them that says where the debug block begins is where the
//! runtime's other aligned blocks have it, but for a fence of its own, from 4 to
//! 11 bytes.
//!
//! Sources: "_aligned_malloc_dbg" and the pages beside it. The value of the
//! fence, which they leave open, is this library's choice, as are the words of
//! its reports where users' reports do not show Microsoft's.

use super::block::is_filled;
use super::heap::{DebugHeap, Origin};
use super::kind::{ASSERT, ERROR, NORMAL_BLOCK};
use super::records::Record;
use super::report::complain;
use crate::crt::{MAX_REQUEST, errno};
use crate::sys;
use core::ptr;

/// What the fence below aligned bytes is filled with.
const FENCE: u8 = 0xED;
/// Least bytes of it.
const FENCE_MIN: usize = 4;
const WORD: usize = size_of::<usize>();
/// Most bytes between the debug block's first and the aligned block's, beside
/// what aligning takes: the two words, the fence, and the fence's rounding.
const LEAD_MAX: usize = 2 * WORD + FENCE_MIN + WORD - 1;

/// An alignment and an offset that can be had.
#[derive(Clone, Copy, Debug)]
pub struct Alignment {
    align: usize,
    offset: usize,
}

impl Alignment {
    /// Of a power of two, or of 0, which means that of a word; the byte at
    /// `offset`, which must lie inside the block, will be at a multiple of it.
    /// None for others.
    pub fn new(align: usize, offset: usize, size: usize) -> Option<Alignment> {
        if align != 0 && !align.is_power_of_two() || offset != 0 && offset >= size {
            return None;
        }
        Some(Alignment {
            align: align.max(WORD),
            offset,
        })
    }

    /// Bytes that a block takes of its debug block beside its own.
    fn overhead(self) -> Option<usize> {
        self.align.checked_add(LEAD_MAX)
    }

    /// The first byte of a block whose debug block begins at `own`: at least
    /// [`LEAD_MAX`] bytes on, and less than the overhead.
    fn place(self, own: *mut u8) -> *mut u8 {
        let least = own.addr() + LEAD_MAX;
        let aligned = (least + self.offset).next_multiple_of(self.align) - self.offset;
        own.wrapping_add(aligned - own.addr())
    }
}

/// The word that says where the debug block of the bytes at `data` begins.
fn own_place(data: *mut u8) -> *mut usize {
    let below = data.wrapping_sub(FENCE_MIN + WORD);
    below.wrapping_sub(below.addr() % WORD).cast()
}

/// An aligned block, and its debug block's record.
struct Aligned {
    size: usize,
    own: *mut u8,
    record: Record,
}

impl DebugHeap {
    /// Asks for `size` bytes at an alignment, of type
    /// [`NORMAL_BLOCK`]; otherwise as [`DebugHeap::allocate`].
    ///
    /// Source: "_aligned_offset_malloc_dbg".
    pub fn allocate_aligned(
        &'static self,
        size: usize,
        alignment: Alignment,
        origin: Origin,
    ) -> *mut u8 {
        let room = alignment
            .overhead()
            .and_then(|more| size.checked_add(more))
            .filter(|&room| room <= MAX_REQUEST);
        let Some(room) = room else {
            errno::set(errno::ENOMEM);
            return ptr::null_mut();
        };
        let own = self.allocate(room, NORMAL_BLOCK, origin);
        if own.is_null() {
            return own;
        }
        let data = alignment.place(own);
        let used = data.addr() - own.addr() + size;
        // SAFETY: the debug block is ours, and keeps all that lies before the
        // aligned bytes' end. The two words and the fence lie in it, below the
        // bytes: `place` leaves LEAD_MAX bytes.
        unsafe {
            let mut list = self.list.lock();
            let index = self.find(&list, own);
            list.trim(index, used);
            drop(list);
            let word = own_place(data);
            word.write(own.expose_provenance());
            word.wrapping_sub(1).write(data.addr());
            let fence = word.wrapping_add(1).cast::<u8>();
            fence.write_bytes(FENCE, data.addr() - fence.addr());
        }
        data
    }

    /// The aligned block at `data`; reports what is wrong with it, and none when
    /// it is none.
    fn inspect_aligned(&'static self, data: *mut u8) -> Option<Aligned> {
        if self.is_block(data) {
            complain(
                ERROR,
                format_args!(
                    "The block at 0x{:016X} was not allocated by _aligned routines, use free()",
                    data.addr()
                ),
            );
            return None;
        }
        let found = self.aligned_at(data);
        if found.is_none() {
            complain(ASSERT, format_args!("_CrtIsValidHeapPointer(block)"));
        }
        found
    }

    /// The aligned block at `data`, if there is one. Any address will do.
    fn aligned_at(&'static self, data: *mut u8) -> Option<Aligned> {
        let word = own_place(data);
        let can_be_read = data.addr() > LEAD_MAX
            && errno::keep(|| {
                sys::is_readable(word.addr()) && sys::is_readable(word.addr() - WORD)
            });
        if !can_be_read {
            return None;
        }
        // SAFETY: both words were found to be readable, and are aligned.
        let (own, this) = unsafe { (word.read(), word.wrapping_sub(1).read()) };
        let own: *mut u8 = ptr::with_exposed_provenance_mut(own);
        let record = self.keeper_of(own).look(own)?.record;
        let end = own.addr().checked_add(record.size)?;
        let least = own.addr() + 2 * WORD + FENCE_MIN;
        if this != data.addr() || data.addr() < least || data.addr() > end {
            return None;
        }
        let fence = word.wrapping_add(1).cast::<u8>();
        // SAFETY: the fence lies in the debug block, below `data`.
        let is_sound = unsafe { is_filled(fence, data.addr() - fence.addr(), FENCE) };
        if !is_sound {
            complain(
                ERROR,
                format_args!(
                    "Damage before 0x{:016X} which was allocated by aligned routine\n",
                    data.addr()
                ),
            );
        }
        Some(Aligned {
            size: end - data.addr(),
            own,
            record,
        })
    }

    /// Frees a block of [`DebugHeap::allocate_aligned`]; null is none. What is
    /// wrong with it is reported, and what is none stays as it is.
    ///
    /// Source: "_aligned_free_dbg".
    ///
    /// # Safety
    /// If it is a block, nobody uses it any more.
    pub unsafe fn free_aligned(&'static self, data: *mut u8) {
        if data.is_null() {
            return;
        }
        if let Some(found) = self.inspect_aligned(data) {
            // SAFETY: the caller's promise.
            unsafe { self.free(found.own, found.record.block_use) };
        }
    }

    /// Changes the size and the alignment of an aligned block, which moves. Null
    /// as the block asks for a new one; a size of 0 frees it, and the result is
    /// null. What is added is 0 if `zero`.
    ///
    /// Sources: "_aligned_offset_realloc_dbg", "_aligned_offset_recalloc_dbg".
    ///
    /// # Safety
    /// As for [`DebugHeap::reallocate`].
    pub unsafe fn reallocate_aligned(
        &'static self,
        data: *mut u8,
        size: usize,
        alignment: Alignment,
        zero: bool,
        origin: Origin,
    ) -> *mut u8 {
        let (old, found) = if data.is_null() {
            (0, None)
        } else if size == 0 {
            // SAFETY: the caller's promise.
            unsafe { self.free_aligned(data) };
            return ptr::null_mut();
        } else {
            match self.inspect_aligned(data) {
                Some(found) => (found.size, Some(found)),
                None => {
                    errno::set(errno::EINVAL);
                    return ptr::null_mut();
                }
            }
        };
        let new = self.allocate_aligned(size, alignment, origin);
        if new.is_null() {
            return new;
        }
        // SAFETY: both blocks are live and as long as is said, and the new one is
        // nobody's yet; the old one is the caller's to give up.
        unsafe {
            ptr::copy_nonoverlapping(data, new, old.min(size));
            if zero && let Some(more) = size.checked_sub(old) {
                new.wrapping_add(old).write_bytes(0, more);
            }
            if let Some(found) = found {
                self.free(found.own, found.record.block_use);
            }
        }
        new
    }

    /// The bytes of an aligned block; none, after a report, when it is none.
    ///
    /// Source: "_aligned_msize_dbg".
    pub fn aligned_size_of(&'static self, data: *mut u8) -> Option<usize> {
        self.inspect_aligned(data).map(|found| found.size)
    }
}
