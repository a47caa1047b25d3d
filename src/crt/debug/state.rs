//! A debug heap's figures at one moment, and how two moments differ.

use super::block::Header;
use super::kind::{CLIENT_BLOCK, CRT_BLOCK, FREE_BLOCK, MAX_BLOCKS, NORMAL_BLOCK};
use core::ptr;

/// The figures of a debug heap at one moment, or how those of two moments
/// differ. Microsoft's `_CrtMemState`.
///
/// The runtime's page says of the last member that it counts the bytes
/// allocated at present; its samples have more there than at most at a time, so
/// that it counts all that was ever asked for, and so does this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct State {
    /// The newest block's header; null if there is none, and in a difference.
    pub newest: *mut Header,
    /// Blocks of each type.
    pub counts: [usize; MAX_BLOCKS],
    /// Bytes in blocks of each type.
    pub sizes: [usize; MAX_BLOCKS],
    /// The most bytes in blocks that were not freed, until then.
    pub highest: usize,
    /// The bytes of all requests until then.
    pub total: usize,
}

impl State {
    /// No blocks, and none before.
    pub const EMPTY: State = State {
        newest: ptr::null_mut(),
        counts: [0; MAX_BLOCKS],
        sizes: [0; MAX_BLOCKS],
        highest: 0,
        total: 0,
    };

    /// What has changed from this moment until `newer`: each figure's
    /// difference, which wraps around where it fell. True when the two are
    /// significantly different: when blocks or bytes of a type that counts
    /// have changed. Freed blocks never count, the runtime library's own when
    /// `with_crt`.
    ///
    /// Source: "_CrtMemDifference".
    pub fn difference(&self, newer: &State, with_crt: bool) -> (State, bool) {
        let mut result = State::EMPTY;
        let mut differs = false;
        let olds = self.counts.iter().zip(&self.sizes);
        let news = newer.counts.iter().zip(&newer.sizes);
        let places = result.counts.iter_mut().zip(&mut result.sizes);
        for (kind, ((old, new), (count, size))) in (0..).zip(olds.zip(news).zip(places)) {
            *count = new.0.wrapping_sub(*old.0);
            *size = new.1.wrapping_sub(*old.1);
            let counts = kind != FREE_BLOCK && (kind != CRT_BLOCK || with_crt);
            differs |= counts && (*count != 0 || *size != 0);
        }
        result.highest = newer.highest.wrapping_sub(self.highest);
        result.total = newer.total.wrapping_sub(self.total);
        (result, differs)
    }

    /// Whether blocks are left that count as leaks: normal and client blocks,
    /// and the runtime library's own when `with_crt`.
    ///
    /// Source: "_CrtDumpMemoryLeaks".
    pub fn has_leaks(&self, with_crt: bool) -> bool {
        (0..).zip(&self.counts).any(|(kind, &count)| {
            let counts =
                kind == NORMAL_BLOCK || kind == CLIENT_BLOCK || (kind == CRT_BLOCK && with_crt);
            counts && count != 0
        })
    }
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<State>() == 104);

#[cfg(test)]
mod tests {
    use super::*;

    fn with(counts: [usize; MAX_BLOCKS], sizes: [usize; MAX_BLOCKS]) -> State {
        State {
            counts,
            sizes,
            highest: sizes.iter().sum(),
            total: 2 * sizes.iter().sum::<usize>(),
            ..State::EMPTY
        }
    }

    #[test]
    fn equal_states_do_not_differ() {
        let state = with([1, 2, 3, 4, 5], [10, 20, 30, 40, 50]);
        assert_eq!(state.difference(&state, true), (State::EMPTY, false));
    }

    #[test]
    fn each_type_counts_or_not_as_documented() {
        let old = with([7; 5], [70; 5]);
        for (kind, counts, counts_with_crt) in [
            (FREE_BLOCK, false, false),
            (NORMAL_BLOCK, true, true),
            (CRT_BLOCK, false, true),
            (super::super::kind::IGNORE_BLOCK, true, true),
            (CLIENT_BLOCK, true, true),
        ] {
            let mut new = old;
            new.counts[kind as usize] += 1;
            assert_eq!(old.difference(&new, false).1, counts, "{kind}");
            assert_eq!(old.difference(&new, true).1, counts_with_crt, "{kind}");
            let mut new = old;
            new.sizes[kind as usize] -= 1;
            let (difference, differs) = old.difference(&new, true);
            assert_eq!(differs, counts_with_crt, "{kind}");
            assert_eq!(difference.sizes[kind as usize], usize::MAX, "{kind}");
        }
    }

    #[test]
    fn leaks_are_normal_and_client_blocks_and_the_librarys_if_asked() {
        for (kind, leaks, leaks_with_crt) in [
            (FREE_BLOCK, false, false),
            (NORMAL_BLOCK, true, true),
            (CRT_BLOCK, false, true),
            (super::super::kind::IGNORE_BLOCK, false, false),
            (CLIENT_BLOCK, true, true),
        ] {
            let mut state = State::EMPTY;
            state.counts[kind as usize] = 1;
            assert_eq!(state.has_leaks(false), leaks, "{kind}");
            assert_eq!(state.has_leaks(true), leaks_with_crt, "{kind}");
        }
    }
}
