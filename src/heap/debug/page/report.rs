//! What is said of blocks with guards: damage around them, frees of what is no
//! block, and faults.
//!
//! A fault is told from a signal handler (debug/witness.rs). Everything here reads
//! records without a lock.

#[cfg(unix)]
use super::STORE;
use super::cell::View;
use super::place::Finding;
use super::state::State;
use super::view_at;
use crate::config::Action;
#[cfg(unix)]
use crate::heap::debug::witness::Seen;
use crate::heap::debug::{stacks, threads};
use crate::heap::private::{self, Shown};
use crate::heap::{PROCESS, PROCESS_HEAP};
use crate::report::{self, Block, BlockState, Report, Stop, Trace};

/// The block as reports show it.
pub(super) fn block_of(view: &View) -> Block {
    Block {
        start: view.start,
        size: view.size,
        state: match view.state {
            // What is being freed is told as its free found it.
            State::Busy | State::Leaving => BlockState::Busy,
            State::Empty | State::Kept => BlockState::Free,
        },
    }
}

/// The handle that reports show for malloc's own heap.
fn handle_of(view: &View) -> usize {
    match view.heap {
        0 => (&raw const PROCESS).addr(),
        heap => heap,
    }
}

/// Reports an address in page heap's address space at which no busy block starts.
#[cold]
pub(in crate::heap) fn stranger(operation: &str, address: usize) {
    let view = view_at(address);
    let (stop, parameters) = match &view {
        Some(view) if view.start == address => {
            (Stop::DoubleFree, [handle_of(view), address, view.size, 0])
        }
        Some(view) => (
            Stop::SwitchedHeapHandle,
            [handle_of(view), address, view.size, handle_of(view)],
        ),
        None => (
            Stop::SwitchedHeapHandle,
            [(&raw const PROCESS).addr(), address, 0, 0],
        ),
    };
    let action = shown_of(view.as_ref()).action.unwrap_or(PROCESS.action());
    raise(operation, stop, parameters, address, view.as_ref(), action);
}

/// What reports show of a block's heap. Damage is told whatever the heap says: who
/// asks for guards wants to know.
fn shown_of(view: Option<&View>) -> Shown {
    let own = Shown {
        name: PROCESS_HEAP,
        module: 0,
        action: None,
    };
    match view {
        Some(view) if view.heap != 0 => private::shown(view.heap).unwrap_or(Shown {
            name: "destroyed heap",
            ..own
        }),
        _ => own,
    }
}

/// Reports damage about a block.
#[cold]
pub(in crate::heap) fn finding(operation: &str, view: &View, finding: &Finding) {
    let shown = shown_of(Some(view));
    let modules = private::Modules::of(shown.module, None);
    let (allocated, freed) = traces(view);
    let report = Report {
        module: modules.used(),
        stop: finding.stop,
        parameters: [
            handle_of(view),
            view.start,
            view.size,
            finding.stamp as usize,
        ],
        heap: shown.name,
        address: view.start,
        block: Some(block_of(view)),
        lacks_guards: view.lacks_guards,
        operation,
        thread: crate::sys::thread_id(),
        damage: Some(finding.damage),
        allocated,
        freed,
        ..Report::NOTHING
    };
    report::raise(&report, shown.action.unwrap_or(PROCESS.action()));
}

/// Who allocated the block, and who freed it.
fn traces(view: &View) -> (Option<Trace<'static>>, Option<Trace<'static>>) {
    let trace = |thread: u64, stack| {
        let name = threads::name_of(thread as u32);
        (thread != 0).then(|| Trace::new(thread, name, stacks::frames(stack)))
    };
    // What is being freed is told as its free found it.
    let is_freed = matches!(view.state, State::Kept | State::Empty);
    (
        trace(view.threads.0, view.stacks.0),
        trace(view.threads.1, view.stacks.1).filter(|_| is_freed),
    )
}

/// Reports an access or a call at `address`, which `view` tells of.
fn raise(
    operation: &str,
    stop: Stop,
    parameters: [usize; 4],
    address: usize,
    view: Option<&View>,
    action: Action,
) {
    let (allocated, freed) = view.map_or((None, None), traces);
    let report = Report {
        stop,
        parameters,
        heap: shown_of(view).name,
        address,
        block: view.map(block_of),
        operation,
        thread: crate::sys::thread_id(),
        allocated,
        freed,
        ..Report::NOTHING
    };
    report::raise(&report, action);
}

/// The block that an access at `address` was meant for: the one whose cell it is in,
/// or, in the guard between two, the nearer one.
#[cfg(unix)]
fn nearest(address: usize) -> Option<View> {
    let number = STORE.area.number_at(address);
    let seen = |number: u32| {
        let view = STORE.area.cell(number)?.view();
        (view.start != 0).then_some(view)
    };
    let distance = |view: &View| match address.checked_sub(view.start) {
        None => view.start - address,
        Some(offset) if offset < view.size => 0,
        Some(offset) => offset - view.size,
    };
    let own = seen(number);
    let page = crate::vm::page_size();
    // The guard before a block that lies backwards is the last page of the cell
    // before.
    let is_last = number == 0 || STORE.area.number_at(address.saturating_add(page)) != number;
    let next = if is_last {
        seen(number.saturating_add(1)).filter(|next| next.start > address)
    } else {
        None
    };
    match (own, next) {
        (Some(own), Some(next)) if distance(&next) < distance(&own) => Some(next),
        (None, next) => next,
        (own, _) => own,
    }
}

/// Reports a fault in page heap's address space. On the stack for that.
#[cfg(unix)]
pub(in crate::heap::debug) fn fault(seen: &Seen<'_>) {
    let address = seen.fault.address;
    let view = nearest(address);
    let (allocated, freed) = view.as_ref().map_or((None, None), traces);
    let mut frames = [0; stacks::MOST_FRAMES];
    let report = Report {
        heap: shown_of(view.as_ref()).name,
        block: view.as_ref().map(block_of),
        allocated,
        freed,
        ..seen.report(address, Some(seen.fault.wanted), &mut frames)
    };
    // Whatever the action is for other reports: what follows a fault is what follows
    // without us.
    report::raise(&report, Action::Continue);
}
