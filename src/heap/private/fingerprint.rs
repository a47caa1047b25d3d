//! A private heap's part of the number that tells layouts apart
//! (heap/fingerprint.rs).

use super::heap::{Core, Figures, PrivateHeap};
use super::large::Large;
use super::lfh;
use super::region::{Region, TAIL};
use super::settable;
use super::units::{self, CHUNK, UNIT, Units};
use crate::heap::descriptor;
use crate::heap::fingerprint::{START, mix_all};
use core::mem::offset_of;

/// Never 0, which says that there are no private heaps.
pub(in crate::heap) const LAYOUT: u32 = {
    let region = mix_all(
        START,
        &[
            size_of::<Region>(),
            offset_of!(Region, next),
            offset_of!(Region, previous),
            offset_of!(Region, index),
            offset_of!(Region, start),
            offset_of!(Region, header),
            offset_of!(Region, reserved),
            offset_of!(Region, limit),
            offset_of!(Region, committed),
            offset_of!(Region, blocks),
            offset_of!(Region, units),
            offset_of!(Units, table),
            offset_of!(Units, best),
            offset_of!(Units, upper),
            offset_of!(Units, capacity),
            offset_of!(Units, overhead),
            offset_of!(Units, apart),
            UNIT,
            CHUNK,
            TAIL,
            units::CODES as usize,
            units::LEAST,
            units::OVERHEAD,
        ],
    );
    let large = mix_all(
        region,
        &[
            size_of::<Large>(),
            offset_of!(Large, next),
            offset_of!(Large, previous),
            offset_of!(Large, size),
            offset_of!(Large, committed),
            offset_of!(Large, flags),
            descriptor::REGION as usize,
            descriptor::REGION_GONE as usize,
            descriptor::PRIVATE_LARGE as usize,
        ],
    );
    let heap = mix_all(
        large,
        &[
            size_of::<PrivateHeap>(),
            offset_of!(PrivateHeap, life),
            offset_of!(PrivateHeap, flags),
            offset_of!(PrivateHeap, compatibility),
            offset_of!(PrivateHeap, core),
            offset_of!(PrivateHeap, name),
            offset_of!(PrivateHeap, name_len),
            offset_of!(PrivateHeap, module),
            offset_of!(PrivateHeap, figures),
            offset_of!(Core, first),
            offset_of!(Core, regions),
            offset_of!(Core, first_large),
            offset_of!(Figures, bytes),
            offset_of!(Figures, blocks),
            offset_of!(Figures, large_bytes),
            offset_of!(Figures, large_blocks),
            offset_of!(Figures, reserved),
            offset_of!(Figures, backed),
            lfh::LAST_EXACT,
            lfh::BUSY as usize,
            settable::BYTES,
            settable::MARK as usize,
            settable::SHRUNK as usize,
        ],
    );
    heap | 1
};
