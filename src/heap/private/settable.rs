//! Settable values and flags of blocks in buckets, of at most 1 KiB with them.
//!
//! ```text
//!   | the bytes asked for | unused | flags, unused | value |   16-byte steps
//!                                    \____ the last 16 bytes ____/
//! ```
//!
//! The mark says that a block has these words, and how many bytes are unused if
//! no more than the last 15 before them. A block that was made much smaller where
//! it is has the number in the upper half of the first word: a program that wrote
//! there has told itself a wrong size, never one larger than the block.

use super::lfh::BUSY;
use crate::heap::classes;
use crate::heap::descriptor::Descriptor;
use core::ptr;
use core::sync::atomic::Ordering;

/// Bytes of the words.
pub(super) const BYTES: usize = 16;
/// A mark of a block with words, whose low bits say how many bytes are unused
/// before them.
pub(super) const MARK: u8 = BUSY | 0x70;
/// A mark of a block with words, the first of which says it.
pub(super) const SHRUNK: u8 = BUSY | 0x6f;

/// A block's words.
pub(super) type Words = *mut [usize; 2];

/// Whether a mark is one of a block with words.
pub(super) fn is_mark(mark: u8) -> bool {
    mark >= SHRUNK
}

/// The words of the block of `class` at `address`.
pub(super) fn words_at(address: usize, class: usize) -> Words {
    ptr::with_exposed_provenance_mut(address + classes::size_of(class) - BYTES)
}

/// The words of a block by its number.
///
/// # Safety
/// The descriptor is a live subsegment's of `class`, with more than `index`
/// blocks.
pub(super) unsafe fn words_of(descriptor: *mut Descriptor, class: usize, index: usize) -> Words {
    // SAFETY: the caller's descriptor.
    let base = unsafe { (*descriptor).base.load(Ordering::Relaxed) };
    words_at(base + index * classes::size_of(class), class)
}

/// The words of a busy block that has some.
///
/// # Safety
/// As for [`words_of`], of a private heap.
pub(super) unsafe fn find(
    descriptor: *mut Descriptor,
    class: usize,
    index: usize,
) -> Option<Words> {
    if class > super::lfh::LAST_EXACT {
        return None;
    }
    // SAFETY: the caller's promise.
    unsafe {
        let mark = (*Descriptor::mark(descriptor, index)).load(Ordering::Relaxed);
        is_mark(mark).then(|| words_of(descriptor, class, index))
    }
}

/// The bytes of a block of `class` that are not the program's, by its mark.
///
/// # Safety
/// The mark is of a block with words, which are these.
pub(super) unsafe fn unused(mark: u8, words: Words, class: usize) -> usize {
    unused_by_mark(mark).unwrap_or_else(|| {
        // SAFETY: the caller's words; one may be written by the program meanwhile.
        unused_by_word(unsafe { words.cast::<u64>().read_volatile() }, class)
    })
}

/// The same where the mark, of a block with words, says it alone.
pub(super) fn unused_by_mark(mark: u8) -> Option<usize> {
    mark.checked_sub(MARK)
        .map(|before| BYTES + usize::from(before))
}

/// The same by the first of the words.
pub(super) fn unused_by_word(word: u64, class: usize) -> usize {
    ((word >> 32) as usize).clamp(BYTES, classes::size_of(class).max(BYTES))
}

/// A block's flags, and in bit 0 whether it has a value.
///
/// # Safety
/// They are a live block's words.
pub(super) unsafe fn info(words: Words) -> u8 {
    // SAFETY: the caller's words.
    unsafe { words.cast::<u64>().read() as u8 & 0xf }
}

/// Says in the words what a block has, all but its value; the mark for it.
///
/// # Safety
/// They are the words of a block that is the caller's.
pub(super) unsafe fn write(words: Words, unused: usize, info: u8) -> u8 {
    // SAFETY: the caller's words.
    unsafe {
        words
            .cast::<u64>()
            .write(u64::from(info) | (unused as u64) << 32);
    }
    match unused.checked_sub(BYTES) {
        Some(before @ 0..16) => MARK + before as u8,
        _ => SHRUNK,
    }
}

/// Where the value is.
pub(super) fn value(words: Words) -> *mut usize {
    words.cast::<usize>().wrapping_add(1)
}
