//! Random operations beside a simple model: contents are always right, what is
//! locked or fixed never moves, the least recently used goes first, and after
//! compaction free memory is one piece unless something that stays prevents it.

use super::faces::{AsBytes, Global, Heap, Local};
use super::support::*;
use ntheap::win16::*;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Fixed,
    Moveable,
    Discardable,
}

/// A block as the model has it.
struct Entry<'h, H: Heap + 'h> {
    block: H::Block,
    kind: Kind,
    /// Bytes with the pattern of the seed.
    size: u32,
    seed: u64,
    discarded: bool,
    guards: Vec<H::Guard<'h>>,
    fixes: u32,
    /// Where it lies, while it must stay.
    pinned_at: Option<u32>,
    used: i64,
    notify: bool,
    refuses: bool,
}

impl<H: Heap> Entry<'_, H> {
    fn locked(&self) -> bool {
        !self.guards.is_empty() || self.fixes != 0
    }

    fn may_go(&self) -> bool {
        let agrees = !(self.notify && self.refuses);
        self.kind == Kind::Discardable && !self.discarded && !self.locked() && agrees
    }
}

struct Model<'h, H: Heap> {
    heap: &'h H,
    random: Random,
    entries: Vec<Entry<'h, H>>,
    clock: i64,
    long_ago: i64,
    seed: u64,
    most: usize,
    large: u32,
    one_piece: u32,
    /// Compactions after which holes were looked at.
    merged: u32,
}

impl<'h, H: Heap> Model<'h, H> {
    fn new(heap: &'h H, seed: u64, most: usize, large: u32) -> Model<'h, H> {
        Model {
            heap,
            random: Random::new(seed),
            entries: Vec::new(),
            clock: 0,
            long_ago: 0,
            seed: 0,
            most,
            large,
            one_piece: 0,
            merged: 0,
        }
    }

    fn touch(&mut self, at: usize) {
        self.clock += 1;
        self.entries[at].used = self.clock;
    }

    fn size(&mut self) -> u32 {
        let bits = match self.random.below(300) {
            0 => self.large,
            _ => 12,
        };
        let limit = 1_usize << (2 + self.random.below(bits as usize - 1));
        1 + self.random.below(limit) as u32
    }

    fn room_flags(&mut self) -> Flags {
        match self.random.below(10) {
            0 => Flags::NOCOMPACT,
            1 => Flags::NODISCARD,
            _ => Flags::FIXED,
        }
    }

    fn any(&mut self) -> Option<usize> {
        let count = self.entries.len();
        (count != 0).then(|| self.random.below(count))
    }

    /// Fills a block anew from offset `from`.
    fn write(&mut self, at: usize, size: u32) {
        self.seed += 1;
        let entry = &mut self.entries[at];
        (entry.size, entry.seed) = (size, self.seed);
        let guard = self.heap.lock(entry.block).unwrap();
        for (at, cell) in guard.as_bytes().iter().take(size as usize).enumerate() {
            cell.set(pattern(self.seed, at));
        }
        drop(guard);
        // Once for the lock, once for the end of it.
        self.clock += 1;
        self.touch(at);
    }

    fn check(&mut self, at: usize) {
        let entry = &self.entries[at];
        if entry.discarded {
            assert_eq!(self.heap.lock(entry.block).err(), Some(Error::Discarded));
            return;
        }
        let guard = self.heap.lock(entry.block).unwrap();
        let bytes = guard.as_bytes();
        assert!(bytes.len() >= entry.size as usize);
        let right = |(at, cell): (usize, &Cell<u8>)| cell.get() == pattern(entry.seed, at);
        let size = entry.size as usize;
        assert!(
            bytes.iter().take(size).enumerate().all(right),
            "{:?}",
            entry.block
        );
        drop(guard);
        self.clock += 1;
        self.touch(at);
    }

    /// What the last operation discarded, and that it was their turn. `keep` is
    /// the one that it was about.
    fn find_discarded(&mut self, keep: Option<usize>) {
        let mut last = i64::MIN;
        for (at, entry) in self.entries.iter_mut().enumerate() {
            if entry.discarded || !self.heap.flags(entry.block).discarded {
                continue;
            }
            assert!(entry.may_go() && keep != Some(at), "{:?}", entry.block);
            last = last.max(entry.used);
            entry.discarded = true;
            entry.size = 0;
        }
        for (at, entry) in self.entries.iter().enumerate() {
            let older = entry.may_go() && keep != Some(at) && entry.used < last;
            assert!(!older, "{:?} was to go first", entry.block);
        }
    }

    /// What must stay has stayed.
    fn find_moved(&mut self) {
        for entry in &mut self.entries {
            if entry.discarded || !(entry.locked() || entry.kind == Kind::Fixed) {
                entry.pinned_at = None;
                continue;
            }
            let address = self.heap.address(entry.block);
            let known = *entry.pinned_at.get_or_insert(address);
            assert_eq!(address, known, "{:?} moved", entry.block);
        }
    }

    fn alloc(&mut self) {
        if self.entries.len() >= self.most {
            let at = self.random.below(self.entries.len());
            return self.free(at);
        }
        let (kind, flags) = match self.random.below(20) {
            0 => (Kind::Fixed, FIXED),
            1..11 => (Kind::Moveable, MOVEABLE),
            _ => (Kind::Discardable, discardable()),
        };
        let size = self.size();
        let room = self.room_flags();
        let mut flags = flags | room;
        let zero = self.random.below(3) == 0;
        if zero {
            flags = flags | Flags::ZEROINIT;
        }
        let mut notify = kind == Kind::Discardable && self.random.below(4) == 0;
        let with = if notify { flags | Flags::NOTIFY } else { flags };
        let result = match self.heap.alloc(with, size) {
            // A local heap.
            Err(Error::InvalidFlags) if notify => {
                notify = false;
                self.heap.alloc(flags, size)
            }
            result => result,
        };
        self.find_discarded(None);
        let block = match result {
            Ok(block) => block,
            Err(error) => {
                assert_eq!(error, Error::NoMemory);
                let refusing = self.entries.iter().any(|entry| entry.refuses);
                if room == Flags::FIXED && kind != Kind::Fixed && !refusing {
                    let most = self.heap.compact(0).unwrap();
                    assert!(most < size, "{size} bytes of {most} were refused");
                }
                return;
            }
        };
        if zero {
            let guard = self.heap.lock(block).unwrap();
            assert!(guard.as_bytes().iter().all(|byte| byte.get() == 0));
        }
        let refuses = notify && self.random.below(6) == 0;
        self.heap.refuse(block, refuses);
        self.entries.push(Entry {
            block,
            kind,
            size: 0,
            seed: 0,
            discarded: false,
            guards: Vec::new(),
            fixes: 0,
            pinned_at: None,
            used: 0,
            notify,
            refuses,
        });
        self.write(self.entries.len() - 1, size);
    }

    fn free(&mut self, at: usize) {
        let entry = &self.entries[at];
        let result = self.heap.free(entry.block);
        if entry.locked() {
            assert_eq!(result, Err(Error::Locked));
            return;
        }
        assert_eq!(result, Ok(()));
        self.heap.refuse(entry.block, false);
        self.entries.swap_remove(at);
    }

    fn realloc(&mut self, at: usize) {
        let size = self.size();
        let room = self.room_flags();
        let flags = if self.random.below(2) == 0 {
            room | MOVEABLE
        } else {
            room
        };
        let entry = &self.entries[at];
        let (block, old, was_discarded) = (entry.block, entry.size, entry.discarded);
        let had = self.heap.size_of(block);
        let stays = entry.kind == Kind::Fixed && !flags.contains(MOVEABLE);
        let result = self.heap.realloc(block, size, flags);
        if let Ok(new) = result {
            let entry = &mut self.entries[at];
            assert!(new == block || !entry.locked());
            self.heap.refuse(block, false);
            self.heap.refuse(new, entry.refuses);
            entry.block = new;
        }
        self.find_discarded(Some(at));
        let entry = &mut self.entries[at];
        match result {
            Ok(_) => {
                if entry.kind == Kind::Fixed && !stays && !entry.locked() {
                    entry.pinned_at = None;
                }
                if entry.discarded {
                    entry.discarded = false;
                    entry.notify = false;
                }
                let kept = old.min(size);
                entry.size = kept;
                self.check(at);
                self.write(at, size);
            }
            Err(error) => {
                let locked = entry.locked();
                assert!(
                    error == Error::NoMemory || (error == Error::Locked && locked),
                    "{error:?}"
                );
                assert_eq!(self.heap.size_of(block), had);
                assert_eq!(entry.discarded, was_discarded);
                self.check(at);
            }
        }
    }

    fn modify(&mut self, at: usize) {
        let entry = &mut self.entries[at];
        let (flags, kind) = if self.random.below(2) == 0 {
            (Flags::MODIFY | Flags::DISCARDABLE, Kind::Discardable)
        } else {
            (Flags::MODIFY, Kind::Moveable)
        };
        match self.heap.realloc(entry.block, 0, flags) {
            Ok(_) if entry.kind == Kind::Fixed => assert_eq!(kind, Kind::Moveable),
            Ok(_) => entry.kind = kind,
            Err(error) => assert_eq!((error, entry.kind), (Error::Fixed, Kind::Fixed)),
        }
    }

    fn lock(&mut self, at: usize) {
        let block = self.entries[at].block;
        match self.heap.lock(block) {
            Ok(guard) => {
                self.entries[at].guards.push(guard);
                self.touch(at);
            }
            Err(error) => {
                assert_eq!(error, Error::Discarded);
                assert!(self.entries[at].discarded);
            }
        }
    }

    fn unlock(&mut self, at: usize) {
        if self.entries[at].guards.pop().is_some() {
            self.touch(at);
            return;
        }
        let block = self.entries[at].block;
        if self.entries[at].fixes != 0 {
            assert!(self.heap.fix(block, false));
            self.entries[at].fixes -= 1;
        } else {
            assert!(!self.heap.fix(block, false));
        }
    }

    fn fix(&mut self, at: usize) {
        let block = self.entries[at].block;
        if self.heap.fix(block, true) {
            assert!(!self.entries[at].discarded);
            self.entries[at].fixes += 1;
            self.touch(at);
        }
    }

    fn discard(&mut self, at: usize) {
        let entry = &mut self.entries[at];
        let result = self.heap.discard(entry.block);
        if result.is_ok() {
            assert!(entry.discarded || !entry.locked());
            assert!(entry.kind != Kind::Fixed);
            entry.discarded = true;
            entry.size = 0;
        } else {
            let may = entry.kind == Kind::Discardable && !entry.locked();
            assert!(!may, "{result:?}");
        }
    }

    fn lru(&mut self, at: usize) {
        let newest = self.random.below(2) == 0;
        let block = self.entries[at].block;
        if !self.heap.lru(block, newest) {
            return;
        }
        if newest {
            self.touch(at);
        } else {
            self.long_ago -= 1;
            self.entries[at].used = self.long_ago;
        }
    }

    fn compact(&mut self) {
        let wanted = match self.random.below(4) {
            0 => 0,
            1 if self.random.below(20) == 0 => u32::MAX,
            _ => self.size() * 4,
        };
        let found = self.heap.compact(wanted).unwrap();
        self.find_discarded(None);
        let pieces: Vec<Piece> = self.heap.snapshot().pieces().collect();
        let free = |piece: &&Piece| piece.kind == PieceKind::Free;
        let largest = pieces.iter().filter(free).map(|piece| piece.size).max();
        if wanted == 0 {
            assert!(found >= largest.unwrap_or(0));
        } else {
            assert_eq!(found, largest.unwrap_or(0));
        }
        if wanted == u32::MAX {
            assert!(!self.entries.iter().any(Entry::may_go));
        }
        // Where too little was found, and where a global heap is only asked, all was done.
        if found < wanted || wanted == 0 && H::MOVES_FIRST {
            self.is_compact(&pieces);
        } else if H::MOVES_FIRST {
            self.has_merged(&pieces);
        }
    }

    /// Every hole is kept from the next by something that stays. What is between such,
    /// and the hole in each.
    fn has_merged<'p>(&mut self, pieces: &'p [Piece]) -> (Vec<&'p [Piece]>, Vec<u32>) {
        let stays = |piece: &Piece| piece.kind == PieceKind::Fixed || piece.locked;
        let runs: Vec<&[Piece]> = pieces.split(stays).filter(|run| !run.is_empty()).collect();
        let hole = |run: &&[Piece]| {
            let holes: Vec<u32> = run
                .iter()
                .filter(|piece| piece.kind == PieceKind::Free)
                .map(|piece| piece.size)
                .collect();
            assert!(holes.len() <= 1, "two holes and nothing between that stays");
            holes.first().copied().unwrap_or(0)
        };
        let holes = runs.iter().map(hole).collect();
        self.one_piece += u32::from(runs.len() == 1);
        self.merged += 1;
        (runs, holes)
    }

    /// What could merge has, and no block of the part with the most room could leave it.
    fn is_compact(&mut self, pieces: &[Piece]) {
        let (runs, holes) = self.has_merged(pieces);
        let sum = |run: &[Piece]| {
            let counts = |piece: &&Piece| piece.kind != PieceKind::Moveable;
            run.iter()
                .filter(counts)
                .map(|piece| piece.size)
                .sum::<u32>()
        };
        let richest = (0..runs.len()).rev().max_by_key(|at| sum(runs[*at]));
        let Some(richest) = richest else { return };
        for piece in runs[richest]
            .iter()
            .filter(|piece| piece.kind != PieceKind::Free)
        {
            for (at, hole) in holes.iter().enumerate() {
                assert!(at == richest || *hole < piece.size, "{piece:?} could leave");
            }
        }
    }

    fn step(&mut self) {
        let operation = self.random.below(100);
        let Some(at) = self.any() else {
            return self.alloc();
        };
        match operation {
            0..35 => self.alloc(),
            35..50 => self.free(at),
            50..65 => self.realloc(at),
            65..75 => self.check(at),
            75..80 => self.lock(at),
            80..90 => self.unlock(at),
            90 => self.fix(at),
            91 => self.modify(at),
            92 => self.discard(at),
            93 => self.lru(at),
            94..96 => self.compact(),
            _ => {
                let size = self.heap.size_of(self.entries[at].block);
                if !self.entries[at].discarded {
                    self.write(at, size);
                }
            }
        }
    }

    fn run(&mut self, steps: usize) {
        for step in 0..steps {
            self.step();
            self.find_moved();
            if step % 1000 == 0 {
                self.check_all();
            }
            if step % 5000 == 4999 {
                self.become_one_piece();
            }
        }
        self.check_all();
    }

    /// With nothing locked and nothing fixed, all that is free is one piece.
    fn become_one_piece(&mut self) {
        for at in (0..self.entries.len()).rev() {
            while self.entries[at].locked() {
                self.unlock(at);
            }
            if self.entries[at].kind == Kind::Fixed {
                self.free(at);
            }
        }
        // From here on they may move.
        self.find_moved();
        self.heap.compact(u32::MAX).unwrap();
        self.find_discarded(None);
        let pieces: Vec<Piece> = self.heap.snapshot().pieces().collect();
        let before = self.one_piece;
        self.is_compact(&pieces);
        assert_eq!(self.one_piece, before + 1);
    }

    fn check_all(&mut self) {
        assert!(self.heap.validate());
        for at in 0..self.entries.len() {
            self.check(at);
        }
        let taken: u32 = self
            .entries
            .iter()
            .map(|entry| self.heap.size_of(entry.block))
            .sum();
        let snapshot = self.heap.snapshot();
        let free = snapshot.high() - snapshot.low() - taken;
        assert_eq!(self.heap.free_bytes(), free);
    }
}

fn steps() -> usize {
    if long() { 1_000_000 } else { 100_000 }
}

#[test]
fn global_heaps_do_what_a_simple_model_does() {
    let refused = RefCell::new(BTreeSet::new());
    let agrees = |block: HGlobal| !refused.borrow().contains(&block.number());
    let rounds = 10;
    let mut total = Figures::default();
    let (mut one_piece, mut merged) = (0, 0);
    for seed in 0..rounds {
        refused.borrow_mut().clear();
        let heap = Global {
            // From nearly always full to seldom.
            heap: GlobalHeap::new([96, 128, 192, 320, 640][seed % 5] * KIB).unwrap(),
            refused: &refused,
        };
        heap.heap.notify(Task(0), Some(&agrees)).unwrap();
        let mut model = Model::new(&heap, seed as u64 + 1, 250, 18);
        model.run(steps() / rounds);
        one_piece += model.one_piece;
        merged += model.merged;
        let figures = heap.figures();
        total.moves += figures.moves;
        total.moved_bytes += figures.moved_bytes;
        total.discards += figures.discards;
        total.vetoes += figures.vetoes;
    }
    let operations = (steps() / 100) as u64;
    println!(
        "{} operations: {total:?}, holes merged {merged} times, one piece {one_piece} times",
        steps()
    );
    assert!(total.moves > 10 * operations, "{total:?}");
    // Two operations of a hundred are compactions.
    assert!(merged as usize > steps() / 100, "{merged}");
    assert!(
        total.discards > operations && total.vetoes > operations / 10,
        "{total:?}"
    );
    assert!(one_piece as usize >= steps() / 5000);
}

#[test]
fn local_heaps_do_what_a_simple_model_does() {
    let mut total = Figures::default();
    let mut one_piece = 0;
    for seed in 0..4 {
        let global = GlobalHeap::new(96 * KIB).unwrap();
        let segment = global.alloc(MOVEABLE, 16 * KIB).unwrap();
        let heap = Local {
            heap: LocalHeap::init(&global, segment, 4 * KIB..16 * KIB).unwrap(),
        };
        let mut model = Model::new(&heap, seed + 100, 150, 15);
        model.run(steps() / 4);
        one_piece += model.one_piece;
        total.moves += heap.figures().moves;
        total.moved_bytes += heap.figures().moved_bytes;
        total.discards += heap.figures().discards;
        assert!(global.size_of(segment).unwrap() > 32 * KIB && global.validate());
    }
    println!(
        "{} operations: {total:?}, one piece {one_piece} times",
        steps()
    );
    assert!(total.moves > 1000 && total.discards > 1000, "{total:?}");
    assert!(one_piece as usize >= steps() / 5000);
}
