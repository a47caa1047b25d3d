//! Windows for physical pages: what they show changes, the address space stays.

use super::{Kind, Protect, Refusal, end_of, hold, pointer};
use crate::vm;

/// Has `change` map other pages at whole pages of a window, or none if `maps` is
/// false: `size` bytes from the address that it is given on. It is called with
/// the lock held, and returns false when it could not and what was there is as
/// it was. Nothing is charged to the account: the pages are charged where they
/// were made.
pub(crate) fn change_physical(
    address: usize,
    size: usize,
    maps: bool,
    change: impl FnOnce(*mut u8) -> bool,
) -> Result<(), Refusal> {
    let mask = vm::page_size() - 1;
    let end = end_of(address, size)?;
    if (address | size) & mask != 0 {
        return Err(Refusal::Invalid);
    }
    let mut regions = hold();
    let (_, area) = regions.area_at(address).ok_or(Refusal::Conflict)?;
    if area.kind != Kind::Physical || end > area.end {
        return Err(Refusal::Conflict);
    }
    if !regions.runs.room(2) {
        return Err(Refusal::NoMemory);
    }
    if !change(pointer(address)) {
        return Err(Refusal::NoMemory);
    }
    let committed = maps.then_some(Protect::READ_WRITE);
    regions
        .runs
        .change(address, end, |run| run.committed = committed);
    Ok(())
}

/// Whether all of whole pages lie in one window for physical pages.
pub(crate) fn is_physical(address: usize, size: usize) -> bool {
    let Ok(end) = end_of(address, size) else {
        return false;
    };
    let regions = hold();
    matches!(regions.area_at(address), Some((_, area)) if area.kind == Kind::Physical && end <= area.end)
}
