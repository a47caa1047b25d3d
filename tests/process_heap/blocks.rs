//! Single blocks: sizes, alignments, zeroing and resizing on every route.

use super::support::*;
use ntheap::heap::classes::{MAX_CLASS_SIZE, class_for, size_of};
use ntheap::stats;
use std::alloc::Layout;

/// Sizes on every route and at the edges between them.
const SIZES: [usize; 28] = [
    1,
    8,
    15,
    16,
    17,
    100,
    KIB,
    KIB + 1,
    2000,
    4096,
    10_000,
    16 * KIB,
    16 * KIB + 1,
    20_000,
    32 * KIB,
    40_000,
    64 * KIB,
    64 * KIB + 1,
    200_000,
    512 * KIB,
    700_000,
    MIB - 1,
    MIB,
    MIB + 1,
    1_500_000,
    3 * MIB,
    8 * MIB + 5,
    20 * MIB,
];

/// A value for each byte that tells where it belongs; never 0.
fn byte(offset: usize) -> u8 {
    (offset as u64)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .to_be_bytes()[0]
        | 1
}

/// Places of a block to write and to look at: its first and last bytes, and
/// one byte of each page.
fn places(size: usize) -> impl Iterator<Item = usize> {
    let (head, tail) = (size.min(64), size.saturating_sub(64));
    (0..head)
        .chain((4000..size).step_by(4096))
        .chain(tail..size)
}

fn fill(block: *mut u8, size: usize) {
    for offset in places(size) {
        // SAFETY: the tests own their blocks and fill them no further than
        // they reach.
        unsafe { block.add(offset).write(byte(offset)) };
    }
}

/// Checks the first `kept` bytes of what was filled for `written` bytes.
fn check(block: *mut u8, written: usize, kept: usize) {
    for offset in places(written).filter(|&offset| offset < kept) {
        // SAFETY: as in `fill`.
        let found = unsafe { block.add(offset).read() };
        assert_eq!(found, byte(offset), "byte {offset} of {kept}");
    }
}

fn is_zero(block: *mut u8, size: usize) -> bool {
    // SAFETY: the tests own their blocks.
    let bytes = unsafe { std::slice::from_raw_parts(block, size) };
    bytes
        .chunks(4096)
        .all(|page| page == &[0; 4096][..page.len()])
}

fn every_size_has_every_alignment(face: Face) {
    for align in (0..=23).map(|shift| 1 << shift) {
        let mut blocks = Vec::new();
        for size in SIZES.into_iter().filter(|&size| size <= 3 * MIB) {
            let layout = layout(size, align);
            for _ in 0..3 {
                let start = face.allocate(layout);
                assert!(!start.is_null(), "{layout:?}");
                assert_eq!(start.addr() % align, 0, "{layout:?} at {start:p}");
                fill(start, size);
                blocks.push(Block { start, layout });
            }
        }
        let mut ranges: Vec<_> = blocks
            .iter()
            .map(|block| (block.start.addr(), block.start.addr() + block.layout.size()))
            .collect();
        ranges.sort_unstable();
        assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0));
        for Block { start, layout } in blocks {
            check(start, layout.size(), layout.size());
            face.free(start, layout);
        }
    }
    assert_eq!(stats().allocated, 0);
}

each_face!(every_size_has_every_alignment: plain = Plain, checked = Checked);

fn a_size_of_zero_gives_blocks_of_their_own(face: Face) {
    for align in [1, 16, 64, 4096, 128 * KIB] {
        let layout = layout(0, align);
        let blocks = [
            face.allocate(layout),
            face.allocate(layout),
            face.allocate_zeroed(layout),
        ];
        for (at, block) in blocks.iter().enumerate() {
            assert!(!block.is_null() && block.addr() % align == 0);
            assert!(!blocks[..at].contains(block));
        }
        for block in blocks {
            face.free(block, layout);
        }
    }
    assert_eq!(stats().allocated, 0);
}

each_face!(a_size_of_zero_gives_blocks_of_their_own: plain = Plain, checked = Checked, global = Global);

fn zeroed_memory_is_zero_fresh_and_used(face: Face) {
    for align in [1, 64, 4096, 256 * KIB] {
        for size in SIZES {
            let layout = layout(size, align);
            // The later rounds get what the earlier ones wrote to.
            for _ in 0..3 {
                let blocks = [face.allocate_zeroed(layout), face.allocate_zeroed(layout)];
                for block in blocks {
                    assert!(!block.is_null(), "{layout:?}");
                    assert!(is_zero(block, size), "{layout:?}");
                    // SAFETY: the block is the test's.
                    unsafe { block.write_bytes(0xa5, size.min(200_000)) };
                    fill(block, size);
                }
                for block in blocks {
                    face.free(block, layout);
                }
            }
        }
    }
    assert_eq!(stats().allocated, 0);
}

each_face!(zeroed_memory_is_zero_fresh_and_used: plain = Plain, checked = Checked);

fn resizing_keeps_the_contents_between_all_routes(face: Face) {
    for align in [8, 64, 8192, 128 * KIB] {
        for from in SIZES {
            for to in SIZES {
                let old = layout(from, align);
                let block = face.allocate(old);
                fill(block, from);
                let block = face.reallocate(block, old, to);
                assert!(!block.is_null(), "{old:?} to {to}");
                assert_eq!(block.addr() % align, 0, "{old:?} to {to}");
                check(block, from, from.min(to));
                fill(block, to);
                check(block, to, to);
                face.free(block, layout(to, align));
            }
        }
    }
    assert_eq!(stats().allocated, 0);
}

each_face!(resizing_keeps_the_contents_between_all_routes: plain = Plain, checked = Checked);

fn resizing_within_a_class_moves_nothing(face: Face) {
    for size in SIZES.into_iter().filter(|&size| size <= MAX_CLASS_SIZE) {
        let class = class_for(size, 8).unwrap();
        let block = face.allocate(layout(size, 8));
        let mut now = size;
        let smallest = size_of(class - 1) + 1;
        for to in [size_of(class), smallest, size_of(class) - 1, size] {
            let same = face.reallocate(block, layout(now, 8), to);
            assert_eq!(same, block, "{now} to {to}");
            now = to;
        }
        face.free(block, layout(now, 8));
    }
    assert_eq!(stats().allocated, 0);
}

each_face!(resizing_within_a_class_moves_nothing: plain = Plain, checked = Checked, global = Global);

fn a_growing_block_goes_through_all_routes_and_back(face: Face) {
    let mut size = 1;
    let mut block = face.allocate(layout(size, 4));
    fill(block, size);
    let up = (0..).map(|step| 3usize.pow(step));
    let sizes: Vec<usize> = up.take_while(|&size| size < 50 * MIB).collect();
    for &to in sizes.iter().chain(sizes.iter().rev()) {
        block = face.reallocate(block, layout(size, 4), to);
        assert!(!block.is_null());
        check(block, size, size.min(to));
        fill(block, to);
        size = to;
    }
    face.free(block, layout(size, 4));
    assert_eq!(stats().allocated, 0);
}

each_face!(a_growing_block_goes_through_all_routes_and_back: plain = Plain, checked = Checked);

/// A large block grows by its pages: nothing is copied, so nothing that was
/// not touched comes to be.
#[cfg(target_os = "linux")]
fn a_large_block_grows_without_being_touched(face: Face) {
    let mut size = 2 * MIB;
    let mut block = face.allocate(layout(size, 8));
    fill(block, 4096);
    let before = resident();
    while size < GIB {
        let obstacle = face.allocate(layout(size, 8));
        let grown = face.reallocate(block, layout(size, 8), 2 * size);
        assert!(!grown.is_null());
        face.free(obstacle, layout(size, 8));
        (block, size) = (grown, 2 * size);
    }
    check(block, 4096, 4096);
    let grown = resident();
    figure(&format!(
        "2 MiB grown to 1 GiB in steps, {face:?}: {} to {} resident",
        mib(before),
        mib(grown)
    ));
    assert!(grown < before + MIB, "pages were copied");
    face.free(block, layout(size, 8));
    assert_eq!(stats().allocated, 0);
}

#[cfg(target_os = "linux")]
each_face!(a_large_block_grows_without_being_touched: plain = Plain, checked = Checked);

fn more_than_there_is_gives_null_and_changes_nothing(face: Face) {
    let most = isize::MAX as usize;
    let (kept, large) = (layout(300, 8), layout(2 * MIB, 8));
    let (block, large_block) = (face.allocate(kept), face.allocate(large));
    fill(block, 300);
    fill(large_block, 2 * MIB);
    for align in [1, 16, 4096, 64 * KIB, 2 * MIB, 1 << 40] {
        for less in [0, 1, 4096, MIB, 1 << 40] {
            let Ok(layout) = Layout::from_size_align(most - less, align) else {
                continue;
            };
            assert!(face.allocate(layout).is_null(), "{layout:?}");
            assert!(face.allocate_zeroed(layout).is_null(), "{layout:?}");
        }
    }
    for size in [most - 7, most / 2, 1 << 50] {
        assert!(face.reallocate(block, kept, size).is_null());
        assert!(face.reallocate(large_block, large, size).is_null());
    }
    check(block, 300, 300);
    check(large_block, 2 * MIB, 2 * MIB);
    face.free(block, kept);
    face.free(large_block, large);
    assert_eq!(stats().allocated, 0);
}

each_face!(more_than_there_is_gives_null_and_changes_nothing: plain = Plain, checked = Checked);
