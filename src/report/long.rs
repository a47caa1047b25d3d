//! Reports with stacks in them, which are longer than a thread's stack should
//! hold: a few at a time are put together in memory of their own.

use super::{FixedBuffer, Report, json::Json};
use core::cell::UnsafeCell;
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, Ordering};

/// Room for three stacks at their longest.
const MAX: usize = 24 * 1024;

/// Threads whose reports have room for stacks at the same time.
const BUFFERS: usize = 4;

struct Buffer {
    is_claimed: AtomicBool,
    text: UnsafeCell<FixedBuffer<MAX>>,
}

// SAFETY: the text is used by the one thread that has set `is_claimed`.
unsafe impl Sync for Buffer {}

static POOL: [Buffer; BUFFERS] = [const {
    Buffer {
        is_claimed: AtomicBool::new(false),
        text: UnsafeCell::new(FixedBuffer::new()),
    }
}; BUFFERS];
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// From here on reports are JSON, or text.
pub(crate) fn set_json(is_json: bool) {
    IS_JSON.store(is_json, Ordering::Relaxed);
}

/// Whether reports are JSON.
pub(super) fn is_json() -> bool {
    IS_JSON.load(Ordering::Relaxed)
}

/// Makes the buffers free, in a forked child: those who had them are not there.
pub(super) fn forget_claims() {
    for buffer in &POOL {
        buffer.is_claimed.store(false, Ordering::Relaxed);
    }
}

/// A buffer, for as long as this is kept.
pub(super) struct LongText(&'static Buffer);

impl LongText {
    /// An empty one; `None` while others have them all.
    pub(super) fn claim() -> Option<LongText> {
        let buffer = POOL.iter().find(|buffer| {
            buffer
                .is_claimed
                .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        })?;
        let mut text = LongText(buffer);
        text.buffer().clear();
        Some(text)
    }

    pub(super) fn buffer(&mut self) -> &mut FixedBuffer<MAX> {
        // SAFETY: whoever has a `LongText` has its buffer alone, and `&mut self` excludes
        // another borrow of his.
        unsafe { &mut *self.0.text.get() }
    }

    /// Writes a report in the form that was chosen.
    pub(super) fn write(&mut self, report: &Report<'_>) {
        // The buffer truncates and never fails.
        let _ = if is_json() {
            write!(self.buffer(), "{}", Json(report))
        } else {
            write!(self.buffer(), "{report}")
        };
    }
}

impl Drop for LongText {
    fn drop(&mut self) {
        self.0.is_claimed.store(false, Ordering::Release);
    }
}
