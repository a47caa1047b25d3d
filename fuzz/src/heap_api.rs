//! The Heap functions of C, with arguments that are right and wrong.

use crate::blocks::{Blocks, at, below};
use crate::turn;
use arbitrary::Unstructured;
use ntheap::win32::*;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr::null_mut;

/// Operations of one input at most.
const MAX_OPERATIONS: usize = 300;
const MAX_HEAPS: usize = 8;
/// Bytes alive in one heap at most.
const MAX_BYTES: usize = 16 << 20;
/// The largest block of a heap with a maximum, and one more.
const LARGEST: usize = 0x7_fff0;

struct Own {
    handle: HANDLE,
    is_bounded: bool,
    blocks: Blocks,
}

fn block_at(address: usize) -> *mut c_void {
    at(address).cast()
}

fn size(input: &mut Unstructured<'_>) -> usize {
    match below(input, 8) {
        0 => below(input, 65),
        1..=3 => below(input, 1025),
        4 | 5 => below(input, 0x4100),
        6 => LARGEST - 0x40 + below(input, 0x80),
        _ => below(input, 0x28_0000),
    }
}

/// A null is for want of memory, of which a heap with a maximum has an end.
fn may_fail(own: &Own, size: usize) {
    assert!(own.is_bounded, "{size} bytes refused");
}

impl Own {
    fn create(input: &mut Unstructured<'_>) -> Own {
        let options = [0, HEAP_NO_SERIALIZE, 0, 0][below(input, 4)];
        let initial = below(input, 0x4_0000);
        let most = [0, 0, 0x1_0000 + below(input, 0x40_0000)][below(input, 3)];
        // SAFETY: no promise to keep.
        let handle = unsafe { HeapCreate(options, initial, most) };
        assert!(!handle.is_null() || (most != 0 && initial > most));
        if handle.is_null() {
            return Own::create(input);
        }
        Own {
            handle,
            is_bounded: most != 0,
            blocks: Blocks::default(),
        }
    }

    fn allocate(&mut self, input: &mut Unstructured<'_>) {
        let (size, flags) = (
            size(input),
            [0, HEAP_ZERO_MEMORY, HEAP_NO_SERIALIZE][below(input, 3)],
        );
        if self.blocks.bytes + size > MAX_BYTES {
            return;
        }
        // SAFETY: one thread is in the heap.
        let block = unsafe { HeapAlloc(self.handle, flags, size) };
        if block.is_null() {
            return may_fail(self, size);
        }
        let address = block.expose_provenance();
        assert_eq!(address % 16, 0);
        if flags == HEAP_ZERO_MEMORY {
            // SAFETY: the block was just handed out, with so many bytes.
            unsafe { crate::pattern::verify_zero(block.cast(), size) };
        }
        self.blocks.enter(address, size);
    }

    fn free(&mut self, input: &mut Unstructured<'_>) {
        let Some(block) = self.blocks.take(input) else {
            return;
        };
        let gone = block_at(block.address);
        // SAFETY: the model uses the block no more; what is wrong is refused.
        unsafe {
            assert_eq!(HeapSize(self.handle, 0, gone), block.size);
            assert_eq!(HeapValidate(self.handle, 0, gone), TRUE);
            assert_eq!(HeapFree(self.handle, 0, gone), TRUE);
            assert_eq!(HeapValidate(self.handle, 0, gone), FALSE);
            assert_eq!(HeapSize(self.handle, 0, gone), usize::MAX);
            assert_eq!(HeapFree(self.handle, 0, gone), FALSE);
        }
    }

    fn resize(&mut self, input: &mut Unstructured<'_>) {
        let Some(block) = self.blocks.take(input) else {
            return;
        };
        let size = size(input);
        let flags = [0, HEAP_REALLOC_IN_PLACE_ONLY, HEAP_ZERO_MEMORY][below(input, 3)];
        // SAFETY: the block is the model's; a refusal leaves it.
        let new = unsafe { HeapReAlloc(self.handle, flags, block_at(block.address), size) };
        if new.is_null() {
            assert!(flags == HEAP_REALLOC_IN_PLACE_ONLY || self.is_bounded);
            return self.blocks.put_back(block);
        }
        let address = new.expose_provenance();
        assert!(flags != HEAP_REALLOC_IN_PLACE_ONLY || address == block.address);
        self.blocks.verify(block, address, block.size.min(size));
        if flags == HEAP_ZERO_MEMORY && size > block.size {
            let more = at(address + block.size);
            // SAFETY: what is behind the old bytes is the block's.
            unsafe { crate::pattern::verify_zero(more, size - block.size) };
        }
        self.blocks.enter(address, size);
    }

    /// A walk shows the model's blocks and no other.
    fn walk(&self) {
        let mut seen = BTreeMap::new();
        let mut entry = std::mem::MaybeUninit::<PROCESS_HEAP_ENTRY>::zeroed();
        // SAFETY: all zeros begin a walk; the structure is then as the walk left it.
        unsafe {
            assert_eq!(HeapLock(self.handle), TRUE);
            while HeapWalk(self.handle, entry.as_mut_ptr()) == TRUE {
                let found = entry.assume_init_ref();
                if found.wFlags & PROCESS_HEAP_ENTRY_BUSY != 0 {
                    seen.insert(found.lpData.addr(), found.cbData as usize);
                }
            }
            assert_eq!(GetLastError(), ERROR_NO_MORE_ITEMS);
            assert_eq!(HeapUnlock(self.handle), TRUE);
        }
        assert_eq!(seen, self.blocks.sizes());
    }

    fn check(&self) {
        // SAFETY: one thread is in the heap.
        assert_eq!(unsafe { HeapValidate(self.handle, 0, null_mut()) }, TRUE);
    }
}

/// Addresses that are no block's.
fn wrong(own: &Own, input: &mut Unstructured<'_>) {
    let address = match below(input, 4) {
        0 => below(input, 0x1000),
        1 => usize::MAX - below(input, 0x1000),
        2 => own.handle.addr().wrapping_add(1 + below(input, 0x700)),
        _ => input.arbitrary::<usize>().unwrap_or(0) | 1,
    };
    if own.blocks.sizes().contains_key(&address) || address == 0 {
        return;
    }
    let address = std::ptr::without_provenance_mut::<c_void>(address);
    // SAFETY: the heap tells what is no block of it, without touching it.
    unsafe {
        assert_eq!(HeapValidate(own.handle, 0, address), FALSE);
        assert_eq!(HeapSize(own.handle, 0, address), usize::MAX);
        assert_eq!(HeapFree(own.handle, 0, address), FALSE);
        assert!(HeapReAlloc(own.handle, 0, address, 10).is_null());
        assert!(HeapAlloc(address, 0, 10).is_null());
        assert_eq!(HeapDestroy(address), FALSE);
    }
}

/// Performs the operations that `data` encodes and checks the answers.
///
/// # Panics
/// Whenever an answer is wrong.
pub fn run(data: &[u8]) {
    let _turn = turn();
    let mut input = Unstructured::new(data);
    let input = &mut input;
    let mut heaps = vec![Own::create(input)];
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        let nth = below(input, heaps.len());
        match below(input, 16) {
            0 if heaps.len() < MAX_HEAPS => heaps.push(Own::create(input)),
            1 if heaps.len() > 1 => {
                let mut own = heaps.swap_remove(nth);
                own.blocks.take_all();
                // SAFETY: nobody uses the heap any more; then it is none.
                unsafe {
                    assert_eq!(HeapDestroy(own.handle), TRUE);
                    assert_eq!(HeapDestroy(own.handle), FALSE);
                    assert!(HeapAlloc(own.handle, 0, 1).is_null());
                }
            }
            2 => heaps[nth].walk(),
            3 => wrong(&heaps[nth], input),
            // SAFETY: one thread is in the heap.
            4 => unsafe {
                HeapCompact(heaps[nth].handle, 0);
            },
            5..=8 => heaps[nth].allocate(input),
            9..=11 => heaps[nth].free(input),
            12 | 13 => heaps[nth].resize(input),
            14 => heaps[nth].check(),
            _ => {
                for _ in 0..below(input, 60) {
                    heaps[nth].allocate(input);
                }
            }
        }
    }
    let mut known = [null_mut(); 64];
    // SAFETY: there is room for so many.
    let count = unsafe { GetProcessHeaps(64, known.as_mut_ptr()) } as usize;
    for own in &mut heaps {
        assert!(known.iter().take(count).any(|&heap| heap == own.handle));
        own.check();
        own.walk();
        own.blocks.take_all();
        // SAFETY: nobody uses the heap any more.
        assert_eq!(unsafe { HeapDestroy(own.handle) }, TRUE);
    }
}
