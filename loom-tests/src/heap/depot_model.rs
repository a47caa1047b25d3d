//! The depot under its bucket's lock: threads hand each other whole magazines,
//! and what one put into a magazine the next one finds there.

use super::magazine::ENTRIES;
use super::{depot_keeps_taken, depot_loses_rest, magazine};
use crate::sync::cell::UnsafeCell;
use crate::sync::{Mutex, lock_releases_relaxed};
use crate::{are_caught, check};
use loom::sync::Arc;
use loom::thread;
use std::alloc::{Layout, alloc_zeroed, dealloc};

/// The magazines of a model. Their entries are the cells beside them, so that
/// the model checker knows who uses them; the memory carries link and count.
const MAGAZINES: usize = 3;
const BYTES: Layout = match Layout::from_size_align((ENTRIES + 2) * 8, 64) {
    Ok(layout) => layout,
    Err(_) => panic!("a magazine has a layout"),
};

struct Memory {
    places: [*mut u8; MAGAZINES],
    contents: [UnsafeCell<usize>; MAGAZINES],
}

// SAFETY: a magazine is used by the thread alone that made it or took it out
// of the depot; the cells tell if that is not so.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    fn new() -> Memory {
        Memory {
            // SAFETY: the layout's size is not 0.
            places: [(); MAGAZINES].map(|()| unsafe { alloc_zeroed(BYTES) }),
            contents: [(); MAGAZINES].map(|()| UnsafeCell::new(0)),
        }
    }

    fn index(&self, place: *mut u8) -> usize {
        let index = self.places.iter().position(|&own| own == place);
        index.expect("the depot gives out only what was put in")
    }

    /// Fills a magazine that the calling thread has: its contents become its
    /// number of blocks.
    fn fill(&self, index: usize, blocks: usize) {
        // SAFETY: the thread has the magazine.
        unsafe { *self.contents[index].get() = blocks };
    }

    fn empty(&self, index: usize) -> usize {
        // SAFETY: the thread has the magazine.
        unsafe { std::mem::take(&mut *self.contents[index].get()) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for place in self.places {
            // SAFETY: allocated in `new` with this layout.
            unsafe { dealloc(place, BYTES) };
        }
    }
}

/// A locked depot of one of the compiled files.
trait Model: Send + Sync + 'static {
    fn new() -> Self;
    fn push(&self, magazine: *mut u8, count: usize);
    fn pop(&self) -> Option<(*mut u8, usize)>;
    /// Blocks in it.
    fn blocks(&self) -> usize;
}

macro_rules! model {
    ($name:ident, $lock:path, $file:ident) => {
        struct $name($lock);

        // SAFETY: the magazines belong to the depot, whichever thread holds
        // its lock.
        unsafe impl Send for $name {}
        // SAFETY: as above; the lock's cell tells if the lock does not do.
        unsafe impl Sync for $name {}

        impl Model for $name {
            fn new() -> Self {
                $name(<$lock>::new($file::Depot::new()))
            }
            fn push(&self, magazine: *mut u8, count: usize) {
                // SAFETY: the models push only what they have.
                unsafe { self.0.lock().push(magazine.cast(), count) }
            }
            fn pop(&self) -> Option<(*mut u8, usize)> {
                let (magazine, count) = self.0.lock().pop()?;
                Some((magazine.cast(), count))
            }
            fn blocks(&self) -> usize {
                self.0.lock().blocks
            }
        }
    };
}

model!(Shipping, Mutex<magazine::Depot>, magazine);
model!(
    KeepsTaken,
    Mutex<depot_keeps_taken::Depot>,
    depot_keeps_taken
);
model!(LosesRest, Mutex<depot_loses_rest::Depot>, depot_loses_rest);
model!(
    Unpublished,
    lock_releases_relaxed::Mutex<magazine::Depot>,
    magazine
);

/// Threads of which each fills a magazine of its own and puts it in, then
/// takes one out, empties it, and puts it in again half full; the depot holds
/// one magazine from the start.
fn exchange<D: Model>(threads: usize) {
    let shared = Arc::new((D::new(), Memory::new()));
    let (depot, memory) = (&shared.0, &shared.1);
    memory.fill(0, 10);
    depot.push(memory.places[0], 10);

    let run = move |shared: &(D, Memory), own: usize| -> usize {
        let (depot, memory) = shared;
        memory.fill(own, 20 * own);
        depot.push(memory.places[own], 20 * own);
        // There was one for everybody, and nobody has taken two.
        let (place, count) = depot.pop().expect("a magazine for everybody");
        let taken = memory.index(place);
        assert_eq!(memory.empty(taken), count, "the contents came with it");
        memory.fill(taken, count / 2);
        depot.push(place, count / 2);
        count - count / 2
    };
    let others: Vec<_> = (2..=threads)
        .map(|own| {
            let shared = shared.clone();
            thread::spawn(move || run(&shared, own))
        })
        .collect();
    let mut used = run(&shared, 1);
    for other in others {
        used += other.join().unwrap();
    }

    let put_in = 10 + (1..=threads).map(|own| 20 * own).sum::<usize>();
    assert_eq!(depot.blocks(), put_in - used);
    let mut left = 0;
    let mut seen = [false; MAGAZINES];
    while let Some((place, count)) = depot.pop() {
        let index = memory.index(place);
        assert!(!std::mem::replace(&mut seen[index], true), "taken twice");
        assert_eq!(memory.empty(index), count);
        left += count;
    }
    assert_eq!(left + used, put_in, "the depot lost a magazine");
    assert!(seen[..=threads].iter().all(|&seen| seen), "one is lost");
    assert_eq!(depot.blocks(), 0);
}

#[test]
fn two_threads_exchange_magazines() {
    check(4, || exchange::<Shipping>(2));
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "heap::depot_model::mutants_are_caught",
        &[
            ("keeps taken", "taken twice", || {
                check(2, || exchange::<KeepsTaken>(2))
            }),
            ("loses rest", "the depot lost a magazine", || {
                check(2, || exchange::<LosesRest>(2))
            }),
            ("unpublished", "Causality violation", || {
                check(2, || exchange::<Unpublished>(2))
            }),
        ],
    );
}
