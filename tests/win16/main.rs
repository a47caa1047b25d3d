//! Memory as 16-bit Windows had it: each rule and each error, and random
//! operations beside a simple model.

mod compaction;
mod discarding;
mod errors;
mod faces;
mod global;
mod local;
mod local_errors;
mod model;
mod pictures;
mod segments;
mod support;
