//! The names of threads that called a heap, kept so that a report can name those
//! that have ended.
//!
//! A place for each of some hundred threads, by number; a thread that comes to
//! another's place takes it. A name is asked for when a thread comes, and now and
//! then afterwards, since it may change.

use crate::report::ThreadName;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const PLACES: usize = 512;
/// Calls after which a name is asked for once more.
const OFTEN: u32 = 256;

struct Place {
    thread: AtomicU32,
    calls: AtomicU32,
    /// The name's bytes, in two halves: one may be newer than the other for a
    /// moment, which a report can bear.
    name: [AtomicU64; 2],
}

static NAMES: [Place; PLACES] = [const {
    Place {
        thread: AtomicU32::new(0),
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
    let is_its = place.thread.load(Ordering::Relaxed) == thread;
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
