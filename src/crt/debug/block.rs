//! What lies around a debug block's bytes, and what its bytes are filled with.
//!
//! ```text
//!   block of the runtime's heap
//!   +--------+--------------------------------------+------+ - - - - +------+
//!   | Stamp  | Header: next previous file line use  | FD×4 |  bytes  | FD×4 |
//!   |        |         size request                 |      |         |      |
//!   +--------+--------------------------------------+------+ - - - - +------+
//!   0        16                                     60     64        64+size
//! ```
//!
//! The header is the structure that Microsoft documents, for people and
//! programs that look at it. Nothing is believed that stands in it: what is
//! true of a block stands in its record (records.rs), and the stamp in front of
//! the header only leads there faster than a search does.
//!
//! Source: "CRT debug heap details".

use super::records::Record;
use core::ffi::c_char;
use core::ptr;

/// What new bytes are filled with.
pub const NEW: u8 = 0xCD;
/// What freed bytes are filled with.
pub const FREED: u8 = 0xDD;
/// What the fences on both sides of the bytes are filled with.
pub const FENCE: u8 = 0xFD;
/// Bytes of a fence.
pub const FENCE_SIZE: usize = 4;
/// Most bytes of a fence, or of a freed block, that are compared at a time.
const STEP: usize = 64;

/// The header of a debug block, as Microsoft documents it; the first fence is
/// its last member, and the block's bytes follow it.
#[derive(Debug)]
#[repr(C)]
pub struct Header {
    /// The block that was allocated just before this one.
    pub next: *mut Header,
    /// The block that was allocated just after this one.
    pub previous: *mut Header,
    /// The file that asked for the block, or null.
    pub file: *const c_char,
    /// The line in it.
    pub line: i32,
    /// The block's type: the lower half, and for client blocks a subtype in the
    /// upper one.
    pub block_use: i32,
    /// Bytes of the block.
    pub size: usize,
    /// The number of the request for it, as far as it fits.
    pub request: i32,
    /// The fence before the block's bytes.
    pub gap: [u8; FENCE_SIZE],
}

/// In front of the header: leads from a block to its record.
#[repr(C)]
struct Stamp {
    record: u32,
    magic: u32,
    /// The address of the block's bytes.
    data: usize,
}

const MAGIC: u32 = 0x4742_444e;

/// Bytes in front of a block's own.
pub(super) const LEAD: usize = size_of::<Stamp>() + size_of::<Header>();
/// Bytes that a debug block takes beside its own.
pub const OVERHEAD: usize = LEAD + FENCE_SIZE;

#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<Header>() == 48);
    assert!(core::mem::offset_of!(Header, gap) == 44);
    assert!(LEAD == 64 && LEAD.is_multiple_of(16));
};

/// The header of the block with these bytes.
pub(super) fn header_of(data: *mut u8) -> *mut Header {
    data.wrapping_sub(size_of::<Header>()).cast()
}

/// The header of a record's block, null for none.
fn header_or_null(record: Option<&Record>) -> *mut Header {
    record.map_or(ptr::null_mut(), |record| header_of(record.data))
}

/// The record that the stamp of the block at `data` names, if it is a stamp.
///
/// # Safety
/// The 16 bytes of a stamp, [`LEAD`] bytes before `data`, can be read.
pub(super) unsafe fn stamped(data: *mut u8) -> Option<u32> {
    // SAFETY: the caller's promise; all bytes are a stamp.
    let stamp = unsafe { data.wrapping_sub(LEAD).cast::<Stamp>().read_unaligned() };
    (stamp.magic == MAGIC && stamp.data == data.addr()).then_some(stamp.record)
}

/// What of the surroundings of a block is not what was written there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    /// The fence before the bytes, or the header before that.
    pub before: bool,
    /// The fence after the bytes.
    pub after: bool,
    /// The bytes of a freed block that is kept.
    pub inside: bool,
}

impl Damage {
    /// Whether there is any.
    pub fn any(self) -> bool {
        self.before || self.after || self.inside
    }
}

fn stamp_for(index: u32, record: &Record) -> Stamp {
    Stamp {
        record: index,
        magic: MAGIC,
        data: record.data.addr(),
    }
}

fn header_for(record: &Record, next: *mut Header, previous: *mut Header) -> Header {
    Header {
        next,
        previous,
        file: record.file,
        line: record.line,
        block_use: record.block_use,
        size: record.size,
        request: record.request as i32,
        gap: [FENCE; FENCE_SIZE],
    }
}

/// Writes a block's stamp and header anew: the record changed, or one of the
/// blocks beside it in the list.
///
/// # Safety
/// The record's block is live.
pub(super) unsafe fn write_lead(
    index: u32,
    record: &Record,
    older: Option<&Record>,
    newer: Option<&Record>,
) {
    let header = header_of(record.data);
    let next = header_or_null(older);
    let previous = header_or_null(newer);
    // SAFETY: the caller's live block begins with a stamp and a header.
    unsafe {
        record
            .data
            .wrapping_sub(LEAD)
            .cast::<Stamp>()
            .write(stamp_for(index, record));
        header.write(header_for(record, next, previous));
    }
}

/// Writes the links in a block's header anew, and nothing else: what is damaged
/// stays so.
///
/// # Safety
/// The record's block is live.
pub(super) unsafe fn write_links(record: &Record, older: Option<&Record>, newer: Option<&Record>) {
    let header = header_of(record.data);
    // SAFETY: the caller's live block has a header.
    unsafe {
        (*header).next = header_or_null(older);
        (*header).previous = header_or_null(newer);
    }
}

/// Writes the fence behind the bytes of a block.
///
/// # Safety
/// The record's block is live.
pub(super) unsafe fn write_fence(record: &Record) {
    // SAFETY: a fence's bytes follow the caller's live block's own.
    unsafe {
        record
            .data
            .wrapping_add(record.size)
            .write_bytes(FENCE, FENCE_SIZE)
    };
}

/// Whether all `size` bytes at `start` are `value`.
///
/// # Safety
/// They can be read.
pub(super) unsafe fn is_filled(start: *const u8, size: usize, value: u8) -> bool {
    let mut at = 0;
    while at < size {
        let part = STEP.min(size - at);
        let mut copy = [value; STEP];
        // SAFETY: `part` bytes from `at` on lie in the caller's range, and fit
        // the array.
        unsafe { ptr::copy_nonoverlapping(start.wrapping_add(at), copy.as_mut_ptr(), part) };
        if copy != [value; STEP] {
            return false;
        }
        at += part;
    }
    true
}

/// What is damaged of a block, seen against its record. Takes time with the
/// size of a freed block.
///
/// # Safety
/// The record's block is live.
pub(super) unsafe fn damage(
    index: u32,
    record: &Record,
    older: Option<&Record>,
    newer: Option<&Record>,
    is_freed: bool,
) -> Damage {
    let header = header_for(record, header_or_null(older), header_or_null(newer));
    let stamp = stamp_for(index, record);
    // SAFETY: the caller's live block has a stamp, a header, its bytes and a
    // fence. All of a header's and a stamp's bytes are members, none is padding.
    unsafe {
        let same = |expected: *const u8, found: *const u8, size: usize| {
            core::slice::from_raw_parts(expected, size) == core::slice::from_raw_parts(found, size)
        };
        let lead = record.data.wrapping_sub(LEAD);
        let found = header_of(record.data);
        Damage {
            before: !same((&raw const stamp).cast(), lead, size_of::<Stamp>())
                || !same(
                    (&raw const header).cast(),
                    found.cast_const().cast(),
                    size_of::<Header>(),
                ),
            after: !is_filled(record.data.wrapping_add(record.size), FENCE_SIZE, FENCE),
            inside: is_freed && !is_filled(record.data, record.size, FREED),
        }
    }
}
