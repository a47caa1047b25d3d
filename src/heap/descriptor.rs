//! Descriptors: what the heap knows of a subsegment or a large block, kept
//! beside the blocks and never in them.
//!
//! ```text
//!   descriptor                           the blocks, somewhere else
//!   +--------------------+               +-------+-------+-----+-------+
//!   | header, 128 bytes  |--- base ----->| 0     | 1     | ... | n - 1 |
//!   +--------------------+               +-------+-------+-----+-------+
//!   | marks, n bytes     |  one per block: BUSY or NOTED from alloc to free (checked only)
//!   +--------------------+
//!   | free bits, n bits  |  set: the block lies in the subsegment, not in a cache
//!   +--------------------+
//! ```
//!
//! A block's state is the pair (free bit, mark). In a cache or a depot its bit
//! is clear and its mark 0; handed out, its bit is clear and its mark BUSY or
//! NOTED.
//!
//! The first fields are read by any thread that frees a pointer, without a
//! lock. They are written before the slice table leads to the descriptor and,
//! but for the shard and the bin, which are hints, constant while any of its
//! blocks is handed out, so whoever frees a block of
//! his own reads what was written before he got it. Whoever frees what is not
//! his may read them as they change; what he reads is checked against the
//! address before it is used. The other fields belong to the lock of the
//! bucket (or of the large list).

use super::classes::{self, COUNT};
use super::fence;
use super::foreign;
use super::screen;
use super::segment::Segment;
#[cfg(feature = "heaps")]
use core::sync::atomic::AtomicU16;
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// A mark's value while its block is handed out.
pub(crate) const BUSY: u8 = 1;
/// A mark's value while its block is handed out and somebody wants to know when it is
/// freed: fast paths free no such block.
#[cfg(feature = "debug")]
pub(crate) const NOTED: u8 = BUSY | 2;

/// Set in every mark of a private heap's block that is handed out, whose other bits may be
/// any (private/lfh.rs), and in no other mark.
pub(crate) const PRIVATE: u8 = 0x80;

/// Whether a mark says that its block is handed out, and none of a hardened heap's or a
/// private one's.
#[inline(always)]
pub(crate) const fn is_busy(mark: u8) -> bool {
    mark & (BUSY | PRIVATE) == BUSY
}

/// What [`BUSY`] is for a hardened heap's block, which the default heap's ways do not take for
/// one; and for such a block without a pattern at its end.
#[cfg(feature = "hardened")]
pub(crate) const BUSY_HARD: u8 = 4 | 2;
#[cfg(feature = "hardened")]
pub(crate) const BUSY_EXACT: u8 = 2;

/// The lowest three bits of what it is for a small block with little slack; the four above say
/// how much (hard/pattern.rs).
#[cfg(feature = "hardened")]
pub(crate) const BUSY_SHORT: u8 = 4;

/// What [`BUSY`] is for a block of no bytes, which fast paths have no bin for.
#[cfg(feature = "hardened")]
pub(crate) const BUSY_NOTHING: u8 = BUSY | 16;

/// Whether a mark says that its block is handed out, by a hardened heap or another.
#[inline(always)]
pub(crate) const fn is_out(mark: u8) -> bool {
    mark != 0
}

/// How a front end treats its blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The free knows the size from its caller: no marks.
    Plain = 0,
    /// The free knows only the address: every block has a mark.
    Checked = 1,
}

/// Whether there are marked blocks in this build: a release build that leaves them out
/// compiles nothing that only they need.
pub(crate) const MARKED: bool = cfg!(any(debug_assertions, feature = "marks"));

impl Kind {
    /// The kinds of front ends there are.
    pub(crate) const ALL: &[Kind] = if MARKED {
        &[Kind::Plain, Kind::Checked]
    } else {
        &[Kind::Plain]
    };

    /// The kind of this number.
    #[inline(always)]
    pub(crate) fn of(number: u8) -> Kind {
        if MARKED && number == Kind::Checked as u8 {
            Kind::Checked
        } else {
            Kind::Plain
        }
    }

    /// Whether its blocks have marks.
    #[inline(always)]
    pub(crate) const fn is_checked(self) -> bool {
        MARKED && matches!(self, Kind::Checked)
    }
}

/// What a descriptor describes.
pub(crate) const EMPTY: u8 = 0;
/// A subsegment: `blocks` blocks of one class.
pub(crate) const SUBSEGMENT: u8 = 1;
/// One large block, straight from pages.
pub(crate) const LARGE: u8 = 2;
/// A region of a private heap, whose record it starts (private/region.rs).
#[cfg(feature = "heaps")]
pub(crate) const REGION: u8 = 3;
/// The first region of a private heap that was destroyed.
#[cfg(feature = "heaps")]
pub(crate) const REGION_GONE: u8 = 4;
/// A large block of a private heap (private/large.rs).
#[cfg(feature = "heaps")]
pub(crate) const PRIVATE_LARGE: u8 = 5;

/// What all subsegments of a class have in common.
pub(crate) struct Geometry {
    /// Bytes of a block, or of no bytes' distance from the next.
    pub(crate) size: usize,
    /// Blocks of a subsegment.
    pub(crate) blocks: usize,
    /// [`Descriptor::magic_of`] the size.
    pub(crate) divisor: u64,
    /// Where the free bits lie in a descriptor without and with marks.
    bits_at: [u16; 2],
}

static GEOMETRIES: [Geometry; COUNT] = {
    let mut table = [const {
        Geometry {
            size: 0,
            blocks: 0,
            divisor: 0,
            bits_at: [HEADER as u16; 2],
        }
    }; COUNT];
    let mut class = 0;
    while class < COUNT {
        let (size, blocks) = (classes::stride_of(class), classes::blocks_of(class));
        let marks = blocks.next_multiple_of(8);
        table[class] = Geometry {
            size,
            blocks,
            divisor: Descriptor::magic_of(size),
            bits_at: [HEADER as u16, (HEADER + marks) as u16],
        };
        class += 1;
    }
    table
};

impl Geometry {
    /// The geometry of `class`; of class 0 for classes there are not.
    #[inline(always)]
    pub(crate) fn of(class: usize) -> &'static Geometry {
        // SAFETY: a class above the last is taken for class 0.
        unsafe { GEOMETRIES.get_unchecked(if class < COUNT { class } else { 0 }) }
    }

    /// Where the free bits lie in a descriptor of `kind`.
    #[inline(always)]
    pub(crate) fn bits_at(&self, kind: Kind) -> usize {
        let [plain, checked] = self.bits_at;
        usize::from(if kind.is_checked() { checked } else { plain })
    }
}

/// The header of a descriptor; marks and free bits follow it.
#[repr(C, align(64))]
pub(crate) struct Descriptor {
    /// Address of the first block.
    pub(crate) base: AtomicUsize,
    /// Bytes from the first block to the end of the last.
    pub(crate) span: AtomicUsize,
    /// [`Geometry::divisor`] where blocks have marks, else 0: a free that
    /// knows nothing but the address finds blocks with marks only.
    pub(crate) magic: AtomicU64,
    /// The same again: each of its two uses on the fast path takes its operand
    /// from memory, which spares two moves.
    magic_again: AtomicU64,
    /// Where in a thread's cache the bin lies that the blocks go to, in bytes:
    /// follows from the class and the shard, and changes with the shard.
    pub(crate) bin: AtomicUsize,
    /// What it describes: [`EMPTY`] to [`PRIVATE_LARGE`].
    pub(crate) what: AtomicU8,
    /// The class, 0 for a large block.
    pub(crate) class: AtomicU8,
    /// A [`Kind`].
    pub(crate) kind: AtomicU8,
    /// The bucket's list that the subsegment is on while it has free blocks.
    /// Changed under the bucket's lock, to which all below belongs.
    pub(crate) shard: AtomicU8,
    /// Free blocks whose pages were never used, one bit each; kept for page
    /// runs only.
    pub(crate) fresh: u32,
    /// Blocks in all; fewer than the class has where a guard page lies behind them, or
    /// fences between them.
    pub(crate) blocks: u32,
    /// Blocks whose free bit is set.
    pub(crate) free: u32,
    /// No free bit is set in the words before this one.
    pub(crate) first_word: u32,
    /// Blocks from the first on that were handed out some time: nothing lies in
    /// the pages after them.
    pub(crate) high: u32,
    /// First slice in the segment.
    pub(crate) first_slice: u32,
    /// Bytes of a block that may be used in a hardened heap's subsegment; 0 elsewhere, and
    /// where no block has any.
    #[cfg_attr(not(feature = "hardened"), allow(dead_code))]
    pub(crate) room: AtomicU32,
    /// The segment the blocks lie in; null for a large block.
    pub(crate) segment: *mut Segment,
    /// Neighbours in the bucket's list of subsegments with free blocks, or in
    /// the large list.
    pub(crate) next: *mut Descriptor,
    pub(crate) previous: *mut Descriptor,
    /// Bytes of metadata this descriptor takes, or, for a large block, the
    /// address of its region (which differs from `base` when aligned).
    pub(crate) extent: usize,
    /// For a large block: bytes of its region. For a subsegment of a hardened heap: how
    /// many guards lie between its blocks.
    pub(crate) region_size: usize,
    /// For a large block: whether its pages are known to be zero. For a subsegment:
    /// whether its blocks, of no bytes, cannot be accessed.
    pub(crate) clean: bool,
    /// For a subsegment: whether fences lie between or around its blocks (fence.rs).
    pub(crate) is_fenced: bool,
    /// The private heap it belongs to; null for the process heap's.
    pub(crate) owner: AtomicPtr<()>,
}

/// Size of the header in bytes; the marks start here.
pub(crate) const HEADER: usize = size_of::<Descriptor>();

/// A descriptor that describes nothing: every address is outside its span.
#[repr(transparent)]
pub(crate) struct Nothing(pub(crate) Descriptor);

// SAFETY: the pointers in it are null and nothing ever writes to it.
unsafe impl Sync for Nothing {}

impl Descriptor {
    /// Whether fences lie between its blocks.
    #[inline(always)]
    pub(crate) fn is_fenced(&self) -> bool {
        cfg!(feature = "hardened") && self.is_fenced
    }

    /// Describes nothing; also what zeroed memory reads as.
    pub(crate) const fn nothing() -> Nothing {
        Nothing(Descriptor {
            base: AtomicUsize::new(0),
            span: AtomicUsize::new(0),
            magic: AtomicU64::new(0),
            magic_again: AtomicU64::new(0),
            bin: AtomicUsize::new(0),
            what: AtomicU8::new(EMPTY),
            class: AtomicU8::new(0),
            kind: AtomicU8::new(0),
            shard: AtomicU8::new(0),
            fresh: 0,
            blocks: 0,
            free: 0,
            first_word: 0,
            high: 0,
            first_slice: 0,
            room: AtomicU32::new(0),
            segment: core::ptr::null_mut(),
            next: core::ptr::null_mut(),
            previous: core::ptr::null_mut(),
            extent: 0,
            region_size: 0,
            clean: false,
            is_fenced: false,
            owner: AtomicPtr::new(core::ptr::null_mut()),
        })
    }

    /// Makes it describe nothing. Others may look at it by an address meanwhile: each
    /// field that they read is written by itself.
    ///
    /// # Safety
    /// `this` is memory for a descriptor, zeros or one that nobody uses.
    pub(crate) unsafe fn wipe(this: *mut Descriptor) {
        // SAFETY: the caller's memory; the fields that are plain are read by those alone
        // who use the descriptor.
        unsafe {
            (*this).what.store(EMPTY, Ordering::Relaxed);
            (*this)
                .owner
                .store(core::ptr::null_mut(), Ordering::Relaxed);
            (*this).base.store(0, Ordering::Relaxed);
            (*this).span.store(0, Ordering::Relaxed);
            (*this).magic.store(0, Ordering::Relaxed);
            (*this).magic_again.store(0, Ordering::Relaxed);
            (*this).bin.store(0, Ordering::Relaxed);
            (*this).class.store(0, Ordering::Relaxed);
            (*this).kind.store(0, Ordering::Relaxed);
            (*this).shard.store(0, Ordering::Relaxed);
            (*this).room.store(0, Ordering::Relaxed);
            (*this).fresh = 0;
            (*this).blocks = 0;
            (*this).free = 0;
            (*this).first_word = 0;
            (*this).high = 0;
            (*this).first_slice = 0;
            (*this).segment = core::ptr::null_mut();
            (*this).next = core::ptr::null_mut();
            (*this).previous = core::ptr::null_mut();
            (*this).extent = 0;
            (*this).region_size = 0;
            (*this).clean = false;
            (*this).is_fenced = false;
        }
    }

    /// Bytes of metadata for a subsegment of `class` whose front end is of
    /// `kind`.
    pub(crate) const fn size_for(class: usize, kind: Kind) -> usize {
        let blocks = classes::blocks_of(class);
        let marks = match kind {
            Kind::Plain => 0,
            Kind::Checked => blocks,
        };
        (HEADER + marks.next_multiple_of(8) + blocks.div_ceil(64) * 8).next_multiple_of(64)
    }

    /// Bytes behind a private heap's free bits: for classes whose blocks may
    /// have more unused bytes than a mark can say, their number, two bytes a
    /// block.
    pub(crate) const fn sizes_bytes(class: usize) -> usize {
        if class <= classes::MAX_LINEAR_SIZE / 16 {
            return 0;
        }
        (2 * classes::blocks_of(class)).next_multiple_of(64)
    }

    /// Where block `index` of a private heap has its unused bytes' number.
    ///
    /// # Safety
    /// `this` is a live subsegment's descriptor of a private heap and `class`,
    /// which has such numbers, with more than `index` blocks.
    #[cfg(feature = "heaps")]
    pub(crate) unsafe fn unused_at(
        this: *mut Descriptor,
        class: usize,
        index: usize,
    ) -> *const AtomicU16 {
        let behind = Self::size_for(class, Kind::Checked);
        // SAFETY: the numbers lie behind marks and free bits.
        unsafe { this.cast::<u8>().add(behind).cast::<AtomicU16>().add(index) }
    }

    /// `ceil(2^64 / size)` for a block size of at least 2.
    pub(crate) const fn magic_of(size: usize) -> u64 {
        match u64::MAX.checked_div(size as u64) {
            Some(quotient) => quotient + 1,
            None => 0,
        }
    }

    /// The index of the block with a mark that starts at `address`; `None` when
    /// no such block starts there.
    ///
    /// # Safety
    /// `this` came from the slice table. The reads are not atomic: they fold
    /// into the instructions that use them. They race with a writer only when
    /// `address` is no block of its caller's, and then every outcome is one
    /// that a bad address may have: a wrong index is not used before the mark
    /// it leads to, which exists for every index below the span, was read.
    #[inline(always)]
    pub(crate) unsafe fn index_of(this: *const Descriptor, address: usize) -> Option<usize> {
        // SAFETY: the caller's descriptor is readable.
        unsafe {
            let offset = address.wrapping_sub((*this).base.as_ptr().read());
            if offset >= (*this).span.as_ptr().read() {
                return None;
            }
            let magic = (*this).magic.as_ptr().read();
            let product = (offset as u128).wrapping_mul(magic as u128);
            if product as u64 >= (*this).magic_again.as_ptr().read() {
                return None;
            }
            Some((product >> 64) as usize)
        }
    }

    /// Lets a free that knows nothing but the address find the blocks, or no
    /// longer (0).
    pub(crate) fn set_magic(&self, magic: u64) {
        self.magic.store(magic, Ordering::Relaxed);
        self.magic_again.store(magic, Ordering::Relaxed);
    }

    /// Makes the subsegment one of `shard`, once its class and kind are set. A
    /// block that is freed meanwhile goes to the bin of the one or the other.
    pub(crate) fn set_shard(&self, shard: u8) {
        let class = usize::from(self.class.load(Ordering::Relaxed));
        let kind = Kind::of(self.kind.load(Ordering::Relaxed));
        self.shard.store(shard, Ordering::Relaxed);
        // A private heap's leads to its bucket instead.
        if self.owner.load(Ordering::Relaxed).is_null() {
            let bin = screen::before() + foreign::bin_offset(kind, class, shard);
            self.bin.store(bin, Ordering::Relaxed);
        }
    }

    /// The index of the block that `address` lies in, wherever in it; `None` in a fence.
    pub(crate) fn index_around(&self, address: usize) -> Option<usize> {
        let offset = address.wrapping_sub(self.base.load(Ordering::Relaxed));
        if offset >= self.span.load(Ordering::Relaxed) {
            return None;
        }
        if self.what.load(Ordering::Relaxed) == LARGE {
            return Some(0);
        }
        let class = usize::from(self.class.load(Ordering::Relaxed));
        let index = offset.checked_div(Geometry::of(class).size)?;
        (!self.is_fenced() || fence::is_block(class, index)).then_some(index)
    }

    /// Usable bytes of each block.
    #[inline]
    pub(crate) fn block_size(&self) -> usize {
        self.class_size()
            .unwrap_or_else(|| self.span.load(Ordering::Relaxed))
    }

    /// Bytes of a class's block; `None` for a large one.
    #[inline(always)]
    pub(crate) fn class_size(&self) -> Option<usize> {
        if self.what.load(Ordering::Relaxed) == LARGE {
            return None;
        }
        Some(classes::size_of(usize::from(
            self.class.load(Ordering::Relaxed),
        )))
    }

    /// The mark of block `index`.
    ///
    /// # Safety
    /// `this` is a live descriptor with marks (kind checked, or large) and
    /// more than `index` blocks.
    #[inline(always)]
    pub(crate) unsafe fn mark(this: *const Descriptor, index: usize) -> *mut AtomicU8 {
        // SAFETY: the marks follow the header, one byte per block.
        unsafe { this.cast::<u8>().add(HEADER + index).cast_mut().cast() }
    }

    /// What a magazine keeps to find block `index`'s mark again: the mark's
    /// address less the header's size, which every use of it adds for nothing.
    ///
    /// # Safety
    /// As for [`Descriptor::mark`].
    #[inline(always)]
    pub(crate) unsafe fn key(this: *const Descriptor, index: usize) -> *mut u8 {
        // SAFETY: at most the address of the mark.
        unsafe { this.cast::<u8>().add(index).cast_mut() }
    }

    /// The mark that `key` finds.
    ///
    /// # Safety
    /// `key` came from [`Descriptor::key`] of a live descriptor.
    #[inline(always)]
    pub(crate) unsafe fn mark_of(key: *mut u8) -> *mut AtomicU8 {
        // SAFETY: a key lies a header's size below its mark.
        unsafe { key.add(HEADER).cast() }
    }

    /// Marks a block as handed out.
    ///
    /// # Safety
    /// As for [`Descriptor::mark_of`].
    #[inline(always)]
    pub(crate) unsafe fn set_busy(key: *mut u8) {
        // SAFETY: a mark lives as long as its descriptor.
        unsafe { (*Self::mark_of(key)).store(BUSY, Ordering::Relaxed) };
    }

    /// The words of free bits.
    ///
    /// # Safety
    /// `this` is a live subsegment's descriptor and the caller holds its
    /// bucket's lock for as long as it uses the words.
    pub(crate) unsafe fn words<'a>(this: *mut Descriptor) -> &'a mut [u64] {
        // SAFETY: the caller's descriptor is live and locked.
        let (class, kind) = unsafe {
            (
                usize::from((*this).class.load(Ordering::Relaxed)),
                (*this).kind.load(Ordering::Relaxed),
            )
        };
        let kind = Kind::of(kind);
        let geometry = Geometry::of(class);
        // SAFETY: `size_for` made room for one bit per block there; the lock excludes
        // every other use of these words.
        unsafe {
            let first = this.byte_add(geometry.bits_at(kind)).cast::<u64>();
            core::slice::from_raw_parts_mut(first, geometry.blocks.div_ceil(64))
        }
    }
}

/// `offset * magic` is the index with a fraction below it; the fraction is
/// smaller than `magic` exactly when the block size divides `offset`, for
/// offsets below 2^32. A magic of 0 finds nothing.
#[inline(always)]
pub(crate) fn exact_index(offset: usize, magic: u64) -> Option<usize> {
    let product = (offset as u128).wrapping_mul(magic as u128);
    if product as u64 >= magic {
        return None;
    }
    Some((product >> 64) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index_of(descriptor: &Descriptor, address: usize) -> Option<usize> {
        // SAFETY: a descriptor of the test's own.
        unsafe { Descriptor::index_of(descriptor, address) }
    }

    #[test]
    fn index_is_exact_for_every_class() {
        for class in 1..classes::COUNT {
            let size = classes::size_of(class);
            let mut descriptor = Descriptor::nothing().0;
            let base = 0x7f12_3456_0000;
            *descriptor.base.get_mut() = base;
            *descriptor.span.get_mut() = classes::blocks_of(class) * size;
            let divisor = Geometry::of(class).divisor;
            descriptor.set_magic(divisor);
            for offset in 0..classes::slices_of(class).min(2) * classes::SLICE {
                let inside = offset < classes::blocks_of(class) * size;
                let expected = (inside && offset % size == 0).then_some(offset / size);
                assert_eq!(index_of(&descriptor, base + offset), expected);
                assert_eq!(exact_index(offset, divisor).filter(|_| inside), expected);
            }
            for address in [0, 1, base - 1, base - size, usize::MAX, usize::MAX - 15] {
                assert_eq!(index_of(&descriptor, address), None);
            }
        }
    }

    #[test]
    fn header_is_two_lines_and_the_empty_descriptor_holds_nothing() {
        assert_eq!(HEADER, 128);
        let nothing = Descriptor::nothing();
        assert_eq!(index_of(&nothing.0, 0), None);
        assert_eq!(index_of(&nothing.0, usize::MAX), None);
    }
}
