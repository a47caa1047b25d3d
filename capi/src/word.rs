//! The thread's word, which leads to its cache.
//!
//! In a shared library the compiler reaches thread-local storage through a
//! function call. On x86-64 Linux the word is instead defined here, in the
//! part of thread-local storage that every thread has from its start, where
//! one load of its offset reaches it. One word: a library with more of it
//! could not be opened late.

use heap::heap::Word;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod native {
    use super::Word;
    use heap::heap::{ThreadCache, UNBORN};

    core::arch::global_asm!(
        ".pushsection .tdata.ntheap_word,\"awT\",@progbits",
        ".hidden ntheap_thread_word",
        ".globl ntheap_thread_word",
        ".type ntheap_thread_word,@object",
        ".size ntheap_thread_word,8",
        ".p2align 3",
        "ntheap_thread_word:",
        ".quad {unborn}",
        ".popsection",
        unborn = sym UNBORN,
    );

    /// The thread's cache.
    #[inline(always)]
    pub(crate) fn cache() -> *const ThreadCache {
        let cache: *const ThreadCache;
        // SAFETY: reads the word's offset and, at it, the thread's word.
        unsafe {
            core::arch::asm!(
                "mov {cache}, qword ptr [rip + ntheap_thread_word@GOTTPOFF]",
                "mov {cache}, qword ptr fs:[{cache}]",
                cache = out(reg) cache,
                options(nostack, readonly, preserves_flags),
            );
        }
        cache
    }

    /// The address of what lies `offset` bytes into the thread's cache.
    #[inline(always)]
    pub(crate) fn cache_at(offset: usize) -> *const u8 {
        let mut at = offset;
        // SAFETY: reads the word's offset and, at it, the thread's word.
        unsafe {
            core::arch::asm!(
                "mov {word}, qword ptr [rip + ntheap_thread_word@GOTTPOFF]",
                "add {at}, qword ptr fs:[{word}]",
                word = out(reg) _,
                at = inout(reg) at,
                options(nostack, readonly),
            );
        }
        core::ptr::with_exposed_provenance(at)
    }

    /// Runs `use_it` on the word itself.
    #[inline(always)]
    pub(crate) fn with<R>(use_it: impl FnOnce(&Word) -> R) -> R {
        let word: *const Word;
        // SAFETY: reads the thread pointer and the word's offset from it; the
        // word, preset by the linker's thread image, lives as long as the
        // thread.
        unsafe {
            core::arch::asm!(
                "mov {word}, qword ptr fs:[0]",
                "add {word}, qword ptr [rip + ntheap_thread_word@GOTTPOFF]",
                word = out(reg) word,
                options(pure, nomem, nostack),
            );
            use_it(&*word)
        }
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod native {
    use super::Word;
    use core::cell::Cell;
    use heap::heap::ThreadCache;

    std::thread_local! {
        static WORD: Word = const { Cell::new(ThreadCache::unborn()) };
    }

    #[inline(always)]
    pub(crate) fn cache() -> *const ThreadCache {
        WORD.with(Cell::get)
    }

    #[inline(always)]
    pub(crate) fn cache_at(offset: usize) -> *const u8 {
        cache().cast::<u8>().wrapping_add(offset)
    }

    #[inline(always)]
    pub(crate) fn with<R>(use_it: impl FnOnce(&Word) -> R) -> R {
        WORD.with(use_it)
    }
}

pub(crate) use native::{cache, cache_at, with};
