//! Tags: what asked for a block, as a number, so that blocks can be counted by it.
//!
//! ```text
//!   htg   HeapAlloc(heap, HEAP_MAKE_TAG_FLAGS(0, 5), size)   the call's number: 1 to 0xFFF
//!   htd   malloc(size) in libplugin.so                       the module's: from 0x1000 on
//! ```
//!
//! With both a call's own number goes before its module's. The module is that of the first
//! frame of the stack which is none of this library's; it keeps its number, and its name, when
//! it is unloaded. A block that has neither has tag 0.
//!
//! Invariants: a record's tag is written where its record is made; modules' numbers are given
//! in the order of their first allocations, and never again.

use super::registry::{self, State};
use super::{gflags, has, stacks};
use crate::heap::traces::{FIRST_MODULE, MODULE_NAME, Traces};
use core::fmt::{self, Write};
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The number before the first module's.
const MODULES: u16 = FIRST_MODULE - 1;

/// Modules that have numbers; the blocks of others have tag 0.
const MOST: usize = 64;

/// Tags that are told one by one; what has others is told as one.
const TOLD: usize = 96;

/// Where in a call's flags its tag lies (HEAP_TAG_SHIFT and HEAP_MAXIMUM_TAG).
const SHIFT: u32 = 18;
const MAXIMUM: u32 = 0xfff;

/// Bytes of a name that are kept.
const NAME: usize = MODULE_NAME;

struct Module {
    /// As [`super::modules::key`] makes it of the module's start and name; 0 is a free place.
    key: AtomicU64,
    /// The name's bytes, filled up with zeros.
    name: [AtomicU64; NAME / 8],
    /// The name's length, once it is there.
    length: AtomicUsize,
}

static KNOWN: [Module; MOST] = [const {
    Module {
        key: AtomicU64::new(0),
        name: [const { AtomicU64::new(0) }; NAME / 8],
        length: AtomicUsize::new(0),
    }
}; MOST];

/// Whether blocks have tags.
pub(in crate::heap) fn are_on() -> bool {
    has(gflags::TAGGING | gflags::TAG_BY_DLL)
}

/// Where tags and names are, for who reads them from outside; the rest is in `so_far`.
pub(super) fn describe(so_far: Traces) -> Traces {
    if !are_on() {
        return so_far;
    }
    Traces {
        tag: offset_of!(registry::Record, tag),
        modules: [(&raw const KNOWN).addr(), MOST, size_of::<Module>()],
        module_name: [offset_of!(Module, name), offset_of!(Module, length)],
        ..so_far
    }
}

/// Writes the tag of a block that was just made by a call with these flags, and with the
/// stack of this number, into its record.
pub(in crate::heap) fn note(address: usize, call_flags: u32) {
    if !are_on() {
        return;
    }
    let own = (call_flags >> SHIFT & MAXIMUM) as u16;
    let tag = if own != 0 && has(gflags::TAGGING) {
        own
    } else if has(gflags::TAG_BY_DLL) {
        // A new module's name is asked of the system: not under a lock.
        registry::find(address).map_or(0, |record| of_stack(record.stack))
    } else {
        0
    };
    registry::update(address, |record| record.tag = tag);
}

/// Gives a block that another one was moved to that one's tag, or the one of the call that
/// moved it.
pub(in crate::heap) fn carry(old: usize, new: usize, call_flags: u32) {
    if !are_on() {
        return;
    }
    let own = (call_flags >> SHIFT & MAXIMUM) as u16;
    let tag = if own != 0 && has(gflags::TAGGING) {
        own
    } else {
        of(old)
    };
    registry::update(new, |record| record.tag = tag);
}

/// The tag of the busy block that starts at `address`; 0 for none.
pub fn of(address: usize) -> u16 {
    registry::find(address)
        .filter(|record| record.state == State::Busy)
        .map_or(0, |record| record.tag)
}

/// The number of the module whose call a stack is of.
fn of_stack(stack: u32) -> u16 {
    for &frame in stacks::frames(stack) {
        let Some(key) = super::modules::key(frame) else {
            return 0;
        };
        for (index, module) in KNOWN.iter().enumerate() {
            let taken = module
                .key
                .compare_exchange(0, key, Ordering::Relaxed, Ordering::Relaxed);
            match taken {
                Ok(_) => module.begin(frame),
                Err(found) if found == key => {}
                Err(_) => continue,
            }
            if module.is_ours() {
                break;
            }
            return MODULES + 1 + index as u16;
        }
    }
    0
}

impl Module {
    /// Keeps the name of the module that an address of code lies in.
    fn begin(&self, address: usize) {
        let mut name = [0; NAME];
        let length = super::modules::file_at(address, &mut name).min(NAME);
        for (place, bytes) in self.name.iter().zip(name.chunks_exact(8)) {
            let word = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
            place.store(word, Ordering::Relaxed);
        }
        self.length.store(length, Ordering::Release);
    }

    fn name(&self, room: &mut [u8; NAME]) -> usize {
        let length = self.length.load(Ordering::Acquire).min(NAME);
        for (place, bytes) in self.name.iter().zip(room.chunks_exact_mut(8)) {
            bytes.copy_from_slice(&place.load(Ordering::Relaxed).to_ne_bytes());
        }
        length
    }

    /// Whether it is one of this library's own, which ask for others.
    fn is_ours(&self) -> bool {
        let mut room = [0; NAME];
        let length = self.name(&mut room);
        room.get(..length)
            .is_some_and(|name| name.starts_with(b"libntheap"))
    }
}

/// A tag as people read it: a module's name, or a call's number.
#[derive(Clone, Copy, Debug)]
pub struct Name(pub u16);

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(index) = self.0.checked_sub(MODULES + 1) else {
            return match self.0 {
                0 => out.write_str("no tag"),
                number => write!(out, "tag {number}"),
            };
        };
        let mut room = [0; NAME];
        let length = KNOWN
            .get(usize::from(index))
            .map_or(0, |module| module.name(&mut room));
        let name = room.get(..length).unwrap_or_default();
        match core::str::from_utf8(name) {
            Ok(name) if !name.is_empty() => write!(out, "{}", name.escape_debug()),
            _ => write!(out, "module {}", index + 1),
        }
    }
}

/// What is in use of a tag.
#[derive(Clone, Copy, Default)]
struct Count {
    tag: u16,
    blocks: usize,
    bytes: usize,
}

/// Writes what is in use, by tag, the most bytes first; nothing where there are no tags.
pub(in crate::heap) fn write(out: &mut dyn Write) -> fmt::Result {
    if !are_on() {
        return Ok(());
    }
    let mut counts = [Count::default(); TOLD];
    let mut used = 0;
    let mut others = Count::default();
    registry::for_each(&mut |record| {
        if record.state != State::Busy {
            return;
        }
        let known = counts
            .iter()
            .take(used)
            .position(|count| count.tag == record.tag);
        let at = known.unwrap_or(used);
        let count = match counts.get_mut(at) {
            Some(count) => {
                used = used.max(at + 1);
                count.tag = record.tag;
                count
            }
            None => &mut others,
        };
        count.blocks += 1;
        count.bytes = count.bytes.saturating_add(record.size);
    });
    let counts = counts.get_mut(..used).unwrap_or_default();
    counts.sort_unstable_by_key(|count| (usize::MAX - count.bytes, count.tag));
    writeln!(out, "  {:>12} {:>20}  in use by", "blocks", "bytes")?;
    for Count { tag, blocks, bytes } in counts {
        writeln!(out, "  {blocks:>12} {bytes:>20}  {}", Name(*tag))?;
    }
    if others.blocks != 0 {
        let Count { blocks, bytes, .. } = others;
        writeln!(out, "  {blocks:>12} {bytes:>20}  other tags")?;
    }
    Ok(())
}
