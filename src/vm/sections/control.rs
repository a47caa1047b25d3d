//! What processes that share a section know of it together: a few pages of
//! memory beside the section's own.
//!
//! ```text
//!   control   | magic, size, protection, name ... | changes | a bit for each page |
//!             0                                        4 KiB     of SEC_RESERVE
//! ```
//!
//! The description is written before anybody else can find it and stays as it
//! is. The bits only ever become set: a section's pages are never decommitted. The
//! word before them counts how many times some were.

use super::super::{Use, allocate, credit, give_back};
use crate::sys::files::{self, Descriptor, Identity};
use crate::sys::{self, page_size};
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Most units of a name, the prefix included.
pub(crate) const LONGEST_NAME: usize = 260;

const MAGIC: [u8; 16] = *b"ntheap section 2";
/// Where the bits begin.
const BITS_AT: usize = 4096;

/// What a section is, as all its holders see it.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Description {
    magic: [u8; 16],
    /// Bytes.
    pub(crate) size: u64,
    /// Which file the contents are in.
    pub(crate) data: Identity,
    /// The protection it was made with, by Windows' number.
    pub(crate) protect: u32,
    /// `SEC_…`.
    pub(crate) attributes: u32,
    /// 1 for the contents of a file, 0 for memory.
    pub(crate) is_file: u32,
    /// 1 if views may write to the contents.
    pub(crate) writes: u32,
    name_length: u32,
    name: [u16; LONGEST_NAME],
}

const _: () = assert!(size_of::<Description>() <= BITS_AT - size_of::<u64>());

impl Description {
    /// A description; `None` for a name that is too long.
    pub(crate) fn new(name: &[u16]) -> Option<Description> {
        let mut units = [0; LONGEST_NAME];
        units.get_mut(..name.len())?.copy_from_slice(name);
        Some(Description {
            magic: MAGIC,
            size: 0,
            data: Identity::default(),
            protect: 0,
            attributes: 0,
            is_file: 0,
            writes: 0,
            name_length: name.len() as u32,
            name: units,
        })
    }

    /// The section's name; empty for one without.
    pub(crate) fn name(&self) -> &[u16] {
        self.name
            .get(..self.name_length as usize)
            .unwrap_or_default()
    }
}

/// A section's shared pages, mapped into this process.
#[derive(Clone, Copy)]
pub(crate) struct Control {
    base: *mut u8,
    bytes: usize,
    pub(crate) file: Descriptor,
}

// SAFETY: the pages are shared with other processes anyway; what changes in
// them is reached by atomics only.
unsafe impl Send for Control {}

fn bytes_for(size: u64, is_sparse: bool) -> Option<usize> {
    let bits = if is_sparse {
        size.div_ceil(page_size() as u64)
    } else {
        0
    };
    let words = bits.div_ceil(64).checked_mul(8)?;
    let bytes = usize::try_from(words).ok()?.checked_add(BITS_AT)?;
    super::super::round_to_pages(bytes)
}

impl Control {
    /// Makes the shared pages of a new section.
    pub(crate) fn make(
        description: &Description,
        is_sparse: bool,
    ) -> Result<Control, files::Errno> {
        let no_memory = files::Errno(libc::ENOMEM);
        let bytes = bytes_for(description.size, is_sparse).ok_or(no_memory)?;
        let file = files::anonymous(bytes as u64)?;
        let base = files::map_shared(file, bytes, true);
        if base.is_null() {
            files::close(file);
            return Err(no_memory);
        }
        // SAFETY: the pages were mapped just above, have room for the
        // structure, and nobody else knows them.
        unsafe { base.cast::<Description>().write(*description) };
        Ok(Control { base, bytes, file })
    }

    /// Maps what another process calls a section's shared pages; `None` if it
    /// is not. The descriptor becomes this value's.
    pub(crate) fn adopt(file: Descriptor, length: u64) -> Option<Control> {
        let bytes = usize::try_from(length).ok()?;
        if bytes < BITS_AT || !bytes.is_multiple_of(page_size()) {
            return None;
        }
        let base = files::map_shared(file, bytes, true);
        if base.is_null() {
            return None;
        }
        let control = Control { base, bytes, file };
        let said = control.description();
        let needed = bytes_for(said.size, said.attributes & super::RESERVED != 0);
        if said.magic != MAGIC
            || said.name_length as usize > LONGEST_NAME
            || needed.is_none_or(|needed| needed > bytes)
        {
            // SAFETY: mapped just above, whole, and nobody else knows it.
            unsafe { sys::release(base, bytes) };
            return None;
        }
        Some(control)
    }

    /// What the section is: a copy, for another process can write to it.
    pub(crate) fn description(&self) -> Description {
        // SAFETY: the pages are mapped, begin with the structure, and any
        // bytes are a value of it.
        unsafe { ptr::read_volatile(self.base.cast::<Description>()) }
    }

    /// Whether the name is this one.
    pub(crate) fn is_named(&self, name: &[u16]) -> bool {
        self.description().name() == name
    }

    /// Unmaps the pages and closes their descriptor.
    pub(crate) fn drop_it(self) {
        // SAFETY: mapped by this value's maker, whole; the caller has no use
        // for it any more.
        unsafe { sys::release(self.base, self.bytes) };
        files::close(self.file);
    }

    /// Where the bits begin, one for each page, in words of 64.
    pub(crate) fn bits(&self) -> usize {
        self.base.wrapping_add(BITS_AT).expose_provenance()
    }
}

/// What this process has of a section whose pages are committed one by one, in a page
/// of its own, which views keep the address of.
struct Own {
    /// Bytes that it has committed.
    charged: AtomicUsize,
    /// The first view, by its area's number, or 0.
    first_view: AtomicU32,
}

/// The address of a new record; 0 when there is no memory.
pub(crate) fn new_own() -> usize {
    // Fresh pages are zero, which is a record of nothing.
    allocate(Use::Metadata, page_size()).expose_provenance()
}

/// # Safety
/// `own` is what [`new_own`] gave, and stays there as long as what is returned is used.
unsafe fn own(own: usize) -> &'static Own {
    let place = ptr::with_exposed_provenance::<Own>(own);
    // SAFETY: the caller's promise; zeros are a record.
    unsafe { &*place }
}

/// Notes that a section's pages were charged to this process.
///
/// # Safety
/// `token` is that of a view that is there, and stays there meanwhile.
pub(crate) unsafe fn note_charged(token: usize, bytes: usize) {
    // SAFETY: the record lives as long as the section, and that longer than its views.
    unsafe { own(token) }
        .charged
        .fetch_add(bytes, Ordering::Relaxed);
}

/// Where the first of a section's views in this process is noted.
///
/// # Safety
/// `token` is that of a view that is there, and stays there as long as what is returned
/// is used.
pub(crate) unsafe fn first_view<'a>(token: usize) -> &'a AtomicU32 {
    // SAFETY: as above.
    unsafe { &own(token).first_view }
}

/// Ends a record, and gives back what was charged.
///
/// # Safety
/// The record is one of [`new_own`]'s, and no view with it is left.
pub(crate) unsafe fn end_own(token: usize) {
    // SAFETY: the caller's promise.
    let bytes = unsafe { own(token) }.charged.load(Ordering::Relaxed);
    credit(Use::Program, bytes);
    let place = ptr::with_exposed_provenance_mut::<u8>(token);
    // SAFETY: a whole page, which nobody uses any more.
    unsafe { give_back(Use::Metadata, place, page_size(), page_size()) };
}

const _: () = assert!(offset_of!(Description, name) + 2 * LONGEST_NAME <= BITS_AT);
