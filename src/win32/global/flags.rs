//! The families' types and flags, by Windows' names.

use crate::win32::types::{HANDLE, UINT};

/// A handle of global memory, or the address of a fixed block.
pub type HGLOBAL = HANDLE;
/// A handle of local memory, or the address of a fixed block.
pub type HLOCAL = HANDLE;

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $value:expr;)*) => {
        $($(#[$doc])* pub const $name: UINT = $value;)*
    };
}

flags! {
    /// The handle is the block's address.
    GMEM_FIXED = 0x0000;
    /// The block has a handle.
    GMEM_MOVEABLE = 0x0002;
    /// Accepted, without effect.
    GMEM_NOCOMPACT = 0x0010;
    /// Accepted, without effect.
    GMEM_NODISCARD = 0x0020;
    /// New bytes are 0.
    GMEM_ZEROINIT = 0x0040;
    /// Of [`GlobalReAlloc`](super::GlobalReAlloc): change what the handle is, not its size.
    GMEM_MODIFY = 0x0080;
    /// The block may be discarded, by its owner: nobody else does.
    GMEM_DISCARDABLE = 0x0100;
    /// Accepted, without effect.
    GMEM_NOT_BANKED = 0x1000;
    /// Kept by a moveable block, without other effect.
    GMEM_SHARE = 0x2000;
    /// Kept by a moveable block, without other effect.
    GMEM_DDESHARE = 0x2000;
    /// Accepted, without effect.
    GMEM_NOTIFY = 0x4000;
    /// Accepted, without effect.
    GMEM_LOWER = GMEM_NOT_BANKED;
    /// All flags that mean something.
    GMEM_VALID_FLAGS = 0x7F72;
    /// What [`GlobalFlags`](super::GlobalFlags) returns of no handle.
    GMEM_INVALID_HANDLE = 0x8000;
    /// A moveable block, zeroed.
    GHND = GMEM_MOVEABLE | GMEM_ZEROINIT;
    /// A fixed block, zeroed.
    GPTR = GMEM_FIXED | GMEM_ZEROINIT;
    /// Of [`GlobalFlags`](super::GlobalFlags): the block is discarded or of size 0.
    GMEM_DISCARDED = 0x4000;
    /// Of [`GlobalFlags`](super::GlobalFlags): how often it is locked.
    GMEM_LOCKCOUNT = 0x00FF;
    /// The handle is the block's address.
    LMEM_FIXED = 0x0000;
    /// The block has a handle.
    LMEM_MOVEABLE = 0x0002;
    /// Accepted, without effect.
    LMEM_NOCOMPACT = 0x0010;
    /// Accepted, without effect.
    LMEM_NODISCARD = 0x0020;
    /// New bytes are 0.
    LMEM_ZEROINIT = 0x0040;
    /// Of [`LocalReAlloc`](super::LocalReAlloc): change what the handle is, not its size.
    LMEM_MODIFY = 0x0080;
    /// The block may be discarded, by its owner: nobody else does.
    LMEM_DISCARDABLE = 0x0F00;
    /// All flags that mean something.
    LMEM_VALID_FLAGS = 0x0F72;
    /// What [`LocalFlags`](super::LocalFlags) returns of no handle.
    LMEM_INVALID_HANDLE = 0x8000;
    /// A moveable block, zeroed.
    LHND = LMEM_MOVEABLE | LMEM_ZEROINIT;
    /// A fixed block, zeroed.
    LPTR = LMEM_FIXED | LMEM_ZEROINIT;
    /// A moveable block.
    NONZEROLHND = LMEM_MOVEABLE;
    /// A fixed block.
    NONZEROLPTR = LMEM_FIXED;
    /// Of [`LocalFlags`](super::LocalFlags): the block is discarded or of size 0.
    LMEM_DISCARDED = 0x4000;
    /// Of [`LocalFlags`](super::LocalFlags): how often it is locked.
    LMEM_LOCKCOUNT = 0x00FF;
}
