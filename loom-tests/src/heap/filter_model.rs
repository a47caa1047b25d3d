//! The filter of noted blocks: who was handed one finds its bit and its record, whatever
//! others note and free at that moment.

use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::{are_caught, check};
use loom::sync::Arc;
use loom::thread;

/// The last record's number.
const MOST: usize = 4;

/// Two chains of records, each of which is the block's at an address.
#[derive(Default)]
struct Chains {
    heads: [u32; 2],
    next: [u32; MOST + 1],
    address: [usize; MOST + 1],
}

impl Chains {
    fn next(&mut self, number: u32) -> Option<&mut u32> {
        match number {
            0 => None,
            number => self.next.get_mut(number as usize),
        }
    }
}

/// The blocks of one of the compiled files.
trait Model: Send + Sync + 'static {
    fn new() -> Self;
    /// Notes the block at `address` by the record of this number.
    fn note(&self, chain: usize, address: usize, number: u32);
    /// What a free does without a lock.
    fn may_have(&self, chain: usize) -> bool;
    /// What it does then: whether the block was noted.
    fn take(&self, chain: usize, address: usize) -> bool;
    /// Hands a block to whoever looks.
    fn hand_out(&self, address: usize);
    /// The block that was handed out, or 0.
    fn handed(&self) -> usize;
}

macro_rules! models {
    ($($file:ident)*) => {$(
        mod $file {
            use super::{AtomicUsize, Chains, Model, Mutex, Ordering};
            use crate::heap::$file as file;

            pub(super) struct Notes {
                filter: file::Filter<1>,
                chains: Mutex<Chains>,
                handed: AtomicUsize,
            }

            impl file::Records for Chains {
                fn head(&mut self, chain: usize) -> Option<&mut u32> {
                    self.heads.get_mut(chain)
                }
                fn next(&mut self, number: u32) -> Option<&mut u32> {
                    Chains::next(self, number)
                }
                fn is_of(&mut self, number: u32, address: usize) -> bool {
                    number != 0 && self.address[number as usize] == address
                }
            }

            impl Model for Notes {
                fn new() -> Self {
                    Notes {
                        filter: file::Filter::new(),
                        chains: Mutex::new(Chains::default()),
                        handed: AtomicUsize::new(0),
                    }
                }
                fn note(&self, chain: usize, address: usize, number: u32) {
                    let mut chains = self.chains.lock();
                    chains.address[number as usize] = address;
                    assert!(file::enter(&self.filter, &mut *chains, chain, number));
                }
                fn may_have(&self, chain: usize) -> bool {
                    self.filter.may_have(chain)
                }
                fn take(&self, chain: usize, address: usize) -> bool {
                    let mut chains = self.chains.lock();
                    file::leave(&self.filter, &mut *chains, chain, address).is_some()
                }
                fn hand_out(&self, address: usize) {
                    self.handed.store(address, Ordering::Release);
                }
                fn handed(&self) -> usize {
                    self.handed.load(Ordering::Acquire)
                }
            }
        }
    )*};
}

models!(filter filter_clears_early filter_clears_shared filter_clears_whole_word
    filter_loses_rest filter_sets_nothing filter_sets_whole_word);

/// A block is noted and handed on, while the receiver notes and frees others: of the same
/// chain, and of another one whose bit is in the same word.
fn hand_on<N: Model>() {
    let notes = Arc::new(N::new());
    let other = {
        let notes = notes.clone();
        thread::spawn(move || {
            notes.note(0, 10, 1);
            notes.hand_out(10);
        })
    };
    notes.note(0, 20, 2);
    notes.note(1, 30, 3);
    assert!(notes.may_have(1), "a block's bit is lost");
    assert!(notes.take(1, 30), "a block's record is lost");
    let is_handed = notes.handed() == 10;
    if is_handed {
        assert!(notes.may_have(0), "a block's bit is lost");
        assert!(notes.take(0, 10), "a block's record is lost");
    }
    assert!(notes.may_have(0), "a block's bit is lost");
    assert!(notes.take(0, 20), "a block's record is lost");
    other.join().unwrap();
    if !is_handed {
        assert!(notes.may_have(0), "a block's bit is lost");
        assert!(notes.take(0, 10), "a block's record is lost");
    }
    assert!(!notes.take(0, 10) && !notes.take(0, 20), "a record stays");
    assert!(!notes.may_have(0) && !notes.may_have(1), "a bit stays");
}

/// One thread frees a noted block, while another one of its chain comes and goes.
fn look_while_changing<N: Model>() {
    let notes = Arc::new(N::new());
    notes.note(0, 10, 1);
    let other = {
        let notes = notes.clone();
        thread::spawn(move || {
            notes.note(0, 20, 2);
            assert!(notes.take(0, 20), "a block's record is lost");
        })
    };
    assert!(notes.may_have(0), "a block's bit is lost");
    assert!(notes.take(0, 10), "a block's record is lost");
    other.join().unwrap();
    assert!(!notes.may_have(0), "a bit stays");
}

#[test]
fn who_frees_a_noted_block_learns_it() {
    check(3, hand_on::<filter::Notes>);
    check(3, look_while_changing::<filter::Notes>);
}

#[test]
fn mutants_are_caught() {
    const BIT: &str = "a block's bit is lost";
    are_caught(
        "heap::filter_model::mutants_are_caught",
        &[
            ("set nothing", BIT, || {
                check(3, hand_on::<filter_sets_nothing::Notes>)
            }),
            ("set whole word", BIT, || {
                check(3, hand_on::<filter_sets_whole_word::Notes>)
            }),
            ("clear shared", BIT, || {
                check(3, hand_on::<filter_clears_shared::Notes>)
            }),
            ("clear whole word", BIT, || {
                check(3, hand_on::<filter_clears_whole_word::Notes>)
            }),
            ("clear early", BIT, || {
                check(3, look_while_changing::<filter_clears_early::Notes>)
            }),
            ("lose rest", BIT, || {
                check(3, hand_on::<filter_loses_rest::Notes>)
            }),
        ],
    );
}
