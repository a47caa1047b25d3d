//! Patterns: what lies behind a block's data while it is handed out, and the zeros of
//! a block that is not.
//!
//! ```text
//!   | data, as asked for | fill ... fill | last word |
//!                        |<--- slack, 8 bytes or more ---->|
//!                                          low 40 bits: secret and address, mixed
//!                                          high 24: the slack, masked by the same
//! ```
//!
//! Fill and the lowest five bytes and the highest byte of the last word have their
//! highest bit set, so that neither text nor zeros that run over a block's end ever
//! are what lies there already. Of a long fill only the first [`FILL`] bytes are
//! written.

use super::chance;

/// Bytes of slack that hold a pattern.
pub(in crate::heap) const LEAST: usize = size_of::<u64>();
/// Bytes of fill that are written and checked.
const FILL: usize = 64;
/// Blocks up to this size are wiped and checked as a whole, of larger ones
/// [`END`] bytes at each end.
pub(in crate::heap) const WHOLE: usize = 1024;
/// Blocks up to this size are wiped without a call.
const INLINE: usize = 96;
/// Bytes at each end of a larger block that are wiped and checked.
pub(super) const END: usize = 256;

/// Bits that are always set in a block's mask.
const HIGH: u64 = 0x8000_0080_8080_8080;
/// The bits of a last word that say nothing.
const CHECK: u64 = (1 << 40) - 1;

/// What a block's patterns are made of.
#[inline(always)]
fn mask_of(block: usize) -> u64 {
    let mixed = (chance::secret() ^ block as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29) | HIGH
}

/// Writes the pattern of a block that `size` of `capacity` bytes were asked for.
///
/// # Safety
/// The block has so many bytes, at least [`LEAST`] more than `size`, and is the
/// caller's. It starts at a multiple of 16, and `capacity` is one.
#[inline(always)]
pub(super) unsafe fn write(block: *mut u8, capacity: usize, size: usize) {
    let mask = mask_of(block.addr());
    let slack = capacity - size;
    let room = slack - LEAST;
    // SAFETY: all of it lies in the slack, or in words of the block that end there, whose
    // other bytes stay as they are.
    unsafe {
        let last = block.add(capacity - LEAST).cast::<u64>();
        last.write(mask ^ (slack as u64) << 40);
        if room > SHORT {
            block.add(size).write_bytes(mask as u8, room.min(FILL));
        } else if room != 0 {
            let [low, high] = short_fill(mask, room);
            let end = |word: *mut u64, bytes: usize, fill: u64| {
                let data = word.read() & !u64::MAX.unbounded_shl(64 - 8 * bytes as u32);
                word.write(data | fill);
            };
            end(last.sub(1), room.min(LEAST), high);
            if room > LEAST {
                end(last.sub(2), room - LEAST, low);
            }
        }
    }
}

/// Fill of up to so many bytes is written and read in words.
const SHORT: usize = 2 * LEAST - 1;

/// The two words before a block's last one that end in `room` bytes of fill, 1 to
/// [`SHORT`], with zeros before it.
#[inline(always)]
fn short_fill(mask: u64, room: usize) -> [u64; 2] {
    let fill = (mask & 0xff) * 0x0101_0101_0101_0101;
    let part = |bytes: usize| fill & u64::MAX.unbounded_shl(64 - 8 * bytes as u32);
    if room >= LEAST {
        [part(room - LEAST), fill]
    } else {
        [0, part(room)]
    }
}

/// Writes the fill behind data: `room` bytes at `place`, or as many as are filled.
///
/// # Safety
/// The bytes are the caller's.
pub(in crate::heap) unsafe fn write_fill(place: *mut u8, room: usize) {
    // SAFETY: the caller's bytes.
    unsafe { place.write_bytes(fill_of(place), room.min(FILL)) };
}

/// The byte that fill at `place` is of.
#[inline(always)]
fn fill_of(place: *const u8) -> u8 {
    mask_of(place.addr()) as u8
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
    // SAFETY: the caller's bytes.
    unsafe { place.write_bytes(0, room.min(FILL)) };
}

/// The bytes that a block of `capacity` bytes was asked for, by its pattern; `None` if
/// that was written to.
///
/// # Safety
/// The block has so many bytes, was written to by [`write`], and is the caller's.
#[inline(always)]
pub(super) unsafe fn read(block: *const u8, capacity: usize) -> Option<usize> {
    // SAFETY: the last word lies in the block.
    let last = unsafe { block.add(capacity - LEAST).cast::<u64>().read() };
    let mask = mask_of(block.addr());
    let said = last ^ mask;
    let slack = (said >> 40) as usize;
    if said & CHECK != 0 || slack < LEAST || slack > capacity {
        return None;
    }
    let size = capacity - slack;
    let room = slack - LEAST;
    // SAFETY: what lies between data and last word; words that hold some of it, in the
    // block.
    let is_whole = unsafe {
        if room > SHORT {
            let fill = core::slice::from_raw_parts(block.add(size), room.min(FILL));
            fill.iter().fold(0, |sum, byte| sum | (byte ^ mask as u8)) == 0
        } else if room != 0 {
            let last = block.add(capacity - LEAST).cast::<u64>();
            let [low, high] = short_fill(mask, room);
            let ends = |word: *const u64, bytes: usize| {
                word.read() & u64::MAX.unbounded_shl(64 - 8 * bytes as u32)
            };
            ends(last.sub(1), room.min(LEAST)) == high
                && (room <= LEAST || ends(last.sub(2), room - LEAST) == low)
        } else {
            true
        }
    };
    is_whole.then_some(size)
}

/// Ends a block's pattern, for a program to have the bytes.
///
/// # Safety
/// As for [`read`]; `size` is what that said.
pub(super) unsafe fn erase(block: *mut u8, capacity: usize, size: usize) {
    // SAFETY: the slack lies in the block.
    unsafe {
        erase_fill(block.add(size), capacity - size);
        block.add(capacity - LEAST).cast::<u64>().write(0);
    }
}

/// Wipes a block that is freed: all of it, or both its ends.
///
/// # Safety
/// The block has so many bytes, which nobody uses.
#[inline(always)]
pub(super) unsafe fn wipe(block: *mut u8, capacity: usize) {
    // SAFETY: the caller's block; a larger one has two ends that do not meet.
    unsafe {
        if capacity <= INLINE {
            for at in 0..capacity / 16 {
                block.cast::<u128>().add(at).write(0);
            }
        } else if capacity <= WHOLE {
            block.write_bytes(0, capacity);
        } else {
            block.write_bytes(0, END);
            block.add(capacity - END).write_bytes(0, END);
        }
    }
}

/// Whether what [`wipe`] wiped still reads zero. Pages that were never used are
/// written to first: only reading them would cost a page fault more.
///
/// # Safety
/// As for [`wipe`]; the block starts at a multiple of 16, and `capacity` is one.
#[inline(always)]
pub(super) unsafe fn is_wiped(block: *mut u8, capacity: usize) -> bool {
    // SAFETY: the caller's block.
    unsafe {
        touch(block.add(capacity - LEAST));
        if capacity <= WHOLE {
            return is_zero(block, capacity);
        }
        touch(block);
        is_zero(block, END) && is_zero(block.add(capacity - END), END)
    }
}

/// # Safety
/// `count` bytes, a multiple of 16, at such an address are the caller's.
#[inline(always)]
unsafe fn is_zero(place: *const u8, count: usize) -> bool {
    // SAFETY: the caller's bytes.
    unsafe {
        let mut sum = 0;
        for at in 0..count / 16 {
            sum |= place.cast::<u128>().add(at).read();
        }
        sum == 0
    }
}

/// Has the page of `place` be there to write to, and leaves it as it is.
///
/// # Safety
/// The word is the caller's.
#[inline(always)]
unsafe fn touch(place: *mut u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: reads and writes the caller's byte.
    unsafe {
        core::arch::asm!("or byte ptr [{}], 0", in(reg) place, options(nostack));
    }
    #[cfg(not(target_arch = "x86_64"))]
    // SAFETY: as above.
    unsafe {
        place.write_volatile(place.read_volatile());
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

    #[test]
    fn a_pattern_says_the_size_and_each_changed_byte_is_seen() {
        let mut memory = block();
        let start = memory.0.as_mut_ptr();
        for (capacity, size) in [(16, 8), (16, 1), (64, 49), (1024, 1000), (4096, 3840)] {
            // SAFETY: the test's own block.
            unsafe {
                write(start, capacity, size);
                assert_eq!(read(start, capacity), Some(size));
                for at in (size..capacity).filter(|&at| at < size + FILL || at >= capacity - LEAST)
                {
                    for value in [0, 0x41, !*start.add(at)] {
                        let was = start.add(at).replace(value);
                        if at == capacity - 3 || at == capacity - 2 {
                            // Two of the bytes that say the slack: their highest bit may
                            // be anything.
                            assert!(value == was || read(start, capacity) != Some(size));
                        } else {
                            assert_eq!(read(start, capacity), None, "{capacity} {size} {at}");
                        }
                        start.add(at).write(was);
                    }
                }
                erase(start, capacity, size);
                assert!(memory.0[size..capacity].iter().all(|&byte| byte == 0));
            }
        }
    }

    #[test]
    fn a_wiped_block_is_seen_to_be_written_to() {
        let mut memory = block();
        let start = memory.0.as_mut_ptr();
        for capacity in [16, 1024, 1040, 4096] {
            // SAFETY: the test's own block.
            unsafe {
                start.write_bytes(0xee, capacity);
                wipe(start, capacity);
                assert!(is_wiped(start, capacity));
                for at in (0..capacity)
                    .filter(|&at| capacity <= WHOLE || !(END..capacity - END).contains(&at))
                {
                    assert_eq!(start.add(at).replace(1), 0);
                    assert!(!is_wiped(start, capacity));
                    start.add(at).write(0);
                }
            }
        }
    }
}
