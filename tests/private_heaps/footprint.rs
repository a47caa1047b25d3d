//! What heaps cost in memory.

use super::heap::*;
use super::support::*;
use ntheap::heap::private;

const HEAPS: usize = 10_000;
/// Bytes of a heap beside its blocks' page.
const MOST: usize = 8 * 1024;
const PAGE: usize = 4096;

#[test]
#[cfg(target_os = "linux")]
fn ten_thousand_heaps_with_ten_blocks_each_are_small() {
    isolated(|| {
        drop(TestHeap::new());
        let before = resident();
        let heaps: Vec<TestHeap> = (0..HEAPS)
            .map(|_| {
                let heap = TestHeap::new();
                for size in 1..=10 {
                    let block = heap.allocate(size * 16);
                    bytes(block, size * 16).fill(1);
                }
                heap
            })
            .collect();
        let each = (resident() - before) / HEAPS;
        figure(&format!(
            "a heap with ten small blocks: {each} bytes resident, {PAGE} of them its blocks' page"
        ));
        assert!(each - PAGE <= MOST, "{each}");
        drop(heaps);
        let left = resident().saturating_sub(before);
        assert!(left < 12 << 20, "{}", mib(left));
        assert_eq!(private::handles(&mut []), 1);
    });
}
