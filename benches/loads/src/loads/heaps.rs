//! Heaps created, filled and destroyed, and many of them alive. In the list
//! of allocators that have such heaps.

use crate::catalogue::{Group, Load, Scale};
use crate::corpus;
use crate::heaps::Heap;
use crate::measure::{Measured, Stopwatch};
use crate::tree::{self, Tree};
use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use std::alloc::Layout;
use std::hint::black_box;
use std::marker::PhantomData;
use std::ptr;

pub(crate) fn list<H: Heap + 'static>() -> &'static [Load] {
    const {
        &[
            // The first thousand, with all that comes with them.
            Load::new("heap-first", Group::Heaps, |scale| {
                Heaps::<H>::empty(0, scale.of(1_000))
            }),
            Load::new("heap-empty", Group::Heaps, |scale| {
                Heaps::<H>::empty(1_000, scale.of(200_000))
            }),
            Load::new("heap-ten", Group::Heaps, Heaps::<H>::ten),
            Load::new("heap-tree", Group::Heaps, Heaps::<H>::tree),
            Load::new("heap-destroy", Group::Heaps, Heaps::<H>::destroy),
            Load::new("heap-live-1", Group::Heaps, |scale| {
                Heaps::<H>::live(1, scale)
            }),
            Load::new("heap-live-100", Group::Heaps, |scale| {
                Heaps::<H>::live(100, scale)
            }),
            Load::new("heap-live-10000", Group::Heaps, |scale| {
                Heaps::<H>::live(10_000, scale)
            }),
        ]
    }
}

/// The loads on one kind of heap.
struct Heaps<H>(PhantomData<H>);

/// Blocks of each heap where there are many heaps.
const FEW: usize = 10;

/// Bytes of the block with this number.
fn small(number: usize) -> Layout {
    let sizes = [16, 24, 32, 40, 48, 64, 80, 96, 112, 128];
    match Layout::from_size_align(sizes[number % sizes.len()], 8) {
        Ok(layout) => layout,
        Err(_) => panic!("a small block has a layout"),
    }
}

/// What a block holds: two blocks in one place are told apart by their sizes.
fn stamp(block: *mut u8, layout: Layout) -> usize {
    block.addr() ^ layout.size().rotate_left(48)
}

/// A block with its stamp in it.
fn stamped<H: Heap>(heap: &H, layout: Layout) -> Result<*mut u8> {
    let block = heap.allocate(layout);
    ensure!(!block.is_null(), "no memory for {layout:?}");
    // SAFETY: the block has 16 bytes or more at a multiple of 8, and is this
    // function's alone.
    unsafe { block.cast::<usize>().write(stamp(block, layout)) };
    Ok(black_box(block))
}

/// Whether a block is as [`stamped`] left it.
///
/// # Safety
///
/// The block came from [`stamped`] with this layout, and is not freed.
unsafe fn is_intact(block: *mut u8, layout: Layout) -> bool {
    // SAFETY: `stamped` has written these eight bytes.
    unsafe { block.cast::<usize>().read() == stamp(block, layout) }
}

impl<H: Heap> Heaps<H> {
    fn empty(before: u64, rounds: u64) -> Result<Measured> {
        for _ in 0..before {
            drop(black_box(H::create()));
        }
        let watch = Stopwatch::start();
        for _ in 0..rounds {
            drop(black_box(H::create()));
        }
        Ok(Measured::new(rounds, watch.stop()))
    }

    /// A heap for ten small blocks, none of which is freed.
    fn ten(scale: Scale) -> Result<Measured> {
        let rounds = scale.of(100_000);
        let mut damaged = 0;
        let watch = Stopwatch::start();
        for _ in 0..rounds {
            let heap = H::create();
            let mut blocks = [ptr::null_mut(); FEW];
            for (number, slot) in blocks.iter_mut().enumerate() {
                *slot = stamped(&heap, small(number))?;
            }
            for (number, block) in blocks.into_iter().enumerate() {
                // SAFETY: of this heap, which is alive.
                damaged += u64::from(unsafe { !is_intact(block, small(number)) });
            }
        }
        let elapsed = watch.stop();
        ensure!(damaged == 0, "{damaged} blocks had lost their contents");
        Ok(Measured::new(rounds, elapsed))
    }

    /// A text parsed into a tree that lies in a heap, which is then destroyed.
    fn tree(scale: Scale) -> Result<Measured> {
        let objects = scale.live(20_000);
        let rounds = scale.of(20);
        let text = corpus::json(objects)?;
        let expected = tree::size_of(&text);
        let watch = Stopwatch::start();
        for _ in 0..rounds {
            let heap = H::create();
            let tree: Tree<'_, H> = tree::parse(&heap, &text).context("no tree")?;
            let size = black_box(&tree).size();
            ensure!(size == expected, "{size:?} instead of {expected:?}");
        }
        Ok(Measured::new(rounds * expected.nodes, watch.stop()))
    }

    /// A million blocks of a heap at one stroke: the heap's destruction alone
    /// is timed.
    fn destroy(scale: Scale) -> Result<Measured> {
        let blocks = scale.live(1_000_000);
        let heap = H::create();
        for number in 0..blocks {
            stamped(&heap, small(number))?;
        }
        let watch = Stopwatch::start();
        drop(heap);
        Ok(Measured::new(blocks as u64, watch.stop()))
    }

    /// Heaps of ten blocks each, of which random ones are replaced.
    fn live(heaps: usize, scale: Scale) -> Result<Measured> {
        let heaps = scale.live(heaps);
        let operations = scale.of(5_000_000);
        let mut rng = Rng::with_seed(21);
        let mut all = Vec::with_capacity(heaps);
        for _ in 0..heaps {
            let heap = H::create();
            let mut blocks = [ptr::null_mut(); FEW];
            for (number, slot) in blocks.iter_mut().enumerate() {
                *slot = stamped(&heap, small(number))?;
            }
            all.push((heap, blocks));
        }
        let mut damaged = 0;
        let watch = Stopwatch::start();
        for _ in 0..operations {
            let (heap, blocks) = &mut all[rng.usize(..heaps)];
            let number = rng.usize(..FEW);
            let old = std::mem::replace(&mut blocks[number], ptr::null_mut());
            // SAFETY: of this heap and layout, and no longer in the table.
            unsafe {
                damaged += u64::from(!is_intact(old, small(number)));
                heap.free(old, small(number));
            }
            blocks[number] = stamped(heap, small(number))?;
        }
        let elapsed = watch.stop();
        ensure!(damaged == 0, "{damaged} blocks had lost their contents");
        Ok(Measured::new(operations, elapsed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::HashMap;

    /// Blocks of the global allocator, listed so that they go with the heap.
    #[derive(Default)]
    struct Listing<const SHARED: bool> {
        blocks: RefCell<HashMap<usize, Layout>>,
        last: RefCell<Option<*mut u8>>,
    }

    // SAFETY: the blocks are the global allocator's, freed once: when they
    // leave the list, or with it. With `SHARED`, every second block is the one
    // before it again, which is the fault that the tests plant.
    unsafe impl<const SHARED: bool> Heap for Listing<SHARED> {
        fn create() -> Self {
            Listing::default()
        }

        fn allocate(&self, layout: Layout) -> *mut u8 {
            if let Some(block) = self.last.take().filter(|_| SHARED) {
                return block;
            }
            let layout = Layout::from_size_align(layout.size() + 128, 16).expect("a layout");
            // SAFETY: the size is not 0.
            let block = unsafe { std::alloc::alloc(layout) };
            self.blocks.borrow_mut().insert(block.addr(), layout);
            // SAFETY: the block is larger than that.
            unsafe { block.write_bytes(0, layout.size()) };
            self.last.replace(Some(block));
            block
        }

        unsafe fn free(&self, block: *mut u8, _: Layout) {
            self.last.take();
            if let Some(layout) = self.blocks.borrow_mut().remove(&block.addr()) {
                // SAFETY: allocated with this layout, and on the list until now.
                unsafe { std::alloc::dealloc(block, layout) };
            }
        }
    }

    impl<const SHARED: bool> Drop for Listing<SHARED> {
        fn drop(&mut self) {
            for (address, layout) in self.blocks.take() {
                // SAFETY: as in `free`.
                unsafe {
                    std::alloc::dealloc(std::ptr::with_exposed_provenance_mut(address), layout)
                };
            }
        }
    }

    #[test]
    fn every_load_runs() {
        let scale = Scale::new(0.002).expect("a scale");
        for load in list::<Listing<false>>() {
            let measured = (load.run)(scale).expect(load.name);
            assert!(measured.operations > 0, "{}", load.name);
        }
    }

    #[test]
    fn blocks_that_overlap_are_found() {
        let scale = Scale::new(0.002).expect("a scale");
        for name in ["heap-ten", "heap-live-100"] {
            let load = list::<Listing<true>>()
                .iter()
                .find(|load| load.name == name);
            let error = (load.expect(name).run)(scale).expect_err(name);
            assert!(error.to_string().contains("lost their contents"), "{error}");
        }
    }
}
