//! A number for how this copy's records are laid out.
//!
//! Whoever reads them from outside was built apart, perhaps by another
//! compiler, which may order a structure's fields as it likes. The number is
//! made of every offset, size and constant that is read; the root record has
//! it, and a reader whose own number differs reads nothing.

use super::bin::Bin;
use super::bucket::{Bucket, DEPOTS, SHARDS};
use super::cache::{Rack, ThreadCache};
use super::classes::{self, COUNT, SLICE};
use super::descriptor::{self, Descriptor, HEADER, Kind};
use super::front::{Caches, Front};
use super::magazine::{Depot, ENTRIES, Magazine};
use super::{fence, segment, slices};
use crate::sync::Mutex;
use core::mem::offset_of;

/// Mixes another number in; two layouts that differ in one give different
/// results but by accident, once in four thousand million.
pub(super) const fn mix(sum: u32, number: usize) -> u32 {
    let mut sum = sum;
    let mut left = number as u64;
    let mut bytes = 0;
    while bytes < 8 {
        sum = (sum ^ (left & 0xff) as u32).wrapping_mul(0x0100_0193);
        left >>= 8;
        bytes += 1;
    }
    sum
}

/// [`mix`] of a whole list.
pub(super) const fn mix_all(sum: u32, numbers: &[usize]) -> u32 {
    let mut sum = sum;
    let mut at = 0;
    while at < numbers.len() {
        sum = mix(sum, numbers[at]);
        at += 1;
    }
    sum
}

/// Where a sum begins.
pub(super) const START: u32 = 0x811c_9dc5;

/// The process heap's records: classes, descriptors, segments, caches.
const PROCESS: u32 = {
    let mut sum = mix_all(
        START,
        &[
            HEADER,
            size_of::<usize>(),
            offset_of!(Descriptor, base),
            offset_of!(Descriptor, span),
            offset_of!(Descriptor, what),
            offset_of!(Descriptor, class),
            offset_of!(Descriptor, kind),
            offset_of!(Descriptor, blocks),
            offset_of!(Descriptor, is_fenced),
            offset_of!(Descriptor, free),
            offset_of!(Descriptor, next),
            offset_of!(Descriptor, extent),
            offset_of!(Descriptor, region_size),
            offset_of!(Descriptor, owner),
            descriptor::EMPTY as usize,
            descriptor::SUBSEGMENT as usize,
            descriptor::LARGE as usize,
            descriptor::BUSY as usize,
            Kind::Plain as usize,
            Kind::Checked as usize,
            Descriptor::size_for(1, Kind::Plain),
            Descriptor::size_for(1, Kind::Checked),
            SLICE,
            slices::CLAIMED,
            slices::ENTRIES,
            size_of::<Bin>(),
            offset_of!(Bin, top),
            size_of::<ThreadCache>(),
            offset_of!(ThreadCache, next),
            offset_of!(ThreadCache, bins),
            offset_of!(ThreadCache, racks),
            size_of::<Rack>(),
            offset_of!(Rack, current),
            offset_of!(Rack, floor),
            offset_of!(Rack, spare),
            offset_of!(Rack, spare_count),
            offset_of!(Front, caches) + Mutex::<Caches>::VALUE + offset_of!(Caches, live),
            offset_of!(Front, buckets),
            size_of::<Bucket>(),
            DEPOTS,
            SHARDS,
            size_of::<Depot>(),
            offset_of!(Depot, head),
            size_of::<Magazine>(),
            offset_of!(Magazine, next),
            offset_of!(Magazine, floor),
            ENTRIES,
        ],
    );
    sum = mix_all(sum, &segment::LAYOUT);
    let mut class = 0;
    while class < COUNT {
        sum = mix_all(
            sum,
            &[
                classes::size_of(class),
                classes::slices_of(class),
                fence::used(class) as usize,
                Descriptor::sizes_bytes(class),
            ],
        );
        class += 1;
    }
    sum
};

/// What the root record tells: the process heap's records in the lower half;
/// in the upper half private heaps', 0 where the crate was built without them.
pub(super) const LAYOUT: usize = {
    let process = PROCESS as u64;
    let private = super::private::LAYOUT as u64;
    (private << 32 | process) as usize
};
