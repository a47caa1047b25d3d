//! The roll of heaps: what a thread sees of the heaps of others is whole, and
//! theirs, while they make and end them and use their records again.

use crate::{are_caught, check};
use loom::sync::Arc;
use loom::thread;

/// Records of heaps.
const RECORDS: usize = 3;

/// The roll of one of the compiled files, and heaps to be on it.
trait Model: Send + Sync + 'static {
    fn new() -> Self;
    /// Makes a heap in a record that is nobody's; the one entry of a slice table
    /// leads to it from then on.
    fn make(&self, record: usize, handle: usize);
    /// Ends it; the record is nobody's after that.
    fn end(&self, record: usize);
    /// What the heaps on the roll say of themselves, and how many there are.
    fn list(&self) -> (Vec<usize>, usize);
    /// What the first heap says of itself that comes after the one of this number, or after
    /// none, and its number; the roll is held for this one alone.
    fn step(&self, passed: Option<u64>) -> Option<(usize, u64)>;
    /// What the heap says of itself that the entry leads to, if it lives.
    fn look(&self) -> Option<usize>;
}

/// The heaps of a compiled file.
macro_rules! models {
    ($($file:ident)*) => {$(
        mod $file {
            use super::{Model, RECORDS};
            use crate::heap::$file::{Life, Links, Member, Roll};
            use crate::sync::Mutex;
            use crate::sync::atomic::{AtomicUsize, Ordering};
            use crate::sync::cell::UnsafeCell;

            /// A heap's record, with a name that is its handle.
            struct Heap {
                life: Life,
                links: Links<Heap>,
                name: UnsafeCell<usize>,
            }

            impl Member for Heap {
                fn life(&self) -> &Life {
                    &self.life
                }
                fn links(&self) -> &Links<Heap> {
                    &self.links
                }
            }

            impl Heap {
                /// The name of a heap that may be looked at.
                fn name(&self) -> usize {
                    // SAFETY: the cell tells if it may not.
                    let name = unsafe { *self.name.look() };
                    assert_eq!(name, self.life.handle(), "another's name");
                    name
                }
            }

            pub(super) struct Heaps {
                roll: Mutex<Roll<Heap>>,
                entry: AtomicUsize,
                records: [Heap; RECORDS],
            }

            // SAFETY: members are reached with the roll's lock held; the cells
            // tell if that is not so.
            unsafe impl Send for Heaps {}
            // SAFETY: as above.
            unsafe impl Sync for Heaps {}

            impl Model for Heaps {
                fn new() -> Self {
                    Heaps {
                        roll: Mutex::new(Roll::new()),
                        entry: AtomicUsize::new(RECORDS),
                        records: std::array::from_fn(|_| Heap {
                            life: Life::none(),
                            links: Links::new(),
                            name: UnsafeCell::new(0),
                        }),
                    }
                }

                fn make(&self, record: usize, handle: usize) {
                    let heap = &self.records[record];
                    // SAFETY: the record is this thread's alone; the cell tells if
                    // it is not.
                    unsafe { *heap.name.get() = handle };
                    heap.life.begin(handle);
                    self.entry.store(record, Ordering::Relaxed);
                    let heap = std::ptr::from_ref(heap).cast_mut();
                    // SAFETY: the heap is on no roll, and records stay.
                    unsafe { self.roll.lock().enter(heap, false) };
                }

                fn end(&self, record: usize) {
                    let heap = std::ptr::from_ref(&self.records[record]).cast_mut();
                    // SAFETY: this thread's heap is on the roll.
                    unsafe { self.roll.lock().leave(heap) };
                    self.entry.store(RECORDS, Ordering::Relaxed);
                }

                fn list(&self) -> (Vec<usize>, usize) {
                    let roll = self.roll.lock();
                    (roll.each().map(Heap::name).collect(), roll.count())
                }

                fn step(&self, passed: Option<u64>) -> Option<(usize, u64)> {
                    let roll = self.roll.lock();
                    let (heap, number) = roll.after(passed)?;
                    Some((heap.name(), number))
                }

                fn look(&self) -> Option<usize> {
                    let _roll = self.roll.lock();
                    let heap = self.records.get(self.entry.load(Ordering::Relaxed))?;
                    heap.life.is_on().then(|| heap.name())
                }
            }
        }
    )*};
}

models!(roll roll_keeps_alive roll_looks_relaxed roll_begins_relaxed roll_loses_last
    roll_tells_again roll_numbers_by_count);

/// A thread ends a heap and makes another in its record, while this one lists the
/// heaps and follows the entry.
fn watch<H: Model>() {
    let heaps = Arc::new(H::new());
    heaps.make(0, 10);
    let other = {
        let heaps = heaps.clone();
        thread::spawn(move || {
            heaps.end(0);
            heaps.make(0, 20);
        })
    };
    let seen = heaps.look();
    assert!([None, Some(10), Some(20)].contains(&seen), "{seen:?}");
    let (names, count) = heaps.list();
    assert_eq!(names.len(), count);
    assert!([&[][..], &[10], &[20]].contains(&&names[..]), "{names:?}");
    other.join().unwrap();
    assert_eq!(heaps.list(), (vec![20], 1));
}

/// Two threads make heaps, and one ends its own.
fn come_and_go<H: Model>() {
    let heaps = Arc::new(H::new());
    let other = {
        let heaps = heaps.clone();
        thread::spawn(move || {
            heaps.make(1, 30);
            heaps.end(1);
        })
    };
    heaps.make(0, 40);
    assert!(heaps.list().0.contains(&40), "a heap is lost");
    other.join().unwrap();
    // Its record again, now after the other's.
    heaps.make(1, 50);
    assert_eq!(heaps.list(), (vec![40, 50], 2), "a heap is lost");
}

/// The heaps one after the other, the roll let go between them.
fn walked<H: Model>(heaps: &H) -> Vec<usize> {
    let mut names = Vec::new();
    let mut passed = None;
    while let Some((name, number)) = heaps.step(passed) {
        assert!(!names.contains(&name), "a heap is told twice");
        names.push(name);
        passed = Some(number);
    }
    names
}

/// One thread walks, while another one ends a heap in the middle, and makes one in its record.
fn walk<H: Model>() {
    let heaps = Arc::new(H::new());
    for (record, name) in [10, 11, 12].into_iter().enumerate() {
        heaps.make(record, name);
    }
    let other = {
        let heaps = heaps.clone();
        thread::spawn(move || {
            heaps.end(1);
            heaps.make(1, 20);
        })
    };
    let names = walked(&*heaps);
    let lived = [10, 12].iter().all(|name| names.contains(name));
    assert!(lived, "a heap is lost: {names:?}");
    other.join().unwrap();
    heaps.end(0);
    heaps.make(0, 30);
    assert_eq!(walked(&*heaps), [12, 20, 30], "a heap is lost");
}

#[test]
fn a_walk_tells_each_heap_that_lives_once() {
    check(3, walk::<roll::Heaps>);
}

#[test]
fn heaps_of_others_are_seen_whole_or_not_at_all() {
    check(3, watch::<roll::Heaps>);
}

#[test]
fn heaps_come_and_go_and_none_is_lost() {
    check(3, come_and_go::<roll::Heaps>);
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "heap::roll_model::mutants_are_caught",
        &[
            ("keeps alive", "Causality violation", || {
                check(3, watch::<roll_keeps_alive::Heaps>)
            }),
            ("looks relaxed", "Causality violation", || {
                check(3, watch::<roll_looks_relaxed::Heaps>)
            }),
            ("begins relaxed", "Causality violation", || {
                check(3, watch::<roll_begins_relaxed::Heaps>)
            }),
            ("tells again", "a heap is told twice", || {
                check(3, walk::<roll_tells_again::Heaps>)
            }),
            ("numbers by count", "a heap is lost", || {
                check(3, walk::<roll_numbers_by_count::Heaps>)
            }),
            ("loses last", "a heap is lost", || {
                check(3, come_and_go::<roll_loses_last::Heaps>)
            }),
        ],
    );
}
