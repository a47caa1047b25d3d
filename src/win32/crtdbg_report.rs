//! The debug C runtime's names: reports, which the process has one set of.
//!
//! `_CrtDbgReport` and `_CrtDbgReportW` take as many arguments as their format
//! wants, which Rust cannot define: `libntheap.so` has an entry in assembly for
//! each, which leads to [`report_list`] and [`report_list_wide`].

use super::types::{_CRT_REPORT_HOOK, _CRT_REPORT_HOOKW, _HFILE, INT};
use crate::crt::debug::report::{self, Hook};
use crate::crt::{errno, invalid};
use core::ptr;

/// Asks what is set, and sets nothing.
const REPORT_MODE: INT = -1;
const REPORT_FILE: isize = -6;
const FILE_ERROR: isize = -2;
const HOOK_INSTALL: INT = 0;
const HOOK_REMOVE: INT = 1;

/// Sets where reports of a kind go: `_CRTDBG_MODE_FILE`, `_CRTDBG_MODE_DEBUG`,
/// `_CRTDBG_MODE_WNDW`, any of them together. The modes before; with
/// `_CRTDBG_REPORT_MODE` those that are set. -1 and EINVAL, after the invalid
/// parameter handler, for another kind or mode.
///
/// At first warnings go to the debugger, errors and assertions to a window. There
/// is neither here: standard error stands for both, and a window's text ends the
/// process, unless reports of corruption are set to let it go on.
///
/// Source: "_CrtSetReportMode".
///
/// # Safety
/// None to keep.
pub unsafe extern "system" fn _CrtSetReportMode(kind: INT, modes: INT) -> INT {
    let before = match modes {
        REPORT_MODE => report::modes(kind),
        modes => report::set_modes(kind, modes),
    };
    before.unwrap_or_else(|| {
        invalid::parameter();
        -1
    })
}

/// Sets the file that reports of a kind go to: a descriptor,
/// `_CRTDBG_FILE_STDOUT` or `_CRTDBG_FILE_STDERR`. Whether it is open is not
/// looked at. The file before; with `_CRTDBG_REPORT_FILE` the one that is set.
/// `_CRTDBG_HFILE_ERROR` and EINVAL, after the invalid parameter handler, for
/// another kind.
///
/// Source: "_CrtSetReportFile".
///
/// # Safety
/// None to keep.
pub unsafe extern "system" fn _CrtSetReportFile(kind: INT, file: _HFILE) -> _HFILE {
    let before = match file.addr() as isize {
        REPORT_FILE => report::file(kind),
        file => report::set_file(kind, file),
    };
    let before = before.unwrap_or_else(|| {
        invalid::parameter();
        FILE_ERROR
    });
    ptr::without_provenance_mut(before as usize)
}

/// Sets the hook that is shown reports after those of [`_CrtSetReportHook2`], or
/// takes it away; the one before. It is called with no lock held.
///
/// Source: "_CrtSetReportHook".
///
/// # Safety
/// The hook can be called until it is replaced, and a while after that if other
/// threads are reporting.
pub unsafe extern "system" fn _CrtSetReportHook(hook: _CRT_REPORT_HOOK) -> _CRT_REPORT_HOOK {
    // SAFETY: the caller's promise.
    unsafe { report::set_hook(hook) }
}

/// That hook, or null.
///
/// Source: "_CrtGetReportHook".
///
/// # Safety
/// None to keep.
pub unsafe extern "system" fn _CrtGetReportHook() -> _CRT_REPORT_HOOK {
    report::hook()
}

/// Installs a hook, or counts it once more, with `_CRT_RPTHOOK_INSTALL`; counts
/// it once less, with `_CRT_RPTHOOK_REMOVE`. Its count afterwards. The hook
/// installed last is shown reports first; one that is done with a report returns
/// not 0.
///
/// -1 and EINVAL, after the invalid parameter handler, for another action, null,
/// or a hook to be removed that is not installed; -1 and ENOMEM when 32 others
/// are.
///
/// Source: "_CrtSetReportHook2, _CrtSetReportHookW2".
///
/// # Safety
/// As for [`_CrtSetReportHook`].
pub unsafe extern "system" fn _CrtSetReportHook2(action: INT, hook: _CRT_REPORT_HOOK) -> INT {
    // SAFETY: the caller's promise.
    unsafe { set_hook(action, hook.map(Hook::Narrow)) }
}

/// [`_CrtSetReportHook2`] for hooks whose messages have 16-bit characters. Both
/// kinds stand in one row.
///
/// Source: "_CrtSetReportHook2, _CrtSetReportHookW2".
///
/// # Safety
/// As for [`_CrtSetReportHook`].
pub unsafe extern "system" fn _CrtSetReportHookW2(action: INT, hook: _CRT_REPORT_HOOKW) -> INT {
    // SAFETY: the caller's promise.
    unsafe { set_hook(action, hook.map(Hook::Wide)) }
}

unsafe fn set_hook(action: INT, hook: Option<Hook>) -> INT {
    let count = match (action, hook) {
        (HOOK_INSTALL, Some(hook)) => {
            // SAFETY: the caller's promise.
            let count = unsafe { report::install(hook) };
            if count.is_none() {
                errno::set(errno::ENOMEM);
                return -1;
            }
            count
        }
        (HOOK_REMOVE, Some(hook)) => report::remove(hook),
        _ => None,
    };
    match count {
        Some(count) => INT::try_from(count).unwrap_or(INT::MAX),
        None => {
            invalid::parameter();
            -1
        }
    }
}

/// Breaks into the debugger, by SIGTRAP: without one, and without a handler, the
/// process ends.
///
/// Source: "_CrtDbgBreak".
///
/// # Safety
/// None to keep.
pub unsafe extern "system" fn _CrtDbgBreak() {
    report::break_here();
}

/// Reports with the arguments in a `va_list`.
#[cfg(all(target_arch = "x86_64", not(windows)))]
mod list {
    use super::super::types::{INT, LPCSTR, LPCWSTR};
    use crate::crt::debug::format::{Narrow, VaList, Wide};
    use crate::crt::debug::report;

    /// `_CrtDbgReport`: makes a message of the format and its arguments, shows it
    /// to the hooks, and sends it where the kind's modes say. 0; 1 where the
    /// program should break into the debugger; -1 and nothing done for another
    /// kind; or a hook's answer. The message has at most 4,095 bytes; longer ones
    /// are cut. Nothing is allocated.
    ///
    /// A format of null stands for none, as `_ASSERT` has it.
    ///
    /// Source: "_CrtDbgReport, _CrtDbgReportW".
    ///
    /// # Safety
    /// The texts are null or end with 0; the list has what the format wants.
    pub unsafe extern "C" fn report_list(
        kind: INT,
        file: LPCSTR,
        line: INT,
        module: LPCSTR,
        format: LPCSTR,
        list: *mut VaList,
    ) -> INT {
        // SAFETY: the caller's promise.
        unsafe {
            let letters = (!format.is_null()).then(|| Narrow::at(format));
            let (file, module) = (report::bytes_of(file), report::bytes_of(module));
            report::report_formatted(kind, file, line, module, letters, &mut *list)
        }
    }

    /// `_CrtDbgReportW`: [`report_list`] with texts of 16-bit characters; the
    /// message is UTF-8 all the same.
    ///
    /// Source: "_CrtDbgReport, _CrtDbgReportW".
    ///
    /// # Safety
    /// As for [`report_list`].
    pub unsafe extern "C" fn report_list_wide(
        kind: INT,
        file: LPCWSTR,
        line: INT,
        module: LPCWSTR,
        format: LPCWSTR,
        list: *mut VaList,
    ) -> INT {
        // SAFETY: the caller's promise.
        unsafe {
            let letters = (!format.is_null()).then(|| Wide::at(format));
            let (file, module) = (report::name_of_wide(file), report::name_of_wide(module));
            let file = file.as_ref().map(report::Name::as_bytes);
            let module = module.as_ref().map(report::Name::as_bytes);
            report::report_formatted(kind, file, line, module, letters, &mut *list)
        }
    }
}

#[cfg(all(target_arch = "x86_64", not(windows)))]
pub use list::{report_list, report_list_wide};
