//! Blocks at alignments, with offsets, and what is found wrong with them.

use crate::support::{Numbers, at, free, normal, own_heap, reported, shown};
use ntheap::crt::debug::DebugHeap;
use ntheap::crt::debug::aligned::Alignment;
use ntheap::crt::debug::kind::{ASSERT, ERROR};
use ntheap::crt::{MAX_REQUEST, errno};

/// An aligned block, which there must be.
fn aligned(heap: &'static DebugHeap, size: usize, align: usize, offset: usize) -> *mut u8 {
    let alignment = Alignment::new(align, offset, size).expect("an alignment");
    let block = heap.allocate_aligned(size, alignment, at(1));
    assert!(!block.is_null(), "{size} {align} {offset}");
    let own = align.max(8);
    assert_eq!((block.addr() + offset) % own, 0, "{size} {align} {offset}");
    block
}

#[test]
fn every_alignment_and_offset_is_kept() {
    own_heap!(HEAP);
    let mut numbers = Numbers(0xa119_0000_0000_0001);
    let mut blocks = Vec::new();
    for step in 0..2000 {
        let align = [0, 1, 2, 4, 8, 16, 32, 64, 128, 1024, 4096, 65_536, 1 << 21]
            [numbers.below(if step % 50 == 0 { 13 } else { 11 })];
        let size = 1 + numbers.below(3000);
        let offset = if numbers.below(2) == 0 {
            0
        } else {
            numbers.below(size)
        };
        let block = aligned(&HEAP, size, align, offset);
        assert_eq!(HEAP.aligned_size_of(block), Some(size));
        let fill = numbers.below(256) as u8;
        // SAFETY: the block's own bytes.
        unsafe {
            assert!((0..size).all(|place| block.wrapping_add(place).read() == 0xCD));
            block.write_bytes(fill, size);
        }
        blocks.push((block, size, fill));
        if numbers.below(3) == 0 {
            let (block, size, fill) = blocks.swap_remove(numbers.below(blocks.len()));
            let new_size = 1 + numbers.below(3000);
            let zero = numbers.below(2) == 0;
            let alignment = Alignment::new(64, 0, new_size).expect("an alignment");
            // SAFETY: the old address is used no more; the new one's bytes are
            // the block's.
            unsafe {
                let new = HEAP.reallocate_aligned(block, new_size, alignment, zero, at(2));
                let kept = size.min(new_size);
                assert!((0..kept).all(|place| new.wrapping_add(place).read() == fill));
                let more = if zero { 0 } else { 0xCD };
                assert!((kept..new_size).all(|place| new.wrapping_add(place).read() == more));
                HEAP.free_aligned(new);
            }
        }
    }
    assert!(HEAP.check());
    let ((), reports) = reported(|| {
        for (block, ..) in blocks {
            // SAFETY: the block is used no more.
            unsafe { HEAP.free_aligned(block) };
        }
    });
    assert_eq!(reports, []);
    assert_eq!(HEAP.checkpoint().counts, [0; 5]);
}

#[test]
fn alignments_and_offsets_that_cannot_be_are_none() {
    for align in [3, 6, 127, usize::MAX, (1 << 40) + 1] {
        assert!(Alignment::new(align, 0, 10).is_none(), "{align}");
    }
    assert!(Alignment::new(16, 10, 10).is_none());
    assert!(Alignment::new(16, 11, 10).is_none());
    assert!(Alignment::new(16, 9, 10).is_some());
    assert!(Alignment::new(16, 0, 0).is_some());
}

#[test]
fn sizes_that_cannot_be_fail_with_enomem() {
    own_heap!(HEAP);
    for (size, align) in [
        (MAX_REQUEST, 16),
        (usize::MAX, 1),
        (10, 1 << 63),
        (1 << 60, 64),
    ] {
        let alignment = Alignment::new(align, 0, size).expect("an alignment");
        errno::set(0);
        let (block, _) = reported(|| HEAP.allocate_aligned(size, alignment, at(1)));
        assert!(block.is_null());
        assert_eq!(errno::get(), errno::ENOMEM);
    }
    assert_eq!(HEAP.checkpoint().counts, [0; 5]);
}

/// The fence behind the bytes is the debug block's own, the one before them the
/// aligned block's.
#[test]
fn every_byte_around_an_aligned_block_is_watched() {
    own_heap!(HEAP);
    for (size, align, offset) in [(1, 16, 0), (100, 8, 0), (33, 64, 5), (5000, 4096, 0)] {
        for distance in 0..4 {
            let block = aligned(&HEAP, size, align, offset);
            // SAFETY: the fence behind the block.
            unsafe { block.wrapping_add(size + distance).write(0) };
            // SAFETY: the block is used no more.
            let ((), reports) = reported(|| unsafe { HEAP.free_aligned(block) });
            assert_eq!(reports.len(), 1, "{size} {distance}");
            assert_eq!(reports[0].0, ERROR);
            assert!(
                reports[0].1.contains(": after Normal block (#"),
                "{reports:?}"
            );
        }
        for distance in 1..=4 {
            let block = aligned(&HEAP, size, align, offset);
            // SAFETY: the fence before the block.
            unsafe { block.wrapping_sub(distance).write(0) };
            // SAFETY: the block is used no more.
            let ((), reports) = reported(|| unsafe { HEAP.free_aligned(block) });
            let expected = format!(
                "Damage before {} which was allocated by aligned routine\n",
                shown(block)
            );
            assert_eq!(reports, [(ERROR, expected)], "{size} {distance}");
        }
    }
    assert_eq!(HEAP.checkpoint().counts, [0; 5]);
}

#[test]
fn the_two_kinds_of_blocks_are_told_apart() {
    own_heap!(HEAP);
    let plain = normal(&HEAP, 100, 1);
    let block = aligned(&HEAP, 100, 64, 0);
    let before = HEAP.checkpoint();
    // SAFETY: nothing is freed.
    let ((), reports) = reported(|| unsafe { HEAP.free_aligned(plain) });
    assert_eq!(
        reports,
        [(
            ERROR,
            format!(
                "The block at {} was not allocated by _aligned routines, use free()",
                shown(plain)
            )
        )]
    );
    // SAFETY: nothing is freed.
    let ((), reports) = reported(|| free(&HEAP, block));
    assert_eq!(
        reports,
        [(
            ASSERT,
            "Assertion failed: _CrtIsValidHeapPointer(block)\n".to_owned()
        )]
    );
    let mut local = [0_u64; 32];
    for address in [
        block.wrapping_add(1),
        block.wrapping_sub(8),
        local.as_mut_ptr().wrapping_add(16).cast(),
        std::ptr::without_provenance_mut(1),
        std::ptr::without_provenance_mut(0x1000),
        std::ptr::without_provenance_mut(usize::MAX),
    ] {
        // SAFETY: nothing is freed.
        let ((), reports) = reported(|| unsafe { HEAP.free_aligned(address) });
        assert_eq!(reports.len(), 1, "{address:p} {reports:?}");
        assert_eq!(reports[0].0, ASSERT, "{address:p}");
        let (size, _) = reported(|| HEAP.aligned_size_of(address));
        assert_eq!(size, None);
    }
    assert_eq!(HEAP.checkpoint(), before);
    // SAFETY: the blocks are used no more.
    unsafe {
        HEAP.free_aligned(block);
        HEAP.free_aligned(std::ptr::null_mut());
    }
    // SAFETY: nothing is freed.
    let ((), reports) = reported(|| unsafe { HEAP.free_aligned(block) });
    assert_eq!(reports.len(), 1);
    free(&HEAP, plain);
}
