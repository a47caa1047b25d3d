//! Heaps of a program's own, through the safe face.

#![cfg_attr(feature = "nightly", feature(allocator_api))]

#[path = "../clock/mod.rs"]
mod clock;
mod collections;
mod limits;
mod many;
#[cfg(unix)]
mod reports;
mod snapshots;
mod threads;
mod walks;

use ntheap::{Heap, HeapError};
use std::alloc::Layout;
use std::ptr::NonNull;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a layout")
}

/// Fills a block with a pattern made of `seed`.
fn fill(block: NonNull<u8>, size: usize, seed: u8) {
    for at in 0..size {
        // SAFETY: the test's block has `size` bytes.
        unsafe { block.add(at).write(seed.wrapping_add(at as u8)) };
    }
}

fn is_filled(block: NonNull<u8>, size: usize, seed: u8) -> bool {
    // SAFETY: as in `fill`.
    (0..size).all(|at| unsafe { block.add(at).read() } == seed.wrapping_add(at as u8))
}

#[test]
fn blocks_have_the_size_and_alignment_asked_for() {
    for local in [false, true] {
        let heap = Heap::new().expect("a heap");
        let alone = Heap::options().create_local().expect("a heap");
        let mut blocks = Vec::new();
        for size in [0, 1, 15, 16, 17, 100, 1000, 5000, 70_000, 1 << 20, 5 << 20] {
            for align in [1, 16, 32, 64, 4096, 1 << 16] {
                let layout = layout(size, align);
                let block = match local {
                    false => heap.alloc(layout),
                    true => alone.alloc(layout),
                };
                let block = block.unwrap_or_else(|error| panic!("{layout:?}: {error}"));
                assert_eq!(block.addr().get() % align.max(16), 0, "{layout:?}");
                let found = if local {
                    alone.size_of(block)
                } else {
                    heap.size_of(block)
                };
                assert_eq!(found, Ok(size), "{layout:?}");
                fill(block, size, align as u8 ^ size as u8);
                blocks.push((block, size, align as u8 ^ size as u8));
            }
        }
        assert!(heap.validate() && alone.validate());
        for (block, size, seed) in blocks {
            assert!(is_filled(block, size, seed), "{size}");
            // SAFETY: in use, and no more after this.
            unsafe {
                if local {
                    alone.free(block)
                } else {
                    heap.free(block)
                }
            }
            .expect("freed");
        }
        assert_eq!(heap.summary().allocated, 0);
        assert_eq!(alone.summary().blocks, 0);
    }
}

#[test]
fn zeroed_blocks_are_zero_even_where_others_lay() {
    let heap = Heap::new().expect("a heap");
    let zeroing = Heap::options().zeroed(true).create().expect("a heap");
    for size in [1, 24, 500, 20_000, 300_000, 3 << 20] {
        for _ in 0..40 {
            for (heap, zeroed) in [(&heap, true), (&zeroing, false)] {
                let layout = layout(size, 1);
                let block = if zeroed {
                    heap.alloc_zeroed(layout)
                } else {
                    heap.alloc(layout)
                };
                let block = block.expect("a block");
                // SAFETY: a block of so many bytes.
                let bytes = unsafe { std::slice::from_raw_parts_mut(block.as_ptr(), size) };
                assert!(bytes.iter().all(|byte| *byte == 0), "{size}");
                bytes.fill(0xAA);
                // SAFETY: used no more.
                unsafe { heap.free(block) }.expect("freed");
            }
        }
    }
}

#[test]
fn blocks_are_known_whatever_their_alignment() {
    let heap = Heap::new().expect("a heap");
    for align in (16..40).map(|bit| 1 << bit) {
        for size in [1, 100_000, 3 << 20] {
            let layout = layout(size, align);
            // So much is committed, as far as the system lends it.
            let Ok(block) = heap.alloc(layout) else {
                assert!(align > 1 << 32, "{layout:?}");
                continue;
            };
            assert_eq!(block.addr().get() % align, 0, "{layout:?}");
            fill(block, size, 3);
            // SAFETY: the block is this heap's, and of this layout.
            let grown = unsafe { heap.realloc(block, layout, size + 1) }.expect("a block");
            assert_eq!(grown.addr().get() % align, 0, "{layout:?}");
            // SAFETY: the grown block is this heap's, and nobody uses it.
            unsafe { heap.free(grown) }.expect("freed");
        }
    }
    assert_eq!(heap.summary().blocks, 0);
}

#[test]
fn resizing_keeps_contents_and_alignment() {
    let heap = Heap::new().expect("a heap");
    let sizes = [
        1,
        17,
        16,
        400,
        401,
        399,
        5000,
        100,
        90_000,
        80_000,
        2 << 20,
        700,
        3 << 20,
        0,
        8,
    ];
    for align in [8, 16, 128, 4096] {
        let mut size = 10;
        let mut block = heap.alloc(layout(size, align)).expect("a block");
        fill(block, size, 3);
        for new in sizes {
            // SAFETY: the block is in use, with this layout.
            block = unsafe { heap.realloc(block, layout(size, align), new) }.expect("a block");
            assert!(
                is_filled(block, size.min(new), 3),
                "{size} to {new} at {align}"
            );
            assert_eq!(block.addr().get() % align, 0, "{size} to {new} at {align}");
            assert_eq!(heap.size_of(block), Ok(new));
            fill(block, new, 3);
            size = new;
        }
        // SAFETY: used no more.
        unsafe { heap.free(block) }.expect("freed");
    }
    assert!(heap.validate());
    assert_eq!(heap.summary().blocks, 0);
}

#[test]
fn in_place_is_in_place_or_not_at_all() {
    let heap = Heap::new().expect("a heap");
    let block = heap.alloc(layout(0xC0000, 16)).expect("a block");
    let wall = heap.alloc(layout(0x1000, 16)).expect("a block");
    fill(block, 0x60000, 9);
    // SAFETY: the test's blocks.
    unsafe {
        heap.realloc_in_place(block, 0x60000).expect("shrinks");
        assert_eq!(heap.size_of(block), Ok(0x60000));
        heap.realloc_in_place(block, 0x80000).expect("grows back");
        assert_eq!(heap.size_of(block), Ok(0x80000));
        assert!(is_filled(block, 0x60000, 9));
        let refused = heap.realloc_in_place(block, 64 << 20);
        assert_eq!(refused, Err(HeapError::NotInPlace));
        assert_eq!(heap.size_of(block), Ok(0x80000));
        heap.free(block).expect("freed");
        heap.free(wall).expect("freed");
    }
}

#[test]
fn the_handle_is_at_a_multiple_of_64_kib() {
    let heap = Heap::new().expect("a heap");
    assert_eq!(heap.handle() % 0x10000, 0);
    assert_ne!(heap.handle(), 0);
}

#[test]
fn executable_blocks_execute() {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    let heap = Heap::options().executable(true).create().expect("a heap");
    let block = heap.alloc(layout(64, 16)).expect("a block");
    // mov eax, 42; ret
    let code = [0xB8u8, 42, 0, 0, 0, 0xC3];
    // SAFETY: the block has room, and the code follows the C convention for a
    // function without arguments that returns a number.
    let answer = unsafe {
        block.copy_from_nonoverlapping(NonNull::from(&code).cast(), code.len());
        let function: extern "C" fn() -> u32 = std::mem::transmute(block.as_ptr());
        function()
    };
    assert_eq!(answer, 42);
}
