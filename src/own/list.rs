//! All heaps of the process.

use super::{HeapSummary, name_of, summary};
use crate::heap::private::{self, NAME_MAX};
use core::fmt;

/// A heap as [`heaps`] found it.
#[derive(Clone, Copy)]
pub struct HeapInfo {
    name: [u8; NAME_MAX],
    name_length: usize,
    /// Its handle: the address of its first region.
    pub handle: usize,
    /// What it held. [`HeapSummary::limit`] is its limit.
    pub summary: HeapSummary,
}

impl HeapInfo {
    /// The name it was made with.
    pub fn name(&self) -> &str {
        let name = self.name.get(..self.name_length).unwrap_or_default();
        core::str::from_utf8(name).unwrap_or_default()
    }
}

impl fmt::Debug for HeapInfo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("HeapInfo")
            .field("name", &self.name())
            .field("handle", &self.handle)
            .field("summary", &self.summary)
            .finish()
    }
}

/// All heaps of the process, the process heap first and the others in the
/// order in which they were made. `GetProcessHeaps` ("GetProcessHeaps function
/// (heapapi.h)").
///
/// Heaps may come and go meanwhile: one that is destroyed before its turn is
/// left out; one that lives all the time is there, once. Allocates nothing; each step takes
/// time in proportion to the heaps.
///
/// ```
/// let heap = ntheap::Heap::options().name("index").limit(1 << 20).create()?;
/// let found = ntheap::heaps().find(|heap| heap.name() == "index");
/// assert_eq!(found.map(|heap| heap.summary.limit), Some(1 << 20));
/// # Ok::<(), ntheap::HeapError>(())
/// ```
pub fn heaps() -> Heaps {
    Heaps { passed: None }
}

/// The iterator of [`heaps`].
#[derive(Clone, Debug)]
pub struct Heaps {
    /// The number of the latest.
    passed: Option<u64>,
}

impl Iterator for Heaps {
    type Item = HeapInfo;

    fn next(&mut self) -> Option<HeapInfo> {
        let mut found = None;
        let number = private::visit_after(self.passed, &mut |handle| {
            let mut name = [0; NAME_MAX];
            let name_length = name_of(handle, &mut name).len();
            found = Some(HeapInfo {
                name,
                name_length,
                handle: handle.address(),
                summary: summary(handle),
            });
        });
        self.passed = number.or(self.passed);
        found
    }
}
