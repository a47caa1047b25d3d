//! Numbers of threads: two that live at a time have different ones.

use super::{numbers, numbers_count_blindly, numbers_keep_left};
use crate::{are_caught, check};
use loom::sync::Arc;
use loom::thread;

const COUNT: usize = 3;

/// The numbers of one of the compiled files.
trait Model: Send + Sync + 'static {
    fn new() -> Self;
    fn enter(&self) -> usize;
    fn leave(&self, number: usize);
}

macro_rules! models {
    ($($file:ident)*) => {$(
        impl Model for $file::Numbers<COUNT> {
            fn new() -> Self {
                $file::Numbers::new()
            }
            fn enter(&self) -> usize {
                $file::Numbers::enter(self)
            }
            fn leave(&self, number: usize) {
                $file::Numbers::leave(self, number);
            }
        }
    )*};
}

models!(numbers numbers_count_blindly numbers_keep_left);

/// Two threads take a number at once, and then a third one.
fn share<N: Model>() {
    let numbers = Arc::new(N::new());
    let other = {
        let numbers = numbers.clone();
        thread::spawn(move || numbers.enter())
    };
    let own = numbers.enter();
    let others = other.join().unwrap();
    assert_ne!(own, others, "two threads have one number");
    let third = numbers.enter();
    assert!(third != own && third != others, "the third has another's");
}

/// A thread comes and goes while another one takes a number.
fn come_and_go<N: Model>() {
    let numbers = Arc::new(N::new());
    let other = {
        let numbers = numbers.clone();
        thread::spawn(move || {
            let number = numbers.enter();
            numbers.leave(number);
        })
    };
    let own = numbers.enter();
    other.join().unwrap();
    let rest = [numbers.enter(), numbers.enter()];
    assert!(
        !rest.contains(&own) && rest[0] != rest[1],
        "a number is lost"
    );
}

#[test]
fn threads_have_numbers_of_their_own() {
    check(3, share::<numbers::Numbers<COUNT>>);
    check(3, come_and_go::<numbers::Numbers<COUNT>>);
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "heap::numbers_model::mutants_are_caught",
        &[
            ("count blindly", "two threads have one number", || {
                check(3, share::<numbers_count_blindly::Numbers<COUNT>>)
            }),
            ("keep left", "a number is lost", || {
                check(3, come_and_go::<numbers_keep_left::Numbers<COUNT>>)
            }),
        ],
    );
}
