//! Moving blocks: holes merge, and blocks go where their kind belongs.
//!
//! Pinned blocks cut a space into *runs*. In a run, sliding makes one hole of
//! all: what stays below it keeps its order, and so does what lies above.
//!
//! ```text
//!   before: | F | hole | M1 | D1 | hole | M2 | hole | D2 |
//!   after:  | F | M1 | M2 |            hole       | D1 | D2 |
//! ```
//!
//! Between runs, blocks leave the run that can have the largest hole for holes
//! elsewhere ([`Space::evacuate`]). Both never lessen what that run has of free
//! bytes and discardable blocks together, which is what [`Space::obtainable`]
//! promises.

use super::space::{Direction, End, Ground, Kind, Space, State};

/// The unpinned blocks between two pinned ones, either of which may be 0, the
/// bound of the space.
#[derive(Clone, Copy)]
struct Run {
    before: u16,
    after: u16,
}

impl Space {
    /// The run after a pinned block or the head.
    fn run_after(&self, before: u16) -> Run {
        let mut after = self.next(before);
        while after != 0 && !self.record(after).pinned() {
            after = self.next(after);
        }
        Run { before, after }
    }

    /// Calls for each run, the lowest first, until the answer is true.
    fn any_run(&self, mut then: impl FnMut(Run) -> bool) -> bool {
        let mut before = 0;
        loop {
            let run = self.run_after(before);
            if then(run) {
                return true;
            }
            if run.after == 0 {
                return false;
            }
            before = run.after;
        }
    }

    /// Gives a block another place, which no other block overlaps, after another
    /// block in the list.
    pub(super) fn relocate(&self, slot: u16, after: u16, start: u32, ground: &impl Ground) {
        if after != self.prev(slot) {
            self.unlink(slot);
            self.link(slot, after);
        }
        self.slide(slot, start, ground);
    }

    /// Gives a block another place between its neighbours.
    fn slide(&self, slot: u16, start: u32, ground: &impl Ground) {
        let record = self.record(slot);
        if record.start == start {
            return;
        }
        ground.shift(record.start, start, record.size);
        self.update(slot, |record| record.start = start);
        self.count(|figures| {
            figures.moves += 1;
            figures.moved_bytes += u64::from(record.size);
        });
    }

    /// Slides the blocks after `before`, up to `last`, down to it. Nothing if
    /// `last` is `before`.
    fn slide_down(&self, before: u16, last: u16, ground: &impl Ground) {
        let mut slot = before;
        while slot != last {
            let end = self.end_of(slot);
            slot = self.next(slot);
            self.slide(slot, end, ground);
        }
    }

    /// Slides the blocks after `stop`, up to the one before `after`, up to it.
    fn slide_up(&self, stop: u16, after: u16, ground: &impl Ground) {
        let mut limit = self.start_of(after);
        let mut slot = self.prev(after);
        while slot != stop {
            let record = self.record(slot);
            limit -= record.size;
            self.slide(slot, limit, ground);
            slot = record.prev;
        }
    }

    /// Makes one hole of a run's.
    fn tidy_run(&self, run: Run, direction: Direction, ground: &impl Ground) {
        match direction {
            Direction::Up => self.slide_up(run.before, run.after, ground),
            Direction::Down => self.slide_down(run.before, self.prev(run.after), ground),
            Direction::Apart => self.part(run, ground),
        }
    }

    /// Moveable blocks down, discardable ones up, one hole between them. A
    /// discardable block below a moveable one goes up if the hole has room for
    /// it, and otherwise down with its neighbours.
    fn part(&self, run: Run, ground: &impl Ground) {
        loop {
            let mut last = self.prev(run.after);
            while last != run.before && self.record(last).kind == Kind::Discardable {
                last = self.prev(last);
            }
            self.slide_down(run.before, last, ground);
            self.slide_up(last, run.after, ground);
            let mut top = self.start_of(self.next(last));
            let floor = self.end_of(last);
            let mut raised = false;
            let mut slot = last;
            while slot != run.before {
                let record = self.record(slot);
                if record.kind == Kind::Discardable && record.size <= top - floor {
                    top -= record.size;
                    self.relocate(slot, last, top, ground);
                    raised = true;
                }
                slot = record.prev;
            }
            // Where a block went up there is a hole now.
            if !raised {
                return;
            }
        }
    }

    /// Makes one hole of each run's.
    pub(super) fn tidy(&self, direction: Direction, ground: &impl Ground) {
        self.any_run(|run| {
            self.tidy_run(run, direction, ground);
            false
        });
    }

    /// Opens a hole of `size` bytes right after a block by sliding up those
    /// that follow, no more of them and no further than needed. False, and
    /// nothing moved, if the next pinned block is too near.
    pub(super) fn open_after(&self, slot: u16, size: u32, ground: &impl Ground) -> bool {
        let mut free = self.gap_after(slot);
        let mut last = slot;
        let mut limit = self.end_of(slot) + size;
        while free < size {
            last = self.next(last);
            if last == 0 || self.record(last).pinned() {
                return false;
            }
            free += self.gap_after(last);
            limit += self.record(last).size;
        }
        // The highest first, so that no block is moved over another.
        while last != slot {
            let record = self.record(last);
            limit -= record.size;
            self.slide(last, record.start.max(limit), ground);
            last = record.prev;
        }
        true
    }

    /// The lowest place for a block that is to stay: right after a pinned one
    /// or the head, with moveable blocks out of its way.
    pub(super) fn lowest_place(&self, size: u32, ground: &impl Ground) -> Option<(u16, u32)> {
        let mut found = None;
        self.any_run(|run| {
            if self.open_after(run.before, size, ground) {
                found = Some((run.before, self.end_of(run.before)));
            }
            found.is_some()
        });
        found
    }

    /// Free bytes of a run, and those of its discardable blocks, all of which
    /// may be discarded now.
    fn sum(&self, run: Run) -> u32 {
        let mut sum = self.gap_after(run.before);
        let mut slot = self.next(run.before);
        while slot != run.after {
            let record = self.record(slot);
            sum += self.gap_after(slot);
            if record.kind == Kind::Discardable {
                sum += record.size;
            }
            slot = record.next;
        }
        sum
    }

    /// The run with the most free and discardable bytes, and how many.
    fn richest(&self) -> (Run, u32) {
        let mut best = (self.run_after(0), 0);
        self.any_run(|run| {
            let sum = self.sum(run);
            if sum > best.1 {
                best = (run, sum);
            }
            false
        });
        best
    }

    /// The largest hole there would be with every discardable block discarded
    /// that may be now, and no block moved to another run.
    pub(super) fn obtainable(&self) -> u32 {
        self.richest().1
    }

    /// Moves blocks of the run that can have the largest hole to holes in other
    /// runs. Every run has one hole at most, before and after.
    pub(super) fn evacuate(&self, direction: Direction, ground: &impl Ground) {
        self.clear_run(self.richest().0, direction, ground);
    }

    /// [`evacuate`](Self::evacuate) for the run after a pinned block.
    pub(super) fn evacuate_after(&self, slot: u16, direction: Direction, ground: &impl Ground) {
        self.clear_run(self.run_after(slot), direction, ground);
    }

    fn clear_run(&self, run: Run, direction: Direction, ground: &impl Ground) {
        if run.before == 0 && run.after == 0 {
            return;
        }
        let mut slot = self.next(run.before);
        while slot != run.after {
            let record = self.record(slot);
            let end = match (direction, record.kind) {
                (Direction::Up, _) | (Direction::Apart, Kind::Discardable) => End::High,
                _ => End::Low,
            };
            if let Some((after, start)) = self.tightest_outside(run, record.size, end) {
                self.relocate(slot, after, start, ground);
            }
            slot = record.next;
        }
        self.tidy_run(run, direction, ground);
    }

    /// The smallest hole for `size` bytes that is not in this run.
    fn tightest_outside(&self, run: Run, size: u32, end: End) -> Option<(u16, u32)> {
        let mut best: Option<(u16, u32)> = None;
        let mut slot = 0;
        let mut inside = false;
        loop {
            inside = (inside && slot != run.after) || slot == run.before;
            let gap = self.gap_after(slot);
            if !inside && gap >= size && best.is_none_or(|(_, least)| gap < least) {
                best = Some((slot, gap));
            }
            slot = self.next(slot);
            if slot == 0 {
                break;
            }
        }
        best.map(|(slot, gap)| match end {
            End::Low => (slot, self.end_of(slot)),
            End::High => (slot, self.end_of(slot) + gap - size),
        })
    }

    /// Free bytes above the last pinned block, and those of discardable blocks
    /// there; without moving blocks, those above the last block.
    pub(super) fn at_the_end(&self, may_move: bool) -> (u32, u32) {
        let mut last = self.prev(0);
        let mut free = self.gap_after(last);
        if !may_move {
            return (free, 0);
        }
        let mut expendable = 0;
        while last != 0 && !self.record(last).pinned() {
            let record = self.record(last);
            if record.kind == Kind::Discardable {
                expendable += record.size;
            }
            last = record.prev;
            free += self.gap_after(last);
        }
        (free, expendable)
    }

    /// Whether no pinned block lies above a block that has memory.
    pub(super) fn is_in_last_run(&self, slot: u16) -> bool {
        if self.record(slot).state != State::Present {
            return false;
        }
        let mut above = self.next(slot);
        while above != 0 && !self.record(above).pinned() {
            above = self.next(above);
        }
        above == 0
    }

    /// Whether the records hold together: for tests. Takes time in proportion
    /// to the blocks.
    pub(super) fn is_sound(&self) -> bool {
        let mut slot = 0;
        loop {
            let next = self.next(slot);
            let record = self.record(next);
            let in_order = self.end_of(slot) <= self.start_of(next) && record.prev == slot;
            let present = next == 0 || record.state == State::Present;
            let aligned = next == 0 || self.round(record.size) == Ok(record.size);
            if !in_order || !present || !aligned {
                return false;
            }
            if next == 0 {
                return true;
            }
            slot = next;
        }
    }
}
