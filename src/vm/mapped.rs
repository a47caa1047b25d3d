//! Files mapped into memory, as slices of numbers: a type for `memmap2`'s bytes.
//!
//! What `CreateFileMapping` and `MapViewOfFile` give to programs by Windows' names, in
//! Rust's terms: a view is a slice, and it is given back when it is dropped.

use super::plain::Plain;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use memmap2::{Mmap, MmapMut, MmapOptions};
use std::fs::File;
use std::io;

/// How many elements so many bytes are; an error if they are not whole elements.
fn count<T>(bytes: usize) -> io::Result<usize> {
    let size = size_of::<T>();
    if size == 0 || !bytes.is_multiple_of(size) {
        let text = "the file is no whole number of elements";
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    // Mappings begin with a page, and no number is aligned to more.
    Ok(bytes / size)
}

/// A file's contents as a slice that can be read: a view with FILE_MAP_READ.
///
/// Pages are read from the file when they are first touched. The time to map does not
/// depend on the file's length; it takes addresses, not memory. Dropping it ends the
/// view.
///
/// ```
/// use ntheap::vm::MappedFile;
/// use std::{env, fs};
///
/// let path = env::temp_dir().join(format!("mapped-{}", std::process::id()));
/// fs::write(&path, [1, 0, 0, 0, 2, 0, 0, 0])?;
/// let file = fs::File::open(&path)?;
/// // SAFETY: nobody else knows the file, and it stays as it is.
/// let numbers = unsafe { MappedFile::<u32>::new(&file) }?;
/// assert_eq!(numbers.len(), 2);
/// assert_eq!(numbers[1], u32::from_le(2));
/// fs::remove_file(path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct MappedFile<T> {
    map: Mmap,
    count: usize,
    of: PhantomData<T>,
}

impl<T: Plain> MappedFile<T> {
    /// Maps a file, which is whole elements in this machine's order of bytes. An error
    /// of kind `InvalidData` if it is not; otherwise what the system says.
    ///
    /// # Safety
    /// Nobody, in any process, writes to the file or makes it shorter while it is
    /// mapped. Rust takes it that what a shared slice shows does not change; a page
    /// beyond a file's new end ends the program when it is touched. No lock that all
    /// systems have keeps others from it, so that only the program can promise it: of
    /// files of its own, or that nobody may write to.
    pub unsafe fn new(file: &File) -> io::Result<MappedFile<T>> {
        // SAFETY: the caller's promise.
        let map = unsafe { Mmap::map(file) }?;
        let count = count::<T>(map.len())?;
        Ok(MappedFile {
            map,
            count,
            of: PhantomData,
        })
    }
}

impl<T: Plain> Deref for MappedFile<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: so many elements are mapped, from a page's first byte on, any bytes are
        // values of the type, and they do not change while they are mapped, as
        // `new`'s caller promised.
        unsafe { core::slice::from_raw_parts(self.map.as_ptr().cast(), self.count) }
    }
}

/// A file's contents as a slice that can be written to: a view with FILE_MAP_WRITE, or
/// with FILE_MAP_COPY.
///
/// ```
/// use ntheap::vm::MappedFileMut;
/// use std::{env, fs};
///
/// let path = env::temp_dir().join(format!("mapped-mut-{}", std::process::id()));
/// fs::write(&path, [0; 8])?;
/// let file = fs::File::options().read(true).write(true).open(&path)?;
/// // SAFETY: nobody else knows the file.
/// let mut numbers = unsafe { MappedFileMut::<u16>::new(&file) }?;
/// numbers[3] = u16::from_ne_bytes([7, 8]);
/// numbers.flush()?;
/// assert_eq!(fs::read(&path)?, [0, 0, 0, 0, 0, 0, 7, 8]);
/// fs::remove_file(path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct MappedFileMut<T> {
    map: MmapMut,
    count: usize,
    of: PhantomData<T>,
}

impl<T: Plain> MappedFileMut<T> {
    fn of(map: MmapMut) -> io::Result<MappedFileMut<T>> {
        let count = count::<T>(map.len())?;
        Ok(MappedFileMut {
            map,
            count,
            of: PhantomData,
        })
    }

    /// Maps a file that was opened for reading and writing; what is written to the slice
    /// reaches it.
    ///
    /// # Errors
    /// As for [`MappedFile::new`].
    ///
    /// # Safety
    /// Nobody else, in any process, reads or writes the file by a mapping, writes to it
    /// otherwise, or makes it shorter while it is mapped: what is borrowed mutably is
    /// Rust's alone. See [`MappedFile::new`].
    pub unsafe fn new(file: &File) -> io::Result<MappedFileMut<T>> {
        // SAFETY: the caller's promise.
        MappedFileMut::of(unsafe { MmapMut::map_mut(file) }?)
    }

    /// Maps a file whose pages are copied when they are written to: nothing reaches the
    /// file, which need not be opened for writing.
    ///
    /// # Errors
    /// As for [`MappedFile::new`].
    ///
    /// # Safety
    /// As for [`MappedFile::new`]: pages that are not copied yet show the file.
    pub unsafe fn copied(file: &File) -> io::Result<MappedFileMut<T>> {
        // SAFETY: the caller's promise.
        MappedFileMut::of(unsafe { MmapOptions::new().map_copy(file) }?)
    }

    /// Has what was written reach the file's device, as `FlushViewOfFile` and
    /// `FlushFileBuffers` do. Of copies nothing does.
    pub fn flush(&self) -> io::Result<()> {
        self.map.flush()
    }
}

impl<T: Plain> Deref for MappedFileMut<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: as in `MappedFile`; only through this value are they written to.
        unsafe { core::slice::from_raw_parts(self.map.as_ptr().cast(), self.count) }
    }
}

impl<T: Plain> DerefMut for MappedFileMut<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above, and the value is borrowed mutably.
        unsafe { core::slice::from_raw_parts_mut(self.map.as_mut_ptr().cast(), self.count) }
    }
}
