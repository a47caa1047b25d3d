//! Blocks without marks that are free, in threads' caches and in depots.

use crate::memory::Memory;
use ntheap::outside::caches::{
    self, CACHE_BYTES, CLASSES, Cache, DEPOTS_EACH, Kept, MAGAZINE_BYTES,
};
use std::collections::HashSet;

/// The addresses of the blocks that the front end at `front` keeps; `None` where
/// that cannot be read.
pub(crate) fn of_front(memory: &dyn Memory, front: usize) -> Option<HashSet<u64>> {
    if front == 0 {
        return None;
    }
    let word = |at: usize| {
        let mut word = [0; size_of::<usize>()];
        memory
            .read(at, &mut word)
            .then(|| usize::from_ne_bytes(word))
    };
    let mut found = HashSet::new();
    let mut seen = HashSet::new();
    let mut at = word(front.wrapping_add(caches::LIVE))?;
    while at != 0 && seen.insert(at) {
        let bytes = memory.bytes(at, CACHE_BYTES)?;
        let cache = Cache::of(&bytes)?;
        for kept in (1..CLASSES).flat_map(|class| cache.kept(class)) {
            add(memory, kept, &mut found);
        }
        at = cache.next();
    }
    for class in 1..CLASSES {
        for depot in 0..DEPOTS_EACH {
            let mut at = word(front.wrapping_add(caches::depot_at(class, depot)))?;
            while at != 0 && seen.insert(at) {
                let bytes = memory.bytes(at, MAGAZINE_BYTES)?;
                // A magazine that was taken out meanwhile ends the list.
                let Some((kept, next)) = caches::magazine(&bytes, at) else {
                    break;
                };
                add(memory, kept, &mut found);
                at = next;
            }
        }
    }
    Some(found)
}

fn add(memory: &dyn Memory, kept: Kept, found: &mut HashSet<u64>) {
    if kept.count != 0
        && let Some(words) = memory.words(kept.at, kept.count * size_of::<usize>())
    {
        found.extend(words);
    }
}
