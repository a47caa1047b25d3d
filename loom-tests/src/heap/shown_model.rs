//! A heap's buckets and their slots: two threads wake a bucket, or have a slot made, and find
//! it, or what stands for it.

use crate::{are_caught, check};
use loom::sync::Arc;
use loom::thread;

/// Records there are of each kind.
const RECORDS: usize = 2;
/// What a whole record says of itself; what stands for one says 0.
const WHOLE: usize = 7;

/// A heap with one of the compiled files.
trait Model: Send + Sync + 'static {
    fn new() -> Self;
    /// Wakes the bucket; where it lies, or 0.
    fn wake(&self) -> usize;
    /// What is said by the bucket that is at hand; once it is a bucket, the table has it.
    fn near(&self) -> usize;
    /// What is said by the bucket in the table, if there is one.
    fn in_table(&self) -> Option<usize>;
    /// Buckets that were made.
    fn made(&self) -> usize;
    /// Has a slot made, for which there is no memory the first time.
    fn make_slot(&self);
    /// What is said by the slot, or by what stands for it.
    fn slot(&self) -> usize;
}

macro_rules! models {
    ($($file:ident)*) => {$(
        mod $file {
            use super::{Model, RECORDS, WHOLE};
            use crate::heap::$file::Shown;
            use crate::sync::Mutex;
            use crate::sync::cell::UnsafeCell;
            use std::ptr;

            struct Bucket {
                says: UnsafeCell<usize>,
            }

            struct Table {
                bucket: Shown<Bucket>,
                says: UnsafeCell<usize>,
            }

            /// What the heap's lock protects: records that were made, and whether a slot
            /// was refused.
            #[derive(Default)]
            struct Made {
                tables: usize,
                buckets: usize,
                was_refused: bool,
            }

            pub(super) struct Heap {
                table: Shown<Table>,
                near: Shown<Bucket>,
                slot: Shown<Bucket>,
                asleep: Box<Bucket>,
                tables: [Table; RECORDS],
                buckets: [Bucket; RECORDS],
                made: Mutex<Made>,
            }

            // SAFETY: the cells tell if one is looked at that is not whole.
            unsafe impl Send for Heap {}
            // SAFETY: as above.
            unsafe impl Sync for Heap {}

            fn bucket() -> Bucket {
                Bucket { says: UnsafeCell::new(0) }
            }

            fn table() -> Table {
                Table { bucket: Shown::new(ptr::null_mut()), says: UnsafeCell::new(0) }
            }

            impl Heap {
                fn make_table(&self, made: &mut Made) -> *mut Table {
                    let table = &self.tables[made.tables];
                    made.tables += 1;
                    // SAFETY: nobody's until it is found.
                    unsafe { table.says.get().write(WHOLE) };
                    (&raw const *table).cast_mut()
                }

                fn make_bucket(&self, made: &mut Made) -> *mut Bucket {
                    let bucket = &self.buckets[made.buckets];
                    made.buckets += 1;
                    // SAFETY: as above.
                    unsafe { bucket.says.get().write(WHOLE) };
                    (&raw const *bucket).cast_mut()
                }
            }

            impl Model for Heap {
                fn new() -> Self {
                    let asleep = Box::new(bucket());
                    Heap {
                        table: Shown::new(ptr::null_mut()),
                        near: Shown::new((&raw const *asleep).cast_mut()),
                        slot: Shown::new((&raw const *asleep).cast_mut()),
                        asleep,
                        tables: std::array::from_fn(|_| table()),
                        buckets: std::array::from_fn(|_| bucket()),
                        made: Mutex::new(Made::default()),
                    }
                }

                fn wake(&self) -> usize {
                    let mut made = self.made.lock();
                    let table = self.table.find_or_make(ptr::null(), || self.make_table(&mut made));
                    // SAFETY: null, or one of the heap's.
                    let Some(table) = (unsafe { table.as_ref() }) else {
                        return 0;
                    };
                    // SAFETY: the cell tells if it is not whole.
                    assert_eq!(unsafe { table.says.look().read() }, WHOLE);
                    let bucket =
                        table.bucket.find_or_make(ptr::null(), || self.make_bucket(&mut made));
                    if !bucket.is_null() {
                        self.near.show(bucket);
                    }
                    bucket.addr()
                }

                fn near(&self) -> usize {
                    let bucket = self.near.find();
                    assert!(!bucket.is_null(), "nothing is at hand");
                    if !ptr::eq(bucket, &*self.asleep) {
                        assert!(self.in_table().is_some(), "the table has no bucket");
                    }
                    // SAFETY: one of the heap's; the cell tells if it is not whole.
                    unsafe { (*bucket).says.look().read() }
                }

                fn in_table(&self) -> Option<usize> {
                    // SAFETY: null, or one of the heap's; the cells tell.
                    unsafe {
                        let table = self.table.find().as_ref()?;
                        assert_eq!(table.says.look().read(), WHOLE);
                        let bucket = table.bucket.find().as_ref()?;
                        Some(bucket.says.look().read())
                    }
                }

                fn made(&self) -> usize {
                    self.made.lock().buckets
                }

                fn make_slot(&self) {
                    let mut made = self.made.lock();
                    self.slot.find_or_make(&raw const *self.asleep, || {
                        if !std::mem::replace(&mut made.was_refused, true) {
                            return ptr::null_mut();
                        }
                        self.make_bucket(&mut made)
                    });
                }

                fn slot(&self) -> usize {
                    let slot = self.slot.find();
                    assert!(!slot.is_null(), "nothing stands for a slot");
                    // SAFETY: one of the heap's; the cell tells if it is not whole.
                    unsafe { (*slot).says.look().read() }
                }
            }
        }
    )*};
}

models!(shown shown_relaxed shown_found_relaxed shown_makes_blindly shown_shows_nothing);

/// Two threads wake a bucket, of which one looked before.
fn wake_twice<H: Model>() {
    let heap = Arc::new(H::new());
    let other = {
        let heap = heap.clone();
        thread::spawn(move || heap.wake())
    };
    let near = heap.near();
    assert!(near == 0 || near == WHOLE, "a bucket that is not whole");
    let own = heap.wake();
    let others = other.join().unwrap();
    assert_ne!(own, 0);
    assert_eq!((own, heap.made()), (others, 1), "two buckets of a size");
    assert_eq!((heap.near(), heap.in_table()), (WHOLE, Some(WHOLE)));
}

/// A thread has a slot made, for which there is no memory at first; another one looks.
fn refuse_once<H: Model>() {
    let heap = Arc::new(H::new());
    let other = {
        let heap = heap.clone();
        thread::spawn(move || {
            let says = heap.slot();
            assert!(says == 0 || says == WHOLE, "a slot that is not whole");
        })
    };
    heap.make_slot();
    heap.make_slot();
    other.join().unwrap();
    assert_eq!((heap.slot(), heap.made()), (WHOLE, 1), "nobody's slot");
    heap.make_slot();
    assert_eq!(heap.made(), 1, "two slots of a number");
}

#[test]
fn buckets_are_found_whole() {
    check(3, wake_twice::<shown::Heap>);
}

#[test]
fn slots_are_found_or_what_stands_for_them() {
    check(3, refuse_once::<shown::Heap>);
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "heap::shown_model::mutants_are_caught",
        &[
            ("shown relaxed", "Causality violation", || {
                check(3, refuse_once::<shown_relaxed::Heap>)
            }),
            ("found relaxed", "Causality violation", || {
                check(3, refuse_once::<shown_found_relaxed::Heap>)
            }),
            ("makes blindly", "two buckets of a size", || {
                check(3, wake_twice::<shown_makes_blindly::Heap>)
            }),
            ("shows nothing", "nothing stands for a slot", || {
                check(3, refuse_once::<shown_shows_nothing::Heap>)
            }),
        ],
    );
}
