//! Who has a slice of address space: threads claim ranges that overlap, enter what lies
//! there, hand out what lies in it, and give the range up.

use super::{claims, claims_keep_on_failure, claims_look_unlocked, claims_take_blindly};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::{are_caught, check};
use loom::sync::Arc;
use loom::thread;

/// Entries; a slice's is that of the slice as many further on.
const ENTRIES: usize = 3;
const CLAIMED: usize = 1;

struct Table {
    entries: [AtomicUsize; ENTRIES],
    writers: Mutex<()>,
    /// What was handed out: the number of a slice, plus 1.
    handed: AtomicUsize,
}

impl Table {
    fn new() -> Self {
        Table {
            entries: std::array::from_fn(|_| AtomicUsize::new(0)),
            writers: Mutex::new(()),
            handed: AtomicUsize::new(0),
        }
    }

    /// What an entry says, as a free reads it.
    fn look(&self, slice: usize) -> usize {
        self.entries[slice % ENTRIES].load(Ordering::Relaxed)
    }
}

/// The functions of one of the compiled files.
trait Model: Send + Sync + 'static {
    fn claim(table: &Table, first: usize, count: usize) -> bool;
    fn disclaim(table: &Table, first: usize, count: usize);
    fn enter(table: &Table, first: usize, count: usize, what: usize);
}

macro_rules! models {
    ($($name:ident = $file:ident),*) => {$(
        struct $name;

        impl $file::Entries for Table {
            const CLAIMED: usize = CLAIMED;
            fn make(&self, slice: usize) -> Option<&AtomicUsize> {
                self.entries.get(slice % ENTRIES)
            }
            fn claimed(&self, slice: usize) -> &AtomicUsize {
                &self.entries[slice % ENTRIES]
            }
        }

        impl Model for $name {
            fn claim(table: &Table, first: usize, count: usize) -> bool {
                $file::claim(table, &table.writers, first, count)
            }
            fn disclaim(table: &Table, first: usize, count: usize) {
                $file::disclaim(table, &table.writers, first, count);
            }
            fn enter(table: &Table, first: usize, count: usize, what: usize) {
                $file::enter(table, first, count, what);
            }
        }
    )*};
}

models!(
    Shipped = claims,
    LookUnlocked = claims_look_unlocked,
    TakeBlindly = claims_take_blindly,
    KeepOnFailure = claims_keep_on_failure
);

/// Two threads want ranges that share an entry, one of them by the bits of an address that
/// the table drops.
fn overlap<M: Model>() {
    let table = Arc::new(Table::new());
    let other = {
        let table = table.clone();
        thread::spawn(move || {
            let is_mine = M::claim(&table, 1, 2);
            if is_mine {
                M::enter(&table, 1, 2, 20);
                assert_eq!([table.look(1), table.look(2)], [20; 2], "another\'s");
                M::enter(&table, 1, 2, CLAIMED);
                M::disclaim(&table, 1, 2);
            }
            is_mine
        })
    };
    let is_mine = M::claim(&table, ENTRIES + 2, 2);
    if is_mine {
        M::enter(&table, ENTRIES + 2, 2, 10);
        assert_eq!([table.look(2), table.look(0)], [10; 2], "another\'s");
    }
    let is_others = other.join().unwrap();
    assert!(is_mine || is_others, "nobody has it");
    if is_mine {
        M::enter(&table, ENTRIES + 2, 2, CLAIMED);
        M::disclaim(&table, ENTRIES + 2, 2);
    }
    let rest = [0, 1, 2].map(|slice| table.look(slice));
    assert_eq!(rest, [0; 3], "a slice stays claimed");
}

/// A block is handed to another thread, which finds what was entered.
fn hand_on<M: Model>() {
    let table = Arc::new(Table::new());
    let other = {
        let table = table.clone();
        thread::spawn(move || {
            assert!(M::claim(&table, 0, 2), "it is free");
            M::enter(&table, 0, 2, 7);
            table.handed.store(2, Ordering::Release);
        })
    };
    if let Some(slice) = table.handed.load(Ordering::Acquire).checked_sub(1) {
        assert_eq!(table.look(slice), 7, "a block leads nowhere");
    }
    assert!(M::claim(&table, 2, 1), "it is free");
    other.join().unwrap();
    assert!(!M::claim(&table, 1, 2), "two have a slice");
    assert_eq!(table.look(0), 7);
}

#[test]
fn a_slice_has_one_owner() {
    check(3, overlap::<Shipped>);
    check(3, hand_on::<Shipped>);
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "heap::claims_model::mutants_are_caught",
        &[
            ("look unlocked", "another\'s", || {
                check(3, overlap::<LookUnlocked>)
            }),
            ("take blindly", "another\'s", || {
                check(3, overlap::<TakeBlindly>)
            }),
            ("keep on failure", "a slice stays claimed", || {
                check(3, overlap::<KeepOnFailure>)
            }),
        ],
    );
}
