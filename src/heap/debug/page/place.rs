//! Where in its pages a block lies, and what is written around it.
//!
//! ```text
//!   window: pages that are opened                            shut
//!   | zeros            | prefix, 64 bytes | block   | suffix | guard ...
//!                      | stamp ...  stamp |         | 0xD0   |
//!                                         ^ start            ^ end of the window
//!   backwards:
//!   guard ... | block | 0xD0 to the end of the window | shut
//! ```
//!
//! The patterns are those of the debugger's documentation ("!heap", block
//! diagrams of page heap). The prefix holds what Windows' block information holds,
//! for whoever looks with a debugger; the heap itself believes its own records
//! alone, which lie elsewhere, and compares.

use crate::report::{Damage, Stop};
use core::ops::Range;
use core::ptr;

/// Bytes of a block's information before it.
pub(in crate::heap) const PREFIX: usize = 64;

/// What blocks of full page heap hold before the program has written to them.
pub(in crate::heap) const FRESH: u8 = 0xC0;
/// What lies between a block and the end of its pages.
pub(in crate::heap) const SUFFIX: u8 = 0xD0;
/// What is written over freed bytes that can still be read.
pub(in crate::heap) const FREED: u8 = 0xF0;

/// The two stamps of a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::heap) struct Stamps {
    /// In its first four bytes.
    pub(in crate::heap) start: u32,
    /// In its last four.
    pub(in crate::heap) end: u32,
}

/// A busy block of full page heap.
pub(super) const BUSY: Stamps = Stamps {
    start: 0xABCD_BBBB,
    end: 0xDCBA_BBBB,
};

/// Where a block lies in its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::heap) enum Rule {
    /// As near to their end as its alignment allows.
    End,
    /// At their end exactly, whatever the alignment.
    Exact,
    /// As near to their end as can be, 8 bytes beside a multiple of 16: for
    /// alignments up to 8.
    Beside,
    /// At their start, with a guard before.
    Start,
}

/// A block's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its first byte.
    pub(super) start: usize,
    /// The pages that are opened.
    pub(super) window: (usize, usize),
}

/// Pages that a cell needs for such a block, its last one included, which is
/// never opened; `None` for more than there can be.
pub(super) fn pages_for(size: usize, align: usize, rule: Rule, page: usize) -> Option<usize> {
    let before = if rule == Rule::Start { 0 } else { PREFIX };
    // An alignment within pages costs nothing but the bytes behind the block.
    let slack = match rule {
        Rule::Exact => 0,
        Rule::Beside => 15,
        Rule::Start if align <= page => 0,
        Rule::End if align <= page => align - 1,
        Rule::End | Rule::Start => align,
    };
    let bytes = size.checked_add(before)?.checked_add(slack)?;
    bytes.div_ceil(page).max(1).checked_add(1)
}

/// The place of a block in the cell of `pages` pages at `cell`, which are enough
/// for it.
pub(super) fn place(
    cell: usize,
    pages: usize,
    size: usize,
    align: usize,
    rule: Rule,
    page: usize,
) -> Place {
    let limit = cell + (pages - 1) * page;
    let down = |to: usize, by: usize| to & !(by - 1);
    let start = match rule {
        Rule::End => down(limit - size, align),
        Rule::Exact => limit - size,
        Rule::Beside => down(limit - size - 8, 16) + 8,
        Rule::Start => (cell + align - 1) & !(align - 1),
    };
    let before = if rule == Rule::Start { 0 } else { PREFIX };
    let first = down(start - before, page);
    let last = (start + size).next_multiple_of(page);
    Place {
        start,
        // A block of no bytes at a page's start has no page of its own.
        window: (first, last.max(first + page)),
    }
}

/// What a prefix tells.
#[derive(Clone, Copy)]
pub(in crate::heap) struct Information {
    /// The heap's handle.
    pub(in crate::heap) heap: usize,
    /// Bytes asked for.
    pub(in crate::heap) size: usize,
    /// Bytes that the block takes in all.
    pub(in crate::heap) taken: usize,
    /// The number of the allocation's stack, 0 for none.
    pub(in crate::heap) stack: u32,
}

/// The words of a prefix: StartStamp, Heap, RequestedSize, ActualSize, two words
/// for a queue, StackTrace, EndStamp.
fn words(of: &Information, stamps: Stamps) -> [u64; PREFIX / 8] {
    [
        u64::from(stamps.start),
        of.heap as u64,
        of.size as u64,
        of.taken as u64,
        0,
        0,
        u64::from(of.stack),
        u64::from(stamps.end) << 32,
    ]
}

/// Writes a prefix before the block at `start`.
///
/// # Safety
/// The bytes before the block are the caller's to write to.
pub(in crate::heap) unsafe fn write_prefix(start: usize, of: &Information, stamps: Stamps) {
    let at = ptr::with_exposed_provenance_mut::<[u64; PREFIX / 8]>(start - PREFIX);
    // SAFETY: the caller's bytes.
    unsafe { at.write_unaligned(words(of, stamps)) };
}

/// What is wrong about a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::heap) struct Finding {
    /// What it is called.
    pub(in crate::heap) stop: Stop,
    /// The stamp found, where one changed.
    pub(in crate::heap) stamp: u32,
    /// The bytes.
    pub(in crate::heap) damage: Damage,
}

impl Finding {
    /// Of bytes that are no stamp, by comparing a range with a pattern.
    ///
    /// # Safety
    /// The range can be read.
    pub(in crate::heap) unsafe fn look(
        stop: Stop,
        range: Range<usize>,
        pattern: [u8; 4],
    ) -> Option<Finding> {
        // SAFETY: the caller's promise.
        let damage = unsafe { Damage::find(range.start, range.len(), pattern) }?;
        Some(Finding {
            stop,
            stamp: 0,
            damage,
        })
    }

    /// The same in a block that was freed: what was sound when it was changed since.
    pub(in crate::heap) fn since_free(self) -> Finding {
        match self.stop {
            Stop::CorruptedFreedHeapBlock => self,
            _ => Finding {
                stop: Stop::CorruptedHeapBlockHeader,
                stamp: 0,
                ..self
            },
        }
    }
}

/// Compares a prefix with what was written.
///
/// # Safety
/// The bytes before the block at `start` can be read.
pub(in crate::heap) unsafe fn check_prefix(
    start: usize,
    of: &Information,
    stamps: Stamps,
) -> Option<Finding> {
    const DWORD: usize = size_of::<u32>();
    let at = ptr::with_exposed_provenance::<[u32; PREFIX / DWORD]>(start - PREFIX);
    // SAFETY: the caller's promise.
    let found = unsafe { at.read_unaligned() };
    let expected = words(of, stamps)
        .map(|word| [word as u32, (word >> 32) as u32])
        .into_iter()
        .flatten();
    // From the end: what runs into a prefix from the block meets that first. But a
    // start stamp that changed is told before what lies between the two.
    let mut worst: Option<(Stop, usize, u32, u32)> = None;
    for (index, (found, expected)) in found.into_iter().zip(expected).enumerate() {
        let stop = match index {
            0 => Stop::CorruptedHeapBlockStartStamp,
            END_STAMP => Stop::CorruptedHeapBlockEndStamp,
            _ => Stop::CorruptedHeapBlockPrefix,
        };
        let is_start = matches!(worst, Some((Stop::CorruptedHeapBlockStartStamp, ..)));
        if found != expected && !(is_start && index != END_STAMP) {
            worst = Some((stop, index, found, expected));
        }
    }
    let (stop, index, stamp, expected) = worst?;
    let from = start - PREFIX + index * DWORD;
    // SAFETY: the caller's promise.
    let finding = unsafe { Finding::look(stop, from..from + DWORD, expected.to_le_bytes()) }?;
    Some(Finding {
        stamp: if stop == Stop::CorruptedHeapBlockPrefix {
            0
        } else {
            stamp
        },
        ..finding
    })
}

/// The number of the end stamp among the dwords of a prefix.
const END_STAMP: usize = PREFIX / 4 - 1;

/// Writes `byte` over a range.
///
/// # Safety
/// The range is the caller's to write to.
pub(in crate::heap) unsafe fn fill(range: Range<usize>, byte: u8) {
    let at = ptr::with_exposed_provenance_mut::<u8>(range.start);
    // SAFETY: the caller's bytes.
    unsafe { at.write_bytes(byte, range.len()) };
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: usize = 4096;
    const CELL: usize = 0x7000_0000_1000;

    /// All rules, at sizes about the edges of pages: within the window, as near
    /// to the edge as the alignment allows, and never on the cell's last page.
    #[test]
    fn blocks_lie_at_the_edge() {
        for rule in [Rule::End, Rule::Exact, Rule::Beside, Rule::Start] {
            for align_bits in 0..=16 {
                let align = 1usize << align_bits;
                if rule == Rule::Beside && align > 8 {
                    continue;
                }
                for size in (0..200).chain(3900..4200).chain([8192, 65536, 1 << 20]) {
                    let pages = pages_for(size, align, rule, PAGE).unwrap();
                    for extra in [0, 3] {
                        let pages = pages + extra;
                        let got = place(CELL, pages, size, align, rule, PAGE);
                        let (first, last) = got.window;
                        let end = got.start + size;
                        assert!(
                            CELL <= first && last <= CELL + (pages - 1) * PAGE,
                            "{rule:?}"
                        );
                        assert!(first <= got.start && end <= last, "{rule:?} {size} {align}");
                        assert_eq!((first % PAGE, last % PAGE), (0, 0));
                        let slack = last - end;
                        match rule {
                            Rule::End => {
                                assert_eq!(got.start % align, 0);
                                assert!(got.start - first >= PREFIX);
                                assert!(slack < align.min(PAGE), "{size} {align} {slack}");
                            }
                            Rule::Exact => assert_eq!(slack, 0),
                            Rule::Beside => {
                                assert_eq!(got.start % 16, 8);
                                assert!(slack < 16 && got.start - first >= PREFIX);
                            }
                            Rule::Start => {
                                assert_eq!(got.start % align, 0);
                                assert_eq!(got.start, first, "nothing before the block");
                            }
                        }
                    }
                }
            }
        }
        assert_eq!(pages_for(usize::MAX - 20, 16, Rule::End, PAGE), None);
        assert_eq!(
            pages_for(1, 16, Rule::End, PAGE),
            Some(2),
            "two pages a block"
        );
    }

    #[test]
    fn every_byte_of_a_prefix_counts() {
        let mut bytes = [0u64; 16];
        let of = Information {
            heap: 0x7fff_1234_0000,
            size: 40,
            taken: 4096,
            stack: 17,
        };
        let start = (&raw mut bytes).expose_provenance() + PREFIX;
        for at in 0..PREFIX {
            // SAFETY: the bytes before the block are the array's.
            unsafe {
                write_prefix(start, &of, BUSY);
                assert_eq!(check_prefix(start, &of, BUSY), None);
                let byte = ptr::with_exposed_provenance_mut::<u8>(start - PREFIX + at);
                byte.write(byte.read() ^ 0x55);
                let found = check_prefix(start, &of, BUSY).unwrap();
                let (stop, stamp) = match at {
                    0..4 => (
                        Stop::CorruptedHeapBlockStartStamp,
                        BUSY.start ^ 0x55 << (8 * at),
                    ),
                    60..64 => (
                        Stop::CorruptedHeapBlockEndStamp,
                        BUSY.end ^ 0x55 << (8 * (at - 60)),
                    ),
                    _ => (Stop::CorruptedHeapBlockPrefix, 0),
                };
                assert_eq!((found.stop, found.stamp), (stop, stamp), "byte {at}");
                assert_eq!(found.damage.address, start - PREFIX + at);
                assert_eq!((found.damage.changed, found.damage.shown), (1, 4));
            }
        }
        // SAFETY: as above.
        unsafe {
            write_prefix(start, &of, BUSY);
            assert_eq!(bytes[0], 0xABCD_BBBB);
            assert_eq!(bytes[7] >> 32, 0xDCBA_BBBB);
        }
    }
}
