//! Blocks that change their size, and sizes that cannot be.

use crate::support::{at, free, messages, normal, own_heap, reported};
use ntheap::crt::debug::block::{NEW, OVERHEAD};
use ntheap::crt::debug::kind::{ASSERT, CLIENT_BLOCK, NORMAL_BLOCK, WARN, flags};
use ntheap::crt::{MAX_REQUEST, errno};
use std::slice;

/// The bytes of a block.
fn bytes(block: *mut u8, size: usize) -> &'static mut [u8] {
    // SAFETY: the tests look at live blocks of their own.
    unsafe { slice::from_raw_parts_mut(block, size) }
}

#[test]
fn contents_stay_across_all_sizes() {
    own_heap!(HEAP);
    let sizes = [
        1, 10, 16, 17, 100, 1000, 16_000, 17_000, 300_000, 1_100_000, 2_000_000,
    ];
    for &from in &sizes {
        for &to in &sizes {
            for zero in [false, true] {
                let block = normal(&HEAP, from, 1);
                for (place, byte) in bytes(block, from).iter_mut().enumerate() {
                    *byte = (place % 251) as u8;
                }
                // SAFETY: the old address is used no more.
                let new = unsafe {
                    match zero {
                        false => HEAP.reallocate(block, to, NORMAL_BLOCK, at(2)),
                        true => HEAP.reallocate_zeroed(block, to, 1, NORMAL_BLOCK, at(2)),
                    }
                };
                assert!(!new.is_null());
                let kept = from.min(to);
                let (old, added) = bytes(new, to).split_at(kept);
                assert!(old.iter().enumerate().all(|(i, &b)| b == (i % 251) as u8));
                let fill = if zero { 0 } else { NEW };
                assert!(added.iter().all(|&byte| byte == fill), "{from} {to}");
                assert_eq!(HEAP.size_of(new, NORMAL_BLOCK), Some(to));
                assert_eq!(messages(|| free(&HEAP, new)), "");
            }
        }
    }
    assert_eq!(HEAP.checkpoint().counts, [0; 5]);
}

#[test]
fn a_block_in_the_middle_of_the_list_becomes_the_newest() {
    own_heap!(HEAP);
    let blocks: Vec<*mut u8> = (0..5).map(|line| normal(&HEAP, 100_000, line)).collect();
    // SAFETY: the old address is used no more.
    let new = unsafe { HEAP.reallocate(blocks[2], 100_010, NORMAL_BLOCK, at(50)) };
    let known = HEAP.block_at(new).expect("a block");
    assert_eq!((known.request, known.origin.line()), (6, 50));
    assert_eq!(HEAP.checkpoint().newest.cast::<u8>(), new.wrapping_sub(48));
    assert_eq!(HEAP.checkpoint().sizes[1], 500_010);
}

#[test]
fn a_block_is_expanded_where_it_is_or_not_at_all() {
    own_heap!(HEAP);
    let block = normal(&HEAP, 100_000, 1);
    bytes(block, 100_000).fill(7);
    // SAFETY: what is lost is used no more.
    unsafe {
        assert_eq!(HEAP.expand(block, 50_000, NORMAL_BLOCK, at(2)), block);
        assert_eq!(HEAP.size_of(block, NORMAL_BLOCK), Some(50_000));
        assert!(HEAP.check());
        assert_eq!(HEAP.expand(block, 60_000, CLIENT_BLOCK, at(3)), block);
    }
    assert!(bytes(block, 50_000).iter().all(|&byte| byte == 7));
    assert!(
        bytes(block, 60_000)[50_000..]
            .iter()
            .all(|&byte| byte == NEW)
    );
    let known = HEAP.block_at(block).expect("a block");
    assert_eq!((known.block_use, known.request), (CLIENT_BLOCK, 3));
    let wall = normal(&HEAP, 100_000, 4);
    errno::set(0);
    // SAFETY: nothing happens.
    let grown = unsafe { HEAP.expand(block, 10_000_000, CLIENT_BLOCK, at(5)) };
    assert!(grown.is_null());
    assert_eq!(errno::get(), errno::ENOMEM);
    assert_eq!(HEAP.block_at(block).expect("as it was").size, 60_000);
    assert!(HEAP.check());
    free(&HEAP, block);
    free(&HEAP, wall);
}

#[test]
fn null_and_nothing_are_malloc_and_free() {
    own_heap!(HEAP);
    let null = std::ptr::null_mut();
    // SAFETY: old addresses are used no more.
    unsafe {
        let block = HEAP.reallocate(null, 10, NORMAL_BLOCK, at(1));
        assert_eq!(bytes(block, 10), [NEW; 10]);
        assert!(HEAP.reallocate(block, 0, NORMAL_BLOCK, at(1)).is_null());
        let block = HEAP.reallocate_zeroed(null, 5, 2, NORMAL_BLOCK, at(1));
        assert_eq!(bytes(block, 10), [0; 10]);
        assert!(
            HEAP.reallocate_zeroed(block, 0, 2, NORMAL_BLOCK, at(1))
                .is_null()
        );
        let empty = HEAP.reallocate(null, 0, NORMAL_BLOCK, at(1));
        assert!(!empty.is_null());
        HEAP.free(empty, NORMAL_BLOCK);
        HEAP.free(null, NORMAL_BLOCK);
    }
    assert_eq!(HEAP.checkpoint().counts, [0; 5]);
}

#[test]
fn sizes_that_cannot_be_fail_with_enomem() {
    own_heap!(HEAP);
    let block = normal(&HEAP, 10, 1);
    let no_memory = |allocate: &dyn Fn() -> *mut u8| {
        errno::set(0);
        let (result, _) = reported(allocate);
        assert!(result.is_null());
        assert_eq!(errno::get(), errno::ENOMEM);
    };
    for size in [
        usize::MAX,
        MAX_REQUEST,
        MAX_REQUEST - OVERHEAD + 1,
        MAX_REQUEST - OVERHEAD,
        1 << 60,
    ] {
        no_memory(&|| HEAP.allocate(size, NORMAL_BLOCK, at(1)));
        no_memory(&|| HEAP.allocate_zeroed(1, size, NORMAL_BLOCK, at(1)));
        // SAFETY: the block stays.
        no_memory(&|| unsafe { HEAP.reallocate(block, size, NORMAL_BLOCK, at(1)) });
        // SAFETY: the block stays.
        no_memory(&|| unsafe { HEAP.reallocate_zeroed(block, 1, size, NORMAL_BLOCK, at(1)) });
        // SAFETY: the block stays.
        no_memory(&|| unsafe { HEAP.expand(block, size, NORMAL_BLOCK, at(1)) });
    }
    no_memory(&|| HEAP.allocate_zeroed(usize::MAX, 2, NORMAL_BLOCK, at(1)));
    // SAFETY: the block stays.
    no_memory(&|| unsafe { HEAP.reallocate_zeroed(block, usize::MAX, 2, NORMAL_BLOCK, at(1)) });
    let (_, reports) = reported(|| HEAP.allocate(usize::MAX, NORMAL_BLOCK, at(1)));
    assert_eq!(
        reports,
        [(
            WARN,
            "Invalid allocation size: 18446744073709551615 bytes.\n".to_owned()
        )]
    );
    assert_eq!(HEAP.checkpoint().counts, [0, 1, 0, 0, 0]);
    assert!(HEAP.check());
    free(&HEAP, block);
}

#[test]
fn what_is_no_block_is_not_resized() {
    own_heap!(HEAP);
    let mut local = [0_u8; 200];
    let address = local.as_mut_ptr().wrapping_add(100);
    errno::set(0);
    // SAFETY: nothing happens.
    let (result, reports) =
        reported(|| unsafe { HEAP.reallocate(address, 5, NORMAL_BLOCK, at(1)) });
    assert!(result.is_null());
    assert_eq!(errno::get(), errno::EINVAL);
    assert_eq!(
        reports,
        [(
            ASSERT,
            "Assertion failed: _CrtIsValidHeapPointer(block)\n".to_owned()
        )]
    );
    let (size, _) = reported(|| HEAP.size_of(address, NORMAL_BLOCK));
    assert_eq!(size, None);
    assert_eq!(local, [0; 200]);
}

/// A block that moves while freed ones are kept stays as a freed one.
#[test]
fn a_block_that_moves_is_freed_as_others_are() {
    own_heap!(HEAP);
    HEAP.set_flags(flags::ALLOC_MEM | flags::DELAY_FREE_MEM)
        .expect("flags");
    let block = normal(&HEAP, 10, 1);
    // SAFETY: the old address is used no more.
    let new = unsafe { HEAP.reallocate(block, 500_000, NORMAL_BLOCK, at(2)) };
    assert_ne!(block, new);
    assert_eq!(HEAP.checkpoint().counts, [1, 1, 0, 0, 0]);
    assert_eq!(bytes(block, 10), [0xDD; 10]);
    assert!(HEAP.check());
}
