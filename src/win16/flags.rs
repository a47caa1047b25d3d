//! Flags of an allocation, and what a block's flags tell.

use core::fmt;
use core::ops::BitOr;

/// How a block is to be allocated or changed: the `GMEM_` and `LMEM_` flags of
/// Windows 3.1, with their values. Join them by `|`.
///
/// Source: "GlobalAlloc", "GlobalReAlloc" and "LocalReAlloc" of the Windows 3.1
/// SDK's reference.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Flags(u16);

impl Flags {
    /// A block that never moves, as low in memory as it can lie.
    pub const FIXED: Flags = Flags(0);
    /// A block that may be moved whenever it is not locked.
    pub const MOVEABLE: Flags = Flags(0x0002);
    /// Neither moves nor discards blocks to make room.
    pub const NOCOMPACT: Flags = Flags(0x0010);
    /// Discards no blocks to make room.
    pub const NODISCARD: Flags = Flags(0x0020);
    /// Contents are zero; when a block grows, what is new is.
    pub const ZEROINIT: Flags = Flags(0x0040);
    /// Changes attributes and not the size.
    pub const MODIFY: Flags = Flags(0x0080);
    /// A moveable block that may be discarded, too.
    pub const DISCARDABLE: Flags = Flags(0x0100);
    /// Not in banked memory, of which there is none: changes nothing.
    pub const NOT_BANKED: Flags = Flags(0x1000);
    /// May be handed to other tasks (`GMEM_SHARE`, `GMEM_DDESHARE`). Shown by
    /// [`BlockFlags`]; any task may lock any block as it is.
    pub const SHARE: Flags = Flags(0x2000);
    /// Asks the owner's task before the block is discarded.
    pub const NOTIFY: Flags = Flags(0x4000);
    /// `GHND` and `LHND`: moveable and zero.
    pub const HND: Flags = Flags(0x0042);
    /// `GPTR` and `LPTR`: fixed and zero.
    pub const PTR: Flags = Flags(0x0040);

    const KNOWN: u16 = 0x71F2;

    /// The flags with this value; `None` if it has a bit that no flag has.
    pub const fn from_bits(bits: u16) -> Option<Flags> {
        if bits & !Self::KNOWN == 0 {
            Some(Flags(bits))
        } else {
            None
        }
    }

    /// The value that Windows' headers give these flags.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Whether all of `other` is set.
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is set.
    pub const fn intersects(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Flags {
    type Output = Flags;

    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Flags({:#06x})", self.0)
    }
}

/// What `GlobalFlags` and `LocalFlags` tell about a block.
///
/// Source: "GlobalFlags" of the Windows 3.1 SDK's reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockFlags {
    /// It may be discarded while it is not locked.
    pub discardable: bool,
    /// It has no memory: it was discarded, or made with a size of 0.
    pub discarded: bool,
    /// It was allocated with [`Flags::SHARE`].
    pub shared: bool,
    /// How often it is locked, 255 at most. Always 0 of a fixed block.
    pub locks: u8,
}

impl BlockFlags {
    /// `GMEM_DISCARDED`.
    const DISCARDED: u16 = 0x4000;

    /// The word that `GlobalFlags` returns: flags in the high byte, the lock
    /// count in the low one.
    pub const fn bits(self) -> u16 {
        let mut bits = self.locks as u16;
        if self.discardable {
            bits |= Flags::DISCARDABLE.0;
        }
        if self.discarded {
            bits |= Self::DISCARDED;
        }
        if self.shared {
            bits |= Flags::SHARE.0;
        }
        bits
    }
}
