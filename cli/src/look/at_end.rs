//! A program run on ntheap, and looked at when it ends.
//!
//! ```text
//!   fork, traced --> exec --> ... runs ... --> the system stops a thread at its end,
//!      threads are traced as they start        all memory still there --> look
//! ```
//!
//! Every thread is stopped when it ends. Looked at is the program when one of them
//! ends all, by `exit`, by returning from `main` or by a signal, or is the last.

use super::leaks::{Looked, look};
use super::source::{Failure, PROCESS};
use crate::run::{find_library, find_program};
use ntheap_inspect::held::{self, Held};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::ptr;

/// Runs the program; standard streams are its own.
pub(crate) fn run(command: &[OsString]) -> Result<Looked, Failure> {
    let refused = |failure: crate::run::Failure| Failure::new(failure.code, failure.message);
    let library = find_library().map_err(refused)?;
    let name = command.first().map_or(OsStr::new(""), OsString::as_os_str);
    let program = find_program(name).map_err(refused)?;
    let mut starter = program.command(command, &[&library]);
    // SAFETY: one system call, which touches no memory.
    unsafe {
        starter.pre_exec(|| traced(libc::PTRACE_TRACEME, 0, 0));
    }
    let child = starter
        .spawn()
        .map_err(|e| Failure::new(PROCESS, format!("cannot start {}: {e}", name.display())))?;
    Follower::new(child).follow(name)
}

/// A program that runs, and what its threads came to so far.
struct Follower {
    child: Child,
    pid: i32,
    /// Threads that were stopped once.
    known: BTreeSet<i32>,
    /// Threads that are past their last instruction.
    ended: BTreeSet<i32>,
    looked: Option<Result<Looked, Failure>>,
}

impl Follower {
    fn new(child: Child) -> Follower {
        Follower {
            pid: child.id() as i32,
            child,
            known: BTreeSet::new(),
            ended: BTreeSet::new(),
            looked: None,
        }
    }

    fn follow(mut self, name: &OsStr) -> Result<Looked, Failure> {
        let failed =
            |e: io::Error| Failure::new(PROCESS, format!("cannot follow {}: {e}", name.display()));
        loop {
            let mut status = 0;
            // SAFETY: `status` is a writable number for the length of the call.
            let thread = unsafe { libc::waitpid(-1, &mut status, libc::__WALL) };
            if thread < 0 {
                let e = io::Error::last_os_error();
                if e.raw_os_error() == Some(libc::EINTR) {
                    continue;
                }
                return Err(failed(e));
            }
            if libc::WIFSTOPPED(status) {
                self.stopped(thread, status).map_err(failed)?;
            } else if thread == self.pid {
                break;
            } else {
                self.known.remove(&thread);
                self.ended.remove(&thread);
            }
        }
        self.looked.unwrap_or_else(|| {
            let name = name.display();
            let message = format!("{name} was killed before it could be looked at");
            Err(Failure::new(PROCESS, message))
        })
    }

    /// Lets a stopped thread go on, after what its stop is for.
    fn stopped(&mut self, thread: i32, status: i32) -> io::Result<()> {
        let (event, signal) = (status >> 16, libc::WSTOPSIG(status));
        let mut passed = 0;
        if !self.known.contains(&thread) {
            if thread == self.pid {
                // The new program's first instruction.
                self.known.insert(thread);
                let options = libc::PTRACE_O_TRACEEXIT
                    | libc::PTRACE_O_EXITKILL
                    | libc::PTRACE_O_TRACECLONE
                    // Without it, a program that becomes another one is sent SIGTRAP.
                    | libc::PTRACE_O_TRACEEXEC;
                if let Err(e) = traced(libc::PTRACE_SETOPTIONS, thread, options) {
                    let _ = self.child.kill();
                    return Err(e);
                }
            } else if !is_thread_of(self.pid, thread) {
                // A process that was made as threads are.
                let _ = traced(libc::PTRACE_DETACH, thread, 0);
                return Ok(());
            } else if signal == libc::SIGSTOP {
                // How the system hands a new thread over.
                self.known.insert(thread);
            } else {
                passed = signal;
            }
        } else if event == libc::PTRACE_EVENT_EXEC {
            // What ended before was the program that was there.
            self.ended.clear();
            self.looked = None;
        } else if event == libc::PTRACE_EVENT_EXIT {
            self.ended.insert(thread);
            if self.looked.is_none() && (held::ends_process(thread) || self.is_last()) {
                let looked = look(thread, &Held::adopted(thread)).map(|mut looked| {
                    looked.snapshot.process.pid = u64::from(self.pid.unsigned_abs());
                    looked
                });
                self.looked = Some(looked);
            }
        } else if event == 0 {
            passed = signal;
        }
        // One that was killed meanwhile needs nothing.
        let _ = traced(libc::PTRACE_CONT, thread, passed);
        Ok(())
    }

    /// Whether no thread is left that has not ended.
    fn is_last(&self) -> bool {
        let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", self.pid)) else {
            return true;
        };
        let number = |task: fs::DirEntry| task.file_name().to_str()?.parse::<i32>().ok();
        let mut threads = tasks.flatten().filter_map(number);
        threads.all(|thread| self.ended.contains(&thread))
    }
}

fn is_thread_of(pid: i32, thread: i32) -> bool {
    fs::exists(format!("/proc/{pid}/task/{thread}")).unwrap_or(false)
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
