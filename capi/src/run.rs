//! What `ntheap run` wants to know: at load, whose malloc the process uses;
//! at exit, the statistics.
//!
//! When the environment names a file in `NTHEAP_RUN_REPORT`, each process
//! appends one JSON line at load and one at exit to it, written from a fixed
//! buffer. The constructor runs before the program's own and uses nothing of
//! Rust's standard library.

use core::ffi::{CStr, c_char, c_void};
use core::fmt::{self, Write};
use core::ptr;

/// Ends a program that would run on another malloc than the command promised.
const OTHER_MALLOC: i32 = 123;

#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
static AT_LOAD: extern "C" fn() = at_load;

#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".fini_array"))]
static AT_EXIT: extern "C" fn() = at_exit;

/// A line in the making, cut when it is full.
struct Line {
    bytes: [u8; 16 * 1024],
    length: usize,
}

impl Line {
    const fn new() -> Self {
        Line {
            bytes: [0; 16 * 1024],
            length: 0,
        }
    }

    /// Appends the line to the report's file in one write.
    fn append_to(&self, path: *const c_char) {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC;
        // SAFETY: `path` is a string of the environment; the bytes written
        // are this line's.
        unsafe {
            let file = libc::open(path, flags, 0o600);
            if file >= 0 {
                libc::write(file, self.bytes.as_ptr().cast(), self.length);
                libc::close(file);
            }
        }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let free = self.bytes.get_mut(self.length..).unwrap_or_default();
        let count = text.len().min(free.len());
        if let (Some(to), Some(from)) = (free.get_mut(..count), text.as_bytes().get(..count)) {
            to.copy_from_slice(from);
        }
        self.length += count;
        Ok(())
    }
}

/// A path, with what JSON cannot hold in a string left out.
struct Escaped<'a>(&'a CStr);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for &byte in self.0.to_bytes() {
            match byte {
                b'"' | b'\\' => {
                    out.write_char('\\')?;
                    out.write_char(char::from(byte))?;
                }
                0x20..=0x7e => out.write_char(char::from(byte))?,
                _ => out.write_char('?')?,
            }
        }
        Ok(())
    }
}

/// The variable that names the file. Beside what else is read at load (rare.ld).
#[cfg_attr(target_os = "linux", unsafe(link_section = ".rodata.load"))]
static REPORT: [u8; 17] = *b"NTHEAP_RUN_REPORT";

/// The value of a variable, a C string; null where there is none. Not by `getenv`, whose
/// pages a program that is not asked for a report does not need.
fn environment(name: &[u8]) -> *const c_char {
    let mut found: *const c_char = ptr::null();
    // SAFETY: getauxval reads what the kernel passed to the process.
    if unsafe { libc::getauxval(libc::AT_SECURE) } == 0 {
        heap::sys::for_each_env(name, &mut |of, value| {
            if of.len() == name.len() && found.is_null() {
                // What is behind the name goes to the end of the string.
                found = value.as_ptr().cast();
            }
        });
    }
    found
}

/// The object that defines the malloc this process calls, if it is another
/// one than this library's.
///
/// A block tells, not the function's address: a program that is not position
/// independent gives every symbol's seeker its own jump to malloc, wherever
/// that leads.
fn other_malloc() -> Option<&'static CStr> {
    // SAFETY: dlsym looks symbols up in the objects already loaded.
    let (used, free) = unsafe {
        (
            libc::dlsym(libc::RTLD_DEFAULT, c"malloc".as_ptr()),
            libc::dlsym(libc::RTLD_DEFAULT, c"free".as_ptr()),
        )
    };
    if !used.is_null() && !free.is_null() {
        // SAFETY: the functions that the process calls by these names.
        let (malloc, free) = unsafe {
            (
                core::mem::transmute::<*mut c_void, extern "C" fn(usize) -> *mut c_void>(used),
                core::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut c_void)>(free),
            )
        };
        let before = heap::stats().allocated;
        let block = malloc(1);
        let is_ours = heap::stats().allocated > before;
        // SAFETY: the block is this function's, and free is malloc's own.
        unsafe { free(block) };
        if is_ours {
            return None;
        }
    }
    match object_of(used) {
        // SAFETY: the loader's name of an object is a string that lives as
        // long as the object.
        Some(used) if !used.dli_fname.is_null() => unsafe { Some(CStr::from_ptr(used.dli_fname)) },
        _ => Some(c"unknown"),
    }
}

/// The object that `address` lies in.
fn object_of(address: *const c_void) -> Option<libc::Dl_info> {
    // SAFETY: dladdr fills one record about an address, whatever it is; the
    // record's fields may all be zero.
    unsafe {
        let mut found: libc::Dl_info = core::mem::zeroed();
        (libc::dladdr(address, &raw mut found) != 0).then_some(found)
    }
}

/// Whether this process is the one the command started.
fn is_direct_child() -> bool {
    let parent = environment(b"NTHEAP_RUN_PARENT");
    if parent.is_null() {
        return false;
    }
    // SAFETY: a string of the environment.
    let text = unsafe { CStr::from_ptr(parent) }.to_str();
    // SAFETY: getppid has no arguments.
    text.is_ok_and(|text| text.parse() == Ok(unsafe { libc::getppid() }))
}

extern "C" fn at_load() {
    #[cfg(all(
        target_os = "linux",
        target_env = "gnu",
        target_arch = "x86_64",
        target_pointer_width = "64"
    ))]
    crate::relocations::give_back();
    heap::heap::debug::stacks::leave_out((at_load as extern "C" fn() as *const ()).addr());
    #[cfg(target_arch = "x86_64")]
    crate::operators::look_early();
    let path = environment(&REPORT);
    if !path.is_null() {
        tell_load(path);
    }
}

// These two are functions of their own, so that no other process pays for the
// pages of stack that a line takes.
#[cold]
#[inline(never)]
fn tell_load(path: *const c_char) {
    let mut line = Line::new();
    // SAFETY: no arguments.
    let pid = unsafe { libc::getpid() };
    let other = other_malloc();
    // The line is cut, never refused.
    let _ = match other {
        None => writeln!(
            line,
            "{{\"event\":\"loaded\",\"pid\":{pid},\"malloc\":\"ours\"}}"
        ),
        Some(object) => writeln!(
            line,
            "{{\"event\":\"loaded\",\"pid\":{pid},\"malloc\":\"other\",\"object\":\"{}\"}}",
            Escaped(object)
        ),
    };
    line.append_to(path);
    if other.is_some() && is_direct_child() {
        // SAFETY: ends the process before its own code ran.
        unsafe { libc::_exit(OTHER_MALLOC) };
    }
}

/// What glibc's own malloc holds in this process, in bytes.
fn foreign_bytes() -> usize {
    // SAFETY: the next definition of mallinfo2 after ours is glibc's, if any.
    unsafe {
        let next = libc::dlsym(libc::RTLD_NEXT, c"mallinfo2".as_ptr());
        if next.is_null() {
            return 0;
        }
        let ask = core::mem::transmute::<*mut c_void, extern "C" fn() -> libc::mallinfo2>(next);
        let info = ask();
        info.arena + info.hblkhd
    }
}

extern "C" fn at_exit() {
    let path = environment(&REPORT);
    if !path.is_null() {
        tell_exit(path);
    }
}

#[cold]
#[inline(never)]
fn tell_exit(path: *const c_char) {
    let stats = heap::stats();
    let mut line = Line::new();
    // SAFETY: no arguments.
    let pid = unsafe { libc::getpid() };
    // The line is cut, never refused.
    let _ = write!(line, "{{\"event\":\"exit\",\"pid\":{pid},\"stats\":");
    let _ = stats.write_json(&mut line);
    let _ = writeln!(
        line,
        ",\"allocations\":{},\"foreign_bytes\":{}}}",
        heap::heap::counted_allocations(),
        foreign_bytes()
    );
    line.append_to(path);
}
