//! Signals: held back while a lock is held, and caught where they are faults.

use core::mem::MaybeUninit;

/// Keeps all signals of the calling thread back until it is dropped.
pub struct SignalsHeld {
    before: libc::sigset_t,
}

/// Has the calling thread's signals wait. Those that are faults of its own end
/// the process meanwhile.
pub fn hold_signals() -> SignalsHeld {
    let mut all = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both sets live here; the first is filled, the second is written
    // by a call that fails for wrong arguments only.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::sigemptyset(before.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        SignalsHeld {
            before: before.assume_init(),
        }
    }
}

/// Has `handler` called at each signal of that number, in whichever thread gets it; system
/// calls go on afterwards where they can. False when the system refuses.
#[cfg(all(target_os = "linux", feature = "debug"))]
pub fn on_signal(signal: core::ffi::c_int, handler: extern "C" fn(core::ffi::c_int)) -> bool {
    // SAFETY: all zeros are a sigaction, and the handler is of the type that its flags say.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = libc::SA_RESTART;
        libc::sigaction(signal, &raw const action, core::ptr::null_mut()) == 0
    }
}

/// Calls `body`, after which errno is what it was.
#[cfg(all(target_os = "linux", feature = "debug"))]
pub fn keeping_errno(body: &mut dyn FnMut()) {
    let before = super::os::errno();
    body();
    super::os::set_errno(before);
}

impl Drop for SignalsHeld {
    fn drop(&mut self) {
        // SAFETY: the set was the thread's mask before.
        unsafe {
            libc::pthread_sigmask(
                libc::SIG_SETMASK,
                &raw const self.before,
                core::ptr::null_mut(),
            );
        }
    }
}
