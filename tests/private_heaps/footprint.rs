//! What heaps cost in memory.

use super::heap::*;
use super::support::*;
use ntheap::heap::private::{self, Buckets, Settings, Tuning};

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
fn a_tree_goes_back_whole_with_its_heap() {
    isolated(|| {
        const NODES: usize = 400_000;
        drop(TestHeap::new());
        let before = resident();
        let heap = TestHeap::with(&Settings {
            buckets: Buckets::Always,
            ..Settings::DEFAULT
        });
        let mut random = Random::new(7);
        let (mut nodes, mut sum) = (vec![0usize; NODES], 0);
        // A node has its parent's address, its text's, and the text's length.
        for at in 0..NODES {
            let parent = nodes[random.below(at.max(1))];
            let (node, length) = (heap.allocate(24), random.log_uniform(1, 400));
            let text = heap.allocate(length);
            bytes(text, length).fill(at as u8);
            for (place, word) in [parent, text, length].into_iter().enumerate() {
                bytes(node + 8 * place, 8).copy_from_slice(&word.to_ne_bytes());
            }
            nodes[at] = node;
            sum += length;
        }
        let word = |node: usize, place: usize| {
            usize::from_ne_bytes(bytes(node + 8 * place, 8).try_into().unwrap())
        };
        let whole = nodes.iter().enumerate().all(|(at, &node)| {
            bytes(word(node, 1), word(node, 2))
                .iter()
                .all(|byte| *byte == at as u8)
        });
        assert!(whole);
        assert_eq!(
            private::summary(heap.0).unwrap().allocated,
            sum + 24 * NODES
        );
        drop(nodes);
        let full = resident() - before;
        assert!(full > 32 << 20, "{}", mib(full));
        drop(heap);
        let left = resident().saturating_sub(before);
        assert!(left < 12 << 20, "{}", mib(left));
        ntheap::purge();
        let last = resident().saturating_sub(before);
        figure(&format!(
            "a tree of {}: {} resident when its heap is gone, {} after a purge",
            mib(full),
            mib(left),
            mib(last)
        ));
        assert!(last < 2 << 20, "{}", mib(last));
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
