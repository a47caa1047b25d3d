//! Room for whoever handles the overflow of a thread's stack.
//!
//! Handlers of faults run on the thread's own stack, of which nothing is left when it
//! overflows, unless the thread has another stack for them. Who asks for a guarantee gets
//! one:
//!
//! ```text
//!   low                                             high
//!   | page that faults | stack of handlers ... | record |
//! ```
//!
//! Invariants:
//! - A thread's record is read and changed by that thread alone.
//! - What a thread was given stays until it ends, also when more takes its place: who set
//!   another stack for a while puts back what there was before.
//! - A fault where such a thread's stack ends is its overflow. Of other threads this is not
//!   known: where a stack ends cannot be asked while a fault is handled.

use super::{GRANULARITY, Use};
use crate::sys;
use core::ops::Range;
use core::ptr;

/// The slot of the hook that ends a thread's guarantee.
const HOOK: usize = sys::ThreadHook::Guarantee as usize;

/// What the handler of faults itself needs of its stack, the registers that the system
/// saves there included.
const HANDLER: usize = 64 * 1024;

/// How far below its end a stack may be touched by a function with a large frame.
const BELOW: usize = 64 * 1024;
/// How much higher than its end the system may refuse to make the first stack larger:
/// what it keeps free between that and other mappings.
const GAP: usize = 1 << 20;

/// What is known of a thread with a guarantee, at the end of the memory it was given.
struct Record {
    /// The memory, whole.
    base: *mut u8,
    size: usize,
    committed: usize,
    /// Bytes that are guaranteed.
    bytes: usize,
    /// Where a fault is an overflow of the thread's own stack.
    ends: Range<usize>,
    /// The guarantee before this one, or null.
    before: *mut Record,
}

impl Record {
    /// Has handlers run on this stack again, if another took its place. False when the
    /// system refuses.
    fn put_back(&self) -> bool {
        let low = self.base.wrapping_add(super::page_size());
        if sys::alternate_stack().is_some_and(|(now, _)| now == low.addr()) {
            return true;
        }
        let size = ptr::from_ref(self).addr() - low.addr();
        // SAFETY: the bytes below the record are for the thread's handlers until it ends, and
        // for nothing else, as when they were first given to the system.
        unsafe { sys::set_alternate_stack(low, size) }.is_some()
    }
}

/// Why there is no guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoGuarantee {
    /// The thread's stack is not that large.
    TooLarge,
    /// The system has no memory, or does not let the thread have another stack.
    NoMemory,
    /// The system does not tell where the stack ends.
    Unknown,
}

/// The calling thread's record, or null.
fn own() -> *mut Record {
    sys::thread_exit_value(HOOK).cast()
}

/// Has the calling thread's handlers of faults find `bytes` of stack, rounded up to
/// pages, or more if that was guaranteed before. What was, in bytes.
pub(crate) fn guarantee(bytes: usize) -> Result<usize, NoGuarantee> {
    let before = own();
    // SAFETY: null or the thread's record, which lives until it ends.
    let had = unsafe { before.as_ref() }.map_or(0, |record| record.bytes);
    let bytes = super::round_to_pages(bytes).ok_or(NoGuarantee::TooLarge)?;
    if bytes <= had {
        // SAFETY: as above.
        if bytes != 0 && !unsafe { before.as_ref() }.is_some_and(Record::put_back) {
            return Err(NoGuarantee::NoMemory);
        }
        return Ok(had);
    }
    let stack = sys::own_stack().ok_or(NoGuarantee::Unknown)?;
    // On a stack of the program's it is that one whose overflow there is to be room for.
    let largest = sys::growing_stack().unwrap_or(stack.high - stack.usable);
    if bytes > largest {
        return Err(NoGuarantee::TooLarge);
    }
    let page = super::page_size();
    let others = sys::alternate_stack().map_or(0, |(_, size)| size);
    let room = (bytes + HANDLER).max(others) + page + size_of::<Record>();
    let size = room
        .checked_next_multiple_of(GRANULARITY)
        .ok_or(NoGuarantee::TooLarge)?;
    let base = super::reserve(Use::Metadata, size, GRANULARITY);
    if base.is_null() {
        return Err(NoGuarantee::NoMemory);
    }
    let low = base.wrapping_add(page);
    let committed = size - page;
    // SAFETY: the region was reserved just above, and nobody else knows it.
    if !unsafe { super::commit(Use::Metadata, low, committed) } {
        // SAFETY: as above; nothing of it is committed.
        unsafe { super::give_back(Use::Metadata, base, size, 0) };
        return Err(NoGuarantee::NoMemory);
    }
    let record = base
        .wrapping_add(size - size_of::<Record>())
        .cast::<Record>();
    // SAFETY: the end of the committed memory, at a multiple of the size of an address,
    // as all of the record's sizes are.
    unsafe {
        record.write(Record {
            base,
            size,
            committed,
            bytes,
            ends: end_of(&stack),
            before,
        });
    }
    // SAFETY: the bytes below the record are used for nothing else until the thread ends.
    let set = unsafe { sys::set_alternate_stack(low, record.addr() - low.addr()) };
    if let Some(other) = set {
        if sys::at_thread_exit(HOOK, ended, record.cast()) {
            return Ok(had);
        }
        // SAFETY: what there was a moment ago, on this thread.
        unsafe { sys::restore_alternate_stack(&other) };
    }
    // SAFETY: nobody uses the memory.
    unsafe { super::give_back(Use::Metadata, base, size, committed) };
    Err(NoGuarantee::NoMemory)
}

/// Where a fault is the stack's overflow.
fn end_of(stack: &sys::Stack) -> Range<usize> {
    if stack.is_first {
        stack.low.saturating_sub(BELOW)..stack.low.saturating_add(GAP)
    } else {
        stack.low..stack.usable
    }
}

/// Whether a fault at `address`, where the program has reserved nothing, is the overflow
/// of the calling thread's stack. Safe in a signal handler.
pub(crate) fn is_stack_end(address: usize) -> bool {
    // SAFETY: null or the thread's record, which lives until it ends.
    unsafe { own().as_ref() }.is_some_and(|record| record.ends.contains(&address))
}

/// The end of a thread with a guarantee: its memory goes, with what took its place before;
/// but a stack that the thread ends on is left, and charged.
unsafe extern "C" fn ended(value: *mut u8) {
    let mut next = value.cast::<Record>();
    while !next.is_null() {
        // SAFETY: a record of the thread, which ends and has no other use for it.
        let record = unsafe { ptr::read(next) };
        let memory = record.base.addr()..record.base.addr() + record.size;
        if memory.contains(&(&raw const record).addr()) {
            // A handler ends the thread: this runs on that very stack, which stays.
            next = record.before;
            continue;
        }
        if sys::alternate_stack().is_some_and(|(low, _)| memory.contains(&low)) {
            sys::forget_alternate_stack();
        }
        // SAFETY: as above; the record was copied.
        unsafe { super::give_back(Use::Metadata, record.base, record.size, record.committed) };
        next = record.before;
    }
}
