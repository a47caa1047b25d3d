//! Hooks around forks: whatever a fork copies is at rest, the locks are free
//! afterwards in both processes, and forks are counted.
//!
//! The model checker has no processes. What a child would find is what the forking
//! thread finds between the handlers: it looks at what the hooks protect, and a look
//! that is not ordered with every change is an error. A child's own handler runs in
//! models without other threads, which a child has none of.

use super::atomic::{AtomicUsize, Ordering};
use super::cell::UnsafeCell;
use super::{
    Lock, forks_ask_within, forks_child_counts_nothing, forks_child_keeps_forking,
    forks_copy_unheld, forks_end_others, forks_enter_meanwhile, forks_give_back_untaken,
    forks_own_hook_waits, forks_take_twice, hooks,
};
use crate::{are_caught, check};
use loom::thread;
use std::cell::Cell;

/// What is used under a lock that is held across forks.
struct Table {
    lock: Lock,
    /// Alike while nobody is at it.
    halves: UnsafeCell<(usize, usize)>,
    /// Whether a fork holds the lock.
    by_fork: UnsafeCell<bool>,
}

loom::lazy_static! {
    static ref TABLE: Table = Table {
        lock: Lock::new(),
        halves: UnsafeCell::new((0, 0)),
        by_fork: UnsafeCell::new(false),
    };
    /// How often the system was asked to call the handlers.
    static ref ASKED: AtomicUsize = AtomicUsize::new(0);
}

loom::thread_local! {
    static IS_ASKING: Cell<bool> = Cell::new(false);
}

fn take() {
    TABLE.lock.acquire();
    // SAFETY: the lock is held.
    unsafe { *TABLE.by_fork.get() = true };
}

fn is_by_fork() -> bool {
    // SAFETY: the thread that forks had the lock taken, and nobody else writes then.
    unsafe { core::mem::replace(&mut *TABLE.by_fork.get(), false) }
}

fn give() {
    assert!(is_by_fork(), "what was not taken is given back");
    TABLE.lock.release();
}

fn make_free() {
    assert!(is_by_fork(), "what was not taken is made free");
    TABLE.lock.reset();
}

/// The hooks of one of the compiled files, and the table's among them.
trait Model: Sized + 'static {
    fn forks() -> &'static Self;
    fn hold_table() -> bool;
    /// Enters hooks that enter the table's while they run.
    fn hold_late() -> bool;
    fn ask() -> bool;
    fn prepare();
    fn parent();
    fn child();
    fn generation() -> u32;
}

macro_rules! models {
    ($($file:ident)*) => {$(
        impl Model for $file::Forks {
            fn forks() -> &'static Self {
                loom::lazy_static! {
                    static ref FORKS: $file::Forks = $file::Forks::new();
                }
                &FORKS
            }
            fn hold_table() -> bool {
                static HOOKS: $file::AtFork = $file::AtFork {
                    prepare: take,
                    parent: give,
                    child: make_free,
                    ..$file::AtFork::locks(&[])
                };
                Self::forks().hold($file::Layer::Handles, &HOOKS, system::<Self>)
            }
            fn hold_late() -> bool {
                fn enter() {
                    assert!(<$file::Forks as Model>::hold_table());
                }
                static HOOKS: $file::AtFork = $file::AtFork {
                    prepare: enter,
                    ..$file::AtFork::locks(&[])
                };
                Self::forks().hold($file::Layer::Regions, &HOOKS, system::<Self>)
            }
            fn ask() -> bool {
                Self::forks().ask(system::<Self>)
            }
            fn prepare() {
                Self::forks().prepare()
            }
            fn parent() {
                Self::forks().parent()
            }
            fn child() {
                Self::forks().child()
            }
            fn generation() -> u32 {
                Self::forks().generation()
            }
        }
    )*};
}

models!(
    hooks forks_ask_within forks_child_counts_nothing forks_child_keeps_forking
    forks_copy_unheld forks_end_others forks_enter_meanwhile forks_give_back_untaken
    forks_own_hook_waits forks_take_twice
);

/// Asks the system, which allocates for it, and the heap asks then.
fn system<F: Model>() -> bool {
    assert!(
        !IS_ASKING.with(|asking| asking.replace(true)),
        "asked within asking"
    );
    F::ask();
    IS_ASKING.with(|asking| asking.set(false));
    ASKED.fetch_add(1, Ordering::AcqRel);
    true
}

fn use_table<F: Model>() {
    assert!(F::hold_table());
    TABLE.lock.acquire();
    // SAFETY: the lock is held.
    unsafe {
        (*TABLE.halves.get()).0 += 1;
        (*TABLE.halves.get()).1 += 1;
    }
    TABLE.lock.release();
}

/// A fork in the parent. The system calls the handlers before it as often as it was
/// asked to; after it, as some do, those too that it was asked for meanwhile.
fn fork<F: Model>() {
    let before = ASKED.load(Ordering::Acquire);
    for _ in 0..before {
        F::prepare();
    }
    if before != 0 {
        // SAFETY: nothing is written; the model checker sees to the order.
        let halves = unsafe { *TABLE.halves.look() };
        assert_eq!(halves.0, halves.1, "a child would find it half changed");
    }
    for _ in 0..ASKED.load(Ordering::Acquire) {
        F::parent();
    }
}

/// A thread that uses the table for the first time while another one forks, and uses
/// it then. With `at_load` the system knows the handlers before.
fn uses_and_forks<F: Model>(at_load: bool) {
    if at_load {
        assert!(F::ask());
    }
    let user = thread::spawn(|| {
        use_table::<F>();
        fork::<F>();
    });
    fork::<F>();
    use_table::<F>();
    user.join().unwrap();
    // SAFETY: all threads are done.
    assert_eq!(unsafe { *TABLE.halves.look() }, (2, 2));
    assert_eq!(F::generation(), 0);
}

/// The only thread of a child, whose handlers are called `times`, and a child of its.
fn children<F: Model>(times: usize) {
    for generation in 1..=2 {
        assert!(F::ask());
        (0..times).for_each(|_| F::prepare());
        (0..times).for_each(|_| F::child());
        assert_eq!(F::generation(), generation);
        use_table::<F>();
    }
}

/// Hooks that enter others while a fork is under way, which the next fork calls.
fn late<F: Model>() {
    assert!(F::hold_late());
    for _ in 0..2 {
        F::prepare();
        F::parent();
        use_table::<F>();
    }
}

#[test]
fn what_a_fork_copies_is_at_rest() {
    check(3, || uses_and_forks::<hooks::Forks>(true));
}

#[test]
fn the_system_may_be_asked_while_it_forks() {
    check(2, || uses_and_forks::<hooks::Forks>(false));
}

#[test]
fn children_are_counted_and_find_locks_free() {
    check(2, || children::<hooks::Forks>(1));
    check(2, || children::<hooks::Forks>(2));
}

#[test]
fn hooks_that_are_entered_by_hooks_count_from_the_next_fork_on() {
    check(2, late::<hooks::Forks>);
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "sync::forks_model::mutants_are_caught",
        &[
            ("enter meanwhile", "Causality violation", || {
                check(3, || uses_and_forks::<forks_enter_meanwhile::Forks>(true))
            }),
            ("copy unheld", "Causality violation", || {
                check(3, || uses_and_forks::<forks_copy_unheld::Forks>(true))
            }),
            ("end others", "what was not taken is given back", || {
                check(3, || uses_and_forks::<forks_end_others::Forks>(false))
            }),
            ("take twice", "deadlock", || {
                check(2, || children::<forks_take_twice::Forks>(2))
            }),
            ("child counts nothing", "left == right", || {
                check(2, || children::<forks_child_counts_nothing::Forks>(1))
            }),
            ("child keeps forking", "deadlock", || {
                check(2, || children::<forks_child_keeps_forking::Forks>(1))
            }),
            (
                "give back untaken",
                "what was not taken is given back",
                || check(2, late::<forks_give_back_untaken::Forks>),
            ),
            ("own hook waits", "deadlock", || {
                check(2, late::<forks_own_hook_waits::Forks>)
            }),
            ("ask within", "asked within asking", || {
                check(2, || uses_and_forks::<forks_ask_within::Forks>(false))
            }),
        ],
    );
}
