//! Private heaps through the one set of functions that all their faces are
//! made of.

#[path = "../process_heap/support.rs"]
#[allow(dead_code, unused, reason = "shared with the process heap's tests")]
mod support;

mod buckets;
mod faults;
mod footprint;
mod growth;
mod heap;
mod locks;
mod misuse;
mod model;
mod sizes;
mod slots;
mod threads;
mod walks;
