//! C++'s operators new and delete.
//!
//! ```text
//!   new[] ─> new ──────────> malloc         delete[] ─> delete ─> free
//!             └ no memory ─> the C++ library's new: the handler, bad_alloc
//!   aligned, nothrow ──────> the C++ library's
//! ```
//!
//! They do what the C++ library's do, with fewer instructions on the way, and are here so
//! that blocks are told apart by what they came from: with a global flag on that checks, a
//! new says so after the block was made, and a delete compares before it is freed. A
//! program that has operators of its own calls those, and where it has only some, the
//! others lead to them as C++ says: new[] to new, delete[] to delete.
//!
//! An exception of the C++ library's, or of a handler of the program's, may come through
//! here. It must not meet a function of Rust's: what it passes is a few instructions with
//! a frame that unwinders know.

use crate::judge;
use core::arch::naked_asm;
use core::ffi::{CStr, c_void};
use core::sync::atomic::{AtomicPtr, AtomicU8, Ordering};
use heap::heap::checked::{self, Family};
use heap::heap::debug::stacks;

/// Whether a family is to be noted or compared: 0 for no. Not known before the heap
/// begins: until then it is as with a flag on.
static TELLS: AtomicU8 = AtomicU8::new(1);
/// Its value where allocations fail by chance.
const INJECTS: u8 = 2;

const NEW: u8 = Family::New as u8;
const NEW_ARRAY: u8 = Family::NewArray as u8;
const ALIGNED: u8 = Family::AlignedNew as u8;
const ALIGNED_ARRAY: u8 = Family::AlignedNewArray as u8;

fn family(number: u8) -> Family {
    match number {
        NEW => Family::New,
        NEW_ARRAY => Family::NewArray,
        ALIGNED => Family::AlignedNew,
        ALIGNED_ARRAY => Family::AlignedNewArray,
        _ => Family::Malloc,
    }
}

/// Whether families are told, now that something was allocated.
fn tells() -> bool {
    let tells = checked::tells_families();
    let value = if checked::injects_faults() {
        INJECTS
    } else {
        u8::from(tells)
    };
    TELLS.store(value, Ordering::Relaxed);
    tells
}

/// Notes what an operator new made, and returns it.
pub(crate) extern "C" fn note(block: *mut c_void, number: u8) -> *mut c_void {
    if !block.is_null() && tells() {
        checked::note_family(block.cast(), family(number), judge::knows_all_operators);
    }
    block
}

/// Compares what an operator delete is about to free.
extern "C" fn expect(block: *mut c_void, number: u8) {
    if !block.is_null() && tells() {
        crate::malloc::keep_errno(|| checked::expect_family(block.cast(), family(number)));
    }
}

/// An operator of the C++ library's, looked for once.
#[repr(C)]
struct Next {
    /// Where a call goes: to the search, until it is known whether families are told; then to
    /// the library's operator, or to what tells and calls it.
    leads_to: AtomicPtr<c_void>,
    /// The library's operator, once it was looked for.
    found: AtomicPtr<c_void>,
    name: &'static CStr,
    /// What does in its place where there is none, as in a program that has the C++ library
    /// in itself but was linked with this one before.
    otherwise: AtomicPtr<c_void>,
    /// What tells, and calls what was found.
    telling: AtomicPtr<c_void>,
}

/// Where in a [`Next`] the operator is that was found.
const FOUND: usize = core::mem::offset_of!(Next, found);

/// Libraries that have operators, which a program may have opened for itself alone.
const LIBRARIES: [&CStr; 3] = [c"libstdc++.so.6", c"libc++.so.1", c"libc++abi.so.1"];

/// Looks for the operator that would be called without this library, if that was not done,
/// and says where this call goes.
unsafe extern "C" fn find(next: *const Next) -> *mut c_void {
    // SAFETY: `search` passes a static.
    let next = unsafe { &*next };
    let mut found = next.found.load(Ordering::Relaxed);
    if found.is_null() {
        found = look(next.name);
        if found.is_null() {
            found = next.otherwise.load(Ordering::Relaxed);
            if TELLS.load(Ordering::Relaxed) == 0 {
                // A C++ library may be there the next time.
                return found;
            }
        }
        next.found.store(found, Ordering::Relaxed);
        stacks::leave_out_function(found.addr());
    }
    let telling = next.telling.load(Ordering::Relaxed);
    if TELLS.load(Ordering::Relaxed) == 0 {
        next.leads_to.store(found, Ordering::Relaxed);
        return found;
    }
    if checked::tells_families() {
        next.leads_to.store(telling, Ordering::Relaxed);
    }
    telling
}

fn look(name: &CStr) -> *mut c_void {
    // SAFETY: names. A search allocates only to say that it failed.
    let mut found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    for library in LIBRARIES {
        if !found.is_null() {
            break;
        }
        // SAFETY: as above. Nothing is loaded, and what is there stays.
        unsafe {
            let handle = libc::dlopen(library.as_ptr(), libc::RTLD_LAZY | libc::RTLD_NOLOAD);
            if !handle.is_null() {
                found = libc::dlsym(handle, name.as_ptr());
            }
        }
    }
    found
}

/// `new` where there is no memory and nobody who could throw.
extern "C" fn give_up(_size: usize) -> *mut c_void {
    heap::sys::write_stderr(b"ntheap: there is no memory, and no C++ library to throw\n");
    heap::sys::abort();
}

/// `new` with an alignment without a C++ library.
extern "C" fn aligned_new(size: usize, align: usize) -> *mut c_void {
    let block = crate::malloc::aligned_alloc(align, size);
    if block.is_null() {
        return give_up(size);
    }
    block
}

/// The same without an exception.
extern "C" fn quiet_aligned_new(size: usize, align: usize) -> *mut c_void {
    crate::malloc::aligned_alloc(align, size)
}

/// Defines the way to the C++ library's operator of a symbol, as `$next`; `$telling` tells.
macro_rules! next {
    ($next:ident, $symbol:literal, $otherwise:path, $telling:path) => {
        /// Read at load, beside what else is read then.
        #[cfg_attr(target_os = "linux", unsafe(link_section = ".rodata.load"))]
        static SYMBOL: [u8; $symbol.len() + 1] = {
            let mut symbol = [0; $symbol.len() + 1];
            symbol.split_at_mut($symbol.len()).0.copy_from_slice($symbol.as_bytes());
            symbol
        };

        pub(super) static $next: Next = Next {
            leads_to: AtomicPtr::new(search as *mut c_void),
            found: AtomicPtr::new(core::ptr::null_mut()),
            name: match CStr::from_bytes_with_nul(&SYMBOL) {
                Ok(name) => name,
                Err(_) => c"?",
            },
            otherwise: AtomicPtr::new($otherwise as *mut c_void),
            telling: AtomicPtr::new($telling as *mut c_void),
        };

        /// Finds the operator and goes on there, with the arguments that this was called
        /// with.
        #[unsafe(naked)]
        unsafe extern "C" fn search() {
            naked_asm!(
                ".cfi_startproc",
                "push rdi",
                ".cfi_adjust_cfa_offset 8",
                "push rsi",
                ".cfi_adjust_cfa_offset 8",
                "push rdx",
                ".cfi_adjust_cfa_offset 8",
                "lea rdi, [rip + {next}]",
                "call {find}",
                "pop rdx",
                ".cfi_adjust_cfa_offset -8",
                "pop rsi",
                ".cfi_adjust_cfa_offset -8",
                "pop rdi",
                ".cfi_adjust_cfa_offset -8",
                "jmp rax",
                ".cfi_endproc",
                next = sym $next,
                find = sym find,
            )
        }
    };
}

/// Defines an operator of this symbol that goes where `$next` leads to.
macro_rules! operator {
    ($symbol:literal, $next:ident) => {
        #[unsafe(naked)]
        #[unsafe(export_name = $symbol)]
        unsafe extern "C" fn operator() {
            naked_asm!("jmp qword ptr [rip + {next}]", next = sym $next)
        }
    };
}

/// Defines operators new that are the C++ library's.
macro_rules! new {
    ($($module:ident: $symbol:literal $family:ident, $otherwise:path;)*) => {$(
        mod $module {
            use super::*;

            next!(NEXT, $symbol, $otherwise, telling);
            operator!($symbol, NEXT);

            /// Calls it and notes what it gave.
            #[unsafe(naked)]
            unsafe extern "C" fn telling() {
                naked_asm!(
                    ".cfi_startproc",
                    "sub rsp, 8",
                    ".cfi_adjust_cfa_offset 8",
                    "call qword ptr [rip + {next} + {found}]",
                    "mov rdi, rax",
                    "mov esi, {family}",
                    "call {note}",
                    "add rsp, 8",
                    ".cfi_adjust_cfa_offset -8",
                    "ret",
                    ".cfi_endproc",
                    next = sym NEXT,
                    found = const FOUND,
                    note = sym note,
                    family = const $family,
                )
            }
        }
    )*};
}

/// Defines an operator delete that goes on at the function `$target`.
macro_rules! delete {
    ($symbol:literal $family:ident, $target:literal) => {
        #[unsafe(naked)]
        #[unsafe(export_name = $symbol)]
        unsafe extern "C" fn operator() {
            naked_asm!(
                ".cfi_startproc",
                "cmp byte ptr [rip + {tells}], 0",
                "jne 2f",
                concat!("jmp qword ptr [rip + ", $target, "@GOTPCREL]"),
                "2:",
                "push rdi",
                ".cfi_adjust_cfa_offset 8",
                "mov esi, {family}",
                "call {expect}",
                "pop rdi",
                ".cfi_adjust_cfa_offset -8",
                concat!("jmp qword ptr [rip + ", $target, "@GOTPCREL]"),
                ".cfi_endproc",
                tells = sym TELLS,
                expect = sym expect,
                family = const $family,
            )
        }
    };
}

/// Defines operators delete that are the C++ library's.
macro_rules! library_delete {
    ($($module:ident: $symbol:literal $family:ident;)*) => {$(
        mod $module {
            use super::*;

            next!(NEXT, $symbol, crate::malloc::free, telling);
            operator!($symbol, NEXT);

            /// Compares, and goes on there.
            #[unsafe(naked)]
            unsafe extern "C" fn telling() {
                naked_asm!(
                    ".cfi_startproc",
                    "push rdi",
                    ".cfi_adjust_cfa_offset 8",
                    "push rsi",
                    ".cfi_adjust_cfa_offset 8",
                    "push rdx",
                    ".cfi_adjust_cfa_offset 8",
                    "mov esi, {family}",
                    "call {expect}",
                    "pop rdx",
                    ".cfi_adjust_cfa_offset -8",
                    "pop rsi",
                    ".cfi_adjust_cfa_offset -8",
                    "pop rdi",
                    ".cfi_adjust_cfa_offset -8",
                    "jmp qword ptr [rip + {next} + {found}]",
                    ".cfi_endproc",
                    next = sym NEXT,
                    found = const FOUND,
                    expect = sym expect,
                    family = const $family,
                )
            }
        }
    )*};
}

mod plain_new {
    use super::*;

    next!(NEXT, "_Znwm", give_up, telling);

    /// `operator new(std::size_t)`.
    #[unsafe(naked)]
    #[unsafe(export_name = "_Znwm")]
    unsafe extern "C" fn operator() {
        naked_asm!(
            ".cfi_startproc",
            "push rdi",
            ".cfi_adjust_cfa_offset 8",
            "cmp byte ptr [rip + {tells}], 0",
            "jne 5f",
            // A size of 0 is served as 1, as the C++ library does.
            "cmp rdi, 1",
            "adc rdi, 0",
            "call qword ptr [rip + malloc@GOTPCREL]",
            "test rax, rax",
            "je 3f",
            "2:",
            ".cfi_remember_state",
            "pop rdi",
            ".cfi_adjust_cfa_offset -8",
            "ret",
            ".cfi_restore_state",
            // Asks the handler, and throws. What it makes in the end is noted here.
            "3:",
            "mov rdi, qword ptr [rsp]",
            "call qword ptr [rip + {next}]",
            "4:",
            "mov rdi, rax",
            "mov esi, {family}",
            "call {note}",
            "jmp 2b",
            // Where allocations fail by chance the C++ library asks, and only it: of what
            // is asked for twice next to nothing would fail.
            "5:",
            "cmp byte ptr [rip + {tells}], {injects}",
            "je 3b",
            "cmp rdi, 1",
            "adc rdi, 0",
            "call qword ptr [rip + malloc@GOTPCREL]",
            "test rax, rax",
            "jne 4b",
            "jmp 3b",
            ".cfi_endproc",
            next = sym NEXT,
            tells = sym TELLS,
            injects = const INJECTS,
            note = sym note,
            family = const NEW,
        )
    }

    /// The library's, as it is.
    #[unsafe(naked)]
    unsafe extern "C" fn telling() {
        naked_asm!(
            "jmp qword ptr [rip + {next} + {found}]",
            next = sym NEXT,
            found = const FOUND,
        )
    }
}

const _: () = {
    /// `operator new[](std::size_t)`.
    #[unsafe(naked)]
    #[unsafe(export_name = "_Znam")]
    unsafe extern "C" fn operator() {
        naked_asm!(
            ".cfi_startproc",
            "cmp byte ptr [rip + {tells}], 0",
            "jne 2f",
            "jmp qword ptr [rip + _Znwm@GOTPCREL]",
            "2:",
            "sub rsp, 8",
            ".cfi_adjust_cfa_offset 8",
            "call qword ptr [rip + _Znwm@GOTPCREL]",
            "mov rdi, rax",
            "mov esi, {family}",
            "call {note}",
            "add rsp, 8",
            ".cfi_adjust_cfa_offset -8",
            "ret",
            ".cfi_endproc",
            tells = sym TELLS,
            note = sym note,
            family = const NEW_ARRAY,
        )
    }
};

const _: () = {
    delete!("_ZdlPv" NEW, "free");
};

const _: () = {
    delete!("_ZdaPv" NEW_ARRAY, "_ZdlPv");
};

new! {
    quiet_new: "_ZnwmRKSt9nothrow_t" NEW, crate::malloc::malloc;
    quiet_new_array: "_ZnamRKSt9nothrow_t" NEW_ARRAY, crate::malloc::malloc;
    aligned: "_ZnwmSt11align_val_t" ALIGNED, aligned_new;
    aligned_array: "_ZnamSt11align_val_t" ALIGNED_ARRAY, aligned_new;
    quiet_aligned: "_ZnwmSt11align_val_tRKSt9nothrow_t" ALIGNED, quiet_aligned_new;
    quiet_aligned_array: "_ZnamSt11align_val_tRKSt9nothrow_t" ALIGNED_ARRAY, quiet_aligned_new;
}

library_delete! {
    quiet_delete: "_ZdlPvRKSt9nothrow_t" NEW;
    quiet_delete_array: "_ZdaPvRKSt9nothrow_t" NEW_ARRAY;
    aligned_delete: "_ZdlPvSt11align_val_t" ALIGNED;
    aligned_delete_array: "_ZdaPvSt11align_val_t" ALIGNED_ARRAY;
    quiet_aligned_delete: "_ZdlPvSt11align_val_tRKSt9nothrow_t" ALIGNED;
    quiet_aligned_delete_array: "_ZdaPvSt11align_val_tRKSt9nothrow_t" ALIGNED_ARRAY;
}

/// All that are looked for.
static NEXTS: [&Next; 13] = [
    &plain_new::NEXT,
    &quiet_new::NEXT,
    &quiet_new_array::NEXT,
    &aligned::NEXT,
    &aligned_array::NEXT,
    &quiet_aligned::NEXT,
    &quiet_aligned_array::NEXT,
    &quiet_delete::NEXT,
    &quiet_delete_array::NEXT,
    &aligned_delete::NEXT,
    &aligned_delete_array::NEXT,
    &quiet_aligned_delete::NEXT,
    &quiet_aligned_delete_array::NEXT,
];

/// Looks for the operators while the program is loaded: later a search would wait for
/// whoever opens a library, who may wait for the thread that searches.
pub(crate) fn look_early() {
    if !judge::has_a_library() {
        return;
    }
    for next in NEXTS {
        // SAFETY: a name.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, next.name.as_ptr()) };
        next.found.store(found, Ordering::Relaxed);
        if !found.is_null() {
            stacks::leave_out_function(found.addr());
        }
    }
}

/// The symbols of all operators of the C++ library, those of sized.rs included.
pub(crate) const SYMBOLS: [&CStr; 20] = [
    c"_Znwm",
    c"_Znam",
    c"_ZdlPv",
    c"_ZdaPv",
    c"_ZdlPvm",
    c"_ZdaPvm",
    c"_ZnwmRKSt9nothrow_t",
    c"_ZnamRKSt9nothrow_t",
    c"_ZdlPvRKSt9nothrow_t",
    c"_ZdaPvRKSt9nothrow_t",
    c"_ZnwmSt11align_val_t",
    c"_ZnamSt11align_val_t",
    c"_ZdlPvSt11align_val_t",
    c"_ZdaPvSt11align_val_t",
    c"_ZdlPvmSt11align_val_t",
    c"_ZdaPvmSt11align_val_t",
    c"_ZnwmSt11align_val_tRKSt9nothrow_t",
    c"_ZnamSt11align_val_tRKSt9nothrow_t",
    c"_ZdlPvSt11align_val_tRKSt9nothrow_t",
    c"_ZdaPvSt11align_val_tRKSt9nothrow_t",
];

const _: () = assert!(core::mem::offset_of!(Next, leads_to) == 0);
