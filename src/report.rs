//! The one reporter: every corruption and every misuse that the heap finds
//! is told here, in the words of Application Verifier.
//!
//! A [`Report`] carries one of the stops of Application Verifier's layer
//! "Heaps" ("Application Verifier - Stop Codes - Basics", section "Heaps Stop
//! Details"), that stop's four parameters, and what the heap knows about the
//! address. Raised, it is written to standard error in one piece, then shown
//! to the [`Hook`] of the program, if there is one; then the process ends or
//! goes on, as [`Action`] says:
//!
//! ```text
//! ntheap: VERIFIER STOP 0000000000000007: pid 0x1A2B: block already freed (DOUBLE_FREE)
//!     00007F0000010000 : heap handle
//!     00007F0000020040 : block
//!     0000000000000040 : size
//!     0000000000000000 : not used
//!   free(0x7f0000020040) on heap "process heap", thread 4711
//!   the address is the start of a free block of 64 bytes
//! ```
//!
//! Invariants: raising a report allocates nothing, waits for nobody, cannot
//! panic, and raises no second report on the same thread: a report raised
//! while its thread is reporting is written and ends the process.

use crate::config::Action;
use crate::sys;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

#[cfg(all(target_os = "linux", feature = "debug"))]
mod copies;
mod detail;
#[cfg(feature = "debug")]
mod json;
#[cfg(feature = "debug")]
mod long;
mod stop;
mod stray;

#[cfg(all(target_os = "linux", feature = "debug"))]
pub(crate) use copies::begin as begin_copies;
pub use detail::{BlockLayout, Damage, Families, Layouts, ThreadName, Trace};
#[cfg(feature = "debug")]
use long::LongText;
#[cfg(feature = "debug")]
pub(crate) use long::set_json;
pub use stop::Stop;
pub use stray::{Stray, StrayOrigin};

/// What a report says about the block at, around or next to the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Block {
    /// Address of its first usable byte.
    pub start: usize,
    /// Its usable size in bytes.
    pub size: usize,
    /// Whether it is handed out.
    pub state: BlockState,
}

/// Whether a block is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockState {
    /// Handed out and not freed.
    Busy,
    /// Free, in the heap's hands.
    Free,
    /// Freed, and kept by a thread for its next allocation of that size.
    Cached,
}

impl BlockState {
    /// The state's name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            BlockState::Busy => "busy",
            BlockState::Free => "free",
            BlockState::Cached => "cached free",
        }
    }
}

/// One finding. `Display` writes the whole text, with a line feed at the end
/// of every line, the last one included.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Report<'a> {
    /// What was found.
    pub stop: Stop,
    /// The stop's parameters; [`Stop::parameter_labels`] says what each is.
    pub parameters: [usize; 4],
    /// The heap's name, for people; empty where no heap has to do with it.
    pub heap: &'a str,
    /// The address the operation was given, or 0 where it was given none.
    pub address: usize,
    /// The block the address belongs to; none where no heap knows it.
    pub block: Option<Block>,
    /// Whether the block was to have guard pages and has none, since page heap had no more of
    /// them when it was made.
    pub lacks_guards: bool,
    /// The name of the operation that found it, such as `free`.
    pub operation: &'a str,
    /// The number of the thread that found it, as the system's tools show it.
    pub thread: u64,
    /// The name of the heap that the address belongs to, where that is not the
    /// heap that was used.
    pub owner: Option<&'a str>,
    /// The file name of the module whose C runtime used the heap; empty where
    /// no runtime has to do with it or its module is not known.
    pub module: &'a str,
    /// The same of the heap that the address belongs to.
    pub owner_module: &'a str,
    /// What documentation advises; empty where there is nothing to say.
    pub advice: &'a str,
    /// Bytes that changed where none may; none where nothing was compared.
    pub damage: Option<Damage>,
    /// The Layout given and the block's own, where they differ.
    pub layouts: Option<Layouts>,
    /// The function that the block was given back by and the one that it came from, where
    /// they do not belong together.
    pub families: Option<Families>,
    /// The fill that the address was read from, where it is one: what was followed is no
    /// pointer.
    pub stray: Option<Stray>,
    /// Who made the access, and by which calls; none where an access is not what was found.
    /// The first frame is the byte behind the first of the instruction.
    pub accessed: Option<Trace<'a>>,
    /// Who allocated the block; none where that was not recorded.
    pub allocated: Option<Trace<'a>>,
    /// Who freed it.
    pub freed: Option<Trace<'a>>,
}

impl Report<'_> {
    /// The report as one line of JSON, as `NTHEAP_REPORT=json` has it written: `Display`
    /// of what is returned writes it, with a line feed at its end.
    #[cfg(feature = "debug")]
    #[cfg_attr(docsrs, doc(cfg(feature = "debug")))]
    pub fn json(&self) -> impl fmt::Display + '_ {
        json::Json(self)
    }

    /// A report of nothing, for the fields that a finding has no use for.
    pub(crate) const NOTHING: Report<'static> = Report {
        stop: Stop::UnknownError,
        parameters: [0; 4],
        heap: "",
        address: 0,
        block: None,
        lacks_guards: false,
        operation: "",
        thread: 0,
        owner: None,
        module: "",
        owner_module: "",
        advice: "",
        damage: None,
        layouts: None,
        families: None,
        stray: None,
        accessed: None,
        allocated: None,
        freed: None,
    };
}

/// Most characters of a heap's name and of an operation's that are shown.
const NAME_MAX: usize = 64;

/// Room for any report's text, both names at their longest and every
/// character of them escaped.
const TEXT_MAX: usize = 4096;

impl fmt::Display for Report<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "ntheap: VERIFIER STOP {:016X}: pid 0x{:X}: {} ({})",
            self.stop.number(),
            crate::sys::process_id(),
            self.stop.meaning(),
            self.stop.symbol(),
        )?;
        for (value, label) in self.parameters.iter().zip(self.stop.parameter_labels()) {
            writeln!(out, "    {value:016X} : {label}")?;
        }
        write!(out, "  {}", Name(self.operation))?;
        if self.address != 0 {
            write!(out, "({:#x})", self.address)?;
        }
        if !self.heap.is_empty() {
            write!(out, " on heap \"{}\"", Name(self.heap))?;
            write_module(self.module, out)?;
        }
        writeln!(out, ", thread {}", self.thread)?;
        match self.block {
            Some(block) => {
                out.write_str("  the address ")?;
                block.write_place_of(self.address, out)?;
                out.write_char('\n')
            }
            None if self.address != 0 => {
                out.write_str("  the address belongs to no block of any ntheap heap\n")
            }
            None => Ok(()),
        }?;
        #[cfg(feature = "debug")]
        if self.lacks_guards {
            out.write_str(
                "  it has no guard pages: page heap had no more of them when it was made\n",
            )?;
        }
        if let Some(owner) = self.owner
            && (owner != self.heap || self.owner_module != self.module)
        {
            write!(out, "  it belongs to heap \"{}\"", Name(owner))?;
            write_module(self.owner_module, out)?;
            out.write_char('\n')?;
        }
        #[cfg(feature = "debug")]
        self.write_details(out)?;
        if !self.advice.is_empty() {
            writeln!(out, "  {}", self.advice)?;
        }
        Ok(())
    }
}

impl Report<'_> {
    /// Writes what only the feature `debug` finds.
    #[cfg(feature = "debug")]
    fn write_details(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(damage) = &self.damage {
            damage.write(self.block.as_ref(), out)?;
        }
        if let Some(layouts) = &self.layouts {
            write!(out, "{layouts}")?;
        }
        if let Some(families) = &self.families {
            write!(out, "{families}")?;
        }
        if let Some(stray) = &self.stray {
            write!(out, "{stray}")?;
        }
        if let Some(trace) = &self.accessed {
            trace.write("accessed", out)?;
        }
        if let Some(trace) = &self.allocated {
            trace.write("allocated", out)?;
        }
        if let Some(trace) = &self.freed {
            trace.write("freed", out)?;
        }
        Ok(())
    }
}

/// Writes whose runtime's heap it is, if that is known.
fn write_module(module: &str, out: &mut impl Write) -> fmt::Result {
    if module.is_empty() {
        return Ok(());
    }
    write!(out, " of {}", Name(module))
}

impl Block {
    /// Writes where `address` is, seen from this block.
    fn write_place_of(&self, address: usize, out: &mut impl Write) -> fmt::Result {
        if address == self.start {
            return write!(out, "is the start of {self}");
        }
        if address < self.start {
            let distance = Bytes(self.start.saturating_sub(address));
            write!(out, "lies {distance} before {self}")?;
        } else {
            let offset = address.saturating_sub(self.start);
            match offset.checked_sub(self.size) {
                None => write!(out, "lies {} inside {self}", Bytes(offset))?,
                Some(0) => write!(out, "is the end of {self}")?,
                Some(past) => write!(out, "lies {} past the end of {self}", Bytes(past))?,
            }
        }
        write!(out, " that starts at {:#x}", self.start)
    }
}

impl fmt::Display for Block {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a {} block of {}", self.state.name(), Bytes(self.size))
    }
}

/// A number of bytes in words: "1 byte", "2 bytes".
struct Bytes(usize);

impl fmt::Display for Bytes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(out, "{} byte{plural}", self.0)
    }
}

/// A name of bounded length that cannot end its line or close its quotes.
struct Name<'a>(&'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .chars()
            .take(NAME_MAX)
            .try_for_each(|letter| match letter {
                '\'' => out.write_char(letter),
                _ => write!(out, "{}", letter.escape_debug()),
            })
    }
}

/// Text in a buffer of `N` bytes. What does not fit is left out, from the
/// first piece on that did not; writing never fails.
pub(crate) struct FixedBuffer<const N: usize> {
    bytes: [u8; N],
    len: usize,
    full: bool,
}

impl<const N: usize> FixedBuffer<N> {
    pub(crate) const fn new() -> FixedBuffer<N> {
        FixedBuffer {
            bytes: [0; N],
            len: 0,
            full: false,
        }
    }

    /// Forgets what was written.
    #[cfg(feature = "debug")]
    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.full = false;
    }

    /// Appends a byte, of text or of a name that a system has.
    #[cfg(all(target_os = "linux", feature = "debug"))]
    pub(crate) fn push(&mut self, byte: u8) {
        match self.bytes.get_mut(self.len) {
            Some(place) if !self.full => {
                *place = byte;
                self.len += 1;
            }
            _ => self.full = true,
        }
    }

    /// Whether something did not fit.
    #[cfg(all(target_os = "linux", feature = "debug"))]
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }

    /// What was written: UTF-8, if nothing else was pushed.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl<const N: usize> Write for FixedBuffer<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.full {
            return Ok(());
        }
        let room = self.bytes.get_mut(self.len..).unwrap_or_default();
        let fits = text.floor_char_boundary(room.len());
        for (to, from) in room.iter_mut().zip(text.bytes().take(fits)) {
            *to = from;
        }
        self.len += fits;
        self.full = fits < text.len();
        Ok(())
    }
}

/// A program's own look at every report, after its text was written.
///
/// It runs on the thread that found the corruption, inside the heap's
/// operation: it must not allocate or free from any ntheap heap, and a
/// report raised meanwhile on the same thread ends the process. Several
/// threads may be in the hook at a time. A hook that panics ends the process.
/// It must return: where a fault told the mistake, other threads' faults wait until
/// it has, and for good if it is left by `longjmp`.
pub type Hook = fn(&Report<'_>);

/// The hook, or null.
static HOOK: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Sets the process's hook, or takes it away, and returns the one before.
///
/// May be called from any thread at any time; a report raised at the same
/// time goes to either the old or the new hook. Never fails.
pub fn set_hook(hook: Option<Hook>) -> Option<Hook> {
    let new = hook.map_or(core::ptr::null_mut(), |hook| hook as *mut ());
    hook_at(HOOK.swap(new, Ordering::AcqRel))
}

fn hook_at(stored: *mut ()) -> Option<Hook> {
    if stored.is_null() {
        return None;
    }
    // SAFETY: `HOOK` only ever holds null, excluded above, or a `Hook` that
    // `set_hook` cast to a pointer of the same size.
    Some(unsafe { core::mem::transmute::<*mut (), Hook>(stored) })
}

/// How many threads can be marked as reporting. Threads beyond these report
/// without their hook, so that they need no mark.
const MARKS: usize = 64;

/// The threads that are reporting; 0 is a free mark.
static REPORTING: [AtomicU64; MARKS] = [const { AtomicU64::new(0) }; MARKS];

/// Writes the report to standard error, calls the hook, and then ends the
/// process or returns, as `action` says.
#[cold]
#[inline(never)]
pub(crate) fn raise(report: &Report<'_>, action: Action) {
    // Only the thread itself ever stores its number, so its own order of
    // loads and stores is all that is needed.
    let thread = sys::thread_id();
    let again = REPORTING
        .iter()
        .any(|mark| mark.load(Ordering::Relaxed) == thread);
    let mark = if again {
        None
    } else {
        REPORTING.iter().find(|mark| {
            mark.compare_exchange(0, thread, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        })
    };

    write_out(report);
    #[cfg(all(target_os = "linux", feature = "debug"))]
    copies::write(report);
    if again {
        sys::abort();
    }

    if mark.is_some()
        && let Some(hook) = hook_at(HOOK.load(Ordering::Acquire))
    {
        let bomb = AbortOnUnwind;
        hook(report);
        core::mem::forget(bomb);
    }
    match action {
        Action::Abort => sys::abort(),
        Action::Continue => {}
    }
    if let Some(mark) = mark {
        mark.store(0, Ordering::Relaxed);
    }
}

/// Writes a report to standard error in one piece. Where many threads report at once, the
/// last of them have no room for stacks: JSON is without them then, for half of it would be
/// none.
fn write_out(report: &Report<'_>) {
    #[cfg(feature = "debug")]
    if let Some(mut text) = LongText::claim() {
        text.write(report);
        sys::write_stderr(text.buffer().as_bytes());
        return;
    }
    let mut text = FixedBuffer::<TEXT_MAX>::new();
    #[cfg(feature = "debug")]
    if long::is_json() {
        let brief = Report {
            accessed: None,
            allocated: None,
            freed: None,
            ..*report
        };
        // The buffer truncates and never fails.
        let _ = write!(text, "{}", json::Json(&brief));
        sys::write_stderr(text.as_bytes());
        return;
    }
    // As above.
    let _ = write!(text, "{report}");
    sys::write_stderr(text.as_bytes());
}

/// Forgets the reports that other threads than the one that forked were making, in a forked
/// child: its parent's number was `parent`, and its own is `own`.
pub(crate) fn forget_others(parent: u64, own: u64) {
    for mark in &REPORTING {
        let is_own = mark.load(Ordering::Relaxed) == parent;
        mark.store(if is_own { own } else { 0 }, Ordering::Relaxed);
    }
    #[cfg(feature = "debug")]
    long::forget_claims();
}

/// Ends the process when a panic of the hook reaches the heap, which must not
/// be unwound: its operation is half done.
struct AbortOnUnwind;

impl Drop for AbortOnUnwind {
    fn drop(&mut self) {
        sys::abort();
    }
}

#[cfg(test)]
mod tests;
