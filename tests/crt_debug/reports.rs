//! Where reports go: modes, files, hooks. All of it is about the process, so that
//! each runs in one of its own.

use crate::support::alone;
use ntheap::crt::debug::kind::{ASSERT, ERROR, MODE_DEBUG, MODE_FILE, MODE_WINDOW, WARN};
use ntheap::crt::debug::report::{
    self, FILE_NONE, FILE_STDERR, FILE_STDOUT, HOOKS_MAX, Hook, MESSAGE_MAX, Message,
};
use std::ffi::{CStr, c_char};
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::sync::Mutex;

fn say(kind: i32, file: Option<&str>, text: Option<&str>) -> i32 {
    report::report(
        kind,
        &Message {
            file: file.map(str::as_bytes),
            line: 42,
            module: None,
            text: text.map(str::as_bytes),
        },
    )
}

/// Runs a body in a process of its own, which must succeed; what it wrote.
fn wrote(name: &str, body: impl FnOnce()) -> Option<(String, String)> {
    let output = alone(&format!("reports::{name}"), body)?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}\n{error}");
    Some((out, error))
}

#[test]
fn messages_are_put_together_as_in_microsofts_sample() {
    let wrote = wrote("messages_are_put_together_as_in_microsofts_sample", || {
        for kind in [WARN, ERROR, ASSERT] {
            report::set_modes(kind, MODE_FILE).expect("a kind");
            report::set_file(kind, FILE_STDERR).expect("a kind");
        }
        assert_eq!(say(WARN, None, Some("plain\n")), 0);
        assert_eq!(say(ERROR, Some("a.c"), Some("with a place\n")), 0);
        assert_eq!(say(ASSERT, Some("a.c"), None), 0);
        assert_eq!(say(ASSERT, Some("a.c"), Some("p1 == p2")), 0);
        assert_eq!(say(ASSERT, None, Some("p1 == p2")), 0);
        assert_eq!(say(WARN, Some("a.c"), None), 0);
        assert_eq!(say(WARN, None, None), 0);
        assert_eq!(say(3, None, Some("no kind\n")), -1);
        assert_eq!(say(-1, None, Some("no kind\n")), -1);
    });
    if let Some((_, error)) = wrote {
        assert_eq!(
            error,
            "plain\n\
             a.c(42) : with a place\n\
             a.c(42) : Assertion failed!\n\
             a.c(42) : Assertion failed: p1 == p2\n\
             Assertion failed: p1 == p2\n\
             a.c(42) : "
        );
    }
}

#[test]
fn modes_and_files_are_each_kinds_own() {
    let wrote = wrote("modes_and_files_are_each_kinds_own", || {
        assert_eq!(report::modes(WARN), Some(MODE_DEBUG));
        assert_eq!(report::modes(ERROR), Some(MODE_WINDOW));
        assert_eq!(report::modes(ASSERT), Some(MODE_WINDOW));
        assert_eq!(report::modes(3), None);
        assert_eq!(report::set_modes(WARN, 8), None);
        assert_eq!(report::set_modes(-2, MODE_FILE), None);
        assert_eq!(report::file(WARN), Some(FILE_NONE));
        assert_eq!(report::file(4), None);
        // The debugger's channel is standard error.
        say(WARN, None, Some("to the debugger\n"));
        assert_eq!(report::set_modes(WARN, MODE_FILE), Some(MODE_DEBUG));
        say(WARN, None, Some("to no file\n"));
        assert_eq!(report::set_file(WARN, FILE_STDOUT), Some(FILE_NONE));
        say(WARN, None, Some("to standard output\n"));
        assert_eq!(
            report::set_modes(ERROR, MODE_FILE | MODE_DEBUG),
            Some(MODE_WINDOW)
        );
        assert_eq!(report::set_file(ERROR, FILE_STDERR), Some(FILE_NONE));
        say(ERROR, None, Some("to both\n"));
        assert_eq!(report::set_modes(ERROR, 0), Some(MODE_FILE | MODE_DEBUG));
        say(ERROR, None, Some("to nobody\n"));

        let path = std::env::temp_dir().join(format!("crt-debug-{}", std::process::id()));
        let file = fs::File::create(&path).expect("a file");
        report::set_modes(ERROR, MODE_FILE).expect("a kind");
        report::set_file(ERROR, file.as_raw_fd() as isize).expect("a kind");
        say(ERROR, None, Some("to a file\n"));
        assert_eq!(fs::read_to_string(&path).expect("readable"), "to a file\n");
        fs::remove_file(path).expect("removed");
        drop(file);
        // One that is closed is nobody's business.
        assert_eq!(say(ERROR, None, Some("to a closed file\n")), 0);
    });
    if let Some((out, error)) = wrote {
        assert_eq!(error, "to the debugger\nto both\nto both\n");
        assert!(out.contains("to standard output\n"), "{out}");
        assert!(!out.contains("no file") && !out.contains("nobody"), "{out}");
    }
}

/// Nobody presses a button: what would be a window's text is written, and the
/// process ends.
#[test]
fn a_window_ends_the_process() {
    let output = alone("reports::a_window_ends_the_process", || {
        report::report(
            ASSERT,
            &Message {
                file: Some(b"a.c"),
                line: 7,
                module: Some(b"program"),
                text: Some(b"p != 0"),
            },
        );
    });
    if let Some(output) = output {
        assert_eq!(output.status.signal(), Some(libc::SIGABRT));
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "Debug Assertion Failed!\n\nProgram: program\nFile: a.c\nLine: 7\n\n\
             Expression: p != 0\n"
        );
    }
    let output = alone("reports::a_window_ends_the_process", || ());
    assert!(output.is_none_or(|output| !output.status.success()));
}

static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A hook of a name, which answers as it is told.
macro_rules! hooks {
    ($($name:ident: $done:expr, $answer:expr;)*) => {
        $(
            unsafe extern "C" fn $name(
                kind: i32,
                message: *mut c_char,
                answer: *mut i32,
            ) -> i32 {
                // SAFETY: a hook's message ends with 0; the answer can be written.
                let text = unsafe {
                    answer.write($answer);
                    CStr::from_ptr(message).to_string_lossy().into_owned()
                };
                let line = format!("{} {kind} {text}", stringify!($name));
                SEEN.lock().expect("whole").push(line);
                $done
            }
        )*
    };
}

hooks! {
    first: 0, 5;
    second: 0, 6;
    third: 1, 7;
    last: 1, -9;
}

unsafe extern "C" fn wide(_: i32, message: *mut u16, answer: *mut i32) -> i32 {
    let mut units = Vec::new();
    // SAFETY: a hook's message ends with 0; the answer can be written.
    unsafe {
        let mut at = message;
        while *at != 0 {
            units.push(*at);
            at = at.add(1);
        }
        answer.write(8);
    }
    let text = String::from_utf16_lossy(&units);
    SEEN.lock().expect("whole").push(format!("wide {text}"));
    0
}

#[test]
fn hooks_are_asked_newest_first_and_counted() {
    let wrote = wrote("hooks_are_asked_newest_first_and_counted", || {
        report::set_modes(ERROR, MODE_DEBUG).expect("a kind");
        let seen = || std::mem::take(&mut *SEEN.lock().expect("whole"));
        // SAFETY: the hooks are there for good.
        unsafe {
            assert_eq!(report::install(Hook::Narrow(first)), Some(1));
            assert_eq!(report::install(Hook::Narrow(second)), Some(1));
            assert_eq!(report::install(Hook::Wide(wide)), Some(1));
            assert_eq!(report::install(Hook::Narrow(second)), Some(2));
            assert!(report::set_hook(Some(last)).is_none());
            assert!(report::hook().is_some());
        }
        assert_eq!(say(ERROR, None, Some("gr\u{fc}\u{1f600}")), -9);
        assert_eq!(
            seen(),
            [
                "wide gr\u{fc}\u{1f600}",
                "second 1 gr\u{fc}\u{1f600}",
                "first 1 gr\u{fc}\u{1f600}",
                "last 1 gr\u{fc}\u{1f600}",
            ]
        );
        // SAFETY: as above.
        assert_eq!(unsafe { report::install(Hook::Narrow(third)) }, Some(1));
        assert_eq!(say(ERROR, None, Some("x")), 7);
        assert_eq!(seen(), ["third 1 x"]);
        assert_eq!(report::remove(Hook::Narrow(third)), Some(0));
        assert_eq!(report::remove(Hook::Narrow(third)), None);
        assert_eq!(report::remove(Hook::Narrow(second)), Some(1));
        assert_eq!(report::remove(Hook::Wide(wide)), Some(0));
        assert_eq!(say(ERROR, None, Some("y")), -9);
        assert_eq!(seen(), ["second 1 y", "first 1 y", "last 1 y"]);
        assert_eq!(report::remove(Hook::Narrow(second)), Some(0));
        assert_eq!(report::remove(Hook::Narrow(first)), Some(0));
        // SAFETY: as above.
        assert!(unsafe { report::set_hook(None) }.is_some());
        // Nobody is left: the report goes where the mode says.
        assert_eq!(say(ERROR, None, Some("z\n")), 0);
        assert_eq!(seen(), Vec::<String>::new());
    });
    if let Some((_, error)) = wrote {
        assert_eq!(error, "z\n");
    }
}

#[test]
fn there_is_room_for_so_many_hooks() {
    let wrote = wrote("there_is_room_for_so_many_hooks", || {
        // Addresses of their own, which nobody calls.
        let hook = |number: usize| {
            let address = std::ptr::without_provenance::<()>(0x1000 + number);
            // SAFETY: the hook is not called: nothing is reported.
            Hook::Narrow(unsafe { std::mem::transmute::<*const (), report::ReportHook>(address) })
        };
        for number in 0..HOOKS_MAX {
            // SAFETY: as above.
            assert_eq!(unsafe { report::install(hook(number)) }, Some(1));
        }
        // SAFETY: as above.
        assert_eq!(unsafe { report::install(hook(HOOKS_MAX)) }, None);
        // SAFETY: as above.
        assert_eq!(unsafe { report::install(hook(5)) }, Some(2));
        assert_eq!(report::remove(hook(7)), Some(0));
        // SAFETY: as above.
        assert_eq!(unsafe { report::install(hook(HOOKS_MAX)) }, Some(1));
        for number in (0..=HOOKS_MAX).filter(|&number| number != 7) {
            let left = usize::from(number == 5);
            assert_eq!(report::remove(hook(number)), Some(left), "{number}");
        }
        assert_eq!(report::remove(hook(5)), Some(0));
    });
    assert!(wrote.is_none_or(|(_, error)| error.is_empty()));
}

unsafe extern "C" fn reporting(kind: i32, _: *mut c_char, _: *mut i32) -> i32 {
    SEEN.lock().expect("whole").push("reporting".to_owned());
    say(kind, None, Some("from within\n"));
    0
}

#[test]
fn a_report_from_within_a_hook_goes_past_the_hooks() {
    let wrote = wrote("a_report_from_within_a_hook_goes_past_the_hooks", || {
        // SAFETY: the hook is there for good.
        unsafe { report::install(Hook::Narrow(reporting)) };
        assert_eq!(say(WARN, None, Some("from outside\n")), 0);
        assert_eq!(say(WARN, None, Some("again\n")), 0);
        assert_eq!(SEEN.lock().expect("whole").len(), 2);
    });
    if let Some((_, error)) = wrote {
        assert_eq!(error, "from within\nfrom outside\nfrom within\nagain\n");
    }
}

#[test]
fn a_long_message_is_cut() {
    let wrote = wrote("a_long_message_is_cut", || {
        say(WARN, None, Some(&"x".repeat(10_000)));
    });
    if let Some((_, error)) = wrote {
        assert_eq!(error, "x".repeat(MESSAGE_MAX - 1));
    }
}
