//! Faults that mean nothing to the page layer: those that a mistake with the heap's memory
//! led to are told before whoever catches faults, or the system, acts on them.
//!
//! ```text
//!   fault -> vm/fault.rs -> see -> in page heap's address space: page/report.rs
//!                            |     by a pointer that is a fill:  fills.rs
//!                            v
//!                           the handlers that were there before
//! ```
//!
//! A fault is told on a stack of its own: the thread's alternate one may have room for no
//! more than the handler. Nothing here takes a lock or allocates.

#[cfg(unix)]
pub(super) use faults::Seen;
#[cfg(unix)]
pub(in crate::heap) use faults::{catch, forget_telling, still_catch};

/// Has faults reported, where they can be.
#[cfg(not(unix))]
pub(in crate::heap) fn catch() {}

/// Sees to it that they are still reported.
#[cfg(not(unix))]
pub(in crate::heap) fn still_catch() {}

#[cfg(unix)]
mod faults {
    use super::super::{fills, page, stacks, threads};
    use crate::report::{Report, Stop, Trace};
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

    /// How often is looked whether somebody has set the handler that was due; 0 once faults
    /// are caught.
    static LOOKS: AtomicU32 = AtomicU32::new(0);

    /// Has faults reported, where they can be. If somebody is about to set a handler, that
    /// waits until it is set: this may be the first allocation, and the one of who sets it.
    pub(in crate::heap) fn catch() {
        const MOST: u32 = 64;
        if sys::is_handler_due() {
            LOOKS.store(MOST, Ordering::Relaxed);
        } else {
            catch_now();
        }
    }

    fn catch_now() {
        static DONE: Once = Once::new();
        if DONE.is_ready() || !DONE.begin() {
            return;
        }
        let stack = vm::allocate(Use::Metadata, STACK);
        if !stack.is_null() {
            TOP.store(stack.expose_provenance() + STACK, Ordering::Release);
        }
        DONE.end(!stack.is_null() && fault::show_to(see));
    }

    /// Sees to it that they are reported after all, before a block is made. No lock may be
    /// held. Who has a stack for handlers and sets none is waited for no longer than for a
    /// few blocks.
    #[inline]
    pub(in crate::heap) fn still_catch() {
        let looks = LOOKS.load(Ordering::Relaxed);
        if looks != 0 {
            look(looks);
        }
    }

    #[cold]
    fn look(looks: u32) {
        if looks > 1 && sys::is_handler_due() {
            // A look that another thread has at the same time is not counted.
            LOOKS.store(looks - 1, Ordering::Relaxed);
        } else {
            LOOKS.store(0, Ordering::Relaxed);
            catch_now();
        }
    }

    /// A forked child has no other thread that tells of one.
    pub(in crate::heap) fn forget_telling() {
        if TELLING.load(Ordering::Relaxed) != sys::thread_token() {
            TELLING.store(0, Ordering::Relaxed);
        }
    }

    /// A fault, and what of it is the heap's affair.
    pub(in crate::heap::debug) struct Seen<'a> {
        pub(in crate::heap::debug) fault: &'a Fault,
        /// Whether somebody may be asked about it after us.
        is_first_chance: bool,
        /// What its address was read from, if it lies in no memory of page heap's.
        stray: Option<fills::Followed>,
    }

    impl Seen<'_> {
        /// A report of an access at `address`, with the stack that led to it in `frames`.
        pub(in crate::heap::debug) fn report<'a>(
            &self,
            address: usize,
            wanted: Option<Wanted>,
            frames: &'a mut [usize],
        ) -> Report<'a> {
            let count = stack_of(self.fault, frames);
            let frames = frames.get(..count).unwrap_or_default();
            let thread = sys::thread_id();
            let name = threads::name_of(thread as u32);
            Report {
                stop: if self.is_first_chance {
                    Stop::FirstChanceAccessViolation
                } else {
                    Stop::AccessViolation
                },
                parameters: [
                    address,
                    sys::instruction_of(self.fault),
                    0,
                    self.fault.registers.addr(),
                ],
                address,
                operation: match wanted {
                    Some(Wanted::Read) => "read",
                    Some(Wanted::Write) => "write",
                    Some(Wanted::Execute) => "execute",
                    None => "access",
                },
                thread,
                accessed: (count != 0).then(|| Trace::new(thread, name, frames)),
                ..Report::NOTHING
            }
        }
    }

    #[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
    fn stack_of(fault: &Fault, frames: &mut [usize]) -> usize {
        sys::backtrace_of(fault, frames)
    }

    #[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
    fn stack_of(fault: &Fault, frames: &mut [usize]) -> usize {
        // The access alone, as a stack would begin with it.
        match (sys::instruction_of(fault), frames.first_mut()) {
            (0, _) | (_, None) => 0,
            (code, Some(first)) => {
                *first = code.wrapping_add(1);
                1
            }
        }
    }

    fn see(fault: &Fault, is_first_chance: bool) {
        let is_pages = page::has(fault.address);
        let stray = if is_pages {
            None
        } else {
            fills::followed(fault)
        };
        if !is_pages && stray.is_none() {
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
            stray,
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
        match &seen.stray {
            Some(stray) => {
                let mut frames = [0; stacks::MOST_FRAMES];
                fills::report(stray, seen.report(stray.address, stray.wanted, &mut frames));
            }
            None => page::report_fault(seen),
        }
    }
}
