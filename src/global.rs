//! `NtHeap`: the process heap as Rust's global allocator.

use crate::config::Config;
#[cfg(not(debug_assertions))]
use crate::heap::plain;
use core::alloc::{GlobalAlloc, Layout};

mod word {
    //! The thread's word for this copy's process heap. A program may contain
    //! copies of several versions.
    crate::thread_word!(
        pub(super),
        "ntheap_word_",
        env!("CARGO_PKG_VERSION_MAJOR"),
        "_",
        env!("CARGO_PKG_VERSION_MINOR"),
        "_",
        env!("CARGO_PKG_VERSION_PATCH")
    );
}

/// The NT process heap as a global allocator.
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: ntheap::NtHeap = ntheap::NtHeap::new();
///
/// let numbers: Vec<u32> = (0..1000).collect();
/// assert!(ntheap::stats().allocated >= numbers.len() * 4);
/// ```
///
/// - **Sizes** are rounded up to the next of 147 block sizes, by at most 15
///   bytes up to 1 KiB and at most 1/16 up to 16 KiB; above 1 MiB to whole
///   pages, above 4 MiB to whole huge pages where that wastes little. A size of 0 is served as 1.
/// - **Alignment** can be any power of two; up to 64 KiB it costs at most the
///   rounding to a size that it divides.
/// - **Errors**: out of memory is a null pointer, from every method. Nothing
///   here panics, and nothing aborts but the report of a corrupted heap.
/// - **Threads**: any thread may allocate, free and reallocate any block.
///   Within a thread's cache no lock is taken.
/// - **Cost**: constant but for the pages themselves.
///
/// All values of this type are the one process heap; the first one used
/// decides its [`Config`].
#[derive(Debug, Default)]
pub struct NtHeap {
    config: Config,
}

impl NtHeap {
    /// The process heap with the default options.
    pub const fn new() -> Self {
        NtHeap {
            config: Config::new(),
        }
    }

    /// The process heap with options of the program's choice. What the
    /// environment says (`NTHEAP_…`) is stronger, unless the process runs
    /// with rights its user does not have.
    ///
    /// ```
    /// use ntheap::{Config, NtHeap};
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: NtHeap = NtHeap::with_config(Config::new().with_retain(1 << 20));
    /// # drop(vec![1u8; 100]);
    /// ```
    pub const fn with_config(config: Config) -> Self {
        NtHeap { config }
    }
}

#[cfg(not(debug_assertions))]
// SAFETY: blocks are distinct, as large and as aligned as their layout says,
// live until they are freed, and no method unwinds.
unsafe impl GlobalAlloc for NtHeap {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the cache is the calling thread's.
        let block = unsafe { plain::take(word::cache_at, layout) };
        if block.is_null() {
            return allocate_rest(&self.config, layout);
        }
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the offset is the bin's of the layout's class; the caller gives up a
        // block of this layout.
        unsafe {
            if !word::push_at(plain::bin_offset(layout), block) {
                free_rest(block, layout);
            }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the word is the calling thread's.
        word::with(|word| unsafe { plain::allocate_zeroed(word, &self.config, layout) })
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the word is the calling thread's; the caller gives up a
        // block of this layout if it gets another.
        word::with(|word| unsafe { plain::reallocate(word, &self.config, block, layout, size) })
    }
}

// What the inlined paths leave over, out of their way. Each ends in a jump to the next
// function, with the arguments where they are, so that none saves a register.
#[cfg(not(debug_assertions))]
#[cold]
#[inline(never)]
fn allocate_rest(config: &Config, layout: Layout) -> *mut u8 {
    word::with(|word| plain::allocate_none(word, config, layout))
}

/// # Safety
/// The caller gives up a block of this layout.
#[cfg(not(debug_assertions))]
#[cold]
#[inline(never)]
unsafe fn free_rest(block: *mut u8, layout: Layout) {
    // SAFETY: the word is the calling thread's; the caller's promise is the
    // rest.
    word::with(|word| unsafe { plain::free_rest(word, block, layout) });
}

#[cfg(debug_assertions)]
mod debug {
    //! Debug builds use the front end that marks its blocks, so that a second
    //! free and a wrong Layout are reported at the call.

    use super::*;
    use crate::heap::checked;

    // SAFETY: blocks are distinct, as large and as aligned as their layout
    // says, live until they are freed, and no method unwinds.
    unsafe impl GlobalAlloc for NtHeap {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the word is the calling thread's.
            word::with(|word| unsafe {
                checked::allocate_layout(word, &self.config, layout, false)
            })
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: the word is the calling thread's; the caller gives up a
            // block of this layout.
            word::with(|word| unsafe { checked::free_layout(word, block, layout) })
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the word is the calling thread's.
            word::with(|word| unsafe { checked::allocate_layout(word, &self.config, layout, true) })
        }

        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            checked::expect_layout("realloc", block, layout);
            // SAFETY: the word is the calling thread's; the caller gives up a
            // block of this layout if it gets another.
            word::with(|word| unsafe {
                checked::reallocate_layout(word, &self.config, block, layout, size)
            })
        }
    }
}

/// Gives back to the system all the memory that is free.
///
/// Empties the calling thread's cache and every depot, and takes all blocks
/// but one of each size from every other thread's cache, whether the thread
/// runs or sleeps; gives back every free page and every large region kept for
/// reuse. (The one block may be just being allocated, which nobody but its
/// thread can tell.) Threads that run meanwhile go on and may keep what they
/// free from then on.
/// Other threads' caches are reached through a barrier that the system passes
/// all threads through (membarrier, FlushProcessWriteBuffers); where there is
/// none, a thread empties its cache at its next call that leaves the fast
/// path, to which its next free of each size is sent.
///
/// Memory that is not in caches needs no call of this: it goes back by itself
/// as it becomes free. Takes time in proportion to what is given back, and a
/// few microseconds for each size that a thread keeps.
pub fn purge() {
    #[cfg(not(debug_assertions))]
    word::with(plain::purge);
    #[cfg(debug_assertions)]
    word::with(crate::heap::checked::purge);
}

/// The process heap's statistics now; see [`Stats`](crate::Stats).
///
/// Exact while no other thread allocates or frees; otherwise each figure was
/// true at some moment during the call. Allocates nothing. Takes the locks of
/// all size classes in turn: microseconds, not for hot paths.
pub fn stats() -> crate::Stats {
    crate::heap::collect_stats()
}
