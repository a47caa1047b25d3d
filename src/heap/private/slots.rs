//! A bucket's slots by thread.
//!
//! ```text
//!   number   0      1      2      3  ...  15     none yet
//!          | own  | first| NOBODYS ...          | NOBODYS |
//! ```
//!
//! The first slot is the first thread's that comes here, and every further number
//! gets a slot when a thread of that number comes: no two share one while there
//! are numbers enough (home.rs). Each slot takes its blocks from subsegments of
//! its own, so that no two threads write to one line of blocks or of marks, unless
//! one frees what another has allocated. A thread that finds its slot taken, for
//! there are more threads than numbers, goes to any other.

use super::home;
use super::lfh::{HeapBucket, NOBODYS, RECORDS, SLOTS, first_room, take};
use super::shown::Shown;
use super::slot::{Slot, WORDS, Word};
use core::ptr;
use core::sync::atomic::Ordering;

/// A slot and its words.
#[repr(C)]
struct SlotMemory {
    slot: Slot,
    words: [Word; WORDS],
}

impl HeapBucket {
    /// The slots there are: the first, and those made for others.
    pub(super) fn each_slot(&self) -> impl Iterator<Item = &Slot> {
        // SAFETY: a bucket's slots live as long as the bucket.
        let own = self.own_slots().map(|slot| unsafe { &*slot });
        core::iter::once(&self.first.0).chain(own)
    }

    /// The slots beside the first one.
    fn own_slots(&self) -> impl Iterator<Item = *mut Slot> {
        let slots = self.slots.iter().map(Shown::find);
        slots.filter(|slot| !ptr::eq(*slot, &NOBODYS) && !ptr::eq(*slot, &self.first.0))
    }

    /// Hands out the slots beside the first one. `visit` may give them away.
    pub(super) fn each_own(&self, visit: impl FnMut(*mut Slot)) {
        self.own_slots().for_each(visit);
    }

    /// The number of the threads that a slot is for.
    pub(super) fn shard_of(&self, slot: &Slot) -> u8 {
        if ptr::eq(slot, &self.first.0) {
            self.first_number.load(Ordering::Relaxed) as u8
        } else {
            slot.shard
        }
    }

    /// A slot whose lock the caller has now: the one of the thread's number, or,
    /// while that is taken, any. The caller holds no slot.
    pub(super) fn acquire(&self) -> &Slot {
        let number = home::settle();
        if self.slot(number).is_none() {
            self.make_slot(number);
        }
        loop {
            for at in 0..SLOTS {
                let slot = self.slot((number + at) % SLOTS);
                if let Some(slot) = slot.filter(|slot| slot.try_acquire()) {
                    return slot;
                }
            }
            // Where there was no memory for a slot.
            if self.first.0.try_acquire() {
                return &self.first.0;
            }
            crate::sys::yield_now();
        }
    }

    /// The slot of a number, if it has one.
    fn slot(&self, number: usize) -> Option<&Slot> {
        let slot = self.slots.get(number)?.find();
        // SAFETY: a bucket's slots live as long as the bucket.
        (!ptr::eq(slot, &NOBODYS)).then(|| unsafe { &*slot })
    }

    /// Gives a number the first slot, if that is nobody's, or a new one. Does
    /// nothing when there is no memory.
    #[inline(never)]
    fn make_slot(&self, number: usize) {
        let Some(place) = self.slots.get(number) else {
            return;
        };
        // Held while a fork holds slots: none comes to be meanwhile.
        let mut records = RECORDS.lock();
        place.find_or_make(&raw const NOBODYS, || {
            if self.first_number.load(Ordering::Relaxed) == SLOTS {
                self.first_number.store(number, Ordering::Relaxed);
                return (&raw const self.first.0).cast_mut();
            }
            let memory: *mut SlotMemory = take(&mut records.slots, size_of::<SlotMemory>()).cast();
            if memory.is_null() {
                return ptr::null_mut();
            }
            // SAFETY: zeroed memory of a slot, ours alone until it is found.
            unsafe {
                let words = (&raw mut (*memory).words).cast();
                let slot = &raw mut (*memory).slot;
                slot.write(Slot::new(words, number as u8, first_room(self.class)));
                slot
            }
        });
    }

    /// Takes the locks of all slots, or gives them back, for a fork. What the
    /// slots of threads keep that are gone in the child stays at hand.
    pub(super) fn hold_slots(&self, is_taking: bool) {
        for slot in self.each_slot() {
            while is_taking && !slot.try_acquire() {
                crate::sys::yield_now();
            }
            if !is_taking {
                slot.release();
            }
        }
    }
}
