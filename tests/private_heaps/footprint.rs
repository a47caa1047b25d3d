//! What heaps cost in memory.

use super::heap::*;
use super::support::*;
use ntheap::heap::private::{self, Settings, Tuning};

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

#[test]
#[cfg(target_os = "linux")]
fn thresholds_say_when_free_pages_go_back() {
    isolated(|| {
        const BLOCK: usize = 0x8000;
        // What goes back of eight megabytes, every second block of which is freed.
        let goes = |tuning| {
            let heap = TestHeap::with(&Settings {
                tuning,
                ..Settings::DEFAULT
            });
            let blocks: Vec<usize> = (0..256).map(|_| heap.allocate(BLOCK)).collect();
            for block in &blocks {
                bytes(*block, BLOCK).fill(1);
            }
            let before = resident();
            for block in blocks.iter().step_by(2) {
                heap.free(*block).unwrap();
            }
            before.saturating_sub(resident())
        };
        let half = 128 * BLOCK;
        let soon = goes(Tuning::default());
        assert!(soon > half / 2, "{}", mib(soon));
        let late = goes(Tuning {
            freed: 64 << 20,
            ..Tuning::default()
        });
        assert!(late < half / 8, "{}", mib(late));
        let whole = goes(Tuning {
            free_block: 2 * BLOCK,
            ..Tuning::default()
        });
        assert!(whole < half / 8, "{}", mib(whole));
    });
}
