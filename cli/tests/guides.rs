//! Every command of the guides runs, and prints what they say.
//!
//! A guide's blocks of console lines are one shell's, in a folder that has the
//! guide's sources: blocks whose first line names a file. In what a command prints, a line
//! of three dots stands for any lines, and three dots in a line for any text.

#![cfg(target_os = "linux")]

mod common;

use common::{folder, library, output, profile_folder, root, stdout, windows_library};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A command, and the lines that it is said to print.
struct Step {
    command: String,
    said: Vec<String>,
}

/// A guide's files and commands.
fn read(text: &str) -> (Vec<(String, String)>, Vec<Step>) {
    let (mut files, mut steps) = (Vec::new(), Vec::<Step>::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        match kind.split_once(' ') {
            Some((_, name)) => files.push((name.to_owned(), block.join("\n") + "\n")),
            None if kind == "console" => {
                for line in block {
                    if let Some(command) = line.strip_prefix("$ ") {
                        steps.push(Step {
                            command: command.to_owned(),
                            said: Vec::new(),
                        });
                    } else {
                        let step = steps.last_mut().expect("a command comes first");
                        step.said.push(line.to_owned());
                    }
                }
            }
            None => {}
        }
    }
    (files, steps)
}

/// Whether a line is what was said, three dots standing for anything.
fn is_line(said: &str, line: &str) -> bool {
    let mut parts = said.split("...");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn is_output(said: &[String], lines: &[&str]) -> bool {
    match said.split_first() {
        None => lines.is_empty(),
        Some((any, said)) if any == "..." => {
            (0..=lines.len()).any(|skipped| is_output(said, &lines[skipped..]))
        }
        Some((first, said)) => lines
            .split_first()
            .is_some_and(|(line, lines)| is_line(first, line) && is_output(said, lines)),
    }
}

/// What comes before a command's output.
const MARK: &str = "\u{1}step ";

fn run(guide: &str) {
    let path = root().join("docs/guides").join(guide);
    let text = fs::read_to_string(&path).expect("the guide");
    let (files, steps) = read(&text);
    assert!(!steps.is_empty(), "{guide} has no commands");
    let folder = folder(&format!("guide-{guide}"));
    for (name, contents) in files {
        fs::write(folder.join(name), contents).expect("written");
    }
    packages(&folder);
    let mut script = String::new();
    for step in &steps {
        // On a line of its own whatever was printed before.
        script.push_str(&format!("printf '\\n{MARK}\\n'\n{}\n", step.command));
    }
    fs::write(folder.join("script"), script).expect("written");
    library();
    windows_library();
    let built = profile_folder();
    let built = built.to_str().expect("UTF-8");
    let path = std::env::var("PATH").expect("a path");
    let mut shell = Command::new("bash");
    common::clean(&mut shell);
    shell
        .args(["-c", "exec bash script 2>&1"])
        .current_dir(&folder)
        .env("PATH", format!("{built}:{path}"))
        .env("LD_LIBRARY_PATH", built)
        .env("PKG_CONFIG_PATH", &folder);
    let out = output(&mut shell);
    let printed = stdout(&out);
    let mark = format!("\n{MARK}\n");
    let mut answers = printed.split(&mark);
    assert_eq!(answers.next(), Some(""), "{printed}");
    for step in &steps {
        let answer = answers.next().unwrap_or("(the shell ended)");
        let lines: Vec<&str> = answer.lines().collect();
        assert!(
            is_output(&step.said, &lines),
            "{guide}: {}\nprinted\n{answer}\nand was said to print\n{}",
            step.command,
            step.said.join("\n")
        );
    }
}

/// What pkg-config says of the libraries that the tests built.
fn packages(folder: &Path) {
    let include = root().join("capi/include");
    let built = profile_folder();
    let text = format!(
        "Name: ntheap-win32\nDescription: the Windows names\nVersion: 0\n\
         Cflags: -I{} -fshort-wchar\nLibs: -L{} -lntheap_win32 -lntheap\n",
        include.display(),
        built.display()
    );
    fs::write(folder.join("ntheap-win32.pc"), text).expect("written");
}

/// Names the guides that this machine lacks the programs for.
fn has_programs(guide: &str, names: &[&str]) -> bool {
    let has = |name: &&&str| Command::new(**name).arg("--version").output().is_ok();
    match names.iter().find(|name| !has(name)) {
        Some(name) => common::skip(guide, &format!("{name} is not installed")),
        None => true,
    }
}

#[test]
fn replacing_an_allocator() {
    run("replacing.md");
}

#[test]
fn heaps_with_limits() {
    if has_programs("heaps.md", &["cc", "pkg-config"]) {
        run("heaps.md");
    }
}

#[test]
fn an_overrun() {
    if has_programs("overrun.md", &["cc"]) {
        run("overrun.md");
    }
}

#[test]
fn a_leak() {
    if has_programs("leak.md", &["cc"]) {
        run("leak.md");
    }
}

#[test]
fn frees_across_modules() {
    if has_programs("modules.md", &["cc", "pkg-config"]) {
        common::trace_library();
        run("modules.md");
    }
}

#[test]
fn reading_the_map() {
    run("map.md");
}

#[test]
fn every_guide_is_run_and_read_of() {
    let source = include_str!("guides.rs");
    let readme = fs::read_to_string(root().join("README.md")).expect("the README");
    let guides = fs::read_dir(root().join("docs/guides")).expect("the guides");
    for guide in guides {
        let name = guide.expect("a guide").file_name();
        let name = name.to_str().expect("UTF-8");
        assert!(source.contains(&format!("run(\"{name}\")")), "{name}");
        assert!(readme.contains(&format!("docs/guides/{name}")), "{name}");
    }
}

#[test]
fn dots_stand_for_anything() {
    assert!(is_line("a ... c", "a b c") && is_line("...", "") && is_line("a", "a"));
    assert!(!is_line("a ... c", "a b d") && !is_line("a", "ab") && !is_line("ab", "a"));
    let said = ["x", "...", "z"].map(str::to_owned);
    assert!(is_output(&said, &["x", "y", "y", "z"]) && is_output(&said, &["x", "z"]));
    assert!(!is_output(&said, &["x", "y"]) && !is_output(&said, &["z"]));
    assert!(!is_output(&[], &["x"]));
}
