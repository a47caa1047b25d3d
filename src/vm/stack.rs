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
//! STATUS_STACK_OVERFLOW to exception handlers, and a fault without one.

use super::pages::{self, PageAccess, PageError};
use super::regions::Touch;
use super::reservation::Reservation;
use crate::sys;

/// Memory for the handler of faults, which cannot run on the stack that faults.
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
    alternate: Reservation,
}

impl GrowingStack {
    /// Reserves a stack of `reserve` bytes, of which the highest `commit` and a
    /// guard page below are committed. Both are rounded up to pages.
    /// [`PageError::Invalid`] when `reserve` has no room for `commit`, the guard
    /// page and one more.
    pub fn new(reserve: usize, commit: usize) -> Result<GrowingStack, PageError> {
        let page = super::page_size();
        let commit = super::round_to_pages(commit.max(1)).ok_or(PageError::Invalid)?;
        let memory = Reservation::touched(reserve, Touch::Grow)?;
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
        let mut alternate = Reservation::new(ALTERNATE)?;
        alternate.commit(0..ALTERNATE)?;
        Ok(GrowingStack { memory, alternate })
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
        let alternate = self.alternate.as_ptr();
        let base = self.memory.as_ptr();
        let top = base.wrapping_add(self.memory.size());
        let span = base.addr()..top.addr();
        // SAFETY: the alternate stack lies in committed memory of this stack's
        // own and is taken back before it ends. The other stack's top is
        // committed, aligned, and used by nobody else, since `self` is borrowed
        // mutably; `call` and `span` live until the function that is passed the one
        // returns, and the thread runs on these addresses until then.
        unsafe {
            let before = sys::set_alternate_stack(alternate, ALTERNATE);
            let outer = sys::set_growing_stack(&raw const span);
            sys::call_on(top, enter::<F, R>, (&raw mut call).cast());
            sys::set_growing_stack(outer);
            if let Some(before) = before {
                sys::restore_alternate_stack(&before);
            }
        }
        match call.result {
            Some(result) => result,
            // `enter` always leaves a result, or does not return.
            None => sys::abort(),
        }
    }
}
