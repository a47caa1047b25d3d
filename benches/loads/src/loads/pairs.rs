//! A block allocated and freed at once, over and over: nothing but the fast
//! path, with a Layout that the compiler knows, and with one it cannot know.

use crate::catalogue::{Group::Pairs, Load, Program, Scale};
use crate::measure::{Measured, Stopwatch};
use anyhow::{Result, ensure};
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::hint::black_box;

const KIB: usize = 1 << 10;

pub(crate) fn list<A: 'static>() -> &'static [Load] {
    const {
        &[
            Load::new("pair-16", Pairs, Program::<A>::constant::<16>),
            Load::new("pair-64", Pairs, Program::<A>::constant::<64>),
            Load::new("pair-256", Pairs, Program::<A>::constant::<256>),
            Load::new("pair-1024", Pairs, Program::<A>::constant::<1024>),
            Load::new("pair-8k", Pairs, Program::<A>::constant::<{ 8 * KIB }>),
            Load::new("pair-64k", Pairs, Program::<A>::constant::<{ 64 * KIB }>),
            Load::new("pair-1m", Pairs, Program::<A>::constant::<{ KIB * KIB }>),
            Load::new("pair-16-runtime", Pairs, Program::<A>::runtime::<16>),
            Load::new("pair-64-runtime", Pairs, Program::<A>::runtime::<64>),
            Load::new("pair-256-runtime", Pairs, Program::<A>::runtime::<256>),
            Load::new("pair-1024-runtime", Pairs, Program::<A>::runtime::<1024>),
        ]
    }
}

impl<A> Program<A> {
    fn constant<const SIZE: usize>(scale: Scale) -> Result<Measured> {
        let layout = Layout::from_size_align(SIZE, align_of::<u64>())?;
        Self::pairs(layout, turns::<SIZE>(scale))
    }

    fn runtime<const SIZE: usize>(scale: Scale) -> Result<Measured> {
        let layout = Layout::from_size_align(SIZE, align_of::<u64>())?;
        Self::pairs(black_box(layout), turns::<SIZE>(scale))
    }

    /// Each block gets the number of its turn and is asked for it.
    #[inline(always)]
    fn pairs(layout: Layout, turns: u64) -> Result<Measured> {
        ensure!(layout.size() >= size_of::<u64>(), "too small a block");
        let mut sum = 0u64;
        let watch = Stopwatch::start();
        for turn in 0..turns {
            // SAFETY: the size is not 0, as was seen above.
            let block = unsafe { alloc(layout) };
            if block.is_null() {
                handle_alloc_error(layout);
            }
            // From here on anybody may know the address and change what lies
            // there: the block must exist, and must be read again.
            black_box(block);
            // SAFETY: the block holds a u64 at least, aligned for it.
            unsafe { block.cast::<u64>().write(turn) };
            black_box(());
            // SAFETY: as above, and it was written.
            sum = sum.wrapping_add(unsafe { block.cast::<u64>().read() });
            // SAFETY: allocated with this layout, and not used again.
            unsafe { dealloc(block, layout) };
        }
        let elapsed = watch.stop();
        let expected = (u128::from(turns) * u128::from(turns - 1) / 2) as u64;
        ensure!(sum == expected, "blocks had lost their contents");
        Ok(Measured::new(turns, elapsed).requested(layout.size() as u64))
    }
}

/// Fewer for sizes at which some allocators take longer.
fn turns<const SIZE: usize>(scale: Scale) -> u64 {
    scale.of(match SIZE {
        ..=1024 => 60_000_000,
        1025..=0x1_0000 => 20_000_000,
        _ => 8_000_000,
    })
}
