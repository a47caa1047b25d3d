//! Runs of pages in the order of their addresses, in leaves of 4 KiB.
//!
//! ```text
//!   directory   | first address, leaf, count | ...      halved
//!                        |
//!   leaf        | run | run | run | ... |               halved
//! ```
//!
//! Finding a run halves the directory and then a leaf: the time grows with the
//! logarithm of the number of runs; near the one that was found last, where the next
//! often is, it takes a step or two. A change moves the records of one leaf, and
//! of the directory once in a leaf's length. A change of a part of one run, which
//! most are, moves them once.
//!
//! Invariants:
//! - No leaf is empty; each entry of the directory says where its leaf's first
//!   run starts.
//! - [`Runs::room`] is asked before the system is: what follows cannot fail.

use super::super::Use;
use super::super::table::Table;
use super::area::AreaId;
use super::protect::Protect;
use crate::sys;
use core::cell::Cell;
use core::ptr;

/// Pages in a row of one reservation that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) area: AreaId,
    /// The pages' protection; `None` where they are only reserved.
    pub(super) committed: Option<Protect>,
}

const LEAF_BYTES: usize = 4096;
const LEAF_RUNS: usize = LEAF_BYTES / size_of::<Run>();
/// Leaves that are taken from the system in one piece.
const SLAB_LEAVES: usize = 16;
/// Spare leaves that keep their memory.
const KEPT: usize = 64;
/// Runs that are looked at around the one found last: it, the two before it, which a
/// program that goes down comes to, and what a change may have put behind it.
const NEAR: usize = 8;

#[derive(Clone, Copy)]
struct Leaf {
    /// Where the first run starts.
    start: usize,
    runs: *mut Run,
    len: usize,
}

// SAFETY: a leaf's runs are reached through the one table that owns the leaf.
unsafe impl Send for Leaf {}

#[derive(Clone, Copy)]
struct Spare(*mut Run);

// SAFETY: nobody but the table that owns a spare leaf knows of it.
unsafe impl Send for Spare {}

/// The place of a run, until the next change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    leaf: usize,
    index: usize,
}

pub(super) struct Runs {
    directory: Table<Leaf>,
    spare: Table<Spare>,
    count: usize,
    /// Where the last run was that was looked for. Changes leave it as it is: whatever
    /// is there now is asked before it is believed.
    last: Cell<Place>,
    /// Records that were looked at to find others.
    #[cfg(test)]
    looks: Cell<usize>,
}

impl Runs {
    pub(super) const fn new() -> Runs {
        Runs {
            directory: Table::new(),
            spare: Table::new(),
            count: 0,
            last: Cell::new(Place { leaf: 0, index: 0 }),
            #[cfg(test)]
            looks: Cell::new(0),
        }
    }

    /// How many runs there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.count
    }

    fn leaf(&self, leaf: usize) -> &[Run] {
        match self.directory.records().get(leaf) {
            // SAFETY: the leaf's first `len` runs were written, it is this
            // table's, and only `&mut self` changes it.
            Some(leaf) => unsafe { core::slice::from_raw_parts(leaf.runs, leaf.len) },
            None => &[],
        }
    }

    fn leaf_mut(&mut self, leaf: usize) -> &mut [Run] {
        match self.directory.records().get(leaf) {
            // SAFETY: as in `leaf`, and `&mut self` excludes other borrows.
            Some(leaf) => unsafe { core::slice::from_raw_parts_mut(leaf.runs, leaf.len) },
            None => &mut [],
        }
    }

    pub(super) fn get(&self, place: Place) -> Option<Run> {
        self.leaf(place.leaf).get(place.index).copied()
    }

    /// The place of the first run that ends after `address`; past the last one
    /// there is nothing to get.
    pub(super) fn at_or_after(&self, address: usize) -> Place {
        if let Some(place) = self.near(address) {
            return place;
        }
        let leaves = self.directory.records();
        let after = leaves.partition_point(|leaf| self.looks_at(leaf.start) <= address);
        let Some(leaf) = after.checked_sub(1) else {
            return Place { leaf: 0, index: 0 };
        };
        let runs = self.leaf(leaf);
        let index = runs.partition_point(|run| self.looks_at(run.end) <= address);
        if index == runs.len() {
            return Place {
                leaf: after,
                index: 0,
            };
        }
        let place = Place { leaf, index };
        self.last.set(place);
        place
    }

    /// An address of a record that is looked at; tests count how many are.
    #[inline]
    fn looks_at(&self, address: usize) -> usize {
        #[cfg(test)]
        self.looks.set(self.looks.get() + 1);
        address
    }

    /// The same, if it is near what was found last and in its leaf.
    fn near(&self, address: usize) -> Option<Place> {
        let last = self.last.get();
        let first = last.index.saturating_sub(2);
        let runs = self.leaf(last.leaf).get(first..)?;
        // From a run on that begins no later, the first to end after the address is
        // the first of all.
        if runs.first()?.start > address {
            return None;
        }
        let steps = runs.iter().take(NEAR);
        let step = steps
            .take_while(|run| self.looks_at(run.end) <= address)
            .count();
        if step == NEAR.min(runs.len()) {
            return None;
        }
        let place = Place {
            leaf: last.leaf,
            index: first + step,
        };
        self.last.set(place);
        Some(place)
    }

    /// The run that holds `address`.
    pub(super) fn find(&self, address: usize) -> Option<(Place, Run)> {
        let place = self.at_or_after(address);
        let run = self.get(place)?;
        (run.start <= address).then_some((place, run))
    }

    pub(super) fn next(&self, place: Place) -> Place {
        if place.index + 1 < self.leaf(place.leaf).len() {
            return Place {
                index: place.index + 1,
                ..place
            };
        }
        Place {
            leaf: place.leaf + 1,
            index: 0,
        }
    }

    /// The run before a place.
    pub(super) fn before(&self, place: Place) -> Option<Run> {
        match place.index.checked_sub(1) {
            Some(index) => self.get(Place { index, ..place }),
            None => self.leaf(place.leaf.checked_sub(1)?).last().copied(),
        }
    }

    /// The runs from the one at `place` on.
    pub(super) fn from(&self, mut place: Place) -> impl Iterator<Item = Run> {
        core::iter::from_fn(move || {
            let run = self.get(place)?;
            place = self.next(place);
            Some(run)
        })
    }

    /// The most leaves that inserting `more` runs can take, one each at most.
    ///
    /// Only a full leaf takes another: it is halved, or, for a run behind its last
    /// one, it is followed by a new leaf if the next one is full too or there is none.
    /// So each leaf of now takes two at most, and so does a new one, which half a leaf
    /// of insertions has to fill first.
    fn most_leaves(&self, more: usize) -> usize {
        let filled = more / (LEAF_RUNS / 2) + 1;
        let now = self.directory.records().len();
        more.min(2 * (now + filled))
    }

    /// Makes room for `more` runs, after which inserting so many cannot fail.
    /// False, and nothing changed, when there is no memory.
    #[inline]
    pub(super) fn room(&mut self, more: usize) -> bool {
        // No insertion takes more than a leaf.
        let is_there = self.spare.records().len() >= more && self.directory.has_room(more);
        is_there || self.make_room(more)
    }

    #[cold]
    fn make_room(&mut self, more: usize) -> bool {
        let more = self.most_leaves(more);
        if !self.directory.reserve(more) {
            return false;
        }
        while self.spare.records().len() < more {
            // Every leaf of the directory may come to be spare.
            let leaves = self.directory.records().len() + self.spare.records().len();
            if !self.spare.reserve(leaves + SLAB_LEAVES) {
                return false;
            }
            let slab = super::super::allocate(Use::Metadata, SLAB_LEAVES * LEAF_BYTES);
            if slab.is_null() {
                return false;
            }
            for nth in 0..SLAB_LEAVES {
                let leaf = slab.wrapping_add(nth * LEAF_BYTES).cast();
                self.spare.insert(self.spare.records().len(), Spare(leaf));
            }
        }
        true
    }

    fn take_leaf(&mut self) -> Option<*mut Run> {
        let last = self.spare.records().len().checked_sub(1)?;
        let spare = self.spare.records().get(last).copied()?;
        self.spare.remove(last, 1);
        Some(spare.0)
    }

    fn drop_leaf(&mut self, index: usize) {
        let Some(leaf) = self.directory.records().get(index).copied() else {
            return;
        };
        self.directory.remove(index, 1);
        let spares = self.spare.records().len();
        // A leaf may be part of a system page where those are larger.
        if spares >= KEPT && sys::page_size() == LEAF_BYTES {
            // SAFETY: the leaf is this table's own page and holds nothing now.
            unsafe { super::super::purge(leaf.runs.cast(), LEAF_BYTES) };
        }
        // There is room: `room` counted this leaf in.
        self.spare.insert(spares, Spare(leaf.runs));
    }

    fn set_len(&mut self, leaf: usize, len: usize) {
        let start = self.leaf(leaf).first().map(|run| run.start);
        if let Some(entry) = self.directory.records_mut().get_mut(leaf) {
            entry.len = len;
            entry.start = start.unwrap_or(entry.start);
        }
    }

    fn say_start(&mut self, leaf: usize) {
        let len = self.leaf(leaf).len();
        self.set_len(leaf, len);
    }

    /// Puts a run where its address belongs. There is room for it.
    pub(super) fn insert(&mut self, run: Run) {
        let after = self
            .directory
            .records()
            .partition_point(|leaf| leaf.start <= run.start);
        let mut leaf = after.saturating_sub(1);
        // Behind a full leaf there may be room in the next one.
        let is_last = |leaf: &[Run]| leaf.last().is_none_or(|last| last.start < run.start);
        if self.leaf(leaf).len() == LEAF_RUNS
            && is_last(self.leaf(leaf))
            && (1..LEAF_RUNS).contains(&self.leaf(leaf + 1).len())
        {
            leaf += 1;
        }
        if self.leaf(leaf).len() == LEAF_RUNS || self.directory.records().is_empty() {
            let Some(fresh) = self.take_leaf() else {
                return;
            };
            // What is added in order leaves full leaves behind.
            let keep = if self
                .leaf(leaf)
                .last()
                .is_some_and(|last| last.start < run.start)
            {
                self.leaf(leaf).len()
            } else {
                self.leaf(leaf).len() / 2
            };
            let moved = self.leaf(leaf).get(keep..).unwrap_or_default();
            let count = moved.len();
            // SAFETY: the fresh leaf has room for a whole leaf's runs, and is
            // none that the directory has.
            unsafe { ptr::copy_nonoverlapping(moved.as_ptr(), fresh, count) };
            let start = moved.first().map_or(run.start, |first| first.start);
            let at = if self.directory.records().is_empty() {
                0
            } else {
                self.set_len(leaf, keep);
                leaf + 1
            };
            let entry = Leaf {
                start,
                runs: fresh,
                len: count,
            };
            self.directory.insert(at, entry);
            if start <= run.start {
                leaf = at;
            }
        }
        let index = self
            .leaf(leaf)
            .partition_point(|other| other.start < run.start);
        let Some(entry) = self.directory.records_mut().get_mut(leaf) else {
            return;
        };
        // SAFETY: the leaf has room for `len + 1` runs, `index` is at most
        // `len`, and the runs from `index` on move up by one.
        unsafe {
            let at = entry.runs.add(index);
            ptr::copy(at, at.add(1), entry.len - index);
            at.write(run);
        }
        entry.len += 1;
        self.count += 1;
        self.say_start(leaf);
    }

    /// Takes out the runs that start in `[start, end)`.
    pub(super) fn remove(&mut self, start: usize, end: usize) {
        let leaves = self.directory.records();
        let mut leaf = leaves
            .partition_point(|leaf| leaf.start <= start)
            .saturating_sub(1);
        loop {
            let runs = self.leaf(leaf);
            let first = runs.partition_point(|run| run.start < start);
            let last = runs.partition_point(|run| run.start < end);
            let len = runs.len();
            if len == 0 || (first == last && last < len) {
                break;
            }
            if let Some(entry) = self.directory.records().get(leaf)
                && first < last
            {
                // SAFETY: `first <= last <= len`; the runs behind move down.
                unsafe {
                    let at = entry.runs.add(first);
                    ptr::copy(entry.runs.add(last), at, len - last);
                }
            }
            let left = len - (last - first);
            self.count -= last - first;
            if left == 0 {
                self.drop_leaf(leaf);
                continue;
            }
            self.set_len(leaf, left);
            if last < len {
                break;
            }
            leaf += 1;
        }
        self.join_leaves(leaf);
    }

    /// Puts a leaf's runs into the one before it if both are nearly empty.
    fn join_leaves(&mut self, leaf: usize) {
        let Some(before) = leaf.checked_sub(1) else {
            return;
        };
        let (here, there) = (self.leaf(leaf).len(), self.leaf(before).len());
        if here == 0 || here + there > LEAF_RUNS / 2 {
            return;
        }
        let leaves = self.directory.records();
        if let (Some(from), Some(to)) = (leaves.get(leaf), leaves.get(before)) {
            // SAFETY: two different leaves of this table; the earlier one has
            // room behind its `there` runs.
            unsafe { ptr::copy_nonoverlapping(from.runs, to.runs.add(there), here) };
        }
        self.set_len(before, there + here);
        self.drop_leaf(leaf);
    }

    /// Makes `at` a border between runs, if it lies inside one. There is room
    /// for one more.
    fn split(&mut self, at: usize) {
        let Some((place, run)) = self.find(at) else {
            return;
        };
        if run.start == at {
            return;
        }
        if let Some(first) = self.leaf_mut(place.leaf).get_mut(place.index) {
            first.end = at;
        }
        self.insert(Run { start: at, ..run });
    }

    /// Records for all pages of `[start, end)` what `state` makes of what they
    /// are, and joins neighbours that are alike then. There is room for two
    /// more runs. `state` makes the same of what is the same, however often it
    /// is asked.
    pub(super) fn change(&mut self, start: usize, end: usize, state: impl FnMut(&mut Run)) {
        match self.find(start) {
            Some(found) => self.change_from(found, start, end, state),
            None => self.change_all(start, end, state),
        }
    }

    /// The same, where it is known what holds `start`.
    pub(super) fn change_from(
        &mut self,
        (place, run): (Place, Run),
        start: usize,
        end: usize,
        mut state: impl FnMut(&mut Run),
    ) {
        if start < end && end <= run.end {
            let mut part = Run { start, end, ..run };
            state(&mut part);
            if self.change_part(place, &run, part) {
                return;
            }
        }
        self.change_all(start, end, state);
    }

    /// The same, for whatever runs there are.
    fn change_all(&mut self, start: usize, end: usize, mut state: impl FnMut(&mut Run)) {
        self.split(start);
        self.split(end);
        let first = self.at_or_after(start);
        let mut place = first;
        while let Some(run) = self.leaf_mut(place.leaf).get_mut(place.index) {
            if run.start >= end {
                break;
            }
            state(run);
            place = self.next(place);
        }
        self.join(start, end);
    }

    /// Puts `part` in place of a part of the run at `place`, joined with neighbours
    /// that it is like, in one move of the leaf's records. False, and nothing
    /// changed, where that takes another leaf, and where the part is as it was.
    fn change_part(&mut self, place: Place, run: &Run, part: Run) -> bool {
        if part.area == run.area && part.committed == run.committed {
            return false;
        }
        let Some(leaf) = self.directory.records_mut().get_mut(place.leaf) else {
            return false;
        };
        // A neighbour may be in the leaf before or behind.
        let (from_start, to_end) = (part.start == run.start, part.end == run.end);
        let is_last = place.index + 1 == leaf.len;
        if (from_start && place.index == 0) || (to_end && is_last) {
            return false;
        }
        let alike = |other: &&Run| other.area == part.area && other.committed == part.committed;
        // SAFETY: as in `leaf_mut`; nothing else borrows from the table.
        let runs = unsafe { core::slice::from_raw_parts(leaf.runs, leaf.len) };
        let before = place.index.checked_sub(1).and_then(|index| runs.get(index));
        let before = before.filter(|other| from_start && other.end == part.start);
        let behind = runs.get(place.index + 1);
        let behind = behind.filter(|other| to_end && other.start == part.end);
        let (before, behind) = (before.filter(alike), behind.filter(alike));

        let whole = Run {
            start: before.map_or(part.start, |other| other.start),
            end: behind.map_or(part.end, |other| other.end),
            ..part
        };
        let head = Run {
            end: part.start,
            ..*run
        };
        let tail = Run {
            start: part.end,
            ..*run
        };
        let first = place.index - usize::from(before.is_some());
        let next = place.index + 1 + usize::from(behind.is_some());
        let fresh = 1 + usize::from(!from_start) + usize::from(!to_end);
        let len = leaf.len - (next - first) + fresh;
        if len > LEAF_RUNS {
            return false;
        }
        // SAFETY: `first < next <= leaf.len`; the records from `next` on move to behind
        // the fresh ones, and all `len` of them fit into a leaf.
        unsafe {
            let mut at = leaf.runs.add(first);
            if next - first != fresh {
                ptr::copy(leaf.runs.add(next), at.add(fresh), leaf.len - next);
            }
            if !from_start {
                at.write(head);
                at = at.add(1);
            }
            at.write(whole);
            if !to_end {
                at.add(1).write(tail);
            }
        }
        // What comes first starts where it did: the leaf's start stays.
        self.count = self.count + len - leaf.len;
        leaf.len = len;
        true
    }

    /// Takes `[start, end)` out, and no more of the runs that reach over its
    /// borders. There is room for two more runs.
    pub(super) fn cut(&mut self, start: usize, end: usize) {
        self.split(start);
        self.split(end);
        self.remove(start, end);
    }

    /// Joins neighbours that are alike, from the run before `start` to the one
    /// that begins at `end`.
    fn join(&mut self, start: usize, end: usize) {
        let (mut place, Some(mut run)) = self.before_or_at(start) else {
            return;
        };
        loop {
            // What follows and is like it.
            let mut last = run.end;
            let mut next = self.next(place);
            while let Some(other) = self.get(next) {
                let alike = other.start == last
                    && other.area == run.area
                    && other.committed == run.committed;
                if !alike || other.start > end {
                    break;
                }
                last = other.end;
                next = self.next(next);
            }
            if last != run.end {
                if let Some(first) = self.leaf_mut(place.leaf).get_mut(place.index) {
                    first.end = last;
                }
                self.remove(run.start + 1, last);
            }
            let after = self.at_or_after(last);
            match self.get(after) {
                Some(other) if other.start <= end => (place, run) = (after, other),
                _ => return,
            }
        }
    }

    /// The run that ends where `start` is or holds it, else the next.
    fn before_or_at(&self, start: usize) -> (Place, Option<Run>) {
        let place = self.at_or_after(start.saturating_sub(1));
        (place, self.get(place))
    }
}

#[cfg(test)]
mod tests;
