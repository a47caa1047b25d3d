//! Copies that begin at once: one is the first, and all others know it.

use super::{first, first_beside_those_behind, first_looks_early, first_never_gives_way};
use crate::sync::atomic::AtomicUsize;
use crate::{are_caught, check};
use loom::sync::Arc;
use loom::thread;

/// The words of all copies, in the order of their addresses.
type Words = Arc<Vec<AtomicUsize>>;

/// One of the compiled files.
trait Model: 'static {
    /// Has the copy of that number decide: the table of the first, or none.
    fn decide(words: &Words, number: usize) -> Option<usize>;
}

/// A copy's table.
fn table(number: usize) -> usize {
    (number + 1) << 4
}

macro_rules! models {
    ($($file:ident $name:ident)*) => {$(
        struct $name(Words, usize);

        impl $file::Others for $name {
            fn each(&self, show: &mut dyn FnMut(&AtomicUsize, bool)) {
                for (number, word) in self.0.iter().enumerate() {
                    if number != self.1 {
                        show(word, number < self.1);
                    }
                }
            }
        }

        impl Model for $name {
            fn decide(words: &Words, number: usize) -> Option<usize> {
                let others = $name(words.clone(), number);
                $file::decide(&words[number], table(number), &others)
            }
        }
    )*};
}

models! {
    first Shipping
    first_looks_early LooksEarly
    first_beside_those_behind BesideThoseBehind
    first_never_gives_way NeverGivesWay
}

/// So many copies begin at once, and one more when they have.
fn begin<M: Model>(copies: usize) {
    let words: Words = Arc::new((0..=copies).map(|_| AtomicUsize::new(0)).collect());
    let threads: Vec<_> = (1..copies)
        .map(|number| {
            let words = words.clone();
            thread::spawn(move || M::decide(&words, number))
        })
        .collect();
    let mut firsts = vec![M::decide(&words, 0)];
    firsts.extend(threads.into_iter().map(|thread| thread.join().unwrap()));
    let are: Vec<usize> = (0..copies).filter(|&copy| firsts[copy].is_none()).collect();
    assert_eq!(are.len(), 1, "not one is the first");
    firsts.push(M::decide(&words, copies));
    for first in firsts.into_iter().flatten() {
        assert_eq!(first, table(are[0]), "another one is taken for the first");
    }
}

#[test]
fn of_two_copies_one_is_the_first() {
    check(3, || begin::<Shipping>(2));
}

#[test]
fn of_three_copies_one_is_the_first() {
    check(1, || begin::<Shipping>(3));
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "crt::first_model::mutants_are_caught",
        &[
            ("first_looks_early", "not one is the first", || {
                check(3, || begin::<LooksEarly>(2));
            }),
            ("first_beside_those_behind", "not one is the first", || {
                check(3, || begin::<BesideThoseBehind>(2));
            }),
            ("first_never_gives_way", "exceeded maximum number", || {
                check(3, || begin::<NeverGivesWay>(2));
            }),
        ],
    );
}
