//! Lines about calls, and the file they go to.

use core::ffi::{CStr, c_char, c_void};
use core::fmt::{self, Write};
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use heap::trace::{Argument, Call};

/// The file's path in the environment; null: nothing is said.
static PATH: AtomicPtr<c_char> = AtomicPtr::new(ptr::null_mut());
/// Whether the path was looked for.
static READY: AtomicBool = AtomicBool::new(false);

#[used]
#[cfg_attr(target_os = "linux", unsafe(link_section = ".init_array"))]
static AT_LOAD: extern "C" fn() = at_load;

/// A program that allocates nothing is listened to as well.
extern "C" fn at_load() {
    path();
}

/// Turns to the library below, if it is one that can tell.
fn listen() {
    // SAFETY: a C string; the search allocates only to say that it failed.
    let start = unsafe { libc::dlsym(libc::RTLD_NEXT, c"ntheap_trace".as_ptr()) };
    if start.is_null() {
        return;
    }
    // SAFETY: libntheap.so's function of this name has this type.
    unsafe {
        let start =
            core::mem::transmute::<*mut c_void, extern "C" fn(heap::trace::Listener)>(start);
        start(listener);
    }
}

fn path() -> *const c_char {
    if !READY.load(Ordering::Acquire) {
        // SAFETY: getauxval and getenv read what the kernel passed to the
        // process; a program with rights its user lacks is not traced.
        let found = unsafe {
            if libc::getauxval(libc::AT_SECURE) != 0 {
                ptr::null_mut()
            } else {
                libc::getenv(c"NTHEAP_RUN_TRACE".as_ptr())
            }
        };
        PATH.store(found, Ordering::Relaxed);
        if !READY.swap(true, Ordering::AcqRel) && !found.is_null() {
            listen();
        }
    }
    PATH.load(Ordering::Relaxed)
}

/// Called by libntheap.so, under its locks.
unsafe extern "C" fn listener(call: &Call) {
    // SAFETY: the name is a C string, and the arguments are as many as it says.
    let (name, arguments) = unsafe {
        (
            CStr::from_ptr(call.name),
            core::slice::from_raw_parts(call.arguments, call.count),
        )
    };
    if call.ended {
        ended(name, call.result);
    } else {
        began(name, arguments);
    }
}

/// A call begins.
pub(crate) fn began(name: &CStr, arguments: &[Argument]) {
    say('+', name, |line| {
        for argument in arguments {
            // SAFETY: a parameter's name is a C string.
            let parameter = unsafe { CStr::from_ptr(argument.name) };
            line.text(parameter.to_bytes());
            let _ = write!(line, "={:#x}\t", argument.value);
        }
    });
}

/// A call has ended.
pub(crate) fn ended(name: &CStr, result: u64) {
    say('-', name, |line| {
        let _ = write!(line, "{result:#x}\t");
    });
}

fn say(sign: char, name: &CStr, rest: impl FnOnce(&mut Line)) {
    let path = path();
    if path.is_null() {
        return;
    }
    let mut line = Line {
        bytes: [0; 512],
        length: 0,
    };
    let (process, thread) = (heap::sys::process_id(), heap::sys::thread_id());
    let _ = write!(line, "{process}\t{thread}\t{sign}\t");
    line.text(name.to_bytes());
    line.text(b"\t");
    rest(&mut line);
    line.end();
    // SAFETY: the path is a string of the environment, the bytes are the line's;
    // errno is the thread's own.
    unsafe {
        let errno = *libc::__errno_location();
        let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CLOEXEC;
        let file = libc::open(path, flags);
        if file >= 0 {
            libc::write(file, line.bytes.as_ptr().cast(), line.length);
            libc::close(file);
        }
        *libc::__errno_location() = errno;
    }
}

/// A line in the making, cut when it is full.
struct Line {
    bytes: [u8; 512],
    length: usize,
}

impl Line {
    fn text(&mut self, text: &[u8]) {
        for &byte in text {
            if let Some(place) = self.bytes.get_mut(self.length) {
                *place = byte;
                self.length += 1;
            }
        }
    }

    /// Ends the line in place of its last tab.
    fn end(&mut self) {
        let last = self.length.saturating_sub(1);
        if let Some(place) = self.bytes.get_mut(last) {
            *place = b'\n';
        }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.text(text.as_bytes());
        Ok(())
    }
}
