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
/// `cache`, `own`, `cache_at`, `row_at`, `push_at` and `with` that reach it.
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

        /// Gives a block to the bin `distance` bytes into the thread's own row; false, and
        /// nothing done, when the bin is full or the block is none of the front end's own.
        ///
        /// What `plain::push` does, step by step, in one statement: the compiler weighs each
        /// statement by itself when it decides what to put in line, and functions that free
        /// something should stay as light as if they called a function.
        ///
        /// # Safety
        /// `distance` is a bin's, and the caller gives up a block of its class.
        #[inline(always)]
        #[allow(dead_code)]
        $visibility unsafe fn push_at(distance: usize, block: *mut u8) -> bool {
            const { assert!($crate::heap::plain::TELLS_BY_LOW) };
            // SAFETY: the word leads to a row of bins, the caller's distance is one of them, and
            // only this thread moves its top. Below its limit there is room for an entry, which
            // is a block that the caller gives up, of the bin's class: those that are not lie
            // below `LOW`, where the front end has none.
            unsafe {
                ::core::arch::asm!(
                    "cmp {block}, {last_low}",
                    "jbe {rest}",
                    "add {bin}, qword ptr fs:[{offset}]",
                    "mov {top}, qword ptr [{bin} + {TOP}]",
                    "cmp {top}, qword ptr [{bin} + {LIMIT}]",
                    "jae {rest}",
                    "mov qword ptr [{top}], {block}",
                    "add {top}, 8",
                    "mov qword ptr [{bin} + {TOP}], {top}",
                    block = in(reg) block,
                    offset = in(reg) offset(),
                    bin = inout(reg) distance => _,
                    top = out(reg) _,
                    last_low = const $crate::heap::plain::LAST_LOW,
                    TOP = const $crate::heap::plain::TOP,
                    LIMIT = const $crate::heap::plain::LIMIT,
                    rest = label { return false; },
                    options(nostack),
                );
            }
            true
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

/// Defines a thread's word, and the functions `cache`, `own`, `cache_at`, `row_at`, `push_at`
/// and `with` that reach it.
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

        /// Gives a block to the bin `distance` bytes into the thread's own row; false, and
        /// nothing done, when the bin is full or the block is none of the front end's own.
        ///
        /// # Safety
        /// `distance` is a bin's, and the caller gives up a block of its class.
        #[inline(always)]
        #[allow(dead_code)]
        $visibility unsafe fn push_at(distance: usize, block: *mut u8) -> bool {
            // SAFETY: the caller's promise is the callee's.
            WORD.with(|word| unsafe { $crate::heap::plain::push(word, distance, block) })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::{magazine::Entry, plain};
    use crate::sync::atomic::{AtomicPtr, Ordering};
    use crate::sys::LOW;
    use core::ptr;

    crate::thread_word!(pub(super), "ntheap_word_of_a_test");

    /// The second bin of a row, which has room for so many more blocks.
    struct Row {
        bins: [Bin; 2],
        entries: [Entry; 4],
    }

    const SECOND: usize = size_of::<Bin>();

    impl Row {
        fn new() -> Self {
            Row {
                bins: [const {
                    Bin {
                        top: AtomicPtr::new(ptr::null_mut()),
                        limit: AtomicPtr::new(ptr::null_mut()),
                    }
                }; 2],
                entries: [ptr::null_mut(); 4],
            }
        }

        /// Whether `push` took `block`, what the bin's top rose by, and what the entries are.
        fn pushed(
            &mut self,
            room: usize,
            block: *mut u8,
            push: impl FnOnce(usize, *mut u8) -> bool,
        ) -> (bool, usize, [Entry; 4]) {
            let first: *mut Entry = self.entries.as_mut_ptr();
            self.bins[1].top.store(first, Ordering::Relaxed);
            let limit = first.wrapping_add(room);
            self.bins[1].limit.store(limit, Ordering::Relaxed);
            with(|word| word.row.set(self.bins.as_ptr()));
            let is_taken = push(SECOND, block);
            with(|word| word.row.set((&raw const UNBORN).cast()));
            let top = self.bins[1].top.load(Ordering::Relaxed);
            (is_taken, top.addr() - first.addr(), self.entries)
        }
    }

    #[test]
    fn push_at_does_what_push_does() {
        let inside = ptr::without_provenance_mut::<u8>(LOW);
        let outside = ptr::without_provenance_mut::<u8>(if crate::sys::KEEPS_LOW {
            LOW - 16
        } else {
            LOW + 8
        });
        let taken = [inside, ptr::null_mut(), ptr::null_mut(), ptr::null_mut()];
        let nothing = (false, 0, [ptr::null_mut(); 4]);
        for (room, block, expected) in [
            (0, inside, nothing),
            (1, inside, (true, size_of::<Entry>(), taken)),
            (3, inside, (true, size_of::<Entry>(), taken)),
            (0, outside, nothing),
            (3, outside, nothing),
        ] {
            // SAFETY: the row has a second bin, with room for what is below its limit; nobody
            // takes a block out of it.
            let at = Row::new().pushed(room, block, |at, block| unsafe { push_at(at, block) });
            // SAFETY: as above.
            let step_by_step = |at, block| with(|word| unsafe { plain::push(word, at, block) });
            assert_eq!(at, expected, "{room}, {block:?}");
            assert_eq!(Row::new().pushed(room, block, step_by_step), expected);
        }
        // SAFETY: the word leads to the shared row again, whose second bin is full.
        assert!(!unsafe { push_at(SECOND, inside) });
    }
}
