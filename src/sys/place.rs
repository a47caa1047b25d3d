//! Where address space is to be had.

use super::{GRANULARITY, USER_END, page_size};

/// Where address space is to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whereabouts {
    /// At this address, or anywhere if it is 0.
    pub address: usize,
    /// Not below this one.
    pub lowest: usize,
    /// Below this one; 0 for no limit.
    pub limit: usize,
    /// At a multiple of this power of two; 0 for 64 KiB.
    pub alignment: usize,
    /// At the highest address there is. The system's own order may be that, too, where
    /// nothing else is asked for.
    pub top_down: bool,
    /// In place of the placeholder that lies exactly there.
    pub replaces: bool,
}

impl Whereabouts {
    /// In place of the placeholder at an address.
    pub const fn in_place_of(address: usize) -> Whereabouts {
        Whereabouts {
            address,
            lowest: 0,
            limit: 0,
            alignment: 0,
            top_down: false,
            replaces: true,
        }
    }

    /// Whether there are bounds, or an alignment of its own.
    pub const fn is_bounded(&self) -> bool {
        self.lowest | self.limit | self.alignment != 0
    }

    /// Whether the bounds are some that addresses can have: whole 64 KiB from `lowest`
    /// on, whole pages below `limit`, a power of two that is at least 64 KiB.
    pub fn are_bounds(&self) -> bool {
        let fits = self.limit.is_multiple_of(page_size()) && self.limit <= USER_END;
        let above = self.lowest.is_multiple_of(GRANULARITY)
            && self.lowest < USER_END
            && (self.limit == 0 || self.lowest < self.limit);
        let aligned = self.alignment == 0
            || self.alignment.is_power_of_two() && self.alignment >= GRANULARITY;
        fits && above && aligned
    }
}
