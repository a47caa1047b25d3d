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
    use heap::heap::UNBORN;

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
    pub(crate) fn with<R>(use_it: impl FnOnce(&Word) -> R) -> R {
        WORD.with(use_it)
    }
}

pub(crate) use native::with;
