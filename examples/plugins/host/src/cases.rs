//! The cases: each is one way of giving a block to the wrong function.

use super::library::Library;
use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::ptr;

/// A case.
pub(crate) struct Case {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What happens in it.
    pub(crate) what: &'static str,
    /// Whether it is no bug where all modules share one runtime.
    pub(crate) is_allowed_in_one_runtime: bool,
    pub(crate) play: fn(&Path),
}

/// All of them.
pub(crate) const CASES: [Case; 9] = [
    Case {
        name: "string",
        what: "a String built in plugin a is dropped in plugin b",
        is_allowed_in_one_runtime: true,
        play: string,
    },
    Case {
        name: "string-host",
        what: "a String built in plugin a is dropped by the host",
        is_allowed_in_one_runtime: true,
        play: string_host,
    },
    Case {
        name: "new",
        what: "an object of one C++ module's new meets another one's delete",
        is_allowed_in_one_runtime: true,
        play: new,
    },
    Case {
        name: "new-rust",
        what: "an object of C++'s new is freed by a plugin in Rust",
        is_allowed_in_one_runtime: true,
        play: new_rust,
    },
    Case {
        name: "malloc-heapfree",
        what: "a block of malloc meets HeapFree(GetProcessHeap())",
        is_allowed_in_one_runtime: false,
        play: malloc_heap_free,
    },
    Case {
        name: "aligned-free",
        what: "a block of _aligned_malloc meets free",
        is_allowed_in_one_runtime: false,
        play: aligned_free,
    },
    Case {
        name: "debug-free",
        what: "a block of the debug runtime meets the release runtime's free",
        is_allowed_in_one_runtime: false,
        play: debug_free,
    },
    Case {
        name: "unload",
        what: "plugin a is unloaded while a String of its lives, which the host drops",
        is_allowed_in_one_runtime: true,
        play: unload,
    },
    Case {
        name: "unload-cpp",
        what: "a C++ plugin is unloaded while an object of its lives, which another one deletes",
        is_allowed_in_one_runtime: true,
        play: unload_cpp,
    },
];

/// A String taken apart.
#[repr(C)]
struct Parts {
    start: *mut u8,
    length: usize,
    capacity: usize,
}

type MakeString = unsafe extern "C" fn(usize, *mut Parts);
type DropString = unsafe extern "C" fn(*mut Parts);
type New = unsafe extern "C" fn() -> *mut c_void;
type Delete = unsafe extern "C" fn(*mut c_void);
type Malloc = unsafe extern "C" fn(usize) -> *mut c_void;
type HeapFree = unsafe extern "C" fn(*mut c_void) -> i32;
type AlignedMalloc = unsafe extern "C" fn(usize, usize) -> *mut c_void;
type Detach = unsafe extern "C" fn() -> usize;

fn rust(folder: &Path, which: char) -> (Library, PathBuf) {
    let path = folder.join(format!("libntheap_plugin_{which}.so"));
    (Library::load(&path), path)
}

fn cpp(folder: &Path, which: char) -> (Library, PathBuf) {
    let path = folder.join(format!("libcpp_{which}.so"));
    (Library::load(&path), path)
}

/// A String that a plugin in Rust built.
fn built(plugin: &Library, length: usize) -> Parts {
    let mut parts = Parts {
        start: ptr::null_mut(),
        length: 0,
        capacity: 0,
    };
    // SAFETY: the plugin's function has this type.
    unsafe { plugin.function::<MakeString>(c"plugin_make_string")(length, &raw mut parts) };
    println!(
        "block {:#x} of {} bytes",
        parts.start.addr(),
        parts.capacity
    );
    parts
}

fn string(folder: &Path) {
    let ((a, _), (b, _)) = (rust(folder, 'a'), rust(folder, 'b'));
    let mut parts = built(&a, 100);
    // SAFETY: the bug to be shown.
    unsafe { b.function::<DropString>(c"plugin_drop_string")(&raw mut parts) };
}

/// Drops a String in the host.
fn drop_here(parts: &Parts) {
    // SAFETY: the bug to be shown.
    drop(unsafe { String::from_raw_parts(parts.start, parts.length, parts.capacity) });
}

fn string_host(folder: &Path) {
    let (a, _) = rust(folder, 'a');
    drop_here(&built(&a, 5000));
}

/// An object that a plugin in C++ made.
fn made(plugin: &Library) -> *mut c_void {
    // SAFETY: the plugin's function has this type.
    let object = unsafe { plugin.function::<New>(c"plugin_new")() };
    println!("block {:#x} of 200 bytes", object.addr());
    object
}

fn new(folder: &Path) {
    let ((a, _), (b, _)) = (cpp(folder, 'a'), cpp(folder, 'b'));
    let object = made(&a);
    // SAFETY: the bug to be shown.
    unsafe { b.function::<Delete>(c"plugin_delete")(object) };
}

fn new_rust(folder: &Path) {
    let ((a, _), (b, _)) = (cpp(folder, 'a'), rust(folder, 'b'));
    let mut parts = Parts {
        start: made(&a).cast(),
        length: 0,
        capacity: 200,
    };
    // SAFETY: the bug to be shown.
    unsafe { b.function::<DropString>(c"plugin_drop_string")(&raw mut parts) };
}

fn malloc_heap_free(folder: &Path) {
    let (a, _) = cpp(folder, 'a');
    // SAFETY: the plugin's functions have these types; the bug to be shown.
    unsafe {
        let block = a.function::<Malloc>(c"plugin_malloc")(300);
        println!("block {:#x} of 300 bytes", block.addr());
        let done = a.function::<HeapFree>(c"plugin_heap_free")(block);
        assert_eq!(done, 1, "HeapFree said FALSE");
    }
}

fn aligned_free(folder: &Path) {
    let (a, _) = cpp(folder, 'a');
    // SAFETY: the plugin's functions have these types; the bug to be shown.
    unsafe {
        let block = a.function::<AlignedMalloc>(c"plugin_aligned_malloc")(400, 64);
        println!("block {:#x} of 400 bytes", block.addr());
        a.function::<Delete>(c"plugin_free")(block);
    }
}

fn debug_free(folder: &Path) {
    let (a, _) = cpp(folder, 'a');
    // SAFETY: the plugin's functions have these types; the bug to be shown.
    unsafe {
        let block = a.function::<Malloc>(c"plugin_debug_malloc")(100);
        println!("block {:#x} of 100 bytes", block.addr());
        a.function::<Delete>(c"plugin_free")(block);
    }
}

/// Unloads a plugin, as a loader does: its runtime ends first.
fn unloaded(plugin: Library, path: &Path) {
    // SAFETY: the plugin is used no more.
    let leaked = unsafe { plugin.function::<Detach>(c"plugin_detach")() };
    println!("{leaked} blocks left");
    println!(
        "{}",
        if plugin.unload(path) {
            "unloaded"
        } else {
            "stays loaded"
        }
    );
}

fn unload(folder: &Path) {
    let (a, path) = rust(folder, 'a');
    let parts = built(&a, 100);
    unloaded(a, &path);
    drop_here(&parts);
}

fn unload_cpp(folder: &Path) {
    let ((a, path), (b, _)) = (cpp(folder, 'a'), cpp(folder, 'b'));
    let object = made(&a);
    unloaded(a, &path);
    // SAFETY: the bug to be shown.
    unsafe { b.function::<Delete>(c"plugin_delete")(object) };
}
