//! The global heap: an arena whose blocks move.

use super::error::Error;
use super::flags::{BlockFlags, Flags};
use super::lock::Locked;
use super::memory::Bytes;
use super::space::{Direction, Figures, Ground, Handle, Kind, Record, STUCK, Space, State};
use core::cell::Cell;
use core::fmt;

/// Sizes of blocks are multiples of this.
const GRANULE: u32 = 32;
/// Handles of the global heap: as many as a table of selectors has.
const HANDLES: usize = 8192;
/// Tasks that can have a notification at a time.
const NOTIFICATIONS: usize = 32;

/// A block of a [`GlobalHeap`]: what Windows calls `HGLOBAL`. It stays the same
/// while the block moves, is discarded and gets memory again.
///
/// A copy that outlives its block names none, whatever has its place now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HGlobal(pub(super) Handle);

impl HGlobal {
    /// The handle's number, by which pictures name the block.
    pub fn number(self) -> u16 {
        self.0.slot
    }
}

/// Who a block belongs to: a running program. 0 is the one that everything
/// belongs to at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Task(pub u16);

/// A task's `GlobalNotify` procedure: whether this block may be discarded.
pub type Notify<'n> = dyn Fn(HGlobal) -> bool + 'n;

/// A heap in an arena of fixed size, as in 16-bit Windows: moveable blocks move
/// whenever they are not locked, and discardable ones may lose their contents.
///
/// Sizes are bytes, rounded up to a multiple of 32, and the block has all of
/// them. A heap belongs to one thread, as all of 16-bit Windows did: it is
/// neither `Send` nor `Sync`. It has at most 8,191 handles; a block takes one
/// for each 64 KiB begun. Functions take time in proportion to the blocks, and
/// to the bytes they move. Contents of new blocks are indeterminate without
/// [`Flags::ZEROINIT`]: other blocks' old bytes, never memory that is not the
/// arena's.
///
/// ```
/// use ntheap::win16::{Flags, GlobalHeap};
///
/// let heap = GlobalHeap::new(1 << 20)?;
/// let name = heap.alloc(Flags::MOVEABLE, 100)?;
/// heap.lock(name)?.write(0, b"moveable");
/// heap.compact(0)?; // the block may lie elsewhere now
/// let mut bytes = [0; 8];
/// heap.lock(name)?.read(0, &mut bytes);
/// assert_eq!(&bytes, b"moveable");
/// heap.free(name)?;
/// # Ok::<(), ntheap::win16::Error>(())
/// ```
///
/// ```compile_fail
/// fn shared<T: Sync>() {}
/// shared::<ntheap::win16::GlobalHeap<'static>>();
/// ```
///
/// ```compile_fail
/// fn sent<T: Send>() {}
/// sent::<ntheap::win16::GlobalHeap<'static>>();
/// ```
pub struct GlobalHeap<'n> {
    pub(super) space: Space,
    pub(super) bytes: Bytes,
    task: Cell<Task>,
    last_task: Cell<u16>,
    notify: [Cell<Option<(Task, &'n Notify<'n>)>>; NOTIFICATIONS],
}

impl Ground for GlobalHeap<'_> {
    fn shift(&self, from: u32, to: u32, length: u32) {
        self.bytes
            .shift(from as usize, to as usize, length as usize);
    }

    fn clear(&self, at: u32, length: u32) {
        self.bytes.fill(at as usize, length as usize, 0);
    }

    fn allows(&self, handle: Handle, owner: u16) -> bool {
        let known = self.notify.iter().filter_map(Cell::get);
        let mut asked = known.filter(|(task, _)| task.0 == owner);
        asked.next().is_none_or(|(_, ask)| ask(HGlobal(handle)))
    }
}

impl<'n> GlobalHeap<'n> {
    /// The least bytes of an arena.
    pub const MIN: u32 = 4 * 1024;
    /// The most: what 24 bits of address reach.
    pub const MAX: u32 = 16 * 1024 * 1024;

    /// A heap in an arena of `bytes` bytes, rounded down to a multiple of 32.
    /// Its memory and records (256 KiB, of which only what is used takes
    /// memory) come from the system and go back when it is dropped.
    ///
    /// # Errors
    /// [`Error::InvalidParameter`] if that is not [`MIN`](Self::MIN) to
    /// [`MAX`](Self::MAX); [`Error::NoMemory`].
    pub fn new(bytes: u32) -> Result<GlobalHeap<'n>, Error> {
        if !(Self::MIN..=Self::MAX).contains(&bytes) {
            return Err(Error::InvalidParameter);
        }
        let size = bytes - bytes % GRANULE;
        Ok(GlobalHeap {
            space: Space::new(HANDLES, GRANULE, 0..size, Direction::Apart)
                .ok_or(Error::NoMemory)?,
            bytes: Bytes::new(size as usize).ok_or(Error::NoMemory)?,
            task: Cell::new(Task(0)),
            last_task: Cell::new(0),
            notify: [const { Cell::new(None) }; NOTIFICATIONS],
        })
    }

    /// Bytes of the arena.
    pub fn size(&self) -> u32 {
        self.space.high()
    }

    /// What the heap has done so far.
    pub fn figures(&self) -> Figures {
        self.space.figures.get()
    }

    /// Bytes in no block.
    pub fn free_bytes(&self) -> u32 {
        self.space.free_and_expendable().0
    }

    /// The largest hole, in bytes, as things lie.
    pub fn largest_hole(&self) -> u32 {
        self.space.largest()
    }

    /// Whether the heap's records hold together. For tests; takes time in
    /// proportion to the blocks.
    pub fn validate(&self) -> bool {
        self.space.is_sound()
    }

    /// A number for a new task.
    pub fn new_task(&self) -> Task {
        self.last_task.set(self.last_task.get().wrapping_add(1));
        Task(self.last_task.get())
    }

    /// The task that blocks allocated from now on belong to; the one before.
    pub fn switch_to(&self, task: Task) -> Task {
        self.task.replace(task)
    }

    /// Allocates a block. `GlobalAlloc` ("GlobalAlloc", Windows 3.1 SDK).
    ///
    /// Fixed blocks come as low as they can, with moveable ones moved out of
    /// their way; moveable blocks into the lowest hole, discardable ones to the
    /// top of the highest. If there is no hole, blocks are moved, and then
    /// unlocked discardable ones discarded, the least recently used first, as
    /// far as the flags allow. A size of 0 with [`Flags::MOVEABLE`] gives a
    /// block without memory, marked as discarded.
    ///
    /// # Errors
    /// [`Error::InvalidFlags`] for [`Flags::DISCARDABLE`] without
    /// [`Flags::MOVEABLE`], for [`Flags::MODIFY`], and for [`Flags::NOT_BANKED`]
    /// with [`Flags::NOTIFY`]; [`Error::ZeroSize`] for a fixed block of 0 bytes;
    /// [`Error::TooLarge`] for more than 16 MiB less 64 KiB; [`Error::NoHandles`];
    /// [`Error::NoMemory`]; [`Error::Busy`] from a notification.
    pub fn alloc(&self, flags: Flags, size: u32) -> Result<HGlobal, Error> {
        self.alloc_as(flags, size, Record::UNUSED)
    }

    /// [`alloc`](Self::alloc), with what is special about the block in `record`.
    pub(super) fn alloc_as(
        &self,
        flags: Flags,
        size: u32,
        record: Record,
    ) -> Result<HGlobal, Error> {
        let kind = Space::kind_of(flags)?;
        let banked = Flags::NOT_BANKED | Flags::NOTIFY;
        if flags.contains(Flags::MODIFY) || flags.contains(banked) {
            return Err(Error::InvalidFlags);
        }
        if size == 0 && kind == Kind::Fixed {
            return Err(Error::ZeroSize);
        }
        let record = Record {
            kind,
            owner: self.task.get().0,
            notify: flags.contains(Flags::NOTIFY),
            shared: flags.contains(Flags::SHARE),
            ..record
        };
        let slot = self.space.allocate(size, flags, record, self)?;
        Ok(HGlobal(self.space.handle(slot)))
    }

    /// Another size or other attributes for a block; its handle, which is
    /// another one where the size went across a multiple of 64 KiB and the
    /// handles behind it are taken. Until then the old one stays valid, and if
    /// this fails. `GlobalReAlloc` ("GlobalReAlloc", Windows 3.1 SDK).
    ///
    /// - Without [`Flags::MODIFY`]: another size. A block that is discarded gets
    ///   memory again, and asks its owner only if [`Flags::NOTIFY`] is given
    ///   anew. A fixed block stays where it is unless [`Flags::MOVEABLE`] allows
    ///   it another fixed place; a locked one always does.
    /// - A size of 0 with [`Flags::MOVEABLE`] discards a discardable block.
    /// - With [`Flags::MODIFY`] the size is ignored. [`Flags::DISCARDABLE`] makes
    ///   a moveable block discardable; without it, a discardable one is moveable
    ///   only. With [`Flags::MOVEABLE`] a fixed block becomes moveable.
    ///
    /// # Errors
    /// As for [`alloc`](Self::alloc); and [`Error::InvalidHandle`];
    /// [`Error::Locked`] when a locked block would have to move, to get another
    /// handle or to be discarded, or to shrink while a guard has its address;
    /// [`Error::NotDiscardable`]; [`Error::ZeroSize`] for a size of 0 without
    /// [`Flags::MOVEABLE`]; [`Error::InvalidFlags`] for [`Flags::DISCARDABLE`]
    /// without [`Flags::MODIFY`]; [`Error::Fixed`] for a fixed block to be made
    /// discardable and not moveable; [`Error::InUse`] for a segment.
    pub fn realloc(&self, block: HGlobal, size: u32, flags: Flags) -> Result<HGlobal, Error> {
        let record = self.space.find(block.0)?;
        self.space.enter()?;
        if record.segment {
            return Err(Error::InUse);
        }
        if flags.contains(Flags::MODIFY) {
            self.modify(block, &record, flags)?;
            return Ok(block);
        }
        if flags.contains(Flags::DISCARDABLE) {
            return Err(Error::InvalidFlags);
        }
        if size == 0 {
            if !flags.contains(Flags::MOVEABLE) {
                return Err(Error::ZeroSize);
            }
            self.discard(block)?;
            return Ok(block);
        }
        self.resize(block, size, flags)
    }

    pub(super) fn resize(&self, block: HGlobal, size: u32, flags: Flags) -> Result<HGlobal, Error> {
        let record = self.space.find(block.0)?;
        let slot = self.space.resize(block.0.slot, size, flags, self)?;
        if record.state == State::Discarded {
            let notify = flags.contains(Flags::NOTIFY);
            self.space.update(slot, |record| record.notify = notify);
        }
        Ok(HGlobal(self.space.handle(slot)))
    }

    fn modify(&self, block: HGlobal, record: &Record, flags: Flags) -> Result<(), Error> {
        let discardable = flags.contains(Flags::DISCARDABLE);
        let kind = match (record.kind, discardable) {
            (Kind::Fixed, true) if !flags.contains(Flags::MOVEABLE) => return Err(Error::Fixed),
            (Kind::Fixed, false) if !flags.contains(Flags::MOVEABLE) => Kind::Fixed,
            (_, true) => Kind::Discardable,
            (_, false) => Kind::Moveable,
        };
        self.space.update(block.0.slot, |record| record.kind = kind);
        Ok(())
    }

    /// Frees a block and its handle. `GlobalFree` ("GlobalFree", Windows 3.1
    /// SDK).
    ///
    /// # Errors
    /// [`Error::InvalidHandle`]; [`Error::Locked`]; [`Error::InUse`] for a
    /// segment; [`Error::Busy`] from a notification.
    pub fn free(&self, block: HGlobal) -> Result<(), Error> {
        if self.space.find(block.0)?.segment {
            return Err(Error::InUse);
        }
        self.space.free(block.0.slot)
    }

    /// Frees all blocks of a task that are not locked, as at the end of a
    /// program, and takes its notification away; how many.
    ///
    /// # Errors
    /// [`Error::Busy`] from a notification.
    pub fn end_task(&self, task: Task) -> Result<u32, Error> {
        self.space.enter()?;
        let mut freed = 0;
        for slot in 1..u16::try_from(HANDLES).unwrap_or(u16::MAX) {
            let record = self.space.record(slot);
            let block = matches!(record.state, State::Present | State::Discarded);
            if block && record.owner == task.0 && !record.segment {
                freed += u32::from(self.space.free(slot).is_ok());
            }
        }
        let theirs = |cell: &&Cell<Option<(Task, &Notify<'n>)>>| {
            cell.get().is_some_and(|(known, _)| known == task)
        };
        if let Some(cell) = self.notify.iter().find(theirs) {
            cell.set(None);
        }
        Ok(freed)
    }

    /// Locks a block and gives its bytes. `GlobalLock` ("GlobalLock", Windows
    /// 3.1 SDK). A count that reaches 255 stays there: the block is locked for
    /// ever. Makes it the most recently used.
    ///
    /// # Errors
    /// [`Error::InvalidHandle`]; [`Error::Discarded`], also for a block that was
    /// made with a size of 0; [`Error::GeneralProtection`] for a program's code,
    /// which [`Module::code`](super::Module::code) locks for reading.
    pub fn lock(&self, block: HGlobal) -> Result<Locked<'_>, Error> {
        if self.space.find(block.0)?.code {
            return Err(Error::GeneralProtection);
        }
        self.lock_any(block)
    }

    pub(super) fn lock_any(&self, block: HGlobal) -> Result<Locked<'_>, Error> {
        let record = self.space.find(block.0)?;
        if record.state == State::Discarded {
            return Err(Error::Discarded);
        }
        let range = record.start as usize..record.end() as usize;
        let bytes = self.bytes.cells().get(range).unwrap_or_default();
        Ok(Locked::new(&self.space, block.0.slot, bytes))
    }

    /// Moves a block as low as it can lie and locks it: for a lock that is to
    /// last. `GlobalWire`; dropping the guard is `GlobalUnWire` ("GlobalWire",
    /// Windows 3.0 reference). A block that is locked or fixed already stays.
    ///
    /// # Errors
    /// As for [`lock`](Self::lock); [`Error::Busy`] from a notification.
    pub fn wire(&self, block: HGlobal) -> Result<Locked<'_>, Error> {
        self.space.enter()?;
        let record = self.space.find(block.0)?;
        if record.state == State::Present && !record.pinned() {
            self.space.sink(block.0.slot, self);
        }
        self.lock(block)
    }

    /// Locks a block without giving its bytes, until as many
    /// [`unfix`](Self::unfix). The lock count. `GlobalFix`, and `LockSegment`
    /// where the block is a segment ("GlobalFix", Windows 3.1 SDK). At 255 the
    /// count is stuck.
    ///
    /// # Errors
    /// [`Error::InvalidHandle`]; [`Error::Discarded`].
    pub fn fix(&self, block: HGlobal) -> Result<u8, Error> {
        let record = self.space.find(block.0)?;
        if record.state == State::Discarded {
            return Err(Error::Discarded);
        }
        let now = self.space.now();
        self.space.update(block.0.slot, |record| {
            record.fixes = record.fixes.saturating_add(1);
            record.used = now;
        });
        Ok(self.space.record(block.0.slot).locks())
    }

    /// Takes back one [`fix`](Self::fix); never a guard's lock. The lock count.
    /// `GlobalUnfix`, `UnlockSegment`.
    ///
    /// # Errors
    /// [`Error::InvalidHandle`]; [`Error::NotLocked`].
    pub fn unfix(&self, block: HGlobal) -> Result<u8, Error> {
        let record = self.space.find(block.0)?;
        if record.fixes == 0 {
            return Err(Error::NotLocked);
        }
        if record.fixes != STUCK {
            self.space.update(block.0.slot, |record| record.fixes -= 1);
        }
        Ok(self.space.record(block.0.slot).locks())
    }

    /// The block's size in bytes, at least what was asked for; 0 if discarded.
    /// `GlobalSize` ("GlobalSize", Windows 3.1 SDK).
    ///
    /// # Errors
    /// [`Error::InvalidHandle`].
    pub fn size_of(&self, block: HGlobal) -> Result<u32, Error> {
        self.space.find(block.0).map(|record| record.size)
    }

    /// Whether a block is discardable, discarded, and how often it is locked.
    /// `GlobalFlags` ("GlobalFlags", Windows 3.1 SDK).
    ///
    /// # Errors
    /// [`Error::InvalidHandle`].
    pub fn flags(&self, block: HGlobal) -> Result<BlockFlags, Error> {
        let record = self.space.find(block.0)?;
        Ok(self.space.flags(&record))
    }

    /// Where in the arena the block lies at this moment. For pictures and tests:
    /// it says nothing about the next.
    ///
    /// # Errors
    /// [`Error::InvalidHandle`]; [`Error::Discarded`].
    pub fn address(&self, block: HGlobal) -> Result<u32, Error> {
        let record = self.space.find(block.0)?;
        match record.state {
            State::Discarded => Err(Error::Discarded),
            _ => Ok(record.start),
        }
    }

    /// The block that has this address in the arena now. `GlobalHandle`.
    pub fn handle_at(&self, address: u32) -> Option<HGlobal> {
        let mut slot = self.space.next(0);
        while slot != 0 {
            let record = self.space.record(slot);
            if (record.start..record.end()).contains(&address) {
                return Some(HGlobal(self.space.handle(slot)));
            }
            slot = record.next;
        }
        None
    }

    /// Takes a discardable block's memory; the handle stays, and
    /// [`realloc`](Self::realloc) gives it memory again. Nothing if it is
    /// discarded already. `GlobalDiscard` ("GlobalDiscard", Windows 3.1 SDK).
    /// The owner is not asked: the owner calls this.
    ///
    /// # Errors
    /// [`Error::InvalidHandle`]; [`Error::NotDiscardable`]; [`Error::Locked`];
    /// [`Error::InUse`] for a segment; [`Error::Busy`] from a notification.
    pub fn discard(&self, block: HGlobal) -> Result<(), Error> {
        let record = self.space.find(block.0)?;
        self.space.enter()?;
        if record.segment {
            return Err(Error::InUse);
        }
        if record.kind != Kind::Discardable {
            return Err(Error::NotDiscardable);
        }
        if record.state == State::Discarded {
            return Ok(());
        }
        if record.pinned() {
            return Err(Error::Locked);
        }
        self.space.discard(block.0.slot);
        Ok(())
    }

    /// Moves blocks so that holes merge, then looks for `wanted` free bytes in
    /// one piece, and if there are none discards unlocked discardable blocks
    /// until there are; returns the largest hole in bytes. `GlobalCompact`
    /// ("GlobalCompact", Windows 3.1 SDK).
    ///
    /// With 0 nothing is discarded, and the answer is the largest hole that
    /// there would be without the discardable blocks that are not locked, if
    /// their owners agree: what [`alloc`](Self::alloc) can give without
    /// [`Flags::NOCOMPACT`] and [`Flags::NODISCARD`]. With `u32::MAX` all of
    /// them are discarded.
    ///
    /// # Errors
    /// [`Error::Busy`] from a notification.
    pub fn compact(&self, wanted: u32) -> Result<u32, Error> {
        self.space.enter()?;
        Ok(self.space.compact_and_look(wanted, self))
    }

    /// Makes a block the next to be discarded. `GlobalLRUOldest`
    /// ("GlobalLRUOldest", Windows 3.1 SDK). Of use for discardable blocks only.
    ///
    /// # Errors
    /// [`Error::InvalidHandle`].
    pub fn lru_oldest(&self, block: HGlobal) -> Result<(), Error> {
        self.space.find(block.0)?;
        let used = self.space.long_ago();
        self.space.update(block.0.slot, |record| record.used = used);
        Ok(())
    }

    /// Makes a block the last to be discarded. `GlobalLRUNewest`
    /// ("GlobalLRUNewest", Windows 3.1 SDK).
    ///
    /// # Errors
    /// [`Error::InvalidHandle`].
    pub fn lru_newest(&self, block: HGlobal) -> Result<(), Error> {
        self.space.find(block.0)?;
        let used = self.space.now();
        self.space.update(block.0.slot, |record| record.used = used);
        Ok(())
    }

    /// Sets the procedure that is asked before a block of this task that was
    /// allocated with [`Flags::NOTIFY`] is discarded for want of room: true lets
    /// it go. `None` takes it away, and blocks go unasked. `GlobalNotify`
    /// ("GlobalNotify", Windows 3.1 SDK).
    ///
    /// While it runs, nothing may move: it can lock blocks and ask about them,
    /// and whatever else it calls is [`Error::Busy`]. A block that it has locked
    /// stays.
    ///
    /// # Errors
    /// [`Error::TooManyTasks`] when 32 others have one.
    pub fn notify(&self, task: Task, ask: Option<&'n Notify<'n>>) -> Result<(), Error> {
        let of_task = |cell: &&Cell<Option<(Task, &Notify<'n>)>>| {
            cell.get().is_some_and(|(known, _)| known == task)
        };
        let unused = |cell: &&Cell<Option<(Task, &Notify<'n>)>>| cell.get().is_none();
        let known = self.notify.iter().find(of_task);
        match (known, ask) {
            (Some(cell), _) => cell.set(ask.map(|ask| (task, ask))),
            (None, None) => {}
            (None, Some(ask)) => {
                let cell = self.notify.iter().find(unused);
                cell.ok_or(Error::TooManyTasks)?.set(Some((task, ask)));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for GlobalHeap<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("GlobalHeap")
            .field("size", &self.size())
            .field("free", &self.free_bytes())
            .field("figures", &self.figures())
            .finish()
    }
}
