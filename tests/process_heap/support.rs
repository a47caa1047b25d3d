//! What the tests share: front ends, processes of their own, random numbers,
//! and the system's view of this process.

use ntheap::heap::{Word, checked, plain};
use ntheap::{Config, NtHeap};
use std::alloc::{GlobalAlloc, Layout};
use std::io::Write as _;
use std::process::{Command, Output};
use std::sync::{Arc, Barrier};
use std::time::Duration;

thread_local! {
    static PLAIN: Word = const { Word::new() };
    static CHECKED: Word = const { Word::new() };
}

static CONFIG: Config = Config::new();
static GLOBAL: NtHeap = NtHeap::new();

/// An entrance to the process heap. One process uses only one of them: what
/// `Global` is built on has a thread hook in common with one of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    /// The free knows the layout: what release builds use.
    Plain,
    /// The free knows the address: what C and debug builds use.
    Checked,
    /// What programs see.
    Global,
}

impl Face {
    pub(crate) fn allocate(self, layout: Layout) -> *mut u8 {
        // SAFETY: the words are this thread's own.
        unsafe {
            match self {
                Face::Plain => PLAIN.with(|word| plain::allocate(word, &CONFIG, layout)),
                Face::Checked => {
                    CHECKED.with(|word| checked::allocate_layout(word, &CONFIG, layout, false))
                }
                Face::Global => GLOBAL.alloc(layout),
            }
        }
    }

    pub(crate) fn allocate_zeroed(self, layout: Layout) -> *mut u8 {
        // SAFETY: the words are this thread's own.
        unsafe {
            match self {
                Face::Plain => PLAIN.with(|word| plain::allocate_zeroed(word, &CONFIG, layout)),
                Face::Checked => {
                    CHECKED.with(|word| checked::allocate_layout(word, &CONFIG, layout, true))
                }
                Face::Global => GLOBAL.alloc_zeroed(layout),
            }
        }
    }

    /// Frees a block; the tests give each back once and use it no more.
    pub(crate) fn free(self, block: *mut u8, layout: Layout) {
        // SAFETY: the words are this thread's own, the block the caller's.
        unsafe {
            match self {
                Face::Plain => PLAIN.with(|word| plain::free(word, block, layout)),
                Face::Checked => CHECKED.with(|word| checked::free(word, block)),
                Face::Global => GLOBAL.dealloc(block, layout),
            }
        }
    }

    /// Resizes a block; unless the answer is null the old one is gone.
    pub(crate) fn reallocate(self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the words are this thread's own, the block the caller's.
        unsafe {
            match self {
                Face::Plain => {
                    PLAIN.with(|word| plain::reallocate(word, &CONFIG, block, layout, size))
                }
                // C's own realloc, which moves large blocks by their pages.
                Face::Checked if layout.align() <= 16 => {
                    CHECKED.with(|word| checked::reallocate(word, block, size))
                }
                Face::Checked => CHECKED
                    .with(|word| checked::reallocate_layout(word, &CONFIG, block, layout, size)),
                Face::Global => GLOBAL.realloc(block, layout, size),
            }
        }
    }

    pub(crate) fn purge(self) {
        match self {
            Face::Plain => PLAIN.with(plain::purge),
            Face::Checked => CHECKED.with(checked::purge),
            Face::Global => ntheap::purge(),
        }
    }
}

/// Makes a test for each of some entrances out of a function of a [`Face`]; each
/// runs in a process of its own.
macro_rules! each_face {
    ($body:ident: $($name:ident = $face:ident),+) => {
        mod $body {
            $(
                #[test]
                fn $name() {
                    use super::{Face, isolated};
                    isolated(|| super::$body(Face::$face));
                }
            )+
        }
    };
}
pub(crate) use each_face;

/// A face as the standard library wants allocators.
pub(crate) struct Through(pub(crate) Face);

// SAFETY: blocks are distinct, as large and as aligned as their layout says,
// and live until they are freed.
unsafe impl GlobalAlloc for Through {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.allocate(layout)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.0.free(block, layout);
    }
}

/// A block that a test holds. Any thread may free it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    pub(crate) start: *mut u8,
    pub(crate) layout: Layout,
}

// SAFETY: a block is plain memory that belongs to whoever holds this.
unsafe impl Send for Block {}

pub(crate) fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// Random numbers that are the same in every run (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// A number from `low` to `high`, all orders of magnitude alike.
    pub(crate) fn log_uniform(&mut self, low: usize, high: usize) -> usize {
        let part = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        let (from, to) = ((low as f64).ln(), ((high + 1) as f64).ln());
        ((from + part * (to - from)).exp() as usize).clamp(low, high)
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

/// Names the test that a child process is to run. (Not an `NTHEAP_` name: the
/// library would warn of it.)
const CHILD: &str = "HEAP_TEST_CHILD";
const DONE: &str = "[the child's part is done]";
/// A child that takes longer hangs.
fn child_seconds() -> u64 {
    if long() { 1500 } else { 300 }
}

/// The name of the test whose body `closure` is.
fn test_name<F>(_closure: &F) -> &'static str {
    let path = std::any::type_name::<F>();
    let path = path.split_once("::").map_or(path, |(_, rest)| rest);
    path.split("::{{closure}}").next().unwrap_or(path)
}

/// Whether this is the process that was started for the test `name`.
fn is_child(name: &str) -> bool {
    std::env::var(CHILD).is_ok_and(|child| child == name)
}

/// This program again, to run the test `name` alone.
fn child(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([name, "--exact", "--include-ignored", "--nocapture"])
        .arg("--test-threads=1")
        .env(CHILD, name)
        .env("RUST_BACKTRACE", "0");
    for (known, _) in std::env::vars_os() {
        if known.to_string_lossy().starts_with("NTHEAP_") && known != "NTHEAP_LONG" {
            command.env_remove(known);
        }
    }
    command
}

/// Ends this process if it takes too long.
fn watch() {
    // What the thread's birth costs is spent when this returns.
    let born = Arc::new(Barrier::new(2));
    let watching = Arc::clone(&born);
    std::thread::spawn(move || {
        watching.wait();
        let seconds = child_seconds();
        std::thread::sleep(Duration::from_secs(seconds));
        eprintln!("no end after {seconds} s");
        std::process::abort();
    });
    born.wait();
}

/// The process that is to run the body of a test, given as a closure of the
/// test function itself; nothing when this is it.
#[cfg(target_os = "linux")]
pub(crate) fn child_of<F>(body: &F) -> Option<Command> {
    let name = test_name(body);
    (!is_child(name)).then(|| child(name))
}

/// Runs a command to its end. Wine refuses to start a process now and then
/// while many start at once ("Internal error"); nothing has run then, and
/// another try is fair.
fn started(command: &mut Command) -> Output {
    const INTERNAL_ERROR: i32 = 1359;
    for _ in 0..10 {
        match command.output() {
            Err(e) if cfg!(windows) && e.raw_os_error() == Some(INTERNAL_ERROR) => {
                std::thread::sleep(std::time::Duration::from_millis(200));
            }
            output => return output.unwrap(),
        }
    }
    command.output().unwrap()
}

/// Runs the body, given as a closure of the test function itself, in a process
/// of its own; `environment` is set there. Returns what it wrote, in the
/// parent; in the child it returns nothing and the test is to end.
pub(crate) fn isolated_with(environment: &[(&str, &str)], body: impl FnOnce()) -> Option<Output> {
    let name = test_name(&body);
    if is_child(name) {
        watch();
        body();
        say(DONE);
        return None;
    }
    let output = started(child(name).envs(environment.iter().copied()));
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        // The harness leaves the line open on which it names the test.
        if let Some((_, figure)) = line.split_once(FIGURE) {
            println!("{figure}");
        }
    }
    Some(output)
}

/// [`isolated_with`] for a body that must come to its end.
pub(crate) fn isolated(body: impl FnOnce()) {
    let name = test_name(&body);
    if let Some(output) = isolated_with(&[], body) {
        assert_done(name, &output);
    }
}

/// Asserts that a child came to the end of its part.
pub(crate) fn assert_done(what: &str, output: &Output) {
    let out = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && out.contains(DONE),
        "{what}: {}\n{out}\n{error}",
        output.status
    );
}

/// Runs `body` in a fork of this process and returns its answer, below 100;
/// 101 when it panicked. Anything else it dies of fails here.
#[cfg(unix)]
pub(crate) fn in_fork(body: impl FnOnce() -> u8) -> u8 {
    // SAFETY: the fork runs `body` on its one thread and ends without unwinding
    // into what the parent owns.
    unsafe {
        let child = libc::fork();
        assert!(child >= 0, "fork");
        if child == 0 {
            // A fork that hangs dies of this.
            libc::alarm(child_seconds() as u32 / 3);
            let body = std::panic::AssertUnwindSafe(body);
            libc::_exit(i32::from(std::panic::catch_unwind(body).unwrap_or(101)));
        }
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        assert!(libc::WIFEXITED(status), "the fork died: status {status:#x}");
        libc::WEXITSTATUS(status) as u8
    }
}

/// Starts what the parent of a child repeats, to the line's end.
const FIGURE: &str = "figure: ";

/// Says a figure, in a child or not.
pub(crate) fn figure(text: &str) {
    say(&format!("{FIGURE}{text}"));
}

/// Writes a line at once.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").unwrap();
    out.flush().unwrap();
}

/// Whether the tests run at their large size.
pub(crate) fn long() -> bool {
    std::env::var_os("NTHEAP_LONG").is_some_and(|value| value != "0")
}

pub(crate) const KIB: usize = 1 << 10;
pub(crate) const MIB: usize = 1 << 20;
pub(crate) const GIB: usize = 1 << 30;

/// Mebibytes with a decimal.
pub(crate) fn mib(bytes: usize) -> String {
    format!("{:.1} MiB", bytes as f64 / MIB as f64)
}

/// Bytes of memory this process occupies.
#[cfg(target_os = "linux")]
pub(crate) fn resident() -> usize {
    status("VmRSS")
}

/// What the line `name` of /proc/self/status says, in bytes.
#[cfg(target_os = "linux")]
pub(crate) fn status(name: &str) -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    let kilobytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * KIB
}

/// The number of mappings of this process.
#[cfg(target_os = "linux")]
pub(crate) fn mappings() -> usize {
    std::fs::read("/proc/self/maps")
        .unwrap()
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count()
}
