//! What an operation is done to, and all that can be asked about it.

use crate::answers::NULL;
use ntheap::heap::private;
use ntheap::vm;
use ntheap::win32::*;
use std::cell::RefCell;
use std::ops::Range;
use std::path::PathBuf;

pub(crate) const PAGE: usize = 0x1000;
pub(crate) const UNIT: usize = 0x10000;
/// Where the scenes' pages lie: far from where the system puts anything.
pub(crate) const BASE: usize = 0x2300_0000_0000;

/// What an operation is done to.
#[derive(Default)]
pub(crate) struct Scene {
    /// Pages whose state is compared.
    pub(crate) pages: Option<Range<usize>>,
    /// A heap that is compared, or null.
    pub(crate) heap: usize,
    /// What else the operation needs: handles, blocks.
    pub(crate) given: RefCell<Vec<usize>>,
}

impl Scene {
    /// What is given at a place.
    pub(crate) fn at(&self, index: usize) -> LPVOID {
        pointer(self.given.borrow()[index])
    }

    /// Puts something else there.
    pub(crate) fn put(&self, index: usize, given: usize) {
        self.given.borrow_mut()[index] = given;
    }

    /// The scene's heap.
    pub(crate) fn owner(&self) -> HANDLE {
        pointer(self.heap)
    }

    pub(crate) fn pages(pages: Range<usize>) -> Scene {
        Scene {
            pages: Some(pages),
            ..Scene::default()
        }
    }

    pub(crate) fn heap(heap: HANDLE, given: &[usize]) -> Scene {
        Scene {
            heap: heap.expose_provenance(),
            ..Scene::given(given)
        }
    }

    pub(crate) fn given(given: &[usize]) -> Scene {
        Scene {
            given: RefCell::new(given.to_vec()),
            ..Scene::default()
        }
    }
}

/// All that a refused operation must leave as it was.
#[derive(PartialEq, Debug)]
pub(crate) struct Picture {
    /// State, protection, reservation and size of each run of pages.
    runs: Vec<[usize; 5]>,
    /// A byte of each page that can be read.
    bytes: Vec<u8>,
    /// The program's line of the account.
    program: vm::Line,
    /// Bytes that the process heap has handed out.
    allocated: u64,
    /// Whether the scene's heap is whole, and how much is in it.
    heap: Option<(BOOL, SIZE_T, SIZE_T)>,
}

impl Picture {
    pub(crate) fn of(scene: &Scene) -> Picture {
        let mut runs = Vec::new();
        let mut bytes = Vec::new();
        if let Some(pages) = &scene.pages {
            let mut at = pages.start;
            while at < pages.end {
                let told = query(at);
                // Free addresses go on behind the pages.
                let size = told.RegionSize.min(pages.end - at);
                let (state, protect) = (told.State as usize, told.Protect as usize);
                runs.push([at, size, state, protect, told.AllocationBase.addr()]);
                let readable = PAGE_READONLY | PAGE_READWRITE | PAGE_WRITECOPY;
                if told.State == MEM_COMMIT && told.Protect & readable == told.Protect {
                    // SAFETY: the pages are committed and readable.
                    let read = |page| unsafe { *pointer(page).cast::<u8>() };
                    bytes.extend((at..at + size).step_by(PAGE).map(read));
                }
                at += size;
            }
        }
        Picture {
            runs,
            bytes,
            program: vm::account().get(vm::Use::Program),
            allocated: ntheap::stats().allocated as u64,
            heap: (scene.heap != 0).then(|| heap_picture(scene.heap)),
        }
    }
}

fn heap_picture(heap: usize) -> (BOOL, SIZE_T, SIZE_T) {
    let heap = pointer(heap);
    // SAFETY: the scene's heap; the structure is this function's.
    unsafe {
        let mut summary: HEAP_SUMMARY = std::mem::zeroed();
        summary.cb = size_of::<HEAP_SUMMARY>() as DWORD;
        assert_eq!(HeapSummary(heap, 0, &raw mut summary), TRUE);
        let valid = HeapValidate(heap, 0, std::ptr::null());
        (valid, summary.cbAllocated, summary.cbMaxReserve)
    }
}

/// What ntheap and the kernel say of memory, the kernel less what is not ntheap's to
/// account for. Between two moments at which the same is in use, neither may grow.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Totals {
    account: vm::Line,
    mapped: usize,
    files: usize,
    heaps: usize,
}

impl Totals {
    pub(crate) fn now() -> Totals {
        // The slice table has pages for addresses that were once in use.
        let (mut account, table) = (vm::account().total(), vm::account().get(vm::Use::Table));
        account.committed -= table.committed;
        let list = std::fs::read_to_string("/proc/self/maps").expect("the list");
        let mapped = list.lines().filter(|line| !line.ends_with("[heap]"));
        let size = |line: &str| {
            let (start, end) = line.split_once(' ')?.0.split_once('-')?;
            let number = |text| usize::from_str_radix(text, 16).ok();
            Some(number(end)? - number(start)?)
        };
        Totals {
            account,
            mapped: mapped.map(|line| size(line).expect("a range")).sum(),
            files: std::fs::read_dir("/proc/self/fd").expect("files").count(),
            heaps: private::handles(&mut []),
        }
    }
}

pub(crate) fn pointer(address: usize) -> LPVOID {
    std::ptr::with_exposed_provenance_mut(address)
}

pub(crate) fn last_error() -> u32 {
    // SAFETY: nothing to keep.
    unsafe { GetLastError() }
}

/// An address or handle, or the last error.
pub(crate) fn got<T>(result: *mut T) -> Result<usize, u32> {
    match result.expose_provenance() {
        0 => Err(last_error()),
        got => Ok(got),
    }
}

/// An address, or null from a function that says no more.
pub(crate) fn memory<T>(result: *mut T) -> Result<usize, u32> {
    match result.expose_provenance() {
        0 => Err(NULL),
        got => Ok(got),
    }
}

/// TRUE, or the last error.
pub(crate) fn truth(result: BOOL) -> Result<usize, u32> {
    if result == FALSE {
        return Err(last_error());
    }
    Ok(0)
}

/// ERROR_SUCCESS, or the error.
pub(crate) fn told(result: DWORD) -> Result<usize, u32> {
    if result == ERROR_SUCCESS {
        return Ok(0);
    }
    Err(result)
}

/// A status that is none of failure, or the status.
pub(crate) fn status(result: NTSTATUS) -> Result<usize, u32> {
    if result >= 0 {
        return Ok(0);
    }
    Err(result as u32)
}

pub(crate) fn query(address: usize) -> MEMORY_BASIC_INFORMATION {
    let mut told = std::mem::MaybeUninit::uninit();
    // SAFETY: the buffer has room for the structure, which is then filled.
    unsafe {
        assert_eq!(VirtualQuery(pointer(address), told.as_mut_ptr(), 48), 48);
        told.assume_init()
    }
}

/// The one file that a scene may have, which goes with the process.
pub(crate) fn path() -> PathBuf {
    std::env::temp_dir().join(format!("ntheap-faults-{}", std::process::id()))
}
