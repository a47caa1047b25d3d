//! A stack that grows as Windows' do.
//!
//! ```text
//!   low                                                    high
//!   | last | reserved ...            | guard | committed ... |
//!            <-- the guard moves down when it is touched
//! ```
//!
//! Touching the guard page makes it an ordinary one, and the page below is
//! committed and becomes the guard. The lowest page of all is never committed:
//! where the guard would come to lie on it, the stack has overflowed, which is
//! STATUS_STACK_OVERFLOW to exception handlers, and a fault without one. On Windows the
//! system does all of it, as for the stacks of threads.

use super::pages::{self, PageAccess, PageError};
#[cfg(unix)]
use super::regions::Touch;
use super::reservation::Reservation;
use crate::sys;

/// Memory for the handler of faults, which cannot run on the stack that faults.
#[cfg(unix)]
const ALTERNATE: usize = 64 * 1024;

/// A stack of a program's own, reserved as a whole and committed as it grows.
///
/// Whoever calls functions of pages on it needs 16 KiB of it, or 32 KiB to fork: so much
/// is committed before they begin, and where there is less, the stack overflows.
///
/// Compilers touch each page of a large frame in turn, as Rust's do; code that
/// does not may jump over the guard page, and faults then.
///
/// Source: "Thread Stack Size".
///
/// ```
/// use ntheap::vm::GrowingStack;
///
/// fn depth(n: u64) -> u64 {
///     let frame = std::hint::black_box([n; 100]);
///     if n == 0 { 0 } else { 1 + depth(n - 1) + frame[50] - n }
/// }
///
/// let mut stack = GrowingStack::new(8 << 20, 16 << 10)?;
/// let before = stack.committed();
/// assert_eq!(stack.run(|| depth(1000)), 1000);
/// assert!(stack.committed() > before + 800_000);
/// # Ok::<(), ntheap::vm::PageError>(())
/// ```
#[derive(Debug)]
pub struct GrowingStack {
    memory: Reservation,
    #[cfg(unix)]
    alternate: Reservation,
}

impl GrowingStack {
    /// Reserves a stack of `reserve` bytes, rounded up to the allocation granularity, 64
    /// KiB, of which the highest `commit`, rounded up to pages, and a guard page below are
    /// committed.
    ///
    /// # Errors
    /// [`PageError::Invalid`] when `reserve` has no room for `commit`, the guard page and
    /// one more, or either is too large to be rounded.
    pub fn new(reserve: usize, commit: usize) -> Result<GrowingStack, PageError> {
        let page = super::page_size();
        let reserve = reserve
            .checked_next_multiple_of(super::GRANULARITY)
            .ok_or(PageError::Invalid)?;
        let commit = super::round_to_pages(commit.max(1)).ok_or(PageError::Invalid)?;
        #[cfg(unix)]
        let memory = Reservation::touched(reserve, Touch::Grow)?;
        #[cfg(windows)]
        let memory = Reservation::new(reserve)?;
        let Some(rest) = memory
            .size()
            .checked_sub(commit)
            .filter(|&rest| rest >= 2 * page)
        else {
            return Err(PageError::Invalid);
        };
        let base = memory.as_ptr().addr();
        pages::commit(base + rest, commit, PageAccess::ReadWrite)?;
        pages::commit_guard(base + rest - page, page)?;
        Ok(GrowingStack {
            memory,
            #[cfg(unix)]
            alternate: {
                let mut alternate = Reservation::new(ALTERNATE)?;
                alternate.commit(0..ALTERNATE)?;
                alternate
            },
        })
    }

    /// Bytes reserved.
    pub fn reserved(&self) -> usize {
        self.memory.size()
    }

    /// Bytes committed, the guard page included.
    pub fn committed(&self) -> usize {
        self.memory.committed()
    }

    /// Calls `work` on this stack, on the calling thread, and returns what it
    /// returns. A panic that leaves `work` ends the process. What it has grown by
    /// stays committed.
    pub fn run<F: FnOnce() -> R, R>(&mut self, work: F) -> R {
        struct Call<F, R> {
            work: Option<F>,
            result: Option<R>,
        }
        /// # Safety
        /// `call` is a `Call` of these types that nobody else uses.
        unsafe extern "C" fn enter<F: FnOnce() -> R, R>(call: *mut u8) {
            // SAFETY: the caller's promise.
            let call = unsafe { &mut *call.cast::<Call<F, R>>() };
            if let Some(work) = call.work.take() {
                call.result = Some(work());
            }
        }
        let mut call = Call {
            work: Some(work),
            result: None,
        };
        // SAFETY: `enter` is for a `Call` of these types, which lives until it returns.
        unsafe { self.call(enter::<F, R>, (&raw mut call).cast()) };
        match call.result {
            Some(result) => result,
            // `enter` always leaves a result, or does not return.
            None => sys::abort(),
        }
    }

    /// Calls `function(argument)` on this stack.
    ///
    /// # Safety
    /// `function` takes `argument`, and returns.
    #[cfg(unix)]
    unsafe fn call(&mut self, function: unsafe extern "C" fn(*mut u8), argument: *mut u8) {
        let base = self.memory.as_ptr();
        let top = base.wrapping_add(self.memory.size());
        let span = base.addr()..top.addr();
        let own = self.alternate.as_ptr();
        // A thread that has a larger stack for its handlers already, as one that asked for a
        // guarantee, keeps it.
        let has_one = sys::alternate_stack().is_some_and(|(_, size)| size >= ALTERNATE);
        // SAFETY: the alternate stack lies in committed memory of this stack's
        // own and is taken back before it ends. The other stack's top is
        // committed, aligned, and used by nobody else, since `self` is borrowed
        // mutably; `span` lives until the function returns, and the thread runs on these
        // addresses until then. The rest is the caller's promise.
        unsafe {
            let before = if has_one {
                None
            } else {
                sys::set_alternate_stack(own, ALTERNATE)
            };
            let outer = sys::set_growing_stack(&raw const span);
            sys::call_on(top, function, argument);
            sys::set_growing_stack(outer);
            // Unless the function asked for a stack that stays.
            let is_own = sys::alternate_stack().is_some_and(|(low, _)| low == own.addr());
            if let Some(before) = before.filter(|_| is_own) {
                sys::restore_alternate_stack(&before);
            }
        }
    }

    /// As above: by the system, which makes the stack larger that its thread says it has.
    ///
    /// # Safety
    /// As above.
    #[cfg(windows)]
    unsafe fn call(&mut self, function: unsafe extern "C" fn(*mut u8), argument: *mut u8) {
        let base = self.memory.as_ptr();
        let size = self.memory.size();
        // Above what is reserved and the guard page.
        let mut limit = 0;
        while let Some(run) = self.memory.query(limit)
            && (run.access.is_none() || run.is_guard)
        {
            limit = run.range.end;
        }
        let bounds = sys::Bounds {
            top: base.wrapping_add(size),
            limit: base.wrapping_add(limit),
            base,
        };
        // SAFETY: the stack's top is committed, aligned, and used by nobody else, since
        // `self` is borrowed mutably. The rest is the caller's promise.
        unsafe { sys::call_on(&bounds, function, argument) };
    }
}
