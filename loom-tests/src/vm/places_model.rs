//! Regions that the system would not take back: each is ended once, as what it was, by
//! whichever thread comes by, or is still kept.

use super::{
    places, places_counts_late, places_ends_twice, places_keeps_early, places_keeps_over,
    places_loses_refused, places_takes_relaxed,
};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::cell::UnsafeCell;
use crate::{are_caught, check};
use loom::sync::Arc;
use loom::thread;

const REGIONS: usize = 3;

/// Where a model's region begins, and what it is: all different, so that one cannot be
/// taken for another.
fn region(number: usize) -> [usize; 4] {
    [10, 20, 30, 40].map(|field| field + number)
}

/// Places of one of the compiled files.
trait Model: Send + Sync + 'static {
    fn new() -> Self;
    fn are_free(&self) -> bool;
    fn keep(&self, region: [usize; 4]) -> bool;
    fn try_again(&self, end: &mut dyn FnMut([usize; 4]) -> bool);
}

macro_rules! models {
    ($($file:ident)*) => {$(
        impl Model for $file::Places {
            fn new() -> Self {
                $file::Places::new()
            }
            fn are_free(&self) -> bool {
                $file::Places::are_free(self)
            }
            fn keep(&self, [base, size, committed, of]: [usize; 4]) -> bool {
                $file::Places::keep(self, $file::Region { base, size, committed, of })
            }
            fn try_again(&self, end: &mut dyn FnMut([usize; 4]) -> bool) {
                $file::Places::try_again(self, |region| {
                    end([region.base, region.size, region.committed, region.of])
                })
            }
        }
    )*};
}

models!(
    places places_counts_late places_ends_twice places_keeps_early places_keeps_over
    places_loses_refused places_takes_relaxed
);

struct Shared<P> {
    places: P,
    /// What lies in each region: whoever keeps one has purged it before.
    memory: [UnsafeCell<bool>; REGIONS],
    ended: [AtomicUsize; REGIONS],
    /// Whether the system refuses the next one.
    refuses: AtomicBool,
}

impl<P: Model> Shared<P> {
    fn keep(&self, number: usize) -> bool {
        // SAFETY: the region is the caller's until it is kept.
        unsafe { *self.memory[number].get() = true };
        self.places.keep(region(number))
    }

    fn try_again(&self) {
        if self.places.are_free() {
            return;
        }
        self.places.try_again(&mut |kept| {
            let number = kept[0] - region(0)[0];
            assert_eq!(kept, region(number), "a region is ended as what it is");
            if self.refuses.swap(false, Ordering::Relaxed) {
                return false;
            }
            // SAFETY: the region is this thread's.
            assert!(unsafe { *self.memory[number].get() });
            self.ended[number].fetch_add(1, Ordering::Relaxed);
            true
        });
    }
}

/// Two threads that keep a region each and come by then, with one kept before; the
/// system refuses the first that is tried again, if `refuses`.
fn keeping<P: Model>(refuses: bool, first: bool) {
    let shared = Arc::new(Shared {
        places: P::new(),
        memory: [(); REGIONS].map(|()| UnsafeCell::new(false)),
        ended: [(); REGIONS].map(|()| AtomicUsize::new(0)),
        refuses: AtomicBool::new(refuses),
    });
    // There are two places.
    let mut kept = [first && shared.keep(0), false, false];
    let other = {
        let shared = shared.clone();
        thread::spawn(move || {
            let kept = shared.keep(1);
            shared.try_again();
            kept
        })
    };
    if !first {
        kept[2] = shared.keep(2);
    }
    shared.try_again();
    kept[1] = other.join().unwrap();
    // Nobody refuses any more; the second time nothing is left.
    shared.refuses.store(false, Ordering::Relaxed);
    shared.try_again();
    assert!(
        shared.places.are_free(),
        "what was kept is ended in the end"
    );
    for (number, kept) in kept.into_iter().enumerate() {
        let ended = shared.ended[number].load(Ordering::Relaxed);
        assert_eq!(ended, usize::from(kept), "each once: {number}");
    }
}

#[test]
fn what_is_kept_is_ended_once() {
    for refuses in [false, true] {
        check(3, move || keeping::<places::Places>(refuses, false));
        check(3, move || keeping::<places::Places>(refuses, true));
    }
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "vm::places_model::mutants_are_caught",
        &[
            ("takes relaxed", "a region is ended as what it is", || {
                check(3, || keeping::<places_takes_relaxed::Places>(false, false))
            }),
            ("keeps early", "a region is ended as what it is", || {
                check(3, || keeping::<places_keeps_early::Places>(false, false))
            }),
            ("keeps over", "Causality violation", || {
                check(3, || keeping::<places_keeps_over::Places>(false, false))
            }),
            ("ends twice", "Causality violation", || {
                check(3, || keeping::<places_ends_twice::Places>(false, true))
            }),
            ("loses refused", "what was kept is ended in the end", || {
                check(3, || keeping::<places_loses_refused::Places>(true, true))
            }),
            ("counts late", "what was kept is ended in the end", || {
                check(3, || keeping::<places_counts_late::Places>(false, false))
            }),
        ],
    );
}
