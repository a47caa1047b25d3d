//! A thread's word, which leads to its cache: three machine words, side by side.
//!
//! ```text
//!   symbol       row     the bins the thread takes from: those of its shard
//!   symbol + 8   cache   where its cache starts: a free adds what the block's
//!                        descriptor says, and is in the row of the block's shard
//!   symbol + 16  own     its cache, for the slow paths
//! ```
//!
//! The first two lead to what is always empty and full where every call has more to
//! do than the fast paths do: before the cache is there, and in a hardened heap.
//! Frees that know a block's size (plain.rs) do it the other way round: they go to `row`,
//! and what is taken comes from the start of the cache. Both are the same bins, unless
//! what is taken is counted: then a screen is in front of those to take from (screen.rs).
//!
//! Where the compiler reaches thread-local storage by a function call (in a
//! shared library; through `thread_local!`'s accessor whenever that is not
//! inlined), a fast path of twenty instructions would double. On x86-64 Linux
//! the word is instead defined here, in the part of thread-local storage that
//! every thread has from its start, and one load of its offset reaches it. In
//! an executable the linker makes a constant of that load. Three words: a library
//! with much more of it could not be opened late. (musl refuses even that.) The
//! symbol is hidden, since copies of several libraries must not meet: a Rust
//! `dylib` cannot hand it on to what is linked with it.

use super::bin::Bin;
use super::cache::{ThreadCache, UNBORN, pin};
use core::cell::Cell;

/// What leads a thread to its cache.
#[repr(C)]
#[derive(Debug)]
pub struct Word {
    row: Cell<*const Bin>,
    cache: Cell<*const ThreadCache>,
    own: Cell<*const ThreadCache>,
}

impl Default for Word {
    fn default() -> Self {
        Word::new()
    }
}

impl Word {
    /// The word of a thread that has no cache yet.
    pub const fn new() -> Self {
        Word {
            row: Cell::new((&raw const UNBORN).cast()),
            cache: Cell::new(&raw const UNBORN),
            own: Cell::new(&raw const UNBORN),
        }
    }

    /// The cache of the fast paths: the thread's, a shared one, or the thread's screen, of
    /// which slow paths must read nothing.
    #[inline(always)]
    pub fn cache(&self) -> *const ThreadCache {
        self.cache.get()
    }

    /// The thread's cache, or a shared one where it has none: what the slow paths use.
    #[inline(always)]
    pub fn own(&self) -> *const ThreadCache {
        self.own.get()
    }

    /// Of a word of a plain front end, the cache that blocks are freed to.
    #[inline(always)]
    pub(super) fn freed_to(&self) -> *const ThreadCache {
        // A cache begins with its bins, and a plain one has no other row.
        self.row.get().cast()
    }

    /// The row of bins that the word leads to.
    #[inline(always)]
    pub fn row(&self) -> *const u8 {
        self.row.get().cast()
    }

    /// Leads to `cache` from now on: the slow paths, and the fast ones if it is not
    /// hidden from them.
    ///
    /// # Safety
    /// The cache is the thread's own, or a shared one.
    pub(super) unsafe fn set(&self, cache: *const ThreadCache) {
        self.own.set(cache);
        // SAFETY: caches are never unmapped.
        let cache = unsafe { &*cache };
        #[cfg(feature = "hardened")]
        if cache.is_hidden() {
            // SAFETY: a shared cache, which lives for ever.
            self.row.set(unsafe { &*ThreadCache::gate() }.word_row());
            self.cache.set(ThreadCache::gate());
            return;
        }
        self.row.set(cache.word_row());
        self.cache.set(cache.shown());
    }

    /// The bin `offset` bytes into the thread's cache, if the offset is one's.
    #[inline(always)]
    pub(super) fn bin_at(&self, offset: usize) -> *const Bin {
        // As in `row_at`.
        pin(self.cache.get().wrapping_byte_add(offset).cast_mut()).cast()
    }

    /// What lies `offset` bytes into the thread's own row: a linear class's
    /// bin, if the offset is one's.
    #[inline(always)]
    pub(super) fn row_at(&self, offset: usize) -> *const Bin {
        // The address goes through a register of its own: a stack top
        // addressed by base and index costs five cycles more per operation.
        pin(self.row.get().wrapping_byte_add(offset).cast_mut())
    }
}

/// Defines a thread's word named by a symbol of its own, and the functions
/// `cache`, `own`, `cache_at`, `row_at` and `with` that reach it.
#[doc(hidden)]
#[macro_export]
#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    not(ntheap_portable)
))]
macro_rules! thread_word {
    ($visibility:vis, $($symbol:tt)+) => {
        ::core::arch::global_asm!(
            concat!(".pushsection .tdata.", $($symbol)+, ",\"awT\",@progbits"),
            concat!(".hidden ", $($symbol)+),
            concat!(".globl ", $($symbol)+),
            concat!(".type ", $($symbol)+, ",@object"),
            concat!(".size ", $($symbol)+, ",24"),
            ".p2align 4",
            concat!($($symbol)+, ":"),
            ".quad {unborn}, {unborn}, {unborn}",
            ".popsection",
            unborn = sym $crate::heap::UNBORN,
        );

        /// The word's distance from the thread pointer.
        #[inline(always)]
        fn offset() -> usize {
            let offset: usize;
            // SAFETY: reads a constant of the program's image.
            unsafe {
                ::core::arch::asm!(
                    concat!("mov {offset}, qword ptr [rip + ", $($symbol)+, "@GOTTPOFF]"),
                    offset = out(reg) offset,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
            offset
        }

        /// The thread's cache.
        #[inline(always)]
        #[allow(dead_code)]
        $visibility fn cache() -> *const $crate::heap::ThreadCache {
            let cache: *const $crate::heap::ThreadCache;
            // SAFETY: reads the thread's word.
            unsafe {
                ::core::arch::asm!(
                    "mov {cache}, qword ptr fs:[{offset} + 8]",
                    cache = out(reg) cache,
                    offset = in(reg) offset(),
                    options(nostack, readonly, preserves_flags),
                );
            }
            cache
        }

        /// The thread's cache for the slow paths.
        #[inline(always)]
        #[allow(dead_code)]
        $visibility fn own() -> *const $crate::heap::ThreadCache {
            let cache: *const $crate::heap::ThreadCache;
            // SAFETY: reads the thread's word.
            unsafe {
                ::core::arch::asm!(
                    "mov {cache}, qword ptr fs:[{offset} + 16]",
                    cache = out(reg) cache,
                    offset = in(reg) offset(),
                    options(nostack, readonly, preserves_flags),
                );
            }
            cache
        }

        /// The address of what lies `distance` bytes into the thread's cache.
        #[inline(always)]
        #[allow(dead_code)]
        $visibility fn cache_at(distance: usize) -> *const u8 {
            let mut at = distance;
            // SAFETY: reads the thread's word.
            unsafe {
                ::core::arch::asm!(
                    "add {at}, qword ptr fs:[{offset} + 8]",
                    offset = in(reg) offset(),
                    at = inout(reg) at,
                    options(nostack, readonly),
                );
            }
            ::core::ptr::with_exposed_provenance(at)
        }

        /// The address of what lies `distance` bytes into the thread's own
        /// row of bins.
        #[inline(always)]
        #[allow(dead_code)]
        $visibility fn row_at(distance: usize) -> *const u8 {
            let mut at = distance;
            // SAFETY: reads the thread's word.
            unsafe {
                ::core::arch::asm!(
                    "add {at}, qword ptr fs:[{offset}]",
                    offset = in(reg) offset(),
                    at = inout(reg) at,
                    options(nostack, readonly),
                );
            }
            ::core::ptr::with_exposed_provenance(at)
        }

        /// Runs `use_it` on the word itself.
        #[inline(always)]
        $visibility fn with<R>(use_it: impl FnOnce(&$crate::heap::Word) -> R) -> R {
            let word: *const $crate::heap::Word;
            // SAFETY: reads the thread pointer and adds the word's offset; the
            // word, preset by the linker's thread image, lives as long as the
            // thread.
            unsafe {
                ::core::arch::asm!(
                    "mov {word}, qword ptr fs:[0]",
                    word = out(reg) word,
                    options(pure, nomem, nostack, preserves_flags),
                );
                use_it(&*word.wrapping_byte_add(offset()))
            }
        }
    };
}

/// Defines a thread's word, and the functions `cache`, `own`, `cache_at`, `row_at` and
/// `with` that reach it.
#[doc(hidden)]
#[macro_export]
#[cfg(not(all(
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    not(ntheap_portable)
)))]
macro_rules! thread_word {
    ($visibility:vis, $($symbol:tt)+) => {
        ::std::thread_local! {
            static WORD: $crate::heap::Word =
                const { $crate::heap::Word::new() };
        }

        /// The thread's cache.
        #[inline(always)]
        #[allow(dead_code)]
        $visibility fn cache() -> *const $crate::heap::ThreadCache {
            WORD.with($crate::heap::Word::cache)
        }

        /// The thread's cache for the slow paths.
        #[inline(always)]
        #[allow(dead_code)]
        $visibility fn own() -> *const $crate::heap::ThreadCache {
            WORD.with($crate::heap::Word::own)
        }

        /// The address of what lies `distance` bytes into the thread's cache.
        #[inline(always)]
        #[allow(dead_code)]
        $visibility fn cache_at(distance: usize) -> *const u8 {
            cache().cast::<u8>().wrapping_add(distance)
        }

        /// The address of what lies `distance` bytes into the thread's own
        /// row of bins.
        #[inline(always)]
        #[allow(dead_code)]
        $visibility fn row_at(distance: usize) -> *const u8 {
            WORD.with(|word| word.row().wrapping_add(distance))
        }

        /// Runs `use_it` on the word itself.
        #[inline(always)]
        $visibility fn with<R>(use_it: impl FnOnce(&$crate::heap::Word) -> R) -> R {
            // The word needs no destructor, so it is there as long as the
            // thread is.
            WORD.with(use_it)
        }
    };
}
