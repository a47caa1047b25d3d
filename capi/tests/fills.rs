//! Fills of the heap that a program follows as pointers: which are told, by which register,
//! and that nothing is told of a fault that a fill did not lead to.

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod common;

use common::{Ended, compiled, preloaded, run, text};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

fn program() -> Option<PathBuf> {
    compiled("fills", "fills.c", &[])
}

fn play(case: &str, flags: &[(&str, &str)]) -> Option<Ended> {
    let program = program()?;
    let mut command = preloaded(program);
    command.arg(case);
    command.envs(flags.iter().copied());
    Some(run(&mut command))
}

/// The lines of the report that say what was accessed and by what.
fn told(ended: &Ended) -> Vec<String> {
    let report = text(&ended.stderr);
    let lines = report.lines().map(str::trim_start);
    let kept = lines.filter(|line| line.contains("), thread ") || line.contains(" read from "));
    let without_thread = |line: &str| {
        let (before, _) = line.split_once(", thread").unwrap_or((line, ""));
        before.to_owned()
    };
    kept.map(without_thread).collect()
}

#[test]
fn the_register_that_was_followed_is_named() {
    const FREE_CHECKS: &[(&str, &str)] = &[("NTHEAP_GFLAGS", "+hfc")];
    const FULL: &[(&str, &str)] = &[("NTHEAP_GFLAGS", "+hpa")];
    const LIGHT: &[(&str, &str)] = &[("NTHEAP_GFLAGS", "+hpa"), ("NTHEAP_PAGEHEAP", "light")];
    let of = "is a pointer read from memory of the heap that was never written";
    for (case, flags, access, value) in [
        (
            "as_base",
            FREE_CHECKS,
            "access(0xbaadf00dbaadf04d)",
            "BAADF00DBAADF00D in r14",
        ),
        (
            "as_base",
            FULL,
            "access(0xc0c0c0c0c0c0c100)",
            "C0C0C0C0C0C0C0C0 in r14",
        ),
        (
            "as_base",
            LIGHT,
            "access(0xe0e0e0e0e0e0e120)",
            "E0E0E0E0E0E0E0E0 in r14",
        ),
        (
            "as_vector",
            FREE_CHECKS,
            "access(0xbaadf00dbaadf00d)",
            "BAADF00DBAADF00D in rsi",
        ),
        (
            "as_target_of_a_copy",
            FREE_CHECKS,
            "access(0xbaadf00dbaadf00d)",
            "BAADF00DBAADF00D in rdi",
        ),
        (
            "as_function_in_memory",
            FREE_CHECKS,
            "execute(0xbaadf00dbaadf00d)",
            "BAADF00DBAADF00D",
        ),
    ] {
        let Some(ended) = play(case, flags) else {
            return;
        };
        assert_eq!(ended.status.signal(), Some(libc::SIGSEGV), "{case}");
        let mut told = told(&ended);
        // Some processors let the call go where it leads, and fail there.
        told[1] = told[1].replace(" in rip ", " ");
        assert_eq!(told, [access, &format!("{value} {of}")], "{case} {ended:?}");
    }
    // Of which the processor tells in another way.
    let Some(ended) = play("as_frame", FREE_CHECKS) else {
        return;
    };
    assert_eq!(ended.status.signal(), Some(libc::SIGBUS));
    let frame = format!("BAADF00DBAADF00D in rbp {of}");
    assert_eq!(told(&ended), ["access(0xbaadf00dbaadf015)", &frame]);
    let Some(ended) = play("as_index", FREE_CHECKS) else {
        return;
    };
    let told = told(&ended);
    let index = "BAADF00DBAADF00D in r9 is an index read from memory of the heap that was never \
                 written";
    assert_eq!(told[1..], [index], "{ended:?}");
}

/// The first frame of an access is where it is made, also by code that lies in no module.
#[test]
fn the_stack_begins_in_code_of_no_module() {
    let flags = [("NTHEAP_GFLAGS", "+hfc")];
    let Some(ended) = play("in_mapped_code", &flags) else {
        return;
    };
    assert_eq!(ended.status.signal(), Some(libc::SIGSEGV));
    let told_of = text(&ended.stdout);
    let place = usize::from_str_radix(told_of.trim().trim_start_matches("0x"), 16).unwrap();
    let report = text(&ended.stderr);
    let first = report.lines().find(|line| line.starts_with("    #0 "));
    // The access lies behind five bytes, and the frame is the byte behind its first.
    assert!(
        first.is_some_and(|line| line.contains(&format!("{:#x}", place + 6))),
        "{report}"
    );
    assert!(report.contains("BAADF00DBAADF00D in rdi "), "{report}");
}

/// What is called and is no code is what failed, whatever it would be as an instruction.
#[test]
fn a_call_of_data_is_told() {
    let Some(ended) = play("as_function_that_is_data", &[("NTHEAP_GFLAGS", "+hfc")]) else {
        return;
    };
    assert_eq!(ended.status.signal(), Some(libc::SIGSEGV));
    let pointer = "BAADF00D in rip is a pointer read from memory of the heap that was \
                   never written";
    assert_eq!(told(&ended), ["execute(0xbaadf00d)", pointer], "{ended:?}");
    let report = text(&ended.stderr);
    let first = report.lines().find(|line| line.starts_with("    #0 "));
    // Who called it.
    assert!(
        first.is_some_and(|line| line.contains(" fills-c+")),
        "{report}"
    );
}

#[test]
fn a_fault_that_no_fill_led_to_is_not_told() {
    for case in [
        "beside_a_null",
        "beside_another_wild_one",
        "stored_by_a_null",
        "of_no_flag",
        "beside_a_full_stack",
    ] {
        let Some(ended) = play(case, &[("NTHEAP_GFLAGS", "+hpc,+ust")]) else {
            return;
        };
        assert_eq!(ended.status.signal(), Some(libc::SIGSEGV), "{case}");
        assert_eq!(text(&ended.stderr), "", "{case}");
    }
    // And without a flag nothing of it is there.
    for case in ["beside_a_null", "of_no_flag"] {
        let Some(ended) = play(case, &[]) else { return };
        assert_eq!(ended.status.signal(), Some(libc::SIGSEGV), "{case}");
        assert_eq!(text(&ended.stderr), "", "{case}");
    }
}

/// Each fault by a fill is told, and then the program's own handler is asked.
#[test]
fn a_handler_that_was_there_before_is_asked_after_the_report() {
    let Some(ended) = play("caught", &[("NTHEAP_GFLAGS", "+hpc")]) else {
        return;
    };
    let ended = ended.expect_success("caught");
    assert_eq!(text(&ended.stdout), "went on\n");
    let said = text(&ended.stderr);
    let stops: Vec<&str> = said.lines().filter(|line| line.contains("STOP")).collect();
    assert_eq!(stops.len(), 3, "{said}");
    assert!(
        stops
            .iter()
            .all(|stop| stop.contains("STOP 0000000000000013:")),
        "{said}"
    );
}

/// A program that reads reports gets the value, the register and the stack.
#[test]
fn a_fill_is_told_as_json() {
    let flags = [("NTHEAP_GFLAGS", "+hfc"), ("NTHEAP_REPORT", "json")];
    let Some(ended) = play("as_base", &flags) else {
        return;
    };
    let report: serde_json::Value = serde_json::from_slice(&ended.stderr).expect("JSON");
    let expected = serde_json::json!({
        "value": "0xbaadf00dbaadf00d",
        "what": "pointer",
        "register": "r14",
        "read_from": "memory of the heap that was never written",
    });
    assert_eq!(report["stray"], expected);
    assert_eq!(report["operation"], "access");
    assert_eq!(report["accessed"]["thread"], ended.pid);
    assert_eq!(report["accessed"]["frames"][0]["module"], "fills-c");
}
