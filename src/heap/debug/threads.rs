//! The names of threads that called a heap, kept so that a report can name those
//! that have ended; and which of them ended without their exit hooks.
//!
//! A place for each of some hundred threads, by number; a thread that comes to
//! another's place takes it. A name is asked for when a thread comes, and now and
//! then afterwards, since it may change.
//!
//! With parameters checked a thread that comes asks to be called back at its end. One that
//! is gone at the end of the process, and was not called, ended by the system call alone:
//! what it kept for itself is lost, in this heap and elsewhere. Of a place that two threads
//! had who lived at once nothing is told: one of them may come back to it at its very end,
//! after it was called.

use super::registry::{self, State};
use crate::report::{FixedBuffer, ThreadName};
use core::fmt::Write;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

const PLACES: usize = 512;
/// Calls after which a name is asked for once more.
const OFTEN: u32 = 256;

/// The slot of [`crate::sys::at_thread_exit`].
const HOOK: usize = crate::sys::ThreadHook::Notes as usize;

/// The process whose threads are called back; 0 for none.
static PROCESS: AtomicU32 = AtomicU32::new(0);

struct Place {
    thread: AtomicU32,
    /// Where its local storage lies, by which it is known from a later one of its number.
    token: AtomicUsize,
    /// Whether it was called back, or is not to be.
    has_ended: AtomicBool,
    /// Whether two threads had the place who lived at once.
    is_shared: AtomicBool,
    calls: AtomicU32,
    /// The name's bytes, in two halves: one may be newer than the other for a
    /// moment, which a report can bear.
    name: [AtomicU64; 2],
}

static NAMES: [Place; PLACES] = [const {
    Place {
        thread: AtomicU32::new(0),
        token: AtomicUsize::new(0),
        has_ended: AtomicBool::new(true),
        is_shared: AtomicBool::new(false),
        calls: AtomicU32::new(0),
        name: [const { AtomicU64::new(0) }; 2],
    }
}; PLACES];

fn place(thread: u32) -> &'static Place {
    let [first, ..] = &NAMES;
    NAMES.get(thread as usize % PLACES).unwrap_or(first)
}

/// Notes that the calling thread, of this number, calls.
pub(in crate::heap) fn note(thread: u32) {
    let place = place(thread);
    let is_its = place.thread.load(Ordering::Relaxed) == thread
        && place.token.load(Ordering::Relaxed) == crate::sys::thread_token();
    let calls = place.calls.fetch_add(1, Ordering::Relaxed);
    if is_its && !calls.is_multiple_of(OFTEN) {
        return;
    }
    refresh(thread);
}

/// Asks for the calling thread's name, which is of this number.
#[cold]
fn refresh(thread: u32) {
    let name = own_name();
    let place = place(thread);
    let token = crate::sys::thread_token();
    let is_new = place.thread.load(Ordering::Relaxed) != thread
        || place.token.load(Ordering::Relaxed) != token;
    if is_new && PROCESS.load(Ordering::Relaxed) != 0 {
        let other = place.thread.load(Ordering::Relaxed);
        if other != 0 && other != thread && !crate::sys::is_gone(u64::from(other)) {
            place.is_shared.store(true, Ordering::Relaxed);
        }
        // It may have been another's, of whom nothing can be told later.
        place.has_ended.store(true, Ordering::Relaxed);
        place.token.store(token, Ordering::Relaxed);
        place.thread.store(thread, Ordering::Release);
        // Setting the hook may allocate, and come here.
        let value = ptr::without_provenance_mut(1);
        let is_called = crate::sys::at_thread_exit(HOOK, ended, value);
        place.has_ended.store(!is_called, Ordering::Relaxed);
    }
    place.token.store(token, Ordering::Relaxed);
    let [low, high] = &place.name;
    let (first, second) = name.split_at(8);
    let word = |half: &[u8]| u64::from_ne_bytes(half.try_into().unwrap_or_default());
    low.store(word(first), Ordering::Relaxed);
    high.store(word(second), Ordering::Relaxed);
    place.thread.store(thread, Ordering::Release);
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn own_name() -> [u8; 16] {
    crate::sys::thread_name()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn own_name() -> [u8; 16] {
    [0; 16]
}

/// The name of a thread, as far as it is known.
pub(in crate::heap) fn name_of(thread: u32) -> ThreadName {
    if u64::from(thread) == crate::sys::thread_id() {
        return ThreadName(own_name());
    }
    let place = place(thread);
    if place.thread.load(Ordering::Acquire) != thread {
        return ThreadName::default();
    }
    let mut name = [0; 16];
    let (first, second) = name.split_at_mut(8);
    let [low, high] = &place.name;
    first.copy_from_slice(&low.load(Ordering::Relaxed).to_ne_bytes());
    second.copy_from_slice(&high.load(Ordering::Relaxed).to_ne_bytes());
    ThreadName(name)
}

/// From here on threads that come are called back at their ends, and the end of the process
/// tells of those that were not.
pub(super) fn follow() {
    PROCESS.store(crate::sys::process_id(), Ordering::Relaxed);
    crate::sys::at_exit(tell_of_lost);
}

/// In a forked child: no thread of the parent's was called back.
pub(in crate::heap) fn forget_others() {
    for place in &NAMES {
        place.has_ended.store(true, Ordering::Relaxed);
    }
    if PROCESS.load(Ordering::Relaxed) != 0 {
        PROCESS.store(crate::sys::process_id(), Ordering::Relaxed);
    }
}

/// The end of a thread.
unsafe extern "C" fn ended(_: *mut u8) {
    let thread = crate::sys::thread_id() as u32;
    let place = place(thread);
    if place.thread.load(Ordering::Relaxed) == thread {
        place.has_ended.store(true, Ordering::Relaxed);
    }
}

/// Says which threads ended without having been called back.
extern "C" fn tell_of_lost() {
    // In a process that was made without the fork handlers threads have other numbers.
    if PROCESS.load(Ordering::Relaxed) != crate::sys::process_id() {
        return;
    }
    for place in &NAMES {
        let thread = place.thread.load(Ordering::Acquire);
        let is_lost = thread != 0
            && !place.has_ended.load(Ordering::Relaxed)
            && !place.is_shared.load(Ordering::Relaxed)
            && crate::sys::is_gone(u64::from(thread));
        if is_lost {
            tell(thread);
        }
    }
}

fn tell(thread: u32) {
    let (mut blocks, mut bytes) = (0usize, 0usize);
    registry::for_each(&mut |record| {
        if record.thread == thread && record.state == State::Busy {
            blocks += 1;
            bytes = bytes.saturating_add(record.size);
        }
    });
    let name = name_of(thread);
    let mut line = FixedBuffer::<256>::new();
    // The buffer truncates and never fails.
    let _ = writeln!(
        line,
        "ntheap: thread {thread} \"{}\" ended without its exit hooks: what it kept for itself is \
         lost, and of what it allocated {blocks} block{}, {bytes} byte{}, is still in use",
        name.as_str().escape_debug(),
        if blocks == 1 { "" } else { "s" },
        if bytes == 1 { "" } else { "s" },
    );
    crate::sys::write_stderr(line.as_bytes());
}
