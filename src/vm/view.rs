//! Views of sections, whose bytes others may change at any time.
//!
//! Rust takes it that what a reference shows does not change but through it. Bytes that
//! another view, another process or a file's other users write to keep no such promise, so
//! that no safe function lends them: they are copied, by accesses that are atomic, byte for
//! byte. A value that is copied while others write to it may be part old and part new; it
//! is a value all the same, for its type is [`Plain`].

use super::pages::{self, Alike, Made, PageAccess, PageError, Refused};
use super::placeholder::Placeholder;
use super::plain::Plain;
use super::reservation::PageRun;
use crate::sys::Whereabouts;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ops::Range;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

/// What may be done with a view's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ViewAccess {
    /// Reading (FILE_MAP_READ).
    Read,
    /// Reading and writing; what is written all views show (FILE_MAP_WRITE).
    ReadWrite,
    /// Reading and writing; a page that is written to becomes the view's own, and nobody
    /// else sees it (FILE_MAP_COPY). Whether one that is not shows what others write later
    /// is not said.
    Copy,
    /// Reading and running code (FILE_MAP_READ and FILE_MAP_EXECUTE).
    ReadExecute,
    /// Reading, writing and running code (FILE_MAP_WRITE and FILE_MAP_EXECUTE).
    ReadWriteExecute,
}

impl ViewAccess {
    /// Whether bytes may be written to.
    fn writes(self) -> bool {
        !matches!(self, ViewAccess::Read | ViewAccess::ReadExecute)
    }
}

/// A part of a section at an address of this process.
///
/// Offsets are in bytes from the view's beginning. Through a shared reference any thread
/// may read and write: what others do at the same time is seen byte by byte, in no order
/// that is promised. Bytes that are copied take a step each; whoever needs more takes
/// [`as_ptr`](View::as_ptr), or [`bytes`](View::bytes) where it can promise that nobody
/// writes.
///
/// A view of a file whose end another program takes away meanwhile has pages with nothing
/// behind them: touching one is a fault, which ends the process. It is no undefined
/// behaviour, and nothing can be done against it but to map files that nobody shortens.
///
/// Dropped, the view ends; its section goes on as long as somebody has it. Forgotten, it
/// stays. In a child of a fork it shows the same section still. Nothing panics.
///
/// Source: "MapViewOfFile function (memoryapi.h)".
#[derive(Debug)]
pub struct View {
    start: usize,
    size: usize,
    access: ViewAccess,
    /// Whether pages are committed one by one.
    is_sparse: bool,
    /// Whether it took a placeholder's place.
    replaced: bool,
    /// Whether some may have another access than the view's own, or a guard.
    differs: bool,
}

impl View {
    pub(super) fn map(
        made: &Made,
        at: &Whereabouts,
        offset: u64,
        size: usize,
        access: ViewAccess,
    ) -> Result<View, PageError> {
        let (start, size) = pages::map_view(made, at, offset, size, access)?;
        Ok(View {
            start,
            size,
            access,
            is_sparse: made.is_sparse,
            replaced: at.replaces,
            differs: false,
        })
    }

    /// The first byte. Others may write to what lies there; a page of a reserved section
    /// that is not committed faults.
    pub fn as_ptr(&self) -> *mut u8 {
        pages::pointer(self.start)
    }

    /// How many bytes there are: whole pages.
    pub fn size(&self) -> usize {
        self.size
    }

    /// What it was made for.
    pub fn access(&self) -> ViewAccess {
        self.access
    }

    /// The bytes named, if they are inside and can be accessed.
    fn part(&self, offset: usize, length: usize, writes: bool) -> Result<*mut u8, PageError> {
        let end = offset.checked_add(length).ok_or(PageError::Invalid)?;
        if end > self.size {
            return Err(PageError::Invalid);
        }
        if writes && !self.access.writes() {
            return Err(PageError::NotCommitted);
        }
        if self.is_sparse || self.differs {
            let fits = |own: PageAccess| if writes { own.writes() } else { own.reads() };
            // Pages that are committed stay so, and access changes only through a view
            // that is borrowed mutably.
            let mut at = offset;
            while at < end {
                let told = self.alike(at).filter(|told| told.opens_to(fits));
                at = told.ok_or(PageError::NotCommitted)?.end - self.start;
            }
        }
        Ok(pages::pointer(self.start + offset))
    }

    fn alike(&self, offset: usize) -> Option<Alike> {
        pages::query(self.start + offset)
    }

    /// Copies bytes out of the view.
    ///
    /// # Errors
    /// [`PageError::Invalid`] beyond the end; [`PageError::NotCommitted`] where pages of a
    /// reserved section are not committed.
    pub fn read_bytes(&self, offset: usize, to: &mut [u8]) -> Result<(), PageError> {
        let from = self.part(offset, to.len(), false)?;
        for (nth, byte) in to.iter_mut().enumerate() {
            // SAFETY: the byte lies in the view, which is mapped and can be read; it is only
            // loaded, which does for memory that cannot be written to. Whoever else accesses
            // it in this process by safe functions does so by atomic accesses of one byte,
            // and by `atomic_u32` and `bytes` as their callers promise.
            let shared = unsafe { &*from.add(nth).cast::<AtomicU8>() };
            *byte = shared.load(Ordering::Relaxed);
        }
        Ok(())
    }

    /// Copies bytes into the view.
    ///
    /// # Errors
    /// [`PageError::NotCommitted`] in a view that is only read as well; otherwise as
    /// [`read_bytes`](View::read_bytes).
    pub fn write_bytes(&self, offset: usize, from: &[u8]) -> Result<(), PageError> {
        let to = self.part(offset, from.len(), true)?;
        for (nth, byte) in from.iter().enumerate() {
            // SAFETY: as in `read_bytes`, and the byte can be written to.
            unsafe { AtomicU8::from_ptr(to.add(nth)) }.store(*byte, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Reads a value, wherever it lies.
    ///
    /// # Errors
    /// As for [`read_bytes`](View::read_bytes).
    pub fn read<T: Plain>(&self, offset: usize) -> Result<T, PageError> {
        let mut value = MaybeUninit::<T>::zeroed();
        // SAFETY: so many bytes, which were made 0, of a value of this function's.
        let bytes =
            unsafe { core::slice::from_raw_parts_mut(value.as_mut_ptr().cast(), size_of::<T>()) };
        self.read_bytes(offset, bytes)?;
        // SAFETY: any bytes are a value of the type.
        Ok(unsafe { value.assume_init() })
    }

    /// Writes a value, wherever it is to lie.
    ///
    /// # Errors
    /// As for [`write_bytes`](View::write_bytes).
    pub fn write<T: Plain>(&self, offset: usize, value: T) -> Result<(), PageError> {
        // SAFETY: the value's own bytes, of which none is padding.
        let bytes =
            unsafe { core::slice::from_raw_parts((&raw const value).cast(), size_of::<T>()) };
        self.write_bytes(offset, bytes)
    }

    /// A number that is counted or waited for together with others, at a multiple of 4. The
    /// view is one that can be written to.
    ///
    /// ```
    /// use ntheap::vm::{Section, ViewAccess};
    /// use std::sync::atomic::Ordering;
    ///
    /// // How many instances of the program are running.
    /// let name = format!("instances-{}", std::process::id());
    /// let section = match Section::options().named(&name).create(4096) {
    ///     // This system has no names of sections.
    ///     Err(ntheap::vm::PageError::Unsupported) => return Ok(()),
    ///     other => other?,
    /// };
    /// let view = section.map(0, 0, ViewAccess::ReadWrite)?;
    /// // SAFETY: all instances use these four bytes by this function alone.
    /// let instances = unsafe { view.atomic_u32(0) }?;
    /// assert_eq!(instances.fetch_add(1, Ordering::Relaxed), 0);
    /// # Ok::<(), ntheap::vm::PageError>(())
    /// ```
    ///
    /// # Errors
    /// [`PageError::Invalid`] elsewhere. Beyond that as for
    /// [`write_bytes`](View::write_bytes).
    ///
    /// # Safety
    /// While anybody in this process uses what is returned, its bytes are accessed by
    /// atomic accesses of four bytes alone, or at other times: Rust has no meaning for
    /// accesses of different sizes at the same time, one of which writes.
    pub unsafe fn atomic_u32(&self, offset: usize) -> Result<&AtomicU32, PageError> {
        let at = self.aligned(offset, size_of::<u32>())?;
        // SAFETY: the bytes lie in the view, aligned, and can be written to; they are there
        // as long as the view is borrowed. Beyond that it is the caller's promise.
        Ok(unsafe { AtomicU32::from_ptr(at.cast()) })
    }

    /// As [`atomic_u32`](View::atomic_u32), of eight bytes at a multiple of 8.
    ///
    /// # Safety
    /// As for [`atomic_u32`](View::atomic_u32), with accesses of eight bytes.
    pub unsafe fn atomic_u64(&self, offset: usize) -> Result<&AtomicU64, PageError> {
        let at = self.aligned(offset, size_of::<u64>())?;
        // SAFETY: as in `atomic_u32`.
        Ok(unsafe { AtomicU64::from_ptr(at.cast()) })
    }

    fn aligned(&self, offset: usize, size: usize) -> Result<*mut u8, PageError> {
        if !offset.is_multiple_of(size) {
            return Err(PageError::Invalid);
        }
        self.part(offset, size, true)
    }

    /// The bytes themselves, to be read.
    ///
    /// # Errors
    /// As for [`read_bytes`](View::read_bytes).
    ///
    /// # Safety
    /// As long as they are borrowed, nobody, in any process, writes to them, by this view
    /// or another, or to the file, or makes the file shorter.
    pub unsafe fn bytes(&self, range: Range<usize>) -> Result<&[u8], PageError> {
        let length = range.end.checked_sub(range.start);
        let length = length.ok_or(PageError::Invalid)?;
        let at = self.part(range.start, length, false)?;
        // SAFETY: the bytes are mapped and can be read as long as the view is borrowed;
        // nobody writes to them, as the caller promises.
        Ok(unsafe { core::slice::from_raw_parts(at, length) })
    }

    /// The bytes themselves, to be written to.
    ///
    /// # Errors
    /// As for [`write_bytes`](View::write_bytes).
    ///
    /// # Safety
    /// As long as they are borrowed, nobody else, in any process, reads or writes them.
    pub unsafe fn bytes_mut(&mut self, range: Range<usize>) -> Result<&mut [u8], PageError> {
        let length = range.end.checked_sub(range.start);
        let length = length.ok_or(PageError::Invalid)?;
        let at = self.part(range.start, length, true)?;
        // SAFETY: the bytes are mapped and can be written to as long as the view is
        // borrowed; nobody else uses them, as the caller promises.
        Ok(unsafe { core::slice::from_raw_parts_mut(at, length) })
    }

    /// Commits pages of a [`reserved`](super::SectionOptions::reserved) section, in all its
    /// views at once, here and in other processes; they stay committed as long as the
    /// section. They hold 0, or what was written since another view committed them.
    ///
    /// Source: "VirtualAlloc function (memoryapi.h)", "CreateFileMappingW function
    /// (memoryapi.h)", SEC_RESERVE.
    ///
    /// # Errors
    /// [`PageError::Invalid`] for an empty range, one that is not inside, and a section all
    /// of whose pages are committed; [`PageError::NoMemory`]; [`PageError::CommitLimit`].
    pub fn commit(&self, range: Range<usize>) -> Result<(), PageError> {
        let (start, length) = self.pages(&range)?;
        if !self.is_sparse {
            return Err(PageError::Invalid);
        }
        pages::commit_view(start, length, self.access)
    }

    /// The address and length of a range that is not empty.
    fn pages(&self, range: &Range<usize>) -> Result<(usize, usize), PageError> {
        if range.start >= range.end || range.end > self.size {
            return Err(PageError::Invalid);
        }
        Ok((self.start + range.start, range.end - range.start))
    }

    /// Gives committed pages of this view another access; other views of them keep theirs.
    /// Of a [`Copy`](ViewAccess::Copy), [`PageAccess::ReadWrite`] stands for copying still.
    /// Where the access is not enough, functions that read or write are
    /// [`PageError::NotCommitted`], as on pages of a reservation.
    ///
    /// Source: "VirtualProtect function (memoryapi.h)".
    ///
    /// # Errors
    /// [`PageError::Invalid`] for an empty range or one that is not inside;
    /// [`PageError::Denied`] for an access that the view was not made for: a view may only
    /// be opened as far as its own; [`PageError::NotCommitted`]; [`PageError::NoMemory`].
    pub fn protect(&mut self, range: Range<usize>, access: PageAccess) -> Result<(), PageError> {
        self.give(&range, access, false)
    }

    /// The same, and has the next access to each page be caught, as
    /// [`Reservation::guard`](super::Reservation::guard) says.
    ///
    /// # Errors
    /// [`PageError::Invalid`] for [`PageAccess::None`], [`PageError::Unsupported`] when
    /// faults cannot be caught; otherwise as [`protect`](View::protect).
    pub fn guard(&mut self, range: Range<usize>, access: PageAccess) -> Result<(), PageError> {
        self.give(&range, access, true)
    }

    fn give(
        &mut self,
        range: &Range<usize>,
        access: PageAccess,
        guards: bool,
    ) -> Result<(), PageError> {
        let (start, length) = self.pages(range)?;
        let writes = access.writes() && !self.access.writes();
        let runs = matches!(
            access,
            PageAccess::ReadExecute | PageAccess::ReadWriteExecute
        );
        let may_run = matches!(
            self.access,
            ViewAccess::ReadExecute | ViewAccess::ReadWriteExecute
        );
        if writes || runs && !may_run {
            return Err(PageError::Denied);
        }
        let is_copy = self.access == ViewAccess::Copy;
        // Pages are looked at before they are accessed from now on.
        self.differs = true;
        pages::protect_view(start, length, access, is_copy, guards)
    }

    /// Has committed pages stay in memory until they are unlocked, or the view ends.
    ///
    /// Source: "VirtualLock function (memoryapi.h)".
    ///
    /// # Errors
    /// As for [`Reservation::lock`](super::Reservation::lock).
    pub fn lock(&mut self, range: Range<usize>) -> Result<(), PageError> {
        let (start, length) = self.pages(&range)?;
        pages::lock(start, length)
    }

    /// Lets locked pages leave memory again.
    ///
    /// Source: "VirtualUnlock function (memoryapi.h)".
    ///
    /// # Errors
    /// [`PageError::NotLocked`] when not all were locked, and nothing changes then;
    /// [`PageError::Invalid`].
    pub fn unlock(&mut self, range: Range<usize>) -> Result<(), PageError> {
        let (start, length) = self.pages(&range)?;
        pages::unlock(start, length)
    }

    /// Says that pages will be used soon, as
    /// [`Reservation::prefetch`](super::Reservation::prefetch) does: those of a file are
    /// read meanwhile.
    ///
    /// Source: "PrefetchVirtualMemory function (memoryapi.h)".
    ///
    /// # Errors
    /// [`PageError::Invalid`] for an empty range or one that is not inside.
    pub fn prefetch(&self, range: Range<usize>) -> Result<(), PageError> {
        let (start, length) = self.pages(&range)?;
        pages::prefetch(start, length);
        Ok(())
    }

    /// The pages around a byte that are alike; `None` beyond the end. Pages of a
    /// [`Copy`](ViewAccess::Copy) are told as [`PageAccess::ReadWrite`](super::PageAccess::ReadWrite).
    pub fn query(&self, offset: usize) -> Option<PageRun> {
        if offset >= self.size {
            return None;
        }
        let told = self.alike(offset)?;
        let end = self.start + self.size;
        let range = told.start.max(self.start) - self.start..told.end.min(end) - self.start;
        Some(PageRun::of(range, &told))
    }

    /// Writes what was changed in a range to the file, and waits until the system has it;
    /// whether it is on the disk the file's own functions say. Views of memory, copies,
    /// and views that are only read have nothing to write.
    ///
    /// Source: "FlushViewOfFile function (memoryapi.h)".
    ///
    /// # Errors
    /// [`PageError::Invalid`] for an empty range or one that is not inside;
    /// [`PageError::NoMemory`] when the system cannot write.
    pub fn flush(&self, range: Range<usize>) -> Result<(), PageError> {
        let (start, length) = self.pages(&range)?;
        if matches!(
            self.access,
            ViewAccess::ReadWrite | ViewAccess::ReadWriteExecute
        ) {
            return pages::flush_view(start, length);
        }
        Ok(())
    }

    /// Ends a view that took a placeholder's place, and leaves the placeholder.
    ///
    /// Source: "UnmapViewOfFile2 function (memoryapi.h)", MEM_PRESERVE_PLACEHOLDER.
    ///
    /// # Errors
    /// Refused, with the view: [`PageError::Invalid`] when it took none's;
    /// [`PageError::NoMemory`].
    pub fn into_placeholder(self) -> Result<Placeholder, Refused<View>> {
        if !self.replaced {
            return Err(Refused::new(PageError::Invalid, self));
        }
        let own = ManuallyDrop::new(self);
        // SAFETY: the view is this function's alone, and nobody borrows from it.
        match unsafe { pages::unmap_to_placeholder(own.start) } {
            Ok(()) => Ok(Placeholder::of(own.start, own.size)),
            Err(error) => Err(Refused::new(error, ManuallyDrop::into_inner(own))),
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        // SAFETY: the view's owner is gone, and with it all that borrowed from it.
        unsafe { pages::unmap_view(self.start) };
    }
}
