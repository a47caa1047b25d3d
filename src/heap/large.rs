//! Large blocks: each a region of its own, straight from pages.
//!
//! A block's descriptor lies with the allocator's records, never in front of
//! the block, and the slice table leads to it from the block's first slice
//! alone: two large blocks never start in one slice.
//!
//! ```text
//!   region   | (alignment) | block                | (rest of the page) |
//!                          ^ slice entry -> descriptor { base, span, ... }
//! ```
//!
//! A freed block's region is kept for the next one, which stretches or trims it
//! to its size, or leaves it larger: for an array that grows, and while all live
//! regions together are little larger than what was asked for, or than what was asked for
//! lately when more was alive; a block may have four times its size beyond it, and all together
//! 16 MiB, what huge pages round up counted in, which has no such bound. Regions are kept up to a
//! limit that follows the bytes of large blocks alive. The oldest go first. As for slices
//! (segment/purge.rs), the limit rises when what was released is wanted again, and falls
//! with every release: a program that allocates and frees the same megabytes over and
//! over keeps them, and one that is through with them does not.

#[cfg(feature = "hardened")]
mod guard;
mod mark;
#[cfg(test)]
mod tests;

use super::classes::SLICE;
use super::descriptor::{Descriptor, HEADER, Kind, LARGE, is_busy};
use super::meta::{self, FreeList};
use super::slices;
use crate::vm::{self, Use};
use core::ptr;
use core::sync::atomic::Ordering;

/// Bytes of a large block's descriptor: header and one mark.
const RECORD: usize = HEADER + 64;

/// Bytes kept at most because released ones were wanted again.
const MOST_REGRET: usize = 32 * 1024 * 1024;

/// The part of the regions of live blocks that may lie beyond what was asked for, up to
/// [`MOST_LEFT`], before kept regions that are more than a quarter too large are trimmed,
/// whatever was in use before.
const SURPLUS: usize = 8;

/// How many times what a block asks for it may have beyond that, so that a small one does not
/// keep a region from those that will want all of it.
const MOST_TIMES_LEFT: usize = 4;

/// The part by which what was in use once is forgotten with each block.
const FORGETS: usize = 64;

/// How many times what an array asks for it is given beyond that, at most.
const MOST_EXCESS: usize = 8;

/// Bytes that all blocks' regions have beyond what was asked for, at most, where a block
/// is left more than a quarter too much, or an array more than three times its size.
const MOST_LEFT: usize = 16 * 1024 * 1024;

/// Whether a region's pages can be moved to a larger one.
const CAN_STRETCH: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Alignment of regions that ask for huge pages.
const HUGE: usize = 2 * 1024 * 1024;

/// Regions tried before an allocation fails for want of a slice-table entry.
const TRIES: usize = 8;

/// What a large block is wanted for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Any content.
    Any,
    /// Zeros.
    Zeroed,
    /// A block that has just outgrown the classes, as arrays do that will grow
    /// further: a larger region than asked for will do, and stay.
    Growing,
}

/// Pages of `bytes` bytes, as a descriptor keeps them.
fn pages(bytes: usize) -> u32 {
    u32::try_from(bytes / vm::page_size()).unwrap_or(u32::MAX)
}

/// Bytes that a block of `span` bytes may have more than it is to have, and stay as it is. None
/// where memory is limited, since another block may need them, if its region can be cut: one
/// that it `starts`.
fn leeway(span: usize, starts: bool) -> usize {
    if CAN_STRETCH && starts && vm::is_limited() {
        0
    } else {
        span / 8
    }
}

/// Bytes of a live block's region beyond what was asked for; what alignment and guard
/// pages take counts as well.
fn surplus_of(descriptor: &Descriptor) -> usize {
    let asked = (descriptor.high as usize).saturating_mul(vm::page_size());
    descriptor.region_size.saturating_sub(asked)
}

/// The large blocks of one heap.
pub(super) struct LargeList {
    live: *mut Descriptor,
    /// Freed regions kept, the latest first.
    kept: *mut Descriptor,
    records: FreeList,
    /// Blocks alive.
    pub(super) blocks: usize,
    /// Usable bytes of blocks alive.
    pub(super) bytes: usize,
    /// Bytes of the regions of blocks alive.
    pub(super) region_bytes: usize,
    /// Bytes of them beyond what was asked for.
    surplus: usize,
    /// Bytes asked for by the blocks that were alive together at most, lately.
    peak: usize,
    /// Bytes of regions kept.
    pub(super) kept_bytes: usize,
    /// Bytes of regions kept at most, whatever is alive.
    pub(super) retain: usize,
    /// Bytes released and not allocated anew.
    released: usize,
    /// Bytes kept beyond the limit, because released ones were wanted again.
    regret: usize,
    /// Blocks at least this large ask for huge pages.
    pub(super) huge_above: usize,
    /// Allocations while they were counted.
    pub(super) allocations: u64,
    /// Whether blocks end at guard pages.
    #[cfg(feature = "hardened")]
    is_hard: bool,
}

// SAFETY: the lists belong to the heap, whichever thread holds their lock.
unsafe impl Send for LargeList {}

impl LargeList {
    /// No blocks, and every word zero. Its limits are set before any use.
    pub(super) const fn new() -> Self {
        LargeList {
            live: ptr::null_mut(),
            kept: ptr::null_mut(),
            records: FreeList::new(),
            blocks: 0,
            bytes: 0,
            region_bytes: 0,
            surplus: 0,
            peak: 0,
            kept_bytes: 0,
            retain: 0,
            released: 0,
            regret: 0,
            huge_above: 0,
            allocations: 0,
            #[cfg(feature = "hardened")]
            is_hard: false,
        }
    }

    /// Allocates `size` bytes at a multiple of `align`, with content as `need`
    /// says. Null when the system has nothing to give.
    pub(super) fn allocate(
        &mut self,
        kind: Kind,
        size: usize,
        align: usize,
        need: Need,
    ) -> *mut u8 {
        // A slice at least, so that no other block starts in this one's slice.
        let Some(bytes) = vm::round_to_pages(size.max(SLICE)) else {
            return ptr::null_mut();
        };
        let page = vm::page_size();
        let slack = align.max(page) - page;
        let guard = self.guard_size();
        let Some(exact_size) = bytes.checked_add(slack + guard) else {
            return ptr::null_mut();
        };
        let region_size = self.rounded(exact_size, need);
        if isize::try_from(region_size).is_err() {
            return ptr::null_mut();
        }
        let mut descriptor = self.take_kept(region_size, need == Need::Growing);
        if !descriptor.is_null() && need == Need::Zeroed {
            #[cfg(feature = "hardened")]
            let holds = !Self::is_shut(descriptor);
            #[cfg(not(feature = "hardened"))]
            let holds = true;
            if holds {
                self.clean(descriptor);
            } else {
                // SAFETY: the descriptor is on no list, so it is ours alone.
                unsafe { (*descriptor).clean = true };
            }
        }
        // A region whose slice-table entry is taken stays in the way while
        // another is sought, or the system would give it again.
        let mut in_the_way = [ptr::null_mut(); TRIES];
        let mut claimed = false;
        for place in &mut in_the_way {
            if descriptor.is_null() {
                descriptor = self.make(region_size, need);
            }
            if descriptor.is_null() && exact_size < region_size {
                // There may be just enough.
                descriptor = self.make(exact_size, need);
            }
            if descriptor.is_null() {
                break;
            }
            // SAFETY: the descriptor is on no list, so it is ours alone.
            let region = unsafe { (*descriptor).extent };
            claimed = slices::claim(region.next_multiple_of(align.max(page)), 1);
            if claimed {
                break;
            }
            *place = core::mem::replace(&mut descriptor, ptr::null_mut());
        }
        for refused in in_the_way {
            if !refused.is_null() {
                self.discard(refused);
            }
        }
        if !claimed {
            return ptr::null_mut();
        }
        // SAFETY: the descriptor is on no list, so it is ours alone.
        let this = unsafe { &mut *descriptor };
        let region: *mut u8 = ptr::with_exposed_provenance_mut(this.extent);
        let block = region.wrapping_add(region.addr().wrapping_neg() & (align.max(page) - 1));
        let room = this.region_size - (block.addr() - region.addr());
        // Guard pages lie right behind what was asked for.
        let span = if guard == 0 { room } else { bytes };
        #[cfg(feature = "hardened")]
        if !self.open_part(descriptor, block.addr() + span) {
            // SAFETY: claimed above, and nothing entered.
            unsafe { slices::disclaim(block.addr(), 1) };
            self.discard(descriptor);
            return ptr::null_mut();
        }
        let relaxed = Ordering::Relaxed;
        this.base.store(block.addr(), relaxed);
        this.span.store(span, relaxed);
        // A magic of 1 finds a block at offset 0 and nowhere else.
        this.set_magic(u64::from(kind == Kind::Checked));
        this.bin.store(0, relaxed);
        this.what.store(LARGE, relaxed);
        this.kind.store(kind as u8, relaxed);
        this.blocks = 1;
        this.free = 0;
        this.high = pages(bytes);
        // SAFETY: the slice was claimed.
        unsafe { slices::enter(block.addr() & !(SLICE - 1), 1, descriptor) };
        self.link(descriptor);
        self.blocks += 1;
        self.bytes += span;
        self.region_bytes += this.region_size;
        self.surplus += surplus_of(this);
        self.note_peak();
        self.allocations += 1;
        let was_clean = core::mem::replace(&mut this.clean, false);
        if need == Need::Zeroed && !was_clean {
            // SAFETY: the block is ours and `span` bytes long.
            unsafe { block.write_bytes(0, size) };
        }
        #[cfg(feature = "hardened")]
        self.close_end(descriptor, size);
        // SAFETY: the record has room for one mark.
        unsafe { Self::hand_out(descriptor) };
        block
    }

    /// Marks a large block as handed out, once all of its record is written.
    ///
    /// # Safety
    /// `descriptor` is a large block's, which is the caller's alone until then.
    #[inline(always)]
    pub(super) unsafe fn hand_out(descriptor: *const Descriptor) {
        // SAFETY: the caller's record; a large block's has a mark.
        unsafe { mark::hand_out(&*Descriptor::mark(descriptor, 0)) };
    }

    /// Whether `descriptor` describes a large block that starts at `address`
    /// and is handed out.
    ///
    /// # Safety
    /// `descriptor` came from [`slices::find`], and the list is locked.
    pub(super) unsafe fn is_block(descriptor: *const Descriptor, address: usize) -> bool {
        // SAFETY: what `find` leads to is readable; a large block's record has
        // a mark.
        unsafe {
            (*descriptor).what.load(Ordering::Relaxed) == LARGE
                && (*descriptor).base.load(Ordering::Relaxed) == address
                && is_busy((*Descriptor::mark(descriptor, 0)).load(Ordering::Relaxed))
        }
    }

    /// Frees a large block.
    ///
    /// # Safety
    /// `descriptor` describes a live block of this list that nobody uses.
    pub(super) unsafe fn free(&mut self, descriptor: *mut Descriptor) {
        // SAFETY: the caller's descriptor is live.
        unsafe {
            let base = (*descriptor).base.load(Ordering::Relaxed);
            let span = (*descriptor).span.load(Ordering::Relaxed);
            let region_size = (*descriptor).region_size;
            (*Descriptor::mark(descriptor, 0)).store(0, Ordering::Relaxed);
            slices::clear(base & !(SLICE - 1), 1);
            slices::disclaim(base, 1);
            self.unlink(descriptor);
            self.blocks -= 1;
            self.bytes -= span;
            self.region_bytes -= region_size;
            self.surplus -= surplus_of(&*descriptor);
            (*descriptor).set_magic(0);
            if region_size > self.limit() {
                self.give_up(descriptor);
            } else {
                (*descriptor).next = self.kept;
                self.kept = descriptor;
                self.kept_bytes += region_size;
                #[cfg(feature = "hardened")]
                self.revoke(descriptor);
            }
        }
        // Less is alive now, so less may be kept.
        self.trim(self.limit());
    }

    /// Resizes a live block to `size` bytes, moving its pages if need be but
    /// copying nothing. Null, and nothing changed, when that cannot be done.
    ///
    /// # Safety
    /// `descriptor` describes a live block of this list; after a move no
    /// pointer to the old place is used.
    pub(super) unsafe fn resize(&mut self, descriptor: *mut Descriptor, size: usize) -> *mut u8 {
        // SAFETY: the caller's descriptor is live and stays so, and the list is locked.
        unsafe {
            self.surplus -= surplus_of(&*descriptor);
            let block = self.resize_block(descriptor, size);
            self.surplus += surplus_of(&*descriptor);
            self.note_peak();
            block
        }
    }

    /// [`LargeList::resize`] but for the sum of surpluses.
    ///
    /// # Safety
    /// As there.
    unsafe fn resize_block(&mut self, descriptor: *mut Descriptor, size: usize) -> *mut u8 {
        #[cfg(feature = "hardened")]
        if self.is_hard {
            // SAFETY: the caller's promise.
            return unsafe { self.resize_hard(descriptor, size, false) };
        }
        // SAFETY: the caller's descriptor is live and the list is locked.
        let this = unsafe { &mut *descriptor };
        let base = this.base.load(Ordering::Relaxed);
        let span = this.span.load(Ordering::Relaxed);
        let block = ptr::with_exposed_provenance_mut(base);
        let Some(asked) = vm::round_to_pages(size) else {
            return ptr::null_mut();
        };
        let bytes = self.rounded(asked, Need::Any);
        let starts = base == this.extent;
        // A block that grows into the rest of its region keeps it.
        if bytes <= span && (bytes >= span - leeway(span, starts) || pages(bytes) >= this.high) {
            this.high = pages(asked);
            return block;
        }
        if !starts {
            return ptr::null_mut();
        }
        // SAFETY: the caller's promise; the block starts its region.
        unsafe {
            let moved = self.resize_region(descriptor, asked);
            if !moved.is_null() {
                (*descriptor).high = pages(asked);
            }
            moved
        }
    }

    /// Gives a block's region `exact` bytes, or whole huge pages where there is so much, where
    /// it is or elsewhere. The block's new address; null, and nothing changed, when the system
    /// refuses. The block's span is then the region, and its `high` for the caller to set.
    ///
    /// # Safety
    /// As for [`LargeList::resize`]; the block starts its region.
    unsafe fn resize_region(&mut self, descriptor: *mut Descriptor, exact: usize) -> *mut u8 {
        let mut bytes = self.rounded(exact, Need::Any);
        if isize::try_from(bytes).is_err() {
            return ptr::null_mut();
        }
        loop {
            // SAFETY: the caller's descriptor is live and the list is locked; the region is the
            // block's alone, whole and committed.
            let moved = unsafe {
                let (extent, has) = ((*descriptor).extent, (*descriptor).region_size);
                let region: *mut u8 = ptr::with_exposed_provenance_mut(extent);
                if vm::resize(Use::Large, region, has, bytes) {
                    self.advise(extent, bytes, Need::Any);
                    self.resized(descriptor, bytes);
                    region
                } else {
                    self.relocate(descriptor, bytes)
                }
            };
            if !moved.is_null() || bytes == exact {
                return moved;
            }
            // There may be just enough.
            bytes = exact;
        }
    }

    /// Moves a block's pages to a larger region.
    ///
    /// # Safety
    /// As for [`LargeList::resize`]; the block starts its region.
    #[inline(never)]
    unsafe fn relocate(&mut self, descriptor: *mut Descriptor, bytes: usize) -> *mut u8 {
        // SAFETY: the caller's descriptor is live and the list is locked.
        let this = unsafe { &mut *descriptor };
        let old = ptr::with_exposed_provenance_mut::<u8>(this.extent);
        let target = vm::reserve(Use::Large, bytes, self.alignment(bytes));
        if target.is_null() {
            return target;
        }
        let new = target.expose_provenance();
        let from = this.extent;
        let claimed = slices::claim(new, 1);
        // The old entry stays claimed until the pages have moved: whoever is
        // given the old address meanwhile seeks another.
        // SAFETY: both entries are the block's, and both regions ours, whole.
        let moved = claimed
            && unsafe {
                slices::clear(from & !(SLICE - 1), 1);
                vm::move_to(Use::Large, old, this.region_size, target, bytes)
            };
        if !moved {
            // SAFETY: the target is ours, whole and unused; the old entry is
            // still claimed.
            unsafe {
                if claimed {
                    slices::disclaim(new, 1);
                    slices::enter(from & !(SLICE - 1), 1, descriptor);
                }
                vm::give_back(Use::Large, target, bytes, 0);
            }
            return ptr::null_mut();
        }
        // SAFETY: the old entry was this block's and leads nowhere now.
        unsafe { slices::disclaim(from, 1) };
        // SAFETY: the new entry was claimed above.
        unsafe {
            this.base.store(new, Ordering::Relaxed);
            this.extent = new;
            slices::enter(new & !(SLICE - 1), 1, descriptor);
        }
        self.advise(new, bytes, Need::Any);
        self.resized(descriptor, bytes);
        target
    }

    fn resized(&mut self, descriptor: *mut Descriptor, bytes: usize) {
        // SAFETY: the callers' descriptor is live and the list is locked.
        let this = unsafe { &mut *descriptor };
        let span = this.span.swap(bytes, Ordering::Relaxed);
        self.count_again(bytes.saturating_sub(this.region_size));
        self.bytes = self.bytes - span + bytes;
        self.region_bytes = self.region_bytes - this.region_size + bytes;
        this.region_size = bytes;
        self.trim(self.limit());
    }

    /// Bytes of regions kept at most now.
    fn limit(&self) -> usize {
        match self.retain {
            0 => 0,
            retain => retain
                .max(self.region_bytes / 4)
                .saturating_add(self.regret),
        }
    }

    /// Releases kept regions, the oldest first, until `bytes` or fewer are
    /// kept.
    #[inline(never)]
    pub(super) fn trim(&mut self, bytes: usize) {
        while self.kept_bytes > bytes {
            let mut link = &raw mut self.kept;
            // SAFETY: the kept list links descriptors that are ours; it is not
            // empty, since it holds bytes.
            let oldest = unsafe {
                while !(**link).next.is_null() {
                    link = &raw mut (**link).next;
                }
                let oldest = *link;
                *link = ptr::null_mut();
                oldest
            };
            // SAFETY: as above.
            self.kept_bytes -= unsafe { (*oldest).region_size };
            self.give_up(oldest);
        }
    }

    /// Releases a region that is on no list and might have been kept.
    fn give_up(&mut self, descriptor: *mut Descriptor) {
        // SAFETY: the callers' descriptor is ours.
        let size = unsafe { (*descriptor).region_size };
        self.released = (self.released + size).min(MOST_REGRET);
        self.regret = self.regret.saturating_sub(size / 8);
        self.discard(descriptor);
    }

    /// Takes a kept region for `size` bytes, made as large as needed, or left
    /// larger if the block is growing; null when there is none that can be.
    #[inline(never)]
    fn take_kept(&mut self, size: usize, is_growing: bool) -> *mut Descriptor {
        // Where memory is limited, another block may need what this one does not.
        let is_limited = vm::is_limited();
        let is_growing = is_growing && !is_limited;
        let mut link = &raw mut self.kept;
        let mut best: *mut *mut Descriptor = ptr::null_mut();
        let mut best_cost = usize::MAX;
        #[cfg(feature = "hardened")]
        let mut latest = 0;
        // SAFETY: the kept list links descriptors that are ours.
        unsafe {
            while !(*link).is_null() {
                // What lacks must be paid for in page faults; what is too much is
                // there already.
                let has = (**link).region_size;
                #[cfg(feature = "hardened")]
                if self.waits(latest, has) {
                    latest += 1;
                    link = &raw mut (**link).next;
                    continue;
                }
                let cost = match has.checked_sub(size) {
                    Some(excess) => excess,
                    None if CAN_STRETCH && has >= size / 4 => 2 * (size - has),
                    None => usize::MAX,
                };
                if cost < best_cost {
                    best = link;
                    best_cost = cost;
                }
                link = &raw mut (**link).next;
            }
            #[cfg(feature = "hardened")]
            let takes_any = self.takes_any(is_growing);
            #[cfg(not(feature = "hardened"))]
            let takes_any = false;
            let takes_any = takes_any || (is_growing && self.may_leave(size, best_cost));
            let (room, quarter) = if is_limited {
                (0, 0)
            } else {
                (self.room(size), size / 4)
            };
            let most_cost = size.saturating_mul(2).saturating_add(room);
            if best.is_null() || (best_cost > most_cost && !takes_any) {
                return ptr::null_mut();
            }
            let found = *best;
            *best = (*found).next;
            self.kept_bytes -= (*found).region_size;
            let has = (*found).region_size;
            let most = if is_growing {
                has
            } else {
                size.saturating_add(room.max(quarter))
            };
            let fits = has >= size && has <= most;
            #[cfg(feature = "hardened")]
            if !(fits && Self::is_as_left(found) || self.restore(found)) {
                self.give_up(found);
                return ptr::null_mut();
            }
            // A huge page is not split, where the rest of it may be left.
            let wanted = if has > most && room > quarter {
                size.max(most / HUGE * HUGE)
            } else {
                size
            };
            if fits || self.stretch(found, wanted) {
                return found;
            }
            self.give_up(found);
        }
        ptr::null_mut()
    }

    /// Bytes that may be left to a block of `size` bytes beyond them, where memory is not
    /// limited.
    fn room(&self, size: usize) -> usize {
        let asked = (self.region_bytes - self.surplus).saturating_add(size);
        (self.region_bytes / SURPLUS)
            .max(self.peak.saturating_sub(asked))
            .min(MOST_LEFT)
            .saturating_sub(self.surplus)
            .min(size.saturating_mul(MOST_TIMES_LEFT))
    }

    /// Notes how much is asked for by all blocks together.
    fn note_peak(&mut self) {
        let asked = self.region_bytes - self.surplus;
        self.peak -= self.peak.saturating_sub(asked) / FORGETS;
        self.peak = self.peak.max(asked);
    }

    /// Whether an array of `size` bytes may be given a region with `excess` bytes more,
    /// where that is more than twice its size.
    /// They are there already, and it will most likely grow into them as others did
    /// before it; but while it does not, nobody else has them. So they are bounded, for
    /// one array by its size and for all blocks together.
    fn may_leave(&self, size: usize, excess: usize) -> bool {
        excess <= size.saturating_mul(MOST_EXCESS)
            && self.surplus.saturating_add(excess) <= MOST_LEFT
    }

    /// Makes the region of a descriptor that is on no list `size` bytes large,
    /// where it is or elsewhere. False, and nothing changed, when the system
    /// refuses.
    fn stretch(&mut self, descriptor: *mut Descriptor, size: usize) -> bool {
        // SAFETY: the callers' descriptor is ours, and so is its region, whole
        // and committed, which nobody uses.
        unsafe {
            let this = &mut *descriptor;
            let region: *mut u8 = ptr::with_exposed_provenance_mut(this.extent);
            let has = this.region_size;
            if !vm::resize(Use::Large, region, has, size) {
                if size < has {
                    return false;
                }
                let target = vm::reserve(Use::Large, size, self.alignment(size));
                if target.is_null() {
                    return false;
                }
                if !vm::move_to(Use::Large, region, has, target, size) {
                    vm::give_back(Use::Large, target, size, 0);
                    return false;
                }
                this.extent = target.expose_provenance();
            }
            if size > has {
                self.count_again(size - has);
            }
            self.advise(this.extent, size, Need::Any);
            this.region_size = size;
            // A kept region is not clean, and what was added to it is no help.
            this.clean = false;
        }
        true
    }

    /// Bytes of guard pages: blocks have none.
    #[cfg(not(feature = "hardened"))]
    #[inline(always)]
    fn guard_size(&self) -> usize {
        0
    }

    /// Notes that `bytes` are allocated anew, perhaps some that were released.
    fn count_again(&mut self, bytes: usize) {
        let again = self.released.min(bytes);
        self.released -= again;
        self.regret = (self.regret + again).min(MOST_REGRET);
    }

    /// `size`, in whole huge pages if the region is to have some and that wastes
    /// no more than a quarter: a rest in small pages would cost hundreds of page faults.
    /// Where memory is limited there may be just enough for what is asked for.
    fn rounded(&self, size: usize, need: Need) -> usize {
        if vm::is_limited() || !self.is_huge(size, need) {
            return size;
        }
        match size.checked_next_multiple_of(HUGE) {
            Some(whole) if whole - size <= size / 4 => whole,
            _ => size,
        }
    }

    /// Whether a region of `size` bytes is to have huge pages. One of half the size for a
    /// block that has just outgrown the classes: of an array that doubles, half of it is
    /// in use already.
    fn is_huge(&self, size: usize, need: Need) -> bool {
        size >= match need {
            Need::Growing => (self.huge_above / 2).max(HUGE),
            _ => self.huge_above,
        }
    }

    /// The alignment of a region of `size` bytes.
    fn alignment(&self, size: usize) -> usize {
        if self.is_huge(size, Need::Any) {
            HUGE
        } else {
            1
        }
    }

    /// Asks for huge pages if the region is large enough.
    fn advise(&self, region: usize, size: usize, need: Need) {
        if self.is_huge(size, need) {
            let region = ptr::with_exposed_provenance_mut(region);
            // SAFETY: the callers' region is committed and ours.
            unsafe { vm::advise_huge(region, size, true) };
        }
    }

    /// A descriptor with a fresh region of `size` bytes, on no list; null when
    /// the system has nothing to give.
    #[inline(never)]
    fn make(&mut self, size: usize, need: Need) -> *mut Descriptor {
        let mut record = self.records.pop();
        if record.is_null() {
            record = meta::allocate(RECORD);
            if record.is_null() {
                return ptr::null_mut();
            }
        }
        let region = self.fresh_region(size, need);
        if region.is_null() {
            // SAFETY: the record is ours and unused.
            unsafe { self.records.push(record) };
            return ptr::null_mut();
        }
        self.count_again(size);
        self.advise(region.expose_provenance(), size, need);
        let descriptor = record.cast::<Descriptor>();
        // SAFETY: the record is large enough and ours.
        unsafe {
            Descriptor::wipe(descriptor);
            (*descriptor).extent = region.expose_provenance();
            (*descriptor).region_size = size;
            (*descriptor).clean = true;
        }
        descriptor
    }

    /// `size` bytes of committed pages; null when the system has none to give.
    fn fresh_region(&self, size: usize, need: Need) -> *mut u8 {
        if !self.is_huge(size, need) {
            return vm::allocate(Use::Large, size);
        }
        let region = vm::reserve(Use::Large, size, HUGE);
        // SAFETY: the region was just reserved and none of it is committed.
        if !region.is_null() && !unsafe { vm::commit(Use::Large, region, size) } {
            // SAFETY: as above.
            unsafe { vm::give_back(Use::Large, region, size, 0) };
            return ptr::null_mut();
        }
        region
    }

    /// Makes a kept region's pages read zero without touching them.
    fn clean(&mut self, descriptor: *mut Descriptor) {
        // SAFETY: the descriptor is on no list; its region is dead.
        unsafe {
            let region = ptr::with_exposed_provenance_mut((*descriptor).extent);
            (*descriptor).clean = vm::purge(region, (*descriptor).region_size);
        }
    }

    /// Releases the region of a descriptor that is on no list.
    #[inline(never)]
    fn discard(&mut self, descriptor: *mut Descriptor) {
        // SAFETY: nobody uses the region or the descriptor.
        unsafe {
            let region = ptr::with_exposed_provenance_mut((*descriptor).extent);
            let size = (*descriptor).region_size;
            #[cfg(feature = "hardened")]
            self.forget_end(descriptor);
            vm::give_back(Use::Large, region, size, size);
            self.records.push(descriptor.cast());
        }
    }

    /// The block around `address`, alive or in a region that is kept.
    pub(super) fn around(&self, address: usize) -> Option<*mut Descriptor> {
        Self::around_in(self.live, address).or_else(|| Self::around_in(self.kept, address))
    }

    fn around_in(mut at: *mut Descriptor, address: usize) -> Option<*mut Descriptor> {
        while !at.is_null() {
            // SAFETY: both lists link descriptors that are ours.
            let this = unsafe { &*at };
            let offset = address.wrapping_sub(this.base.load(Ordering::Relaxed));
            if offset < this.span.load(Ordering::Relaxed) {
                return Some(at);
            }
            at = this.next;
        }
        None
    }

    fn link(&mut self, descriptor: *mut Descriptor) {
        // SAFETY: the callers' descriptor is on no list; the head is live.
        unsafe {
            (*descriptor).previous = ptr::null_mut();
            (*descriptor).next = self.live;
            if !self.live.is_null() {
                (*self.live).previous = descriptor;
            }
        }
        self.live = descriptor;
        vm::root::set_anchor(vm::root::Anchor::LargeBlocks, descriptor.addr());
    }

    fn unlink(&mut self, descriptor: *mut Descriptor) {
        // SAFETY: the callers' descriptor is on the live list, whose members
        // are live.
        unsafe {
            let (previous, next) = ((*descriptor).previous, (*descriptor).next);
            if previous.is_null() {
                self.live = next;
                vm::root::set_anchor(vm::root::Anchor::LargeBlocks, next.addr());
            } else {
                (*previous).next = next;
            }
            if !next.is_null() {
                (*next).previous = previous;
            }
        }
    }
}
