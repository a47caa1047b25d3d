//! The stack database: threads keep stacks and find each other's, without a lock unless a
//! stack is new.

use super::{chains, chains_keep_blindly, chains_lead_early, chains_lead_relaxed};
use super::{chains_look_relaxed, chains_lose_older};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use crate::sync::cell::UnsafeCell;
use crate::{are_caught, check};
use loom::sync::Arc;
use loom::thread;

/// Where the first entry lies: 0 is no entry's number.
const FIRST: usize = 8;
/// Entries that there is memory for.
const ROOM: usize = 3;

/// An entry, of one frame.
#[derive(Clone, Copy, Default)]
struct Entry {
    next: u32,
    hash: u32,
    frame: usize,
}

/// Memory in which all stacks have one bucket. The model checker knows who reads an entry
/// and who writes it.
struct Memory {
    bucket: AtomicU32,
    entries: [UnsafeCell<Entry>; ROOM],
    used: AtomicUsize,
    committed: Mutex<usize>,
}

impl Memory {
    fn new() -> Self {
        Memory {
            bucket: AtomicU32::new(0),
            entries: std::array::from_fn(|_| UnsafeCell::new(Entry::default())),
            used: AtomicUsize::new(FIRST),
            committed: Mutex::new(FIRST),
        }
    }

    fn entry(&self, at: usize) -> &UnsafeCell<Entry> {
        &self.entries[(at - FIRST) / 8]
    }
}

/// The functions of one of the compiled files.
trait Model: Send + Sync + 'static {
    /// The number of a stack, and whether it was new; `None` without memory.
    fn keep(memory: &Memory, hash: u32, frame: usize) -> Option<(u32, bool)>;
    fn find(memory: &Memory, hash: u32, frame: usize) -> u32;
}

macro_rules! models {
    ($($name:ident = $file:ident),*) => {$(
        struct $name;

        impl $file::Entries for Memory {
            fn bucket(&self, _: u32) -> &AtomicU32 {
                &self.bucket
            }
            fn bytes(frames: &[usize]) -> usize {
                8 * frames.len()
            }
            fn make_room(&self, committed: &mut usize, end: usize) -> bool {
                let is_room = end <= FIRST + 8 * ROOM;
                if is_room {
                    *committed = end.max(*committed);
                }
                is_room
            }
            unsafe fn write(&self, at: usize, next: u32, hash: u32, frames: &[usize]) {
                let entry = self.entry(at).get();
                let [frame] = frames else { panic!("one frame") };
                // SAFETY: the model checker tells if somebody else is at the entry.
                unsafe { entry.write(Entry { next, hash, frame: *frame }) };
            }
            unsafe fn look(&self, number: u32, hash: u32, frames: &[usize]) -> (bool, u32) {
                // SAFETY: as above.
                let entry = unsafe { self.entry(number as usize * 8).look().read() };
                (entry.hash == hash && frames == [entry.frame], entry.next)
            }
        }

        impl Model for $name {
            fn keep(memory: &Memory, hash: u32, frame: usize) -> Option<(u32, bool)> {
                let kept =
                    $file::keep(memory, &memory.used, &memory.committed, hash, &[frame]);
                match kept {
                    $file::Kept::Known(number) => Some((number, false)),
                    $file::Kept::New(number) => Some((number, true)),
                    $file::Kept::Lost => None,
                }
            }
            fn find(memory: &Memory, hash: u32, frame: usize) -> u32 {
                $file::find(memory, hash, &[frame])
            }
        }
    )*};
}

models!(
    Shipped = chains,
    LeadRelaxed = chains_lead_relaxed,
    LookRelaxed = chains_look_relaxed,
    KeepBlindly = chains_keep_blindly,
    LoseOlder = chains_lose_older,
    LeadEarly = chains_lead_early
);

/// Two threads keep the same stack, and one of them another one of the same hash before it.
fn share<M: Model>() {
    let memory = Arc::new(Memory::new());
    let other = {
        let memory = memory.clone();
        thread::spawn(move || {
            let first = M::keep(&memory, 7, 10).expect("there is room");
            (first, M::keep(&memory, 7, 20).expect("there is room"))
        })
    };
    let own = M::keep(&memory, 7, 20).expect("there is room");
    let (first, others) = other.join().unwrap();
    assert_eq!(own.0, others.0, "a stack has two numbers");
    assert!(own.1 != others.1, "a stack was new twice, or never");
    assert!(first.1 && first.0 != own.0, "two stacks have one number");
    assert_eq!(M::find(&memory, 7, 10), first.0, "a stack is lost");
    assert_eq!(M::find(&memory, 7, 20), own.0, "a stack is lost");
    assert_eq!(M::find(&memory, 8, 20), 0, "another hash's is found");
    assert_eq!(memory.used.load(Ordering::Relaxed), FIRST + 16);
}

/// One thread fills the memory while another one looks for what it keeps.
fn fill<M: Model>() {
    let memory = Arc::new(Memory::new());
    let other = {
        let memory = memory.clone();
        thread::spawn(move || {
            let found = M::find(&memory, 1, 2);
            (found, M::find(&memory, 1, 1))
        })
    };
    let numbers = [1, 2, 3].map(|frame| M::keep(&memory, 1, frame).expect("there is room").0);
    let (second, first) = other.join().unwrap();
    assert!(second == 0 || second == numbers[1]);
    assert!(
        first == numbers[0] || (first == 0 && second == 0),
        "a stack is lost"
    );
    assert_eq!(
        M::keep(&memory, 1, 4),
        None,
        "a stack is where there is no memory"
    );
    let again = M::keep(&memory, 1, 2);
    assert_eq!(again, Some((numbers[1], false)), "a stack is lost");
}

#[test]
fn stacks_are_kept_once_and_found_whole() {
    check(3, share::<Shipped>);
    check(3, fill::<Shipped>);
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "heap::chains_model::mutants_are_caught",
        &[
            ("lead relaxed", "Causality violation", || {
                check(3, share::<LeadRelaxed>)
            }),
            ("look relaxed", "Causality violation", || {
                check(3, share::<LookRelaxed>)
            }),
            ("keep blindly", "a stack has two numbers", || {
                check(3, share::<KeepBlindly>)
            }),
            ("lose older", "a stack is lost", || {
                check(3, fill::<LoseOlder>)
            }),
            ("lead early", "Causality violation", || {
                check(3, fill::<LeadEarly>)
            }),
        ],
    );
}
