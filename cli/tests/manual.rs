//! Manual pages and completions have every command and its options.

mod common;

use common::{folder, ntheap, output, stderr, stdout};
use std::fs;
use std::process::{Command, Stdio};

/// The commands that `ntheap --help` lists.
fn commands() -> Vec<String> {
    let text = stdout(&output(ntheap().arg("-h")));
    let list = text.split("Commands:\n").nth(1).expect("a list");
    let names = list.lines().take_while(|line| line.starts_with("  "));
    let names: Vec<String> = names
        .filter_map(|line| line.split_whitespace().next())
        .filter(|&name| name != "help")
        .map(str::to_owned)
        .collect();
    assert!(names.len() >= 13, "{names:?}");
    names
}

/// A command's long options.
fn options(command: &str) -> Vec<String> {
    let text = stdout(&output(ntheap().args([command, "-h"])));
    let is_name = |c: char| c.is_ascii_lowercase() || c == '-';
    let names = text.lines().filter_map(|line| {
        let line = line.trim_start();
        let at = line.starts_with('-').then(|| line.find("--"))??;
        let rest = &line[at..];
        Some(rest[..rest.find(|c| !is_name(c)).unwrap_or(rest.len())].to_owned())
    });
    names.filter(|name| name != "--help").collect()
}

#[test]
fn every_command_has_a_page_with_its_options() {
    let folder = folder("manual");
    let out = output(ntheap().arg("man").arg(&folder));
    assert!(out.status.success(), "{}", stderr(&out));
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect(name);
    let first = read("ntheap.1");
    for command in commands() {
        assert!(
            first.contains(&format!("ntheap\\-{command}(1)")),
            "{command}"
        );
        let page = read(&format!("ntheap-{command}.1"));
        let title = format!(
            ".TH ntheap-{command} 1  \"ntheap {}\"",
            env!("CARGO_PKG_VERSION")
        );
        assert!(page.contains(&title), "{command}: {page}");
        for option in options(&command) {
            let written = option.replace('-', "\\-");
            assert!(page.contains(&written), "{command} {option}");
        }
    }
    assert!(!folder.join("ntheap-demo-child.1").exists());
    assert!(read("ntheap-run.1").contains("Exit status:"));

    let file = folder.join("ntheap.1");
    let out = output(ntheap().arg("man").arg(&file));
    assert_eq!(out.status.code(), Some(5));
    assert!(stderr(&out).contains("cannot write to"));
}

#[test]
fn completions_know_every_command_and_option() {
    let commands = commands();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let out = output(ntheap().args(["completions", shell]));
        assert!(out.status.success(), "{}", stderr(&out));
        let text = stdout(&out);
        for command in &commands {
            assert!(text.contains(command.as_str()), "{shell} {command}");
            for option in options(command) {
                // Fish has them without their dashes.
                let bare = option.trim_start_matches('-');
                assert!(text.contains(bare), "{shell} {command} {option}");
            }
        }
        assert!(!text.contains("demo-child"), "{shell}");
        if shell == "bash" {
            let mut bash = Command::new("bash");
            bash.args(["-n", "/dev/stdin"]).stdin(Stdio::piped());
            let mut bash = bash.spawn().expect("bash runs");
            std::io::Write::write_all(&mut bash.stdin.take().expect("a pipe"), &out.stdout)
                .expect("written");
            assert!(bash.wait().expect("it ends").success());
        }
    }
    let out = output(ntheap().args(["completions", "cmd.exe"]));
    assert_eq!(out.status.code(), Some(2));
}
