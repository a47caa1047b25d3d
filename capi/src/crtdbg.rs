//! `_CrtDbgReport` and `_CrtDbgReportW`, which take as many arguments as their
//! format wants, and the leak check at the process's end.
//!
//! ```text
//!   ntheap__CrtDbgReport(kind, file, line, module, format, ...)
//!        | registers and stack as the caller left them
//!        v
//!   a va_list on the stack --> heap::win32::report_list(..., &list)
//! ```
//!
//! Stable Rust defines no functions with variable arguments, so that the entries
//! are in assembly: they lay the registers down as the platform's `va_start` does.
//!
//! Source: "System V Application Binary Interface, AMD64 Architecture Processor
//! Supplement", section "Variable Argument Lists".

use heap::crt::debug;

/// Runs at the library's end: after the program's exit handlers and the
/// destructors of whatever needs the library.
#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".fini_array"))]
static AT_EXIT: extern "C" fn() = at_exit;

#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
static AT_LOAD: extern "C" fn() = at_load;

extern "C" fn at_load() {
    debug::will_ask_for_leaks();
}

extern "C" fn at_exit() {
    debug::ask_for_leaks();
}

/// An entry of that name that leads to a function with a list in the sixth place.
///
/// On the stack, from the pointer on: the six words and eight doubles of the
/// registers, 176 bytes; the list, 24; 16 to keep the pointer at a multiple of 16.
/// Five words are named arguments, so that the list begins with the sixth one, 40
/// bytes on; `al` says whether doubles are passed at all.
#[cfg(target_arch = "x86_64")]
macro_rules! variadic {
    ($name:literal, $entry:ident, $target:path) => {
        /// The Windows function, for `libntheap_win32.so`. Its arguments are the
        /// target's, and those that the format wants.
        ///
        /// # Safety
        /// As for the function of `heap::win32`.
        #[unsafe(naked)]
        #[unsafe(export_name = $name)]
        pub unsafe extern "C" fn $entry() {
            core::arch::naked_asm!(
                ".cfi_startproc",
                "sub rsp, 216",
                ".cfi_adjust_cfa_offset 216",
                "mov [rsp + 40], r9",
                "test al, al",
                "je 2f",
                "movaps [rsp + 48], xmm0",
                "movaps [rsp + 64], xmm1",
                "movaps [rsp + 80], xmm2",
                "movaps [rsp + 96], xmm3",
                "movaps [rsp + 112], xmm4",
                "movaps [rsp + 128], xmm5",
                "movaps [rsp + 144], xmm6",
                "movaps [rsp + 160], xmm7",
                "2:",
                "mov dword ptr [rsp + 176], 40",
                "mov dword ptr [rsp + 180], 48",
                "lea rax, [rsp + 224]",
                "mov [rsp + 184], rax",
                "mov [rsp + 192], rsp",
                "lea r9, [rsp + 176]",
                "call {target}",
                "add rsp, 216",
                ".cfi_adjust_cfa_offset -216",
                "ret",
                ".cfi_endproc",
                target = sym $target,
            )
        }
    };
}

#[cfg(target_arch = "x86_64")]
variadic!(
    "ntheap__CrtDbgReport",
    crt_dbg_report,
    heap::win32::report_list
);
#[cfg(target_arch = "x86_64")]
variadic!(
    "ntheap__CrtDbgReportW",
    crt_dbg_report_wide,
    heap::win32::report_list_wide
);
