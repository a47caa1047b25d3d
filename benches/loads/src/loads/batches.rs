//! Ten thousand blocks of one size allocated, then all freed, in three orders.

use crate::block::{Block, Table, ensure_intact};
use crate::catalogue::{Group::Batches, Load, Program, Scale};
use crate::measure::{Measured, Stopwatch};
use anyhow::Result;
use fastrand::Rng;
use std::mem;

const BLOCKS: usize = 10_000;

/// The order in which the blocks of a batch are freed.
const FIFO: u8 = 0;
const LIFO: u8 = 1;
const SHUFFLED: u8 = 2;

pub(crate) fn list<A: 'static>() -> &'static [Load] {
    const {
        &[
            Load::new("batch-16", Batches, Program::<A>::batch::<16, FIFO>),
            Load::new("batch-64", Batches, Program::<A>::batch::<64, FIFO>),
            Load::new("batch-256", Batches, Program::<A>::batch::<256, FIFO>),
            Load::new("batch-1024", Batches, Program::<A>::batch::<1024, FIFO>),
            Load::new("batch-64-lifo", Batches, Program::<A>::batch::<64, LIFO>),
            Load::new(
                "batch-64-shuffled",
                Batches,
                Program::<A>::batch::<64, SHUFFLED>,
            ),
        ]
    }
}

impl<A> Program<A> {
    fn batch<const SIZE: usize, const ORDER: u8>(scale: Scale) -> Result<Measured> {
        let rounds = scale.of(if SIZE <= 64 { 4000 } else { 1500 });
        let mut blocks = Table::<Block>::new(BLOCKS)?;
        // The place in the table that a round's n-th block gets; freed in the
        // table's order.
        let mut places = Table::<u64>::new(BLOCKS)?;
        for (i, place) in places.iter_mut().enumerate() {
            *place = match ORDER {
                LIFO => BLOCKS - 1 - i,
                _ => i,
            } as u64;
        }
        if ORDER == SHUFFLED {
            Rng::with_seed(1).shuffle(&mut places);
        }
        let mut damaged = 0;
        let watch = Stopwatch::start();
        for _ in 0..rounds {
            for &place in places.iter() {
                blocks[place as usize] = Block::new(SIZE);
            }
            for slot in blocks.iter_mut() {
                damaged += u64::from(!mem::replace(slot, Block::NONE).free());
            }
        }
        let elapsed = watch.stop();
        ensure_intact(damaged)?;
        Ok(Measured::new(rounds * BLOCKS as u64, elapsed).requested((SIZE * BLOCKS) as u64))
    }
}
