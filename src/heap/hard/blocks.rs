//! Hardened blocks: what allocating, freeing and resizing do beyond the default heap.

use super::place::{capacity, class_for};
use super::{pattern, quarantine};
use crate::heap::cache::{State, ThreadCache};
use crate::heap::classes;
use crate::heap::descriptor::{BUSY, BUSY_EXACT, BUSY_HARD, Descriptor, Kind, LARGE};
use crate::heap::front::{Front, Shared};
use crate::heap::large::{LargeList, Need};
use crate::heap::word::Word;
use crate::heap::{PROCESS, misuse, nothing, slices};
use crate::report::Stop;
use core::ptr;
use core::sync::atomic::Ordering;

/// A block of the front end's that is handed out.
struct Found {
    descriptor: *mut Descriptor,
    key: *mut u8,
    mark: u8,
}

impl Found {
    fn class(&self) -> usize {
        // SAFETY: the block is handed out, so its descriptor is live.
        usize::from(unsafe { (*self.descriptor).class.load(Ordering::Relaxed) })
    }

    fn is_large(&self) -> bool {
        // SAFETY: as above.
        unsafe { (*self.descriptor).what.load(Ordering::Relaxed) == LARGE }
    }

    /// Whether it is a block of no bytes.
    fn is_nothing(&self) -> bool {
        // SAFETY: as above. A subsegment's `clean` never changes.
        !self.is_large() && unsafe { (*self.descriptor).clean }
    }

    fn set_mark(&self, mark: u8) {
        // SAFETY: a key of a live descriptor.
        unsafe { (*Descriptor::mark_of(self.key)).store(mark, Ordering::Relaxed) };
    }
}

/// What an address is.
enum Place {
    /// A block that is handed out.
    Busy(Found),
    /// One of the front end's that is not.
    Free,
    /// Neither: another heap's block, or none.
    Other,
}

#[inline(always)]
fn place_of(address: usize) -> Place {
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
        if mark & BUSY == 0 {
            return Place::Free;
        }
        Place::Busy(Found {
            descriptor,
            key,
            mark,
        })
    }
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
        return PROCESS.insist(Kind::Checked, word, size, align, &|| {
            PROCESS
                .large
                .lock()
                .allocate(Kind::Checked, size, align, need)
        });
    };
    let shared = PROCESS.shared(Kind::Checked);
    let front = &PROCESS.checked;
    let cache = front.cache(shared, word);
    let mut block = ptr::null_mut();
    if cache.is(State::Live) && !cache.is_diverted() {
        let bin = &raw const *cache.bin(class);
        // SAFETY: the cache is this thread's, and the bin one of its.
        block = unsafe { ThreadCache::pop_hard(bin) };
        if block.is_null() {
            let bin = front.swap_in(shared, cache, class);
            if !bin.is_null() {
                // SAFETY: as above.
                block = unsafe { ThreadCache::pop_hard(bin) };
            }
        }
    }
    if block.is_null() {
        block = PROCESS.insist(Kind::Checked, word, size, align, &|| {
            front.allocate(shared, word, class)
        });
        if block.is_null() {
            return block;
        }
        // SAFETY: a block of the front end's, just taken.
        unsafe { set_mark(block, BUSY_HARD) };
    }
    // SAFETY: a block of the class, just taken.
    unsafe { ready(block, class, size, zero) };
    block
}

/// Checks that nobody has written to a block while it was free, and sets its pattern.
///
/// # Safety
/// The block is one of `class`, taken by the caller, who hands `size` bytes of it out.
#[inline(always)]
unsafe fn ready(block: *mut u8, class: usize, size: usize, zero: bool) {
    let room = capacity(class);
    // SAFETY: the caller's block, of so many bytes.
    unsafe {
        if !pattern::is_wiped(block, room) {
            written_free(block, room);
        }
        set_size(block, class, size);
        if zero && room > pattern::WHOLE {
            block.write_bytes(0, size);
        }
    }
}

/// Notes how many bytes a block is asked for: by its pattern, or, where there is no
/// room for one, by its mark.
///
/// # Safety
/// As for [`ready`].
#[inline(always)]
unsafe fn set_size(block: *mut u8, class: usize, size: usize) {
    let room = capacity(class);
    // SAFETY: the caller's block, whose descriptor is live.
    unsafe {
        if room - size >= pattern::LEAST {
            pattern::write(block, room, size);
            return;
        }
        set_mark(block, BUSY_EXACT);
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
unsafe fn size_of(operation: &str, found: &Found, block: *mut u8) -> usize {
    let room = capacity(found.class());
    if found.mark == BUSY_EXACT {
        return room;
    }
    // SAFETY: a block with a pattern, of so many bytes.
    match unsafe { pattern::read(block, room) } {
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
        Place::Free => {
            misuse::bad_address(operation, address.addr());
            return true;
        }
        Place::Other => return false,
    };
    // SAFETY: the caller gives the block up.
    unsafe {
        if found.is_large() {
            free_large(operation, &found, address, layout);
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
        pattern::wipe(address, capacity(class));
        found.set_mark(0);
        let shared = PROCESS.shared(Kind::Checked);
        let front = &PROCESS.checked;
        let cache = front.cache(shared, word);
        if !cache.is(State::Live) || cache.is_diverted() {
            release(front, shared, word, None, address);
            return true;
        }
        let other = quarantine::exchange(cache, address, classes::size_of(class));
        if !other.is_null() {
            release(front, shared, word, Some(cache), other);
        }
    }
    true
}

/// Whether a block of `size` bytes may be one of `expected`.
fn is_size(found: &Found, size: usize, expected: usize) -> bool {
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

/// # Safety
/// As for [`free`].
#[cold]
#[inline(never)]
unsafe fn free_large(operation: &str, found: &Found, address: *mut u8, layout: Option<usize>) {
    let mut large = PROCESS.large.lock();
    // SAFETY: `find` led to the descriptor. The list is locked.
    unsafe {
        // Of two frees at once only one finds the block as it was.
        if !LargeList::is_block(found.descriptor, address.addr()) {
            drop(large);
            return misuse::bad_address(operation, address.addr());
        }
        let (size, is_whole) = LargeList::size_of(found.descriptor);
        if !is_whole || layout.is_some_and(|expected| expected != size) {
            // A report runs code of others.
            drop(large);
            if !is_whole {
                overrun(operation, address, size);
            } else {
                misuse::wrong_layout(operation, address.addr(), layout.unwrap_or(size));
            }
            large = PROCESS.large.lock();
            if !LargeList::is_block(found.descriptor, address.addr()) {
                return;
            }
        }
        large.free(found.descriptor);
    }
}

/// The bytes that the block at `address` was asked for, up to seven more for some;
/// `None` where that is another heap's, or none. What is wrong is reported, with 0 for
/// what is free.
pub(in crate::heap) fn usable_size(operation: &str, address: *mut u8) -> Option<usize> {
    match place_of(address.addr()) {
        Place::Other => None,
        Place::Free => {
            misuse::bad_address(operation, address.addr());
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

/// Resizes the block at `address` to `size` bytes, at a multiple of `align`: `Some` of
/// null, and the block as it was, when the system has nothing to give; `None` where the
/// address is another heap's block, or none. What is wrong is reported.
///
/// # Safety
/// As for [`free`]; the old block is used no more unless null is returned.
pub(in crate::heap) unsafe fn reallocate(
    word: &Word,
    operation: &str,
    address: *mut u8,
    size: usize,
    align: usize,
    layout: Option<usize>,
) -> Option<*mut u8> {
    let found = match place_of(address.addr()) {
        Place::Busy(found) => found,
        Place::Free => {
            misuse::bad_address(operation, address.addr());
            return Some(ptr::null_mut());
        }
        Place::Other => return None,
    };
    let old = usable_size(operation, address)?;
    // SAFETY: the caller's block; the new one is distinct and large enough for what
    // both hold.
    unsafe {
        let class = class_for(size, align);
        if found.is_large() && class.is_none() && align <= crate::vm::page_size() {
            let resized = resize_large(operation, &found, address, size);
            if !resized.is_null() {
                return Some(resized);
            }
        } else if !found.is_large() && !found.is_nothing() && class == Some(found.class()) {
            let is_expected = layout.is_none_or(|expected| is_size(&found, old, expected));
            if !is_expected {
                misuse::wrong_layout(operation, address.addr(), layout.unwrap_or(old));
            }
            if found.mark != BUSY_EXACT {
                pattern::erase(address, capacity(found.class()), old);
            }
            found.set_mark(BUSY_HARD);
            set_size(address, found.class(), size);
            return Some(address);
        }
        let new = allocate(word, size, align, false);
        if !new.is_null() {
            new.copy_from_nonoverlapping(address, old.min(size));
            free(word, operation, address, layout);
        }
        Some(new)
    }
}

/// # Safety
/// As for [`reallocate`]; `found` is a large block.
unsafe fn resize_large(operation: &str, found: &Found, address: *mut u8, size: usize) -> *mut u8 {
    let mut large = PROCESS.large.lock();
    // SAFETY: as in `free_large`.
    unsafe {
        if !LargeList::is_block(found.descriptor, address.addr()) {
            return ptr::null_mut();
        }
        if !LargeList::size_of(found.descriptor).1 {
            // Where it lies now, it is moved from, and freed: told of there.
            drop(large);
            let _ = operation;
            return ptr::null_mut();
        }
        large.resize(found.descriptor, size)
    }
}
