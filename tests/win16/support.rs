//! What the tests share.

use ntheap::win16::{Flags, GlobalHeap, HGlobal, PieceKind};

pub(crate) const FIXED: Flags = Flags::FIXED;
pub(crate) const MOVEABLE: Flags = Flags::MOVEABLE;
pub(crate) const KIB: u32 = 1024;

/// Moveable and discardable.
pub(crate) fn discardable() -> Flags {
    Flags::MOVEABLE | Flags::DISCARDABLE
}

pub(crate) fn arena<'n>(kib: u32) -> GlobalHeap<'n> {
    GlobalHeap::new(kib * KIB).expect("an arena")
}

/// A byte of a block's pattern.
pub(crate) fn pattern(seed: u64, at: usize) -> u8 {
    (seed as usize).wrapping_mul(167).wrapping_add(at * 13) as u8
}

/// Fills the first `size` bytes of a block with a pattern.
pub(crate) fn fill(heap: &GlobalHeap<'_>, block: HGlobal, size: u32, seed: u64) {
    let bytes = heap.lock(block).expect("it has memory");
    assert!(bytes.len() >= size as usize);
    for (at, cell) in bytes.iter().take(size as usize).enumerate() {
        cell.set(pattern(seed, at));
    }
}

/// Asserts that the first `size` bytes have the pattern.
pub(crate) fn check(heap: &GlobalHeap<'_>, block: HGlobal, size: u32, seed: u64) {
    let bytes = heap.lock(block).expect("it has memory");
    assert!(bytes.len() >= size as usize);
    for (at, cell) in bytes.iter().take(size as usize).enumerate() {
        assert_eq!(cell.get(), pattern(seed, at), "byte {at} of {block:?}");
    }
}

/// How many holes there are.
pub(crate) fn holes(heap: &GlobalHeap<'_>) -> usize {
    let snapshot = heap.snapshot().expect("memory for a snapshot");
    let free = |piece: &ntheap::win16::Piece| piece.kind == PieceKind::Free;
    snapshot.pieces().filter(free).count()
}

/// A small random generator (xorshift).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        ((self.next() >> 33) as usize) % limit.max(1)
    }
}

/// Whether the runs that take long are wanted.
pub(crate) fn long() -> bool {
    std::env::var_os("NTHEAP_LONG").is_some_and(|value| value != "0")
}
