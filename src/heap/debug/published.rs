//! What others need to know to read records and stacks from outside (`heap/traces.rs`).

use super::{page, registry, stacks};
use crate::heap::traces::Traces;
use crate::vm::root::{self, Anchor};
use core::cell::UnsafeCell;

struct Published(UnsafeCell<Traces>);

// SAFETY: written by the one thread that makes the heap ready, before its address is
// published, and never again.
unsafe impl Sync for Published {}

static PUBLISHED: Published = Published(UnsafeCell::new(Traces {
    database: 0,
    shards: 0,
    count: 0,
    stride: 0,
    table: 0,
    capacity: 0,
    record: 0,
    start: 0,
    stack: 0,
    state: 0,
    size: 0,
    heap: 0,
    head: 0,
    frames: 0,
    guarded: [0; 2],
}));

/// Publishes them. Called once, after the root record was made and page heap began.
pub(super) fn publish() {
    let traces = Traces {
        guarded: page::range(),
        ..registry::describe(stacks::describe())
    };
    // SAFETY: nobody knows of it yet.
    unsafe { *PUBLISHED.0.get() = traces };
    root::set_anchor(Anchor::Traces, PUBLISHED.0.get().addr());
}
