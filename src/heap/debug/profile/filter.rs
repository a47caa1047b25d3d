//! The protocol of the noted blocks: chains of records, changed under a lock, and a bit
//! for each chain, which is looked at without.
//!
//! ```text
//!   bit 1 --> the chain has records      bit 0 --> it has none that the caller needs
//! ```
//!
//! Invariants: a bit is set before the lock is given back under which a record came into
//! its chain, and is cleared only when no record is left. Who frees a noted block was
//! handed it after that, and who takes a freed one gets it after who freed it, so neither
//! reads 0: bits change by one read and write each, of which any later look sees the last one
//! or a newer one.

use crate::sync::atomic::{AtomicU64, Ordering};

/// A bit for each of 64 times `WORDS` chains.
pub(crate) struct Filter<const WORDS: usize>([AtomicU64; WORDS]);

impl<const WORDS: usize> Filter<WORDS> {
    /// All bits 0.
    #[cfg(not(ntheap_model))]
    pub(crate) const fn new() -> Self {
        Filter([const { AtomicU64::new(0) }; WORDS])
    }

    /// As above.
    #[cfg(ntheap_model)]
    pub(crate) fn new() -> Self {
        Filter(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// Whether a chain may have records.
    #[inline]
    pub(crate) fn may_have(&self, chain: usize) -> bool {
        let word = self.0.get(chain / 64);
        word.is_none_or(|word| word.load(Ordering::Relaxed) & bit_of(chain) != 0)
    }

    fn set(&self, chain: usize) {
        if let Some(word) = self.0.get(chain / 64) {
            word.fetch_or(bit_of(chain), Ordering::Relaxed);
        }
    }

    fn clear(&self, chain: usize) {
        if let Some(word) = self.0.get(chain / 64) {
            word.fetch_and(!bit_of(chain), Ordering::Relaxed);
        }
    }
}

fn bit_of(chain: usize) -> u64 {
    1 << (chain % 64)
}

/// The records of all chains, by numbers; 0 is none. Whoever has them has the lock.
pub(crate) trait Records {
    /// The first of a chain.
    fn head(&mut self, chain: usize) -> Option<&mut u32>;

    /// The one after a record in its chain; `None` for a number that is no record's.
    fn next(&mut self, number: u32) -> Option<&mut u32>;

    /// Whether a record is the block's at `address`.
    fn is_of(&mut self, number: u32, address: usize) -> bool;
}

/// Puts a record into a chain. False where there is no such chain or record.
pub(crate) fn enter<R: Records, const WORDS: usize>(
    filter: &Filter<WORDS>,
    records: &mut R,
    chain: usize,
    number: u32,
) -> bool {
    let Some(&mut first) = records.head(chain) else {
        return false;
    };
    let Some(next) = records.next(number) else {
        return false;
    };
    *next = first;
    if let Some(head) = records.head(chain) {
        *head = number;
    }
    filter.set(chain);
    true
}

/// Takes the record of the block at `address` out of its chain: its number, if it has one.
pub(crate) fn leave<R: Records, const WORDS: usize>(
    filter: &Filter<WORDS>,
    records: &mut R,
    chain: usize,
    address: usize,
) -> Option<u32> {
    let (mut before, mut at) = (0, *records.head(chain)?);
    while !records.is_of(at, address) {
        before = at;
        at = *records.next(at)?;
    }
    let rest = *records.next(at)?;
    match records.next(before) {
        Some(next) => *next = rest,
        None => *records.head(chain)? = rest,
    }
    if *records.head(chain)? == 0 {
        filter.clear(chain);
    }
    Some(at)
}
