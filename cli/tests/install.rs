//! `install.sh`: what it puts where, and that it works from there.

#![cfg(target_os = "linux")]

mod common;

use common::{clean, folder, library, output, profile_folder, root, skip, stderr, stdout};
use std::fs;
use std::path::Path;
use std::process::Command;

/// install.sh with a target folder whose release build is the one under test.
fn install(target: &Path) -> Command {
    let release = target.join("release");
    fs::create_dir_all(&release).expect("made");
    fs::copy(library(), release.join("libntheap.so")).expect("copied");
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
    let mut found: Vec<String> = files(&prefix, &prefix);
    found.sort();
    assert_eq!(
        found,
        ["bin/ntheap", "lib/libntheap.so", "lib/pkgconfig/ntheap.pc"]
    );

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

    let text = fs::read_to_string(moved.join("lib/pkgconfig/ntheap.pc")).expect("ntheap.pc");
    assert!(!text.contains(folder.to_str().expect("UTF-8")), "{text}");
    assert!(text.contains(&format!("Version: {}\n", env!("CARGO_PKG_VERSION"))));

    let mut pkg_config = Command::new("pkg-config");
    pkg_config
        .env("PKG_CONFIG_PATH", moved.join("lib/pkgconfig"))
        .args(["--libs", "ntheap"]);
    match pkg_config.output() {
        Ok(out) => {
            assert!(out.status.success(), "{}", stderr(&out));
            let flags = stdout(&out);
            let flags: Vec<&str> = flags.split_whitespace().collect();
            let folder = flags[0].strip_prefix("-L").expect("-L first");
            assert!(
                Path::new(folder).join("libntheap.so").is_file(),
                "{flags:?}"
            );
            assert_eq!(flags[1], "-lntheap");
        }
        Err(e) => {
            skip("ntheap.pc through pkg-config", &e.to_string());
        }
    }
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
