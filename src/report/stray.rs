//! What a report says of an address that is no pointer but what the heap fills memory with:
//! somebody read a pointer where none was written, and followed it.

use core::fmt;

/// Memory that holds a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StrayOrigin {
    /// A block's, not written to since it was allocated.
    NeverWritten,
    /// A freed block's.
    Freed,
    /// What lies behind a block's end.
    PastTheEnd,
}

impl StrayOrigin {
    /// The origin in words, to stand behind "read from".
    pub const fn name(self) -> &'static str {
        match self {
            StrayOrigin::NeverWritten => "memory of the heap that was never written",
            StrayOrigin::Freed => "a freed block",
            StrayOrigin::PastTheEnd => "behind the end of a block",
        }
    }

    /// What helps.
    #[cfg(feature = "debug")]
    pub(crate) const fn advice(self) -> &'static str {
        match self {
            StrayOrigin::NeverWritten => {
                "advice: give it a value where the block is made, or take zeros (calloc, \
                 HEAP_ZERO_MEMORY, alloc_zeroed)"
            }
            StrayOrigin::Freed => {
                "advice: the block that it was read from was freed before; NTHEAP_GFLAGS=+hpa \
                 ends the program at that read and tells who freed the block"
            }
            StrayOrigin::PastTheEnd => {
                "advice: it was read from behind the block that it was looked for in; \
                 NTHEAP_GFLAGS=+hpa with NTHEAP_PAGEHEAP=unaligned ends the program at that read"
            }
        }
    }
}

/// A fill that was taken for a pointer, or for an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stray {
    /// The value: the fill, or a little beside it.
    pub value: usize,
    /// The register that had it; empty where it was in none.
    pub register: &'static str,
    /// Whether it counted elements, and was no address.
    pub is_index: bool,
    /// What it was multiplied by in the register: 1, or the size of an element.
    pub times: usize,
    /// What memory is filled with it.
    pub origin: StrayOrigin,
}

impl Stray {
    #[cfg(feature = "debug")]
    pub(crate) fn new(
        value: usize,
        register: &'static str,
        is_index: bool,
        times: usize,
        origin: StrayOrigin,
    ) -> Stray {
        Stray {
            value,
            register,
            is_index,
            times,
            origin,
        }
    }
}

impl fmt::Display for Stray {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "  {:X}", self.value)?;
        if self.times != 1 {
            write!(out, " times {}", self.times)?;
        }
        if !self.register.is_empty() {
            write!(out, " in {}", self.register)?;
        }
        let what = if self.is_index {
            "an index"
        } else {
            "a pointer"
        };
        writeln!(out, " is {what} read from {}", self.origin.name())
    }
}
