//! Random operations on several heaps, and a simple model of each: after every
//! step, what a walk shows is what the model has.

use super::heap::*;
use super::support::*;
use ntheap::heap::private::{self, EntryKind, Settings, Shape, flags};
use std::collections::BTreeMap;

struct Model {
    heap: TestHeap,
    /// Size and fill by address.
    blocks: BTreeMap<usize, (usize, usize)>,
}

impl Model {
    fn new(settings: &Settings<'_>) -> Model {
        Model {
            heap: TestHeap::with(settings),
            blocks: BTreeMap::new(),
        }
    }

    fn enter(&mut self, block: usize, size: usize, seed: usize) {
        fill(block, size, seed);
        assert!(self.blocks.insert(block, (size, seed)).is_none());
    }

    /// The walk's busy blocks are the model's, and everything lies side by
    /// side.
    fn check(&self) {
        assert!(self.heap.is_valid(0));
        let mut seen = BTreeMap::new();
        // Where the next entry of a region must begin, counted without the
        // overhead before data.
        let mut at = None;
        let mut free_before = false;
        for entry in self.heap.walk() {
            let mut is_free = false;
            match entry.kind {
                EntryKind::Region => at = Some(entry.data + entry.size),
                EntryKind::Busy => {
                    assert_eq!(at, Some(entry.data - 16));
                    at = Some(entry.data - 16 + entry.size + usize::from(entry.overhead));
                    assert!(seen.insert(entry.data, entry.size).is_none());
                }
                EntryKind::Free => {
                    assert_eq!(at, Some(entry.data - 32));
                    assert!(!free_before, "two free blocks side by side");
                    at = Some(entry.data + entry.size);
                    is_free = true;
                }
                EntryKind::Uncommitted => assert_eq!(at, Some(entry.data - 0x40)),
                EntryKind::Large | EntryKind::BucketBusy => {
                    assert!(seen.insert(entry.data, entry.size).is_none());
                }
                _ => {}
            }
            free_before = is_free;
        }
        let expected: BTreeMap<usize, usize> = self
            .blocks
            .iter()
            .map(|(block, (size, _))| (*block, *size))
            .collect();
        assert_eq!(seen, expected);
        let summary = private::summary(self.heap.0).unwrap();
        assert_eq!(summary.blocks, expected.len());
        assert_eq!(summary.allocated, expected.values().sum::<usize>());
    }

    fn step(&mut self, random: &mut Random, foreign: usize) {
        let most = if random.below(40) == 0 {
            0x18_0000
        } else {
            6000
        };
        let size = match random.below(4) {
            0 => random.below(64),
            1 => 40,
            _ => random.log_uniform(1, most),
        };
        let seed = random.next() as usize;
        let pick = |model: &Model, random: &mut Random| {
            let nth = random.below(model.blocks.len().max(1));
            model
                .blocks
                .iter()
                .nth(nth)
                .map(|(block, known)| (*block, *known))
        };
        match random.below(12) {
            0..5 => {
                let wants_zero = random.below(3) == 0;
                let flag = if wants_zero { flags::ZERO_MEMORY } else { 0 };
                if let Ok(block) = self.heap.try_allocate(flag, size) {
                    assert!(!wants_zero || bytes(block, size).iter().all(|byte| *byte == 0));
                    self.enter(block, size, seed);
                }
            }
            5..8 => {
                if let Some((block, (size, seed))) = pick(self, random) {
                    assert!(is_filled(block, size, seed));
                    self.heap.free(block).unwrap();
                    self.blocks.remove(&block);
                    assert!(self.heap.free(block).is_err());
                }
            }
            8..10 => {
                if let Some((block, (old, old_seed))) = pick(self, random) {
                    let in_place = random.below(2) == 0;
                    let flag = if in_place {
                        flags::REALLOC_IN_PLACE_ONLY
                    } else {
                        0
                    };
                    if let Ok(moved) = self.heap.reallocate(flag, block, size) {
                        assert!(!in_place || moved == block);
                        assert!(is_filled(moved, old.min(size), old_seed));
                        self.blocks.remove(&block);
                        self.enter(moved, size, seed);
                    }
                }
            }
            10 => {
                assert!(self.heap.free(foreign).is_err());
                assert!(self.heap.size(foreign).is_err());
            }
            _ => {
                if let Some((block, (size, seed))) = pick(self, random) {
                    assert_eq!(self.heap.size(block), Ok(size));
                    assert!(self.heap.is_valid(block) && is_filled(block, size, seed));
                    if size > 16 {
                        assert!(!self.heap.is_valid(block + 16));
                    }
                }
            }
        }
    }
}

#[test]
fn walks_and_figures_are_those_of_a_simple_model() {
    let settings = |shape, flags| Settings {
        shape,
        flags,
        ..Settings::DEFAULT
    };
    let rounds = if long() { 200 } else { 6 };
    for seed in 0..rounds {
        let mut random = Random::new(seed);
        let mut models = [
            Model::new(&settings(Shape::Growable, 0)),
            Model::new(&settings(Shape::Growable, flags::NO_SERIALIZE)),
            Model::new(&settings(Shape::Fixed(0x30000), 0)),
            Model::new(&settings(Shape::Limited(0x28_0000), 0)),
        ];
        for _ in 0..1200 {
            let nth = random.below(models.len());
            let other = (nth + 1) % models.len();
            let foreign = models[other].blocks.keys().next().copied();
            let foreign = foreign.unwrap_or(models[other].heap.base());
            let model = &mut models[nth];
            model.step(&mut random, foreign);
            model.check();
        }
        for model in &mut models {
            let blocks: Vec<usize> = model.blocks.keys().copied().collect();
            model.blocks.clear();
            for block in blocks {
                model.heap.free(block).unwrap();
            }
            model.check();
        }
    }
}
