//! The two threads that operate on the heap, and the entrances they use.
//!
//! A front end keeps one cache a thread, found through the thread's word for
//! it. `NtHeap` has a word of its own, so a thread that uses `NtHeap` must not
//! use the same front end by a second word: the first thread enters the front
//! end that `NtHeap` does not use directly, the second one both.

use crate::pattern;
use ntheap::heap::{Word, checked, plain};
use ntheap::{Config, NtHeap};
use std::alloc::{GlobalAlloc, Layout};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// Where a block comes from and goes back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// `NtHeap`, or directly the front end behind it.
    Rust,
    /// The front end that knows sizes from its callers.
    Plain,
    /// The front end that knows no more than the address, as C's `free` does.
    C,
}

/// Whether `NtHeap` stands before the checked front end.
const RUST_IS_CHECKED: bool = cfg!(debug_assertions);

impl Door {
    /// Whether the block's size can be asked from its address.
    pub(crate) fn is_checked(self) -> bool {
        match self {
            Door::Rust => RUST_IS_CHECKED,
            Door::Plain => false,
            Door::C => true,
        }
    }
}

/// Who operates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// The thread that runs the input; uses `NtHeap`.
    First,
    /// A thread that can end and be replaced.
    Second,
}

/// One operation. Addresses are numbers, so that they can be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Allocate {
        door: Door,
        layout: Layout,
        zero: bool,
    },
    Free {
        door: Door,
        address: usize,
        layout: Layout,
    },
    Reallocate {
        door: Door,
        address: usize,
        layout: Layout,
        size: usize,
    },
    Fill {
        address: usize,
        size: usize,
        seed: u32,
    },
    Verify {
        address: usize,
        size: usize,
        kept: usize,
        seed: u32,
    },
    VerifyZero {
        address: usize,
        size: usize,
    },
    Purge,
}

thread_local! {
    static PLAIN: Word = const { Word::new() };
    static CHECKED: Word = const { Word::new() };
}

static HEAP: NtHeap = NtHeap::new();
const CONFIG: Config = Config::new();

/// How one thread gets at a door.
enum Way {
    NtHeap,
    Plain,
    /// Checked, with a Layout, as `NtHeap` uses it in debug builds.
    Layout,
    C,
}

fn way(actor: Actor, door: Door) -> Way {
    match (door, actor, RUST_IS_CHECKED) {
        (Door::Rust, Actor::First, _) | (Door::Plain, Actor::First, false) => Way::NtHeap,
        (Door::Rust, Actor::Second, true) => Way::Layout,
        (Door::Rust, Actor::Second, false) | (Door::Plain, ..) => Way::Plain,
        (Door::C, ..) => Way::C,
    }
}

fn allocate(way: Way, layout: Layout, zero: bool) -> *mut u8 {
    let (size, align) = (layout.size(), layout.align());
    // SAFETY: the words are the calling thread's, one for each front end, and
    // a size of 0 is allowed by all of these.
    unsafe {
        match way {
            Way::NtHeap if zero => HEAP.alloc_zeroed(layout),
            Way::NtHeap => HEAP.alloc(layout),
            Way::Plain if zero => PLAIN.with(|word| plain::allocate_zeroed(word, &CONFIG, layout)),
            Way::Plain => PLAIN.with(|word| plain::allocate(word, &CONFIG, layout)),
            Way::Layout => {
                CHECKED.with(|word| checked::allocate_layout(word, &CONFIG, layout, zero))
            }
            Way::C if align > 16 => {
                CHECKED.with(|word| checked::allocate_aligned(word, size, align))
            }
            Way::C if zero => CHECKED.with(|word| checked::allocate_zeroed(word, size)),
            Way::C => CHECKED.with(|word| checked::allocate(word, size)),
        }
    }
}

/// # Safety
/// The block came through the same door with this layout, and nobody uses it
/// any more.
unsafe fn free(way: Way, block: *mut u8, layout: Layout) {
    // SAFETY: as in `allocate`; the block is the caller's.
    unsafe {
        match way {
            Way::NtHeap => HEAP.dealloc(block, layout),
            Way::Plain => PLAIN.with(|word| plain::free(word, block, layout)),
            Way::Layout => {
                checked::expect_layout("dealloc", block, layout);
                CHECKED.with(|word| checked::free(word, block));
            }
            Way::C => CHECKED.with(|word| checked::free(word, block)),
        }
    }
}

/// # Safety
/// As for `free`; the block stays the caller's if this returns null.
unsafe fn reallocate(way: Way, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
    // SAFETY: as in `free`; the size is not 0.
    unsafe {
        match way {
            Way::NtHeap => HEAP.realloc(block, layout, size),
            Way::Plain => PLAIN.with(|word| plain::reallocate(word, &CONFIG, block, layout, size)),
            Way::Layout => {
                checked::expect_layout("realloc", block, layout);
                CHECKED.with(|word| checked::reallocate_layout(word, &CONFIG, block, layout, size))
            }
            Way::C => CHECKED.with(|word| checked::reallocate(word, block, size)),
        }
    }
}

fn perform(actor: Actor, call: Call) -> usize {
    let at = std::ptr::with_exposed_provenance_mut::<u8>;
    // SAFETY: the model makes calls for blocks that are alive and that it
    // lets nobody else use meanwhile, through the door they came from.
    unsafe {
        match call {
            Call::Allocate { door, layout, zero } => {
                allocate(way(actor, door), layout, zero).expose_provenance()
            }
            Call::Free {
                door,
                address,
                layout,
            } => {
                free(way(actor, door), at(address), layout);
                0
            }
            Call::Reallocate {
                door,
                address,
                layout,
                size,
            } => reallocate(way(actor, door), at(address), layout, size).expose_provenance(),
            Call::Fill {
                address,
                size,
                seed,
            } => {
                pattern::fill(at(address), size, seed);
                0
            }
            Call::Verify {
                address,
                size,
                kept,
                seed,
            } => {
                pattern::verify(at(address), size, kept, seed);
                0
            }
            Call::VerifyZero { address, size } => {
                pattern::verify_zero(at(address), size);
                0
            }
            Call::Purge => {
                match way(actor, Door::Rust) {
                    Way::NtHeap => ntheap::purge(),
                    Way::Plain => PLAIN.with(plain::purge),
                    Way::Layout | Way::C => CHECKED.with(checked::purge),
                }
                0
            }
        }
    }
}

struct Second {
    calls: Sender<Vec<Call>>,
    results: Receiver<Vec<usize>>,
    thread: JoinHandle<()>,
}

/// Both threads: the calling one and, as long as it is needed, the second.
#[derive(Default)]
pub(crate) struct Actors {
    second: Option<Second>,
}

impl Actors {
    /// Who can use `door`, if not `wanted`.
    pub(crate) fn who(wanted: Actor, door: Door) -> Actor {
        if door == Door::C && RUST_IS_CHECKED {
            Actor::Second
        } else {
            wanted
        }
    }

    fn second(&mut self) -> &Second {
        self.second.get_or_insert_with(|| {
            let (calls, to_do) = channel::<Vec<Call>>();
            let (done, results) = channel();
            let thread = std::thread::spawn(move || {
                for batch in to_do {
                    let all = batch.into_iter();
                    let all = all.map(|call| perform(Actor::Second, call)).collect();
                    if done.send(all).is_err() {
                        return;
                    }
                }
            });
            Second {
                calls,
                results,
                thread,
            }
        })
    }

    /// Performs the calls in turn; their results.
    pub(crate) fn perform(&mut self, actor: Actor, calls: Vec<Call>) -> Vec<usize> {
        match actor {
            Actor::First => calls.into_iter().map(|call| perform(actor, call)).collect(),
            Actor::Second => self.perform_both(Vec::new(), calls).1,
        }
    }

    /// Performs one call.
    pub(crate) fn one(&mut self, actor: Actor, call: Call) -> usize {
        match actor {
            Actor::First => perform(actor, call),
            Actor::Second => self.perform(actor, vec![call])[0],
        }
    }

    /// Performs both lists at the same time, one on each thread.
    pub(crate) fn perform_both(
        &mut self,
        first: Vec<Call>,
        second: Vec<Call>,
    ) -> (Vec<usize>, Vec<usize>) {
        let thread = self.second();
        thread
            .calls
            .send(second)
            .expect("the second thread is alive");
        let first = first
            .into_iter()
            .map(|call| perform(Actor::First, call))
            .collect();
        let second = thread.results.recv().expect("the second thread went on");
        (first, second)
    }

    /// Ends the second thread; the next call for it starts another.
    pub(crate) fn end_second(&mut self) {
        if let Some(Second { calls, thread, .. }) = self.second.take() {
            drop(calls);
            thread.join().expect("the second thread ended well");
        }
    }
}
