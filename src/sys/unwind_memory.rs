//! What was found of how to leave a function, remembered by the address of its code.
//!
//! ```text
//!   number of the code --> place: | rules in 64 bits | number ^ rules |
//! ```
//!
//! Nearly all functions keep their caller's registers in the same simple way: at fixed
//! distances from the frame's address, which is at a fixed one from RSP or RBP. That
//! goes into one word. What does not is found anew each time.
//!
//! Invariants: a place is two words that are written and read one by one, without a
//! lock, by signal handlers too. Words of two writers do not belong together, and
//! their combination with a number says so. Whatever is found here, the stack is
//! read through [`Memory`] alone, so that a wrong rule makes a wrong frame and no
//! fault.

use super::unwind::Memory;
use super::unwind_rules::{Frame, RBP, REGISTERS, RIP, RSP, Registers, Rule, Rules};
use core::sync::atomic::{AtomicU64, Ordering};

const PLACES: usize = 1024;

struct Place {
    rules: AtomicU64,
    check: AtomicU64,
}

static PLACE: [Place; PLACES] = [const {
    Place {
        rules: AtomicU64::new(0),
        check: AtomicU64::new(0),
    }
}; PLACES];

/// The registers that a function keeps for its caller, by DWARF's numbers: RBX, RBP,
/// R12 to R15.
const KEPT: [usize; 6] = [3, RBP, 12, 13, 14, 15];
/// Bits for where one of them lies: words below the frame's address, 0 for none.
const BITS: u32 = 6;
/// Bits for the distance of the frame's address, in words.
const FRAME_BITS: u32 = 20;
/// Set where the frame's address is told by RBP.
const BY_RBP: u64 = 1 << 62;
/// Set in all rules.
const THERE: u64 = 1 << 63;

/// Rules in one word.
///
/// ```text
///   63     62      56 .. 61    ...  26 .. 31   0 .. 19
///   there  by RBP  R15         ...  RBX        frame's distance
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Short(u64);

const fn shift(nth: usize) -> u32 {
    26 + nth as u32 * BITS
}

impl Short {
    /// Rules in short, if they are simple enough.
    pub(super) fn of(rules: &Rules) -> Option<Short> {
        let word = size_of::<usize>();
        let (base, distance) = match rules.state.frame {
            Frame::Offset(base @ (RBP | RSP), distance) => (base, usize::try_from(distance).ok()?),
            _ => return None,
        };
        if rules.is_signal || !distance.is_multiple_of(word) || distance / word >= 1 << FRAME_BITS {
            return None;
        }
        let mut short = THERE | (distance / word) as u64;
        if base == RBP {
            short |= BY_RBP;
        }
        for (register, rule) in rules.state.rules.iter().enumerate() {
            match *rule {
                Rule::Offset(-8) if register == RIP => {}
                _ if register == RIP => return None,
                Rule::Same => {}
                Rule::Offset(offset) => {
                    let nth = KEPT.iter().position(|&kept| kept == register)?;
                    let below = offset
                        .checked_neg()
                        .and_then(|at| usize::try_from(at).ok())?;
                    let is_near = (word..word << BITS).contains(&below);
                    if !is_near || !below.is_multiple_of(word) {
                        return None;
                    }
                    short |= ((below / word) as u64) << shift(nth);
                }
                _ => return None,
            }
        }
        Some(Short(short))
    }

    /// The caller's registers.
    #[inline]
    pub(super) fn step(self, now: &Registers, memory: &mut Memory) -> Option<Registers> {
        let Short(rules) = self;
        let word = size_of::<usize>();
        let base = if rules & BY_RBP != 0 { RBP } else { RSP };
        let distance = (rules & ((1 << FRAME_BITS) - 1)) as usize * word;
        let frame = now.get(base)?.checked_add(distance)?;
        let mut caller: [usize; REGISTERS] = *now;
        for (nth, register) in KEPT.into_iter().enumerate() {
            let below = (rules >> shift(nth)) as usize & ((1 << BITS) - 1);
            if below != 0 {
                *caller.get_mut(register)? = memory.word(frame.checked_sub(below * word)?)?;
            }
        }
        caller[RIP] = memory.word(frame.checked_sub(word)?)?;
        caller[RSP] = frame;
        Some(caller)
    }
}

fn place(code: u64) -> Option<&'static Place> {
    let mixed = code.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    PLACE.get(mixed as usize % PLACES)
}

/// What is remembered of the code of this number.
#[inline]
pub(super) fn find(code: u64) -> Option<Short> {
    let place = place(code)?;
    let rules = place.rules.load(Ordering::Relaxed);
    let check = place.check.load(Ordering::Relaxed);
    (rules & THERE != 0 && rules ^ check == code).then_some(Short(rules))
}

/// Remembers the rules of the code of this number, in place of another's.
pub(super) fn keep(code: u64, Short(rules): Short) {
    if let Some(place) = place(code) {
        place.rules.store(rules, Ordering::Relaxed);
        place.check.store(rules ^ code, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::unwind_rules::State;
    use super::*;

    fn rules(frame: Frame, kept: &[(usize, isize)]) -> Rules {
        let mut rules = [Rule::Same; REGISTERS];
        rules[RIP] = Rule::Offset(-8);
        for &(register, offset) in kept {
            rules[register] = Rule::Offset(offset);
        }
        Rules {
            state: State { frame, rules },
            is_signal: false,
        }
    }

    /// Short rules lead to the same registers as the long ones.
    #[test]
    fn short_rules_say_the_same() {
        let stack: [usize; 64] = std::array::from_fn(|at| 0x1000 + at);
        let low = (&raw const stack).expose_provenance();
        let mut now = [7; REGISTERS];
        now[RSP] = low;
        now[RBP] = low + 16 * 8;
        for (frame, kept) in [
            (Frame::Offset(RSP, 8), &[][..]),
            (Frame::Offset(RSP, 64), &[(RBP, -16), (3, -56)]),
            (
                Frame::Offset(RBP, 16),
                &[
                    (RBP, -16),
                    (15, -24),
                    (14, -32),
                    (13, -40),
                    (12, -48),
                    (3, -56),
                ],
            ),
            (Frame::Offset(RSP, 63 * 8), &[(12, -63 * 8)]),
        ] {
            let long = rules(frame, kept);
            let short = Short::of(&long).expect("simple rules");
            let mut memory = Memory::above(low);
            let expected = super::super::unwind_rules::step(&long, &now, &mut memory);
            assert_eq!(short.step(&now, &mut memory), expected);
            assert!(expected.is_some());
        }
    }

    #[test]
    fn what_is_not_simple_is_not_shortened() {
        for (frame, kept) in [
            (Frame::Offset(3, 16), &[][..]),
            (Frame::Offset(RSP, 12), &[]),
            (Frame::Offset(RSP, -8), &[]),
            (Frame::Offset(RSP, 8 << FRAME_BITS), &[]),
            (Frame::Offset(RSP, 16), &[(RBP, 8)]),
            (Frame::Offset(RSP, 1024), &[(RBP, -512)]),
            (Frame::Offset(RSP, 64), &[(0, -16)]),
            (Frame::Offset(RSP, 64), &[(RIP, -16)]),
        ] {
            assert_eq!(Short::of(&rules(frame, kept)), None, "{kept:?}");
        }
        let mut of_signal = rules(Frame::Offset(RSP, 8), &[]);
        of_signal.is_signal = true;
        assert_eq!(Short::of(&of_signal), None);
    }

    #[test]
    fn words_of_two_writers_are_no_rules() {
        let (one, other) = (0x1234_5678_9abc, 0x1234_5678_9abd);
        let short = Short::of(&rules(Frame::Offset(RSP, 16), &[])).unwrap();
        keep(one, short);
        assert_eq!(find(one), Some(short));
        assert_eq!(find(other), None);
        let place = place(one).unwrap();
        place.rules.fetch_xor(1, Ordering::Relaxed);
        assert_eq!(find(one), None);
    }
}
