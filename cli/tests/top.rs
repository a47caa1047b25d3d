//! `ntheap top`: a frame as text, and the live view in a terminal of the test's own.

#![cfg(target_os = "linux")]

mod common;

use common::running::Running;
use common::{compile, folder, library, ntheap, output, stderr, stdout};
use serde_json::Value;
use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Has 1,000 blocks of 512 bytes, and at each line it is sent 500 more.
const GROWS: &str = r#"
#include <stdio.h>
#include <stdlib.h>
static void *kept[4000];
int main(void) {
    static char input[1 << 10];
    setvbuf(stdin, input, _IOFBF, sizeof input);
    int count = 0;
    for (; count < 1000; count++) kept[count] = malloc(512);
    do {
        printf("ready\n");
        fflush(stdout);
        for (int more = 0; more < 500; more++) kept[count++ % 4000] = malloc(512);
    } while (getchar() != EOF);
    return 0;
}
"#;

fn program(test: &str) -> Option<PathBuf> {
    let program = folder(test).join("program");
    compile(test, GROWS, &program, &[]).then_some(program)
}

#[test]
fn a_frame_is_written_where_there_is_no_terminal() {
    let Some(program) = program("top-once") else {
        return;
    };
    let mut running = Running::preloaded(&program);
    running.until_ready();
    let pid = running.pid();
    let mut top = ntheap();
    top.args(["top", &pid, "--every", "0.05"]);
    let out = output(&mut top);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    let text = stdout(&out);
    assert!(
        text.starts_with(&format!("program  process {pid} ")),
        "{text}"
    );
    assert!(text.contains("heaps (1), by bytes in use "), "{text}");
    let bucket = text.lines().find(|line| line.starts_with("    512 "));
    assert!(
        bucket.is_some_and(|line| line.contains(" 1,500 ")),
        "{text}"
    );

    let out = output(top.args(["--format", "json"]));
    let found: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    let heap = &found["heaps"][0];
    assert_eq!(heap["name"], "process heap");
    assert!(heap["in_use"].as_u64() >= Some(1500 * 512), "{heap}");
    assert!(found["resident"].as_u64() > heap["in_use"].as_u64());
    let heap = ["--heap", "process heap"];
    let out = output(ntheap().args(["top", &pid, "--format", "json"]).args(heap));
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    let found: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(found["heaps"].as_array().map(Vec::len), Some(1));
    let out = output(top.args(["--heap", "no such heap"]));
    assert_eq!(out.status.code(), Some(2), "{}", stderr(&out));
    running.end();
    let out = output(ntheap().args(["top", "4999999"]));
    assert_eq!(out.status.code(), Some(4));
    assert!(stderr(&out).contains("there is no process 4999999"));
}

/// A terminal, and the command that runs in it.
struct Terminal {
    master: File,
    shown: String,
    /// Up to where it was looked for something.
    seen: usize,
    child: Child,
}

impl Terminal {
    fn start(pid: &str, rows: u16) -> Terminal {
        let mut command = ntheap();
        command.args(["top", pid, "--every", "0.1"]);
        Terminal::run(command, rows)
    }

    fn run(mut command: Command, rows: u16) -> Terminal {
        // Closed in every program that is started, so that the test's end is the only one.
        let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
        let mut name = [0u8; 64];
        // SAFETY: `name` is writable for its length; the descriptor was just opened, and
        // nobody else has it.
        let master = unsafe {
            let master = libc::posix_openpt(flags);
            assert!(master >= 0);
            assert_eq!(libc::grantpt(master) | libc::unlockpt(master), 0);
            let named = libc::ptsname_r(master, name.as_mut_ptr().cast(), name.len());
            assert_eq!(named, 0);
            File::from_raw_fd(master)
        };
        let name = CStr::from_bytes_until_nul(&name).expect("a name");
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(name.to_str().expect("UTF-8"))
            .expect("the other end");
        let copy = || slave.try_clone().expect("a descriptor");
        command
            .env("TERM", "xterm-256color")
            .stdin(copy())
            .stdout(copy())
            .stderr(copy());
        // SAFETY: two system calls, which touch no memory of the process.
        unsafe {
            command.pre_exec(|| {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
                Ok(())
            });
        }
        resize(&master, rows);
        Terminal {
            child: command.spawn().expect("the command starts"),
            master,
            shown: String::new(),
            seen: 0,
        }
    }

    /// Reads until a text is shown, behind what was waited for before. A frame has only
    /// what changed.
    fn until(&mut self, text: &str) {
        let since = Instant::now();
        let mut piece = [0; 4096];
        loop {
            let fresh = &self.shown[self.seen..];
            if let Some(at) = fresh.find(text) {
                self.seen += at + text.len();
                return;
            }
            let told: String = fresh.chars().take(2000).collect();
            let has_time = since.elapsed() < Duration::from_secs(20);
            assert!(has_time, "no {text:?} in {told:?}");
            let mut waits = libc::pollfd {
                fd: self.master.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            // SAFETY: `waits` is one entry, writable for the length of the call.
            if unsafe { libc::poll(&mut waits, 1, 100) } == 0 {
                continue;
            }
            // The end of a terminal is an error.
            let count = self.master.read(&mut piece).unwrap_or(0);
            assert!(count > 0, "it ended without {text:?}: {told:?}");
            self.shown
                .push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    }

    fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("written");
    }

    fn resize(&self, rows: u16) {
        resize(&self.master, rows);
    }

    /// Whether lines are edited and keys are shown, as a shell has it.
    fn is_usual(&self) -> bool {
        let mut settings = MaybeUninit::<libc::termios>::uninit();
        // SAFETY: the result is written when 0 is returned.
        let settings = unsafe {
            assert_eq!(
                libc::tcgetattr(self.master.as_raw_fd(), settings.as_mut_ptr()),
                0
            );
            settings.assume_init()
        };
        let usual = libc::ICANON | libc::ECHO | libc::ISIG;
        settings.c_lflag & usual == usual
    }

    fn status(&mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resize(master: &File, rows: u16) {
    let size = libc::winsize {
        ws_row: rows,
        ws_col: 90,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the request reads a size.
    let done = unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSWINSZ, &size) };
    assert_eq!(done, 0);
}

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
const SHOW_CURSOR: &str = "\x1b[?25h";

#[test]
fn keys_lead_through_the_view_and_the_terminal_is_put_right() {
    let Some(program) = program("top-keys") else {
        return;
    };
    let mut running = Running::preloaded(&program);
    running.until_ready();
    let mut terminal = Terminal::start(&running.pid(), 24);
    terminal.until(ENTER);
    terminal.until("buckets of process heap");
    terminal.until("quit");
    assert!(!terminal.is_usual());
    terminal.press("s");
    terminal.until("committed");
    // What grows is seen to grow.
    running.go();
    running.until_ready();
    terminal.until("+");
    // The last row is where the terminal's is now.
    terminal.resize(40);
    terminal.until("\x1b[40;1H");
    terminal.press("\r");
    terminal.until("reserved");
    terminal.press("q");
    terminal.until(LEAVE);
    assert_eq!(terminal.status(), Some(0));
    assert!(terminal.is_usual());
    running.end();
}

#[test]
fn an_end_of_the_process_or_a_signal_ends_the_view() {
    let Some(program) = program("top-ends") else {
        return;
    };
    library();
    let mut running = Running::preloaded(&program);
    running.until_ready();
    let pid = running.pid();
    for signal in [libc::SIGTERM, libc::SIGQUIT, libc::SIGUSR1] {
        let mut terminal = Terminal::start(&pid, 24);
        terminal.until("quit");
        // SAFETY: sends a signal to the command, which was not waited for.
        unsafe { libc::kill(terminal.child.id() as libc::pid_t, signal) };
        terminal.until(LEAVE);
        assert_eq!(terminal.status(), Some(0), "{signal}");
        assert!(terminal.is_usual(), "{signal}");
    }

    let mut terminal = Terminal::start(&pid, 24);
    terminal.until("quit");
    running.end();
    terminal.until(LEAVE);
    terminal.until(&format!("ntheap: process {pid} has ended"));
    assert_eq!(terminal.status(), Some(4));
    assert!(terminal.is_usual());
}

/// A command that is stopped leaves the terminal to the shell, and takes it again.
#[test]
fn a_stopped_view_leaves_the_terminal_and_comes_back() {
    let Some(program) = program("top-stopped") else {
        return;
    };
    let mut running = Running::preloaded(&program);
    running.until_ready();
    let mut terminal = Terminal::start(&running.pid(), 24);
    terminal.until("quit");
    let child = terminal.child.id() as libc::pid_t;
    let mut status = 0;
    // SAFETY: the command was not waited for; its status is written, and it goes on.
    unsafe {
        libc::kill(child, libc::SIGTSTP);
        assert_eq!(
            libc::waitpid(child, &raw mut status, libc::WUNTRACED),
            child
        );
    }
    assert!(libc::WIFSTOPPED(status), "{status:#x}");
    terminal.until(SHOW_CURSOR);
    terminal.until(LEAVE);
    assert!(terminal.is_usual());
    // SAFETY: as above.
    unsafe { libc::kill(child, libc::SIGCONT) };
    terminal.until(ENTER);
    terminal.until("quit");
    assert!(!terminal.is_usual());
    terminal.press("q");
    terminal.until(LEAVE);
    assert_eq!(terminal.status(), Some(0));
    running.end();
}

#[test]
fn a_terminal_that_is_closed_ends_the_view() {
    let Some(program) = program("top-closed") else {
        return;
    };
    let mut running = Running::preloaded(&program);
    running.until_ready();
    for keys in ["", "p"] {
        let mut terminal = Terminal::start(&running.pid(), 24);
        terminal.until("quit");
        terminal.press(keys);
        terminal.master = File::open("/dev/null").expect("it is there");
        let since = Instant::now();
        let status = loop {
            if let Some(status) = terminal.child.try_wait().expect("a child") {
                break status;
            }
            assert!(since.elapsed() < Duration::from_secs(20), "it goes on");
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(status.code(), Some(0), "after {keys:?}: {status}");
    }
    running.end();
}

/// The orders to a terminal that set a colour, or bold.
fn colours(shown: &str) -> Vec<&str> {
    let orders = shown.split("\x1b[").skip(1);
    orders
        .filter_map(|order| order.split_once('m'))
        .map(|(numbers, _)| numbers)
        .filter(|numbers| {
            let is_number = |number: &str| number.bytes().all(|byte| byte.is_ascii_digit());
            let sets = |number: &str| {
                // 39 and 49 take a colour away.
                matches!(number.parse(), Ok(1u32 | 30..=38 | 40..=48 | 90..=107))
            };
            numbers.split(';').all(is_number) && numbers.split(';').next().is_some_and(sets)
        })
        .collect()
}

/// What the user says of colours holds where there is a terminal; without one there are none.
#[test]
fn no_color_takes_colours_away() {
    let Some(program) = program("top-colours") else {
        return;
    };
    library();
    let mut running = Running::preloaded(&program);
    running.until_ready();
    for (value, has_colours) in [(None, true), (Some(""), true), (Some("1"), false)] {
        let says = |command: &mut Command| {
            command.env_remove("NO_COLOR");
            command.envs(value.map(|value| ("NO_COLOR", value)));
        };
        let mut run = ntheap();
        says(run.args(["run", "--", "true"]));
        let mut terminal = Terminal::run(run, 24);
        terminal.until("memory at exit");
        let bold = terminal.shown.contains("\x1b[1mntheap: true exited with 0");
        assert_eq!(bold, has_colours, "{:?}", terminal.shown);
        assert_eq!(!colours(&terminal.shown).is_empty(), has_colours);

        let mut top = ntheap();
        says(top.args(["top", &running.pid(), "--every", "0.1"]));
        let mut terminal = Terminal::run(top, 24);
        terminal.until("quit");
        let coloured = colours(&terminal.shown);
        let has_more = coloured.iter().any(|numbers| *numbers != "1");
        assert_eq!(has_more, has_colours, "{value:?}: {coloured:?}");
    }
    running.end();
}

/// On a terminal the line of what is being done is written over, and gone at the end.
#[test]
fn progress_is_one_line_of_a_terminal() {
    let Some(program) = program("top-progress") else {
        return;
    };
    let mut running = Running::preloaded(&program);
    running.until_ready();
    let mut leaks = ntheap();
    leaks.args(["leaks", "--progress", &running.pid()]);
    leaks.env("NO_COLOR", "1");
    let mut terminal = Terminal::run(leaks, 24);
    terminal.until("looking through process");
    terminal.until("nothing leads to ");
    assert_eq!(colours(&terminal.shown), [""; 0]);
    assert!(terminal.shown.contains("\x1b[2K"), "{:?}", terminal.shown);
    assert!(!terminal.shown.contains(": done"), "{:?}", terminal.shown);
    running.end();
}
