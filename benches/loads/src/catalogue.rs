//! What a load is, and the list of all.

use crate::heaps::Heap;
use crate::loads;
use crate::measure::Measured;
use std::alloc::GlobalAlloc;
use std::fmt;
use std::marker::PhantomData;

/// How much of its operations a load does: 1 for 0.2 to 0.6 seconds with a
/// good allocator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale(f64);

impl Scale {
    /// As much as the load was made for.
    pub const FULL: Scale = Scale(1.0);

    /// The factor, if it is one: positive and finite.
    pub fn new(factor: f64) -> Option<Self> {
        (factor > 0.0 && factor.is_finite()).then_some(Scale(factor))
    }

    /// The part of `full` operations, bytes or rounds to do; at least one.
    pub(crate) fn of(self, full: u64) -> u64 {
        ((full as f64 * self.0).round() as u64).max(1)
    }

    /// The part of `full` objects that are alive at a time. These do not grow
    /// with a scale above 1, which asks for more operations, not for others.
    pub(crate) fn live(self, full: usize) -> usize {
        ((full as f64 * self.0.min(1.0)).round() as usize).max(1)
    }
}

/// What a load is about. The tables have a part for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// A block allocated and freed at once.
    Pairs,
    /// Many blocks allocated, then all freed.
    Batches,
    /// Blocks of many sizes, replaced at random or resized, and special kinds.
    Mixed,
    /// Several threads.
    Threads,
    /// The collections of the standard library.
    Collections,
    /// What programs do, with the libraries they do it with.
    Programs,
    /// Blocks of megabytes.
    Large,
    /// Heaps of their own, where an allocator has them.
    Heaps,
    /// How cost grows with the number of live blocks.
    Growth,
    /// Memory that stays when everything was freed.
    Held,
    /// Memory that blocks take beyond what was requested.
    Overhead,
    /// As `Overhead`, for machines with 48 GiB: run only when asked for.
    Huge,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Group::Pairs => "pairs",
            Group::Batches => "batches",
            Group::Mixed => "mixed",
            Group::Threads => "threads",
            Group::Collections => "collections",
            Group::Programs => "programs",
            Group::Large => "large",
            Group::Heaps => "heaps",
            Group::Growth => "growth",
            Group::Held => "held",
            Group::Overhead => "overhead",
            Group::Huge => "huge",
        })
    }
}

/// One load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Its name, as on the command line.
    pub name: &'static str,
    /// What it is about.
    pub group: Group,
    pub(crate) run: fn(Scale) -> anyhow::Result<Measured>,
}

impl Load {
    pub(crate) const fn new(
        name: &'static str,
        group: Group,
        run: fn(Scale) -> anyhow::Result<Measured>,
    ) -> Self {
        Load { name, group, run }
    }
}

/// A program whose global allocator is an `A`. The loads are functions of this
/// type, so that they are compiled where `A` is the allocator.
pub(crate) struct Program<A>(PhantomData<A>);

/// The loads on a program's allocator, in the order of the tables.
pub fn all<A: GlobalAlloc + 'static>() -> impl Iterator<Item = &'static Load> {
    [
        loads::pairs::list::<A>(),
        loads::batches::list::<A>(),
        loads::replacement::list::<A>(),
        loads::kinds::list::<A>(),
        loads::threads::list::<A>(),
        loads::rings::list::<A>(),
        loads::collections::list::<A>(),
        loads::parsing::list::<A>(),
        loads::graphs::list::<A>(),
        loads::tasks::list::<A>(),
        loads::large::list::<A>(),
        loads::held::list::<A>(),
        loads::overhead::list::<A>(),
    ]
    .into_iter()
    .flatten()
}

/// The loads on heaps of their own.
pub fn on_heaps<H: Heap + 'static>() -> impl Iterator<Item = &'static Load> {
    loads::heaps::list::<H>().iter()
}
