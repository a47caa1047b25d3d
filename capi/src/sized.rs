//! C++'s sized delete, which says how large the object was: in a hardened heap what it
//! says is compared with the block.
//!
//! The C++ library's own forgets the size and calls the delete without one, which a
//! program may have replaced. So do these, after the comparison. Blocks of a program's own
//! operator new may be of any size: where an operator is not this library's, nothing is
//! compared.

use crate::judge;
use core::arch::naked_asm;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU8, Ordering};
use heap::heap::checked;

/// Defines a sized delete that calls `$delete`.
macro_rules! sized_delete {
    ($(#[$doc:meta])* $name:ident, $delete:literal, ($($argument:ident: $type:ty),*), $save:literal, $restore:literal) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// As for free.
        #[unsafe(no_mangle)]
        #[unsafe(naked)]
        #[allow(non_snake_case)]
        pub unsafe extern "C" fn $name(block: *mut c_void, size: usize $(, $argument: $type)*) {
            naked_asm!(
                ".cfi_startproc",
                "cmp byte ptr [rip + {way}], 0",
                "jle 1f",
                "push rdi",
                ".cfi_adjust_cfa_offset 8",
                "push rdx",
                ".cfi_adjust_cfa_offset 8",
                "sub rsp, 8",
                ".cfi_adjust_cfa_offset 8",
                $save,
                "call {expect}",
                "add rsp, 8",
                ".cfi_adjust_cfa_offset -8",
                "pop rdx",
                ".cfi_adjust_cfa_offset -8",
                "pop rdi",
                ".cfi_adjust_cfa_offset -8",
                "1:",
                $restore,
                concat!("jmp qword ptr [rip + ", $delete, "@GOTPCREL]"),
                ".cfi_endproc",
                expect = sym expect,
                way = sym checked::WAY,
            )
        }
    };
}

sized_delete! {
    /// C++14's `operator delete(void*, std::size_t)`.
    _ZdlPvm, "_ZdlPv", (), "mov edx, 1", ""
}

sized_delete! {
    /// C++14's `operator delete[](void*, std::size_t)`.
    _ZdaPvm, "_ZdaPv", (), "mov edx, 1", ""
}

sized_delete! {
    /// C++17's `operator delete(void*, std::size_t, std::align_val_t)`.
    _ZdlPvmSt11align_val_t, "_ZdlPvSt11align_val_t", (_align: usize), "", "mov rsi, rdx"
}

sized_delete! {
    /// C++17's `operator delete[](void*, std::size_t, std::align_val_t)`.
    _ZdaPvmSt11align_val_t, "_ZdaPvSt11align_val_t", (_align: usize), "", "mov rsi, rdx"
}

/// Reports a block that was made for other bytes than `size`, or, at an alignment, than
/// so many rounded up to it, if the C++ library made the block.
unsafe extern "C" fn expect(block: *mut c_void, size: usize, align: usize) {
    if !block.is_null() && crate::malloc::keep_errno(is_librarys) {
        // A size of 0 is served as 1.
        checked::expect_size("operator delete", block.cast(), size.max(1), align);
    }
}

/// Whether operator new and delete are not the program's own.
fn is_librarys() -> bool {
    const UNKNOWN: u8 = 2;
    static ANSWER: AtomicU8 = AtomicU8::new(UNKNOWN);
    if ANSWER.load(Ordering::Relaxed) == UNKNOWN {
        ANSWER.store(u8::from(judge::are_called()), Ordering::Relaxed);
    }
    ANSWER.load(Ordering::Relaxed) == 1
}
