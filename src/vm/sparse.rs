//! Arrays of which only the parts in use have memory.

#[cfg(windows)]
use super::fault::Touched;
use super::pages::PageError;
#[cfg(unix)]
use super::regions::Touch;
use super::reservation::Reservation;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut, Range};

/// Types of which all bytes 0 are a value, and that need no dropping.
///
/// # Safety
/// A value of the type can be made of bytes that are 0.
pub unsafe trait Zeroed: Copy {}

macro_rules! zeroed {
    ($($type:ty)*) => {
        $(
            // SAFETY: any bytes are a value of it, or 0 is.
            unsafe impl Zeroed for $type {}
        )*
    };
}

zeroed! {
    u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 bool char
}

// SAFETY: an array's bytes are those of its elements.
unsafe impl<T: Zeroed, const N: usize> Zeroed for [T; N] {}
// SAFETY: a null pointer is a value of it.
unsafe impl<T> Zeroed for *const T {}
// SAFETY: as above.
unsafe impl<T> Zeroed for *mut T {}

/// The bytes of an array, if they can be.
fn bytes_of<T>(len: usize) -> Result<usize, PageError> {
    if size_of::<T>() == 0 || align_of::<T>() > super::GRANULARITY {
        return Err(PageError::Invalid);
    }
    len.checked_mul(size_of::<T>()).ok_or(PageError::Invalid)
}

/// An array whose address space is reserved as a whole and whose pages are
/// committed when an element in them is first written: as fast as an array, and
/// no larger than what is used.
///
/// The cells of a spreadsheet are the classic use: a million cells, of which a
/// few hundred are filled.
///
/// ```
/// use ntheap::vm::SparseArray;
///
/// let mut cells = SparseArray::<[u8; 64]>::new(16 << 20)?;
/// assert_eq!(cells.get(9_999_999), None);
/// cells.get_mut(9_999_999)?[0] = b'x';
/// assert_eq!(cells.get(9_999_999).map(|cell| cell[0]), Some(b'x'));
/// assert!(cells.committed() <= 2 * ntheap::vm::page_size());
/// # Ok::<(), ntheap::vm::PageError>(())
/// ```
#[derive(Debug)]
pub struct SparseArray<T> {
    memory: Reservation,
    /// A bit for each page: whether it is committed.
    pages: Reservation,
    len: usize,
    of: PhantomData<T>,
}

impl<T: Zeroed> SparseArray<T> {
    /// Reserves an array of `len` elements, all 0.
    ///
    /// # Errors
    /// [`PageError::Invalid`] when elements have no size or `len` is 0.
    pub fn new(len: usize) -> Result<SparseArray<T>, PageError> {
        let memory = Reservation::new(bytes_of::<T>(len)?)?;
        let pages = memory.size() / super::page_size();
        let mut bits = Reservation::new(pages.div_ceil(8))?;
        bits.commit(0..pages.div_ceil(8))?;
        Ok(SparseArray {
            memory,
            pages: bits,
            len,
            of: PhantomData,
        })
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none: never.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes are committed for elements.
    pub fn committed(&self) -> usize {
        self.memory.committed()
    }

    /// The pages that an element lies in.
    fn pages_of(&self, index: usize) -> Range<usize> {
        let page = super::page_size();
        let start = index * size_of::<T>();
        start / page..(start + size_of::<T>() - 1) / page + 1
    }

    fn bit(&self, page: usize) -> (*mut u8, u8) {
        (self.pages.as_ptr().wrapping_add(page / 8), 1 << (page % 8))
    }

    fn is_committed(&self, page: usize) -> bool {
        let (byte, bit) = self.bit(page);
        // SAFETY: there is a bit for every page, in committed memory that only
        // this array uses.
        unsafe { *byte & bit != 0 }
    }

    fn set_committed(&mut self, page: usize, is: bool) {
        let (byte, bit) = self.bit(page);
        // SAFETY: as in `is_committed`, and the array is borrowed mutably.
        unsafe { *byte = if is { *byte | bit } else { *byte & !bit } };
    }

    fn element(&self, index: usize) -> *mut T {
        self.memory.as_ptr().cast::<T>().wrapping_add(index)
    }

    /// An element; `None` where nothing was written near it, so that it is 0, and
    /// beyond the end.
    pub fn get(&self, index: usize) -> Option<&T> {
        if index >= self.len || !self.pages_of(index).all(|page| self.is_committed(page)) {
            return None;
        }
        // SAFETY: the element's pages are committed, and hold zeros or what was
        // written through the array.
        Some(unsafe { &*self.element(index) })
    }

    /// An element to be changed; its pages are committed if they are not.
    ///
    /// # Errors
    /// [`PageError::Invalid`] beyond the end.
    pub fn get_mut(&mut self, index: usize) -> Result<&mut T, PageError> {
        if index >= self.len {
            return Err(PageError::Invalid);
        }
        for page in self.pages_of(index) {
            if !self.is_committed(page) {
                let start = page * super::page_size();
                self.memory.commit(start..start + super::page_size())?;
                self.set_committed(page, true);
            }
        }
        // SAFETY: as in `get`, and the array is borrowed mutably.
        Ok(unsafe { &mut *self.element(index) })
    }

    /// Makes elements 0; pages that hold no others are decommitted.
    ///
    /// # Errors
    /// [`PageError::Invalid`] for a range beyond the end; when the system refuses, the
    /// elements are 0 all the same.
    pub fn clear(&mut self, range: Range<usize>) -> Result<(), PageError> {
        if range.start > range.end || range.end > self.len {
            return Err(PageError::Invalid);
        }
        let page = super::page_size();
        let (start, end) = (range.start * size_of::<T>(), range.end * size_of::<T>());
        // What is beyond the last element is nobody's.
        let whole_end = if range.end == self.len {
            self.memory.size()
        } else {
            end
        };
        let mut result = Ok(());
        for number in start / page..end.div_ceil(page) {
            if !self.is_committed(number) {
                continue;
            }
            let (first, last) = (number * page, (number + 1) * page);
            if first >= start && last <= whole_end {
                let done = self.memory.decommit(first..last);
                if done.is_ok() {
                    self.set_committed(number, false);
                    continue;
                }
                result = done;
            }
            let (from, to) = (first.max(start), last.min(end));
            // SAFETY: the bytes lie in a committed page and are those of
            // elements in the range.
            unsafe { self.memory.as_ptr().add(from).write_bytes(0, to - from) };
        }
        result
    }

    /// The elements that have memory, with their places, in order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        (0..self.len).filter_map(|index| Some((index, self.get(index)?)))
    }
}

// SAFETY: the array owns its elements, like a vector.
unsafe impl<T: Send> Send for SparseArray<T> {}
// SAFETY: through a shared reference it only shows elements.
unsafe impl<T: Sync> Sync for SparseArray<T> {}

/// An array whose pages are committed when they are touched: a slice like any
/// other, that begins with 0 everywhere.
///
/// Touching a page for the first time is a fault, which the fault handler
/// answers: it is set when the first such array is made, and passes what does not
/// concern it to the handlers that were there. Reading commits as well; 64 KiB
/// are committed at once. When the commit is refused the program faults as if
/// there were no memory at the address: whoever cannot bear that uses
/// [`SparseArray`]. A system call (`read` into the slice) does not commit: it
/// fails where nothing was touched.
///
/// ```
/// use ntheap::vm::TouchArray;
///
/// let mut cells = TouchArray::<u64>::new(1 << 27)?;
/// cells[100_000_000] = 5;
/// assert_eq!(cells[100_000_000], 5);
/// assert!(cells.committed() <= 64 << 10);
/// # Ok::<(), ntheap::vm::PageError>(())
/// ```
#[derive(Debug)]
pub struct TouchArray<T> {
    // Before the memory, which it ends before.
    #[cfg(windows)]
    _touched: Touched,
    memory: Reservation,
    len: usize,
    of: PhantomData<T>,
}

impl<T: Zeroed> TouchArray<T> {
    /// Reserves an array of `len` elements, all 0.
    ///
    /// # Errors
    /// [`PageError::Invalid`] when elements have no size or `len` is 0,
    /// [`PageError::Unsupported`] when faults cannot be caught.
    pub fn new(len: usize) -> Result<TouchArray<T>, PageError> {
        let size = bytes_of::<T>(len)?;
        #[cfg(unix)]
        let memory = Reservation::touched(size, Touch::Commit)?;
        #[cfg(windows)]
        let memory = Reservation::new(size)?;
        Ok(TouchArray {
            #[cfg(windows)]
            _touched: Touched::new(memory.as_ptr().addr(), memory.size())?,
            memory,
            len,
            of: PhantomData,
        })
    }

    /// How many bytes are committed.
    pub fn committed(&self) -> usize {
        self.memory.committed()
    }

    /// Makes all elements 0 and gives their memory back.
    pub fn clear(&mut self) -> Result<(), PageError> {
        self.memory.decommit(0..self.memory.size())
    }
}

impl<T: Zeroed> Deref for TouchArray<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: each page of the reservation holds zeros or what was written
        // through the array as soon as it is touched; zeros are elements.
        unsafe { core::slice::from_raw_parts(self.memory.as_ptr().cast(), self.len) }
    }
}

impl<T: Zeroed> DerefMut for TouchArray<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`, and the array is borrowed mutably.
        unsafe { core::slice::from_raw_parts_mut(self.memory.as_ptr().cast(), self.len) }
    }
}

// SAFETY: the array owns its elements, like a vector.
unsafe impl<T: Send> Send for TouchArray<T> {}
// SAFETY: through a shared reference it only shows elements.
unsafe impl<T: Sync> Sync for TouchArray<T> {}
