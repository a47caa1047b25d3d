//! What may be done with a page, by Windows' numbers.

use crate::sys;
use crate::vm::Caching;

/// A page's protection: one of eight rights, and up to one modifier. Beside
/// them it tells whether the page is locked in memory, and whether it is offered
/// to the system; neither is part of Windows' number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(crate) struct Protect(u16);

const GUARD: u16 = 0x100;
const NO_CACHE: u16 = 0x200;
const WRITE_COMBINE: u16 = 0x400;
const RIGHTS: u16 = 0xff;
const OFFERED: u16 = 0x4000;
const LOCKED: u16 = 0x8000;

/// What a right lets a program do, as bits.
const CAN_READ: u8 = 1;
const CAN_WRITE: u8 = 2;
const CAN_EXECUTE: u8 = 4;

impl Protect {
    pub(crate) const NONE: Protect = Protect(0x1);
    pub(crate) const READ: Protect = Protect(0x2);
    pub(crate) const READ_WRITE: Protect = Protect(0x4);
    pub(crate) const WRITE_COPY: Protect = Protect(0x8);
    pub(crate) const EXECUTE: Protect = Protect(0x10);
    pub(crate) const EXECUTE_READ: Protect = Protect(0x20);
    pub(crate) const EXECUTE_READ_WRITE: Protect = Protect(0x40);
    pub(crate) const EXECUTE_WRITE_COPY: Protect = Protect(0x80);

    /// The protection of this number; `None` for a number that is no right, or
    /// two, or has modifiers that do not go together.
    pub(crate) const fn from_number(number: u32) -> Option<Protect> {
        if number > (RIGHTS | GUARD | NO_CACHE | WRITE_COMBINE) as u32 {
            return None;
        }
        let bits = number as u16;
        let modifiers = bits & !RIGHTS;
        let right = bits & RIGHTS;
        let one_right = right.count_ones() == 1;
        let fitting = modifiers.count_ones() <= 1 && (modifiers == 0 || right != Self::NONE.0);
        if one_right && fitting {
            Some(Protect(bits))
        } else {
            None
        }
    }

    /// Windows' number.
    pub(crate) const fn number(self) -> u32 {
        (self.0 & !(OFFERED | LOCKED)) as u32
    }

    /// The right, without modifiers.
    pub(crate) const fn right(self) -> Protect {
        Protect(self.0 & RIGHTS)
    }

    /// Whether the next access is to be caught.
    pub(crate) const fn is_guard(self) -> bool {
        self.0 & GUARD != 0
    }

    /// The same, and the next access is to be caught.
    pub(crate) const fn with_guard(self) -> Protect {
        Protect(self.0 | GUARD)
    }

    /// The same, and nothing is to be caught.
    pub(crate) const fn without_guard(self) -> Protect {
        Protect(self.0 & !GUARD)
    }

    /// Whether the page is locked in memory.
    pub(crate) const fn is_locked(self) -> bool {
        self.0 & LOCKED != 0
    }

    /// The same of a locked page.
    pub(crate) const fn with_lock(self) -> Protect {
        Protect(self.0 | LOCKED)
    }

    /// The same of a page that is not locked.
    pub(crate) const fn without_lock(self) -> Protect {
        Protect(self.0 & !LOCKED)
    }

    /// This protection for a page that has another: it stays locked.
    pub(crate) const fn after(self, before: Option<Protect>) -> Option<Protect> {
        match before {
            Some(before) => Some(Protect(self.0 | before.0 & LOCKED)),
            None => Some(self),
        }
    }

    /// Whether what the page holds is offered to the system, and cannot be
    /// accessed.
    pub(crate) const fn is_offered(self) -> bool {
        self.0 & OFFERED != 0
    }

    /// The same of an offered page.
    pub(crate) const fn with_offer(self) -> Protect {
        Protect(self.0 | OFFERED)
    }

    /// The same of a page that is not offered.
    pub(crate) const fn without_offer(self) -> Protect {
        Protect(self.0 & !OFFERED)
    }

    /// How the pages are cached, as bits: a property of the whole allocation.
    const fn caching_bits(self) -> u16 {
        self.0 & (NO_CACHE | WRITE_COMBINE)
    }

    /// How the pages are cached.
    pub(crate) const fn caching(self) -> Caching {
        match self.caching_bits() {
            NO_CACHE => Caching::None,
            WRITE_COMBINE => Caching::WriteCombined,
            _ => Caching::Usual,
        }
    }

    /// This right, cached so.
    pub(crate) const fn with_caching(self, caching: Caching) -> Protect {
        let bits = match caching {
            Caching::Usual => 0,
            Caching::None => NO_CACHE,
            Caching::WriteCombined => WRITE_COMBINE,
        };
        Protect(self.0 & !(NO_CACHE | WRITE_COMBINE) | bits)
    }

    /// This right with the caching of another, which is its allocation's.
    pub(crate) const fn cached_as(self, initial: Protect) -> Protect {
        let plain = self.0 & !(NO_CACHE | WRITE_COMBINE);
        // A guard and pages without access show no caching.
        if self.is_guard() || self.right().0 == Self::NONE.0 {
            return Protect(plain);
        }
        Protect(plain | initial.caching_bits())
    }

    /// Whether the first write to a page makes a copy of it.
    pub(crate) const fn is_copy(self) -> bool {
        self.0 & (Self::WRITE_COPY.0 | Self::EXECUTE_WRITE_COPY.0) != 0
    }

    /// What a page of which a copy was made is told to have.
    pub(crate) const fn once_copied(self) -> Protect {
        let right = match self.right() {
            Protect::WRITE_COPY => Protect::READ_WRITE,
            Protect::EXECUTE_WRITE_COPY => Protect::EXECUTE_READ_WRITE,
            other => other,
        };
        Protect(self.0 & !RIGHTS | right.0)
    }

    const fn abilities(self) -> u8 {
        match self.right() {
            Protect::READ => CAN_READ,
            Protect::READ_WRITE => CAN_READ | CAN_WRITE,
            // A copy is the program's own: the mapped pages are only read.
            Protect::WRITE_COPY => CAN_READ,
            Protect::EXECUTE => CAN_EXECUTE,
            Protect::EXECUTE_READ | Protect::EXECUTE_WRITE_COPY => CAN_EXECUTE | CAN_READ,
            Protect::EXECUTE_READ_WRITE => CAN_EXECUTE | CAN_READ | CAN_WRITE,
            _ => 0,
        }
    }

    /// Whether a view that was made with `self` may have the right `wanted`.
    pub(crate) const fn allows(self, wanted: Protect) -> bool {
        if self.is_copy() && !wanted.is_copy() && wanted.abilities() & CAN_WRITE != 0 {
            return false;
        }
        wanted.abilities() & !self.abilities() == 0
    }

    /// Whether a program may read the page.
    pub(crate) const fn is_readable(self) -> bool {
        self.is_open() && self.abilities() & CAN_READ != 0
    }

    /// Whether a program may write to the page, to a copy of it perhaps.
    pub(crate) const fn is_writable(self) -> bool {
        self.is_open() && (self.abilities() & CAN_WRITE != 0 || self.is_copy())
    }

    /// Whether the right is what an access meets.
    const fn is_open(self) -> bool {
        !self.is_guard() && !self.is_offered()
    }

    /// Whether what is written reaches what is mapped.
    pub(crate) const fn writes_through(self) -> bool {
        self.abilities() & CAN_WRITE != 0
    }

    /// Whether the right is to run code.
    pub(crate) const fn is_executable(self) -> bool {
        self.is_open() && self.abilities() & CAN_EXECUTE != 0
    }

    /// What the system is told.
    pub(crate) const fn system(self) -> sys::Protection {
        if !self.is_open() {
            return sys::Protection::None;
        }
        match self.right() {
            Protect::READ => sys::Protection::Read,
            Protect::READ_WRITE | Protect::WRITE_COPY => sys::Protection::ReadWrite,
            Protect::EXECUTE => sys::Protection::Execute,
            Protect::EXECUTE_READ => sys::Protection::ReadExecute,
            Protect::EXECUTE_READ_WRITE | Protect::EXECUTE_WRITE_COPY => {
                sys::Protection::ReadWriteExecute
            }
            _ => sys::Protection::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Protect;

    #[test]
    fn a_number_is_one_right_and_at_most_one_modifier_that_fits() {
        for right in [0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40, 0x80] {
            let plain = Protect::from_number(right).expect("a right");
            assert_eq!(plain.number(), right);
            for modifier in [0x100, 0x200, 0x400] {
                let with = Protect::from_number(right | modifier);
                assert_eq!(with.is_some(), right != 1, "{right:#x} with {modifier:#x}");
            }
            assert_eq!(Protect::from_number(right | 0x300), None);
            assert_eq!(Protect::from_number(right | 0x600), None);
        }
        for none in [
            0,
            0x3,
            0x6,
            0x22,
            0x100,
            0x800,
            0x1004,
            0x4000_0004,
            u32::MAX,
        ] {
            assert_eq!(Protect::from_number(none), None, "{none:#x}");
        }
    }

    #[test]
    fn a_view_takes_no_right_that_it_was_not_made_with() {
        let all = [0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40, 0x80];
        let allowed = |initial: u32| {
            let initial = Protect::from_number(initial).expect("a right");
            all.into_iter()
                .filter(|&wanted| initial.allows(Protect::from_number(wanted).expect("a right")))
                .fold(0, |sum, wanted| sum | wanted)
        };
        assert_eq!(allowed(0x1), 0x1);
        assert_eq!(allowed(0x2), 0x1 | 0x2 | 0x8);
        assert_eq!(allowed(0x4), 0x1 | 0x2 | 0x4 | 0x8);
        assert_eq!(allowed(0x8), 0x1 | 0x2 | 0x8);
        assert_eq!(allowed(0x20), 0x1 | 0x2 | 0x8 | 0x10 | 0x20 | 0x80);
        assert_eq!(allowed(0x40), 0xff);
    }

    #[test]
    fn caching_is_the_allocations() {
        let from = |number| Protect::from_number(number).expect("a protection");
        assert_eq!(from(0x2).cached_as(from(0x204)), from(0x202));
        assert_eq!(from(0x202).cached_as(from(0x4)), from(0x2));
        assert_eq!(from(0x1).cached_as(from(0x204)), from(0x1));
        assert_eq!(from(0x104).cached_as(from(0x204)), from(0x104));
    }
}
