//! The protocol files under `crate::crt`.

#[path = "../../src/crt/first.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod first;

mod first_model;

crate::mutant!(first_looks_early);
crate::mutant!(first_beside_those_behind);
crate::mutant!(first_never_gives_way);
