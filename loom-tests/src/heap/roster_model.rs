//! A thread's end as a whole, against frees and births of other threads and a purge:
//! the roster, the bins, seizing and the locks are the shipping files; a bucket is a
//! list of blocks, and a cache has one bin.
//!
//! In the end every block is in one place, every cache has had one thread at a time,
//! and what a thread left that ended without its hooks is taken once.

use super::bin::{Bin, Request};
use super::roster;
use super::seize::{Seizure, Slot};
use super::{
    roster_counts_no_number, roster_forgets_first, roster_keeps_owner, roster_loses_rest,
    roster_takes_of_others, roster_takes_the_later, roster_unparks_twice,
};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use crate::{are_caught, check};
use core::ptr;
use loom::sync::Arc;
use loom::sync::atomic::fence;
use loom::thread;
use std::sync::atomic::{AtomicBool as Flag, Ordering as Order};

/// Blocks of a model, and room in a magazine.
const BLOCKS: usize = 3;

struct ModelSlot(AtomicPtr<u8>);

impl Slot for ModelSlot {
    unsafe fn get(this: *mut Self) -> *mut u8 {
        // SAFETY: the slots outlive the threads of a model.
        unsafe { (*this).0.load(Ordering::Relaxed) }
    }
    unsafe fn set(this: *mut Self, block: *mut u8) {
        // SAFETY: as above.
        unsafe { (*this).0.store(block, Ordering::Relaxed) }
    }
    fn between() {
        fence(Ordering::SeqCst);
    }
}

struct Cache {
    next: AtomicPtr<Cache>,
    next_parked: AtomicPtr<Cache>,
    thread: AtomicU64,
    process: u32,
    since: AtomicU64,
    bin: Bin<ModelSlot>,
    request: Request,
    /// The null below the first slot, and the slots.
    slots: [ModelSlot; 1 + BLOCKS],
    /// Whether a thread has it: no part of the protocol, which the model checker does
    /// not order.
    has_thread: Flag,
}

impl Cache {
    fn new() -> Box<Cache> {
        let cache = Box::new(Cache {
            next: AtomicPtr::new(ptr::null_mut()),
            next_parked: AtomicPtr::new(ptr::null_mut()),
            thread: AtomicU64::new(0),
            process: 1,
            since: AtomicU64::new(0),
            bin: Bin {
                top: AtomicPtr::new(ptr::null_mut()),
                limit: AtomicPtr::new(ptr::null_mut()),
            },
            request: Request::new(),
            slots: [(); 1 + BLOCKS].map(|()| ModelSlot(AtomicPtr::new(ptr::null_mut()))),
            has_thread: Flag::new(false),
        });
        cache.bin.top.store(cache.first(), Ordering::Relaxed);
        cache
    }

    fn first(&self) -> *mut ModelSlot {
        (&raw const self.slots)
            .cast::<ModelSlot>()
            .cast_mut()
            .wrapping_add(1)
    }

    fn height(&self) -> usize {
        let top = self.bin.top.load(Ordering::Relaxed);
        (top.addr() - self.first().addr()) / size_of::<ModelSlot>()
    }

    /// The blocks in it. Those that were seized are nulls at the bottom.
    fn blocks(&self) -> impl Iterator<Item = usize> {
        (0..self.height())
            .map(|at| self.slots[1 + at].0.load(Ordering::Relaxed).addr())
            .filter(|&block| block != 0)
    }
}

/// A roster of one of the compiled files.
trait Model: Sized + Send + 'static {
    fn new() -> Self;
    fn live(&self) -> Vec<*mut Cache>;
    fn parked(&self) -> Vec<*mut Cache>;
    fn unpark(&mut self) -> *mut Cache;
    fn reuse(&mut self) -> *mut Cache;
    fn enter(&mut self, cache: *mut Cache);
    fn forget(&mut self, cache: *mut Cache) -> bool;
    /// Those that are lost to process 1, whose thread `gone` does not exist.
    fn lost(&self, process: u32, is_gone: &dyn Fn(u64) -> bool) -> Vec<*mut Cache>;
    fn retire(roster: &Mutex<Self>, cache: *mut Cache, may_stay: bool, drain: &dyn Fn(&Cache));
}

macro_rules! models {
    ($($file:ident)*) => {$(
        impl $file::Member for Cache {
            fn next(&self) -> &AtomicPtr<Self> {
                &self.next
            }
            fn next_parked(&self) -> &AtomicPtr<Self> {
                &self.next_parked
            }
            fn owner(&self) -> $file::Owner {
                $file::Owner {
                    thread: self.thread.load(Ordering::Relaxed),
                    process: self.process,
                    since: self.since.load(Ordering::Relaxed),
                }
            }
            fn belong_to_nobody(&self) {
                self.thread.store(0, Ordering::Relaxed);
            }
        }

        impl Model for $file::Roster<Cache> {
            fn new() -> Self {
                $file::Roster::new()
            }
            fn live(&self) -> Vec<*mut Cache> {
                self.live().map(|cache| (&raw const *cache).cast_mut()).collect()
            }
            fn parked(&self) -> Vec<*mut Cache> {
                self.parked().map(|cache| (&raw const *cache).cast_mut()).collect()
            }
            fn unpark(&mut self) -> *mut Cache {
                self.unpark()
            }
            fn reuse(&mut self) -> *mut Cache {
                self.reuse()
            }
            fn enter(&mut self, cache: *mut Cache) {
                // SAFETY: the models enter what is on no list.
                unsafe { self.enter(cache) }
            }
            fn forget(&mut self, cache: *mut Cache) -> bool {
                self.forget(cache)
            }
            fn lost(&self, process: u32, is_gone: &dyn Fn(u64) -> bool) -> Vec<*mut Cache> {
                let numbers = self.shared_numbers();
                self.live()
                    .filter(|cache| self.is_lost(cache, process, &numbers, is_gone))
                    .map(|cache| (&raw const *cache).cast_mut())
                    .collect()
            }
            fn retire(
                roster: &Mutex<Self>,
                cache: *mut Cache,
                may_stay: bool,
                drain: &dyn Fn(&Cache),
            ) {
                // SAFETY: the calling thread's.
                unsafe { $file::retire(roster, cache, may_stay, |_| (), drain, |_| ()) }
            }
        }
    )*};
}

models!(
    roster roster_counts_no_number roster_forgets_first roster_keeps_owner roster_loses_rest
    roster_takes_of_others roster_takes_the_later roster_unparks_twice
);

struct Shared<R> {
    roster: Mutex<R>,
    /// The free blocks.
    bucket: Mutex<Vec<usize>>,
    /// Whether the system has no thread of the numbers from 1 on any more.
    gone: [AtomicBool; 3],
    /// Caches live as long as the model, at addresses that are handed out.
    #[expect(
        clippy::vec_box,
        reason = "a cache stays where it is as the list grows"
    )]
    caches: std::sync::Mutex<Vec<Box<Cache>>>,
}

impl<R: Model> Shared<R> {
    fn new() -> Arc<Self> {
        Arc::new(Shared {
            roster: Mutex::new(R::new()),
            bucket: Mutex::new((1..=BLOCKS).collect()),
            gone: [(); 3].map(|()| AtomicBool::new(false)),
            caches: std::sync::Mutex::new(Vec::new()),
        })
    }

    fn at(&self, cache: *mut Cache) -> &Cache {
        // SAFETY: caches live as long as the model.
        unsafe { &*cache }
    }

    /// The beginning of a thread of a number: its cache.
    fn birth(&self, number: u64, since: u64) -> *mut Cache {
        let mut roster = self.roster.lock();
        let mut place = roster.unpark();
        if place.is_null() {
            place = roster.reuse();
            if place.is_null() {
                let mut cache = Cache::new();
                place = &raw mut *cache;
                self.caches.lock().unwrap().push(cache);
            } else {
                assert_eq!(self.at(place).blocks().count(), 0, "a free cache is empty");
            }
            roster.enter(place);
        }
        let cache = self.at(place);
        assert!(
            !cache.has_thread.swap(true, Order::Relaxed),
            "a cache has one thread"
        );
        cache.thread.store(number + 1, Ordering::Relaxed);
        cache.since.store(since, Ordering::Relaxed);
        place
    }

    /// Frees a block, by the fast path or the slow one.
    fn free(&self, cache: &Cache, block: usize) {
        let block = ptr::without_provenance_mut(block);
        // SAFETY: the calling thread's cache.
        if !unsafe { Bin::push(&raw const cache.bin, block) } {
            let bucket = self.bucket.lock();
            self.settle(cache);
            drop(bucket);
            // SAFETY: as above, and there is room: the limit is high, or the bucket has it.
            if !unsafe { Bin::push(&raw const cache.bin, block) } {
                self.bucket.lock().push(block.addr());
            }
        }
    }

    /// Moves the blocks down to where others were seized, and raises the limit. The
    /// bucket is locked.
    fn settle(&self, cache: &Cache) {
        cache.request.take();
        let blocks: Vec<usize> = cache.blocks().collect();
        for (at, block) in blocks.iter().enumerate() {
            let slot = &cache.slots[1 + at].0;
            slot.store(ptr::without_provenance_mut(*block), Ordering::Relaxed);
        }
        let top = cache.first().wrapping_add(blocks.len());
        cache.bin.top.store(top, Ordering::Relaxed);
        let limit = cache.first().wrapping_add(BLOCKS);
        cache.bin.raise(limit, &cache.request);
    }

    /// A block, by the fast path or from the bucket.
    fn allocate(&self, cache: &Cache) -> usize {
        // SAFETY: the calling thread's cache.
        let block = unsafe { Bin::pop(&raw const cache.bin, |_| ()) }.addr();
        if block != 0 {
            return block;
        }
        let mut bucket = self.bucket.lock();
        self.settle(cache);
        bucket.pop().expect("a block for everybody")
    }

    /// Gives back what no running thread has.
    fn drain(&self, cache: &Cache) {
        let mut bucket = self.bucket.lock();
        bucket.extend(cache.blocks());
        cache.bin.lower();
        for slot in &cache.slots {
            slot.0.store(ptr::null_mut(), Ordering::Relaxed);
        }
        cache.bin.top.store(cache.first(), Ordering::Relaxed);
    }

    /// The end of a thread with a cache, by its hook.
    fn end(&self, place: *mut Cache, may_stay: bool) {
        self.at(place).has_thread.store(false, Order::Relaxed);
        R::retire(&self.roster, place, may_stay, &|cache| self.drain(cache));
    }

    fn purge(&self) {
        let roster = self.roster.lock();
        for cache in roster.parked() {
            self.drain(self.at(cache));
        }
        for cache in roster.live() {
            let cache = self.at(cache);
            let mut bucket = self.bucket.lock();
            let floor = (0..cache.height())
                .take_while(|at| cache.slots[1 + at].0.load(Ordering::Relaxed).is_null())
                .count();
            // SAFETY: the bucket is locked, so the magazine stays.
            unsafe {
                let barrier = || fence(Ordering::SeqCst);
                let seizure = Seizure::cover(&cache.bin, cache.first(), floor, barrier);
                let (blocks, _) = seizure.keep(&cache.bin, cache.first());
                bucket.extend(blocks.iter().map(|block| block.addr()));
            }
        }
    }

    /// Takes what threads left that ended without their hooks; how many did.
    fn take_lost(&self, process: u32) -> usize {
        let mut roster = self.roster.lock();
        let is_gone = |number: u64| {
            let gone = (number as usize).checked_sub(1).map(|at| &self.gone[at]);
            gone.is_none_or(|gone| gone.load(Ordering::Acquire))
        };
        let lost = roster.lost(process, &is_gone);
        for &cache in &lost {
            assert!(
                !self.at(cache).has_thread.load(Order::Relaxed),
                "nothing is taken from a thread that lives"
            );
            self.drain(self.at(cache));
            assert!(roster.forget(cache));
        }
        lost.len()
    }

    /// The end of a thread that runs no hook.
    fn end_silently(&self, place: *mut Cache, number: usize) {
        self.at(place).has_thread.store(false, Order::Relaxed);
        self.gone[number].store(true, Ordering::Release);
    }

    /// All threads are done: every block is in one place.
    fn check(&self) {
        let mut all = self.bucket.lock().clone();
        for cache in self.roster.lock().live() {
            all.extend(self.at(cache).blocks());
        }
        all.sort_unstable();
        assert!(
            all.iter().copied().eq(1..=BLOCKS),
            "each block once: {all:?}"
        );
    }
}

/// A thread that frees what another one allocated, and ends, while others begin, free and
/// end and one of them purges.
fn ends<R: Model>(may_stay: bool, births: usize, purges: usize) {
    let shared = Shared::<R>::new();
    let own = shared.birth(0, 0);
    let block = shared.allocate(shared.at(own));
    let other = {
        let shared = shared.clone();
        // It frees a block of the first thread's.
        thread::spawn(move || {
            let cache = shared.birth(1, 1);
            shared.free(shared.at(cache), block);
            shared.end(cache, may_stay);
        })
    };
    let block = shared.allocate(shared.at(own));
    shared.free(shared.at(own), block);
    for _ in 0..purges {
        shared.purge();
    }
    shared.end(own, may_stay);
    for since in 0..births {
        let cache = shared.birth(0, 2 + since as u64);
        let block = shared.allocate(shared.at(cache));
        shared.free(shared.at(cache), block);
        shared.end(cache, false);
    }
    other.join().unwrap();
    shared.check();
}

/// Two caches in use at a time, of which the first goes first or last, and two that come
/// after that.
fn generations<R: Model>(first_goes_last: bool, may_stay: bool) {
    let shared = Shared::<R>::new();
    for round in 0..2 {
        let [one, two, three] = [0, 1, 2].map(|number| shared.birth(number, round));
        for cache in [one, two, three] {
            let block = shared.allocate(shared.at(cache));
            shared.free(shared.at(cache), block);
        }
        // The one in the middle goes; the others' blocks are found.
        shared.end(two, may_stay);
        shared.check();
        shared.take_lost(1);
        let (next, last) = if first_goes_last {
            (three, one)
        } else {
            (one, three)
        };
        shared.end(next, may_stay);
        shared.end(last, may_stay);
        shared.check();
    }
}

/// A thread that ends without its hooks, while another one looks for such; with `again`,
/// another thread has its number by then.
fn lost<R: Model>(again: bool) {
    let shared = Shared::<R>::new();
    let own = shared.birth(1, 0);
    let ender = {
        let shared = shared.clone();
        thread::spawn(move || {
            let cache = shared.birth(0, 1);
            let block = shared.allocate(shared.at(cache));
            shared.free(shared.at(cache), block);
            shared.end_silently(cache, 0);
            if again {
                // The system gives the number to the next thread.
                shared.gone[0].store(false, Ordering::Release);
                let next = shared.birth(0, 2);
                let block = shared.allocate(shared.at(next));
                shared.free(shared.at(next), block);
            }
        })
    };
    let taken = shared.take_lost(1);
    ender.join().unwrap();
    // In another process nothing is.
    assert_eq!(shared.take_lost(2), 0, "another process's caches stay");
    assert_eq!(
        taken + shared.take_lost(1),
        1,
        "what was lost is taken once"
    );
    shared.end(own, true);
    shared.gone[1].store(true, Ordering::Release);
    assert_eq!(shared.take_lost(1), 0, "what is kept is not lost");
    shared.check();
}

#[test]
fn threads_end_while_others_free_and_purge() {
    check(2, || ends::<roster::Roster<Cache>>(false, 0, 1));
    check(2, || ends::<roster::Roster<Cache>>(true, 0, 1));
}

#[test]
fn threads_end_while_others_begin() {
    check(3, || ends::<roster::Roster<Cache>>(false, 1, 0));
    check(3, || ends::<roster::Roster<Cache>>(true, 1, 0));
}

#[test]
fn caches_come_and_go_in_any_order() {
    for first_goes_last in [false, true] {
        check(1, move || {
            generations::<roster::Roster<Cache>>(first_goes_last, false);
            generations::<roster::Roster<Cache>>(first_goes_last, true);
        });
    }
}

#[test]
fn lost_caches_are_taken_once() {
    check(3, || lost::<roster::Roster<Cache>>(false));
    check(3, || lost::<roster::Roster<Cache>>(true));
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "heap::roster_model::mutants_are_caught",
        &[
            ("forgets first", "a free cache is empty", || {
                check(3, || {
                    ends::<roster_forgets_first::Roster<Cache>>(false, 1, 0)
                })
            }),
            ("keeps owner", "what is kept is not lost", || {
                check(3, || lost::<roster_keeps_owner::Roster<Cache>>(false))
            }),
            ("unparks twice", "attempt to subtract with overflow", || {
                check(1, || {
                    generations::<roster_unparks_twice::Roster<Cache>>(true, true)
                })
            }),
            ("loses rest", "each block once", || {
                check(1, || {
                    generations::<roster_loses_rest::Roster<Cache>>(true, false)
                })
            }),
            (
                "takes the later",
                "nothing is taken from a thread that lives",
                || check(3, || lost::<roster_takes_the_later::Roster<Cache>>(true)),
            ),
            ("takes of others", "another process's caches stay", || {
                check(3, || lost::<roster_takes_of_others::Roster<Cache>>(false))
            }),
            ("counts no number", "what was lost is taken once", || {
                check(3, || lost::<roster_counts_no_number::Roster<Cache>>(true))
            }),
        ],
    );
}
