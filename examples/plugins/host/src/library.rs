//! Libraries, loaded and unloaded.

use std::ffi::{CStr, CString, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A loaded library.
pub(crate) struct Library {
    handle: *mut c_void,
}

impl Library {
    /// Loads a library; ends the program with the loader's words if it cannot be.
    pub(crate) fn load(path: &Path) -> Library {
        let name = CString::new(path.as_os_str().as_bytes()).expect("a path without zeros");
        // SAFETY: the libraries' code is the example's.
        let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if handle.is_null() {
            // SAFETY: the loader's message, which is there after a failure.
            let message = unsafe { CStr::from_ptr(libc::dlerror()) };
            panic!("{}: {}", path.display(), message.to_string_lossy());
        }
        Library { handle }
    }

    /// The function `name`, of type `F`.
    ///
    /// # Safety
    /// The function has that type and is not called after the library was
    /// unloaded.
    pub(crate) unsafe fn function<F: Copy>(&self, name: &CStr) -> F {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        // SAFETY: the library is loaded.
        let address = unsafe { libc::dlsym(self.handle, name.as_ptr()) };
        assert!(!address.is_null(), "no function {name:?}");
        // SAFETY: the caller's promise.
        unsafe { std::mem::transmute_copy(&address) }
    }

    /// Unloads it. Whether it is gone.
    pub(crate) fn unload(self, path: &Path) -> bool {
        let name = CString::new(path.as_os_str().as_bytes()).expect("a path without zeros");
        // SAFETY: nothing of the library is used any more, as its users say.
        unsafe {
            libc::dlclose(self.handle);
            let again = libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD);
            if again.is_null() {
                return true;
            }
            libc::dlclose(again);
            false
        }
    }
}
