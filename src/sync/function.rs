//! A place for a function of the program's: a handler, a hook.

use super::atomic::{AtomicPtr, Ordering};
use core::marker::PhantomData;
use core::ptr;

/// A function pointer of type `F`, or none. Any thread sets and reads it at any
/// time; whoever sets one says how long it can be called.
pub(crate) struct Function<F: Copy> {
    stored: AtomicPtr<()>,
    is: PhantomData<F>,
}

impl<F: Copy> Function<F> {
    /// A function pointer and nothing else fits.
    const FITS: () = assert!(size_of::<Option<F>>() == size_of::<*mut ()>());

    /// None.
    pub(crate) const fn none() -> Self {
        let () = Self::FITS;
        Function {
            stored: AtomicPtr::new(ptr::null_mut()),
            is: PhantomData,
        }
    }

    fn of(stored: *mut ()) -> Option<F> {
        // SAFETY: the pointer is null, from `none`, which is how an optional
        // function pointer has none, or the bytes of an `Option<F>` that `swap`
        // stored; sizes are equal by `FITS`.
        unsafe { core::mem::transmute_copy::<*mut (), Option<F>>(&stored) }
    }

    /// Puts a function there, or none; the one before.
    pub(crate) fn swap(&self, new: Option<F>) -> Option<F> {
        // SAFETY: as wide as a pointer by `FITS`, and all of it initialised:
        // function pointers have no padding.
        let new = unsafe { core::mem::transmute_copy::<Option<F>, *mut ()>(&new) };
        Self::of(self.stored.swap(new, Ordering::AcqRel))
    }

    /// The function.
    pub(crate) fn get(&self) -> Option<F> {
        Self::of(self.stored.load(Ordering::Acquire))
    }
}

#[cfg(test)]
mod tests {
    use super::Function;

    #[test]
    fn what_is_put_there_comes_back() {
        fn one() -> u32 {
            1
        }
        fn two() -> u32 {
            2
        }
        static PLACE: Function<fn() -> u32> = Function::none();
        assert!(PLACE.get().is_none());
        assert!(PLACE.swap(Some(one)).is_none());
        assert_eq!(PLACE.get().map(|function| function()), Some(1));
        assert_eq!(PLACE.swap(Some(two)).map(|function| function()), Some(1));
        assert_eq!(PLACE.swap(None).map(|function| function()), Some(2));
        assert!(PLACE.get().is_none());
    }
}
