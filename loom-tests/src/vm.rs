//! The protocol files under `crate::vm`.

#[path = "../../src/vm/budget.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod budget;
#[path = "../../src/vm/left/places.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod places;

mod budget_model;
mod places_model;

crate::mutant!(budget_adds_blindly);
crate::mutant!(budget_credits_in_two_steps);
crate::mutant!(places_takes_relaxed);
crate::mutant!(places_keeps_early);
crate::mutant!(places_keeps_over);
crate::mutant!(places_ends_twice);
crate::mutant!(places_loses_refused);
crate::mutant!(places_counts_late);
