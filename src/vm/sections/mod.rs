//! Sections: memory, or a file's contents, that views show at any address, in
//! several places and processes at once.
//!
//! ```text
//!   handle --+                        +-- view --> pages of this process
//!   handle --+--> section --> data <--+-- view
//!                 |   \       (file, or memory that is mapped like one)
//!                 |    control: what all holders know together (control.rs)
//!                 name: a socket's address, as long as a handle is open
//! ```
//!
//! A section is known by its number in this process. Handles and views count:
//! with the last handle the name goes, with the last of both the section.
//!
//! Invariants:
//! - A named section has a control, and the name is published last, when
//!   everything else is as it stays (names.rs).
//! - A section whose pages are committed one by one (SEC_RESERVE) has a control
//!   with a bit for each page, which all processes see at once.
//! - Data and control stay open as long as the section: another process that
//!   found the name reaches them through this process's descriptors.
//!
//! Two locks. Whoever looks a name up, or makes one, holds `names::LOOKUP`, and
//! under it the lock of the name that all processes share. The list of sections
//! has a lock that is held for moments, under which nothing else is waited for.

pub(crate) mod control;
mod names;
pub(crate) mod views;

use super::table::Table;
use super::{Use, charge, credit};
use crate::sync::Mutex;
use crate::sync::forks::{self, AtFork, Layer};
use crate::sys::files::{self, Descriptor, Errno};
use control::{Control, Description};

pub(crate) use control::{LONGEST_NAME, first_view, note_charged};
#[cfg(test)]
pub(crate) use control::{end_own, new_own};

/// SEC_RESERVE: pages are committed one by one.
pub(crate) const RESERVED: u32 = 0x400_0000;
/// SEC_LARGE_PAGES: memory of large pages.
pub(crate) const LARGE_PAGES: u32 = 0x8000_0000;

/// What a section is to be.
pub(crate) struct Request<'a> {
    /// Its name; empty for none.
    pub(crate) name: &'a [u16],
    /// The file whose contents it shows, which is duplicated; memory otherwise.
    pub(crate) file: Option<Descriptor>,
    /// Bytes. A file that is shorter is made longer, if it may be written to.
    pub(crate) size: u64,
    /// The protection, by Windows' number.
    pub(crate) protect: u32,
    /// `SEC_…`.
    pub(crate) attributes: u32,
    /// Whether views may write to the data.
    pub(crate) writes: bool,
}

/// Why there is no section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There is none of that name.
    NotFound,
    /// The system has no memory.
    NoMemory,
    /// The system has too few large pages.
    NoLargePages,
    /// The limit of committed bytes is reached.
    CommitLimit,
    /// The system refused.
    System(Errno),
}

impl From<Errno> for Failure {
    fn from(error: Errno) -> Failure {
        match error {
            Errno(libc::ENOMEM) => Failure::NoMemory,
            other => Failure::System(other),
        }
    }
}

/// A section, as its users see it.
#[derive(Clone, Copy)]
pub(crate) struct Section {
    /// What is mapped.
    pub(crate) data: Descriptor,
    /// Whether that is a file's contents.
    pub(crate) is_file: bool,
    /// Bytes.
    pub(crate) size: u64,
    /// The protection it was made with, by Windows' number.
    pub(crate) protect: u32,
    /// `SEC_…`.
    pub(crate) attributes: u32,
    /// Where the bits of the pages are that are committed one by one, and
    /// where views note what was charged for them; 0 where they all are.
    pub(crate) commits: usize,
    pub(crate) charges: usize,
}

#[derive(Clone, Copy)]
struct Record {
    section: Section,
    control: Option<Control>,
    /// The socket that holds the name.
    holder: Option<Descriptor>,
    charged: usize,
    handles: usize,
    views: usize,
}

#[derive(Clone, Copy)]
enum Slot {
    Taken(Record),
    /// The next free one plus 1, or 0.
    Free(u32),
}

struct Sections {
    slots: Table<Slot>,
    /// The first free one plus 1, or 0.
    free: u32,
}

static SECTIONS: Mutex<Sections> = Mutex::new(Sections {
    slots: Table::new(),
    free: 0,
});

impl Sections {
    /// Makes room, so that adding one more cannot fail.
    fn room(&mut self) -> bool {
        self.free != 0 || self.slots.reserve(1)
    }

    /// Adds a record, for which there is room. Its number, not 0.
    fn add(&mut self, record: Record) -> usize {
        let index = match (self.free as usize).checked_sub(1) {
            Some(index) => index,
            None => self.slots.records().len(),
        };
        match self.slots.records_mut().get_mut(index) {
            Some(slot) => {
                if let Slot::Free(next) = *slot {
                    self.free = next;
                }
                *slot = Slot::Taken(record);
            }
            None => {
                self.slots.insert(index, Slot::Taken(record));
            }
        }
        index + 1
    }

    fn get_mut(&mut self, number: usize) -> Option<&mut Record> {
        match self.slots.records_mut().get_mut(number.checked_sub(1)?) {
            Some(Slot::Taken(record)) => Some(record),
            _ => None,
        }
    }

    /// The number of the section that has a name.
    fn named(&self, name: &[u16]) -> Option<usize> {
        let slots = self.slots.records().iter();
        let found = slots.enumerate().find(|(_, slot)| match slot {
            Slot::Taken(record) if record.holder.is_some() => {
                record.control.is_some_and(|control| control.is_named(name))
            }
            _ => false,
        });
        found.map(|(index, _)| index + 1)
    }

    /// Takes a record out of which nothing is left; what to end with it.
    fn take_if_unused(&mut self, number: usize) -> Option<Record> {
        let record = *self.get_mut(number)?;
        if record.handles != 0 || record.views != 0 {
            return None;
        }
        let index = number - 1;
        if let Some(slot) = self.slots.records_mut().get_mut(index) {
            *slot = Slot::Free(self.free);
            self.free = number as u32;
        }
        Some(record)
    }
}

impl Record {
    /// Ends what only this record led to.
    fn end(self) {
        if self.section.charges != 0 {
            // SAFETY: the record is out of the list and had no views.
            unsafe { control::end_own(self.section.charges) };
        }
        if let Some(control) = self.control {
            control.drop_it();
        }
        files::close(self.section.data);
        credit(Use::Program, self.charged);
    }
}

/// Registers the fork handlers. The system may allocate for that, so no lock
/// is held.
fn start() {
    static FORK: AtFork = AtFork {
        child,
        ..AtFork::locks(&[&names::LOOKUP, SECTIONS.raw()])
    };
    forks::hold(Layer::Sections, &FORK);
}

fn child() {
    for slot in SECTIONS.lock().slots.records_mut() {
        if let Slot::Taken(record) = slot {
            names::hold_in_child(record);
        }
    }
}

/// The bytes of a section of memory: whole pages; `None` for more than there are addresses.
pub(crate) fn memory_size(size: u64) -> Option<u64> {
    let size = super::round_to_pages(usize::try_from(size).ok()?)?;
    isize::try_from(size).is_ok().then_some(size as u64)
}

/// Why a file is none that a section of a size can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It is empty, and no size is asked for.
    Empty,
    /// It is shorter than that, and must not be written to.
    TooShort,
}

/// The bytes of a section of a file that has `length` of them: `size`, or all for 0.
pub(crate) fn file_size(length: u64, size: u64, writes: bool) -> Result<u64, Unfit> {
    match (size, length) {
        (0, 0) => Err(Unfit::Empty),
        (0, _) => Ok(length),
        _ if size > length && !writes => Err(Unfit::TooShort),
        _ => Ok(size),
    }
}

/// Makes a section, or opens the one that has the name already. Its number,
/// with a handle counted, and whether it existed.
pub(crate) fn create(request: &Request<'_>) -> Result<(usize, bool), Failure> {
    start();
    if request.name.is_empty() {
        let record = make(request)?;
        return Ok((enter(record)?, false));
    }
    names::with_lock(request.name, |key| {
        match names::find(key, request.name) {
            Err(Failure::NotFound) => {}
            found => return Ok((found?, true)),
        }
        let mut record = make(request)?;
        match names::publish(key, &record) {
            Ok(holder) => record.holder = Some(holder),
            Err(error) => {
                record.end();
                return Err(error.into());
            }
        }
        Ok((enter(record)?, false))
    })
}

/// Opens the section of a name. Its number, with a handle counted.
pub(crate) fn open(name: &[u16]) -> Result<usize, Failure> {
    start();
    names::with_lock(name, |key| names::find(key, name))
}

/// Enters a record into the list, with one handle.
fn enter(record: Record) -> Result<usize, Failure> {
    let mut sections = SECTIONS.lock();
    if !sections.room() {
        drop(sections);
        if let Some(holder) = record.holder {
            files::close(holder);
        }
        record.end();
        return Err(Failure::NoMemory);
    }
    Ok(sections.add(record))
}

/// Makes all of a section but its name.
fn make(request: &Request<'_>) -> Result<Record, Failure> {
    let is_sparse = request.file.is_none() && request.attributes & RESERVED != 0;
    let charged = if request.file.is_some() || is_sparse {
        0
    } else {
        usize::try_from(request.size).map_err(|_| Failure::NoMemory)?
    };
    if !charge(Use::Program, charged) {
        return Err(Failure::CommitLimit);
    }
    let data = match request.file {
        Some(file) => files::duplicate(file),
        None if request.attributes & LARGE_PAGES != 0 => files::anonymous_large(request.size),
        None => files::anonymous(request.size),
    };
    let data = data.map_err(|error| {
        credit(Use::Program, charged);
        match error {
            Errno(libc::EMFILE | libc::ENFILE) => error.into(),
            _ if request.attributes & LARGE_PAGES != 0 => Failure::NoLargePages,
            other => other.into(),
        }
    })?;
    let mut record = Record {
        section: Section {
            data,
            is_file: request.file.is_some(),
            size: request.size,
            protect: request.protect,
            attributes: request.attributes,
            commits: 0,
            charges: 0,
        },
        control: None,
        holder: None,
        charged,
        handles: 1,
        views: 0,
    };
    if is_sparse || !request.name.is_empty() {
        let control = describe(request, data).and_then(|said| Ok(Control::make(&said, is_sparse)?));
        match control {
            Ok(control) => record.control = Some(control),
            Err(failure) => {
                record.end();
                return Err(failure);
            }
        }
    }
    if is_sparse {
        record.commit_by_page()?;
    }
    // Last, and only for a section that is made: where the name leads to another, the
    // file stays as it is.
    if let Err(error) = lengthen(request) {
        record.end();
        return Err(error.into());
    }
    Ok(record)
}

/// Makes a file as long as its section.
fn lengthen(request: &Request<'_>) -> Result<(), Errno> {
    match request.file {
        Some(file) if request.writes && files::status(file)?.size < request.size => {
            files::set_size(file, request.size)
        }
        _ => Ok(()),
    }
}

impl Record {
    /// Has the pages be committed one by one; without memory the record ends.
    fn commit_by_page(&mut self) -> Result<(), Failure> {
        self.section.commits = self.control.map_or(0, |control| control.bits());
        self.section.charges = control::new_own();
        if self.section.charges == 0 {
            self.end();
            return Err(Failure::NoMemory);
        }
        Ok(())
    }
}

fn describe(request: &Request<'_>, data: Descriptor) -> Result<Description, Failure> {
    let mut said = Description::new(request.name).ok_or(Errno(libc::ENAMETOOLONG))?;
    said.size = request.size;
    said.data = files::status(data)?.identity;
    said.protect = request.protect;
    said.attributes = request.attributes;
    said.is_file = u32::from(request.file.is_some());
    said.writes = u32::from(request.writes);
    Ok(said)
}

/// What a section is that a handle or view holds.
pub(crate) fn get(number: usize) -> Option<Section> {
    let mut sections = SECTIONS.lock();
    sections.get_mut(number).map(|record| record.section)
}

/// Counts one handle less; with the last one the name goes.
pub(crate) fn drop_handle(number: usize) {
    let mut sections = SECTIONS.lock();
    let Some(record) = sections.get_mut(number) else {
        return;
    };
    record.handles = record.handles.saturating_sub(1);
    let holder = if record.handles == 0 {
        record.holder.take()
    } else {
        None
    };
    let unused = sections.take_if_unused(number);
    drop(sections);
    // The name first: until it is gone, others may come for the rest.
    if let Some(holder) = holder {
        files::close(holder);
    }
    if let Some(record) = unused {
        record.end();
    }
}

/// Counts a view that is about to be made. The section, if a handle or view
/// holds it.
pub(crate) fn add_view(number: usize) -> Option<Section> {
    let mut sections = SECTIONS.lock();
    let record = sections.get_mut(number)?;
    record.views += 1;
    Some(record.section)
}

/// Counts a view less.
pub(crate) fn drop_view(number: usize) {
    let mut sections = SECTIONS.lock();
    let Some(record) = sections.get_mut(number) else {
        return;
    };
    record.views = record.views.saturating_sub(1);
    let unused = sections.take_if_unused(number);
    drop(sections);
    if let Some(record) = unused {
        record.end();
    }
}

#[cfg(test)]
mod tests;
