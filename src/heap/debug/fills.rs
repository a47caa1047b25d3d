//! Fills that are taken for pointers.
//!
//! What fresh and freed blocks and the bytes behind them are filled with lies, as a pointer,
//! where no program has memory: 0xBAADF00DBAADF00D is no address at all, and 0xBAADF00D is one
//! of the kernel's on 32-bit Windows, where the patterns come from. Who follows such a value
//! read it from memory that nobody wrote, or that was freed.
//!
//! Only fills that the global flags have the heap write are looked for, so that no number
//! which happens to look like one is taken for it.

use super::{gflags, options, page};
use crate::heap::private;
use crate::report::{Report, Stray, StrayOrigin};

/// How far from a fill a value may be: a member's or an element's distance.
const NEAR: usize = 64 * 1024;

/// The largest element that an index is multiplied by a shift for, as a power of two.
const MOST_SHIFT: u32 = 6;

/// A fill of four bytes, and which flags have it written.
struct Fill {
    pattern: u32,
    origin: StrayOrigin,
    flags: u32,
}

const fn of_bytes(byte: u8) -> u32 {
    u32::from_ne_bytes([byte; 4])
}

const FREE_CHECKS: u32 = gflags::FREE_CHECK | gflags::VALIDATE_PARAMETERS | gflags::VALIDATE_ALL;
const TAIL_CHECKS: u32 = gflags::TAIL_CHECK | gflags::VALIDATE_PARAMETERS | gflags::VALIDATE_ALL;

#[rustfmt::skip]
const FILLS: [Fill; 8] = [
    Fill { pattern: private::FRESH_FILL, origin: StrayOrigin::NeverWritten, flags: FREE_CHECKS },
    Fill { pattern: private::FREE_FILL, origin: StrayOrigin::Freed, flags: FREE_CHECKS },
    Fill {
        pattern: of_bytes(private::TAIL_FILL),
        origin: StrayOrigin::PastTheEnd,
        flags: TAIL_CHECKS,
    },
    page_heaps(page::FRESH, StrayOrigin::NeverWritten),
    page_heaps(page::SUFFIX, StrayOrigin::PastTheEnd),
    page_heaps(private::light::FRESH_FILL, StrayOrigin::NeverWritten),
    page_heaps(page::FREED, StrayOrigin::Freed),
    page_heaps(private::light::SUFFIX_FILL, StrayOrigin::PastTheEnd),
];

const fn page_heaps(byte: u8, origin: StrayOrigin) -> Fill {
    Fill {
        pattern: of_bytes(byte),
        origin,
        flags: gflags::PAGE_ALLOCS,
    }
}

/// Whether a flag in force has memory filled.
pub(super) fn are_written() -> bool {
    FILLS.iter().any(|fill| super::has(fill.flags))
}

/// What a report says of a value that is a fill, or lies near one.
fn stray_in(value: usize, register: &'static str, is_index: bool) -> Option<Stray> {
    let is_near = |value: usize, fill: usize| {
        let distance = value.wrapping_sub(fill);
        distance.wrapping_add(NEAR) <= 2 * NEAR
    };
    FILLS
        .iter()
        .filter(|fill| options().has(fill.flags))
        .find_map(|fill| {
            let pattern = fill.pattern as usize;
            // A number of four bytes is made one of eight with or without its sign.
            let (plain, signed) = (pattern, fill.pattern as i32 as usize);
            if [plain, signed, pattern << 32 | pattern]
                .iter()
                .any(|&fill| is_near(value, fill))
            {
                return Some(Stray::new(value, register, is_index, 1, fill.origin));
            }
            // An index is often multiplied before it is added.
            let shift = (1..=MOST_SHIFT)
                .find(|&shift| is_near(value, plain << shift) || is_near(value, signed << shift))?;
            let value = (value as isize >> shift) as usize;
            Some(Stray::new(value, register, true, 1 << shift, fill.origin))
        })
}

/// Says in a report of an address that belongs to no block if it is a fill.
pub(in crate::heap) fn add_to(report: Report<'_>) -> Report<'_> {
    match stray_in(report.address, "", false) {
        Some(stray) if stray.times == 1 && report.block.is_none() => Report {
            stray: Some(stray),
            advice: stray.origin.advice(),
            ..report
        },
        _ => report,
    }
}

/// A fault whose address was formed from a fill.
#[cfg(unix)]
pub(super) struct Followed {
    pub(super) address: usize,
    pub(super) wanted: Option<crate::sys::Wanted>,
    stray: Stray,
}

/// What a fault's address was read from, if that is a fill.
#[cfg(unix)]
pub(super) fn followed(fault: &crate::sys::Fault) -> Option<Followed> {
    // An address that is none comes as a bus error where it lay in a register that is mostly a
    // stack's; others of these have pages.
    if !are_written() || fault.is_bus && fault.address != usize::MAX {
        return None;
    }
    let formed = crate::sys::formed(fault);
    let by_part = formed
        .parts
        .iter()
        .flatten()
        .find_map(|part| stray_in(part.value, part.register, part.is_index));
    Some(Followed {
        address: formed.address,
        wanted: formed.wanted,
        stray: by_part.or_else(|| stray_in(formed.address, "", false))?,
    })
}

/// Reports it.
#[cfg(unix)]
pub(super) fn report(followed: &Followed, access: Report<'_>) {
    let report = Report {
        stray: Some(followed.stray),
        advice: followed.stray.origin.advice(),
        ..access
    };
    // What follows a fault is what follows without us.
    crate::report::raise(&report, crate::config::Action::Continue);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_fill_is_taken_for_another() {
        for (at, fill) in FILLS.iter().enumerate() {
            for other in FILLS.iter().skip(at + 1) {
                let apart = fill.pattern.abs_diff(other.pattern) as usize;
                assert!(apart > 4 * NEAR, "{:x} {:x}", fill.pattern, other.pattern);
            }
        }
    }

    #[test]
    fn without_flags_nothing_is_a_fill() {
        assert_eq!(options().bits, 0);
        assert!(!are_written());
        for value in [0xBAAD_F00D, 0xFEEE_FEEE_FEEE_FEEE, 0, usize::MAX] {
            assert_eq!(stray_in(value, "", false), None, "{value:x}");
        }
    }
}
