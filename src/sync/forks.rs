//! Forks: who holds what across them, in the layers' order, and how many there were.
//!
//! ```text
//!   load      the system is asked to call the three handlers
//!   prepare   spies, strings, ... debug heaps, sections, heaps, regions    takes
//!   parent    regions, heaps, sections, debug heaps, ... strings, spies    gives back
//!   child     one more is counted, then as in the parent                   makes free
//! ```
//!
//! A fork copies the thread that calls it and no other. Whoever has a lock, or anything
//! else that another thread could be at, has an entry here ([`hold`]): locks are taken
//! from the highest layer down, as everybody else takes them, whichever was used first.
//!
//! - The system is asked once for all of them, when the program or the shared library is
//!   loaded, before the program's own constructors and any thread of theirs: a child that was
//!   made while somebody was at that would find the system's own list of handlers held for
//!   ever. Where nothing runs at load, or the system had no memory then, whoever uses
//!   something first asks; so too where another library's constructor runs before, as glibc
//!   runs those of libraries that a preloaded one does not need, and uses something.
//! - To enter the same hooks again changes nothing, and needs no state beside the entry:
//!   a child whose parent's thread was entering them enters them itself.
//! - None is entered while a fork is under way, so that what was not taken before it is
//!   not held by another thread in the child.
//! - Whatever is begun in one process and could only be ended in another is known by the
//!   count ([`generation`]), which is the child's own from before its first hook on:
//!   [`Once`](super::Once) looks there.
//!
//! A child that the system makes without asking its handlers (`vfork`, the bare call) has
//! its parent's count, and waits for what another thread was at as it would for a lock.

mod hooks;

use super::{Lock, atomic, os};
use crate::sys;
use hooks::Forks;
pub(crate) use hooks::{AtFork, Layer};

static FORKS: Forks = Forks::new();

/// What runs when the program or the shared library is loaded, before the constructors of
/// the program's own, any of which may start threads. Constructors of libraries that were
/// loaded after this one may have run by then. Linked where [`ask_system`] is, which names it,
/// and so not into a library that takes no more than types from here.
#[cfg(unix)]
#[cfg_attr(
    target_vendor = "apple",
    unsafe(link_section = "__DATA,__mod_init_func")
)]
#[cfg_attr(
    not(target_vendor = "apple"),
    unsafe(link_section = ".init_array.00101")
)]
static AT_LOAD: extern "C" fn() = {
    extern "C" fn ask() {
        FORKS.ask(ask_system);
    }
    ask
};

/// Has `hooks` called around every fork from now on. False when the system has no memory
/// for that, or when the calling thread is at asking it right now: to be tried again.
///
/// The caller holds nothing that hooks take.
pub(crate) fn hold(layer: Layer, hooks: &'static AtFork) -> bool {
    FORKS.hold(layer, hooks, ask_system)
}

/// How many forks there were before this process; the system is asked from here on to
/// have the next one counted.
pub(crate) fn generation() -> u32 {
    FORKS.ask(ask_system);
    FORKS.generation()
}

fn ask_system() -> bool {
    #[cfg(unix)]
    core::hint::black_box(&raw const AT_LOAD);
    sys::at_fork(prepare, parent, child)
}

unsafe extern "C" fn prepare() {
    FORKS.prepare();
}

unsafe extern "C" fn parent() {
    FORKS.parent();
}

unsafe extern "C" fn child() {
    FORKS.child();
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use core::sync::atomic::{AtomicBool, Ordering};

    static WAS_KNOWN: AtomicBool = AtomicBool::new(false);

    /// Runs at load too, after the library's own and before there is another thread.
    #[used]
    #[cfg_attr(
        target_vendor = "apple",
        unsafe(link_section = "__DATA,__mod_init_func")
    )]
    #[cfg_attr(
        not(target_vendor = "apple"),
        unsafe(link_section = ".init_array.00102")
    )]
    static LOOK: extern "C" fn() = {
        extern "C" fn look() {
            let mut asks = false;
            FORKS.ask(|| {
                asks = true;
                false
            });
            WAS_KNOWN.store(!asks, Ordering::Relaxed);
        }
        look
    };

    #[test]
    fn the_system_is_asked_at_load() {
        assert!(WAS_KNOWN.load(Ordering::Relaxed));
    }
}
