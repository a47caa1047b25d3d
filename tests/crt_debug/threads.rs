//! Eight threads in one debug heap, with everything that walks its list.

use crate::support::{Numbers, at, client, free, normal, own_heap, reported};
use ntheap::crt::debug::block::NEW;
use ntheap::crt::debug::kind::{NORMAL_BLOCK, flags};
use std::collections::BTreeSet;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const THREADS: usize = 8;

/// Each thread's blocks hold its number, and nobody else's; figures and requests
/// come out exact.
#[test]
fn eight_threads_come_out_exact() {
    own_heap!(HEAP);
    static REQUESTS: AtomicUsize = AtomicUsize::new(0);
    thread::scope(|scope| {
        for number in 0..THREADS {
            scope.spawn(move || {
                let ((), reports) = reported(|| {
                    let mut numbers = Numbers(0x7ead_5000 + number as u64);
                    let mut blocks: Vec<(*mut u8, usize)> = Vec::new();
                    let mut requests = 0;
                    for step in 0..3000 {
                        match numbers.below(4) {
                            0 | 1 => {
                                let size = 1 + numbers.below(300);
                                let block = normal(&HEAP, size, number as i32);
                                // SAFETY: the block's own bytes.
                                unsafe {
                                    assert_eq!(block.read(), NEW);
                                    block.write_bytes(number as u8, size);
                                }
                                blocks.push((block, size));
                                requests += 1;
                            }
                            2 if !blocks.is_empty() => {
                                let index = numbers.below(blocks.len());
                                let (block, size) = blocks[index];
                                let new_size = 1 + numbers.below(1000);
                                // SAFETY: the old address is used no more.
                                let new = unsafe {
                                    HEAP.reallocate(block, new_size, NORMAL_BLOCK, at(0))
                                };
                                // SAFETY: the block's own bytes.
                                unsafe {
                                    let kept = size.min(new_size);
                                    assert!((0..kept).all(|place| {
                                        new.wrapping_add(place).read() == number as u8
                                    }));
                                    new.write_bytes(number as u8, new_size);
                                }
                                blocks[index] = (new, new_size);
                                requests += 1;
                            }
                            _ if !blocks.is_empty() => {
                                let (block, size) = blocks.swap_remove(numbers.below(blocks.len()));
                                // SAFETY: the block's own bytes.
                                unsafe {
                                    assert!((0..size).all(|place| {
                                        block.wrapping_add(place).read() == number as u8
                                    }));
                                }
                                free(&HEAP, block);
                            }
                            _ => {}
                        }
                        if step % 300 == 0 {
                            assert!(HEAP.check());
                            HEAP.checkpoint();
                        }
                    }
                    // A quarter stays.
                    let keep = blocks.len() / 4;
                    for (block, _) in blocks.split_off(keep) {
                        free(&HEAP, block);
                    }
                    REQUESTS.fetch_add(requests, Ordering::Relaxed);
                });
                assert_eq!(reports, []);
            });
        }
    });
    let state = HEAP.checkpoint();
    let (found, listed) = walked(&HEAP);
    assert_eq!(found.len(), state.counts[1]);
    // In the order of their requests, each once.
    assert!(listed.windows(2).all(|pair| pair[0] > pair[1]));
    assert_eq!(listed.len(), found.len());
    assert!(
        listed
            .iter()
            .all(|&request| request <= REQUESTS.load(Ordering::Relaxed))
    );
    assert!(HEAP.check());
    let (_, reports) = reported(|| HEAP.dump_leaks());
    assert_eq!(reports.len(), 2 * found.len() + 3);
    for block in found {
        free(&HEAP, std::ptr::with_exposed_provenance_mut(block));
    }
    assert_eq!(HEAP.checkpoint().counts, [0; 5]);
    assert_eq!(HEAP.checkpoint().sizes, [0; 5]);
}

/// The blocks along the headers, and the numbers of their requests.
fn walked(heap: &'static ntheap::crt::debug::DebugHeap) -> (BTreeSet<usize>, Vec<usize>) {
    let mut blocks = BTreeSet::new();
    let mut requests = Vec::new();
    let mut header = heap.checkpoint().newest;
    while !header.is_null() {
        blocks.insert(header.cast::<u8>().wrapping_add(48).expose_provenance());
        // SAFETY: no other thread uses this debug heap now.
        unsafe {
            requests.push((*header).request as usize);
            header = (*header).next;
        }
    }
    (blocks, requests)
}

/// Walks that other threads change the list under visit every block that was
/// there all the time, once.
#[test]
fn walks_go_on_while_other_threads_change_the_list() {
    own_heap!(HEAP);
    static VISITED: AtomicUsize = AtomicUsize::new(0);
    static IS_OVER: AtomicUsize = AtomicUsize::new(0);
    static DUMPS: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "C" fn visit(block: *mut c_void, _: *mut c_void) {
        // SAFETY: client blocks of this test stay until the end, or begin with 1.
        if unsafe { block.cast::<u8>().read() } == 7 {
            VISITED.fetch_add(1, Ordering::Relaxed);
        }
    }
    let steady: Vec<*mut u8> = (0..500)
        .map(|line| {
            let block = client(&HEAP, 50, 1, line);
            // SAFETY: the block's own byte.
            unsafe { block.write(7) };
            block
        })
        .collect();
    thread::scope(|scope| {
        for _ in 0..THREADS - 2 {
            scope.spawn(|| {
                while IS_OVER.load(Ordering::Relaxed) == 0 {
                    let blocks: Vec<*mut u8> = (0..20).map(|_| normal(&HEAP, 60, 0)).collect();
                    for block in blocks {
                        free(&HEAP, block);
                    }
                }
            });
        }
        scope.spawn(|| {
            while IS_OVER.load(Ordering::Relaxed) == 0 {
                let (_, reports) = reported(|| HEAP.dump_since(None));
                let clients = reports
                    .iter()
                    .filter(|(_, text)| text.contains(" client block at "))
                    .count();
                assert_eq!(clients, 500);
                assert!(HEAP.check());
                DUMPS.fetch_add(1, Ordering::Relaxed);
            }
        });
        let mut walks = 0;
        while walks < 30 || DUMPS.load(Ordering::Relaxed) < 2 {
            walks += 1;
            VISITED.store(0, Ordering::Relaxed);
            // SAFETY: no context is wanted.
            unsafe { HEAP.for_all_client_blocks(visit, std::ptr::null_mut()) };
            assert_eq!(VISITED.load(Ordering::Relaxed), 500);
        }
        IS_OVER.store(1, Ordering::Relaxed);
    });
    for block in steady {
        free(&HEAP, block);
    }
    assert_eq!(HEAP.checkpoint().counts, [0; 5]);
}

/// Freed blocks are kept while threads come and go with them.
#[test]
fn eight_threads_keep_what_they_free() {
    own_heap!(HEAP);
    HEAP.set_flags(flags::ALLOC_MEM | flags::DELAY_FREE_MEM)
        .expect("flags");
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..500 {
                    let block = normal(&HEAP, 40, 1);
                    free(&HEAP, block);
                }
            });
        }
    });
    assert_eq!(HEAP.checkpoint().counts, [500 * THREADS, 0, 0, 0, 0]);
    assert!(HEAP.check());
}
