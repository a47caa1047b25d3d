//! The entrance for `libntheap_trace.so`.

use crate::word;
use heap::Config;
use heap::heap::{Diversion, Kind, divert};
use heap::trace::{Listener, listen};

/// Has `listener` told of every call into the heap, the page layer and the
/// system; no call of malloc's takes a fast path from then on.
#[unsafe(no_mangle)]
pub extern "C" fn ntheap_trace(listener: Listener) {
    const EVERYTHING: Diversion = Diversion { everything: true };
    // SAFETY: the word is the calling thread's for checked front ends.
    word::with(|word| unsafe { divert(Kind::Checked, word, &Config::new(), EVERYTHING) });
    listen(listener);
}
