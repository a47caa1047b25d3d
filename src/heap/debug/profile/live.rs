//! The noted blocks that are not freed, by address.
//!
//! ```text
//!   hash of an address, 16 bits --> FILTER: a bit each, 8 KiB
//!                               --> chain of records, each with its successor's number
//! ```
//!
//! Nearly every block that is looked for is not noted, and its bit is 0: with two thousand
//! noted blocks, a gigabyte at the usual rate, all but three in a hundred. With a million
//! every look takes the lock. Blocks with marks are looked for only if their marks say so.
//!
//! Records lie in reserved space that is committed as it fills; those of freed blocks
//! are used again. A record's number never changes its chain without the lock.

use super::filter::{self, Filter, Records};
use crate::vm::{self, Use};
use core::ptr;

const CHAINS: usize = 1 << 16;
/// Records at most, the first included, which is none.
const MOST: usize = 1 << 20;
/// Bytes by which the records grow.
const STEP: usize = 64 * 1024;

static FILTER: Filter<{ CHAINS / 64 }> = Filter::new();

/// A noted block, as it lies in memory.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Record {
    /// The block's address; 0 for a record that is not in use.
    pub address: usize,
    /// The bytes that were asked for.
    pub size: usize,
    /// The bytes that the block's chance of being noted came from.
    pub counted: usize,
    /// The number of its site.
    pub site: u32,
    /// The next record of the chain, or of those not in use.
    pub next: u32,
}

/// What is known of a noted block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::heap) struct Noted {
    pub(in crate::heap) size: usize,
    pub(in crate::heap) counted: usize,
    pub(in crate::heap) site: u32,
}

impl Noted {
    fn of(record: &Record) -> Noted {
        Noted {
            size: record.size,
            counted: record.counted,
            site: record.site,
        }
    }
}

fn chain_of(address: usize) -> usize {
    let mixed = (address as u64 >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 48) as usize
}

/// Whether a block at this address may be noted.
#[inline]
pub(super) fn may_have(address: usize) -> bool {
    FILTER.may_have(chain_of(address))
}

pub(super) struct Live {
    records: *mut Record,
    committed: usize,
    /// Records that were ever used.
    used: u32,
    /// The first of those that are in use no more.
    free: u32,
    heads: [u32; CHAINS],
}

// SAFETY: the records belong to whoever holds the lock around this.
unsafe impl Send for Live {}

impl Live {
    pub(super) const fn new() -> Live {
        Live {
            records: ptr::null_mut(),
            committed: 0,
            used: 0,
            free: 0,
            heads: [0; CHAINS],
        }
    }

    /// Reserves the records. False when the system refuses.
    pub(super) fn begin(&mut self) -> bool {
        let bytes = MOST * size_of::<Record>();
        self.records = vm::reserve(Use::Metadata, bytes, vm::GRANULARITY).cast();
        self.used = 1;
        self.records.expose_provenance();
        !self.records.is_null()
    }

    /// The first record, which is none.
    pub(super) fn first(&self) -> *mut Record {
        self.records
    }

    pub(super) fn used(&self) -> u32 {
        self.used
    }

    /// The record of a number, if it was ever used.
    fn record(&mut self, number: u32) -> Option<&mut Record> {
        if number == 0 || number >= self.used {
            return None;
        }
        // SAFETY: used records are committed and whole; whoever calls holds the lock.
        Some(unsafe { &mut *self.records.add(number as usize) })
    }

    /// Visits the records in use.
    pub(super) fn for_each(&mut self, visit: &mut dyn FnMut(&Record)) {
        for number in 1..self.used {
            if let Some(record) = self.record(number).filter(|record| record.address != 0) {
                visit(record);
            }
        }
    }

    /// A record that is not in use; 0 where there is no room.
    fn fresh(&mut self) -> u32 {
        let free = self.free;
        if let Some(record) = self.record(free) {
            let next = record.next;
            self.free = next;
            return free;
        }
        let number = self.used;
        let end = (number as usize + 1) * size_of::<Record>();
        if number as usize >= MOST || self.records.is_null() {
            return 0;
        }
        if end > self.committed {
            let at = self.records.cast::<u8>().wrapping_add(self.committed);
            // SAFETY: what follows the committed part is reserved, and whoever calls
            // holds the lock; the reserved bytes are whole steps.
            if !unsafe { vm::commit(Use::Metadata, at, STEP) } {
                return 0;
            }
            self.committed += STEP;
        }
        self.used += 1;
        number
    }

    /// Notes a block. False where there is no room.
    pub(super) fn add(&mut self, address: usize, size: usize, counted: usize, site: u32) -> bool {
        // One that is there already was freed without anybody learning of it.
        self.take(address);
        let number = self.fresh();
        let Some(record) = self.record(number) else {
            return false;
        };
        *record = Record {
            address,
            size,
            counted,
            site,
            next: 0,
        };
        filter::enter(&FILTER, self, chain_of(address), number)
    }

    /// A block's record, if it is noted.
    pub(super) fn find(&mut self, address: usize) -> Option<Noted> {
        let mut at = *self.heads.get(chain_of(address))?;
        loop {
            let record = self.record(at)?;
            if record.address == address {
                return Some(Noted::of(record));
            }
            at = record.next;
        }
    }

    /// Takes a block's record out, if it is noted.
    pub(super) fn take(&mut self, address: usize) -> Option<Noted> {
        let at = filter::leave(&FILTER, self, chain_of(address), address)?;
        let found = *self.record(at)?;
        let free = core::mem::replace(&mut self.free, at);
        *self.record(at)? = Record {
            next: free,
            ..Record::default()
        };
        Some(Noted::of(&found))
    }
}

impl Records for Live {
    fn head(&mut self, chain: usize) -> Option<&mut u32> {
        self.heads.get_mut(chain)
    }

    fn next(&mut self, number: u32) -> Option<&mut u32> {
        self.record(number).map(|record| &mut record.next)
    }

    fn is_of(&mut self, number: u32, address: usize) -> bool {
        self.record(number)
            .is_some_and(|record| record.address == address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::collections::HashMap;

    /// Against a map, with addresses that share chains.
    #[test]
    fn finds_what_was_noted_and_nothing_else() {
        let mut live = Box::new(Live::new());
        assert!(live.begin());
        let mut model = HashMap::new();
        let mut state = 0x1234_5678_9abc_def1u64;
        let mut random = || {
            state = crate::heap::splitmix::mixed(state);
            state as usize
        };
        for _ in 0..60_000 {
            let address = 0x10_0000 + random() % 3000 * 16;
            if random() % 2 == 0 {
                let noted = Noted {
                    size: random() % 100,
                    counted: random() % 100,
                    site: 7,
                };
                assert!(live.add(address, noted.size, noted.counted, noted.site));
                model.insert(address, noted);
                assert!(may_have(address));
                assert_eq!(live.find(address), Some(noted));
            } else {
                assert_eq!(live.take(address), model.remove(&address));
            }
        }
        assert!(model.len() > 1000 && live.used() <= 3001);
        let mut in_use = 0;
        for number in 0..live.used() {
            let record = live.record(number).copied().unwrap_or_default();
            in_use += usize::from(record.address != 0);
        }
        assert_eq!(in_use, model.len());
        for (address, noted) in model {
            assert_eq!(live.take(address), Some(noted));
            assert_eq!(live.take(address), None);
            assert_eq!(live.find(address), None);
        }
        // No record is left, so no bit is.
        assert!(live.heads.iter().all(|&head| head == 0));
    }
}
