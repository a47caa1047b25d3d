//! What processes that share a section know of it together: a few pages of
//! memory beside the section's own.
//!
//! ```text
//!   control   | magic, size, protection, name ... | a bit for each page |
//!             0                                4 KiB     of SEC_RESERVE
//! ```
//!
//! The description is written before anybody else can find it and stays as it
//! is. The bits only ever become set: a section's pages are never decommitted.

use super::super::{Use, allocate, charge, credit, release};
use crate::sys::files::{self, Descriptor, Identity};
use crate::sys::{self, page_size};
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Most units of a name, the prefix included.
pub(crate) const LONGEST_NAME: usize = 260;

const MAGIC: [u8; 16] = *b"ntheap section 1";
/// Where the bits begin.
const BITS_AT: usize = 4096;
/// The pages that sections are made of, whatever the system's are.
pub(crate) const PAGE: u64 = 4096;

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

const _: () = assert!(size_of::<Description>() <= BITS_AT);

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
    let bits = if is_sparse { size.div_ceil(PAGE) } else { 0 };
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

    fn word(&self, index: usize) -> Option<&AtomicU64> {
        let at = BITS_AT + index.checked_mul(8)?;
        if at + 8 > self.bytes {
            return None;
        }
        // SAFETY: inside the mapped pages, aligned to 8, and reached as an
        // atomic by everybody.
        Some(unsafe { &*self.base.add(at).cast::<AtomicU64>() })
    }
}

/// The word of a page's bit, and the bit.
fn bit_of(offset: u64) -> (usize, u64) {
    let page = offset / PAGE;
    ((page / 64) as usize, 1 << (page % 64))
}

/// A section's pages that are committed one by one, as this process sees them.
/// It lies in a page of its own; its address is what a view keeps.
#[repr(C)]
pub(crate) struct Sparse {
    control: Control,
    /// Bytes that this process committed and is charged for.
    charged: AtomicUsize,
}

impl Sparse {
    /// The address of a new one; 0 when there is no memory.
    pub(crate) fn make(control: Control) -> usize {
        let page = allocate(Use::Metadata, page_size()).cast::<Sparse>();
        if page.is_null() {
            return 0;
        }
        // SAFETY: a whole fresh page, aligned.
        unsafe {
            page.write(Sparse {
                control,
                charged: AtomicUsize::new(0),
            });
        }
        page.expose_provenance()
    }

    /// The one at an address that [`Sparse::make`] gave.
    ///
    /// # Safety
    /// [`Sparse::end`] was not called for it, and is not while the reference
    /// lives.
    unsafe fn at<'a>(address: usize) -> Option<&'a Sparse> {
        let place = ptr::with_exposed_provenance::<Sparse>(address);
        // SAFETY: null, or written by `make` and still there.
        unsafe { place.as_ref() }
    }

    /// Ends it, and gives its charge back.
    ///
    /// # Safety
    /// No view that keeps the address is left.
    pub(crate) unsafe fn end(address: usize) {
        // SAFETY: the caller's promise.
        let Some(sparse) = (unsafe { Sparse::at(address) }) else {
            return;
        };
        credit(Use::Program, sparse.charged.load(Ordering::Relaxed));
        let page = ptr::with_exposed_provenance_mut::<u8>(address);
        // SAFETY: the page is whole, and nobody uses it any more.
        unsafe { release(Use::Metadata, page, page_size(), page_size()) };
    }
}

/// Whether the page at `offset` of a section is committed. `token` is the one
/// of a view of it.
///
/// # Safety
/// The view is there, and stays there meanwhile.
pub(crate) unsafe fn is_committed(token: usize, offset: u64) -> bool {
    // SAFETY: a section outlives its views.
    let Some(sparse) = (unsafe { Sparse::at(token) }) else {
        return false;
    };
    let (word, bit) = bit_of(offset);
    let word = sparse.control.word(word);
    word.is_some_and(|word| word.load(Ordering::Acquire) & bit != 0)
}

/// Commits `length` bytes of a section's pages from `offset` on, both whole
/// pages, and charges for those that were not. False, and nothing changed, at
/// the limit of committed bytes.
///
/// # Safety
/// As for [`is_committed`].
pub(crate) unsafe fn commit(token: usize, offset: u64, length: u64) -> bool {
    // SAFETY: a section outlives its views.
    let Some(sparse) = (unsafe { Sparse::at(token) }) else {
        return false;
    };
    let end = offset.saturating_add(length);
    let pages = || (offset..end).step_by(PAGE as usize);
    // SAFETY: the caller's promise.
    let fresh = pages().filter(|&page| unsafe { !is_committed(token, page) });
    let bytes = fresh.count() * PAGE as usize;
    if !charge(Use::Program, bytes) {
        return false;
    }
    let mut set = 0;
    for page in pages() {
        let (word, bit) = bit_of(page);
        if let Some(word) = sparse.control.word(word)
            && word.fetch_or(bit, Ordering::AcqRel) & bit == 0
        {
            set += PAGE as usize;
        }
    }
    // What another process was quicker with, it pays for.
    credit(Use::Program, bytes - set.min(bytes));
    sparse.charged.fetch_add(set.min(bytes), Ordering::Relaxed);
    true
}

/// Where the pages from `offset` on stop being committed, or begin to be, as
/// the first one is; `end` at the latest.
///
/// # Safety
/// As for [`is_committed`].
pub(crate) unsafe fn alike_until(token: usize, offset: u64, end: u64) -> (bool, u64) {
    // SAFETY: the caller's promise.
    let first = unsafe { is_committed(token, offset) };
    let mut at = offset + PAGE;
    // SAFETY: the caller's promise.
    while at < end && unsafe { is_committed(token, at) } == first {
        at += PAGE;
    }
    (first, at.min(end))
}

const _: () = assert!(offset_of!(Description, name) + 2 * LONGEST_NAME <= BITS_AT);
