//! How heaps grow, and where they may not.

use super::heap::*;
use super::support::*;
use ntheap::heap::private::{self, Buckets, Error, Memory, Settings, Shape, flags};
use ntheap::sys;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn a_fixed_heap_serves_what_fits_and_goes_on() {
    let most = 0x40000;
    let heap = TestHeap::shaped(Shape::Fixed(most));
    let block = heap.allocate(most - 0xc00);
    assert_eq!(heap.size(block), Ok(most - 0xc00));
    bytes(block, most - 0xc00).fill(1);
    heap.free(block).unwrap();
    assert_eq!(heap.try_allocate(0, most - 0x600), Err(Error::NoMemory));
    let mut blocks = Vec::new();
    while let Ok(block) = heap.try_allocate(0, 1000) {
        blocks.push(block);
    }
    assert!(blocks.len() > 240 && heap.is_valid(0));
    assert!(heap.walk().iter().all(|entry| entry.region_index == 0));
    heap.free(blocks[100]).unwrap();
    assert_eq!(heap.allocate(1000), blocks[100]);
}

#[test]
fn a_fixed_heap_has_no_large_blocks() {
    let heap = TestHeap::shaped(Shape::Fixed(0x20_0000));
    assert_eq!(heap.try_allocate(0, 0x10_0000), Err(Error::NoMemory));
    assert!(heap.try_allocate(0, 0xf0000).is_ok());
}

#[test]
fn more_at_first_than_at_most_is_refused() {
    let refuse = |shape, initial| {
        let settings = Settings {
            shape,
            initial,
            ..Settings::DEFAULT
        };
        TestHeap::try_with(&settings).err()
    };
    assert_eq!(
        refuse(Shape::Fixed(0x10000), 0x11000),
        Some(Error::InvalidParameter)
    );
    assert_eq!(
        refuse(Shape::Limited(0x10000), 0x11000),
        Some(Error::InvalidParameter)
    );
    assert_eq!(refuse(Shape::Growable, usize::MAX), Some(Error::NoMemory));
    assert_eq!(
        refuse(Shape::Growable, usize::MAX / 2),
        Some(Error::NoMemory)
    );
    assert_eq!(refuse(Shape::Fixed(usize::MAX), 0), Some(Error::NoMemory));
    assert_eq!(refuse(Shape::Fixed(0x10000), 0x10000), None);
}

#[test]
fn a_limit_holds_to_the_page_and_the_heap_goes_on() {
    for limit in [0x2000, 0x10000, 0x13000, 1 << 20, 5 << 20] {
        let heap = TestHeap::shaped(Shape::Limited(limit));
        let mut random = Random::new(limit as u64);
        let mut blocks = Vec::new();
        let mut refused = 0;
        for round in 0..3000 {
            let size = random.log_uniform(1, limit);
            match heap.try_allocate(0, size) {
                Ok(block) => blocks.push(block),
                Err(error) => {
                    assert!(matches!(error, Error::LimitReached | Error::NoMemory));
                    refused += 1;
                    if !blocks.is_empty() {
                        heap.free(blocks.swap_remove(random.below(blocks.len())))
                            .unwrap();
                    }
                }
            }
            assert!(
                private::summary(heap.0).unwrap().committed <= limit,
                "{round}"
            );
        }
        assert!(refused > 10 && heap.is_valid(0));
        for block in blocks {
            heap.free(block).unwrap();
        }
        assert!(heap.try_allocate(0, 0x1000).is_ok());
        assert_eq!(private::summary(heap.0).unwrap().max_reserve, limit);
    }
}

#[test]
fn committed_memory_follows_the_heap_down() {
    let heap = TestHeap::new();
    let fresh = private::summary(heap.0).unwrap();
    assert_eq!((fresh.allocated, fresh.blocks), (0, 0));
    assert_eq!((fresh.committed, fresh.reserved), (0x2000, 0x10000));
    let blocks: Vec<usize> = (0..3000).map(|at| heap.allocate(at * 3)).collect();
    let full = private::summary(heap.0).unwrap();
    assert_eq!(full.allocated, (0..3000).map(|at| at * 3).sum::<usize>());
    assert_eq!(full.blocks, 3000);
    assert!(full.committed >= full.allocated && full.reserved >= full.committed);
    for block in blocks {
        heap.free(block).unwrap();
    }
    let mut compact = private::summary(heap.0).unwrap();
    assert_eq!((compact.allocated, compact.blocks), (0, 0));
    private::compact(heap.0, 0).unwrap();
    compact = private::summary(heap.0).unwrap();
    assert_eq!(compact.blocks, 0);
}

#[test]
#[cfg(target_os = "linux")]
fn free_pages_between_blocks_go_back_to_the_system() {
    isolated(|| {
        let heap = TestHeap::flagged(flags::NO_SERIALIZE);
        let blocks: Vec<usize> = (0..80_000).map(|_| heap.allocate(1000)).collect();
        for block in &blocks {
            bytes(*block, 1000).fill(1);
        }
        let full = resident();
        // The last block of each region and a few others stay.
        for block in blocks.iter().enumerate().filter(|(at, _)| at % 1000 != 0) {
            heap.free(*block.1).unwrap();
        }
        let left = resident();
        assert!(full - left > 60 << 20, "{full} {left}");
        assert!(heap.is_valid(0));
    });
}

#[test]
fn compact_tells_the_largest_free_block() {
    let heap = TestHeap::new();
    let free = heap.walk()[1].size;
    assert_eq!(private::compact(heap.0, 0), Ok(free));
    let _block = heap.allocate(free / 2);
    let rest = heap
        .walk()
        .iter()
        .find(|entry| entry.kind.flags() == 0)
        .unwrap()
        .size;
    assert_eq!(private::compact(heap.0, 0), Ok(rest));
}

static ASKED: AtomicUsize = AtomicUsize::new(0);
static ASKED_OF: AtomicUsize = AtomicUsize::new(0);

unsafe extern "system" fn commit(
    base: *mut c_void,
    place: *mut *mut c_void,
    size: *mut usize,
) -> i32 {
    // SAFETY: the heap passes its own memory, and places to read.
    unsafe {
        ASKED_OF.store(base.addr(), Ordering::Relaxed);
        ASKED.fetch_add(*size, Ordering::Relaxed);
        if *size == 0 || !sys::commit((*place).cast(), *size) {
            return -1;
        }
    }
    0
}

#[test]
fn a_heap_in_its_makers_memory_asks_him_to_commit() {
    let memory = sys::reserve(0x20000, sys::GRANULARITY);
    // SAFETY: reserved just now.
    assert!(unsafe { sys::commit(memory, 0x1000) });
    let settings = Settings {
        shape: Shape::Fixed(0x20000),
        memory: Some(Memory {
            base: memory,
            commit: 0x1000,
            reserve: 0x20000,
            routine: Some(commit),
        }),
        ..Settings::DEFAULT
    };
    let heap = TestHeap::with(&settings);
    assert_eq!(heap.base(), memory.addr());
    let small = heap.allocate(100);
    assert_eq!(ASKED.load(Ordering::Relaxed), 0);
    let block = heap.allocate(0x8000);
    bytes(block, 0x8000).fill(3);
    assert!(ASKED.load(Ordering::Relaxed) >= 0x8000);
    assert_eq!(ASKED_OF.load(Ordering::Relaxed), memory.addr());
    assert!(small > memory.addr() && block + 0x8000 <= memory.addr() + 0x20000);
    assert!(heap.try_allocate(0, 0x20000).is_err());
    assert!(heap.is_valid(0));
    let handle = heap.0;
    drop(heap);
    // The memory is the maker's still, and nothing is known of it.
    bytes(block, 0x8000).fill(4);
    assert_eq!(private::owner_of(block), None);
    assert_eq!(private::lock(handle), Err(Error::InvalidHandle));
    // It serves another heap.
    drop(TestHeap::with(&settings));
    // SAFETY: the tests own it, and no heap lies there.
    assert!(unsafe { sys::release(memory, 0x20000) });
}

#[test]
fn a_makers_memory_is_committed_where_he_has_no_routine() {
    const RESERVED: usize = 0x40000;
    // What lies behind is reserved, too, and stays so.
    let memory = sys::reserve(RESERVED + sys::GRANULARITY, sys::GRANULARITY);
    // SAFETY: reserved just now.
    assert!(unsafe { sys::commit(memory, 0x1000) });
    let heap = TestHeap::with(&Settings {
        shape: Shape::Fixed(RESERVED),
        memory: Some(Memory {
            base: memory,
            commit: 0x1000,
            reserve: RESERVED,
            routine: None,
        }),
        ..Settings::DEFAULT
    });
    let range = memory.addr()..memory.addr() + RESERVED;
    let committed = || private::summary(heap.0).unwrap().committed;
    let first = committed();
    let mut blocks = Vec::new();
    while let Ok(block) = heap.try_allocate(0, 5000) {
        assert!(range.contains(&block) && range.contains(&(block + 4999)));
        bytes(block, 5000).fill(blocks.len() as u8);
        blocks.push(block);
    }
    // No more than a block is lost of it.
    assert!(
        blocks.len() >= (RESERVED - 0x2000) / 5008 - 1,
        "{}",
        blocks.len()
    );
    assert!(committed() > first + RESERVED / 2 && committed() <= RESERVED);
    for (nth, &block) in blocks.iter().enumerate() {
        assert!(bytes(block, 5000).iter().all(|&byte| byte == nth as u8));
    }
    assert!(heap.is_valid(0));
    for block in blocks {
        heap.free(block).unwrap();
    }
    let all = heap.allocate(RESERVED - 0x2000);
    bytes(all, RESERVED - 0x2000).fill(7);
    drop(heap);
    // SAFETY: the test's own, and no heap lies there.
    assert!(unsafe { sys::release(memory, RESERVED + sys::GRANULARITY) });
}

#[test]
fn memory_that_is_not_fit_is_refused() {
    let memory = sys::reserve(0x20000, sys::GRANULARITY);
    let refuse = |base, commit, reserve| {
        let settings = Settings {
            shape: Shape::Fixed(0x20000),
            memory: Some(Memory {
                base,
                commit,
                reserve,
                routine: None,
            }),
            ..Settings::DEFAULT
        };
        TestHeap::try_with(&settings).err()
    };
    let bad = Some(Error::InvalidParameter);
    assert_eq!(refuse(std::ptr::null_mut(), 0x1000, 0x20000), bad);
    assert_eq!(refuse(memory, 0, 0x20000), bad);
    assert_eq!(refuse(memory, 0x21000, 0x20000), bad);
    assert_eq!(refuse(memory.wrapping_add(0x1000), 0x1000, 0x1f000), bad);
    // SAFETY: the test's own.
    assert!(unsafe { sys::release(memory, 0x20000) });
}

#[test]
#[cfg(all(target_arch = "x86_64", unix))]
fn code_runs_in_an_executable_heap() {
    let heap = TestHeap::with(&Settings {
        flags: flags::CREATE_ENABLE_EXECUTE,
        buckets: Buckets::Always,
        ..Settings::DEFAULT
    });
    // In a region, in a region of its own, large, and of a size that is hot.
    let hot = std::iter::repeat_n(100, 60);
    for size in [16, 0x20000, 0x20_0000].into_iter().chain(hot) {
        let block = heap.allocate(size);
        // mov eax, 42; ret
        bytes(block, 6).copy_from_slice(&[0xb8, 42, 0, 0, 0, 0xc3]);
        // SAFETY: the bytes are a function of that type, in executable memory.
        let code: extern "C" fn() -> i32 = unsafe { std::mem::transmute(pointer(block)) };
        assert_eq!(code(), 42);
    }
    // As other heaps.
    assert_eq!(private::compatibility(heap.0), Ok(2));
}
