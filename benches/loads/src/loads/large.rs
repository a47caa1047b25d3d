//! Blocks of 5 to 25 MiB, every byte of which is written. What an allocator
//! does not keep for reuse is faulted in again each time.

use crate::catalogue::{Group::Large, Load, Program, Scale};
use crate::measure::{Measured, Stopwatch};
use anyhow::{Result, ensure};
use fastrand::Rng;
use std::hint::black_box;
use std::ops::RangeInclusive;

const MIB: usize = 1 << 20;
const SIZES: RangeInclusive<usize> = 5 * MIB..=25 * MIB;

pub(crate) fn list<A: 'static>() -> &'static [Load] {
    const {
        &[
            Load::new("large-in-turn", Large, Program::<A>::large::<1>),
            Load::new("large-4-alive", Large, Program::<A>::large::<4>),
        ]
    }
}

impl<A> Program<A> {
    /// The oldest of `ALIVE` blocks is freed before the next is allocated.
    fn large<const ALIVE: usize>(scale: Scale) -> Result<Measured> {
        let blocks = scale.of(200);
        let mut rng = Rng::with_seed(15);
        let mut alive = [const { Vec::new() }; ALIVE];
        let mut requested = 0;
        let mut wrong = 0u64;
        let watch = Stopwatch::start();
        for number in 0..blocks {
            let place = number as usize % ALIVE;
            wrong += u64::from(!intact(&alive[place]));
            alive[place] = Vec::new();
            let mut block = black_box(Vec::with_capacity(rng.usize(SIZES)));
            block.resize(block.capacity(), number as u8);
            alive[place] = black_box(block);
            let total: usize = alive.iter().map(Vec::len).sum();
            requested = requested.max(total);
        }
        wrong += alive.iter().filter(|block| !intact(block)).count() as u64;
        drop(alive);
        let elapsed = watch.stop();
        ensure!(wrong == 0, "{wrong} blocks had lost their contents");
        Ok(Measured::new(blocks, elapsed).requested(requested as u64))
    }
}

/// Whether pages here and there are filled with one byte.
fn intact(block: &[u8]) -> bool {
    let (Some(first), Some(last)) = (block.first(), block.last()) else {
        return true;
    };
    let mut pages = block.iter().step_by(64 << 10);
    first == last && pages.all(|byte| byte == first)
}
