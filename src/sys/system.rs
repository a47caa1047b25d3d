//! What the system tells of itself: memory, processors, and how much of them this
//! process and all others use. Read where the system's tools read it, through
//! buffers on the stack.

#[cfg(any(target_os = "linux", target_os = "android"))]
use super::text::number;

/// What the system has of memory and how it is used, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Memory that the system manages.
    pub total: u64,
    /// What could be given to programs without swapping.
    pub available: u64,
    /// What nobody uses at all.
    pub free: u64,
    /// What is kept of files.
    pub cached: u64,
    /// Room for memory that is written out.
    pub swap_total: u64,
    /// What is free of that.
    pub swap_free: u64,
    /// What all programs were promised, as the system counts it.
    pub committed: u64,
    /// The kernel's own.
    pub kernel: u64,
    /// What of that can be taken back.
    pub kernel_reclaimable: u64,
    /// The size of a large page; 0 if there are none.
    pub large_page: u64,
}

/// What this process uses, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Own {
    /// Address space that is mapped.
    pub mapped: u64,
    /// Memory that it has at this moment.
    pub resident: u64,
    /// The most that it had.
    pub peak_resident: u64,
    /// Mapped memory that is its own and can be written to.
    pub private: u64,
    /// Times that memory was missing when it was touched.
    pub faults: u64,
}

/// What runs on the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct Running {
    /// Processes.
    pub processes: u32,
    /// Threads.
    pub threads: u32,
}

/// How many processors there are for programs.
pub fn processors() -> u32 {
    // SAFETY: sysconf reads a number of the system.
    let count = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
    u32::try_from(count).map_or(1, |count| count.max(1))
}

/// The most memory in bytes that this process may lock.
pub fn lock_limit() -> usize {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: getrlimit writes one rlimit.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, &raw mut limit) } == 0;
    // SAFETY: no arguments, no memory.
    let is_root = unsafe { libc::geteuid() } == 0;
    match known {
        _ if is_root => usize::MAX,
        true => usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX),
        false => 0,
    }
}

/// Memory and its use; `None` where the system does not tell.
pub fn memory() -> Option<Memory> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        linux::memory()
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        None
    }
}

/// What this process uses; `None` where the system does not tell.
pub fn own() -> Option<Own> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        linux::own()
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        None
    }
}

/// What runs; `None` where the system does not tell.
pub fn running() -> Option<Running> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        linux::running()
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        None
    }
}

/// Bytes of memory that the machine has, used by the system or not; `None` where
/// that is not told.
pub fn installed() -> Option<u64> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        linux::installed()
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        None
    }
}

/// Whether a debugger, or whoever else traces it, is attached to this process; false
/// where the system does not tell.
pub fn is_debugged() -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        linux::is_debugged()
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        false
    }
}

/// The words of a line, by blanks.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| byte.is_ascii_whitespace())
        .filter(|word| !word.is_empty())
}

/// A line such as `MemTotal:  24683656 kB`, in bytes.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn figure(line: &[u8]) -> Option<(&[u8], u64)> {
    let mut words = words(line);
    let name = words.next()?.strip_suffix(b":")?;
    let count = number(words.next()?)?;
    Some((name, count.saturating_mul(1024)))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn memory_of(text: &[u8]) -> Memory {
    let mut memory = Memory::default();
    for (name, bytes) in text.split(|&byte| byte == b'\n').filter_map(figure) {
        match name {
            b"MemTotal" => memory.total = bytes,
            b"MemAvailable" => memory.available = bytes,
            b"MemFree" => memory.free = bytes,
            b"Buffers" | b"Cached" | b"SwapCached" => memory.cached += bytes,
            b"SwapTotal" => memory.swap_total = bytes,
            b"SwapFree" => memory.swap_free = bytes,
            b"Committed_AS" => memory.committed = bytes,
            b"Slab" | b"KernelStack" | b"PageTables" => memory.kernel += bytes,
            b"SReclaimable" => memory.kernel_reclaimable = bytes,
            b"Hugepagesize" => memory.large_page = bytes,
            _ => {}
        }
    }
    memory
}

/// Whether a process's status names another one that traces it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_traced(status: &[u8]) -> bool {
    let tracer = status
        .split(|&byte| byte == b'\n')
        .find_map(|line| line.strip_prefix(b"TracerPid:"));
    tracer.and_then(|line| number(words(line).next()?)) > Some(0)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use super::super::admit;
    use super::super::counters::Call;
    use super::super::files::{self, Descriptor, Disposition};
    use super::{Memory, Own, Running, is_traced, memory_of, number, words};
    use core::ffi::CStr;

    /// The start of a file, as much as there is room for.
    fn read<'a>(path: &CStr, room: &'a mut [u8]) -> Option<&'a [u8]> {
        let (file, _) = files::open(path, true, false, Disposition::Existing).ok()?;
        let mut length = 0;
        while let Some(rest) = room.get_mut(length..)
            && !rest.is_empty()
        {
            // SAFETY: the system writes at most the rest's length into it.
            let got = unsafe { files::read(file, rest.as_mut_ptr(), rest.len(), None) };
            match got {
                Ok(0) | Err(_) => break,
                Ok(got) => length += got,
            }
        }
        files::close(file);
        room.get(..length)
    }

    pub(super) fn memory() -> Option<Memory> {
        let mut room = [0; 4096];
        let memory = memory_of(read(c"/proc/meminfo", &mut room)?);
        (memory.total != 0).then_some(memory)
    }

    pub(super) fn own() -> Option<Own> {
        let mut room = [0; 256];
        let mut pages = words(read(c"/proc/self/statm", &mut room)?).map(number);
        let page = super::super::page_size() as u64;
        let mut next = || Some(pages.next()?? * page);
        let (mapped, resident) = (next()?, next()?);
        // Between them come shared pages, code, and one that is always 0.
        let private = next()
            .and_then(|_| next())
            .and_then(|_| next())
            .and_then(|_| next())?;
        // SAFETY: all zero is a value of the structure.
        let mut usage: libc::rusage = unsafe { core::mem::zeroed() };
        // SAFETY: the call writes one structure.
        unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
        let count = |count: libc::c_long| u64::try_from(count).unwrap_or(0);
        Some(Own {
            mapped,
            resident,
            peak_resident: (count(usage.ru_maxrss) * 1024).max(resident),
            private,
            faults: count(usage.ru_minflt) + count(usage.ru_majflt),
        })
    }

    pub(super) fn running() -> Option<Running> {
        let mut room = [0; 128];
        // `0.00 0.01 0.05 1/123 4711`: of 123 threads one runs.
        let load = words(read(c"/proc/loadavg", &mut room)?).nth(3)?;
        let threads = load.split(|&byte| byte == b'/').nth(1).and_then(number)?;
        let is_process = |name: &[u8]| number(name).is_some();
        Some(Running {
            processes: count(c"/proc", is_process)?,
            threads: u32::try_from(threads).ok()?,
        })
    }

    pub(super) fn is_debugged() -> bool {
        // The line is among the first.
        let mut room = [0; 1024];
        read(c"/proc/self/status", &mut room).is_some_and(is_traced)
    }

    pub(super) fn installed() -> Option<u64> {
        let mut room = [0; 64];
        let digits = read(c"/sys/devices/system/memory/block_size_bytes", &mut room)?;
        let mut size = 0u64;
        for &digit in words(digits).next()? {
            size = size.checked_mul(16)? + u64::from(char::from(digit).to_digit(16)?);
        }
        let is_block = |name: &[u8]| name.strip_prefix(b"memory").and_then(number).is_some();
        let blocks = count(c"/sys/devices/system/memory", is_block)?;
        size.checked_mul(u64::from(blocks))
    }

    /// Reads entries of a folder; how many bytes they are, 0 at its end. `None` when the
    /// system refuses.
    fn entries(file: Descriptor, room: &mut [u8]) -> Option<usize> {
        if !admit(Call::File) {
            return None;
        }
        // SAFETY: the system writes at most the buffer's length into it.
        let got =
            unsafe { libc::syscall(libc::SYS_getdents64, file, room.as_mut_ptr(), room.len()) };
        usize::try_from(got).ok()
    }

    /// How many entries of a folder have names that are meant.
    fn count(folder: &CStr, mut is_meant: impl FnMut(&[u8]) -> bool) -> Option<u32> {
        // Where in an entry its length and its name are.
        const LENGTH: usize = 16;
        const NAME: usize = 19;
        let (file, _) = files::open(folder, true, false, Disposition::Existing).ok()?;
        let mut room = [0u8; 4096];
        let mut count = 0;
        loop {
            let Some(got) = entries(file, &mut room) else {
                files::close(file);
                return None;
            };
            let Some(mut rest) = room.get(..got).filter(|rest| !rest.is_empty()) else {
                break;
            };
            while let Some(&[low, high]) = rest.get(LENGTH..LENGTH + 2) {
                let length = usize::from(u16::from_ne_bytes([low, high]));
                let name = rest.get(NAME..length).unwrap_or_default();
                let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
                count += u32::from(is_meant(name));
                rest = rest.get(length.max(1)..).unwrap_or_default();
            }
        }
        files::close(file);
        Some(count)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn lines_of_memory_are_read() {
        let text = b"MemTotal:       24683656 kB\nMemFree:  13 kB\nBuffers: 1 kB\nCached: 2 kB\n\
            Hugepagesize:       2048 kB\nHugePages_Total:       0\nnonsense\n";
        let memory = memory_of(text);
        assert_eq!(memory.total, 24683656 * 1024);
        assert_eq!((memory.free, memory.cached), (13 * 1024, 3 * 1024));
        assert_eq!(memory.large_page, 2 << 20);
    }

    #[test]
    fn a_status_names_who_traces() {
        assert!(is_traced(
            b"Name:\tTracerPid:\nPPid:\t1\nTracerPid:\t4711\nUid:\t0\n"
        ));
        assert!(!is_traced(b"Name:\tx\nTracerPid:\t0\nUid:\t4711\n"));
        assert!(!is_traced(b"Name:\tx\nTracerPid:\n") && !is_traced(b""));
    }

    #[test]
    fn the_system_tells_about_itself() {
        let memory = memory().expect("it does");
        assert!(memory.total > memory.available && memory.available >= memory.free / 2);
        assert!(memory.committed > 0 && memory.kernel > 0);
        let before = own().expect("it does");
        assert!(before.mapped > before.resident && before.resident > 0);
        assert!(before.peak_resident >= before.resident && before.faults > 0);
        // Much more than other tests may give back meanwhile.
        let more = std::vec![1u8; 256 << 20];
        let after = own().expect("it does");
        assert!(
            after.resident >= before.resident + (160 << 20),
            "{before:?} {after:?}"
        );
        assert!(after.private >= before.private + (160 << 20));
        drop(more);
        let running = running().expect("it does");
        assert!(running.processes >= 1 && running.threads >= running.processes);
        assert!(installed().is_none_or(|bytes| bytes >= memory.total));
        assert!(processors() >= 1 && lock_limit() > 0);
    }
}
