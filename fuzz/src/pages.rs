//! The Virtual functions against a model that knows each page of a window.

use crate::blocks::{at, below};
use crate::turn;
use arbitrary::Unstructured;
use ntheap::win32::*;

const PAGE: usize = 0x1000;
/// Pages of a unit of reservation.
const UNIT: usize = 16;
/// Pages of the window.
const PAGES: usize = 1024;
/// Where it lies: far from where the system puts anything.
const BASE: usize = 0x2000_0000_0000;
/// Operations of one input at most.
const MAX_OPERATIONS: usize = 400;

const PROTECTS: [DWORD; 6] = [
    PAGE_NOACCESS,
    PAGE_READONLY,
    PAGE_READWRITE,
    PAGE_READWRITE,
    PAGE_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE,
];

#[derive(Clone, Copy, PartialEq, Debug)]
struct Page {
    /// The page where its reservation begins, plus 1; 0 where there is none.
    reservation: u32,
    /// The protection, or 0 where it is only reserved.
    protect: DWORD,
    /// What its first byte holds.
    byte: u8,
    /// Whether it may read zero instead.
    is_reset: bool,
}

const FREE: Page = Page {
    reservation: 0,
    protect: 0,
    byte: 0,
    is_reset: false,
};

struct Model(Vec<Page>);

fn last_error() -> DWORD {
    // SAFETY: no promise to keep.
    unsafe { GetLastError() }
}

/// TRUE as `Ok`, FALSE as the last error.
fn truth(result: BOOL) -> Result<(), DWORD> {
    (result == TRUE).then_some(()).ok_or_else(last_error)
}

fn place(page: usize) -> LPVOID {
    at(BASE + page * PAGE).cast()
}

fn allocate(page: usize, pages: usize, kind: DWORD, protect: DWORD) -> Result<usize, DWORD> {
    // SAFETY: the window is the target's.
    let base = unsafe { VirtualAlloc(place(page), pages * PAGE, kind, protect) };
    match base.expose_provenance() {
        0 => Err(last_error()),
        base => Ok((base - BASE) / PAGE),
    }
}

fn free(page: usize, pages: usize, kind: DWORD) -> Result<(), DWORD> {
    // SAFETY: as above.
    truth(unsafe { VirtualFree(place(page), pages * PAGE, kind) })
}

fn is_writable(page: Page) -> bool {
    matches!(page.protect, PAGE_READWRITE | PAGE_EXECUTE_READWRITE)
}

fn protect_of(input: &mut Unstructured<'_>) -> DWORD {
    PROTECTS[below(input, PROTECTS.len())]
}

/// A range of pages: its first, and the one behind its last.
fn range(input: &mut Unstructured<'_>) -> (usize, usize) {
    let first = below(input, PAGES);
    let most = [1, 4, 16, 300][below(input, 4)];
    (first, (first + 1 + below(input, most)).min(PAGES))
}

impl Model {
    /// Whether a range is whole in one reservation.
    fn is_one(&self, first: usize, last: usize) -> bool {
        let own = self.0[first].reservation;
        own != 0
            && self.0[first..last]
                .iter()
                .all(|page| page.reservation == own)
    }

    fn reserve(&mut self, input: &mut Unstructured<'_>) {
        let (first, last) = range(input);
        let first = first / UNIT * UNIT;
        let (protect, commits) = (protect_of(input), below(input, 2) == 0);
        let kind = MEM_RESERVE | if commits { MEM_COMMIT } else { 0 };
        let result = allocate(first, last - first, kind, protect);
        let unit_end = last.next_multiple_of(UNIT);
        let is_free = self.0[first..unit_end]
            .iter()
            .all(|page| page.reservation == 0);
        if !is_free {
            return assert_eq!(result, Err(ERROR_INVALID_ADDRESS));
        }
        assert_eq!(result, Ok(first));
        self.0[first..last].fill(Page {
            reservation: first as u32 + 1,
            protect: if commits { protect } else { 0 },
            ..FREE
        });
    }

    fn commit(&mut self, input: &mut Unstructured<'_>) {
        let (first, last) = range(input);
        let protect = protect_of(input);
        let result = allocate(first, last - first, MEM_COMMIT, protect);
        if !self.is_one(first, last) {
            return assert_eq!(result, Err(ERROR_INVALID_ADDRESS));
        }
        assert_eq!(result, Ok(first));
        for page in &mut self.0[first..last] {
            page.protect = protect;
        }
    }

    fn protect(&mut self, input: &mut Unstructured<'_>) {
        let (first, last) = range(input);
        let wanted = protect_of(input);
        let mut old = 0;
        let bytes = (last - first) * PAGE;
        // SAFETY: the window is the target's.
        let result = truth(unsafe { VirtualProtect(place(first), bytes, wanted, &raw mut old) });
        let fits = self.0[first..last].iter().all(|page| page.protect != 0);
        if !fits || !self.is_one(first, last) {
            return assert_eq!(result, Err(ERROR_INVALID_ADDRESS));
        }
        assert_eq!((result, old), (Ok(()), self.0[first].protect));
        for page in &mut self.0[first..last] {
            page.protect = wanted;
        }
    }

    fn decommit(&mut self, input: &mut Unstructured<'_>) {
        let (first, last) = range(input);
        let result = free(first, last - first, MEM_DECOMMIT);
        if self.0[first].reservation == 0 {
            return assert_eq!(result, Err(ERROR_INVALID_ADDRESS));
        }
        if !self.is_one(first, last) {
            return assert_eq!(result, Err(ERROR_INVALID_PARAMETER));
        }
        assert_eq!(result, Ok(()));
        for page in &mut self.0[first..last] {
            *page = Page {
                reservation: page.reservation,
                ..FREE
            };
        }
    }

    fn release(&mut self, input: &mut Unstructured<'_>) {
        let page = below(input, PAGES);
        let own = self.0[page].reservation;
        let first = (own as usize).checked_sub(1);
        let asked = match first {
            Some(first) if below(input, 4) != 0 => first,
            _ => page,
        };
        let result = free(asked, 0, MEM_RELEASE);
        if first != Some(asked) {
            return assert_eq!(result, Err(ERROR_INVALID_ADDRESS));
        }
        assert_eq!(result, Ok(()));
        for page in &mut self.0[asked..] {
            if page.reservation == own {
                *page = FREE;
            }
        }
    }

    fn reset(&mut self, input: &mut Unstructured<'_>) {
        let (first, last) = range(input);
        let result = allocate(first, last - first, MEM_RESET, PAGE_NOACCESS);
        if !self.is_one(first, last) {
            return assert_eq!(result, Err(ERROR_INVALID_ADDRESS));
        }
        assert_eq!(result, Ok(first));
        for page in &mut self.0[first..last] {
            page.is_reset |= is_writable(*page);
        }
    }

    fn write(&mut self, input: &mut Unstructured<'_>) {
        let (page, value) = (below(input, PAGES), below(input, 256) as u8);
        if is_writable(self.0[page]) {
            // SAFETY: the page is committed and writable.
            unsafe { place(page).cast::<u8>().write(value) };
            self.0[page].byte = value;
            self.0[page].is_reset = false;
        }
    }

    /// Asserts what is told of a page's run, and what the page holds. The run's length.
    fn check(&self, page: usize) -> usize {
        let known = self.0[page];
        let alike = |other: &&Page| {
            (other.reservation, other.protect) == (known.reservation, known.protect)
        };
        let count = self.0[page..].iter().take_while(alike).count();
        if known.reservation == 0 {
            return count;
        }
        let mut told = std::mem::MaybeUninit::<MEMORY_BASIC_INFORMATION>::uninit();
        // SAFETY: the buffer has room for the structure, which is then filled.
        let told = unsafe {
            let size = size_of::<MEMORY_BASIC_INFORMATION>();
            assert_eq!(VirtualQuery(place(page), told.as_mut_ptr(), size), size);
            told.assume_init()
        };
        let is_committed = known.protect != 0;
        let state = if is_committed {
            MEM_COMMIT
        } else {
            MEM_RESERVE
        };
        assert_eq!((told.State, told.Protect), (state, known.protect));
        assert_eq!(told.RegionSize, count * PAGE, "page {page}");
        assert_eq!(told.AllocationBase, place(known.reservation as usize - 1));
        if is_committed && known.protect != PAGE_NOACCESS {
            // SAFETY: the page is committed and readable.
            let value = unsafe { place(page).cast::<u8>().read() };
            assert!(value == known.byte || (known.is_reset && value == 0));
        }
        count
    }

    fn check_all(&self) {
        let mut page = 0;
        while page < PAGES {
            page += self.check(page);
        }
    }
}

/// Performs the operations that `data` encodes and checks the answers.
///
/// # Panics
/// Whenever an answer is wrong.
pub fn run(data: &[u8]) {
    let _turn = turn();
    let before = ntheap::vm::account().get(ntheap::vm::Use::Program);
    let mut input = Unstructured::new(data);
    let input = &mut input;
    let mut model = Model(vec![FREE; PAGES]);
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        match below(input, 16) {
            0..=2 => model.reserve(input),
            3..=5 => model.commit(input),
            6..=8 => model.protect(input),
            9 | 10 => model.decommit(input),
            11 => model.release(input),
            12 => model.reset(input),
            13 => {
                model.check(below(input, PAGES));
            }
            _ => model.write(input),
        }
    }
    model.check_all();
    let count = |is: fn(&&Page) -> bool| model.0.iter().filter(is).count() * PAGE;
    let now = ntheap::vm::account().get(ntheap::vm::Use::Program);
    assert_eq!(
        now.committed - before.committed,
        count(|page| page.protect != 0)
    );
    assert_eq!(
        now.reserved - before.reserved,
        count(|page| page.reservation != 0)
    );
    for page in 0..PAGES {
        if model.0[page].reservation as usize == page + 1 {
            assert_eq!(free(page, 0, MEM_RELEASE), Ok(()));
        }
    }
    assert_eq!(ntheap::vm::account().get(ntheap::vm::Use::Program), before);
}
