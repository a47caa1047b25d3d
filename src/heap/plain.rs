//! The entrance for callers that know a block's Layout: Rust's.
//!
//! The class follows from the Layout alone, so a free looks nothing up. That
//! also means that a wrong Layout or a second free cannot be seen here; the
//! free bits see a second free when the block returns to its subsegment.

use super::bin::Bin;
use super::cache::{BIN, ThreadCache};
use super::classes;
use super::counted;
#[cfg(feature = "debug")]
use super::counted::Counted;
#[cfg(feature = "debug")]
use super::debug;
use super::descriptor::{Descriptor, Kind};
#[cfg(feature = "hardened")]
use super::hard;
use super::large::LargeList;
use super::word::Word;
use super::{PROCESS, misuse, slices};
use crate::config::Config;
use crate::sys::{KEEPS_LOW, LOW};
use core::alloc::Layout;
use core::mem::offset_of;
use core::sync::atomic::{AtomicUsize, Ordering};

// A linear size, rounded up, is its bin's offset.
const _: () = assert!(BIN == 16);

/// Where in a cache the bin for a layout lies if its class is a linear one:
/// sizes are multiples of 16 there, so one that is rounded to a multiple of the
/// alignment is a class whose blocks are so aligned. More than
/// [`classes::MAX_LINEAR_SIZE`] if the class is not a linear one.
#[inline(always)]
pub(super) fn linear_offset(size: usize, align: usize) -> usize {
    let mask = (align - 1) | (BIN - 1);
    (size + mask) & !mask
}

/// Where in a cache the bin for a layout lies; if no class serves it, where the bin lies
/// that is always empty and full.
#[inline(always)]
pub fn bin_offset(layout: Layout) -> usize {
    classes::offset_of(layout.size(), layout.align())
}

/// Whether an address is none of the front end's own, but may be a sampled block's: those
/// alone lie below [`LOW`], or, where nobody has low addresses to himself, start 8 bytes
/// beside a multiple of 16. A comparison with a constant costs no load.
#[inline(always)]
pub(super) fn is_alien(block: *mut u8) -> bool {
    // By a branch of its own: the compiler would compute this and another condition without
    // branches, which takes twice the instructions.
    #[cfg(all(target_arch = "x86_64", not(ntheap_portable)))]
    // SAFETY: looks at a number.
    unsafe {
        if KEEPS_LOW {
            core::arch::asm!(
                "cmp {block}, {last}",
                "jbe {alien}",
                block = in(reg) block.addr(),
                last = const LOW - 1,
                alien = label { return true; },
                options(nomem, nostack),
            );
        } else {
            core::arch::asm!(
                "test {block:l}, 8",
                "jne {alien}",
                block = in(reg) block.addr(),
                alien = label { return true; },
                options(nomem, nostack),
            );
        }
        false
    }
    #[cfg(not(all(target_arch = "x86_64", not(ntheap_portable))))]
    if KEEPS_LOW {
        block.addr() < LOW
    } else {
        block.addr() & 8 != 0
    }
}

/// Takes a block out of the thread's bins; null when its bin has none, or no class serves
/// the layout.
///
/// # Safety
/// `cache_at` gives the address of what lies so many bytes into the cache that
/// the calling thread's word for plain front ends leads to.
#[inline(always)]
pub unsafe fn take(cache_at: impl Fn(usize) -> *const u8, layout: Layout) -> *mut u8 {
    // SAFETY: the cache is this thread's or a shared one, and the offset is a bin's.
    unsafe { ThreadCache::pop::<false>(cache_at(bin_offset(layout)).cast()) }
}

/// Gives a block to the bin `offset` bytes into the row of bins that a word leads to; false,
/// and nothing done, when the bin is full or the block is none of the front end's own.
///
/// # Safety
/// The word is the calling thread's, `offset` is a bin's, and the caller gives up a block of
/// its class.
#[inline(always)]
pub unsafe fn push(word: &Word, offset: usize, block: *mut u8) -> bool {
    // SAFETY: the bin is this thread's or a shared one; the block is the caller's.
    !is_alien(block) && unsafe { Bin::push(word.row_at(offset), block) }
}

// What a word's `push_at` knows of `push`: the last address of a block that is not the front
// end's own, whether one is told by that, and where in a bin its words lie.
#[doc(hidden)]
pub const LAST_LOW: usize = LOW - 1;
#[doc(hidden)]
pub const TELLS_BY_LOW: bool = KEEPS_LOW;
#[doc(hidden)]
pub const TOP: usize = offset_of!(Bin, top);
#[doc(hidden)]
pub const LIMIT: usize = offset_of!(Bin, limit);

/// Allocates; null when the system has nothing to give.
///
/// # Safety
/// `word` is the calling thread's word for plain front ends.
#[inline]
pub unsafe fn allocate(word: &Word, config: &Config, layout: Layout) -> *mut u8 {
    // SAFETY: the caller's promise is the callee's.
    let block = unsafe { take(|offset| word.bin_at(offset).cast(), layout) };
    if block.is_null() {
        return allocate_none(word, config, layout);
    }
    block
}

/// [`allocate`] for when [`take`] had no block.
#[cold]
#[inline(never)]
pub fn allocate_none(word: &Word, config: &Config, layout: Layout) -> *mut u8 {
    #[cfg(feature = "debug")]
    if counted::is_on() {
        return allocate_counted(word, config, layout);
    }
    refill(word, config, layout)
}

/// [`allocate_none`] where no allocation is counted: a function of its own, so that the other
/// way has nothing to save.
#[inline(never)]
fn refill(word: &Word, config: &Config, layout: Layout) -> *mut u8 {
    if let Some(class) = classes::class_for(layout.size(), layout.align()) {
        // SAFETY: a word leads to a cache, since there are no screens, and caches are never
        // unmapped.
        let cache = unsafe { &*word.cache() };
        let shared = PROCESS.shared(Kind::Plain);
        let bin = PROCESS.plain.swap_in(shared, cache, class);
        if !bin.is_null() {
            // SAFETY: a bin of this thread's cache.
            let block = unsafe { ThreadCache::pop::<false>(bin) };
            if !block.is_null() {
                return block;
            }
        }
    }
    allocate_slow(word, config, layout)
}

/// [`allocate`] where every allocation is counted: from a bin behind the screen.
#[cfg(feature = "debug")]
#[inline(never)]
fn allocate_counted(word: &Word, config: &Config, layout: Layout) -> *mut u8 {
    let (size, align) = (layout.size(), layout.align());
    let offset = linear_offset(size, align);
    // SAFETY: a word leads to its thread's cache or a shared one, and caches are never
    // unmapped. A rounded linear size is its bin's offset.
    unsafe {
        let cache = &*word.own();
        match counted::take::<false>(cache, offset) {
            Counted::Block(block) => block,
            Counted::Due(block) => counted::look::<false>(cache, block, size, offset / BIN),
            Counted::Nothing => allocate_counted_rest(word, cache, config, layout),
        }
    }
}

/// [`allocate_counted`] of a larger block, or where the bin is empty. The cache is the
/// thread's.
#[cfg(feature = "debug")]
#[inline(never)]
fn allocate_counted_rest(
    word: &Word,
    cache: &ThreadCache,
    config: &Config,
    layout: Layout,
) -> *mut u8 {
    if let Some(class) = classes::class_for(layout.size(), layout.align()) {
        // SAFETY: the bins are the thread's, or closed.
        unsafe {
            match counted::take_any::<false>(cache, class) {
                Counted::Block(block) => return block,
                Counted::Due(block) => {
                    return counted::look::<false>(cache, block, layout.size(), class);
                }
                Counted::Nothing => {}
            }
            let shared = PROCESS.shared(Kind::Plain);
            let bin = PROCESS.plain.swap_in(shared, cache, class);
            if !bin.is_null() {
                let block = ThreadCache::pop::<false>(bin);
                if !block.is_null() {
                    counted::took::<false>(cache, block, layout.size(), classes::size_of(class));
                    return block;
                }
            }
        }
    }
    allocate_slow(word, config, layout)
}

#[cold]
#[inline(never)]
fn allocate_slow(word: &Word, config: &Config, layout: Layout) -> *mut u8 {
    if !PROCESS.serves_plain(config) {
        return allocate_otherwise(word, config, layout, false);
    }
    PROCESS.allocate(Kind::Plain, word, layout.size(), layout.align(), false)
}

/// What serves in the front end's place: nothing, where there is no memory to
/// begin with.
#[cold]
#[inline(never)]
fn allocate_otherwise(word: &Word, config: &Config, layout: Layout, zero: bool) -> *mut u8 {
    #[cfg(feature = "hardened")]
    {
        if !PROCESS.is_ready(config) {
            return core::ptr::null_mut();
        }
        if hard::is_on() {
            return hard::allocate(word, layout.size(), layout.align(), zero);
        }
    }
    #[cfg(feature = "debug")]
    return super::layout::allocate(word, config, layout, zero);
    #[cfg(all(feature = "hardened", not(feature = "debug")))]
    return PROCESS.allocate(Kind::Plain, word, layout.size(), layout.align(), zero);
    #[cfg(not(any(feature = "debug", feature = "hardened")))]
    {
        let _ = (word, config, layout, zero);
        core::ptr::null_mut()
    }
}

/// Frees a block of a hardened heap, and reports what is none.
///
/// # Safety
/// As for [`free`].
#[cfg(feature = "hardened")]
#[cold]
#[inline(never)]
pub(super) unsafe fn free_hardened(word: &Word, block: *mut u8, layout: Layout) {
    // SAFETY: the caller's promise.
    if !unsafe { hard::free(word, "dealloc", block, Some(layout.size())) } {
        misuse::bad_address("dealloc", block.addr());
    }
}

/// Resizes a block of a hardened heap, and reports what is none.
///
/// # Safety
/// As for [`reallocate`].
#[cfg(feature = "hardened")]
#[cold]
#[inline(never)]
pub(super) unsafe fn reallocate_hardened(
    word: &Word,
    block: *mut u8,
    layout: Layout,
    size: usize,
) -> *mut u8 {
    if Layout::from_size_align(size, layout.align()).is_err() {
        return core::ptr::null_mut();
    }
    let (old, align) = (Some(layout.size()), layout.align());
    // SAFETY: the caller's promise.
    let new = unsafe { hard::reallocate(word, "realloc", block, size, align, old) };
    new.unwrap_or_else(|| {
        misuse::bad_address("realloc", block.addr());
        core::ptr::null_mut()
    })
}

/// Allocates zeroed memory; null when the system has nothing to give. Fresh
/// pages are known to be zero and not cleared again.
///
/// # Safety
/// As for [`allocate`].
#[inline]
pub unsafe fn allocate_zeroed(word: &Word, config: &Config, layout: Layout) -> *mut u8 {
    if layout.size() <= classes::MAX_BUCKET_SIZE {
        // SAFETY: the caller's promise is the callee's.
        let block = unsafe { allocate(word, config, layout) };
        if !block.is_null() {
            // SAFETY: the block holds the layout's size.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        return block;
    }
    if !PROCESS.serves_plain(config) {
        return allocate_otherwise(word, config, layout, true);
    }
    PROCESS.allocate(Kind::Plain, word, layout.size(), layout.align(), true)
}

/// Frees a block.
///
/// # Safety
/// `word` is the calling thread's word for plain front ends; `block` was
/// allocated here with this layout and nobody uses it any more.
#[inline]
pub unsafe fn free(word: &Word, block: *mut u8, layout: Layout) {
    // SAFETY: the caller's promise is the callees'.
    unsafe {
        if !push(word, bin_offset(layout), block) {
            free_rest(word, block, layout);
        }
    }
}

/// [`free`] for when [`push`] did nothing.
///
/// # Safety
/// As for [`free`].
#[inline]
pub unsafe fn free_rest(word: &Word, block: *mut u8, layout: Layout) {
    // SAFETY: the caller's promise is the callees'; the block is of the class that its
    // layout says.
    unsafe {
        if let Some(class) = classes::class_for(layout.size(), layout.align())
            && !is_alien(block)
        {
            return free_slow(word, class, block, layout);
        }
        free_large(word, block, layout);
    }
}

/// # Safety
/// As for [`free`]; the block is of `class`.
#[cold]
#[inline(never)]
unsafe fn free_slow(word: &Word, class: usize, block: *mut u8, layout: Layout) {
    // SAFETY: the caller's promise is the callees'.
    unsafe {
        if !swap_and_push(word, class, block) {
            if is_freed_otherwise(word, block, layout) {
                return;
            }
            let shared = PROCESS.shared(Kind::Plain);
            let key = core::ptr::null_mut();
            PROCESS.plain.free(shared, word, class, block, key, 0);
        }
    }
}

/// Whether the block is another's than the front end's; then it is freed.
///
/// # Safety
/// As for [`free`].
#[inline(always)]
unsafe fn is_freed_otherwise(word: &Word, block: *mut u8, layout: Layout) -> bool {
    #[cfg(feature = "hardened")]
    if hard::is_on() {
        // SAFETY: the caller's promise.
        unsafe { free_hardened(word, block, layout) };
        return true;
    }
    let _ = word;
    #[cfg(feature = "debug")]
    // SAFETY: the caller's promise.
    return unsafe { super::layout::free(block, layout) };
    #[cfg(not(feature = "debug"))]
    {
        let _ = (block, layout);
        false
    }
}

/// Makes room in the block's bin and puts it there; false if there is more to
/// do.
///
/// # Safety
/// As for [`free`]; the block is of `class`.
unsafe fn swap_and_push(word: &Word, class: usize, block: *mut u8) -> bool {
    // SAFETY: a word's row is the start of a cache, and caches are never unmapped; the
    // block is the caller's.
    let done = unsafe {
        let cache = &*word.freed_to();
        let shared = PROCESS.shared(Kind::Plain);
        let bin = PROCESS.plain.swap_out(shared, cache, class);
        !bin.is_null() && Bin::push(bin, block)
    };
    misuse::report_late();
    done
}

/// Frees a block that no class has; whatever is no such block is reported.
///
/// # Safety
/// If the address is a block's, nobody uses the block any more.
#[inline(never)]
unsafe fn free_large(word: &Word, block: *mut u8, layout: Layout) {
    #[cfg(feature = "hardened")]
    if hard::is_on() {
        // SAFETY: the caller's promise.
        return unsafe { free_hardened(word, block, layout) };
    }
    let descriptor = slices::find(block.addr());
    // SAFETY: `find` leads to a readable descriptor; one that says large and
    // starts here is the block's, which is the caller's.
    unsafe {
        counted::freed(&raw const block, 1);
        let mut large = PROCESS.large.lock();
        if LargeList::is_block(descriptor, block.addr()) {
            return large.free(descriptor);
        }
    }
    #[cfg(feature = "debug")]
    if debug::has_block(block) {
        // SAFETY: the caller's promise is the callee's.
        return unsafe { debug::free("dealloc", block) };
    }
    // SAFETY: the caller's promise.
    if !unsafe { is_freed_otherwise(word, block, layout) } {
        misuse::bad_address("dealloc", block.addr());
    }
}

/// Resizes a block; null, and the block as it was, when the system has
/// nothing to give. Within a class nothing moves; large blocks move by their
/// pages, without copying.
///
/// # Safety
/// As for [`free`], and `size` is not 0; the old block is used no more unless
/// null is returned.
#[inline]
pub unsafe fn reallocate(
    word: &Word,
    config: &Config,
    block: *mut u8,
    layout: Layout,
    size: usize,
) -> *mut u8 {
    if size > RESIZED_AT_ONCE.load(Ordering::Relaxed) {
        // SAFETY: the caller's promise is the callee's.
        return unsafe { reallocate_rarely(word, config, block, layout, size) };
    }
    // SAFETY: a Layout's alignment is at most half of the largest size, and this size at most
    // a quarter of it: rounded up to the alignment it is one that a Layout may have.
    let new_layout = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
    // SAFETY: the caller's promise is the callee's.
    unsafe { reallocate_own(word, config, block, layout, new_layout) }
}

/// Bytes up to which a Layout may have them whatever its alignment.
const ANY_ALIGN: usize = isize::MAX as usize / 4;

/// As many, while no block can be other than the front end's own, which a resizing then need
/// not ask for; else 0. Whatever features there are: it costs nothing that nobody looks.
static RESIZED_AT_ONCE: AtomicUsize =
    AtomicUsize::new(if cfg!(any(feature = "debug", feature = "hardened")) {
        0
    } else {
        ANY_ALIGN
    });

/// From here on all blocks are the front end's own: it serves, and nothing is sampled.
#[cfg(any(feature = "debug", feature = "hardened"))]
pub(super) fn resize_at_once() {
    RESIZED_AT_ONCE.store(ANY_ALIGN, Ordering::Relaxed);
}

/// [`reallocate`] to a size that a Layout may not have, or of a block that may be another's.
///
/// # Safety
/// As for [`reallocate`].
#[cold]
#[inline(never)]
unsafe fn reallocate_rarely(
    word: &Word,
    config: &Config,
    block: *mut u8,
    layout: Layout,
    size: usize,
) -> *mut u8 {
    #[cfg(any(feature = "debug", feature = "hardened"))]
    if !PROCESS.serves_plain(config) {
        #[cfg(feature = "hardened")]
        if hard::is_on() {
            // SAFETY: the caller's promise.
            return unsafe { reallocate_hardened(word, block, layout, size) };
        }
        #[cfg(feature = "debug")]
        // SAFETY: the caller's promise.
        return unsafe { super::layout::reallocate(word, config, block, layout, size, free) };
    }
    let Ok(new_layout) = Layout::from_size_align(size, layout.align()) else {
        return core::ptr::null_mut();
    };
    #[cfg(feature = "debug")]
    if is_alien(block) {
        // SAFETY: the caller's block and its layout.
        return unsafe { move_alien(word, config, block, new_layout) };
    }
    // SAFETY: the caller's promise is the callee's.
    unsafe { reallocate_own(word, config, block, layout, new_layout) }
}

/// [`reallocate`] of a block of the front end's.
///
/// # Safety
/// As for [`reallocate`].
#[inline(always)]
unsafe fn reallocate_own(
    word: &Word,
    config: &Config,
    block: *mut u8,
    layout: Layout,
    new_layout: Layout,
) -> *mut u8 {
    let size = new_layout.size();
    let old_bin = bin_offset(layout);
    if old_bin == bin_offset(new_layout) {
        if old_bin != 0 {
            return block;
        }
        let descriptor = slices::find(block.addr());
        // SAFETY: a layout without a bin has a large block, whose own slice
        // entry leads to its descriptor.
        let resized = unsafe {
            let to = (size, layout.align());
            PROCESS.resize_large(Kind::Plain, word, descriptor, block, to)
        };
        if !resized.is_null() {
            return resized;
        }
        // SAFETY: the caller's block and its layout.
        return unsafe { move_large(word, config, block, layout, new_layout) };
    }
    // SAFETY: the caller's block and its layout.
    unsafe { move_block(word, config, block, layout, new_layout) }
}

/// Moves a guarded or sampled block to one of `new_layout`; null, and nothing done,
/// when the system has nothing to give.
///
/// # Safety
/// As for [`reallocate`].
#[cfg(feature = "debug")]
#[cold]
#[inline(never)]
unsafe fn move_alien(word: &Word, config: &Config, block: *mut u8, new_layout: Layout) -> *mut u8 {
    if !debug::has_block(block) {
        misuse::bad_address("realloc", block.addr());
        return core::ptr::null_mut();
    }
    // SAFETY: the caller's promise is the callees'.
    unsafe {
        debug::reallocate("realloc", block, new_layout.size(), || {
            allocate(word, config, new_layout)
        })
    }
}

/// Moves a block of `layout` to one of `new_layout`, whose class is another;
/// null, and nothing done, when the system has nothing to give.
///
/// # Safety
/// As for [`reallocate`].
#[inline(never)]
unsafe fn move_block(
    word: &Word,
    config: &Config,
    block: *mut u8,
    layout: Layout,
    new_layout: Layout,
) -> *mut u8 {
    let (size, align) = (new_layout.size(), new_layout.align());
    // SAFETY: the caller's block; the new one is distinct and large enough
    // for what both hold.
    unsafe {
        let mut new = core::ptr::null_mut();
        if bin_offset(new_layout) == 0 && bin_offset(layout) != 0 {
            new = PROCESS.allocate_growing(Kind::Plain, word, size, align);
        }
        if new.is_null() {
            new = allocate(word, config, new_layout);
        }
        if !new.is_null() {
            new.copy_from_nonoverlapping(block, layout.size().min(size));
            free(word, block, layout);
        }
        new
    }
}

/// [`move_block`] of a large block that could not be resized, to another large one; where it
/// lies after all, if there is room for that alone.
///
/// # Safety
/// As for [`reallocate`].
#[cold]
#[inline(never)]
unsafe fn move_large(
    word: &Word,
    config: &Config,
    block: *mut u8,
    layout: Layout,
    new_layout: Layout,
) -> *mut u8 {
    // SAFETY: the caller's block and its layout, which are as they were where nothing moved.
    unsafe {
        let moved = move_block(word, config, block, layout, new_layout);
        if moved.is_null() {
            let to = (new_layout.size(), new_layout.align());
            return PROCESS.resize_large_again(Kind::Plain, word, block, to);
        }
        moved
    }
}

/// Resizes a large block without copying; null when that cannot be done.
///
/// # Safety
/// `descriptor` came from [`slices::find`] for `block`, which is the caller's.
pub(super) unsafe fn resize_large(
    descriptor: *mut Descriptor,
    block: *mut u8,
    size: usize,
    align: usize,
) -> *mut u8 {
    let mut large = PROCESS.large.lock();
    // SAFETY: `find` leads to a readable descriptor, which the list's lock
    // keeps as it is.
    unsafe {
        if !LargeList::is_block(descriptor, block.addr()) || align > crate::vm::page_size() {
            return core::ptr::null_mut();
        }
        large.resize(descriptor, size)
    }
}

/// Gives back to the system all that is free. See [`crate::purge`].
pub fn purge(word: &Word) {
    PROCESS.purge(Kind::Plain, word);
}

/// The thread's end.
pub(super) unsafe extern "C" fn thread_exit(cache: *mut u8) {
    // SAFETY: the hook was set with this thread's cache.
    unsafe {
        PROCESS
            .plain
            .retire(PROCESS.shared(Kind::Plain), cache.cast())
    }
}
