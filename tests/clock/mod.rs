//! The time that a thread has worked: however busy the machine is, what it waited for a
//! processor does not count.

use std::time::Duration;

/// The processor's time that the calling thread has had.
#[cfg(unix)]
pub(crate) fn worked() -> Duration {
    // SAFETY: the system writes to a structure of this frame.
    unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        let told = libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time);
        assert_eq!(told, 0);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

/// The time since its first call: the system's own goes by steps of 16 milliseconds.
#[cfg(windows)]
pub(crate) fn worked() -> Duration {
    static FIRST: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    FIRST.get_or_init(std::time::Instant::now).elapsed()
}
