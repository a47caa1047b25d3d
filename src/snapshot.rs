//! Snapshots of a process's heaps that it asks for itself: by a call, at a signal, at its
//! end.
//!
//! ```text
//!   write_snapshot, NTHEAP_SNAPSHOT --> sys::spawn --> ntheap snapshot PID -o FILE
//!                                                        reads this process from outside
//! ```
//!
//! The `ntheap` command does the reading: what it finds is the same whoever asks, the heaps
//! are looked at with no lock of theirs, and nothing is allocated in the process that is
//! looked at, which may have run out of memory or be in the middle of an allocation. The
//! calling thread stands still meanwhile; others go on.
//!
//! Invariants: from a signal handler nothing is done but system calls: the command's path
//! was found before.

use crate::config::snapshot::{PATH_MAX, Snapshots};
use crate::report::FixedBuffer;
use crate::sys;
use core::cell::UnsafeCell;
use core::ffi::{CStr, c_char, c_int};
use core::fmt::{self, Write};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

/// What a snapshot lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Written {
    /// Nothing.
    Whole,
    /// Something, which the command has said on standard error.
    Partial,
}

/// Why there is no snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SnapshotError {
    /// There is no `ntheap` command, neither where `NTHEAP_COMMAND` says nor in a folder of
    /// `PATH`; nor for a program that runs with another user's rights.
    NoCommand,
    /// Another thread is making one.
    Busy,
    /// The system could not start the command; its error number.
    NotStarted(i32),
    /// The command failed, and has said why on standard error; its exit status, 128 and
    /// the signal's number if one ended it.
    Failed(u32),
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::NoCommand => {
                out.write_str("there is no ntheap command; NTHEAP_COMMAND says where it is")
            }
            SnapshotError::Busy => out.write_str("another thread is making a snapshot"),
            SnapshotError::NotStarted(error) => {
                write!(
                    out,
                    "the ntheap command could not be started: error {error}"
                )
            }
            SnapshotError::Failed(status) => {
                write!(out, "the ntheap command failed with status {status}")
            }
        }
    }
}

impl core::error::Error for SnapshotError {}

/// Writes a snapshot of all heaps of this process to a file, which `ntheap walk`, `diff`,
/// `map` and their kin read; with `NTHEAP_GFLAGS=+ust` it has the call stack of every
/// allocation.
///
/// Runs the `ntheap` command (`NTHEAP_COMMAND`, or the first in `PATH`) on this process and
/// waits for it: a hundredth of a second and more, by the number of blocks. Other threads
/// go on meanwhile. The command gets no environment and writes its complaints to standard
/// error. The system must let a child look into its parent: where Yama's `ptrace_scope` is 1,
/// this process allows it for that time, which ends an allowance that it had given to
/// another (`PR_SET_PTRACER`); where it is 2 or more, there is no snapshot. Any thread may
/// call this at any time, holding whatever locks; it reads the environment. Allocates nothing.
///
/// # Errors
/// [`SnapshotError`]; an existing file is then as it was.
pub fn write_snapshot(path: &CStr) -> Result<Written, SnapshotError> {
    write(&find(), path)
}

/// [`write_snapshot`] by the command of this path. In a signal handler, too.
fn write(command: &Path, path: &CStr) -> Result<Written, SnapshotError> {
    let command = text(command).ok_or(SnapshotError::NoCommand)?;
    let mut pid = FixedBuffer::<16>::new();
    // The buffer has room for any number.
    let _ = write!(pid, "{}\0", sys::process_id());
    let arguments = [
        c"ntheap".as_ptr(),
        c"snapshot".as_ptr(),
        pid.as_bytes().as_ptr().cast::<c_char>(),
        c"-o".as_ptr(),
        path.as_ptr(),
        ptr::null(),
    ];
    // SAFETY: strings that end with a zero, and a null.
    let done = unsafe { sys::run_program(command, &arguments) };
    match done {
        Ok(0) => Ok(Written::Whole),
        Ok(PARTIAL) => Ok(Written::Partial),
        Ok(status) => Err(SnapshotError::Failed(status)),
        Err(libc::EBUSY) => Err(SnapshotError::Busy),
        Err(error) => Err(SnapshotError::NotStarted(error)),
    }
}

/// The command's exit status for an answer that lacks something.
const PARTIAL: u32 = 3;

/// A file's path, with a zero at its end, or nothing.
type Path = FixedBuffer<PATH_MAX>;

fn text(path: &Path) -> Option<&CStr> {
    CStr::from_bytes_with_nul(path.as_bytes()).ok()
}

/// Writes the command's path, with a zero at its end; nothing if there is none.
fn find() -> Path {
    let mut found = Path::new();
    if sys::is_privileged() {
        return found;
    }
    let to = &mut found;
    let mut take = |folder: &[u8], name: &[u8]| {
        let is_first = to.as_bytes().is_empty();
        if !is_first {
            return;
        }
        for &byte in folder.iter().chain(name).chain(b"\0") {
            to.push(byte);
        }
        if to.is_full() || !text(to).is_some_and(sys::is_program) {
            to.clear();
        }
    };
    let mut is_told = false;
    sys::for_each_env(b"NTHEAP_COMMAND", &mut |name, value| {
        if name == b"NTHEAP_COMMAND" && !value.is_empty() {
            is_told = true;
            take(value, b"");
        }
    });
    sys::for_each_env(b"PATH", &mut |name, value| {
        if name == b"PATH" && !is_told {
            let folders = value.split(|&byte| byte == b':');
            folders
                .filter(|folder| folder.starts_with(b"/"))
                .for_each(|folder| take(folder, b"/ntheap"));
        }
    });
    found
}

/// What the environment asks for, and the command's path.
struct Asked(UnsafeCell<MaybeUninit<(Snapshots, Path)>>);

// SAFETY: written by the one thread that begins, before a handler or an exit reads it.
unsafe impl Sync for Asked {}

static ASKED: Asked = Asked(UnsafeCell::new(MaybeUninit::uninit()));
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Begins to make the snapshots that `NTHEAP_SNAPSHOT` asks for. Called once, when the heap
/// serves.
pub(crate) fn begin() {
    if crate::config::asks_for_snapshots() {
        begin_asked();
    }
}

// A function of its own, so that no other process pays for the pages of stack that paths take.
#[cold]
#[inline(never)]
fn begin_asked() {
    let Some(asked) = crate::config::snapshots_from_environment() else {
        return;
    };
    let command = find();
    if text(&command).is_none() {
        tell(&SnapshotError::NoCommand);
        return;
    }
    // SAFETY: nobody reads it before what follows.
    unsafe { (*ASKED.0.get()).write((asked, command)) };
    if asked.signal != 0 && !sys::on_signal(asked.signal, at_signal) {
        tell(&"the system does not let its signal be handled");
    }
    if asked.at_exit {
        sys::at_exit(make);
    }
}

extern "C" fn at_signal(_: c_int) {
    sys::keeping_errno(&mut || make());
}

/// Makes the next snapshot, and says why if it cannot.
extern "C" fn make() {
    // SAFETY: written before this was asked for.
    let (asked, command) = unsafe { (*ASKED.0.get()).assume_init_ref() };
    let nth = COUNT.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
    let path = asked.path(sys::process_id(), nth);
    match path.as_ref().and_then(text) {
        Some(name) => {
            if let Err(error) = write(command, name) {
                tell(&error);
            }
        }
        None => tell(&"its file's name is too long"),
    }
}

#[cold]
fn tell(why: &dyn fmt::Display) {
    let mut line = FixedBuffer::<256>::new();
    // The buffer truncates and never fails.
    let _ = writeln!(line, "ntheap: no snapshot: {why}");
    sys::write_stderr(line.as_bytes());
}
