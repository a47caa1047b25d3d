//! COM's types, results and identifiers, by Windows' names.

use crate::win32::types::{BOOL, DWORD, INT, LONG, LPVOID, SIZE_T, ULONG};
use core::ffi::c_void;

/// A result: negative for failures.
pub type HRESULT = LONG;
/// A character of Automation: 16 bits.
pub type OLECHAR = u16;
/// A string of Automation: its first character's address.
pub type BSTR = *mut OLECHAR;
/// Text that ends with 0.
pub type LPCOLESTR = *const OLECHAR;

/// An identifier of 128 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct GUID {
    /// The first 32 bits.
    pub Data1: DWORD,
    /// 16 bits.
    pub Data2: u16,
    /// 16 bits.
    pub Data3: u16,
    /// The last 64 bits.
    pub Data4: [u8; 8],
}

/// An interface's identifier.
pub type IID = GUID;
/// Where an interface's identifier lies.
pub type REFIID = *const IID;

const fn ole(first: DWORD) -> IID {
    GUID {
        Data1: first,
        Data2: 0,
        Data3: 0,
        Data4: [0xC0, 0, 0, 0, 0, 0, 0, 0x46],
    }
}

/// IUnknown's.
pub const IID_IUnknown: IID = ole(0);
/// IMalloc's.
pub const IID_IMalloc: IID = ole(2);
/// IMallocSpy's.
pub const IID_IMallocSpy: IID = ole(0x1D);

/// All is well.
pub const S_OK: HRESULT = 0;
/// All is well, and the answer is no.
pub const S_FALSE: HRESULT = 1;
/// An object has no such interface.
pub const E_NOINTERFACE: HRESULT = 0x8000_4002_u32 as HRESULT;
/// An address is null.
pub const E_POINTER: HRESULT = 0x8000_4003_u32 as HRESULT;
/// Blocks are left that a spy was told of.
pub const E_ACCESSDENIED: HRESULT = 0x8007_0005_u32 as HRESULT;
/// There is no memory.
pub const E_OUTOFMEMORY: HRESULT = 0x8007_000E_u32 as HRESULT;
/// An argument is wrong.
pub const E_INVALIDARG: HRESULT = 0x8007_0057_u32 as HRESULT;
/// No spy is registered.
pub const CO_E_OBJNOTREG: HRESULT = 0x8004_01FB_u32 as HRESULT;
/// A spy is registered already.
pub const CO_E_OBJISREG: HRESULT = 0x8004_01FC_u32 as HRESULT;

/// The one context that [`CoGetMalloc`](super::CoGetMalloc) knows.
pub const MEMCTX_TASK: DWORD = 1;

macro_rules! interface {
    (
        $(#[$doc:meta])* $name:ident, $table:ident, $pointer:ident;
        $($(#[$method_doc:meta])* $method:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*
    ) => {
        $(#[$doc])*
        #[derive(Debug)]
        #[repr(C)]
        pub struct $name {
            /// The methods.
            pub lpVtbl: *const $table,
        }

        /// The methods of the interface, in their order.
        #[derive(Clone, Copy, Debug)]
        #[repr(C)]
        pub struct $table {
            /// Another interface of the object.
            pub QueryInterface: unsafe extern "system" fn(
                This: *mut $name,
                riid: REFIID,
                ppvObject: *mut *mut c_void,
            ) -> HRESULT,
            /// One more reference.
            pub AddRef: unsafe extern "system" fn(This: *mut $name) -> ULONG,
            /// One reference less.
            pub Release: unsafe extern "system" fn(This: *mut $name) -> ULONG,
            $(
                $(#[$method_doc])*
                pub $method: unsafe extern "system" fn(
                    This: *mut $name $(, $argument: $type)*
                ) $(-> $result)?,
            )*
        }

        /// Where an object lies.
        pub type $pointer = *mut $name;
    };
}

interface! {
    /// An allocator ("IMalloc interface (objidl.h)").
    IMalloc, IMallocVtbl, LPMALLOC;
    /// A block of `cb` bytes, or null.
    Alloc(cb: SIZE_T) -> LPVOID;
    /// A block with another size; of null a new one; for 0 bytes, freed.
    Realloc(pv: LPVOID, cb: SIZE_T) -> LPVOID;
    /// Frees a block, or null.
    Free(pv: LPVOID);
    /// A block's size; of null, all ones.
    GetSize(pv: LPVOID) -> SIZE_T;
    /// 1 for a block of this allocator's, 0 for another, -1 for null.
    DidAlloc(pv: LPVOID) -> INT;
    /// Gives free memory back.
    HeapMinimize();
}

interface! {
    /// What is told of an allocator's calls ("IMallocSpy interface (objidl.h)").
    IMallocSpy, IMallocSpyVtbl, LPMALLOCSPY;
    /// The bytes to allocate; 0 for a request of others fails it.
    PreAlloc(cbRequest: SIZE_T) -> SIZE_T;
    /// The address that the caller gets.
    PostAlloc(pActual: LPVOID) -> LPVOID;
    /// The address to free.
    PreFree(pRequest: LPVOID, fSpyed: BOOL) -> LPVOID;
    /// After that.
    PostFree(fSpyed: BOOL);
    /// The bytes, and in `ppNewRequest` the address, to resize.
    PreRealloc(
        pRequest: LPVOID, cbRequest: SIZE_T, ppNewRequest: *mut LPVOID, fSpyed: BOOL
    ) -> SIZE_T;
    /// The address that the caller gets.
    PostRealloc(pActual: LPVOID, fSpyed: BOOL) -> LPVOID;
    /// The address to ask about.
    PreGetSize(pRequest: LPVOID, fSpyed: BOOL) -> LPVOID;
    /// The size that the caller gets.
    PostGetSize(cbActual: SIZE_T, fSpyed: BOOL) -> SIZE_T;
    /// The address to ask about.
    PreDidAlloc(pRequest: LPVOID, fSpyed: BOOL) -> LPVOID;
    /// The answer that the caller gets.
    PostDidAlloc(pRequest: LPVOID, fSpyed: BOOL, fActual: INT) -> INT;
    /// Before memory is given back.
    PreHeapMinimize();
    /// After that.
    PostHeapMinimize();
}

// Windows' 64-bit layout.
#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<GUID>() == 16);
    assert!(size_of::<IMallocVtbl>() == 9 * 8);
    assert!(size_of::<IMallocSpyVtbl>() == 15 * 8);
};
