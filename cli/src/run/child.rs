//! Starting the program, passing signals on, and waiting for its end.

use super::failure::{Failure, INTERNAL, NOT_EXECUTABLE, NOT_FOUND};
use super::program::Program;
use std::ffi::{OsString, c_int, c_void};
use std::io;
use std::mem;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// By exit, with this status.
    Exited(u8),
    /// By this signal.
    Killed(c_int),
}

/// A program's end and what it used.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) pid: u32,
    pub(crate) status: Status,
    pub(crate) elapsed: Duration,
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    /// The most memory resident at once, in bytes; never less than this
    /// command's own at the start, which the kernel adds in.
    pub(crate) peak_rss: u64,
}

/// What the program's environment gets beyond this command's.
pub(crate) struct Surroundings<'a> {
    /// Preloaded, in this order.
    pub(crate) libraries: &'a [&'a Path],
    pub(crate) report: &'a Path,
    /// The folder that copies of the library's stops go to, if they do.
    pub(crate) stops: Option<&'a Path>,
    /// Where calls are told, if they are.
    pub(crate) trace: Option<&'a Path>,
    pub(crate) count: bool,
    /// Who is told the process's number, once there is one.
    pub(crate) started: Option<&'a dyn Fn(i32)>,
}

/// Signals that ask a program to end. Sent to this command by a process, they
/// are meant for the program; from the terminal the program gets them itself.
/// Either way this command lives on to report.
const PASSED_ON: [c_int; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

/// The program's process, while signals may be sent to it; otherwise 0.
static RUNNING: AtomicI32 = AtomicI32::new(0);

/// A bit for each signal that came for a program not yet known by number.
static EARLY: AtomicU64 = AtomicU64::new(0);

/// Runs the program to its end with standard streams untouched. `command` is
/// what the user typed.
pub(crate) fn run(
    program: &Program,
    command: &[OsString],
    with: &Surroundings,
) -> Result<Ended, Failure> {
    let mut starter = program.command(command, with.libraries);
    starter
        .env("NTHEAP_RUN_REPORT", with.report)
        .env("NTHEAP_RUN_PARENT", std::process::id().to_string());
    match with.stops {
        Some(path) => starter.env("NTHEAP_RUN_STOPS", path),
        None => starter.env_remove("NTHEAP_RUN_STOPS"),
    };
    match with.trace {
        Some(path) => starter.env("NTHEAP_RUN_TRACE", path),
        None => starter.env_remove("NTHEAP_RUN_TRACE"),
    };
    if with.count {
        starter.env("NTHEAP_COUNT", "1");
    } else {
        starter.env_remove("NTHEAP_COUNT");
    }

    catch_signals();
    let start = Instant::now();
    let child = starter.spawn().map_err(|e| {
        let code = if e.kind() == io::ErrorKind::NotFound {
            NOT_FOUND
        } else {
            NOT_EXECUTABLE
        };
        Failure::new(code, format!("{}: {e}", program.path.display()))
    })?;
    let pid = child.id() as libc::pid_t;
    RUNNING.store(pid, Ordering::SeqCst);
    if let Some(tell) = with.started {
        tell(pid);
    }
    // From here on the handler sends by itself.
    let early = EARLY.swap(0, Ordering::SeqCst);
    for signal in PASSED_ON.into_iter().filter(|s| early & (1 << s) != 0) {
        // SAFETY: kill touches no memory, and the program was not waited for.
        unsafe { libc::kill(pid, signal) };
    }
    let (status, usage) =
        wait(pid).map_err(|e| Failure::new(INTERNAL, format!("cannot wait for it: {e}")))?;
    let elapsed = start.elapsed();

    Ok(Ended {
        pid: child.id(),
        status: if libc::WIFSIGNALED(status) {
            Status::Killed(libc::WTERMSIG(status))
        } else {
            Status::Exited(libc::WEXITSTATUS(status) as u8)
        },
        elapsed,
        user: duration(usage.ru_utime),
        system: duration(usage.ru_stime),
        peak_rss: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    })
}

/// Waits for the process' end and takes it away.
fn wait(pid: libc::pid_t) -> io::Result<(c_int, libc::rusage)> {
    loop {
        // SAFETY: siginfo_t is plain data, for which all zeros are valid.
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        let flags = libc::WEXITED | libc::WNOWAIT;
        // SAFETY: `info` is writable for the length of the call.
        if unsafe { libc::waitid(libc::P_PID, pid as libc::id_t, &mut info, flags) } == 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // The number is the program's until wait4; from then on a signal passed
    // on could meet a stranger.
    RUNNING.store(0, Ordering::SeqCst);
    let mut status = 0;
    // SAFETY: rusage is plain numbers, for which all zeros are valid.
    let mut usage: libc::rusage = unsafe { mem::zeroed() };
    // SAFETY: both results are writable for the length of the call.
    if unsafe { libc::wait4(pid, &mut status, 0, &mut usage) } != pid {
        return Err(io::Error::last_os_error());
    }
    Ok((status, usage))
}

fn duration(time: libc::timeval) -> Duration {
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_usec).unwrap_or(0) * 1000,
    )
}

/// Catches the signals of [`PASSED_ON`] that were not ignored before. A caught
/// signal, unlike an ignored one, has its default action again in the program.
fn catch_signals() {
    for signal in PASSED_ON {
        // SAFETY: sigaction is plain data, for which all zeros are valid: the
        // default action, no flags, an empty mask.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        // SAFETY: a null new action only asks for the present one.
        let known = unsafe { libc::sigaction(signal, ptr::null(), &mut action) } == 0;
        if !known || action.sa_sigaction == libc::SIG_IGN {
            continue;
        }
        let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = pass_on;
        action.sa_sigaction = handler as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
        // SAFETY: the handler has the signature SA_SIGINFO asks for and calls
        // only what is allowed in a signal handler. A failure leaves the
        // signal as it was.
        unsafe { libc::sigaction(signal, &action, ptr::null_mut()) };
    }
}

extern "C" fn pass_on(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel passes a valid siginfo to a SA_SIGINFO handler.
    let from_a_process = unsafe { (*info).si_code } <= 0;
    if !from_a_process {
        return;
    }
    let pid = RUNNING.load(Ordering::SeqCst);
    if pid == 0 {
        EARLY.fetch_or(1 << signal, Ordering::SeqCst);
    } else {
        // SAFETY: errno's address is valid in every thread.
        let errno = unsafe { libc::__errno_location() };
        // SAFETY: as above; the interrupted code must find errno unchanged.
        let before = unsafe { *errno };
        // SAFETY: kill is allowed in a signal handler and touches no memory.
        unsafe { libc::kill(pid, signal) };
        // SAFETY: as above.
        unsafe { *errno = before };
    }
}
