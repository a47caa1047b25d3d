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
//! - A forked child has none of its parent's frames, nor are they charged to it: the
//!   two would share their memory without knowing. What windows show in the child is
//!   the parent's still, until something else is mapped there.
//! - Numbers and addresses come in memory of this layer's caller, which nobody else
//!   changes meanwhile and which can be read: they are looked at while the lock is held.

mod frames;
mod show;

use super::{Refusal, Use, pointer};
use crate::sys::{self, files};
use crate::vm::table::Table;
use crate::vm::{self, page_size};
use core::ptr;
pub(crate) use frames::{allocate_frames, free_frames};
pub(crate) use show::map_frames;

/// The number of the first frame: none has the number 0.
const FIRST: usize = 0x100;

/// Where a frame is mapped, or one of the values below.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Frame(usize);

/// Nobody's, without memory.
const FREE: Frame = Frame(0);
/// The program's, and shown nowhere.
const UNMAPPED: Frame = Frame(1);
/// Nobody's, with memory that reads zero.
const FILLED: Frame = Frame(2);
/// Set in a frame that the call under way has named: no address has that bit.
const NAMED: usize = 1 << (usize::BITS - 1);
/// The same in the record of a page.
const PAGE_NAMED: u32 = 1 << 31;

impl Frame {
    /// Whether it is the program's.
    fn is_taken(self) -> bool {
        !matches!(self, FREE | FILLED)
    }
}

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

    /// In the child of a fork: forgets what was the parent's, whatever its number.
    pub(super) fn be_child(&mut self) {
        self.owner = 0;
        self.be_own();
    }

    /// Forgets what was a parent's.
    pub(super) fn be_own(&mut self) {
        let own = sys::process_id();
        if self.owner == own {
            return;
        }
        self.owner = own;
        let Some(file) = self.file.take() else {
            return;
        };
        files::close(file);
        let taken = self
            .frames
            .records()
            .iter()
            .filter(|frame| frame.is_taken());
        vm::credit(Use::Program, taken.count() * page_size());
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
        self.frame(number).filter(|frame| frame.is_taken())
    }

    fn window(&self, address: usize) -> Option<&Window> {
        let windows = self.windows.records();
        let index = windows.partition_point(|window| window.end <= address);
        windows.get(index).filter(|window| window.start <= address)
    }

    /// The record of which frame a page of a window shows.
    fn shown(&mut self, address: usize) -> Option<&mut u32> {
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
        unsafe { vm::give_back(Use::Metadata, window.shows.cast(), bytes, bytes) };
    }
}

/// Bytes of a window's records.
fn bytes_for(start: usize, end: usize) -> Option<usize> {
    let pages = (end - start) / page_size();
    vm::round_to_pages(pages.checked_mul(size_of::<u32>())?)
}

#[cfg(test)]
mod tests;
