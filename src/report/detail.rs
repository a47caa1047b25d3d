//! What a report can say of a block beside where it is: which bytes changed, who
//! allocated it and who freed it.

#[cfg(feature = "debug")]
use super::{Block, Bytes, Name};
use core::fmt;
#[cfg(feature = "debug")]
use core::fmt::Write;

/// Most bytes of a damage that are shown.
const SHOWN: usize = 32;

/// Bytes that are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// The address of the first byte that changed.
    pub address: usize,
    /// How many bytes of those that were looked at changed.
    pub changed: usize,
    /// What was expected, over and over, byte by byte from `shown_from`.
    pub expected: [u8; 4],
    /// The address of the first byte shown: at a multiple of four from where the
    /// pattern begins.
    pub shown_from: usize,
    /// How many bytes are shown, 32 at most.
    pub shown: usize,
    /// The bytes found.
    pub bytes: [u8; SHOWN],
}

impl Damage {
    /// Compares `length` bytes at `start` with a pattern; `None` where they are
    /// all as expected.
    ///
    /// # Safety
    /// The bytes can be read, though they may change meanwhile.
    #[cfg(feature = "debug")]
    pub(crate) unsafe fn find(start: usize, length: usize, expected: [u8; 4]) -> Option<Damage> {
        let place: *const u8 = core::ptr::with_exposed_provenance(start);
        // SAFETY: the caller's bytes.
        let at = |offset: usize| unsafe { place.add(offset).read_volatile() };
        let is_right = |offset: usize| {
            expected
                .get(offset % 4)
                .is_some_and(|&byte| byte == at(offset))
        };
        let word = u32::from_ne_bytes(expected);
        let mut first = 0;
        // Word by word: a heap's free memory may be large.
        while start.is_multiple_of(4) && first + 4 <= length {
            // SAFETY: as above.
            if unsafe { place.add(first).cast::<u32>().read_volatile() } != word {
                break;
            }
            first += 4;
        }
        while first < length && is_right(first) {
            first += 1;
        }
        if first >= length {
            return None;
        }
        let changed = (first..length.min(first + 4096)).filter(|&offset| !is_right(offset));
        let shown_from = first & !3;
        let mut damage = Damage {
            address: start + first,
            changed: changed.count(),
            expected,
            shown_from: start + shown_from,
            shown: (length - shown_from).min(SHOWN),
            bytes: [0; SHOWN],
        };
        for (offset, byte) in damage.bytes.iter_mut().enumerate().take(damage.shown) {
            *byte = at(shown_from + offset);
        }
        Some(damage)
    }

    /// The bytes shown.
    pub fn found(&self) -> &[u8] {
        self.bytes.get(..self.shown).unwrap_or_default()
    }
}

impl Damage {
    #[cfg(feature = "debug")]
    /// Writes the lines of a report: where it is, seen from the block, what was
    /// expected, and a dump of what was found.
    pub(super) fn write(&self, block: Option<&Block>, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let were = if self.changed == 1 {
            "byte is"
        } else {
            "bytes are"
        };
        write!(out, "  {} {were} not as expected, the first ", self.changed)?;
        if let Some(block) = block {
            let offset = self.address.saturating_sub(block.start);
            let before = block.start.saturating_sub(self.address);
            match offset.checked_sub(block.size) {
                _ if before != 0 => write!(out, "{} before the block, ", Bytes(before))?,
                Some(past) => write!(out, "{} past the end of the block, ", Bytes(past))?,
                None => write!(out, "{} inside the block, ", Bytes(offset))?,
            }
        }
        write!(out, "at {:#x}; expected ", self.address)?;
        let [first, rest @ ..] = self.expected;
        if rest == [first; 3] {
            writeln!(out, "{first:02X}")?;
        } else {
            // As the number that Windows calls it.
            writeln!(out, "{:08X}", u32::from_le_bytes(self.expected))?;
        }
        for (index, line) in self.found().chunks(16).enumerate() {
            write!(out, "    {:#x} ", self.shown_from + index * 16)?;
            for byte in line {
                write!(out, " {byte:02X}")?;
            }
            out.write_str("  ")?;
            for &byte in line {
                let letter = char::from(byte);
                out.write_char(if letter.is_ascii_graphic() {
                    letter
                } else {
                    '.'
                })?;
            }
            out.write_char('\n')?;
        }
        Ok(())
    }
}

/// A thread's name, as the system's tools show it; empty where it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadName(pub [u8; 16]);

impl ThreadName {
    /// The name; what of it is no text is left out.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|&byte| byte == 0).unwrap_or(16);
        let bytes = self.0.get(..end).unwrap_or_default();
        match core::str::from_utf8(bytes) {
            Ok(name) => name,
            Err(error) => {
                let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                core::str::from_utf8(valid).unwrap_or_default()
            }
        }
    }
}

/// Who did something, and by which calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace<'a> {
    /// The number of the thread.
    pub thread: u64,
    /// Its name when it did it, or a little before.
    pub name: ThreadName,
    /// The return addresses, the innermost call's first; empty where stacks were
    /// not kept.
    pub frames: &'a [usize],
}

impl<'a> Trace<'a> {
    /// A thread's, of these frames.
    #[cfg(feature = "debug")]
    pub(crate) fn new(thread: u64, name: ThreadName, frames: &'a [usize]) -> Trace<'a> {
        Trace {
            thread,
            name,
            frames,
        }
    }

    #[cfg(feature = "debug")]
    /// Writes the lines of a report, the first of which begins with `what`.
    pub(super) fn write(&self, what: &str, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "  {what} by thread {}", self.thread)?;
        if !self.name.as_str().is_empty() {
            write!(out, " \"{}\"", Name(self.name.as_str()))?;
        }
        if self.frames.is_empty() {
            return out.write_char('\n');
        }
        out.write_str(":\n")?;
        for (index, &frame) in self.frames.iter().enumerate() {
            let place = Place::of(frame);
            write!(out, "    #{index} {frame:#x}")?;
            if !place.file().is_empty() {
                write!(out, " {}+{:#x}", Name(place.file()), place.offset)?;
            }
            out.write_char('\n')?;
        }
        Ok(())
    }
}

#[cfg(feature = "debug")]
/// Where an address of code is in its file, so that symbols can be found outside.
pub(super) struct Place {
    name: [u8; 64],
    length: usize,
    pub(super) offset: usize,
}

#[cfg(feature = "debug")]
impl Place {
    pub(super) fn of(address: usize) -> Place {
        #[cfg_attr(not(unix), allow(unused_mut))]
        let mut place = Place {
            name: [0; 64],
            length: 0,
            offset: address,
        };
        #[cfg(unix)]
        {
            place.length = crate::sys::file_at(address, &mut place.name);
        }
        #[cfg(all(
            target_os = "linux",
            target_env = "gnu",
            target_arch = "x86_64",
            feature = "debug"
        ))]
        if let Some(slide) = crate::sys::module_slide(address) {
            place.offset = address.wrapping_sub(slide);
        }
        place
    }

    pub(super) fn file(&self) -> &str {
        let bytes = self.name.get(..self.length).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// A size and an alignment in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BlockLayout {
    /// The size.
    pub size: usize,
    /// The alignment.
    pub align: usize,
}

impl BlockLayout {
    #[cfg(feature = "debug")]
    pub(crate) fn new(size: usize, align: usize) -> BlockLayout {
        BlockLayout { size, align }
    }
}

/// The Layout that a block was given back with, and its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Layouts {
    /// What it was given back with.
    pub given: BlockLayout,
    /// What it was allocated with.
    pub allocated: BlockLayout,
}

impl Layouts {
    #[cfg(feature = "debug")]
    pub(crate) fn new(given: BlockLayout, allocated: BlockLayout) -> Layouts {
        Layouts { given, allocated }
    }
}

impl fmt::Display for Layouts {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "  given back with size {} and alignment {}, allocated with size {} and alignment {}",
            self.given.size, self.given.align, self.allocated.size, self.allocated.align
        )
    }
}

/// The function that a block was given back by, and the one that it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Families {
    /// What it was given back by, such as `operator delete`.
    pub given: &'static str,
    /// What it was allocated by, such as `malloc`.
    pub allocated: &'static str,
}

impl Families {
    #[cfg(feature = "debug")]
    pub(crate) fn new(given: &'static str, allocated: &'static str) -> Families {
        Families { given, allocated }
    }
}

impl fmt::Display for Families {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "  given back by {}, allocated by {}",
            self.given, self.allocated
        )
    }
}
