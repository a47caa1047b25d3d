//! C++'s `operator new` as the C runtime has it: malloc, and while that fails the
//! handler of `_set_new_handler`, or, where there is none, C++'s own.
//!
//! The C++ library's other forms (arrays, `nothrow`) call this one; those with
//! an alignment know C++'s own handler alone, and every `operator delete` is
//! `free`. Where malloc would ask the handler itself, in new mode 1, it does not.
//!
//! What is thrown in the end is the C++ library's: it is asked to do so from the
//! caller's frame, and a handler that throws itself has nothing of Rust's to pass
//! through.

use core::ffi::{CStr, c_void};
use heap::win32::{_PNH, PVOID, size_t};

unsafe extern "C" {
    fn malloc(size: size_t) -> PVOID;
    fn dlsym(handle: PVOID, name: *const core::ffi::c_char) -> PVOID;
    safe fn abort() -> !;
}

/// Call the function with the size: 0 gives up.
const SIZED: usize = 1;
/// Call the function, which has no arguments.
const PLAIN: usize = 2;
/// Leave to the function, which throws.
const THROW: usize = 0;

/// What to do where there is no memory.
#[repr(C)]
struct Next {
    function: *const c_void,
    how: usize,
}

fn find(name: &CStr) -> *const c_void {
    // SAFETY: a null handle means all objects, in the order of their loading.
    unsafe { dlsym(core::ptr::null_mut(), name.as_ptr()) }
}

/// What throws std::bad_alloc.
extern "C" fn thrower() -> Next {
    let function = find(c"_ZSt17__throw_bad_allocv");
    if function.is_null() {
        abort();
    }
    Next {
        function,
        how: THROW,
    }
}

/// The handler to call: the runtime's, or C++'s.
extern "C" fn next() -> Next {
    // SAFETY: no arguments.
    let handler: _PNH = unsafe { super::target::_query_new_handler() };
    if let Some(handler) = handler {
        return Next {
            function: handler as *const c_void,
            how: SIZED,
        };
    }
    let get = find(c"_ZSt15get_new_handlerv");
    if !get.is_null() {
        // SAFETY: std::get_new_handler of the C++ library, which has no
        // arguments and returns a function or null.
        let function = unsafe {
            core::mem::transmute::<*const c_void, extern "C" fn() -> *const c_void>(get)()
        };
        if !function.is_null() {
            return Next {
                function,
                how: PLAIN,
            };
        }
    }
    thrower()
}

/// `operator new(std::size_t)`.
///
/// # Safety
/// None to keep; the handlers are the program's.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[unsafe(naked)]
#[unsafe(export_name = "_Znwm")]
pub unsafe extern "C" fn operator_new(size: size_t) -> PVOID {
    core::arch::naked_asm!(
        ".cfi_startproc",
        "push rbx",
        ".cfi_adjust_cfa_offset 8",
        ".cfi_rel_offset rbx, 0",
        // C++ gives a size of 0 a block of its own, as malloc does.
        "mov rbx, rdi",
        "2:",
        "mov rdi, rbx",
        "call {malloc}",
        "test rax, rax",
        "jne 5f",
        "call {next}",
        "cmp rdx, {SIZED}",
        "jb 4f",
        "ja 3f",
        "mov rdi, rbx",
        "call rax",
        "test eax, eax",
        "jne 2b",
        "call {thrower}",
        "jmp 4f",
        "3:",
        "call rax",
        "jmp 2b",
        "4:",
        ".cfi_remember_state",
        "pop rbx",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore rbx",
        "jmp rax",
        "5:",
        ".cfi_restore_state",
        "pop rbx",
        ".cfi_adjust_cfa_offset -8",
        ".cfi_restore rbx",
        "ret",
        ".cfi_endproc",
        malloc = sym malloc_once,
        next = sym next,
        thrower = sym thrower,
        SIZED = const SIZED,
    )
}

/// malloc, by the process's own name for it, which does not ask the handler.
extern "C" fn malloc_once(size: size_t) -> PVOID {
    // SAFETY: C's function, which any size may be passed to.
    unsafe { super::target::ntheap_crt_new_by(malloc, size) }
}

const _: () = assert!(THROW < SIZED && SIZED < PLAIN);
