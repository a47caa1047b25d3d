//! A process whose threads are held still.
//!
//! Threads are seized, which unlike attaching sends them no signal, and
//! interrupted one by one, until a list of them has none that is not held. They go
//! on when the value is dropped, and also when this process ends in whatever way:
//! the system sees to that.

use crate::Error;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::marker::PhantomData;
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};

/// How long a thread may take to stop: one that waits for a device does not.
const PATIENCE: Duration = Duration::from_secs(5);
/// Words of registers that are asked for: more than any processor here has.
const REGISTERS: usize = 80;
/// Where among them the stack pointer is.
#[cfg(target_arch = "x86_64")]
const STACK_POINTER: usize = 19;
#[cfg(target_arch = "aarch64")]
const STACK_POINTER: usize = 31;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const STACK_POINTER: usize = REGISTERS;
/// Where among them the system call's number is.
#[cfg(target_arch = "x86_64")]
const SYSTEM_CALL: usize = 15;
#[cfg(target_arch = "aarch64")]
const SYSTEM_CALL: usize = 8;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const SYSTEM_CALL: usize = REGISTERS;

/// The threads of a process, stopped until this is dropped. Belongs to the thread
/// that made it, as the system has it.
#[derive(Debug)]
pub struct Held {
    /// The threads, and the signal that each was about to take, or 0.
    threads: BTreeMap<i32, i32>,
    /// Whether they go on when this is dropped.
    lets_go: bool,
    _not_send: PhantomData<*const ()>,
}

impl Held {
    /// Stops all threads of process `pid`.
    ///
    /// # Errors
    /// [`Error::NoProcess`], [`Error::NotOurs`], or [`Error::NotStopped`], as when a
    /// debugger has it. Those that were stopped go on then.
    pub fn stop(pid: i32) -> Result<Held, Error> {
        let mut held = Held {
            threads: BTreeMap::new(),
            lets_go: true,
            _not_send: PhantomData,
        };
        loop {
            let mut fresh = 0;
            for thread in threads(pid)? {
                if !held.threads.contains_key(&thread) && held.stop_thread(pid, thread)? {
                    fresh += 1;
                }
            }
            if held.threads.is_empty() {
                return Err(Error::NoProcess(pid));
            }
            if fresh == 0 {
                return Ok(held);
            }
        }
    }

    /// A process of one thread that the caller traces and has stopped already. It
    /// stays so when this is dropped.
    pub fn adopted(pid: i32) -> Held {
        Held {
            threads: BTreeMap::from([(pid, 0)]),
            lets_go: false,
            _not_send: PhantomData,
        }
    }

    /// False when the thread has ended.
    fn stop_thread(&mut self, pid: i32, thread: i32) -> Result<bool, Error> {
        if let Err(e) = request(libc::PTRACE_SEIZE, thread, 0) {
            return match e.raw_os_error() {
                Some(libc::ESRCH) => Ok(false),
                // The system says the same of a thread that has ended and of one
                // that a debugger has.
                Some(libc::EPERM) if state(pid, thread).is_none_or(|state| state == 'Z') => {
                    Ok(false)
                }
                Some(libc::EPERM) if tracer(pid, thread) == 0 => Err(Error::NotOurs(pid)),
                _ => Err(Error::NotStopped(pid, e)),
            };
        }
        // From here on it is ours to let go, whatever happens.
        self.threads.insert(thread, 0);
        if let Err(e) = request(libc::PTRACE_INTERRUPT, thread, 0) {
            self.threads.remove(&thread);
            return match e.raw_os_error() {
                Some(libc::ESRCH) => Ok(false),
                _ => Err(Error::NotStopped(pid, e)),
            };
        }
        let since = Instant::now();
        loop {
            let mut status = 0;
            // SAFETY: `status` is a writable number for the length of the call.
            let waited =
                unsafe { libc::waitpid(thread, &mut status, libc::__WALL | libc::WNOHANG) };
            if waited == thread {
                if !libc::WIFSTOPPED(status) {
                    self.threads.remove(&thread);
                    return Ok(false);
                }
                let is_event = status >> 16 != 0;
                let signal = if is_event { 0 } else { libc::WSTOPSIG(status) };
                self.threads.insert(thread, signal);
                return Ok(true);
            }
            if waited < 0 {
                let e = io::Error::last_os_error();
                if e.raw_os_error() == Some(libc::EINTR) {
                    continue;
                }
                self.threads.remove(&thread);
                return Ok(false);
            }
            if since.elapsed() > PATIENCE {
                let e = io::Error::new(io::ErrorKind::TimedOut, "a thread does not stop");
                return Err(Error::NotStopped(pid, e));
            }
            thread::sleep(Duration::from_micros(50));
        }
    }

    /// Every register of every thread, as words.
    pub fn registers(&self) -> Vec<u64> {
        self.threads
            .keys()
            .flat_map(|&thread| registers(thread))
            .collect()
    }

    /// The threads' stack pointers.
    pub fn stack_pointers(&self) -> Vec<u64> {
        let of_thread = |&thread| registers(thread).get(STACK_POINTER).copied();
        self.threads.keys().filter_map(of_thread).collect()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.lets_go {
            return;
        }
        for (&thread, &signal) in &self.threads {
            // One that has ended since needs nothing.
            let _ = request(libc::PTRACE_DETACH, thread, signal);
        }
    }
}

fn request(request: libc::c_uint, thread: i32, data: i32) -> io::Result<()> {
    let none: *mut libc::c_void = ptr::null_mut();
    // SAFETY: these requests take numbers and write to no memory of this process.
    let done = unsafe { libc::ptrace(request as _, thread, none, i64::from(data)) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Whether a traced thread that is stopped at its end takes all others with it: it was
/// killed by a signal, or called `exit` rather than `pthread_exit`.
pub fn ends_process(thread: i32) -> bool {
    let none: *mut libc::c_void = ptr::null_mut();
    let mut status: libc::c_ulong = 0;
    // SAFETY: the request writes a word to `status`, and to nothing else.
    let done = unsafe { libc::ptrace(libc::PTRACE_GETEVENTMSG, thread, none, &raw mut status) };
    let is_killed = done == 0 && status & 0x7f != 0;
    let call = registers(thread).get(SYSTEM_CALL).copied();
    is_killed || call == Some(libc::SYS_exit_group as u64)
}

fn registers(thread: i32) -> Vec<u64> {
    let mut words = vec![0u64; REGISTERS];
    let mut range = libc::iovec {
        iov_base: words.as_mut_ptr().cast(),
        iov_len: size_of_val(words.as_slice()),
    };
    let which = ptr::without_provenance_mut::<libc::c_void>(libc::NT_PRSTATUS as usize);
    // SAFETY: the range is `words`, which is written no further than its length.
    let done = unsafe { libc::ptrace(libc::PTRACE_GETREGSET, thread, which, &raw mut range) };
    words.truncate(if done < 0 { 0 } else { range.iov_len / 8 });
    words
}

fn threads(pid: i32) -> Result<Vec<i32>, Error> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).map_err(|_| Error::NoProcess(pid))?;
    let number = |task: fs::DirEntry| task.file_name().to_str()?.parse().ok();
    Ok(tasks.flatten().filter_map(number).collect())
}

fn status(pid: i32, thread: i32, field: &str) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/task/{thread}/status")).ok()?;
    // A thread's name is any bytes.
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().to_owned())
}

fn state(pid: i32, thread: i32) -> Option<char> {
    status(pid, thread, "State:")?.chars().next()
}

fn tracer(pid: i32, thread: i32) -> i32 {
    status(pid, thread, "TracerPid:")
        .and_then(|pid| pid.parse().ok())
        .unwrap_or(0)
}
