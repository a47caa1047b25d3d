//! ntheap's protocols between threads, run through every interleaving and
//! every outcome the memory model allows (up to a bound on preemptions).
//!
//! What is modelled is the shipping source itself, compiled a second time
//! against the model checker's atomics:
//!
//! | file | model | what must hold |
//! |---|---|---|
//! | `src/sync/lock.rs` | `sync/lock_model.rs` | exclusion, nothing unseen, nobody sleeps for ever |
//! | `src/sync/once.rs` | `sync/once_model.rs` | one start at a time, seen whole, tried again after a failure, taken over after a fork |
//! | `src/sync/forks/hooks.rs` | `sync/forks_model.rs` | what a fork copies is at rest, locks are free after it in both processes |
//! | `src/vm/budget.rs` | `vm/budget_model.rs` | what is committed is never above the limit, and nothing is lost of it |
//! | `src/vm/left/places.rs` | `vm/places_model.rs` | a region that the system would not take back is ended once, as what it was |
//! | `src/heap/claims.rs` | `heap/claims_model.rs` | a slice of address space has one owner, and its blocks lead to what was entered |
//! | `src/heap/magazine.rs` | `heap/depot_model.rs` | magazines change hands, none lost, none doubled |
//! | `src/heap/debug/chains.rs` | `heap/chains_model.rs` | stacks are kept once, and are whole for whoever finds them |
//! | `src/heap/debug/profile/filter.rs` | `heap/filter_model.rs` | a noted block's bit is there for whoever frees it |
//! | `src/heap/debug/page/state.rs` | `heap/state_model.rs` | one of several that free a guarded block has it |
//! | `src/heap/bin.rs` | `heap/request_model.rs` | requests are honoured in every row of bins, blocks and limits survive them |
//! | `src/heap/seize.rs` | `heap/seize_model.rs` | a bin's blocks are seized while its owner goes on, none lost, none doubled |
//! | `src/heap/large/mark.rs` | `heap/mark_model.rs` | of several that free or resize a large block one has it, and as it was written |
//! | `src/heap/private/lock.rs` | `heap/heap_lock_model.rs` | a heap's holder is alone with it, operations exclude each other, nobody sleeps for ever |
//! | `src/heap/private/numbers.rs` | `heap/numbers_model.rs` | threads that live at a time have different numbers |
//! | `src/heap/private/roll.rs` | `heap/roll_model.rs` | heaps of others are seen whole or not at all, none is lost, and each once by a walk that lets the lock go |
//! | `src/heap/private/shown.rs` | `heap/shown_model.rs` | a heap's buckets and slots are found whole, or what stands for them; one is made |
//! | `src/heap/roster.rs` | `heap/roster_model.rs` | a thread's end against purge and births: a cache has one thread, its blocks are in one place; lost caches are taken once |
//! | `src/heap/private/slot.rs` | `heap/slot_model.rs` | blocks pass through a slot, none lost, none doubled |
//! | `src/crt/first.rs` | `crt/first_model.rs` | of copies that begin at once one is the first, and all know which |
//! | `src/win32/global/entry.rs` | `win32/entry_model.rs` | a handle's data stays while it is locked, and is freed once |
//! | `src/win32/global/free_list.rs` | `win32/free_list_model.rs` | entries pass through the list, none lost, none doubled |
//!
//! Each model also runs on mutants: the same source with one line changed
//! (build.rs lists them). A mutant that passes means that the model is blind.

#[cfg(test)]
mod crt;
#[cfg(test)]
mod heap;
#[cfg(test)]
mod sync;
#[cfg(test)]
mod vm;
#[cfg(test)]
mod win32;

/// Compiles a mutant that build.rs made.
#[cfg(test)]
macro_rules! mutant {
    ($name:ident) => {
        #[allow(
            dead_code,
            unused,
            clippy::all,
            reason = "the models use a part of each file, and a mutant is not sound"
        )]
        pub(crate) mod $name {
            include!(concat!(env!("OUT_DIR"), "/", stringify!($name), ".rs"));
        }
    };
}
#[cfg(test)]
use mutant;

/// Runs `model` in every way that needs at most `preemptions` of a thread
/// that could go on.
#[cfg(test)]
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// A mutant: its name, what the model checker says of it, and its model.
#[cfg(test)]
type Mutant = (&'static str, &'static str, fn());

/// Asserts that each of `mutants` goes wrong in the way it should. `test` is
/// the calling test, which is run again for each of them: what a model leaves
/// behind when it fails may end the process.
#[cfg(test)]
fn are_caught(test: &str, mutants: &[Mutant]) {
    const CHOSEN: &str = "NTHEAP_MODEL_MUTANT";
    if let Ok(chosen) = std::env::var(CHOSEN) {
        for (_, _, model) in mutants.iter().filter(|(name, ..)| *name == chosen) {
            model();
        }
        return;
    }
    for (name, how, _) in mutants {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            .env(CHOSEN, name)
            .env("RUST_BACKTRACE", "0")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "the mutant {name} is not caught");
        assert!(text.contains(how), "{name} is caught, but by: {text}");
    }
}
