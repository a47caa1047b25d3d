//! GlobalAlloc and LocalAlloc: fixed and moveable blocks, locks, discarding.

use crate::blocks::{at, below};
use crate::turn;
use arbitrary::Unstructured;
use ntheap::win32::*;
use std::ffi::c_void;

/// Operations of one input at most.
const MAX_OPERATIONS: usize = 400;
const MAX_BLOCKS: usize = 100;

#[derive(Clone, Copy, PartialEq, Debug)]
enum Face {
    Global,
    Local,
}

/// What a handle should be.
#[derive(Clone, Debug)]
struct Block {
    face: Face,
    handle: *mut c_void,
    is_moveable: bool,
    is_discarded: bool,
    locks: usize,
    contents: Vec<u8>,
}

impl Face {
    fn alloc(self, flags: UINT, size: usize) -> *mut c_void {
        // SAFETY: no promise to keep.
        unsafe {
            match self {
                Face::Global => GlobalAlloc(flags, size),
                Face::Local => LocalAlloc(flags, size),
            }
        }
    }

    fn realloc(self, handle: *mut c_void, size: usize, flags: UINT) -> *mut c_void {
        // SAFETY: the model keeps no address over this.
        unsafe {
            match self {
                Face::Global => GlobalReAlloc(handle, size, flags),
                Face::Local => LocalReAlloc(handle, size, flags),
            }
        }
    }

    fn free(self, handle: *mut c_void) -> *mut c_void {
        // SAFETY: the model does not use it any more.
        unsafe {
            match self {
                Face::Global => GlobalFree(handle),
                Face::Local => LocalFree(handle),
            }
        }
    }

    fn size(self, handle: *mut c_void) -> usize {
        // SAFETY: no promise to keep.
        unsafe {
            match self {
                Face::Global => GlobalSize(handle),
                Face::Local => LocalSize(handle),
            }
        }
    }

    fn flags(self, handle: *mut c_void) -> UINT {
        // SAFETY: no promise to keep.
        unsafe {
            match self {
                Face::Global => GlobalFlags(handle),
                Face::Local => LocalFlags(handle),
            }
        }
    }

    fn lock(self, handle: *mut c_void) -> *mut c_void {
        // SAFETY: no promise to keep.
        unsafe {
            match self {
                Face::Global => GlobalLock(handle),
                Face::Local => LocalLock(handle),
            }
        }
    }

    fn unlock(self, handle: *mut c_void) -> BOOL {
        // SAFETY: no promise to keep.
        unsafe {
            match self {
                Face::Global => GlobalUnlock(handle),
                Face::Local => LocalUnlock(handle),
            }
        }
    }
}

fn size(input: &mut Unstructured<'_>) -> usize {
    match below(input, 8) {
        0 => 0,
        1 => below(input, 100_000),
        _ => below(input, 1200),
    }
}

impl Block {
    /// Where its bytes are.
    fn data(&self) -> *mut u8 {
        if !self.is_moveable {
            return at(self.handle.addr());
        }
        // SAFETY: a live moveable handle leads to its data's address.
        unsafe { self.handle.cast::<*mut u8>().read() }
    }

    fn write(&mut self, input: &mut Unstructured<'_>) {
        let seed = below(input, 256) as u8;
        for (nth, byte) in self.contents.iter_mut().enumerate() {
            *byte = seed.wrapping_add((nth * 31) as u8);
        }
        if !self.contents.is_empty() {
            // SAFETY: the block has so many bytes.
            unsafe {
                let from = self.contents.as_ptr();
                self.data()
                    .copy_from_nonoverlapping(from, self.contents.len());
            }
        }
    }

    fn check(&self) {
        assert_eq!(self.face.size(self.handle), self.contents.len());
        let flags = self.face.flags(self.handle);
        if self.is_moveable {
            assert_eq!((flags & 0xff) as usize, self.locks);
            assert_eq!(flags & GMEM_DISCARDED != 0, self.is_discarded);
        } else {
            assert_eq!(flags, 0);
        }
        if !self.contents.is_empty() {
            // SAFETY: the block has so many bytes.
            let found = unsafe { std::slice::from_raw_parts(self.data(), self.contents.len()) };
            assert!(found == self.contents);
        }
    }

    fn resize(&mut self, input: &mut Unstructured<'_>) {
        let (size, may_move) = (size(input), below(input, 3) != 0);
        let flags = GMEM_ZEROINIT | if may_move { GMEM_MOVEABLE } else { 0 };
        let before = self.data();
        let new = self.face.realloc(self.handle, size, flags);
        let is_pinned = !self.is_moveable || self.locks != 0;
        let ends = self.is_moveable && size == 0;
        if ends && (self.locks != 0 || !may_move) {
            return assert!(new.is_null());
        }
        if new.is_null() {
            // It was to stay where it is, and could not.
            let must_fit = !self.is_moveable || size > self.contents.len();
            return assert!(is_pinned && !may_move && must_fit);
        }
        if self.is_moveable {
            assert_eq!(new, self.handle);
        }
        self.handle = new;
        self.contents.resize(size, 0);
        self.is_discarded = ends;
        if is_pinned && !may_move && before == self.data() {
            self.check();
        }
    }
}

fn create(input: &mut Unstructured<'_>) -> Block {
    let face = [Face::Global, Face::Local][below(input, 2)];
    let is_moveable = below(input, 3) != 0;
    let is_zero = below(input, 2) == 0;
    let size = size(input);
    let flags =
        if is_moveable { GMEM_MOVEABLE } else { 0 } | if is_zero { GMEM_ZEROINIT } else { 0 };
    let handle = face.alloc(flags, size);
    assert!(!handle.is_null());
    assert_eq!(handle.addr() % 16, if is_moveable { 8 } else { 0 });
    handle.expose_provenance();
    // A fixed global block has a byte at least.
    let size = if !is_moveable && face == Face::Global {
        size.max(1)
    } else {
        size
    };
    let mut block = Block {
        face,
        handle,
        is_moveable,
        is_discarded: is_moveable && size == 0,
        locks: 0,
        contents: vec![0; size],
    };
    if is_zero {
        block.check();
    }
    block.write(input);
    block
}

/// Performs the operations that `data` encodes and checks the answers.
///
/// # Panics
/// Whenever an answer is wrong.
pub fn run(data: &[u8]) {
    let _turn = turn();
    let mut input = Unstructured::new(data);
    let input = &mut input;
    let mut blocks: Vec<Block> = Vec::new();
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        let nth = below(input, blocks.len().max(1));
        let operation = below(input, 12);
        if operation < 4 && blocks.len() < MAX_BLOCKS {
            blocks.push(create(input));
            continue;
        }
        let Some(block) = blocks.get_mut(nth) else {
            continue;
        };
        match operation {
            4..=6 => {
                let block = blocks.swap_remove(nth);
                block.check();
                assert!(block.face.free(block.handle).is_null());
                if block.is_moveable {
                    assert_eq!(block.face.free(block.handle), block.handle, "freed twice");
                }
            }
            7 if block.locks < 200 => {
                let locked = block.face.lock(block.handle);
                if block.is_discarded {
                    assert!(locked.is_null());
                } else {
                    assert_eq!(locked.cast(), block.data());
                    block.locks += usize::from(block.is_moveable);
                }
            }
            8 => {
                let expected = match (block.is_moveable, block.locks, block.face) {
                    (false, _, Face::Global) | (_, 2.., _) => TRUE,
                    _ => FALSE,
                };
                assert_eq!(block.face.unlock(block.handle), expected, "{block:?}");
                block.locks = block.locks.saturating_sub(1);
            }
            9 | 10 => {
                block.resize(input);
                block.check();
                block.write(input);
            }
            _ => block.check(),
        }
    }
    for block in blocks {
        block.check();
        assert!(block.face.free(block.handle).is_null());
    }
}
