//! Placeholders: split, joined, and what replaced one turned back into one.

use super::{Kind, Refusal, Use, end_of, hold, pointer, round_down_to_page};
use crate::vm;

/// Makes the whole pages of `[address, address + size)` a placeholder of their
/// own: a part of a larger placeholder, or the private area that replaced one
/// there, whole, whose contents are dropped.
///
/// # Safety
/// Nobody uses the pages any more.
pub(crate) unsafe fn split_placeholder(
    address: usize,
    size: usize,
) -> Result<(usize, usize), Refusal> {
    if size == 0 {
        return Err(Refusal::Invalid);
    }
    let start = round_down_to_page(address);
    let end = end_of(address, size)?;
    let mut regions = hold();
    let (id, area) = regions.area_at(start).ok_or(Refusal::NotAllocated)?;
    let whole = (area.start, area.end) == (start, end);
    match area.kind {
        Kind::Placeholder if !whole && end <= area.end => {}
        Kind::Private if whole && area.was_placeholder => {}
        Kind::View(_) => return Err(Refusal::IsView),
        _ => return Err(Refusal::Conflict),
    }
    if !regions.runs.room(3) || !regions.areas.room(2) {
        return Err(Refusal::NoMemory);
    }
    if area.kind == Kind::Private {
        let committed = regions.committed(start, end);
        // SAFETY: the area is the program's, whole, which is done with it.
        if !unsafe { vm::decommit_part(Use::Program, pointer(start), end - start, committed) } {
            return Err(Refusal::NoMemory);
        }
    }
    regions.become_placeholder(id, &area, start, end);
    Ok((start, end - start))
}

/// Makes one placeholder of the two or more that `[address, address + size)` is
/// made of exactly.
pub(crate) fn coalesce(address: usize, size: usize) -> Result<(usize, usize), Refusal> {
    if size == 0 {
        return Err(Refusal::Invalid);
    }
    let start = round_down_to_page(address);
    let end = end_of(address, size)?;
    let mut regions = hold();
    let mut at = start;
    let mut count = 0;
    let mut first = None;
    while at < end {
        let (id, area) = regions.area_at(at).ok_or(Refusal::Conflict)?;
        if area.kind != Kind::Placeholder || area.start != at || area.end > end {
            return Err(Refusal::Conflict);
        }
        first = first.or(Some(id));
        at = area.end;
        count += 1;
    }
    let Some(kept) = first.filter(|_| count >= 2) else {
        return Err(Refusal::Conflict);
    };
    let mut at = start;
    while at < end {
        let Some((id, area)) = regions.area_at(at) else {
            break;
        };
        at = area.end;
        if id != kept {
            regions.areas.remove(id);
        }
    }
    if let Some(area) = regions.areas.get_mut(kept) {
        area.end = end;
    }
    regions.runs.change(start, end, |run| run.area = kept);
    Ok((start, end - start))
}
