//! The process heap's records, decoded from their bytes.
//!
//! Who looks at a process from outside copies bytes out of it; what they mean is
//! told here, beside the structures themselves, so that there is one
//! description of the layout. Nothing is believed: any bytes may be decoded, and
//! numbers that cannot be are `None`.
//!
//! ```text
//!   root record (vm/root.rs) -- SliceTable, SliceMask --> an entry per 64 KiB
//!   entry -- descriptor_at --> Record::decode --> Record::block
//!                              the first bytes of a region or large block of a
//!                              private heap, too (private/outside.rs)
//!   Anchor::PlainFront --> caches.rs: blocks that caches and depots keep
//!   Anchor::Profile --> profile.rs: blocks that a heap profile has noted
//! ```

pub mod caches;
#[cfg(feature = "debug")]
pub mod profile;

use super::classes::{self, SLICE};
use super::descriptor::{self, Descriptor, Geometry, HEADER, Kind};
use super::segment::{self, Segment};
use super::{fence, fingerprint, slices};
use core::mem::offset_of;

pub use super::traces::{BYTES as TRACES_BYTES, Busy, FIRST_MODULE, Traces};

pub use super::private::outside::{Area, Heap, Large, RegionBlock, Tables, WATCHED, Walk};

/// How this build lays its records out; what is read must say the same.
pub const LAYOUT: usize = fingerprint::LAYOUT;

/// Whether records of a copy whose root record says `layout` can be read here:
/// the process heap's, and private heaps'.
pub const fn can_read(layout: usize) -> (bool, bool) {
    let other = layout as u64;
    let own = LAYOUT as u64;
    let process = other as u32 == own as u32;
    (
        process,
        process && (other >> 32 == 0 || other >> 32 == own >> 32),
    )
}

/// Bytes of address space that an entry of the slice table is for.
pub const SLICE_BYTES: usize = SLICE;
/// Bytes of a descriptor's header, which [`Record::decode`] needs.
pub const RECORD_BYTES: usize = HEADER;
/// Bytes of a segment's record, which [`Slices::decode`] needs.
pub const SEGMENT_BYTES: usize = size_of::<Segment>();

/// Where the descriptor is that an entry leads to; `None` for an entry that leads
/// to none. `entries` is the address of the table's first entry.
pub fn descriptor_at(entries: usize, entry: usize) -> Option<usize> {
    (entry != 0 && entry != slices::CLAIMED)
        .then(|| entries.wrapping_sub(slices::ENTRIES).wrapping_add(entry))
}

/// The region before this one that records lie in, or 0, and the bytes of this
/// one, by its first [`LINK_BYTES`] bytes
/// ([`Anchor::Records`](crate::vm::root::Anchor::Records) leads to the newest).
pub fn records_region(bytes: &[u8]) -> Option<(usize, usize)> {
    Some((word(bytes, 0)?, word(bytes, size_of::<usize>())?))
}

/// Bytes that [`records_region`] needs.
pub const LINK_BYTES: usize = 2 * size_of::<usize>();

/// What a record describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Nothing: it is free.
    Nothing,
    /// Blocks of one class.
    Subsegment,
    /// A large block of the process heap.
    Large,
    /// A region of a private heap: [`Area`].
    Region,
    /// The first region of a private heap that was destroyed.
    RegionGone,
    /// A large block of a private heap: [`Large`].
    PrivateLarge,
}

/// How a block of a subsegment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockState {
    /// It lies in the subsegment.
    Free,
    /// It is free, in a thread's cache, a slot or a depot.
    Kept,
    /// It is handed out; so many of its bytes were not asked for. 0 where the
    /// heap does not know.
    Busy(usize),
    /// It is handed out; the word at this address tells, by [`unused_by_word`],
    /// the bytes that were not asked for.
    BusyByWord(usize),
    /// It is handed out or kept: blocks without marks do not tell.
    Out,
}

/// The bytes of a block of `class` that were not asked for, by its word.
pub fn unused_by_word(word: u64, class: usize) -> usize {
    super::private::outside::unused_by_word(word, class)
}

/// A descriptor's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// What it describes.
    pub what: What,
    /// Address of the first block.
    pub base: usize,
    /// Bytes from there to the end of the last block; of a large block, its
    /// usable bytes; of a region, the bytes reserved.
    pub span: usize,
    /// The class of a subsegment's blocks, 0 to 147. Blocks of no bytes, of class 0, are
    /// taken for 16 bytes here.
    pub class: usize,
    /// Whether blocks have marks.
    pub is_marked: bool,
    /// Blocks in all.
    pub blocks: usize,
    /// Whether fences lie between a subsegment's blocks, or around them.
    pub is_fenced: bool,
    /// Blocks that lie in the subsegment.
    pub free: usize,
    /// A large block's mapping: its address and its bytes.
    pub mapping: (usize, usize),
    /// The record of the private heap that it belongs to; 0 for the process
    /// heap's.
    pub owner: usize,
}

pub(super) fn word(bytes: &[u8], at: usize) -> Option<usize> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|word| usize::from_ne_bytes(*word))
}

pub(super) fn half(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|half| u32::from_ne_bytes(*half))
}

pub(super) fn byte(bytes: &[u8], at: usize) -> Option<u8> {
    bytes.get(at).copied()
}

impl Record {
    /// Decodes [`RECORD_BYTES`] bytes; `None` for fewer, and for what no
    /// descriptor says.
    pub fn decode(bytes: &[u8]) -> Option<Record> {
        if bytes.len() < HEADER {
            return None;
        }
        let what = match byte(bytes, offset_of!(Descriptor, what))? {
            descriptor::EMPTY => What::Nothing,
            descriptor::SUBSEGMENT => What::Subsegment,
            descriptor::LARGE => What::Large,
            descriptor::REGION => What::Region,
            descriptor::REGION_GONE => What::RegionGone,
            descriptor::PRIVATE_LARGE => What::PrivateLarge,
            _ => return None,
        };
        let kind = byte(bytes, offset_of!(Descriptor, kind))?;
        Some(Record {
            what,
            base: word(bytes, offset_of!(Descriptor, base))?,
            span: word(bytes, offset_of!(Descriptor, span))?,
            class: usize::from(byte(bytes, offset_of!(Descriptor, class))?),
            is_marked: kind == Kind::Checked as u8,
            blocks: half(bytes, offset_of!(Descriptor, blocks))? as usize,
            is_fenced: byte(bytes, offset_of!(Descriptor, is_fenced))? != 0,
            free: half(bytes, offset_of!(Descriptor, free))? as usize,
            mapping: (
                word(bytes, offset_of!(Descriptor, extent))?,
                word(bytes, offset_of!(Descriptor, region_size))?,
            ),
            owner: word(bytes, offset_of!(Descriptor, owner))?,
        })
    }

    fn kind(&self) -> Kind {
        if self.is_marked {
            Kind::Checked
        } else {
            Kind::Plain
        }
    }

    /// Whether a subsegment can be as this one says: its class exists, and its
    /// blocks are as many as that has and lie where they can.
    pub fn is_subsegment(&self) -> bool {
        let geometry = Geometry::of(self.class);
        // A hardened heap's may be shorter, for a guard page.
        let places = if self.is_fenced || self.class == 0 {
            geometry.blocks
        } else {
            self.blocks.min(geometry.blocks)
        };
        self.what == What::Subsegment
            && geometry.size != 0
            && self.blocks == self.indices().count() + usize::from(self.class == 0)
            && self.span == geometry.size * places
            && self.base.is_multiple_of(SLICE)
            && self.base.checked_add(self.reserved()).is_some()
    }

    /// Bytes of a block of the class.
    pub fn block_size(&self) -> usize {
        Geometry::of(self.class).size
    }

    /// Bytes of the slices that a subsegment takes.
    pub fn reserved(&self) -> usize {
        classes::slices_of(self.class) * SLICE
    }

    /// Bytes of a subsegment's whole record, marks and bits included.
    pub fn record_bytes(&self) -> usize {
        let size = Descriptor::size_for(self.class.min(classes::COUNT - 1), self.kind());
        let more = if self.owner == 0 {
            0
        } else {
            Descriptor::sizes_bytes(self.class)
        };
        size + more
    }

    /// The indices of a subsegment's blocks, in order of their addresses: fences have
    /// some, too.
    pub fn indices(&self) -> impl Iterator<Item = usize> {
        let (class, is_fenced) = (self.class, self.is_fenced);
        let most = Geometry::of(class).blocks;
        let places = if is_fenced || class == 0 {
            most
        } else {
            self.blocks.min(most)
        };
        (0..places).filter(move |&index| !is_fenced || fence::is_block(class, index))
    }

    /// How block `index` of a subsegment is, whose whole record is `bytes`;
    /// `None` when there is no such block, or too few bytes.
    pub fn block(&self, bytes: &[u8], index: usize) -> Option<BlockState> {
        let geometry = Geometry::of(self.class);
        if index >= geometry.blocks {
            return None;
        }
        let words = geometry.bits_at(self.kind());
        let is_free = byte(bytes, words + index / 8)? >> (index % 8) & 1 != 0;
        if !self.is_marked {
            return Some(if is_free {
                BlockState::Free
            } else {
                BlockState::Out
            });
        }
        let mark = byte(bytes, HEADER + index)?;
        if self.owner != 0 {
            let address = self.base + index * geometry.size;
            let unused = half_word(bytes, self.unused_at(index));
            if let Some(state) =
                super::private::outside::busy_by_mark(mark, self.class, address, unused)
            {
                return Some(state);
            }
        } else if descriptor::is_out(mark) {
            return Some(BlockState::Busy(0));
        }
        Some(if is_free {
            BlockState::Free
        } else {
            BlockState::Kept
        })
    }

    /// Whether block `index` is both in the subsegment and handed out, which
    /// cannot be.
    pub fn is_contradicted(&self, bytes: &[u8], index: usize) -> bool {
        let words = Geometry::of(self.class).bits_at(self.kind());
        let is_free = byte(bytes, words + index / 8).is_some_and(|b| b >> (index % 8) & 1 != 0);
        is_free
            && matches!(
                self.block(bytes, index),
                Some(BlockState::Busy(_) | BlockState::BusyByWord(_))
            )
    }

    /// The set bits of the free bits, those of blocks there are not included.
    pub fn free_bits(&self, bytes: &[u8]) -> usize {
        let geometry = Geometry::of(self.class);
        let words = geometry.bits_at(self.kind());
        let end = words + geometry.blocks.div_ceil(64) * 8;
        let bits = bytes.get(words..end).unwrap_or_default();
        bits.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    fn unused_at(&self, index: usize) -> usize {
        Descriptor::size_for(self.class.min(classes::COUNT - 1), Kind::Checked) + 2 * index
    }
}

fn half_word(bytes: &[u8], at: usize) -> usize {
    let told = bytes.get(at..).and_then(|rest| rest.first_chunk());
    told.map_or(0, |told| usize::from(u16::from_ne_bytes(*told)))
}

/// A segment of the process heap: 64 slices, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slices {
    /// The next segment's record, or 0.
    pub next: usize,
    /// Address of the first slice.
    pub base: usize,
    /// Slices there are, 64 but where address space is short.
    pub count: usize,
    /// Bytes of its records, of which this is the first.
    pub records: usize,
    /// Slices in use. Slices there are not count as used.
    pub used: u64,
    /// Unused slices whose pages may hold memory.
    pub dirty: u64,
    /// Unused slices that are not committed.
    pub absent: u64,
}

impl Slices {
    /// Decodes [`SEGMENT_BYTES`] bytes; `None` for fewer, and for what no segment
    /// says.
    pub fn decode(bytes: &[u8]) -> Option<Slices> {
        let [_, next, base, used, dirty, absent, _, slices, records] = segment::LAYOUT;
        let found = Slices {
            next: word(bytes, next)?,
            base: word(bytes, base)?,
            count: word(bytes, slices)?,
            records: word(bytes, records)?,
            used: word(bytes, used)? as u64,
            dirty: word(bytes, dirty)? as u64,
            absent: word(bytes, absent)? as u64,
        };
        let is_one = (1..=64).contains(&found.count)
            && found.base.is_multiple_of(SLICE)
            && found.base.checked_add(found.count * SLICE).is_some();
        is_one.then_some(found)
    }
}
