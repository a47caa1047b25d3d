//! The runtime's functions on an instance of its own, for what C programs do not
//! show: the arithmetic of aligned blocks against a model, and failing system
//! calls.

use ntheap::crt::check::{HEAPBADPTR, HEAPEND, HEAPOK, HeapInfo, USEDENTRY};
use ntheap::crt::{Crt, errno};
use std::ptr;

static CRT: Crt = Crt::private("calls");

#[test]
fn aligned_blocks_lie_and_measure_as_asked() {
    for alignment in [0, 1, 2, 4, 8, 16, 32, 128, 4096] {
        for offset in [0, 1, 7, 8, 9, 15, 16, 31] {
            for size in [32, 33, 100, 5000, 3 << 20] {
                let block = CRT.aligned_offset_malloc(size, alignment, offset);
                assert!(!block.is_null());
                assert!((block.addr() + offset).is_multiple_of(alignment.max(8)));
                assert_eq!(CRT.aligned_msize(block, alignment, offset), size);
                // SAFETY: the block's bytes; the block is freed once.
                unsafe {
                    block.write_bytes(1, size);
                    CRT.aligned_free(block);
                }
            }
        }
    }
    assert_eq!(CRT.heapchk(), HEAPOK);
}

#[test]
fn arguments_that_are_not_allowed_are_einval() {
    for (size, alignment, offset) in [(10, 3, 0), (10, 127, 0), (0, 16, 0), (10, 16, 10)] {
        errno::set(0);
        assert!(CRT.aligned_offset_malloc(size, alignment, offset).is_null());
        assert_eq!(errno::get(), errno::EINVAL);
    }
    errno::set(0);
    assert_eq!(CRT.msize(ptr::null()), usize::MAX);
    assert_eq!(errno::get(), errno::EINVAL);
    errno::set(0);
    assert!(CRT.malloc(usize::MAX).is_null());
    assert_eq!(errno::get(), errno::ENOMEM);
    errno::set(0);
    assert!(CRT.calloc(usize::MAX / 2, 3).is_null());
    assert_eq!(errno::get(), errno::ENOMEM);
}

#[test]
fn aligned_blocks_are_resized_and_zeroed_behind() {
    let block = CRT.aligned_offset_malloc(100, 64, 8);
    // SAFETY: the block's bytes; the old address is not used once it moved.
    let block = unsafe {
        block.write_bytes(7, 100);
        CRT.aligned_offset_recalloc(block, 50, 4, 64, 8)
    };
    assert!(!block.is_null() && (block.addr() + 8).is_multiple_of(64));
    // SAFETY: the block has 200 bytes.
    let bytes = unsafe { std::slice::from_raw_parts(block, 200) };
    assert!(bytes[..100] == [7; 100] && bytes[100..] == [0; 100]);
    assert_eq!(CRT.aligned_msize(block, 64, 8), 200);
    // SAFETY: null stands for no block; sizes that no memory has; a block that is freed
    // by its new size of 0.
    unsafe {
        errno::set(0);
        let none = CRT.aligned_offset_recalloc(block, usize::MAX, 2, 64, 8);
        assert!(none.is_null() && errno::get() == errno::ENOMEM);
        errno::set(0);
        assert!(CRT.aligned_offset_realloc(block, 10, 3, 0).is_null());
        assert_eq!(errno::get(), errno::EINVAL);
        let new = CRT.aligned_offset_recalloc(ptr::null_mut(), 3, 5, 16, 0);
        assert_eq!(std::slice::from_raw_parts(new, 15), [0; 15]);
        CRT.aligned_free(new);
        assert!(CRT.aligned_offset_realloc(block, 0, 64, 8).is_null());
        CRT.aligned_free(ptr::null_mut());
    }
    errno::set(0);
    assert_eq!(CRT.aligned_msize(ptr::null(), 64, 8), usize::MAX);
    assert_eq!(errno::get(), errno::EINVAL);
    assert_eq!(CRT.heapchk(), HEAPOK);
    assert!(format!("{CRT:?}").contains("\"calls\""));
}

#[test]
fn a_walk_meets_every_block_once() {
    static WALKED: Crt = Crt::private("walked");
    // Of regions, buckets and large ones.
    let mut sizes: Vec<usize> = (0..100).map(|i| 50 + i % 3).collect();
    sizes.extend([100_000, 3 << 20, 0]);
    let blocks: Vec<*mut u8> = sizes.iter().map(|&size| WALKED.malloc(size)).collect();
    let mut info = HeapInfo {
        entry: ptr::null_mut(),
        size: 0,
        use_flag: 0,
    };
    let mut seen = vec![0; blocks.len()];
    let end = loop {
        match WALKED.heapwalk(&mut info) {
            HEAPOK if info.use_flag == USEDENTRY => {
                let place = blocks
                    .iter()
                    .position(|block| block.addr() == info.entry.addr());
                let place = place.expect("a block of the heap");
                assert_eq!(info.size, sizes[place]);
                seen[place] += 1;
            }
            HEAPOK => {}
            code => break code,
        }
    };
    assert_eq!(end, HEAPEND);
    assert!(seen.iter().all(|&times| times == 1), "{seen:?}");
    let mut elsewhere = HeapInfo {
        entry: CRT.malloc(1).cast(),
        size: 1,
        use_flag: USEDENTRY,
    };
    assert_eq!(WALKED.heapwalk(&mut elsewhere), HEAPBADPTR);
    for block in blocks {
        // SAFETY: each block is freed once.
        unsafe { WALKED.free(block) }.unwrap();
    }
    assert_eq!(WALKED.heapchk(), HEAPOK);
    assert!(WALKED.heapmin());
}

#[test]
fn expand_stays_in_place_or_changes_nothing() {
    let block = CRT.malloc(100_000);
    let wall = CRT.malloc(100);
    // SAFETY: the blocks are this test's.
    unsafe {
        assert_eq!(CRT.expand(block, 60_000), block);
        assert_eq!(CRT.size_of(block), Some(60_000));
        assert_eq!(CRT.expand(block, 90_000), block);
        errno::set(0);
        assert!(CRT.expand(block, 10 << 20).is_null());
        assert_eq!(errno::get(), errno::ENOMEM);
        errno::set(0);
        assert!(CRT.expand(block, usize::MAX).is_null());
        assert_eq!(errno::get(), errno::ENOMEM);
        assert_eq!(CRT.size_of(block), Some(90_000));
        CRT.free(block).unwrap();
        CRT.free(wall).unwrap();
    }
}

#[test]
fn recalloc_zeroes_what_is_new() {
    // SAFETY: the blocks are this test's.
    unsafe {
        let mut block = CRT.recalloc(ptr::null_mut(), 3, 10);
        assert!((0..30).all(|at| block.add(at).read() == 0));
        block.write_bytes(9, 30);
        for size in [31, 500, 20_000, 2 << 20] {
            let old = CRT.size_of(block).unwrap();
            block = CRT.recalloc(block, size, 1);
            assert!((0..old).all(|at| block.add(at).read() == 9));
            assert!((old..size).all(|at| block.add(at).read() == 0));
            block.write_bytes(9, size);
        }
        assert!(CRT.recalloc(block, 0, 5).is_null());
        assert!(!CRT.owns(block));
    }
}

#[test]
fn a_size_of_0_frees() {
    // Nobody else allocates in it: what was freed is nobody's.
    static CRT: Crt = Crt::private("sizes of 0");
    for size in [1, 100, 100_000, 3 << 20] {
        // SAFETY: each block is freed once.
        unsafe {
            let block = CRT.malloc(size);
            assert!(CRT.owns(block));
            assert!(CRT.realloc(block, 0).is_null());
            assert!(!CRT.owns(block));

            for offset in [0, 1] {
                let block = CRT.aligned_offset_malloc(size + 1, 64, offset);
                let start = block.sub(8 + offset).cast::<*mut u8>();
                let start = start.with_addr(start.addr() & !7).read();
                assert!(CRT.owns(start));
                assert!(CRT.aligned_offset_realloc(block, 0, 64, offset).is_null());
                assert!(!CRT.owns(start));
            }
        }
    }
    assert_eq!(CRT.heapchk(), HEAPOK);
}
