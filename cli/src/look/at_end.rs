//! A program run on ntheap, and looked at when it ends.
//!
//! ```text
//!   fork, traced --> exec --> ... runs ... --> the system stops it at its end,
//!                                              all memory still there --> look
//! ```
//!
//! The first thread is stopped when it ends, be it by `exit`, by returning from
//! `main` or by a signal. A program whose other thread calls `exit` is ended
//! without such a stop, and is not looked at.

use super::leaks::{Looked, look};
use super::source::{Failure, PROCESS};
use crate::run::{find_library, find_program};
use ntheap_inspect::held::Held;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::ptr;

/// Runs the program; standard streams are its own.
pub(crate) fn run(command: &[OsString]) -> Result<Looked, Failure> {
    run_with(command, &[], look)
}

/// Runs it with these variables set besides, and has `look` look at it.
pub(crate) fn run_with<T>(
    command: &[OsString],
    variables: &[(&str, &str)],
    look: impl Fn(i32, &Held) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let refused = |failure: crate::run::Failure| Failure::new(failure.code, failure.message);
    let library = find_library().map_err(refused)?;
    let name = command.first().map_or(OsStr::new(""), OsString::as_os_str);
    let program = find_program(name).map_err(refused)?;
    let mut starter = program.command(command, &[&library]);
    starter.envs(variables.iter().copied());
    // SAFETY: one system call, which touches no memory.
    unsafe {
        starter.pre_exec(|| traced(libc::PTRACE_TRACEME, 0, 0));
    }
    let child = starter
        .spawn()
        .map_err(|e| Failure::new(PROCESS, format!("cannot start {}: {e}", name.display())))?;
    follow(child, name, look)
}

fn follow<T>(
    mut child: Child,
    name: &OsStr,
    look: impl Fn(i32, &Held) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let pid = child.id() as i32;
    let failed =
        |e: io::Error| Failure::new(PROCESS, format!("cannot follow {}: {e}", name.display()));
    let mut looked = None;
    let mut is_new = true;
    loop {
        let mut status = 0;
        // SAFETY: `status` is a writable number for the length of the call.
        let waited = unsafe { libc::waitpid(pid, &mut status, libc::__WALL) };
        if waited < 0 {
            let e = io::Error::last_os_error();
            if e.raw_os_error() == Some(libc::EINTR) {
                continue;
            }
            return Err(failed(e));
        }
        if !libc::WIFSTOPPED(status) {
            break;
        }
        let (event, signal) = (status >> 16, libc::WSTOPSIG(status));
        let mut passed = 0;
        if is_new && signal == libc::SIGTRAP {
            // The new program's first instruction.
            is_new = false;
            // With the last, a program that becomes another one is not sent SIGTRAP.
            let options =
                libc::PTRACE_O_TRACEEXIT | libc::PTRACE_O_EXITKILL | libc::PTRACE_O_TRACEEXEC;
            if let Err(e) = traced(libc::PTRACE_SETOPTIONS, pid, options) {
                let _ = child.kill();
                return Err(failed(e));
            }
        } else if event == libc::PTRACE_EVENT_EXIT {
            looked = Some(look(pid, &Held::adopted(pid)));
        } else if event == 0 {
            passed = signal;
        }
        // One that was killed meanwhile needs nothing.
        let _ = traced(libc::PTRACE_CONT, pid, passed);
    }
    looked.unwrap_or_else(|| {
        let name = name.display();
        Err(Failure::new(
            PROCESS,
            format!(
                "{name} ended without a stop at which it could be looked at: one of its \
                threads ended all others"
            ),
        ))
    })
}

fn traced(request: libc::c_uint, pid: i32, data: i32) -> io::Result<()> {
    let none: *mut libc::c_void = ptr::null_mut();
    // SAFETY: these requests take numbers and write to no memory of this process.
    let done = unsafe { libc::ptrace(request as _, pid, none, i64::from(data)) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
