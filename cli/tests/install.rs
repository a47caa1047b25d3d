//! `install.sh`: what it puts where, and that it works from there.

#![cfg(target_os = "linux")]

mod common;

use common::{
    clean, folder, library, output, profile_folder, root, skip, stderr, stdout, trace_library,
    windows_library,
};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// install.sh with a target folder whose release build is the one under test.
fn install(target: &Path) -> Command {
    let release = target.join("release");
    fs::create_dir_all(&release).expect("made");
    fs::copy(library(), release.join("libntheap.so")).expect("copied");
    fs::copy(windows_library(), release.join("libntheap_win32.so")).expect("copied");
    fs::copy(trace_library(), release.join("libntheap_trace.so")).expect("copied");
    fs::copy(profile_folder().join("ntheap"), release.join("ntheap")).expect("copied");
    let mut command = Command::new("sh");
    command
        .arg(root().join("install.sh"))
        .env("CARGO_TARGET_DIR", target);
    clean(&mut command);
    command
}

#[test]
fn the_installed_command_finds_the_installed_library() {
    let folder = folder("install");
    let prefix = folder.join("a prefix").join("new");
    let moved = folder.join("moved");
    let out = output(install(&folder.join("target")).arg(&prefix));
    assert!(out.status.success(), "{}", stderr(&out));

    // Once more over what is there, as an update does.
    let out = output(install(&folder.join("target")).arg(&prefix));
    assert!(out.status.success(), "{}", stderr(&out));
    let (headers, others): (Vec<String>, Vec<String>) = files(&prefix, &prefix)
        .into_iter()
        .partition(|file| file.starts_with("include/ntheap/"));
    assert_eq!(
        others.into_iter().collect::<BTreeSet<_>>(),
        [
            "bin/ntheap",
            "lib/libntheap.so",
            "lib/libntheap_trace.so",
            "lib/libntheap_win32.so",
            "lib/pkgconfig/ntheap-win32.pc",
            "lib/pkgconfig/ntheap.pc"
        ]
        .map(str::to_owned)
        .into()
    );
    let include = root().join("capi/include");
    let expected: BTreeSet<String> = files(&include, &include)
        .iter()
        .map(|file| format!("include/ntheap/{file}"))
        .collect();
    assert!(expected.contains("include/ntheap/windows.h"));
    assert_eq!(headers.into_iter().collect::<BTreeSet<_>>(), expected);

    fs::rename(&prefix, &moved).expect("moved");
    let mut run = Command::new(moved.join("bin/ntheap"));
    clean(&mut run);
    let out = output(run.args(["run", "--", "sh", "-c", "exit 7"]));
    assert_eq!(out.status.code(), Some(7), "{}", stderr(&out));
}

#[test]
fn pkg_config_finds_it_wherever_it_was_moved() {
    let folder = folder("pkg-config");
    let (prefix, moved) = (folder.join("first"), folder.join("second"));
    let out = output(install(&folder.join("target")).arg(&prefix));
    assert!(out.status.success(), "{}", stderr(&out));
    fs::rename(&prefix, &moved).expect("moved");

    for file in ["ntheap.pc", "ntheap-win32.pc"] {
        let text = fs::read_to_string(moved.join("lib/pkgconfig").join(file)).expect(file);
        assert!(!text.contains(folder.to_str().expect("UTF-8")), "{text}");
        assert!(text.contains(&format!("Version: {}\n", env!("CARGO_PKG_VERSION"))));
    }

    let flags = |package: &str| {
        let mut pkg_config = Command::new("pkg-config");
        pkg_config
            .env("PKG_CONFIG_PATH", moved.join("lib/pkgconfig"))
            .args(["--cflags", "--libs", package]);
        match pkg_config.output() {
            Ok(out) => {
                assert!(out.status.success(), "{}", stderr(&out));
                let flags = stdout(&out);
                Some(flags.split_whitespace().map(str::to_owned).collect())
            }
            Err(e) => {
                skip("the .pc files through pkg-config", &e.to_string());
                None::<Vec<String>>
            }
        }
    };
    let (Some(plain), Some(windows)) = (flags("ntheap"), flags("ntheap-win32")) else {
        return;
    };
    let library_folder = |flag: &str| {
        let folder = flag.strip_prefix("-L").expect("-L");
        assert!(Path::new(folder).join("libntheap.so").is_file(), "{flag}");
        assert!(Path::new(folder).join("libntheap_win32.so").is_file());
    };
    assert_eq!(plain.len(), 2, "{plain:?}");
    library_folder(&plain[0]);
    assert_eq!(plain[1], "-lntheap");

    let include = windows[0].strip_prefix("-I").expect("-I first");
    assert!(
        Path::new(include).join("windows.h").is_file(),
        "{windows:?}"
    );
    assert_eq!(windows[1], "-fshort-wchar");
    library_folder(&windows[2]);
    // This before the other, which it needs.
    let libraries: Vec<&str> = windows[3..]
        .iter()
        .map(String::as_str)
        .filter(|flag| flag.starts_with("-l"))
        .collect();
    assert_eq!(libraries, ["-lntheap_win32", "-lntheap"]);
}

/// The commands between ```sh and ``` in a text.
fn commands(text: &str) -> Vec<&str> {
    text.split("```sh\n")
        .skip(1)
        .map(|rest| rest.split_once("```").expect("an end").0)
        .collect()
}

#[test]
fn the_commands_of_the_porting_guide_work() {
    let text = fs::read_to_string(root().join("docs/porting.md")).expect("docs/porting.md");
    let section = text
        .split_once("## Porting Windows C and C++\n")
        .expect("the section")
        .1;
    let section = section.split("\n## ").next().expect("its text");
    let commands = commands(section);
    assert_eq!(commands.len(), 3, "one for each of the places below");
    assert!(commands[1].contains("pkg-config --cflags --libs ntheap-win32"));

    let folder = folder("porting");
    let run = |commands: &str| {
        let mut shell = Command::new("bash");
        clean(&mut shell);
        output(
            shell
                .args(["-euo", "pipefail", "-c", commands])
                .current_dir(root())
                .env("CARGO_TARGET_DIR", folder.join("target"))
                .env("PREFIX", folder.join("prefix")),
        )
    };
    // What install.sh finds built is what is tested here.
    drop(install(&folder.join("target")));
    let out = run(commands[0]);
    assert!(out.status.success(), "{}", stderr(&out));

    for (program, needed) in [
        ("g++", commands[1]),
        ("x86_64-w64-mingw32-g++", commands[2]),
    ] {
        let there = Command::new("sh")
            .args(["-c", &format!("command -v {program} pkg-config")])
            .output()
            .expect("sh runs");
        if !there.status.success() {
            skip(
                "the porting guide",
                &format!("{program} or pkg-config is not installed"),
            );
            continue;
        }
        let out = run(needed);
        assert!(out.status.success(), "{needed}\n{}", stderr(&out));
    }
    if folder.join("prefix/heap_allocator").is_file() {
        let out = run("$PREFIX/heap_allocator");
        assert!(out.status.success(), "{}", stderr(&out));
        assert!(stdout(&out).contains("The new heap id is\t"));
    }
}

#[test]
fn the_windows_program_of_the_readme_works() {
    let text = fs::read_to_string(root().join("README.md")).expect("README.md");
    let section = text
        .split_once("## The Windows names\n")
        .expect("the section")
        .1;
    let section = section.split("\n## ").next().expect("its text");
    let program = section.split_once("```c\n").expect("a program").1;
    let program = program.split_once("```").expect("its end").0;
    let commands = commands(section);
    assert_eq!(commands.len(), 1);

    let there = Command::new("sh")
        .args(["-c", "command -v cc pkg-config"])
        .output()
        .expect("sh runs");
    if !there.status.success() {
        skip("the README's program", "cc or pkg-config is not installed");
        return;
    }
    let folder = folder("readme");
    drop(install(&folder.join("target")));
    fs::write(folder.join("tenant.c"), program).expect("written");
    let mut shell = Command::new("bash");
    clean(&mut shell);
    // The commands are a checkout's; only their output is written elsewhere.
    let commands = commands[0].replace(
        "./install.sh",
        root().join("install.sh").to_str().expect("UTF-8"),
    );
    let out = output(
        shell
            .args(["-euo", "pipefail", "-c", &commands])
            .current_dir(&folder)
            .env("CARGO_TARGET_DIR", folder.join("target"))
            .env("PREFIX", folder.join("prefix")),
    );
    assert!(out.status.success(), "{}", stderr(&out));
    assert_eq!(stderr(&out), "");
    let said = "100 bytes\nmore than the heap has: error 8\n";
    assert!(stdout(&out).ends_with(said), "{}", stdout(&out));
}

#[test]
fn without_a_prefix_it_explains_itself() {
    for arguments in [&[][..], &["--help"], &["a", "b"]] {
        let mut command = Command::new("sh");
        let out = output(command.arg(root().join("install.sh")).args(arguments));
        assert_eq!(out.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&out).contains("usage: install.sh PREFIX"));
    }
}

/// The files below a folder, relative to `to`.
fn files(folder: &Path, to: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path, to));
        } else {
            let relative = path.strip_prefix(to).expect("below");
            found.push(relative.to_str().expect("UTF-8").to_owned());
        }
    }
    found
}
