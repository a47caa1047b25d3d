//! Types of blocks, kinds of reports, and flags, by Microsoft's numbers.
//!
//! Sources: "CRT debug heap details", "_CrtSetDbgFlag", "_CrtSetReportMode",
//! "_CrtSetAllocHook", "_CrtSetReportHook2".

/// A freed block that is kept in the list.
pub const FREE_BLOCK: i32 = 0;
/// An ordinary block.
pub const NORMAL_BLOCK: i32 = 1;
/// A block of the runtime library's own.
pub const CRT_BLOCK: i32 = 2;
/// A block that is not looked at.
pub const IGNORE_BLOCK: i32 = 3;
/// A block of a kind of the program's, which has subtypes.
pub const CLIENT_BLOCK: i32 = 4;
/// The number of types.
pub const MAX_BLOCKS: usize = 5;
/// Any type, to functions that compare a block's with another.
pub const UNKNOWN_BLOCK: i32 = -1;

/// The types' names in reports.
pub(super) const NAMES: [&str; MAX_BLOCKS] = ["Free", "Normal", "CRT", "Ignore", "Client"];

/// The type in a block's use, as an index; subtypes are in the upper half.
pub(super) const fn type_of(block_use: i32) -> usize {
    (block_use & 0xFFFF) as usize
}

/// The subtype in a block's use.
pub(super) const fn subtype_of(block_use: i32) -> i32 {
    (block_use >> 16) & 0xFFFF
}

/// Blocks may be asked for as that.
pub(super) const fn can_be_asked_for(block_use: i32) -> bool {
    matches!(
        block_use & 0xFFFF,
        NORMAL_BLOCK | CRT_BLOCK | IGNORE_BLOCK | CLIENT_BLOCK
    )
}

/// The name of a block's type.
pub(super) fn name_of(block_use: i32) -> &'static str {
    NAMES.get(type_of(block_use)).copied().unwrap_or("Unknown")
}

/// The flags of a debug heap, in the lower half; how often all blocks are
/// checked, in the upper one.
pub mod flags {
    /// New blocks have the type that they are asked for with; off,
    /// [`IGNORE_BLOCK`](super::IGNORE_BLOCK). On by default.
    pub const ALLOC_MEM: i32 = 0x01;
    /// Freed blocks stay in the list.
    pub const DELAY_FREE_MEM: i32 = 0x02;
    /// All blocks are checked at every call.
    pub const CHECK_ALWAYS: i32 = 0x04;
    /// Without meaning.
    pub const RESERVED: i32 = 0x08;
    /// Leaks and differences are told of the runtime library's own blocks, too.
    pub const CHECK_CRT: i32 = 0x10;
    /// Leaks are told when the process ends.
    pub const LEAK_CHECK: i32 = 0x20;
    /// All blocks are checked at every 16th call.
    pub const CHECK_EVERY_16: i32 = 0x0010_0000;
    /// All blocks are checked at every 128th call.
    pub const CHECK_EVERY_128: i32 = 0x0080_0000;
    /// All blocks are checked at every 1,024th call.
    pub const CHECK_EVERY_1024: i32 = 0x0400_0000;
    /// All that mean something, or may be set.
    pub(in crate::crt::debug) const KNOWN: i32 = 0xFFFF_003F_u32 as i32;
}

/// A warning, or a message.
pub const WARN: i32 = 0;
/// An error.
pub const ERROR: i32 = 1;
/// An assertion that does not hold.
pub const ASSERT: i32 = 2;
/// The number of kinds of reports.
pub const KINDS: usize = 3;

/// Reports go to a file.
pub const MODE_FILE: i32 = 0x1;
/// Reports go to the debugger.
pub const MODE_DEBUG: i32 = 0x2;
/// Reports go to a window.
pub const MODE_WINDOW: i32 = 0x4;

/// An allocation hook is told of an allocation.
pub const HOOK_ALLOC: i32 = 1;
/// An allocation hook is told that a block changes its size.
pub const HOOK_REALLOC: i32 = 2;
/// An allocation hook is told that a block is freed.
pub const HOOK_FREE: i32 = 3;
