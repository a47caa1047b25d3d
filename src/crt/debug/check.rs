//! Looking at all blocks, and when that is due.

use super::heap::DebugHeap;
use super::kind::{WARN, flags};
use super::list::Seen;
use super::report::{self, complain};
use crate::crt::check::HEAPBADNODE;

impl DebugHeap {
    /// Looks at every block, and at the runtime's heap. What is wrong is
    /// reported as a warning, each time by a report of its own with no lock
    /// held. True when nothing is wrong, or when [`flags::ALLOC_MEM`] is off,
    /// which means not to look.
    ///
    /// Takes time with the blocks, the bytes of freed ones that are kept, and
    /// the runtime's heap; other threads wait meanwhile.
    ///
    /// Source: "_CrtCheckMemory".
    pub fn check(&'static self) -> bool {
        if !self.has(flags::ALLOC_MEM) {
            return true;
        }
        let mut is_sound = true;
        // The heap may be one of another copy's.
        if self.crt.heapchk() == HEAPBADNODE {
            is_sound = false;
            complain(WARN, format_args!("_heapchk fails with _HEAPBADNODE.\n"));
        }
        let mut at = None;
        while let Some(seen) = self.next_damaged(at) {
            is_sound = false;
            at = Some((seen.index, seen.record.request));
            self.report_damage(WARN, &seen);
        }
        is_sound
    }

    /// The next block of a walk that is damaged.
    fn next_damaged(&self, at: Option<(u32, u64)>) -> Option<Seen> {
        let list = self.list.lock();
        let mut next = list.after(at);
        loop {
            let seen = list.look(next)?;
            if seen.damage.any() {
                return Some(seen);
            }
            next = seen.record.older;
        }
    }

    /// Counts a call, and looks at all blocks when that is due. A thread that is
    /// in a report looks at none: it may be this one's.
    pub(super) fn check_if_due(&'static self) {
        let flags = self.flags();
        let every = flags.cast_unsigned() >> 16;
        let is_due = if flags & flags::CHECK_ALWAYS != 0 {
            true
        } else if every != 0 {
            let mut list = self.list.lock();
            list.calls = list.calls.wrapping_add(1);
            let is_due = list.calls >= every;
            if is_due {
                list.calls = 0;
            }
            is_due
        } else {
            false
        };
        if is_due && !report::is_reporting() {
            self.check();
        }
    }
}
