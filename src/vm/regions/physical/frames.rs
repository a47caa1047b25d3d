//! Frames: taken with their memory, and given back.

use super::super::{Refusal, Use, hold, pointer};
use super::{FILLED, FIRST, FREE, Frame, Locker, Physical, UNMAPPED};
use crate::sys::{self, files};
use crate::vm::{self, page_size};

impl Physical {
    /// Gives memory to the free frame `index`, and locks it if its neighbours are.
    fn fill(&self, file: files::Descriptor, index: usize) -> bool {
        let page = page_size();
        if !files::populate(file, (index * page) as u64, page as u64) {
            return false;
        }
        let lockers = self.lockers.records().iter();
        let own = |locker: &&Locker| (locker.first..locker.first + locker.count).contains(&index);
        if let Some(locker) = lockers.clone().find(own) {
            let base = pointer(locker.base + (index - locker.first) * page);
            // SAFETY: a page of a mapping of this table's own.
            unsafe { sys::lock_pages(base, page) };
        }
        true
    }

    /// Adds up to `count` frames, which have memory.
    fn grow(&mut self, file: files::Descriptor, count: usize) {
        let page = page_size();
        let first = self.frames.records().len();
        let mut count = count;
        while count != 0 {
            let (from, size) = (first * page, count.saturating_mul(page));
            let end = from.saturating_add(size) as u64;
            let done = self.frames.reserve(count)
                && i32::try_from(first + count + FIRST).is_ok()
                && files::set_size(file, end).is_ok()
                && files::populate(file, from as u64, size as u64);
            if done {
                break;
            }
            // What was given in part goes back with the length.
            let _ = files::set_size(file, from as u64);
            count /= 2;
        }
        for _ in 0..count {
            self.frames.insert(self.frames.records().len(), FILLED);
        }
        self.spare += count;
        self.lock(file, first, count);
    }

    /// Keeps frames in memory, if the limits allow it.
    fn lock(&mut self, file: files::Descriptor, first: usize, count: usize) {
        let size = count * page_size();
        if count == 0 || sys::system::lock_limit() < size || !self.lockers.reserve(1) {
            return;
        }
        let base = sys::reserve(size, vm::GRANULARITY);
        if base.is_null() {
            return;
        }
        let offset = (first * page_size()) as u64;
        // SAFETY: the range was reserved just above.
        let kept = unsafe {
            files::map(base, size, file, offset, sys::Protection::ReadWrite, false).is_ok()
                && sys::lock_pages(base, size)
        };
        if !kept {
            // SAFETY: as above, and nobody knows it.
            unsafe { sys::release(base, size) };
            return;
        }
        let locker = Locker {
            first,
            count,
            base: base.expose_provenance(),
        };
        self.lockers.insert(self.lockers.records().len(), locker);
    }

    /// Takes free frames, the lowest first, as many as there are places for in
    /// `numbers` and as have memory. How many.
    fn take(&mut self, file: files::Descriptor, numbers: &mut [usize]) -> usize {
        let mut given = 0;
        let mut index = self.first_spare;
        // Those without memory for them stay free.
        let mut lowest = None;
        while self.spare != 0
            && let Some(place) = numbers.get_mut(given)
            && let Some(&frame) = self.frames.records().get(index)
        {
            if frame == FILLED || frame == FREE && self.fill(file, index) {
                if let Some(frame) = self.frames.records_mut().get_mut(index) {
                    *frame = UNMAPPED;
                }
                *place = index + FIRST;
                given += 1;
                self.spare -= 1;
            } else if frame == FREE {
                lowest = lowest.or(Some(index));
            }
            index += 1;
        }
        self.first_spare = lowest.unwrap_or(index);
        given
    }
}

/// Takes as many frames as there are places in `numbers`, or fewer, and writes their
/// numbers there. How many: at least one.
pub(crate) fn allocate_frames(numbers: &mut [usize]) -> Result<usize, Refusal> {
    let page = page_size();
    let count = numbers.len();
    let bytes = count.checked_mul(page).ok_or(Refusal::NoMemory)?;
    let mut regions = hold();
    let physical = &mut regions.physical;
    physical.be_own();
    let file = physical.file()?;
    if !vm::charge(Use::Program, bytes) {
        return Err(Refusal::CommitLimit);
    }
    if physical.spare < count {
        physical.grow(file, count - physical.spare);
    }
    let given = physical.take(file, numbers);
    vm::credit(Use::Program, (count - given) * page);
    if given == 0 && count != 0 {
        return Err(Refusal::NoMemory);
    }
    Ok(given)
}

/// Gives frames back, from the first on, until one is none of the program's or the
/// system refuses: that one and those behind it are as they were. Windows that show
/// them show nothing there afterwards. How many were given back, and why not all.
pub(crate) fn free_frames(numbers: &[usize]) -> (usize, Result<(), Refusal>) {
    let page = page_size();
    let mut regions = hold();
    regions.physical.be_own();
    for (place, &number) in numbers.iter().enumerate() {
        let Some(&mut Frame(address)) = regions.physical.taken(number) else {
            return (place, Err(Refusal::Invalid));
        };
        let index = number - FIRST;
        // First its memory, which nobody needs: should the page stay shown, it is
        // still the program's, and reads zero.
        let empties = |file| files::punch(file, (index * page) as u64, page as u64);
        if !regions.physical.file.is_some_and(empties) {
            return (place, Err(Refusal::NoMemory));
        }
        if Frame(address) != UNMAPPED {
            if !regions.runs.room(2) || !regions.show_nothing(address, page) {
                return (place, Err(Refusal::NoMemory));
            }
            regions.record(address, None);
            regions
                .runs
                .change(address, address + page, |run| run.committed = None);
        }
        let physical = &mut regions.physical;
        if let Some(frame) = physical.frame(number) {
            *frame = FREE;
        }
        physical.spare += 1;
        physical.first_spare = physical.first_spare.min(index);
        vm::credit(Use::Program, page);
    }
    (numbers.len(), Ok(()))
}
