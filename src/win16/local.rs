//! Local heaps: small blocks in a data segment of the global heap.
//!
//! ```text
//!   the segment, at most 64 KiB, a moveable block of the global heap
//!   | static data, stack | fixed | hole | moveable | discardable |  -> grows
//!                        low (near addresses stay as it moves)  high
//! ```
//!
//! A local heap knows offsets from its segment's start, so that a segment that
//! moves takes it along. A guard of a local block holds the segment in place.
//!
//! The locks that [`LocalHeap::init`] and a running program keep on the segment
//! give way when the heap itself must grow: their holders have no address of
//! it. Guards and [`LocalHeap::lock_data`] do not.

use super::error::Error;
use super::flags::{BlockFlags, Flags};
use super::global::{GlobalHeap, HGlobal};
use super::lock::{Hold, LocalLocked, Locked};
use super::space::{Direction, Figures, Ground, Handle, Kind, Record, Space, State};
use core::cell::Cell;
use core::fmt;
use core::ops::Range;

/// Sizes of blocks are multiples of this.
const GRANULE: u32 = 4;
/// Handles of a local heap: a block of 16 bytes each fills a segment.
const HANDLES: usize = 4096;
/// The most bytes of a segment with a local heap: what a near address reaches.
pub(super) const SEGMENT_MAX: u32 = 0x1_0000;

/// A block of a [`LocalHeap`]: what Windows calls `HLOCAL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HLocal(pub(super) Handle);

impl HLocal {
    /// The handle's number, by which pictures name the block.
    pub fn number(self) -> u16 {
        self.0.slot
    }
}

/// A heap in a segment of a [`GlobalHeap`]: `LocalInit` and its kin.
///
/// Sizes are bytes, rounded up to a multiple of 4. It has at most 4,095 blocks.
/// If it is full and reaches to its segment's end, it takes more from the global
/// heap, up to 64 KiB for the segment. It grows before it discards.
///
/// ```
/// use ntheap::win16::{Flags, GlobalHeap, LocalHeap};
///
/// let global = GlobalHeap::new(1 << 20)?;
/// let segment = global.alloc(Flags::MOVEABLE, 4096)?;
/// let local = LocalHeap::init(&global, segment, 1024..4096)?;
/// let block = local.alloc(Flags::MOVEABLE, 32)?;
/// local.lock(block)?.write(0, b"near");
/// local.compact(0)?;
/// assert_eq!(local.lock(block)?[0].get(), b'n');
/// # Ok::<(), ntheap::win16::Error>(())
/// ```
pub struct LocalHeap<'g, 'n> {
    global: &'g GlobalHeap<'n>,
    segment: HGlobal,
    space: Space,
    /// Guards of blocks of this heap.
    holders: Cell<u32>,
    /// The lock of `init` is not taken back.
    initial: Cell<bool>,
    /// Bytes that shrinking leaves at least.
    minimum: u32,
}

impl Ground for LocalHeap<'_, '_> {
    fn shift(&self, from: u32, to: u32, length: u32) {
        let base = self.segment().start;
        self.global.shift(base + from, base + to, length);
    }

    fn clear(&self, at: u32, length: u32) {
        self.global.clear(self.segment().start + at, length);
    }

    fn allows(&self, _handle: Handle, _owner: u16) -> bool {
        true
    }
}

impl<'g, 'n> LocalHeap<'g, 'n> {
    /// A local heap in part of a segment, offsets `part`, inner bounds of whole
    /// 4 bytes taken. `LocalInit` ("LocalInit", Windows 3.0 reference).
    ///
    /// The segment is locked by it, as Windows does, but for the heap's own
    /// growth; [`unlock_data`](Self::unlock_data) takes that lock back. It can
    /// be freed when the local heap is dropped.
    ///
    /// # Errors
    /// [`Error::InvalidHandle`]; [`Error::Discarded`]; [`Error::TooLarge`] for a
    /// segment of more than 64 KiB; [`Error::SegmentAttributes`] for a
    /// discardable one; [`Error::InvalidParameter`] if the segment has no such
    /// part; [`Error::InUse`] if it has a local heap already;
    /// [`Error::NoMemory`]; [`Error::Busy`] from a notification.
    pub fn init(
        global: &'g GlobalHeap<'n>,
        segment: HGlobal,
        part: Range<u32>,
    ) -> Result<LocalHeap<'g, 'n>, Error> {
        Self::init_with(global, segment, part, 0)
    }

    /// [`init`](Self::init), with what shrinking leaves at least.
    pub(super) fn init_with(
        global: &'g GlobalHeap<'n>,
        segment: HGlobal,
        part: Range<u32>,
        minimum: u32,
    ) -> Result<LocalHeap<'g, 'n>, Error> {
        let record = global.space.find(segment.0)?;
        global.space.enter()?;
        if record.state == State::Discarded {
            return Err(Error::Discarded);
        }
        if record.segment {
            return Err(Error::InUse);
        }
        if record.kind == Kind::Discardable {
            return Err(Error::SegmentAttributes);
        }
        if record.size > SEGMENT_MAX {
            return Err(Error::TooLarge);
        }
        if part.start > part.end || part.end > record.size {
            return Err(Error::InvalidParameter);
        }
        let low = part.start.next_multiple_of(GRANULE);
        let high = (part.end - part.end % GRANULE).max(low);
        let space = Space::new(HANDLES, GRANULE, low..high, Direction::Up);
        let space = space.ok_or(Error::NoMemory)?;
        global.space.update(segment.0.slot, |record| {
            record.segment = true;
            record.soft = record.soft.saturating_add(1);
        });
        Ok(LocalHeap {
            global,
            segment,
            space,
            holders: Cell::new(0),
            initial: Cell::new(true),
            minimum,
        })
    }

    /// The segment's record.
    fn segment(&self) -> Record {
        self.global.space.record(self.segment.0.slot)
    }

    /// Neither this heap nor the global one is asking a task.
    fn enter(&self) -> Result<(), Error> {
        self.global.space.enter()
    }

    /// The segment that the heap is in.
    pub fn data_segment(&self) -> HGlobal {
        self.segment
    }

    /// Bytes of the heap, blocks and holes.
    pub fn size(&self) -> u32 {
        self.space.high() - self.space.low()
    }

    /// Bytes in no block.
    pub fn free_bytes(&self) -> u32 {
        self.space.free_and_expendable().0
    }

    /// What the heap has done so far.
    pub fn figures(&self) -> Figures {
        self.space.figures.get()
    }

    /// Whether the heap's records hold together. For tests; takes time in
    /// proportion to the blocks.
    pub fn validate(&self) -> bool {
        self.space.is_sound()
    }

    pub(super) fn space(&self) -> &Space {
        &self.space
    }

    /// Allocates a block. `LocalAlloc` ("LocalAlloc", Windows 3.1 SDK).
    ///
    /// If there is no hole, moveable blocks are moved, then the segment grows,
    /// then discardable blocks are discarded, the least recently used first, as
    /// far as the flags and the segment's 64 KiB allow. A size of 0 with
    /// [`Flags::MOVEABLE`] gives a block without memory.
    ///
    /// # Errors
    /// [`Error::InvalidFlags`] for [`Flags::DISCARDABLE`] without
    /// [`Flags::MOVEABLE`] and for flags of global blocks and of changes;
    /// [`Error::ZeroSize`] for a fixed block of 0 bytes; [`Error::TooLarge`];
    /// [`Error::NoHandles`]; [`Error::NoMemory`]; [`Error::Busy`] from a
    /// notification.
    pub fn alloc(&self, flags: Flags, size: u32) -> Result<HLocal, Error> {
        self.enter()?;
        let kind = Space::kind_of(flags)?;
        let foreign = Flags::MODIFY | Flags::NOT_BANKED | Flags::SHARE | Flags::NOTIFY;
        if flags.intersects(foreign) {
            return Err(Error::InvalidFlags);
        }
        if size == 0 && kind == Kind::Fixed {
            return Err(Error::ZeroSize);
        }
        if size > SEGMENT_MAX {
            return Err(Error::TooLarge);
        }
        let record = Record {
            kind,
            ..Record::UNUSED
        };
        let slot = self.strive(size, flags, |flags| {
            self.space.allocate(size, flags, record, self)
        })?;
        Ok(HLocal(self.space.handle(slot)))
    }

    /// Tries without discarding, then with a larger segment, then with
    /// discarding, then with both. `missing` bytes must come together above the
    /// last block that stays.
    fn strive<T>(
        &self,
        missing: u32,
        flags: Flags,
        attempt: impl Fn(Flags) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let full =
            |result: &Result<T, Error>| matches!(result, Err(Error::NoMemory | Error::Locked));
        let first = attempt(flags | Flags::NODISCARD);
        if !full(&first) {
            return first;
        }
        let may_move = !flags.contains(Flags::NOCOMPACT);
        let (free, expendable) = self.space.at_the_end(may_move);
        if self.extend(missing.saturating_sub(free)).is_ok() {
            return attempt(flags);
        }
        if flags.intersects(Flags::NODISCARD | Flags::NOCOMPACT) {
            return first;
        }
        let second = attempt(flags);
        let beyond = missing.saturating_sub(free + expendable);
        if full(&second) && self.extend(beyond).is_ok() {
            return attempt(flags);
        }
        second
    }

    /// Takes so many bytes more for the segment from the global heap.
    fn extend(&self, bytes: u32) -> Result<(), Error> {
        let segment = self.segment();
        let size = segment.size.saturating_add(bytes);
        if bytes == 0 || size > SEGMENT_MAX || self.space.high() != segment.size {
            return Err(Error::NoMemory);
        }
        self.yielding(|| self.global.resize(self.segment, size, Flags::FIXED))?;
        self.space.set_high(self.segment().size);
        Ok(())
    }

    /// Another size or other attributes for a block, never both; its handle.
    /// `LocalReAlloc` ("LocalReAlloc", Windows 3.1 SDK).
    ///
    /// - Without [`Flags::MODIFY`]: another size. A fixed block stays where it
    ///   is unless [`Flags::MOVEABLE`] allows it another fixed place.
    /// - A size of 0 with [`Flags::MOVEABLE`] discards a moveable block, and
    ///   frees a fixed one, whose handle is then void.
    /// - With [`Flags::MODIFY`] the size is ignored: [`Flags::DISCARDABLE`] makes
    ///   a moveable block discardable; without it, a discardable one is moveable
    ///   only.
    ///
    /// # Errors
    /// As for [`alloc`](Self::alloc); and [`Error::InvalidHandle`];
    /// [`Error::InvalidFlags`] for [`Flags::DISCARDABLE`] without
    /// [`Flags::MODIFY`] and for [`Flags::MODIFY`] with anything else;
    /// [`Error::Fixed`] for attributes of a fixed block; [`Error::Locked`] when a
    /// locked block would have to move, shrink or go.
    pub fn realloc(&self, block: HLocal, size: u32, flags: Flags) -> Result<HLocal, Error> {
        let record = self.space.find(block.0)?;
        self.enter()?;
        if flags.contains(Flags::MODIFY) {
            return self.modify(block, &record, flags);
        }
        let others = Flags::DISCARDABLE | Flags::NOT_BANKED | Flags::SHARE | Flags::NOTIFY;
        if flags.intersects(others) {
            return Err(Error::InvalidFlags);
        }
        if size == 0 {
            return self.empty(block, &record, flags);
        }
        if size > SEGMENT_MAX {
            return Err(Error::TooLarge);
        }
        // Where nothing that stays is above it, it needs no second place.
        let missing = match self.space.is_in_last_run(block.0.slot) {
            true => size.saturating_sub(record.size).saturating_add(GRANULE),
            false => size,
        };
        let slot = self.strive(missing, flags, |flags| {
            self.space.resize(block.0.slot, size, flags, self)
        })?;
        Ok(HLocal(self.space.handle(slot)))
    }

    fn modify(&self, block: HLocal, record: &Record, flags: Flags) -> Result<HLocal, Error> {
        let kind = if flags == Flags::MODIFY | Flags::DISCARDABLE {
            Kind::Discardable
        } else if flags == Flags::MODIFY {
            Kind::Moveable
        } else {
            return Err(Error::InvalidFlags);
        };
        if record.kind == Kind::Fixed {
            return Err(Error::Fixed);
        }
        self.space.update(block.0.slot, |record| record.kind = kind);
        Ok(block)
    }

    /// A size of 0 for a block.
    fn empty(&self, block: HLocal, record: &Record, flags: Flags) -> Result<HLocal, Error> {
        if !flags.contains(Flags::MOVEABLE) {
            return Err(Error::ZeroSize);
        }
        if record.locks() != 0 {
            return Err(Error::Locked);
        }
        if record.kind == Kind::Fixed {
            self.space.free(block.0.slot)?;
        } else if record.state == State::Present {
            self.space.discard(block.0.slot);
        }
        Ok(block)
    }

    /// Frees a block and its handle. `LocalFree` ("LocalFree", Windows 3.1 SDK).
    ///
    /// # Errors
    /// [`Error::InvalidHandle`]; [`Error::Locked`]; [`Error::Busy`] from a
    /// notification.
    pub fn free(&self, block: HLocal) -> Result<(), Error> {
        self.space.find(block.0)?;
        self.enter()?;
        self.space.free(block.0.slot)
    }

    /// Takes a moveable block's memory; the handle stays. `LocalDiscard`, which
    /// is `LocalReAlloc(block, 0, LMEM_MOVEABLE)` ("LocalDiscard", Windows 3.1
    /// SDK).
    ///
    /// # Errors
    /// [`Error::InvalidHandle`]; [`Error::Locked`]; [`Error::Fixed`];
    /// [`Error::Busy`] from a notification.
    pub fn discard(&self, block: HLocal) -> Result<(), Error> {
        let record = self.space.find(block.0)?;
        self.enter()?;
        if record.kind == Kind::Fixed {
            return Err(Error::Fixed);
        }
        self.empty(block, &record, Flags::MOVEABLE).map(|_| ())
    }

    /// Locks a block and gives its bytes. `LocalLock` ("LocalLock", Windows 3.1
    /// SDK). A count that reaches 255 stays there.
    ///
    /// # Errors
    /// [`Error::InvalidHandle`]; [`Error::Discarded`].
    pub fn lock(&self, block: HLocal) -> Result<LocalLocked<'_>, Error> {
        let record = self.space.find(block.0)?;
        if record.state == State::Discarded {
            return Err(Error::Discarded);
        }
        let base = self.segment().start;
        let range = (base + record.start) as usize..(base + record.end()) as usize;
        let bytes = self.global.bytes.cells().get(range).unwrap_or_default();
        let hold = Hold::new(&self.holders, &self.global.space, self.segment.0.slot);
        let near = u16::try_from(record.start).unwrap_or(u16::MAX);
        let block = Locked::new(&self.space, block.0.slot, bytes);
        Ok(LocalLocked::new(block, hold, near))
    }

    /// The block's size in bytes, at least what was asked for; 0 if discarded.
    /// `LocalSize` ("LocalSize", Windows 3.1 SDK).
    ///
    /// # Errors
    /// [`Error::InvalidHandle`].
    pub fn size_of(&self, block: HLocal) -> Result<u32, Error> {
        self.space.find(block.0).map(|record| record.size)
    }

    /// Whether a block is discardable, discarded, and how often it is locked.
    /// `LocalFlags` ("LocalFlags", Windows 3.1 SDK).
    ///
    /// # Errors
    /// [`Error::InvalidHandle`].
    pub fn flags(&self, block: HLocal) -> Result<BlockFlags, Error> {
        let record = self.space.find(block.0)?;
        Ok(self.space.flags(&record))
    }

    /// The block's near address at this moment: its offset in the segment. Of a
    /// fixed block it stays.
    ///
    /// # Errors
    /// [`Error::InvalidHandle`]; [`Error::Discarded`].
    pub fn near(&self, block: HLocal) -> Result<u16, Error> {
        let record = self.space.find(block.0)?;
        match record.state {
            State::Discarded => Err(Error::Discarded),
            _ => Ok(u16::try_from(record.start).unwrap_or(u16::MAX)),
        }
    }

    /// The block that starts at this near address now. `LocalHandle`.
    pub fn handle_at(&self, near: u16) -> Option<HLocal> {
        let mut slot = self.space.next(0);
        while slot != 0 {
            let record = self.space.record(slot);
            if record.start == u32::from(near) {
                return Some(HLocal(self.space.handle(slot)));
            }
            slot = record.next;
        }
        None
    }

    /// Looks for `wanted` free bytes in one piece; if there are none, moves
    /// unlocked moveable blocks to high memory; and if there are still none,
    /// discards unlocked discardable ones until there are. The largest hole.
    /// `LocalCompact` ("LocalCompact", Windows 3.1 SDK). Unlike
    /// [`GlobalHeap::compact`] it looks first. The segment does not grow.
    ///
    /// With 0 nothing is moved or discarded, and the answer is what the largest
    /// hole could be. With `u32::MAX` all is discarded that may be.
    ///
    /// # Errors
    /// [`Error::Busy`] from a notification.
    pub fn compact(&self, wanted: u32) -> Result<u32, Error> {
        self.enter()?;
        Ok(self.space.look_and_compact(wanted, self))
    }

    /// Moves blocks down and gives what is free above them back to the global
    /// heap, but for `size` bytes of heap; the heap's size then. Fixed and
    /// locked blocks limit it, and an automatic heap keeps its `HEAPSIZE`.
    /// `LocalShrink` ("LocalShrink", Windows 3.0 reference; Q21581).
    ///
    /// # Errors
    /// [`Error::Locked`] if the whole segment is locked by a guard;
    /// [`Error::Busy`] from a notification.
    pub fn shrink(&self, size: u32) -> Result<u32, Error> {
        self.enter()?;
        self.space.tidy(Direction::Down, self);
        let last = self.space.end_of(self.space.prev(0));
        let wanted = self.space.low().saturating_add(size.max(self.minimum));
        let high = wanted.max(last);
        let segment = self.segment();
        if high >= self.space.high() || self.space.high() != segment.size {
            return Ok(self.size());
        }
        // Guards of local blocks reach nothing of what is cut off; one of the
        // whole segment does.
        let own = u8::from(self.holders.get() != 0);
        if segment.guards != own {
            return Err(Error::Locked);
        }
        let slot = self.segment.0.slot;
        self.global.space.update(slot, |record| record.guards = 0);
        let shrunk = self.global.resize(self.segment, high.max(1), Flags::FIXED);
        self.global.space.update(slot, |record| record.guards = own);
        shrunk?;
        self.space.set_high(self.segment().size);
        Ok(self.size())
    }

    /// Locks the data segment, also against growth that would move it.
    /// `LockData`. The segment's lock count.
    ///
    /// # Errors
    /// None but what cannot be while the heap lives.
    pub fn lock_data(&self) -> Result<u8, Error> {
        self.global.fix(self.segment)
    }

    /// Takes back one [`lock_data`](Self::lock_data), or, if there is none, the
    /// lock of [`init`](Self::init). The segment's lock count. `UnlockData`.
    ///
    /// # Errors
    /// [`Error::NotLocked`].
    pub fn unlock_data(&self) -> Result<u8, Error> {
        if let Ok(count) = self.global.unfix(self.segment) {
            return Ok(count);
        }
        if !self.initial.replace(false) {
            return Err(Error::NotLocked);
        }
        self.soften(-1);
        Ok(self.segment().locks())
    }

    /// One more or one less of the locks that give way to growth.
    pub(super) fn soften(&self, by: i8) {
        self.global.space.update(self.segment.0.slot, |record| {
            record.soft = record.soft.saturating_add_signed(by);
        });
    }

    /// Runs `then` without the locks that give way.
    pub(super) fn yielding<T>(&self, then: impl FnOnce() -> T) -> T {
        let yielded = Yielded {
            space: &self.global.space,
            slot: self.segment.0.slot,
            soft: self.segment().soft,
        };
        yielded.set(0);
        let result = then();
        drop(yielded);
        result
    }
}

/// Locks that were taken off a segment, and come back when this is dropped, also
/// when a task's code unwinds.
struct Yielded<'s> {
    space: &'s Space,
    slot: u16,
    soft: u8,
}

impl Yielded<'_> {
    fn set(&self, soft: u8) {
        self.space.update(self.slot, |record| record.soft = soft);
    }
}

impl Drop for Yielded<'_> {
    fn drop(&mut self) {
        self.set(self.soft);
    }
}

impl Drop for LocalHeap<'_, '_> {
    fn drop(&mut self) {
        if self.initial.get() {
            self.soften(-1);
        }
        let slot = self.segment.0.slot;
        let unused = |record: &mut Record| record.segment = false;
        self.global.space.update(slot, unused);
    }
}

impl fmt::Debug for LocalHeap<'_, '_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("LocalHeap")
            .field("size", &self.size())
            .field("free", &self.free_bytes())
            .field("figures", &self.figures())
            .finish()
    }
}
