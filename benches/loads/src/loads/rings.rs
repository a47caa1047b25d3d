//! Blocks that travel: a producer and a consumer, and a ring of threads each of
//! which frees some of what it gets and passes the rest on with new ones.

use crate::block::{Block, ensure_intact};
use crate::catalogue::{Group::Threads, Load, Program, Scale};
use crate::measure::Measured;
use crate::team;
use anyhow::{Context, Result};
use fastrand::Rng;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

pub(crate) fn list<A: 'static>() -> &'static [Load] {
    const {
        &[
            Load::new("ring-1-1", Threads, Program::<A>::one_to_one),
            Load::new("ring-4", Threads, Program::<A>::round),
        ]
    }
}

const BATCH: usize = 32;
type Batch = [Block; BATCH];

enum Side {
    Producer(SyncSender<Block>, Rng),
    Consumer(Receiver<Block>),
}

/// A thread of the ring.
struct Member {
    from: Receiver<Batch>,
    to: SyncSender<Batch>,
    rng: Rng,
}

impl<A> Program<A> {
    /// Messages of 32 to 256 bytes, one at a time, through a ring of 1,024.
    fn one_to_one(scale: Scale) -> Result<Measured> {
        let messages = scale.of(3_000_000);
        let damaged = AtomicU64::new(0);
        let (sender, receiver) = sync_channel(1024);
        let elapsed = team::run(
            vec![
                Side::Producer(sender, Rng::with_seed(7)),
                Side::Consumer(receiver),
            ],
            Ok,
            |side| {
                match side {
                    Side::Producer(sender, rng) => {
                        for _ in 0..messages {
                            let message = Block::new(rng.usize(32..=256));
                            sender.send(message).ok().context("no consumer")?;
                        }
                    }
                    Side::Consumer(receiver) => {
                        let blocks = receiver.iter().take(messages as usize);
                        let seen = blocks.fold(0, |n, block| n + u64::from(!block.free()));
                        damaged.fetch_add(seen, Relaxed);
                    }
                }
                Ok(())
            },
            |_| Ok(()),
        )?;
        ensure_intact(damaged.into_inner())?;
        Ok(Measured::new(messages, elapsed).threads(2))
    }

    /// Four threads in a ring, with eight batches on the way for each.
    fn round(scale: Scale) -> Result<Measured> {
        const MEMBERS: usize = 4;
        const ON_THE_WAY: usize = 8 * MEMBERS;
        let turns = scale.of(120_000);
        let damaged = AtomicU64::new(0);
        // No channel can ever be full, so nobody waits to send.
        let (mut senders, mut receivers): (Vec<_>, Vec<_>) =
            (0..MEMBERS).map(|_| sync_channel(ON_THE_WAY)).unzip();
        for sender in senders.iter().cycle().take(ON_THE_WAY) {
            let sent = sender.send([const { Block::NONE }; BATCH]);
            sent.ok().context("a channel is closed")?;
        }
        senders.rotate_left(1);
        let members = senders.drain(..).zip(receivers.drain(..));
        let members = members.zip(0..).map(|((to, from), member)| Member {
            from,
            to,
            rng: Rng::with_seed(8 + member),
        });
        let elapsed = team::run(
            members.collect(),
            Ok,
            |Member { from, to, rng }| {
                let mut seen = 0;
                for _ in 0..turns {
                    let mut batch = from.recv()?;
                    // The other half is whoever's comes next.
                    let half = rng.usize(0..2);
                    for slot in batch.iter_mut().skip(half).step_by(2) {
                        seen += u64::from(!mem::replace(slot, Block::NONE).free());
                        *slot = Block::new(rng.usize(16..=1024));
                    }
                    to.send(batch).ok().context("no next thread")?;
                }
                damaged.fetch_add(seen, Relaxed);
                Ok(())
            },
            |member| {
                // Every thread has stopped, so what lies here stays here.
                let left = member.from.try_iter().flatten();
                let seen = left.fold(0, |n, block| n + u64::from(!block.free()));
                damaged.fetch_add(seen, Relaxed);
                Ok(())
            },
        )?;
        ensure_intact(damaged.into_inner())?;
        let operations = turns * (MEMBERS * BATCH / 2) as u64;
        Ok(Measured::new(operations, elapsed).threads(MEMBERS as u32))
    }
}
