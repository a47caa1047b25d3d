//! Reports with stacks in them, which are longer than a thread's stack should
//! hold: one at a time is put together in memory of its own.

use super::{FixedBuffer, Report, json::Json};
use core::cell::UnsafeCell;
use core::fmt::Write;
use core::sync::atomic::{AtomicBool, Ordering};

/// Room for two stacks at their longest.
const MAX: usize = 16 * 1024;

struct Buffer(UnsafeCell<FixedBuffer<MAX>>);

// SAFETY: used by the one thread that set `CLAIMED`.
unsafe impl Sync for Buffer {}

static BUFFER: Buffer = Buffer(UnsafeCell::new(FixedBuffer::new()));
static CLAIMED: AtomicBool = AtomicBool::new(false);
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// From here on reports are JSON, or text.
pub(crate) fn set_json(is_json: bool) {
    IS_JSON.store(is_json, Ordering::Relaxed);
}

/// The buffer, for as long as this is kept.
pub(super) struct LongText(());

impl LongText {
    /// The buffer, empty; `None` while another thread has it.
    pub(super) fn claim() -> Option<LongText> {
        CLAIMED
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        let mut text = LongText(());
        text.buffer().clear();
        Some(text)
    }

    pub(super) fn buffer(&mut self) -> &mut FixedBuffer<MAX> {
        // SAFETY: whoever has a `LongText` is alone, and `&mut self` excludes
        // another borrow of his.
        unsafe { &mut *BUFFER.0.get() }
    }

    /// Writes a report in the form that was chosen.
    pub(super) fn write(&mut self, report: &Report<'_>) {
        // The buffer truncates and never fails.
        let _ = if IS_JSON.load(Ordering::Relaxed) {
            write!(self.buffer(), "{}", Json(report))
        } else {
            write!(self.buffer(), "{report}")
        };
    }
}

impl Drop for LongText {
    fn drop(&mut self) {
        CLAIMED.store(false, Ordering::Release);
    }
}
