//! Views of sections: what of a section may be mapped how, and what its pages are charged.

use super::super::regions::{self, Protect, Refusal, View, Whereabouts};
use super::super::{Use, charge, credit, page_size, round_to_pages};
use super::{LARGE_PAGES, Section, add_view, drop_view, get};
use crate::sys::{
    self,
    files::{self, Errno},
};

/// Which view is wanted.
pub(crate) struct Wanted {
    /// Where it is to be.
    pub(crate) at: Whereabouts,
    /// Where in the section it begins, in bytes; the caller knows which it may be a
    /// multiple of.
    pub(crate) offset: u64,
    /// Bytes; 0 for all from the offset on.
    pub(crate) size: usize,
    /// The pages' protection.
    pub(crate) protect: Protect,
    /// Whether it is to be of large pages, as the section then is.
    pub(crate) large: bool,
}

/// Why there is no view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unmapped {
    /// There is no such section.
    NoSection,
    /// The section's protection does not allow the view's.
    Protection,
    /// The section has no such part.
    Size,
    /// The section is of large pages, and the place or the offset is no multiple of
    /// theirs.
    LargeAlignment,
    /// The section has no large pages, or what is asked for cannot be had in them.
    Large,
    /// The system has no memory.
    NoMemory,
    /// The limit of committed bytes is reached.
    CommitLimit,
    /// The addresses are not free, or what the regions refuse beside.
    Region(Refusal),
}

impl Section {
    /// Whether views of this protection may be made.
    fn allows(&self, protect: Protect) -> bool {
        let own = Protect::from_number(self.protect).unwrap_or(Protect::NONE);
        (!protect.writes_through() || own.writes_through())
            && (!protect.is_executable() || own.is_executable())
    }
}

/// Maps a view of the section `number`: its address and its bytes, whole pages.
pub(crate) fn map(number: usize, wanted: &Wanted) -> Result<(usize, usize), Unmapped> {
    let section = add_view(number).ok_or(Unmapped::NoSection)?;
    let mapped = map_section(number, &section, wanted);
    if mapped.is_err() {
        drop_view(number);
    }
    mapped
}

fn map_section(
    number: usize,
    section: &Section,
    wanted: &Wanted,
) -> Result<(usize, usize), Unmapped> {
    let protect = wanted.protect;
    if !section.allows(protect) {
        return Err(Unmapped::Protection);
    }
    let left = section.size.checked_sub(wanted.offset);
    let left = left.filter(|&left| left != 0).ok_or(Unmapped::Size)?;
    let left = usize::try_from(left).map_err(|_| Unmapped::NoMemory)?;
    let size = if wanted.size == 0 { left } else { wanted.size };
    if size > left {
        return Err(Unmapped::Size);
    }
    let size = round_to_pages(size).ok_or(Unmapped::Size)?;
    let is_large = section.attributes & LARGE_PAGES != 0;
    let at = if is_large {
        in_large_pages(wanted, size)?
    } else if wanted.large {
        return Err(Unmapped::Large);
    } else {
        wanted.at
    };
    // What is copied on writing is the process's own, all of it.
    let charged = if protect.is_copy() { size } else { 0 };
    if !charge(Use::Program, charged) {
        return Err(Unmapped::CommitLimit);
    }
    let view = View {
        section: number,
        offset: wanted.offset,
        commits: section.commits,
        token: section.charges,
        file: section.data,
        charged: 0,
        seen: 0,
        next: 0,
    };
    // A view that is only read may come to copy; one of large pages never does.
    let private = !protect.writes_through() && !is_large;
    let map = |base: *mut u8| {
        let (file, offset) = (section.data, wanted.offset);
        // SAFETY: the range was reserved for this view and nobody else knows it.
        unsafe { files::map(base, size, file, offset, protect.system(), private).is_ok() }
    };
    match regions::insert_view(&at, size, view, protect, is_large, map) {
        Ok(base) => Ok((base, size)),
        Err(refusal) => {
            credit(Use::Program, charged);
            Err(match refusal {
                Refusal::NoMemory => Unmapped::NoMemory,
                Refusal::CommitLimit => Unmapped::CommitLimit,
                other => Unmapped::Region(other),
            })
        }
    }
}

/// Where a view of a section of large pages may be: place, offset and size are multiples
/// of theirs, and nothing of it is copied.
fn in_large_pages(wanted: &Wanted, size: usize) -> Result<Whereabouts, Unmapped> {
    let unit = sys::large_page_size().ok_or(Unmapped::NoMemory)?;
    if !wanted.offset.is_multiple_of(unit as u64) || !wanted.at.address.is_multiple_of(unit) {
        return Err(Unmapped::LargeAlignment);
    }
    if !size.is_multiple_of(unit) || wanted.protect.is_copy() {
        return Err(Unmapped::Large);
    }
    Ok(Whereabouts {
        alignment: wanted.at.alignment.max(unit),
        ..wanted.at
    })
}

/// Ends the view that an address is in; a placeholder stays if `keeps` says so.
///
/// # Safety
/// Nobody uses the view any more.
pub(crate) unsafe fn unmap(address: usize, keeps: bool) -> Result<(), Refusal> {
    // SAFETY: the caller's promise.
    let (view, area) = unsafe { regions::drop_view(address, keeps) }?;
    ended(&view, &area);
    Ok(())
}

/// Ends the view that begins at an address, though the system may keep its addresses for a
/// while.
///
/// # Safety
/// Nobody uses the view any more.
pub(crate) unsafe fn abandon(start: usize) {
    // SAFETY: the caller's promise.
    if let Some((view, area)) = unsafe { regions::abandon_view(start) } {
        ended(&view, &area);
    }
}

/// Gives back what a view was charged, and counts it no more.
fn ended(view: &View, area: &regions::Area) {
    let copies = match area.initial.is_copy() {
        true => area.end - area.start,
        false => view.charged,
    };
    credit(Use::Program, copies);
    drop_view(view.section);
}

/// Whether a view is of a file's section.
pub(crate) fn is_of_file(view: &View) -> bool {
    get(view.section).is_some_and(|section| section.is_file)
}

/// Why nothing was written to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unflushed {
    /// There is no such view.
    NoView,
    /// The system refused.
    System(Errno),
}

/// Writes what was changed in `size` bytes of a view to its file; 0 for all from
/// the address on.
pub(crate) fn flush(address: usize, size: usize) -> Result<(), Unflushed> {
    let (view, area) = regions::view_at(address).ok_or(Unflushed::NoView)?;
    let start = address & !(page_size() - 1);
    let end = match size {
        0 => area.end,
        _ => address.checked_add(size).ok_or(Unflushed::NoView)?,
    };
    if end > area.end {
        return Err(Unflushed::NoView);
    }
    if !is_of_file(&view) || !area.initial.writes_through() {
        return Ok(());
    }
    let base = core::ptr::with_exposed_provenance_mut(start);
    // SAFETY: the view is the program's, which does not end it while it asks for
    // this; should it do so, the system refuses.
    unsafe { files::flush(base, end - start) }.map_err(Unflushed::System)
}
