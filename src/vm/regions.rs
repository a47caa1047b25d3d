//! The program's own regions: what `VirtualAlloc` reserves for it.
//!
//! A reservation is recorded as *runs*: pages in a row of one state and one
//! right of access. Runs lie in one list, ordered by address, beside the
//! memory and never in it:
//!
//! ```text
//!   reservation at A, 5 pages             reservation at B
//!   | reserved | read-write    | reserved || read-only ...
//!   run A..A+1   run A+1..A+3    run ..A+5   run B..
//! ```
//!
//! Invariants:
//! - Runs do not overlap; those of one reservation follow each other without a
//!   gap; two neighbours of one reservation differ.
//! - Reservations begin at multiples of 64 KiB, and no two have pages in the
//!   same 64 KiB.
//! - What a function refuses it has not changed, in the records, in the
//!   account, or in the pages' contents.
//!
//! One lock around everything, the system's calls included: two threads that
//! commit pages of one reservation must not undo each other. It comes after every
//! lock of the layers above (a heap in its maker's memory commits pages here
//! while it is locked), and is held across a fork.

use super::table::Table;
use super::{GRANULARITY, Use};
use crate::sync::{Lock, Mutex, Once};
use crate::sys::{self, Protection};
use core::sync::atomic::{AtomicBool, Ordering};

/// A right of access, as `VirtualAlloc` numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Access {
    None = 0x1,
    Read = 0x2,
    ReadWrite = 0x4,
    Execute = 0x10,
    ExecuteRead = 0x20,
    ExecuteReadWrite = 0x40,
}

impl Access {
    /// The right of this number; `None` for a number that is not one of them.
    pub(crate) const fn from_number(number: u32) -> Option<Access> {
        match number {
            0x1 => Some(Access::None),
            0x2 => Some(Access::Read),
            0x4 => Some(Access::ReadWrite),
            0x10 => Some(Access::Execute),
            0x20 => Some(Access::ExecuteRead),
            0x40 => Some(Access::ExecuteReadWrite),
            _ => None,
        }
    }

    const fn protection(self) -> Protection {
        match self {
            Access::None => Protection::None,
            Access::Read => Protection::Read,
            Access::ReadWrite => Protection::ReadWrite,
            Access::Execute => Protection::Execute,
            Access::ExecuteRead => Protection::ReadExecute,
            Access::ExecuteReadWrite => Protection::ReadWriteExecute,
        }
    }
}

/// Pages in a row that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first byte.
    pub(crate) start: usize,
    /// The byte after the last.
    pub(crate) end: usize,
    /// Where the reservation begins.
    pub(crate) reservation: usize,
    /// The right that the reservation was made with.
    pub(crate) initial: Access,
    /// The pages' right; `None` where they are only reserved.
    pub(crate) committed: Option<Access>,
}

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// An argument has no meaning.
    Invalid,
    /// The addresses are not free, or not in one reservation, or not where one
    /// begins.
    Address,
    /// More is named than the reservation has.
    PastTheEnd,
    /// The system has no memory or no address space.
    NoMemory,
    /// The limit of committed bytes is reached.
    CommitLimit,
}

struct Regions {
    runs: Table<Run>,
}

static REGIONS: Mutex<Regions> = Mutex::new(Regions { runs: Table::new() });

/// Whether a layer above holds the lock across forks, with its own locks in
/// their order.
static HELD_ABOVE: AtomicBool = AtomicBool::new(false);
/// Whether the handlers here hold it, in the fork that is under way.
static HELD_HERE: AtomicBool = AtomicBool::new(false);

/// The lock, for a layer above that holds it across forks, after its own.
pub(crate) fn lock() -> &'static Lock {
    REGIONS.raw()
}

/// Says that a layer above holds the lock across forks from now on.
pub(crate) fn is_held_above() {
    HELD_ABOVE.store(true, Ordering::Relaxed);
}

/// Registers the fork handlers. The system may allocate for that, so no lock
/// is held.
fn start() {
    static STARTED: Once = Once::new();
    if !STARTED.is_ready() && STARTED.begin() {
        STARTED.end(sys::at_fork(prepare, parent, child));
    }
}

unsafe extern "C" fn prepare() {
    if !HELD_ABOVE.load(Ordering::Relaxed) {
        REGIONS.raw().acquire();
        HELD_HERE.store(true, Ordering::Relaxed);
    }
}

unsafe extern "C" fn parent() {
    if HELD_HERE.swap(false, Ordering::Relaxed) {
        REGIONS.raw().release();
    }
}

unsafe extern "C" fn child() {
    if HELD_HERE.swap(false, Ordering::Relaxed) {
        REGIONS.raw().reset();
    }
}

/// Reserves `size` bytes, and commits them if `commit`: at `address`, rounded
/// down to 64 KiB, or wherever there is room if it is 0. The address of the
/// first byte, a multiple of 64 KiB.
pub(crate) fn reserve(
    address: usize,
    size: usize,
    access: Access,
    commit: bool,
) -> Result<usize, Refusal> {
    start();
    let start = address & !(GRANULARITY - 1);
    let end = end_of(address, size)?;
    let size = end - start;
    let mut regions = REGIONS.lock();
    if !regions.runs.reserve(1) {
        return Err(Refusal::NoMemory);
    }
    let base = if address == 0 {
        let base = super::reserve(Use::Program, size, GRANULARITY);
        if base.is_null() {
            return Err(Refusal::NoMemory);
        }
        base
    } else {
        if start == 0 || regions.touches_units(start, end) {
            return Err(Refusal::Address);
        }
        let base = core::ptr::with_exposed_provenance_mut::<u8>(start);
        if !super::reserve_at(Use::Program, base, size) {
            return Err(Refusal::Address);
        }
        base
    };
    if commit {
        // SAFETY: the range was reserved just above, nothing of it is
        // committed, and nobody else knows it.
        let done = unsafe { super::commit_as(Use::Program, base, size, size, access.protection()) };
        if let Err(limit) = done {
            // SAFETY: as above, and nothing of it was committed.
            unsafe { super::release(Use::Program, base, size, 0) };
            return Err(refusal_of(limit));
        }
    }
    let base = base.expose_provenance();
    let index = regions.index_of(base);
    regions.runs.insert(
        index,
        Run {
            start: base,
            end: base + size,
            reservation: base,
            initial: access,
            committed: commit.then_some(access),
        },
    );
    Ok(base)
}

/// Commits the pages that `[address, address + size)` touches, all of one
/// reservation, or changes the right of those that are committed already. What
/// they hold stays. The address of the first page.
pub(crate) fn commit(address: usize, size: usize, access: Access) -> Result<usize, Refusal> {
    start();
    let start = address & !(super::page_size() - 1);
    let end = end_of(address, size)?;
    let mut regions = REGIONS.lock();
    let span = regions.span(start, end).ok_or(Refusal::Address)?;
    let fresh = regions.bytes(span, start, end, |run| run.committed.is_none());
    if !regions.runs.reserve(2) {
        return Err(Refusal::NoMemory);
    }
    let base = core::ptr::with_exposed_provenance_mut::<u8>(start);
    // SAFETY: the range lies in one reservation of the program's, which asks
    // for this; `fresh` of its bytes are not committed.
    let done =
        unsafe { super::commit_as(Use::Program, base, end - start, fresh, access.protection()) };
    if let Err(limit) = done {
        regions.restore(span, start, end);
        return Err(refusal_of(limit));
    }
    regions.set(span, start, end, Some(access));
    Ok(start)
}

/// Makes the pages that `[address, address + size)` touches reserved again,
/// whatever they were, and drops what they hold. A size of 0 names the whole
/// reservation that begins at `address`.
///
/// # Safety
/// Nobody uses the pages any more.
pub(crate) unsafe fn decommit(address: usize, size: usize) -> Result<(), Refusal> {
    start();
    let start = address & !(super::page_size() - 1);
    let mut regions = REGIONS.lock();
    let first = regions.find(start).ok_or(Refusal::Address)?;
    let (reservation, whole_end) = regions.reservation(first);
    let end = if size == 0 {
        if start != reservation {
            return Err(Refusal::Address);
        }
        whole_end
    } else {
        end_of(address, size)?
    };
    if end > whole_end {
        return Err(Refusal::PastTheEnd);
    }
    let span = regions.span(start, end).ok_or(Refusal::Address)?;
    let committed = regions.bytes(span, start, end, |run| run.committed.is_some());
    if committed == 0 {
        return Ok(());
    }
    if !regions.runs.reserve(2) {
        return Err(Refusal::NoMemory);
    }
    let base = core::ptr::with_exposed_provenance_mut::<u8>(start);
    // SAFETY: the range lies in one reservation of the program's, which is done
    // with it; `committed` of its bytes are committed.
    if !unsafe { super::decommit_part(Use::Program, base, end - start, committed) } {
        return Err(Refusal::NoMemory);
    }
    regions.set(span, start, end, None);
    Ok(())
}

/// Ends the reservation that begins at the page of `address`.
///
/// # Safety
/// Nobody uses it any more.
pub(crate) unsafe fn release(address: usize) -> Result<(), Refusal> {
    start();
    let start = address & !(super::page_size() - 1);
    let mut regions = REGIONS.lock();
    let first = regions.find(start).ok_or(Refusal::Address)?;
    let (reservation, end) = regions.reservation(first);
    if reservation != start {
        return Err(Refusal::Address);
    }
    let span = regions.span(start, end).ok_or(Refusal::Address)?;
    let committed = regions.bytes(span, start, end, |run| run.committed.is_some());
    let base = core::ptr::with_exposed_provenance_mut::<u8>(start);
    // SAFETY: the whole reservation is the program's, which is done with it.
    if !unsafe { super::release(Use::Program, base, end - start, committed) } {
        return Err(Refusal::NoMemory);
    }
    regions.runs.remove(span.0, span.1 - span.0);
    Ok(())
}

/// The run that `address` lies in; `None` where the program has reserved
/// nothing.
pub(crate) fn find(address: usize) -> Option<Run> {
    start();
    let regions = REGIONS.lock();
    let index = regions.find(address)?;
    regions.runs.records().get(index).copied()
}

/// The end of the last page that `[address, address + size)` touches.
fn end_of(address: usize, size: usize) -> Result<usize, Refusal> {
    let end = address.checked_add(size).ok_or(Refusal::Invalid)?;
    match super::round_to_pages(end) {
        Some(end) if size != 0 && isize::try_from(end).is_ok() => Ok(end),
        _ => Err(Refusal::Invalid),
    }
}

fn refusal_of(limit: super::Limit) -> Refusal {
    match limit {
        super::Limit::Commit => Refusal::CommitLimit,
        super::Limit::System => Refusal::NoMemory,
    }
}

impl Regions {
    /// The place of the first run that ends after `address`.
    fn index_of(&self, address: usize) -> usize {
        self.runs
            .records()
            .partition_point(|run| run.end <= address)
    }

    /// The place of the run that holds `address`.
    fn find(&self, address: usize) -> Option<usize> {
        let index = self.index_of(address);
        let run = self.runs.records().get(index)?;
        (run.start <= address).then_some(index)
    }

    /// Whether any run has pages in the 64 KiB units of `[start, end)`.
    fn touches_units(&self, start: usize, end: usize) -> bool {
        let end = end.saturating_add(GRANULARITY - 1) & !(GRANULARITY - 1);
        let runs = self.runs.records();
        // The runs before end before `start`, in units before it: reservations
        // begin at units, so only the last of them can reach into this one.
        let index = runs.partition_point(|run| round_up_to_unit(run.end) <= start);
        runs.get(index).is_some_and(|run| run.start < end)
    }

    /// Where the reservation of the run at `index` begins and ends.
    fn reservation(&self, index: usize) -> (usize, usize) {
        let runs = self.runs.records();
        let Some(run) = runs.get(index) else {
            return (0, 0);
        };
        let own = runs
            .get(index..)
            .unwrap_or_default()
            .iter()
            .take_while(|other| other.reservation == run.reservation);
        (run.reservation, own.last().map_or(run.end, |last| last.end))
    }

    /// The places of the runs that `[start, end)` touches, first and one past
    /// the last, if they cover it and are of one reservation.
    fn span(&self, start: usize, end: usize) -> Option<(usize, usize)> {
        let runs = self.runs.records();
        let first = self.find(start)?;
        let reservation = runs.get(first)?.reservation;
        let mut last = first;
        loop {
            let run = runs.get(last)?;
            if run.reservation != reservation {
                return None;
            }
            last += 1;
            if run.end >= end {
                return Some((first, last));
            }
        }
    }

    fn span_runs(&self, span: (usize, usize)) -> &[Run] {
        self.runs.records().get(span.0..span.1).unwrap_or_default()
    }

    /// Bytes of `[start, end)` in those of the span's runs that `counts` takes.
    fn bytes(
        &self,
        span: (usize, usize),
        start: usize,
        end: usize,
        counts: impl Fn(&Run) -> bool,
    ) -> usize {
        self.span_runs(span)
            .iter()
            .filter(|run| counts(run))
            .map(|run| run.end.min(end) - run.start.max(start))
            .sum()
    }

    /// Gives the pages of `[start, end)` the rights again that the records
    /// say, after the system changed some of them and then refused. As far as
    /// it lets us.
    fn restore(&self, span: (usize, usize), start: usize, end: usize) {
        for run in self.span_runs(span) {
            let (from, to) = (run.start.max(start), run.end.min(end));
            let base = core::ptr::with_exposed_provenance_mut::<u8>(from);
            let right = run.committed.map_or(Protection::None, Access::protection);
            // SAFETY: the range lies in a reservation of the program's and
            // gets the rights it had a moment ago.
            unsafe { sys::protect(base, to - from, right) };
        }
    }

    /// Records the state of `[start, end)`, which the span's runs cover. There
    /// is room for two more records.
    fn set(&mut self, span: (usize, usize), start: usize, end: usize, committed: Option<Access>) {
        let runs = self.span_runs(span);
        let (Some(&head), Some(&tail)) = (runs.first(), runs.last()) else {
            return;
        };
        let mut at = span.0;
        self.runs.remove(span.0, span.1 - span.0);
        let pieces = [
            Run { end: start, ..head },
            Run {
                start,
                end,
                committed,
                ..head
            },
            Run { start: end, ..tail },
        ];
        for piece in pieces {
            if piece.start < piece.end {
                self.runs.insert(at, piece);
                at += 1;
            }
        }
        // From behind, so that what is still to be looked at keeps its place.
        for index in (span.0..=at).rev() {
            self.join_with_the_one_before(index);
        }
    }

    /// Makes one run of two neighbours that are alike.
    fn join_with_the_one_before(&mut self, index: usize) {
        let runs = self.runs.records_mut();
        let Some(before) = index.checked_sub(1) else {
            return;
        };
        let (Some(&first), Some(&second)) = (runs.get(before), runs.get(index)) else {
            return;
        };
        if first.reservation == second.reservation && first.committed == second.committed {
            if let Some(run) = runs.get_mut(before) {
                run.end = second.end;
            }
            self.runs.remove(index, 1);
        }
    }
}

fn round_up_to_unit(address: usize) -> usize {
    address.saturating_add(GRANULARITY - 1) & !(GRANULARITY - 1)
}

#[cfg(test)]
mod tests;
