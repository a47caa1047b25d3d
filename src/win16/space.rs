//! A space of moveable blocks: who lies where, in the order of addresses.
//!
//! The global heap's arena and each local heap's part of a segment are one
//! [`Space`] each. It knows offsets only; the bytes are its [`Ground`]'s.
//!
//! ```text
//!   low                                                            high
//!   | fixed | fixed |  hole  | moveable | hole | discardable | ... |
//!     next ->  next ->            next ->          next -> 0
//! ```
//!
//! Records lie in a table and are found by their slot, which is what a handle
//! says. Slot 0 is the list's head; as somebody's successor it is the end. A
//! block of more than 64 KiB takes one slot for each 64 KiB begun, side by side.
//!
//! Invariants:
//! - The list is in the order of addresses, blocks do not overlap, and lie in
//!   `low..high`; starts and sizes are multiples of the granule.
//! - A discarded block is in no list and has size 0.
//! - A block that is pinned (fixed, or locked in any way) has its start changed
//!   by nobody.

use super::error::Error;
use super::flags::{BlockFlags, Flags};
use super::memory::Table;
use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering};

/// Bytes of a slot: what one selector reaches.
const TILE: u32 = 0x1_0000;
/// The most bytes of a block: 255 slots' worth.
pub(super) const BLOCK_MAX: u32 = 255 * TILE;
/// A lock count that went so far stays there, and the block locked for ever.
pub(super) const STUCK: u8 = 255;

/// What a slot is used for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing.
    Unused,
    /// A block with memory.
    Present,
    /// A block without.
    Discarded,
    /// The rest of the huge block in a slot before.
    Tile,
}

/// How a block may be treated.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Fixed,
    Moveable,
    Discardable,
}

/// All that is known of a block.
#[derive(Clone, Copy)]
pub(super) struct Record {
    pub(super) start: u32,
    pub(super) size: u32,
    pub(super) next: u16,
    pub(super) prev: u16,
    pub(super) generation: u32,
    /// When it was last used; the least is discarded first.
    pub(super) used: i64,
    pub(super) owner: u16,
    pub(super) tiles: u8,
    pub(super) state: State,
    pub(super) kind: Kind,
    /// Guards that hold its address.
    pub(super) guards: u8,
    /// Locks without one.
    pub(super) fixes: u8,
    /// Locks of a data segment that give way when its own heap grows.
    pub(super) soft: u8,
    pub(super) notify: bool,
    pub(super) shared: bool,
    /// A local heap or a program lives in it, and alone frees it.
    pub(super) segment: bool,
    /// Code, read-only.
    pub(super) code: bool,
}

impl Record {
    pub(super) const UNUSED: Record = Record {
        start: 0,
        size: 0,
        next: 0,
        prev: 0,
        generation: 0,
        used: 0,
        owner: 0,
        tiles: 1,
        state: State::Unused,
        kind: Kind::Fixed,
        guards: 0,
        fixes: 0,
        soft: 0,
        notify: false,
        shared: false,
        segment: false,
        code: false,
    };

    pub(super) fn locks(&self) -> u8 {
        self.guards
            .saturating_add(self.fixes)
            .saturating_add(self.soft)
    }

    pub(super) fn pinned(&self) -> bool {
        self.kind == Kind::Fixed || self.locks() != 0
    }

    pub(super) fn end(&self) -> u32 {
        self.start + self.size
    }

    /// May be discarded now.
    pub(super) fn expendable(&self) -> bool {
        self.state == State::Present && self.kind == Kind::Discardable && !self.pinned()
    }
}

/// A block's name: its slot, how often the slot was used before, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Handle {
    pub(super) slot: u16,
    generation: u32,
    space: u32,
}

/// The bytes under a space, and its owner's word on discarding.
pub(super) trait Ground {
    /// Copies bytes from one offset to another; ranges may overlap.
    fn shift(&self, from: u32, to: u32, length: u32);
    /// Zeroes bytes.
    fn clear(&self, at: u32, length: u32);
    /// Whether this block, for which its owner is to be asked, may be discarded.
    fn allows(&self, handle: Handle, owner: u16) -> bool;
}

/// Which hole a block is put into.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The start of the lowest that is large enough.
    Low,
    /// The end of the highest.
    High,
}

/// Where compaction moves blocks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Discardable ones up, the others down: the global heap.
    Apart,
    /// All up: a local heap.
    Up,
    /// All down: a local heap that shrinks.
    Down,
}

/// See the module.
pub(super) struct Space {
    records: Table<Record>,
    granule: u32,
    direction: Direction,
    low: Cell<u32>,
    high: Cell<u32>,
    /// No slot below is unused.
    unused_from: Cell<u16>,
    /// Times of use handed out, upwards and downwards.
    newest: Cell<i64>,
    oldest: Cell<i64>,
    identity: u32,
    /// Set while a task is asked: nothing may change but lock counts.
    pub(super) asking: Cell<bool>,
    pub(super) figures: Cell<Figures>,
}

/// What a heap has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Times that a block was moved.
    pub moves: u64,
    /// Bytes of the blocks that were moved.
    pub moved_bytes: u64,
    /// Blocks that were discarded.
    pub discards: u64,
    /// Times that a task refused to have a block discarded.
    pub vetoes: u64,
}

impl Space {
    /// An empty space of `low..high`, multiples of `granule`, which is a power
    /// of two. `None` when there is no memory for its records.
    pub(super) fn new(
        capacity: usize,
        granule: u32,
        bounds: core::ops::Range<u32>,
        direction: Direction,
    ) -> Option<Space> {
        static IDENTITIES: AtomicU32 = AtomicU32::new(1);
        let space = Space {
            records: Table::new(capacity)?,
            granule,
            direction,
            low: Cell::new(bounds.start),
            high: Cell::new(bounds.end),
            unused_from: Cell::new(1),
            newest: Cell::new(0),
            oldest: Cell::new(0),
            identity: IDENTITIES.fetch_add(1, Ordering::Relaxed),
            asking: Cell::new(false),
            figures: Cell::new(Figures::default()),
        };
        // The head: not unused, and no handle names it.
        let head = Record {
            start: bounds.start,
            state: State::Tile,
            ..Record::UNUSED
        };
        space.records.push(head).then_some(space)
    }

    pub(super) fn direction(&self) -> Direction {
        self.direction
    }

    /// Handles that there can be, the head's among them.
    pub(super) fn capacity(&self) -> usize {
        self.records.capacity()
    }

    pub(super) fn low(&self) -> u32 {
        self.low.get()
    }

    pub(super) fn high(&self) -> u32 {
        self.high.get()
    }

    /// Moves the end; every block must lie below it.
    pub(super) fn set_high(&self, high: u32) {
        self.high.set(high);
    }

    /// A size in whole granules.
    pub(super) fn round(&self, size: u32) -> Result<u32, Error> {
        let mask = self.granule - 1;
        match size.checked_add(mask) {
            Some(rounded) if rounded & !mask <= BLOCK_MAX => Ok(rounded & !mask),
            _ => Err(Error::TooLarge),
        }
    }

    /// Refuses to change anything while a task is asked.
    pub(super) fn enter(&self) -> Result<(), Error> {
        if self.asking.get() {
            return Err(Error::Busy);
        }
        Ok(())
    }

    // Records and handles.

    /// The record in a slot; an unused one of a slot that there is not.
    pub(super) fn record(&self, slot: u16) -> Record {
        let cell = self.records.cells().get(usize::from(slot));
        cell.map_or(Record::UNUSED, Cell::get)
    }

    pub(super) fn set(&self, slot: u16, record: Record) {
        if let Some(cell) = self.records.cells().get(usize::from(slot)) {
            cell.set(record);
        }
    }

    pub(super) fn update(&self, slot: u16, change: impl FnOnce(&mut Record)) {
        let mut record = self.record(slot);
        change(&mut record);
        self.set(slot, record);
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Figures)) {
        let mut figures = self.figures.get();
        change(&mut figures);
        self.figures.set(figures);
    }

    pub(super) fn handle(&self, slot: u16) -> Handle {
        Handle {
            slot,
            generation: self.record(slot).generation,
            space: self.identity,
        }
    }

    /// The block that a handle names.
    pub(super) fn find(&self, handle: Handle) -> Result<Record, Error> {
        let record = self.record(handle.slot);
        let known = matches!(record.state, State::Present | State::Discarded);
        if known && handle.generation == record.generation && handle.space == self.identity {
            return Ok(record);
        }
        Err(Error::InvalidHandle)
    }

    /// Slots that a block of `size` bytes takes.
    pub(super) fn tiles_of(size: u32) -> u8 {
        u8::try_from(size.div_ceil(TILE).max(1)).unwrap_or(u8::MAX)
    }

    /// The first of `count` unused slots side by side.
    pub(super) fn unused_slots(&self, count: u8) -> Result<u16, Error> {
        let count = u16::from(count);
        let length = self.records.cells().len();
        let mut found = 0;
        let mut slot = self.unused_from.get();
        while usize::from(slot) < length && found < count {
            let unused = self.record(slot).state == State::Unused;
            found = if unused { found + 1 } else { 0 };
            slot += 1;
        }
        let first = slot - found;
        if usize::from(first) + usize::from(count) > self.records.capacity() {
            return Err(Error::NoHandles);
        }
        Ok(first)
    }

    /// Enters `record` at slots that [`unused_slots`](Self::unused_slots) found.
    pub(super) fn claim(&self, first: u16, record: Record) {
        let end = first + u16::from(record.tiles);
        while self.records.cells().len() < usize::from(end) {
            if !self.records.push(Record::UNUSED) {
                break;
            }
        }
        for slot in first..end {
            let generation = self.record(slot).generation;
            let state = if slot == first {
                record.state
            } else {
                State::Tile
            };
            let entered = Record {
                generation,
                state,
                ..record
            };
            self.set(slot, entered);
        }
        if first == self.unused_from.get() {
            self.unused_from.set(end);
        }
    }

    /// Gives up the slots `from..from + count`: handles to them are void.
    pub(super) fn give_up(&self, from: u16, count: u8) {
        for slot in from..from + u16::from(count) {
            let generation = self.record(slot).generation.wrapping_add(1);
            let unused = Record {
                generation,
                ..Record::UNUSED
            };
            self.set(slot, unused);
        }
        self.unused_from.set(self.unused_from.get().min(from));
    }

    // The list.

    pub(super) fn next(&self, slot: u16) -> u16 {
        self.record(slot).next
    }

    pub(super) fn prev(&self, slot: u16) -> u16 {
        self.record(slot).prev
    }

    /// Where the block ends; the head ends where the space begins.
    pub(super) fn end_of(&self, slot: u16) -> u32 {
        if slot == 0 {
            return self.low.get();
        }
        self.record(slot).end()
    }

    /// Where the block, as somebody's successor, starts.
    pub(super) fn start_of(&self, slot: u16) -> u32 {
        if slot == 0 {
            return self.high.get();
        }
        self.record(slot).start
    }

    /// Free bytes right after a block.
    pub(super) fn gap_after(&self, slot: u16) -> u32 {
        let end = self.end_of(slot);
        self.start_of(self.next(slot)).saturating_sub(end)
    }

    /// Enters a block in the list after another.
    pub(super) fn link(&self, slot: u16, after: u16) {
        let next = self.next(after);
        self.update(slot, |record| {
            record.next = next;
            record.prev = after;
        });
        self.update(after, |record| record.next = slot);
        self.update(next, |record| record.prev = slot);
    }

    pub(super) fn unlink(&self, slot: u16) {
        let record = self.record(slot);
        self.update(record.prev, |before| before.next = record.next);
        self.update(record.next, |after| after.prev = record.prev);
    }

    /// The hole for `size` bytes: after which block, and where to start.
    pub(super) fn hole(&self, size: u32, end: End) -> Option<(u16, u32)> {
        let mut slot = if end == End::Low { 0 } else { self.prev(0) };
        loop {
            let gap = self.gap_after(slot);
            if gap >= size {
                let start = match end {
                    End::Low => self.end_of(slot),
                    End::High => self.end_of(slot) + gap - size,
                };
                return Some((slot, start));
            }
            match end {
                End::Low => {
                    slot = self.next(slot);
                    if slot == 0 {
                        return None;
                    }
                }
                End::High if slot == 0 => return None,
                End::High => slot = self.prev(slot),
            }
        }
    }

    /// The largest hole.
    pub(super) fn largest(&self) -> u32 {
        let mut largest = self.gap_after(0);
        let mut slot = self.next(0);
        while slot != 0 {
            largest = largest.max(self.gap_after(slot));
            slot = self.next(slot);
        }
        largest
    }

    /// Free bytes, and those of blocks that may be discarded now.
    pub(super) fn free_and_expendable(&self) -> (u32, u32) {
        let (mut free, mut expendable) = (self.gap_after(0), 0);
        let mut slot = self.next(0);
        while slot != 0 {
            free += self.gap_after(slot);
            let record = self.record(slot);
            if record.expendable() {
                expendable += record.size;
            }
            slot = record.next;
        }
        (free, expendable)
    }

    // Use and locks.

    /// A time later than all before.
    pub(super) fn now(&self) -> i64 {
        self.newest.set(self.newest.get() + 1);
        self.newest.get()
    }

    /// A time earlier than all before.
    pub(super) fn long_ago(&self) -> i64 {
        self.oldest.set(self.oldest.get() - 1);
        self.oldest.get()
    }

    /// Counts a guard on a block that has memory.
    pub(super) fn guard(&self, slot: u16) {
        let now = self.now();
        self.update(slot, |record| {
            record.guards = record.guards.saturating_add(1);
            record.used = now;
        });
    }

    /// The guard is gone; a count that is stuck stays.
    pub(super) fn unguard(&self, slot: u16) {
        let now = self.now();
        self.update(slot, |record| {
            record.used = now;
            if record.guards != STUCK {
                record.guards = record.guards.saturating_sub(1);
            }
        });
    }

    pub(super) fn flags(&self, record: &Record) -> BlockFlags {
        let fixed = record.kind == Kind::Fixed;
        BlockFlags {
            discardable: record.kind == Kind::Discardable,
            discarded: record.state == State::Discarded,
            shared: record.shared,
            locks: if fixed { 0 } else { record.locks() },
        }
    }

    /// The kind of block that flags ask for.
    pub(super) fn kind_of(flags: Flags) -> Result<Kind, Error> {
        match (
            flags.contains(Flags::MOVEABLE),
            flags.contains(Flags::DISCARDABLE),
        ) {
            (true, true) => Ok(Kind::Discardable),
            (true, false) => Ok(Kind::Moveable),
            (false, false) => Ok(Kind::Fixed),
            (false, true) => Err(Error::InvalidFlags),
        }
    }
}
