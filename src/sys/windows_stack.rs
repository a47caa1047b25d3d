//! Windows: running on another stack, which the system makes larger as it is touched.
//!
//! The system looks at what a thread's own block (TEB) says of its stack when a guard page is
//! touched: where it begins, how far it is committed, and where its reservation begins. So
//! the block says another stack meanwhile, as a switch between fibers has it.
//!
//! Source: "NT_TIB structure (winnt.h)", "Thread Stack Size".

use core::arch::asm;

/// A stack: its bounds.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The byte after the highest.
    pub top: *mut u8,
    /// The lowest that is committed and no guard.
    pub limit: *mut u8,
    /// Where its reservation begins.
    pub base: *mut u8,
}

/// Calls `function(argument)` on another stack, which grows by its guard page.
///
/// # Safety
/// The bytes of `bounds` are a stack that is used by nobody else; the top is a multiple of 16,
/// and a page below it is committed. `function` returns, and takes `argument`.
pub unsafe fn call_on(bounds: &Bounds, function: unsafe extern "C" fn(*mut u8), argument: *mut u8) {
    // SAFETY: the words of the thread's block are its own: they are put back before anybody
    // sees the old stack again. The function keeps r12 to r15, in which what there was waits,
    // as every function of this calling convention does; all registers that it may change are
    // said to change. Above its frame are 1024 bytes of the new stack, zeros, so that whoever
    // walks frames finds their end; 32 of them are the callee's by convention.
    unsafe {
        asm!(
            "mov r13, qword ptr gs:[0x08]",
            "mov r14, qword ptr gs:[0x10]",
            "mov r15, qword ptr gs:[0x1478]",
            "mov qword ptr gs:[0x08], {top}",
            "mov qword ptr gs:[0x10], {limit}",
            "mov qword ptr gs:[0x1478], {base}",
            "mov r12, rsp",
            "lea rsp, [{top} - 1024]",
            "call {function}",
            "mov rsp, r12",
            "mov qword ptr gs:[0x08], r13",
            "mov qword ptr gs:[0x10], r14",
            "mov qword ptr gs:[0x1478], r15",
            top = in(reg) bounds.top,
            limit = in(reg) bounds.limit,
            base = in(reg) bounds.base,
            function = in(reg) function,
            in("rcx") argument,
            out("r12") _,
            out("r13") _,
            out("r14") _,
            out("r15") _,
            clobber_abi("C"),
        );
    }
}
