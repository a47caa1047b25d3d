//! Processes with a file system of their own, as in a container: what their files say is read
//! from there, and never from a file of the same path here.

use super::common::running::Running;
use super::common::{compile, folder, library, skip, stderr, stdout};
use super::{json, look};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A program that keeps a block which `NAME` allocated, and loses one.
fn source(name: &str) -> String {
    format!(
        r#"
#include <stdio.h>
#include <stdlib.h>
static void *volatile kept;
__attribute__((noinline)) void *{name}(size_t size) {{
    char *block = malloc(size);
    block[0] = 1;
    return block;
}}
int main(void) {{
    kept = {name}(12345);
    printf("ready\n");
    fflush(stdout);
    getchar();
    return 0;
}}
"#
    )
}

/// Starts the program that lies in `theirs` at a path under `here`, where this process sees
/// another file: `script` makes it so in a mount namespace of its own.
fn start(here: &Path, theirs: &Path, script: &str) -> Option<Running> {
    let probe = Command::new("unshare")
        .args(["-Urm", "sh", "-c", "mount -t tmpfs none /tmp"])
        .output();
    match probe {
        Ok(out) if out.status.success() => {}
        Ok(out) => {
            skip("mount namespaces", stderr(&out).trim());
            return None;
        }
        Err(why) => {
            skip("mount namespaces", &format!("unshare: {why}"));
            return None;
        }
    }
    let mut command = Command::new("unshare");
    command.args(["-Urm", "sh", "-c", script, "sh"]);
    command.arg(here).arg(theirs).arg(library());
    let mut running = Running::start(&mut command);
    running.until_ready();
    Some(running)
}

/// What `walk` says of the planted block's call stack.
fn walked(of: &str) -> String {
    let out = look(&["walk", of, "--size", "12345"]);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    stdout(&out)
}

#[test]
fn files_are_those_of_the_process() {
    let folder = folder("look-mounts");
    let (here, theirs) = (folder.join("here"), folder.join("theirs"));
    for (place, name) in [(&here, "decoy_of_this_side"), (&theirs, "made_in_there")] {
        fs::create_dir(place).expect("a folder");
        let program = place.join("program");
        if !compile("look-mounts", &source(name), &program, &["-O1"]) {
            return;
        }
    }
    // The library too lies where only the process sees it.
    let script = "mount --bind \"$2\" \"$1\" && cp \"$3\" \"$2/libntheap.so\" && \
                  export NTHEAP_GFLAGS=+ust LD_PRELOAD=\"$1/libntheap.so\" && exec \"$1/program\"";
    let Some(running) = start(&here, &theirs, script) else {
        return;
    };
    let pid = running.pid();
    let told = walked(&pid);
    assert!(told.contains("made_in_there"), "{told}");
    assert!(!told.contains("decoy"), "{told}");
    // A snapshot that outlives the process has the names while it is there, and none of
    // another file afterwards.
    let file = folder.join("kept.heap");
    let file = file.to_str().expect("UTF-8");
    let out = look(&["snapshot", &pid, "-o", file]);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    assert!(walked(file).contains("made_in_there"));
    let found = json(&look(&[
        "walk", &pid, "--size", "12345", "--format", "json",
    ]));
    assert!(found.to_string().contains("made_in_there"), "{found}");
    running.end();
    let told = walked(file);
    assert!(
        !told.contains("made_in_there") && !told.contains("decoy"),
        "{told}"
    );
    assert!(told.contains("program+0x"), "{told}");
}

/// A namespace of its own changes nothing for files that are the same ones here.
#[test]
fn files_that_are_the_same_here_keep_their_names() {
    let folder = folder("look-mounts-same");
    let program = folder.join("program");
    if !compile("look-mounts-same", &source("made_here"), &program, &["-O1"]) {
        return;
    }
    let script = "export NTHEAP_GFLAGS=+ust LD_PRELOAD=\"$3\"; exec \"$1/program\"";
    let Some(running) = start(&folder, &folder, script) else {
        return;
    };
    let pid = running.pid();
    assert!(walked(&pid).contains("made_here"));
    let page = folder.join("map.html");
    let out = look(&["map", &pid, "-o", page.to_str().expect("UTF-8")]);
    assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
    let page = fs::read_to_string(page).expect("a page");
    let name = program.to_str().expect("UTF-8");
    assert!(page.contains(name) && !page.contains("/root/"), "{name}");
    running.end();
}
