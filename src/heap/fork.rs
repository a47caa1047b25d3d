//! Fork: every lock is held across it, so the child gets a heap at rest.
//!
//! The other threads do not exist in the child. Whatever their caches held
//! goes back to the free bits, so nothing is lost; the locks are made free.

use super::{PROCESS, cache, meta, misuse, private, slices};
use crate::sync::Lock;
use crate::sync::forks::{self, AtFork, Layer};
use core::sync::atomic::{AtomicU64, Ordering};

/// The thread that forks, while it does.
static FORKING: AtomicU64 = AtomicU64::new(0);

/// Has forks find the heap at rest. The system may allocate for this.
pub(super) fn register() {
    static FORK: AtFork = AtFork {
        prepare,
        parent,
        child,
        locks: &[],
    };
    forks::hold(Layer::Heaps, &FORK);
}

fn for_each_lock(is_taking: bool, visit: &mut dyn FnMut(&Lock)) {
    if is_taking {
        private::for_each_lock(is_taking, visit);
    }
    visit(PROCESS.reclaiming.raw());
    for (_, front) in PROCESS.fronts() {
        front.for_each_lock(visit);
    }
    visit(PROCESS.large.raw());
    visit(PROCESS.back_end.raw());
    visit(PROCESS.sparse.raw());
    visit(slices::WRITERS.raw());
    visit(meta::lock());
    #[cfg(feature = "debug")]
    {
        visit(private::debug_lock());
        super::debug::for_each_lock(visit);
    }
    if !is_taking {
        private::for_each_lock(is_taking, visit);
    }
}

fn prepare() {
    for_each_lock(true, &mut |lock| lock.acquire());
    FORKING.store(crate::sys::thread_id(), Ordering::Relaxed);
}

fn parent() {
    for_each_lock(false, &mut |lock| lock.release());
}

fn child() {
    private::forget_holders();
    #[cfg(feature = "debug")]
    {
        private::forget_stays();
        super::debug::threads::forget_others();
        #[cfg(unix)]
        super::debug::witness::forget_telling();
        #[cfg(target_os = "linux")]
        crate::sys::forget_running();
    }
    for_each_lock(false, &mut |lock| lock.reset());
    // The parent reports what was noted before the fork.
    misuse::forget_late();
    let parent = FORKING.load(Ordering::Relaxed);
    let own = crate::sys::thread_id();
    crate::report::forget_others(parent, own);
    for (kind, front) in PROCESS.fronts() {
        front.adopt_orphans(PROCESS.shared(kind), &|cache: &cache::ThreadCache| {
            cache.change_owner(parent, own)
        });
    }
    PROCESS.complete_in_child();
}
