//! Shared by the tests: the Windows names with numbers for addresses, and the
//! kernel's list.

use ntheap::vm::PageAccess;
#[cfg(unix)]
use ntheap::win32::*;
#[cfg(unix)]
use std::fs;
use std::process::Command;

/// Bytes of a page, as the page layer has them.
#[cfg(unix)]
pub(crate) use ntheap::vm::page_size;
/// What can be allowed of pages.
pub(crate) const ACCESSES: [PageAccess; 5] = [
    PageAccess::None,
    PageAccess::Read,
    PageAccess::ReadWrite,
    PageAccess::ReadExecute,
    PageAccess::ReadWriteExecute,
];
#[cfg(unix)]
pub(crate) const UNIT: usize = 0x10000;
#[cfg(unix)]
pub(crate) const BOTH: DWORD = MEM_RESERVE | MEM_COMMIT;

/// `VirtualAlloc`: the address, or the last error.
#[cfg(unix)]
pub(crate) fn allocate(
    address: usize,
    size: usize,
    kind: DWORD,
    protect: DWORD,
) -> Result<usize, DWORD> {
    // SAFETY: the tests change only what they reserved.
    let base = unsafe {
        let address = std::ptr::with_exposed_provenance_mut(address);
        VirtualAlloc(address, size, kind, protect)
    };
    if base.is_null() {
        // SAFETY: nothing to keep.
        Err(unsafe { GetLastError() })
    } else {
        Ok(base.expose_provenance())
    }
}

/// TRUE as `Ok`, FALSE as the last error.
#[cfg(unix)]
pub(crate) fn truth(result: BOOL) -> Result<(), DWORD> {
    if result == TRUE {
        Ok(())
    } else {
        // SAFETY: nothing to keep.
        Err(unsafe { GetLastError() })
    }
}

#[cfg(unix)]
pub(crate) fn free(address: usize, size: usize, kind: DWORD) -> Result<(), DWORD> {
    // SAFETY: the tests free only what they reserved, and use it no more.
    truth(unsafe { VirtualFree(std::ptr::with_exposed_provenance_mut(address), size, kind) })
}

/// The protection that the first page had.
#[cfg(unix)]
pub(crate) fn protect(address: usize, size: usize, protect: DWORD) -> Result<DWORD, DWORD> {
    let mut old = 0;
    let address = std::ptr::with_exposed_provenance_mut(address);
    // SAFETY: the tests protect only what they reserved.
    truth(unsafe { VirtualProtect(address, size, protect, &raw mut old) }).map(|()| old)
}

/// What a query tells.
#[cfg(unix)]
pub(crate) fn query(address: usize) -> MEMORY_BASIC_INFORMATION {
    let mut told = std::mem::MaybeUninit::uninit();
    // SAFETY: the buffer has room for the structure, which is then filled.
    unsafe {
        let address = std::ptr::with_exposed_provenance(address);
        assert_eq!(VirtualQuery(address, told.as_mut_ptr(), 48), 48);
        told.assume_init()
    }
}

/// A byte of memory that the test knows it may use.
#[cfg(unix)]
pub(crate) fn byte(address: usize) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut(address)
}

/// One line of the kernel's list.
#[cfg(unix)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapped {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// `r`, `w` and `x`, or `-`.
    pub(crate) rights: [u8; 3],
}

/// The kernel's list of mappings.
#[cfg(unix)]
pub(crate) fn mappings() -> Vec<Mapped> {
    let list = fs::read_to_string("/proc/self/maps").expect("the list");
    list.lines()
        .map(|line| {
            let (addresses, rest) = line.split_once(' ').expect("rights");
            let (start, end) = addresses.split_once('-').expect("two addresses");
            let number = |text| usize::from_str_radix(text, 16).expect("an address");
            Mapped {
                start: number(start),
                end: number(end),
                rights: rest.as_bytes()[..3].try_into().expect("three rights"),
            }
        })
        .collect()
}

/// Bytes that the kernel says it keeps in memory for this process.
#[cfg(unix)]
pub(crate) fn locked() -> usize {
    let text = fs::read_to_string("/proc/self/status").expect("the figures");
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmLck:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
    number.expect("a number") * 1024
}

/// How many mappings the kernel lets a process have.
#[cfg(unix)]
pub(crate) fn most_mappings() -> usize {
    let text = fs::read_to_string("/proc/sys/vm/max_map_count").expect("the limit");
    text.trim().parse().expect("a number")
}

/// A generator of numbers.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit.max(1)
    }
}

/// Runs one test of this program in a process of its own, `name` with its module;
/// true in that process, whose caller then does what the test is about.
pub(crate) fn alone(name: &str) -> bool {
    const MARK: &str = "PAGES_ALONE";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let program = std::env::current_exe().expect("this program");
    let ended = Command::new(program)
        .args([name, "--exact", "--test-threads=1", "--nocapture"])
        .env(MARK, "1")
        .output()
        .expect("started");
    let output = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success() && output.contains("1 passed"),
        "{name}: {}\n{output}\n{}",
        ended.status,
        String::from_utf8_lossy(&ended.stderr)
    );
    for line in output.lines().filter(|line| line.starts_with("skipped: ")) {
        println!("{name}: {line}");
    }
    false
}

/// What the account has more when a program commits so many bytes: on Windows it is the
/// system's.
pub(crate) fn charged(bytes: usize) -> usize {
    if cfg!(windows) { 0 } else { bytes }
}

/// Whether this is Wine: what it lacks is told by name, and not tested.
pub(crate) fn lacks(what: &str) -> bool {
    let is_wine = is_wine();
    if is_wine {
        println!("Wine has no {what}");
    }
    is_wine
}

#[cfg(unix)]
fn is_wine() -> bool {
    false
}

#[cfg(windows)]
fn is_wine() -> bool {
    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn GetModuleHandleA(name: *const std::ffi::c_char) -> *mut std::ffi::c_void;
        fn GetProcAddress(
            module: *mut std::ffi::c_void,
            name: *const std::ffi::c_char,
        ) -> *mut std::ffi::c_void;
    }
    // SAFETY: the names end with a 0, and the library is in every process.
    unsafe {
        let library = GetModuleHandleA(c"ntdll.dll".as_ptr());
        !GetProcAddress(library, c"wine_get_version".as_ptr()).is_null()
    }
}

/// Bytes of the kernel's own pages, whatever the mock pretends.
pub(crate) fn kernel_page() -> usize {
    #[cfg(unix)]
    // SAFETY: a number of the system is read.
    let own = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    #[cfg(windows)]
    let own = 4096;
    own
}

/// Whether the mock pretends pages that are larger than the kernel's. What the kernel does
/// with pages one by one is not tested then.
pub(crate) fn pretends() -> bool {
    let pretends = ntheap::vm::page_size() > kernel_page();
    if pretends {
        println!("the kernel's own pages are smaller");
    }
    pretends
}
