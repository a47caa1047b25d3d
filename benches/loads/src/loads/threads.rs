//! Several threads: each with blocks of its own, blocks that another thread
//! frees, and threads that come and go.

use super::replacement::churn;
use crate::block::{Block, Place, Table, ensure_intact};
use crate::catalogue::{Group::Threads, Load, Program, Scale};
use crate::measure::{Measured, Stopwatch};
use crate::team;
use anyhow::{Result, anyhow};
use fastrand::Rng;
use std::mem;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::sync_channel;
use std::thread;

/// What a thread passes on at a time.
const BATCH: usize = 128;

pub(crate) fn list<A: 'static>() -> &'static [Load] {
    const {
        &[
            Load::new("other-thread", Threads, Program::<A>::other_thread),
            Load::new("threads-1", Threads, Program::<A>::replace_each::<1>),
            Load::new("threads-2", Threads, Program::<A>::replace_each::<2>),
            Load::new("threads-4", Threads, Program::<A>::replace_each::<4>),
            Load::new("threads-8", Threads, Program::<A>::replace_each::<8>),
            Load::new("threads-16", Threads, Program::<A>::replace_each::<16>),
            Load::new("threads-32", Threads, Program::<A>::replace_each::<32>),
            Load::new("threads-64", Threads, Program::<A>::replace_each::<64>),
            Load::new("exchange", Threads, Program::<A>::exchange),
            Load::new("short-lived", Threads, Program::<A>::short_lived),
        ]
    }
}

impl<A> Program<A> {
    /// One thread allocates, the other frees.
    fn other_thread(scale: Scale) -> Result<Measured> {
        let batches = scale.of(50_000);
        let mut rng = Rng::with_seed(4);
        // Made before the clock starts, like the thread that empties it.
        let (sender, receiver) = sync_channel::<[Block; BATCH]>(16);
        let (elapsed, damaged) = thread::scope(|scope| -> Result<_> {
            let freeing = scope.spawn(move || {
                let batches = receiver.iter();
                batches.flatten().fold(0, |n, b| n + u64::from(!b.free()))
            });
            let watch = Stopwatch::start();
            for _ in 0..batches {
                let mut batch = [const { Block::NONE }; BATCH];
                for slot in &mut batch {
                    *slot = Block::new(rng.usize(16..=1024));
                }
                let sent = sender.send(batch);
                sent.map_err(|_| anyhow!("the freeing thread has ended"))?;
            }
            drop(sender);
            let damaged = freeing.join().map_err(|_| anyhow!("a thread panicked"))?;
            Ok((watch.stop(), damaged))
        })?;
        ensure_intact(damaged)?;
        Ok(Measured::new(batches * BATCH as u64, elapsed).threads(2))
    }

    /// Each thread replaces blocks of its own. The number of operations is the
    /// same however many threads share them.
    fn replace_each<const THREADS: usize>(scale: Scale) -> Result<Measured> {
        const BLOCKS: usize = 1000;
        const SIZES: (usize, usize) = (16, 1024);
        let each = scale.of(16_000_000 / THREADS as u64);
        let damaged = AtomicU64::new(0);
        let requested = AtomicU64::new(0);
        let elapsed = team::run(
            (0..THREADS as u64).collect(),
            |member| {
                let mut rng = Rng::with_seed(member);
                let mut blocks = Table::<Block>::new(BLOCKS)?;
                for slot in blocks.iter_mut() {
                    *slot = Block::new(rng.usize(SIZES.0..=SIZES.1));
                    requested.fetch_add(slot.size() as u64, Relaxed);
                }
                Ok((blocks, rng))
            },
            |(blocks, rng)| {
                damaged.fetch_add(churn(blocks, SIZES.0, SIZES.1, each, rng), Relaxed);
                Ok(())
            },
            |(mut blocks, _)| {
                damaged.fetch_add(blocks.free_all(), Relaxed);
                Ok(())
            },
        )?;
        ensure_intact(damaged.into_inner())?;
        Ok(Measured::new(each * THREADS as u64, elapsed)
            .threads(THREADS as u32)
            .requested(requested.into_inner()))
    }

    /// Two threads put new blocks into places of one table, and free what was
    /// there: half of it is the other's.
    fn exchange(scale: Scale) -> Result<Measured> {
        const PLACES: usize = 4096;
        let each = scale.of(5_000_000);
        let table: Vec<Place> = (0..PLACES).map(|_| Place::default()).collect();
        let damaged = AtomicU64::new(0);
        let elapsed = team::run(
            vec![5, 6],
            |seed| Ok(Rng::with_seed(seed)),
            |rng| {
                let mut seen = 0;
                for _ in 0..each {
                    let place = &table[rng.usize(..PLACES)];
                    let old = place.swap(Block::new(rng.usize(16..=512)));
                    seen += u64::from(!old.free());
                }
                damaged.fetch_add(seen, Relaxed);
                Ok(())
            },
            |_| Ok(()),
        )?;
        for place in &table {
            damaged.fetch_add(u64::from(!place.swap(Block::NONE).free()), Relaxed);
        }
        ensure_intact(damaged.into_inner())?;
        Ok(Measured::new(2 * each, elapsed).threads(2))
    }

    /// Four thousand threads, two at a time. Each frees what threads before it
    /// have left, allocates, frees some itself and leaves the rest.
    fn short_lived(scale: Scale) -> Result<Measured> {
        const PAIRS: u64 = 2000;
        const BLOCKS: usize = 500;
        let pairs = scale.of(PAIRS);
        let left = Mutex::new(Table::<Block>::new(BLOCKS)?);
        let damaged = AtomicU64::new(0);
        let one = |seed| -> Result<()> {
            let mut rng = Rng::with_seed(seed);
            let mut blocks = [const { Block::NONE }; BLOCKS];
            for slot in &mut blocks {
                *slot = Block::new(rng.usize(16..=2048));
            }
            let mut seen = 0;
            {
                let mut left = left.lock().map_err(|_| anyhow!("a thread panicked"))?;
                for (ours, theirs) in blocks.iter_mut().zip(left.iter_mut()).step_by(2) {
                    mem::swap(ours, theirs);
                }
            }
            for slot in &mut blocks {
                seen += u64::from(!mem::replace(slot, Block::NONE).free());
            }
            damaged.fetch_add(seen, Relaxed);
            Ok(())
        };
        let one = &one;
        let watch = Stopwatch::start();
        for pair in 0..pairs {
            thread::scope(|scope| -> Result<()> {
                let threads = [2 * pair, 2 * pair + 1].map(|seed| scope.spawn(move || one(seed)));
                for thread in threads {
                    thread.join().map_err(|_| anyhow!("a thread panicked"))??;
                }
                Ok(())
            })?;
        }
        let elapsed = watch.stop();
        let last = left.into_inner().map(|mut left| left.free_all());
        let last = last.map_err(|_| anyhow!("a thread panicked"))?;
        ensure_intact(damaged.into_inner() + last)?;
        Ok(Measured::new(2 * pairs * BLOCKS as u64, elapsed).threads(2))
    }
}
