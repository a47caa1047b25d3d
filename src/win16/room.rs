//! Making room: a hole, or compaction, or discarding, in that order.
//!
//! ```text
//!   a hole? --no--> slide --no--> evacuate --no--> discard the least recently
//!                   \_____________________/        used, and again
//!                      unless NOCOMPACT            unless NODISCARD
//! ```

use super::error::Error;
use super::flags::Flags;
use super::space::{End, Ground, Kind, Record, Space, State};

/// Sets a flag for as long as it lives, also when a task's code unwinds.
struct Asking<'s>(&'s core::cell::Cell<bool>);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

impl Space {
    /// A place for a new block, without discarding.
    fn place(
        &self,
        size: u32,
        kind: Kind,
        may_move: bool,
        ground: &impl Ground,
    ) -> Option<(u16, u32)> {
        match kind {
            Kind::Fixed if may_move => self.lowest_place(size, ground),
            Kind::Fixed | Kind::Moveable => self.hole(size, End::Low),
            Kind::Discardable => self.hole(size, End::High),
        }
    }

    /// Tries `attempt`, which may move blocks if it is told true, after each
    /// thing that `flags` allow to be done for room; `needed` bytes are missing,
    /// and the block in `keep` is not to be discarded.
    fn strive<T>(
        &self,
        needed: u32,
        flags: Flags,
        keep: u16,
        ground: &impl Ground,
        mut attempt: impl FnMut(bool) -> Option<T>,
    ) -> Result<T, Error> {
        let may_move = !flags.contains(Flags::NOCOMPACT);
        if let Some(found) = attempt(false) {
            return Ok(found);
        }
        if !may_move {
            return Err(Error::NoMemory);
        }
        let mut settle = || {
            self.tidy(self.direction(), ground);
            if let Some(found) = attempt(true) {
                return Some(found);
            }
            if keep != 0 && self.record(keep).pinned() {
                self.evacuate_after(keep, self.direction(), ground);
            } else {
                self.evacuate(self.direction(), ground);
            }
            attempt(true)
        };
        if let Some(found) = settle() {
            return Ok(found);
        }
        let (free, expendable) = self.free_and_expendable();
        if flags.contains(Flags::NODISCARD) || free + expendable < needed {
            return Err(Error::NoMemory);
        }
        let mut last = i64::MIN;
        while self.discard_oldest(&mut last, keep, ground) {
            // Moving is for nothing while there is too little in all.
            if self.free_and_expendable().0 >= needed
                && let Some(found) = settle()
            {
                return Ok(found);
            }
        }
        Err(Error::NoMemory)
    }

    /// A place for a new block of `size` bytes.
    fn room(
        &self,
        size: u32,
        kind: Kind,
        flags: Flags,
        keep: u16,
        ground: &impl Ground,
    ) -> Result<(u16, u32), Error> {
        let may_move = !flags.contains(Flags::NOCOMPACT);
        self.strive(size, flags, keep, ground, |_| {
            self.place(size, kind, may_move, ground)
        })
    }

    /// Makes a block; `record` says what it is to be, but for its place. A size
    /// of 0 makes a discarded one.
    pub(super) fn allocate(
        &self,
        size: u32,
        flags: Flags,
        record: Record,
        ground: &impl Ground,
    ) -> Result<u16, Error> {
        self.enter()?;
        let size = self.round(size)?;
        let tiles = Self::tiles_of(size);
        let slot = self.unused_slots(tiles)?;
        let mut record = Record { tiles, ..record };
        if size == 0 {
            record.state = State::Discarded;
            self.claim(slot, record);
            return Ok(slot);
        }
        let (after, start) = self.room(size, record.kind, flags, 0, ground)?;
        record.state = State::Present;
        record.start = start;
        record.size = size;
        record.used = self.now();
        self.claim(slot, record);
        self.link(slot, after);
        if flags.contains(Flags::ZEROINIT) {
            ground.clear(start, size);
        }
        Ok(slot)
    }

    /// Gives a discarded block memory again; that it was used the caller notes.
    fn revive(
        &self,
        slot: u16,
        size: u32,
        flags: Flags,
        ground: &impl Ground,
    ) -> Result<(), Error> {
        let kind = self.record(slot).kind;
        let (after, start) = self.room(size, kind, flags, slot, ground)?;
        self.update(slot, |record| {
            record.state = State::Present;
            record.start = start;
            record.size = size;
        });
        self.link(slot, after);
        if flags.contains(Flags::ZEROINIT) {
            ground.clear(start, size);
        }
        Ok(())
    }

    /// Another size, not 0, for a block, which may get another slot: the new
    /// one. Its contents up to the lesser size stay.
    pub(super) fn resize(
        &self,
        slot: u16,
        size: u32,
        flags: Flags,
        ground: &impl Ground,
    ) -> Result<u16, Error> {
        self.enter()?;
        let size = self.round(size)?;
        let old = self.record(slot);
        let tiles = Self::tiles_of(size);
        let new_slot = self.slots_for(slot, tiles)?;
        if old.state == State::Discarded {
            self.revive(slot, size, flags, ground)?;
        } else if size < old.size {
            // A guard's holder would go on to write to what is cut off.
            if old.guards != 0 {
                return Err(Error::Locked);
            }
            self.update(slot, |record| record.size = size);
        } else if size > old.size {
            self.grow(slot, size, flags, ground)?;
            if flags.contains(Flags::ZEROINIT) {
                let start = self.record(slot).start;
                ground.clear(start + old.size, size - old.size);
            }
        }
        let now = self.now();
        self.update(slot, |record| record.used = now);
        self.use_slots(slot, new_slot, tiles);
        Ok(new_slot)
    }

    /// Where a block's slots will begin when it has `tiles` of them.
    fn slots_for(&self, slot: u16, tiles: u8) -> Result<u16, Error> {
        let old = self.record(slot);
        let behind = slot + u16::from(old.tiles)..slot + u16::from(tiles);
        let mut stays = true;
        for beyond in behind {
            let within = usize::from(beyond) < self.capacity();
            stays &= within && self.record(beyond).state == State::Unused;
        }
        if stays {
            return Ok(slot);
        }
        // Somebody holds the slot it has.
        if old.locks() != 0 || old.segment {
            return Err(Error::Locked);
        }
        self.unused_slots(tiles)
    }

    /// Moves a block's record to the slots that [`slots_for`](Self::slots_for)
    /// chose, or gives back those it needs no more.
    fn use_slots(&self, slot: u16, new_slot: u16, tiles: u8) {
        let record = self.record(slot);
        if new_slot == slot && tiles < record.tiles {
            self.update(slot, |record| record.tiles = tiles);
            self.give_up(slot + u16::from(tiles), record.tiles - tiles);
        } else if tiles > record.tiles {
            let after = record.prev;
            self.unlink(slot);
            if new_slot != slot {
                self.give_up(slot, record.tiles);
            }
            self.claim(new_slot, Record { tiles, ..record });
            self.link(new_slot, after);
        }
    }

    fn grow(&self, slot: u16, size: u32, flags: Flags, ground: &impl Ground) -> Result<(), Error> {
        let missing = size - self.record(slot).size;
        // A fixed block is to lie low, and has others moved for that at once.
        let at_once = self.record(slot).kind == Kind::Fixed && !flags.contains(Flags::NOCOMPACT);
        self.strive(missing, flags, slot, ground, |may_move| {
            let record = self.record(slot);
            let may_move = may_move || at_once;
            let in_place = self.gap_after(slot) >= missing
                || (may_move && self.open_after(slot, missing, ground));
            if in_place {
                self.update(slot, |record| record.size = size);
                return Some(());
            }
            let to_fixed = record.kind == Kind::Fixed && flags.contains(Flags::MOVEABLE);
            if record.locks() != 0 || (record.pinned() && !to_fixed) {
                return None;
            }
            let (after, start) = self.place(size, record.kind, may_move, ground)?;
            self.relocate(slot, after, start, ground);
            self.update(slot, |record| record.size = size);
            Some(())
        })
        .map_err(|error| {
            // What the caller can mend comes first.
            match self.record(slot).locks() {
                0 => error,
                _ => Error::Locked,
            }
        })
    }

    /// Frees a block and its handle.
    pub(super) fn free(&self, slot: u16) -> Result<(), Error> {
        self.enter()?;
        let record = self.record(slot);
        if record.locks() != 0 {
            return Err(Error::Locked);
        }
        if record.state == State::Present {
            self.unlink(slot);
        }
        self.give_up(slot, record.tiles);
        Ok(())
    }

    /// Takes a block's memory; the handle stays.
    pub(super) fn discard(&self, slot: u16) {
        self.unlink(slot);
        self.update(slot, |record| {
            record.state = State::Discarded;
            record.size = 0;
            record.start = 0;
            record.next = 0;
            record.prev = 0;
        });
        self.count(|figures| figures.discards += 1);
    }

    /// Discards the least recently used block that may be, was used after
    /// `last`, and whose owner agrees; false if there is none. `last` becomes
    /// its time.
    pub(super) fn discard_oldest(&self, last: &mut i64, keep: u16, ground: &impl Ground) -> bool {
        loop {
            let mut victim = None;
            let mut slot = self.next(0);
            while slot != 0 {
                let record = self.record(slot);
                let older = victim.is_none_or(|(_, used)| record.used < used);
                if record.expendable() && record.used > *last && slot != keep && older {
                    victim = Some((slot, record.used));
                }
                slot = record.next;
            }
            let Some((slot, used)) = victim else {
                return false;
            };
            *last = used;
            if self.agrees(slot, ground) {
                self.discard(slot);
                return true;
            }
        }
    }

    /// Whether the block's owner, if it is to be asked, lets it go. It may have
    /// locked it meanwhile.
    pub(super) fn agrees(&self, slot: u16, ground: &impl Ground) -> bool {
        let record = self.record(slot);
        if !record.notify {
            return true;
        }
        self.asking.set(true);
        let asking = Asking(&self.asking);
        let agreed = ground.allows(self.handle(slot), record.owner);
        drop(asking);
        if !agreed {
            self.count(|figures| figures.vetoes += 1);
        }
        agreed && self.record(slot).expendable()
    }

    /// Moves a block as low as it can lie.
    pub(super) fn sink(&self, slot: u16, ground: &impl Ground) {
        let size = self.record(slot).size;
        self.tidy(self.direction(), ground);
        let old = self.record(slot).start;
        if let Some((after, start)) = self.lowest_place(size, ground) {
            if start < old {
                self.relocate(slot, after, start, ground);
            } else {
                self.tidy(self.direction(), ground);
            }
        }
    }

    /// The global heap's compaction: first moves blocks, then looks for `wanted`
    /// bytes in one piece, then discards. The largest hole; what it could be if
    /// `wanted` is 0.
    pub(super) fn compact_and_look(&self, wanted: u32, ground: &impl Ground) -> u32 {
        self.tidy(self.direction(), ground);
        if wanted != 0 && self.largest() >= wanted {
            return self.largest();
        }
        self.evacuate(self.direction(), ground);
        if wanted == 0 {
            return self.obtainable().min(super::space::BLOCK_MAX);
        }
        self.discard_until(wanted, ground)
    }

    /// The local heap's: first looks, then moves blocks, then discards.
    pub(super) fn look_and_compact(&self, wanted: u32, ground: &impl Ground) -> u32 {
        if wanted == 0 {
            return self.obtainable();
        }
        if self.largest() >= wanted {
            return self.largest();
        }
        self.tidy(self.direction(), ground);
        self.evacuate(self.direction(), ground);
        self.discard_until(wanted, ground)
    }

    fn discard_until(&self, wanted: u32, ground: &impl Ground) -> u32 {
        let settle = || {
            self.tidy(self.direction(), ground);
            self.evacuate(self.direction(), ground);
        };
        let mut last = i64::MIN;
        let mut settled = true;
        while self.largest() < wanted && self.discard_oldest(&mut last, 0, ground) {
            // Moving is for nothing while there is too little in all.
            settled = self.free_and_expendable().0 >= wanted;
            if settled {
                settle();
            }
        }
        if !settled {
            settle();
        }
        self.largest()
    }
}
