//! Forks: who holds what across them, in the layers' order, and how many there were.
//!
//! ```text
//!   prepare   spies, strings, ... debug heaps, sections, heaps, regions    takes
//!   parent    regions, heaps, sections, debug heaps, ... strings, spies    gives back
//!   child     one more is counted, then as in the parent                   makes free
//! ```
//!
//! A fork copies the thread that calls it and no other. Whoever has a lock, or anything
//! else that another thread could be at, has an entry here ([`hold`]): locks are taken
//! from the highest layer down, as everybody else takes them, whichever was used first.
//! The system is asked once for all of them, by whoever is first, for it may allocate
//! for that.
//!
//! - To enter the same hooks again changes nothing, and needs no state beside the entry:
//!   a child whose parent's thread was entering them enters them itself.
//! - None is entered while a fork is under way, so that what was not taken before it is
//!   not held by another thread in the child.
//! - Whatever is begun in one process and could only be ended in another is known by the
//!   count ([`generation`]), which is the child's own from before its first hook on.
//!
//! A child that the system makes without asking its handlers (`vfork`, the bare call, a
//! fork that was past them when the first entry was made) has its parent's count, and
//! waits for what another thread was at as it would for a lock.

use super::Lock;
use crate::sys;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};

/// Whose hooks they are: from the highest layer, whose locks are taken first, down.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "features leave out layers")]
pub(crate) enum Layer {
    /// Spies of the task allocator, which are told around its calls.
    Spies,
    /// Strings of COM that are kept.
    Strings,
    /// Handles of moveable memory.
    Moveable,
    /// Handlers of exceptions.
    Exceptions,
    /// Handles of objects.
    Handles,
    /// Who is in `operator new`.
    NewHandlers,
    /// Hooks of the debug C runtime's reports.
    Reports,
    /// Lists of the debug C runtime's blocks.
    DebugHeaps,
    /// Sections.
    Sections,
    /// All that the heaps have.
    Heaps,
    /// A program's own pages. The last, for pages are committed while others are held.
    Regions,
}

const LAYERS: usize = Layer::Regions as usize + 1;

/// What is done around a fork.
pub(crate) struct AtFork {
    /// Before it.
    pub(crate) prepare: fn(),
    /// After it, in the process that called it.
    pub(crate) parent: fn(),
    /// After it, in the new process, which has no other thread.
    pub(crate) child: fn(),
}

static HOOKS: [AtomicPtr<AtFork>; LAYERS] = [const { AtomicPtr::new(ptr::null_mut()) }; LAYERS];

/// Held from a fork's start to its end, and while hooks are entered.
static FORKING: Lock = Lock::new();
/// The thread that holds it for a fork, by its token; or 0.
static FORKER: AtomicUsize = AtomicUsize::new(0);

/// Whether the system calls the handlers below.
static IS_KNOWN: AtomicBool = AtomicBool::new(false);
/// The thread that first asked the system to, by its token; or 0.
static ASKING: AtomicUsize = AtomicUsize::new(0);

/// Forks between the process that began all this and this one.
static GENERATION: AtomicU32 = AtomicU32::new(0);

/// Has `hooks` called around every fork from now on. False when the system has no memory
/// for that, or when the calling thread is at asking it right now: to be tried again.
///
/// The caller holds nothing that hooks take.
pub(crate) fn hold(layer: Layer, hooks: &'static AtFork) -> bool {
    let Some(entry) = HOOKS.get(layer as usize) else {
        return false;
    };
    if !entry.load(Ordering::Acquire).is_null() {
        return true;
    }
    if !ask() {
        return false;
    }
    let hooks = ptr::from_ref(hooks).cast_mut();
    if FORKER.load(Ordering::Relaxed) == sys::thread_token() {
        // Somebody's hook uses something for the first time.
        entry.store(hooks, Ordering::Release);
        return true;
    }
    FORKING.acquire();
    entry.store(hooks, Ordering::Release);
    FORKING.release();
    true
}

/// How many forks there were before this process; the system is asked from here on to
/// have the next one counted.
pub(crate) fn generation() -> u32 {
    ask();
    GENERATION.load(Ordering::Relaxed)
}

/// Asks the system to call the handlers, if nobody has. It may be asked by two threads
/// at once: the handlers see to that.
fn ask() -> bool {
    if IS_KNOWN.load(Ordering::Acquire) {
        return true;
    }
    let own = sys::thread_token();
    if ASKING.load(Ordering::Relaxed) == own {
        // The system allocates for it, here.
        return false;
    }
    let is_first = ASKING
        .compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed)
        .is_ok();
    let is_known = sys::at_fork(prepare, parent, child);
    if is_first {
        ASKING.store(0, Ordering::Relaxed);
    }
    if is_known {
        IS_KNOWN.store(true, Ordering::Release);
    }
    is_known
}

fn at(entry: &AtomicPtr<AtFork>) -> Option<&'static AtFork> {
    // SAFETY: null, or the `'static` hooks that `hold` stored.
    unsafe { entry.load(Ordering::Acquire).as_ref() }
}

/// The entries that the fork under way has called, as bits.
static CALLED: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" fn prepare() {
    let own = sys::thread_token();
    if FORKER.load(Ordering::Relaxed) == own {
        // The system was asked twice.
        return;
    }
    FORKING.acquire();
    FORKER.store(own, Ordering::Relaxed);
    CALLED.store(0, Ordering::Relaxed);
    for (place, entry) in HOOKS.iter().enumerate() {
        if let Some(hooks) = at(entry) {
            (hooks.prepare)();
            CALLED.fetch_or(1 << place, Ordering::Relaxed);
        }
    }
}

/// Calls the other side of what `prepare` called, from the lowest layer up.
fn after(call: fn(&'static AtFork)) {
    let called = CALLED.load(Ordering::Relaxed);
    for (place, entry) in HOOKS.iter().enumerate().rev() {
        if called & 1 << place != 0
            && let Some(hooks) = at(entry)
        {
            call(hooks);
        }
    }
    FORKER.store(0, Ordering::Relaxed);
}

unsafe extern "C" fn parent() {
    if FORKER.load(Ordering::Relaxed) == sys::thread_token() {
        after(|hooks| (hooks.parent)());
        FORKING.release();
    }
}

unsafe extern "C" fn child() {
    if FORKER.load(Ordering::Relaxed) == sys::thread_token() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
        after(|hooks| (hooks.child)());
        FORKING.reset();
    }
}
