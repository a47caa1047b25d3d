//! What is left in a runtime's heap when its module goes.

use crate::heap::private::{self, Handle};

/// Reports the blocks of a heap that are in use, if there are any; returns how
/// many there are.
pub(super) fn report(heap: Handle) -> usize {
    let Ok(summary) = private::summary(heap) else {
        return 0;
    };
    if summary.blocks != 0 {
        private::report_leaks(heap, summary.blocks, summary.allocated);
    }
    summary.blocks
}
