//! What the benches of direct calls share.
//!
//! The global allocator of a bench stays the system's: criterion and the
//! standard library allocate from that, and [`HEAP`] is called as the value it
//! is, by nobody else. The calls are those that `#[global_allocator]` makes,
//! without the standard library's functions in between; programs as a whole,
//! other allocators and `libntheap.so` are measured as processes instead.

use ntheap::NtHeap;
use std::alloc::Layout;

/// The heap that is measured.
pub static HEAP: NtHeap = NtHeap::new();

/// Bytes of a block: of the linear classes, of the others, of page runs and
/// straight from pages.
pub const SIZES: [usize; 9] = [
    16,
    64,
    256,
    1 << 10,
    8 << 10,
    64 << 10,
    1 << 20,
    4 << 20,
    64 << 20,
];

/// The layout of a block.
///
/// # Panics
/// Where there is none: `align` is no power of two, or `size` too large.
pub fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a size and an alignment")
}
