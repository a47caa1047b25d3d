//! The system layer against the real system, function by function.
//!
//! What must kill a process (a fault, an abort) or change it for good (the
//! environment, limits, fork hooks) happens in a process of its own: this
//! program again, running only the test `child` in a given role.

mod memory;
mod mock;
mod process;

use ntheap::sys::{self, Protection};
use std::io::Write as _;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Counters and the fault plan belong to the process, so that one test at a
/// time may call the system.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A reservation that ends with its scope.
struct Range {
    base: *mut u8,
    size: usize,
}

impl Range {
    fn reserved(pages: usize) -> Range {
        let size = pages * sys::page_size();
        let base = sys::reserve(size, 1);
        assert!(!base.is_null(), "reserving {size} bytes");
        Range { base, size }
    }

    fn committed(pages: usize) -> Range {
        let range = Range::reserved(pages);
        // SAFETY: the whole of a reservation that belongs to `range`.
        assert!(unsafe { sys::commit(range.base, range.size) });
        range
    }

    fn page(&self, number: usize) -> *mut u8 {
        assert!(number * sys::page_size() < self.size);
        self.base.wrapping_add(number * sys::page_size())
    }

    /// The contents, which the caller knows to be readable.
    fn bytes(&self) -> &[u8] {
        // SAFETY: the tests call this on ranges that are committed whole and
        // written through no other reference while they look.
        unsafe { std::slice::from_raw_parts(self.base, self.size) }
    }

    fn fill(&self, value: u8) {
        // SAFETY: as for `bytes`, and writable.
        unsafe { self.base.write_bytes(value, self.size) }
    }

    fn all(&self, value: u8) -> bool {
        self.bytes().iter().all(|&byte| byte == value)
    }
}

impl Drop for Range {
    fn drop(&mut self) {
        // SAFETY: the whole reservation, of which the scope ends.
        let released = unsafe { sys::release(self.base, self.size) };
        assert!(
            released || std::thread::panicking(),
            "releasing {:p}",
            self.base
        );
    }
}

/// The access rights at `address` as "rwx" with dashes; `None` where nothing
/// is mapped or reserved.
#[cfg(target_os = "linux")]
fn rights(address: *const u8) -> Option<String> {
    mappings(address, 1).pop()
}

/// The rights of every mapping that overlaps the range, in address order.
#[cfg(target_os = "linux")]
fn mappings(base: *const u8, size: usize) -> Vec<String> {
    let hex = |text: &str| usize::from_str_radix(text, 16).unwrap();
    let text = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut found = Vec::new();
    for line in text.lines() {
        let (range, rest) = line.split_once(' ').unwrap();
        let (from, to) = range.split_once('-').unwrap();
        if hex(from) < base.addr() + size && hex(to) > base.addr() {
            found.push(rest[..3].to_string());
        }
    }
    found
}

/// The access rights at `address` as "rwx" with dashes; `None` where nothing
/// is mapped or reserved.
#[cfg(windows)]
fn rights(address: *const u8) -> Option<String> {
    use windows_sys::Win32::System::Memory::*;
    // SAFETY: the call fills one structure of integers and pointers.
    let info = unsafe {
        let mut info: MEMORY_BASIC_INFORMATION = std::mem::zeroed();
        assert_ne!(
            VirtualQuery(address.cast(), &raw mut info, size_of_val(&info)),
            0
        );
        info
    };
    let text = match (info.State, info.Protect) {
        (MEM_FREE, _) => return None,
        (MEM_RESERVE, _) | (MEM_COMMIT, PAGE_NOACCESS) => "---",
        (MEM_COMMIT, PAGE_READONLY) => "r--",
        (MEM_COMMIT, PAGE_READWRITE) => "rw-",
        (MEM_COMMIT, PAGE_EXECUTE_READWRITE) => "rwx",
        other => panic!("unexpected state {other:?}"),
    };
    Some(text.to_string())
}

/// The number of pages of the range that have memory.
#[cfg(target_os = "linux")]
fn resident(range: &Range) -> usize {
    let mut pages = vec![0u8; range.size / sys::page_size()];
    // SAFETY: the kernel writes one byte per page of the mapped range.
    let result = unsafe { libc::mincore(range.base.cast(), range.size, pages.as_mut_ptr()) };
    assert_eq!(result, 0);
    pages.iter().filter(|&&page| page & 1 != 0).count()
}

const ROLE: &str = "SYS_TEST_ROLE";
const BEFORE: &str = "[about to do it]";
const SURVIVED: &str = "[survived]";

/// Wine refuses to start a process now and then while many start at once
/// ("Internal error"); nothing has run then, and another try is fair.
fn run_child(role: &str, environment: &[(&str, &str)]) -> Output {
    const INTERNAL_ERROR: i32 = 1359;
    let mut tries = 0;
    loop {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--ignored", "--nocapture"])
            .env(ROLE, role)
            .envs(environment.iter().copied())
            .output();
        let refused = |e: &std::io::Error| e.raw_os_error() == Some(INTERNAL_ERROR);
        if cfg!(windows) && tries < 10 && output.as_ref().is_err_and(refused) {
            std::thread::sleep(std::time::Duration::from_millis(200));
            tries += 1;
            continue;
        }
        return output.unwrap();
    }
}

/// Asserts that the child came to the fatal point and no further.
fn dies(role: &str) -> Output {
    let output = run_child(role, &[]);
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.contains(BEFORE), "{role} did not start: {output:?}");
    assert!(!out.contains(SURVIVED), "{role} survived: {output:?}");
    assert!(
        !out.contains("test result"),
        "{role} came to its end: {output:?}"
    );
    assert!(!output.status.success(), "{role}: {output:?}");
    output
}

fn faults(role: &str) {
    let output = dies(role);
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        let signal = output.status.signal();
        assert!(
            matches!(signal, Some(libc::SIGSEGV | libc::SIGBUS)),
            "{role} died of {signal:?}, not of a fault"
        );
    }
    let _ = output;
}

/// Asserts that the child did its part and found all as it should be.
fn passes(role: &str, environment: &[(&str, &str)]) -> Output {
    let output = run_child(role, environment);
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(
        out.contains(BEFORE) && out.contains(SURVIVED),
        "{role}: {output:?}"
    );
    assert!(
        out.contains("test result: ok. 1 passed"),
        "{role}: {output:?}"
    );
    output
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").unwrap();
    out.flush().unwrap();
}

/// One read or write that the compiler cannot leave out.
fn touch(address: *mut u8, write: bool) {
    // SAFETY: the child owns the page; that the access faults is the point.
    unsafe {
        if write {
            address.write_volatile(1);
        } else {
            address.read_volatile();
        }
    }
}

#[test]
#[ignore = "the part of other tests that needs a process of its own"]
fn child() {
    let Ok(role) = std::env::var(ROLE) else {
        println!("nothing to do: {ROLE} is not set");
        return;
    };
    let range = Range::committed(4);
    range.fill(7);
    let (base, size, second) = (range.base, range.size, range.page(1));
    let page = sys::page_size();
    match role.as_str() {
        "reserved" => {
            let fresh = Range::reserved(1);
            say(BEFORE);
            touch(fresh.base, false);
        }
        "decommitted" => {
            // SAFETY: a page of `range`, touched again only to see it fault.
            assert!(unsafe { sys::decommit(second, page) });
            touch(range.page(0), true);
            touch(range.page(2), true);
            say(BEFORE);
            touch(second, false);
        }
        "guarded" => {
            // SAFETY: a page of `range`, touched again only to see it fault.
            assert!(unsafe { sys::guard(second, page) });
            touch(range.page(0), true);
            touch(range.page(2), true);
            say(BEFORE);
            touch(second, false);
        }
        "unreadable" => {
            // SAFETY: a page of `range`, touched again only to see it fault.
            assert!(unsafe { sys::protect(second, page, Protection::None) });
            say(BEFORE);
            touch(second, false);
        }
        "read only" => {
            // SAFETY: `range` is this function's and stays readable.
            assert!(unsafe { sys::protect(base, size, Protection::Read) });
            assert!(range.all(7));
            say(BEFORE);
            touch(second, true);
        }
        "released" => {
            std::mem::forget(range);
            // SAFETY: the whole of the range, which nobody releases again.
            assert!(unsafe { sys::release(base, size) });
            say(BEFORE);
            touch(base, false);
        }
        "abort" => {
            unsafe extern "C" {
                safe fn atexit(function: extern "C" fn()) -> i32;
            }
            extern "C" fn at_exit() {
                say(SURVIVED);
            }
            assert_eq!(atexit(at_exit), 0);
            say(BEFORE);
            sys::abort();
        }
        "exit" => {
            extern "C" fn at_exit() {
                say("<at exit>");
            }
            sys::at_exit(at_exit);
            say(BEFORE);
        }
        "stderr" => {
            say(BEFORE);
            sys::write_stderr(b"");
            sys::write_stderr("<plain text, \u{fc}mlaut>".as_bytes());
            sys::write_stderr(&[b'x'; 100_000]);
        }
        "environment" => {
            say(BEFORE);
            let mut seen = Vec::new();
            sys::for_each_env(b"SYSTEST_", &mut |name, value| {
                seen.push((name.to_vec(), value.to_vec()));
            });
            seen.sort();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            for (name, value) in seen {
                say(&format!("{}>{}<{}", text(&name), text(&value), value.len()));
            }
        }
        "release" => memory::release_in_child(),
        "move" => memory::move_in_child(),
        "resize" => memory::resize_in_child(),
        #[cfg(unix)]
        "fork" => process::fork_in_child(),
        #[cfg(target_os = "linux")]
        "limit" => {
            let limit = libc::rlimit {
                rlim_cur: 8 << 30,
                rlim_max: 8 << 30,
            };
            // SAFETY: the kernel reads one structure.
            let set = unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) };
            assert_eq!(set, 0);
            say(BEFORE);
            assert_eq!(sys::address_space_limit(), 8 << 30);
            assert!(sys::reserve(16 << 30, 1).is_null());
        }
        #[cfg(target_os = "linux")]
        "refused move" => {
            let target = Range::reserved(1024);
            let limit = libc::rlimit {
                rlim_cur: 0,
                rlim_max: libc::RLIM_INFINITY,
            };
            say(BEFORE);
            // A limit below what is in use already refuses all growth, even
            // though the target's address space is there.
            // SAFETY: the kernel reads one structure; two whole reservations
            // of this function, the first all committed.
            let moved = unsafe {
                assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &raw const limit), 0);
                let moved = sys::move_to(base, size, target.base, target.size);
                let unlimited = libc::rlimit {
                    rlim_cur: libc::RLIM_INFINITY,
                    ..limit
                };
                assert_eq!(libc::setrlimit(libc::RLIMIT_AS, &raw const unlimited), 0);
                moved
            };
            assert!(!moved);
            assert!(range.all(7));
            assert_eq!(mappings(target.base, target.size), ["---"]);
        }
        other => panic!("no such role: {other}"),
    }
    say(SURVIVED);
}
