//! A process's memory, as the system counts it: this one's, or another's.
//!
//! Every function gives `None` where the system does not say.

/// Resident memory now, in bytes.
#[cfg(target_os = "linux")]
pub(crate) fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    // SAFETY: sysconf has no precondition; an unknown name gives -1.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    Some(pages * u64::try_from(page).ok()?)
}

/// Resident memory now, in bytes.
#[cfg(not(target_os = "linux"))]
pub(crate) fn resident() -> Option<u64> {
    None
}

/// The most memory that was ever resident, in bytes.
///
/// Linux carries `getrusage`'s figure over an exec, so that it would include
/// the starter's memory; the high-water mark of the address space does not.
#[cfg(target_os = "linux")]
pub(crate) fn peak() -> Option<u64> {
    let status = std::fs::read("/proc/self/status").ok()?;
    in_status(&status, "VmHWM:")
}

/// A figure in bytes of another process's status, as `VmRSS:`.
#[cfg(target_os = "linux")]
pub(crate) fn figure(pid: i32, name: &str) -> Option<u64> {
    let status = std::fs::read(format!("/proc/{pid}/status")).ok()?;
    in_status(&status, name)
}

#[cfg(target_os = "linux")]
fn in_status(status: &[u8], name: &str) -> Option<u64> {
    // A process's name is any bytes.
    let status = String::from_utf8_lossy(status);
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The most memory that was ever resident, in bytes.
#[cfg(all(unix, not(target_os = "linux")))]
pub(crate) fn peak() -> Option<u64> {
    // SAFETY: rusage is plain numbers, for which all zeros are valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a writable rusage for the length of the call.
    if unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) } != 0 {
        return None;
    }
    let unit = if cfg!(target_vendor = "apple") {
        1
    } else {
        1024
    };
    Some(u64::try_from(usage.ru_maxrss).ok()? * unit)
}

/// The most memory that was ever resident, in bytes.
#[cfg(not(unix))]
pub(crate) fn peak() -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn touched_memory_is_seen() {
        const SIZE: usize = 64 << 20;
        let before = resident().expect("/proc/self/statm");
        let block = vec![1u8; SIZE];
        std::hint::black_box(&block);
        // Other tests of this process allocate and free meanwhile, and the
        // kernel sums the count lazily: half is enough to be sure.
        let during = resident().expect("/proc/self/statm");
        assert!(during >= before + SIZE as u64 / 2, "{before} {during}");
        let peak = peak().expect("/proc/self/status");
        assert!(peak >= SIZE as u64, "{peak}");
    }
}
