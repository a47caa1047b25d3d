//! What others need to know to read records and stacks from outside (`heap/traces.rs`).

use super::{page, registry, stacks, tags};
use crate::heap::traces::Traces;
use crate::vm::root::{self, Anchor};
use core::cell::UnsafeCell;

struct Published(UnsafeCell<Traces>);

// SAFETY: written by the one thread that makes the heap ready, before its address is
// published, and never again.
unsafe impl Sync for Published {}

static PUBLISHED: Published = Published(UnsafeCell::new(Traces::NONE));

/// Publishes them. Called once, after the root record was made and page heap began.
pub(super) fn publish() {
    let traces = Traces {
        guarded: page::range(),
        tables: page::tables(),
        ..tags::describe(registry::describe(stacks::describe()))
    };
    // SAFETY: nobody knows of it yet.
    unsafe { *PUBLISHED.0.get() = traces };
    root::set_anchor(Anchor::Traces, PUBLISHED.0.get().addr());
}
