//! A debug heap in the life of its process: entered before its first request,
//! held across a fork, and asked for leaks at the end.
//!
//! Invariants:
//! - A debug heap's lock comes before those of the runtime's heaps, at a fork too
//!   ([`Layer`]).
//! - No two debug heaps' locks are held by a thread but by the one that forks.

use super::heap::DebugHeap;
use super::kind::flags;
use crate::sync::forks::{self, AtFork, Layer};
use crate::sync::{Lock, Once};
use crate::sys;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// The debug heap that was entered last; each leads to the one before.
static ENTERED: AtomicPtr<DebugHeap> = AtomicPtr::new(ptr::null_mut());

impl DebugHeap {
    /// Enters the debug heap, once: before its first request.
    #[inline]
    pub(super) fn start(&'static self) {
        if !self.started.is_ready() {
            self.enter();
        }
    }

    #[cold]
    fn enter(&'static self) {
        register();
        if self.started.begin() {
            let me = ptr::from_ref(self).cast_mut();
            let mut before = ENTERED.load(Ordering::Acquire);
            // A thread that a fork left behind may have entered it.
            let mut is_entered = false;
            for_each_from(before, &mut |heap| is_entered |= ptr::eq(heap, self));
            if is_entered {
                self.started.end(true);
                return;
            }
            loop {
                self.entered.store(before, Ordering::Relaxed);
                let exchange =
                    ENTERED.compare_exchange(before, me, Ordering::AcqRel, Ordering::Acquire);
                match exchange {
                    Ok(_) => break,
                    Err(now) => before = now,
                }
            }
            self.started.end(true);
        }
    }
}

/// Registers the fork handlers. The system may allocate for that, so no lock is
/// held.
fn register() {
    static FORK: AtFork = AtFork {
        prepare,
        parent,
        child,
        locks: &[],
    };
    forks::hold(Layer::DebugHeaps, &FORK);
}

/// Visits debug heaps from the one at `first` on.
fn for_each_from(first: *const DebugHeap, visit: &mut dyn FnMut(&'static DebugHeap)) {
    let mut at = first;
    // SAFETY: only `'static` debug heaps are entered.
    while let Some(heap) = unsafe { at.as_ref() } {
        visit(heap);
        at = heap.entered.load(Ordering::Relaxed);
    }
}

/// The first of the debug heaps that the fork under way holds. One that is
/// entered meanwhile is not held, and must not be given back.
static HELD: AtomicPtr<DebugHeap> = AtomicPtr::new(ptr::null_mut());

fn for_each_held(visit: &mut dyn FnMut(&Lock)) {
    let first = HELD.load(Ordering::Relaxed);
    for_each_from(first, &mut |heap| visit(heap.list.raw()));
}

fn prepare() {
    let first = ENTERED.load(Ordering::Acquire);
    HELD.store(first, Ordering::Relaxed);
    for_each_from(first, &mut |heap| heap.list.raw().acquire());
}

fn parent() {
    for_each_held(&mut |lock| lock.release());
}

fn child() {
    for_each_held(&mut |lock| lock.reset());
}

impl DebugHeap {
    /// The debug heap that is to do something about the block at an address: this
    /// one, or another one of this copy's on the same heap that has the block. Takes
    /// the debug heaps' locks, one at a time.
    #[inline]
    pub(super) fn keeper_of(&'static self, data: *const u8) -> &'static DebugHeap {
        let last = ENTERED.load(Ordering::Acquire);
        // The only one that was entered may be another one: this one enters with
        // its first request, and may be asked before.
        // SAFETY: only `'static` debug heaps are entered.
        let is_alone = unsafe { last.as_ref() }.is_none_or(|last| {
            ptr::eq(last, self) && last.entered.load(Ordering::Relaxed).is_null()
        });
        if is_alone || self.has_block(data) {
            return self;
        }
        self.other_keeper_of(data)
    }

    #[cold]
    fn other_keeper_of(&'static self, data: *const u8) -> &'static DebugHeap {
        let mut keeper = self;
        let Ok(own) = self.crt.heap() else {
            return keeper;
        };
        for_each_from(ENTERED.load(Ordering::Acquire), &mut |other| {
            if other.crt.heap() == Ok(own) && other.has_block(data) {
                keeper = other;
            }
        });
        keeper
    }
}

/// Whether somebody else asks for leaks at the end.
static IS_ASKED: AtomicBool = AtomicBool::new(false);

/// Has the process ask for leaks at its end, unless somebody else does.
pub(super) fn expect_end() {
    static EXPECTED: Once = Once::new();
    if !IS_ASKED.load(Ordering::Acquire) && !EXPECTED.is_ready() && EXPECTED.begin() {
        extern "C" fn end() {
            // A child of a fork may have asked for this a second time.
            static IS_OVER: AtomicBool = AtomicBool::new(false);
            if !IS_OVER.swap(true, Ordering::Relaxed) {
                ask_for_leaks();
            }
        }
        sys::at_exit(end);
        EXPECTED.end(true);
    }
}

/// Says that the caller will call [`ask_for_leaks`] at the process's end: a
/// library, whose own end is later than that of the program's handlers. To be
/// called before any debug heap's flags are set.
pub fn will_ask_for_leaks() {
    IS_ASKED.store(true, Ordering::Release);
}

/// Reports the leaks of all debug heaps with [`flags::LEAK_CHECK`].
///
/// Source: "_CrtSetDbgFlag".
pub fn ask_for_leaks() {
    for_each_from(ENTERED.load(Ordering::Acquire), &mut |heap| {
        if heap.has(flags::LEAK_CHECK) {
            heap.dump_leaks();
        }
    });
}
