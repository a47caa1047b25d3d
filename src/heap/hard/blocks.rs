//! Hardened blocks: what allocating, freeing and resizing do beyond the default heap.

use super::guard::PAGE;
use super::place::{MOST, capacity, class_for, larger_class};
use super::quarantine::{self, SMALL};
use super::{pattern, spare};
use crate::heap::cache::{BIN, Marked, State, ThreadCache};
use crate::heap::classes::MAX_LINEAR_SIZE;
use crate::heap::descriptor::{BUSY_EXACT, BUSY_HARD, Descriptor, Kind, LARGE, is_out};
use crate::heap::front::{Front, Shared};
use crate::heap::large::{LargeList, Need};
use crate::heap::word::Word;
use crate::heap::{PROCESS, misuse, nothing, slices};
use crate::report::Stop;
use core::ptr;
use core::sync::atomic::Ordering;

/// A block of the front end's that is handed out.
pub(super) struct Found {
    pub(super) descriptor: *mut Descriptor,
    key: *mut u8,
    pub(super) mark: u8,
}

impl Found {
    pub(super) fn class(&self) -> usize {
        // SAFETY: the block is handed out, so its descriptor is live.
        usize::from(unsafe { (*self.descriptor).class.load(Ordering::Relaxed) })
    }

    pub(super) fn is_large(&self) -> bool {
        // SAFETY: as above.
        unsafe { (*self.descriptor).what.load(Ordering::Relaxed) == LARGE }
    }

    /// Whether it is a block of no bytes.
    pub(super) fn is_nothing(&self) -> bool {
        !self.is_large() && self.class() == 0
    }

    pub(super) fn set_mark(&self, mark: u8) {
        // SAFETY: a key of a live descriptor.
        unsafe { (*Descriptor::mark_of(self.key)).store(mark, Ordering::Relaxed) };
    }
}

/// What an address is.
pub(super) enum Place {
    /// A block that is handed out.
    Busy(Found),
    /// One of the front end's that is not, and its bytes.
    Free(usize),
    /// Neither: another heap's block, or none.
    Other,
}

#[inline(always)]
pub(super) fn place_of(address: usize) -> Place {
    let descriptor = slices::find(address);
    // SAFETY: what `find` leads to is readable; a descriptor with an index for the
    // address has a mark for it.
    unsafe {
        let Some(index) = Descriptor::index_of(descriptor, address) else {
            return Place::Other;
        };
        if !(*descriptor).owner.load(Ordering::Relaxed).is_null() {
            return Place::Other;
        }
        let key = Descriptor::key(descriptor, index);
        let mark = (*Descriptor::mark_of(key)).load(Ordering::Relaxed);
        if !is_out(mark) {
            return Place::Free((*descriptor).block_size());
        }
        Place::Busy(Found {
            descriptor,
            key,
            mark,
        })
    }
}

/// What `take` found.
pub enum Taken {
    /// A block for the caller.
    Block(*mut u8),
    /// One of so many bytes that was written to while it was free: `tell_written`.
    Written(*mut u8, usize),
    /// Nothing at hand.
    Nothing,
}

/// Allocates `size` bytes, at a multiple of 16, if they are few and the thread has a block at
/// hand.
///
/// # Safety
/// The cache is what the calling thread's word leads its slow paths to.
#[inline(always)]
pub(in crate::heap) unsafe fn take(cache: *const ThreadCache, size: usize) -> Taken {
    if size.wrapping_sub(1) >= MAX_LINEAR_SIZE - pattern::LEAST {
        return Taken::Nothing;
    }
    // Multiples of 16 are classes of that size, and a bin's offset.
    let capacity = (size + pattern::LEAST + 15) & !15;
    // SAFETY: a word leads to its thread's cache or a shared one, whose row has a bin at each
    // linear class's offset. The block is of that class, and the caller's.
    unsafe {
        let cache = &*cache;
        let bin = cache.row().byte_add(capacity);
        let block = ThreadCache::pop_hard(bin, pattern::short_mark(capacity - size), capacity);
        if block.is_null() {
            return Taken::Nothing;
        }
        let is_wiped = pattern::is_wiped(block, capacity);
        let mask = pattern::mask_of(cache.secrets.get(), block.addr());
        pattern::write_short(mask, block, capacity);
        if is_wiped {
            Taken::Block(block)
        } else {
            Taken::Written(block, capacity)
        }
    }
}

/// [`take`] of more bytes.
///
/// # Safety
/// As for [`take`].
#[inline(always)]
pub(in crate::heap) unsafe fn take_larger(cache: *const ThreadCache, size: usize) -> Taken {
    // SAFETY: a word leads to its thread's cache or a shared one; classes above the linear ones
    // have their bins in the cache itself. The block is of that class, and the caller's.
    unsafe {
        let cache = &*cache;
        let Some((class, capacity)) = larger_class(size) else {
            let spare = if size > MOST {
                spare::take(cache, size)
            } else {
                ptr::null_mut()
            };
            return if spare.is_null() {
                Taken::Nothing
            } else {
                Taken::Block(spare)
            };
        };
        let mark = pattern::mark_for(capacity, size);
        let bin = ThreadCache::bin_at(cache, class * BIN);
        let block = ThreadCache::pop_hard(bin, mark, capacity);
        if block.is_null() {
            return Taken::Nothing;
        }
        let is_wiped = pattern::is_wiped_touched(block, capacity);
        pattern::write(mark, block, capacity, size);
        if is_wiped {
            Taken::Block(block)
        } else {
            Taken::Written(block, capacity)
        }
    }
}

/// Reports a block that was written to while it was free, and gives it to the caller, who asks
/// for `size` bytes, as it should be.
///
/// # Safety
/// [`take`] said so just now.
#[cold]
#[inline(never)]
pub(in crate::heap) unsafe fn tell_written(block: *mut u8, capacity: usize, size: usize) {
    // SAFETY: the caller's block.
    unsafe {
        written_free(block, capacity);
        pattern::write(pattern::mark_for(capacity, size), block, capacity, size);
    }
}

/// What `put` did.
pub enum Put {
    /// The block is free.
    Done,
    /// It is, and another one is to be put elsewhere: `put_elsewhere`.
    Instead(*mut u8),
    /// Nothing: `put_larger` is the next thing to try.
    Not,
}

/// Frees the block that starts at `address`, whose mark fast paths do not know, if it is a
/// small one of the front end's with a pattern, and all is well.
///
/// # Safety
/// The cache is what the calling thread's word leads its slow paths to; `met` is what is known
/// of that address. If a block is handed out there, nobody uses it any more.
#[inline(always)]
pub(in crate::heap) unsafe fn put(cache: *const ThreadCache, address: *mut u8, met: Marked) -> Put {
    let Marked { descriptor, key } = met;
    // SAFETY: the caller's descriptor is live, or what a wrong address led to, which has a
    // mark. A block that is marked so is one of this front end's that is handed out, of so many
    // bytes.
    unsafe {
        let mark = (*Descriptor::mark_of(key)).load(Ordering::Relaxed);
        let Some(beyond) = pattern::beyond(mark) else {
            return Put::Not;
        };
        let capacity = (*descriptor).room.load(Ordering::Relaxed) as usize;
        let cache = &*cache;
        let mask = pattern::mask_of(cache.secrets.get(), address.addr());
        if !pattern::is_short(mask, address, capacity, beyond) {
            return Put::Not;
        }
        retire::<true>(cache, address, capacity, met, mask)
    }
}

/// [`put`] of any block that has a class.
///
/// # Safety
/// As for [`put`].
#[inline(always)]
pub(in crate::heap) unsafe fn put_larger(
    cache: *const ThreadCache,
    address: *mut u8,
    met: Marked,
) -> Put {
    // SAFETY: as in `put`.
    unsafe {
        let capacity = (*met.descriptor).room.load(Ordering::Relaxed) as usize;
        let mark = (*Descriptor::mark_of(met.key)).load(Ordering::Relaxed);
        if !matches!(mark, BUSY_HARD | BUSY_EXACT)
            || pattern::read(mark, address, capacity).is_none()
        {
            return Put::Not;
        }
        let cache = &*cache;
        let mask = pattern::mask_of(cache.secrets.get(), address.addr());
        if capacity <= SMALL {
            retire::<true>(cache, address, capacity, met, mask)
        } else {
            retire::<false>(cache, address, capacity, met, mask)
        }
    }
}

/// Wipes a block and keeps it from use for a while. Its mask is something of chance.
///
/// # Safety
/// The block is handed out, of `capacity` bytes, and `met` what is known of it; nobody uses
/// it. The cache is what the thread's word leads to.
#[inline(always)]
unsafe fn retire<const IS_SMALL: bool>(
    cache: &ThreadCache,
    address: *mut u8,
    capacity: usize,
    met: Marked,
    mask: u64,
) -> Put {
    let quarantine = quarantine::of(cache);
    if quarantine.is_null() {
        return Put::Not;
    }
    // SAFETY: the caller's block; a cache with a quarantine is a thread's own.
    unsafe {
        pattern::wipe(address, capacity);
        (*Descriptor::mark_of(met.key)).store(0, Ordering::Relaxed);
        let bin = ThreadCache::bin_of(cache, met.descriptor);
        let left =
            quarantine::exchange::<IS_SMALL>(quarantine, capacity, address, met.key, bin, mask);
        if !left.block.is_null() && !quarantine::put_back(&left) {
            return Put::Instead(left.block);
        }
    }
    Put::Done
}

/// Puts a block where others are taken from when the bin it belongs in is full.
///
/// # Safety
/// [`put`] said so just now.
#[cold]
#[inline(never)]
pub(in crate::heap) unsafe fn put_elsewhere(word: &Word, block: *mut u8) {
    let shared = PROCESS.shared(Kind::Checked);
    let front = &PROCESS.checked;
    let cache = front.cache(shared, word);
    // SAFETY: the caller's promise.
    unsafe { release(front, shared, word, Some(cache), block) };
}

/// Allocates `size` bytes at a multiple of `align`, zeroed if `zero`; null when the
/// system has nothing to give.
pub(in crate::heap) fn allocate(word: &Word, size: usize, align: usize, zero: bool) -> *mut u8 {
    if size == 0 && align <= 16 {
        let block = nothing::allocate();
        if !block.is_null() {
            return block;
        }
    }
    let Some(class) = class_for(size, align) else {
        let need = if zero { Need::Zeroed } else { Need::Any };
        return allocate_large(word, size, align, need);
    };
    let room = capacity(class);
    let mark = pattern::mark_for(room, size);
    // SAFETY: a word leads to its thread's cache or a shared one, and caches are never unmapped;
    // the block is one of the class that is the caller's.
    unsafe {
        let mut block = ThreadCache::pop_hard((*word.own()).bin(class), mark, room);
        if block.is_null() {
            block = allocate_rest(word, class, size, align, mark);
            if block.is_null() {
                return block;
            }
        }
        ready(block, room, size, mark, zero);
        block
    }
}

#[cold]
#[inline(never)]
pub(super) fn allocate_large(word: &Word, size: usize, align: usize, need: Need) -> *mut u8 {
    if need != Need::Zeroed && align <= PAGE {
        // SAFETY: a word leads to its thread's cache or a shared one.
        let block = unsafe { spare::take(&*word.own(), size) };
        if !block.is_null() {
            return block;
        }
    }
    PROCESS.insist(Kind::Checked, word, size, align, &|| {
        PROCESS
            .large
            .lock()
            .allocate(Kind::Checked, size, align, need)
    })
}

/// A block of `class`, so marked, where the thread has none at hand; null when the system has
/// nothing to give.
#[cold]
#[inline(never)]
fn allocate_rest(word: &Word, class: usize, size: usize, align: usize, mark: u8) -> *mut u8 {
    let shared = PROCESS.shared(Kind::Checked);
    let front = &PROCESS.checked;
    let cache = front.cache(shared, word);
    if cache.is(State::Live) && !cache.is_diverted() {
        if quarantine::of(cache).is_null() {
            quarantine::make(cache);
        }
        let bin = front.swap_in(shared, cache, class);
        if !bin.is_null() {
            // SAFETY: the cache is this thread's, and the bin one of its.
            let block = unsafe { ThreadCache::pop_hard(bin, mark, capacity(class)) };
            if !block.is_null() {
                return block;
            }
        }
    }
    let block = PROCESS.insist(Kind::Checked, word, size, align, &|| {
        front.allocate(shared, word, class)
    });
    if !block.is_null() {
        // SAFETY: a block of the front end's, just taken.
        unsafe { set_mark(block, mark) };
    }
    block
}

/// Checks that nobody has written to a block while it was free, and sets its pattern.
///
/// # Safety
/// The block is one of `room` bytes, taken by the caller, who hands `size` bytes of it out; `mark`
/// is [`pattern::mark_for`] those.
#[inline(always)]
unsafe fn ready(block: *mut u8, room: usize, size: usize, mark: u8, zero: bool) {
    // SAFETY: the caller's block, of so many bytes.
    unsafe {
        let is_wiped = if room > MAX_LINEAR_SIZE {
            pattern::is_wiped_touched(block, room)
        } else {
            pattern::is_wiped(block, room)
        };
        if !is_wiped {
            written_free(block, room);
        }
        pattern::write(mark, block, room, size);
        if zero && room > pattern::WHOLE {
            block.write_bytes(0, size);
        }
    }
}

/// # Safety
/// The block is one of the front end's subsegments that the caller has taken.
#[inline(never)]
unsafe fn set_mark(block: *mut u8, mark: u8) {
    let descriptor = slices::find(block.addr());
    // SAFETY: a block that is out keeps its descriptor, which has a mark for it.
    unsafe {
        if let Some(index) = Descriptor::index_of(descriptor, block.addr()) {
            (*Descriptor::mark(descriptor, index)).store(mark, Ordering::Relaxed);
        }
    }
}

#[cold]
#[inline(never)]
unsafe fn written_free(block: *mut u8, room: usize) {
    misuse::damaged(Stop::CorruptedFreedHeapBlock, "malloc", block.addr(), room);
    // The program is to go on: whoever gets the block gets what others do.
    // SAFETY: the caller's block, of so many bytes.
    unsafe { pattern::wipe(block, room) };
}

/// The bytes that a block was asked for, up to seven more where it has no pattern; its
/// pattern's damage is reported, and it then has as many as it can have.
///
/// # Safety
/// The block is handed out, and what `found` says is true of it.
#[inline(always)]
pub(super) unsafe fn size_of(operation: &str, found: &Found, block: *mut u8) -> usize {
    let room = capacity(found.class());
    // SAFETY: a block of so many bytes, which is marked so.
    match unsafe { pattern::read(found.mark, block, room) } {
        Some(size) => size,
        None => overrun(operation, block, room - pattern::LEAST),
    }
}

#[cold]
#[inline(never)]
fn overrun(operation: &str, block: *mut u8, size: usize) -> usize {
    misuse::damaged(
        Stop::CorruptedHeapBlockSuffix,
        operation,
        block.addr(),
        size,
    );
    size
}

/// Frees the block that starts at `address`, which was allocated with `layout` bytes if
/// its caller knows. False, and nothing done, where that is another heap's, or none.
/// What is wrong is reported.
///
/// # Safety
/// If the address is a block's, nobody uses the block any more.
#[inline(never)]
pub(in crate::heap) unsafe fn free(
    word: &Word,
    operation: &str,
    address: *mut u8,
    layout: Option<usize>,
) -> bool {
    let found = match place_of(address.addr()) {
        Place::Busy(found) => found,
        Place::Free(size) => {
            misuse::already_free(operation, address.addr(), size);
            return true;
        }
        Place::Other => return false,
    };
    // SAFETY: the caller gives the block up.
    unsafe {
        if found.is_large() {
            free_large(word, operation, &found, address, layout);
            return true;
        }
        if found.is_nothing() {
            found.set_mark(0);
            nothing::free(address);
            return true;
        }
        let class = found.class();
        let size = size_of(operation, &found, address);
        if let Some(expected) = layout
            && !is_size(&found, size, expected)
        {
            misuse::wrong_layout(operation, address.addr(), expected);
        }
        let shared = PROCESS.shared(Kind::Checked);
        let front = &PROCESS.checked;
        let cache = front.cache(shared, word);
        let met = Marked {
            descriptor: found.descriptor,
            key: found.key,
        };
        let room = capacity(class);
        let done = if !cache.is(State::Live) || cache.is_diverted() {
            Put::Not
        } else {
            // A thread may free what others allocate, and nothing else.
            if quarantine::of(cache).is_null() {
                quarantine::make(cache);
            }
            let mask = pattern::mask_of(cache.secrets.get(), address.addr());
            if room <= SMALL {
                retire::<true>(cache, address, room, met, mask)
            } else {
                retire::<false>(cache, address, room, met, mask)
            }
        };
        match done {
            Put::Done => {}
            Put::Instead(other) => release(front, shared, word, Some(cache), other),
            Put::Not => {
                pattern::wipe(address, room);
                found.set_mark(0);
                release(front, shared, word, None, address);
            }
        }
    }
    true
}

/// Whether a block of `size` bytes may be one of `expected`.
pub(super) fn is_size(found: &Found, size: usize, expected: usize) -> bool {
    if found.mark == BUSY_EXACT {
        return expected <= size && size - expected < pattern::LEAST;
    }
    size == expected
}

/// Puts a block that may be used again where others are taken from.
///
/// # Safety
/// The block is the front end's, and nobody uses it; the cache is the calling thread's.
#[inline(always)]
unsafe fn release(
    front: &Front,
    shared: Shared<'_>,
    word: &Word,
    cache: Option<&ThreadCache>,
    block: *mut u8,
) {
    let descriptor = slices::find(block.addr());
    // SAFETY: a block that is in no subsegment's free bits keeps its descriptor.
    unsafe {
        let Some(index) = Descriptor::index_of(descriptor, block.addr()) else {
            return;
        };
        let key = Descriptor::key(descriptor, index);
        let class = usize::from((*descriptor).class.load(Ordering::Relaxed));
        let shard = (*descriptor).shard.load(Ordering::Relaxed);
        if let Some(cache) = cache {
            let bin = ThreadCache::bin_of(cache, descriptor);
            if ThreadCache::keep_checked(bin, block, key) {
                return;
            }
            let bin = if cache.is_foreign(shard, class) {
                front.swap_away(shared, cache, class, shard, block.addr())
            } else {
                front.swap_out(shared, cache, class)
            };
            if !bin.is_null() && ThreadCache::keep_checked(bin, block, key) {
                misuse::report_late();
                return;
            }
        }
        front.free(shared, word, class, block, key, shard);
    }
}

/// What `keep_large` did.
pub enum Keep {
    /// The block is free.
    Done,
    /// Nothing: `free` is the next thing to try.
    Not,
    /// Nothing: somebody frees the block at the same time. `tell_freed` is to report it.
    Freed,
}

/// Keeps the large block that starts at `address` for the thread, if it is one, all is well,
/// and there is no time to shut it.
///
/// # Safety
/// The descriptor is what was found for that address. If a block is handed out there, nobody
/// uses it any more. The cache is what the calling thread's word leads its slow paths to.
#[inline(always)]
pub(in crate::heap) unsafe fn keep_large(
    cache: *const ThreadCache,
    descriptor: *mut Descriptor,
    address: *mut u8,
    layout: Option<usize>,
) -> Keep {
    // SAFETY: what was found is readable. Of two frees at once one alone claims the block, and
    // from then on it is this thread's, whose descriptor stays: it may be read without the
    // list's lock. The cache is the thread's or a shared one, which keeps nothing.
    unsafe {
        if (*descriptor).what.load(Ordering::Relaxed) != LARGE {
            return Keep::Not;
        }
        // Before the block is claimed: one that is not kept stays as it is for whoever looks.
        let Some(room) = spare::room(&*cache, descriptor) else {
            return Keep::Not;
        };
        if !LargeList::claim(descriptor, address.addr()) {
            return Keep::Freed;
        }
        let (size, is_whole) = LargeList::size_of(descriptor);
        if !is_whole || layout.is_some_and(|expected| expected != size) {
            LargeList::hand_out(descriptor);
            return Keep::Not;
        }
        spare::keep(room, descriptor);
        Keep::Done
    }
}

/// Reports the block at `address` as freed twice, as [`keep_large`] or its like said of it.
#[cold]
#[inline(never)]
pub(in crate::heap) fn tell_freed(
    operation: &str,
    descriptor: *const Descriptor,
    address: *mut u8,
) {
    // SAFETY: the callers' descriptor came from the slice table, so it is readable for good.
    let size = unsafe { (*descriptor).block_size() };
    misuse::already_free(operation, address.addr(), size);
}

/// # Safety
/// As for [`free`].
#[cold]
#[inline(never)]
unsafe fn free_large(
    word: &Word,
    operation: &str,
    found: &Found,
    address: *mut u8,
    layout: Option<usize>,
) {
    let cache = PROCESS.checked.cache(PROCESS.shared(Kind::Checked), word);
    if cache.is(State::Live) && quarantine::of(cache).is_null() {
        quarantine::make(cache);
    }
    let descriptor = found.descriptor;
    // SAFETY: the caller gives the block up.
    match unsafe { keep_large(cache, descriptor, address, layout) } {
        Keep::Done => return,
        Keep::Freed => return tell_freed(operation, descriptor, address),
        Keep::Not => {}
    }
    let mut large = PROCESS.large.lock();
    // SAFETY: `find` led to the descriptor. The list is locked, so a block that is claimed is in
    // it; who claims one without the lock does not unlink it.
    unsafe {
        if !LargeList::claim(descriptor, address.addr()) {
            drop(large);
            return tell_freed(operation, descriptor, address);
        }
        let (size, is_whole) = LargeList::size_of(descriptor);
        if !is_whole || layout.is_some_and(|expected| expected != size) {
            // A report runs code of others, and is of a block that is handed out.
            LargeList::hand_out(descriptor);
            drop(large);
            if !is_whole {
                overrun(operation, address, size);
            } else {
                misuse::wrong_layout(operation, address.addr(), layout.unwrap_or(size));
            }
            large = PROCESS.large.lock();
            if !LargeList::claim(descriptor, address.addr()) {
                drop(large);
                return tell_freed(operation, descriptor, address);
            }
        }
        large.free(descriptor);
    }
}

/// The bytes that the block at `address` was asked for, up to seven more for some;
/// `None` where that is another heap's, or none. What is wrong is reported, with 0 for
/// what is free.
pub(in crate::heap) fn usable_size(operation: &str, address: *mut u8) -> Option<usize> {
    match place_of(address.addr()) {
        Place::Other => None,
        Place::Free(size) => {
            misuse::already_free(operation, address.addr(), size);
            Some(0)
        }
        Place::Busy(found) if found.is_nothing() => Some(0),
        // SAFETY: the block is handed out, and its list is locked.
        Place::Busy(found) if found.is_large() => unsafe {
            let _large = PROCESS.large.lock();
            Some(LargeList::size_of(found.descriptor).0)
        },
        // SAFETY: the block is handed out.
        Place::Busy(found) => Some(unsafe { size_of(operation, &found, address) }),
    }
}

/// Reports the block at `address` if it was not asked for with `size` bytes, up to
/// `align` less one more. What is no block is no matter of this.
pub(in crate::heap) fn expect_size(operation: &str, address: *mut u8, size: usize, align: usize) {
    let Place::Busy(found) = place_of(address.addr()) else {
        return;
    };
    let Some(has) = usable_size(operation, address) else {
        return;
    };
    let more = if found.mark == BUSY_EXACT {
        align.max(pattern::LEAST)
    } else {
        align.max(1)
    };
    if has < size || has - size >= more {
        misuse::wrong_layout(operation, address.addr(), size);
    }
}
