//! The root record: where an outsider starts reading.
//!
//! Each copy of ntheap in a process (a program and each of its plugins may
//! link their own) writes one record at the start of a page. The page is the
//! first accessible page after an inaccessible one and starts at a multiple
//! of 64 KiB, so that it begins a mapping of its own in the system's list:
//!
//! ```text
//!   | up to 64 KiB reserved, no access | root record | other records, reserved ... |
//!                                      ^ a multiple of 64 KiB
//! ```
//!
//! Finding it takes no code of the copy it belongs to: list the process's
//! readable and writable mappings, and [`recognise`] the first bytes of those
//! that start at a multiple of 64 KiB. From the record, `anchors` lead to
//! the heaps, segments and descriptors; `version` says how to read them.

use super::{GRANULARITY, Use};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// The first bytes of every root record.
pub const MAGIC: [u8; 16] = *b"ntheap\0root\0\x1f\xf1\xee\xff";

/// The layout version of the record and of everything it leads to.
pub const VERSION: u32 = 2;

/// What each entry of [`RootRecord::anchors`] holds, an address each unless
/// said otherwise; 0 until it exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Anchor {
    /// The process heap's record. It names the heap, as reports do; its layout
    /// is this copy's own affair.
    ProcessHeap,
    /// The first segment of the process heap: a word that leads to the next one,
    /// the address of its slices, and a bit for each slice in use.
    Segments,
    /// The first large block's descriptor, linked through its field `next`.
    LargeBlocks,
    /// The slice table's first entry.
    SliceTable,
    /// The slice table's index mask (a number).
    SliceMask,
    /// Size of a descriptor's header in bytes (a number).
    DescriptorSize,
    /// The account of [`super::account`]: per use two words, reserved and
    /// committed.
    Account,
    /// What other copies of this one's own version call to use this copy's C
    /// runtime: a table of functions, whose first word is its version. Or 1: the copy
    /// decides whether it is to be the one.
    Runtime,
    /// The newest region that records lie in: a word that leads to the one before
    /// it, and its bytes.
    Records,
    /// The front end whose blocks have no marks: its caches and depots tell which
    /// of them are free.
    PlainFront,
    /// How the records are laid out (a number): who reads them from outside
    /// was built alike if his own is the same.
    Layout,
    /// Where blocks' records and call stacks are (`heap/traces.rs`); 0 where none are
    /// kept.
    Traces,
    /// Whether sampling gives a few blocks guarded pages of their own, to which no slice
    /// and no record leads (a number): 1 if so.
    Sampled,
    /// The heap profile's header, if the program is profiled.
    Profile,
}

/// Number of anchors, spare ones for later versions included.
pub const ANCHORS: usize = 16;

/// One copy's record, as it lies in memory.
#[derive(Debug)]
#[repr(C)]
pub struct RootRecord {
    /// [`MAGIC`].
    pub magic: [u8; 16],
    /// [`VERSION`].
    pub version: u32,
    /// Size of this record in bytes.
    pub size: u32,
    /// The record's own address: a copy of the bytes elsewhere is no record.
    pub address: usize,
    /// Where the rest is found, by [`Anchor`].
    pub anchors: [AtomicUsize; ANCHORS],
}

static ROOT: AtomicPtr<RootRecord> = AtomicPtr::new(core::ptr::null_mut());

/// Bytes behind the record's first [`GRANULARITY`] that are reserved with it, for the first
/// records of the layers above: a region and a page less that every process pays for.
const ROOM: usize = 4 * 1024 * 1024;

/// Where the record's region ends, until [`take_room`] is called; 0 where it has no room, as
/// where address space is limited.
static END: AtomicUsize = AtomicUsize::new(0);

/// What lies behind the root record, for whoever took it: committed up to one address, reserved
/// up to another, both multiples of [`GRANULARITY`].
pub(crate) struct Room {
    pub(crate) start: *mut u8,
    pub(crate) committed: usize,
    pub(crate) end: usize,
}

/// The room behind the record, which is zero and stays for ever; `None` where there is none, or
/// somebody has it.
pub(crate) fn take_room() -> Option<Room> {
    // The end is there before the record is.
    let record = ROOT.load(Ordering::Acquire);
    if record.is_null() {
        return None;
    }
    let end = END.swap(0, Ordering::Relaxed);
    (end != 0).then(|| Room {
        start: record
            .cast::<u8>()
            .wrapping_add(size_of::<RootRecord>().next_multiple_of(64)),
        committed: record.addr() + GRANULARITY,
        end,
    })
}

/// Makes this copy's record. Called once, before the first allocation is
/// served; false when the system has no memory for it. Of an address space of `limit` bytes,
/// `usize::MAX` for no limit, blocks may need what the room takes.
pub(crate) fn publish(limit: usize) -> bool {
    if !ROOT.load(Ordering::Acquire).is_null() {
        return true;
    }
    let mut room = if limit == usize::MAX { ROOM } else { 0 };
    // Wherever it lies, since each process pays for it.
    let mut region = super::reserve_anywhere(Use::Metadata, 2 * GRANULARITY + room);
    if region.is_null() && room != 0 {
        room = 0;
        region = super::reserve_anywhere(Use::Metadata, 2 * GRANULARITY);
    }
    let size = 2 * GRANULARITY + room;
    let committed = match room {
        0 => super::page_size(),
        _ => GRANULARITY,
    };
    if region.is_null() {
        return false;
    }
    // The first multiple behind the region's start, which stays without access.
    let start = region.addr();
    let page = region.wrapping_add((start + 1).next_multiple_of(GRANULARITY) - start);
    // SAFETY: up to 64 KiB from the page on lie in the region just reserved, which begins less than
    // that before it, and are not committed.
    if !unsafe { super::commit(Use::Metadata, page, committed) } {
        // SAFETY: the region is ours, whole, and unused.
        unsafe { super::give_back(Use::Metadata, region, size, 0) };
        return false;
    }
    let root = page.cast::<RootRecord>();
    // SAFETY: the page is committed, larger than the record, aligned to
    // 64 KiB and known to this thread alone until it is stored below.
    unsafe {
        root.write(RootRecord {
            magic: MAGIC,
            version: VERSION,
            size: size_of::<RootRecord>() as u32,
            address: root.addr(),
            anchors: [const { AtomicUsize::new(0) }; ANCHORS],
        });
    }
    if room != 0 {
        // Whoever takes the room commits it by whole pieces, none of which may reach beyond it.
        END.store((start + size) & !(GRANULARITY - 1), Ordering::Relaxed);
    }
    ROOT.store(root, Ordering::Release);
    set_anchor(Anchor::Account, super::ledgers_address());
    true
}

/// Sets one anchor; nothing before [`publish`].
pub(crate) fn set_anchor(anchor: Anchor, value: usize) {
    if let Some(entry) = own().and_then(|root| root.anchors.get(anchor as usize)) {
        entry.store(value, Ordering::Release);
    }
}

/// This copy's own record; `None` before the first allocation.
pub fn own() -> Option<&'static RootRecord> {
    // SAFETY: the pointer is null or the record written by `publish`, whose
    // page is never released.
    unsafe { ROOT.load(Ordering::Acquire).as_ref() }
}

/// The version of the root record that `bytes`, read from `address` of some
/// process of this machine, are the start of; `None` where they are no record
/// of any version.
#[cfg(feature = "heaps")]
#[cfg_attr(docsrs, doc(cfg(feature = "heaps")))]
pub fn version(bytes: &[u8], address: usize) -> Option<u32> {
    let at = core::mem::offset_of!(RootRecord, version);
    let version = bytes.get(at..)?.first_chunk()?;
    let at = core::mem::offset_of!(RootRecord, address);
    let own = bytes.get(at..)?.first_chunk()?;
    (bytes.starts_with(&MAGIC) && usize::from_ne_bytes(*own) == address)
        .then(|| u32::from_ne_bytes(*version))
}

/// Whether `bytes`, read from `address` of some process of this machine, are
/// the start of a root record; if so, its anchors as far as `bytes` holds
/// them (0 beyond).
#[cfg(feature = "heaps")]
#[cfg_attr(docsrs, doc(cfg(feature = "heaps")))]
pub fn recognise(bytes: &[u8], address: usize) -> Option<[usize; ANCHORS]> {
    let word = |at: usize| -> Option<usize> {
        let raw = bytes.get(at..at.checked_add(size_of::<usize>())?)?;
        Some(usize::from_ne_bytes(raw.try_into().ok()?))
    };
    let version = bytes.get(core::mem::offset_of!(RootRecord, version)..)?;
    if !bytes.starts_with(&MAGIC)
        || version.get(..4)? != VERSION.to_ne_bytes()
        || word(core::mem::offset_of!(RootRecord, address))? != address
    {
        return None;
    }
    let first = core::mem::offset_of!(RootRecord, anchors);
    let mut anchors = [0; ANCHORS];
    for (index, anchor) in anchors.iter_mut().enumerate() {
        *anchor = word(first + index * size_of::<usize>()).unwrap_or(0);
    }
    Some(anchors)
}
