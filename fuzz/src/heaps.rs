//! Many heaps of a program's own, made and ended, through the safe face.

use crate::blocks::{Block, Blocks, at, below};
use crate::turn;
use arbitrary::Unstructured;
use ntheap::{Heap, HeapOptions, LocalHeap};
use std::alloc::Layout;
use std::ptr::NonNull;

/// Operations of one input at most.
const MAX_OPERATIONS: usize = 400;
/// Heaps alive at most.
const MAX_HEAPS: usize = 12;
/// Bytes alive in one heap at most.
const MAX_BYTES: usize = 16 << 20;

enum Face {
    Shared(Heap),
    Local(LocalHeap),
}

/// A heap, and what it holds.
struct Own {
    face: Face,
    /// Whether memory may run out.
    is_bounded: bool,
    blocks: Blocks,
}

macro_rules! on {
    ($own:expr, $heap:ident => $call:expr) => {
        match &$own.face {
            Face::Shared($heap) => $call,
            Face::Local($heap) => $call,
        }
    };
}

fn non_null(address: usize) -> NonNull<u8> {
    NonNull::new(at(address)).expect("a block's address")
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("small")
}

fn size(input: &mut Unstructured<'_>) -> usize {
    match below(input, 8) {
        0 => below(input, 65),
        1..=3 => below(input, 1025),
        4 | 5 => below(input, 0x4100),
        6 => below(input, 0x7_0000),
        _ => below(input, 0x28_0000),
    }
}

fn align(input: &mut Unstructured<'_>) -> usize {
    1 << match below(input, 4) {
        0 => below(input, 17),
        _ => below(input, 5),
    }
}

fn create(input: &mut Unstructured<'_>) -> Own {
    let kind = below(input, 4);
    let bytes = 0x1_0000 + 0x1000 * below(input, 0x300);
    let options = match kind {
        0 => HeapOptions::new().fixed(bytes),
        1 => HeapOptions::new().limit(bytes),
        _ => HeapOptions::new(),
    };
    let face = if below(input, 3) == 0 {
        Face::Local(options.create_local().expect("memory for a heap"))
    } else {
        Face::Shared(options.create().expect("memory for a heap"))
    };
    Own {
        face,
        is_bounded: kind < 2,
        blocks: Blocks::default(),
    }
}

impl Own {
    fn allocate(&mut self, input: &mut Unstructured<'_>) {
        let (size, align, zero) = (size(input), align(input), below(input, 3) == 0);
        if self.blocks.bytes + size > MAX_BYTES {
            return;
        }
        let wanted = layout(size, align);
        let made = on!(self, heap => if zero {
            heap.alloc_zeroed(wanted)
        } else {
            heap.alloc(wanted)
        });
        match made {
            Ok(block) => {
                let address = block.as_ptr().expose_provenance();
                assert_eq!(address % align, 0);
                if zero {
                    // SAFETY: the block was just handed out, with so many bytes.
                    unsafe { crate::pattern::verify_zero(block.as_ptr(), size) };
                }
                self.blocks.enter(address, size);
            }
            Err(error) => assert!(self.is_bounded, "{size} bytes: {error:?}"),
        }
    }

    fn free(&self, block: Block) {
        let gone = non_null(block.address);
        // SAFETY: the model uses the block no more.
        on!(self, heap => unsafe {
            assert_eq!(heap.size_of(gone), Ok(block.size));
            assert_eq!(heap.free(gone), Ok(()));
            assert!(!heap.validate_block(gone), "it is still there");
        });
    }

    fn resize(&mut self, input: &mut Unstructured<'_>) {
        let Some(block) = self.blocks.take(input) else {
            return;
        };
        let size = size(input);
        let in_place = below(input, 3) == 0;
        let old = non_null(block.address);
        let size_layout = layout(block.size, 1);
        // SAFETY: the block is alive and the model's; a refusal leaves it.
        let made = on!(self, heap => unsafe {
            if in_place {
                heap.realloc_in_place(old, size).map(|()| old)
            } else {
                heap.realloc(old, size_layout, size)
            }
        });
        match made {
            Ok(new) => {
                let address = new.as_ptr().expose_provenance();
                assert!(!in_place || address == block.address);
                self.blocks.verify(block, address, block.size.min(size));
                self.blocks.enter(address, size);
            }
            Err(error) => {
                assert!(in_place || self.is_bounded, "{size} bytes: {error:?}");
                self.blocks.put_back(block);
            }
        }
    }

    /// What the heap says of itself is what the model knows.
    fn check(&self) {
        let sizes = self.blocks.sizes();
        let summary = on!(self, heap => {
            assert!(heap.validate());
            heap.summary()
        });
        assert_eq!(summary.blocks, sizes.len());
        assert_eq!(summary.allocated, sizes.values().sum::<usize>());
    }
}

/// Performs the operations that `data` encodes and checks the heaps' answers.
///
/// # Panics
/// Whenever an answer is wrong.
pub fn run(data: &[u8]) {
    let _turn = turn();
    let mut input = Unstructured::new(data);
    let input = &mut input;
    let mut heaps = vec![create(input)];
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        let nth = below(input, heaps.len());
        match below(input, 16) {
            0 if heaps.len() < MAX_HEAPS => heaps.push(create(input)),
            1 if heaps.len() > 1 => {
                let mut gone = heaps.swap_remove(nth);
                gone.check();
                // With the blocks that are left in it.
                gone.blocks.take_all();
            }
            2 => heaps[nth].check(),
            3 => {
                let own = &heaps[nth];
                on!(own, heap => { heap.compact(); });
            }
            4 if heaps.len() > 1 => {
                // A block of another heap is none of this one's.
                let other = (nth + 1) % heaps.len();
                if let Some(block) = heaps[other].blocks.take(input) {
                    let own = &heaps[nth];
                    on!(own, heap => {
                        let foreign = non_null(block.address);
                        assert!(!heap.validate_block(foreign));
                    });
                    heaps[other].blocks.put_back(block);
                }
            }
            5..=8 => heaps[nth].allocate(input),
            9..=11 => {
                if let Some(block) = heaps[nth].blocks.take(input) {
                    heaps[nth].free(block);
                }
            }
            12..=14 => heaps[nth].resize(input),
            _ => {
                for _ in 0..below(input, 60) {
                    heaps[nth].allocate(input);
                }
            }
        }
    }
    for own in &mut heaps {
        own.check();
        for block in own.blocks.take_all() {
            own.free(block);
        }
        own.check();
    }
}
