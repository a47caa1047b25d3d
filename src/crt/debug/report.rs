//! Where reports go: modes, files and hooks, one set for the process.
//!
//! ```text
//!   report -> hooks of _CrtSetReportHook2, newest first -> hook of _CrtSetReportHook
//!               | each may say that it is done with it        |
//!               v                                             v
//!             answer                     file, debugger, window: as the modes say
//! ```
//!
//! There is no debugger's channel here and no window: standard error stands for
//! both. Nobody presses a button under a window's text, so the answer is Abort,
//! which ends the process; where reports of corruption are set to let the
//! process go on, it is Ignore.
//!
//! Invariants:
//! - A hook is called with no lock held. A report that it raises on its own
//!   thread goes past all hooks.
//! - A message has at most [`MESSAGE_MAX`] bytes; longer ones are cut.
//!
//! Sources: "_CrtDbgReport, _CrtDbgReportW", "_CrtSetReportMode",
//! "_CrtSetReportFile", "_CrtSetReportHook", "_CrtSetReportHook2".

use super::format::{Arguments, Letters, format};
use super::kind::{ASSERT, ERROR, KINDS, MODE_DEBUG, MODE_FILE, MODE_WINDOW};
use super::text::Text;
use crate::config::Action;
use crate::crt::errno;
use crate::crt::marks::Marks;
use crate::sync::forks::{self, AtFork, Layer};
use crate::sync::{Function, Mutex};
use crate::sys;
use core::ffi::{CStr, c_char};
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicI32, AtomicIsize, Ordering};

/// Most bytes of a message, and the 0 behind it.
pub const MESSAGE_MAX: usize = 4096;

/// A program's own look at reports: the kind, the message, and where the answer
/// goes. Not 0: the report is done with, and the answer is the function's
/// result.
pub type ReportHook =
    unsafe extern "C" fn(kind: i32, message: *mut c_char, answer: *mut i32) -> i32;

/// The same with the message in UTF-16.
pub type WideReportHook =
    unsafe extern "C" fn(kind: i32, message: *mut u16, answer: *mut i32) -> i32;

/// No file.
pub const FILE_NONE: isize = -1;
/// Standard output.
pub const FILE_STDOUT: isize = -4;
/// Standard error.
pub const FILE_STDERR: isize = -5;

static MODES: [AtomicI32; KINDS] = [
    AtomicI32::new(MODE_DEBUG),
    AtomicI32::new(MODE_WINDOW),
    AtomicI32::new(MODE_WINDOW),
];
static FILES: [AtomicIsize; KINDS] = [const { AtomicIsize::new(FILE_NONE) }; KINDS];

/// The modes of a kind of report, and none for what is no kind.
pub fn modes(kind: i32) -> Option<i32> {
    of_kind(&MODES, kind).map(|modes| modes.load(Ordering::Relaxed))
}

/// Sets the modes of a kind of report; those before, or none where a kind or
/// mode is none.
pub fn set_modes(kind: i32, modes: i32) -> Option<i32> {
    if modes & !(MODE_FILE | MODE_DEBUG | MODE_WINDOW) != 0 {
        return None;
    }
    of_kind(&MODES, kind).map(|place| place.swap(modes, Ordering::Relaxed))
}

/// The file of a kind of report, and none for what is no kind.
pub fn file(kind: i32) -> Option<isize> {
    of_kind(&FILES, kind).map(|file| file.load(Ordering::Relaxed))
}

/// Sets the file of a kind of report: a descriptor, or one of the constants.
/// Whether it is open is not looked at. The one before, or none where the kind
/// is none.
pub fn set_file(kind: i32, file: isize) -> Option<isize> {
    of_kind(&FILES, kind).map(|place| place.swap(file, Ordering::Relaxed))
}

fn of_kind<T>(all: &[T; KINDS], kind: i32) -> Option<&T> {
    all.get(usize::try_from(kind).ok()?)
}

/// Hooks that can be installed by [`install`] at a time, each counted once.
pub const HOOKS_MAX: usize = 32;

/// A hook of either width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(unpredictable_function_pointer_comparisons)]
pub enum Hook {
    /// With narrow messages.
    Narrow(ReportHook),
    /// With wide messages.
    Wide(WideReportHook),
}

impl Hook {
    fn address(self) -> (bool, usize) {
        match self {
            Hook::Narrow(hook) => (false, hook as *const () as usize),
            Hook::Wide(hook) => (true, hook as *const () as usize),
        }
    }

    /// Shows it a message. The answer, if it is done with the report.
    ///
    /// # Safety
    /// The hook can be called.
    unsafe fn call(self, kind: i32, message: &mut Text<MESSAGE_MAX>) -> Option<i32> {
        let mut answer = 0;
        // SAFETY: the caller's hook; messages end with 0.
        let is_done = unsafe {
            match self {
                Hook::Narrow(hook) => hook(kind, message.as_c_string(), &raw mut answer),
                Hook::Wide(hook) => hook(kind, message.to_wide().as_mut_ptr(), &raw mut answer),
            }
        };
        (is_done != 0).then_some(answer)
    }
}

/// Installed hooks with their counts, oldest first.
#[derive(Clone, Copy)]
struct Hooks {
    all: [Option<(Hook, usize)>; HOOKS_MAX],
}

static HOOKS: Mutex<Hooks> = Mutex::new(Hooks {
    all: [None; HOOKS_MAX],
});

/// The hook of `_CrtSetReportHook`.
static HOOK: Function<ReportHook> = Function::none();

/// Has forks find the hooks at rest, and a child forget the parent's other threads.
/// The hooks' lock is held around no other, so that it may be taken whenever. The
/// system may allocate for this, so no lock is held.
fn register() {
    static FORK: AtFork = AtFork {
        child: || REPORTING.keep_own(),
        ..AtFork::locks(&[HOOKS.raw()])
    };
    forks::hold(Layer::Reports, &FORK);
}

/// Installs a hook, or counts it once more; its count then. None when there are
/// [`HOOKS_MAX`] others. The newest is asked first.
///
/// # Safety
/// The hook can be called until it is removed, and a while after that if another
/// thread is reporting.
pub unsafe fn install(hook: Hook) -> Option<usize> {
    register();
    let mut hooks = HOOKS.lock();
    for (found, count) in hooks.all.iter_mut().flatten() {
        if found.address() == hook.address() {
            *count += 1;
            return Some(*count);
        }
    }
    let place = hooks.all.iter_mut().find(|place| place.is_none())?;
    *place = Some((hook, 1));
    Some(1)
}

/// Counts a hook once less, and takes it away when none is left; its count then.
/// None when it is not installed.
pub fn remove(hook: Hook) -> Option<usize> {
    let mut hooks = HOOKS.lock();
    let at = hooks
        .all
        .iter()
        .position(|place| place.is_some_and(|(found, _)| found.address() == hook.address()))?;
    let (_, count) = hooks.all.get_mut(at)?.as_mut()?;
    *count -= 1;
    let left = *count;
    if left == 0 {
        // Those behind move up: the order stays.
        if let Some(rest) = hooks.all.get_mut(at..) {
            if let Some(first) = rest.first_mut() {
                *first = None;
            }
            rest.rotate_left(1);
        }
    }
    Some(left)
}

/// Sets the one hook that is asked after all others, or takes it away; the one
/// before.
///
/// # Safety
/// The hook can be called until it is replaced, and a while after that if
/// another thread is reporting.
pub unsafe fn set_hook(hook: Option<ReportHook>) -> Option<ReportHook> {
    HOOK.swap(hook)
}

/// The hook of [`set_hook`].
pub fn hook() -> Option<ReportHook> {
    HOOK.get()
}

/// Threads that are reporting. What more of them report may reach hooks from
/// within themselves.
static REPORTING: Marks = Marks::new();

/// Whether the calling thread is in a report.
pub(super) fn is_reporting() -> bool {
    REPORTING.has_me()
}

/// The message of a report, and where it comes from.
pub struct Message<'a> {
    /// The file, or none.
    pub file: Option<&'a [u8]>,
    /// The line in it.
    pub line: i32,
    /// The program or module, or none.
    pub module: Option<&'a [u8]>,
    /// What the program says; none where it says nothing.
    pub text: Option<&'a [u8]>,
}

impl Message<'_> {
    /// The message as hooks and files get it.
    fn whole(&self, kind: i32) -> Text<MESSAGE_MAX> {
        let mut whole = Text::new();
        if let Some(file) = self.file {
            whole.append(file);
            // The buffer truncates and never fails.
            let _ = write!(whole, "({}) : ", self.line);
        }
        match (kind == ASSERT, self.text) {
            (true, Some(text)) => {
                whole.append(b"Assertion failed: ");
                whole.append(text);
            }
            (true, None) => whole.append(b"Assertion failed!"),
            (false, Some(text)) => whole.append(text),
            (false, None) => {}
        }
        if kind == ASSERT {
            whole.push(b'\n');
        }
        whole
    }

    /// The text of the window that Windows would show.
    fn window(&self, kind: i32) -> Text<{ 2 * MESSAGE_MAX }> {
        let mut window = Text::new();
        window.append(match kind {
            ASSERT => b"Debug Assertion Failed!\n\n",
            ERROR => b"Debug Error!\n\n",
            _ => b"Debug Warning!\n\n",
        });
        if let Some(module) = self.module {
            window.append(b"Program: ");
            window.append(module);
            window.push(b'\n');
        }
        if let Some(file) = self.file {
            window.append(b"File: ");
            window.append(file);
            // The buffer truncates and never fails.
            let _ = write!(window, "\nLine: {}\n", self.line);
        }
        if self.module.is_some() || self.file.is_some() {
            window.push(b'\n');
        }
        if let Some(text) = self.text {
            if kind == ASSERT {
                window.append(b"Expression: ");
            }
            window.append(text);
            if !text.ends_with(b"\n") {
                window.push(b'\n');
            }
        }
        window
    }
}

/// Reports: shows the message to the hooks, and sends it where the kind's modes
/// say. The answer: 0 to go on, 1 to break into the debugger, -1 where the kind
/// is none; or what a hook says. errno stays as it was.
pub fn report(kind: i32, message: &Message<'_>) -> i32 {
    errno::keep(|| match (modes(kind), file(kind)) {
        (Some(modes), Some(file)) => deliver(kind, message, modes, file),
        _ => -1,
    })
}

/// [`report`] of what a format says of its arguments: `_CrtDbgReport`, or
/// `_CrtDbgReportW` for a wide one. None is no format.
pub fn report_formatted<L: Letters>(
    kind: i32,
    file: Option<&[u8]>,
    line: i32,
    module: Option<&[u8]>,
    letters: Option<L>,
    arguments: &mut dyn Arguments,
) -> i32 {
    let mut text = Text::<MESSAGE_MAX>::new();
    let has_text = letters.is_some();
    if let Some(letters) = letters {
        format(&mut text, letters, arguments);
    }
    let message = Message {
        file,
        line,
        module,
        text: has_text.then_some(text.as_bytes()),
    };
    report(kind, &message)
}

fn deliver(kind: i32, message: &Message<'_>, modes: i32, file: isize) -> i32 {
    let mut whole = message.whole(kind);
    if !is_reporting() {
        register();
        let answer = REPORTING.mark(|| ask_hooks(kind, &mut whole));
        if let Some(answer) = answer {
            return answer;
        }
    }
    if modes & MODE_FILE != 0 {
        write(file, whole.as_bytes());
    }
    if modes & MODE_DEBUG != 0 {
        sys::write_stderr(whole.as_bytes());
    }
    if modes & MODE_WINDOW != 0 {
        sys::write_stderr(message.window(kind).as_bytes());
        if crate::heap::on_corruption() == Action::Abort {
            sys::abort();
        }
    }
    0
}

fn ask_hooks(kind: i32, whole: &mut Text<MESSAGE_MAX>) -> Option<i32> {
    let hooks = *HOOKS.lock();
    for (hook, _) in hooks.all.into_iter().flatten().rev() {
        // SAFETY: whoever installed it promised so.
        if let Some(answer) = unsafe { hook.call(kind, whole) } {
            return Some(answer);
        }
    }
    // SAFETY: as above.
    hook().and_then(|hook| unsafe { Hook::Narrow(hook).call(kind, whole) })
}

fn write(file: isize, text: &[u8]) {
    let descriptor = match file {
        FILE_STDOUT => 1,
        FILE_STDERR => 2,
        file => i32::try_from(file).unwrap_or(-1),
    };
    if descriptor >= 0 {
        sys::write_to(descriptor, text);
    }
}

/// A report of the debug heap's own. True when the answer is to break into the
/// debugger.
pub(super) fn say(kind: i32, text: fmt::Arguments<'_>) -> bool {
    let mut buffer = Text::<MESSAGE_MAX>::new();
    // The buffer truncates and never fails.
    let _ = buffer.write_fmt(text);
    say_bytes(kind, buffer.as_bytes())
}

/// [`say`] of text that need not be UTF-8.
pub(super) fn say_bytes(kind: i32, text: &[u8]) -> bool {
    let message = Message {
        file: None,
        line: 0,
        module: None,
        text: Some(text),
    };
    report(kind, &message) == 1
}

/// [`say`] of what went wrong, and a break if that is the answer.
pub(super) fn complain(kind: i32, text: fmt::Arguments<'_>) {
    if say(kind, text) {
        break_here();
    }
}

/// Breaks into the debugger. Without one the process ends by SIGTRAP, unless it
/// handles that signal.
///
/// Source: "_CrtDbgBreak".
pub fn break_here() {
    sys::break_here();
}

/// Most bytes of a file's name that are shown.
const NAME_MAX: usize = 1024;

/// A file's name, cut to its buffer.
pub type Name = Text<NAME_MAX>;

/// The name in UTF-8 that a program passed in UTF-16; none for null.
///
/// # Safety
/// It is null or ends with 0.
pub unsafe fn name_of_wide(name: *const u16) -> Option<Name> {
    if name.is_null() {
        return None;
    }
    let mut at = name;
    let units = core::iter::from_fn(|| {
        // SAFETY: at most at the 0, since it moves on over other units only.
        let unit = unsafe { *at };
        at = at.wrapping_add(1);
        (unit != 0).then_some(unit)
    });
    let mut text = Name::new();
    for letter in char::decode_utf16(units) {
        text.push_char(letter.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    Some(text)
}

/// A file's name, copied from an address that may have become bad: that of a
/// text of a library that was unloaded. None where it cannot be read.
pub(super) fn name_at(name: *const c_char) -> Option<Name> {
    let mut text = Text::new();
    let mut at = name;
    let mut known = None;
    while text.as_bytes().len() + 1 < NAME_MAX {
        let word = at.addr() / 8;
        if known != Some(word) {
            if !errno::keep(|| sys::is_readable(at.addr())) {
                return None;
            }
            known = Some(word);
        }
        // SAFETY: the word that this byte is in was found to be readable.
        let byte = unsafe { at.read() } as u8;
        if byte == 0 {
            break;
        }
        text.push(byte);
        at = at.wrapping_add(1);
    }
    Some(text)
}

/// The bytes of a text that a program passed.
///
/// # Safety
/// It is null or ends with 0, and stays as it is for `'a`.
pub unsafe fn bytes_of<'a>(text: *const c_char) -> Option<&'a [u8]> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    Some(unsafe { CStr::from_ptr(text) }.to_bytes())
}
