//! What lies in a region, a byte for every unit of 16 bytes.
//!
//! A block is a run of two units or more. Its bytes say all that the heap
//! knows of it, and the heap needs no word of the block itself:
//!
//! ```text
//!   byte 0       1 B u u u u u u   a start; B: busy; u: bytes not asked for, less 8
//!   byte 1       0 0 s s s s s s   units, or 63: six more digits of six bits follow
//!   (bytes 2-7)                    the digits, lowest first, for 63 units and more
//!   then         0 0 0 0 f f f f   user flags of a busy block of 3 units or more
//!   last byte    0 E s s s s s s   E: the block is free; s: its units once more,
//!                                  or 63 with the digits before it
//! ```
//!
//! Only starts have the top bit, and only the last byte of a free block, among
//! last bytes, has the next one: from any unit one can tell whether a block
//! starts there, and from a block's start whether the one before it is free.
//!
//! Free blocks are found by two tables of upper bounds: `best` holds for every
//! 64 units a code that no free block which starts there exceeds, `upper` for
//! 64 of those the largest. A search that is led astray makes them exact. The
//! lowest block that is large enough is taken.

/// Bytes of a unit.
pub(super) const UNIT: usize = 16;
/// The fewest units of a block.
pub(super) const LEAST: usize = 2;
/// Bytes a busy block has at least beyond what was asked for: where Windows
/// has its header.
pub(super) const OVERHEAD: usize = 8;

const START: u8 = 0x80;
const BUSY: u8 = 0x40;
const FREE_END: u8 = 0x40;
const LOW: u8 = 0x3f;
/// The size code that says that digits follow.
const LONG: usize = 63;
const DIGITS: usize = 6;
/// The codes of a table's bytes, for who compares builds.
pub(super) const CODES: u64 =
    u64::from_le_bytes([START, BUSY, FREE_END, LOW, LONG as u8, DIGITS as u8, 0, 0]);
/// Units that `best` has one byte for.
pub(super) const CHUNK: usize = 64;

const TOPS: u64 = 0x8080_8080_8080_8080;
const ONES: u64 = 0x0101_0101_0101_0101;
/// Times bytes of 0 and 1 has them as bits in its top byte, the lowest first.
const GATHER: u64 = 0x0102_0408_1020_4080;

/// The order of magnitude of a free block: exact to 65 units, then four steps
/// a doubling. At most 127.
pub(super) fn code_of(units: usize) -> u8 {
    if units <= 65 {
        return units.saturating_sub(1) as u8;
    }
    let top = units.ilog2() as usize;
    let fraction = (units >> (top - 2)) & 3;
    (65 + (top - 6) * 4 + fraction).min(127) as u8
}

/// The bytes of `word` that are at least `least`, by their top bits; all of
/// them are below 128, and so is `least`.
fn at_least(word: u64, least: u8) -> u64 {
    (word | TOPS).wrapping_sub(ONES * u64::from(least)) & TOPS
}

/// The table of one region. All of its memory is zero at first.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Units {
    pub(super) table: *mut u8,
    pub(super) best: *mut u8,
    pub(super) upper: *mut u8,
    /// Units the table has bytes for.
    pub(super) capacity: usize,
    /// [`OVERHEAD`], or more in a heap that checks.
    pub(super) overhead: usize,
    /// Whether free blocks may lie side by side.
    pub(super) apart: bool,
}

/// Bytes of the three tables for so many units.
pub(super) const fn bytes_for(units: usize) -> usize {
    let chunks = units.div_ceil(CHUNK);
    let uppers = chunks.div_ceil(CHUNK);
    uppers.next_multiple_of(8) + uppers * CHUNK + chunks * CHUNK
}

impl Units {
    /// A table of `capacity` units in `memory`.
    ///
    /// # Safety
    /// `memory` is [`bytes_for`] that many, zero, at a multiple of 8, and the
    /// table's alone for as long as it is used.
    pub(super) unsafe fn new(memory: *mut u8, capacity: usize) -> Self {
        let chunks = capacity.div_ceil(CHUNK);
        let uppers = chunks.div_ceil(CHUNK);
        let best = memory.wrapping_add(uppers.next_multiple_of(8));
        Units {
            upper: memory,
            best,
            table: best.wrapping_add(uppers * CHUNK),
            capacity,
            overhead: OVERHEAD,
            apart: false,
        }
    }

    /// Where in the record the table's address is.
    #[cfg(unix)]
    pub(super) const TABLE: usize = core::mem::offset_of!(Units, table);

    /// Bytes from a block's start that say its state and size.
    #[cfg(unix)]
    pub(super) const OF_A_START: usize = 2 + DIGITS;

    /// A part of a table, copied, whose first byte counts as that of unit 0; only what
    /// says what lies at a unit may be asked.
    ///
    /// # Safety
    /// The copy stays as long as it is used.
    #[cfg(unix)]
    pub(super) unsafe fn of_copy(bytes: &mut [u8], overhead: usize) -> Self {
        Units {
            table: bytes.as_mut_ptr(),
            best: core::ptr::null_mut(),
            upper: core::ptr::null_mut(),
            capacity: bytes.len(),
            overhead,
            apart: false,
        }
    }

    fn byte(&self, unit: usize) -> u8 {
        if unit >= self.capacity {
            return 0;
        }
        // SAFETY: the table has a byte for each unit of its capacity.
        unsafe { self.table.add(unit).read() }
    }

    fn set(&mut self, unit: usize, byte: u8) {
        if unit < self.capacity {
            // SAFETY: as above.
            unsafe { self.table.add(unit).write(byte) };
        }
    }

    /// Whether a block starts at `unit`.
    pub(super) fn is_start(&self, unit: usize) -> bool {
        self.byte(unit) & START != 0
    }

    /// Whether a busy block starts at `unit`.
    pub(super) fn is_busy(&self, unit: usize) -> bool {
        self.byte(unit) & (START | BUSY) == START | BUSY
    }

    /// Whether a free block starts at `unit`.
    pub(super) fn is_free(&self, unit: usize) -> bool {
        self.byte(unit) & (START | BUSY) == START
    }

    /// The units of the block that starts at `unit`.
    pub(super) fn size(&self, unit: usize) -> usize {
        let code = usize::from(self.byte(unit + 1) & LOW);
        if code != LONG {
            return code;
        }
        (0..DIGITS).rev().fold(0, |size, digit| {
            size << 6 | usize::from(self.byte(unit + 2 + digit) & LOW)
        })
    }

    /// The bytes of the busy block at `unit` that nobody asked for.
    pub(super) fn unused(&self, unit: usize) -> usize {
        usize::from(self.byte(unit) & LOW) + self.overhead
    }

    fn flags_at(&self, unit: usize) -> usize {
        let long = self.byte(unit + 1) & LOW == LONG as u8;
        unit + 2 + if long { DIGITS } else { 0 }
    }

    /// The user flags of the busy block at `unit`, 0 to 15.
    pub(super) fn flags(&self, unit: usize) -> u8 {
        if self.size(unit) <= LEAST {
            return 0;
        }
        self.byte(self.flags_at(unit)) & 0xf
    }

    /// Sets the user flags of the busy block at `unit`, of 3 units at least.
    pub(super) fn set_flags(&mut self, unit: usize, flags: u8) {
        self.set(self.flags_at(unit), flags & 0xf);
    }

    /// The free block that ends before `unit`: its start and its units.
    pub(super) fn free_before(&self, unit: usize) -> Option<(usize, usize)> {
        let last = unit.checked_sub(1)?;
        let end = self.byte(last);
        if end & START != 0 || end & FREE_END == 0 {
            return None;
        }
        let code = usize::from(end & LOW);
        let size = if code != LONG {
            code
        } else {
            (0..DIGITS).rev().fold(0, |size, digit| {
                size << 6 | usize::from(self.byte(last.wrapping_sub(1 + digit)) & LOW)
            })
        };
        Some((unit.checked_sub(size)?, size))
    }

    fn write_size(&mut self, unit: usize, units: usize) {
        self.set(unit + 1, units.min(LONG) as u8);
        if units >= LONG {
            for digit in 0..DIGITS {
                self.set(unit + 2 + digit, (units >> (6 * digit)) as u8 & LOW);
            }
        }
    }

    /// Writes a busy block over units that no start but `unit` lies in.
    /// `unused` is the overhead at least and 63 more at most.
    pub(super) fn write_busy(&mut self, unit: usize, units: usize, unused: usize, flags: u8) {
        let low = unused.saturating_sub(self.overhead).min(usize::from(LOW)) as u8;
        self.set(unit, START | BUSY | low);
        // First, so that what is written next is not undone in a short block.
        self.set(unit + units - 1, 0);
        self.write_size(unit, units);
        if units > LEAST {
            self.set_flags(unit, flags);
        }
    }

    /// Writes a free block over units that no start but `unit` lies in, and
    /// enters it where it is looked for.
    pub(super) fn write_free(&mut self, unit: usize, units: usize) {
        self.set(unit, START);
        self.write_size(unit, units);
        let last = unit + units - 1;
        self.set(last, FREE_END | units.min(LONG) as u8);
        if units >= LONG {
            for digit in 0..DIGITS {
                self.set(last - 1 - digit, (units >> (6 * digit)) as u8 & LOW);
            }
        }
        let chunk = unit / CHUNK;
        let code = code_of(units);
        if code > self.best(chunk) {
            self.set_best(chunk, code);
        }
    }

    /// Makes a start an inner unit of the block before it.
    pub(super) fn erase(&mut self, unit: usize) {
        self.set(unit, 0);
    }

    fn best(&self, chunk: usize) -> u8 {
        if chunk >= self.capacity.div_ceil(CHUNK) {
            return 0;
        }
        // SAFETY: `best` has a byte for each chunk of the capacity.
        unsafe { self.best.add(chunk).read() }
    }

    fn set_best(&mut self, chunk: usize, code: u8) {
        let chunks = self.capacity.div_ceil(CHUNK);
        if chunk >= chunks {
            return;
        }
        // SAFETY: `best` has a byte for each chunk, rounded up to whole runs
        // of 64, and `upper` one for each of those runs.
        unsafe {
            let old = self.best.add(chunk).replace(code);
            let upper = self.upper.add(chunk / CHUNK);
            if code >= upper.read() {
                upper.write(code);
            } else if old == upper.read() {
                let run = self.best.add(chunk / CHUNK * CHUNK);
                upper.write((0..CHUNK).map(|at| run.add(at).read()).max().unwrap_or(0));
            }
        }
    }

    /// The free blocks that start in a chunk, a bit for each of its units.
    #[inline]
    fn free_starts(&self, chunk: usize) -> u64 {
        let unit = chunk * CHUNK;
        if unit >= self.capacity {
            return 0;
        }
        let mut starts = 0;
        for word in 0..CHUNK / 8 {
            // SAFETY: the table is rounded up to whole chunks and starts at a
            // multiple of eight.
            let bytes = unsafe { self.table.add(unit).cast::<u64>().add(word).read() };
            // A start without the bit below it; the product brings the eight
            // top bits together.
            let tops = (bytes & !(bytes << 1) & TOPS) >> 7;
            starts |= (tops.wrapping_mul(GATHER) >> 56) << (8 * word);
        }
        starts
    }

    /// Visits the free blocks that start in a chunk, until `visit` says so.
    #[inline]
    fn for_each_free(&self, chunk: usize, mut visit: impl FnMut(usize) -> bool) {
        let mut starts = self.free_starts(chunk);
        while starts != 0 {
            let at = starts.trailing_zeros() as usize;
            starts &= starts - 1;
            if visit(chunk * CHUNK + at) {
                return;
            }
        }
    }

    /// The code of the largest free block that starts in a chunk.
    fn largest_in(&self, chunk: usize) -> u8 {
        let mut largest = 0;
        self.for_each_free(chunk, |unit| {
            largest = largest.max(code_of(self.size(unit)));
            false
        });
        largest
    }

    /// The lowest free block of `units` units or more.
    pub(super) fn find(&mut self, units: usize) -> Option<usize> {
        self.find_by(units, |_, _| true)
    }

    /// The lowest free block of `units` units or more that `fits(start, units)`.
    pub(super) fn find_by(
        &mut self,
        units: usize,
        fits: impl Fn(usize, usize) -> bool,
    ) -> Option<usize> {
        let least = code_of(units);
        let uppers = self.capacity.div_ceil(CHUNK).div_ceil(CHUNK);
        let mut first = 0;
        while first < uppers {
            // SAFETY: `upper` is rounded up to whole words.
            let word = unsafe { self.upper.add(first).cast::<u64>().read_unaligned() };
            let mut groups = at_least(word, least);
            while groups != 0 {
                let group = first + groups.trailing_zeros() as usize / 8;
                groups &= groups - 1;
                if group < uppers
                    && let Some(found) = self.find_in_group(group, units, least, &fits)
                {
                    return Some(found);
                }
            }
            first += 8;
        }
        None
    }

    fn find_in_group(
        &mut self,
        group: usize,
        units: usize,
        least: u8,
        fits: &impl Fn(usize, usize) -> bool,
    ) -> Option<usize> {
        for word in 0..CHUNK / 8 {
            let first = group * CHUNK + word * 8;
            // SAFETY: `best` is rounded up to whole groups.
            let codes = unsafe { self.best.add(first).cast::<u64>().read_unaligned() };
            let mut chunks = at_least(codes, least);
            while chunks != 0 {
                let chunk = first + chunks.trailing_zeros() as usize / 8;
                chunks &= chunks - 1;
                let (mut found, mut largest) = (None, 0);
                self.for_each_free(chunk, |unit| {
                    let size = self.size(unit);
                    if size >= units && fits(unit, size) {
                        found = Some(unit);
                    }
                    largest = largest.max(size);
                    found.is_some()
                });
                if found.is_some() {
                    return found;
                }
                // All were visited.
                let largest = if largest == 0 { 0 } else { code_of(largest) };
                if largest < self.best(chunk) {
                    self.set_best(chunk, largest);
                }
            }
        }
        None
    }

    /// An order of magnitude that no free block exceeds.
    pub(super) fn largest_code(&self) -> u8 {
        let uppers = self.capacity.div_ceil(CHUNK).div_ceil(CHUNK);
        // SAFETY: `upper` has a byte for each group.
        (0..uppers)
            .map(|at| unsafe { self.upper.add(at).read() })
            .max()
            .unwrap_or(0)
    }

    /// Whether the table is sound for blocks from `first` to `end` without a
    /// gap: starts and nothing but starts where the sizes say, both sizes of
    /// each free block equal, no two free blocks side by side, `best` not less
    /// than what it bounds and `upper` exact. Returns the busy and the free blocks' units.
    pub(super) fn check(&self, first: usize, end: usize) -> Option<(usize, usize)> {
        let mut at = first;
        let (mut busy, mut free) = (0, 0);
        let mut after_free = false;
        while at < end {
            let units = self.size(at);
            if !self.is_start(at) || units < LEAST || units > end - at {
                return None;
            }
            let inner = at + 1..at + units;
            if inner.clone().any(|unit| self.is_start(unit)) {
                return None;
            }
            let is_free = self.is_free(at);
            let found = self.free_before(at + units);
            let is_sound = if is_free {
                (!after_free || self.apart) && found == Some((at, units))
            } else {
                found.is_none() && self.unused(at) <= units * UNIT
            };
            if !is_sound {
                return None;
            }
            if is_free {
                free += units;
            } else {
                busy += units;
            }
            after_free = is_free;
            at += units;
        }
        let chunks = self.capacity.div_ceil(CHUNK);
        let is_bounded = (0..chunks).all(|chunk| self.best(chunk) >= self.largest_in(chunk));
        let groups = chunks.div_ceil(CHUNK);
        let upper_is_exact = (0..groups).all(|group| {
            let run = group * CHUNK..(group + 1) * CHUNK;
            // SAFETY: `upper` has a byte for each group.
            run.map(|chunk| self.best(chunk)).max().unwrap_or(0)
                == unsafe { self.upper.add(group).read() }
        });
        (at == end && is_bounded && upper_is_exact).then_some((busy, free))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn codes_never_fall_and_tell_small_sizes_apart() {
        for units in 1..100_000 {
            assert!(code_of(units) <= code_of(units + 1));
            assert!(units > 64 || code_of(units) < code_of(units + 1));
        }
        assert_eq!(code_of(1), 0);
        assert_eq!(code_of(usize::MAX >> 1), 127);
    }

    #[test]
    fn bytes_are_compared_eight_at_a_time() {
        for least in 1..=127u8 {
            for byte in 0..=127u8 {
                let word = u64::from_le_bytes([byte, 0, 127, byte, 1, 126, byte, 64]);
                let found = at_least(word, least);
                for (at, value) in word.to_le_bytes().into_iter().enumerate() {
                    assert_eq!(found >> (8 * at + 7) & 1 != 0, value >= least);
                }
            }
        }
    }

    fn with_table(capacity: usize, test: impl FnOnce(&mut Units)) {
        let mut memory = vec![0u64; bytes_for(capacity).div_ceil(8)];
        // SAFETY: the vector is large enough, zero, and outlives the table.
        let mut units = unsafe { Units::new(memory.as_mut_ptr().cast(), capacity) };
        test(&mut units);
    }

    #[test]
    fn every_size_is_read_from_both_ends() {
        with_table(9000, |table| {
            for units in (2..200).chain([500, 4095, 4096, 8000]) {
                for start in [0, 1, 63, 64, 100] {
                    table.write_free(start, units);
                    assert!(table.is_free(start) && !table.is_busy(start));
                    assert_eq!(table.size(start), units);
                    assert_eq!(table.free_before(start + units), Some((start, units)));
                    assert_eq!(table.find(units), Some(start));
                    assert_eq!(table.find(units + 1), None);
                    let flags = if units > 2 { 5 } else { 0 };
                    table.write_busy(start, units, 24, flags);
                    assert_eq!(table.find(2), None);
                    assert!(table.is_busy(start) && !table.is_free(start));
                    assert_eq!((table.size(start), table.unused(start)), (units, 24));
                    assert_eq!(table.flags(start), flags);
                    assert_eq!(table.free_before(start + units), None);
                    assert!((start + 1..start + units).all(|unit| !table.is_start(unit)));
                    table.erase(start);
                }
            }
        });
    }

    #[test]
    fn the_lowest_block_that_fits_is_found() {
        // Blocks of many sizes, every second one busy, against a plain list.
        with_table(20_000, |table| {
            let mut at = 0;
            let mut free = Vec::new();
            let mut seed = 1u64;
            while at < 19_000 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let units = 2 + (seed >> 33) as usize % if seed >> 60 == 0 { 700 } else { 9 };
                if free.len() % 2 == 0 {
                    table.write_free(at, units);
                    free.push((at, units));
                } else {
                    table.write_busy(at, units, 8, 0);
                    free.push((at, 0));
                }
                at += units;
            }
            assert!(table.check(0, at).is_some());
            for wanted in 2..800 {
                let expected = free.iter().find(|(_, units)| *units >= wanted);
                assert_eq!(table.find(wanted), expected.map(|(start, _)| *start));
            }
            for (start, units) in free.iter().copied().filter(|(_, units)| *units != 0) {
                table.write_busy(start, units, 9, 0);
                assert!(table.check(0, at).is_some());
            }
            assert_eq!(table.find(2), None);
        });
    }

    #[test]
    fn a_table_with_one_byte_changed_is_found_unsound() {
        with_table(256, |table| {
            table.write_busy(0, 3, 8, 0);
            table.write_free(3, 70);
            table.write_busy(73, 5, 20, 1);
            table.write_free(78, 22);
            assert_eq!(table.check(0, 100), Some((8, 92)));
            for (unit, byte) in [
                (0, 0),
                (1, 4),
                (3, 0x80 | 0x40),
                (40, 0x80),
                (72, 0),
                (71, 9),
                (77, 0x45),
                (79, 21),
            ] {
                let old = table.byte(unit);
                table.set(unit, byte);
                assert_eq!(table.check(0, 100), None, "unit {unit}");
                table.set(unit, old);
            }
            let best = table.best(1);
            table.set_best(1, best - 1);
            assert_eq!(table.check(0, 100), None);
            table.set_best(1, best);
            assert!(table.check(0, 100).is_some());
        });
    }
}
