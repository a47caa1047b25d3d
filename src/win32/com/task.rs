//! Task memory in safe Rust.

use super::malloc::{allocate, release};
use core::fmt;
use core::mem::{ManuallyDrop, align_of};
use core::ops::{Deref, DerefMut};
use core::ptr::{self, NonNull};

/// Bytes that task memory is aligned to.
const ALIGNMENT: usize = 16;

/// There is no task memory: none is left, or a spy has it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TaskMemError;

impl fmt::Display for TaskMemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no task memory")
    }
}

impl core::error::Error for TaskMemError {}

/// A value in task memory (CoTaskMemAlloc), dropped and freed with its owner: what COM's
/// functions hand out and take over. Its address may be given away and taken back.
///
/// ```
/// use ntheap::win32::{CoTaskMemFree, TaskMem};
///
/// // A function with an [out] parameter hands out what its caller frees.
/// fn describe(name: &mut *mut [u16]) {
///     let text: Vec<u16> = "task memory".encode_utf16().collect();
///     *name = TaskMem::from_slice(&text).expect("memory").into_raw();
/// }
///
/// let mut name: *mut [u16] = &mut [];
/// describe(&mut name);
/// // SAFETY: `describe` gave it away.
/// let name = unsafe { TaskMem::from_raw(name) };
/// assert_eq!(String::from_utf16_lossy(&name), "task memory");
/// ```
///
/// Source: "CoTaskMemAlloc function (combaseapi.h)".
pub struct TaskMem<T: ?Sized> {
    value: NonNull<T>,
}

// SAFETY: it owns its value, and any thread may free task memory.
unsafe impl<T: ?Sized + Send> Send for TaskMem<T> {}
// SAFETY: by reference it gives references to its value only.
unsafe impl<T: ?Sized + Sync> Sync for TaskMem<T> {}

/// Room for a value that takes so many bytes.
fn room(bytes: usize) -> Result<NonNull<u8>, TaskMemError> {
    let block = allocate(bytes);
    let block = NonNull::new(block.cast::<u8>()).ok_or(TaskMemError)?;
    if block.addr().get() % ALIGNMENT != 0 {
        // SAFETY: just allocated. A spy made the address something else.
        unsafe { release(block.as_ptr().cast()) };
        return Err(TaskMemError);
    }
    Ok(block)
}

impl<T> TaskMem<T> {
    const FITS: () = assert!(align_of::<T>() <= ALIGNMENT, "task memory is aligned to 16");

    /// Moves a value there. A type that needs more than 16 bytes' alignment does not
    /// compile.
    ///
    /// # Errors
    /// [`TaskMemError`], and the value is dropped.
    pub fn new(value: T) -> Result<TaskMem<T>, TaskMemError> {
        const { Self::FITS };
        let place = room(size_of::<T>())?.cast::<T>();
        // SAFETY: the block has room for a value, and is aligned to 16.
        unsafe { place.write(value) };
        Ok(TaskMem { value: place })
    }
}

impl<T: Copy> TaskMem<[T]> {
    /// Copies values there.
    ///
    /// # Errors
    /// [`TaskMemError`].
    pub fn from_slice(values: &[T]) -> Result<TaskMem<[T]>, TaskMemError> {
        const { TaskMem::<T>::FITS };
        let place = room(size_of_val(values))?.cast::<T>();
        // SAFETY: the block has room for as many, and is aligned to 16.
        unsafe { ptr::copy_nonoverlapping(values.as_ptr(), place.as_ptr(), values.len()) };
        Ok(TaskMem {
            value: NonNull::slice_from_raw_parts(place, values.len()),
        })
    }
}

impl<T: ?Sized> TaskMem<T> {
    /// Gives the value away, which is to be freed by CoTaskMemFree or taken back.
    pub fn into_raw(self) -> *mut T {
        ManuallyDrop::new(self).value.as_ptr()
    }

    /// Takes a value over.
    ///
    /// # Safety
    /// The address is not null, of task memory that holds such a value, and nobody else's.
    pub unsafe fn from_raw(value: *mut T) -> TaskMem<T> {
        TaskMem {
            // SAFETY: the caller's promise.
            value: unsafe { NonNull::new_unchecked(value) },
        }
    }
}

impl<T: ?Sized> Deref for TaskMem<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the value is this owner's, and borrowed with it.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for TaskMem<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { self.value.as_mut() }
    }
}

impl<T: ?Sized> Drop for TaskMem<T> {
    fn drop(&mut self) {
        /// Frees the memory, even if the value's destructor panics.
        struct Free(*mut core::ffi::c_void);

        impl Drop for Free {
            fn drop(&mut self) {
                // SAFETY: the owner is gone.
                unsafe { release(self.0) };
            }
        }

        let _free = Free(self.value.as_ptr().cast());
        // SAFETY: nobody uses the value any more.
        unsafe { self.value.drop_in_place() };
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for TaskMem<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TaskMem").field(&&**self).finish()
    }
}
