//! Questions about addresses. Any address may be asked about.

use super::heap::{DebugHeap, Origin};
use super::kind::{FREE_BLOCK, can_be_asked_for, type_of};

/// What is known of a block.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Its first byte.
    pub start: *mut u8,
    /// Its bytes.
    pub size: usize,
    /// Type and subtype.
    pub block_use: i32,
    /// The number of the request for it.
    pub request: u64,
    /// Where the request came from.
    pub origin: Origin,
}

impl DebugHeap {
    /// What is known of the block that starts at `data`; none when there is
    /// none. A freed block that is kept is one, of type [`FREE_BLOCK`].
    ///
    /// The block of another debug heap counts, if both are on one heap, as
    /// runtimes are in [`Mode::Process`](crate::crt::Mode::Process): by Microsoft's
    /// page an address in the heap that all runtimes share is valid for any of them.
    pub fn block_at(&'static self, data: *const u8) -> Option<Known> {
        let record = self.keeper_of(data).look(data)?.record;
        Some(Known {
            start: record.data,
            size: record.size,
            block_use: record.block_use,
            request: record.request,
            origin: record.origin(),
        })
    }

    /// Whether a block starts at `data`, as for [`DebugHeap::block_at`].
    ///
    /// Source: "_CrtIsValidHeapPointer".
    pub fn is_block(&'static self, data: *const u8) -> bool {
        self.keeper_of(data).has_block(data)
    }

    /// Whether a block of this debug heap's own starts at `data`.
    pub(super) fn has_block(&self, data: *const u8) -> bool {
        self.look(data).is_some()
    }

    /// What is known of the block that starts at `data`, if it has `size` bytes
    /// and was not freed.
    ///
    /// Source: "_CrtIsMemoryBlock".
    pub fn block_of(&'static self, data: *const u8, size: usize) -> Option<Known> {
        self.block_at(data)
            .filter(|known| known.size == size && can_be_asked_for(known.block_use))
    }

    /// Type and subtype of the block that starts at `data`; -1 where there is
    /// none.
    ///
    /// Source: "_CrtReportBlockType".
    pub fn block_type(&'static self, data: *const u8) -> i32 {
        self.block_at(data)
            .filter(|known| type_of(known.block_use) != FREE_BLOCK as usize)
            .map_or(-1, |known| known.block_use)
    }
}
