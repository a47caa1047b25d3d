//! Windows: functions that not every version has, looked up by their names, so that a
//! program that does not use them starts on any.
//!
//! They are in `kernelbase.dll`, one in `ntdll.dll`: libraries that every process has and
//! that are never unloaded.

use core::ffi::{CStr, c_void};
use core::sync::atomic::{AtomicUsize, Ordering};
use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::Win32::System::Memory::MEM_EXTENDED_PARAMETER;
use windows_sys::core::w;

/// Where a function is that is looked up once: 0 not asked yet, 1 nowhere.
struct Newer {
    name: &'static CStr,
    /// Whether it is in `ntdll.dll`.
    is_native: bool,
    address: AtomicUsize,
}

const NOWHERE: usize = 1;

impl Newer {
    const fn new(name: &'static CStr) -> Newer {
        Newer {
            name,
            is_native: false,
            address: AtomicUsize::new(0),
        }
    }

    fn find(&self) -> Option<usize> {
        let mut known = self.address.load(Ordering::Relaxed);
        if known == 0 {
            let library = if self.is_native {
                w!("ntdll.dll")
            } else {
                w!("kernelbase.dll")
            };
            // SAFETY: both names end with 0; the library is never unloaded, and the export
            // is only looked up.
            let found =
                unsafe { GetProcAddress(GetModuleHandleW(library), self.name.as_ptr().cast()) };
            known = found.map_or(NOWHERE, |found| found as usize);
            self.address.store(known, Ordering::Relaxed);
        }
        (known != NOWHERE).then_some(known)
    }
}

macro_rules! newer {
    ($($(#[$doc:meta])* $function:ident = $name:literal, $native:literal, $type:ty;)*) => {
        $(
            $(#[$doc])*
            pub(super) fn $function() -> Option<$type> {
                static FUNCTION: Newer = Newer {
                    is_native: $native,
                    ..Newer::new($name)
                };
                let address = FUNCTION.find()?;
                // SAFETY: the export of this name is a function of this type, by its page.
                Some(unsafe { core::mem::transmute::<usize, $type>(address) })
            }
        )*
    };
}

/// "VirtualAlloc2 function (memoryapi.h)".
pub(super) type VirtualAlloc2 = unsafe extern "system" fn(
    HANDLE,
    *const c_void,
    usize,
    u32,
    u32,
    *mut MEM_EXTENDED_PARAMETER,
    u32,
) -> *mut c_void;
/// "MapViewOfFile3 function (memoryapi.h)".
pub(super) type MapViewOfFile3 = unsafe extern "system" fn(
    HANDLE,
    HANDLE,
    *const c_void,
    u64,
    usize,
    u32,
    u32,
    *mut MEM_EXTENDED_PARAMETER,
    u32,
) -> *mut c_void;
/// "UnmapViewOfFileEx function (memoryapi.h)".
pub(super) type UnmapViewOfFileEx = unsafe extern "system" fn(*const c_void, u32) -> i32;
/// "OfferVirtualMemory function (memoryapi.h)".
pub(super) type OfferVirtualMemory = unsafe extern "system" fn(*mut c_void, usize, i32) -> u32;
/// "ReclaimVirtualMemory function (memoryapi.h)".
pub(super) type ReclaimVirtualMemory = unsafe extern "system" fn(*const c_void, usize) -> u32;
/// "PrefetchVirtualMemory function (memoryapi.h)".
pub(super) type PrefetchVirtualMemory =
    unsafe extern "system" fn(HANDLE, usize, *const c_void, u32) -> i32;
/// "ZwQuerySection function": of the section, what it is asked for, and its bytes.
pub(super) type NtQuerySection =
    unsafe extern "system" fn(HANDLE, u32, *mut c_void, usize, *mut usize) -> i32;

newer! {
    /// Windows 10 1803.
    virtual_alloc2 = c"VirtualAlloc2", false, VirtualAlloc2;
    /// Windows 10 1803.
    map_view_of_file3 = c"MapViewOfFile3", false, MapViewOfFile3;
    /// Windows 8; with placeholders since Windows 10 1803.
    unmap_view_of_file_ex = c"UnmapViewOfFileEx", false, UnmapViewOfFileEx;
    /// Windows 8.1.
    offer_virtual_memory = c"OfferVirtualMemory", false, OfferVirtualMemory;
    /// Windows 8.1.
    reclaim_virtual_memory = c"ReclaimVirtualMemory", false, ReclaimVirtualMemory;
    /// Windows 8.
    prefetch_virtual_memory = c"PrefetchVirtualMemory", false, PrefetchVirtualMemory;
    /// Every version.
    query_section = c"NtQuerySection", true, NtQuerySection;
}
