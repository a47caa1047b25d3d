//! Requests to a cache's owner: each is honoured at the owner's next slow path
//! at the latest, the next push leads there, and no block is lost. A row of bins
//! that comes into use meanwhile is no exception.

use super::magazine::Entry;
use super::request_taken_in_two_steps;
use super::{bin, limit_raised_blindly, request_asked_late, request_misses_row, row_used_silently};
use crate::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use crate::{are_caught, check};
use core::ptr;
use loom::sync::Arc;
use loom::thread;

/// Room of the owner's magazine: never reached, so that a push fails only
/// when somebody asks.
const ROOM: usize = 8;

/// Two rows of one bin each of one of the compiled files, and the request to
/// their owner.
trait Model: Send + Sync + 'static {
    fn new() -> Self;
    fn use_row(&self, row: u8);
    fn ask(&self);
    fn take(&self) -> bool;
    fn push(&self, bin: usize, block: *mut u8) -> bool;
    fn top(&self, bin: usize) -> &AtomicPtr<Entry>;
    fn raise(&self, bin: usize, limit: *mut Entry);
    fn lower(&self, bin: usize);
}

macro_rules! models {
    ($($name:ident = $file:ident;)*) => {$(
        struct $name {
            bins: [$file::Bin; 2],
            request: $file::Request,
        }

        impl Model for $name {
            fn new() -> Self {
                $name {
                    bins: [(); 2].map(|()| $file::Bin {
                        top: AtomicPtr::new(ptr::null_mut()),
                        limit: AtomicPtr::new(ptr::null_mut()),
                    }),
                    request: $file::Request::new(),
                }
            }
            fn use_row(&self, row: u8) {
                self.request.use_row(row)
            }
            fn ask(&self) {
                self.request.ask(|row| self.bins.get(usize::from(row)..=usize::from(row)).unwrap())
            }
            fn take(&self) -> bool {
                self.request.take()
            }
            fn push(&self, bin: usize, block: *mut u8) -> bool {
                // SAFETY: the owner pushes, and its magazines have room up to
                // the limits it set.
                unsafe { $file::Bin::push(&raw const self.bins[bin], block) }
            }
            fn top(&self, bin: usize) -> &AtomicPtr<Entry> {
                &self.bins[bin].top
            }
            fn raise(&self, bin: usize, limit: *mut Entry) {
                self.bins[bin].raise(limit, &self.request)
            }
            fn lower(&self, bin: usize) {
                self.bins[bin].lower()
            }
        }
    )*};
}

models! {
    Shipping = bin;
    TakenInTwoSteps = request_taken_in_two_steps;
    AskedLate = request_asked_late;
    RaisedBlindly = limit_raised_blindly;
    MissesRow = request_misses_row;
    UsedSilently = row_used_silently;
}

/// What the threads of a model share.
struct Shared<B> {
    bins: B,
    /// What the asking thread wants the owner to know.
    wish: AtomicU32,
    /// Requests made so far.
    asked: AtomicU32,
}

impl<B: Model> Shared<B> {
    fn new() -> Arc<Self> {
        Arc::new(Shared {
            bins: B::new(),
            wish: AtomicU32::new(0),
            asked: AtomicU32::new(0),
        })
    }

    /// Asks with wish `number`.
    fn ask(&self, number: u32) {
        self.wish.store(number, Ordering::Relaxed);
        self.bins.ask();
        self.asked.store(number, Ordering::Release);
    }
}

/// The owner of the bins, with its magazines.
struct Owner<'a, B> {
    shared: &'a Shared<B>,
    magazines: [[Entry; ROOM]; 2],
    /// Blocks given so far, and blocks that left the bins by a request.
    given: usize,
    drained: Vec<usize>,
    /// The wish it knows of.
    wish: u32,
    /// Rows in use.
    rows: usize,
}

impl<'a, B: Model> Owner<'a, B> {
    fn new(shared: &'a Shared<B>) -> Box<Self> {
        let mut owner = Self::with_one_row(shared);
        owner.use_second_row();
        owner
    }

    /// Puts the second row into use.
    fn use_second_row(&mut self) {
        self.shared.bins.use_row(1);
        self.rows = 2;
        self.install(1);
    }

    fn with_one_row(shared: &'a Shared<B>) -> Box<Self> {
        let mut owner = Box::new(Owner {
            shared,
            magazines: [[ptr::null_mut(); ROOM]; 2],
            given: 0,
            drained: Vec::new(),
            wish: 0,
            rows: 1,
        });
        shared.bins.use_row(0);
        owner.install(0);
        owner
    }

    /// Takes the bin's magazine away and gives it an empty one.
    fn install(&mut self, bin: usize) {
        self.shared.bins.lower(bin);
        let first = self.magazines[bin].as_mut_ptr();
        self.shared.bins.top(bin).store(first, Ordering::Relaxed);
        self.shared.bins.raise(bin, first.wrapping_add(ROOM));
    }

    /// The blocks in the bin.
    fn blocks(&self, bin: usize) -> Vec<usize> {
        let first = self.magazines[bin].as_ptr();
        let top = self.shared.bins.top(bin).load(Ordering::Relaxed);
        let count = (top.addr() - first.addr()) / size_of::<Entry>();
        self.magazines[bin][..count]
            .iter()
            .map(|b| b.addr())
            .collect()
    }

    /// What every slow path does first. True if it found a request.
    fn obey(&mut self) -> bool {
        if !self.shared.bins.take() {
            return false;
        }
        self.wish = self.shared.wish.load(Ordering::Relaxed);
        for bin in 0..self.rows {
            let blocks = self.blocks(bin);
            self.drained.extend(blocks);
            self.install(bin);
        }
        true
    }

    /// Gives a block; true if that took the slow path.
    fn free(&mut self, bin: usize) -> bool {
        self.given += 1;
        let block: Entry = ptr::without_provenance_mut(self.given);
        if self.shared.bins.push(bin, block) {
            return false;
        }
        if !self.obey() {
            // The limit was lowered after the request was taken.
            let first = self.magazines[bin].as_mut_ptr();
            self.shared.bins.raise(bin, first.wrapping_add(ROOM));
        }
        let top = self.shared.bins.top(bin);
        let place = top.load(Ordering::Relaxed);
        // SAFETY: the magazine has room for all blocks of a model; the slow
        // path need not look at the limit.
        unsafe { place.write(block) };
        top.store(place.wrapping_add(1), Ordering::Relaxed);
        true
    }

    /// Every block is in a bin or was drained, once.
    fn settle(&mut self) {
        let mut all = std::mem::take(&mut self.drained);
        for bin in 0..self.rows {
            all.extend(self.blocks(bin));
        }
        all.sort_unstable();
        assert!(all.iter().copied().eq(1..=self.given), "{all:?}");
    }
}

/// One thread asks `requests` times while the owner gives two blocks. Once the
/// owner knows that the last one was made, its next give to either bin leads
/// to the slow path, or some give before has done what was asked.
fn ask_while_giving<B: Model>(requests: u32) {
    let shared = Shared::<B>::new();
    let asking = {
        let shared = shared.clone();
        thread::spawn(move || (1..=requests).for_each(|number| shared.ask(number)))
    };
    let mut owner = Owner::new(&*shared);
    owner.free(0);
    owner.free(1);
    let asked = shared.asked.load(Ordering::Acquire);
    if owner.wish < asked {
        assert!(owner.free(1), "a request was made, and the limit is high");
        assert!(owner.wish >= asked, "the slow path knows what was asked");
    }
    asking.join().unwrap();
    if owner.wish < requests {
        assert!(owner.free(0), "a request was made, and the limit is high");
        assert_eq!(owner.wish, requests);
    }
    // All is honoured, so that a slow path each leaves the limits as they were.
    owner.free(0);
    owner.free(1);
    assert!(!owner.free(0) && !owner.free(1), "a limit stayed low");
    assert!(!owner.obey(), "a request was taken twice");
    owner.settle();
}

/// The owner raises its limits for a reason of its own, as after a refill,
/// while another thread asks.
fn ask_while_raising<B: Model>() {
    let shared = Shared::<B>::new();
    let asking = {
        let shared = shared.clone();
        thread::spawn(move || shared.ask(1))
    };
    let mut owner = Owner::new(&*shared);
    owner.install(0);
    owner.free(0);
    asking.join().unwrap();
    if owner.wish < 1 {
        assert!(owner.free(0), "a request was made, and the limit is high");
        assert_eq!(owner.wish, 1);
    }
    owner.free(0);
    owner.free(1);
    assert!(!owner.free(0) && !owner.free(1), "a limit stayed low");
    owner.settle();
}

/// The owner begins to use a row of bins while another thread asks.
fn ask_while_a_row_begins<B: Model>() {
    let shared = Shared::<B>::new();
    let asking = {
        let shared = shared.clone();
        thread::spawn(move || shared.ask(1))
    };
    let mut owner = Owner::with_one_row(&*shared);
    owner.use_second_row();
    owner.free(1);
    asking.join().unwrap();
    if owner.wish < 1 {
        assert!(owner.free(1), "a request was made, and the limit is high");
        assert_eq!(owner.wish, 1);
    }
    owner.free(0);
    owner.free(1);
    assert!(!owner.free(0) && !owner.free(1), "a limit stayed low");
    owner.settle();
}

/// Two threads ask; each wish is known in the end, whichever came last.
fn two_ask<B: Model>() {
    let shared = Shared::<B>::new();
    let asking: Vec<_> = (1..=2)
        .map(|number| {
            let shared = shared.clone();
            thread::spawn(move || shared.ask(number))
        })
        .collect();
    let mut owner = Owner::new(&*shared);
    owner.free(0);
    for asking in asking {
        asking.join().unwrap();
    }
    owner.free(0);
    owner.free(1);
    assert_eq!(owner.wish, shared.wish.load(Ordering::Relaxed));
    assert!(!owner.free(0) && !owner.free(1), "a limit stayed low");
    owner.settle();
}

#[test]
fn a_request_is_honoured_at_the_next_give() {
    check(4, || ask_while_giving::<Shipping>(1));
}

#[test]
fn a_second_request_is_honoured_too() {
    check(3, || ask_while_giving::<Shipping>(2));
}

#[test]
fn a_limit_lowered_meanwhile_stays_low() {
    check(4, ask_while_raising::<Shipping>);
}

#[test]
fn a_row_that_begins_meanwhile_is_asked_too() {
    check(4, ask_while_a_row_begins::<Shipping>);
}

#[test]
fn two_threads_may_ask_at_once() {
    check(2, two_ask::<Shipping>);
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "heap::request_model::mutants_are_caught",
        &[
            ("taken in two steps", "the limit is high", || {
                check(3, || ask_while_giving::<TakenInTwoSteps>(2))
            }),
            ("asked late", "the limit is high", || {
                check(3, || ask_while_giving::<AskedLate>(1))
            }),
            ("raised blindly", "the limit is high", || {
                check(3, ask_while_raising::<RaisedBlindly>)
            }),
            ("misses row", "the limit is high", || {
                check(3, ask_while_a_row_begins::<MissesRow>)
            }),
            ("used silently", "the limit is high", || {
                check(3, ask_while_a_row_begins::<UsedSilently>)
            }),
        ],
    );
}
