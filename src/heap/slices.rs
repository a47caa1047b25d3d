//! The slice table: from an address to the descriptor of what lies there.
//!
//! One word per 64 KiB of address space, in a sparse table that reads zero
//! until a chunk or large block is entered. The index keeps only some bits
//! of the address; that two regions never share an entry is seen to when
//! they are entered, and that a foreign address does not pass for one of ours
//! is seen to by the descriptor, which compares the whole address.
//!
//! ```text
//!   address >> 16, masked --> entry --> table + entry = descriptor
//!                        0 --> table + 0      = describes nothing, not ours
//!                  CLAIMED --> table + HEADER = describes nothing, ours
//! ```
//!
//! An entry is the distance from the table to the descriptor, so that zero
//! leads to the empty descriptor at the table's own start and no test for
//! "nothing there" is needed. A second empty descriptor after it stands for
//! slices that are ours but hold no blocks now. Before the table exists, a static one of a
//! single entry stands in for it, with a mask of zero.

use super::claims::{self, Entries};
use super::classes::SLICE;
use super::descriptor::{Descriptor, HEADER, Nothing};
use crate::sync::Mutex;
use crate::vm::{self, Use, root};
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

/// The table before there is one.
#[repr(C)]
struct StandIn {
    nothing: [Nothing; 2],
    entries: [AtomicUsize; 1],
}

static STAND_IN: StandIn = StandIn {
    nothing: [const { Descriptor::nothing() }; 2],
    entries: [AtomicUsize::new(0)],
};

static MASK: AtomicUsize = AtomicUsize::new(0);
static TABLE: AtomicPtr<u8> = AtomicPtr::new(stand_in());

/// The entry of a slice that is ours and holds no blocks.
pub(super) const CLAIMED: usize = HEADER;
/// Where the entries start.
pub(super) const ENTRIES: usize = 2 * HEADER;

/// The table is committed in pieces of this many bytes, which cover 512 MiB
/// of addresses each: few system calls, few mappings.
const PIECE: usize = 64 * 1024;
/// One for each slice of a tebibyte; fewer where reading a table that is not
/// committed needs commit all the same.
const MAX_ENTRIES: usize = if cfg!(windows) { 1 << 20 } else { 1 << 24 };
const MIN_ENTRIES: usize = 1 << 16;
const PIECES: usize = (ENTRIES + MAX_ENTRIES * size_of::<usize>()).div_ceil(PIECE);

/// Which pieces are committed; written under `WRITERS`.
static COMMITTED: [AtomicU64; PIECES.div_ceil(64)] =
    [const { AtomicU64::new(0) }; PIECES.div_ceil(64)];

/// Held while entries are made or the table grows.
pub(super) static WRITERS: Mutex<()> = Mutex::new(());

/// Makes the table. False when the system has no address space for even the
/// smallest one. The address space has `limit` bytes, `usize::MAX` for no limit.
pub(super) fn create(limit: usize) -> bool {
    let mut entries = MAX_ENTRIES;
    while entries > MIN_ENTRIES && entries * size_of::<usize>() > limit / 64 {
        entries /= 16;
    }
    loop {
        let size = (ENTRIES + entries * size_of::<usize>()).next_multiple_of(PIECE);
        let table = vm::reserve_readable(Use::Table, size);
        if !table.is_null() {
            root::set_anchor(root::Anchor::SliceTable, table.addr() + ENTRIES);
            root::set_anchor(root::Anchor::SliceMask, entries - 1);
            // `find` may rebuild a pointer to the empty descriptor at the start.
            table.expose_provenance();
            TABLE.store(table, Ordering::Release);
            // After the table: whoever sees the mask sees the table too.
            MASK.store(entries - 1, Ordering::Release);
            return true;
        }
        if entries <= MIN_ENTRIES {
            return false;
        }
        entries /= 16;
    }
}

/// The stand-in's address.
pub(super) const fn stand_in() -> *mut u8 {
    (&raw const STAND_IN).cast::<u8>().cast_mut()
}

/// The table and its mask, which stay as they are once the table is made.
///
/// In a shared library the compiler reaches a static of another crate by a load
/// of its address. Here the linker fills in the distance: the mask, then the
/// table, as below, for this processor does not exchange loads.
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(ntheap_portable)))]
#[inline(always)]
pub(super) fn table() -> (*mut u8, usize) {
    let (table, mask): (*mut u8, usize);
    // SAFETY: reads the two statics.
    unsafe {
        core::arch::asm!(
            "mov {mask}, qword ptr [rip + {MASK}]",
            "mov {table}, qword ptr [rip + {TABLE}]",
            mask = out(reg) mask,
            table = out(reg) table,
            MASK = sym MASK,
            TABLE = sym TABLE,
            options(readonly, nostack, preserves_flags),
        );
    }
    (table, mask)
}

/// The table and its mask, which stay as they are once the table is made.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(ntheap_portable))))]
#[inline(always)]
pub(super) fn table() -> (*mut u8, usize) {
    let mask = MASK.load(Ordering::Acquire);
    (TABLE.load(Ordering::Relaxed), mask)
}

/// The descriptor for `address`; one that describes nothing where ntheap has
/// nothing. Any address will do.
#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(ntheap_portable))))]
#[inline]
pub(crate) fn find(address: usize) -> *mut Descriptor {
    let (table, mask) = table();
    // SAFETY: the two belong together.
    unsafe { find_in(table, mask, address) }
}

/// The descriptor for `address`; one that describes nothing where ntheap has
/// nothing. Any address will do.
///
/// As [`table`] for what it reads. The mask is read before the table.
#[cfg(all(target_os = "linux", target_arch = "x86_64", not(ntheap_portable)))]
#[inline]
pub(crate) fn find(address: usize) -> *mut Descriptor {
    let mut index = address / SLICE;
    let table: *mut u8;
    // SAFETY: reads the two statics.
    unsafe {
        core::arch::asm!(
            "and {index}, qword ptr [rip + {MASK}]",
            "mov {table}, qword ptr [rip + {TABLE}]",
            index = inout(reg) index,
            table = out(reg) table,
            MASK = sym MASK,
            TABLE = sym TABLE,
            options(readonly, nostack),
        );
        entry_at(table, index)
    }
}

/// [`find`] in a table at hand.
///
/// # Safety
/// `table` and `mask` came from [`table`] together, or are the stand-in and 0.
#[inline(always)]
pub(super) unsafe fn find_in(table: *mut u8, mask: usize, address: usize) -> *mut Descriptor {
    // SAFETY: the caller's promise.
    unsafe { entry_at(table, (address / SLICE) & mask) }
}

/// The table whose entries start there: another copy's, of the same version.
#[cfg(all(unix, feature = "heaps"))]
pub(super) fn of_entries(entries: *mut u8) -> *mut u8 {
    entries.wrapping_sub(ENTRIES)
}

/// The descriptor that an entry leads to.
///
/// # Safety
/// `table` came from [`table`] or is the stand-in; `index` is at most the mask.
#[inline(always)]
unsafe fn entry_at(table: *mut u8, index: usize) -> *mut Descriptor {
    // SAFETY: the table has `mask + 1` entries after its empty descriptors. An
    // entry is read with one load; what it leads to was written before it.
    unsafe {
        let entry = table.add(ENTRIES).cast::<usize>().add(index).read();
        core::ptr::with_exposed_provenance_mut(table.addr().wrapping_add(entry))
    }
}

/// The table's entries, by the number of a slice.
struct Table(*mut u8);

impl Table {
    fn now() -> Table {
        Table(TABLE.load(Ordering::Relaxed))
    }

    /// Where the entry of a slice lies.
    fn place(&self, slice: usize) -> *mut AtomicUsize {
        let index = slice & MASK.load(Ordering::Relaxed);
        self.0
            .wrapping_add(ENTRIES + index * size_of::<usize>())
            .cast()
    }
}

impl Entries for Table {
    const CLAIMED: usize = CLAIMED;

    fn make(&self, slice: usize) -> Option<&AtomicUsize> {
        let entry = self.place(slice);
        // SAFETY: the entry lies in the table, which is never unmapped, and its piece
        // is committed.
        commit_piece(self.0, entry).then(|| unsafe { &*entry })
    }

    fn claimed(&self, slice: usize) -> &AtomicUsize {
        // SAFETY: claimed entries are committed, and the table is never unmapped.
        unsafe { &*self.place(slice) }
    }
}

/// The slices that `[base, base + size)` touches: the first one, and how many.
fn slices_of(base: usize, size: usize) -> (usize, usize) {
    let first = base / SLICE;
    (first, base.saturating_add(size).div_ceil(SLICE) - first)
}

/// Claims the entries for `[base, base + size)`. False, and nothing claimed,
/// when one of them is in use already (by a region whose address differs in
/// the bits the index drops) or the system refuses.
pub(super) fn claim(base: usize, size: usize) -> bool {
    let (first, count) = slices_of(base, size);
    claims::claim(&Table::now(), &WRITERS, first, count)
}

/// Gives claimed entries up.
///
/// # Safety
/// The caller claimed exactly these and has cleared what it entered.
pub(super) unsafe fn disclaim(base: usize, size: usize) {
    let (first, count) = slices_of(base, size);
    claims::disclaim(&Table::now(), &WRITERS, first, count);
}

/// Commits the piece that an entry lies in. Under `WRITERS`.
fn commit_piece(table: *mut u8, entry: *mut AtomicUsize) -> bool {
    let piece = (entry.addr() - table.addr()) / PIECE;
    let Some(word) = COMMITTED.get(piece / 64) else {
        return false;
    };
    let bit = 1 << (piece % 64);
    if word.load(Ordering::Relaxed) & bit != 0 {
        return true;
    }
    // SAFETY: the piece lies in the table's region, which is ours, and its
    // bit says that it is not committed.
    if !unsafe { vm::commit(Use::Table, table.wrapping_add(piece * PIECE), PIECE) } {
        return false;
    }
    word.fetch_or(bit, Ordering::Relaxed);
    // A page that is read before it is written faults twice.
    // SAFETY: the piece was just committed, and nobody else writes to it.
    unsafe { (*entry).store(0, Ordering::Relaxed) };
    true
}

/// Enters `descriptor` for `slices` slices from `base`, which were claimed.
///
/// # Safety
/// The entries were claimed by the caller; `descriptor` stays
/// readable until they are cleared.
pub(super) unsafe fn enter(base: usize, slices: usize, descriptor: *const Descriptor) {
    let table = Table::now();
    let distance = descriptor.expose_provenance().wrapping_sub(table.0.addr());
    claims::enter(&table, base / SLICE, slices, distance);
}

/// Clears the entries of `slices` slices from `base`; they stay claimed.
///
/// # Safety
/// The caller entered them.
pub(super) unsafe fn clear(base: usize, slices: usize) {
    claims::enter(&Table::now(), base / SLICE, slices, CLAIMED);
}
