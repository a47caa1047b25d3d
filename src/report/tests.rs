//! Exact texts; and, in child processes, what raising one does.

use super::*;
use std::format;
use std::process::{Command, Output};
use std::string::{String, ToString};

const DOUBLE_FREE: Report<'static> = Report {
    stop: Stop::DoubleFree,
    parameters: [0x7f01_0000, 0x7f02_0040, 0x40, 0],
    heap: "process heap",
    address: 0x7f02_0040,
    block: Some(Block {
        start: 0x7f02_0040,
        size: 64,
        state: BlockState::Free,
    }),
    operation: "free",
    thread: 4711,
    owner: None,
    ..Report::NOTHING
};

fn with_pid(text: &str) -> String {
    text.replace("PID", &format!("0x{:X}", std::process::id()))
}

#[test]
fn text_of_a_double_free() {
    assert_eq!(
        DOUBLE_FREE.to_string(),
        with_pid(
            "ntheap: VERIFIER STOP 0000000000000007: pid PID: block already freed (DOUBLE_FREE)\n\
             \x20   000000007F010000 : heap handle\n\
             \x20   000000007F020040 : block\n\
             \x20   0000000000000040 : size\n\
             \x20   0000000000000000 : not used\n\
             \x20 free(0x7f020040) on heap \"process heap\", thread 4711\n\
             \x20 the address is the start of a free block of 64 bytes\n"
        )
    );
}

#[test]
fn text_of_an_address_inside_a_block() {
    let report = Report {
        stop: Stop::SwitchedHeapHandle,
        parameters: [0x1_0000, 0x2_0048, 0x40, 0x3_0000],
        heap: "Bob's \"heap\"\n",
        address: 0x2_0048,
        block: Some(Block {
            start: 0x2_0040,
            size: 64,
            state: BlockState::Busy,
        }),
        operation: "HeapFree",
        thread: 1,
        owner: None,
        ..Report::NOTHING
    };
    assert_eq!(
        report.to_string(),
        with_pid(
            "ntheap: VERIFIER STOP 0000000000000006: pid PID: \
             bad pointer or wrong heap (SWITCHED_HEAP_HANDLE)\n\
             \x20   0000000000010000 : heap handle used\n\
             \x20   0000000000020048 : block\n\
             \x20   0000000000000040 : size\n\
             \x20   0000000000030000 : heap the block came from\n\
             \x20 HeapFree(0x20048) on heap \"Bob's \\\"heap\\\"\\n\", thread 1\n\
             \x20 the address lies 8 bytes inside a busy block of 64 bytes that starts at 0x20040\n"
        )
    );
}

#[test]
fn text_of_an_unknown_address() {
    let report = Report {
        stop: Stop::CorruptedHeapBlock,
        parameters: [0x1_0000, 0xdead_0000, 0, 0],
        address: 0xdead_0000,
        block: None,
        operation: "realloc",
        ..DOUBLE_FREE
    };
    assert_eq!(
        report.to_string(),
        with_pid(
            "ntheap: VERIFIER STOP 0000000000000008: pid PID: \
             corrupt block (CORRUPTED_HEAP_BLOCK)\n\
             \x20   0000000000010000 : heap handle\n\
             \x20   00000000DEAD0000 : block\n\
             \x20   0000000000000000 : size\n\
             \x20   0000000000000000 : not used\n\
             \x20 realloc(0xdead0000) on heap \"process heap\", thread 4711\n\
             \x20 the address belongs to no block of any ntheap heap\n"
        )
    );
}

#[test]
fn text_without_an_address() {
    let report = Report {
        stop: Stop::DestroyProcessHeap,
        parameters: [0x1_0000, 0, 0, 0],
        address: 0,
        block: None,
        operation: "HeapDestroy",
        ..DOUBLE_FREE
    };
    assert_eq!(
        report.to_string(),
        with_pid(
            "ntheap: VERIFIER STOP 0000000000000009: pid PID: \
             attempt to destroy the process heap (DESTROY_PROCESS_HEAP)\n\
             \x20   0000000000010000 : heap handle\n\
             \x20   0000000000000000 : not used\n\
             \x20   0000000000000000 : not used\n\
             \x20   0000000000000000 : not used\n\
             \x20 HeapDestroy on heap \"process heap\", thread 4711\n"
        )
    );
}

#[test]
fn places_of_an_address() {
    let block = |state, size| Block {
        start: 0x1000,
        size,
        state,
    };
    for (address, size, state, expected) in [
        (
            0x1000,
            1,
            BlockState::Cached,
            "is the start of a cached free block of 1 byte",
        ),
        (
            0x1000,
            0,
            BlockState::Busy,
            "is the start of a busy block of 0 bytes",
        ),
        (
            0x1001,
            2,
            BlockState::Free,
            "lies 1 byte inside a free block of 2 bytes that starts at 0x1000",
        ),
        (
            0x1010,
            16,
            BlockState::Busy,
            "is the end of a busy block of 16 bytes that starts at 0x1000",
        ),
        (
            0x1018,
            16,
            BlockState::Busy,
            "lies 8 bytes past the end of a busy block of 16 bytes that starts at 0x1000",
        ),
        (
            0xff8,
            16,
            BlockState::Busy,
            "lies 8 bytes before a busy block of 16 bytes that starts at 0x1000",
        ),
    ] {
        let mut place = String::new();
        block(state, size)
            .write_place_of(address, &mut place)
            .expect("a string takes everything");
        assert_eq!(place, expected);
    }
}

#[test]
fn stops_are_those_of_the_page() {
    // Numbers and names, read off the page one by one.
    let expected = [
        "UNKNOWN_ERROR",
        "ACCESS_VIOLATION",
        "UNSYNCHRONIZED_ACCESS",
        "EXTREME_SIZE_REQUEST",
        "BAD_HEAP_HANDLE",
        "SWITCHED_HEAP_HANDLE",
        "DOUBLE_FREE",
        "CORRUPTED_HEAP_BLOCK",
        "DESTROY_PROCESS_HEAP",
        "UNEXPECTED_EXCEPTION",
        "CORRUPTED_HEAP_BLOCK_EXCEPTION_RAISED_FOR_HEADER",
        "CORRUPTED_HEAP_BLOCK_EXCEPTION_RAISED_FOR_PROBING",
        "CORRUPTED_HEAP_BLOCK_HEADER",
        "CORRUPTED_FREED_HEAP_BLOCK",
        "CORRUPTED_HEAP_BLOCK_SUFFIX",
        "CORRUPTED_HEAP_BLOCK_START_STAMP",
        "CORRUPTED_HEAP_BLOCK_END_STAMP",
        "CORRUPTED_HEAP_BLOCK_PREFIX",
        "FIRST_CHANCE_ACCESS_VIOLATION",
        "CORRUPTED_HEAP_LIST",
    ];
    let actual = Stop::ALL.map(|stop| (stop.number(), stop.symbol()));
    for (index, (symbol, actual)) in expected.into_iter().zip(actual).enumerate() {
        assert_eq!(actual, (index as u32 + 1, symbol));
    }
    // And the one of the layer for leaks.
    assert_eq!(actual[expected.len()..], [(0x900, "ALLOCATION")]);
    // The variants are the same names in camel case.
    for stop in Stop::ALL {
        assert_eq!(
            format!("{stop:?}").to_lowercase(),
            stop.symbol().replace('_', "").to_lowercase()
        );
        assert!(!stop.meaning().is_empty() && !stop.meaning().ends_with('.'));
        assert!(
            stop.parameter_labels()
                .iter()
                .all(|label| !label.is_empty())
        );
    }
}

/// The longest names of a block's two functions.
const FAMILIES: Families = Families {
    given: "operator delete[] with an alignment",
    allocated: "operator new[] with an alignment",
};

#[test]
fn text_of_a_block_without_guards_that_goes_back_by_another_function() {
    let report = Report {
        lacks_guards: true,
        families: Some(FAMILIES),
        ..DOUBLE_FREE
    };
    let text = report.to_string();
    let told = "  the address is the start of a free block of 64 bytes\n\
                \x20 it has no guard pages: page heap had no more of them when it was made\n\
                \x20 given back by operator delete[] with an alignment, allocated by operator \
                new[] with an alignment\n";
    assert!(text.ends_with(told), "{text}");
    #[cfg(feature = "debug")]
    {
        let json = report.json().to_string();
        let more = ",\"lacks_guards\":true,\"families\":{\"given\":\"operator delete[] with an \
                    alignment\",\"allocated\":\"operator new[] with an alignment\"}";
        assert_eq!(json, json_of_the_double_free(&json, more));
    }
}

/// A report with the largest numbers, and this name for what has one.
fn longest(stop: Stop, name: &str) -> Report<'_> {
    Report {
        stop,
        parameters: [usize::MAX; 4],
        heap: name,
        operation: name,
        address: usize::MAX,
        block: Some(Block {
            start: usize::MAX / 3,
            size: usize::MAX / 3,
            state: BlockState::Cached,
        }),
        lacks_guards: true,
        families: Some(FAMILIES),
        thread: u64::MAX,
        ..Report::NOTHING
    }
}

#[test]
fn the_longest_report_fits() {
    let name = "\u{10ffff}".repeat(1000);
    for stop in Stop::ALL {
        let report = longest(stop, &name);
        let mut text = FixedBuffer::<TEXT_MAX>::new();
        write!(text, "{report}").expect("the buffer never fails");
        assert!(!text.full);
        assert_eq!(text.as_bytes(), report.to_string().as_bytes());
    }
}

#[test]
fn a_full_buffer_keeps_whole_characters_and_the_start() {
    let mut buffer = FixedBuffer::<8>::new();
    assert_eq!(buffer.as_bytes(), b"");
    buffer.write_str("abcdef").expect("never fails");
    buffer.write_str("\u{20ac}").expect("never fails");
    buffer.write_str("g").expect("never fails");
    assert_eq!(buffer.as_bytes(), b"abcdef");
    let mut exact = FixedBuffer::<3>::new();
    exact.write_str("\u{20ac}").expect("never fails");
    assert_eq!(exact.as_bytes(), "\u{20ac}".as_bytes());
    let mut none = FixedBuffer::<0>::new();
    none.write_str("a").expect("never fails");
    assert_eq!(none.as_bytes(), b"");
}

#[test]
fn a_stored_hook_comes_back() {
    fn hook(report: &Report<'_>) {
        assert_eq!(report.thread, 4711);
    }
    assert!(hook_at(core::ptr::null_mut()).is_none());
    let back = hook_at(hook as *mut ()).expect("a hook was stored");
    back(&DOUBLE_FREE);
}

/// Names the scene a child process plays. Set by [`play`] only.
const SCENE: &str = "REPORT_TEST_SCENE";

/// Runs [`child`] with `scene` in a process of its own.
fn play(scene: &str) -> Output {
    let module = module_path!().split_once("::").map_or("", |(_, path)| path);
    Command::new(std::env::current_exe().expect("the test program has a path"))
        .args(["--exact", "--nocapture", "--ignored", "--test-threads=1"])
        .arg(format!("{module}::child"))
        .env(SCENE, scene)
        .output()
        .expect("the test program starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("reports are UTF-8")
}

fn count(text: &str, what: &str) -> usize {
    text.matches(what).count()
}

#[cfg(unix)]
fn assert_aborted(output: &Output) {
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(output.status.signal(), Some(libc::SIGABRT), "{output:?}");
}

#[cfg(not(unix))]
fn assert_aborted(output: &Output) {
    assert!(!output.status.success(), "{output:?}");
}

fn say(text: &str) {
    sys::write_stderr(text.as_bytes());
}

#[test]
#[ignore = "played by the other tests, in a process of its own"]
fn child() {
    fn hook(report: &Report<'_>) {
        say(&format!("hook saw {:?}\n", report.stop));
    }
    fn reporting_hook(report: &Report<'_>) {
        say("hook\n");
        raise(report, Action::Continue);
        say("not reached\n");
    }
    fn panicking_hook(_: &Report<'_>) {
        panic!("the hook's panic");
    }
    fn silent_hook(_: &Report<'_>) {}
    let address = |hook: Option<Hook>| hook.map(|hook| hook as *const () as usize);
    let Ok(scene) = std::env::var(SCENE) else {
        say("child: plays no scene unless another test names one\n");
        return;
    };
    match scene.as_str() {
        "swap" => {
            assert_eq!(address(set_hook(Some(hook))), None);
            assert_eq!(address(set_hook(Some(silent_hook))), address(Some(hook)));
            raise(&DOUBLE_FREE, Action::Continue);
            assert_eq!(address(set_hook(None)), address(Some(silent_hook)));
            assert_eq!(address(set_hook(None)), None);
            say("went on\n");
        }
        "abort" => {
            set_hook(Some(hook));
            raise(&DOUBLE_FREE, Action::Abort);
            say("not reached\n");
        }
        "continue" => {
            set_hook(Some(hook));
            for _ in 0..MARKS + 1 {
                raise(&DOUBLE_FREE, Action::Continue);
            }
            set_hook(None);
            raise(&DOUBLE_FREE, Action::Continue);
            assert!(
                REPORTING
                    .iter()
                    .all(|mark| mark.load(Ordering::Relaxed) == 0)
            );
            say("went on\n");
        }
        "again" => {
            set_hook(Some(reporting_hook));
            raise(&DOUBLE_FREE, Action::Continue);
            say("not reached\n");
        }
        "panic" => {
            set_hook(Some(panicking_hook));
            raise(&DOUBLE_FREE, Action::Continue);
            say("not reached\n");
        }
        "crowd" => {
            set_hook(Some(hook));
            for mark in &REPORTING {
                mark.store(u64::MAX, Ordering::Relaxed);
            }
            raise(&DOUBLE_FREE, Action::Continue);
            say("went on\n");
        }
        #[cfg(feature = "debug")]
        "json" => {
            set_json(true);
            let traced = Report {
                allocated: Some(Trace::new(7, ThreadName::default(), &[0x10])),
                ..DOUBLE_FREE
            };
            let mut claims: std::vec::Vec<_> = core::iter::from_fn(LongText::claim).collect();
            raise(&traced, Action::Continue);
            // One has room.
            claims.pop();
            raise(&traced, Action::Continue);
            drop(claims);
        }
        #[cfg(all(unix, feature = "debug"))]
        "fork" => {
            // The heap serves, so that it is told of forks.
            let word = crate::heap::Word::new();
            let (config, layout) = (crate::Config::new(), std::alloc::Layout::new::<u64>());
            // SAFETY: the word is this thread's own.
            assert!(!unsafe { crate::heap::plain::allocate(&word, &config, layout) }.is_null());
            set_json(true);
            set_hook(Some(hook));
            let claims: std::vec::Vec<_> = core::iter::from_fn(LongText::claim).collect();
            for mark in &REPORTING {
                mark.store(u64::MAX, Ordering::Relaxed);
            }
            let traced = Report {
                allocated: Some(Trace::new(7, ThreadName::default(), &[0x10])),
                ..DOUBLE_FREE
            };
            // SAFETY: the child reports, and ends.
            unsafe {
                let child = libc::fork();
                if child == 0 {
                    raise(&traced, Action::Continue);
                    libc::_exit(0);
                }
                let mut status = 0;
                assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
                assert_eq!(status, 0);
            }
            assert!(
                REPORTING
                    .iter()
                    .all(|mark| mark.load(Ordering::Relaxed) == u64::MAX)
            );
            drop(claims);
        }
        scene => panic!("no scene {scene}"),
    }
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn hooks_are_swapped() {
    let output = play("swap");
    assert!(output.status.success(), "{output:?}");
    let text = stderr(&output);
    assert_eq!(count(&text, "VERIFIER STOP"), 1, "{text}");
    assert_eq!(count(&text, "hook saw"), 0, "{text}");
    assert!(text.ends_with("went on\n"), "{text}");
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn abort_ends_the_process_after_text_and_hook() {
    let output = play("abort");
    assert_aborted(&output);
    let text = stderr(&output);
    assert!(
        text.starts_with("ntheap: VERIFIER STOP 0000000000000007: pid 0x"),
        "{text}"
    );
    assert!(
        text.ends_with("of 64 bytes\nhook saw DoubleFree\n"),
        "{text}"
    );
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn continue_goes_on_however_often() {
    let output = play("continue");
    assert!(output.status.success(), "{output:?}");
    let text = stderr(&output);
    assert_eq!(count(&text, "VERIFIER STOP"), MARKS + 2);
    assert_eq!(count(&text, "hook saw"), MARKS + 1);
    assert!(text.ends_with("went on\n"), "{text}");
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn a_report_while_reporting_is_written_and_ends_the_process() {
    let output = play("again");
    assert_aborted(&output);
    let text = stderr(&output);
    assert_eq!(count(&text, "VERIFIER STOP"), 2, "{text}");
    assert_eq!(count(&text, "hook\n"), 1, "{text}");
    assert_eq!(count(&text, "not reached"), 0, "{text}");
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn a_panic_in_the_hook_ends_the_process() {
    let output = play("panic");
    assert_aborted(&output);
    let text = stderr(&output);
    assert!(text.contains("the hook's panic"), "{text}");
    assert_eq!(count(&text, "not reached"), 0, "{text}");
}

#[test]
#[cfg_attr(miri, ignore = "starts a process")]
fn more_threads_than_marks_report_without_the_hook() {
    let output = play("crowd");
    assert!(output.status.success(), "{output:?}");
    let text = stderr(&output);
    assert_eq!(count(&text, "VERIFIER STOP"), 1, "{text}");
    assert_eq!(count(&text, "hook saw"), 0, "{text}");
    assert!(text.ends_with("went on\n"), "{text}");
}

/// The double free as JSON, with `more` at its end.
#[cfg(feature = "debug")]
fn json_of_the_double_free(text: &str, more: &str) -> String {
    let pid = text
        .split("\"pid\":")
        .nth(1)
        .and_then(|rest| rest.split(',').next());
    format!(
        "{{\"stop\":7,\"symbol\":\"DOUBLE_FREE\",\"meaning\":\"block already freed\",\
         \"pid\":{},\"thread\":4711,\"parameters\":[\
         {{\"value\":\"0x7f010000\",\"label\":\"heap handle\"}},\
         {{\"value\":\"0x7f020040\",\"label\":\"block\"}},\
         {{\"value\":\"0x40\",\"label\":\"size\"}},\
         {{\"value\":\"0x0\",\"label\":\"not used\"}}],\
         \"operation\":\"free\",\"address\":\"0x7f020040\",\"heap\":\"process heap\",\
         \"block\":{{\"start\":\"0x7f020040\",\"size\":64,\"state\":\"free\",\"offset\":0}}{more}}}\n",
        pid.unwrap_or_default()
    )
}

#[cfg(feature = "debug")]
const TRACED: &str =
    ",\"allocated\":{\"thread\":7,\"frames\":[{\"address\":\"0x10\",\"offset\":\"0x10\"}]}";

/// Without room for stacks JSON is JSON still.
#[test]
#[cfg(feature = "debug")]
#[cfg_attr(miri, ignore = "starts a process")]
fn json_stays_json_however_many_report() {
    let output = play("json");
    assert!(output.status.success(), "{output:?}");
    let text = stderr(&output);
    let lines: std::vec::Vec<&str> = text.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0], json_of_the_double_free(lines[0], ""));
    assert_eq!(lines[1], json_of_the_double_free(lines[1], TRACED));
}

#[test]
#[cfg(feature = "debug")]
fn the_longest_json_without_stacks_fits() {
    let name = "\u{1}".repeat(1000);
    for stop in Stop::ALL {
        let report = Report {
            module: &name,
            owner: Some(&name),
            owner_module: &name,
            advice: &"advice ".repeat(100),
            ..longest(stop, &name)
        };
        let mut text = FixedBuffer::<TEXT_MAX>::new();
        write!(text, "{}", json::Json(&report)).expect("the buffer never fails");
        assert!(!text.full);
        assert!(text.as_bytes().ends_with(b"}\n"));
    }
}

/// Who was reporting when another thread forked is forgotten in the child: it has room for
/// stacks, and calls the hook.
#[test]
#[cfg(all(unix, feature = "debug"))]
#[cfg_attr(miri, ignore = "starts a process")]
fn a_forked_child_reports_as_ever() {
    let output = play("fork");
    assert!(output.status.success(), "{output:?}");
    let text = stderr(&output);
    let lines: std::vec::Vec<&str> = text.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0], json_of_the_double_free(lines[0], TRACED));
    assert_eq!(lines[1], "hook saw DoubleFree\n");
}
