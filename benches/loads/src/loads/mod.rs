//! The loads, a file for each kind.

pub(crate) mod batches;
pub(crate) mod collections;
pub(crate) mod graphs;
pub(crate) mod heaps;
pub(crate) mod held;
pub(crate) mod kinds;
pub(crate) mod large;
pub(crate) mod overhead;
pub(crate) mod pairs;
pub(crate) mod parsing;
pub(crate) mod replacement;
pub(crate) mod rings;
pub(crate) mod tasks;
pub(crate) mod threads;
