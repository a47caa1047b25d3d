//! A thread's number, by which it finds its slot of a bucket.
//!
//! ```text
//!   symbol   number   SLOTS until the thread first needs one
//! ```
//!
//! A word of thread-local storage, reached as the process heap's is
//! (heap/word.rs says why so). Any function of a thread's address would send
//! some two threads to one slot: stacks lie at multiples of this and that. So
//! the threads that use heaps are counted, and each gives its number back at
//! its end; where that cannot be arranged it has one that others may have too.
//! A thread that uses a heap after that keeps the number it had: nobody relies
//! on it to be alone.

use super::lfh::SLOTS;
use super::numbers::Numbers;
use core::ptr;

/// The numbers of living threads.
static NUMBERS: Numbers<SLOTS> = Numbers::new();

/// Which of the system's hooks is told of a thread's end.
const HOOK: usize = crate::sys::ThreadHook::Homes as usize;

/// What a thread has that has no number yet: no slot is found by it.
pub(super) const NONE: usize = SLOTS;

#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    not(ntheap_portable)
))]
mod word {
    use super::NONE;

    /// The word's symbol. A program may contain copies of several versions.
    macro_rules! symbol {
        () => {
            concat!(
                "ntheap_number_",
                env!("CARGO_PKG_VERSION_MAJOR"),
                "_",
                env!("CARGO_PKG_VERSION_MINOR"),
                "_",
                env!("CARGO_PKG_VERSION_PATCH")
            )
        };
    }

    core::arch::global_asm!(
        concat!(".pushsection .tdata.", symbol!(), ",\"awT\",@progbits"),
        concat!(".hidden ", symbol!()),
        concat!(".globl ", symbol!()),
        concat!(".type ", symbol!(), ",@object"),
        concat!(".size ", symbol!(), ",8"),
        ".p2align 3",
        concat!(symbol!(), ":"),
        ".quad {none}",
        ".popsection",
        none = const NONE,
    );

    /// The word's distance from the thread pointer.
    #[inline(always)]
    fn offset() -> usize {
        let offset: usize;
        // SAFETY: reads a constant of the program's image.
        unsafe {
            core::arch::asm!(
                concat!("mov {offset}, qword ptr [rip + ", symbol!(), "@GOTTPOFF]"),
                offset = out(reg) offset,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        offset
    }

    /// The thread's number, at most [`NONE`].
    #[inline(always)]
    pub(in super::super) fn get() -> usize {
        let number: usize;
        // SAFETY: reads the calling thread's word.
        unsafe {
            core::arch::asm!(
                "mov {number}, qword ptr fs:[{offset}]",
                offset = in(reg) offset(),
                number = out(reg) number,
                options(nostack, readonly, preserves_flags),
            );
        }
        number
    }

    /// Sets the thread's number, at most [`NONE`].
    pub(super) fn set(number: usize) {
        // SAFETY: writes the calling thread's word, which lives as long as it.
        unsafe {
            core::arch::asm!(
                "mov qword ptr fs:[{offset}], {number}",
                offset = in(reg) offset(),
                number = in(reg) number,
                options(nostack, preserves_flags),
            );
        }
    }
}

/// Where there is no such word, the number is made of what tells threads apart.
#[cfg(not(all(
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    not(ntheap_portable)
)))]
mod word {
    use super::SLOTS;

    /// The thread's number, which others may have too.
    #[inline(always)]
    pub(in super::super) fn get() -> usize {
        let token = crate::sys::thread_token() as u64;
        let mixed = token.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        mixed as usize % SLOTS
    }

    /// There is nothing to set.
    pub(super) fn set(_number: usize) {}
}

pub(super) use word::get;

/// The thread's number, below [`SLOTS`], given to it now if it has none. The
/// caller holds no lock that an allocation from the process heap takes.
pub(super) fn settle() -> usize {
    let number = get();
    if number < SLOTS {
        return number;
    }
    let number = NUMBERS.enter();
    // First: setting the hook may allocate.
    word::set(number);
    let value = ptr::without_provenance_mut(number + 1);
    if !crate::sys::at_thread_exit(HOOK, ended, value) {
        NUMBERS.leave(number);
    }
    number
}

/// The end of a thread with a number, one more than which is `value`.
unsafe extern "C" fn ended(value: *mut u8) {
    NUMBERS.leave(value.addr().wrapping_sub(1));
}

/// In a forked child: the numbers of threads that are gone are free.
pub(super) fn forget_others() {
    let own = get();
    NUMBERS.keep_only((own < SLOTS).then_some(own));
}

#[cfg(all(
    test,
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    not(ntheap_portable)
))]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::{Barrier, Mutex};
    use std::thread;
    use std::vec::Vec;

    /// The tests share the process's threads' numbers.
    static ALONE: Mutex<()> = Mutex::new(());

    fn numbers_of(threads: usize) -> Vec<usize> {
        let (all_there, all_done) = (Barrier::new(threads), Barrier::new(threads));
        thread::scope(|scope| {
            let threads: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        all_there.wait();
                        let number = settle();
                        assert_eq!((settle(), get()), (number, number));
                        all_done.wait();
                        number
                    })
                })
                .collect();
            threads.into_iter().map(|one| one.join().unwrap()).collect()
        })
    }

    #[test]
    fn threads_alive_at_a_time_have_different_numbers() {
        let _alone = ALONE.lock().unwrap();
        // Over and over: the numbers of those that have ended are used again.
        for round in 0..50 {
            let threads = 2 + round % (SLOTS - 2);
            let numbers = numbers_of(threads);
            let different: HashSet<usize> = numbers.iter().copied().collect();
            assert_eq!(different.len(), threads, "{numbers:?}");
        }
    }

    #[test]
    fn more_threads_than_numbers_share_them_evenly() {
        let _alone = ALONE.lock().unwrap();
        let numbers = numbers_of(4 * SLOTS);
        for number in 0..SLOTS {
            let users = numbers.iter().filter(|&&one| one == number).count();
            assert!((3..=5).contains(&users), "{numbers:?}");
        }
    }
}
