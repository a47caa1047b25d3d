//! The addresses of blocks that a spy was told of: a hash set in memory of its own.
//!
//! Half of its places are free at least, and an address lies at or behind its own
//! place with none free between, so that looking for one ends soon.

use crate::vm::{self, Use};
use core::ptr;

/// Places at first.
const FIRST: usize = 8192;

/// The set.
pub(super) struct Spied {
    places: *mut usize,
    /// A power of two, or 0.
    room: usize,
    count: usize,
}

// SAFETY: the places are the set's alone.
unsafe impl Send for Spied {}

impl Spied {
    /// None.
    pub(super) const fn new() -> Self {
        Spied {
            places: ptr::null_mut(),
            room: 0,
            count: 0,
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    fn at(&self, place: usize) -> usize {
        // SAFETY: the callers' place is below the room, and the memory is zeroed.
        unsafe { self.places.add(place & (self.room - 1)).read() }
    }

    fn set(&mut self, place: usize, address: usize) {
        // SAFETY: as above.
        unsafe { self.places.add(place & (self.room - 1)).write(address) };
    }

    fn home(&self, address: usize) -> usize {
        let mixed = (address as u64 >> 4).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> 32) as usize & (self.room - 1)
    }

    fn find(&self, address: usize) -> Option<usize> {
        if self.room == 0 || address == 0 {
            return None;
        }
        let mut place = self.home(address);
        loop {
            match self.at(place) {
                0 => return None,
                found if found == address => return Some(place & (self.room - 1)),
                _ => place += 1,
            }
        }
    }

    /// Whether an address is there.
    pub(super) fn has(&self, address: usize) -> bool {
        self.find(address).is_some()
    }

    /// Makes room for one more; false when there is no memory.
    pub(super) fn reserve(&mut self) -> bool {
        if (self.count + 1) * 2 <= self.room {
            return true;
        }
        let room = (self.room * 2).max(FIRST);
        let bytes = room * size_of::<usize>();
        let Some(bytes) = vm::round_to_pages(bytes) else {
            return false;
        };
        let places: *mut usize = vm::allocate(Use::Metadata, bytes).cast();
        if places.is_null() {
            return false;
        }
        let old = core::mem::replace(
            self,
            Spied {
                places,
                room,
                count: 0,
            },
        );
        for place in 0..old.room {
            self.insert(old.at(place));
        }
        old.release();
        true
    }

    /// Enters an address that is not there; room was made. 0 is none.
    pub(super) fn insert(&mut self, address: usize) {
        if address == 0 || self.room == 0 {
            return;
        }
        let mut place = self.home(address);
        while self.at(place) != 0 {
            if self.at(place) == address {
                return;
            }
            place += 1;
        }
        self.set(place, address);
        self.count += 1;
    }

    /// Takes an address out; whether it was there.
    pub(super) fn remove(&mut self, address: usize) -> bool {
        let Some(mut free) = self.find(address) else {
            return false;
        };
        let mut place = free;
        loop {
            place = (place + 1) & (self.room - 1);
            let next = self.at(place);
            if next == 0 {
                break;
            }
            // One whose own place is not behind the free one moves there.
            let distance = |from: usize| place.wrapping_sub(from) & (self.room - 1);
            if distance(self.home(next)) >= distance(free) {
                self.set(free, next);
                free = place;
            }
        }
        self.set(free, 0);
        self.count -= 1;
        true
    }

    /// Forgets all, and gives the memory back.
    pub(super) fn clear(&mut self) {
        core::mem::replace(self, Spied::new()).release();
    }

    fn release(self) {
        let bytes = vm::round_to_pages(self.room * size_of::<usize>()).unwrap_or(0);
        if bytes != 0 {
            // SAFETY: the set's memory, whole, which nobody looks at any more.
            unsafe { vm::give_back(Use::Metadata, self.places.cast(), bytes, bytes) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Spied;
    use std::collections::HashSet;

    #[test]
    fn it_has_what_a_plain_set_has() {
        let (mut set, mut model) = (Spied::new(), HashSet::new());
        let mut seed = 1u64;
        for step in 0..200_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Many share a place: few differ in their high bits.
            let address = ((seed >> 40) as usize % 20_000 + 1) << (4 + (seed >> 20) % 3);
            if seed >> 63 == 0 {
                assert!(set.reserve());
                set.insert(address);
                model.insert(address);
            } else {
                assert_eq!(set.remove(address), model.remove(&address), "step {step}");
            }
            assert_eq!(set.count(), model.len());
            assert_eq!(set.has(address), model.contains(&address));
        }
        assert!(model.iter().all(|&address| set.has(address)));
        assert!(!set.has(0) && !set.has(8));
        set.clear();
        assert_eq!((set.count(), set.has(16)), (0, false));
    }
}
