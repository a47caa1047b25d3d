//! Faults of the processor as exceptions, for the vectored handlers.
//!
//! The registers go over into a `CONTEXT` and, when a handler goes on, back: what
//! it changed there is what the thread goes on with.
//!
//! This runs while any code is interrupted, on the thread's alternate stack where
//! it has one. A handler that needs much of the stack, or is to serve stacks that
//! overflow, has its thread set one up that is large enough, as SetThreadStackGuarantee
//! does.

use super::constants::{
    STATUS_ACCESS_VIOLATION, STATUS_GUARD_PAGE_VIOLATION, STATUS_IN_PAGE_ERROR,
    STATUS_STACK_OVERFLOW,
};
use super::exceptions::{self, EMPTY_CONTEXT};
use super::types::{CONTEXT, DWORD, EXCEPTION_RECORD, NTSTATUS};
use crate::sys::{Fault, Wanted};
use crate::vm::fault::{self, Meaning};
use core::ptr;

/// Has faults raise exceptions from now on. False when the system refuses.
pub(super) fn raise_faults() -> bool {
    fault::pass_to(raise)
}

/// Raises the exception that a fault means. Whether a handler goes on.
fn raise(meaning: Meaning, fault: &Fault) -> bool {
    let code: NTSTATUS = match meaning {
        Meaning::Violation => STATUS_ACCESS_VIOLATION,
        Meaning::Guard => STATUS_GUARD_PAGE_VIOLATION,
        Meaning::StackEnd => STATUS_STACK_OVERFLOW,
        Meaning::Nothing => STATUS_IN_PAGE_ERROR,
    };
    let wanted = match fault.wanted {
        Wanted::Read => 0,
        Wanted::Write => 1,
        Wanted::Execute => 8,
    };
    let count: DWORD = match meaning {
        Meaning::Violation | Meaning::Guard => 2,
        Meaning::StackEnd => 0,
        Meaning::Nothing => 3,
    };
    let mut context = EMPTY_CONTEXT;
    registers::take(fault, &mut context);
    let mut record = EXCEPTION_RECORD {
        ExceptionCode: code,
        ExceptionFlags: 0,
        ExceptionRecord: ptr::null_mut(),
        ExceptionAddress: ptr::with_exposed_provenance_mut(context.Rip as usize),
        NumberParameters: count,
        ExceptionInformation: [0; 15],
    };
    let [first, second, third, ..] = &mut record.ExceptionInformation;
    if count >= 2 {
        (*first, *second) = (wanted, fault.address);
    }
    if count >= 3 {
        // What Windows says of a file that could not be read to the page.
        const END_OF_FILE: u32 = 0xC000_0011;
        *third = END_OF_FILE as usize;
    }
    if !exceptions::dispatch(&raw mut record, &raw mut context) {
        return false;
    }
    registers::give(fault, &context);
    true
}

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod registers {
    use super::super::constants::{CONTEXT_CONTROL, CONTEXT_FLOATING_POINT, CONTEXT_INTEGER};
    use super::{CONTEXT, Fault};
    use core::ptr;

    /// The bytes of the processor's FXSAVE area that programs may change; the
    /// others are the kernel's.
    const SAVED: usize = 416;

    macro_rules! general {
        ($visit:ident) => {
            $visit! {
                REG_RIP Rip, REG_RSP Rsp, REG_RBP Rbp, REG_RAX Rax, REG_RCX Rcx, REG_RDX Rdx,
                REG_RBX Rbx, REG_RSI Rsi, REG_RDI Rdi, REG_R8 R8, REG_R9 R9, REG_R10 R10,
                REG_R11 R11, REG_R12 R12, REG_R13 R13, REG_R14 R14, REG_R15 R15
            }
        };
    }

    pub(super) fn take(fault: &Fault, context: &mut CONTEXT) {
        let registers = fault.registers.cast::<libc::ucontext_t>();
        // SAFETY: the kernel passed the thread's registers, which live until
        // the handler returns.
        let machine = unsafe { &(*registers).uc_mcontext };
        macro_rules! read {
            ($($index:ident $name:ident),*) => {
                $(context.$name = machine.gregs[libc::$index as usize] as u64;)*
            };
        }
        general!(read);
        context.EFlags = machine.gregs[libc::REG_EFL as usize] as u32;
        context.ContextFlags = CONTEXT_CONTROL | CONTEXT_INTEGER;
        if !machine.fpregs.is_null() {
            // SAFETY: the kernel saved the FXSAVE area there, at least.
            unsafe {
                let saved = machine.fpregs.cast::<u8>();
                ptr::copy_nonoverlapping(saved, context.FltSave.as_mut_ptr(), SAVED);
                context.MxCsr = (*machine.fpregs).mxcsr;
            }
            context.ContextFlags |= CONTEXT_FLOATING_POINT;
        }
    }

    pub(super) fn give(fault: &Fault, context: &CONTEXT) {
        let registers = fault.registers.cast::<libc::ucontext_t>();
        // SAFETY: as in `take`, and nobody else uses them.
        let machine = unsafe { &mut (*registers).uc_mcontext };
        macro_rules! write {
            ($($index:ident $name:ident),*) => {
                $(machine.gregs[libc::$index as usize] = context.$name as i64;)*
            };
        }
        general!(write);
        machine.gregs[libc::REG_EFL as usize] = i64::from(context.EFlags);
        if !machine.fpregs.is_null() {
            // SAFETY: as in `take`; the kernel checks what it loads from there.
            unsafe {
                let saved = machine.fpregs.cast::<u8>();
                ptr::copy_nonoverlapping(context.FltSave.as_ptr(), saved, SAVED);
            }
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
mod registers {
    use super::{CONTEXT, Fault};

    /// Other processors' registers have no place in the structure.
    pub(super) fn take(_: &Fault, _: &mut CONTEXT) {}

    pub(super) fn give(_: &Fault, _: &CONTEXT) {}
}
