//! Threads' caches and depots, decoded from their bytes: which blocks without marks
//! are free all the same.
//!
//! ```text
//!   Anchor::PlainFront --> the front end -- LIVE --> cache --> cache --> ...
//!                                       \-- depot_at --> magazine --> magazine
//!   a cache's class --> its current magazine up to the bin's top, and its spare
//! ```
//!
//! A block that a thread is about to move from one of these to another, in the
//! middle of a slow path, is in none.

use super::word;
use crate::heap::bin::Bin;
use crate::heap::bucket::{Bucket, DEPOTS, SHARDS};
use crate::heap::cache::{Rack, ThreadCache};
use crate::heap::classes::COUNT;
use crate::heap::front::{Caches, Front};
use crate::heap::magazine::{Depot, ENTRIES, Magazine};
use crate::sync::Mutex;
use core::mem::offset_of;

/// Bytes of a cache, which [`Cache`] needs.
pub const CACHE_BYTES: usize = size_of::<ThreadCache>();
/// Bytes of a magazine's first words, which [`magazine`] needs.
pub const MAGAZINE_BYTES: usize = size_of::<Magazine>();
/// Where in a front end the first cache's address is.
pub const LIVE: usize =
    offset_of!(Front, caches) + Mutex::<Caches>::VALUE + offset_of!(Caches, live);
/// Where blocks' classes end.
pub const CLASSES: usize = COUNT;
/// Depots of a class.
pub const DEPOTS_EACH: usize = SHARDS;

/// Blocks that are kept: where their addresses are, a word each, and how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The first one's place.
    pub at: usize,
    /// Blocks.
    pub count: usize,
}

/// Where in a front end the address of a depot's first magazine is.
pub const fn depot_at(class: usize, depot: usize) -> usize {
    let bucket = offset_of!(Front, buckets) + class * size_of::<Bucket>();
    bucket + DEPOTS + depot * size_of::<Depot>() + offset_of!(Depot, head)
}

/// What a depot's magazine at `address` holds, and the next one's address or 0;
/// `None` for what no magazine says.
pub fn magazine(bytes: &[u8], address: usize) -> Option<(Kept, usize)> {
    let next = word(bytes, offset_of!(Magazine, next))?;
    let count = word(bytes, offset_of!(Magazine, floor))?;
    let kept = Kept {
        at: address.wrapping_add(MAGAZINE_BYTES),
        count,
    };
    (count <= ENTRIES).then_some((kept, next))
}

/// A thread's cache, by its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Cache<'a>(&'a [u8]);

impl<'a> Cache<'a> {
    /// A cache of [`CACHE_BYTES`] bytes; `None` for fewer.
    pub fn of(bytes: &'a [u8]) -> Option<Cache<'a>> {
        (bytes.len() >= CACHE_BYTES).then_some(Cache(bytes))
    }

    /// The next cache's address, or 0.
    pub fn next(&self) -> usize {
        word(self.0, offset_of!(ThreadCache, next)).unwrap_or(0)
    }

    /// What it keeps of a class: in its magazine, and in its spare one.
    pub fn kept(&self, class: usize) -> [Kept; 2] {
        self.of_class(class).unwrap_or_default()
    }

    /// What lies in the magazine of a bin, by where its parts are.
    fn in_bin(&self, bin: usize, current: usize, floor: usize) -> Option<Kept> {
        let top = word(self.0, bin + offset_of!(Bin, top))?;
        let current = word(self.0, current)?;
        let floor = super::half(self.0, floor)? as usize;
        let first = current.wrapping_add(MAGAZINE_BYTES);
        // A bin without a magazine stands above a word that is nobody's.
        let height = top.wrapping_sub(first) / size_of::<usize>();
        let has_magazine = current != 0 && height <= ENTRIES && floor <= height;
        has_magazine.then(|| Kept {
            at: first.wrapping_add(floor * size_of::<usize>()),
            count: height - floor,
        })
    }

    fn of_class(&self, class: usize) -> Option<[Kept; 2]> {
        if class >= COUNT {
            return None;
        }
        let bin = offset_of!(ThreadCache, bins) + class * size_of::<Bin>();
        let rack = offset_of!(ThreadCache, racks) + class * size_of::<Rack>();
        let spare = word(self.0, rack + offset_of!(Rack, spare))?;
        let spare_count = super::half(self.0, rack + offset_of!(Rack, spare_count))? as usize;
        let (current, floor) = (offset_of!(Rack, current), offset_of!(Rack, floor));
        let in_bin = self.in_bin(bin, rack + current, rack + floor);
        let in_spare = Kept {
            at: spare.wrapping_add(MAGAZINE_BYTES),
            count: spare_count,
        };
        let has_spare = spare != 0 && spare_count <= ENTRIES;
        Some([
            in_bin.unwrap_or_default(),
            if has_spare { in_spare } else { Kept::default() },
        ])
    }
}
