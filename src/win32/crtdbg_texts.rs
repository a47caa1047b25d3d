//! The debug versions of the C runtime's functions that make a text for their
//! caller: where it is, a full path, a file's name, a variable of the environment.
//! The text lies in a debug block, unless the caller has a buffer for it.
//!
//! Paths are this system's, with `/`. The functions with `w` in front take and give
//! texts of 16-bit characters. There are no drives, and so no `_getdcwd_dbg`.
//!
//! In all functions `block_use`, `file` and `line` are as for
//! [`_malloc_dbg`](super::_malloc_dbg), and any thread may call them.

use super::types::{INT, LPCSTR, LPCWSTR, LPSTR, LPWSTR, errno_t, size_t};
use super::wide;
use crate::crt::debug::{DebugHeap, Origin};
use crate::crt::{errno, invalid};
use crate::report::FixedBuffer;
use crate::sys;
use core::ffi::{CStr, c_char};
use core::fmt::Write;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

/// Most bytes of a path, the 0 at its end included.
const PATH_MAX: usize = 4096;

/// Who asks.
struct Request {
    block_use: INT,
    origin: Origin,
}

impl Request {
    /// # Safety
    /// `file` is null or a text that lives as long as the process.
    unsafe fn new(block_use: INT, file: LPCSTR, line: INT) -> Request {
        // SAFETY: the caller's promise.
        let origin = unsafe { Origin::from_raw(file, line) };
        Request { block_use, origin }
    }

    /// A debug block of at least `room` letters with the text and a 0 in it; null and
    /// ENOMEM.
    fn block<L: Copy + Default>(&self, text: &[L], room: usize) -> *mut L {
        let Some(bytes) = room.max(text.len() + 1).checked_mul(size_of::<L>()) else {
            errno::set(errno::ENOMEM);
            return ptr::null_mut();
        };
        let heap = DebugHeap::shared();
        let block: *mut L = heap.allocate(bytes, self.block_use, self.origin).cast();
        if !block.is_null() {
            // SAFETY: the new block has room for the text and one letter.
            unsafe { write(text, block) };
        }
        block
    }

    /// The text in the caller's buffer of `most` letters, null and ERANGE where it
    /// does not fit; or, without a buffer, in a block of at least so many.
    ///
    /// # Safety
    /// The buffer is null or can be written to.
    unsafe fn give<L: Copy + Default>(&self, text: &[L], buffer: *mut L, most: usize) -> *mut L {
        if buffer.is_null() {
            return self.block(text, most);
        }
        if text.len() >= most {
            errno::set(errno::ERANGE);
            return ptr::null_mut();
        }
        // SAFETY: the caller's buffer has room.
        unsafe { write(text, buffer) };
        buffer
    }

    /// [`Request::give`] of a text in UTF-8 as one of 16-bit characters.
    ///
    /// # Safety
    /// As for [`Request::give`].
    unsafe fn give_wide(&self, text: &[u8], buffer: LPWSTR, most: usize) -> LPWSTR {
        let mut units = [0; PATH_MAX];
        match wide::from_utf8(text, &mut units) {
            // SAFETY: the caller's promise.
            Some(text) => unsafe { self.give(text, buffer, most) },
            None => {
                errno::set(errno::ERANGE);
                ptr::null_mut()
            }
        }
    }
}

/// # Safety
/// There is room for the text and one letter.
unsafe fn write<L: Copy + Default>(text: &[L], to: *mut L) {
    // SAFETY: the caller's promise; the text is no part of it.
    unsafe {
        to.copy_from_nonoverlapping(text.as_ptr(), text.len());
        to.add(text.len()).write(L::default());
    }
}

/// A path as it is put together.
struct Path {
    bytes: [u8; PATH_MAX],
    length: usize,
}

impl Path {
    const EMPTY: Path = Path {
        bytes: [0; PATH_MAX],
        length: 0,
    };

    /// Where the process is; none, and errno set, where the system does not tell.
    fn here() -> Option<Path> {
        let mut path = Path::EMPTY;
        let buffer: *mut c_char = path.bytes.as_mut_ptr().cast();
        // SAFETY: the buffer is as long as is said, and gets a text that ends with 0.
        unsafe {
            if libc::getcwd(buffer, PATH_MAX).is_null() {
                return None;
            }
            path.length = CStr::from_ptr(buffer).count_bytes();
        }
        Some(path)
    }

    fn text(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Adds a part; none, and ERANGE, where there is no room.
    fn enter(&mut self, part: &[u8]) -> Option<()> {
        let end = self.length + 1 + part.len();
        let place = self
            .bytes
            .get_mut(self.length..end)
            .filter(|_| end < PATH_MAX);
        let Some((slash, rest)) = place.and_then(<[u8]>::split_first_mut) else {
            errno::set(errno::ERANGE);
            return None;
        };
        *slash = b'/';
        rest.copy_from_slice(part);
        self.length = end;
        Some(())
    }

    /// The full path of `relative`, by its letters alone: no link is followed.
    fn full(relative: &[u8]) -> Option<Path> {
        let mut path = if relative.starts_with(b"/") {
            Path::EMPTY
        } else {
            Path::here()?
        };
        if path.text() == b"/" {
            path.length = 0;
        }
        for part in relative.split(|&letter| letter == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    let last = path.text().iter().rposition(|&letter| letter == b'/');
                    path.length = last.unwrap_or(0);
                }
                _ => path.enter(part)?,
            }
        }
        if path.length == 0 {
            path.enter(b"")?;
        }
        Some(path)
    }

    /// The text with a 0 behind it, where there is room.
    fn terminated(&mut self) -> Option<&CStr> {
        *self.bytes.get_mut(self.length)? = 0;
        CStr::from_bytes_until_nul(&self.bytes).ok()
    }

    /// Whether there is something of that name. errno stays as it was.
    fn exists(&mut self) -> bool {
        self.terminated().is_some_and(|name| {
            // SAFETY: the name ends with 0.
            errno::keep(|| unsafe { libc::access(name.as_ptr(), libc::F_OK) == 0 })
        })
    }

    /// Whether there is a folder of that name. errno stays as it was.
    fn is_folder(&mut self) -> bool {
        let Some(name) = self.terminated() else {
            return false;
        };
        // SAFETY: all zero is a value of the structure; the name ends with 0, and the
        // call writes one structure.
        errno::keep(|| unsafe {
            let mut found: libc::stat = core::mem::zeroed();
            libc::stat(name.as_ptr(), &raw mut found) == 0
                && found.st_mode & libc::S_IFMT == libc::S_IFDIR
        })
    }

    /// The folder of that name, if there is one.
    fn folder(name: &[u8]) -> Option<Path> {
        let mut path = Path::EMPTY;
        path.bytes.get_mut(..name.len())?.copy_from_slice(name);
        path.length = name.len();
        (!name.is_empty() && path.is_folder()).then_some(path)
    }

    /// The name of a file that there is not, in the folder that the variable TMP
    /// names, or `folder`, or where the process is.
    fn unused(folder: Option<&[u8]>, prefix: &[u8]) -> Option<Path> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mut path = match variable(b"TMP").and_then(Path::folder) {
            Some(path) => path,
            None => match folder.and_then(Path::folder) {
                Some(path) => path,
                None => Path::here()?,
            },
        };
        while path.length > 1 && path.text().ends_with(b"/") {
            path.length -= 1;
        }
        let start = path.length;
        loop {
            let mut name = FixedBuffer::<512>::new();
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            // Longer than a file's name can be where it does not fit.
            let _ = write!(name, "{}{number}", sys::process_id());
            path.length = start;
            path.enter(prefix)?;
            let end = path.length + name.as_bytes().len();
            let Some(place) = path.bytes.get_mut(path.length..end) else {
                errno::set(errno::ERANGE);
                return None;
            };
            place.copy_from_slice(name.as_bytes());
            path.length = end;
            if !path.exists() {
                return Some(path);
            }
        }
    }
}

/// The value of a variable of the environment, which nobody may set meanwhile.
fn variable(name: &[u8]) -> Option<&'static [u8]> {
    let mut found = None;
    sys::for_each_env(name, &mut |this, value| {
        if this == name && found.is_none() {
            found = Some((value.as_ptr(), value.len()));
        }
    });
    // SAFETY: a text of the environment, which stays where it is until a program
    // changes it: it must not while another thread reads it.
    found.map(|(first, length)| unsafe { core::slice::from_raw_parts(first, length) })
}

/// # Safety
/// `text` is null or ends with 0, and stays as it is.
unsafe fn narrow<'a>(text: LPCSTR) -> Option<&'a [u8]> {
    // SAFETY: the caller's text.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// The same of 16-bit characters, in UTF-8 in `bytes`. None for null, and, with
/// ERANGE, for what does not fit.
///
/// # Safety
/// As for [`narrow`].
unsafe fn widened(text: LPCWSTR, bytes: &mut [u8; PATH_MAX]) -> Result<Option<&[u8]>, ()> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's text.
    match wide::to_utf8(unsafe { wide::until_zero(text) }, bytes) {
        Some(text) => Ok(Some(text.to_bytes())),
        None => {
            errno::set(errno::ERANGE);
            Err(())
        }
    }
}

/// How many letters a buffer of `_getcwd_dbg`'s caller has, or none after the invalid
/// parameter handler.
fn letters<L>(buffer: *mut L, most: INT) -> Option<usize> {
    let letters = usize::try_from(most).ok();
    let letters = letters.filter(|&letters| letters != 0 || buffer.is_null());
    if letters.is_none() {
        invalid::parameter();
    }
    letters
}

/// The path of the folder that the process is in, in `buffer`, which has `most`
/// letters, or, where that is null, in a debug block of at least so many. Null and
/// ERANGE where it does not fit; null and ENOMEM where there is no memory; null and
/// EINVAL, after the invalid parameter handler, for a length below 0, or of 0 of a
/// buffer.
///
/// Source: "_getcwd_dbg, _wgetcwd_dbg".
///
/// # Safety
/// The buffer is null or has room for `most` letters; `file` is null or a text that
/// lives as long as the process.
pub unsafe extern "system" fn _getcwd_dbg(
    buffer: LPSTR,
    most: INT,
    block_use: INT,
    file: LPCSTR,
    line: INT,
) -> LPSTR {
    let Some(most) = letters(buffer, most) else {
        return ptr::null_mut();
    };
    match Path::here() {
        // SAFETY: the caller's promise.
        Some(path) => unsafe {
            let request = Request::new(block_use, file, line);
            request.give(path.text(), buffer.cast::<u8>(), most).cast()
        },
        None => ptr::null_mut(),
    }
}

/// [`_getcwd_dbg`] in 16-bit characters.
///
/// Source: "_getcwd_dbg, _wgetcwd_dbg".
///
/// # Safety
/// As for [`_getcwd_dbg`].
pub unsafe extern "system" fn _wgetcwd_dbg(
    buffer: LPWSTR,
    most: INT,
    block_use: INT,
    file: LPCSTR,
    line: INT,
) -> LPWSTR {
    let Some(most) = letters(buffer, most) else {
        return ptr::null_mut();
    };
    match Path::here() {
        // SAFETY: the caller's promise.
        Some(path) => unsafe {
            Request::new(block_use, file, line).give_wide(path.text(), buffer, most)
        },
        None => ptr::null_mut(),
    }
}

/// The full path of `relative`, by its letters: `.` and `..` are gone, links are
/// not followed. Null or nothing is where the process is. In `buffer`, which has
/// `most` letters, or, where that is null, in a debug block. Null and ERANGE where
/// it does not fit; null and ENOMEM where there is no memory; null and EINVAL, after
/// the invalid parameter handler, for a buffer of no letters.
///
/// Source: "_fullpath_dbg, _wfullpath_dbg".
///
/// # Safety
/// As for [`_getcwd_dbg`]; `relative` is null or ends with 0.
pub unsafe extern "system" fn _fullpath_dbg(
    buffer: LPSTR,
    relative: LPCSTR,
    most: size_t,
    block_use: INT,
    file: LPCSTR,
    line: INT,
) -> LPSTR {
    if !buffer.is_null() && most == 0 {
        invalid::parameter();
        return ptr::null_mut();
    }
    // SAFETY: the caller's promise.
    unsafe {
        let Some(path) = Path::full(narrow(relative).unwrap_or_default()) else {
            return ptr::null_mut();
        };
        let most = if buffer.is_null() { 0 } else { most };
        let request = Request::new(block_use, file, line);
        request.give(path.text(), buffer.cast::<u8>(), most).cast()
    }
}

/// [`_fullpath_dbg`] in 16-bit characters.
///
/// Source: "_fullpath_dbg, _wfullpath_dbg".
///
/// # Safety
/// As for [`_fullpath_dbg`].
pub unsafe extern "system" fn _wfullpath_dbg(
    buffer: LPWSTR,
    relative: LPCWSTR,
    most: size_t,
    block_use: INT,
    file: LPCSTR,
    line: INT,
) -> LPWSTR {
    if !buffer.is_null() && most == 0 {
        invalid::parameter();
        return ptr::null_mut();
    }
    let mut bytes = [0; PATH_MAX];
    // SAFETY: the caller's promise.
    unsafe {
        let Ok(relative) = widened(relative, &mut bytes) else {
            return ptr::null_mut();
        };
        let Some(path) = Path::full(relative.unwrap_or_default()) else {
            return ptr::null_mut();
        };
        let most = if buffer.is_null() { 0 } else { most };
        Request::new(block_use, file, line).give_wide(path.text(), buffer, most)
    }
}

/// The name of a file that there is not, in a debug block: it begins with `prefix`
/// and lies in the folder that the variable TMP names, else in `folder`, else where
/// the process is. Somebody else may make the file before the caller does. Null and
/// ERANGE where the name would be too long; null and ENOMEM.
///
/// Source: "_tempnam_dbg, _wtempnam_dbg".
///
/// # Safety
/// The texts are null or end with 0; `file` as for [`_getcwd_dbg`].
pub unsafe extern "system" fn _tempnam_dbg(
    folder: LPCSTR,
    prefix: LPCSTR,
    block_use: INT,
    file: LPCSTR,
    line: INT,
) -> LPSTR {
    // SAFETY: the caller's promise.
    unsafe {
        let prefix = narrow(prefix).unwrap_or_default();
        match Path::unused(narrow(folder), prefix) {
            Some(path) => Request::new(block_use, file, line)
                .block(path.text(), 0)
                .cast(),
            None => ptr::null_mut(),
        }
    }
}

/// [`_tempnam_dbg`] in 16-bit characters.
///
/// Source: "_tempnam_dbg, _wtempnam_dbg".
///
/// # Safety
/// As for [`_tempnam_dbg`].
pub unsafe extern "system" fn _wtempnam_dbg(
    folder: LPCWSTR,
    prefix: LPCWSTR,
    block_use: INT,
    file: LPCSTR,
    line: INT,
) -> LPWSTR {
    let (mut folders, mut prefixes) = ([0; PATH_MAX], [0; PATH_MAX]);
    // SAFETY: the caller's promise.
    unsafe {
        let (Ok(folder), Ok(prefix)) = (
            widened(folder, &mut folders),
            widened(prefix, &mut prefixes),
        ) else {
            return ptr::null_mut();
        };
        match Path::unused(folder, prefix.unwrap_or_default()) {
            Some(path) => {
                Request::new(block_use, file, line).give_wide(path.text(), ptr::null_mut(), 0)
            }
            None => ptr::null_mut(),
        }
    }
}

/// The value of a variable of the environment in a debug block, in `*value`, and its
/// letters with the 0 at its end in `*letters`, unless that is null; null and 0 where
/// there is no such variable. 0; ENOMEM; EINVAL, after the invalid parameter handler,
/// where `value` or `name` is null. The result is errno's as well.
///
/// Source: "_dupenv_s_dbg, _wdupenv_s_dbg".
///
/// # Safety
/// `value` and `letters` are null or can be written to, `name` is null or ends with
/// 0; `file` as for [`_getcwd_dbg`]. Nobody changes the environment meanwhile.
pub unsafe extern "system" fn _dupenv_s_dbg(
    value: *mut LPSTR,
    letters: *mut size_t,
    name: LPCSTR,
    block_use: INT,
    file: LPCSTR,
    line: INT,
) -> errno_t {
    // SAFETY: the caller's promise.
    unsafe {
        let copy = |found: &[u8]| {
            let request = Request::new(block_use, file, line);
            (request.block(found, 0).cast(), found.len() + 1)
        };
        copied(value, letters, narrow(name), copy)
    }
}

/// [`_dupenv_s_dbg`] in 16-bit characters. ENOMEM also for a value of more than 4095.
///
/// Source: "_dupenv_s_dbg, _wdupenv_s_dbg".
///
/// # Safety
/// As for [`_dupenv_s_dbg`].
pub unsafe extern "system" fn _wdupenv_s_dbg(
    value: *mut LPWSTR,
    letters: *mut size_t,
    name: LPCWSTR,
    block_use: INT,
    file: LPCSTR,
    line: INT,
) -> errno_t {
    let mut bytes = [0; PATH_MAX];
    // SAFETY: the caller's promise.
    unsafe {
        // No variable has a name that does not fit.
        let name = widened(name, &mut bytes).unwrap_or(Some(b""));
        let copy = |found: &[u8]| {
            let mut units = [0; PATH_MAX];
            let request = Request::new(block_use, file, line);
            match wide::from_utf8(found, &mut units) {
                Some(text) => (request.block(text, 0), text.len() + 1),
                None => (ptr::null_mut(), 0),
            }
        };
        copied(value, letters, name, copy)
    }
}

/// The rest of `_dupenv_s_dbg`: `copy` makes a block of a value, and says how many
/// letters it has.
///
/// # Safety
/// The places are null or can be written to.
unsafe fn copied<L>(
    value: *mut *mut L,
    letters: *mut size_t,
    name: Option<&[u8]>,
    copy: impl FnOnce(&[u8]) -> (*mut L, usize),
) -> errno_t {
    // SAFETY: the caller's places.
    unsafe {
        if !value.is_null() {
            value.write(ptr::null_mut());
        }
        if !letters.is_null() {
            letters.write(0);
        }
        let Some(name) = name.filter(|_| !value.is_null()) else {
            invalid::parameter();
            return errno::EINVAL;
        };
        let Some(found) = variable(name).filter(|_| !name.is_empty()) else {
            return 0;
        };
        let (block, count) = copy(found);
        if block.is_null() {
            errno::set(errno::ENOMEM);
            return errno::ENOMEM;
        }
        value.write(block);
        if !letters.is_null() {
            letters.write(count);
        }
        0
    }
}
