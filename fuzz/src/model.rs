//! What the heap must hold: every block alive, and the figures that follow.

use crate::actor::{Actor, Actors, Call, Door};
use ntheap::heap::classes::{self, COUNT, MAX_CLASS_SIZE};
use std::alloc::Layout;
use std::collections::BTreeMap;

/// A block alive.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) address: usize,
    pub(crate) door: Door,
    pub(crate) layout: Layout,
    /// The seed of its pattern.
    seed: u32,
    /// Its class; 0 for a large block, [`NOTHING`] for one of no bytes.
    class: usize,
    /// Bytes it takes.
    usable: usize,
}

impl Block {
    fn verify(&self, kept: usize) -> Call {
        Call::Verify {
            address: self.address,
            size: self.layout.size(),
            kept,
            seed: self.seed,
        }
    }

    fn fill(&self) -> Call {
        Call::Fill {
            address: self.address,
            size: self.layout.size(),
            seed: self.seed,
        }
    }

    fn free(&self) -> Call {
        Call::Free {
            door: self.door,
            address: self.address,
            layout: self.layout,
        }
    }
}

/// An allocation that is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) door: Door,
    pub(crate) layout: Layout,
    pub(crate) zero: bool,
}

impl Wish {
    fn call(&self) -> Call {
        Call::Allocate {
            door: self.door,
            layout: self.layout,
            zero: self.zero,
        }
    }

    /// Whether the heap is asked for zeroed memory: C's aligned functions have
    /// no such form.
    fn is_zeroed(&self) -> bool {
        self.zero && (self.door != Door::C || self.layout.align() <= 16)
    }
}

/// The blocks alive and the threads that use them.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) actors: Actors,
    pub(crate) blocks: Vec<Block>,
    /// The bytes each block takes, by its address.
    taken: BTreeMap<usize, usize>,
    /// Sum of the blocks' sizes.
    pub(crate) bytes: usize,
    next_seed: u32,
    /// Calls into the system may fail.
    pub(crate) is_faulty: bool,
}

/// What stands for the class of a checked front end's blocks of no bytes, in which nothing
/// can be used.
const NOTHING: usize = usize::MAX;

/// The class that the block at `address` comes from which has this Layout, 0 for a large
/// one. Without memory for blocks of no bytes a smallest block is one.
fn class_at(door: Door, layout: Layout, address: usize) -> usize {
    let may_be_nothing = door.is_checked() && layout.size() == 0 && layout.align() <= 16;
    if may_be_nothing && ntheap::heap::checked::usable_size(at(address)) == 0 {
        return NOTHING;
    }
    class_of(layout)
}

/// The class that a Layout asks for, 0 for a large block.
fn class_of(layout: Layout) -> usize {
    classes::class_for(layout.size(), layout.align()).unwrap_or(0)
}

impl Model {
    /// Whether a null is an answer that has to be taken.
    fn may_be_null(&self, result: usize) -> bool {
        assert!(result != 0 || self.is_faulty, "null without a reason");
        result == 0
    }

    fn take(&mut self, address: usize, usable: usize) {
        let end = address.checked_add(usable).expect("a block ends somewhere");
        if let Some((&before, &taken)) = self.taken.range(..end).next_back() {
            assert!(
                before + taken <= address,
                "{address:#x}+{usable:#x} overlaps {before:#x}+{taken:#x}"
            );
        }
        self.taken.insert(address, usable);
    }

    /// Bytes the large block at `address` takes. What only the list of large
    /// blocks knows is read off its sum, so nobody may be at work.
    fn large_usable(&self, door: Door, address: usize) -> usize {
        if door.is_checked() {
            return ntheap::heap::checked::usable_size(at(address));
        }
        let others = self.blocks.iter().filter(|block| block.class == 0);
        let known: usize = others.map(|block| block.usable).sum();
        ntheap::stats().large_bytes - known
    }

    /// Enters a block that was allocated as `wish` says; the calls that check
    /// and fill it.
    fn born(&mut self, wish: Wish, address: usize) -> impl Iterator<Item = Call> + use<> {
        let (size, align) = (wish.layout.size(), wish.layout.align());
        let class = class_at(wish.door, wish.layout, address);
        let usable = match class {
            0 => self.large_usable(wish.door, address),
            NOTHING => 0,
            class => classes::size_of(class),
        };
        if wish.door.is_checked() {
            let told = ntheap::heap::checked::usable_size(at(address));
            assert_eq!(told, usable, "{wish:?} at {address:#x}");
        }
        assert!(usable >= size, "{usable} bytes for {wish:?}");
        assert_eq!(address % align, 0, "{address:#x} for {wish:?}");
        self.take(address, usable);
        let block = Block {
            address,
            door: wish.door,
            layout: wish.layout,
            seed: self.seed(),
            class,
            usable,
        };
        self.bytes += size;
        self.blocks.push(block);
        let zero = wish.is_zeroed();
        let check = zero.then_some(Call::VerifyZero { address, size });
        check.into_iter().chain([block.fill()])
    }

    fn seed(&mut self) -> u32 {
        self.next_seed = self.next_seed.wrapping_add(1);
        self.next_seed
    }

    /// Allocates one block.
    pub(crate) fn allocate(&mut self, actor: Actor, wish: Wish) {
        let actor = Actors::who(actor, wish.door);
        let address = self.actors.one(actor, wish.call());
        self.born_many(actor, wish, vec![address]);
    }

    /// Allocates `count` blocks, of a class, in one go.
    pub(crate) fn allocate_many(&mut self, actor: Actor, wish: Wish, count: usize) {
        let actor = Actors::who(actor, wish.door);
        let results = self.actors.perform(actor, vec![wish.call(); count]);
        self.born_many(actor, wish, results);
    }

    fn born_many(&mut self, actor: Actor, wish: Wish, results: Vec<usize>) {
        let large = class_of(wish.layout) == 0;
        assert!(results.len() == 1 || !large, "large blocks come one by one");
        let mut calls = Vec::new();
        for address in results {
            if !self.may_be_null(address) {
                calls.extend(self.born(wish, address));
            }
        }
        self.actors.perform(actor, calls);
    }

    /// Takes every `step`-th of `count` blocks from the one at `first` on out
    /// of the model; the calls that check and free them.
    fn doom(&mut self, first: usize, step: usize, count: usize) -> Vec<Call> {
        let mut calls = Vec::new();
        let mut at = first;
        for _ in 0..count {
            if at >= self.blocks.len() {
                break;
            }
            let block = self.blocks.swap_remove(at);
            self.taken.remove(&block.address);
            self.bytes -= block.layout.size();
            calls.extend([block.verify(block.layout.size()), block.free()]);
            at += step;
        }
        calls
    }

    /// Frees blocks: see `doom`.
    pub(crate) fn free_many(&mut self, actor: Actor, first: usize, step: usize, count: usize) {
        let calls = self.doom(first, step, count);
        self.perform_where_allowed(actor, calls);
    }

    /// Performs calls on `actor`'s thread but for those it has no way to.
    fn perform_where_allowed(&mut self, actor: Actor, calls: Vec<Call>) {
        let is_allowed = |call: &Call| match call {
            Call::Free { door, .. } => Actors::who(actor, *door) == actor,
            _ => true,
        };
        let (own, other): (Vec<_>, Vec<_>) = calls.into_iter().partition(is_allowed);
        self.actors.perform(actor, own);
        if !other.is_empty() {
            self.actors.perform(Actor::Second, other);
        }
    }

    /// One thread allocates `count` blocks while the other frees as many.
    pub(crate) fn both(&mut self, allocating: Actor, wish: Wish, first: usize, count: usize) {
        let allocating = Actors::who(allocating, wish.door);
        let freeing = match allocating {
            Actor::First => Actor::Second,
            Actor::Second => Actor::First,
        };
        let calls = self.doom(first, 1, count);
        let is_allowed = |call: &Call| match call {
            Call::Free { door, .. } => Actors::who(freeing, *door) == freeing,
            _ => true,
        };
        let (frees, others): (Vec<_>, Vec<_>) = calls.into_iter().partition(is_allowed);
        let allocations = vec![wish.call(); count];
        let results = match allocating {
            Actor::First => self.actors.perform_both(allocations, frees).0,
            Actor::Second => self.actors.perform_both(frees, allocations).1,
        };
        self.born_many(allocating, wish, results);
        self.perform_where_allowed(allocating, others);
    }

    /// Resizes the block at `index` to `size` bytes, not 0.
    pub(crate) fn reallocate(&mut self, actor: Actor, index: usize, size: usize) {
        let old = self.blocks[index];
        let actor = Actors::who(actor, old.door);
        let Ok(layout) = Layout::from_size_align(size, old.layout.align()) else {
            return;
        };
        self.taken.remove(&old.address);
        let call = Call::Reallocate {
            door: old.door,
            address: old.address,
            layout: old.layout,
            size,
        };
        let address = self.actors.one(actor, call);
        if address == 0 {
            assert!(self.is_faulty, "null for {size} bytes in place of {old:?}");
            self.take(old.address, old.usable);
            self.actors.one(actor, old.verify(old.layout.size()));
            return;
        }
        let kept = old.layout.size().min(size);
        let moved = Block { address, ..old };
        self.actors.one(actor, moved.verify(kept));

        // C's realloc promises no more than malloc's alignment.
        let is_c = old.door == Door::C;
        let layout = match is_c {
            true => Layout::from_size_align(size, 16).expect("a block's size has a layout"),
            false => layout,
        };
        let mut class = class_at(old.door, layout, address);
        if !is_c && class != 0 && class == old.class {
            assert_eq!(address, old.address, "moved within its class");
        }
        if is_c && address == old.address {
            class = old.class;
        }
        assert_eq!(address % layout.align(), 0, "{address:#x} for {layout:?}");
        self.blocks.swap_remove(index);
        let usable = match class {
            0 => self.large_usable(old.door, address),
            NOTHING => 0,
            class => classes::size_of(class),
        };
        if old.door.is_checked() {
            let told = ntheap::heap::checked::usable_size(at(address));
            assert_eq!(told, usable, "{old:?} resized to {size}");
        }
        assert!(usable >= size, "{usable} bytes for {size}");
        self.take(address, usable);
        self.bytes = self.bytes - old.layout.size() + size;
        let block = Block {
            address,
            layout,
            seed: self.seed(),
            class,
            usable,
            ..old
        };
        self.actors.one(actor, block.fill());
        self.blocks.push(block);
    }

    /// Checks the contents of all blocks, on `actor`'s thread.
    pub(crate) fn verify_all(&mut self, actor: Actor) {
        let all = self
            .blocks
            .iter()
            .map(|block| block.verify(block.layout.size()));
        let all = all.collect();
        self.actors.perform(actor, all);
    }

    /// Compares the heap's figures with the model's. Nobody is at work.
    pub(crate) fn verify_stats(&self) {
        let stats = ntheap::stats();
        let mut live = [0u64; COUNT];
        let (mut large, mut large_bytes, mut allocated) = (0, 0, 0);
        for block in &self.blocks {
            allocated += block.usable;
            if block.class == NOTHING {
                live[0] += 1;
            } else if block.class == 0 {
                large += 1;
                large_bytes += block.usable;
            } else {
                live[block.class] += 1;
            }
        }
        for (class, bucket) in stats.buckets.iter().enumerate() {
            let size = classes::size_of(class);
            assert_eq!(bucket.live, live[class], "live blocks of {size} bytes");
            assert!(bucket.live + bucket.cached <= bucket.blocks, "{bucket:?}");
            assert!(size <= MAX_CLASS_SIZE);
        }
        assert_eq!(stats.large_blocks, large, "large blocks");
        assert_eq!(stats.large_bytes, large_bytes, "bytes of large blocks");
        assert_eq!(stats.allocated, allocated, "allocated");
        assert!(stats.allocated <= stats.active, "{stats}");
        assert!(stats.active + stats.metadata <= stats.committed, "{stats}");
        assert!(stats.committed <= stats.mapped, "{stats}");
    }
}

fn at(address: usize) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut(address)
}
