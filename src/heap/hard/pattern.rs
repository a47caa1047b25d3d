//! Patterns: what lies behind a block's data while it is handed out, and the zeros of
//! a block that is not.
//!
//! ```text
//!   | data, as asked for | 0 ... 0 | last word |
//!                        |<- slack, 8 B or more ->|
//!                                    secrets and address, mixed: the block's mask
//! ```
//!
//! How much slack there is, the block's mark says, beside its subsegment, for a small block
//! with little slack: 8 to 23 bytes. For others the highest 24 bits of the last word say it,
//! masked.
//!
//! The lowest three bytes of a last word have their highest bit set, so that neither text
//! nor zeros that run over a block's end ever are what lies there already. The zeros before
//! it are there already, for free blocks read zero; those at the start of a long slack, which
//! reaches where they may not, are written. The first 8 bytes behind the data are checked,
//! zeros or of the last word, and the last word. A zero that is written over a zero is not
//! seen, and changes nothing.
//!
//! All of it is on the path of each call, so it is made of few instructions: a block of
//! up to 64 bytes is wiped, or seen to be zero, by four words of 16 bytes, which overlap in
//! smaller ones; no loop, and no branch but for larger ones.

use super::chance;
use super::lane::{Lane, either, is_zero, zeros};
use super::quarantine::SMALL;
use crate::heap::descriptor::{BUSY_EXACT, BUSY_HARD, BUSY_SHORT, PRIVATE};

/// Bytes of slack that hold a pattern.
pub(in crate::heap) const LEAST: usize = size_of::<u64>();
/// Bytes of fill behind a large block's data, at most.
const FILL: usize = 64;
/// Blocks up to this size are wiped and checked as a whole, of larger ones 64 bytes at
/// each end.
pub(in crate::heap) const WHOLE: usize = 256;
/// The most slack of a block at the usual alignment, in a class of 16 bytes' steps: the
/// zeros of so little lie within what was wiped.
const SHORT: usize = LEAST + 15;

/// Bits that are always set in a block's mask.
const HIGH: u64 = 0x0080_8080;
/// The bits of a last word, from the lowest on, that say nothing.
const CHECK: u32 = 40;
/// The bits of a mark that say what it is of: [`BUSY_SHORT`], if it says how much slack there
/// is, and that it is no private heap's.
const WHAT: u8 = 0b111 | PRIVATE;
/// Where it says so.
const AMOUNT: u32 = 3;
const _: () = assert!((SHORT - LEAST) << AMOUNT < PRIVATE as usize);

/// What all patterns are made of: [`chance::secrets`].
type Secrets = [u64; 2];

/// What a block's patterns are made of.
#[inline(always)]
pub(super) fn mask_of([first, second]: Secrets, block: usize) -> u64 {
    (first ^ block as u64).wrapping_mul(second) | HIGH
}

/// How a block is marked of which `size` of `capacity` bytes are handed out: without a
/// pattern, with its slack in the mark, where that is a matter of a few bytes and of a
/// small block, or with the slack in its last word.
#[inline(always)]
pub(super) fn mark_for(capacity: usize, size: usize) -> u8 {
    let slack = capacity - size;
    if slack < LEAST {
        BUSY_EXACT
    } else if slack <= SHORT && capacity <= SMALL {
        short_mark(slack)
    } else {
        BUSY_HARD
    }
}

/// The mark of a block with so much slack, at most [`SHORT`].
#[inline(always)]
pub(super) fn short_mark(slack: usize) -> u8 {
    ((slack - LEAST) << AMOUNT) as u8 | BUSY_SHORT
}

/// Bytes of slack before the last word that a mark says its block has; `None` for other blocks'
/// marks.
#[inline(always)]
pub(super) fn beyond(mark: u8) -> Option<usize> {
    (mark & WHAT == BUSY_SHORT).then_some(usize::from(mark >> AMOUNT))
}

/// Writes the pattern of a block that is marked so, and of which `size` of `capacity` bytes
/// are handed out.
///
/// # Safety
/// The block has so many bytes and is the caller's. It starts at a multiple of 16, and
/// `capacity` is one. It was wiped, or what [`read`] said of it was [erased](erase). The mark is
/// what [`mark_for`] said.
#[inline(always)]
pub(super) unsafe fn write(mark: u8, block: *mut u8, capacity: usize, size: usize) {
    let secrets = chance::secrets();
    let slack = capacity - size;
    // SAFETY: all of it lies in the slack.
    unsafe {
        if mark == BUSY_HARD {
            if slack > SHORT {
                block.add(size).cast::<u64>().write_unaligned(0);
            }
            let word = mask_of(secrets, block.addr()) ^ (slack as u64) << CHECK;
            last(block, capacity).write(word);
        } else if mark != BUSY_EXACT {
            write_short(mask_of(secrets, block.addr()), block, capacity);
        }
    }
}

/// [`write`] where the mark says how much slack there is: a block's [`mask_of`].
///
/// # Safety
/// As for [`write`].
#[inline(always)]
pub(super) unsafe fn write_short(mask: u64, block: *mut u8, capacity: usize) {
    // SAFETY: the last word lies in the slack.
    unsafe { last(block, capacity).write(mask) };
}

#[inline(always)]
fn last(block: *mut u8, capacity: usize) -> *mut u64 {
    block.wrapping_add(capacity - LEAST).cast()
}

/// Whether a block's pattern is as it was written that has `beyond` bytes of slack before its
/// last word.
///
/// # Safety
/// The block has so many bytes, and is the caller's; they are [`beyond`] of its mark.
#[inline(always)]
pub(super) unsafe fn is_short(mask: u64, block: *mut u8, capacity: usize, beyond: usize) -> bool {
    // SAFETY: all of it lies in the slack.
    unsafe {
        let word = last(block, capacity);
        let behind = word.byte_sub(beyond).read_unaligned();
        // Zeros, and what of the last word fits behind them. In two steps, neither of
        // all 64 bits.
        let expected = mask << (4 * beyond) << (4 * beyond);
        word.read() == mask && behind == expected
    }
}

/// The bytes that a block of `capacity` bytes was asked for, by its mark and its pattern; `None`
/// if that was written to.
///
/// # Safety
/// The block has so many bytes, was written to by [`write`], with this mark, and is the
/// caller's.
#[inline(always)]
pub(super) unsafe fn read(mark: u8, block: *mut u8, capacity: usize) -> Option<usize> {
    if mark == BUSY_EXACT {
        return Some(capacity);
    }
    let mask = mask_of(chance::secrets(), block.addr());
    // SAFETY: the caller's promise.
    unsafe {
        if let Some(beyond) = beyond(mark) {
            let is_well = is_short(mask, block, capacity, beyond);
            return is_well.then_some(capacity - LEAST - beyond);
        }
        let word = last(block, capacity).read();
        let slack = (word ^ mask).rotate_right(CHECK) as usize;
        if !(LEAST..=capacity).contains(&slack) {
            return None;
        }
        let size = capacity - slack;
        let behind = block.add(size).cast::<u64>().read_unaligned();
        let bits = 8 * (slack - LEAST) as u32;
        (behind == word.checked_shl(bits).unwrap_or(0)).then_some(size)
    }
}

/// Ends a block's pattern, for a program to have the bytes, or for another pattern: what
/// is checked of its slack reads zero.
///
/// # Safety
/// The block has so many bytes, of which the slack, that of `size`, is the caller's.
pub(super) unsafe fn erase(block: *mut u8, capacity: usize, size: usize) {
    // SAFETY: the slack lies in the block.
    unsafe {
        block.add(size).cast::<u64>().write_unaligned(0);
        last(block, capacity).write(0);
    }
}

/// Writes the fill behind data of a large block: `room` bytes at `place`, or as many as are
/// filled.
///
/// # Safety
/// The bytes are the caller's.
pub(in crate::heap) unsafe fn write_fill(place: *mut u8, room: usize) {
    // Without any, `place` is a guard page's first byte, where even a store of nothing takes as
    // long as some 300 cycles, on the one processor measured: memset's is one under an empty mask.
    if room != 0 {
        // SAFETY: the caller's bytes.
        unsafe { place.write_bytes(fill_of(place), room.min(FILL)) };
    }
}

/// The byte that fill at `place` is of.
#[inline(always)]
fn fill_of(place: *const u8) -> u8 {
    (mask_of(chance::secrets(), place.addr()) >> 32) as u8 | 0x80
}

/// Whether the fill behind data is as it was written.
///
/// # Safety
/// As for [`write_fill`].
pub(in crate::heap) unsafe fn is_fill(place: *const u8, room: usize) -> bool {
    let fill = fill_of(place);
    // SAFETY: the caller's bytes.
    let bytes = unsafe { core::slice::from_raw_parts(place, room.min(FILL)) };
    bytes.iter().fold(0, |sum, byte| sum | (byte ^ fill)) == 0
}

/// Ends a fill, for a program to have the bytes: they would tell it what fill is.
///
/// # Safety
/// As for [`write_fill`].
pub(in crate::heap) unsafe fn erase_fill(place: *mut u8, room: usize) {
    // As above.
    if room != 0 {
        // SAFETY: the caller's bytes.
        unsafe { place.write_bytes(0, room.min(FILL)) };
    }
}

/// Bytes of the words that blocks are wiped and checked by.
const LANE: usize = size_of::<Lane>();

/// Where the words lie that cover a block of up to 64 bytes, and of a larger one the first
/// and the last 16 bytes and their neighbours.
#[inline(always)]
fn lanes(capacity: usize) -> [usize; 4] {
    let last = capacity - LANE;
    let second = last.min(LANE);
    [0, second, last - second, last]
}

/// Calls `visit` with the offset of each word that is wiped and checked in a block of
/// `capacity` bytes.
#[inline(always)]
fn for_each_lane(capacity: usize, mut visit: impl FnMut([usize; 4])) {
    visit(lanes(capacity));
    if capacity > 4 * LANE {
        let inner = capacity - 3 * LANE;
        visit([2 * LANE, 3 * LANE, inner - LANE, inner]);
        if capacity > 8 * LANE && capacity <= WHOLE {
            let inner = inner - 4 * LANE;
            visit([4 * LANE, 5 * LANE, 6 * LANE, 7 * LANE]);
            visit([inner - LANE, inner, inner + LANE, inner + 2 * LANE]);
        }
    }
}

/// Wipes a block that is freed: all of it, or both its ends.
///
/// # Safety
/// The block has so many bytes, which nobody uses; it starts at a multiple of 16, and
/// `capacity` is one and not 0.
#[inline(always)]
pub(super) unsafe fn wipe(block: *mut u8, capacity: usize) {
    for_each_lane(capacity, |lanes| {
        for at in lanes {
            // SAFETY: the offset is 16 bytes or more below the capacity.
            unsafe { block.add(at).cast::<Lane>().write(zeros()) };
        }
    });
}

/// Whether what [`wipe`] wiped still reads zero.
///
/// # Safety
/// As for [`wipe`].
#[inline(always)]
pub(super) unsafe fn is_wiped(block: *const u8, capacity: usize) -> bool {
    let mut sum = zeros();
    for_each_lane(capacity, |lanes| {
        for at in lanes {
            // SAFETY: as in `wipe`.
            sum = either(sum, unsafe { block.add(at).cast::<Lane>().read() });
        }
    });
    is_zero(sum)
}

/// Has the pages of a block's ends be there to write to, and leaves them as they are: only
/// reading what was never used would cost a page fault more.
///
/// # Safety
/// The block has so many bytes and is the caller's.
#[inline(always)]
pub(super) unsafe fn touch(block: *mut u8, capacity: usize) {
    // SAFETY: the caller's words.
    unsafe {
        is_touched_zero(block);
        is_touched_zero(block.add(capacity - LEAST));
    }
}

/// [`is_wiped`] of a block of 128 bytes or more whose pages at both ends need not be there:
/// they are afterwards, to write to. What is touched is read by that alone, since a wider read
/// of what was written just now has to wait for it.
///
/// # Safety
/// As for [`wipe`].
#[inline(always)]
pub(super) unsafe fn is_wiped_touched(block: *mut u8, capacity: usize) -> bool {
    const ENDS: usize = 4 * LANE;
    let mut sum = zeros();
    // SAFETY: the first 64 bytes are the block's, and so are the last.
    let is_zero_touched = unsafe {
        let end = block.add(capacity);
        let ends = is_touched_zero(block) & is_touched_zero(end.sub(LEAST));
        for at in [LEAST, LEAST + LANE, LEAST + 2 * LANE, ENDS - LANE] {
            let first = block.add(at).cast::<Lane>().read_unaligned();
            let last = end.sub(at + LANE).cast::<Lane>().read_unaligned();
            sum = either(sum, either(first, last));
        }
        ends
    };
    is_zero_touched && is_zero(sum)
}

/// Reads a word as writing to it would, and leaves it as it is: whether it is zero.
///
/// # Safety
/// The word is the caller's.
#[inline(always)]
unsafe fn is_touched_zero(place: *mut u8) -> bool {
    #[cfg(all(target_arch = "x86_64", not(ntheap_portable)))]
    // SAFETY: reads and writes the caller's word.
    unsafe {
        let is_zero: u8;
        core::arch::asm!(
            "or qword ptr [{}], 0",
            "sete {}",
            in(reg) place,
            lateout(reg_byte) is_zero,
            options(nostack),
        );
        is_zero != 0
    }
    #[cfg(not(all(target_arch = "x86_64", not(ntheap_portable))))]
    // SAFETY: as above.
    unsafe {
        let place = place.cast::<u64>();
        let word = place.read_volatile();
        place.write_volatile(word);
        word == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(align(16))]
    struct Block([u8; 4096]);

    fn block() -> std::boxed::Box<Block> {
        std::boxed::Box::new(Block([0; 4096]))
    }

    /// Every changed byte behind the data is seen, but for what is too far from a short
    /// block's end; and a zero is none where there are zeros.
    #[test]
    fn a_pattern_says_the_size_and_each_changed_byte_is_seen() {
        for capacity in [16, 32, 48, 64, 1024, 1088, 4096] {
            for slack in (LEAST..=capacity.min(100)).chain([capacity]) {
                let size = capacity - slack;
                let mut memory = block();
                memory.0.fill(0);
                memory.0[..size].fill(0xaa);
                let start = memory.0.as_mut_ptr();
                // SAFETY: the test's own block.
                unsafe {
                    let mark = mark_for(capacity, size);
                    write(mark, start, capacity, size);
                    assert_eq!(read(mark, start, capacity), Some(size));
                    for at in
                        (size..capacity).filter(|&at| at < size + LEAST || at >= capacity - LEAST)
                    {
                        let was = start.add(at).read();
                        for value in [0, 0x41, !was] {
                            start.add(at).write(value);
                            let said = read(mark, start, capacity);
                            assert_eq!(said == Some(size), value == was, "{capacity} {size} {at}");
                            start.add(at).write(was);
                        }
                    }
                    // Text and zeros differ from the last word's first bytes.
                    for at in capacity - LEAST..capacity - LEAST + 3 {
                        assert!(start.add(at).read() >= 0x80);
                    }
                    assert!(memory.0[..size].iter().all(|&byte| byte == 0xaa));
                    let start = memory.0.as_mut_ptr();
                    erase(start, capacity, size);
                    assert!(memory.0[size..capacity].iter().all(|&byte| byte == 0));
                }
            }
        }
    }

    #[test]
    fn a_wiped_block_is_seen_to_be_written_to() {
        for capacity in (16..=1040).step_by(16).chain([4096]) {
            let mut memory = block();
            memory.0.fill(0xee);
            let start = memory.0.as_mut_ptr();
            // SAFETY: the test's own block.
            unsafe {
                wipe(start, capacity);
                assert!(is_wiped(start, capacity));
                for at in 0..capacity {
                    let covered =
                        capacity <= WHOLE || !(4 * LANE..capacity - 4 * LANE).contains(&at);
                    let was = start.add(at).replace(1);
                    assert_eq!(was, if covered { 0 } else { 0xee }, "{capacity} {at}");
                    assert_eq!(is_wiped(start, capacity), !covered);
                    start.add(at).write(was);
                }
            }
            assert!(memory.0[capacity..].iter().all(|&byte| byte == 0xee));
        }
    }
}
