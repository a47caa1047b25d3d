//! Reports and snapshots for programs in C: `ntheap_debug.h`.

use core::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong, c_void};
use core::fmt::{self, Write};
use core::mem::transmute;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use heap::{BlockState, Report, SnapshotError, Trace, Written};

/// A report, as the callback is shown it (`ntheap_stop`).
#[derive(Debug)]
#[repr(C)]
pub struct Stop {
    /// Bytes of this structure.
    pub size: usize,
    /// The stop's number, Application Verifier's.
    pub number: c_uint,
    /// How the block is: 0 where there is none, 1 busy, 2 free, 3 free in a cache.
    pub block_state: c_uint,
    /// The stop's four parameters.
    pub parameters: [usize; 4],
    /// The address that the operation was given, or 0.
    pub address: usize,
    /// The block that the address belongs to or lies beside, or 0.
    pub block: usize,
    /// Its size in bytes.
    pub block_size: usize,
    /// The thread that found it.
    pub thread: c_ulonglong,
    /// The thread that allocated the block, 0 where that is not known.
    pub allocating_thread: c_ulonglong,
    /// The thread that freed it.
    pub freeing_thread: c_ulonglong,
    /// Return addresses of the allocation, the innermost first.
    pub allocated: *const usize,
    /// How many there are.
    pub allocated_count: usize,
    /// Return addresses of the free.
    pub freed: *const usize,
    /// How many there are.
    pub freed_count: usize,
    /// The stop's name.
    pub symbol: [c_char; 64],
    /// The function that found it.
    pub operation: [c_char; 64],
    /// The heap's name; empty where no heap has to do with it.
    pub heap: [c_char; 128],
    /// The report itself, for the functions that write it.
    pub report: *const c_void,
}

/// The callback's type.
pub type StopCallback = unsafe extern "C" fn(*const Stop);

static CALLBACK: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// Sets the process's callback, or takes it away, and returns the one before. Each report
/// is shown to it on the thread that found it, after it was written and before what
/// follows; no lock of a heap's is held, and nothing is allocated for it. It must return,
/// and not allocate or free.
#[unsafe(no_mangle)]
pub extern "C" fn ntheap_set_stop_callback(callback: Option<StopCallback>) -> Option<StopCallback> {
    let new = callback.map_or(ptr::null_mut(), |callback| callback as *mut c_void);
    let before = CALLBACK.swap(new, Ordering::AcqRel);
    heap::set_hook(callback.map(|_| show as heap::Hook));
    callback_at(before)
}

fn callback_at(stored: *mut c_void) -> Option<StopCallback> {
    if stored.is_null() {
        return None;
    }
    // SAFETY: what is stored is null, excluded above, or a callback.
    Some(unsafe { transmute::<*mut c_void, StopCallback>(stored) })
}

fn show(report: &Report<'_>) {
    let Some(callback) = callback_at(CALLBACK.load(Ordering::Acquire)) else {
        return;
    };
    let (block, block_size, block_state) = match report.block {
        Some(block) => {
            let state = match block.state {
                BlockState::Busy => 1,
                BlockState::Free => 2,
                _ => 3,
            };
            (block.start, block.size, state)
        }
        None => (0, 0, 0),
    };
    let thread = |trace: &Option<Trace<'_>>| trace.as_ref().map_or(0, |trace| trace.thread);
    let allocated = report.allocated.map_or(&[][..], |trace| trace.frames);
    let freed = report.freed.map_or(&[][..], |trace| trace.frames);
    let stop = Stop {
        size: size_of::<Stop>(),
        number: report.stop.number(),
        block_state,
        parameters: report.parameters,
        address: report.address,
        block,
        block_size,
        thread: report.thread,
        allocating_thread: thread(&report.allocated),
        freeing_thread: thread(&report.freed),
        allocated: allocated.as_ptr(),
        allocated_count: allocated.len(),
        freed: freed.as_ptr(),
        freed_count: freed.len(),
        symbol: name(report.stop.symbol()),
        operation: name(report.operation),
        heap: name(report.heap),
        report: ptr::from_ref(report).cast(),
    };
    // SAFETY: the program's function of this type, which gets what it is declared to.
    unsafe { callback(&raw const stop) };
}

/// A name with a zero at its end, cut to whole characters.
fn name<const N: usize>(text: &str) -> [c_char; N] {
    let mut name = [0; N];
    let length = text.floor_char_boundary(N - 1);
    for (to, from) in name.iter_mut().zip(text.bytes().take(length)) {
        *to = from as c_char;
    }
    name
}

/// Writes into a caller's bytes as much as fits, and counts all.
struct Bounded {
    buffer: *mut c_char,
    size: usize,
    length: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.length.saturating_add(1) < self.size {
                // SAFETY: the caller's buffer has so many bytes.
                unsafe { self.buffer.add(self.length).write(byte as c_char) };
            }
            self.length += 1;
        }
        Ok(())
    }
}

/// # Safety
/// As for [`ntheap_stop_text`].
unsafe fn write(
    stop: *const Stop,
    buffer: *mut c_char,
    size: usize,
    form: impl FnOnce(&Report<'_>, &mut Bounded),
) -> usize {
    let mut out = Bounded {
        buffer,
        size,
        length: 0,
    };
    // SAFETY: the caller's promise: the report is shown now.
    form(unsafe { &*(*stop).report.cast::<Report<'_>>() }, &mut out);
    if size != 0 {
        // SAFETY: as above.
        unsafe { buffer.add(out.length.min(size - 1)).write(0) };
    }
    out.length
}

/// Writes the text of a report, cut to `size` bytes with a zero at its end, and returns the
/// bytes of the whole text without the zero.
///
/// # Safety
/// `stop` is what the callback was given, and the callback has not returned; `buffer` has
/// `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ntheap_stop_text(
    stop: *const Stop,
    buffer: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: the caller's promise. Such a writer never fails.
    unsafe {
        write(stop, buffer, size, |report, out| {
            let _ = write!(out, "{report}");
        })
    }
}

/// [`ntheap_stop_text`] with the report as one line of JSON.
///
/// # Safety
/// As for [`ntheap_stop_text`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ntheap_stop_json(
    stop: *const Stop,
    buffer: *mut c_char,
    size: usize,
) -> usize {
    // SAFETY: as above.
    unsafe {
        write(stop, buffer, size, |report, out| {
            let _ = write!(out, "{}", report.json());
        })
    }
}

/// Writes a snapshot of all heaps to a file, by the `ntheap` command. 0; 1 where something is
/// missing from it; -1, and errno, where there is none: `ENOENT` without a command,
/// `EBUSY` while another thread makes one, `EIO` where the command failed and has said why,
/// or the system's error.
///
/// # Safety
/// `path` is a string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ntheap_snapshot(path: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    let error = match heap::write_snapshot(unsafe { CStr::from_ptr(path) }) {
        Ok(Written::Whole) => return 0,
        Ok(_) => return 1,
        Err(SnapshotError::NoCommand) => libc::ENOENT,
        Err(SnapshotError::Busy) => libc::EBUSY,
        Err(SnapshotError::NotStarted(error)) => error,
        Err(_) => libc::EIO,
    };
    // SAFETY: the calling thread's.
    unsafe { *libc::__errno_location() = error };
    -1
}
