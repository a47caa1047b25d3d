//! The modules: this program, and copies of the package's library, each with a copy
//! of the allocator.

use ntheap_modules::Shared;
use std::env;
use std::ffi::{CStr, CString, c_void};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What a module calls its heaps.
#[allow(dead_code, reason = "each test uses a part of this file")]
pub(crate) const NAMES: [&str; 3] = ["first", "second", "third"];

/// A module's functions.
#[allow(dead_code, reason = "each test uses a part of this file")]
pub(crate) struct Module {
    /// Its file's name.
    pub(crate) name: String,
    pub(crate) allocate: extern "C" fn(usize, usize) -> *mut u8,
    pub(crate) free: unsafe extern "C" fn(usize, *mut u8) -> bool,
    pub(crate) size: extern "C" fn(usize, *mut u8) -> usize,
    pub(crate) shared: extern "C" fn() -> &'static Shared,
}

impl Module {
    /// This program.
    #[allow(dead_code, reason = "each test uses a part of this file")]
    pub(crate) fn own() -> Module {
        let path = env::current_exe().expect("the own path");
        Module {
            name: path
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned(),
            allocate: ntheap_modules::module_allocate,
            free: ntheap_modules::module_free,
            size: ntheap_modules::module_size,
            shared: ntheap_modules::module_shared,
        }
    }

    /// The library, once more, under another name: a module of its own. It stays
    /// loaded.
    pub(crate) fn load(name: &str) -> Module {
        let deps = env::current_exe().expect("the own path");
        let deps = deps.parent().expect("a folder");
        let name = format!("lib{name}{}.so", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
        fs::copy(deps.join("libntheap_modules.so"), &path).expect("the library was built");
        let text = CString::new(path.as_os_str().as_bytes()).expect("a path");
        // SAFETY: the library is this package's.
        let library = unsafe { libc::dlopen(text.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        let _ = fs::remove_file(&path);
        assert!(!library.is_null(), "{} does not load", path.display());
        let find = |name: &CStr| {
            // SAFETY: the library is loaded.
            let found = unsafe { libc::dlsym(library, name.as_ptr()) };
            assert!(!found.is_null());
            found
        };
        // SAFETY: the functions have these types.
        unsafe {
            Module {
                allocate: std::mem::transmute::<*mut c_void, extern "C" fn(usize, usize) -> *mut u8>(
                    find(c"module_allocate"),
                ),
                free: std::mem::transmute::<
                    *mut c_void,
                    unsafe extern "C" fn(usize, *mut u8) -> bool,
                >(find(c"module_free")),
                size: std::mem::transmute::<*mut c_void, extern "C" fn(usize, *mut u8) -> usize>(
                    find(c"module_size"),
                ),
                shared: std::mem::transmute::<*mut c_void, extern "C" fn() -> &'static Shared>(
                    find(c"module_shared"),
                ),
                name,
            }
        }
    }
}
