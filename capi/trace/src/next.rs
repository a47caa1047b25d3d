//! The next function of a name: what would be called if this library were not
//! there.

use core::ffi::{CStr, c_void};
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// A function's next definition, looked up once.
pub(crate) struct Next {
    name: &'static CStr,
    found: AtomicPtr<c_void>,
}

impl Next {
    pub(crate) const fn new(name: &'static CStr) -> Next {
        Next {
            name,
            found: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Its address; null when no object after this one has such a function.
    pub(crate) fn address(&self) -> *mut c_void {
        let known = self.found.load(Ordering::Relaxed);
        if !known.is_null() {
            return known;
        }
        // SAFETY: the name is a C string. The search allocates only to say that
        // it failed.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        self.found.store(found, Ordering::Relaxed);
        found
    }

    /// Its address, where the function must be there: without it the process
    /// could not go on.
    pub(crate) fn must(&self) -> *mut c_void {
        let found = self.address();
        if found.is_null() {
            heap::sys::write_stderr(
                b"ntheap: libntheap.so does not come after libntheap_trace.so\n",
            );
            heap::sys::abort();
        }
        found
    }
}
