//! What is said of blocks with guards: damage around them, frees of what is no
//! block, and faults.
//!
//! A fault is told from a signal handler, on a stack of its own: the thread's
//! alternate one may have room for no more than the handler. Everything here reads
//! records without a lock.

#[cfg(unix)]
use super::STORE;
use super::cell::View;
use super::place::Finding;
use super::state::State;
use super::view_at;
use crate::config::Action;
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

#[cfg(unix)]
mod faults {
    use super::*;
    use crate::sync::Once;
    use crate::sys::{self, Fault, Wanted};
    use crate::vm::{self, Use, fault};
    use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

    /// Bytes of the stack on which faults are told.
    const STACK: usize = 64 * 1024;

    /// The end of that stack.
    static TOP: AtomicUsize = AtomicUsize::new(0);

    /// The thread that is on it, by its token; 0 for none.
    static TELLING: AtomicUsize = AtomicUsize::new(0);

    /// Has faults in page heap's address space reported. False when the system
    /// refuses.
    pub(in crate::heap) fn catch_faults() -> bool {
        static DONE: Once = Once::new();
        if DONE.is_ready() || !DONE.begin() {
            return true;
        }
        let stack = vm::allocate(Use::Metadata, STACK);
        if !stack.is_null() {
            TOP.store(stack.expose_provenance() + STACK, Ordering::Release);
        }
        DONE.end(!stack.is_null() && fault::show_to(see));
        DONE.is_ready()
    }

    /// Sees to it that they are still reported: the first allocation may be one of who is
    /// about to set a handler. Looks while few blocks have been made, which is when a
    /// program starts.
    pub(in super::super) fn still_catch_faults() {
        const LOOKS: u32 = 64;
        static LOOKED: AtomicU32 = AtomicU32::new(0);
        if LOOKED.load(Ordering::Relaxed) < LOOKS {
            LOOKED.fetch_add(1, Ordering::Relaxed);
            #[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
            sys::take_back();
        }
    }

    /// A forked child has no other thread that tells of one.
    pub(in crate::heap) fn forget_telling() {
        if TELLING.load(Ordering::Relaxed) != sys::thread_token() {
            TELLING.store(0, Ordering::Relaxed);
        }
    }

    /// A fault and whether somebody may be asked about it after us.
    struct Seen<'a> {
        fault: &'a Fault,
        is_first_chance: bool,
    }

    fn see(fault: &Fault, is_first_chance: bool) {
        if !super::super::has(fault.address) {
            return;
        }
        let own = sys::thread_token();
        if TELLING.load(Ordering::Relaxed) == own {
            // A fault while one is told: a second report would end in a third.
            return;
        }
        while TELLING
            .compare_exchange(0, own, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            sys::yield_now();
        }
        let mut seen = Seen {
            fault,
            is_first_chance,
        };
        let top = core::ptr::with_exposed_provenance_mut(TOP.load(Ordering::Acquire));
        // SAFETY: the stack is this thread's while `TELLING` says so, and large
        // enough for a report; its end is a multiple of a page. `tell` returns and
        // takes what is passed.
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        unsafe {
            sys::call_on(top, tell, (&raw mut seen).cast())
        };
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let _: *mut u8 = top;
        // SAFETY: what `tell` takes; on the stack that there is.
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        unsafe {
            tell((&raw mut seen).cast())
        };
        TELLING.store(0, Ordering::Release);
    }

    /// # Safety
    /// `seen` is a [`Seen`].
    unsafe extern "C" fn tell(seen: *mut u8) {
        // SAFETY: the caller's promise.
        let seen = unsafe { &*seen.cast::<Seen<'_>>() };
        let address = seen.fault.address;
        let view = nearest(address);
        let stop = if seen.is_first_chance {
            Stop::FirstChanceAccessViolation
        } else {
            Stop::AccessViolation
        };
        let operation = match seen.fault.wanted {
            Wanted::Read => "read",
            Wanted::Write => "write",
            Wanted::Execute => "execute",
        };
        let parameters = [
            address,
            sys::instruction_of(seen.fault),
            0,
            seen.fault.registers.addr(),
        ];
        // Whatever the action is for other reports: what follows a fault is what
        // follows without us.
        raise(
            operation,
            stop,
            parameters,
            address,
            view.as_ref(),
            Action::Continue,
        );
    }
}

#[cfg(unix)]
pub(super) use faults::still_catch_faults;
#[cfg(unix)]
pub(in crate::heap) use faults::{catch_faults, forget_telling};

/// Has faults reported, where they can be.
#[cfg(not(unix))]
pub(in crate::heap) fn catch_faults() -> bool {
    false
}
