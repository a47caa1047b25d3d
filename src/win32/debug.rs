//! Text for the debugger.
//!
//! There is no debugger's channel here: standard error stands for it. Windows
//! shows the text to nobody when no debugger listens; whoever wants that sends
//! standard error elsewhere.

use super::types::{LPCSTR, LPCWSTR};
use crate::sys;
use core::ffi::CStr;

/// Writes text for the debugger: to standard error, in one piece, as it is.
/// Null writes nothing. Allocates nothing; any thread may call it.
///
/// Source: "OutputDebugStringA function (debugapi.h)".
///
/// # Safety
/// `text` is null or ends with a 0 byte.
pub unsafe extern "system" fn OutputDebugStringA(text: LPCSTR) {
    if !text.is_null() {
        // SAFETY: the caller's text ends with a 0 byte.
        sys::write_stderr(unsafe { CStr::from_ptr(text) }.to_bytes());
    }
}

/// Writes text for the debugger, from UTF-16 to UTF-8; what is no character
/// becomes U+FFFD. Otherwise as [`OutputDebugStringA`], in one piece if it
/// is at most a kilobyte.
///
/// Source: "OutputDebugStringW function (debugapi.h)".
///
/// # Safety
/// `text` is null or ends with a 16-bit 0.
pub unsafe extern "system" fn OutputDebugStringW(text: LPCWSTR) {
    if text.is_null() {
        return;
    }
    let mut at = text;
    let units = core::iter::from_fn(|| {
        // SAFETY: `at` is at most at the 0 that ends the caller's text, since
        // it moves on over other units only.
        let unit = unsafe { *at };
        if unit == 0 {
            return None;
        }
        at = at.wrapping_add(1);
        Some(unit)
    });
    let mut buffer = [0u8; 1024];
    let mut used = 0;
    for letter in core::char::decode_utf16(units) {
        let mut bytes = [0; 4];
        let bytes = letter
            .unwrap_or(char::REPLACEMENT_CHARACTER)
            .encode_utf8(&mut bytes)
            .as_bytes();
        if used + bytes.len() > buffer.len() {
            sys::write_stderr(buffer.get(..used).unwrap_or_default());
            used = 0;
        }
        if let Some(room) = buffer.get_mut(used..used + bytes.len()) {
            room.copy_from_slice(bytes);
            used += bytes.len();
        }
    }
    sys::write_stderr(buffer.get(..used).unwrap_or_default());
}
