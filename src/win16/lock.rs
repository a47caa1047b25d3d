//! Locks as guards: a block's address exists as long as its guard does.

use super::space::Space;
use core::cell::Cell;
use core::ops::Deref;

/// A locked block of the global heap: what `GlobalLock` points to.
///
/// The block does not move, shrink or go while this lives; dropping it is
/// `GlobalUnlock`. The bytes are [`Cell`]s: as on Windows, everybody who has
/// locked the block sees and writes the same ones. Of a huge block (64 KiB and
/// more) it is all of it, what a huge pointer reaches.
#[must_use = "the block is unlocked when the guard is dropped"]
pub struct Locked<'h> {
    space: &'h Space,
    slot: u16,
    bytes: &'h [Cell<u8>],
}

impl<'h> Locked<'h> {
    /// A guard of a block that has memory, `bytes`.
    pub(super) fn new(space: &'h Space, slot: u16, bytes: &'h [Cell<u8>]) -> Locked<'h> {
        space.guard(slot);
        Locked { space, slot, bytes }
    }

    /// Copies bytes out, from offset `at`. False, and nothing copied, if the
    /// block has not so many there.
    pub fn read(&self, at: usize, into: &mut [u8]) -> bool {
        read(self.bytes, at, into)
    }

    /// Copies bytes in, from offset `at`. False, and nothing copied, if the
    /// block has not so many there.
    pub fn write(&self, at: usize, from: &[u8]) -> bool {
        write(self.bytes, at, from)
    }

    /// Sets all bytes.
    pub fn fill(&self, byte: u8) {
        self.bytes.iter().for_each(|cell| cell.set(byte));
    }

    /// The `n`-th 64 KiB of the block, the last one maybe less: what one
    /// selector of a huge block reaches.
    pub fn tile(&self, n: usize) -> Option<&[Cell<u8>]> {
        self.bytes.chunks(0x1_0000).nth(n)
    }

    /// Unlocks the block; whether it is locked still, by others. `GlobalUnlock`.
    pub fn unlock(self) -> bool {
        let (space, slot) = (self.space, self.slot);
        drop(self);
        space.record(slot).locks() != 0
    }
}

impl Deref for Locked<'_> {
    type Target = [Cell<u8>];

    fn deref(&self) -> &[Cell<u8>] {
        self.bytes
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.space.unguard(self.slot);
    }
}

/// A locked block of a local heap. While it lives, its data segment stays where
/// it is, too.
#[must_use = "the block is unlocked when the guard is dropped"]
pub struct LocalLocked<'h> {
    block: Locked<'h>,
    near: u16,
    /// Last: the segment is let go after the block.
    _hold: Hold<'h>,
}

/// Keeps a data segment in its place: one guard of it, however many of its
/// local blocks are locked.
pub(super) struct Hold<'h> {
    holders: &'h Cell<u32>,
    space: &'h Space,
    slot: u16,
}

impl<'h> Hold<'h> {
    /// Counted in `holders`; the segment is in `slot` of the global heap.
    pub(super) fn new(holders: &'h Cell<u32>, space: &'h Space, slot: u16) -> Hold<'h> {
        if holders.get() == 0 {
            space.guard(slot);
        }
        holders.set(holders.get() + 1);
        Hold {
            holders,
            space,
            slot,
        }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.holders.set(self.holders.get() - 1);
        if self.holders.get() == 0 {
            self.space.unguard(self.slot);
        }
    }
}

impl<'h> LocalLocked<'h> {
    pub(super) fn new(block: Locked<'h>, hold: Hold<'h>, near: u16) -> LocalLocked<'h> {
        LocalLocked {
            block,
            near,
            _hold: hold,
        }
    }

    /// The near address: the block's offset in its segment.
    pub fn near(&self) -> u16 {
        self.near
    }

    /// Unlocks the block; whether it is locked still, by others. `LocalUnlock`.
    pub fn unlock(self) -> bool {
        let LocalLocked { block, .. } = self;
        block.unlock()
    }
}

impl<'h> Deref for LocalLocked<'h> {
    type Target = Locked<'h>;

    fn deref(&self) -> &Locked<'h> {
        &self.block
    }
}

/// A code segment in memory, locked for as long as it runs. Its bytes can be
/// read; there is no way to write to them.
#[must_use = "the segment is unlocked when the guard is dropped"]
pub struct Code<'h> {
    pub(super) bytes: Locked<'h>,
}

impl Code<'_> {
    /// Bytes of the segment, in whole granules.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it has none; a segment in memory has.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Copies bytes out, from offset `at`. False, and nothing copied, if the
    /// segment has not so many there.
    pub fn read(&self, at: usize, into: &mut [u8]) -> bool {
        self.bytes.read(at, into)
    }

    /// What a write to a code segment comes to.
    ///
    /// # Errors
    /// [`Error::GeneralProtection`](super::Error::GeneralProtection), always.
    pub fn write(&self, _at: usize, _from: &[u8]) -> Result<(), super::Error> {
        Err(super::Error::GeneralProtection)
    }
}

fn read(bytes: &[Cell<u8>], at: usize, into: &mut [u8]) -> bool {
    let end = at.saturating_add(into.len());
    let Some(range) = bytes.get(at..end) else {
        return false;
    };
    for (target, source) in into.iter_mut().zip(range) {
        *target = source.get();
    }
    true
}

fn write(bytes: &[Cell<u8>], at: usize, from: &[u8]) -> bool {
    let end = at.saturating_add(from.len());
    let Some(range) = bytes.get(at..end) else {
        return false;
    };
    for (target, source) in range.iter().zip(from) {
        target.set(*source);
    }
    true
}
