//! Who has which cell: free ones by their size, freed blocks in the order in which
//! they were freed.
//!
//! ```text
//!   free list of its size --> Busy --> Leaving --> Kept, last of the queue
//!            ^                                           |
//!            +------------ Empty, first of the queue <---+   when the queue is
//!                                                            too long
//! ```
//!
//! The lock is held while lists change, never while the system is called for a
//! block's pages: whoever took a cell off a list has it alone.

use super::cell::{Area, Cell};
use super::state::State;
use crate::sync::Mutex;
use core::sync::atomic::Ordering;

/// Lists of free cells: by their pages up to 16, then eight to each power of two.
const CLASSES: usize = 16 + 8 * 28;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::heap) struct Bounds {
    /// Freed blocks that are kept from use at most.
    pub(in crate::heap) kept_blocks: usize,
    /// Bytes of pages of such blocks.
    pub(in crate::heap) kept_bytes: usize,
    /// Blocks in use.
    pub(in crate::heap) busy: usize,
    /// Blocks in use and kept, together; what is kept gives way.
    pub(in crate::heap) blocks: usize,
}

/// Figures of the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::heap) struct Figures {
    /// Blocks in use.
    pub(in crate::heap) blocks: usize,
    /// Bytes that they were asked for.
    pub(in crate::heap) bytes: usize,
    /// Bytes of their pages.
    pub(in crate::heap) pages: usize,
    /// Blocks that are kept.
    pub(in crate::heap) kept_blocks: usize,
    /// Bytes of pages of theirs.
    pub(in crate::heap) kept_bytes: usize,
    /// Blocks allocated so far.
    pub(in crate::heap) allocations: u64,
}

struct Lists {
    free: [u32; CLASSES],
    /// The queue's ends, 0 while it is empty.
    first: u32,
    last: u32,
    bounds: Bounds,
    figures: Figures,
}

/// The cells and their lists.
pub(super) struct Store {
    pub(super) area: Area,
    lists: Mutex<Lists>,
}

/// The list for cells of so many pages, and the pages that its cells have.
fn class_of(pages: usize) -> Option<(usize, usize)> {
    if pages <= 16 {
        return Some((pages - 1, pages));
    }
    // 17..=32 are of the first power: steps of 2.
    let power = (pages - 1).ilog2() as usize;
    let step = 1 << (power - 3);
    let rounded = pages.next_multiple_of(step);
    let class = 16 + 8 * (power - 4) + (rounded - (1 << power)) / step - 1;
    (class < CLASSES).then_some((class, rounded))
}

impl Store {
    pub(super) const fn new() -> Store {
        Store {
            area: Area::new(),
            lists: Mutex::new(Lists {
                free: [0; CLASSES],
                first: 0,
                last: 0,
                bounds: Bounds {
                    kept_blocks: 0,
                    kept_bytes: 0,
                    busy: 0,
                    blocks: 0,
                },
                figures: Figures {
                    blocks: 0,
                    bytes: 0,
                    pages: 0,
                    kept_blocks: 0,
                    kept_bytes: 0,
                    allocations: 0,
                },
            }),
        }
    }

    /// Sets how much is kept.
    pub(super) fn set_bounds(&self, bounds: Bounds) {
        self.lists.lock().bounds = bounds;
    }

    /// The lock, for the fork handlers.
    pub(super) fn lock(&self) -> &crate::sync::Lock {
        self.lists.raw()
    }

    /// Figures of this moment.
    pub(super) fn figures(&self) -> Figures {
        self.lists.lock().figures
    }

    /// A cell of `pages` pages or somewhat more, which is the caller's from here on,
    /// and the number of the allocation. `None` when there is none and none can be
    /// made.
    pub(super) fn take(&self, pages: usize) -> Option<(u32, u64)> {
        let (class, pages) = class_of(pages)?;
        let mut lists = self.lists.lock();
        let lists = &mut *lists;
        let number = *lists.free.get(class)?;
        let taken = if let Some(cell) = self.area.cell(number) {
            *lists.free.get_mut(class)? = cell.next.load(Ordering::Relaxed);
            number
        } else {
            self.area.make(pages)?
        };
        lists.figures.allocations += 1;
        Some((taken, lists.figures.allocations))
    }

    /// Whether there could be a cell of so many pages, were nothing else in use.
    pub(super) fn could_have(&self, pages: usize) -> bool {
        class_of(pages).is_some_and(|(_, pages)| pages <= self.area.pages())
    }

    /// Whether one more block may be in use. Blocks that are kept give way for it:
    /// see [`Store::overdue`].
    pub(super) fn has_room(&self) -> bool {
        let lists = self.lists.lock();
        lists.figures.blocks < lists.bounds.busy
    }

    /// Notes that the caller's cell has a block in use now.
    pub(super) fn count(&self, cell: &Cell) {
        let mut lists = self.lists.lock();
        lists.figures.blocks += 1;
        lists.figures.bytes += cell.size.load(Ordering::Relaxed);
        lists.figures.pages += window_bytes(cell);
    }

    /// Puts the caller's cell, whose block was in use and has left, into the queue.
    pub(super) fn keep(&self, number: u32) {
        let Some(cell) = self.area.cell(number) else {
            return;
        };
        let mut lists = self.lists.lock();
        lists.figures.blocks -= 1;
        lists.figures.bytes -= cell.size.load(Ordering::Relaxed);
        lists.figures.pages -= window_bytes(cell);
        lists.figures.kept_blocks += 1;
        lists.figures.kept_bytes += window_bytes(cell);
        cell.next.store(0, Ordering::Relaxed);
        cell.set_state(State::Kept);
        match self.area.cell(lists.last) {
            Some(last) => last.next.store(number, Ordering::Relaxed),
            None => lists.first = number,
        }
        lists.last = number;
    }

    /// The first cell of the queue, if more is kept than may be, or if `is_wanted`;
    /// it is the caller's then, and holds nothing any more.
    pub(super) fn overdue(&self, is_wanted: bool) -> Option<u32> {
        let mut lists = self.lists.lock();
        let (figures, bounds) = (&lists.figures, &lists.bounds);
        let is_over = figures.kept_blocks > bounds.kept_blocks
            || figures.kept_bytes > bounds.kept_bytes
            || figures.blocks + figures.kept_blocks > bounds.blocks;
        let number = lists.first;
        let cell = self.area.cell(number)?;
        if !is_over && !is_wanted {
            return None;
        }
        lists.first = cell.next.load(Ordering::Relaxed);
        if lists.first == 0 {
            lists.last = 0;
        }
        lists.figures.kept_blocks -= 1;
        lists.figures.kept_bytes -= window_bytes(cell);
        cell.set_state(State::Empty);
        Some(number)
    }

    /// Gives the caller's cell back, which is shut, or marked as one that cannot be.
    pub(super) fn give_back(&self, number: u32) {
        let Some(cell) = self.area.cell(number) else {
            return;
        };
        let Some((class, _)) = class_of(cell.pages.load(Ordering::Relaxed) as usize) else {
            return;
        };
        let mut lists = self.lists.lock();
        if let Some(head) = lists.free.get_mut(class) {
            cell.next.store(*head, Ordering::Relaxed);
            *head = number;
        }
    }
}

fn window_bytes(cell: &Cell) -> usize {
    cell.last.load(Ordering::Relaxed) - cell.first.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_a_list_have_the_same_pages() {
        let mut pages_of = [0; CLASSES];
        for pages in 1..200_000 {
            let (class, rounded) = class_of(pages).unwrap();
            assert!(rounded >= pages && rounded - pages <= pages / 8, "{pages}");
            assert_eq!(class_of(rounded), Some((class, rounded)), "{pages}");
            assert!(pages_of[class] == 0 || pages_of[class] == rounded);
            pages_of[class] = rounded;
        }
        assert!(class_of(1 << 31).is_some());
        assert_eq!(class_of(1 << 40), None);
    }
}
