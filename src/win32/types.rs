//! Windows' types, with Windows' layout: a DWORD has 32 bits, a wide character
//! 16, a pointer 64.

use core::ffi::{c_char, c_void};

mod crt;
mod crtdbg;
mod pages;
mod sections;
mod system;

pub use crt::{_HEAPINFO, _PNH, _invalid_parameter_handler, errno_t, intptr_t, size_t, uintptr_t};
pub use crtdbg::{
    _CRT_ALLOC_HOOK, _CRT_DUMP_CLIENT, _CRT_REPORT_HOOK, _CRT_REPORT_HOOKW, _CrtClientVisitor,
    _CrtMemBlockHeader, _CrtMemState, _HFILE, LPSTR, LPWSTR, PINT, UCHAR, long,
};
pub use pages::*;
pub use sections::*;
pub use system::*;

/// A truth value: 0 is FALSE, anything else TRUE.
pub type BOOL = i32;
/// A truth value of one byte, as the Rtl functions return it.
pub type BOOLEAN = u8;
/// C's own integer.
pub type INT = i32;
/// C's own integer without sign.
pub type UINT = u32;
/// 32 bits without sign.
pub type DWORD = u32;
/// 32 bits without sign.
pub type ULONG = u32;
/// 32 bits with sign.
pub type LONG = i32;
/// A number as wide as a pointer.
pub type ULONG_PTR = usize;
/// A number of bytes.
pub type SIZE_T = usize;
/// A status of the native interface: negative for errors.
pub type NTSTATUS = i32;
/// A handle; a heap's is its address.
pub type HANDLE = *mut c_void;
/// Any address.
pub type PVOID = *mut c_void;
/// Any address.
pub type LPVOID = *mut c_void;
/// Any address, only read.
pub type LPCVOID = *const c_void;
/// Text of 8-bit characters that ends with 0.
pub type LPCSTR = *const c_char;
/// Text of 16-bit characters that ends with 0.
pub type LPCWSTR = *const u16;
/// Where a number of bytes lies.
pub type PSIZE_T = *mut SIZE_T;
/// Where a number lies.
pub type PULONG = *mut ULONG;
/// Where handles lie.
pub type PHANDLE = *mut HANDLE;

/// What [`HeapQueryInformation`](super::HeapQueryInformation) is asked for and
/// [`HeapSetInformation`](super::HeapSetInformation) sets.
pub type HEAP_INFORMATION_CLASS = i32;

/// One entry of a [`HeapWalk`](super::HeapWalk).
#[derive(Clone, Copy)]
#[repr(C)]
pub struct PROCESS_HEAP_ENTRY {
    /// The first byte of the entry's data; null starts a walk.
    pub lpData: PVOID,
    /// Bytes of data.
    pub cbData: DWORD,
    /// Bytes of the heap's own beside the data.
    pub cbOverhead: u8,
    /// The number of the region the entry lies in.
    pub iRegionIndex: u8,
    /// [`PROCESS_HEAP_REGION`](super::PROCESS_HEAP_REGION) and its kin; 0 for
    /// a free block.
    pub wFlags: u16,
    /// More about the entry.
    pub Anonymous: PROCESS_HEAP_ENTRY_0,
}

/// More about an entry of a walk, by its flags.
#[derive(Clone, Copy)]
#[repr(C)]
pub union PROCESS_HEAP_ENTRY_0 {
    /// Of a block.
    pub Block: PROCESS_HEAP_ENTRY_0_0,
    /// Of a region.
    pub Region: PROCESS_HEAP_ENTRY_0_1,
}

/// More about a block.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PROCESS_HEAP_ENTRY_0_0 {
    /// A moveable block's handle.
    pub hMem: HANDLE,
    /// Not used.
    pub dwReserved: [DWORD; 3],
}

/// More about a region.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PROCESS_HEAP_ENTRY_0_1 {
    /// Bytes committed.
    pub dwCommittedSize: DWORD,
    /// Bytes reserved only.
    pub dwUnCommittedSize: DWORD,
    /// Where the first block begins.
    pub lpFirstBlock: LPVOID,
    /// Where the region ends.
    pub lpLastBlock: LPVOID,
}

/// Where an entry of a walk lies.
pub type LPPROCESS_HEAP_ENTRY = *mut PROCESS_HEAP_ENTRY;

/// One entry of a [`RtlWalkHeap`](super::RtlWalkHeap).
#[derive(Clone, Copy)]
#[repr(C)]
pub struct RTL_HEAP_WALK_ENTRY {
    /// The first byte of the entry's data; null starts a walk.
    pub DataAddress: PVOID,
    /// Bytes of data.
    pub DataSize: SIZE_T,
    /// Bytes of the heap's own beside the data.
    pub OverheadBytes: u8,
    /// The number of the region the entry lies in.
    pub SegmentIndex: u8,
    /// The Rtl layer's own flags.
    pub Flags: u16,
    /// More about the entry.
    pub Anonymous: RTL_HEAP_WALK_ENTRY_0,
}

/// More about an entry of an Rtl walk, by its flags.
#[derive(Clone, Copy)]
#[repr(C)]
pub union RTL_HEAP_WALK_ENTRY_0 {
    /// Of a block.
    pub Block: RTL_HEAP_WALK_ENTRY_0_0,
    /// Of a region.
    pub Segment: RTL_HEAP_WALK_ENTRY_0_1,
}

/// More about a block.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RTL_HEAP_WALK_ENTRY_0_0 {
    /// The user value.
    pub Settable: SIZE_T,
    /// The tag.
    pub TagIndex: u16,
    /// The stack that allocated it.
    pub AllocatorBackTraceIndex: u16,
    /// Not used.
    pub Reserved: [ULONG; 2],
}

/// More about a region.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RTL_HEAP_WALK_ENTRY_0_1 {
    /// Bytes committed.
    pub CommittedSize: ULONG,
    /// Bytes reserved only.
    pub UnCommittedSize: ULONG,
    /// Where the first block begins.
    pub FirstEntry: PVOID,
    /// Where the region ends.
    pub LastEntry: PVOID,
}

/// Where an entry of an Rtl walk lies.
pub type PRTL_HEAP_WALK_ENTRY = *mut RTL_HEAP_WALK_ENTRY;

/// What [`HeapSummary`](super::HeapSummary) tells, in bytes.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct HEAP_SUMMARY {
    /// Size of this structure, set by the caller.
    pub cb: DWORD,
    /// Bytes in blocks.
    pub cbAllocated: SIZE_T,
    /// Bytes committed.
    pub cbCommitted: SIZE_T,
    /// Bytes reserved.
    pub cbReserved: SIZE_T,
    /// Most bytes that may be reserved.
    pub cbMaxReserve: SIZE_T,
}

/// Where a summary lies.
pub type LPHEAP_SUMMARY = *mut HEAP_SUMMARY;

/// What `HeapOptimizeResources` takes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct HEAP_OPTIMIZE_RESOURCES_INFORMATION {
    /// [`HEAP_OPTIMIZE_RESOURCES_CURRENT_VERSION`](super::HEAP_OPTIMIZE_RESOURCES_CURRENT_VERSION).
    pub Version: DWORD,
    /// 0.
    pub Flags: DWORD,
}

/// Commits memory of a heap that its creator gave the memory for: from
/// `*CommitAddress` on, `*CommitSize` bytes, both of which it may widen.
pub type PRTL_HEAP_COMMIT_ROUTINE = Option<
    unsafe extern "system" fn(
        Base: PVOID,
        CommitAddress: *mut PVOID,
        CommitSize: PSIZE_T,
    ) -> NTSTATUS,
>;

/// How [`RtlCreateHeap`](super::RtlCreateHeap) makes a heap; a member of 0
/// stands for its default.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct RTL_HEAP_PARAMETERS {
    /// Size of this structure.
    pub Length: ULONG,
    /// Bytes that a new region reserves.
    pub SegmentReserve: SIZE_T,
    /// Bytes that a region commits at a time.
    pub SegmentCommit: SIZE_T,
    /// Bytes of a free block from which on it is decommitted.
    pub DeCommitFreeBlockThreshold: SIZE_T,
    /// Bytes of all free blocks from which on they are decommitted.
    pub DeCommitTotalFreeThreshold: SIZE_T,
    /// Largest block.
    pub MaximumAllocationSize: SIZE_T,
    /// Bytes from which on a block has memory of its own.
    pub VirtualMemoryThreshold: SIZE_T,
    /// Bytes of the caller's memory that are committed already.
    pub InitialCommit: SIZE_T,
    /// Bytes of the caller's memory.
    pub InitialReserve: SIZE_T,
    /// Commits more of the caller's memory.
    pub CommitRoutine: PRTL_HEAP_COMMIT_ROUTINE,
    /// 0.
    pub Reserved: [SIZE_T; 2],
}

/// Where a heap's parameters lie.
pub type PRTL_HEAP_PARAMETERS = *const RTL_HEAP_PARAMETERS;

/// An exception: what happened, and where.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct EXCEPTION_RECORD {
    /// What happened, such as [`STATUS_NO_MEMORY`](super::STATUS_NO_MEMORY).
    pub ExceptionCode: NTSTATUS,
    /// 0, or [`EXCEPTION_NONCONTINUABLE`](super::EXCEPTION_NONCONTINUABLE).
    pub ExceptionFlags: DWORD,
    /// The exception that led to this one, or null.
    pub ExceptionRecord: *mut EXCEPTION_RECORD,
    /// Where it happened: in the code that raised it.
    pub ExceptionAddress: PVOID,
    /// How many of the parameters count.
    pub NumberParameters: DWORD,
    /// What the code's documentation says.
    pub ExceptionInformation: [ULONG_PTR; super::EXCEPTION_MAXIMUM_PARAMETERS],
}

/// What a handler of exceptions is shown.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct EXCEPTION_POINTERS {
    /// The exception.
    pub ExceptionRecord: *mut EXCEPTION_RECORD,
    /// The thread's registers when it was raised.
    pub ContextRecord: *mut CONTEXT,
}

/// A thread's registers, as the 64-bit system lays them out.
///
/// Of what an exception shows, [`ContextFlags`](Self::ContextFlags) says what
/// is filled in: on x86-64 the instruction and stack pointers, the registers
/// that a called function keeps, the flags and MxCsr; elsewhere nothing.
/// Changes that a handler makes to it are not followed.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
pub struct CONTEXT {
    /// Places for parameters, not used.
    pub P1Home: [u64; 6],
    /// Which parts are filled in.
    pub ContextFlags: DWORD,
    /// The vector unit's control.
    pub MxCsr: DWORD,
    /// Segments: Cs, Ds, Es, Fs, Gs, Ss.
    pub Segments: [u16; 6],
    /// The flags.
    pub EFlags: DWORD,
    /// Debug registers 0 to 3, 6 and 7.
    pub Dr: [u64; 6],
    /// rax.
    pub Rax: u64,
    /// rcx.
    pub Rcx: u64,
    /// rdx.
    pub Rdx: u64,
    /// rbx.
    pub Rbx: u64,
    /// rsp.
    pub Rsp: u64,
    /// rbp.
    pub Rbp: u64,
    /// rsi.
    pub Rsi: u64,
    /// rdi.
    pub Rdi: u64,
    /// r8.
    pub R8: u64,
    /// r9.
    pub R9: u64,
    /// r10.
    pub R10: u64,
    /// r11.
    pub R11: u64,
    /// r12.
    pub R12: u64,
    /// r13.
    pub R13: u64,
    /// r14.
    pub R14: u64,
    /// r15.
    pub R15: u64,
    /// The instruction pointer.
    pub Rip: u64,
    /// The floating-point and vector registers, as fxsave writes them.
    pub FltSave: [u8; 512],
    /// More vector registers.
    pub VectorRegister: [[u64; 2]; 26],
    /// Their control.
    pub VectorControl: u64,
    /// Debug control and the last branch's and exception's addresses.
    pub Debug: [u64; 5],
}

/// A handler of exceptions. It returns
/// [`EXCEPTION_CONTINUE_EXECUTION`](super::EXCEPTION_CONTINUE_EXECUTION) or
/// [`EXCEPTION_CONTINUE_SEARCH`](super::EXCEPTION_CONTINUE_SEARCH), or leaves
/// by `longjmp`.
pub type PVECTORED_EXCEPTION_HANDLER =
    Option<unsafe extern "system" fn(ExceptionInfo: *mut EXCEPTION_POINTERS) -> LONG>;

// Windows' 64-bit layout, which its headers fix.
#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<PROCESS_HEAP_ENTRY>() == 40);
    assert!(size_of::<RTL_HEAP_WALK_ENTRY>() == 48);
    assert!(size_of::<HEAP_SUMMARY>() == 40);
    assert!(size_of::<RTL_HEAP_PARAMETERS>() == 96);
    assert!(size_of::<MEMORY_BASIC_INFORMATION>() == 48);
    assert!(size_of::<MEM_EXTENDED_PARAMETER>() == 16);
    assert!(size_of::<MEM_ADDRESS_REQUIREMENTS>() == 24);
    assert!(size_of::<WIN32_MEMORY_RANGE_ENTRY>() == 16);
    assert!(size_of::<MEMORY_REGION_INFORMATION>() == 48);
    assert!(size_of::<EXCEPTION_RECORD>() == 152);
    assert!(size_of::<CONTEXT>() == 1232);
    assert!(core::mem::offset_of!(CONTEXT, ContextFlags) == 0x30);
    assert!(core::mem::offset_of!(CONTEXT, EFlags) == 0x44);
    assert!(core::mem::offset_of!(CONTEXT, Rax) == 0x78);
    assert!(core::mem::offset_of!(CONTEXT, Rsp) == 0x98);
    assert!(core::mem::offset_of!(CONTEXT, Rip) == 0xF8);
    assert!(core::mem::offset_of!(CONTEXT, FltSave) == 0x100);
    assert!(core::mem::offset_of!(CONTEXT, VectorRegister) == 0x300);
};
