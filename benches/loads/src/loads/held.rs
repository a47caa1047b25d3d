//! What stays resident when a gigabyte was freed in shuffled order, a second
//! later: freed by the thread that allocated it, and by another while that one
//! sleeps. Nobody calls the allocator in that second, so what helps is what
//! happened while blocks were freed, or a thread of the allocator's own.

use crate::block::{Block, Table, ensure_intact};
use crate::catalogue::{Group::Held, Load, Program, Scale};
use crate::measure::{Elapsed, Measured, Stopwatch, resident};
use crate::sizes::LogUniform;
use anyhow::{Result, anyhow};
use fastrand::Rng;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

const BYTES: u64 = 1 << 30;
const IDLE: Duration = Duration::from_secs(1);

pub(crate) fn list<A: 'static>() -> &'static [Load] {
    const {
        &[
            Load::new("held-owner", Held, Program::<A>::held_owner),
            Load::new("held-other", Held, Program::<A>::held_other),
        ]
    }
}

impl<A> Program<A> {
    fn held_owner(scale: Scale) -> Result<Measured> {
        let (mut blocks, requested) = table(scale)?;
        let watch = Stopwatch::start();
        Self::fill(&mut blocks);
        let damaged = Self::free_shuffled(&mut blocks);
        let elapsed = watch.stop();
        ensure_intact(damaged)?;
        Self::look(blocks, elapsed, requested)
    }

    /// The owner sleeps in a channel until the memory was looked at.
    fn held_other(scale: Scale) -> Result<Measured> {
        let (mut blocks, requested) = table(scale)?;
        let (filled, is_filled) = sync_channel(1);
        let (looked, is_looked) = sync_channel::<()>(1);
        thread::scope(|scope| -> Result<Measured> {
            let watch = Stopwatch::start();
            scope.spawn(move || {
                Self::fill(&mut blocks);
                // If nobody takes the table, nobody waits for this thread.
                if filled.send(blocks).is_ok() {
                    let _ = is_looked.recv();
                }
            });
            let blocks = is_filled.recv();
            let mut blocks = blocks.map_err(|_| anyhow!("a thread panicked"))?;
            let damaged = Self::free_shuffled(&mut blocks);
            let elapsed = watch.stop();
            ensure_intact(damaged)?;
            let measured = Self::look(blocks, elapsed, requested)?;
            drop(looked);
            Ok(measured.threads(2))
        })
    }

    fn fill(blocks: &mut Table<Block>) {
        let sizes = sizes();
        let mut rng = Rng::with_seed(SEED);
        for slot in blocks.iter_mut() {
            *slot = Block::new(sizes.draw(&mut rng));
            slot.touch();
        }
    }

    fn free_shuffled(blocks: &mut Table<Block>) -> u64 {
        Rng::with_seed(SEED + 1).shuffle(blocks);
        blocks.free_all()
    }

    /// Waits, and looks at the memory, when the table itself is gone.
    fn look(blocks: Table<Block>, elapsed: Elapsed, requested: u64) -> Result<Measured> {
        let count = blocks.len() as u64;
        drop(blocks);
        thread::sleep(IDLE);
        Ok(Measured {
            resident_at_end: Some(resident()?),
            ..Measured::new(count, elapsed).requested(requested)
        })
    }
}

const SEED: u64 = 18;

fn sizes() -> LogUniform {
    LogUniform::new(16, 16 << 10)
}

/// A table for as many blocks as make up the bytes, and how many bytes those
/// that `fill` draws will be.
fn table(scale: Scale) -> Result<(Table<Block>, u64)> {
    let sizes = sizes();
    let count = scale.of(BYTES) / sizes.mean() as u64;
    let mut rng = Rng::with_seed(SEED);
    let requested = (0..count).map(|_| sizes.draw(&mut rng) as u64).sum();
    Ok((Table::new(count as usize)?, requested))
}
