//! Size classes: the 128 LFH buckets of the 64-bit table, then page runs.
//!
//! ```text
//!   class      granularity   block sizes
//!   0          -             no bytes: a bin that is always empty (nothing.rs)
//!   1 - 64     16 B          16 B to 1,024 B
//!   65 - 80    64 B          to 2 KiB
//!   81 - 96    128 B         to 4 KiB
//!   97 - 112   256 B         to 8 KiB
//!   113 - 128  512 B         to 16 KiB            (LFH buckets end here)
//!   129 - 132  4 KiB         to 32 KiB            (page runs from here)
//!   133 - 136  8 KiB         to 64 KiB
//!   137 - 147  64, 128 KiB   128 KiB to 1 MiB
//! ```
//!
//! A class's blocks lie one after another from the start of a subsegment that
//! is aligned to 64 KiB, so a block is aligned to every power of two, up to
//! 64 KiB, that divides its class's size. That is how alignments above 16 are
//! served: by the first class at or above the size that the alignment divides.

use super::cache::BIN;

/// Number of classes, that of blocks of no bytes, 0, included.
pub const COUNT: usize = 148;
/// The last LFH bucket.
pub const LAST_BUCKET: usize = 128;
/// The largest block of the LFH buckets, in bytes.
pub const MAX_BUCKET_SIZE: usize = 16 * 1024;
/// The largest block of any class, in bytes. Larger ones go straight to pages.
pub const MAX_CLASS_SIZE: usize = 1024 * 1024;
/// The largest size whose class is `ceil(size / 16)`, in bytes.
pub const MAX_LINEAR_SIZE: usize = 1024;
/// The part of a segment that the slice table tells apart, in bytes.
pub const SLICE: usize = 64 * 1024;

/// Block sizes in bytes by class.
static SIZES: [u32; COUNT] = sizes();

const fn sizes() -> [u32; COUNT] {
    let mut table = [0; COUNT];
    let mut class = 1;
    let mut size = 0;
    while class < COUNT {
        size += if class <= 64 {
            16
        } else if class <= LAST_BUCKET {
            64 << ((class - 65) / 16)
        } else if class <= 132 {
            4096
        } else if class <= 136 {
            8192
        } else if class <= 143 {
            65536
        } else {
            131_072
        };
        table[class] = size;
        class += 1;
    }
    table
}

/// The block size of `class` in bytes; 0 for class 0.
#[inline]
pub const fn size_of(class: usize) -> usize {
    if class < COUNT {
        SIZES[class] as usize
    } else {
        0
    }
}

/// Classes by `(size - 1) / 64`, for the LFH buckets. A static, not a constant: a
/// constant has no name by which the shared library could keep it beside what else
/// the first calls read.
static FINE: [u8; 256] = table(64);
/// Classes by `(size - 1) / 4096`, for page runs.
static COARSE: [u8; 256] = table(4096);

const fn table(step: usize) -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        table[at] = compute_class((at + 1) * step) as u8;
        at += 1;
    }
    table
}

/// The smallest class whose blocks hold `size` bytes, for `size` up to
/// [`MAX_CLASS_SIZE`]; a size of 0 is served as 1.
#[inline]
pub const fn class_of(size: usize) -> usize {
    let last = size - (size != 0) as usize;
    if size <= MAX_LINEAR_SIZE {
        return last / 16 + 1;
    }
    if size <= MAX_BUCKET_SIZE {
        return FINE[(last / 64) & 255] as usize;
    }
    COARSE[(last / 4096) & 255] as usize
}

/// Where in a cache the bins lie, by `size / 32` rounded up: classes up to the last
/// bucket, of sizes above the linear ones or multiples of 32. Constants: each crate that
/// inlines a look-up has a copy near its code, and a size that the compiler knows costs none.
const BUCKETS: [u16; MAX_BUCKET_SIZE / 32 + 1] = offsets(32);
/// The same by `size / 4096` rounded up, for page runs.
const RUNS: [u16; MAX_CLASS_SIZE / 4096 + 1] = offsets(4096);

const fn offsets<const LENGTH: usize>(step: usize) -> [u16; LENGTH] {
    let mut table = [0; LENGTH];
    let mut at = 1;
    while at < LENGTH {
        table[at] = (compute_class(at * step) * BIN) as u16;
        at += 1;
    }
    table
}

/// Where in a cache the bin lies for `size` bytes at `align`; 0, where the bin lies that is
/// always empty and full, if no class serves them. A size is rounded up to its alignment:
/// the smallest class for such a size has a size that `align` divides, since within a
/// doubling all sizes are multiples of one step, and a multiple of a larger alignment is
/// itself a class's size.
#[inline(always)]
pub(super) fn offset_of(size: usize, align: usize) -> usize {
    let rounded;
    if align <= 16 {
        rounded = size.wrapping_add(15) & !15;
        if rounded <= MAX_LINEAR_SIZE {
            // A linear class's offset.
            return rounded;
        }
    } else {
        // Whoever aligns so has sizes on both sides of the linear classes' end, where a
        // branch is mispredicted: one table for both.
        rounded = size.wrapping_add(align - 1) & !(align - 1);
    }
    offset_above(rounded, align)
}

/// [`offset_of`] a size above the linear ones or a multiple of 32, rounded up. Cold, so that
/// the linear classes' way is the straight one.
#[cold]
#[inline(always)]
fn offset_above(size: usize, align: usize) -> usize {
    if size <= MAX_BUCKET_SIZE {
        let at = size.wrapping_add(31) / 32;
        return usize::from(BUCKETS.get(at).copied().unwrap_or(0));
    }
    if align > SLICE {
        return 0;
    }
    let at = size.wrapping_add(4095) / 4096;
    usize::from(RUNS.get(at).copied().unwrap_or(0))
}

const fn compute_class(size: usize) -> usize {
    let last = size - 1;
    if size <= MAX_LINEAR_SIZE {
        return last / 16 + 1;
    }
    // `last` has its top bit at `top`, so that `last >> shift` counts steps
    // of the class's granularity from the start of the doubling.
    let top = last.ilog2() as usize;
    if size <= MAX_BUCKET_SIZE {
        return 65 + (top - 10) * 16 + (last >> (top - 4)) - 16;
    }
    if size <= SLICE {
        return 129 + (top - 14) * 4 + (last >> (top - 2)) - 4;
    }
    let slices = last / SLICE + 1;
    if slices <= 8 {
        135 + slices
    } else {
        139 + slices.div_ceil(2)
    }
}

/// The class that serves `size` bytes at `align`, a power of two; `None` when
/// the block must come straight from pages.
#[inline]
pub const fn class_for(size: usize, align: usize) -> Option<usize> {
    if align <= 16 {
        if size > MAX_CLASS_SIZE {
            return None;
        }
        return Some(class_of(size));
    }
    if align > SLICE || size > MAX_CLASS_SIZE {
        return None;
    }
    let rounded = (if size == 0 { 1 } else { size } + align - 1) & !(align - 1);
    if rounded > MAX_CLASS_SIZE {
        return None;
    }
    let row = align.trailing_zeros() as usize - 5;
    let class = class_of(rounded);
    if row < ALIGNED.len() && class < COUNT {
        Some(ALIGNED[row][class] as usize)
    } else {
        None
    }
}

/// For alignments of 32 to 64 KiB: the first class from each on whose size the
/// alignment divides. The last class's is divided by all.
static ALIGNED: [[u8; COUNT]; 12] = {
    let mut table = [[0; COUNT]; 12];
    let mut row = 0;
    while row < table.len() {
        let align = 32 << row;
        let mut found = COUNT - 1;
        let mut class = COUNT - 1;
        while class > 0 {
            if size_of(class) & (align - 1) == 0 {
                found = class;
            }
            table[row][class] = found as u8;
            class -= 1;
        }
        row += 1;
    }
    table
};

/// The slices of one subsegment of `class`.
#[inline]
pub const fn slices_of(class: usize) -> usize {
    let size = size_of(class);
    if size <= 4096 {
        1
    } else if size <= MAX_BUCKET_SIZE {
        2
    } else if size <= SLICE {
        8
    } else {
        size / SLICE
    }
}

/// Bytes from one block of `class` to the next: blocks of no bytes have addresses of
/// their own.
#[inline]
pub const fn stride_of(class: usize) -> usize {
    if class == 0 { BIN } else { size_of(class) }
}

/// The blocks of one subsegment of `class`.
#[inline]
pub const fn blocks_of(class: usize) -> usize {
    match (slices_of(class) * SLICE).checked_div(stride_of(class)) {
        Some(blocks) => blocks,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_those_of_the_64_bit_table() {
        for (first, last, granularity, low, high) in [
            (1, 64, 16, 0, 1024),
            (65, 80, 64, 1024, 2048),
            (81, 96, 128, 2048, 4096),
            (97, 112, 256, 4096, 8192),
            (113, 128, 512, 8192, 16384),
        ] {
            assert_eq!(size_of(first), low + granularity);
            assert_eq!(size_of(last), high);
            for class in first..last {
                assert_eq!(size_of(class + 1) - size_of(class), granularity);
            }
        }
    }

    #[test]
    fn every_size_gets_the_smallest_class_that_holds_it() {
        let mut class = 1;
        for size in 1..=MAX_CLASS_SIZE {
            if size > size_of(class) {
                class += 1;
            }
            assert_eq!(class_of(size), class, "size {size}");
        }
        assert_eq!(class, COUNT - 1);
        assert_eq!(class_of(0), 1);
    }

    /// All of both: 23 million pairs.
    #[test]
    fn every_size_and_alignment_gets_the_smallest_aligned_class() {
        for align in (0..=21).map(|shift| 1usize << shift) {
            // The smallest class for the sizes so far.
            let mut least = 1;
            for size in 0..=MAX_CLASS_SIZE + 2 {
                while least < COUNT
                    && (size_of(least) < size || !size_of(least).is_multiple_of(align))
                {
                    least += 1;
                }
                let expected = (least < COUNT && align <= SLICE).then_some(least);
                assert_eq!(class_for(size, align), expected, "{size} {align}");
                // Rust's way to the bin.
                if size != 0 {
                    let offset = expected.unwrap_or(0) * BIN;
                    assert_eq!(offset_of(size, align), offset, "{size} {align}");
                }
            }
        }
    }

    #[test]
    fn subsegments_waste_little_address_space_and_no_memory() {
        // What is left behind the last block is never touched.
        for class in 1..COUNT {
            let span = slices_of(class) * SLICE;
            let used = blocks_of(class) * size_of(class);
            assert!(used <= span && span - used < size_of(class));
            assert!((span - used) * 10 < span, "class {class}");
        }
    }
}
