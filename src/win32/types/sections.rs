//! Types about handles, files, sections, tokens and physical pages.

use super::{BOOL, DWORD, HANDLE, LONG, LPVOID, PVOID, ULONG, ULONG_PTR};

/// 64 bits with sign.
pub type LARGE_INTEGER = i64;
/// Where it lies.
pub type PLARGE_INTEGER = *mut LARGE_INTEGER;
/// 64 bits without sign.
pub type ULONG64 = u64;
/// Where 64 bits lie.
pub type PULONGLONG = *mut u64;
/// Where a number lies.
pub type PLONG = *mut LONG;
/// A number with sign as wide as a pointer.
pub type INT_PTR = isize;
/// Rights to an object, as bits.
pub type ACCESS_MASK = DWORD;
/// Where it lies.
pub type LPDWORD = *mut DWORD;
/// Who may do what with an object: not looked at, but for its place in calls.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct SECURITY_ATTRIBUTES {
    /// Size of this structure.
    pub nLength: DWORD,
    /// Not looked at.
    pub lpSecurityDescriptor: LPVOID,
    /// Not looked at.
    pub bInheritHandle: BOOL,
}

/// Where it lies.
pub type LPSECURITY_ATTRIBUTES = *mut SECURITY_ATTRIBUTES;

/// Where in a file a call reads or writes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct OVERLAPPED {
    /// The status of the call.
    pub Internal: ULONG_PTR,
    /// Its bytes.
    pub InternalHigh: ULONG_PTR,
    /// The place, its low half.
    pub Offset: DWORD,
    /// The place, its high half.
    pub OffsetHigh: DWORD,
    /// Not looked at.
    pub hEvent: HANDLE,
}

/// Where it lies.
pub type LPOVERLAPPED = *mut OVERLAPPED;

/// A text of 16-bit characters, with its length.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct UNICODE_STRING {
    /// Bytes of the text.
    pub Length: u16,
    /// Bytes of its memory.
    pub MaximumLength: u16,
    /// The text.
    pub Buffer: *mut u16,
}

/// Where it lies.
pub type PUNICODE_STRING = *mut UNICODE_STRING;

/// What an object is called and may be.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct OBJECT_ATTRIBUTES {
    /// Size of this structure.
    pub Length: ULONG,
    /// Null: names are whole.
    pub RootDirectory: HANDLE,
    /// The name, or null.
    pub ObjectName: PUNICODE_STRING,
    /// `OBJ_…`.
    pub Attributes: ULONG,
    /// Not looked at.
    pub SecurityDescriptor: PVOID,
    /// Not looked at.
    pub SecurityQualityOfService: PVOID,
}

/// Where it lies.
pub type POBJECT_ATTRIBUTES = *mut OBJECT_ATTRIBUTES;

/// What [`NtQuerySection`](crate::win32::NtQuerySection) is asked for.
pub type SECTION_INFORMATION_CLASS = i32;
/// Whether new processes have a view.
pub type SECTION_INHERIT = i32;

/// A section's size and attributes.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct SECTION_BASIC_INFORMATION {
    /// Always null.
    pub BaseAddress: PVOID,
    /// `SEC_…`.
    pub AllocationAttributes: ULONG,
    /// Bytes.
    pub MaximumSize: LARGE_INTEGER,
}

/// A number of this machine's own, by which privileges are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct LUID {
    /// The low half.
    pub LowPart: DWORD,
    /// The high half.
    pub HighPart: LONG,
}

/// Where it lies.
pub type PLUID = *mut LUID;

/// A privilege and its state.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct LUID_AND_ATTRIBUTES {
    /// Which privilege.
    pub Luid: LUID,
    /// `SE_PRIVILEGE_…`.
    pub Attributes: DWORD,
}

/// Privileges: as many as the count says lie one behind the other.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TOKEN_PRIVILEGES {
    /// How many there are.
    pub PrivilegeCount: DWORD,
    /// The first of them.
    pub Privileges: [LUID_AND_ATTRIBUTES; 1],
}

/// Where they lie.
pub type PTOKEN_PRIVILEGES = *mut TOKEN_PRIVILEGES;
