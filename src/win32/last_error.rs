//! A thread's last error, and the two functions that show it; and beside it the C
//! runtime's number of the system's last error (crt.rs).
//!
//! On x86-64 Linux they are words of the thread's own part of the program's
//! image, as the word that leads to its cache is: no call reaches them, and no
//! thread has to make them.
//!
//! ```text
//!   last error (4) | not used (4) | _doserrno (8)
//! ```

use super::types::DWORD;

#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    not(ntheap_portable)
))]
mod word {
    use core::cell::Cell;

    macro_rules! symbol {
        () => {
            concat!(
                "ntheap_last_error_",
                env!("CARGO_PKG_VERSION_MAJOR"),
                "_",
                env!("CARGO_PKG_VERSION_MINOR"),
                "_",
                env!("CARGO_PKG_VERSION_PATCH")
            )
        };
    }

    core::arch::global_asm!(
        ".pushsection .tbss.ntheap_last_error,\"awT\",@nobits",
        concat!(".hidden ", symbol!()),
        concat!(".globl ", symbol!()),
        concat!(".type ", symbol!(), ",@object"),
        concat!(".size ", symbol!(), ",16"),
        ".p2align 3",
        concat!(symbol!(), ":"),
        ".zero 16",
        ".popsection",
    );

    /// As `with` and a store, in two instructions.
    #[inline(always)]
    pub(super) fn set(value: u32) {
        // SAFETY: writes to the word, whose distance from the thread pointer is a
        // constant of the program's image; see below.
        unsafe {
            core::arch::asm!(
                concat!("mov {distance}, qword ptr [rip + ", symbol!(), "@GOTTPOFF]"),
                "mov dword ptr fs:[{distance}], {value:e}",
                distance = out(reg) _,
                value = in(reg) value,
                options(nostack, preserves_flags),
            );
        }
    }

    /// As `set` of no error.
    #[inline(always)]
    pub(super) fn clear() {
        // SAFETY: as in `set`.
        unsafe {
            core::arch::asm!(
                concat!("mov {distance}, qword ptr [rip + ", symbol!(), "@GOTTPOFF]"),
                "mov dword ptr fs:[{distance}], 0",
                distance = out(reg) _,
                options(nostack, preserves_flags),
            );
        }
    }

    /// Where the words are.
    #[inline]
    fn words() -> *mut u64 {
        let words;
        // SAFETY: reads the thread pointer and adds the words' distance from it, a
        // constant of the program's image.
        unsafe {
            core::arch::asm!(
                "mov {words}, qword ptr fs:[0]",
                concat!("add {words}, qword ptr [rip + ", symbol!(), "@GOTTPOFF]"),
                words = out(reg) words,
                options(pure, nomem, nostack),
            );
        }
        words
    }

    #[inline]
    pub(super) fn with<R>(use_it: impl FnOnce(&Cell<u32>) -> R) -> R {
        // SAFETY: the word, zero at first, lives as long as the thread and is
        // reached by this thread only.
        unsafe { use_it(&*words().cast::<Cell<u32>>()) }
    }

    /// The second word.
    pub(super) fn system_error() -> *mut u64 {
        words().wrapping_add(1)
    }
}

#[cfg(not(all(
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    not(ntheap_portable)
)))]
mod word {
    use core::cell::Cell;

    std::thread_local! {
        static WORD: Cell<u32> = const { Cell::new(0) };
        static SYSTEM_ERROR: Cell<u64> = const { Cell::new(0) };
    }

    pub(super) fn system_error() -> *mut u64 {
        SYSTEM_ERROR.with(Cell::as_ptr)
    }

    pub(super) fn with<R>(use_it: impl FnOnce(&Cell<u32>) -> R) -> R {
        // The word needs no destructor, so it is there as long as the thread
        // is.
        WORD.with(use_it)
    }

    pub(super) fn set(value: u32) {
        with(|word| word.set(value));
    }

    pub(super) fn clear() {
        set(0);
    }
}

/// The calling thread's last error: what the last function that failed, and
/// says so, left. 0 in a new thread.
///
/// Source: "GetLastError function (errhandlingapi.h)".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn GetLastError() -> DWORD {
    get()
}

/// Sets the calling thread's last error.
///
/// Source: "SetLastError function (errhandlingapi.h)".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn SetLastError(error: DWORD) {
    set(error);
}

/// Where the calling thread's `_doserrno` is, 0 at first.
pub(super) fn system_error() -> *mut u64 {
    word::system_error()
}

pub(super) fn get() -> DWORD {
    word::with(core::cell::Cell::get)
}

pub(super) fn set(error: DWORD) {
    word::set(error);
}

/// Leaves NO_ERROR.
#[inline(always)]
pub(super) fn clear() {
    word::clear();
}
