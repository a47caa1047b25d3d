//! The global heap of 16-bit Windows: contents stay right while blocks move, what is
//! locked or fixed stays where it is, and only what may go is discarded.

use crate::blocks::below;
use crate::turn;
use arbitrary::Unstructured;
use ntheap::win16::{Error, Flags, GlobalHeap, HGlobal, Locked};

/// Operations of one input at most.
const MAX_OPERATIONS: usize = 400;
const MAX_BLOCKS: usize = 120;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Fixed,
    Moveable,
    Discardable,
}

struct Block<'h> {
    block: HGlobal,
    kind: Kind,
    size: u32,
    seed: u8,
    is_discarded: bool,
    guards: Vec<Locked<'h>>,
    /// Where it lies, while it must stay.
    address: Option<u32>,
}

struct Model<'h> {
    heap: &'h GlobalHeap<'h>,
    blocks: Vec<Block<'h>>,
    seeds: u8,
}

fn pattern(seed: u8, at: usize) -> u8 {
    seed.wrapping_mul(167).wrapping_add((at * 13) as u8)
}

fn size(input: &mut Unstructured<'_>) -> u32 {
    let most = [40, 500, 4000, 70_000][[0, 0, 1, 1, 1, 2, 2, 3][below(input, 8)]];
    1 + below(input, most) as u32
}

fn room(input: &mut Unstructured<'_>) -> Flags {
    match below(input, 8) {
        0 => Flags::NOCOMPACT,
        1 => Flags::NODISCARD,
        _ => Flags::FIXED,
    }
}

impl<'h> Model<'h> {
    fn write(&mut self, nth: usize, size: u32) {
        self.seeds = self.seeds.wrapping_add(1);
        let block = &mut self.blocks[nth];
        (block.size, block.seed) = (size, self.seeds);
        let bytes = self.heap.lock(block.block).expect("it has memory");
        for (at, cell) in bytes.iter().take(size as usize).enumerate() {
            cell.set(pattern(block.seed, at));
        }
    }

    fn check(&self, nth: usize) {
        let block = &self.blocks[nth];
        if block.is_discarded {
            return assert_eq!(self.heap.lock(block.block).err(), Some(Error::Discarded));
        }
        let bytes = self.heap.lock(block.block).expect("it has memory");
        assert!(bytes.len() >= block.size as usize);
        for (at, cell) in bytes.iter().take(block.size as usize).enumerate() {
            assert_eq!(cell.get(), pattern(block.seed, at), "byte {at}");
        }
    }

    /// What an operation has moved and discarded was its to move and discard.
    fn look(&mut self, keep: Option<usize>) {
        for (nth, block) in self.blocks.iter_mut().enumerate() {
            let is_discarded = self.heap.flags(block.block).expect("a block").discarded;
            if is_discarded && !block.is_discarded {
                assert!(block.kind == Kind::Discardable && block.guards.is_empty());
                assert_ne!(keep, Some(nth), "the block that the operation was about");
                (block.is_discarded, block.size) = (true, 0);
            }
            if block.is_discarded || (block.guards.is_empty() && block.kind != Kind::Fixed) {
                block.address = None;
                continue;
            }
            let address = self.heap.address(block.block).expect("it has memory");
            assert_eq!(*block.address.get_or_insert(address), address, "moved");
        }
    }

    fn alloc(&mut self, input: &mut Unstructured<'_>) {
        if self.blocks.len() == MAX_BLOCKS {
            return;
        }
        let (kind, flags) = match below(input, 8) {
            0 => (Kind::Fixed, Flags::FIXED),
            1..=4 => (Kind::Moveable, Flags::MOVEABLE),
            _ => (Kind::Discardable, Flags::MOVEABLE | Flags::DISCARDABLE),
        };
        let (size, is_zero) = (size(input), below(input, 3) == 0);
        let zero = if is_zero {
            Flags::ZEROINIT
        } else {
            Flags::FIXED
        };
        let made = self.heap.alloc(flags | room(input) | zero, size);
        self.look(None);
        match made {
            Ok(block) => {
                if is_zero {
                    let bytes = self.heap.lock(block).expect("it has memory");
                    assert!(bytes.iter().all(|byte| byte.get() == 0));
                }
                self.blocks.push(Block {
                    block,
                    kind,
                    size: 0,
                    seed: 0,
                    is_discarded: false,
                    guards: Vec::new(),
                    address: None,
                });
                self.write(self.blocks.len() - 1, size);
                self.look(None);
            }
            Err(error) => assert_eq!(error, Error::NoMemory),
        }
    }

    fn free(&mut self, nth: usize) {
        let block = &self.blocks[nth];
        let result = self.heap.free(block.block);
        if !block.guards.is_empty() {
            return assert_eq!(result, Err(Error::Locked));
        }
        assert_eq!(result, Ok(()));
        self.blocks.swap_remove(nth);
    }

    fn resize(&mut self, nth: usize, input: &mut Unstructured<'_>) {
        let size = size(input);
        let may_move = below(input, 2) == 0;
        let flags = room(input)
            | if may_move {
                Flags::MOVEABLE
            } else {
                Flags::FIXED
            };
        let block = &mut self.blocks[nth];
        let result = self.heap.realloc(block.block, size, flags);
        match result {
            Ok(new) => {
                assert!(new == block.block || block.guards.is_empty());
                if block.kind == Kind::Fixed && may_move && block.guards.is_empty() {
                    block.address = None;
                }
                let kept = block.size.min(size);
                (block.block, block.size, block.is_discarded) = (new, kept, false);
                self.look(Some(nth));
                self.check(nth);
                self.write(nth, size);
            }
            Err(error) => {
                let is_locked = !block.guards.is_empty();
                assert!(error == Error::NoMemory || (error == Error::Locked && is_locked));
                self.look(Some(nth));
                self.check(nth);
            }
        }
    }

    fn lock(&mut self, nth: usize) {
        let block = &mut self.blocks[nth];
        match self.heap.lock(block.block) {
            Ok(guard) if block.guards.len() < 100 => block.guards.push(guard),
            Ok(_) => {}
            Err(error) => assert!(error == Error::Discarded && block.is_discarded),
        }
        self.look(None);
    }

    fn discard(&mut self, nth: usize) {
        let block = &mut self.blocks[nth];
        let may = block.kind == Kind::Discardable && block.guards.is_empty();
        match self.heap.discard(block.block) {
            Ok(()) => {
                assert!(block.is_discarded || (may || block.kind == Kind::Moveable));
                assert!(block.guards.is_empty());
                (block.is_discarded, block.size, block.address) = (true, 0, None);
            }
            Err(error) => assert!(!may, "{error:?}"),
        }
    }

    fn check_all(&self) {
        assert!(self.heap.validate());
        for nth in 0..self.blocks.len() {
            self.check(nth);
        }
    }
}

/// Performs the operations that `data` encodes and checks the answers.
///
/// # Panics
/// Whenever an answer is wrong.
pub fn run(data: &[u8]) {
    let _turn = turn();
    let mut input = Unstructured::new(data);
    let input = &mut input;
    let kib = [96, 128, 192, 320][below(input, 4)];
    let heap = GlobalHeap::new(kib * 1024).expect("an arena");
    let mut model = Model {
        heap: &heap,
        blocks: Vec::new(),
        seeds: 0,
    };
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        let nth = below(input, model.blocks.len().max(1));
        let operation = below(input, 16);
        if operation < 6 || model.blocks.is_empty() {
            model.alloc(input);
            continue;
        }
        match operation {
            6..=8 => model.free(nth),
            9 | 10 => model.resize(nth, input),
            11 => model.lock(nth),
            12 => {
                model.blocks[nth].guards.pop();
            }
            13 => model.discard(nth),
            14 => {
                let wanted = [0, 1000, u32::MAX][below(input, 3)];
                heap.compact(wanted).expect("an answer");
                model.look(None);
            }
            _ => model.check(nth),
        }
        model.look(Some(nth).filter(|_| operation == 15));
    }
    model.check_all();
    for block in &mut model.blocks {
        block.guards.clear();
    }
    while !model.blocks.is_empty() {
        model.free(0);
    }
    assert!(heap.validate());
}
