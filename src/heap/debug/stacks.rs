//! The stack database: call stacks, each kept once, known by a number.
//!
//! ```text
//!   base                    buckets: the first stack of each hash, 4 bytes each
//!   base + FIRST            entries, appended:  next | hash | count | frames...
//!   id = (address - base) / 8                    0 is no stack
//! ```
//!
//! It is address space reserved once, of a size that is chosen, and committed as it
//! fills; full, new stacks have the number 0 and are counted as lost. Nothing in
//! it ever changes or goes away but a bucket's first word, so that readers, outside
//! ones too, need no lock (chains.rs).

use super::chains::{self, Entries, Kept};
use crate::heap::traces::Traces;
use crate::sync::Mutex;
use crate::vm::{self, Use};
use core::mem::offset_of;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize, Ordering};

/// The most frames of a stack that are kept.
pub const MOST_FRAMES: usize = 32;

const BUCKETS: usize = 1 << 16;
/// Where the entries begin.
const FIRST: usize = BUCKETS * size_of::<u32>();
const STEP: usize = 256 * 1024;

/// Where a stack's frames lie, from its place in the database on.
pub const FRAMES_AT: usize = size_of::<Entry>();
/// Where it says how many they are.
pub const COUNT_AT: usize = core::mem::offset_of!(Entry, count);

/// A stack's head; its frames, addresses of eight bytes each, follow.
#[repr(C)]
struct Entry {
    next: u32,
    hash: u32,
    count: u32,
    unused: u32,
}

/// What an outside reader needs to know, as it lies in memory.
#[derive(Debug)]
#[repr(C)]
pub struct Database {
    /// The buckets' address; null until there is a database.
    pub base: AtomicPtr<u8>,
    /// The bytes in use from there.
    pub used: AtomicUsize,
    /// The bytes there may be.
    pub most: AtomicUsize,
    /// The stacks in it.
    pub stacks: AtomicU32,
    /// The stacks there was no room for.
    pub lost: AtomicU32,
}

pub(super) static DATABASE: Database = Database {
    base: AtomicPtr::new(ptr::null_mut()),
    used: AtomicUsize::new(0),
    most: AtomicUsize::new(0),
    stacks: AtomicU32::new(0),
    lost: AtomicU32::new(0),
};

/// The bytes committed, under the lock of those who append.
static COMMITTED: Mutex<usize> = Mutex::new(0);

/// The address range whose frames at the top of a stack are left out: the
/// shared library's own.
static OWN: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Where the stacks are, for who reads them from outside; nothing of the blocks.
pub(super) fn describe() -> Traces {
    Traces {
        database: (&raw const DATABASE).addr(),
        head: size_of::<Entry>(),
        frames: offset_of!(Entry, count),
        ..Traces::NONE
    }
}

/// The first words of the record are what an outsider takes them for.
const _: () =
    assert!(offset_of!(Database, base) == 0 && offset_of!(Database, used) == size_of::<usize>());

pub(super) fn lock() -> &'static crate::sync::Lock {
    COMMITTED.raw()
}

/// Makes the database, of `most` bytes. Called once; without memory there is
/// none, and every stack is lost.
pub(super) fn begin(most: usize) {
    let most = most.max(2 * FIRST).next_multiple_of(vm::GRANULARITY);
    let base = vm::reserve(Use::Metadata, most, vm::GRANULARITY);
    if base.is_null() {
        return;
    }
    // SAFETY: just reserved.
    if !unsafe { vm::commit(Use::Metadata, base, FIRST) } {
        // SAFETY: as above, and nothing of it is in use.
        unsafe { vm::give_back(Use::Metadata, base, most, 0) };
        return;
    }
    base.expose_provenance();
    *COMMITTED.lock() = FIRST;
    DATABASE.most.store(most, Ordering::Relaxed);
    DATABASE.used.store(FIRST, Ordering::Relaxed);
    DATABASE.base.store(base, Ordering::Release);
}

/// From here on frames in the module that `code` lies in are left out where a
/// stack begins with them.
pub fn leave_out(code: usize) {
    #[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
    if let Some((start, end)) = crate::sys::module_range(code) {
        OWN[0].store(start, Ordering::Relaxed);
        OWN[1].store(end, Ordering::Relaxed);
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
    let _ = code;
}

/// Functions of other modules that pass on what they are asked for: C++'s operators new, which
/// a C++ library has. An address in each, 0 in a free place, and the range of it, 0 until
/// somebody asks.
static PASSING: [[AtomicUsize; 3]; 16] = [const {
    [
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    ]
}; 16];

/// From here on frames in the function at `function` are left out, too, where a stack begins
/// with them: who called it is who asked. Of more than 16 functions those told later stay. 0 is
/// none. The module that has the function is taken to stay loaded: what is loaded in its place
/// would have frames left out.
pub fn leave_out_function(function: usize) {
    if function == 0 {
        return;
    }
    for [of, _, _] in &PASSING {
        let taken = of.compare_exchange(0, function, Ordering::Relaxed, Ordering::Relaxed);
        if taken.is_ok() || taken == Err(function) {
            return;
        }
    }
}

/// Whether a return address lies in a function that passes on what it is asked for.
#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
fn is_passing(frame: usize) -> bool {
    PASSING.iter().any(|[of, start, end]| {
        let function = of.load(Ordering::Relaxed);
        if function == 0 {
            return false;
        }
        if end.load(Ordering::Acquire) == 0 {
            // Where nothing is said of it, its range is empty, and stays so.
            let found = crate::sys::function_range(function).unwrap_or((function, function));
            start.store(found.0, Ordering::Relaxed);
            end.store(found.1, Ordering::Release);
        }
        // The call lies before the address that it returns to.
        start.load(Ordering::Relaxed) < frame && frame <= end.load(Ordering::Relaxed)
    })
}

/// No stacks are walked here.
#[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
fn is_passing(_: usize) -> bool {
    false
}

/// The calling thread's stack, kept; 0 where stacks are not kept or there is no
/// room.
#[inline(never)]
pub(in crate::heap) fn capture() -> u32 {
    if DATABASE.base.load(Ordering::Acquire).is_null() {
        return 0;
    }
    let mut frames = [0; MOST_FRAMES + 16];
    let count = walk(&mut frames);
    let mut kept = frames.get(..count).unwrap_or_default();
    let (start, end) = (
        OWN[0].load(Ordering::Relaxed),
        OWN[1].load(Ordering::Relaxed),
    );
    while let [first, rest @ ..] = kept
        && ((start..end).contains(first) || is_passing(*first))
    {
        kept = rest;
    }
    keep(kept.get(..kept.len().min(MOST_FRAMES)).unwrap_or_default())
}

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
#[inline(always)]
fn walk(frames: &mut [usize]) -> usize {
    crate::sys::backtrace(frames)
}

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
fn walk(_: &mut [usize]) -> usize {
    0
}

fn hash(frames: &[usize]) -> u32 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for &frame in frames {
        hash = (hash ^ frame as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^= hash >> 29;
    }
    (hash >> 32) as u32
}

/// The database at this address.
struct At(*mut u8);

impl Entries for At {
    fn bucket(&self, hash: u32) -> &AtomicU32 {
        let index = hash as usize % BUCKETS;
        // SAFETY: the buckets are committed and stay for ever.
        unsafe { &*self.0.cast::<AtomicU32>().add(index) }
    }

    fn bytes(frames: &[usize]) -> usize {
        size_of::<Entry>() + size_of_val(frames)
    }

    fn make_room(&self, committed: &mut usize, end: usize) -> bool {
        while *committed < end {
            let most = DATABASE.most.load(Ordering::Relaxed);
            let step = STEP.min(most - *committed);
            // SAFETY: what follows the committed part is reserved, and the lock's holder's,
            // who has `committed`.
            let is_there =
                step > 0 && unsafe { vm::commit(Use::Metadata, self.0.add(*committed), step) };
            if !is_there {
                return false;
            }
            *committed += step;
        }
        true
    }

    unsafe fn write(&self, at: usize, next: u32, hash: u32, frames: &[usize]) {
        // SAFETY: the caller's promise; an entry begins at a multiple of 8.
        unsafe {
            let entry = self.0.add(at).cast::<Entry>();
            entry.write(Entry {
                next,
                hash,
                count: frames.len() as u32,
                unused: 0,
            });
            entry
                .add(1)
                .cast::<usize>()
                .copy_from_nonoverlapping(frames.as_ptr(), frames.len());
        }
    }

    unsafe fn look(&self, number: u32, hash: u32, frames: &[usize]) -> (bool, u32) {
        // SAFETY: the caller's promise.
        let (entry, known) = unsafe { entry_at(self.0, number) };
        (entry.hash == hash && known == frames, entry.next)
    }
}

/// The entry of a number, and its frames.
///
/// # Safety
/// The number is one of a whole entry of the database at `base`.
unsafe fn entry_at(base: *mut u8, number: u32) -> (&'static Entry, &'static [usize]) {
    // SAFETY: the caller's promise; entries never change and never go.
    unsafe {
        let entry = base.add(number as usize * 8).cast::<Entry>();
        let frames = entry.add(1).cast::<usize>();
        let count = (*entry).count as usize;
        (&*entry, core::slice::from_raw_parts(frames, count))
    }
}

/// The number of a stack, kept if it was not; 0 for an empty one, or when there
/// is no room.
fn keep(frames: &[usize]) -> u32 {
    let base = DATABASE.base.load(Ordering::Acquire);
    if base.is_null() || frames.is_empty() {
        return 0;
    }
    match chains::keep(&At(base), &DATABASE.used, &COMMITTED, hash(frames), frames) {
        Kept::Known(number) => number,
        Kept::New(number) => {
            DATABASE.stacks.fetch_add(1, Ordering::Relaxed);
            number
        }
        Kept::Lost => {
            DATABASE.lost.fetch_add(1, Ordering::Relaxed);
            0
        }
    }
}

/// The frames of a stack, the innermost call's return address first; none for 0
/// or a number that is none.
pub fn frames(id: u32) -> &'static [usize] {
    let base = DATABASE.base.load(Ordering::Acquire);
    let used = DATABASE.used.load(Ordering::Acquire);
    let start = (id as usize).saturating_mul(8);
    // What is in use holds whole entries alone, behind the buckets.
    if id == 0 || base.is_null() || start < FIRST || start + size_of::<Entry>() > used {
        return &[];
    }
    // SAFETY: an entry's head lies there, or words of an entry, which are as readable.
    let count = unsafe { (*base.add(start).cast::<Entry>()).count } as usize;
    let room = (used - start - size_of::<Entry>()) / size_of::<usize>();
    if count > MOST_FRAMES.min(room) {
        return &[];
    }
    // SAFETY: all of it is in use, where nothing changes any more.
    unsafe { entry_at(base, id) }.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stack_is_kept_once() {
        static STARTED: crate::sync::Once = crate::sync::Once::new();
        if STARTED.begin() {
            begin(8 << 20);
            STARTED.end(true);
        }
        let before = DATABASE.stacks.load(Ordering::Relaxed);
        let first = keep(&[1, 2, 3]);
        let longer = keep(&[1, 2, 3, 4]);
        assert!(first != 0 && longer != 0 && first != longer);
        assert_eq!((keep(&[1, 2, 3]), keep(&[1, 2, 3, 4])), (first, longer));
        assert_eq!(DATABASE.stacks.load(Ordering::Relaxed), before + 2);
        assert_eq!(frames(first), [1, 2, 3]);
        assert_eq!(frames(longer), [1, 2, 3, 4]);
        assert_eq!((keep(&[]), frames(0).len()), (0, 0));
        // A number that is none, in the buckets, inside an entry or behind all, leads to
        // no more than what is there.
        let used = DATABASE.used.load(Ordering::Relaxed) as u32 / 8;
        for id in (1..used.min(200))
            .chain(first - 2..longer + 9)
            .chain(used - 4..used + 4)
        {
            assert!(frames(id).len() <= MOST_FRAMES, "{id}");
        }
        assert_eq!(frames(1).len() + frames(u32::MAX).len(), 0);
        // A thousand more, and the first ones stay what they are.
        let more: std::vec::Vec<u32> = (10..1010).map(|at| keep(&[at, at + 1])).collect();
        for (at, &id) in (10..).zip(&more) {
            assert_eq!(frames(id), [at, at + 1]);
        }
        assert_eq!(frames(first), [1, 2, 3]);
        // The same calls are the same stack. Elsewhere none is captured.
        let captured: std::vec::Vec<u32> = (0..3).map(|_| capture()).collect();
        if cfg!(all(
            target_os = "linux",
            target_env = "gnu",
            target_arch = "x86_64"
        )) {
            assert!(captured[0] != 0 && captured.iter().all(|&id| id == captured[0]));
            assert!(frames(captured[0]).len() > 3);
        } else {
            assert_eq!(captured, [0; 3]);
        }
        // Full, stacks are lost, not mixed up.
        let mut at = 1 << 20;
        while keep(&[at; MOST_FRAMES]) != 0 {
            at += 1;
        }
        assert!(DATABASE.lost.load(Ordering::Relaxed) == 1);
        assert_eq!(frames(first), [1, 2, 3]);
        assert_eq!(keep(&[1, 2, 3]), first);
    }
}
