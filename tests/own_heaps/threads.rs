//! One heap for many threads, and heaps that come and go beside each other.

use super::{fill, is_filled, layout};
use ntheap::Heap;
use std::sync::mpsc;

#[test]
fn threads_share_a_heap() {
    let heap = Heap::new().expect("a heap");
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let heap = &heap;
            scope.spawn(move || {
                let mut kept = Vec::new();
                for round in 0..20_000usize {
                    let size = 16 + round * 31 % 700;
                    let block = heap.alloc(layout(size, 8)).expect("a block");
                    fill(block, size, thread);
                    kept.push((block, size));
                    if kept.len() > 100 {
                        let (block, size) = kept.swap_remove(round % 100);
                        assert!(is_filled(block, size, thread));
                        // SAFETY: used no more.
                        unsafe { heap.free(block) }.expect("freed");
                    }
                }
                for (block, size) in kept {
                    assert!(is_filled(block, size, thread));
                    // SAFETY: used no more.
                    unsafe { heap.free(block) }.expect("freed");
                }
            });
        }
    });
    assert_eq!(heap.summary().allocated, 0);
    assert!(heap.validate());
}

#[test]
fn blocks_are_freed_by_other_threads_than_took_them() {
    struct Block(std::ptr::NonNull<u8>);
    // SAFETY: whoever has the value is alone with the block.
    unsafe impl Send for Block {}
    let heap = Heap::new().expect("a heap");
    let (send, receive) = mpsc::sync_channel::<Block>(1000);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for block in receive {
                let Block(block) = block;
                assert!(is_filled(block, 48, 1));
                // SAFETY: used no more.
                unsafe { heap.free(block) }.expect("freed");
            }
        });
        for _ in 0..100_000 {
            let block = heap.alloc(layout(48, 8)).expect("a block");
            fill(block, 48, 1);
            send.send(Block(block)).expect("the other thread lives");
        }
        drop(send);
    });
    assert_eq!(heap.summary().blocks, 0);
}

#[test]
fn heaps_may_be_sent_and_end_anywhere() {
    let heap = Heap::options().create_local().expect("a heap");
    let block = heap.alloc(layout(100, 8)).expect("a block").addr();
    let heap = std::thread::spawn(move || {
        assert_eq!(heap.summary().allocated, 100);
        heap.alloc(layout(200, 8)).expect("a block");
        heap
    })
    .join()
    .expect("no panic");
    assert_eq!(heap.summary().blocks, 2);
    assert_ne!(block.get(), 0);
    std::thread::spawn(move || drop(heap))
        .join()
        .expect("no panic");
}

#[test]
fn the_lock_is_recursive_and_keeps_others_out() {
    let heap = Heap::new().expect("a heap");
    let guard = heap.lock();
    let again = heap.lock();
    let block = heap.alloc(layout(100, 8)).expect("the owner goes on");
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            drop(heap.lock());
            send.send(()).expect("the test lives");
        });
        drop(again);
        let wait = std::time::Duration::from_millis(50);
        assert!(receive.recv_timeout(wait).is_err(), "locked once still");
        drop(guard);
        receive.recv().expect("unlocked");
    });
    // SAFETY: used no more.
    unsafe { heap.free(block) }.expect("freed");
}
