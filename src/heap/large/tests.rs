//! What large blocks have beyond what was asked for.

use super::*;
use crate::config::Config;
use crate::heap::PROCESS;

/// The rest of the last huge page counts, whether a block was made or resized with it.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn what_huge_pages_round_up_is_surplus() {
    // The slice table is the process heap's.
    assert!(PROCESS.is_ready(&Config::new()));
    let mut large = LargeList::new();
    large.huge_above = 2 * HUGE;
    let mut block = large.allocate(Kind::Plain, 4 * HUGE + SLICE, 1, Need::Any);
    assert!(!block.is_null());
    assert_eq!(large.surplus, HUGE - SLICE);
    // Into the rest, to a larger region, and to a smaller one.
    for (size, rest) in [
        (5 * HUGE - SLICE, SLICE),
        (8 * HUGE + SLICE, HUGE - SLICE),
        (5 * HUGE + 2 * SLICE, HUGE - 2 * SLICE),
    ] {
        // SAFETY: the block is this list's, and its old place is used no more.
        block = unsafe { large.resize(slices::find(block.addr()), size) };
        assert!(!block.is_null());
        assert_eq!(large.surplus, rest, "{size} bytes");
    }
    // SAFETY: the block is this list's, and nobody uses it.
    unsafe { large.free(slices::find(block.addr())) };
    large.trim(0);
    assert_eq!((large.surplus, large.region_bytes), (0, 0));
}
