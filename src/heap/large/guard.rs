//! Large blocks of a hardened heap: each ends at guard pages, and nothing can be read
//! from or written to what was freed.
//!
//! ```text
//!   region   | block: data, as asked for | fill | guard pages | (rest) |
//!            |<------------ span ------------->|
//! ```
//!
//! A freed region that is kept has no access until it is used again. Up to a megabyte it
//! is shut as a guard page is, and holds no memory; larger ones keep theirs, behind
//! rights. The latest few of the former wait before they are used again: a program that
//! takes turns with blocks of megabytes could keep none.

use super::{LargeList, leeway, mark, pages, surplus_of};
use crate::heap::descriptor::{Descriptor, LARGE};
use crate::heap::hard::{self, pattern};
use crate::sys::{self, Protection};
use crate::vm;
use core::ptr;
use core::sync::atomic::Ordering;

/// Guard pages behind a block, so many: what lies a page past its end, or before its
/// start where its neighbour is one too, is no block's.
const PAGES: usize = 4;
/// Regions that were freed last are not used again, so many of them,
const LATEST: usize = 4;
/// if they have up to so many bytes.
const DELAYED: usize = 1024 * 1024;

/// Bits of a large block's `fresh`: it has guard pages; its region has no access.
const GUARDED: u32 = 1;
const REVOKED: u32 = 2;
/// Its region is shut; once it is used again, all that lies behind the block.
const SHUT: u32 = 4;
/// It was used so, and is kept with what it holds: all that lies behind the block is shut.
const LEFT: u32 = 8;

impl LargeList {
    /// Has blocks that are allocated from here on end at guard pages.
    pub(in crate::heap) fn harden(&mut self) {
        self.is_hard = true;
    }

    /// Bytes of guard pages, if blocks have some.
    #[inline(always)]
    pub(super) fn guard_size(&self) -> usize {
        if self.is_hard {
            PAGES * vm::page_size()
        } else {
            0
        }
    }

    /// Whether a kept region, the `latest`-th from the last one freed, has to wait.
    pub(super) fn waits(&self, latest: usize, size: usize) -> bool {
        self.is_hard && latest < LATEST && size <= DELAYED
    }

    /// Takes the mark away from the large block that starts at `address`, if it is handed out:
    /// of several callers at once one alone has it from then on. False, and nothing done,
    /// otherwise.
    ///
    /// # Safety
    /// `descriptor` came from [`slices::find`](crate::heap::slices::find).
    #[inline(always)]
    pub(in crate::heap) unsafe fn claim(descriptor: *const Descriptor, address: usize) -> bool {
        // SAFETY: what `find` leads to is readable; a large block's record has a mark.
        let is_it = || unsafe {
            (*descriptor).what.load(Ordering::Relaxed) == LARGE
                && (*descriptor).base.load(Ordering::Relaxed) == address
        };
        // SAFETY: as above. The mark is touched after that look alone, and the record of a
        // large block is never used for anything else.
        unsafe { mark::claim(&*Descriptor::mark(descriptor, 0), is_it) }
    }

    /// The bytes that a large block was asked for, and whether the rest is as it was
    /// filled.
    ///
    /// # Safety
    /// The descriptor is a live large block's, and the list is locked or the block claimed.
    pub(in crate::heap) unsafe fn size_of(descriptor: *const Descriptor) -> (usize, bool) {
        // SAFETY: the caller's descriptor; the block has `span` bytes.
        unsafe {
            let this = &*descriptor;
            let slack = this.first_word as usize;
            let size = this.span.load(Ordering::Relaxed) - slack;
            let block: *mut u8 =
                ptr::with_exposed_provenance_mut(this.base.load(Ordering::Relaxed));
            (size, pattern::is_fill(block.add(size), slack))
        }
    }

    /// Notes how many bytes a block is asked for, fills the rest, and shuts the page
    /// behind it.
    pub(super) fn close_end(&self, descriptor: *mut Descriptor, size: usize) {
        if !self.is_hard {
            return;
        }
        // SAFETY: the callers' descriptor is live, and its region has a page behind
        // the block's span.
        unsafe {
            let this = &mut *descriptor;
            let (base, span) = (
                this.base.load(Ordering::Relaxed),
                this.span.load(Ordering::Relaxed),
            );
            this.first_word = u32::try_from(span - size).unwrap_or(0);
            let block: *mut u8 = ptr::with_exposed_provenance_mut(base);
            let slack = this.first_word as usize;
            pattern::write_fill(block.add(span - slack), slack);
            // What lies behind a block in a region that was shut is shut already.
            this.fresh &= SHUT | GUARDED;
            if this.fresh == 0 && hard::shut(base + span, self.guard_size()) {
                this.fresh = GUARDED;
            }
        }
    }

    /// Undoes [`LargeList::close_end`].
    pub(super) fn open_end(&self, descriptor: *mut Descriptor) {
        // SAFETY: as there.
        unsafe {
            let this = &mut *descriptor;
            let base = this.base.load(Ordering::Relaxed);
            let span = this.span.load(Ordering::Relaxed);
            let slack = this.first_word as usize;
            let block: *mut u8 = ptr::with_exposed_provenance_mut(base);
            pattern::erase_fill(block.add(span - slack), slack);
            let end = this.extent + this.region_size;
            match this.fresh {
                0 => {}
                SHUT => _ = hard::open(base + span, end - base - span, 0),
                _ => _ = hard::open(base + span, self.guard_size(), 1),
            }
            this.fresh = 0;
            this.first_word = 0;
        }
    }

    /// The descriptor's region goes back to the system, and its guard pages with it.
    pub(super) fn forget_end(&self, descriptor: *const Descriptor) {
        // SAFETY: the callers' descriptor is ours.
        if self.is_hard && unsafe { (*descriptor).fresh } & GUARDED != 0 {
            hard::forget(1);
        }
    }

    /// What taking the access from a block's region costs, in pages given back.
    fn price(descriptor: *const Descriptor) -> usize {
        // SAFETY: the callers' descriptor is live, and the block theirs.
        Self::price_of(unsafe { (*descriptor).region_size })
    }

    /// The same of a block of `span` bytes, whose region has no more than it must.
    pub(in crate::heap) fn least_price(span: usize) -> usize {
        Self::price_of(span + PAGES * vm::page_size())
    }

    fn price_of(size: usize) -> usize {
        // Pages that are not given back cost a look each.
        size / vm::page_size() / if size <= DELAYED { 1 } else { 16 }
    }

    /// Notes how many bytes a block of this thread's alone is asked for, and fills the rest.
    ///
    /// # Safety
    /// The descriptor is a live large block's, which has the bytes; nobody else knows of it.
    pub(in crate::heap) unsafe fn set_size(descriptor: *mut Descriptor, size: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            let this = &mut *descriptor;
            let slack = this.span.load(Ordering::Relaxed) - size;
            this.first_word = u32::try_from(slack).unwrap_or(0);
            let block: *mut u8 =
                ptr::with_exposed_provenance_mut(this.base.load(Ordering::Relaxed));
            pattern::write_fill(block.add(size), slack);
        }
    }

    /// Ends the fill behind a block's data.
    ///
    /// # Safety
    /// As for [`LargeList::set_size`].
    pub(in crate::heap) unsafe fn erase_fill(descriptor: *const Descriptor) {
        // SAFETY: the caller's promise.
        unsafe {
            let this = &*descriptor;
            let end = this.base.load(Ordering::Relaxed) + this.span.load(Ordering::Relaxed);
            let slack = this.first_word as usize;
            pattern::erase_fill(ptr::with_exposed_provenance_mut(end - slack), slack);
        }
    }

    /// Takes all access from a region that is kept, if that can be afforded. If not, what it
    /// holds stays, and so do its guard pages.
    pub(super) fn revoke(&self, descriptor: *mut Descriptor) {
        if !self.is_hard {
            return;
        }
        // SAFETY: the callers' descriptor is ours, and nobody uses the region.
        unsafe {
            let this = &mut *descriptor;
            if !hard::affords(Self::price(descriptor)) {
                Self::erase_fill(descriptor);
                if this.fresh == SHUT {
                    this.fresh = LEFT;
                }
                return;
            }
            let region = ptr::with_exposed_provenance_mut(this.extent);
            if this.region_size <= DELAYED && hard::seal(this.extent, this.region_size) {
                this.fresh = SHUT;
            } else if sys::protect(region, this.region_size, Protection::None) {
                this.fresh |= REVOKED;
            }
        }
    }

    /// Opens a kept region that is shut as far as a block needs it, which ends at `end`; in
    /// one that is open, guard pages that begin elsewhere. False when the system refuses.
    pub(super) fn open_part(&self, descriptor: *mut Descriptor, end: usize) -> bool {
        // SAFETY: the callers' descriptor is ours, and nobody uses the region.
        unsafe {
            let this = &mut *descriptor;
            let was = this.base.load(Ordering::Relaxed) + this.span.load(Ordering::Relaxed);
            match this.fresh {
                SHUT => hard::open(this.extent, end - this.extent, 0),
                GUARDED | LEFT if was != end => {
                    this.fresh = 0;
                    hard::open(was, this.extent + this.region_size - was, 1)
                }
                LEFT => {
                    this.fresh = SHUT;
                    true
                }
                _ => true,
            }
        }
    }

    /// Whether a block may have a kept region however large: one that grows, which moves
    /// nothing then but its guard pages.
    pub(super) fn takes_any(&self, is_growing: bool) -> bool {
        self.is_hard && is_growing
    }

    /// Whether a kept region need not be [restored](LargeList::restore) for a block that fits:
    /// it is shut, or access was not taken from it.
    pub(super) fn is_as_left(descriptor: *const Descriptor) -> bool {
        // SAFETY: the callers' descriptor is ours.
        unsafe { matches!((*descriptor).fresh, SHUT | GUARDED | LEFT) }
    }

    /// Whether a kept region holds no memory, so that all of it will read zero.
    pub(super) fn is_shut(descriptor: *const Descriptor) -> bool {
        // SAFETY: the callers' descriptor is ours.
        unsafe { (*descriptor).fresh == SHUT }
    }

    /// Makes a kept region accessible, guard page and all. False when the system
    /// refuses.
    pub(super) fn restore(&self, descriptor: *mut Descriptor) -> bool {
        // SAFETY: the callers' descriptor is ours, and nobody uses the region.
        unsafe {
            let this = &mut *descriptor;
            let region = ptr::with_exposed_provenance_mut(this.extent);
            if this.fresh & REVOKED != 0
                && !sys::protect(region, this.region_size, Protection::ReadWrite)
            {
                return false;
            }
            if this.fresh & (SHUT | GUARDED | LEFT) != 0 {
                let guards = usize::from(this.fresh & GUARDED != 0);
                hard::open(this.extent, this.region_size, guards);
            }
            this.fresh = 0;
            this.first_word = 0;
        }
        true
    }

    /// [`LargeList::resize`] in a hardened heap to fewer bytes, whatever is left of the region.
    ///
    /// # Safety
    /// As there.
    pub(in crate::heap) unsafe fn shrink(
        &mut self,
        descriptor: *mut Descriptor,
        size: usize,
    ) -> *mut u8 {
        // SAFETY: the caller's descriptor is live and stays so, and the list is locked.
        unsafe {
            self.surplus -= surplus_of(&*descriptor);
            let block = self.resize_hard(descriptor, size, true);
            self.surplus += surplus_of(&*descriptor);
            block
        }
    }

    /// [`LargeList::resize`] in a hardened heap; `stays`, to as much as its region has room for
    /// at any rate.
    ///
    /// # Safety
    /// As there.
    pub(super) unsafe fn resize_hard(
        &mut self,
        descriptor: *mut Descriptor,
        size: usize,
        stays: bool,
    ) -> *mut u8 {
        // SAFETY: the caller's descriptor is live and the list is locked.
        let this = unsafe { &mut *descriptor };
        let base = this.base.load(Ordering::Relaxed);
        let span = this.span.load(Ordering::Relaxed);
        let block: *mut u8 = ptr::with_exposed_provenance_mut(base);
        let guard = self.guard_size();
        let Some(bytes) = vm::round_to_pages(size.max(super::SLICE)) else {
            return ptr::null_mut();
        };
        let room = this.region_size - (base - this.extent) - guard;
        let starts = base == this.extent;
        // One that grows may have all of its region.
        let fits =
            bytes <= room && (stays || bytes >= span || bytes >= room - leeway(room, starts));
        let Some(region) = bytes.checked_add(guard) else {
            return ptr::null_mut();
        };
        if !fits && !starts {
            return ptr::null_mut();
        }
        let old = span - this.first_word as usize;
        self.open_end(descriptor);
        let mut moved = block;
        if !fits {
            // SAFETY: the caller's promise; the block starts its region, which is open.
            moved = unsafe { self.resize_region(descriptor, region) };
            if moved.is_null() {
                self.close_end(descriptor, old);
                return moved;
            }
        }
        this.high = pages(bytes);
        let had = this.span.swap(bytes, Ordering::Relaxed);
        self.bytes = self.bytes - had + bytes;
        self.close_end(descriptor, size);
        moved
    }
}
