//! Blocks whose start, or a place inside, is a multiple of a power of two.
//!
//! ```text
//!   block of the heap                   what the program gets
//!   |                                   |        offset       |
//!   +------------------- - - +---------+-+---------------------+-------
//!   | up to alignment - 1    | start   |g| the program's bytes
//!   +------------------- - - +---------+-+---------------------+-------
//!                                       |                     a multiple
//!                               `gap`, so that the word before it is aligned
//! ```
//!
//! The word before the gap keeps the start of the heap's block. Sizes follow
//! from the heap's: an alignment or offset that differs from the block's gives
//! another number, not an error, as on Windows.

use super::instance::Crt;
use super::{errno, invalid, new_handler};
use core::ptr;

/// Bytes of a pointer.
const WORD: usize = size_of::<usize>();

/// How a block is laid out.
#[derive(Clone, Copy)]
struct Shape {
    /// The alignment less one.
    mask: usize,
    offset: usize,
    /// From the word that keeps the start to the program's bytes.
    gap: usize,
}

impl Shape {
    /// `None` for an alignment that is no power of two; 0 passes for one.
    fn of(alignment: usize, offset: usize) -> Option<Shape> {
        if alignment & alignment.wrapping_sub(1) != 0 {
            return None;
        }
        Some(Shape::of_any(alignment, offset))
    }

    /// The shape by any number.
    fn of_any(alignment: usize, offset: usize) -> Shape {
        Shape {
            mask: alignment.max(WORD) - 1,
            offset,
            gap: offset.wrapping_neg() % WORD,
        }
    }

    /// Bytes of the heap's block that are not the program's.
    fn extra(self) -> usize {
        WORD.wrapping_add(self.gap).wrapping_add(self.mask)
    }

    /// The program's block in the heap's.
    fn place(self, start: usize) -> usize {
        ((start + self.extra() + self.offset) & !self.mask) - self.offset
    }
}

/// Where the start of the heap's block is kept.
fn slot(block: *const u8) -> *mut usize {
    let at = block.addr().wrapping_sub(WORD) & !(WORD - 1);
    block.with_addr(at).cast_mut().cast()
}

impl Crt {
    /// `_aligned_offset_malloc`: `size` bytes of which that at `offset` lies at a
    /// multiple of `alignment`. Null and EINVAL, after the invalid parameter
    /// handler, for an alignment that is no power of two, a size of 0, and an
    /// offset that is not below the size, but for 0; null and ENOMEM when there is
    /// no memory ("_aligned_offset_malloc").
    pub fn aligned_offset_malloc(&self, size: usize, alignment: usize, offset: usize) -> *mut u8 {
        let shape = Shape::of(alignment, offset);
        let Some(shape) = shape.filter(|_| size != 0 && (offset == 0 || offset < size)) else {
            invalid::parameter();
            return ptr::null_mut();
        };
        self.allocate_shape(size, shape)
    }

    /// `_aligned_malloc`.
    pub fn aligned_malloc(&self, size: usize, alignment: usize) -> *mut u8 {
        self.aligned_offset_malloc(size, alignment, 0)
    }

    fn allocate_shape(&self, size: usize, shape: Shape) -> *mut u8 {
        let Some(bytes) = size.checked_add(shape.extra()) else {
            errno::set(errno::ENOMEM);
            return ptr::null_mut();
        };
        let start = new_handler::attempt(bytes, || self.allocate(bytes));
        if start.is_null() {
            return start;
        }
        let block = start.with_addr(shape.place(start.addr()));
        // SAFETY: the word lies before the program's bytes and not before the
        // heap's block, which is longer by the word, the gap and the alignment.
        unsafe { slot(block).write(start.expose_provenance()) };
        block
    }

    /// The heap's block around one of `aligned_malloc`; `None`, after a report,
    /// for what is none.
    fn start_of(&self, operation: &str, block: *const u8) -> Option<*mut u8> {
        let kept = slot(block);
        let mut bytes = [0; WORD];
        // What is not known to be the heap's may be no memory.
        let is_read = if self.has(kept.addr(), WORD) {
            // SAFETY: memory that the heap has committed.
            bytes = unsafe { kept.read_volatile() }.to_ne_bytes();
            true
        } else {
            crate::sys::read_own_memory(kept.addr(), &mut bytes)
        };
        if is_read {
            let start = usize::from_ne_bytes(bytes);
            let start: *mut u8 = ptr::with_exposed_provenance_mut(start);
            if start.addr() < block.addr() && self.spans(start, block.addr()) {
                return Some(start);
            }
        }
        self.report_stranger(operation, block);
        None
    }

    /// `_aligned_free`. Null is allowed; what is no such block is reported.
    ///
    /// # Safety
    /// Nobody uses the block any more.
    pub unsafe fn aligned_free(&self, block: *mut u8) {
        const NAME: &str = "_aligned_free";
        if block.is_null() {
            return;
        }
        if let Some(start) = self.start_of(NAME, block) {
            // SAFETY: the caller's block, which the heap's is nothing but.
            let _ = unsafe { self.free_as(NAME, start) };
        }
    }

    /// `_aligned_offset_realloc`: keeps what both blocks hold, and the alignment.
    /// Null acts as [`Crt::aligned_offset_malloc`]; a size of 0 frees, and null is
    /// the result ("_aligned_offset_realloc").
    ///
    /// # Safety
    /// If it succeeds, nobody uses the old block any more.
    pub unsafe fn aligned_offset_realloc(
        &self,
        block: *mut u8,
        size: usize,
        alignment: usize,
        offset: usize,
    ) -> *mut u8 {
        const NAME: &str = "_aligned_realloc";
        if block.is_null() {
            return self.aligned_offset_malloc(size, alignment, offset);
        }
        if size == 0 {
            // SAFETY: the caller's promise.
            unsafe { self.aligned_free(block) };
            return ptr::null_mut();
        }
        let Some(shape) = Shape::of(alignment, offset).filter(|_| offset == 0 || offset < size)
        else {
            invalid::parameter();
            return ptr::null_mut();
        };
        let Some(start) = self.start_of(NAME, block) else {
            errno::set(errno::EINVAL);
            return ptr::null_mut();
        };
        let Some(held) = self.size_as(NAME, start) else {
            return ptr::null_mut();
        };
        let old = held.saturating_sub(block.addr() - start.addr());
        let new = self.allocate_shape(size, shape);
        if !new.is_null() {
            // SAFETY: both blocks hold so many bytes, and are two.
            unsafe {
                new.copy_from_nonoverlapping(block, old.min(size));
                let _ = self.free_as(NAME, start);
            }
        }
        new
    }

    /// `_aligned_offset_recalloc`: as [`Crt::aligned_offset_realloc`] for `count`
    /// members of `size` bytes, of which those that are new are zero, if alignment
    /// and offset are the block's ("_aligned_offset_recalloc").
    ///
    /// # Safety
    /// As for [`Crt::aligned_offset_realloc`].
    pub unsafe fn aligned_offset_recalloc(
        &self,
        block: *mut u8,
        count: usize,
        size: usize,
        alignment: usize,
        offset: usize,
    ) -> *mut u8 {
        let Some(bytes) = count.checked_mul(size) else {
            errno::set(errno::ENOMEM);
            return ptr::null_mut();
        };
        let old = if block.is_null() {
            0
        } else if bytes == 0 {
            bytes
        } else {
            match self.aligned_msize(block, alignment, offset) {
                usize::MAX => {
                    errno::set(errno::EINVAL);
                    return ptr::null_mut();
                }
                old => old,
            }
        };
        // SAFETY: the caller's promise.
        let new = unsafe { self.aligned_offset_realloc(block, bytes, alignment, offset) };
        if !new.is_null() && bytes > old {
            // SAFETY: the new block holds `bytes` bytes.
            unsafe { new.add(old).write_bytes(0, bytes - old) };
        }
        new
    }

    /// `_aligned_msize`: the block's size, if it has that alignment and offset. The
    /// largest number for null, after the invalid parameter handler and with
    /// EINVAL, and, after a report, for what is no such block ("_aligned_msize").
    pub fn aligned_msize(&self, block: *const u8, alignment: usize, offset: usize) -> usize {
        const NAME: &str = "_aligned_msize";
        if block.is_null() {
            invalid::parameter();
            return usize::MAX;
        }
        let held = self
            .start_of(NAME, block)
            .and_then(|start| self.size_as(NAME, start));
        match held {
            Some(held) => held.wrapping_sub(Shape::of_any(alignment, offset).extra()),
            None => usize::MAX,
        }
    }
}
