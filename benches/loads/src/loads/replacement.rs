//! A block of a random size put in place of a random one, among many; and
//! waves, in which all blocks come and go.

use crate::block::{Block, Table, ensure_intact};
use crate::catalogue::{Group, Load, Program, Scale};
use crate::measure::{Measured, Stopwatch};
use crate::sizes::LogUniform;
use anyhow::Result;
use fastrand::Rng;
use std::mem;

pub(crate) fn list<A: 'static>() -> &'static [Load] {
    const {
        &[
            Load::new("replace-1e4", Group::Mixed, |scale| {
                Program::<A>::replace::<10_000>(16, 4096, 8_000_000, scale)
            }),
            Load::new("replace-1e5", Group::Mixed, |scale| {
                Program::<A>::replace::<100_000>(16, 4096, 3_000_000, scale)
            }),
            Load::new("waves", Group::Mixed, Program::<A>::waves),
            Load::new("live-1e3", Group::Growth, |scale| {
                Program::<A>::replace::<1_000>(16, 128, 40_000_000, scale)
            }),
            Load::new("live-1e5", Group::Growth, |scale| {
                Program::<A>::replace::<100_000>(16, 128, 10_000_000, scale)
            }),
            Load::new("live-1e7", Group::Growth, |scale| {
                Program::<A>::replace::<10_000_000>(16, 128, 2_000_000, scale)
            }),
        ]
    }
}

impl<A> Program<A> {
    /// Filling the table is not timed.
    fn replace<const BLOCKS: usize>(
        smallest: usize,
        largest: usize,
        operations: u64,
        scale: Scale,
    ) -> Result<Measured> {
        let operations = scale.of(operations);
        let mut rng = Rng::with_seed(2);
        let mut blocks = Table::<Block>::new(scale.live(BLOCKS))?;
        let mut requested = 0;
        for slot in blocks.iter_mut() {
            let size = rng.usize(smallest..=largest);
            requested += size as u64;
            *slot = Block::new(size);
        }
        let watch = Stopwatch::start();
        let damaged = churn(&mut blocks, smallest, largest, operations, &mut rng);
        let elapsed = watch.stop();
        ensure_intact(damaged + blocks.free_all())?;
        Ok(Measured::new(operations, elapsed).requested(requested))
    }

    /// 64 MiB of mixed blocks allocated, then freed in the same order, again
    /// and again: an allocator that gives memory back too eagerly, or too
    /// late, pays for it each time.
    fn waves(scale: Scale) -> Result<Measured> {
        const ROUNDS: u64 = 48;
        let sizes = LogUniform::new(16, 16 << 10);
        let blocks_a_wave = scale.live((64 << 20) / sizes.mean() as usize);
        let mut blocks = Table::<Block>::new(blocks_a_wave)?;
        let mut rng = Rng::with_seed(3);
        let mut damaged = 0;
        let mut most = 0;
        let watch = Stopwatch::start();
        for _ in 0..ROUNDS {
            let mut requested = 0;
            for slot in blocks.iter_mut() {
                let size = sizes.draw(&mut rng);
                requested += size as u64;
                *slot = Block::new(size);
                slot.touch();
            }
            damaged += blocks.free_all();
            most = most.max(requested);
        }
        let elapsed = watch.stop();
        ensure_intact(damaged)?;
        Ok(Measured::new(ROUNDS * blocks.len() as u64, elapsed).requested(most))
    }
}

/// Replaces random blocks of a table by ones of random size. The number of
/// damaged ones.
#[inline(always)]
pub(crate) fn churn(
    blocks: &mut [Block],
    smallest: usize,
    largest: usize,
    operations: u64,
    rng: &mut Rng,
) -> u64 {
    let mut damaged = 0;
    for _ in 0..operations {
        let slot = rng.usize(..blocks.len());
        let size = rng.usize(smallest..=largest);
        let old = mem::replace(&mut blocks[slot], Block::NONE);
        damaged += u64::from(!old.free());
        blocks[slot] = Block::new(size);
    }
    damaged
}
