//! What the tests share: debug heaps of their own, the reports of a thread, and
//! processes of their own.

use ntheap::crt::debug::kind::{CLIENT_BLOCK, NORMAL_BLOCK};
use ntheap::crt::debug::report::{self, Hook};
use ntheap::crt::debug::{DebugHeap, Origin};
use std::cell::RefCell;
use std::env;
use std::ffi::{CStr, c_char};
use std::process::{Command, Output};
use std::sync::Once;

/// A debug heap of the test's own, on a runtime of its own.
macro_rules! own_heap {
    ($name:ident) => {
        static $name: ::ntheap::crt::debug::DebugHeap = {
            static RUNTIME: ::ntheap::crt::Crt =
                ::ntheap::crt::Crt::private(concat!(module_path!(), " ", stringify!($name)));
            ::ntheap::crt::debug::DebugHeap::on(&RUNTIME)
        };
    };
}
pub(crate) use own_heap;

/// The place of a request: the test's file and a line.
pub(crate) const fn at(line: i32) -> Origin {
    Origin::new(c"test.rs", line)
}

/// A normal block, which there must be.
pub(crate) fn normal(heap: &'static DebugHeap, size: usize, line: i32) -> *mut u8 {
    let block = heap.allocate(size, NORMAL_BLOCK, at(line));
    assert!(!block.is_null());
    block
}

/// A client block of a subtype, which there must be.
pub(crate) fn client(heap: &'static DebugHeap, size: usize, subtype: i32, line: i32) -> *mut u8 {
    let block = heap.allocate(size, CLIENT_BLOCK | subtype << 16, at(line));
    assert!(!block.is_null());
    block
}

/// Frees blocks of any type.
pub(crate) fn free(heap: &'static DebugHeap, block: *mut u8) {
    // SAFETY: the tests use no block that they free.
    unsafe { heap.free(block, ntheap::crt::debug::kind::UNKNOWN_BLOCK) }
}

thread_local! {
    /// The kinds and messages that were reported by this thread, while it wants
    /// to know.
    static CAUGHT: RefCell<Option<Vec<(i32, String)>>> = const { RefCell::new(None) };
}

unsafe extern "C" fn catch(kind: i32, message: *mut c_char, answer: *mut i32) -> i32 {
    // SAFETY: a hook's message ends with 0, and its answer can be written.
    let text = unsafe {
        answer.write(0);
        CStr::from_ptr(message).to_string_lossy().into_owned()
    };
    CAUGHT.with_borrow_mut(|caught| match caught {
        Some(caught) => {
            caught.push((kind, text));
            1
        }
        None => 0,
    })
}

/// What `body` reports on this thread: kinds and messages. Nothing of it is
/// written anywhere.
pub(crate) fn reported<R>(body: impl FnOnce() -> R) -> (R, Vec<(i32, String)>) {
    static INSTALLED: Once = Once::new();
    // SAFETY: the hook stays for good.
    INSTALLED.call_once(|| unsafe {
        report::install(Hook::Narrow(catch)).expect("room for a hook");
    });
    CAUGHT.set(Some(Vec::new()));
    let result = body();
    let caught = CAUGHT.take().expect("caught");
    (result, caught)
}

/// The messages alone, one after another.
pub(crate) fn messages(body: impl FnOnce()) -> String {
    let ((), caught) = reported(body);
    caught.into_iter().map(|(_, text)| text).collect()
}

/// An address as reports show it.
pub(crate) fn shown(block: *mut u8) -> String {
    format!("0x{:016X}", block.addr())
}

/// Set in a test's own process, to the test's name.
const CHILD: &str = "CRT_DEBUG_TEST_CHILD";

/// Runs `body` in a process of its own: what it wrote and how it ended, in the
/// parent; `None` in the child, when the body returned.
pub(crate) fn alone(name: &str, body: impl FnOnce()) -> Option<Output> {
    alone_with(name, &[], body)
}

/// [`alone`], with variables of the environment.
pub(crate) fn alone_with(
    name: &str,
    variables: &[(&str, &str)],
    body: impl FnOnce(),
) -> Option<Output> {
    if env::var(CHILD).as_deref() == Ok(name) {
        body();
        return None;
    }
    let output = Command::new(env::current_exe().expect("the own path"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, name)
        .envs(variables.iter().copied())
        .output()
        .expect("the program starts again");
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(out.contains("running 1 test"), "no test {name}:\n{out}");
    Some(output)
}

/// A small generator of numbers that look random, the same each time.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}
