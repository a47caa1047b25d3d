//! Where the calling thread's stack lies.

/// A thread's stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// The lowest address that it may come to, guard pages included.
    pub low: usize,
    /// The lowest address that can be used.
    pub usable: usize,
    /// The byte after the highest.
    pub high: usize,
}

/// The calling thread's stack; `None` where the system does not tell. It may
/// allocate.
pub fn own_stack() -> Option<Stack> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use core::mem::MaybeUninit;
        let mut attributes = MaybeUninit::<libc::pthread_attr_t>::zeroed();
        let mut low = core::ptr::null_mut();
        let (mut size, mut guard) = (0, 0);
        // SAFETY: the attributes are filled by the first call, read by the next
        // ones and ended by the last.
        let told = unsafe {
            let own = libc::pthread_self();
            if libc::pthread_getattr_np(own, attributes.as_mut_ptr()) != 0 {
                return None;
            }
            let at = attributes.as_ptr();
            let told = libc::pthread_attr_getstack(at, &raw mut low, &raw mut size) == 0
                && libc::pthread_attr_getguardsize(at, &raw mut guard) == 0;
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            told
        };
        let low = low.addr();
        let high = low.checked_add(size)?;
        // The first thread's stack has its guard wherever it ends.
        let is_first = super::thread_id() == u64::from(super::process_id());
        told.then(|| Stack {
            low: if is_first {
                low
            } else {
                low.saturating_sub(guard)
            },
            usable: low,
            high,
        })
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    None
}
