//! A private heap's records, decoded from their bytes (heap/outside.rs).

use super::heap::{Core, Figures, PrivateHeap};
use super::large;
use super::lfh;
use super::region::{self, TAIL};
use super::settable;
use super::units::{CHUNK, LEAST, UNIT, Units};
use super::{NAME_MAX, flags};
use crate::heap::classes;
use crate::heap::outside::{BlockState, byte, half, word};
use core::mem::offset_of;

/// How a block is, if its mark says that it is handed out. `unused` is what lies
/// for it behind the free bits.
pub(in crate::heap) fn busy_by_mark(
    mark: u8,
    class: usize,
    address: usize,
    unused: usize,
) -> Option<BlockState> {
    if mark & lfh::BUSY == 0 {
        return None;
    }
    let size = classes::size_of(class);
    if class > lfh::LAST_EXACT {
        return Some(BlockState::Busy(unused.min(size)));
    }
    if !settable::is_mark(mark) {
        return Some(BlockState::Busy(usize::from(mark & !lfh::BUSY).min(size)));
    }
    Some(match settable::unused_by_mark(mark) {
        Some(unused) => BlockState::Busy(unused.min(size)),
        None => BlockState::BusyByWord(settable::words_at(address, class).addr()),
    })
}

pub(in crate::heap) fn unused_by_word(word: u64, class: usize) -> usize {
    settable::unused_by_word(word, class)
}

/// A heap's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heap {
    /// Its handle; 0 when the record is no heap's now.
    pub handle: usize,
    /// The flags of its creation.
    pub flags: u32,
    /// 0: standard; 2: with buckets.
    pub compatibility: u8,
    name: [u8; NAME_MAX],
    name_len: usize,
    /// Of a C runtime's heap, an address in the module whose runtime it is.
    pub module: usize,
    /// Its first region's record.
    pub first_region: usize,
    /// Regions it has.
    pub regions: usize,
    /// Its first large block's record; 0 for none.
    pub first_large: usize,
    /// Bytes asked for of blocks that are busy in its regions.
    pub bytes: usize,
    /// Such blocks.
    pub blocks: usize,
    /// Bytes asked for of its large blocks.
    pub large_bytes: usize,
    /// Its large blocks.
    pub large_blocks: usize,
    /// Bytes reserved for regions and large blocks.
    pub reserved: usize,
    /// Bytes of them that the system lets the heap touch.
    pub backed: usize,
}

/// The flag of a heap that was made while a global flag was on.
pub const WATCHED: u32 = flags::WATCHED;

impl Heap {
    /// Bytes of a record, which [`Heap::decode`] needs.
    pub const BYTES: usize = size_of::<PrivateHeap>();

    /// Decodes a record; `None` for fewer bytes.
    pub fn decode(bytes: &[u8]) -> Option<Heap> {
        let core = offset_of!(PrivateHeap, core);
        let figures = offset_of!(PrivateHeap, figures);
        let name_at = offset_of!(PrivateHeap, name);
        let name = bytes.get(name_at..)?.first_chunk()?;
        Some(Heap {
            handle: word(bytes, offset_of!(PrivateHeap, life))?,
            flags: half(bytes, offset_of!(PrivateHeap, flags))?,
            compatibility: byte(bytes, offset_of!(PrivateHeap, compatibility))?,
            name: *name,
            name_len: usize::from(byte(bytes, offset_of!(PrivateHeap, name_len))?),
            module: word(bytes, offset_of!(PrivateHeap, module))?,
            first_region: word(bytes, core + offset_of!(Core, first))?,
            regions: word(bytes, core + offset_of!(Core, regions))?,
            first_large: word(bytes, core + offset_of!(Core, first_large))?,
            bytes: word(bytes, figures + offset_of!(Figures, bytes))?,
            blocks: word(bytes, figures + offset_of!(Figures, blocks))?,
            large_bytes: word(bytes, figures + offset_of!(Figures, large_bytes))?,
            large_blocks: word(bytes, figures + offset_of!(Figures, large_blocks))?,
            reserved: word(bytes, figures + offset_of!(Figures, reserved))?,
            backed: word(bytes, figures + offset_of!(Figures, backed))?,
        })
    }

    /// Its name; empty where it has none, or one that is no text.
    pub fn name(&self) -> &str {
        let bytes = self.name.get(..self.name_len).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// A region's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// The next region's record; 0 after the last.
    pub next: usize,
    /// The previous one's; 0 before the first.
    pub previous: usize,
    /// The address of its first byte.
    pub start: usize,
    /// Bytes before the first block.
    pub header: usize,
    /// Bytes reserved.
    pub reserved: usize,
    /// Bytes committed at most.
    pub limit: usize,
    /// Bytes committed.
    pub committed: usize,
    /// Busy blocks.
    pub blocks: usize,
    /// Its number in walks.
    pub index: u8,
    table: usize,
    best: usize,
    upper: usize,
    overhead: usize,
    apart: bool,
}

/// Copies of a region's tables, in whole words.
#[derive(Clone, Copy, Debug)]
pub struct Tables<'a> {
    /// A byte for each unit of 16 bytes.
    pub units: &'a [u64],
    /// What bounds free blocks' sizes by the 64 units.
    pub best: &'a [u64],
    /// The same by 64 of those.
    pub upper: &'a [u64],
}

/// A block of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionBlock {
    /// The address of its data.
    pub address: usize,
    /// Bytes to the next block's data.
    pub room: usize,
    /// Bytes asked for; of a free block, the same as its room.
    pub size: usize,
    /// Whether it is handed out.
    pub is_busy: bool,
}

impl Area {
    /// Bytes of a record, which [`Area::decode`] needs.
    pub const BYTES: usize = size_of::<region::Region>();

    /// Decodes a record; `None` for fewer bytes, and for what no region says.
    pub fn decode(bytes: &[u8]) -> Option<Area> {
        use region::Region;
        let units = offset_of!(Region, units);
        let area = Area {
            next: word(bytes, offset_of!(Region, next))?,
            previous: word(bytes, offset_of!(Region, previous))?,
            start: word(bytes, offset_of!(Region, start))?,
            header: word(bytes, offset_of!(Region, header))?,
            reserved: word(bytes, offset_of!(Region, reserved))?,
            limit: word(bytes, offset_of!(Region, limit))?,
            committed: word(bytes, offset_of!(Region, committed))?,
            blocks: word(bytes, offset_of!(Region, blocks))?,
            index: byte(bytes, offset_of!(Region, index))?,
            table: word(bytes, units + offset_of!(Units, table))?,
            best: word(bytes, units + offset_of!(Units, best))?,
            upper: word(bytes, units + offset_of!(Units, upper))?,
            overhead: word(bytes, units + offset_of!(Units, overhead))?,
            apart: byte(bytes, units + offset_of!(Units, apart))? != 0,
        };
        let is_one = area.header.is_multiple_of(UNIT)
            && area.header.checked_add(TAIL)? <= area.committed
            && area.committed <= area.limit
            && area.limit <= area.reserved
            && area.overhead <= CHUNK
            && area.start.checked_add(area.reserved).is_some();
        is_one.then_some(area)
    }

    fn first(&self) -> usize {
        self.header / UNIT
    }

    fn end(&self) -> usize {
        (self.committed - TAIL) / UNIT
    }

    /// Where the tables lie, and how many bytes of each are read: units, best,
    /// upper; whole words each.
    pub fn tables(&self) -> [(usize, usize); 3] {
        let chunks = self.end().div_ceil(CHUNK);
        let groups = chunks.div_ceil(CHUNK);
        [
            (self.table, chunks * CHUNK),
            (self.best, groups * CHUNK),
            (self.upper, groups.next_multiple_of(8)),
        ]
    }

    fn units(&self, tables: &Tables<'_>) -> Option<Units> {
        let have = [tables.units, tables.best, tables.upper].map(|words| words.len() * 8);
        let wanted = self.tables().map(|(_, bytes)| bytes);
        let is_whole = have
            .iter()
            .zip(wanted)
            .all(|(&have, wanted)| have >= wanted);
        is_whole.then(|| Units {
            table: tables.units.as_ptr().cast_mut().cast(),
            best: tables.best.as_ptr().cast_mut().cast(),
            upper: tables.upper.as_ptr().cast_mut().cast(),
            capacity: self.end(),
            overhead: self.overhead,
            apart: self.apart,
        })
    }

    /// The blocks, by copies of the tables that [`Area::tables`] names. Ends
    /// early where the tables make no sense, which [`Walk::is_whole`] tells.
    pub fn walk<'a>(&self, tables: &Tables<'a>) -> Walk<'a> {
        let units = self.units(tables);
        Walk {
            start: self.start,
            unit: self.first(),
            end: if units.is_some() { self.end() } else { 0 },
            is_whole: units.is_some(),
            units,
            _tables: core::marker::PhantomData,
        }
    }

    /// Whether the tables agree with themselves.
    pub fn is_sound(&self, tables: &Tables<'_>) -> bool {
        let Some(units) = self.units(tables) else {
            return false;
        };
        units.check(self.first(), self.end()).is_some()
    }
}

/// The blocks of a region, by address.
#[derive(Debug)]
pub struct Walk<'a> {
    start: usize,
    unit: usize,
    end: usize,
    is_whole: bool,
    // Reads the tables that are borrowed and never writes to them.
    units: Option<Units>,
    _tables: core::marker::PhantomData<&'a [u64]>,
}

impl Walk<'_> {
    /// Whether all that was walked so far made sense.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }
}

impl Iterator for Walk<'_> {
    type Item = RegionBlock;

    fn next(&mut self) -> Option<RegionBlock> {
        let units = self.units.as_ref()?;
        if self.unit >= self.end {
            return None;
        }
        let unit = self.unit;
        let size = units.size(unit);
        if !units.is_start(unit) || size < LEAST || size > self.end - unit {
            self.is_whole = false;
            self.unit = self.end;
            return None;
        }
        self.unit += size;
        let room = size * UNIT;
        let is_busy = units.is_busy(unit);
        let unused = if is_busy { units.unused(unit) } else { 0 };
        if unused > room {
            self.is_whole = false;
        }
        Some(RegionBlock {
            address: self.start.wrapping_add((unit + 1) * UNIT),
            room,
            size: room.saturating_sub(unused),
            is_busy,
        })
    }
}

/// A large block's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Large {
    /// The next large block's record; 0 after the last.
    pub next: usize,
    /// The previous one's; 0 before the first.
    pub previous: usize,
    /// Bytes asked for.
    pub size: usize,
    /// Bytes of the mapping that are committed, from its start.
    pub committed: usize,
    /// Its settable flags, and in bit 0 whether it has a settable value.
    pub flags: u8,
}

impl Large {
    /// Bytes of a record, which [`Large::decode`] needs.
    pub const BYTES: usize = size_of::<large::Large>();

    /// Decodes a record; `None` for fewer bytes.
    pub fn decode(bytes: &[u8]) -> Option<Large> {
        use large::Large as Shipped;
        Some(Large {
            next: word(bytes, offset_of!(Shipped, next))?,
            previous: word(bytes, offset_of!(Shipped, previous))?,
            size: word(bytes, offset_of!(Shipped, size))?,
            committed: word(bytes, offset_of!(Shipped, committed))?,
            flags: byte(bytes, offset_of!(Shipped, flags))?,
        })
    }
}
