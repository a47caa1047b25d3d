//! How far the work is that this crate does, for whoever shows it: one thing at a time is
//! long, and a reader in another thread may look at any moment.

use std::sync::atomic::{AtomicU64, Ordering};

/// Steps that there are; 0 while nothing is counted.
static TOTAL: AtomicU64 = AtomicU64::new(0);
static DONE: AtomicU64 = AtomicU64::new(0);

/// Work of so many steps, until this is dropped.
#[derive(Debug)]
pub struct Work(());

impl Work {
    /// Begins work of `total` steps.
    pub fn of(total: u64) -> Work {
        DONE.store(0, Ordering::Relaxed);
        TOTAL.store(total, Ordering::Relaxed);
        Work(())
    }

    /// So many steps are done.
    pub fn at(&self, done: u64) {
        DONE.store(done, Ordering::Relaxed);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        TOTAL.store(0, Ordering::Relaxed);
    }
}

/// How much of the present work is done, in percent; `None` where that is not known.
pub fn percent() -> Option<u64> {
    let total = TOTAL.load(Ordering::Relaxed);
    let done = u128::from(DONE.load(Ordering::Relaxed));
    let percent = (done * 100).checked_div(u128::from(total))?;
    Some(percent.min(100) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Other tests of this process begin work of their own: what is asserted is what no
    /// work can be.
    #[test]
    fn never_more_than_all() {
        let work = Work::of(3);
        work.at(u64::MAX);
        assert!(percent().is_none_or(|percent| percent <= 100));
    }
}
