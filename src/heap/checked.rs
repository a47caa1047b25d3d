//! The entrance for callers that know only a block's address: C's.
//!
//! Every block has a mark beside its subsegment. It is set while the block is
//! handed out; a free that does not find it set, or finds no block that
//! starts at the address, is reported at that very call.

#[cfg(feature = "debug")]
mod counting;
#[cfg(feature = "hardened")]
mod hardened;
mod resize;

use super::cache::{BIN, Marked, Push, ThreadCache};
use super::classes::{self, MAX_CLASS_SIZE, MAX_LINEAR_SIZE};
use super::counted;
#[cfg(feature = "debug")]
pub use super::counted::Counted;
#[cfg(feature = "debug")]
use super::debug;
#[cfg(feature = "debug")]
pub use super::debug::registry::Family;
#[cfg(feature = "debug")]
use super::descriptor::NOTED;
use super::descriptor::{BUSY, Descriptor, Kind, LARGE, is_busy};
#[cfg(feature = "hardened")]
use super::hard::{self, Put, Taken};
use super::large::LargeList;
use super::word::Word;
use super::{PROCESS, misuse, plain, private, slices};
use crate::config::Config;
use crate::trace::{self, Argument};
use core::alloc::Layout;
use core::ptr;
use core::sync::atomic::Ordering;

/// Options of a process whose allocator is not chosen in Rust: the defaults,
/// and the environment over them. A static has a name, by which it lies with what a
/// process's first calls read.
static CONFIG: Config = Config::new();

/// The offset in a thread's row of the bin for `size` bytes, if that takes
/// no table to tell.
#[inline(always)]
pub fn linear_offset(size: usize) -> Option<usize> {
    (size <= MAX_LINEAR_SIZE).then_some(size.wrapping_add(15) & !15)
}

/// The offset in a thread's cache of the bin for `size` bytes, more than have a
/// [`linear_offset`], if a class has blocks of that size.
#[inline(always)]
pub fn bin_offset(size: usize) -> Option<usize> {
    (size <= MAX_CLASS_SIZE).then(|| classes::class_of(size) * BIN)
}

/// Whether the heap is hardened.
#[inline(always)]
fn is_hard() -> bool {
    #[cfg(feature = "hardened")]
    return hard::is_on();
    #[cfg(not(feature = "hardened"))]
    false
}

/// Takes a block from the bin at `place`; null when it has none.
///
/// # Safety
/// `place` lies a [`linear_offset`] into the calling thread's row, or a
/// [`bin_offset`] into its cache.
#[inline(always)]
pub unsafe fn take_from(place: *const u8) -> *mut u8 {
    // SAFETY: the caller's place is a bin's.
    unsafe { ThreadCache::pop::<true>(place.cast()) }
}

/// Allocates `size` bytes at a multiple of 16; null when the system has
/// nothing to give. A size of 0 gives a block of its own.
///
/// # Safety
/// `word` is the calling thread's word for checked front ends.
#[inline]
pub unsafe fn allocate(word: &Word, size: usize) -> *mut u8 {
    if let Some(offset) = linear_offset(size) {
        // SAFETY: the word leads to this thread's cache or a shared one.
        let block = unsafe { take_from(word.row_at(offset).cast()) };
        if !block.is_null() {
            return block;
        }
        return allocate_rest(word, size);
    }
    allocate_sized(word, size)
}

#[inline(never)]
fn allocate_sized(word: &Word, size: usize) -> *mut u8 {
    if let Some(offset) = bin_offset(size) {
        // SAFETY: as in `allocate`.
        let block = unsafe { take_from(ThreadCache::bin_at(word.cache(), offset).cast()) };
        if !block.is_null() {
            return block;
        }
    }
    allocate_rest(word, size)
}

/// [`allocate_swap`], whichever way it is.
#[inline(always)]
fn allocate_rest(word: &Word, size: usize) -> *mut u8 {
    #[cfg(feature = "debug")]
    if counted::is_on() {
        return counting::allocate(word, size);
    }
    allocate_swap(word, size)
}

/// A block of the heap that serves malloc, if [`serve_from`] named one and it has
/// one at hand; else null, and [`allocate_swap`] is the way.
#[cfg(feature = "crt")]
#[inline(always)]
pub fn at_hand(size: usize) -> *mut u8 {
    private::met::at_hand(size)
}

/// Whether [`at_hand`] may have something.
#[cfg(feature = "crt")]
#[inline(always)]
pub fn is_served() -> bool {
    private::met::is_served()
}

/// Frees a block of the heap that serves malloc, if there is one and the calling
/// thread has room for it; false, and nothing done, otherwise.
///
/// # Safety
/// As for [`free`].
#[cfg(feature = "crt")]
#[inline(always)]
pub unsafe fn free_at_hand(address: *mut u8) -> bool {
    // SAFETY: the caller's promise is the callee's.
    unsafe { private::met::free_at_hand(address) }
}

/// [`allocate`] for when the bin had no block, where not every allocation is counted.
#[inline(never)]
pub fn allocate_swap(word: &Word, size: usize) -> *mut u8 {
    if private::met::serves_malloc() {
        return allocate_slow(word, size, 16, false);
    }
    // One comparison for both: no class has 0 bytes here.
    if size.wrapping_sub(1) < MAX_CLASS_SIZE {
        let class = classes::class_of(size);
        // SAFETY: a word leads to its thread's cache or a shared one: there are no screens.
        unsafe {
            let cache = &*word.cache();
            let shared = PROCESS.shared(Kind::Checked);
            let bin = PROCESS.checked.swap_in(shared, cache, class);
            if !bin.is_null() {
                let block = ThreadCache::pop::<true>(bin);
                if !block.is_null() {
                    return block;
                }
            }
        }
    }
    allocate_slow(word, size, 16, false)
}

#[cfg(feature = "debug")]
pub use counting::{allocate_counted, note_counted, take_counted, take_counted_any};

#[cfg(feature = "hardened")]
pub use hardened::{free_large, free_larger, free_marked, take_larger, tell_freed, tell_written};

/// Whether the heap is hardened, and no block ever at hand.
#[cfg(feature = "hardened")]
#[inline(always)]
pub fn is_hardened() -> bool {
    hard::is_on()
}

/// [`allocate`] in a hardened heap, from what is at hand there.
///
/// # Safety
/// `cache` is the calling thread's [`Word::own`].
#[cfg(feature = "hardened")]
#[inline(always)]
pub unsafe fn take_hardened(cache: *const ThreadCache, size: usize) -> Taken {
    // SAFETY: the caller's promise.
    unsafe { hard::take(cache, size) }
}

/// [`allocate_aligned`] in a hardened heap; null, and [`allocate_slow`] is the way, when the
/// system has nothing to give.
#[cfg(feature = "hardened")]
#[inline(always)]
pub fn allocate_larger(word: &Word, size: usize, align: usize) -> *mut u8 {
    hard::allocate(word, size, align, false)
}

/// Allocates in a hardened heap.
#[cfg(feature = "hardened")]
fn allocate_hardened(word: &Word, size: usize, align: usize, zero: bool) -> *mut u8 {
    loop {
        let block = hard::allocate(word, size, align, zero);
        if !block.is_null() || !private::met::tries_again(size) {
            return block;
        }
    }
}

/// Frees the block that starts at `address`, not null, in a hardened heap. Whatever is
/// no such block is reported.
///
/// # Safety
/// As for [`free`].
#[cfg(feature = "hardened")]
#[inline(never)]
unsafe fn free_hardened(word: &Word, address: *mut u8) {
    // SAFETY: the caller's promise is the callees'.
    unsafe {
        if !hard::free(word, "free", address, None) {
            free_other(address);
        }
    }
}

#[cfg(any(feature = "debug", feature = "hardened"))]
pub use super::way::{WAY, Way, way};
pub use resize::reallocate;

/// Reports the block that starts at `address` if it was not asked for with `size` bytes,
/// or with so many rounded up to a multiple of `align`, in a hardened heap. Another
/// heap's block, or none, is no matter of this.
#[cfg(feature = "hardened")]
#[cold]
#[inline(never)]
pub fn expect_size(operation: &str, address: *mut u8, size: usize, align: usize) {
    if is_hard() {
        hard::expect_size(operation, address, size, align);
    }
}

/// [`allocate`] at a multiple of `align`, a power of two, zeroed if `zero`, for
/// when the bin had no block.
#[cold]
#[inline(never)]
pub fn allocate_slow(word: &Word, size: usize, align: usize, zero: bool) -> *mut u8 {
    #[cfg(feature = "hardened")]
    if hard::is_on() {
        return allocate_hardened(word, size, align, zero);
    }
    loop {
        // Ready first: that may be what makes another heap serve.
        let block = if !PROCESS.is_ready(&CONFIG) {
            ptr::null_mut()
        } else if is_hard() {
            #[cfg(feature = "hardened")]
            return allocate_hardened(word, size, align, zero);
            #[cfg(not(feature = "hardened"))]
            ptr::null_mut()
        } else {
            allocate_unasked::<0>(word, size, align, zero)
        };
        if !block.is_null() || !private::met::tries_again(size) {
            return block;
        }
    }
}

/// [`allocate_slow`], but nobody is asked when there is no memory. The heap is ready, and not
/// hardened. Each caller has a number, and so an instance of what is traced here: one for both
/// would lie with neither, on a page more that every process touches.
#[inline(always)]
fn allocate_unasked<const CALLER: u8>(
    word: &Word,
    size: usize,
    align: usize,
    zero: bool,
) -> *mut u8 {
    if private::met::serves_malloc() {
        return private::met::allocate(size, align, zero);
    }
    let arguments = || {
        [
            Argument::new(c"heap", 0),
            Argument::new(c"flags", u64::from(zero) * 8),
            Argument::new(c"size", size as u64),
        ]
    };
    trace::during(c"RtlAllocateHeap", arguments, || {
        let block = if size == 0 && align <= 16 {
            allocate_nothing()
        } else {
            ptr::null_mut()
        };
        if !block.is_null() {
            return block;
        }
        PROCESS.allocate(Kind::Checked, word, size, align, zero)
    })
}

/// A block of no bytes; null where there is none, and one of a few bytes must do.
#[inline(always)]
fn allocate_nothing() -> *mut u8 {
    #[cfg(feature = "hardened")]
    return super::nothing::allocate();
    #[cfg(not(feature = "hardened"))]
    ptr::null_mut()
}

/// Serves malloc from `heap` from here on: its blocks are of exact sizes, are
/// walked with the heap's, and are known by its handle. Blocks of before are
/// still freed and resized. Every call is a slow one then.
///
/// # Safety
/// `word` is the calling thread's word for checked front ends; the heap is
/// serialized and never destroyed.
#[cfg(feature = "crt")]
pub unsafe fn serve_from(word: &Word, heap: private::Handle) {
    private::met::serve_malloc(heap);
    let diversion = super::Diversion { everything: true };
    // SAFETY: the caller's promise.
    unsafe { super::divert(Kind::Checked, word, &CONFIG, diversion) };
}

/// Allocates `size` zeroed bytes; null when the system has nothing to give.
///
/// # Safety
/// As for [`allocate`].
#[inline]
pub unsafe fn allocate_zeroed(word: &Word, size: usize) -> *mut u8 {
    if size <= classes::MAX_BUCKET_SIZE {
        let mut block = ptr::null_mut();
        if let Some(offset) = linear_offset(size) {
            // SAFETY: as in `allocate`.
            block = unsafe { take_from(word.row_at(offset).cast()) };
        }
        if block.is_null() {
            return allocate_zeroed_rest(word, size);
        }
        // SAFETY: the block holds `size` bytes.
        unsafe { block.write_bytes(0, size) };
        return block;
    }
    allocate_slow(word, size, 16, true)
}

/// [`allocate_zeroed`] of up to [`classes::MAX_BUCKET_SIZE`] bytes for when the bin had no
/// block. A hardened heap's small blocks read zero as they are.
#[inline(never)]
fn allocate_zeroed_rest(word: &Word, size: usize) -> *mut u8 {
    #[cfg(feature = "hardened")]
    if hard::is_on() {
        return hardened::allocate_zeroed(word, size);
    }
    // SAFETY: the callers' word is the thread's; the block holds `size` bytes.
    unsafe {
        let block = if size <= MAX_LINEAR_SIZE {
            allocate_rest(word, size)
        } else {
            allocate_sized(word, size)
        };
        if !block.is_null() {
            block.write_bytes(0, size);
        }
        block
    }
}

/// Allocates `size` bytes at a multiple of `align`, a power of two; null when
/// the system has nothing to give.
///
/// # Safety
/// As for [`allocate`].
#[inline]
pub unsafe fn allocate_aligned(word: &Word, size: usize, align: usize) -> *mut u8 {
    if align <= 16 {
        // SAFETY: the caller's promise is the callee's.
        return unsafe { allocate(word, size) };
    }
    // A size of C's may be any number: the sum must not wrap.
    let offset = plain::linear_offset(size.min(MAX_LINEAR_SIZE + 1), align);
    if offset <= MAX_LINEAR_SIZE {
        // SAFETY: the word leads to this thread's cache or a shared one.
        let block = unsafe { take_from(word.row_at(offset).cast()) };
        if !block.is_null() {
            return block;
        }
    } else if let Some(class) = classes::class_for(size, align) {
        // SAFETY: as in `allocate`; a class's offset is `class * BIN`.
        let block = unsafe { take_from(ThreadCache::bin_at(word.cache(), class * BIN).cast()) };
        if !block.is_null() {
            return block;
        }
    }
    #[cfg(feature = "debug")]
    if counted::is_on() {
        return counting::allocate_aligned(word, size, align);
    }
    allocate_slow(word, size, align, false)
}

/// Frees the block that starts at `address`; null is allowed. Whatever is not
/// such a block is reported.
///
/// # Safety
/// `word` is the calling thread's word for checked front ends, and if
/// `address` is a block's, nobody uses the block any more.
#[inline]
pub unsafe fn free(word: &Word, address: *mut u8) {
    // SAFETY: the caller's promise is the callees'.
    unsafe {
        match free_fast(word.cache(), address) {
            Push::Done => return,
            #[cfg(feature = "hardened")]
            Push::Marked(met) => match free_marked(word.own(), address, met) {
                Put::Done => return,
                Put::Instead(other) => return free_instead(word, other),
                Put::Not => {}
            },
            Push::Full(met) if !is_hard() => {
                if !free_full(word.own(), address, met) {
                    free_slow(word, address);
                }
                return;
            }
            _ => {}
        }
        if !free_swap(word.own(), address) {
            free_slow(word, address);
        }
    }
}

/// The part of [`free`] that takes no lock and makes no call; when it did nothing,
/// [`free_slow`] must do it.
///
/// # Safety
/// As for [`free`]; `cache` is what the thread's word leads to.
#[inline(always)]
pub unsafe fn free_fast(cache: *const ThreadCache, address: *mut u8) -> Push {
    // SAFETY: the caller's promise is the callee's.
    unsafe { ThreadCache::push_checked(cache, address) }
}

/// What is left to do with a block that [`free_marked`] gave instead.
///
/// # Safety
/// It was given just now.
#[cfg(feature = "hardened")]
pub unsafe fn free_instead(word: &Word, other: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { hard::put_elsewhere(word, other) }
}

/// [`free_fast`] once more after room was made in the block's bin; false, and
/// nothing done, when [`free_slow`] must do it.
///
/// # Safety
/// As for [`free`]; `cache` is the calling thread's [`Word::own`].
#[inline]
pub unsafe fn free_swap(cache: *const ThreadCache, address: *mut u8) -> bool {
    // SAFETY: what `find` leads to is readable, and a descriptor with an index
    // for the address has a mark for it. Room is made only for a block that is
    // handed out: what a wrong free is told must not change under it. The
    // caller's promise is the rest.
    unsafe {
        let descriptor = slices::find(address.addr());
        let Some(index) = Descriptor::index_of(descriptor, address.addr()) else {
            return false;
        };
        let key = Descriptor::key(descriptor, index);
        is_plain(key) && free_full(cache, address, Marked { descriptor, key })
    }
}

/// Whether the block that `key` is of is handed out and nobody wants to know of its free.
///
/// # Safety
/// The key is a block's.
#[inline(always)]
unsafe fn is_plain(key: *mut u8) -> bool {
    // SAFETY: the caller's promise.
    unsafe { (*Descriptor::mark_of(key)).load(Ordering::Relaxed) == BUSY }
}

/// [`free_swap`] of a block that is known to be handed out.
///
/// # Safety
/// As for [`free_swap`]; `met` is what [`free_fast`] said, or what is true of the block.
#[inline(always)]
pub unsafe fn free_full(cache: *const ThreadCache, address: *mut u8, met: Marked) -> bool {
    let Marked { descriptor, key } = met;
    // SAFETY: the caller's promise is that the descriptor and the key are the block's.
    unsafe {
        let class = usize::from((*descriptor).class.load(Ordering::Relaxed));
        let shard = (*descriptor).shard.load(Ordering::Relaxed);
        let shared = PROCESS.shared(Kind::Checked);
        let front = &PROCESS.checked;
        let bin = if (*cache).is_foreign(shard, class) {
            front.swap_away(shared, &*cache, class, shard, address.addr())
        } else {
            front.swap_out(shared, &*cache, class)
        };
        // Another thread may have freed the block by mistake meanwhile.
        let done = !bin.is_null() && is_plain(key) && ThreadCache::keep_checked(bin, address, key);
        misuse::report_late();
        done
    }
}

/// The whole of [`free`].
///
/// # Safety
/// As for [`free`].
#[cold]
#[inline(never)]
pub unsafe fn free_slow(word: &Word, address: *mut u8) {
    if address.is_null() {
        return;
    }
    #[cfg(feature = "hardened")]
    if hard::is_on() {
        // SAFETY: the caller's promise is the callee's.
        return unsafe { free_hardened(word, address) };
    }
    let arguments = || {
        [
            Argument::new(c"heap", 0),
            Argument::new(c"flags", 0),
            Argument::new(c"block", address.addr() as u64),
        ]
    };
    // SAFETY: the caller's promise is the callee's.
    trace::during(c"RtlFreeHeap", arguments, || unsafe {
        free_found(word, address);
        true
    });
}

/// [`free_slow`] of an address that is not null.
///
/// # Safety
/// As for [`free`].
unsafe fn free_found(word: &Word, address: *mut u8) {
    let Some((descriptor, index)) = busy_block(address.addr()) else {
        // SAFETY: the caller's promise is the callee's.
        return unsafe { free_other(address) };
    };
    // SAFETY: the block is handed out, so its descriptor is live, and its
    // owner gives it up.
    unsafe {
        if (*descriptor).what.load(Ordering::Relaxed) == LARGE {
            counted::freed(&raw const address, 1);
            let mut large = PROCESS.large.lock();
            // Of two frees at once only one finds the block as it was.
            if LargeList::is_block(descriptor, address.addr()) {
                return large.free(descriptor);
            }
            drop(large);
            return misuse::bad_address("free", address.addr());
        }
        let class = usize::from((*descriptor).class.load(Ordering::Relaxed));
        let key = Descriptor::key(descriptor, index);
        // Of two frees at once only one finds the mark set.
        if !is_busy((*Descriptor::mark_of(key)).swap(0, Ordering::Relaxed)) {
            return misuse::bad_address("free", address.addr());
        }
        #[cfg(feature = "hardened")]
        if class == 0 {
            return super::nothing::free(address);
        }
        let shared = PROCESS.shared(Kind::Checked);
        let shard = (*descriptor).shard.load(Ordering::Relaxed);
        PROCESS
            .checked
            .free(shared, word, class, address, key, shard);
    }
}

/// Frees what is no block of the front end's; reports what is none.
///
/// # Safety
/// As for [`free`].
unsafe fn free_other(address: *mut u8) {
    // SAFETY: the caller's promise is the callees'.
    unsafe {
        #[cfg(feature = "debug")]
        if debug::has_block(address) {
            return debug::free("free", address);
        }
        private::met::free(address);
    }
}

/// The descriptor, index and mark of the block that starts at `address`, handed out or free.
#[inline(always)]
fn block_at(address: usize) -> Option<(*mut Descriptor, usize, u8)> {
    let descriptor = slices::find(address);
    // SAFETY: what `find` leads to is readable; a descriptor with an index for
    // the address has a mark for it.
    unsafe {
        let index = Descriptor::index_of(descriptor, address)?;
        let mark = (*Descriptor::mark(descriptor, index)).load(Ordering::Relaxed);
        Some((descriptor, index, mark))
    }
}

/// The descriptor and index of the block that starts at `address` and is
/// handed out.
#[inline(always)]
fn busy_block(address: usize) -> Option<(*mut Descriptor, usize)> {
    block_at(address)
        .filter(|&(_, _, mark)| is_busy(mark))
        .map(|(descriptor, index, _)| (descriptor, index))
}

/// Has the free of the block that starts at `address`, which was just taken and is not
/// handed out yet, take the slow path, whichever thread frees it.
#[cfg(feature = "debug")]
pub(super) fn note(address: usize) {
    if let Some((descriptor, index)) = busy_block(address) {
        // SAFETY: the block is handed out, so its descriptor is live.
        unsafe { (*Descriptor::mark(descriptor, index)).store(NOTED, Ordering::Relaxed) };
    }
}

/// Whether it matters which operator of C++'s a block came from. Known once something was
/// allocated.
#[cfg(feature = "debug")]
pub fn tells_families() -> bool {
    private::families::are_told()
}

/// Whether allocations fail by chance.
#[cfg(feature = "debug")]
pub fn injects_faults() -> bool {
    debug::injects()
}

/// Notes that the block that starts at `address` came from an operator of C++'s; `judge`
/// says, whenever one goes back by another function, whether that is a mistake.
#[cfg(feature = "debug")]
pub fn note_family(address: *mut u8, family: Family, judge: fn() -> bool) {
    private::families::judge_by(judge);
    private::families::note(address.addr(), family);
}

/// Reports the block that starts at `address`, and that an operator delete is about to free,
/// if it came from another family of functions.
#[cfg(feature = "debug")]
pub fn expect_family(address: *mut u8, family: Family) {
    let operation = private::families::operation(family);
    private::families::expect(operation, address.addr(), family);
}

/// The usable bytes of the block that starts at `address`; 0 for null.
/// Whatever is not such a block is reported.
#[inline(always)]
pub fn usable_size(address: *mut u8) -> usize {
    // A mark of just this is no hardened heap's, but for a large block's.
    if let Some((descriptor, _, BUSY)) = block_at(address.addr())
        // SAFETY: the block is handed out, so its descriptor is live.
        && let Some(size) = unsafe { (*descriptor).class_size() }
    {
        return size;
    }
    usable_size_other(address)
}

/// [`usable_size`] of a large block, or one of a hardened heap, or what somebody wants to know
/// of, or is no block.
#[inline(never)]
fn usable_size_other(address: *mut u8) -> usize {
    if address.is_null() {
        return 0;
    }
    #[cfg(feature = "hardened")]
    if hard::is_on()
        && let Some(size) = hard::usable_size("malloc_usable_size", address)
    {
        return size;
    }
    match busy_block(address.addr()) {
        // SAFETY: the block is handed out, so its descriptor is live.
        Some((descriptor, _)) => unsafe { (*descriptor).block_size() },
        #[cfg(feature = "debug")]
        None if debug::has_block(address) => debug::size_of("malloc_usable_size", address),
        None => private::met::usable_size(address),
    }
}

/// [`allocate`] for a Rust Layout and a program's own options.
///
/// # Safety
/// As for [`allocate`].
pub unsafe fn allocate_layout(word: &Word, config: &Config, layout: Layout, zero: bool) -> *mut u8 {
    if !PROCESS.is_ready(config) {
        return ptr::null_mut();
    }
    #[cfg(feature = "debug")]
    if super::layout::is_on() {
        return super::layout::allocate(word, config, layout, zero);
    }
    // A Layout without bytes gets a block of the smallest class, as its realloc and
    // dealloc, which know the Layout alone, take it to have.
    let (size, align) = (layout.size().max(1), layout.align());
    // SAFETY: the caller's promise is the callees'.
    unsafe {
        if zero && align <= 16 {
            allocate_zeroed(word, size)
        } else if zero {
            allocate_slow(word, size, align, true)
        } else {
            allocate_aligned(word, size, align)
        }
    }
}

/// Resizes a block of a Rust Layout.
///
/// # Safety
/// As for [`reallocate`]; the block was allocated with `layout`.
pub unsafe fn reallocate_layout(
    word: &Word,
    config: &Config,
    block: *mut u8,
    layout: Layout,
    size: usize,
) -> *mut u8 {
    #[cfg(feature = "debug")]
    if super::layout::is_on() {
        // SAFETY: the caller's promise.
        return unsafe {
            super::layout::reallocate(word, config, block, layout, size, |word, block, _| {
                free(word, block)
            })
        };
    }
    let Ok(new_layout) = Layout::from_size_align(size, layout.align()) else {
        return ptr::null_mut();
    };
    #[cfg(feature = "hardened")]
    if hard::is_on() {
        // SAFETY: the caller's promise is the callees'.
        return unsafe { plain::reallocate_hardened(word, block, layout, size) };
    }
    let class = classes::class_for(size, layout.align());
    #[cfg(feature = "debug")]
    // A sampled block has no bytes more than it was asked for.
    let is_exact = debug::has_block(block);
    #[cfg(not(feature = "debug"))]
    let is_exact = false;
    if class.is_some() && class == classes::class_for(layout.size(), layout.align()) && !is_exact {
        return block;
    }
    // SAFETY: the caller's block; the new one is distinct and large enough for
    // what both hold.
    unsafe {
        let new = allocate_layout(word, config, new_layout, false);
        if !new.is_null() {
            new.copy_from_nonoverlapping(block, layout.size().min(size));
            free(word, block);
        }
        new
    }
}

/// Frees a block of a Rust Layout.
///
/// # Safety
/// As for [`free`]; the block was allocated with `layout`.
pub unsafe fn free_layout(word: &Word, block: *mut u8, layout: Layout) {
    #[cfg(feature = "debug")]
    // SAFETY: the caller's promise.
    if unsafe { super::layout::free(block, layout) } {
        return;
    }
    #[cfg(feature = "hardened")]
    if hard::is_on() {
        // SAFETY: the caller's promise.
        return unsafe { plain::free_hardened(word, block, layout) };
    }
    expect_layout("dealloc", block, layout);
    // SAFETY: the caller's promise.
    unsafe { free(word, block) }
}

/// Reports a block that was not allocated with `layout`.
pub fn expect_layout(operation: &str, block: *mut u8, layout: Layout) {
    if is_hard() {
        // The block's own size is compared, where it changes or ends.
        return;
    }
    let expected = classes::class_for(layout.size(), layout.align()).unwrap_or(0);
    if let Some(found) = misuse::class_at(block.addr())
        && found != expected
    {
        misuse::wrong_layout(operation, block.addr(), layout.size());
    }
}

/// Gives back to the system all that is free. See [`crate::purge`].
pub fn purge(word: &Word) {
    PROCESS.purge(Kind::Checked, word);
}

/// The thread's end.
pub(super) unsafe extern "C" fn thread_exit(cache: *mut u8) {
    // SAFETY: the hook was set with this thread's cache.
    unsafe {
        PROCESS
            .checked
            .retire(PROCESS.shared(Kind::Checked), cache.cast())
    }
}
