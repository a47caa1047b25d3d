//! Named sections among processes: one of each name, which is gone when its last
//! holder is, however that ends.
//!
//! The test program runs itself again as the other processes: `NTHEAP_TEST_ROLE` says
//! as which.

#![cfg(all(target_os = "linux", feature = "win32"))]

use ntheap::win32::*;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

const ROLE: &str = "NTHEAP_TEST_ROLE";
const NAME: &str = "NTHEAP_TEST_NAME";

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// The last error.
fn last_error() -> DWORD {
    // SAFETY: no arguments, no memory.
    unsafe { GetLastError() }
}

/// A section of 64 KiB, and whether it existed.
fn create(name: &str) -> (HANDLE, bool) {
    // SAFETY: the name ends with 0.
    let handle = unsafe {
        CreateFileMappingW(
            INVALID_HANDLE_VALUE,
            ptr::null_mut(),
            PAGE_READWRITE,
            0,
            0x10000,
            wide(name).as_ptr(),
        )
    };
    let error = last_error();
    assert!(!handle.is_null(), "{error}");
    (handle, error == ERROR_ALREADY_EXISTS)
}

/// Opens a section; the last error if there is none.
fn open(name: &str) -> Result<HANDLE, DWORD> {
    // SAFETY: the name ends with 0.
    let handle = unsafe { OpenFileMappingW(FILE_MAP_WRITE, FALSE, wide(name).as_ptr()) };
    if handle.is_null() {
        Err(last_error())
    } else {
        Ok(handle)
    }
}

fn close(handle: HANDLE) {
    // SAFETY: nobody uses the handle any more.
    assert_eq!(unsafe { CloseHandle(handle) }, TRUE);
}

/// A section's first word.
fn word(handle: HANDLE) -> &'static AtomicU32 {
    // SAFETY: the view is never unmapped, and the word is reached as an atomic only.
    unsafe {
        let view = MapViewOfFile(handle, FILE_MAP_WRITE, 0, 0, 0);
        assert!(!view.is_null(), "{}", last_error());
        &*view.cast::<AtomicU32>()
    }
}

fn unmap(word: &'static AtomicU32) {
    // SAFETY: nobody uses the view any more.
    assert_eq!(unsafe { UnmapViewOfFile(ptr::from_ref(word).cast()) }, TRUE);
}

/// Starts the test program in a role.
fn start(role: &str, name: &str) -> Child {
    Command::new(env::current_exe().expect("the test's own path"))
        .args([
            "--exact",
            "another_process",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(ROLE, role)
        .env(NAME, name)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts")
}

/// What the other processes do; without a role, nothing.
#[test]
fn another_process() {
    let (Ok(role), Ok(name)) = (env::var(ROLE), env::var(NAME)) else {
        return;
    };
    match role.as_str() {
        "hold" => {
            let (handle, existed) = create(&name);
            println!("\nheld {}", u32::from(existed));
            let mut line = String::new();
            let _ = std::io::stdin().read_line(&mut line);
            close(handle);
        }
        "churn" => {
            println!("\nheld 0");
            loop {
                let (handle, existed) = create(&name);
                let first = word(handle);
                if !existed {
                    // Nobody else can have written to a new one, unless it found
                    // it already, and then it writes the same.
                    let before = first.swap(7, Ordering::SeqCst);
                    assert!(
                        before == 0 || before == 7,
                        "a new section is zero: {before}"
                    );
                } else {
                    first.store(7, Ordering::SeqCst);
                }
                if let Ok(second) = open(&name) {
                    assert_eq!(word(second).load(Ordering::SeqCst), 7);
                    close(second);
                } else {
                    panic!("a name that is held is not found: {}", last_error());
                }
                unmap(first);
                close(handle);
            }
        }
        other => panic!("{other} is no role"),
    }
}

/// Waits for the line that says that a process is at it: whether the section was there.
fn held(child: &mut Child) -> bool {
    let output = child.stdout.take().expect("a pipe");
    let mut lines = BufReader::new(output).lines();
    let line = lines.find_map(|line| {
        let line = line.expect("a line");
        line.strip_prefix("held ").map(str::to_owned)
    });
    // What it writes later must not block it.
    thread::spawn(move || lines.for_each(drop));
    line.expect("it says so") == "1"
}

/// Ends a process by a signal that it cannot see, and waits until it is gone.
fn kill(mut child: Child) {
    child.kill().expect("killed");
    child.wait().expect("gone");
}

/// A forked child has all handles of this process: one test at a time.
static ONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_name_dies_with_its_last_holder_by_call_or_by_signal() {
    let _alone = alone();
    let name = format!("ntheap-dies-{}", std::process::id());
    assert_eq!(open(&name), Err(ERROR_FILE_NOT_FOUND));
    let mut first = start("hold", &name);
    assert!(!held(&mut first));
    let own = open(&name).expect("the other's");
    word(own).store(42, Ordering::SeqCst);
    let mut second = start("hold", &name);
    assert!(held(&mut second));
    kill(first);
    close(own);
    let own = open(&name).expect("held by the second");
    assert_eq!(word(own).load(Ordering::SeqCst), 42);
    close(own);
    second
        .stdin
        .take()
        .expect("a pipe")
        .write_all(b"\n")
        .expect("told");
    assert!(second.wait().expect("gone").success());
    assert_eq!(open(&name), Err(ERROR_FILE_NOT_FOUND));
    // This process still has views: they hold no name.
    let (again, existed) = create(&name);
    assert!(!existed);
    assert_eq!(word(again).load(Ordering::SeqCst), 0);
    close(again);
}

#[test]
fn of_many_that_make_a_name_at_once_one_makes_it() {
    let _alone = alone();
    for round in 0..12 {
        let name = format!("ntheap-once-{}-{round}", std::process::id());
        let mut all: Vec<Child> = (0..4).map(|_| start("hold", &name)).collect();
        let existed: Vec<bool> = all.iter_mut().map(held).collect();
        let new = existed.iter().filter(|existed| !**existed).count();
        assert_eq!(new, 1, "{existed:?}");
        // Killed while they hold it, all of them: nothing is left.
        all.into_iter().for_each(kill);
        assert_eq!(open(&name), Err(ERROR_FILE_NOT_FOUND));
    }
}

#[test]
fn killed_at_random_moments_processes_leave_no_name_behind() {
    let _alone = alone();
    let name = format!("ntheap-killed-{}", std::process::id());
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let rounds = if env::var_os("NTHEAP_LONG").is_some() {
        400
    } else {
        25
    };
    for round in 0..rounds {
        let mut all: Vec<Child> = (0..3).map(|_| start("churn", &name)).collect();
        for child in &mut all {
            held(child);
        }
        for mut child in all {
            thread::sleep(Duration::from_micros(random(8000)));
            // Until then it found nothing wrong.
            assert!(child.try_wait().expect("asked").is_none(), "round {round}");
            kill(child);
        }
        assert_eq!(open(&name), Err(ERROR_FILE_NOT_FOUND), "round {round}");
        let (own, existed) = create(&name);
        assert!(!existed, "round {round}");
        let first = word(own);
        assert_eq!(first.load(Ordering::SeqCst), 0, "round {round}");
        unmap(first);
        close(own);
    }
}

#[test]
fn a_forked_child_holds_what_its_parent_held() {
    let _alone = alone();
    let name = format!("ntheap-forked-{}", std::process::id());
    let (own, _) = create(&name);
    word(own).store(1, Ordering::SeqCst);
    let mut pipe = [0; 2];
    // SAFETY: two descriptors are written.
    assert_eq!(unsafe { libc::pipe(pipe.as_mut_ptr()) }, 0);
    // SAFETY: the child only waits and ends.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let mut byte = 0u8;
        // SAFETY: the child has both ends of the pipe; it ends without running
        // what the parent would.
        unsafe {
            libc::close(pipe[1]);
            libc::read(pipe[0], (&raw mut byte).cast(), 1);
            libc::_exit(0);
        }
    }
    assert!(child > 0);
    close(own);
    let again = open(&name).expect("the child holds it");
    assert_eq!(word(again).load(Ordering::SeqCst), 1);
    close(again);
    // SAFETY: the child was started above and is waited for once.
    unsafe {
        libc::close(pipe[1]);
        libc::close(pipe[0]);
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
    }
    assert_eq!(open(&name), Err(ERROR_FILE_NOT_FOUND));
}
