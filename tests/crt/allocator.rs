//! `CrtHeap` by the trait that Rust's global allocator has.

use ntheap::CrtHeap;
use std::alloc::{GlobalAlloc, Layout};

static HEAP: CrtHeap = CrtHeap::new("module");

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

#[test]
fn blocks_are_aligned_and_hold_their_bytes() {
    // Nobody else allocates in it: what was freed is nobody's.
    static HEAP: CrtHeap = CrtHeap::new("aligned");
    for align in [1, 8, 16, 64, 4096, 65536, 2 << 20] {
        for size in [0, 1, 100, 5000, 100_000, 3 << 20] {
            let layout = layout(size, align);
            // SAFETY: each block is freed once, with its Layout.
            unsafe {
                let block = HEAP.alloc(layout);
                assert!(!block.is_null());
                assert!(block.addr().is_multiple_of(align));
                assert_eq!(HEAP.crt().size_of(block), Some(size));
                block.write_bytes(0xA5, size);
                HEAP.dealloc(block, layout);
                assert!(!HEAP.crt().owns(block));
            }
        }
    }
}

#[test]
fn zeroed_blocks_are_zero_after_others() {
    let layout = layout(700, 8);
    // SAFETY: each block is freed once, with its Layout.
    unsafe {
        for _ in 0..100 {
            let block = HEAP.alloc_zeroed(layout);
            let bytes = std::slice::from_raw_parts_mut(block, 700);
            assert!(bytes.iter().all(|&byte| byte == 0));
            bytes.fill(0xFF);
            HEAP.dealloc(block, layout);
        }
    }
}

#[test]
fn a_block_that_is_resized_keeps_its_bytes_and_alignment() {
    for align in [8, 256] {
        let mut size = 40;
        // SAFETY: the block is this test's, and has the Layouts given.
        unsafe {
            let mut block = HEAP.alloc(layout(size, align));
            block.write_bytes(7, 40);
            for new in [41, 1000, 70_000, 2 << 20, 300, 40] {
                block = HEAP.realloc(block, layout(size, align), new);
                assert!(!block.is_null() && block.addr().is_multiple_of(align));
                assert!((0..40).all(|at| block.add(at).read() == 7));
                size = new;
            }
            HEAP.dealloc(block, layout(size, align));
        }
    }
}

#[test]
fn threads_free_each_others_blocks() {
    let layout = layout(64, 8);
    let (sender, receiver) = std::sync::mpsc::channel::<usize>();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            let sender = sender.clone();
            scope.spawn(move || {
                for _ in 0..20_000 {
                    // SAFETY: a Layout that has a size.
                    let block = unsafe { HEAP.alloc(layout) };
                    // SAFETY: the block's first word.
                    unsafe { block.cast::<usize>().write(block.addr()) };
                    sender.send(block.expose_provenance()).unwrap();
                }
            });
        }
        drop(sender);
        for address in receiver {
            let block = std::ptr::with_exposed_provenance_mut::<u8>(address);
            // SAFETY: the block was given up by its thread.
            unsafe {
                assert_eq!(block.cast::<usize>().read(), address);
                HEAP.dealloc(block, layout);
            }
        }
    });
}

#[test]
fn what_cannot_be_had_is_null() {
    // SAFETY: nothing is allocated.
    let block = unsafe { HEAP.alloc(layout(isize::MAX as usize - 4096, 16)) };
    assert!(block.is_null());
}
