//! What is told of blocks and figures, line by line, each a report of its own.
//!
//! The lines are those of Microsoft's samples: "Find memory leaks with the CRT
//! library" has those of leaks and of figures, "_CrtReportBlockType" those of
//! client blocks.

use super::block::Header;
use super::heap::{DebugHeap, append_name};
use super::kind::{CLIENT_BLOCK, CRT_BLOCK, NAMES, NORMAL_BLOCK, WARN, flags, subtype_of, type_of};
use super::records::Record;
use super::report::{MESSAGE_MAX, say, say_bytes};
use super::state::State;
use super::text::Text;
use core::ffi::c_void;
use core::fmt::Write;

/// Bytes of a block that are shown.
const SHOWN: usize = 16;

/// A block that a walk is at, and its first bytes.
struct Shown {
    index: u32,
    record: Record,
    bytes: [u8; SHOWN],
}

impl DebugHeap {
    /// The figures now. Constant time.
    ///
    /// Source: "_CrtMemCheckpoint".
    pub fn checkpoint(&self) -> State {
        self.list.lock().state()
    }

    /// Reports the figures of a moment, or of a difference.
    ///
    /// Source: "_CrtMemDumpStatistics".
    pub fn dump_statistics(&self, state: &State) {
        for (name, (count, size)) in NAMES.iter().zip(state.counts.iter().zip(&state.sizes)) {
            say(
                WARN,
                format_args!("{size} bytes in {count} {name} Blocks.\n"),
            );
        }
        say(
            WARN,
            format_args!("Largest number used: {} bytes.\n", state.highest),
        );
        say(
            WARN,
            format_args!("Total allocations: {} bytes.\n", state.total),
        );
    }

    /// Reports every block that was asked for since a checkpoint, or ever, newest
    /// first: normal and client blocks, and the runtime library's own with
    /// [`flags::CHECK_CRT`]. A block that changed its size counts as asked for
    /// then.
    ///
    /// No lock is held while a line is reported or a program's function shows a
    /// client block; both may allocate and free. Takes time with the blocks.
    ///
    /// Source: "_CrtMemDumpAllObjectsSince".
    pub fn dump_since(&self, state: Option<&State>) {
        say(WARN, format_args!("Dumping objects ->\n"));
        let since = state.map(|state| self.since(state));
        let mut at = None;
        while let Some(shown) = self.next_shown(at, &|record| self.is_dumped(record, since)) {
            at = Some((shown.index, shown.record.request));
            self.dump(&shown);
        }
        say(WARN, format_args!("Object dump complete.\n"));
    }

    /// Reports all blocks if there are leaks; whether there are.
    ///
    /// Source: "_CrtDumpMemoryLeaks".
    pub fn dump_leaks(&self) -> bool {
        let has_leaks = self.checkpoint().has_leaks(self.has(flags::CHECK_CRT));
        if has_leaks {
            say(WARN, format_args!("Detected memory leaks!\n"));
            self.dump_since(None);
        }
        has_leaks
    }

    /// Calls `visit` for every client block, newest first, with no lock held. It
    /// may allocate and free, the block it is called for included, and leave by
    /// `longjmp`. Nothing is done when [`flags::ALLOC_MEM`] is off.
    ///
    /// Source: "_CrtDoForAllClientObjects".
    ///
    /// # Safety
    /// `visit` can be called with `context`, by this thread.
    pub unsafe fn for_all_client_blocks(
        &self,
        visit: unsafe extern "C" fn(*mut c_void, *mut c_void),
        context: *mut c_void,
    ) {
        if !self.has(flags::ALLOC_MEM) {
            return;
        }
        let mut at = None;
        while let Some(shown) = self.next_shown(at, &|record| {
            type_of(record.block_use) == CLIENT_BLOCK as usize
        }) {
            at = Some((shown.index, shown.record.request));
            // SAFETY: the caller's promise.
            unsafe { visit(shown.record.data.cast(), context) };
        }
    }

    /// What tells the blocks from before a checkpoint: the bytes asked for until
    /// then, and the newest block's number, if that block is still there.
    fn since(&self, state: &State) -> (usize, u64) {
        let data = state.newest.cast::<u8>().wrapping_add(size_of::<Header>());
        let number = match state.newest.is_null() {
            true => None,
            false => self
                .look(data)
                .map(|seen| seen.record)
                .filter(|record| record.total <= state.total)
                .map(|record| record.request),
        };
        // Without it, blocks of no bytes that were asked for just before the
        // checkpoint cannot be told from those just after it, and are told.
        (state.total, number.unwrap_or(0))
    }

    fn is_dumped(&self, record: &Record, since: Option<(usize, u64)>) -> bool {
        let is_after = since.is_none_or(|(total, number)| {
            record.total > total
                || (record.size == 0 && record.total == total && record.request > number)
        });
        is_after
            && match record.block_use & 0xFFFF {
                NORMAL_BLOCK | CLIENT_BLOCK => true,
                CRT_BLOCK => self.has(flags::CHECK_CRT),
                _ => false,
            }
    }

    /// The next block of a walk that is wanted.
    fn next_shown(
        &self,
        at: Option<(u32, u64)>,
        is_wanted: &dyn Fn(&Record) -> bool,
    ) -> Option<Shown> {
        let list = self.list.lock();
        let mut index = list.after(at);
        loop {
            let record = *list.get(index)?;
            if is_wanted(&record) {
                let mut bytes = [0; SHOWN];
                let count = record.size.min(SHOWN);
                // SAFETY: blocks in the list are live, and this one has so many
                // bytes.
                unsafe {
                    core::ptr::copy_nonoverlapping(record.data, bytes.as_mut_ptr(), count);
                }
                return Some(Shown {
                    index,
                    record,
                    bytes,
                });
            }
            index = record.older;
        }
    }

    fn dump(&self, shown: &Shown) {
        let record = &shown.record;
        let mut line = Text::<MESSAGE_MAX>::new();
        if !record.file.is_null() {
            append_name(&mut line, record.file);
            // The buffer truncates and never fails, here and below.
            let _ = write!(line, "({}) : ", record.line);
        }
        let (request, address, size) = (record.request, record.data.addr(), record.size);
        let subtype = subtype_of(record.block_use);
        let _ = match record.block_use & 0xFFFF {
            CLIENT_BLOCK => writeln!(
                line,
                "{{{request}}} client block at 0x{address:016X}, subtype {subtype:x}, {size} bytes long."
            ),
            CRT_BLOCK => writeln!(
                line,
                "{{{request}}} crt block at 0x{address:016X}, subtype {subtype:x}, {size} bytes long."
            ),
            _ => writeln!(
                line,
                "{{{request}}} normal block at 0x{address:016X}, {size} bytes long."
            ),
        };
        say_bytes(WARN, line.as_bytes());
        if record.block_use & 0xFFFF == CLIENT_BLOCK
            && let Some(dump) = self.dump_client()
        {
            // SAFETY: whoever set it promised so; the block was there a moment
            // ago, which is all that a program with several threads can have.
            unsafe { dump(record.data.cast(), size) };
            return;
        }
        let mut line = Text::<128>::new();
        line.append(b" Data: <");
        let bytes = shown.bytes.get(..size.min(SHOWN)).unwrap_or_default();
        for &byte in bytes {
            let is_shown = byte.is_ascii_graphic();
            line.push(if is_shown { byte } else { b' ' });
        }
        line.append(b"> ");
        for byte in bytes {
            let _ = write!(line, "{byte:02X} ");
        }
        line.push(b'\n');
        say_bytes(WARN, line.as_bytes());
    }
}
