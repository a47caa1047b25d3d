//! The protocol file under `crate::vm`.

#[path = "../../src/vm/budget.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod budget;

mod budget_model;

crate::mutant!(budget_adds_blindly);
crate::mutant!(budget_credits_in_two_steps);
