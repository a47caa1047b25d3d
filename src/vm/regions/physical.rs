//! Pages that a program has by their numbers, and windows that show them.
//!
//! ```text
//!   window   | 7 | - | 9 | - |      address space, of Kind::Physical
//!               \     /
//!   frames   ... 7  8  9 ...        one piece of memory that is mapped like a file
//! ```
//!
//! A frame is free, the program's, or mapped at one address. A window knows for each
//! of its pages which frame it shows. Frames are locked in memory through mappings
//! of their own (*lockers*), which nobody uses, as far as the system's limits allow:
//! a page stays locked whether a window shows it or not.
//!
//! Invariants:
//! - A frame says where it is mapped exactly when that page says that it shows it.
//! - What is asked for is checked as a whole before anything is mapped, and the
//!   records change after everything was.
//! - A forked child has none of its parent's frames: the two would share their
//!   memory without knowing. What windows show in the child is the parent's still,
//!   until something else is mapped there.

use super::{Kind, Protect, Refusal, Regions, Use, hold, pointer};
use crate::sys::{self, files};
use crate::vm::table::Table;
use crate::vm::{self, page_size};
use core::ptr;

/// The number of the first frame: none has the number 0.
const FIRST: usize = 0x100;

/// Where a frame is mapped, or one of the values below.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Frame(usize);

const FREE: Frame = Frame(0);
const UNMAPPED: Frame = Frame(1);
/// Set in a frame that the call under way has named; addresses are even.
const NAMED: usize = 1 << (usize::BITS - 1);
/// The same in the record of a page.
const PAGE_NAMED: u32 = 1 << 31;

/// The frames that the pages of an area show, plus 1; 0 for none.
#[derive(Clone, Copy)]
struct Window {
    start: usize,
    end: usize,
    shows: *mut u32,
}

// SAFETY: the records of a window are reached under the lock of the regions only.
unsafe impl Send for Window {}

/// Frames that are kept in memory by a mapping of their own.
#[derive(Clone, Copy)]
struct Locker {
    first: usize,
    count: usize,
    base: usize,
}

pub(super) struct Physical {
    /// The process whose frames these are.
    owner: u32,
    file: Option<files::Descriptor>,
    frames: Table<Frame>,
    /// How many are free, and none below this one.
    spare: usize,
    first_spare: usize,
    windows: Table<Window>,
    lockers: Table<Locker>,
}

impl Physical {
    pub(super) const fn new() -> Physical {
        Physical {
            owner: 0,
            file: None,
            frames: Table::new(),
            spare: 0,
            first_spare: 0,
            windows: Table::new(),
            lockers: Table::new(),
        }
    }

    /// Forgets what was a parent's.
    fn be_own(&mut self) {
        let own = sys::process_id();
        if self.owner == own {
            return;
        }
        self.owner = own;
        if let Some(file) = self.file.take() {
            files::close(file);
        }
        let locked = self.lockers.records().len();
        for locker in self.lockers.records() {
            // SAFETY: a mapping of this table's own, which nobody uses.
            unsafe { sys::release(pointer(locker.base), locker.count * page_size()) };
        }
        self.lockers.remove(0, locked);
        let allocated = self.frames.records().len();
        self.frames.remove(0, allocated);
        (self.spare, self.first_spare) = (0, 0);
        for window in self.windows.records() {
            let pages = (window.end - window.start) / page_size();
            // SAFETY: a window has a record for each page.
            unsafe { ptr::write_bytes(window.shows, 0, pages) };
        }
    }

    fn file(&mut self) -> Result<files::Descriptor, Refusal> {
        match self.file {
            Some(file) => Ok(file),
            None => {
                let file = files::anonymous_growing().map_err(|_| Refusal::NoMemory)?;
                self.file = Some(file);
                Ok(file)
            }
        }
    }

    fn frame(&mut self, number: usize) -> Option<&mut Frame> {
        let index = number.checked_sub(FIRST)?;
        self.frames.records_mut().get_mut(index)
    }

    /// The state of a frame that is the program's.
    fn taken(&mut self, number: usize) -> Option<&mut Frame> {
        self.frame(number).filter(|frame| **frame != FREE)
    }

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
            unsafe { files::lock(base, page) };
        }
        true
    }

    /// Adds up to `count` frames with memory; how many there are.
    fn grow(&mut self, file: files::Descriptor, count: usize) -> usize {
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
            self.frames.insert(self.frames.records().len(), FREE);
        }
        self.lock(file, first, count);
        count
    }

    /// Keeps frames in memory, if the limits allow it.
    fn lock(&mut self, file: files::Descriptor, first: usize, count: usize) {
        let size = count * page_size();
        if count == 0 || sys::system::lock_limit() < size as u64 || !self.lockers.reserve(1) {
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
                && files::lock(base, size)
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

    fn window(&self, address: usize) -> Option<&Window> {
        let windows = self.windows.records();
        let index = windows.partition_point(|window| window.end <= address);
        windows.get(index).filter(|window| window.start <= address)
    }

    /// The record of which frame a page of a window shows.
    fn shown(&self, address: usize) -> Option<&mut u32> {
        let window = self.window(address)?;
        let page = (address - window.start) / page_size();
        // SAFETY: a window has a record for each page, and the table's owner alone
        // reaches it, one at a time.
        Some(unsafe { &mut *window.shows.add(page) })
    }

    /// Makes a window of an area that is none yet. False without memory.
    fn open_window(&mut self, start: usize, end: usize) -> bool {
        if self.window(start).is_some() {
            return true;
        }
        let Some(bytes) = bytes_for(start, end) else {
            return false;
        };
        if !self.windows.reserve(1) {
            return false;
        }
        let shows: *mut u32 = vm::allocate(Use::Metadata, bytes).cast();
        if shows.is_null() {
            return false;
        }
        let windows = self.windows.records();
        let index = windows.partition_point(|window| window.end <= start);
        self.windows.insert(index, Window { start, end, shows });
        true
    }

    /// Forgets the window that begins at an address: its area has ended.
    pub(super) fn close_window(&mut self, start: usize) {
        let windows = self.windows.records();
        let Some(index) = windows.iter().position(|window| window.start == start) else {
            return;
        };
        let Some(window) = windows.get(index).copied() else {
            return;
        };
        self.windows.remove(index, 1);
        for page in 0..(window.end - window.start) / page_size() {
            // SAFETY: a window has a record for each page.
            let shows = unsafe { window.shows.add(page).read() } as usize;
            if let Some(frame) = shows.checked_sub(1).and_then(|number| self.taken(number)) {
                *frame = UNMAPPED;
            }
        }
        let bytes = bytes_for(window.start, window.end).unwrap_or(0);
        // SAFETY: the records are a region of their own, whole, and nobody has them
        // now.
        unsafe { vm::release(Use::Metadata, window.shows.cast(), bytes, bytes) };
    }
}

/// Bytes of a window's records.
fn bytes_for(start: usize, end: usize) -> Option<usize> {
    let pages = (end - start) / page_size();
    vm::round_to_pages(pages.checked_mul(size_of::<u32>())?)
}

/// Takes up to `count` frames and tells `give` the number of each. How many there
/// are: at least one.
pub(crate) fn allocate_frames(
    count: usize,
    mut give: impl FnMut(usize, usize),
) -> Result<usize, Refusal> {
    let page = page_size();
    let bytes = count.checked_mul(page).ok_or(Refusal::NoMemory)?;
    let mut regions = hold();
    let physical = &mut regions.physical;
    physical.be_own();
    let file = physical.file()?;
    if !vm::charge(Use::Program, bytes) {
        return Err(Refusal::CommitLimit);
    }
    if physical.spare < count {
        let more = physical.grow(file, count - physical.spare);
        physical.spare += more;
    }
    let mut given = 0;
    let mut index = physical.first_spare;
    while given < count && physical.spare != 0 {
        let Some(&frame) = physical.frames.records().get(index) else {
            break;
        };
        if frame == FREE {
            if !physical.fill(file, index) {
                break;
            }
            if let Some(frame) = physical.frames.records_mut().get_mut(index) {
                *frame = UNMAPPED;
            }
            give(given, index + FIRST);
            given += 1;
            physical.spare -= 1;
        }
        index += 1;
    }
    physical.first_spare = index;
    vm::credit(Use::Program, (count - given) * page);
    if given == 0 && count != 0 {
        return Err(Refusal::NoMemory);
    }
    Ok(given)
}

/// Gives `count` frames back, from the first on, until one is none of the
/// program's. Windows that show them show nothing there afterwards. How many there
/// were.
pub(crate) fn free_frames(count: usize, number: impl Fn(usize) -> usize) -> usize {
    let page = page_size();
    let mut regions = hold();
    regions.physical.be_own();
    for place in 0..count {
        let number = number(place);
        let Some(&mut Frame(address)) = regions.physical.taken(number) else {
            return place;
        };
        if Frame(address) != UNMAPPED {
            // Without room for the record the page is still mapped, and stays the
            // program's.
            if !regions.runs.room(2) || !regions.show_nothing(address, page) {
                return place;
            }
            regions.show(address, page, None);
        }
        let physical = &mut regions.physical;
        let index = number - FIRST;
        if let Some(file) = physical.file {
            files::punch(file, (index * page) as u64, page as u64);
        }
        if let Some(frame) = physical.frame(number) {
            *frame = FREE;
        }
        physical.spare += 1;
        physical.first_spare = physical.first_spare.min(index);
        vm::credit(Use::Program, page);
    }
    count
}

/// Has windows show frames: at the `nth` address, a page's first, the `nth` frame,
/// or nothing. What was shown there before is not any more. All or nothing.
pub(crate) fn map_frames(
    count: usize,
    address: impl Fn(usize) -> usize,
    frame: impl Fn(usize) -> Option<usize>,
) -> Result<(), Refusal> {
    let page = page_size();
    let mut regions = hold();
    regions.physical.be_own();
    if !regions
        .runs
        .room(count.checked_mul(2).ok_or(Refusal::NoMemory)?)
    {
        return Err(Refusal::NoMemory);
    }
    let mut named = 0;
    let mut checked = Ok(());
    for nth in 0..count {
        checked = regions.check(address(nth), frame(nth), (address(0), count));
        if checked.is_err() {
            break;
        }
        named = nth + 1;
    }
    for nth in 0..named {
        if let Some(shown) = regions.physical.shown(address(nth)) {
            *shown &= !PAGE_NAMED;
        }
        if let Some(frame) = frame(nth).and_then(|number| regions.physical.taken(number)) {
            frame.0 &= !NAMED;
        }
    }
    checked?;

    // Pages in a row that show frames in a row are mapped at once.
    let mut nth = 0;
    while nth < count {
        let mut length = 1;
        while nth + length < count
            && address(nth + length) == address(nth) + length * page
            && match (frame(nth), frame(nth + length)) {
                (Some(first), Some(next)) => next == first + length,
                (first, next) => first == next,
            }
        {
            length += 1;
        }
        let (at, size) = (address(nth), length * page);
        let done = match frame(nth) {
            Some(number) => regions.show_frame(at, size, number),
            None => regions.show_nothing(at, size),
        };
        if !done {
            // The records still say what was there.
            for nth in 0..nth + length {
                let at = address(nth);
                let shown = regions.physical.shown(at).map_or(0, |shown| *shown) as usize;
                match shown.checked_sub(1) {
                    Some(number) => regions.show_frame(at, page, number),
                    None => regions.show_nothing(at, page),
                };
            }
            return Err(Refusal::NoMemory);
        }
        nth += length;
    }
    for nth in 0..count {
        let physical = &mut regions.physical;
        let shown = physical.shown(address(nth)).map(core::mem::take);
        let number = shown.and_then(|shown| (shown as usize).checked_sub(1));
        if let Some(frame) = number.and_then(|number| physical.taken(number)) {
            *frame = UNMAPPED;
        }
    }
    for nth in 0..count {
        regions.show(address(nth), page, frame(nth));
    }
    Ok(())
}

impl Regions {
    /// Whether a page may show a frame in the call under way, whose pages begin at
    /// `all`, and notes that the call has named the frame.
    fn check(
        &mut self,
        address: usize,
        frame: Option<usize>,
        all: (usize, usize),
    ) -> Result<(), Refusal> {
        let page = page_size();
        if !address.is_multiple_of(page) {
            return Err(Refusal::Invalid);
        }
        let (_, area) = self.area_at(address).ok_or(Refusal::Conflict)?;
        if area.kind != Kind::Physical {
            return Err(Refusal::Conflict);
        }
        if !self.physical.open_window(area.start, area.end) {
            return Err(Refusal::NoMemory);
        }
        let Some(shown) = self.physical.shown(address) else {
            return Err(Refusal::Conflict);
        };
        if *shown & PAGE_NAMED != 0 {
            return Err(Refusal::Invalid);
        }
        let Some(number) = frame else {
            *shown |= PAGE_NAMED;
            return Ok(());
        };
        let state = self.physical.taken(number).ok_or(Refusal::Invalid)?;
        let elsewhere = *state != UNMAPPED
            && state.0 != address
            && !(all.0..all.0.saturating_add(all.1 * page)).contains(&state.0);
        if state.0 & NAMED != 0 || elsewhere {
            return Err(Refusal::Invalid);
        }
        state.0 |= NAMED;
        if let Some(shown) = self.physical.shown(address) {
            *shown |= PAGE_NAMED;
        }
        Ok(())
    }

    fn show_frame(&self, address: usize, size: usize, number: usize) -> bool {
        let Some(file) = self.physical.file else {
            return false;
        };
        let offset = ((number - FIRST) * page_size()) as u64;
        let base = pointer(address);
        // SAFETY: the pages are a window's of the program's, which asks for this.
        unsafe { files::map(base, size, file, offset, sys::Protection::ReadWrite, false).is_ok() }
    }

    fn show_nothing(&self, address: usize, size: usize) -> bool {
        // SAFETY: as above; what the pages showed stays in its frame.
        unsafe { sys::decommit(pointer(address), size) }
    }

    /// Records what a page shows. There is room for two more runs.
    fn show(&mut self, address: usize, page: usize, frame: Option<usize>) {
        if let Some(shown) = self.physical.shown(address) {
            *shown = frame.map_or(0, |number| number as u32 + 1);
        }
        if let Some(state) = frame.and_then(|number| self.physical.taken(number)) {
            *state = Frame(address);
        }
        let committed = frame.map(|_| Protect::READ_WRITE);
        self.runs
            .change(address, address + page, |run| run.committed = committed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Request, Whereabouts, find, release, reserve};
    use super::*;
    use std::vec;
    use std::vec::Vec;

    fn window(pages: usize) -> usize {
        let request = Request {
            kind: Kind::Physical,
            ..Request::private(Protect::READ_WRITE)
        };
        let place = reserve(&Whereabouts::default(), pages * page_size(), &request);
        place.expect("address space").0
    }

    fn frames(count: usize) -> Vec<usize> {
        let mut numbers = vec![0; count];
        assert_eq!(
            allocate_frames(count, |nth, number| numbers[nth] = number),
            Ok(count)
        );
        numbers
    }

    #[test]
    fn a_window_shows_one_frame_and_then_another() {
        let page = page_size();
        let base = window(4);
        let own = frames(6);
        let map = |pages: &[usize]| {
            map_frames(pages.len(), |nth| base + nth * page, |nth| Some(pages[nth]))
        };
        let byte = |nth: usize| pointer(base + nth * page);
        map(&own[0..4]).expect("mapped");
        for nth in 0..4 {
            // SAFETY: the window shows four frames.
            unsafe { byte(nth).write(nth as u8 + 1) };
        }
        map(&own[4..6]).expect("mapped");
        // SAFETY: the window shows the frames.
        unsafe {
            assert_eq!((byte(0).read(), byte(1).read()), (0, 0), "fresh frames");
            assert_eq!((byte(2).read(), byte(3).read()), (3, 4), "the others stay");
            byte(0).write(5);
        }
        map(&own[0..1]).expect("mapped");
        // SAFETY: as above.
        unsafe { assert_eq!(byte(0).read(), 1, "what it held") };
        // Within one call pages may change places.
        map(&[own[0], own[5], own[3], own[2]]).expect("mapped");
        // SAFETY: as above.
        unsafe { assert_eq!((byte(2).read(), byte(3).read()), (4, 3)) };
        assert_eq!(map(&own[3..4]), Err(Refusal::Invalid), "mapped elsewhere");
        assert_eq!(map(&[own[1], own[1]]), Err(Refusal::Invalid), "named twice");
        assert_eq!(map(&[own[1], 7]), Err(Refusal::Invalid), "no frame");
        // SAFETY: as above.
        unsafe { assert_eq!(byte(0).read(), 1, "nothing changed") };
        let told = find(base).expect("a window");
        assert_eq!(told.committed, Some(Protect::READ_WRITE));
        map_frames(1, |_| base + page, |_| None).expect("unmapped");
        assert_eq!(find(base + page).expect("a window").committed, None);

        assert_eq!(free_frames(6, |nth| own[nth]), 6);
        assert_eq!(
            find(base).expect("a window").committed,
            None,
            "shows nothing"
        );
        assert_eq!(free_frames(1, |_| own[0]), 0, "twice");
        let again = frames(6);
        map_frames(6, |_| base, |_| None).expect_err("a page named twice is none");
        // SAFETY: the window is this test's.
        unsafe { release(base) }.expect("released");
        assert_eq!(free_frames(6, |nth| again[nth]), 6);
    }

    #[test]
    fn frames_are_charged_and_their_memory_goes_back() {
        let own = frames(256);
        let base = window(256);
        let page = page_size();
        map_frames(256, |nth| base + nth * page, |nth| Some(own[nth])).expect("mapped");
        // SAFETY: the window shows the frames.
        unsafe { pointer(base).write_bytes(1, 256 * page) };
        // SAFETY: the window is this test's.
        unsafe { release(base) }.expect("released");
        let base = window(256);
        map_frames(256, |nth| base + nth * page, |nth| Some(own[nth])).expect("mapped again");
        // SAFETY: the window shows the frames.
        unsafe { assert_eq!(pointer(base + 255 * page).read(), 1) };
        assert_eq!(free_frames(256, |nth| own[nth]), 256);
        // SAFETY: the window is this test's.
        unsafe { release(base) }.expect("released");
    }
}
