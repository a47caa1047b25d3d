//! Address space for a new area.

use super::ballast;
use super::{
    Area, AreaId, GRANULARITY, Kind, Protect, Refusal, Regions, Touch, Use, end_of, hold, pointer,
    refusal_of,
};
use crate::sys::{self, Whereabouts};
use crate::vm::notes::Notes;
use crate::vm::{self, fault};

/// What an area is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// What its pages are.
    pub(crate) kind: Kind,
    /// The protection that it is made with.
    pub(crate) initial: Protect,
    /// Whether its pages are committed at once.
    pub(crate) commits: bool,
    /// Whether they are large.
    pub(crate) large: bool,
    /// Whether it is noted which are written to.
    pub(crate) watched: bool,
    /// How a touch of them is answered.
    pub(crate) touch: Touch,
}

impl Request {
    /// Private pages of this protection, reserved only.
    pub(crate) const fn private(initial: Protect) -> Request {
        Request {
            kind: Kind::Private,
            initial,
            commits: false,
            large: false,
            watched: false,
            touch: Touch::Fault,
        }
    }

    /// The same, committed at once.
    #[cfg(test)]
    pub(crate) const fn committed(self) -> Request {
        Request {
            commits: true,
            ..self
        }
    }
}

/// Address space that was taken for an area, and not entered yet.
pub(super) struct Taken {
    pub(super) start: usize,
    pub(super) end: usize,
    /// The placeholder that it was.
    pub(super) placeholder: Option<AreaId>,
}

/// Reserves `size` bytes, rounded up to pages, as the request says. The address
/// of the first one, and how many it came to.
pub(crate) fn reserve(
    at: &Whereabouts,
    size: usize,
    request: &Request,
) -> Result<(usize, usize), Refusal> {
    if request.initial.is_copy() {
        return Err(Refusal::Protection);
    }
    if (request.initial.is_guard() || request.touch != Touch::Fault) && !fault::catch() {
        return Err(Refusal::Unsupported);
    }
    if request.large {
        return reserve_large(at, size, request);
    }
    let mut regions = hold();
    let taken = regions.take(at, size)?;
    let (start, end) = (taken.start, taken.end);
    let base = pointer(start);
    if request.commits {
        let right = request.initial.system();
        // SAFETY: the range was taken just above, nothing of it is committed,
        // and nobody else knows it.
        let done = unsafe { vm::commit_as(Use::Program, base, end - start, end - start, right) };
        if let Err(limit) = done {
            regions.give_back(&taken);
            return Err(refusal_of(limit));
        }
    }
    let written = if request.watched {
        match regions.watch(start, end) {
            Ok(written) => written,
            Err(refusal) => {
                regions.give_back_committed(&taken, request.commits);
                return Err(refusal);
            }
        }
    } else {
        Notes::NONE
    };
    regions.settle(&taken, request, written);
    Ok((start, end - start))
}

/// Pages of the system's large size: reserved and committed in one.
fn reserve_large(
    at: &Whereabouts,
    size: usize,
    request: &Request,
) -> Result<(usize, usize), Refusal> {
    let unit = sys::large_page_size().ok_or(Refusal::NoLargePages)?;
    if size == 0 || !size.is_multiple_of(unit) || !at.address.is_multiple_of(unit) || at.replaces {
        return Err(Refusal::Invalid);
    }
    let at = Whereabouts {
        alignment: at.alignment.max(unit),
        ..*at
    };
    let mut regions = hold();
    let taken = regions.take(&at, size)?;
    // SAFETY: the range was taken just above and nobody else knows it.
    let done = unsafe {
        vm::commit_large(
            Use::Program,
            pointer(taken.start),
            size,
            request.initial.system(),
        )
    };
    if let Err(limit) = done {
        regions.give_back(&taken);
        return Err(match limit {
            vm::Limit::Commit => Refusal::CommitLimit,
            vm::Limit::System => Refusal::NoLargePages,
        });
    }
    regions.settle(&taken, request, Notes::NONE);
    Ok((taken.start, size))
}

impl Regions {
    /// Takes address space, and makes room for an area and its run: reserved
    /// pages that are not entered yet.
    pub(super) fn take(&mut self, at: &Whereabouts, size: usize) -> Result<Taken, Refusal> {
        let start = if at.replaces {
            at.address
        } else {
            at.address & !(GRANULARITY - 1)
        };
        let end = end_of(at.address, size)?;
        // What is in use is told before what there is no memory for.
        let mut placeholder = None;
        if at.replaces {
            let (id, area) = self.area_at(start).ok_or(Refusal::Conflict)?;
            if area.kind != Kind::Placeholder || (area.start, area.end) != (start, end) {
                return Err(Refusal::Conflict);
            }
            placeholder = Some(id);
        } else if at.address != 0 && (start == 0 || self.touches_units(start, end)) {
            return Err(Refusal::Conflict);
        }
        if !self.runs.room(1) || !self.areas.room(1) {
            return Err(Refusal::NoMemory);
        }
        if placeholder.is_some() {
            return Ok(Taken {
                start,
                end,
                placeholder,
            });
        }
        let start = if at.address == 0 {
            let align = at.alignment.max(GRANULARITY);
            let base = if at.lowest == 0 && at.limit == 0 {
                vm::reserve(Use::Program, end, align)
            } else {
                vm::reserve_within(Use::Program, end, align, at.lowest, at.limit, at.top_down)
            };
            if base.is_null() {
                return Err(Refusal::NoMemory);
            }
            base.expose_provenance()
        } else {
            match vm::reserve_at(Use::Program, pointer(start), end - start) {
                sys::Placed::Done => {}
                sys::Placed::InUse => return Err(Refusal::Conflict),
                sys::Placed::NoMemory => return Err(Refusal::NoMemory),
            }
            start
        };
        let end = if at.address == 0 { start + end } else { end };
        Ok(Taken {
            start,
            end,
            placeholder: None,
        })
    }

    /// Gives address space back that was taken, nothing of it committed.
    pub(super) fn give_back(&mut self, taken: &Taken) {
        self.give_back_committed(taken, false);
    }

    /// The same, all of it committed if `committed` says so.
    fn give_back_committed(&mut self, taken: &Taken, committed: bool) {
        let (base, size) = (pointer(taken.start), taken.end - taken.start);
        let committed = if committed { size } else { 0 };
        // SAFETY: the range was taken by the caller and nobody else knows it. A
        // placeholder stays reserved.
        ballast::put_back(|| unsafe {
            if taken.placeholder.is_none() {
                vm::release(Use::Program, base, size, committed)
            } else {
                vm::decommit_part(Use::Program, base, size, committed)
            }
        });
        ballast::take();
    }

    /// Enters an area where address space was taken.
    pub(super) fn settle(&mut self, taken: &Taken, request: &Request, written: Notes) -> AreaId {
        if let Some(id) = taken.placeholder {
            self.runs.remove(taken.start, taken.end);
            self.areas.remove(id);
        }
        let area = Area {
            start: taken.start,
            end: taken.end,
            kind: request.kind,
            initial: request.initial,
            was_placeholder: taken.placeholder.is_some(),
            is_large: request.large,
            touch: request.touch,
            written,
            offered: Notes::NONE,
        };
        self.enter(area, request.commits.then_some(request.initial))
    }
}
