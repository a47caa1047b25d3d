//! What the harness writes into blocks, to know it again.
//!
//! Small blocks are written whole, larger ones at both ends and in places
//! between, so that a block of many megabytes costs no more than a few dozen
//! pages.

/// Blocks up to this size are written whole.
const WHOLE: usize = 512;
/// Bytes written at each end of a larger block.
const END: usize = 64;
/// Bytes between the words in the middle, at least. Odd, so that they lie
/// everywhere in a page.
const STRIDE: usize = 4099;
/// Words in the middle at most.
const WORDS: usize = 48;
/// Bytes of a word.
const WORD: usize = 8;

/// Calls `visit(offset, length)` for each word that is written in a block of
/// `size` bytes; the last one may be a part of a word.
fn for_each_word(size: usize, mut visit: impl FnMut(usize, usize)) {
    let mut from_to = |mut offset: usize, end: usize, step: usize| {
        while offset < end {
            visit(offset, WORD.min(size - offset));
            offset += step;
        }
    };
    if size <= WHOLE {
        return from_to(0, size, WORD);
    }
    from_to(0, END, WORD);
    // The last of these ends before the tail starts.
    from_to(END, size - END - WORD + 1, STRIDE.max(size / WORDS));
    from_to(size - END, size, WORD);
}

fn word(seed: u32, offset: usize) -> [u8; WORD] {
    let mixed = (u64::from(seed) << 32 ^ offset as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // No byte is 0, which fresh memory is full of.
    ((mixed ^ mixed >> 29) | 0x0101_0101_0101_0101).to_le_bytes()
}

/// Writes the pattern of `seed`.
///
/// # Safety
/// `block` is the caller's, with at least `size` bytes.
pub(crate) unsafe fn fill(block: *mut u8, size: usize, seed: u32) {
    for_each_word(size, |offset, length| {
        // SAFETY: `offset + length` is at most `size`.
        unsafe {
            block
                .add(offset)
                .copy_from_nonoverlapping(word(seed, offset).as_ptr(), length);
        }
    });
}

/// Asserts that the pattern of `seed`, written to a block of `size` bytes, is
/// there as far as `kept` bytes reach.
///
/// # Safety
/// `block` is the caller's, with at least `kept` bytes.
pub(crate) unsafe fn verify(block: *mut u8, size: usize, kept: usize, seed: u32) {
    for_each_word(size, |offset, length| {
        let length = length.min(kept.saturating_sub(offset));
        let mut found = word(seed, offset);
        // SAFETY: the bytes read, if any, lie below `kept`; a word has room
        // for them.
        unsafe {
            let from = block.wrapping_add(offset);
            found.as_mut_ptr().copy_from_nonoverlapping(from, length);
        }
        assert_eq!(
            found,
            word(seed, offset),
            "{length} bytes at {offset} of {block:p} ({size} bytes)"
        );
    });
}

/// Asserts that a block reads zero: whole up to 64 KiB, else its first and
/// last 32 KiB and words between.
///
/// # Safety
/// `block` is the caller's, with at least `size` bytes.
pub(crate) unsafe fn verify_zero(block: *mut u8, size: usize) {
    static ZERO: [u8; 64 * 1024] = [0; 64 * 1024];
    let is_zero = |offset: usize, length: usize| {
        // SAFETY: the range lies in the block, which nobody writes to.
        let found = unsafe { std::slice::from_raw_parts(block.add(offset), length) };
        assert!(
            found == &ZERO[..length],
            "{length} bytes at {offset} of {block:p} ({size} bytes) are not zero"
        );
    };
    if size <= ZERO.len() {
        return is_zero(0, size);
    }
    let half = ZERO.len() / 2;
    is_zero(0, half);
    for_each_word(size, is_zero);
    is_zero(size - half, half);
}
