//! The functions, as C11, C23 and POSIX describe them and glibc extends them.

use crate::word;
use core::ffi::{c_int, c_void};
use core::ptr;
use heap::heap::checked::{self, Counted, Way};
use heap::heap::{Keep, Marked, Push, Put, Taken};
use heap::sys::Call;

/// Runs `body` and leaves errno as it was.
#[inline(always)]
pub(crate) fn keep_errno<R>(body: impl FnOnce() -> R) -> R {
    // SAFETY: errno's location is the calling thread's own.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        let result = body();
        *errno = before;
        result
    }
}

fn set_errno(value: c_int) {
    // SAFETY: errno's location is the calling thread's own.
    unsafe { *libc::__errno_location() = value };
}

/// ENOMEM for a null; the slow path may have left anything else in errno.
#[inline(always)]
fn answer(block: *mut u8) -> *mut c_void {
    if block.is_null() {
        set_errno(libc::ENOMEM);
    }
    block.cast()
}

/// C's malloc. A size of 0 gives a block of its own. Null and ENOMEM when the
/// system has nothing to give.
#[unsafe(no_mangle)]
pub extern "C" fn malloc(size: usize) -> *mut c_void {
    malloc_here(size)
}

/// What [`malloc`] does, for functions of this library (see [`free_here`]).
#[inline(always)]
fn malloc_here(size: usize) -> *mut c_void {
    if let Some(offset) = checked::linear_offset(size) {
        // SAFETY: the offset is a bin's in this thread's row.
        let block = unsafe { checked::take_from(word::row_at(offset)) };
        if !block.is_null() {
            return block.cast();
        }
        return malloc_slow(size);
    }
    malloc_sized(size)
}

/// malloc above the linear sizes.
#[inline(never)]
extern "C" fn malloc_sized(size: usize) -> *mut c_void {
    if let Some(offset) = checked::bin_offset(size) {
        // SAFETY: the offset is a bin's in this thread's cache.
        let block = unsafe { checked::take_from(word::cache_at(offset)) };
        if !block.is_null() {
            return block.cast();
        }
    }
    malloc_slow(size)
}

#[cold]
#[inline(never)]
extern "C" fn malloc_slow(size: usize) -> *mut c_void {
    match checked::way() {
        Way::Hardened => return malloc_hardened(size),
        Way::Counted => return malloc_counted(size),
        Way::Usual => {}
    }
    if checked::is_served() {
        return malloc_served(size);
    }
    malloc_none(size)
}

/// malloc where another heap may serve it.
#[inline(never)]
extern "C" fn malloc_served(size: usize) -> *mut c_void {
    let block = checked::at_hand(size);
    if !block.is_null() {
        return block.cast();
    }
    malloc_none(size)
}

/// malloc where every allocation is counted.
#[inline(never)]
extern "C" fn malloc_counted(size: usize) -> *mut c_void {
    // SAFETY: the cache is the calling thread's.
    match unsafe { checked::take_counted(word::own(), size) } {
        Counted::Block(block) => block.cast(),
        Counted::Due(block) => malloc_due(block, size),
        Counted::Nothing => malloc_counted_any(size),
    }
}

/// malloc of a larger block where every allocation is counted.
#[inline(never)]
extern "C" fn malloc_counted_any(size: usize) -> *mut c_void {
    // SAFETY: the cache is the calling thread's.
    match unsafe { checked::take_counted_any(word::own(), size) } {
        Counted::Block(block) => block.cast(),
        Counted::Due(block) => malloc_due(block, size),
        Counted::Nothing => malloc_counted_none(size),
    }
}

/// malloc where every allocation is counted and there is no block at hand.
#[cold]
#[inline(never)]
extern "C" fn malloc_counted_none(size: usize) -> *mut c_void {
    answer(word::with(|word| checked::allocate_counted(word, size)))
}

/// malloc of a block that is to be noted.
#[cold]
#[inline(never)]
extern "C" fn malloc_due(block: *mut u8, size: usize) -> *mut c_void {
    // SAFETY: the cache is the calling thread's, and just said so of the block.
    unsafe { checked::note_counted(word::own(), block, size) };
    block.cast()
}

/// malloc in a hardened heap.
#[inline(never)]
extern "C" fn malloc_hardened(size: usize) -> *mut c_void {
    // SAFETY: the cache is the calling thread's.
    match unsafe { checked::take_hardened(word::own(), size) } {
        Taken::Block(block) => block.cast(),
        Taken::Written(block, capacity) => malloc_written(block, capacity, size),
        Taken::Nothing => malloc_larger(size),
    }
}

/// malloc in a hardened heap where there is no small block at hand.
#[inline(never)]
extern "C" fn malloc_larger(size: usize) -> *mut c_void {
    // SAFETY: the cache is the calling thread's.
    match unsafe { checked::take_larger(word::own(), size) } {
        Taken::Block(block) => block.cast(),
        Taken::Written(block, capacity) => malloc_written(block, capacity, size),
        Taken::Nothing => malloc_refill(size),
    }
}

/// malloc in a hardened heap where there is no block at hand.
#[cold]
#[inline(never)]
extern "C" fn malloc_refill(size: usize) -> *mut c_void {
    let block = word::with(|word| checked::allocate_larger(word, size, 16));
    if block.is_null() {
        return malloc_none(size);
    }
    block.cast()
}

/// malloc in a hardened heap of a block that was written to while it was free.
#[cold]
#[inline(never)]
extern "C" fn malloc_written(block: *mut u8, capacity: usize, size: usize) -> *mut c_void {
    // SAFETY: it was found just now.
    unsafe { checked::tell_written(block, capacity, size) };
    block.cast()
}

/// malloc where there is no block at hand.
#[cold]
#[inline(never)]
extern "C" fn malloc_none(size: usize) -> *mut c_void {
    answer(word::with(|word| checked::allocate_swap(word, size)))
}

/// C's free. Null is allowed; anything that is not a block handed out is
/// reported. errno stays as it was.
///
/// # Safety
/// Nobody uses the block any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(block: *mut c_void) {
    // SAFETY: the caller's promise is the callee's.
    unsafe { free_here(block) }
}

/// What [`free`] does. Functions of this library that free call this, not the symbol, which
/// another library may have defined before it: it would be told of a free that nobody asked
/// it for.
///
/// # Safety
/// As for [`free`].
#[inline(always)]
unsafe fn free_here(block: *mut c_void) {
    // SAFETY: the cache is the calling thread's; the rest is the caller's.
    unsafe {
        match checked::free_fast(word::cache(), block.cast()) {
            Push::Done => {}
            Push::Marked(met) => free_marked(block, met),
            Push::Full(met) => free_full(block, met),
            Push::Not => free_any(block),
        }
    }
}

/// [`free_here`] where a call is cheaper than its instructions.
///
/// # Safety
/// As for [`free`].
#[cold]
#[inline(never)]
unsafe fn free_apart(block: *mut c_void) {
    // SAFETY: the caller's promise is the callee's.
    unsafe { free_here(block) }
}

/// free of a block whose mark the fast path does not know: a hardened heap's, one whose free
/// somebody wants to know of, or one that is free.
///
/// # Safety
/// As for [`free`]; the rest is what the fast path said.
#[inline(never)]
unsafe fn free_marked(block: *mut c_void, met: Marked) {
    // SAFETY: the caller's promise is the callees'.
    unsafe {
        match checked::free_marked(word::own(), block.cast(), met) {
            Put::Done => {}
            Put::Instead(other) => free_instead(other),
            Put::Not => free_larger(block, met),
        }
    }
}

/// [`free_marked`] of what is no small block.
///
/// # Safety
/// As for [`free_marked`].
#[inline(never)]
unsafe fn free_larger(block: *mut c_void, met: Marked) {
    // SAFETY: the caller's promise is the callees'.
    unsafe {
        match checked::free_larger(word::own(), block.cast(), met) {
            Put::Done => {}
            Put::Instead(other) => free_instead(other),
            Put::Not => free_any(block),
        }
    }
}

/// What a hardened heap's free leaves to do when a bin is full.
///
/// # Safety
/// [`checked::free_marked`] said so just now.
#[cold]
#[inline(never)]
unsafe extern "C" fn free_instead(other: *mut u8) {
    // SAFETY: the caller's promise.
    keep_errno(|| word::with(|word| unsafe { checked::free_instead(word, other) }));
}

#[cold]
#[inline(never)]
unsafe extern "C" fn free_any(block: *mut c_void) {
    // SAFETY: as in `free`.
    if block.is_null() || unsafe { checked::free_at_hand(block.cast()) } {
        return;
    }
    if checked::is_hardened() {
        // SAFETY: as in `free`.
        return unsafe { free_slow(block) };
    }
    // SAFETY: as in `free`.
    unsafe { free_none(block) }
}

/// free of a block whose bin is full.
///
/// # Safety
/// As for [`free`]; the rest is what the fast path said.
#[cold]
#[inline(never)]
unsafe fn free_full(block: *mut c_void, met: Marked) {
    if checked::is_hardened() {
        // SAFETY: the caller's promise is the callee's.
        return unsafe { free_large(block, met) };
    }
    // SAFETY: as in `free`.
    keep_errno(|| unsafe {
        if !checked::free_full(word::own(), block.cast(), met) {
            word::with(|word| checked::free_slow(word, block.cast()));
        }
    });
}

/// free of a hardened heap's block that has no bin: a large one.
///
/// # Safety
/// As for [`free_full`].
#[inline(never)]
unsafe fn free_large(block: *mut c_void, met: Marked) {
    // SAFETY: as in `free`.
    unsafe {
        match checked::free_large(word::own(), block.cast(), met) {
            Keep::Done => {}
            Keep::Not => free_slow(block),
            Keep::Freed => free_twice(block, met),
        }
    }
}

/// free of a block that another thread frees at the same time.
#[cold]
#[inline(never)]
fn free_twice(block: *mut c_void, met: Marked) {
    keep_errno(|| checked::tell_freed(block.cast(), met));
}

/// free of a hardened heap's large block, of one that is damaged, or of none.
#[cold]
#[inline(never)]
unsafe extern "C" fn free_slow(block: *mut c_void) {
    // SAFETY: as in `free`.
    keep_errno(|| word::with(|word| unsafe { checked::free_slow(word, block.cast()) }));
}

/// free where there is no room at hand for the block, or it is none.
#[cold]
#[inline(never)]
unsafe extern "C" fn free_none(block: *mut c_void) {
    // SAFETY: as in `free`.
    keep_errno(|| unsafe {
        if !checked::free_swap(word::own(), block.cast()) {
            word::with(|word| checked::free_slow(word, block.cast()));
        }
    });
}

/// C's calloc. Null and ENOMEM when the product overflows or the system has
/// nothing to give.
#[unsafe(no_mangle)]
pub extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    let Some(bytes) = count.checked_mul(size) else {
        return answer(ptr::null_mut());
    };
    // SAFETY: the word is the calling thread's.
    let block = word::with(|word| unsafe { checked::allocate_zeroed(word, bytes) });
    answer(block)
}

/// C's realloc. Null acts as malloc; a size of 0 frees and gives null, as
/// glibc does. Null and ENOMEM, and the block as it was, when the system has
/// nothing to give.
///
/// # Safety
/// The old block is used no more unless null is returned for a size that is
/// not 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn realloc(block: *mut c_void, size: usize) -> *mut c_void {
    // SAFETY: the caller's promise is the callee's.
    unsafe { realloc_here(block, size) }
}

/// What [`realloc`] does, for functions of this library (see [`free_here`]).
///
/// # Safety
/// As for [`realloc`].
#[inline(always)]
unsafe fn realloc_here(block: *mut c_void, size: usize) -> *mut c_void {
    if block.is_null() {
        return malloc_here(size);
    }
    if size == 0 {
        // SAFETY: the caller's promise is the callee's.
        unsafe { free_apart(block) };
        return ptr::null_mut();
    }
    // SAFETY: the word is the calling thread's; the rest is the caller's.
    let new = word::with(|word| unsafe { checked::reallocate(word, block.cast(), size) });
    answer(new)
}

/// realloc for `count` members of `size` bytes; ENOMEM when the product
/// overflows.
///
/// # Safety
/// As for [`realloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn reallocarray(
    block: *mut c_void,
    count: usize,
    size: usize,
) -> *mut c_void {
    match count.checked_mul(size) {
        // SAFETY: the caller's promise is the callee's.
        Some(bytes) => unsafe { realloc_here(block, bytes) },
        None => answer(ptr::null_mut()),
    }
}

/// C23's free_sized: free.
///
/// # Safety
/// As for [`free`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free_sized(block: *mut c_void, _size: usize) {
    // SAFETY: the caller's promise is the callee's.
    unsafe { free_here(block) }
}

/// C23's free_aligned_sized: free.
///
/// # Safety
/// As for [`free`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free_aligned_sized(block: *mut c_void, _align: usize, _size: usize) {
    // SAFETY: the caller's promise is the callee's.
    unsafe { free_here(block) }
}

fn aligned(align: usize, size: usize) -> *mut u8 {
    // SAFETY: the word is the calling thread's.
    word::with(|word| unsafe { checked::allocate_aligned(word, size, align) })
}

/// C11's aligned_alloc, which C17 lets take any size. Null and EINVAL when
/// `align` is not a power of two, null and ENOMEM when the system has nothing
/// to give.
#[unsafe(no_mangle)]
pub extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
    if !align.is_power_of_two() {
        set_errno(libc::EINVAL);
        return ptr::null_mut();
    }
    answer(aligned(align, size))
}

/// memalign: an alignment that is not a power of two is rounded up to one, as
/// glibc does.
#[unsafe(no_mangle)]
pub extern "C" fn memalign(align: usize, size: usize) -> *mut c_void {
    match align.checked_next_power_of_two() {
        Some(align) => answer(aligned(align, size)),
        None => {
            set_errno(libc::EINVAL);
            ptr::null_mut()
        }
    }
}

/// POSIX's posix_memalign: 0, or EINVAL when `align` is not a power of two
/// multiple of a pointer's size, or ENOMEM; `*result` and errno are then as
/// they were.
///
/// # Safety
/// `result` can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_memalign(
    result: *mut *mut c_void,
    align: usize,
    size: usize,
) -> c_int {
    if !align.is_power_of_two() || align < size_of::<*mut c_void>() {
        return libc::EINVAL;
    }
    let block = keep_errno(|| aligned(align, size));
    if block.is_null() {
        return libc::ENOMEM;
    }
    // SAFETY: the caller's result can be written to.
    unsafe { result.write(block.cast()) };
    0
}

/// valloc: a page's alignment.
#[unsafe(no_mangle)]
pub extern "C" fn valloc(size: usize) -> *mut c_void {
    answer(aligned(heap::vm::page_size(), size))
}

/// pvalloc: a page's alignment, and whole pages.
#[unsafe(no_mangle)]
pub extern "C" fn pvalloc(size: usize) -> *mut c_void {
    match heap::vm::round_to_pages(size) {
        Some(bytes) => answer(aligned(heap::vm::page_size(), bytes)),
        None => answer(ptr::null_mut()),
    }
}

/// The bytes of the block that may be used, at least as many as were asked
/// for; 0 for null.
///
/// # Safety
/// `block` is null or a block handed out; anything else is reported.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn malloc_usable_size(block: *mut c_void) -> usize {
    checked::usable_size(block.cast())
}

/// Gives all free memory back to the system, what threads' caches keep
/// included but for one block of each size in other threads' caches; `pad` is not used. 1 if the
/// system was told of any, 0 if there was none: free pages between blocks in use are told of each
/// time, whether they hold memory or not, as glibc's does.
#[unsafe(no_mangle)]
pub extern "C" fn malloc_trim(_pad: usize) -> c_int {
    keep_errno(|| {
        let given = || {
            let calls = heap::sys::calls();
            calls.get(Call::Purge) + calls.get(Call::Release)
        };
        let before = given();
        word::with(checked::purge);
        c_int::from(given() > before)
    })
}

/// glibc's mallinfo2. `arena` is the memory of segments, `hblks` and `hblkhd`
/// the large blocks, `uordblks` what the program has, `fordblks` the rest of
/// what is active or retained, `keepcost` what malloc_trim could give back.
#[unsafe(no_mangle)]
pub extern "C" fn mallinfo2() -> libc::mallinfo2 {
    let stats = heap::stats();
    let held = stats.active + stats.retained;
    libc::mallinfo2 {
        arena: held.saturating_sub(stats.large_bytes),
        ordblks: stats
            .buckets
            .iter()
            .map(|bucket| bucket.live as usize)
            .sum(),
        smblks: 0,
        hblks: stats.large_blocks,
        hblkhd: stats.large_bytes,
        usmblks: 0,
        fsmblks: 0,
        uordblks: stats.allocated - stats.large_bytes.min(stats.allocated),
        fordblks: held.saturating_sub(stats.allocated),
        keepcost: stats.retained,
    }
}
