//! Where blocks are allocated: a stack, and what was allocated from it so far.

use super::ONE;
use crate::vm::{self, Use};
use core::ptr;

const CHAINS: usize = 1 << 12;
/// Sites at most.
const MOST: usize = 1 << 18;
/// Bytes by which they grow.
const STEP: usize = 64 * 1024;

/// A site, as it lies in memory.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Site {
    /// Blocks that were allocated, by their weights, in units of 1 / [`ONE`].
    pub objects: u64,
    /// Their bytes, as they were asked for.
    pub bytes: u64,
    /// Blocks that were noted.
    pub noted: u64,
    /// The number of the stack; 0 for what has none.
    pub stack: u32,
    /// The next site of the chain, by its number and 1; 0 for none.
    pub next: u32,
}

/// The bytes that a block of `size` bytes and of this weight stands for.
pub(super) fn weighted(size: usize, weight: u64) -> u64 {
    (size as u128 * u128::from(weight) / u128::from(ONE)) as u64
}

pub(super) struct Sites {
    sites: *mut Site,
    committed: usize,
    used: u32,
    heads: [u32; CHAINS],
}

// SAFETY: the sites belong to whoever holds the lock around this.
unsafe impl Send for Sites {}

impl Sites {
    pub(super) const fn new() -> Sites {
        Sites {
            sites: ptr::null_mut(),
            committed: 0,
            used: 0,
            heads: [0; CHAINS],
        }
    }

    /// Reserves the sites. False when the system refuses.
    pub(super) fn begin(&mut self) -> bool {
        let bytes = MOST * size_of::<Site>();
        self.sites = vm::reserve(Use::Metadata, bytes, vm::GRANULARITY).cast();
        self.sites.expose_provenance();
        !self.sites.is_null()
    }

    pub(super) fn first(&self) -> *mut Site {
        self.sites
    }

    pub(super) fn used(&self) -> u32 {
        self.used
    }

    fn site(&mut self, number: u32) -> Option<&mut Site> {
        // SAFETY: used sites are committed and whole; whoever calls holds the lock.
        (number < self.used).then(|| unsafe { &mut *self.sites.add(number as usize) })
    }

    /// The number of a stack's site, made if there was none; `None` where there is no
    /// room.
    pub(super) fn of(&mut self, stack: u32) -> Option<u32> {
        let chain = stack as usize % CHAINS;
        let first = *self.heads.get(chain)?;
        let mut at = first;
        while let Some(number) = at.checked_sub(1)
            && let Some(site) = self.site(number)
        {
            if site.stack == stack {
                return Some(number);
            }
            at = site.next;
        }
        let number = self.used;
        if number as usize >= MOST || self.sites.is_null() {
            return None;
        }
        let end = (number as usize + 1) * size_of::<Site>();
        if end > self.committed {
            let at = self.sites.cast::<u8>().wrapping_add(self.committed);
            // SAFETY: what follows the committed part is reserved, and whoever calls
            // holds the lock; the reserved bytes are whole steps.
            if !unsafe { vm::commit(Use::Metadata, at, STEP) } {
                return None;
            }
            self.committed += STEP;
        }
        self.used += 1;
        *self.site(number)? = Site {
            stack,
            next: first,
            ..Site::default()
        };
        *self.heads.get_mut(chain)? = number + 1;
        Some(number)
    }

    /// Visits the sites.
    pub(super) fn for_each(&mut self, visit: &mut dyn FnMut(&Site)) {
        for number in 0..self.used {
            if let Some(site) = self.site(number) {
                visit(site);
            }
        }
    }

    /// Counts a noted block of `size` bytes and of this weight.
    pub(super) fn count(&mut self, site: u32, size: usize, weight: u64) {
        if let Some(site) = self.site(site) {
            site.objects = site.objects.saturating_add(weight);
            site.bytes = site.bytes.saturating_add(weighted(size, weight));
            site.noted += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;

    #[test]
    fn each_stack_has_one_site() {
        let mut sites = Box::new(Sites::new());
        assert!(sites.begin());
        // Some share a chain.
        let stacks: std::vec::Vec<u32> = (0..5000).map(|nth| nth * 1024).collect();
        let numbers: std::vec::Vec<u32> = stacks.iter().map(|&of| sites.of(of).unwrap()).collect();
        for (&stack, &number) in stacks.iter().zip(&numbers) {
            assert_eq!(sites.of(stack), Some(number));
            assert_eq!(sites.site(number).unwrap().stack, stack);
        }
        assert_eq!(sites.used(), 5000);
        sites.count(numbers[3], 10, 5 * ONE / 2);
        sites.count(numbers[3], 100, ONE);
        let site = *sites.site(numbers[3]).unwrap();
        assert_eq!(
            (site.objects, site.bytes, site.noted),
            (7 * ONE / 2, 125, 2)
        );
        assert_eq!(sites.site(numbers[4]).unwrap().noted, 0);
    }
}
