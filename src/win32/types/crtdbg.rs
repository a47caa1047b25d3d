//! The debug C runtime's types.

use super::{INT, LPVOID};
use crate::crt::debug;

/// C's long, which has 64 bits here and 32 on Windows.
pub type long = core::ffi::c_long;
/// Text of 8-bit characters that ends with 0, to be changed.
pub type LPSTR = *mut core::ffi::c_char;
/// Text of 16-bit characters that ends with 0, to be changed.
pub type LPWSTR = *mut u16;
/// A file that reports go to: a descriptor, or one of `_CRTDBG_FILE_STDOUT` and
/// its kin.
pub type _HFILE = LPVOID;
/// A look at reports: kind, message and where the answer goes.
pub type _CRT_REPORT_HOOK = Option<debug::report::ReportHook>;
/// The same for messages in 16-bit characters.
pub type _CRT_REPORT_HOOKW = Option<debug::report::WideReportHook>;
/// A look at requests.
pub type _CRT_ALLOC_HOOK = Option<debug::AllocHook>;
/// What shows client blocks.
pub type _CRT_DUMP_CLIENT = Option<debug::DumpClient>;
/// What `_CrtDoForAllClientObjects` calls.
pub type _CrtClientVisitor = Option<unsafe extern "C" fn(LPVOID, LPVOID)>;
/// A debug heap's figures.
pub type _CrtMemState = debug::State;
/// What lies in front of a debug block's bytes.
pub type _CrtMemBlockHeader = debug::block::Header;
/// 8 bits without sign.
pub type UCHAR = u8;
/// Where C ints lie.
pub type PINT = *mut INT;
