//! The callback that programs in C have for reports.

#![cfg(target_os = "linux")]

mod common;

use common::{command, compiled, library, run, text};
use std::path::Path;

#[test]
fn a_callback_is_shown_the_report_that_is_written() {
    let folder = library().parent().expect("the library is in a folder");
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let flags = [
        format!("-I{}", include.display()),
        format!("-L{}", folder.display()),
        format!("-Wl,-rpath,{}", folder.display()),
        "-lntheap".to_owned(),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let Some(program) = compiled("stop callback", "stops.c", &flags) else {
        return;
    };
    let ended = run(command(&program)
        .env("NTHEAP_GFLAGS", "+hpc,+ust")
        .env("NTHEAP_ON_CORRUPTION", "continue"))
    .expect_success("stop callback");
    let (out, errors) = (text(&ended.stdout), text(&ended.stderr));
    // Three reports, all alike: the callback's text is the first.
    let first = errors
        .split_inclusive("ntheap: VERIFIER STOP")
        .nth(1)
        .expect("reports");
    let first = first
        .strip_suffix("ntheap: VERIFIER STOP")
        .expect("another");
    let first = format!("ntheap: VERIFIER STOP{first}");
    assert_eq!(errors.matches("VERIFIER STOP").count(), 3, "{errors}");
    let rest = out
        .strip_prefix(&first)
        .unwrap_or_else(|| panic!("{first}\n{out}"));
    let (json, facts) = rest.split_once('\n').expect("lines");
    let json: serde_json::Value = serde_json::from_str(json).expect("JSON");
    assert_eq!(json["stop"], 7);
    assert_eq!(json["symbol"], "DOUBLE_FREE");
    assert_eq!(json["block"]["size"], 40);
    assert_eq!(json["block"]["state"], "free");
    assert!(
        json["allocated"]["frames"]
            .as_array()
            .expect("frames")
            .len()
            > 1
    );
    assert!(json["freed"]["frames"].as_array().expect("frames").len() > 1);
    assert_eq!(
        facts,
        "calls 1, size 1\n\
         stop 7 DOUBLE_FREE, free, heap \"process heap\"\n\
         block 1, address 1, 40 bytes, state 2\n\
         parameters 1 1 1 1\n\
         threads 1 1\n\
         stacks 1 1\n\
         whole 1 1\n\
         cut \"ntheap: V\" of 1\n\
         second 11\n\
         none 11\n"
    );
}
