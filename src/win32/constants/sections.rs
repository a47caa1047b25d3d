//! Constants about handles, files, sections, tokens.

use super::super::types::{DWORD, NTSTATUS, SECTION_INFORMATION_CLASS, SECTION_INHERIT};

constants! { DWORD:
    /// The new handle has the first one's rights.
    DUPLICATE_SAME_ACCESS = 0x2;
    /// The first handle is closed.
    DUPLICATE_CLOSE_SOURCE = 0x1;
    /// All that reading takes.
    GENERIC_READ = 0x8000_0000;
    /// All that writing takes.
    GENERIC_WRITE = 0x4000_0000;
    /// All that running code takes.
    GENERIC_EXECUTE = 0x2000_0000;
    /// Everything.
    GENERIC_ALL = 0x1000_0000;
    /// Others may open the file for reading.
    FILE_SHARE_READ = 0x1;
    /// Others may open the file for writing.
    FILE_SHARE_WRITE = 0x2;
    /// Others may delete the file.
    FILE_SHARE_DELETE = 0x4;
    /// A file is made, and must not exist.
    CREATE_NEW = 1;
    /// A file is made, or emptied.
    CREATE_ALWAYS = 2;
    /// A file must exist.
    OPEN_EXISTING = 3;
    /// A file is made if there is none.
    OPEN_ALWAYS = 4;
    /// A file must exist and is emptied.
    TRUNCATE_EXISTING = 5;
    /// Nothing special about a file.
    FILE_ATTRIBUTE_NORMAL = 0x80;
    /// A place counts from a file's start.
    FILE_BEGIN = 0;
    /// A place counts from where the file stands.
    FILE_CURRENT = 1;
    /// A place counts from a file's end.
    FILE_END = 2;
    /// There is no size.
    INVALID_FILE_SIZE = 0xFFFF_FFFF;
    /// There is no place.
    INVALID_SET_FILE_POINTER = 0xFFFF_FFFF;
}

constants! { DWORD:
    /// A section of a file.
    SEC_FILE = 0x80_0000;
    /// A section of a program's parts.
    SEC_IMAGE = 0x100_0000;
    /// A section of a program's parts that is not to run.
    SEC_IMAGE_NO_EXECUTE = 0x1100_0000;
    /// A section whose pages are committed one by one.
    SEC_RESERVE = 0x400_0000;
    /// A section whose pages are committed.
    SEC_COMMIT = 0x800_0000;
    /// A section that is not to be cached: noted, without effect.
    SEC_NOCACHE = 0x1000_0000;
    /// A section whose writes may be combined: noted, without effect.
    SEC_WRITECOMBINE = 0x4000_0000;
    /// A section of large pages, from the pool of the system.
    SEC_LARGE_PAGES = 0x8000_0000;
    /// The right to ask about a section.
    SECTION_QUERY = 0x1;
    /// The right to views that are written to.
    SECTION_MAP_WRITE = 0x2;
    /// The right to views that are read.
    SECTION_MAP_READ = 0x4;
    /// The right to views that are run.
    SECTION_MAP_EXECUTE = 0x8;
    /// The right to a section's size.
    SECTION_EXTEND_SIZE = 0x10;
    /// The right to views that are run, asked for by name.
    SECTION_MAP_EXECUTE_EXPLICIT = 0x20;
    /// All rights of a section but the last.
    SECTION_ALL_ACCESS = 0xF_001F;
    /// A view whose written pages are the process's own.
    FILE_MAP_COPY = 0x1;
    /// A view that is read and written to.
    FILE_MAP_WRITE = 0x2;
    /// A view that is read.
    FILE_MAP_READ = 0x4;
    /// A view whose code is run.
    FILE_MAP_EXECUTE = 0x20;
    /// Everything; of a view, reading and writing.
    FILE_MAP_ALL_ACCESS = 0xF_001F;
    /// A view of large pages, which its section has.
    FILE_MAP_LARGE_PAGES = 0x2000_0000;
    /// A view that no indirect call leads into: noted, without effect.
    FILE_MAP_TARGETS_INVALID = 0x4000_0000;
    /// The pages of a view that ends were used a moment ago: noted, without effect.
    MEM_UNMAP_WITH_TRANSIENT_BOOST = 0x1;
}

constants! { DWORD:
    /// A token's privileges may be asked for.
    TOKEN_QUERY = 0x8;
    /// A token's privileges may be changed.
    TOKEN_ADJUST_PRIVILEGES = 0x20;
    /// The privilege is in force.
    SE_PRIVILEGE_ENABLED = 0x2;
    /// The privilege is in force from the start.
    SE_PRIVILEGE_ENABLED_BY_DEFAULT = 0x1;
    /// The privilege is to be given up for good.
    SE_PRIVILEGE_REMOVED = 0x4;
}

constants! { DWORD:
    /// There is no such file.
    ERROR_FILE_NOT_FOUND = 2;
    /// There is no such folder.
    ERROR_PATH_NOT_FOUND = 3;
    /// Too many files are open.
    ERROR_TOO_MANY_OPEN_FILES = 4;
    /// The medium cannot be written to.
    ERROR_WRITE_PROTECT = 19;
    /// The file is in use.
    ERROR_SHARING_VIOLATION = 32;
    /// The file's end is reached.
    ERROR_HANDLE_EOF = 38;
    /// There is such a file already.
    ERROR_FILE_EXISTS = 80;
    /// There is no room for more.
    ERROR_DISK_FULL = 112;
    /// A name has characters that it cannot have.
    ERROR_INVALID_NAME = 123;
    /// A place before the file's start.
    ERROR_NEGATIVE_SEEK = 131;
    /// There is one of that name already.
    ERROR_ALREADY_EXISTS = 183;
    /// The file is no program that can be mapped as one.
    ERROR_BAD_EXE_FORMAT = 193;
    /// A name is too long.
    ERROR_FILENAME_EXCED_RANGE = 206;
    /// The file cannot be mapped.
    ERROR_FILE_INVALID = 1006;
    /// The device failed.
    ERROR_IO_DEVICE = 1117;
    /// A place or address is no multiple of what it must be.
    ERROR_MAPPED_ALIGNMENT = 1132;
    /// Not all privileges were there.
    ERROR_NOT_ALL_ASSIGNED = 1300;
    /// There is no such privilege.
    ERROR_NO_SUCH_PRIVILEGE = 1313;
    /// A privilege is missing that the call needs.
    ERROR_PRIVILEGE_NOT_HELD = 1314;
}

constants! { NTSTATUS:
    /// There was one of that name already.
    STATUS_OBJECT_NAME_EXISTS = 0x4000_0000;
    /// A handle is of another kind.
    STATUS_OBJECT_TYPE_MISMATCH = 0xC000_0024_u32 as NTSTATUS;
    /// There is no view there.
    STATUS_NOT_MAPPED_VIEW = 0xC000_0019_u32 as NTSTATUS;
    /// A view is larger than its section.
    STATUS_INVALID_VIEW_SIZE = 0xC000_001F_u32 as NTSTATUS;
    /// A handle is none of a file that can be mapped.
    STATUS_INVALID_FILE_FOR_SECTION = 0xC000_0020_u32 as NTSTATUS;
    /// A name has characters that it cannot have.
    STATUS_OBJECT_NAME_INVALID = 0xC000_0033_u32 as NTSTATUS;
    /// There is none of that name.
    STATUS_OBJECT_NAME_NOT_FOUND = 0xC000_0034_u32 as NTSTATUS;
    /// There is one of that name already.
    STATUS_OBJECT_NAME_COLLISION = 0xC000_0035_u32 as NTSTATUS;
    /// A name's folder does not exist.
    STATUS_OBJECT_PATH_NOT_FOUND = 0xC000_003A_u32 as NTSTATUS;
    /// A section is larger than its file, which cannot grow.
    STATUS_SECTION_TOO_BIG = 0xC000_0040_u32 as NTSTATUS;
    /// The section is none of a program.
    STATUS_SECTION_NOT_IMAGE = 0xC000_0049_u32 as NTSTATUS;
    /// A privilege is missing that the call needs.
    STATUS_PRIVILEGE_NOT_HELD = 0xC000_0061_u32 as NTSTATUS;
    /// There is no room for more.
    STATUS_DISK_FULL = 0xC000_007F_u32 as NTSTATUS;
    /// A file that is to be mapped is empty.
    STATUS_MAPPED_FILE_SIZE_ZERO = 0xC000_011E_u32 as NTSTATUS;
    /// Too many files are open.
    STATUS_TOO_MANY_OPENED_FILES = 0xC000_011F_u32 as NTSTATUS;
    /// The file is no program that can be mapped as one.
    STATUS_INVALID_IMAGE_NOT_MZ = 0xC000_012F_u32 as NTSTATUS;
    /// The file is no program that can be mapped as one.
    STATUS_INVALID_IMAGE_FORMAT = 0xC000_007B_u32 as NTSTATUS;
    /// A name is too long.
    STATUS_NAME_TOO_LONG = 0xC000_0106_u32 as NTSTATUS;
    /// A place or address is no multiple of what it must be.
    STATUS_MAPPED_ALIGNMENT = 0xC000_0220_u32 as NTSTATUS;
    /// An argument is wrong.
    STATUS_INVALID_PARAMETER_7 = 0xC000_00F5_u32 as NTSTATUS;
    /// An argument is wrong.
    STATUS_INVALID_PARAMETER_8 = 0xC000_00F6_u32 as NTSTATUS;
    /// An argument is wrong.
    STATUS_INVALID_PARAMETER_9 = 0xC000_00F7_u32 as NTSTATUS;
}

constants! { SECTION_INFORMATION_CLASS:
    /// Size and attributes.
    SectionBasicInformation = 0;
    /// About a program's parts: no section has any.
    SectionImageInformation = 1;
}

constants! { SECTION_INHERIT:
    /// New processes have the view, too.
    ViewShare = 1;
    /// New processes do not.
    ViewUnmap = 2;
}

/// No file: a section of the system's own memory.
pub const INVALID_HANDLE_VALUE: super::super::types::HANDLE =
    core::ptr::without_provenance_mut(usize::MAX);
