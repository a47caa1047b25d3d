//! Strings of Automation: a length before the characters, a 0 behind them.
//!
//! ```text
//!   block of the task allocator
//!   | 4 unused | length in bytes, 4 | characters | 0, 2 | up to a multiple of 16 |
//!                                   ^ BSTR
//! ```
//!
//! A few freed strings of each size up to 512 bytes are kept for the next ones, as
//! Windows does, so that a spy does not hear of those and sees what is kept as blocks
//! not freed. OANOCACHE in the environment turns that off, for good, as
//! [`SetOaNoCache`] does.

use super::malloc::{allocate, release};
use super::types::{BSTR, LPCOLESTR};
use crate::sync::forks::{self, AtFork, Layer};
use crate::sync::{Mutex, Once};
use crate::win32::constants::{FALSE, TRUE};
use crate::win32::types::{INT, LPCSTR, UINT};
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

/// Bytes before the characters.
const BEFORE: usize = 8;
/// Bytes of the 0 behind them.
const END: usize = 2;
/// Blocks are multiples of this.
const STEP: usize = 16;
/// Bytes of the largest block that is kept.
const LARGEST: usize = 512;
/// Blocks of a size that are kept.
const KEPT: usize = 4;

static CACHE: Mutex<[[usize; KEPT]; LARGEST / STEP]> = Mutex::new([[0; KEPT]; LARGEST / STEP]);
static NO_CACHE: AtomicBool = AtomicBool::new(false);
static ASKED: Once = Once::new();

/// Whether freed strings are kept.
fn is_caching() -> bool {
    if ASKED.begin() {
        crate::sys::for_each_env(b"OANOCACHE", &mut |name, _| {
            if name == b"OANOCACHE" {
                NO_CACHE.store(true, Ordering::Relaxed);
            }
        });
        ASKED.end(true);
    }
    !NO_CACHE.load(Ordering::Relaxed)
}

/// Has a fork wait for whoever is at the cache: in the child nobody would leave it.
fn hold_across_forks() {
    static FORK: AtFork = AtFork::locks(&[CACHE.raw()]);
    forks::hold(Layer::Strings, &FORK);
}

/// The bytes of the block for a string of so many bytes; `None` for too many.
fn block_for(bytes: usize) -> Option<usize> {
    u32::try_from(bytes).ok()?;
    (BEFORE + bytes + END).checked_next_multiple_of(STEP)
}

/// What is kept of blocks of a size.
fn kept(cache: &mut [[usize; KEPT]; LARGEST / STEP], size: usize) -> Option<&mut [usize; KEPT]> {
    cache.get_mut((size / STEP).checked_sub(1)?)
}

/// A string of so many bytes, with its length and its 0; null when there is no memory.
fn make(bytes: usize) -> BSTR {
    let Some(size) = block_for(bytes) else {
        return ptr::null_mut();
    };
    let mut block: *mut u8 = ptr::null_mut();
    if size <= LARGEST && is_caching() {
        hold_across_forks();
        let mut cache = CACHE.lock();
        if let Some(row) = kept(&mut cache, size)
            && let Some(place) = row.iter_mut().find(|place| **place != 0)
        {
            block = ptr::with_exposed_provenance_mut(core::mem::replace(place, 0));
        }
    }
    if block.is_null() {
        block = allocate(size).cast();
    }
    if block.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: the block has room for the length, the bytes and the 0, which may lie at an
    // odd address.
    unsafe {
        block.add(4).cast::<u32>().write_unaligned(bytes as u32);
        block.add(BEFORE + bytes).cast::<u16>().write_unaligned(0);
        block.add(BEFORE).cast()
    }
}

/// The bytes of a string, or of null.
///
/// # Safety
/// The string is null or one of this module's.
unsafe fn length(string: BSTR) -> usize {
    if string.is_null() {
        return 0;
    }
    // SAFETY: the caller's promise: the length lies before the characters.
    unsafe { string.cast::<u32>().sub(1).read_unaligned() as usize }
}

/// Frees a string, or null.
///
/// # Safety
/// The string is null or one of this module's, and nobody uses it any more.
unsafe fn free(string: BSTR) {
    if string.is_null() {
        return;
    }
    // SAFETY: the caller's promise.
    let (size, block) = unsafe {
        let size = block_for(length(string)).unwrap_or(usize::MAX);
        (size, string.cast::<u8>().sub(BEFORE))
    };
    if size <= LARGEST && is_caching() {
        hold_across_forks();
        let mut cache = CACHE.lock();
        // Once more: the cache may have been emptied for good meanwhile.
        if let Some(row) = kept(&mut cache, size)
            && !NO_CACHE.load(Ordering::Relaxed)
        {
            let block = block.expose_provenance();
            // Freed twice: it is here already.
            if row.contains(&block) {
                return;
            }
            if let Some(place) = row.iter_mut().find(|place| **place == 0) {
                *place = block;
                return;
            }
        }
    }
    // SAFETY: the caller's promise.
    unsafe { release(block.cast()) };
}

/// A copy of a text that ends with 0. Null for null, and when there is no memory.
///
/// Source: "SysAllocString function (oleauto.h)".
///
/// # Safety
/// `text` is null or leads to text that ends with 0.
pub unsafe extern "system" fn SysAllocString(text: LPCOLESTR) -> BSTR {
    if text.is_null() {
        return ptr::null_mut();
    }
    let mut count = 0;
    // SAFETY: the caller's text goes on up to its 0.
    unsafe {
        while text.add(count).read_unaligned() != 0 {
            count += 1;
        }
        copy(text.cast(), count.saturating_mul(2))
    }
}

/// A string of so many bytes of `from`, or undefined ones if that is null.
///
/// # Safety
/// `from` is null or leads to so many bytes.
unsafe fn copy(from: *const u8, bytes: usize) -> BSTR {
    let string = make(bytes);
    if !string.is_null() && !from.is_null() {
        // SAFETY: the string has room for that many, and is new.
        unsafe { string.cast::<u8>().copy_from_nonoverlapping(from, bytes) };
    }
    string
}

/// A string of `count` characters of `text`, which may hold zeros, or undefined ones if that
/// is null. Null when there is no memory, and for 4 GiB or more.
///
/// Source: "SysAllocStringLen function (oleauto.h)".
///
/// # Safety
/// `text` is null or leads to `count` characters.
pub unsafe extern "system" fn SysAllocStringLen(text: LPCOLESTR, count: UINT) -> BSTR {
    // SAFETY: the caller's promise is the callee's.
    unsafe { copy(text.cast(), count as usize * 2) }
}

/// A string of `bytes` bytes of `text`, as they are, or undefined ones if that is null. Null
/// when there is no memory.
///
/// Source: "SysAllocStringByteLen function (oleauto.h)".
///
/// # Safety
/// `text` is null or leads to `bytes` bytes.
pub unsafe extern "system" fn SysAllocStringByteLen(text: LPCSTR, bytes: UINT) -> BSTR {
    // SAFETY: the caller's promise is the callee's.
    unsafe { copy(text.cast(), bytes as usize) }
}

/// Puts a copy of a text in the place of a string, which is freed. TRUE; FALSE when there is
/// no memory, and the string as it was. Null puts null.
///
/// Source: "SysReAllocString function (oleauto.h)".
///
/// # Safety
/// `string` leads to null or a string that nobody else uses; `text` as for
/// [`SysAllocString`], of that string if the caller likes.
pub unsafe extern "system" fn SysReAllocString(string: *mut BSTR, text: LPCOLESTR) -> INT {
    // SAFETY: the caller's promise is the callees'.
    unsafe {
        let new = SysAllocString(text);
        if new.is_null() && !text.is_null() {
            return FALSE;
        }
        free(string.read_unaligned());
        string.write_unaligned(new);
    }
    TRUE
}

/// Puts `count` characters of `text` in the place of a string, which is freed; with a text of
/// null, the string's own, as far as it goes. TRUE; FALSE when there is no memory, and the
/// string as it was.
///
/// Source: "SysReAllocStringLen function (oleauto.h)".
///
/// # Safety
/// As for [`SysReAllocString`] and [`SysAllocStringLen`].
pub unsafe extern "system" fn SysReAllocStringLen(
    string: *mut BSTR,
    text: LPCOLESTR,
    count: UINT,
) -> INT {
    // SAFETY: the caller's promise is the callees'.
    unsafe {
        let old = string.read_unaligned();
        let new = SysAllocStringLen(text, count);
        if new.is_null() {
            return FALSE;
        }
        if text.is_null() {
            let bytes = length(old).min(length(new));
            if bytes != 0 {
                new.cast::<u8>().copy_from_nonoverlapping(old.cast(), bytes);
            }
        }
        free(old);
        string.write_unaligned(new);
    }
    TRUE
}

/// Frees a string, or null.
///
/// Source: "SysFreeString function (oleauto.h)".
///
/// # Safety
/// The string is null or came from one of these functions, and nobody uses it any more.
pub unsafe extern "system" fn SysFreeString(string: BSTR) {
    // SAFETY: the caller's promise is the callee's.
    unsafe { free(string) };
}

/// The characters of a string, whole ones; 0 of null.
///
/// Source: "SysStringLen function (oleauto.h)".
///
/// # Safety
/// The string is null or came from one of these functions.
pub unsafe extern "system" fn SysStringLen(string: BSTR) -> UINT {
    // SAFETY: the caller's promise is the callee's.
    unsafe { (length(string) / 2) as UINT }
}

/// The bytes of a string; 0 of null.
///
/// Source: "SysStringByteLen function (oleauto.h)".
///
/// # Safety
/// The string is null or came from one of these functions.
pub unsafe extern "system" fn SysStringByteLen(string: BSTR) -> UINT {
    // SAFETY: the caller's promise is the callee's.
    unsafe { length(string) as UINT }
}

/// Has no freed strings kept from now on, as OANOCACHE in the environment does from the
/// beginning; those that are, are freed.
///
/// Source: "SetOaNoCache function".
///
/// # Safety
/// None to keep: it is unsafe only as all of the Windows names are.
pub unsafe extern "system" fn SetOaNoCache() {
    is_caching();
    NO_CACHE.store(true, Ordering::Relaxed);
    let rows = core::mem::replace(&mut *CACHE.lock(), [[0; KEPT]; LARGEST / STEP]);
    for block in rows.iter().flatten().filter(|block| **block != 0) {
        // SAFETY: a kept block is nobody's.
        unsafe { release(ptr::with_exposed_provenance_mut(*block)) };
    }
}
