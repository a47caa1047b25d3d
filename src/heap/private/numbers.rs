//! Numbers for threads: no two living ones have the same, while there are
//! enough.
//!
//! A thread takes the number that the fewest have, and gives it back at its end.
//! Nobody waits: of two threads that want the same one, one looks again.

use crate::sync::atomic::{AtomicU32, Ordering};

/// How many threads have each of `COUNT` numbers.
pub(crate) struct Numbers<const COUNT: usize> {
    users: [AtomicU32; COUNT],
}

impl<const COUNT: usize> Numbers<COUNT> {
    /// No thread has one.
    #[cfg(not(ntheap_model))]
    pub(crate) const fn new() -> Self {
        Numbers {
            users: [const { AtomicU32::new(0) }; COUNT],
        }
    }

    /// As above.
    #[cfg(ntheap_model)]
    pub(crate) fn new() -> Self {
        Numbers {
            users: std::array::from_fn(|_| AtomicU32::new(0)),
        }
    }

    /// The lowest of the numbers that the fewest have, one more now. Nobody's
    /// before, if a number was nobody's all the while.
    pub(crate) fn enter(&self) -> usize {
        loop {
            let (mut number, mut fewest) = (0, u32::MAX);
            for (at, users) in self.users.iter().enumerate() {
                let users = users.load(Ordering::Relaxed);
                if users < fewest {
                    (number, fewest) = (at, users);
                }
            }
            let Some(users) = self.users.get(number) else {
                return 0;
            };
            let more = fewest.saturating_add(1);
            let done = users.compare_exchange(fewest, more, Ordering::Relaxed, Ordering::Relaxed);
            if done.is_ok() {
                return number;
            }
        }
    }

    /// Gives a number back.
    pub(crate) fn leave(&self, number: usize) {
        if let Some(users) = self.users.get(number) {
            users.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// In a forked child, whose only thread has `own` if it has one: the others
    /// are gone.
    pub(crate) fn keep_only(&self, own: Option<usize>) {
        for (number, users) in self.users.iter().enumerate() {
            users.store(u32::from(own == Some(number)), Ordering::Relaxed);
        }
    }
}
