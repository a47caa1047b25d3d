//! What the library notes down when it is loaded: whose malloc the process
//! calls. `ntheap run` relies on it.

#![cfg(target_os = "linux")]

mod common;

use common::{command, compiled_as, folder, library, run};
use serde_json::Value;
use std::fs;
use std::path::Path;

const SOURCE: &str = "whose_malloc.c";

/// Runs a program with these objects preloaded; the library's first note.
fn loaded(program: &Path, preload: &[&Path]) -> Value {
    let folder = folder("loaded");
    let notes = folder.join("notes");
    let list: Vec<_> = preload.iter().map(|path| path.as_os_str()).collect();
    run(command(program)
        .env("LD_PRELOAD", list.join(":".as_ref()))
        .env("NTHEAP_RUN_REPORT", &notes))
    .expect_success("the program");
    let notes = fs::read_to_string(notes).expect("the library's notes");
    let _ = fs::remove_dir_all(folder);
    let first = notes.lines().next().expect("a line");
    let note: Value = serde_json::from_str(first).unwrap_or_else(|e| panic!("{e} in {first}"));
    assert_eq!(note["event"], "loaded");
    note
}

#[test]
fn it_is_ours_in_a_program_like_any() {
    let Some(program) = compiled_as("plain", "whose malloc", SOURCE, &["-fpie", "-pie"]) else {
        return;
    };
    assert_eq!(loaded(&program, &[library()])["malloc"], "ours");
}

#[test]
fn it_is_ours_where_the_program_has_a_jump_to_it() {
    let flags = ["-fno-pie", "-no-pie"];
    let Some(program) = compiled_as("jump", "whose malloc", SOURCE, &flags) else {
        return;
    };
    assert_eq!(loaded(&program, &[library()])["malloc"], "ours");
}

#[test]
fn it_is_the_programs_where_that_has_one() {
    for (name, flags) in [
        ("own-pie", ["-fpie", "-pie"]),
        ("own-no-pie", ["-fno-pie", "-no-pie"]),
    ] {
        let flags = [flags[0], flags[1], "-DOWN", "-rdynamic"];
        let Some(program) = compiled_as(name, "whose malloc", SOURCE, &flags) else {
            return;
        };
        let note = loaded(&program, &[library()]);
        assert_eq!(note["malloc"], "other", "{name}");
        let object = note["object"].as_str().expect("an object");
        assert!(object.ends_with(name), "{object}");
    }
}

#[test]
fn it_is_another_objects_where_that_comes_first() {
    let flags = ["-shared", "-fPIC", "-DSHARED"];
    let Some(other) = compiled_as("other.so", "whose malloc", SOURCE, &flags) else {
        return;
    };
    for (name, flags) in [
        ("behind-pie", ["-fpie", "-pie"]),
        ("behind-no-pie", ["-fno-pie", "-no-pie"]),
    ] {
        let Some(program) = compiled_as(name, "whose malloc", SOURCE, &flags) else {
            return;
        };
        let note = loaded(&program, &[&other, library()]);
        assert_eq!(note["malloc"], "other", "{name}");
        assert_eq!(loaded(&program, &[library(), &other])["malloc"], "ours");
    }
}
