//! Blocks of special kinds: with an alignment, and zeroed.

use crate::catalogue::{Group::Mixed, Load, Program, Scale};
use crate::measure::{Measured, Stopwatch};
use anyhow::{Result, ensure};
use fastrand::Rng;
use std::hint::black_box;

pub(crate) fn list<A: 'static>() -> &'static [Load] {
    const {
        &[
            Load::new("aligned-64", Mixed, Program::<A>::aligned::<Line>),
            Load::new("aligned-256", Mixed, Program::<A>::aligned::<Lines>),
            Load::new("aligned-4096", Mixed, Program::<A>::aligned::<Page>),
            Load::new("zeroed", Mixed, Program::<A>::zeroed),
        ]
    }
}

/// A cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(u64);

/// Four cache lines.
#[derive(Clone, Copy)]
#[repr(align(256))]
struct Lines(u64);

/// A page.
#[derive(Clone, Copy)]
#[repr(align(4096))]
struct Page(u64);

/// Something aligned, with a number in it.
trait Aligned: Copy {
    fn new(number: u64) -> Self;
    fn number(&self) -> u64;
}

impl Aligned for Line {
    fn new(number: u64) -> Self {
        Line(number)
    }
    fn number(&self) -> u64 {
        self.0
    }
}

impl Aligned for Lines {
    fn new(number: u64) -> Self {
        Lines(number)
    }
    fn number(&self) -> u64 {
        self.0
    }
}

impl Aligned for Page {
    fn new(number: u64) -> Self {
        Page(number)
    }
    fn number(&self) -> u64 {
        self.0
    }
}

impl<A> Program<A> {
    /// One to eight aligned things in a block; a random one of a thousand
    /// blocks replaced.
    fn aligned<T: Aligned>(scale: Scale) -> Result<Measured> {
        const BLOCKS: usize = 1000;
        let operations = scale.of(8_000_000);
        let mut rng = Rng::with_seed(16);
        let mut blocks: Vec<Vec<T>> = Vec::new();
        blocks.resize_with(BLOCKS, Vec::new);
        let mut wrong = 0u64;
        let watch = Stopwatch::start();
        for number in 0..operations {
            let slot = rng.usize(..BLOCKS);
            let length = rng.usize(1..=8);
            if let Some(first) = blocks[slot].first() {
                wrong += u64::from(first.number() % BLOCKS as u64 != slot as u64);
            }
            let mut block: Vec<T> = Vec::with_capacity(length);
            wrong += u64::from(
                !black_box(block.as_ptr())
                    .addr()
                    .is_multiple_of(align_of::<T>()),
            );
            block.push(T::new(number * BLOCKS as u64 + slot as u64));
            blocks[slot] = black_box(block);
        }
        drop(blocks);
        let elapsed = watch.stop();
        ensure!(wrong == 0, "{wrong} blocks were misaligned or damaged");
        Ok(Measured::new(operations, elapsed))
    }

    /// Zeroed blocks of 64 bytes to 256 KiB, as many of each octave, 16 of
    /// them alive, each dirtied before it is freed.
    fn zeroed(scale: Scale) -> Result<Measured> {
        const ALIVE: usize = 16;
        const STEP: usize = 1024;
        let operations = scale.of(160_000);
        let mut rng = Rng::with_seed(17);
        let mut alive: [Vec<u8>; ALIVE] = [const { Vec::new() }; ALIVE];
        let mut wrong = 0u64;
        let watch = Stopwatch::start();
        for number in 0..operations as usize {
            let octave = 1usize << rng.u32(6..18);
            let mut block = black_box(vec![0u8; rng.usize(octave..=2 * octave)]);
            let ends = 64.min(block.len());
            let (first, last) = (&block[..ends], &block[block.len() - ends..]);
            let mut between = block.iter().step_by(STEP);
            let zero = first.iter().chain(last).all(|&b| b == 0) && between.all(|&b| b == 0);
            wrong += u64::from(!zero);
            block[..ends].fill(0xA5);
            block.iter_mut().step_by(STEP).for_each(|b| *b = 0xA5);
            if let Some(last) = block.last_mut() {
                *last = 0xA5;
            }
            alive[number % ALIVE] = black_box(block);
        }
        drop(alive);
        let elapsed = watch.stop();
        ensure!(wrong == 0, "{wrong} blocks were not zero");
        Ok(Measured::new(operations, elapsed))
    }
}
