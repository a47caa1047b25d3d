//! Who holds what across forks, and how many forks there were.
//!
//! ```text
//!   entry   hold() in the first use of what it protects; not while a fork is under way
//!   fork    prepare --> the system copies --> parent, here
//!                                        \--> child, there: counted first
//! ```
//!
//! - A fork has [`Forks::forking`](Forks) from its start to its end, and so has whoever
//!   enters hooks: what was not taken before a fork is used by nobody while it is copied.
//! - The system may be asked twice to call the handlers, by two threads at once, and may
//!   then call each of them twice: the first call takes, the first gives back.
//! - The handlers of a fork that was past them when the system was asked may be called
//!   after it alone: they do nothing then.

use super::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicUsize, Ordering};
use super::{Lock, os};
use core::ptr;

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

/// Threads that may ask the system at a time. In a child whose parent's threads were at
/// it, as many fewer.
const ASKERS: usize = if cfg!(ntheap_model) { 3 } else { 8 };

/// What is done around a fork.
pub(crate) struct AtFork {
    /// Taken before it, in this order, and free after it, in the child too.
    pub(crate) locks: &'static [&'static Lock],
    /// Before it, and before the locks are taken.
    pub(crate) prepare: fn(),
    /// After it, in the process that called it; the locks are given back.
    pub(crate) parent: fn(),
    /// After it, in the new process, which has no other thread; the locks are free.
    pub(crate) child: fn(),
}

impl AtFork {
    /// Takes locks, and does nothing else. For `..` behind what there is to do.
    #[allow(dead_code, reason = "features leave out layers")]
    pub(crate) const fn locks(locks: &'static [&'static Lock]) -> AtFork {
        const fn nothing() {}
        AtFork {
            locks,
            prepare: nothing,
            parent: nothing,
            child: nothing,
        }
    }

    fn before(&self) {
        (self.prepare)();
        for lock in self.locks {
            lock.acquire();
        }
    }

    fn in_parent(&self) {
        for lock in self.locks.iter().rev() {
            lock.release();
        }
        (self.parent)();
    }

    fn in_child(&self) {
        for lock in self.locks {
            lock.reset();
        }
        (self.child)();
    }
}

/// The hooks of a process, and what its forks are at.
pub(crate) struct Forks {
    hooks: [AtomicPtr<AtFork>; LAYERS],
    /// Held from a fork's start to its end, and while hooks are entered.
    forking: Lock,
    /// The thread that holds it for a fork, by its token; or 0.
    forker: AtomicUsize,
    /// The entries that the fork under way has called, as bits.
    called: AtomicU32,
    /// Whether the system calls the handlers.
    is_known: AtomicBool,
    /// The threads that are asking the system to, by their tokens; or 0.
    asking: [AtomicUsize; ASKERS],
    /// Forks between the process that began all this and this one.
    generation: AtomicU32,
}

impl Forks {
    /// No hooks; the system calls no handlers.
    #[cfg(not(ntheap_model))]
    pub(crate) const fn new() -> Self {
        Forks {
            hooks: [const { AtomicPtr::new(ptr::null_mut()) }; LAYERS],
            forking: Lock::new(),
            forker: AtomicUsize::new(0),
            called: AtomicU32::new(0),
            is_known: AtomicBool::new(false),
            asking: [const { AtomicUsize::new(0) }; ASKERS],
            generation: AtomicU32::new(0),
        }
    }

    /// No hooks; the system calls no handlers.
    #[cfg(ntheap_model)]
    pub(crate) fn new() -> Self {
        Forks {
            hooks: core::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            forking: Lock::new(),
            forker: AtomicUsize::new(0),
            called: AtomicU32::new(0),
            is_known: AtomicBool::new(false),
            asking: core::array::from_fn(|_| AtomicUsize::new(0)),
            generation: AtomicU32::new(0),
        }
    }

    /// Has `hooks` called around every fork from now on; `system` asks the system to call
    /// the handlers. False when it has no memory for that, or when the calling thread, or
    /// [`ASKERS`] others, are at asking it right now: to be tried again.
    ///
    /// The caller holds nothing that hooks take.
    pub(crate) fn hold(
        &self,
        layer: Layer,
        hooks: &'static AtFork,
        system: impl FnOnce() -> bool,
    ) -> bool {
        let Some(entry) = self.hooks.get(layer as usize) else {
            return false;
        };
        if !entry.load(Ordering::Acquire).is_null() {
            return true;
        }
        if !self.ask(system) {
            return false;
        }
        let hooks = ptr::from_ref(hooks).cast_mut();
        if self.forker.load(Ordering::Relaxed) == os::thread_token() {
            // Somebody's hook uses something for the first time.
            entry.store(hooks, Ordering::Release);
            return true;
        }
        self.forking.acquire();
        entry.store(hooks, Ordering::Release);
        self.forking.release();
        true
    }

    /// How many forks there were before this process.
    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Relaxed)
    }

    /// Has `system` ask the system to call the handlers, unless that was done.
    pub(crate) fn ask(&self, system: impl FnOnce() -> bool) -> bool {
        if self.is_known.load(Ordering::Acquire) {
            return true;
        }
        let own = os::thread_token();
        let mut asking = self.asking.iter();
        if asking.any(|asker| asker.load(Ordering::Relaxed) == own) {
            // The system allocates for it, here.
            return false;
        }
        let is_taken = |asker: &&AtomicUsize| {
            let taken = asker.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed);
            taken.is_ok()
        };
        let Some(asker) = self.asking.iter().find(is_taken) else {
            return false;
        };
        let is_known = system();
        asker.store(0, Ordering::Relaxed);
        if is_known {
            self.is_known.store(true, Ordering::Release);
        }
        is_known
    }

    /// The handler before a fork.
    pub(crate) fn prepare(&self) {
        let own = os::thread_token();
        if self.forker.load(Ordering::Relaxed) == own {
            return;
        }
        self.forking.acquire();
        self.forker.store(own, Ordering::Relaxed);
        self.called.store(0, Ordering::Relaxed);
        for (place, entry) in self.hooks.iter().enumerate() {
            if let Some(hooks) = at(entry) {
                hooks.before();
                self.called.fetch_or(1 << place, Ordering::Relaxed);
            }
        }
    }

    /// Calls the other side of what `prepare` called, from the lowest layer up.
    fn after(&self, call: fn(&'static AtFork)) {
        let called = self.called.load(Ordering::Relaxed);
        for (place, entry) in self.hooks.iter().enumerate().rev() {
            if called & 1 << place != 0
                && let Some(hooks) = at(entry)
            {
                call(hooks);
            }
        }
        self.forker.store(0, Ordering::Relaxed);
    }

    /// The handler after a fork in the process that called it.
    pub(crate) fn parent(&self) {
        let is_forker = self.forker.load(Ordering::Relaxed) == os::thread_token();
        if is_forker {
            self.after(AtFork::in_parent);
            self.forking.release();
        }
    }

    /// The handler after a fork in the new process.
    pub(crate) fn child(&self) {
        let is_forker = self.forker.load(Ordering::Relaxed) == os::thread_token();
        if is_forker {
            self.generation.fetch_add(1, Ordering::Relaxed);
            self.after(AtFork::in_child);
            self.forking.reset();
        }
    }
}

fn at(entry: &AtomicPtr<AtFork>) -> Option<&'static AtFork> {
    // SAFETY: null, or the `'static` hooks that `hold` stored.
    unsafe { entry.load(Ordering::Acquire).as_ref() }
}
