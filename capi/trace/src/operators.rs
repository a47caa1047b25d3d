//! `operator new` and `operator delete`, which exceptions may pass through.
//!
//! A function of Rust's would end the process when an exception of C++ came
//! through it. So each operator is a few instructions: they keep the arguments,
//! say that the call begins, call the next operator, and say what it gave. A
//! `new` that throws is left without that last word.

#![cfg(target_arch = "x86_64")]

use crate::next::Next;
use crate::record::{began, ended};
use core::ffi::{CStr, c_void};
use heap::trace::Argument;

/// An operator: its symbol, how it is called, and its parameters by name.
struct Operator {
    next: Next,
    name: &'static CStr,
    parameters: &'static [&'static CStr],
}

macro_rules! operators {
    ($($number:literal $symbol:literal = $name:literal, $parameters:expr;)*) => {
        static OPERATORS: [Operator; [$($number),*].len()] = [$(
            Operator {
                next: Next::new(match CStr::from_bytes_with_nul(concat!($symbol, "\0").as_bytes()) {
                    Ok(text) => text,
                    Err(_) => c"?",
                }),
                name: $name,
                parameters: $parameters,
            },
        )*];

        $(
            const _: () = {
                /// The operator of this symbol, told of.
                #[unsafe(naked)]
                #[unsafe(export_name = $symbol)]
                unsafe extern "C" fn operator() {
                    core::arch::naked_asm!(
                        ".cfi_startproc",
                        "push rbx",
                        ".cfi_def_cfa_offset 16",
                        ".cfi_offset rbx, -16",
                        "sub rsp, 32",
                        ".cfi_def_cfa_offset 48",
                        "mov [rsp], rdi",
                        "mov [rsp + 8], rsi",
                        "mov [rsp + 16], rdx",
                        "mov rsi, rsp",
                        concat!("mov edi, ", $number),
                        "call {begin}",
                        "mov rdi, [rsp]",
                        "mov rsi, [rsp + 8]",
                        "mov rdx, [rsp + 16]",
                        "call rax",
                        "mov rbx, rax",
                        "mov rsi, rax",
                        concat!("mov edi, ", $number),
                        "call {end}",
                        "mov rax, rbx",
                        "add rsp, 32",
                        ".cfi_def_cfa_offset 16",
                        "pop rbx",
                        ".cfi_def_cfa_offset 8",
                        "ret",
                        ".cfi_endproc",
                        begin = sym begin,
                        end = sym end,
                    )
                }
            };
        )*
    };
}

operators! {
    0 "_Znwm" = c"operator new", &[c"size"];
    1 "_Znam" = c"operator new[]", &[c"size"];
    2 "_ZnwmRKSt9nothrow_t" = c"operator new", &[c"size", c"nothrow"];
    3 "_ZnamRKSt9nothrow_t" = c"operator new[]", &[c"size", c"nothrow"];
    4 "_ZnwmSt11align_val_t" = c"operator new", &[c"size", c"alignment"];
    5 "_ZnamSt11align_val_t" = c"operator new[]", &[c"size", c"alignment"];
    6 "_ZnwmSt11align_val_tRKSt9nothrow_t" = c"operator new", &[c"size", c"alignment", c"nothrow"];
    7 "_ZnamSt11align_val_tRKSt9nothrow_t" = c"operator new[]", &[c"size", c"alignment", c"nothrow"];
    8 "_ZdlPv" = c"operator delete", &[c"block"];
    9 "_ZdaPv" = c"operator delete[]", &[c"block"];
    10 "_ZdlPvm" = c"operator delete", &[c"block", c"size"];
    11 "_ZdaPvm" = c"operator delete[]", &[c"block", c"size"];
    12 "_ZdlPvRKSt9nothrow_t" = c"operator delete", &[c"block", c"nothrow"];
    13 "_ZdaPvRKSt9nothrow_t" = c"operator delete[]", &[c"block", c"nothrow"];
    14 "_ZdlPvSt11align_val_t" = c"operator delete", &[c"block", c"alignment"];
    15 "_ZdaPvSt11align_val_t" = c"operator delete[]", &[c"block", c"alignment"];
    16 "_ZdlPvmSt11align_val_t" = c"operator delete", &[c"block", c"size", c"alignment"];
    17 "_ZdaPvmSt11align_val_t" = c"operator delete[]", &[c"block", c"size", c"alignment"];
}

/// The call of an operator begins: its next definition.
unsafe extern "C" fn begin(number: u32, values: *const [u64; 3]) -> *mut c_void {
    let Some(operator) = OPERATORS.get(number as usize) else {
        heap::sys::abort();
    };
    // SAFETY: the operator's frame keeps its arguments there.
    let values = unsafe { &*values };
    let mut arguments = [Argument::new(c"", 0); 3];
    for ((argument, name), value) in arguments.iter_mut().zip(operator.parameters).zip(values) {
        *argument = Argument::new(name, *value);
    }
    let count = operator.parameters.len();
    began(operator.name, arguments.get(..count).unwrap_or_default());
    operator.next.must()
}

/// The call of an operator has ended.
extern "C" fn end(number: u32, result: u64) {
    if let Some(operator) = OPERATORS.get(number as usize) {
        ended(operator.name, result);
    }
}
