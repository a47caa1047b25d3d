//! A thread's word, which leads to its cache.
//!
//! Where the compiler reaches thread-local storage by a function call (in a
//! shared library; through `thread_local!`'s accessor whenever that is not
//! inlined), a fast path of twenty instructions would double. On x86-64 Linux
//! the word is instead defined here, in the part of thread-local storage that
//! every thread has from its start, and one load of its offset reaches it. In
//! an executable the linker makes a constant of that load. One word: a library
//! with more of it could not be opened late. (musl refuses even that.) The
//! symbol is hidden, since copies of several libraries must not meet: a Rust
//! `dylib` cannot hand it on to what is linked with it.

/// Defines a thread's word named by a symbol of its own, and the functions
/// `cache`, `cache_at` and `with` that reach it.
#[doc(hidden)]
#[macro_export]
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
macro_rules! thread_word {
    ($visibility:vis, $($symbol:tt)+) => {
        ::core::arch::global_asm!(
            concat!(".pushsection .tdata.", $($symbol)+, ",\"awT\",@progbits"),
            concat!(".hidden ", $($symbol)+),
            concat!(".globl ", $($symbol)+),
            concat!(".type ", $($symbol)+, ",@object"),
            concat!(".size ", $($symbol)+, ",8"),
            ".p2align 3",
            concat!($($symbol)+, ":"),
            ".quad {unborn}",
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
                    "mov {cache}, qword ptr fs:[{offset}]",
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

/// Defines a thread's word, and the functions `cache`, `cache_at` and `with`
/// that reach it.
#[doc(hidden)]
#[macro_export]
#[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
macro_rules! thread_word {
    ($visibility:vis, $($symbol:tt)+) => {
        ::std::thread_local! {
            static WORD: $crate::heap::Word =
                const { ::core::cell::Cell::new($crate::heap::ThreadCache::unborn()) };
        }

        /// The thread's cache.
        #[inline(always)]
        #[allow(dead_code)]
        $visibility fn cache() -> *const $crate::heap::ThreadCache {
            WORD.with(::core::cell::Cell::get)
        }

        /// The address of what lies `distance` bytes into the thread's cache.
        #[inline(always)]
        #[allow(dead_code)]
        $visibility fn cache_at(distance: usize) -> *const u8 {
            cache().cast::<u8>().wrapping_add(distance)
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
