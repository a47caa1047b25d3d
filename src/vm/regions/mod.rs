//! The program's own regions: what `VirtualAlloc` reserves for it, and the
//! address space of views.
//!
//! ```text
//!   area at A, 5 pages                    area at B
//!   | reserved | read-write    | reserved || read-only ...
//!   run A..A+1   run A+1..A+3    run ..A+5   run B..
//! ```
//!
//! An *area* is a reservation: private pages, a section's view, a placeholder
//! (address space that is kept for one of these) or a window for physical pages.
//! *Runs* are pages in a row of one area that are alike: one state, one
//! protection. Both lie beside the memory and never in it, in pages of their
//! own (`runs`, `area`); finding what an address is in takes a time that grows
//! with the logarithm of the number of runs.
//!
//! Invariants:
//! - Runs do not overlap; those of one area follow each other without a gap and
//!   cover it; two neighbours of one area differ.
//! - Areas begin at multiples of 64 KiB, unless they are what is left of one, or
//!   replace a placeholder that was split. Address space is given out in whole
//!   64 KiB: what is left of the last 64 KiB of an area stays free.
//! - What a function refuses it has not changed, in the records, in the account,
//!   or in the pages' contents. So room for records is made before the system is
//!   asked, and taken after.
//!
//! One lock around everything, the system's calls included: two threads that
//! commit pages of one area must not undo each other. It comes after every lock
//! of the layers above (a heap in its maker's memory commits pages here while it
//! is locked), and is held across a fork. Once the fault handler is in use,
//! signals wait while a thread holds the lock: a handler that touches a guard
//! page finds it free. A stack that grows has grown before as far as is needed.

mod area;
mod ballast;
mod change;
mod contents;
mod on_write;
mod physical;
mod placeholder;
mod protect;
mod release;
mod reserve;
mod runs;
mod shared;
mod touch;
mod views;
mod watch;

use super::{GRANULARITY, Use};
use crate::sync::forks::{self, AtFork, Layer};
use crate::sync::{Guard, Mutex};
use crate::sys;
pub(crate) use crate::sys::Whereabouts;
pub(crate) use area::{Area, Kind, Touch, View};
use area::{AreaId, Areas};
pub(crate) use change::{commit, decommit, protect};
pub(crate) use contents::{
    Locked, discard, keep, lock_pages, offer, reclaim, reset, reset_undo, unlock_pages,
};
use core::sync::atomic::{AtomicBool, Ordering};
use physical::Physical;
pub(crate) use physical::{allocate_frames, free_frames, map_frames};
pub(crate) use placeholder::{coalesce, split_placeholder};
pub(crate) use protect::Protect;
pub(crate) use release::{abandon, release, release_part};
pub(crate) use reserve::{Request, reserve};
use runs::{Run, Runs};
pub(crate) use touch::{Access, Touched, set_guard, touched};
pub(crate) use views::{abandon_view, drop_view, insert_view, view_at};
pub(crate) use watch::{Unwatched, forget_written, tell_written};

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// An argument has no meaning.
    Invalid,
    /// A protection is none that these pages can have.
    Protection,
    /// The addresses are not free, or not in one area, or of the wrong kind.
    Conflict,
    /// Nothing is reserved there.
    NotAllocated,
    /// Pages are not committed.
    NotCommitted,
    /// No area begins there.
    NotAtBase,
    /// More is named than the area has.
    PastTheEnd,
    /// The pages are a view's, which has them whole.
    IsView,
    /// The pages are committed already, and for good.
    IsCommitted,
    /// The system has no memory or no address space.
    NoMemory,
    /// The system has no large pages.
    NoLargePages,
    /// The limit of committed bytes is reached.
    CommitLimit,
    /// The system cannot do it.
    Unsupported,
}

/// What is known of an address, and of the pages behind it that are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// Where the pages begin that are alike.
    pub(crate) start: usize,
    /// The byte after the last of them.
    pub(crate) end: usize,
    /// The pages' protection; `None` where they are only reserved.
    pub(crate) committed: Option<Protect>,
    /// What they are part of.
    pub(crate) area: Area,
}

struct Regions {
    runs: Runs,
    areas: Areas,
    physical: Physical,
    /// The signals that wait for the fork that is under way.
    fork_signals: Option<sys::SignalsHeld>,
}

static REGIONS: Mutex<Regions> = Mutex::new(Regions {
    runs: Runs::new(),
    areas: Areas::new(),
    physical: Physical::new(),
    fork_signals: None,
});

/// Whether signals wait while a thread holds the lock.
static HOLDS_SIGNALS: AtomicBool = AtomicBool::new(false);

/// Bytes of the stack that whoever holds the lock may need. While it is held no page of
/// a stack can be committed: touching one would be a fault that is held back, or that
/// waits for the lock.
const STACK: usize = 16 * 1024;
/// The same across a fork, whose other handlers run then too.
const FORK_STACK: usize = 2 * STACK;

/// Registers the fork handlers. The system may allocate for that, so no lock
/// is held.
pub(super) fn start() {
    static FORK: AtFork = AtFork {
        prepare: before_fork,
        parent: after_fork_in_parent,
        child: after_fork_in_child,
        locks: &[],
    };
    forks::hold(Layer::Regions, &FORK);
}

/// Takes the lock.
fn before_fork() {
    sys::grow_stack(FORK_STACK);
    let signals = HOLDS_SIGNALS
        .load(Ordering::Relaxed)
        .then(sys::hold_signals);
    REGIONS.raw().acquire();
    // SAFETY: the lock was taken just above.
    let regions = unsafe { &mut *REGIONS.held() };
    regions.fork_signals = signals;
    regions.note_all_written();
}

fn after_fork_in_parent() {
    // SAFETY: the thread holds the lock, since `before_fork`.
    let signals = unsafe { &mut *REGIONS.held() }.fork_signals.take();
    REGIONS.raw().release();
    drop(signals);
}

fn after_fork_in_child() {
    // SAFETY: the lock is held since `before_fork`, and no other thread is left.
    let regions = unsafe { &mut *REGIONS.held() };
    regions.watch_again();
    regions.physical.be_child();
    let signals = regions.fork_signals.take();
    REGIONS.raw().reset();
    drop(signals);
}

/// The records, held. Signals that waited come when it is gone.
struct Held {
    regions: Guard<'static, Regions>,
    // After the guard, so that they come after it.
    _signals: Option<sys::SignalsHeld>,
}

impl core::ops::Deref for Held {
    type Target = Regions;

    fn deref(&self) -> &Regions {
        &self.regions
    }
}

impl core::ops::DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Regions {
        &mut self.regions
    }
}

/// Has signals wait from now on while a thread holds the lock.
pub(crate) fn hold_signals_from_now() {
    HOLDS_SIGNALS.store(true, Ordering::SeqCst);
}

/// Takes the lock.
fn hold() -> Held {
    start();
    let signals = HOLDS_SIGNALS.load(Ordering::Relaxed).then(|| {
        sys::grow_stack(STACK);
        sys::hold_signals()
    });
    Held {
        regions: REGIONS.lock(),
        _signals: signals,
    }
}

/// What is known of the page of `address`; `None` where the program has reserved
/// nothing. Of pages that are copied when they are written to, those that were have
/// another protection; what is told of these begins with the page.
pub(crate) fn find(address: usize) -> Option<Told> {
    let mut regions = hold();
    let told = regions.told(address)?;
    if let Some(protect) = told.committed.filter(|protect| protect.is_copy()) {
        let start = round_down_to_page(address);
        let size = told.end - start;
        let (size, is_copied) = sys::copied_pages(start, size).unwrap_or((size, false));
        let committed = if is_copied {
            protect.once_copied()
        } else {
            protect
        };
        return Some(Told {
            start,
            end: start + size,
            committed: Some(committed),
            ..told
        });
    }
    if told.committed.is_none()
        && matches!(told.area.kind, Kind::View(view) if view.commits != 0)
        && let Some((id, _)) = regions.area_at(address)
        && regions.refresh(id)
    {
        return regions.told(address);
    }
    Some(told)
}

/// Where the last area below `address` ends, and where the next one begins; 0
/// and `usize::MAX` where there is none. Nothing is reserved at `address`.
pub(crate) fn around(address: usize) -> (usize, usize) {
    let regions = hold();
    let place = regions.runs.at_or_after(address);
    let next = regions.runs.get(place);
    let before = regions.runs.before(place);
    (
        before.map_or(0, |run| run.end),
        next.map_or(usize::MAX, |run| run.start),
    )
}

fn round_down_to_page(address: usize) -> usize {
    address & !(super::page_size() - 1)
}

/// The end of the last page that `[address, address + size)` touches.
fn end_of(address: usize, size: usize) -> Result<usize, Refusal> {
    let end = address.checked_add(size).ok_or(Refusal::Invalid)?;
    match super::round_to_pages(end) {
        Some(end) if size != 0 && isize::try_from(end).is_ok() => Ok(end),
        _ => Err(Refusal::Invalid),
    }
}

fn pointer(address: usize) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut(address)
}

fn refusal_of(limit: super::Limit) -> Refusal {
    match limit {
        super::Limit::Commit => Refusal::CommitLimit,
        super::Limit::System => Refusal::NoMemory,
    }
}

impl Regions {
    fn told(&self, address: usize) -> Option<Told> {
        let (_, run) = self.runs.find(address)?;
        let area = self.areas.get(run.area)?;
        Some(Told {
            start: run.start,
            end: run.end,
            committed: run.committed,
            area: *area,
        })
    }

    /// The area that holds `address`.
    fn area_at(&self, address: usize) -> Option<(AreaId, Area)> {
        let (_, run) = self.runs.find(address)?;
        Some((run.area, *self.areas.get(run.area)?))
    }

    /// Whether any area has pages in the 64 KiB units of `[start, end)`.
    fn touches_units(&self, start: usize, end: usize) -> bool {
        let start = start & !(GRANULARITY - 1);
        let end = end.saturating_add(GRANULARITY - 1) & !(GRANULARITY - 1);
        let next = self.runs.get(self.runs.at_or_after(start));
        next.is_some_and(|run| run.start < end)
    }

    /// The runs that `[start, end)` touches, cut to it.
    fn runs_in(&self, start: usize, end: usize) -> impl Iterator<Item = Run> {
        let runs = self.runs.from(self.runs.at_or_after(start));
        runs.take_while(move |run| run.start < end)
            .map(move |run| Run {
                start: run.start.max(start),
                end: run.end.min(end),
                ..run
            })
    }

    /// Bytes of `[start, end)` that are committed.
    fn committed(&self, start: usize, end: usize) -> usize {
        self.runs_in(start, end)
            .filter(|run| run.committed.is_some())
            .map(|run| run.end - run.start)
            .sum()
    }

    /// Gives the pages of `[start, end)` the rights again that the records
    /// say, after the system changed some of them and then refused.
    fn restore(&self, start: usize, end: usize) {
        for run in self.runs_in(start, end) {
            let right = run.committed.map_or(sys::Protection::None, Protect::system);
            let (base, size) = (pointer(run.start), run.end - run.start);
            // SAFETY: the range lies in an area of the program's and gets the
            // rights it had a moment ago.
            ballast::put_back(|| unsafe { sys::protect(base, size, right) });
        }
        // Now, while there is room: it may be needed again.
        ballast::take();
    }

    /// Enters an area of one run. There is room for both.
    fn enter(&mut self, area: Area, committed: Option<Protect>) -> AreaId {
        let id = self.areas.add(area);
        self.runs.insert(Run {
            start: area.start,
            end: area.end,
            area: id,
            committed,
        });
        id
    }

    /// Forgets an area.
    fn forget(&mut self, id: AreaId, area: &Area) {
        area.free_notes();
        self.runs.remove(area.start, area.end);
        self.areas.remove(id);
    }
}

#[cfg(test)]
mod tests;
#[cfg(all(test, target_os = "linux"))]
mod view_tests;
