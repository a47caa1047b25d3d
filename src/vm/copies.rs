//! The other copies of ntheap in this process: their root records.
//!
//! A program and each of its plugins may have a copy of their own. What an
//! address means that this one does not know, another one's tables tell; they
//! are found and read here without a call of the other copy's code, which may
//! be of another time or gone.
//!
//! Slow: the system's list of mappings is read. For reports, and for the first
//! use of a module's runtime.

use super::GRANULARITY;
use super::root::{self, RootRecord};
use crate::sys;

/// Shows `visit` the root record of every other copy of this version until it
/// returns false.
pub(crate) fn for_each(visit: &mut dyn FnMut(&'static RootRecord) -> bool) {
    let own = root::own().map_or(0, |own| own.address);
    sys::for_each_mapping(&mut |mapping| {
        let at = mapping.start;
        if !mapping.readable || !mapping.writable || !at.is_multiple_of(GRANULARITY) || at == own {
            return true;
        }
        let mut bytes = [0; size_of::<RootRecord>()];
        // The mapping may be gone by now: asking the system does not fault.
        if !sys::read_own_memory(at, &mut bytes) || root::recognise(&bytes, at).is_none() {
            return true;
        }
        // SAFETY: what was recognised has a record's magic, this version and its
        // own address in it, so it is a copy's record, whose page is never
        // released; all that changes in it is atomic.
        let record = unsafe { &*core::ptr::with_exposed_provenance::<RootRecord>(at) };
        visit(record)
    });
}
