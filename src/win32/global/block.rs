//! Moveable blocks in safe Rust.

use super::entry::{EMPTY, LOCK, LOCKS};
use super::flags::{GHND, GMEM_MOVEABLE, GMEM_ZEROINIT, HGLOBAL};
use super::{Face, handles, resize};
use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use core::slice;

/// Why a call on a [`MoveableBlock`] did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MoveableError {
    /// There is no memory, or the process has 65,536 handles
    /// (ERROR_NOT_ENOUGH_MEMORY).
    NotEnoughMemory,
    /// The block was discarded, or has no bytes (ERROR_DISCARDED).
    Discarded,
    /// The block is locked still: a guard was forgotten.
    Locked,
}

impl fmt::Display for MoveableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            MoveableError::NotEnoughMemory => "no memory or no handle is left",
            MoveableError::Discarded => "the block is discarded",
            MoveableError::Locked => "the block is locked",
        })
    }
}

impl core::error::Error for MoveableError {}

/// Bytes of the process heap with a moveable handle (GlobalAlloc), freed when
/// dropped. They are reached by locking; while nobody has a guard, resizing may
/// move them.
///
/// New bytes are 0. A process has 65,536 such handles at most. Any thread may use
/// it.
///
/// ```
/// use ntheap::win32::{MoveableBlock, MoveableError};
///
/// let mut block = MoveableBlock::new(100)?;
/// block.lock_mut()?[7] = 42;
/// block.resize(100_000)?;
/// {
///     let (one, another) = (block.lock()?, block.lock()?);
///     assert_eq!((one[7], another.len()), (42, 100_000));
///     assert_eq!(block.lock_count(), 2);
/// }
/// block.discard()?;
/// assert_eq!(block.lock().unwrap_err(), MoveableError::Discarded);
/// block.resize(10)?;
/// assert_eq!(&*block.lock()?, [0; 10]);
/// # Ok::<(), MoveableError>(())
/// ```
///
/// A guard keeps the block where it is, and alive:
///
/// ```compile_fail,E0502
/// # use ntheap::win32::MoveableBlock;
/// let mut block = MoveableBlock::new(100).unwrap();
/// let bytes = block.lock().unwrap();
/// block.resize(1000).unwrap();
/// assert_eq!(bytes[0], 0);
/// ```
///
/// Source: "GlobalAlloc function (winbase.h)".
pub struct MoveableBlock {
    handle: NonNull<u8>,
}

// SAFETY: the handle is the block's alone, and the table's calls may come from any
// thread; what is reached by `&self` is only read.
unsafe impl Send for MoveableBlock {}
// SAFETY: as above.
unsafe impl Sync for MoveableBlock {}

impl MoveableBlock {
    /// A block of `size` bytes of 0; of none, as if it was discarded.
    ///
    /// # Errors
    /// [`MoveableError::NotEnoughMemory`].
    pub fn new(size: usize) -> Result<MoveableBlock, MoveableError> {
        match handles::allocate(Face::Global, GHND, size) {
            Ok(handle) => Ok(MoveableBlock { handle }),
            Err(_) => Err(MoveableError::NotEnoughMemory),
        }
    }

    fn address(&self) -> usize {
        self.handle.addr().get()
    }

    /// The word of the table that the handle leads to.
    fn word(&self) -> usize {
        handles::look(self.address()).map_or(EMPTY, |(_, word)| word)
    }

    /// Bytes of the block, exactly; 0 if it is discarded.
    pub fn size(&self) -> usize {
        handles::size_of(self.address()).unwrap_or(0)
    }

    /// How many locks are out; from 255 on, 255.
    pub fn lock_count(&self) -> usize {
        (self.word() & LOCKS) / LOCK
    }

    /// Whether there is no block: it was discarded, or has no bytes.
    pub fn is_discarded(&self) -> bool {
        self.word() & EMPTY != 0
    }

    fn locked(&self) -> Result<(NonNull<u8>, usize), MoveableError> {
        let data = handles::lock(self.address());
        let data = data.map_err(|_| MoveableError::Discarded)?;
        let data = NonNull::new(data).ok_or(MoveableError::Discarded)?;
        Ok((data, self.size()))
    }

    fn unlock(&self) {
        // Not locked any more if it once was more than 255 times.
        let _ = handles::unlock(self.address());
    }

    /// The bytes, to be read, until the guard is dropped.
    ///
    /// # Errors
    /// [`MoveableError::Discarded`].
    pub fn lock(&self) -> Result<LockedBlock<'_>, MoveableError> {
        let (data, size) = self.locked()?;
        Ok(LockedBlock {
            block: self,
            data,
            size,
        })
    }

    /// The bytes, to be read and written, until the guard is dropped.
    ///
    /// # Errors
    /// [`MoveableError::Discarded`].
    pub fn lock_mut(&mut self) -> Result<LockedBlockMut<'_>, MoveableError> {
        let (data, size) = self.locked()?;
        Ok(LockedBlockMut {
            block: self,
            data,
            size,
            _bytes: PhantomData,
        })
    }

    /// Makes the block `size` bytes, wherever it then is; what is added is 0. A
    /// discarded one gets bytes again. 0 is [`MoveableBlock::discard`].
    ///
    /// # Errors
    /// [`MoveableError::NotEnoughMemory`], and the block as it was.
    pub fn resize(&mut self, size: usize) -> Result<(), MoveableError> {
        if size == 0 {
            return self.discard();
        }
        // SAFETY: no guard lives, so nobody has the data's address. Where one was
        // forgotten, the block may move all the same.
        let resized = unsafe {
            let flags = GMEM_MOVEABLE | GMEM_ZEROINIT;
            resize::reallocate(Face::Global, self.address(), size, flags)
        };
        resized
            .map(|_| ())
            .map_err(|_| MoveableError::NotEnoughMemory)
    }

    /// Gives the bytes up, and keeps the handle.
    ///
    /// # Errors
    /// [`MoveableError::Locked`] if a guard was forgotten.
    pub fn discard(&mut self) -> Result<(), MoveableError> {
        // SAFETY: as above.
        let done = unsafe { resize::reallocate(Face::Global, self.address(), 0, GMEM_MOVEABLE) };
        done.map(|_| ()).map_err(|_| MoveableError::Locked)
    }

    /// The handle, which is the caller's to free.
    pub fn into_handle(self) -> HGLOBAL {
        ManuallyDrop::new(self).handle.as_ptr().cast()
    }

    /// A block of a handle. Null, and what is no handle of moveable memory, gives
    /// `None`.
    ///
    /// # Safety
    /// The handle is the caller's, and nobody else's any more; all of its bytes
    /// were written once, or allocated as 0.
    pub unsafe fn from_handle(handle: HGLOBAL) -> Option<MoveableBlock> {
        let handle = NonNull::new(handle.cast::<u8>())?;
        let known = handles::look(handle.addr().get());
        known.ok().map(|_| MoveableBlock { handle })
    }
}

impl Drop for MoveableBlock {
    fn drop(&mut self) {
        // SAFETY: the handle is this block's alone, and its guards are gone.
        let _ = unsafe { handles::free(self.address()) };
    }
}

impl fmt::Debug for MoveableBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MoveableBlock")
            .field("handle", &self.handle)
            .field("size", &self.size())
            .field("lock_count", &self.lock_count())
            .finish()
    }
}

/// A [`MoveableBlock`]'s bytes, locked until this is dropped.
pub struct LockedBlock<'a> {
    block: &'a MoveableBlock,
    data: NonNull<u8>,
    size: usize,
}

// SAFETY: it gives the bytes to be read only, and unlocking may be done by any
// thread.
unsafe impl Send for LockedBlock<'_> {}
// SAFETY: as above.
unsafe impl Sync for LockedBlock<'_> {}

impl Deref for LockedBlock<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the block has so many bytes, all written, and stays where it is
        // while it is borrowed.
        unsafe { slice::from_raw_parts(self.data.as_ptr(), self.size) }
    }
}

impl Drop for LockedBlock<'_> {
    fn drop(&mut self) {
        self.block.unlock();
    }
}

impl fmt::Debug for LockedBlock<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LockedBlock").field(&self.data).finish()
    }
}

/// A [`MoveableBlock`]'s bytes, locked to be written until this is dropped.
pub struct LockedBlockMut<'a> {
    block: &'a MoveableBlock,
    data: NonNull<u8>,
    size: usize,
    _bytes: PhantomData<&'a mut [u8]>,
}

// SAFETY: it is the only way to the bytes while it lives.
unsafe impl Send for LockedBlockMut<'_> {}
// SAFETY: as above.
unsafe impl Sync for LockedBlockMut<'_> {}

impl Deref for LockedBlockMut<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: as for `LockedBlock`.
        unsafe { slice::from_raw_parts(self.data.as_ptr(), self.size) }
    }
}

impl DerefMut for LockedBlockMut<'_> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and the block is borrowed for writing.
        unsafe { slice::from_raw_parts_mut(self.data.as_ptr(), self.size) }
    }
}

impl Drop for LockedBlockMut<'_> {
    fn drop(&mut self) {
        self.block.unlock();
    }
}

impl fmt::Debug for LockedBlockMut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LockedBlockMut").field(&self.data).finish()
    }
}
