//! Seizing blocks out of a bin whose owner goes on popping and pushing: in the
//! end every block is in one place.
//!
//! The process-wide barrier is a full fence at some point of the owner's, which
//! point is unknown: here the owner passes a full fence wherever it may fall
//! (`Slot::between`), and the seizer one where it calls the barrier.

use super::bin::{Bin, Request};
use super::magazine::ENTRIES;
use super::{
    seize, seize_foreign_reads_early, seize_leaves_blocks, seize_leaves_limit, seize_takes_topmost,
};
use crate::sync::atomic::{AtomicPtr, Ordering};
use crate::{are_caught, check};
use core::ptr;
use loom::sync::atomic::fence;
use loom::sync::{Arc, Mutex};
use loom::thread;

/// Room of the magazine: the blocks that are there first and two more.
const ROOM: usize = 4;
const FIRST: usize = 2;

struct ModelSlot(AtomicPtr<u8>);

/// What differs between the shipping file and its mutants.
trait Seizing: 'static {
    /// Seizes; the blocks and the new floor.
    fn seize(bin: &Bin<ModelSlot>, first: *mut ModelSlot, floor: usize) -> (Vec<usize>, usize);
    /// Seizes from a bin whose owner only pushes; the new floor.
    fn seize_unpopped(bin: &Bin<ModelSlot>, first: *mut ModelSlot) -> usize;
}

macro_rules! models {
    ($($name:ident = $file:ident;)*) => {$(
        struct $name;

        impl $file::Slot for ModelSlot {
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

        impl Seizing for $name {
            fn seize(
                bin: &Bin<ModelSlot>,
                first: *mut ModelSlot,
                floor: usize,
            ) -> (Vec<usize>, usize) {
                // SAFETY: the caller holds the lock.
                unsafe {
                    let barrier = || fence(Ordering::SeqCst);
                    let seizure = $file::Seizure::cover(bin, first, floor, barrier);
                    let (blocks, floor) = seizure.keep(bin, first);
                    (blocks.iter().map(|block| block.addr()).collect(), floor)
                }
            }

            fn seize_unpopped(bin: &Bin<ModelSlot>, first: *mut ModelSlot) -> usize {
                // SAFETY: the caller holds the lock.
                unsafe { $file::seize_unpopped(bin, first, || fence(Ordering::SeqCst)) }
            }
        }
    )*};
}

models! {
    Shipping = seize;
    TakesTopmost = seize_takes_topmost;
    LeavesBlocks = seize_leaves_blocks;
    LeavesLimit = seize_leaves_limit;
    ForeignReadsEarly = seize_foreign_reads_early;
}

struct Shared {
    bins: [Bin<ModelSlot>; 1],
    request: Request,
    /// The null below the first slot, and the slots.
    slots: [ModelSlot; 1 + ROOM],
    /// The bucket's lock, and the bin's floor.
    floor: Mutex<usize>,
}

impl Shared {
    fn new() -> Arc<Self> {
        let mut number = 0;
        let shared = Arc::new(Shared {
            bins: [Bin {
                top: AtomicPtr::new(ptr::null_mut()),
                limit: AtomicPtr::new(ptr::null_mut()),
            }],
            request: Request::new(),
            slots: [(); 1 + ROOM].map(|()| {
                let block = if number <= FIRST { number } else { 0 };
                number += 1;
                ModelSlot(AtomicPtr::new(ptr::without_provenance_mut(block)))
            }),
            floor: Mutex::new(0),
        });
        let bin = shared.bin();
        let first = shared.first();
        bin.top.store(first.wrapping_add(FIRST), Ordering::Relaxed);
        bin.limit.store(first.wrapping_add(ROOM), Ordering::Relaxed);
        shared
    }

    fn bin(&self) -> &Bin<ModelSlot> {
        &self.bins[0]
    }

    fn first(&self) -> *mut ModelSlot {
        (&raw const self.slots)
            .cast::<ModelSlot>()
            .cast_mut()
            .wrapping_add(1)
    }

    fn height(&self) -> usize {
        let top = self.bin().top.load(Ordering::Relaxed);
        (top.addr() - self.first().addr()) / size_of::<ModelSlot>()
    }

    fn block(&self, at: usize) -> usize {
        self.slots[1 + at].0.load(Ordering::Relaxed).addr()
    }

    /// What the owner's slow path does first, under the lock: moves the blocks
    /// down to where others were seized and raises the limit.
    fn settle(&self, floor: &mut usize) {
        self.request.take();
        let height = self.height();
        assert!(height >= *floor, "each block once: a seized one was popped");
        for at in *floor..height {
            let block = self.slots[1 + at].0.load(Ordering::Relaxed);
            self.slots[1 + at - *floor]
                .0
                .store(block, Ordering::Relaxed);
        }
        let top = self.first().wrapping_add(height - *floor);
        self.bin().top.store(top, Ordering::Relaxed);
        *floor = 0;
        let limit = self.first().wrapping_add(ROOM);
        self.bin().raise(limit, &self.request);
    }

    fn pop(&self) -> Option<usize> {
        let pop = || {
            // SAFETY: only the owner's thread calls this.
            let block = unsafe { Bin::pop(self.bin(), |_| ()) }.addr();
            (block != 0).then_some(block)
        };
        pop().or_else(|| {
            self.settle(&mut self.floor.lock().unwrap());
            pop()
        })
    }

    fn push(&self, block: usize) {
        let block = ptr::without_provenance_mut(block);
        // SAFETY: only the owner's thread calls this, and there is room.
        if unsafe { Bin::push(self.bin(), block) } {
            return;
        }
        let mut floor = self.floor.lock().unwrap();
        self.settle(&mut floor);
        let top = self.bin().top.load(Ordering::Relaxed);
        // SAFETY: the slot is the magazine's.
        unsafe { <ModelSlot as seize::Slot>::set(top, block) };
        self.bin().top.store(top.wrapping_add(1), Ordering::Relaxed);
    }
}

/// The owner's calls: a number is a block to push, none is a pop.
fn seize_while<S: Seizing>(calls: &'static [Option<usize>]) {
    const { assert!(ROOM <= ENTRIES) };
    let shared = Shared::new();
    let seizer = {
        let shared = shared.clone();
        thread::spawn(move || {
            let mut floor = shared.floor.lock().unwrap();
            let (blocks, new) = S::seize(shared.bin(), shared.first(), *floor);
            *floor = new;
            blocks
        })
    };
    let mut all: Vec<usize> = Vec::new();
    let mut pushed = 0;
    for call in calls {
        match call {
            Some(block) => {
                shared.push(*block);
                pushed += 1;
            }
            None => all.extend(shared.pop()),
        }
    }
    all.extend(seizer.join().unwrap());
    let floor = *shared.floor.lock().unwrap();
    all.extend((floor..shared.height()).map(|at| shared.block(at)));
    all.sort_unstable();
    let expected = 1..=FIRST + pushed;
    assert!(all.iter().copied().eq(expected), "each block once: {all:?}");
    // The owner finds what is left.
    while shared.pop().is_some() {}
    assert_eq!(shared.height(), 0);
}

/// The owner gives `pushes` blocks to a bin that it does not take from (a
/// foreign one) while another thread seizes what lies there.
fn seize_while_pushing<S: Seizing>(pushes: usize) {
    let shared = Shared::new();
    let seizer = {
        let shared = shared.clone();
        thread::spawn(move || {
            let mut floor = shared.floor.lock().unwrap();
            let top = S::seize_unpopped(shared.bin(), shared.first());
            let blocks: Vec<usize> = (*floor..top).map(|at| shared.block(at)).collect();
            *floor = top;
            blocks
        })
    };
    for block in FIRST + 1..=FIRST + pushes {
        shared.push(block);
    }
    let mut all = seizer.join().unwrap();
    let floor = *shared.floor.lock().unwrap();
    all.extend((floor..shared.height()).map(|at| shared.block(at)));
    all.sort_unstable();
    let expected = 1..=FIRST + pushes;
    assert!(all.iter().copied().eq(expected), "each block once: {all:?}");
}

#[test]
fn blocks_are_seized_while_the_owner_only_pushes() {
    check(4, || seize_while_pushing::<Shipping>(1));
    check(3, || seize_while_pushing::<Shipping>(2));
}

#[test]
fn blocks_are_seized_while_the_owner_pops() {
    check(3, || seize_while::<Shipping>(&[None, None]));
}

#[test]
fn blocks_are_seized_while_the_owner_pushes_and_pops() {
    check(3, || seize_while::<Shipping>(&[Some(3), None, None]));
}

#[test]
fn blocks_are_seized_while_the_owner_pops_and_pushes() {
    check(3, || seize_while::<Shipping>(&[None, Some(3)]));
}

#[test]
fn a_block_pushed_where_others_were_popped_is_kept() {
    check(3, || seize_while::<Shipping>(&[None, None, Some(3)]));
    check(3, || seize_while::<Shipping>(&[None, Some(3), None]));
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "heap::seize_model::mutants_are_caught",
        &[
            ("takes topmost", "each block once", || {
                check(3, || seize_while::<TakesTopmost>(&[None]))
            }),
            ("leaves limit", "each block once", || {
                check(3, || seize_while::<LeavesLimit>(&[None, None, Some(3)]))
            }),
            ("leaves blocks", "each block once", || {
                check(3, || seize_while::<LeavesBlocks>(&[None]))
            }),
            ("foreign reads early", "each block once", || {
                check(3, || seize_while_pushing::<ForeignReadsEarly>(1))
            }),
        ],
    );
}
