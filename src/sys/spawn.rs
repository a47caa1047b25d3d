//! Running a program from any state of this process: in a signal handler, with locks held,
//! without a word allocated.
//!
//! ```text
//!   the calling thread --clone--> a middle process --clone--> the program
//!     waits for both              shares this memory, waits    execve
//! ```
//!
//! The middle one sends no signal when it ends and is not found by a `wait` for any child,
//! so that the program that is run is never in the way of the caller's own children. Both
//! share the caller's memory until the program begins, as `vfork`'s child does: the calling
//! thread stands still meanwhile, and its signals wait.

use super::os;
use core::ffi::{CStr, c_char, c_int, c_long, c_void};
use core::ptr;
use core::sync::atomic::{AtomicBool, Ordering};

/// Bytes of each stack.
const STACK: usize = 32 * 1024;

/// Two stacks, one for each of the processes that share memory.
#[repr(C, align(64))]
struct Stacks(core::cell::UnsafeCell<[[u8; STACK]; 2]>);

// SAFETY: used by the one thread that has set `IS_TAKEN`, and its children.
unsafe impl Sync for Stacks {}

static STACKS: Stacks = Stacks(core::cell::UnsafeCell::new([[0; STACK]; 2]));
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// What is run, and what came of it.
struct Job {
    program: *const c_char,
    arguments: *const *const c_char,
    /// The caller's signal mask, which the program gets.
    mask: u64,
    /// The stack of the program's process.
    stack: *mut c_void,
    /// What the system said where it refused; 0 if it did not.
    error: c_int,
    /// The program's status, as `wait` tells it.
    status: c_int,
}

/// Forgets, in a forked child, that another thread of the parent's was running a program.
pub fn forget_running() {
    IS_TAKEN.store(false, Ordering::Relaxed);
}

/// Runs the program in this file with these arguments, of which the last is null, in no
/// environment, its standard output thrown away, and waits for its end. Its exit status, 128
/// and more for one that a signal ended; or the system's error. `EBUSY` while another thread
/// runs one.
///
/// # Safety
/// The arguments are strings that end with a zero.
pub unsafe fn run(program: &CStr, arguments: &[*const c_char]) -> Result<u32, i32> {
    if arguments.last().is_none_or(|last| !last.is_null()) {
        return Err(libc::EINVAL);
    }
    if IS_TAKEN
        .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
        .is_err()
    {
        return Err(libc::EBUSY);
    }
    let stacks = STACKS.0.get().cast::<u8>();
    let mut job = Job {
        program: program.as_ptr(),
        arguments: arguments.as_ptr(),
        mask: 0,
        stack: stacks.wrapping_add(2 * STACK).cast(),
        error: 0,
        status: 0,
    };
    let all = u64::MAX;
    // SAFETY: the calling thread waits until its children have left this memory, so that the
    // job and the stacks are theirs meanwhile; what they run makes system calls alone. The
    // mask is as large as the kernel's.
    unsafe {
        set_mask(&all, &raw mut job.mask);
        let child = libc::clone(
            middle,
            stacks.wrapping_add(STACK).cast(),
            libc::CLONE_VM | libc::CLONE_VFORK,
            (&raw mut job).cast(),
        );
        if child < 0 {
            job.error = os::errno();
        } else {
            let mut status = 0;
            if !wait(child, &raw mut status, libc::__WALL) {
                job.error = os::errno();
            }
        }
        set_mask(&job.mask, ptr::null_mut());
    }
    IS_TAKEN.store(false, Ordering::Release);
    match (job.error, job.status) {
        (0, status) if libc::WIFEXITED(status) => Ok(libc::WEXITSTATUS(status) as u32),
        (0, status) => Ok(128 + libc::WTERMSIG(status) as u32),
        (error, _) => Err(error),
    }
}

/// Whether the file can be run by this process.
pub fn is_program(path: &CStr) -> bool {
    // SAFETY: a string that ends with a zero.
    unsafe { libc::access(path.as_ptr(), libc::X_OK) == 0 }
}

/// Lets this process's children, and theirs, look into it, where Yama forbids that to all
/// but a debugger's own children; or no longer.
pub fn allow_children_to_look(allowed: bool) {
    const PR_SET_PTRACER: c_int = 0x5961_6d61;
    let whose = if allowed { super::process_id() } else { 0 };
    // SAFETY: takes numbers. It fails where there is no Yama, and nothing is to be allowed.
    unsafe { libc::prctl(PR_SET_PTRACER, whose as libc::c_ulong, 0, 0, 0) };
}

/// Sets the calling thread's mask of signals, the C library's own included.
///
/// # Safety
/// `before` is null or a place to write the mask to.
unsafe fn set_mask(mask: &u64, before: *mut u64) {
    let set = c_long::from(libc::SIG_SETMASK);
    // SAFETY: a mask of the kernel's size is read, and one is written.
    unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            set,
            &raw const *mask,
            before,
            size_of::<u64>(),
        )
    };
}

/// Waits for a child, by a call that is no point of cancellation. False when it cannot be
/// waited for.
///
/// # Safety
/// `status` is a place to write to.
unsafe fn wait(child: c_int, status: *mut c_int, options: c_int) -> bool {
    let none = ptr::null_mut::<c_void>();
    loop {
        // SAFETY: the caller's promise.
        let waited = unsafe { libc::syscall(libc::SYS_wait4, child, status, options, none) };
        if waited >= 0 {
            return true;
        }
        if os::errno() != libc::EINTR {
            return false;
        }
    }
}

/// The process that waits for the program.
extern "C" fn middle(job: *mut c_void) -> c_int {
    let job = job.cast::<Job>();
    // SAFETY: the caller's job, which is this process's meanwhile. All zeros are a sigaction;
    // the table of them is this process's own, and with the caller's a child might not be
    // waited for.
    unsafe {
        let default: libc::sigaction = core::mem::MaybeUninit::zeroed().assume_init();
        libc::sigaction(libc::SIGCHLD, &raw const default, ptr::null_mut());
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let child = libc::clone(last, (*job).stack, flags, job.cast());
        let is_done = child >= 0 && wait(child, &raw mut (*job).status, 0);
        if !is_done && (*job).error == 0 {
            (*job).error = os::errno();
        }
    }
    0
}

/// The process that becomes the program.
extern "C" fn last(job: *mut c_void) -> c_int {
    let job = job.cast::<Job>();
    // SAFETY: as above. Handlers of the caller's are not to run here: the table of them
    // is this process's own. What is asked of the system of signals that there are not fails.
    unsafe {
        let default: libc::sigaction = core::mem::MaybeUninit::zeroed().assume_init();
        for signal in 1..=64 {
            let mut now: libc::sigaction = core::mem::MaybeUninit::zeroed().assume_init();
            let is_known = libc::sigaction(signal, ptr::null(), &raw mut now) == 0;
            if is_known && now.sa_sigaction > libc::SIG_IGN {
                libc::sigaction(signal, &raw const default, ptr::null_mut());
            }
        }
        let null = c"/dev/null".as_ptr();
        let file = libc::syscall(
            libc::SYS_openat,
            libc::AT_FDCWD,
            null,
            libc::O_WRONLY | libc::O_CLOEXEC,
            0,
        );
        if file >= 0 {
            libc::syscall(libc::SYS_dup3, file, 1, 0);
        }
        set_mask(&(*job).mask, ptr::null_mut());
        let environment = [ptr::null::<c_char>()];
        libc::execve((*job).program, (*job).arguments, environment.as_ptr());
        (*job).error = os::errno();
    }
    127
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "starts a process")]
    fn programs_are_run_and_waited_for() {
        let shell = |command: &CStr| {
            let arguments = [
                c"sh".as_ptr(),
                c"-c".as_ptr(),
                command.as_ptr(),
                ptr::null(),
            ];
            // SAFETY: strings, and a null.
            unsafe { run(c"/bin/sh", &arguments) }
        };
        assert_eq!(shell(c"exit 0"), Ok(0));
        assert_eq!(shell(c"echo unseen; exit 7"), Ok(7));
        assert_eq!(shell(c"kill -TERM $$"), Ok(128 + 15));
        assert_eq!(shell(c"test -z \"$HOME\" || exit 1"), Ok(0));
        // SAFETY: as above.
        unsafe {
            assert_eq!(run(c"/nonexistent", &[ptr::null()]), Err(libc::ENOENT));
            assert_eq!(run(c"/bin/sh", &[]), Err(libc::EINVAL));
            assert_eq!(run(c"/bin/sh", &[c"sh".as_ptr()]), Err(libc::EINVAL));
            // No child is left for a `wait` of the caller's.
            let waited = libc::waitpid(-1, ptr::null_mut(), libc::WNOHANG);
            assert!(waited <= 0, "{waited}");
        }
        // Whatever the caller does with the signal that children send.
        // SAFETY: a disposition, put back afterwards.
        let before = unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        assert_eq!(shell(c"exit 9"), Ok(9));
        // SAFETY: as above.
        unsafe { libc::signal(libc::SIGCHLD, before) };
        let mut mask = 1;
        let all = 0;
        // SAFETY: a place for the mask.
        unsafe { set_mask(&all, &raw mut mask) };
        assert_eq!(mask, 0, "signals are as they were");
    }
}
