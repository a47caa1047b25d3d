//! What the bytes of a process's heaps mean, for who reads them from outside.
//!
//! ```text
//!   list of mappings --> root record --> slice table --> Record (128 bytes)
//!                        vm::root::recognise               |   |   |
//!        subsegment: marks and bits behind it  <-----------+   |   |
//!        Area: a region of a heap, and its tables  <-----------+   |
//!        Large: a large block of a heap  <-------------------------+
//!        Record::owner --> Heap: name, flags, figures
//! ```
//!
//! Nothing here reads a process: functions decode bytes that were copied out of
//! one, believe none of them, and neither fail nor allocate. Records of another
//! build may be laid out differently: compare the root record's
//! [`Anchor::Layout`](crate::vm::root::Anchor::Layout) by [`can_read`] first.
//!
//! Nothing is locked, so what is read is as true as the process held still
//! meanwhile. A subsegment without marks, of a program whose frees tell the size,
//! does not say of a block that is out whether it is in use or in a cache:
//! [`BlockState::Out`].

pub use crate::config::gflags;
#[cfg(feature = "debug")]
pub use crate::heap::outside::profile;
pub use crate::heap::outside::{
    Area, BlockState, Heap, LAYOUT, LINK_BYTES, Large, RECORD_BYTES, Record, RegionBlock,
    SEGMENT_BYTES, SLICE_BYTES, Slices, Tables, WATCHED, Walk, What, caches, can_read,
    descriptor_at, records_region, unused_by_word,
};
pub use crate::heap::outside::{Busy, FIRST_MODULE, TRACES_BYTES, Traces};
