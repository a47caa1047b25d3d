//! Regions: reserved ranges in which blocks of any size lie side by side.
//!
//! ```text
//!   start                                         end    committed        limit
//!   | header | block | block | free ... | block | free | tail | uncommitted | guard |
//!              ^ units: one byte of the table for 16 bytes
//! ```
//!
//! A block's data starts 16 bytes after its unit: where Windows has its
//! header, nothing lies. What is committed is a prefix, by the region's own
//! account; pages after it are never touched. It grows by two pages or by what
//! is needed, and shrinks to what it began with when the region is empty.
//!
//! Free pages inside go back to the system when enough was freed
//! ([`Region::sweep`]); they stay committed and read zero.

use super::units::{LEAST, OVERHEAD, UNIT, Units};
use super::{Error, Shape, flags, lookup, memory};
use crate::heap::descriptor::Descriptor;
use crate::vm::{self, Budget};
use core::sync::atomic::Ordering;

/// Bytes before the first block of a heap's first region, and of others.
pub(super) const HEAP_HEADER: usize = 0x740;
pub(super) const REGION_HEADER: usize = 0x40;
/// Bytes kept at the end of what is committed.
pub(super) const TAIL: usize = 0x40;
/// Bytes at the end of a region of a growable heap that are never committed.
pub(super) const GUARD: usize = 0x1000;
/// What is committed at first, and each time at least unless a heap's maker
/// chooses.
pub(super) const COMMIT_STEP: usize = 0x2000;
/// The unit of commit.
pub(super) const PAGE: usize = 0x1000;

/// A region. Its record lies apart from its memory; only the descriptor at its
/// start is read without the heap's lock.
#[repr(C)]
pub(super) struct Region {
    pub(super) descriptor: Descriptor,
    pub(super) next: *mut Region,
    pub(super) previous: *mut Region,
    /// Its number in walks.
    pub(super) index: u8,
    /// The address of its first byte.
    pub(super) start: usize,
    /// Bytes before the first block.
    pub(super) header: usize,
    /// Bytes reserved.
    pub(super) reserved: usize,
    /// Bytes committed at most.
    pub(super) limit: usize,
    /// Bytes committed.
    pub(super) committed: usize,
    /// Bytes committed while it is empty.
    pub(super) initial: usize,
    /// Bytes from the start after which no page holds memory, as far as whole
    /// steps of commit tell: counted as active.
    pub(super) active: usize,
    /// Busy blocks.
    pub(super) blocks: usize,
    /// No free block is of a higher code than this.
    pub(super) bound: u8,
    pub(super) units: Units,
    /// For every page whether it may hold memory.
    pub(super) touched: *mut u8,
    pub(super) backing: memory::Backing,
    /// Whether what is free is filled with [`FREE_FILL`], but for the first 16
    /// bytes of a free block.
    pub(super) fills: bool,
}

/// What lies between blocks whose ends are checked.
pub(in crate::heap) const TAIL_FILL: u8 = 0xab;

/// What free memory is filled with where free blocks are checked.
pub(in crate::heap) const FREE_FILL: u32 = 0xfeee_feee;

/// A block of a region: its unit and its units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) unit: usize,
    pub(super) units: usize,
}

impl Region {
    /// The first unit that a block can start at.
    pub(super) fn first(&self) -> usize {
        self.header / UNIT
    }

    /// The unit after the last block's.
    pub(super) fn end(&self) -> usize {
        (self.committed - TAIL) / UNIT
    }

    /// The address of the block's data at `unit`.
    pub(super) fn data(&self, unit: usize) -> usize {
        self.start + (unit + 1) * UNIT
    }

    /// The unit that the data at `address` belongs to, whether or not a block
    /// starts there; `None` for addresses between units or outside.
    pub(super) fn unit_of(&self, address: usize) -> Option<usize> {
        let offset = address.checked_sub(self.start)?;
        if !offset.is_multiple_of(UNIT) {
            return None;
        }
        let unit = (offset / UNIT).checked_sub(1)?;
        (unit >= self.first() && unit < self.end()).then_some(unit)
    }

    /// The start of the block that `unit` lies in, found by going back to it.
    pub(super) fn around(&self, unit: usize) -> Option<usize> {
        (self.first()..=unit)
            .rev()
            .find(|&unit| self.units.is_start(unit))
    }

    /// The busy block whose data starts at `address`.
    pub(super) fn busy_at(&self, address: usize) -> Option<usize> {
        self.unit_of(address)
            .filter(|&unit| self.units.is_busy(unit))
    }

    /// Sets what the flags of its heap say of all blocks. It has none yet.
    pub(super) fn watch(&mut self, flags: u32) {
        self.units.overhead = overhead(flags);
        self.units.apart = flags & flags::DISABLE_COALESCE_ON_FREE != 0;
        self.fills = flags & flags::FREE_CHECKING_ENABLED != 0;
    }

    /// Makes all that is committed one free block.
    pub(super) fn begin(&mut self) {
        let (first, end) = (self.first(), self.end());
        self.units.write_free(first, end - first);
        self.bound = u8::MAX;
        self.fill(first, end, true);
        if lookup::tail_of(self.units.overhead) != 0 {
            let before = core::ptr::with_exposed_provenance_mut::<u8>(self.data(first) - UNIT);
            // SAFETY: the bytes are committed; they lie between the header and the
            // first block, and no block has them.
            unsafe { before.write_bytes(TAIL_FILL, UNIT) };
            // SAFETY: the region has a byte for each of its pages.
            unsafe { self.touched.write(1) };
        }
    }

    /// Writes where Windows' record of a heap would be what some programs look for
    /// there; nothing reads it here. The region is a heap's first, and committed.
    pub(super) fn write_header(
        &mut self,
        flags: u32,
        derived: u32,
        shape: &Shape,
        is_process: bool,
    ) {
        const GROWABLE: u32 = 2;
        const PRIVATE: u32 = 0x1000;
        let derived = derived & !flags::WATCHED;
        let growable = if matches!(shape, Shape::Fixed(_)) {
            0
        } else {
            GROWABLE
        };
        let private = if is_process { 0 } else { PRIVATE };
        let words = [
            (0x10, 0xffee_ffee),
            (0x70, flags | derived | growable | private),
            (0x74, derived),
        ];
        for (offset, word) in words {
            // SAFETY: the region begins with a header, in which no block lies; its
            // first page is committed.
            unsafe {
                core::ptr::with_exposed_provenance_mut::<u32>(self.start + offset).write(word)
            };
        }
        // SAFETY: the region has a byte for each of its pages.
        unsafe { self.touched.write(1) };
    }

    /// Fills free units, where that is wanted; but for 16 bytes, if a free block
    /// starts with them.
    fn fill(&mut self, from: usize, to: usize, is_start: bool) {
        if !self.fills || from >= to {
            return;
        }
        self.touch(Place {
            unit: from,
            units: to - from,
        });
        let start = self.data(from) + if is_start { UNIT } else { 0 };
        let words = (self.data(to) - start) / size_of::<u32>();
        let at: *mut u32 = core::ptr::with_exposed_provenance_mut(start);
        for word in 0..words {
            // SAFETY: the bytes are committed and no block's, and the heap is
            // locked or known to this thread alone.
            unsafe { at.add(word).write(FREE_FILL) };
        }
    }

    /// Takes `units` units whose data is aligned. `None` when no free block
    /// has them. The block is to be written by the caller before anything else
    /// is done here.
    pub(super) fn take(&mut self, units: usize, align: usize) -> Option<Place> {
        let least = super::units::code_of(units);
        if self.bound < least {
            return None;
        }
        let found = if align <= UNIT {
            self.units.find(units)
        } else {
            let start = self.start;
            let fits = |unit, size| lead(start, unit, align) + units <= size;
            self.units.find_by(units, fits)
        };
        let Some(found) = found else {
            if align <= UNIT {
                self.bound = self.units.largest_code();
            }
            return None;
        };
        let lead = lead(self.start, found, align);
        let size = self.units.size(found);
        let unit = found + lead;
        if lead != 0 {
            self.units.write_free(found, lead);
        }
        let rest = size - lead - units;
        let place = if rest >= LEAST {
            self.units.write_free(unit + units, rest);
            Place { unit, units }
        } else {
            Place {
                unit,
                units: units + rest,
            }
        };
        self.blocks += 1;
        self.touch(place);
        Some(place)
    }

    /// Notes that the block's pages may hold memory.
    fn touch(&mut self, place: Place) {
        let first = (place.unit + 1) * UNIT / PAGE;
        let last = ((place.unit + 1 + place.units) * UNIT - 1) / PAGE;
        for page in first..=last.min(self.reserved.div_ceil(PAGE) - 1) {
            // SAFETY: the region has a byte for each of its pages.
            unsafe { self.touched.add(page).write(1) };
        }
    }

    /// Commits so much more that a block of `units` units, aligned, fits at the
    /// end; `least` bytes, if there are so many. Fails with [`Error::NotInPlace`] where the
    /// region ends before.
    pub(super) fn extend(
        &mut self,
        units: usize,
        align: usize,
        least: usize,
        budget: &Budget,
    ) -> Result<(), Error> {
        let end = self.end();
        let (tail, have) = self.units.free_before(end).unwrap_or((end, 0));
        let wanted = lead(self.start, tail, align) + units;
        let Some(missing) = wanted.checked_sub(have) else {
            return Ok(());
        };
        let need = (missing * UNIT).next_multiple_of(PAGE);
        let most = self.limit - self.committed;
        if need > most {
            return Err(Error::NotInPlace);
        }
        let mut step = need.max(least).min(most);
        while let Err(error) = self.commit(step, budget) {
            if step == need {
                return Err(error);
            }
            // There may be just enough.
            step = need;
        }
        self.committed += step;
        self.active = self.active.max(self.committed);
        self.units.write_free(tail, self.end() - tail);
        self.bound = u8::MAX;
        self.fill(end, self.end(), have == 0);
        Ok(())
    }

    /// Lets the next `step` bytes be touched; they are the caller's to count.
    fn commit(&mut self, step: usize, budget: &Budget) -> Result<(), Error> {
        if !budget.charge(step) {
            return Err(Error::LimitReached);
        }
        // SAFETY: what follows the committed part is the region's.
        let is_backed = unsafe {
            self.backing
                .back(self.start, self.committed, self.committed + step)
        };
        if !is_backed {
            budget.credit(step);
            return Err(Error::NoMemory);
        }
        Ok(())
    }

    /// Frees the block at `unit` and joins it with its free neighbours.
    pub(super) fn free(&mut self, unit: usize) {
        let size = self.units.size(unit);
        self.give(unit, size);
        self.blocks -= 1;
    }

    /// Makes units free that no block has, the first of them a start or inner.
    fn give(&mut self, unit: usize, units: usize) {
        let (mut start, mut size) = (unit, units);
        let after = unit + units;
        let is_joined = !self.units.apart;
        let mut filled = after;
        if is_joined && after < self.end() && self.units.is_free(after) {
            size += self.units.size(after);
            self.units.erase(after);
            // Its first bytes are in the midst of a block now.
            filled += 1;
        }
        let mut is_start = true;
        if is_joined
            && let Some((before, more)) = self.units.free_before(unit)
            && before >= self.first()
        {
            is_start = false;
            self.units.erase(unit);
            start = before;
            size += more;
        }
        self.units.write_free(start, size);
        self.bound = u8::MAX;
        self.fill(unit, filled, is_start);
    }

    /// Gives the busy block at `unit` `units` units where it is; false, and
    /// nothing changed, when what follows it is not free. The caller writes
    /// the block, which may have one unit more. With `commit`, the region's
    /// end may be moved for it.
    pub(super) fn resize(&mut self, unit: usize, units: usize) -> Option<Place> {
        let old = self.units.size(unit);
        if units <= old {
            if old - units < LEAST {
                return Some(Place { unit, units: old });
            }
            let (unused, flags) = (self.units.unused(unit), self.units.flags(unit));
            self.units.write_busy(unit, units, unused, flags);
            self.give(unit + units, old - units);
            return Some(Place { unit, units });
        }
        let after = unit + old;
        if after >= self.end() || !self.units.is_free(after) {
            return None;
        }
        let all = old + self.units.size(after);
        if all < units {
            return None;
        }
        self.units.erase(after);
        let place = if all - units >= LEAST {
            self.units.write_free(unit + units, all - units);
            Place { unit, units }
        } else {
            Place { unit, units: all }
        };
        self.touch(place);
        Some(place)
    }

    /// Whether the block at `unit` is the last one, so that committing more
    /// makes room for it. Returns how many units are free after it.
    pub(super) fn room_at_end(&self, unit: usize) -> Option<usize> {
        let after = unit + self.units.size(unit);
        let end = self.end();
        if after == end {
            return Some(0);
        }
        let free = self.units.is_free(after).then(|| self.units.size(after))?;
        (after + free == end).then_some(free)
    }

    /// Takes back what was committed beyond the beginning. The region is
    /// empty.
    pub(super) fn shrink(&mut self, budget: &Budget) {
        if self.blocks != 0 || self.committed == self.initial {
            return;
        }
        if self.units.apart {
            // Free blocks did not join: what began in the midst of the one block
            // that begins now does not any more.
            for unit in self.first() + 1..self.end() {
                self.units.erase(unit);
            }
        }
        budget.credit(self.committed - self.initial);
        self.committed = self.initial;
        self.begin();
    }

    /// Gives the memory of the pages of free blocks of `least` bytes and more
    /// back to the system. Returns false when the system refuses.
    pub(super) fn sweep(&mut self, least: usize) -> bool {
        if self.fills {
            return true;
        }
        let page = vm::page_size().max(PAGE);
        let mut unit = self.first();
        let end = self.end();
        while unit < end {
            let units = self.units.size(unit);
            if units < LEAST {
                return false;
            }
            let is_last = unit + units == end;
            if self.units.is_free(unit) && (is_last || units * UNIT >= least) {
                let from = ((unit + 1) * UNIT).next_multiple_of(page);
                // Nothing is used after the last block.
                let to = if is_last {
                    self.limit
                } else {
                    (unit + 1 + units) * UNIT
                };
                if !self.purge(from, to & !(page - 1)) {
                    return false;
                }
            }
            unit += units;
        }
        self.active = self.committed;
        true
    }

    /// Purges those pages of a range that may hold memory.
    fn purge(&mut self, from: usize, to: usize) -> bool {
        let mut at = from / PAGE;
        let end = to / PAGE;
        while at < end {
            let start = at;
            // SAFETY: the region has a byte for each of its pages.
            while at < end && unsafe { self.touched.add(at).read() } != 0 {
                at += 1;
            }
            if at == start {
                at += 1;
                continue;
            }
            // SAFETY: the pages are the region's, backed since they were
            // touched, and no block reaches into them.
            unsafe {
                let place = core::ptr::with_exposed_provenance_mut(self.start + start * PAGE);
                if !self.backing.purge(place, (at - start) * PAGE) {
                    return false;
                }
                self.touched.add(start).write_bytes(0, at - start);
            }
        }
        true
    }

    /// Writes `byte` over what is free, but for pages that hold no memory now.
    pub(super) fn fill_free(&mut self, byte: u8) {
        if self.fills {
            return;
        }
        let (mut unit, end) = (self.first(), self.end());
        while unit < end {
            let units = self.units.size(unit).max(1);
            if self.units.is_free(unit) {
                let (mut at, to) = ((unit + 1) * UNIT, (unit + units) * UNIT);
                while at < to {
                    let page = at / PAGE;
                    let next = to.min((page + 1) * PAGE);
                    // SAFETY: the region has a byte for each of its pages; one
                    // that was touched is backed, and the bytes are no block's
                    // while the heap is locked.
                    unsafe {
                        if self.touched.add(page).read() != 0 {
                            let place =
                                core::ptr::with_exposed_provenance_mut::<u8>(self.start + at);
                            place.write_bytes(byte, next - at);
                        }
                    }
                    at = next;
                }
            }
            unit += units;
        }
    }

    /// Bytes from the start to the end of the last page that may hold memory.
    pub(super) fn high(&self) -> usize {
        let pages = self.limit.div_ceil(PAGE);
        let last = (0..pages)
            .rev()
            // SAFETY: the region has a byte for each of its pages.
            .find(|&page| unsafe { self.touched.add(page).read() } != 0);
        last.map_or(0, |page| (page + 1) * PAGE)
    }

    /// Gives the memory of all pages back; the region is used no more. False
    /// when the system refuses.
    pub(super) fn purge_all(&mut self) -> bool {
        self.purge(0, self.limit)
    }

    /// Whether everything the region says of itself is true.
    pub(super) fn check(&self) -> bool {
        if self.committed > self.limit || self.limit > self.reserved {
            return false;
        }
        let (first, end) = (self.first(), self.end());
        self.units.check(first, end).is_some()
            && self.descriptor.base.load(Ordering::Relaxed) == self.start
    }
}

/// The bytes that each block has beside those asked for, at least, in a heap of
/// these flags: 8 where Windows has its header; with a debugging flag 16, and 16
/// more each for the fill behind the block and for validation.
pub(super) fn overhead(flags: u32) -> usize {
    const VALIDATE: u32 = flags::VALIDATE_ALL_ENABLED | flags::VALIDATE_PARAMETERS_ENABLED;
    const DEBUGGING: u32 = VALIDATE
        | flags::TAIL_CHECKING_ENABLED
        | flags::FREE_CHECKING_ENABLED
        | flags::DISABLE_COALESCE_ON_FREE
        | flags::PAGE_ALLOCS;
    // Of heaps without a global flag these bits are never set.
    if flags & flags::WATCHED == 0 || flags & DEBUGGING == 0 {
        return OVERHEAD;
    }
    let tail = usize::from(flags & flags::TAIL_CHECKING_ENABLED != 0);
    let validation = usize::from(flags & VALIDATE != 0);
    UNIT * (1 + tail + validation)
}

/// Units to leave free before a block at `unit` of a region that begins at
/// `start`, so that its data is aligned and a block fits in what is left free.
fn lead(start: usize, unit: usize, align: usize) -> usize {
    if align <= UNIT {
        return 0;
    }
    let data = start + (unit + 1) * UNIT;
    let lead = (data.wrapping_neg() & (align - 1)) / UNIT;
    if lead != 0 && lead < LEAST {
        lead + align / UNIT
    } else {
        lead
    }
}
