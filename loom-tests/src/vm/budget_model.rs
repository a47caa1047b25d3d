//! What is committed, with a limit: threads that charge at once.

use super::{budget, budget_adds_blindly, budget_credits_in_two_steps};
use crate::{are_caught, check};
use loom::sync::Arc;
use loom::thread;

/// The most that may be committed.
const LIMIT: usize = 3;

/// The budget of one of the compiled files.
trait Model: Send + Sync + 'static {
    fn new() -> Self;
    fn charge(&self, bytes: usize) -> bool;
    fn credit(&self, bytes: usize);
    fn committed(&self) -> usize;
}

macro_rules! models {
    ($($file:ident)*) => {$(
        impl Model for $file::Budget {
            fn new() -> Self {
                $file::Budget::new(0, LIMIT)
            }
            fn charge(&self, bytes: usize) -> bool {
                $file::Budget::charge(self, bytes)
            }
            fn credit(&self, bytes: usize) {
                $file::Budget::credit(self, bytes);
            }
            fn committed(&self) -> usize {
                $file::Budget::committed(self)
            }
        }
    )*};
}

models!(budget budget_adds_blindly budget_credits_in_two_steps);

/// There is room for one of two threads.
fn exceed<B: Model>() {
    let budget = Arc::new(B::new());
    let other = {
        let budget = budget.clone();
        thread::spawn(move || budget.charge(2))
    };
    let own = budget.charge(2);
    assert!(budget.committed() <= LIMIT, "more is committed than may be");
    let others = other.join().unwrap();
    assert!(own != others, "both, or none, may commit");
    assert_eq!(budget.committed(), 2, "the sum is wrong");
}

/// Two threads charge and credit; there is room for both.
fn come_and_go<B: Model>() {
    let budget = Arc::new(B::new());
    let other = {
        let budget = budget.clone();
        thread::spawn(move || {
            assert!(budget.charge(1), "there is room");
            budget.credit(1);
        })
    };
    assert!(budget.charge(2), "there is room");
    budget.credit(1);
    other.join().unwrap();
    assert_eq!(budget.committed(), 1, "the sum is wrong");
}

#[test]
fn no_more_is_committed_than_may_be() {
    check(3, exceed::<budget::Budget>);
    check(3, come_and_go::<budget::Budget>);
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "vm::budget_model::mutants_are_caught",
        &[
            ("add blindly", "both, or none, may commit", || {
                check(3, exceed::<budget_adds_blindly::Budget>)
            }),
            ("credit in two steps", "the sum is wrong", || {
                check(3, come_and_go::<budget_credits_in_two_steps::Budget>)
            }),
        ],
    );
}
